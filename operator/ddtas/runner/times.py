"""Days and moments as sources write them, to UTC. Pure; arrays in and out."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow
import pyarrow.compute as pc

from ddtas.data.meaning.patterns import strptime
from ddtas.runner.faults import DeliveryError, DeliveryReason

MOMENT = pyarrow.timestamp("us", tz="UTC")
DAY = pyarrow.date32()
_LOCAL = pyarrow.timestamp("us")
# Some servers write nanoseconds, or seven decimals; what is finer than a microsecond is cut off.
_ISO = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?$"
_TOO_FINE = r"(\.\d{6})\d{1,3}"


Series = Callable[[int], Hashable]
"""Which series a row of the batch belongs to."""


@dataclass
class Passed:
    """What came by of the hours that come twice. Kept between batches.

    Attributes:
        hours: by series and day, the last clock so far, and whether that is its second time.
        series: of the rows of this batch.
        rising: how many steps went forward in time, less those that went back: below zero, the newest come first.
    """

    hours: dict[Hashable, tuple[int | None, bool]] = field(default_factory=dict)
    series: Series = lambda _: None
    rising: int = 0
    _last: int | None = None

    def note(self, local: Any) -> None:
        """Take in which way the times of a batch go."""
        import numpy

        clock = local.drop_null().cast(pyarrow.int64()).to_numpy()
        steps = numpy.diff(clock, prepend=clock[0] if self._last is None else self._last)
        self._last = int(clock[-1])
        self.rising += int(numpy.count_nonzero(steps > 0)) - int(numpy.count_nonzero(steps < 0))


def moments(values: Any, zone: str | None, pattern: str | None, name: str, passed: Passed) -> Any:
    """Texts, days or timestamps as moments in UTC; null where a text is none.

    Args:
        values: an array.
        zone: IANA zone of those without an offset; None where each must have one.
        pattern: TR35, of texts; None for ISO 8601.
        name: of the field, for messages.
        passed: of this field, so far.

    Raises:
        DeliveryError: TimeZoneUnknown, TimeDoesNotExist.
    """
    kind = values.type
    if pyarrow.types.is_timestamp(kind):
        return values.cast(MOMENT) if kind.tz else _placed(values.cast(_LOCAL), zone, name, passed)
    if pyarrow.types.is_date(kind):
        return _placed(values.cast(_LOCAL), zone, name, passed)
    if pattern is not None:
        local = pc.strptime(values, format=strptime(pattern), unit="us", error_is_null=True)
        return _placed(local, zone, name, passed)
    return _iso(values, zone, name, passed)


def _iso(values: Any, zone: str | None, name: str, passed: Passed) -> Any:
    fits = pc.match_substring_regex(values, _ISO)
    texts = pc.replace_substring_regex(pc.if_else(fits, values, None), _TOO_FINE, r"\1")
    with_offset = pc.match_substring_regex(texts, r"(Z|[+-]\d{2}:?\d{2})$")
    absolute = pc.if_else(with_offset, texts, None)
    local = pc.if_else(with_offset, None, texts)
    found = pyarrow.nulls(len(values), MOMENT)
    if absolute.null_count < len(values):
        found = _cast(absolute, MOMENT)
    if local.null_count < len(values):
        found = pc.coalesce(found, _placed(_cast(local, _LOCAL), zone, name, passed))
    return found


def _cast(texts: Any, kind: Any) -> Any:
    try:
        return texts.cast(kind)
    except pyarrow.ArrowInvalid:  # one of them has no such day or hour: one by one, and slowly
        return pyarrow.array([_one(text, kind) for text in texts], kind)


def _one(text: Any, kind: Any) -> Any:
    try:
        return pyarrow.scalar(text.as_py(), pyarrow.string()).cast(kind).as_py()
    except pyarrow.ArrowInvalid:
        return None


def _placed(local: Any, zone: str | None, name: str, passed: Passed) -> Any:
    """Local times as moments; of the hour that comes twice in autumn, the second begins where the clock goes back."""
    if local.null_count == len(local):
        return pyarrow.nulls(len(local), MOMENT)
    if zone is None:
        raise DeliveryError(
            DeliveryReason.TIME_ZONE_UNKNOWN,
            f"{name} has times without an offset, such as {_first(local)}, and the contract does not say of which "
            "time zone: give timeZone in the contract of the data source",
        )
    passed.note(local)
    early = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest").cast(MOMENT)
    late = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="latest").cast(MOMENT)
    twice = pc.not_equal(early, late)
    if not pc.any(twice).as_py():
        return early
    back = pc.local_timestamp(early.cast(pyarrow.timestamp("us", tz=zone)))
    skipped = pc.not_equal(back, local)
    if pc.any(skipped).as_py():
        raise DeliveryError(
            DeliveryReason.TIME_DOES_NOT_EXIST,
            f"{name} has the time {_first(local.filter(skipped))}, which does not exist in {zone} (clocks go forward "
            "then): correct timeZone in the contract, or ask the data supplier",
        )
    return _by_order(local, early, late, twice, passed)


def _by_order(local: Any, early: Any, late: Any, twice: Any, passed: Passed) -> Any:
    """Of times that come twice: the other moment from where, within one autumn's hour, the clock does not go on.

    That is where the local time stays or steps back and, of a source that gives the newest first, stays or steps on.
    """
    import numpy

    clock = local.cast(pyarrow.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    flags = twice.fill_null(False).to_numpy(zero_copy_only=False)
    second = numpy.zeros(len(clock), dtype=bool)
    day = clock // 86_400_000_000
    newest_first = passed.rising < 0
    for i in numpy.flatnonzero(flags):
        where = (passed.series(int(i)), int(day[i]))
        before, again = passed.hours.get(where, (None, False))
        if before is not None and not again:
            again = bool(clock[i] >= before if newest_first else clock[i] <= before)
        passed.hours[where] = (int(clock[i]), again)
        second[i] = again is not newest_first
    return pc.if_else(pyarrow.array(second), late, early)


def _first(values: Any) -> str:
    text = str(values.drop_null()[0])
    return text[:40]


def days(values: Any, zone: str | None, pattern: str | None) -> Any:
    """Texts, moments or days as days; null where a text is none.

    Args:
        values: an array; moments are of UTC.
        zone: whose days moments are of; None for UTC.
        pattern: TR35, of texts; None for ISO 8601.
    """
    kind = values.type
    if pyarrow.types.is_date(kind):
        return values.cast(DAY)
    if pyarrow.types.is_timestamp(kind):
        local = pc.local_timestamp(values.cast(pyarrow.timestamp("us", tz=zone or "UTC"))) if kind.tz else values
        return pc.floor_temporal(local, unit="day").cast(DAY)
    if pattern is not None:
        found = pc.strptime(values, format=strptime(pattern), unit="s", error_is_null=True)
        return pc.floor_temporal(found, unit="day").cast(DAY)
    texts = pc.if_else(pc.match_substring_regex(values, r"^\d{4}-\d{2}-\d{2}$"), values, None)
    return _cast(texts, DAY)


def bound(kind: Any, moment: datetime, zone: str | None) -> Any:
    """A moment as what is compared with times of a table: a moment in UTC, or its day in a zone."""
    if pyarrow.types.is_date(kind):
        return days(pyarrow.array([moment], MOMENT), zone, None)[0]
    return pyarrow.scalar(moment, MOMENT)


def beginnings(values: Any, zone: str) -> Any:
    """Days, by their beginning in a zone, or moments, as moments in UTC."""
    if not pyarrow.types.is_date(values.type):
        return values.cast(MOMENT)
    return pc.assume_timezone(values.cast(_LOCAL), zone, ambiguous="earliest", nonexistent="earliest").cast(MOMENT)
