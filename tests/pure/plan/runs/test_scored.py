"""What comes of the scorer's report: thresholds, intervals, and reports that cannot be believed."""

from typing import Any

import pytest
from builders import NOW, version

from ddtas.api.base import Verdict
from ddtas.api.evidence import Assurance, Evidence, Outcome
from ddtas.api.requirements import RunThreshold
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.evidence import assess
from ddtas.plan.runs.scored import Exam
from ddtas.plan.snapshot import Child, ContainerFacts, JobFacts, PodFacts
from ddtas.schema.types import Window
from ddtas.scoring.report import ScoreReport

WINDOW = Window(start="2015-01-01", end="2016-12-31")
ONE = Exam(("discharge",), (WINDOW,))
TWO = Exam(("discharge", "level"), (WINDOW,))
DIGEST = "sha256:" + "0" * 64
AT_LEAST, AT_MOST = "mustBeGreaterThan", "mustBeLessThan"


def score(metric: str, value: str, low: str | None = None, high: str | None = None, target: str = "discharge") -> Any:
    return {"target": target, "metric": metric, "value": value, "low": low, "high": high}


def predicted(*targets: str) -> list[Any]:
    return [{"target": t, "rows": 731, "digest": DIGEST, "truth": DIGEST} for t in targets or ("discharge",)]


def report(*scores: Any, **more: Any) -> str:
    return ScoreReport.model_validate({"predicted": predicted(), "scores": scores} | more).sealed()


def found(message: str, *thresholds: tuple[str, str, str, int | None], exam: Exam = ONE) -> Evidence:
    bounds = tuple(RunThreshold(metric=m, operator=o, value=v, confidence_percent=c) for m, o, v, c in thresholds)
    run = version().validation.model_copy(update={"thresholds": bounds})
    job = Child("Job", "flood-0123456789-validate", facts=JobFacts("Complete", finished_at=NOW))
    scorer = ContainerFacts(exit_code=0, ended_reason="Completed", ended_message=message)
    pod = PodFacts("Succeeded", exit_code=0, score=scorer)
    evidence = assess(None, job, [pod], run, (), False, exam=exam)
    assert evidence is not None
    return evidence


@pytest.mark.parametrize(
    ("operator", "bound", "confidence", "outcome", "verdict"),
    [
        (AT_LEAST, "0.5", None, Outcome.PASSED, Verdict.MET),
        (AT_LEAST, "0.54", None, Outcome.FAILED, Verdict.NOT_MET),  # not more than itself
        ("mustBeGreaterOrEqualTo", "0.54", None, Outcome.PASSED, Verdict.MET),
        (AT_LEAST, "0.5", 95, Outcome.INCONCLUSIVE, Verdict.UNKNOWN),
        (AT_LEAST, "0.4", 95, Outcome.PASSED, Verdict.MET),
        (AT_LEAST, "0.6", 95, Outcome.FAILED, Verdict.NOT_MET),
        (AT_MOST, "0.6", 95, Outcome.INCONCLUSIVE, Verdict.UNKNOWN),
        (AT_MOST, "0.7", 95, Outcome.PASSED, Verdict.MET),
        ("mustBe", "0.54", 95, Outcome.INCONCLUSIVE, Verdict.UNKNOWN),  # of that nobody is ever sure
    ],
)
def test_a_confidence_asks_it_of_the_interval(
    operator: str, bound: str, confidence: int | None, outcome: Outcome, verdict: Verdict
) -> None:
    evidence = found(report(score("NSE", "0.54", "0.41", "0.62")), ("NSE", operator, bound, confidence))
    assert evidence.outcome is outcome
    (metric,) = evidence.metrics
    assert (metric.verdict, metric.low, metric.high) == (verdict, "0.41", "0.62")
    if outcome is Outcome.INCONCLUSIVE:
        assert evidence.reason == Reason.TOO_UNCERTAIN
        assert evidence.message == f"NSE is 0.54 (0.41…0.62), must be {symbol(operator)} {bound} with 95 % confidence"


def symbol(operator: str) -> str:
    return RunThreshold(metric="NSE", operator=operator, value="0").operator.symbol


def test_without_an_interval_nothing_is_sure() -> None:
    evidence = found(report(score("NSE", "0.9")), ("NSE", AT_LEAST, "0.5", 90))
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, Reason.TOO_UNCERTAIN)


def test_passed() -> None:
    evidence = found(report(score("NSE", "0.72", "0.6", "0.8"), score("MAE", "2")), ("NSE", AT_LEAST, "0.5", None))
    assert (evidence.outcome, evidence.assurance) == (Outcome.PASSED, Assurance.SEALED)
    assert evidence.message == "NSE 0.72 (0.6…0.8) > 0.5"
    assert [(m.name, m.threshold) for m in evidence.metrics] == [("MAE", None), ("NSE", "> 0.5")]
    assert [(p.target, p.rows, p.truth) for p in evidence.predictions] == [("discharge", 731, DIGEST)]
    assert (evidence.windows, evidence.completed_at) == ((WINDOW,), NOW)


def test_failed_comes_before_too_uncertain() -> None:
    message = report(score("NSE", "0.54", "0.4", "0.6"), score("RSR", "0.9"))
    evidence = found(message, ("NSE", AT_LEAST, "0.5", 95), ("RSR", AT_MOST, "0.7", None))
    assert (evidence.outcome, evidence.message) == (Outcome.FAILED, "RSR is 0.9, must be < 0.7")


def test_of_several_targets_a_metric_has_the_name_of_its_target() -> None:
    message = report(
        score("NSE", "0.7"), score("NSE", "0.3", target="level"), predicted=predicted("level", "discharge")
    )
    evidence = found(message, ("level.NSE", AT_LEAST, "0.5", None), exam=TWO)
    assert [m.name for m in evidence.metrics] == ["discharge.NSE", "level.NSE"]
    assert evidence.message == "level.NSE is 0.3, must be > 0.5"


def test_a_metric_that_is_bounded_and_was_not_computed() -> None:
    evidence = found(report(score("MAE", "2")), ("NSE", AT_LEAST, "0.5", None))
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, Reason.METRIC_MISSING)
    assert evidence.message == "NSE was not computed; computed are MAE"


def test_a_fault_of_the_output_has_its_own_reason() -> None:
    fault = {"reason": "PredictionsIncomplete", "message": "discharge: 700 of 731 rows are missing, the first is …"}
    evidence = found(report(predicted=[], fault=fault))
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, Reason.PREDICTIONS_INCOMPLETE)
    assert evidence.message == fault["message"]
    for reason in ("SomethingNew", "Passed"):
        other = found(report(predicted=[], fault={"reason": reason, "message": "x"}))
        assert (other.outcome, other.message) == (Outcome.INCONCLUSIVE, f"{reason}: x")


def test_open_runs_are_scored_and_not_sealed() -> None:
    evidence = found(report(score("NSE", "0.7")), exam=Exam(("discharge",), (WINDOW,), sealed=False))
    assert evidence.assurance is Assurance.SCORED


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        report(score("NSE", "0.7"))[:-1],  # cut
        report(score("NSE", "0.7")) + "\n",
        report(score("NSE", "0.7")).replace("0.7", "0.9"),
        report(score("NSE", "0.7"), predicted=[]),  # not of all targets
        report(score("NSE", "0.7"), predicted=predicted("discharge", "other")),
        report(score("NSE", "0.7"), score("NSE", "0.9")),
        '{"metrics": {"NSE": 0.99}, "windows": [{"start": "2015-01-01", "end": "2016-12-31"}]}',
        "\udc80\n{}",
    ],
)
def test_what_is_no_whole_report_is_no_result(message: str) -> None:
    evidence = found(message, ("NSE", AT_LEAST, "0.5", None))
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, Reason.RESULT_MALFORMED)
    assert evidence.metrics == ()


def test_the_word_of_the_app_is_no_result() -> None:
    """An app that ends well with a result of its own, while nothing has scored it."""
    message = '{"metrics": {"NSE": 0.99}, "windows": [{"start": "2015-01-01", "end": "2016-12-31"}]}'
    job = Child("Job", "flood-0123456789-validate", facts=JobFacts("Complete", finished_at=NOW))
    pod = PodFacts("Succeeded", exit_code=0, ended_reason="Completed", ended_message=message)
    assert assess(None, job, [pod], version().validation, (), False, exam=ONE) is None
    lost = assess(None, job, [], version().validation, (), True, exam=ONE)
    assert lost is not None
    assert lost.outcome is Outcome.INCONCLUSIVE


def test_a_pod_that_others_had_a_hand_in_proves_nothing() -> None:
    job = Child("Job", "j", facts=JobFacts("Complete", finished_at=NOW, shape="as-asked"))
    scorer = ContainerFacts(exit_code=0, ended_message=report(score("NSE", "0.99")))
    pods = [PodFacts("Succeeded", exit_code=0, score=scorer, shape=shape) for shape in ("as-asked", "otherwise")]
    found = [assess(None, job, [pod], version().calibration, (), False, exam=ONE) for pod in pods]
    assert [e.reason for e in found if e is not None] == [Reason.PASSED, Reason.POD_ALTERED]


CANNOT_SEAL = '{"fault": {"requirement": "all", "reason": "CannotSeal", "message": "the volume is noexec"}}'


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        (  # fetch has tried it before, and its word counts: an app could lure a city into open runs
            PodFacts("Failed", exit_code=65, ended_message="CannotSeal: no seccomp"),
            Reason.RUN_CRASHED,
            "exit code 65: CannotSeal: no seccomp",
        ),
        (
            PodFacts("Failed", exit_code=0, score=ContainerFacts(exit_code=1, ended_message="Traceback")),
            Reason.SCORING_FAILED,
            "exit code 1: Traceback",
        ),
    ],
)
def test_a_run_that_ended_badly(pod: PodFacts, reason: Reason, words: str) -> None:
    job = Child("Job", "j", facts=JobFacts("Failed", "BackoffLimitExceeded", "", NOW))
    evidence = assess(None, job, [pod], version().validation, (), False, exam=ONE)
    assert evidence is not None
    assert (evidence.outcome, evidence.reason, evidence.message) == (Outcome.INCONCLUSIVE, reason, words)
