"""How far a metric may be from what it would be over other days like these: a bootstrap of moving blocks. Pure.

Errors of one day resemble those of the day before: days are drawn in blocks that are longer than this likeness lasts.
Künsch (1989); the length by Politis and White (2004), as corrected by Patton, Politis and White (2009).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy

DRAWS = 2000
FEWEST = 10  # units below which no interval is said
_MOST_UNITS = 100_000
_MOST_BLOCKS = 5_000
_MOST_TOGETHER = 100_000  # blocks that are summed at once
_CERTAIN = 2.0  # standard errors from zero
_RUN = 5  # correlations in a row that show that there are no more


class Sums:
    """Sums over the rows of each unit that is drawn as one: a moment of all series, a key, or a row.

    Attributes:
        names: of the columns.
        per_unit: (units, columns + 1): the sums, and the number of rows.
    """

    def __init__(self, columns: Iterable[tuple[str, Any]], units: Any) -> None:
        """Take the sums.

        Args:
            columns: (n,) each, by name.
            units: (n,) the number of the unit of each row, from 0, in their order.
        """
        coarse = units // -(
            -(int(units.max()) + 1) // _MOST_UNITS
        )  # neighbours in time together, where there are too many
        self.names: list[str] = []
        sums = []
        for name, values in columns:
            self.names.append(name)
            sums.append(numpy.bincount(coarse, values))
        sums.append(numpy.bincount(coarse).astype(float))
        self.per_unit = numpy.column_stack(sums)

    def means(self, drawn: Any = None) -> dict[str, Any]:
        """The mean of each column, by name: of all rows, (1,), or of those of sums that were drawn."""
        sums = self.per_unit.sum(axis=0)[None] if drawn is None else drawn
        return {name: sums[:, i] / sums[:, -1] for i, name in enumerate(self.names)}

    def series(self, name: str) -> Any:
        """(units,) the mean of a column in each unit."""
        return self.per_unit[:, self.names.index(name)] / self.per_unit[:, -1]

    def draw(self, length: int, seed: int) -> "Drawn":
        """Draw about as many units as there are, in blocks, again and again.

        Args:
            length: of a block, in units.
            seed: of what is drawn.
        """
        count = len(self.per_unit)
        length = min(max(length, -(-count // _MOST_BLOCKS)), count)
        blocks = _moving_sums(self.per_unit, length)
        generator = numpy.random.default_rng(seed)
        number = max(1, round(count / length))
        together = max(1, _MOST_TOGETHER // number)
        parts = []
        for begin in range(0, DRAWS, together):
            chosen = generator.integers(0, len(blocks), (min(together, DRAWS - begin), number))
            parts.append(blocks[chosen].sum(axis=1))
        return Drawn(numpy.concatenate(parts), number)


@dataclass(frozen=True)
class Drawn:
    """Units that were drawn.

    Attributes:
        sums: (DRAWS, columns + 1): of the columns, and the number of rows.
        blocks: of each draw.
    """

    sums: Any
    blocks: int


def _moving_sums(values: Any, length: int) -> Any:
    """(n - length + 1, k): the sum of each `length` rows that follow one another, by doubling, without differences."""
    window, width, total, done = values, 1, None, 0
    count = len(values) - length + 1
    while True:
        if length & width:
            part = window[done : done + count]
            total = part.copy() if total is None else total + part
            done += width
        width *= 2
        if width > length:
            return total
        window = window[: len(window) - width // 2] + window[width // 2 :]


def bounds(draws: Any, confidence_percent: int, blocks: int) -> tuple[float | None, float | None]:
    """What a metric is at least, and at most, each with the confidence. A draw without a value counts against both.

    Args:
        draws: (DRAWS,) the metric.
        confidence_percent: of each bound.
        blocks: that were drawn: the fewer, the wider.

    Returns:
        None for a bound that is not finite.
    """
    defined = numpy.isfinite(draws)
    share = _expanded(confidence_percent / 100, blocks)
    low = numpy.quantile(numpy.where(defined, draws, -numpy.inf), 1 - share, method="lower")
    high = numpy.quantile(numpy.where(defined, draws, numpy.inf), share, method="higher")
    return _finite(low), _finite(high)


def _expanded(share: float, blocks: int) -> float:
    """The quantile of draws that holds with the confidence although there are few blocks (Hesterberg, 2015).

    Quantiles of draws are too narrow, as those of a normal distribution are where the variance is not known.
    """
    freedom = max(1, blocks - 1)
    z = NormalDist().inv_cdf(share)
    # Student's quantile by that of the normal distribution: Abramowitz and Stegun, 26.7.5.
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    t = z + sum(term / freedom**power for power, term in enumerate(terms, 1))
    return NormalDist().cdf(t * sqrt((freedom + 1) / freedom))


def _finite(value: Any) -> float | None:
    return float(value) if numpy.isfinite(value) else None


def block_length(series: Sequence[Any], at_least: int) -> int:
    """How many units a block has, at most a third of them.

    Args:
        series: (units,) each: what resembles what came before it; the longest likeness counts.
        at_least: units, such as those of a day.
    """
    count = len(series[0])
    found = max(_politis_white(values) for values in series)
    return max(1, min(max(found, at_least, int(numpy.ceil(count ** (1 / 3)))), count // 3))


def _politis_white(values: Any) -> int:
    """The length of blocks for the mean of a series."""
    count = len(values)
    centred = values - values.mean()
    most = min(int(numpy.ceil(numpy.sqrt(count))) + _RUN, count - 1)
    covariance = numpy.array([centred[: count - lag] @ centred[lag:] for lag in range(most + 1)]) / count
    if not covariance[0] > 0 or not numpy.isfinite(covariance).all():
        return 1
    certain = numpy.abs(covariance[1:] / covariance[0]) >= _CERTAIN * numpy.sqrt(numpy.log10(count) / count)
    last = min(2 * _last_lag(certain), most)
    lags = numpy.arange(1, last + 1)
    weights = numpy.minimum(1, 2 * (1 - lags / last))
    slope = 2 * float((weights * lags * covariance[1 : last + 1]).sum())
    spectrum = float(covariance[0] + 2 * (weights * covariance[1 : last + 1]).sum())
    if spectrum <= 0:
        return 1
    length = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * count ** (1 / 3)
    return int(min(numpy.ceil(length), numpy.ceil(min(3 * numpy.sqrt(count), count / 3))))


def _last_lag(certain: Any) -> int:
    """The first lag of a run of correlations that are not certain; without one, the last lag there is."""
    if len(certain) < _RUN:
        return len(certain)
    quiet = numpy.flatnonzero(numpy.convolve(certain, numpy.ones(_RUN), "valid") == 0)
    return int(quiet[0]) + 1 if len(quiet) else len(certain)
