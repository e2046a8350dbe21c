"""What the scorer says of a run: its termination message, read as hostile, and judged against the thresholds. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from ddtas.api.base import Verdict
from ddtas.api.evidence import (
    Assurance,
    CalibratedParameter,
    Evidence,
    MetricResult,
    Outcome,
    Prediction,
)
from ddtas.api.requirements import RunThreshold
from ddtas.data.contract import Operator
from ddtas.errors import ResultError, printable
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.last_words import Hidden
from ddtas.plan.snapshot import ContainerFacts
from ddtas.schema.types import Window
from ddtas.scoring.report import Score, ScoreReport

# What the scorer may find wrong with an output, or with the data.
OUTPUT_FAULTS = frozenset(
    {
        Reason.OUTPUT_MISSING,
        Reason.OUTPUT_UNREADABLE,
        Reason.OUTPUT_TOO_LARGE,
        Reason.OUTPUT_MALFORMED,
        Reason.PREDICTIONS_INCOMPLETE,
        Reason.PREDICTIONS_NOT_FINITE,
        Reason.HOLDOUT_EMPTY,
        Reason.METRIC_UNDEFINED,
    }
)
_AT_LEAST = (Operator.MUST_BE_GREATER_THAN, Operator.MUST_BE_GREATER_OR_EQUAL_TO)
_AT_MOST = (Operator.MUST_BE_LESS_THAN, Operator.MUST_BE_LESS_OR_EQUAL_TO)


@dataclass(frozen=True, slots=True)
class Exam:
    """How a run is judged by the platform.

    Attributes:
        targets: the names of what is predicted; none in a calibration.
        windows: the days that the run is given.
        sealed: the app has no network.
    """

    targets: tuple[str, ...]
    windows: tuple[Window, ...] = ()
    sealed: bool = True

    @property
    def assurance(self) -> Assurance:
        """How far its result can be believed."""
        return Assurance.SEALED if self.sealed else Assurance.SCORED


def read(scorer: ContainerFacts, exam: Exam) -> ScoreReport:
    """The report of a scorer that ended well.

    Raises:
        ResultError: it is missing, was cut, is not of this exam, or says what is wrong with the output.
    """
    try:
        report = ScoreReport.unsealed(scorer.ended_message)
    except (ValueError, ValidationError, RecursionError):
        text = "the report of the container score is missing or was cut: something else writes into the pod"
        raise ResultError(Reason.RESULT_MALFORMED, text) from None
    if report.fault is not None:
        reason, words = Reason.named(report.fault.reason), report.fault.message
        if reason not in OUTPUT_FAULTS:
            raise ResultError(Reason.SCORING_FAILED, f"{report.fault.reason}: {words}")
        raise ResultError(reason, words)
    if tuple(sorted(p.target for p in report.predicted)) != tuple(sorted(exam.targets)):
        raise ResultError(Reason.RESULT_MALFORMED, "the report of the container score is not about these targets")
    names = [name(score, exam) for score in report.scores]
    if len(set(names)) < len(names) or len({p.name for p in report.parameters}) < len(report.parameters):
        raise ResultError(Reason.RESULT_MALFORMED, "the report of the container score has a name twice")
    return report


def name(score: Score, exam: Exam) -> str:
    """The name of a metric: of several targets it is TARGET.METRIC."""
    return score.metric if len(exam.targets) == 1 else f"{score.target}.{score.metric}"


def judged(report: ScoreReport, exam: Exam, thresholds: Sequence[RunThreshold], job: str, hide: Hidden) -> Evidence:
    """The evidence of a run that could be scored."""
    scores = {name(score, exam): score for score in report.scores}
    outcome, reason, message = _verdict(scores, thresholds, report)
    return Evidence(
        outcome=outcome,
        reason=reason,
        message=printable(hide(message), 1000),
        job=job,
        assurance=exam.assurance,
        predictions=tuple(Prediction.model_validate(p.dump()) for p in report.predicted),
        parameters=tuple(CalibratedParameter(name=p.name, value=p.value) for p in report.parameters),
        metrics=tuple(_metric(n, s, [t for t in thresholds if t.metric == n]) for n, s in sorted(scores.items())),
        windows=exam.windows,
    )


def _verdict(
    scores: dict[str, Score], thresholds: Sequence[RunThreshold], report: ScoreReport
) -> tuple[Outcome, Reason, str]:
    missing = sorted({t.metric for t in thresholds} - set(scores))
    if missing:
        there = f"; computed are {', '.join(sorted(scores))}" if scores else ""
        return Outcome.INCONCLUSIVE, Reason.METRIC_MISSING, f"{', '.join(missing)} was not computed{there}"
    judged = [(t, scores[t.metric], met(t, scores[t.metric])) for t in thresholds]
    for wanted, outcome, reason in (
        (Verdict.NOT_MET, Outcome.FAILED, Reason.THRESHOLD_NOT_MET),
        (Verdict.UNKNOWN, Outcome.INCONCLUSIVE, Reason.TOO_UNCERTAIN),
    ):
        texts = [_said(t, score) for t, score, found in judged if found is wanted]
        if texts:
            return outcome, reason, "; ".join(texts)
    shown = "; ".join(
        f"{t.metric} {rounded(s.value)}{_interval(s)} {t.operator.symbol} {t.value}" for t, s, _ in judged
    )
    return Outcome.PASSED, Reason.PASSED, shown or "; ".join(_found(report)) or "done"


def _found(report: ScoreReport) -> Iterator[str]:
    yield from (f"{p.name} {rounded(p.value)}" for p in report.parameters)


def met(threshold: RunThreshold, score: Score) -> Verdict:
    """Whether a metric meets a threshold: with a confidence, the bound of its interval must."""
    operator, bound = threshold.operator, float(threshold.value)
    if not operator.holds(float(score.value), bound):
        return Verdict.NOT_MET
    if threshold.confidence_percent is None:
        return Verdict.MET
    side = score.low if operator in _AT_LEAST else score.high if operator in _AT_MOST else None
    return Verdict.MET if side is not None and operator.holds(float(side), bound) else Verdict.UNKNOWN


def rounded(value: float | str) -> str:
    """A number as people read it: six significant digits."""
    return f"{float(value):.6g}"


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f" ({rounded(score.low)}…{rounded(score.high)})"


def _said(threshold: RunThreshold, score: Score) -> str:
    sure = f" with {threshold.confidence_percent} % confidence" if threshold.confidence_percent is not None else ""
    value = f"{threshold.metric} is {rounded(score.value)}{_interval(score)}"
    return f"{value}, must be {threshold.operator.symbol} {threshold.value}{sure}"


def _metric(name: str, score: Score, thresholds: Sequence[RunThreshold]) -> MetricResult:
    shown = MetricResult(name=name, value=score.value, low=score.low, high=score.high)
    if not thresholds:
        return shown
    found = [met(t, score) for t in thresholds]
    verdict = next((m for m in (Verdict.NOT_MET, Verdict.UNKNOWN) if m in found), Verdict.MET)
    text = ", ".join(f"{t.operator.symbol} {t.value}{_sure(t)}" for t in thresholds)[:60]
    return shown.model_copy(update={"threshold": text, "verdict": verdict})


def _sure(threshold: RunThreshold) -> str:
    return f" at {threshold.confidence_percent} %" if threshold.confidence_percent is not None else ""
