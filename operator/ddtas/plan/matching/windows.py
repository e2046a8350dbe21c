"""The windows of calibration and validation: given as days, or counted back from the newest data. Pure.

Days stay the same for ever, and so does what a recalibration learns from. Counted back, each round has what came
since; which days those are is decided once a round, and recorded in the revision.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ddtas.api.installation import ChosenWindows, Windows
from ddtas.api.listing import Version
from ddtas.api.workload import RunWindow
from ddtas.data.meaning import periods
from ddtas.data.measured import SourceFacts
from ddtas.schema.types import Window


@dataclass(frozen=True, slots=True)
class CountedBack:
    """Windows that end with the newest day: validation, and right before it calibration.

    Attributes:
        calibration: its length, as an ISO 8601 duration.
        validation: likewise.
    """

    calibration: str
    validation: str

    def ending(self, newest: str) -> Windows | None:
        """The windows of which the last day is the newest one; None where the calendar begins later."""
        start = _back(newest, self.validation)
        before = _day_before(start) if start is not None else None
        first = _back(before, self.calibration) if before is not None else None
        if start is None or before is None or first is None:
            return None
        return Windows(calibration=Window(start=first, end=before), validation=Window(start=start, end=newest))


def asked(own: ChosenWindows | None, version: Version) -> Windows | CountedBack:
    """The windows that an Installation asks for, or else its version."""
    calibration, validation = (
        (own.calibration, own.validation)
        if own is not None
        else (version.calibration.window, version.validation.window)
    )
    if calibration.last is not None and validation.last is not None:
        return CountedBack(calibration.last, validation.last)
    return Windows(calibration=_days(calibration), validation=_days(validation))


def newest_day(facts: SourceFacts | None, promised: Window | None) -> str | None:
    """The last day of a source of which all is there; None where it is not known.

    A day whose newest record has a time may go on: the day before is the last whole one.
    """
    last = facts.last if facts is not None else None
    if last is None:
        return promised.end if promised is not None else None
    return _day_before(last[:10]) if len(last) > len("2026-01-31") else last


def common_day(days: Iterable[str | None]) -> str | None:
    """The newest day that all sources have; None where that is not known of one."""
    found = list(days)
    return min((day for day in found if day is not None), default=None) if None not in found else None


def _days(window: RunWindow) -> Window:
    assert window.start is not None  # noqa: S101 - the model has either days or a length
    assert window.end is not None  # noqa: S101
    return Window(start=window.start, end=window.end)


def _back(end: str, length: str) -> str | None:
    """The first day of a period of that length, of which `end` is the last."""
    try:
        after = datetime.combine(date.fromisoformat(end) + timedelta(days=1), datetime.min.time(), UTC)
    except (ValueError, OverflowError):
        return None
    start = periods.earlier(after, length, UTC)
    return start.date().isoformat() if start is not None and start < after else None


def _day_before(day: str) -> str | None:
    try:
        return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return None
