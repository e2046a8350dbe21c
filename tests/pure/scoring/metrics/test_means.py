"""What metrics are made of."""

import numpy
import pytest

from ddtas.scoring.metrics.means import anomalies, skill_columns, variance


def test_anomalies_are_from_the_mean_of_their_own_series() -> None:
    found = anomalies(numpy.array([1.0, 10.0, 3.0, 14.0]), numpy.array([0, 1, 0, 1]))
    assert found.tolist() == [-1.0, -2.0, 1.0, 2.0]


@pytest.mark.parametrize("count", [2, 3, 7, 1000])
def test_a_series_without_variation_has_none_by_rounding_either(count: int) -> None:
    """The mean of seven times 0.1 is not 0.1, and what is left over would be a variance of 1e-34."""
    series = numpy.tile([0, 1, 2], count)
    found = anomalies(numpy.tile([0.1, 0.7, 1e9 + 0.1], count), series)
    assert (found == 0).all()


def test_a_series_of_one_row_says_nothing_of_its_variance() -> None:
    assert anomalies(numpy.array([1.0, 2.0, 4.0]), numpy.array([1, 0, 0])).tolist() == [0.0, -1.0, 1.0]


def test_a_variance_that_is_rounding_is_none() -> None:
    found = variance(numpy.array([10.0, 1.0, 0.0, 1.0 + 1e-14]), numpy.array([3.0, 1.0, 0.0, 1.0]))
    assert found[0] == 1.0
    assert numpy.isnan(found[1:]).all()


@pytest.mark.parametrize(("known", "there"), [(1, False), (2, False), (3, True), (5, True)])
def test_a_skill_is_of_half_of_the_rows_at_least(known: int, there: bool) -> None:
    baseline = numpy.array([2.0] * known + [numpy.nan] * (5 - known))
    columns = dict(skill_columns("x", baseline, numpy.ones(5), baseline**2))
    assert bool(columns) == there
    if there:
        assert columns["x own"].tolist() == [1.0] * known + [0.0] * (5 - known)
        assert columns["x baseline"].tolist() == [4.0] * known + [0.0] * (5 - known)
