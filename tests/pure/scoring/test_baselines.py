"""What anybody could have said: the last observation, and the mean of this time of the year."""

from datetime import UTC, date, datetime, timedelta

import numpy
import pyarrow
import pytest
from scoring_kit import Exam, target, values

from ddtas.scoring.baselines import climatology, persistence
from ddtas.scoring.order import WantedMetric


def days(first: date, count: int) -> pyarrow.Array:
    return pyarrow.array([first + timedelta(days=i) for i in range(count)])


def test_persistence_is_the_observation_before_in_the_same_series() -> None:
    found = persistence(numpy.array([1.0, 10.0, 2.0, 20.0, 3.0]), numpy.array([0, 1, 0, 1, 0]))
    assert numpy.isnan(found[:2]).all()
    assert found[2:].tolist() == [1.0, 10.0, 2.0]


def test_climatology_is_the_mean_of_the_days_around_in_other_years() -> None:
    times = days(date(2018, 1, 1), 3 * 365)
    year = numpy.repeat([1.0, 3.0, 100.0], 365)
    past = numpy.arange(3 * 365) < 2 * 365
    found = climatology(year, numpy.zeros(3 * 365, int), times, past, None, False)
    assert found[2 * 365 :] == pytest.approx(2.0)  # never of its own year


def test_climatology_follows_the_season_over_new_year_and_a_leap_day() -> None:
    times = days(date(2016, 1, 1), 366 + 365)
    day = numpy.array([t.timetuple().tm_yday for t in times.to_pylist()])
    value = numpy.where((day > 350) | (day < 15), 5.0, 0.0)
    past = numpy.arange(731) < 366
    found = climatology(value, numpy.zeros(731, int), times, past, None, False)[366:]
    assert found[0] == pytest.approx(5 * 30 / 31, abs=0.2)
    assert found[180] == 0
    assert numpy.isfinite(found).all()


def test_each_series_and_each_hour_has_its_own() -> None:
    moments = pyarrow.array([datetime(2019, 6, 1, tzinfo=UTC) + timedelta(hours=i) for i in range(24 * 40)])
    moments = moments.cast(pyarrow.timestamp("us", tz="UTC"))
    hour = numpy.arange(24 * 40) % 24.0
    past = numpy.arange(24 * 40) < 24 * 30
    found = climatology(hour, numpy.zeros(24 * 40, int), moments, past, None, True)
    assert found[24 * 30 :][:24] == pytest.approx(numpy.arange(24))
    # In the summer of Amsterdam it is two hours later; each hour is still compared with itself.
    found = climatology(hour, numpy.zeros(24 * 40, int), moments, past, "Europe/Amsterdam", True)
    assert found[24 * 30 :][:24] == pytest.approx(numpy.arange(24))
    series = numpy.arange(24 * 40) % 2
    found = climatology(series * 7.0, series, moments, past, None, False)
    assert found[24 * 30 :] == pytest.approx(series[24 * 30 :] * 7.0)


def test_of_too_few_observations_there_is_no_mean() -> None:
    times = days(date(2019, 1, 1), 400)
    past = numpy.arange(400) < 5
    assert numpy.isnan(climatology(numpy.ones(400), numpy.zeros(400, int), times, past, None, False)).all()
    nothing = climatology(numpy.ones(400), numpy.zeros(400, int), times, numpy.zeros(400, bool), None, False)
    assert numpy.isnan(nothing).all()


def test_both_are_in_a_report_where_there_is_a_past(exam: Exam) -> None:
    generator = numpy.random.default_rng(3)
    times = [datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(4 * 365)]
    season = numpy.sin(2 * numpy.pi * numpy.arange(4 * 365) / 365)
    flow = 5 + 3 * season + generator.normal(0, 1, 4 * 365)
    exam.know({"time": times, "q": flow.tolist()})
    start = 3 * 365
    exam.predict({"time": [t.isoformat() for t in times[start:]], "value": (5 + 3 * season[start:]).tolist()})
    wanted = [WantedMetric(target="flow", metric=m) for m in ("skillClimatology", "skillPersistence")]
    found = values(exam.score(target(start=times[start]), wanted=wanted))
    # The season is all that can be known: as good as climatology, and half the squared error of persistence.
    assert found["skillClimatology"] == pytest.approx(0.0, abs=0.1)
    assert found["skillPersistence"] == pytest.approx(0.5, abs=0.1)
    exam.know({"time": times[start:], "q": flow[start:].tolist()})
    report = exam.score(target())
    assert "skillClimatology" not in values(report)
    assert "skillPersistence" in values(report)
