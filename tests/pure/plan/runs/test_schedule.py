"""Schedules: time zones, the two nights in which clocks are changed, and each city's own moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddtas.plan.runs.schedule import Schedule, fault, offset

AMSTERDAM = "Europe/Amsterdam"
NONE = timedelta()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Clocks in Amsterdam went from 02:00 to 03:00 on 29 March 2026, and go from 03:00 to 02:00 on 25 October.
AFTER: dict[str, tuple[str, str | None, str, str]] = {
    "UTC without a zone": ("0 3 * * *", None, "2026-11-24T09:00", "2026-11-25T03:00"),
    "winter": ("0 3 * * *", AMSTERDAM, "2026-11-24T09:00", "2026-11-25T02:00"),
    "summer": ("0 3 * * *", AMSTERDAM, "2026-07-01T09:00", "2026-07-02T01:00"),
    "an hour that does not exist comes right after it": (
        "30 2 * * *",
        AMSTERDAM,
        "2026-03-28T12:00",
        "2026-03-29T01:00",
    ),
    "and the next day at its time": ("30 2 * * *", AMSTERDAM, "2026-03-29T01:00", "2026-03-30T00:30"),
    "an hour that comes twice": ("30 2 * * *", AMSTERDAM, "2026-10-24T12:00", "2026-10-25T00:30"),
    "counts once": ("30 2 * * *", AMSTERDAM, "2026-10-25T00:30", "2026-10-26T01:30"),
    "with a star it counts twice": ("30 * * * *", AMSTERDAM, "2026-10-25T00:30", "2026-10-25T01:30"),
    "the first of the month": ("0 3 1 * *", AMSTERDAM, "2026-03-02T00:00", "2026-04-01T01:00"),
    "a weekday by name": ("0 3 * * MON", None, "2026-11-24T09:00", "2026-11-30T03:00"),
    "a leap day": ("0 0 29 2 *", None, "2026-11-24T09:00", "2028-02-29T00:00"),
    "strictly later": ("0 3 * * *", None, "2026-11-24T03:00", "2026-11-25T03:00"),
}


@pytest.mark.parametrize(("expression", "zone", "moment", "expected"), AFTER.values(), ids=AFTER)
def test_the_next_time(expression: str, zone: str | None, moment: str, expected: str) -> None:
    assert Schedule(expression, zone, NONE).after(utc(moment)) == utc(expected)


BEFORE: dict[str, tuple[str, str | None, str, str]] = {
    "earlier": ("0 3 * * *", None, "2026-11-24T09:00", "2026-11-24T03:00"),
    "now": ("0 3 * * *", None, "2026-11-24T03:00", "2026-11-24T03:00"),
    "a moment before": ("0 3 * * *", None, "2026-11-24T02:59:59.999", "2026-11-23T03:00"),
    "after the hour that does not exist": ("30 2 * * *", AMSTERDAM, "2026-03-29T12:00", "2026-03-29T01:00"),
    "after the hour that comes twice": ("30 2 * * *", AMSTERDAM, "2026-10-25T12:00", "2026-10-25T00:30"),
}


@pytest.mark.parametrize(("expression", "zone", "moment", "expected"), BEFORE.values(), ids=BEFORE)
def test_the_last_time(expression: str, zone: str | None, moment: str, expected: str) -> None:
    assert Schedule(expression, zone, NONE).at_or_before(utc(moment)) == utc(expected)


def test_an_offset_moves_every_time() -> None:
    later = Schedule("0 3 * * *", AMSTERDAM, timedelta(minutes=20))
    assert later.after(utc("2026-11-24T02:10")) == utc("2026-11-24T02:20")
    assert later.after(utc("2026-11-24T02:20")) == utc("2026-11-25T02:20")
    assert later.at_or_before(utc("2026-11-24T02:19")) == utc("2026-11-23T02:20")


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(["0 3 * * *", "30 2 * * *", "*/20 * * * *", "0 0 1 * *", "15 4 * * 1"]),
    st.sampled_from([AMSTERDAM, "Pacific/Apia", "America/Scoresbysund", None]),
    st.integers(0, 7200),
)
def test_there_and_back(moment: datetime, expression: str, zone: str | None, later: int) -> None:
    """The next time is later, is the last one at its own moment, and nothing lies between."""
    plan = Schedule(expression, zone, timedelta(seconds=later))
    following = plan.after(moment)
    assert following is not None
    assert following > moment
    assert plan.at_or_before(following) == following
    last = plan.at_or_before(following - timedelta(seconds=1))
    assert last is not None
    assert last <= moment


def test_cities_begin_at_moments_of_their_own() -> None:
    found = [offset(f"uid-{n}", None) for n in range(342)]
    assert all(NONE <= o < timedelta(hours=1) for o in found)
    assert len(set(found)) > 300
    quarters = [sum(timedelta(minutes=15 * q) <= o < timedelta(minutes=15 * (q + 1)) for o in found) for q in range(4)]
    assert min(quarters) > 50, "they are spread"
    assert offset("uid-1", None) == offset("uid-1", None)
    assert offset("uid-1", "PT0S") == NONE
    assert offset("uid-1", "PT10M") < timedelta(minutes=10)


FAULTS = {
    "61 3 * * *": ("UTC", "schedule: 61 3 * * * is no cron expression (bad minute)"),
    "0 0 30 2 *": ("UTC", "bad day-of-month"),
    "0 3 * * *": ("Europe/Nowhere", "timeZone: Europe/Nowhere is no time zone: give an IANA name such as"),
    "0 4 * * *": ("../../etc/passwd", "is no time zone"),
    "0 5 * * *": ("Europe", "is no time zone"),
}


@pytest.mark.parametrize("expression", FAULTS)
def test_a_schedule_that_means_nothing(expression: str) -> None:
    zone, text = FAULTS[expression]
    assert text in (fault(expression, zone) or "")
    assert fault("0 3 * * *", "Europe/Amsterdam") is None
