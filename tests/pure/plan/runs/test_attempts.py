"""What counts as the same exam, what counts against it, and what is never forgotten."""

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import installation_body, parsed

from ddtas.api.attempts import MAX_ATTEMPTS, MAX_HOLDOUTS, AttemptOutcome, EarlierFailures, ExamAttempt
from ddtas.api.evidence import Evidence, HeldOut, MetricResult, Outcome
from ddtas.api.installation import Installation
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import attempts
from ddtas.plan.runs.attempts import Ledger
from ddtas.schema.types import Window

NOW = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
A, B = "a" * 16, "b" * 16
FIRST = Window(start="2015-01-01", end="2016-12-31")


def held(holdout: str = A, start: str = "2015-01-01", end: str = "2016-12-31") -> HeldOut:
    return HeldOut(holdout=holdout, window=Window(start=start, end=end))


def attempt(number: int = 1, outcome: str | None = "Failed", content: Any = None, **more: Any) -> ExamAttempt:
    body: dict[str, Any] = {
        "installation": "flood",
        "uid": f"uid-{number}",
        "revision": f"{number:010x}",
        "listing": "flood-twin",
        "exam": content or (held(),),
        "number": number,
        "started": NOW,
        "outcome": outcome,
    }
    return ExamAttempt.model_validate(body | more)


def installation(name: str = "flood", uid: str = "new", content: Any = None, **validation: Any) -> Installation:
    """One whose calibration has passed, and whose exam is awaited or, with `validation`, ended."""
    body = installation_body()
    body["metadata"] |= {"name": name, "uid": uid}
    exam = [h.dump() for h in content or (held(),)]
    revision: dict[str, Any] = {"id": "c" * 10, "version": "1.0.0", "state": "Candidate", "exam": exam}
    if validation:
        revision["validation"] = {"outcome": "Failed", "message": "m", "job": "j"} | validation
    body["status"] = {"revision": "c" * 10, "revisions": [revision]}
    return parsed(Installation, body)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (held(), held(), True),
        (held(), held(start="2016-12-31", end="2018-01-01"), True),  # one day is enough
        (held(), held(start="2017-01-01", end="2018-12-31"), False),
        (held(), held(B), False),
        (held(), HeldOut(holdout=A), True),  # all days are these, too
        (HeldOut(holdout=A), HeldOut(holdout=A), True),
        (HeldOut(holdout=A), HeldOut(holdout=B), False),
    ],
)
def test_exams_are_the_same_where_they_share_a_value(one: HeldOut, other: HeldOut, same: bool) -> None:
    assert one.meets(other) is same
    assert other.meets(one) is same
    assert Ledger((attempt(content=(one,)),)).failed((other,)) == int(same)


def test_a_target_more_does_not_make_another_exam() -> None:
    assert Ledger((attempt(content=(held(A),)),)).failed((held(B), held(A))) == 1


SCORES = (MetricResult(name="NSE", value="0.1"),)


@pytest.mark.parametrize(
    ("outcome", "reason", "metrics", "counts"),
    [
        (Outcome.PASSED, Reason.PASSED, SCORES, AttemptOutcome.PASSED),
        (Outcome.FAILED, Reason.THRESHOLD_NOT_MET, SCORES, AttemptOutcome.FAILED),
        (Outcome.INCONCLUSIVE, Reason.TOO_UNCERTAIN, SCORES, AttemptOutcome.FAILED),
        # A threshold on a metric that is not computed would show all others for nothing.
        (Outcome.INCONCLUSIVE, Reason.METRIC_MISSING, SCORES, AttemptOutcome.FAILED),
        # Whoever deletes or alters the pod may have read its result first.
        (Outcome.INCONCLUSIVE, Reason.RESULT_MISSING, (), AttemptOutcome.FAILED),
        (Outcome.INCONCLUSIVE, Reason.RESULT_MALFORMED, (), AttemptOutcome.FAILED),
        (Outcome.INCONCLUSIVE, Reason.POD_ALTERED, (), AttemptOutcome.FAILED),
        (Outcome.INCONCLUSIVE, "SomethingNew", (), AttemptOutcome.FAILED),
        (Outcome.INCONCLUSIVE, Reason.RUN_CRASHED, (), AttemptOutcome.VOID),
        (Outcome.INCONCLUSIVE, Reason.FETCH_FAILED, (), AttemptOutcome.VOID),
        (Outcome.INCONCLUSIVE, Reason.RUN_TIMED_OUT, (), AttemptOutcome.VOID),
        (Outcome.INCONCLUSIVE, Reason.CANNOT_SEAL, (), AttemptOutcome.VOID),
        (Outcome.INCONCLUSIVE, Reason.PREDICTIONS_INCOMPLETE, (), AttemptOutcome.VOID),
        (Outcome.INCONCLUSIVE, Reason.HOLDOUT_EXHAUSTED, (), AttemptOutcome.VOID),
    ],
)
def test_what_shows_a_score_counts(outcome: Outcome, reason: str, metrics: Any, counts: AttemptOutcome) -> None:
    evidence = Evidence(outcome=outcome, reason=reason, message="m", job="j", metrics=metrics)
    assert attempts.outcome(evidence) is counts


def test_an_attempt_is_written_down_once_and_numbered() -> None:
    ledger = Ledger((attempt(1), attempt(2, "Void"), attempt(3, "Passed"))).opened([installation()], 5, NOW)
    (new,) = ledger.attempts[3:]
    assert (new.installation, new.uid, new.number, new.outcome) == ("flood", "new", 3, None)
    assert ledger.opened([installation()], 5, NOW) == ledger
    assert ledger.entry("new", "c" * 10, (held(),)) == new
    assert ledger.entry("another", "c" * 10, (held(),)) is None
    assert ledger.entry("new", "c" * 10, (held(B),)) is None


def test_who_does_not_wait_gets_none() -> None:
    ended = installation(reason="ThresholdNotMet")
    assert Ledger().opened([ended], 5, NOW) == Ledger()
    assert Ledger().opened([installation(content=())], 5, NOW).attempts  # the default content
    body = installation_body()
    body["status"] = {"revision": "c" * 10, "revisions": []}
    assert Ledger().opened([parsed(Installation, body)], 5, NOW) == Ledger()


def test_no_more_go_on_than_may_fail() -> None:
    many = [installation(f"flood-{n}", f"uid-{n}") for n in range(4)]
    ledger = Ledger((attempt(1, "Failed", uid="gone"),)).opened(many, 3, NOW)
    assert [a.installation for a in ledger.attempts[1:]] == ["flood-0", "flood-1"]
    assert not ledger.may_begin((held(),), 3)
    assert ledger.exhausted((held(),), 3) is None  # they may pass yet


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        ({}, "Abandoned"),  # deleted, and perhaps made again: another uid
        ({"new": None}, None),  # it cannot be read for now
        ({"new": installation().status}, None),
        ({"new": installation(content=(held(B),)).status}, "Abandoned"),
        ({"new": installation(reason="ThresholdNotMet").status}, "Failed"),
        ({"new": installation(reason="RunCrashed", outcome="Inconclusive").status}, "Void"),
        ({"new": installation(reason="ImagePullFailed", outcome="Inconclusive").status}, None),  # it goes on
        ({"new": installation(reason="Passed", outcome="Passed").status}, "Passed"),
    ],
)
def test_an_attempt_ends_as_its_installation_says(there: Any, outcome: str | None) -> None:
    ledger = Ledger().opened([installation()], 5, NOW).closed(there)
    (only,) = ledger.attempts
    assert only.outcome == outcome
    assert ledger.failed((held(),)) == int(outcome in ("Failed", "Abandoned"))
    assert ledger.closed({}).attempts[0].outcome == (outcome or "Abandoned"), "what has ended stays so"


def test_what_failed_is_not_run_again_for_nothing() -> None:
    """A revision that is run again because its status was lost: what had passed is no attempt more."""
    for outcome, more in (("Passed", 0), ("Failed", 1), ("Void", 1)):
        there = attempt(1, outcome, uid="new", revision="c" * 10)
        assert len(Ledger((there,)).opened([installation()], 5, NOW).attempts) == 1 + more


def test_beyond_the_bound_only_newer_data_opens_another_one() -> None:
    ledger = Ledger(tuple(attempt(n, reason="ThresholdNotMet") for n in range(1, 6)))
    why = ledger.exhausted((held(),), 5)
    assert why is not None
    assert why.startswith("5 attempts at this exam have failed on this platform, the last ones by flood (ThresholdNot")
    assert why.endswith("begins after 2016-12-31: one of as many days ends on 2019-01-01")  # 731 days
    assert ledger.exhausted((held(),), 6) is None
    assert ledger.exhausted((held(start="2017-01-01", end="2018-12-31"),), 5) is None
    assert ledger.opened([installation()], 5, NOW) == ledger
    assert len(ledger.opened([installation()], 6, NOW).attempts) == 6
    assert ledger.exhausted((), 0) is None  # an app that reports its own metrics takes none
    drawn = Ledger(tuple(attempt(n, content=(HeldOut(holdout=A),)) for n in range(5)[1:]))
    assert "needs other data" in (drawn.exhausted((HeldOut(holdout=A),), 4) or "")


def test_nothing_that_counts_is_forgotten() -> None:
    """Of more attempts than are listed, those that failed still count, also where windows are far apart."""
    ledger = Ledger()
    for n in range(3 * MAX_ATTEMPTS):
        content = (held(A if n % 3 else B, f"{2000 + n % 7}-01-01", f"{2000 + n % 7}-12-31"),)
        ledger = ledger.opened([installation(uid=f"u{n}", content=content)], 10**6, NOW)
        ledger = ledger.closed({} if n % 2 else {f"u{n}": installation(content=content, reason="Passed").status})
        assert len(ledger.attempts) <= MAX_ATTEMPTS
    always = (HeldOut(holdout=A), HeldOut(holdout=B))
    assert ledger.failed(always) == 3 * MAX_ATTEMPTS
    assert {e.holdout for e in ledger.earlier} == {A, B}
    assert {(e.window.start, e.window.end) for e in ledger.earlier if e.window} == {("2000-01-01", "2006-12-31")}


def test_those_that_passed_go_before_those_that_failed() -> None:
    full = Ledger(tuple(attempt(n, "Passed" if n % 2 else "Failed") for n in range(1, MAX_ATTEMPTS + 1)))
    ledger = full.opened([installation()], 10**6, NOW)
    assert len(ledger.attempts) == MAX_ATTEMPTS
    assert ledger.earlier == ()
    assert ledger.failed((held(),)) == MAX_ATTEMPTS // 2


def test_a_ledger_that_is_full_lets_nobody_in() -> None:
    going_on = tuple(attempt(n, None, (held(f"{n:016x}"),)) for n in range(1, MAX_ATTEMPTS + 1))
    assert Ledger(going_on).opened([installation()], 5, NOW) == Ledger(going_on)
    failed = tuple(attempt(n, "Failed", (held(f"{n:016x}"),)) for n in range(1, MAX_ATTEMPTS + 1))
    counts = [EarlierFailures(holdout=f"{n:08x}ffffffff", failed=1) for n in range(MAX_HOLDOUTS)]
    full, room = Ledger(failed, tuple(counts)), Ledger(failed, tuple(counts[1:]))
    assert full.opened([installation()], 5, NOW) == full
    after = room.opened([installation()], 5, NOW)
    assert (len(after.attempts), len(after.earlier)) == (MAX_ATTEMPTS, MAX_HOLDOUTS)
    assert after.failed(failed[0].exam) == 1
