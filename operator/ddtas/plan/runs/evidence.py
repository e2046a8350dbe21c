"""From what a run left behind to evidence: Passed, Failed or Inconclusive, and why.

A termination message is hostile input: it is bounded, parsed strictly, and every number must be finite.
"""

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from ddtas.api.base import Verdict
from ddtas.api.evidence import CalibratedParameter, Evidence, MetricResult, Outcome
from ddtas.api.requirements import Threshold
from ddtas.api.workload import Task
from ddtas.errors import ResultError, printable
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import fetched, scored
from ddtas.plan.runs.last_words import Hidden, last_words
from ddtas.plan.runs.scored import Exam, rounded
from ddtas.plan.snapshot import Child, JobFacts, PodFacts
from ddtas.schema.faults import words
from ddtas.schema.model import Model
from ddtas.schema.types import FieldName, Window

# The kubelet cuts a termination message at this size, so a message that fills it may have lost its end.
MAX_RESULT_BYTES = 4096

_ALTERED = (
    "its pod is not made as the operator asked: a mesh or a webhook adds to it, or somebody made it by hand;"
    " leave pods with the label ddtas.nl/phase alone"
)
_NOTHING_HIDDEN = Hidden(())

CALIBRATE, VALIDATE, MONITOR, SERVE = "calibrate", "validate", "monitor", "serve"

_RUNNER_IMAGE = "that fetches the data (runner.image of the operator's chart)"

# Evidence with such a reason may still be overtaken: the kubelet goes on pulling, and the Job on running.
_PROVISIONAL = frozenset({Reason.IMAGE_PULL_FAILED})


class RunResult(Model):
    """What a run reports, as JSON in its termination message (docs/app-contract.md)."""

    model_config = ConfigDict(strict=True)

    metrics: Annotated[dict[FieldName, float], Field(max_length=64)]
    windows: Annotated[list[Window], Field(min_length=1, max_length=16)]
    parameters: Annotated[dict[FieldName, float], Field(max_length=64)] = Field(default_factory=dict)
    message: Annotated[str, Field(max_length=500)] = ""


def parse_result(message: str, hide: Hidden = _NOTHING_HIDDEN) -> RunResult:
    """Read a termination message.

    Args:
        message: hostile text.
        hide: what an error must not show of it.

    Raises:
        ResultError: ResultMissing, ResultTooLarge, ResultMalformed or ResultNotFinite.
    """
    if not message.strip():
        raise ResultError(Reason.RESULT_MISSING, "the container wrote nothing to its termination message")
    if len(message.encode(errors="replace")) >= MAX_RESULT_BYTES:
        advice = "report fewer parameters and metrics, and keep larger results elsewhere"
        raise ResultError(Reason.RESULT_TOO_LARGE, f"the result has {MAX_RESULT_BYTES} bytes or more: {advice}")
    try:
        raw: Any = json.loads(message, object_pairs_hook=_once)
    except _TwiceError as error:
        raise ResultError(Reason.RESULT_MALFORMED, printable(f"{error} is there twice: report each once")) from None
    except (ValueError, RecursionError):
        raise ResultError(Reason.RESULT_MALFORMED, f"not JSON: {printable(hide(message), 120)}") from None
    try:
        result = RunResult.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the result"
        if first["type"] == "finite_number" or _has_null(raw):
            raise ResultError(Reason.RESULT_NOT_FINITE, "a metric or parameter is not a finite number") from None
        raise ResultError(Reason.RESULT_MALFORMED, printable(hide(f"{place}: {words(first)}"))) from None
    for index, window in enumerate(result.windows):
        if window.start > window.end:  # it would share no day with anything
            raise ResultError(Reason.RESULT_MALFORMED, f"windows.{index}: {window} ends before it starts")
    for name, value in [*result.metrics.items(), *result.parameters.items()]:
        if not math.isfinite(value):
            raise ResultError(Reason.RESULT_NOT_FINITE, f"{name} is {value}")
    return result


class _TwiceError(ValueError):
    """A key that one JSON object has twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Of a key that is there twice readers take the one or the other: a person sees what does not count.

    Raises:
        _TwiceError: a key is there twice.
    """
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise _TwiceError(key)
        unique[key] = value
    return unique


def _has_null(raw: Any) -> bool:
    """A null for a number: how JSON writers that know no NaN write one."""
    maps = [raw.get(key) for key in ("metrics", "parameters")] if isinstance(raw, dict) else []
    return any(value is None for values in maps if isinstance(values, dict) for value in values.values())


def _judge(result: RunResult, thresholds: Sequence[Threshold], hide: Hidden) -> tuple[Outcome, Reason, str]:
    """The metrics against their thresholds; the first reason to refuse is the one that is named."""
    missing = [t.metric for t in thresholds if t.metric not in result.metrics]
    if missing:
        return (
            Outcome.INCONCLUSIVE,
            Reason.METRIC_MISSING,
            f"the result lacks {', '.join(sorted(set(missing)))}, which the listing bounds",
        )
    texts = [
        f"{t.metric} is {rounded(result.metrics[t.metric])}, must be {t.operator.symbol} {t.value}"
        for t in thresholds
        if not t.operator.holds(result.metrics[t.metric], float(t.value))
    ]
    if texts:
        return Outcome.FAILED, Reason.THRESHOLD_NOT_MET, "; ".join(texts)
    met = ", ".join(f"{t.metric} {rounded(result.metrics[t.metric])} {t.operator.symbol} {t.value}" for t in thresholds)
    return Outcome.PASSED, Reason.PASSED, met or printable(hide(result.message)) or "done"


def _metric(name: str, value: float, thresholds: Sequence[Threshold]) -> MetricResult:
    bounds = [t for t in thresholds if t.metric == name]
    if not bounds:
        return MetricResult(name=name, value=rounded(value))
    met = all(t.operator.holds(value, float(t.value)) for t in bounds)
    return MetricResult(
        name=name,
        value=rounded(value),
        threshold=", ".join(f"{t.operator.symbol} {t.value}" for t in bounds)[:60],
        verdict=Verdict.MET if met else Verdict.NOT_MET,
    )


def _overlap(windows: Sequence[Window], seen: Sequence[Window]) -> str | None:
    for mine in windows:
        for other in seen:
            if mine.overlaps(other):
                return f"{mine} shares days with {other}"
    return None


def _inconclusive(job: str, reason: Reason, message: str, finished: JobFacts) -> Evidence:
    return Evidence(
        outcome=Outcome.INCONCLUSIVE, reason=reason, message=message[:1000], job=job, completed_at=finished.finished_at
    )


def _complete(
    job: Child, facts: JobFacts, pod: PodFacts, run: Task, must_not_see: Sequence[Window], hide: Hidden
) -> Evidence:
    try:
        result = parse_result(pod.ended_message, hide)
    except ResultError as error:
        return _inconclusive(job.name, Reason.named(error.reason), error.message, facts)
    outcome, reason, message = _judge(result, run.thresholds, hide)
    overlap = _overlap(result.windows, must_not_see)
    if overlap is not None:
        outcome, reason, message = Outcome.FAILED, Reason.WINDOWS_OVERLAP, f"the run used {overlap}"
    return Evidence(
        outcome=outcome,
        reason=reason,
        message=message[:1000],
        job=job.name,
        parameters=tuple(CalibratedParameter(name=n, value=repr(v)) for n, v in sorted(result.parameters.items())),
        metrics=tuple(_metric(n, v, run.thresholds) for n, v in sorted(result.metrics.items())),
        windows=tuple(result.windows),
        tables=fetched.tables(pod),
        completed_at=facts.finished_at,
    )


def _crash(pods: Sequence[PodFacts], facts: JobFacts, hide: Hidden) -> str:
    ended = [p for p in pods if p.exit_code not in (None, 0)]
    if not ended:
        return printable(f"{facts.reason}: {facts.message}")
    pod = ended[-1]
    if pod.ended_reason == "OOMKilled":
        return "the container used more memory than its limit (OOMKilled): raise resources.limits.memory in the listing"
    return crashed(pod, hide)


def crashed(pod: PodFacts, hide: Hidden) -> str:
    """How a container ended with an error, and what it said last."""
    return f"exit code {pod.exit_code}: {last_words(_error_text(pod.ended_message), hide) or 'no message'}"


def _error_text(message: str) -> str:
    try:
        error = json.loads(message)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return message
    return error if isinstance(error, str) else message


def waiting_for_image(pods: Sequence[PodFacts], image: str, reported: bool = False) -> str | None:
    """Which image cannot be had and why, when the kubelet has given up for now.

    Args:
        pods: oldest first.
        image: of the app.
        reported: it was said before. Then the next failed pull is more of the same; else it may be a passing one.
    """
    reasons = {"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"} | ({"ErrImagePull"} if reported else set())
    for pod in pods:
        for name, container in ((image, pod), (_RUNNER_IMAGE, pod.runner)):
            if container is not None and container.waiting_reason in reasons:
                # Between two pulls the kubelet quotes the last one: `Back-off pulling image "…": ErrImagePull: …`.
                waiting = container.waiting_reason
                reason = "ImagePullBackOff" if waiting == "ErrImagePull" else waiting
                words = printable(f"{reason}: {container.waiting_message.rpartition('ErrImagePull: ')[2]}")
                return f"image {name}: {words}"
    return None


def is_final(evidence: Evidence | None) -> bool:
    """Evidence that no later observation of the same run can change."""
    return evidence is not None and evidence.reason not in _PROVISIONAL


def _has_started(pod: PodFacts) -> bool:
    fetched = pod.runner is not None and (pod.runner.running or pod.runner.exit_code is not None)
    return pod.phase in ("Running", "Succeeded") or pod.exit_code is not None or fetched


def _scored(job: Child, facts: JobFacts, pod: PodFacts, run: Task, exam: Exam, hide: Hidden) -> Evidence:
    assert pod.score is not None  # noqa: S101 - it has ended
    if pod.shape != facts.shape:
        return _inconclusive(job.name, Reason.POD_ALTERED, _ALTERED, facts)
    try:
        report = scored.read(pod.score, exam)
    except ResultError as error:
        text = printable(hide(error.message), 1000)
        result = _inconclusive(job.name, Reason.named(error.reason), text, facts)
        return result.model_copy(update={"assurance": exam.assurance, "tables": fetched.tables(pod)})
    result = scored.judged(report, exam, run.thresholds, job.name, hide)
    return result.model_copy(update={"tables": fetched.tables(pod), "completed_at": facts.finished_at})


def _has_ended_well(pod: PodFacts, exam: Exam | None) -> bool:
    code = pod.exit_code if exam is None else pod.score.exit_code if pod.score is not None else None
    return code == 0


def assess(
    recorded: Evidence | None,
    job: Child | None,
    pods: Sequence[PodFacts],
    run: Task,
    must_not_see: Sequence[Window],
    lost: bool,
    hide: Hidden = _NOTHING_HIDDEN,
    exam: Exam | None = None,
) -> Evidence | None:
    """Evidence of one run, or None while it is under way.

    Args:
        recorded: what the status already holds; final evidence stands, also when its Job is gone.
        job: the run's Job, if there is one.
        pods: that Job's pods, oldest first.
        run: the listing's declaration of the run.
        must_not_see: periods that the run must not have used.
        lost: a finished Job without a finished pod has been so for long enough to give its pod up.
        hide: what no message may show of what the run said.
        exam: how the platform judges it; None where it reports its own metrics.
    """
    if is_final(recorded):
        return recorded
    if job is None or not isinstance(job.facts, JobFacts):
        return recorded
    facts = job.facts
    if facts.state == "Complete":
        done = [p for p in pods if _has_ended_well(p, exam)]
        if done and exam is not None:
            return _scored(job, facts, done[-1], run, exam, hide)
        if done:
            return _complete(job, facts, done[-1], run, must_not_see, hide)
        if lost:
            text = "the Job's pod is gone, and its result with it"
            return _inconclusive(job.name, Reason.RESULT_MISSING, text, facts)
        return None  # the pod's last event is still on its way
    if facts.state == "Running":
        if recorded is not None and not any(map(_has_started, pods)):
            return recorded  # between two pulls the kubelet shows other reasons: the condition must not flap with them
        image = waiting_for_image(pods, run.image)
        return None if image is None else _inconclusive(job.name, Reason.IMAGE_PULL_FAILED, image, facts)
    return _ended_badly(recorded, job, facts, pods, run, lost, hide)


def _ended_badly(
    recorded: Evidence | None,
    job: Child,
    facts: JobFacts,
    pods: Sequence[PodFacts],
    run: Task,
    lost: bool,
    hide: Hidden,
) -> Evidence | None:
    """Evidence of a run whose Job has failed; for the arguments see `assess`."""
    unfetched = next((why for p in reversed(pods) if (why := fetched.failure(p, hide)) is not None), None)
    if unfetched is not None and pods[-1].exit_code is None:
        return _inconclusive(job.name, fetched.reason(pods[-1]), unfetched, facts)
    ran = any(p.exit_code is not None for p in pods)
    if facts.reason == "DeadlineExceeded":
        if recorded is not None and not ran:
            return recorded  # the deadline ran out on an image that never came: that is the cause to show
        message = f"not done after {run.effective_timeout_seconds} s (timeoutSeconds in the listing)"
        return _inconclusive(job.name, Reason.RUN_TIMED_OUT, message, facts)
    if not ran and not lost:
        return recorded  # the pod's last event is still on its way, and with it the cause
    scorer = pods[-1].score if pods else None
    if scorer is not None and scorer.exit_code not in (None, 0):
        words = last_words(scorer.ended_message, hide) or scorer.ended_reason
        return _inconclusive(job.name, Reason.SCORING_FAILED, f"exit code {scorer.exit_code}: {words}", facts)
    return _inconclusive(job.name, Reason.RUN_CRASHED, _crash(pods, facts, hide), facts)
