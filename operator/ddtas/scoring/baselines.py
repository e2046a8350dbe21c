"""What anybody could have said without a model: the last observation, and the mean of this time of the year."""

from typing import Any

import numpy
import pyarrow
import pyarrow.compute as pc

_NEAR = 15  # days around the same day of other years
_FEWEST = 10  # observations that a mean is made of
_DAYS = 366
_HOURS = 24
_MOST_CELLS = 20_000_000
# Days before each month, in a year that has a 29 February.
_BEFORE = numpy.array([0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])


def persistence(values: Any, series: Any) -> Any:
    """(n,) the observation before each one, in its own series; NaN of the first.

    Args:
        values: (n,) ordered by time.
        series: (n,) the number of the series of each.
    """
    order = numpy.argsort(series, kind="stable")
    before = numpy.full(len(values), numpy.nan)
    same = series[order[1:]] == series[order[:-1]]
    before[order[1:]] = numpy.where(same, values[order[:-1]], numpy.nan)
    return before


def climatology(values: Any, series: Any, times: Any, past: Any, zone: str | None, hourly: bool) -> Any:
    """(n,) the mean of past observations of the same series near the same day of the year; NaN where there are too few.

    Args:
        values: (n,) observations.
        series: (n,) the number of the series of each.
        times: Arrow array of (n,) days or moments.
        past: (n,) whether one came before the period: of no other a mean is made.
        zone: IANA zone of the days; None for UTC.
        hourly: compare the same hour of the day only.
    """
    day, hour = _calendar(times, zone)
    hours = _HOURS if hourly else 1
    shape = (int(series.max()) + 1, _DAYS, hours)
    if not past.any() or numpy.prod(shape, dtype=float) > _MOST_CELLS:
        return numpy.full(len(values), numpy.nan)
    cell = (series * _DAYS + day) * hours + (hour if hourly else 0)
    size = int(numpy.prod(shape))
    count = _around(numpy.bincount(cell[past], minlength=size).reshape(shape).astype(float))
    total = _around(numpy.bincount(cell[past], values[past], minlength=size).reshape(shape))
    means = numpy.where(count >= _FEWEST, total / numpy.maximum(count, 1), numpy.nan)
    return means.reshape(-1)[cell]


def _around(counts: Any) -> Any:
    """The sum over the days around each day of the year."""
    return sum(numpy.roll(counts, shift, axis=1) for shift in range(-_NEAR, _NEAR + 1))


def _calendar(times: Any, zone: str | None) -> tuple[Any, Any]:
    """Day of the year, from 0, and hour of the day."""
    if not pyarrow.types.is_date(times.type):
        times = pc.local_timestamp(times.cast(pyarrow.timestamp("us", tz=zone or "UTC")))
    else:
        times = times.cast(pyarrow.timestamp("us"))
    month, day, hour = (numpy.asarray(part(times)) for part in (pc.month, pc.day, pc.hour))
    return _BEFORE[month - 1] + day - 1, hour
