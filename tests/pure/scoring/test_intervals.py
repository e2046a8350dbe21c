"""How far a metric may be off: moving blocks, their length, and what is said of few of them."""

from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy
import pytest

from ddtas.scoring.intervals import DRAWS, Sums, _expanded, _politis_white, block_length, bounds


def noise(count: int, likeness: float = 0.0, seed: int = 1) -> Any:
    """(count,) an autoregressive series of order 1, with variance 1."""
    generator = numpy.random.default_rng(seed)
    shocks = generator.normal(0, numpy.sqrt(1 - likeness**2), count)
    values = numpy.empty(count)
    values[0] = generator.normal()
    for i in range(1, count):
        values[i] = likeness * values[i - 1] + shocks[i]
    return values


def means(values: Any, length: int, seed: int = 3) -> Any:
    sums = Sums([("x", values)], numpy.arange(len(values)))
    return sums.means(sums.draw(length, seed).sums)["x"]


def test_means_of_single_rows_vary_as_theory_has_it() -> None:
    """The standard error of a mean: the root of variance / n."""
    values = noise(400)
    assert means(values, 1).std() == pytest.approx(values.std() / 20, rel=0.05)
    assert means(values, 1).mean() == pytest.approx(values.mean(), abs=0.01)


def test_blocks_hold_what_resembles_its_neighbours() -> None:
    """The standard error of the mean of an AR(1) series is sqrt((1 + r) / (1 - r)) times as large."""
    values = noise(5_000, 0.8)
    alone, blocks = means(values, 1).std(), means(values, 50).std()
    assert blocks / alone == pytest.approx(3.0, rel=0.2)


def test_the_length_of_blocks_is_that_of_politis_and_white() -> None:
    """For AR(1): (2 G² / D)^(1/3) n^(1/3), G = 2 r / (1 - r)² / (1 + r), D = 4/3 / (1 - r)^4 with unit shocks."""
    for likeness in (0.5, 0.8):
        g, d = 2 * likeness / ((1 - likeness) ** 3 * (1 + likeness)), 4 / 3 / (1 - likeness) ** 4
        expected = (2 * g**2 / d * 10_000) ** (1 / 3)
        found = [block_length([noise(10_000, likeness, seed)], 1) for seed in range(9)]
        assert numpy.median(found) == pytest.approx(expected, rel=0.3)
    assert block_length([noise(10_000)], 1) == 22  # independent: the floor, n^(1/3)


def shocks(count: int, likeness: float, seed: int) -> Any:
    """(count,) a series like noise(), from a generator of congruences, so that others can make the same."""
    values, state = numpy.empty(count), seed
    for i in range(count):
        state = (1103515245 * state + 12345) % 2**31
        values[i] = (likeness * values[i - 1] if i else 0.0) + state / 2**31 - 0.5
    return values


def test_the_length_of_blocks_is_that_of_the_package_arch() -> None:
    """Sheppard's arch 8.0.0, optimal_block_length, circular: 7.72, 18.84, 18.44, 46.04, 13.96 and 0.25."""
    series = [(200, 0.5, 1), (365, 0.9, 2), (730, 0.7, 3), (1000, 0.95, 4), (500, -0.6, 5), (300, 0.0, 6)]
    assert [_politis_white(shocks(*given)) for given in series] == [8, 19, 19, 47, 14, 1]
    assert _politis_white(numpy.ones(20)) == 1
    with numpy.errstate(invalid="ignore"):
        assert _politis_white(numpy.array([1.0, numpy.inf, 2.0])) == 1


def test_fewer_blocks_are_as_uncertain_as_students_t_has_it() -> None:
    """Student's quantiles: 2.132 (4 degrees, 95 %), 2.821 (9, 99 %), 1.476 (5, 90 %); each times sqrt(n / (n - 1))."""
    for share, blocks, quantile in ((0.95, 5, 2.132), (0.99, 10, 2.821), (0.90, 6, 1.476)):
        found = NormalDist().inv_cdf(_expanded(share, blocks))
        assert found == pytest.approx(quantile * numpy.sqrt(blocks / (blocks - 1)), rel=2e-3)


def test_a_block_is_as_long_as_the_longest_likeness_and_no_longer_than_a_third() -> None:
    short, long = noise(3000), noise(3000, 0.9)
    assert block_length([short, long], 1) == block_length([long], 1) > block_length([short], 1)
    assert block_length([short], 96) == 96  # a day of quarters of an hour
    assert block_length([noise(90, 0.99)], 24) <= 30
    assert block_length([numpy.ones(30)], 1) == 4
    assert block_length([numpy.arange(2.0)], 1) == 1


def test_units_are_drawn_whole() -> None:
    """Two series that are the same: their rows of one moment say nothing new."""
    values = noise(300)
    twice = Sums([("x", numpy.repeat(values, 2))], numpy.repeat(numpy.arange(300), 2))
    once = Sums([("x", values)], numpy.arange(300))
    assert twice.means(twice.draw(5, 1).sums)["x"] == pytest.approx(once.means(once.draw(5, 1).sums)["x"])


def test_each_block_is_of_neighbours_and_each_neighbour_is_in_one() -> None:
    rows = numpy.arange(10.0)
    sums = Sums([("x", rows), ("xx", rows**2)], rows.astype(int))
    for length in range(1, 11):
        drawn = sums.draw(length, 5)
        assert drawn.blocks == max(1, round(10 / length))
        assert (drawn.sums[:, -1] == drawn.blocks * length).all()
    whole = sums.draw(10, 5).sums
    assert (whole == [45.0, 285.0, 10.0]).all()
    pairs = {tuple(row) for row in (sums.draw(5, 5).sums).round(6)}
    starts = [(rows[i : i + 5].sum(), (rows[i : i + 5] ** 2).sum()) for i in range(6)]
    assert pairs <= {(a[0] + b[0], a[1] + b[1], 10.0) for a in starts for b in starts}


def test_a_single_huge_error_does_not_swallow_the_others() -> None:
    """Sums are added, never subtracted: of 1e30 and 1 nothing would be left."""
    values = numpy.ones(50)
    values[20] = 1e30
    sums = Sums([("x", values)], numpy.arange(50))
    without = sums.means(sums.draw(3, 1).sums)["x"]
    assert without.min() == 1.0


def test_more_rows_than_are_drawn_one_by_one_are_drawn_together() -> None:
    values = noise(250_000)
    sums = Sums([("x", values)], numpy.arange(250_000))
    assert len(sums.per_unit) <= 100_000
    assert sums.per_unit[:, -1].sum() == 250_000
    drawn = sums.draw(1, 1)
    assert drawn.blocks <= 5_000
    assert sums.means(drawn.sums)["x"].std() == pytest.approx(1 / 500, rel=0.2)


def test_a_bound_holds_with_its_confidence() -> None:
    draws = NormalDist().inv_cdf
    values = numpy.array([draws((i + 0.5) / DRAWS) for i in range(DRAWS)])
    low, high = bounds(values, 95, 10_000)
    assert low is not None
    assert high is not None
    assert (low, high) == pytest.approx((-1.645, 1.645), abs=0.01)


def test_fewer_blocks_are_less_certain() -> None:
    """Student's t with 8 degrees of freedom at 95 % is 1.860, and sqrt(9/8) times that is 1.972."""
    values = numpy.array([NormalDist().inv_cdf((i + 0.5) / DRAWS) for i in range(DRAWS)])
    assert bounds(values, 95, 9)[0] == pytest.approx(-1.972, abs=0.03)
    found = [bounds(values, 90, blocks)[1] or 0.0 for blocks in (3, 5, 10, 100)]
    assert all(wider > narrower for wider, narrower in pairwise(found))


def test_a_draw_without_a_value_counts_against_both_bounds() -> None:
    values = numpy.linspace(0, 1, DRAWS)
    values[: DRAWS // 100] = numpy.nan  # one in a hundred
    low, high = bounds(values, 90, 10_000)
    assert low == pytest.approx(0.1, abs=0.01)
    assert high == pytest.approx(0.91, abs=0.01)
    values[: DRAWS // 5] = numpy.inf
    assert bounds(values, 90, 10_000) == (None, None)


def test_the_same_seed_draws_the_same() -> None:
    values = noise(100)
    assert (means(values, 5, 1) == means(values, 5, 1)).all()
    assert (means(values, 5, 1) != means(values, 5, 2)).any()
    state = str(numpy.random.get_state())
    means(values, 5)
    assert str(numpy.random.get_state()) == state  # the global one is left alone


def test_bounds_of_a_mean_hold_as_often_as_they_say() -> None:
    """Of 100 series with mean 0, some 90 have their 90 % bound below it, and as many above."""
    below = above = 0
    for seed in range(100):
        values = noise(200, 0.5, seed)
        sums = Sums([("x", values)], numpy.arange(200))
        drawn = sums.draw(block_length([values], 1), 1)
        low, high = bounds(sums.means(drawn.sums)["x"], 90, drawn.blocks)
        below += low is not None and low <= 0
        above += high is not None and high >= 0
    assert 80 <= below <= 97
    assert 80 <= above <= 97
