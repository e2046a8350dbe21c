"""The time axis of data: from when until when, in which order, and with which step. Pure, and in constant memory."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_MAX_STEPS = 64  # different steps that are counted; a regular series has few
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339, with the space and the missing offset that many servers write.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?( ?(Z|z|[+-][0-9]{2}(:?[0-9]{2})?))?"
)
_DAY_SECONDS = 86400

Moment = date | datetime
NO_OFFSET = "times in {} have no offset, and the contract has no timeZone that is known: it must say of which zone"
"""Why nothing is known of when data is, with the name of a field."""


def day(value: str) -> date | None:
    """The day that a text names (YYYY-MM-DD), or None."""
    # fromisoformat alone takes other forms of ISO 8601 too (2024-W01-1, 20240101).
    if not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def timestamp(value: str, zone: str | None = None) -> datetime | None:
    """The moment that a text names (RFC 3339), in UTC to the second; or None. A day alone is no moment.

    Args:
        value: the text.
        zone: the IANA time zone of a text without an offset. Without one, or in one that is not known, it names no
            moment: nothing says that it is UTC.
    """
    time = local_or_absolute(value)
    try:
        if time is not None and time.tzinfo is None:
            place = _zone(zone) if zone else None
            time = time.replace(tzinfo=place) if place else None
        return time.astimezone(UTC).replace(microsecond=0) if time else None
    except (ValueError, OverflowError):
        return None


def local_or_absolute(value: str) -> datetime | None:
    """The time that a text names (RFC 3339), without a time zone where it has no offset; or None."""
    if not _TIMESTAMP.fullmatch(value):
        return None
    text = value.replace(",", ".").replace(" ", "T", 1).replace(" ", "").replace("z", "Z")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of them, such as Europe
        return None


def iso(moment: Moment | None) -> str | None:
    """As the facts have it: 2024-01-31, or 2024-01-31T12:00:00Z."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment.year >= 1000 else None
    return moment.isoformat() if moment else None


class Axis:
    """Days, or moments in UTC, in the order of the data: extremes, direction, and how often each step occurs."""

    __slots__ = ("_previous", "_steps", "falling", "first", "last", "rising")

    def __init__(self) -> None:
        self.first: Moment | None = None
        self.last: Moment | None = None
        self.rising = True
        self.falling = True
        self._previous: Moment | None = None
        self._steps: Counter[str] = Counter()

    def add(self, moments: Sequence[Moment]) -> None:
        """Take the next moments: all days, or all timestamps, over the life of this axis."""
        if not moments:
            return
        self.first = min(moments) if self.first is None else min(self.first, *moments)
        self.last = max(moments) if self.last is None else max(self.last, *moments)
        previous = self._previous or moments[0]
        for moment in moments:
            if moment > previous:
                self.falling = False
                self._count(_step(previous, moment))
            elif moment < previous:
                self.rising = False
                self._count(_step(moment, previous))
            previous = moment  # the same moment once more is another record of it, and no step
        self._previous = previous

    def _count(self, step: str) -> None:
        self._steps[step if step in self._steps or len(self._steps) < _MAX_STEPS else "other"] += 1

    def resolution(self) -> str | None:
        """The step that most steps are, as an ISO 8601 duration; None when there is no such step."""
        if not self._steps:
            return None
        step, times = self._steps.most_common(1)[0]
        return step if step != "other" and 2 * times > self._steps.total() else None


def _step(earlier: Moment, later: Moment) -> str:
    """The step between two different moments: P1M and P1Y by the calendar, else days, hours, minutes or seconds."""
    if isinstance(earlier, datetime) and isinstance(later, datetime):
        seconds = int((later - earlier).total_seconds())
        if seconds % _DAY_SECONDS:
            for size, unit in ((3600, "H"), (60, "M"), (1, "S")):
                if seconds % size == 0:
                    return f"PT{seconds // size}{unit}"
        return _days(earlier.date(), later.date())
    return _days(earlier, later)


def _days(earlier: date, later: date) -> str:
    months = 12 * (later.year - earlier.year) + later.month - earlier.month
    same_place = earlier.day == later.day or (_ends_month(earlier) and _ends_month(later))
    if same_place and months in (1, 12):
        return "P1M" if months == 1 else "P1Y"
    return f"P{(later - earlier).days}D"


def _ends_month(when: date) -> bool:
    return when == date.max or (when + timedelta(days=1)).month != when.month
