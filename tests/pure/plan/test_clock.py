"""A clock that is wrong, and put right, at any moment: nothing stops for good, and nothing begins again and again."""

from datetime import datetime, timedelta

import pytest
from builders import NOW, VALIDATION_WINDOW, City, JsonObject, result
from courses import courses
from hypothesis import given, settings
from hypothesis import strategies as st
from plan.runs.test_recalibration import measure, monitored, recalibration, refuse, report, serving

from ddtas.api.base import Recalibration
from ddtas.api.evidence import Evidence, Outcome, RevisionState, RevisionStatus
from ddtas.plan import clock
from ddtas.plan.runs.recalibration import PAUSE, Attempt, called_for

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY
OFTEN = {"schedule": "0 */6 * * *", "jitter": "PT0S"}
DAILY_AGE = {"maximumAge": "P1D", "jitter": "PT0S"}
BOTH = OFTEN | DAILY_AGE


def test_what_is_ahead_was_written_by_a_clock_that_was() -> None:
    assert timedelta(minutes=5) == clock.SKEW
    assert not clock.ahead(NOW + clock.SKEW, NOW)
    assert clock.ahead(NOW + clock.SKEW + timedelta(seconds=1), NOW)
    assert clock.elapsed(NOW, NOW + PAUSE, PAUSE)
    assert not clock.elapsed(NOW, NOW + PAUSE - timedelta(seconds=1), PAUSE)
    assert not clock.elapsed(NOW + timedelta(seconds=1), NOW, PAUSE)
    assert clock.elapsed(NOW + timedelta(days=1), NOW, PAUSE)


def go_through(city: City) -> None:
    """Let what runs end well, until nothing runs."""
    for _ in range(3):
        plan = city.settle()
        if plan.revision is None or plan.serving == plan.revision:
            return
        city.serving()


def hours(city: City, count: int) -> int:
    """Let hours go by, with all runs passing; how many calibrations began."""
    before = len(city.started)
    for _ in range(0, count, 6):
        city.tick(6 * HOUR)
        go_through(city)
    return sum(name.endswith("calibrate") for name in city.started[before:])


JUMPS = {"an hour": HOUR, "a day": DAY, "a year": YEAR}


@pytest.mark.parametrize("policy", [OFTEN, DAILY_AGE, BOTH], ids=["schedule", "age", "both"])
@pytest.mark.parametrize("seconds", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_was_ahead_and_is_put_back_stops_no_recalibration(seconds: float, policy: JsonObject) -> None:
    """A round that is in force was due for ever, and so no other one ever came."""
    city = serving(recalibration=policy)
    city.tick(seconds)
    go_through(city)
    city.tick(-seconds)
    assert hours(city, 30) >= 1
    again = hours(city, 30)
    assert 1 <= again <= (6 if "schedule" in policy else 2)


@pytest.mark.parametrize("seconds", JUMPS.values(), ids=JUMPS)
def test_evidence_from_the_future_is_superseded_once(seconds: float) -> None:
    city = serving(recalibration={"maximumAge": "P90D"})
    city.tick(91 * DAY)
    go_through(city)
    began = len(city.started)
    city.tick(-seconds - 91 * DAY)
    city.settle()
    assert "its age is unknown" in recalibration(city)["reason"]
    go_through(city)
    assert moment(city) <= city.now
    assert len(city.started) == began + 2
    assert hours(city, 24) == 0


def moment(city: City) -> datetime:
    """When the newest validation ended, as it is told."""
    status = city.installation["status"]
    newest = next(r for r in status["revisions"] if r["id"] == status["revision"])
    return datetime.fromisoformat(newest["validation"]["completedAt"])


def test_evidence_is_never_from_the_future_of_our_own_clock() -> None:
    """The API server's clock is ahead: it is not taken for evidence whose age is unknown again and again."""
    city = serving(recalibration=DAILY_AGE)
    for _ in range(5):
        city.tick(2 * DAY)
        plan = city.settle()
        if plan.serving != plan.revision:
            city.now += timedelta(hours=1)
            city.finish("calibrate", result(), plan.revision)
            city.now -= timedelta(hours=1)
            city.settle()
            city.now += timedelta(hours=1)
            city.finish("validate", result(window=VALIDATION_WINDOW), plan.revision)
            city.now -= timedelta(hours=1)
            city.settle()
            city.roll_out(revision=plan.revision)
            city.settle()
        assert moment(city) <= city.now
    assert len(city.started) == 12


@pytest.mark.parametrize("seconds", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_was_ahead_stops_no_monitoring(seconds: float) -> None:
    city = monitored()
    city.now = datetime.fromisoformat("2026-11-25T04:01:00+00:00")
    city.tick(seconds)
    city.settle()
    if [c for c in city.children.values() if c.phase == "monitor" and c.kind == "Job"]:
        report(city, 0.7)
    city.tick(-seconds)
    days = set()
    for _ in range(4):
        city.tick(DAY)
        city.settle()
        jobs = [c for c in city.children.values() if c.phase == "monitor" and c.kind == "Job"]
        assert len(jobs) == 1
        days.add(jobs[0].name)
        report(city, 0.7)
    assert len(days) >= 3


def test_drift_that_a_round_has_answered_calls_for_no_other_one() -> None:
    """The run reported at a time that is later than the end of the attempt: the clock was put back in between."""
    city = monitored(recalibration=OFTEN | {"schedule": "0 6 * * *"})
    first = city.settle()
    city.now = datetime.fromisoformat("2026-11-25T04:01:00+00:00")
    city.settle()
    report(city, 0.2)
    city.tick(-2 * HOUR)
    failed = refuse(city, city.settle())
    assert failed.serving == first.revision
    began = len(city.started)
    for _ in range(5):
        city.tick(600)
        assert city.settle().revision == failed.revision
    assert len(city.started) == began
    city.tick(DAY)
    assert city.settle().revision != failed.revision, "and what time calls for comes all the same"


# ---- floors ----


def began(city: City) -> int:
    return sum(name.endswith("calibrate") for name in city.started)


def test_a_schedule_of_each_minute_is_no_storm() -> None:
    city = serving(recalibration={"schedule": "* * * * *", "jitter": "PT0S"})
    before = began(city)
    for _ in range(30):
        city.tick(60)
        go_through(city)
    assert 2 <= began(city) - before <= 4


def test_a_retry_token_that_is_edited_in_a_loop_is_no_storm() -> None:
    city = serving()
    before = began(city)
    for turn in range(24):
        city.annotate(retry=str(turn))
        city.tick(10)
        plan = city.settle()
        assert plan.requeue_after is not None or turn == 0
    assert 2 <= began(city) - before <= 6
    city.tick(60)
    city.settle()
    assert city.installation["status"]["lastRetry"] == "23", "the last one counts in the end"


def test_a_schema_that_changes_to_and_fro_is_no_storm() -> None:
    city = serving()
    before = began(city)
    for turn in range(30):
        measure(city, unit="m3/s" if turn % 2 else "l/s")
        city.tick(60)
        go_through(city)
    assert 1 <= began(city) - before <= 4


# ---- always ----

JUMP = st.sampled_from([-YEAR, -DAY, -HOUR, -400, -60, 60, 400, HOUR, DAY, YEAR])


@settings(max_examples=courses(5), deadline=None)
@given(
    st.lists(st.tuples(JUMP, st.sampled_from(["through", "look", "fail"])), max_size=6),
    st.sampled_from([OFTEN, DAILY_AGE, BOTH]),
)
def test_whatever_the_clock_did_evidence_is_renewed_in_time_and_not_more_often(
    course: list[tuple[float, str]], policy: JsonObject
) -> None:
    city = serving(recalibration=policy)
    for seconds, then in course:
        city.tick(seconds)
        plan = city.settle()
        if then == "through":
            go_through(city)
        elif then == "fail" and plan.serving != plan.revision and city.condition("Calibrated")["status"] == "Unknown":
            refuse(city, plan)
    go_through(city)
    assert hours(city, 30) >= 1
    assert len(set(city.started)) == len(city.started), "no run of a revision begins twice"


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda d: d.replace(tzinfo=NOW.tzinfo))


@given(
    MOMENTS, MOMENTS, st.none() | MOMENTS, st.sampled_from(["Schedule", "Age", "ModelDrift", "Schema", None]), MOMENTS
)
def test_a_cause_names_a_round_that_was_not(
    ended: datetime, now: datetime, begun: datetime | None, trigger: str | None, of: datetime
) -> None:
    """Whatever was written down before."""
    run = Evidence(outcome=Outcome.PASSED, reason="Passed", message="m", job="j", completed_at=ended)
    known = RevisionStatus(
        id="0" * 10, version="1.0.0", state=RevisionState.SERVING, calibration=run, validation=run, measured="a"
    )
    in_force = f"{trigger}/{of:%Y-%m-%dT%H:%M:%SZ}#7" if trigger is not None else None
    policy = Recalibration.model_validate(OFTEN)
    for measured in ("a", "b"):
        cause = called_for(policy, "uid", now, Attempt(known, in_force, begun, None, measured))
        if cause is not None:
            assert cause.round is not None
            assert cause.round != in_force
            assert len(cause.round) <= 80
            assert cause.round.endswith("#8" if in_force is not None else "#1")
