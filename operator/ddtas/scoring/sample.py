"""The rows of one target, with what was predicted of each, as its metrics have them."""

from dataclasses import dataclass
from typing import Any

import numpy
import pyarrow
import pyarrow.compute as pc

from ddtas.scoring import baselines
from ddtas.scoring.metrics.means import Sample
from ddtas.scoring.order import ScoredTarget, TargetKind
from ddtas.scoring.predictions import Predictions
from ddtas.scoring.truth import VALUE, Truth

_DAY = numpy.timedelta64(1, "D")


@dataclass(frozen=True)
class Units:
    """What is drawn as one, to get at intervals.

    Attributes:
        of_row: (n,) the number of the unit of each row, from 0, in the order of time.
        per_day: how many a day has; 1 where they are no shorter. None where they do not follow one another in time.
    """

    of_row: Any
    per_day: int | None


def sample(target: ScoredTarget, truth: Truth, predictions: Predictions, place: Any) -> Sample:
    """The rows of one target.

    Args:
        target: which one.
        truth: of it.
        predictions: of it.
        place: (n,) the row of the predictions that each row has.
    """
    withheld = truth.withheld
    if target.kind is TargetKind.CLASSES:
        observed = withheld.column(VALUE).combine_chunks()
        names = observed.unique()
        given = predictions.values.take(pyarrow.array(place))
        predicted = numpy.asarray(pc.fill_null(pc.index_in(given, names), -1).combine_chunks())[:, None]
        nothing = numpy.full(len(withheld), numpy.nan)
        return Sample(
            numpy.asarray(pc.index_in(observed, names)), predicted, numpy.zeros(len(withheld), int), nothing, nothing
        )
    values, series = _numbers(truth.rows), _series(truth.rows, target)
    asked = truth.asked
    return Sample(
        observed=values[asked],
        predicted=predictions.values[place],
        series=numpy.unique(series[asked], return_inverse=True)[1],
        persistence=_persistence(target, values, series)[asked],
        climatology=_climatology(target, truth, values, series)[asked],
    )


def _numbers(rows: Any) -> Any:
    return numpy.asarray(rows.column(VALUE).combine_chunks(), float)


def _series(rows: Any, target: ScoredTarget) -> Any:
    """(n,) the number of the series of each row. Without a time there are none: all rows are one sample."""
    series = numpy.zeros(len(rows), numpy.int64)
    for name in target.keys if target.time is not None else ():
        codes = numpy.asarray(rows.column(name).combine_chunks().dictionary_encode().indices, numpy.int64)
        series = numpy.unique(series * (int(codes.max()) + 1) + codes, return_inverse=True)[1]
    return series


def _persistence(target: ScoredTarget, values: Any, series: Any) -> Any:
    if target.time is None:
        return numpy.full(len(values), numpy.nan)
    return baselines.persistence(values, series)


def _climatology(target: ScoredTarget, truth: Truth, values: Any, series: Any) -> Any:
    if target.time is None:
        return numpy.full(len(values), numpy.nan)
    seen = numpy.ones(len(values), bool)
    seen[truth.asked] = False
    times = truth.rows.column(target.time).combine_chunks()
    hourly = _per_day(times) > 1
    return baselines.climatology(values, series, times, seen, target.time_zone, hourly)


def _per_day(times: Any) -> int:
    """How many moments a day has, by the time that most often lies between two; 1 where it is no shorter."""
    moments = numpy.unique(numpy.asarray(times.cast(pyarrow.timestamp("us"))))
    step = numpy.median(numpy.diff(moments)) if len(moments) > 1 else _DAY
    return max(1, round(float(_DAY / step)))


def units(target: ScoredTarget, withheld: Any) -> Units:
    """What is drawn as one: all rows of a key that was drawn, all rows of a moment, or else each row."""
    name = target.key or target.time
    if name is None:
        return Units(numpy.arange(len(withheld)), None)
    column = withheld.column(name).combine_chunks()
    if target.key is not None:
        return Units(numpy.asarray(column.dictionary_encode().indices, numpy.int64), None)
    numbers = numpy.asarray(column.cast(pyarrow.timestamp("us")))
    return Units(numpy.unique(numbers, return_inverse=True)[1], _per_day(column))


def period(target: ScoredTarget, withheld: Any) -> tuple[str | None, str | None]:
    """The times of the first and the last row (ISO 8601); None where the data has none."""
    if target.time is None:
        return None, None
    column = withheld.column(target.time).combine_chunks()
    if not pyarrow.types.is_date(column.type):
        column = column.cast(pyarrow.timestamp("us", tz=target.time_zone or "UTC"))
    return column[0].as_py().isoformat(), column[-1].as_py().isoformat()
