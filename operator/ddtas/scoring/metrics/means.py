"""What metrics are made of. Pure; arrays in and out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy

Columns = Iterator[tuple[str, Any]]
"""Numbers of each row, (n,), by name: what the means are taken of."""
Means = Mapping[str, Any]
"""The mean of each column, (draws,), by name: of all rows, or of rows that were drawn."""
Metrics = Mapping[str, Callable[[Means], Any]]
"""A metric by name, from (draws,) to (draws,); not finite where it is undefined."""

_ROUNDING = 1e-12  # of a sum of squares: a variance below is none


@dataclass(frozen=True)
class Sample:
    """The rows of one target, with what was predicted of each.

    Attributes:
        observed: (n,) numbers; of classes, numbers of names, from 0.
        predicted: (n, 1) numbers, (n, 3) with a band (value, lower, upper), or (n, N) members; of classes (n, 1)
            numbers of names, -1 for one that was not observed.
        series: (n,) numbers of the series that each row belongs to, from 0.
        persistence: (n,) the observation before, in the same series; NaN where there is none.
        climatology: (n,) the mean of this time of the year, before the period; NaN where there is none.
    """

    observed: Any
    predicted: Any
    series: Any
    persistence: Any
    climatology: Any


def anomalies(values: Any, series: Any) -> Any:
    """Values minus the mean of their own series; exactly zero in a series without any variation."""
    count = numpy.maximum(numpy.bincount(series), 1)
    mean = numpy.bincount(series, values) / count
    constant = numpy.full(len(count), True)
    first = numpy.zeros(len(count))
    first[series[::-1]] = values[::-1]
    numpy.logical_and.at(constant, series, values == first[series])
    return numpy.where(constant[series], 0.0, values - mean[series])


def variance(mean_of_squares: Any, mean: Any) -> Any:
    """The variance, from two means; NaN where there is none."""
    value = mean_of_squares - mean**2
    return numpy.where(value > _ROUNDING * mean_of_squares, value, numpy.nan)


def skill_columns(name: str, baseline: Any, own: Any, of_baseline: Any) -> Columns:
    """The columns of a skill: errors of the app and of a baseline, in those rows where the baseline says anything."""
    there = numpy.isfinite(baseline)
    if 2 * there.sum() >= len(there):  # else it would speak of a few rows
        yield f"{name} own", numpy.where(there, own, 0.0)
        yield f"{name} baseline", numpy.where(there, of_baseline, 0.0)


def skill(name: str) -> Callable[[Means], Any]:
    """1 - error / error of a baseline."""

    def metric(means: Means) -> Any:
        return 1 - means[f"{name} own"] / means[f"{name} baseline"]

    return metric
