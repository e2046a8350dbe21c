"""Moments that a cron expression names in a time zone, each Installation a little later in its own way. Pure.

In the night that clocks go forward, an hour that does not exist is made up for right after it; in the night that they
go back, an hour that comes twice counts once (as Debian's cron has it). An expression with a star for hour or minute
goes on counting.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ddtas.data.meaning import periods

_JITTER = timedelta(hours=1)
# In the files of time zones, and no names of zones: what they mean is up to the machine.
_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "posix", "right", "Factory"})


def offset(uid: str, jitter: str | None, at_most: timedelta = timedelta.max) -> timedelta:
    """How much later than it could an Installation begins: whole seconds below `jitter`, the same each time.

    Args:
        uid: the Installation's.
        jitter: an ISO 8601 duration; None means one hour.
        at_most: a bound on it.
    """
    width = min(at_most, (periods.span(jitter) or timedelta()) if jitter is not None else _JITTER)
    share = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8]) / 2**64
    return timedelta(seconds=int(width.total_seconds() * share))


@lru_cache(maxsize=256)
def zone(name: str | None) -> tzinfo | None:
    """The time zone of that name, UTC for none; None where there is no such zone."""
    if name is None:
        return UTC
    if name.partition("/")[0] in _OF_THE_MACHINE:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def fault(expression: str, time_zone: str | None) -> str | None:
    """Why a schedule means nothing; None where it does."""
    if zone(time_zone) is None:
        return f"timeZone: {time_zone} is no time zone: give an IANA name such as Europe/Amsterdam"
    try:
        CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        return (
            f"schedule: {expression} is no cron expression ({str(error).lower()}): give minute hour day month weekday"
        )
    return None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that has no fault, with the offset of one Installation."""

    expression: str
    time_zone: str | None
    offset: timedelta

    def after(self, moment: datetime) -> datetime | None:
        """The first time that is later than a moment; None where there is none."""
        return _next(self.expression, self.time_zone, moment, self.offset)

    def at_or_before(self, moment: datetime) -> datetime | None:
        """The last time that is not later than a moment; None where there is none."""
        return _last(self.expression, self.time_zone, moment, self.offset)

    def __str__(self) -> str:
        return f"schedule {self.expression} ({self.time_zone or 'UTC'})"


@lru_cache(maxsize=4096)
def _next(expression: str, time_zone: str | None, moment: datetime, later: timedelta) -> datetime | None:
    try:
        occurrence = next(CronSim(expression, _local(moment - later, time_zone)), None)
        return occurrence.astimezone(UTC) + later if occurrence is not None else None
    except OverflowError:  # what others say of the time may be the year 9999
        return None


def _last(expression: str, time_zone: str | None, moment: datetime, later: timedelta) -> datetime | None:
    try:
        # Going back, the base is left out.
        base = (moment - later).replace(microsecond=0) + timedelta(seconds=1)
        occurrence = next(CronSim(expression, _local(base, time_zone), reverse=True), None)
        return occurrence.astimezone(UTC) + later if occurrence is not None else None
    except OverflowError:
        return None


def _local(moment: datetime, time_zone: str | None) -> datetime:
    return moment.astimezone(zone(time_zone))
