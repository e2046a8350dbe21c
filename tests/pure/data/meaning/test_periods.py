"""Steps that are made of shorter ones."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ddtas.data.meaning import periods


@pytest.mark.parametrize(
    ("step", "finer", "expected"),
    [
        ("PT1H", "PT10M", True),
        ("PT1H", "PT60M", True),
        ("PT1H", "PT25M", False),
        ("PT10M", "PT1H", False),
        ("P1D", "PT1H", True),
        ("P1D", "PT5H", False),
        ("P1W", "P1D", True),
        ("P1M", "P1D", True),
        ("P1M", "PT15M", True),
        ("P1M", "P1W", False),
        ("P1M", "P2D", False),
        ("P1Y", "P1M", True),
        ("P1Y", "P5M", False),
        ("P1M", "P1M", True),
        ("P1D", "P1M", False),
        ("P1D", "PT0S", False),
        ("PT0S", "PT0S", False),
        ("P1D", "daily", False),
    ],
)
def test_a_step_is_made_of_whole_finer_ones(step: str, finer: str, expected: bool) -> None:
    assert periods.divides(step, finer) is expected


@pytest.mark.parametrize(
    ("moment", "duration", "expected"),
    [
        ("2020-01-02T00:00", "P1D", "2020-01-01T00:00"),
        ("2020-03-30T00:00", "P1D", "2020-03-29T00:00"),  # of 23 hours
        ("2020-03-31T00:00", "P1M", "2020-02-29T00:00"),
        ("2020-01-15T00:00", "P1Y2M", "2018-11-15T00:00"),
        ("2020-01-01T00:30", "PT1H", "2019-12-31T23:30"),
        ("2020-03-29T03:30", "PT1H", "2020-03-29T01:30"),  # an hour of time, across the one that does not exist
        ("2020-10-25T04:00", "PT6H", "2020-10-24T22:00"),  # six hours of the clock, and seven of time
    ],
)
def test_a_moment_that_is_earlier(moment: str, duration: str, expected: str) -> None:
    zone = ZoneInfo("Europe/Amsterdam")
    found = periods.earlier(datetime.fromisoformat(moment).replace(tzinfo=zone), duration, zone)
    assert found == datetime.fromisoformat(expected).replace(tzinfo=zone)


@pytest.mark.parametrize("duration", ["", "P", "1", "P999999Y", "P9999999999D", "P2020Y"])
def test_a_calendar_has_a_beginning(duration: str) -> None:
    assert periods.earlier(datetime(2020, 1, 1, tzinfo=UTC), duration, UTC) is None
