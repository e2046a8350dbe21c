"""The runs of a revision: what each of them showed, and which is still to be started."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ddtas import names
from ddtas.api.evidence import Evidence, Outcome, RevisionStatus
from ddtas.api.workload import Task
from ddtas.plan.children import orders
from ddtas.plan.decision.step import Step
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding, Stage, not_yet, true
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import evidence, fetched, monitoring, recalibration
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, VALIDATE
from ddtas.plan.snapshot import Child, JobFacts, PodFacts
from ddtas.schema.types import Window

# How long a finished Job may be without its pod's last event, before the result counts as lost.
_LOST_AFTER = timedelta(seconds=60)
_READ_AGAIN = timedelta(seconds=15)
# What a run is called, and the reason while it goes on.
_WORDS = {CALIBRATE: ("calibration", Reason.CALIBRATING), VALIDATE: ("validation", Reason.VALIDATING)}
# Whose log says more, where it is not the app's.
_LOGS = {
    Reason.FETCH_FAILED: f" -c {names.FETCH}",
    Reason.CANNOT_SEAL: f" -c {names.FETCH}",
    Reason.SCORING_FAILED: f" -c {names.SCORE}",
}


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a run showed.

    Attributes:
        evidence: None while it is under way.
        until: when its result is read again, where its Job has ended without one.
    """

    evidence: Evidence | None
    until: datetime | None = None


def assess(
    view: RevisionView,
    phase: str,
    job: Child | None,
    known: Evidence | None,
    pods: list[PodFacts],
    run: Task,
    must_not_see: Sequence[Window] = (),
) -> Assessment:
    """Assess one run.

    Args:
        view: of the revision.
        phase: which run.
        job: the run's Job, if there is one.
        known: what the status has of it.
        pods: the Job's pods, oldest first.
        run: the listing's declaration of it.
        must_not_see: periods that it must not have used.
    """
    finished, now = None, view.snapshot.now
    if job is not None and isinstance(job.facts, JobFacts) and job.facts.state != "Running":
        finished = job.facts.finished_at or now
        # By our clock: evidence from the future would be older than it says for as long as the other is ahead.
        job = replace(job, facts=replace(job.facts, finished_at=min(finished, now)))
    # A pod that is there will still say how it ended. How long one that is not has been gone, a clock that was wrong
    # does not tell either way.
    lost = finished is not None and not pods and abs(now - finished) > _LOST_AFTER
    result = evidence.assess(known, job, pods, run, must_not_see, lost, view.hidden, view.exam(phase))
    waits = result is None and finished is not None
    return Assessment(result, now + _READ_AGAIN if waits else None)


@dataclass(frozen=True, slots=True)
class RunStage:
    """A calibration or validation.

    Attributes:
        stage: that it is.
        phase: in the names and labels of its objects.
        declared: by the listing.
        must_not_see: periods that it must not use.
    """

    stage: Stage
    phase: str
    declared: Task
    must_not_see: Sequence[Window]


def assess_run(view: RevisionView, run: RunStage, known: Evidence | None) -> tuple[Assessment, Finding]:
    """What a calibration or validation showed, and what is said of it."""
    job, pods = view.job(run.phase), view.pods(phase=run.phase)
    assessment = assess(view, run.phase, job, known, pods, run.declared, run.must_not_see)
    return assessment, _finding(view, run, assessment.evidence, job, pods)


def ended(view: RevisionView, run: RunStage, result: Evidence) -> Finding:
    """What is said of a run that has ended, or that may not begin."""
    return _finding(view, run, result, None, [])


def _finding(
    view: RevisionView, run: RunStage, result: Evidence | None, child: Child | None, pods: list[PodFacts]
) -> Finding:
    stage, job = run.stage, view.renderer.name(run.phase)
    word, working = _WORDS[run.phase]
    if result is not None:
        reason = Reason.named(result.reason)
        text = f"{word} of revision {view.id}: {result.message}"
        if result.outcome is Outcome.PASSED:
            return true(stage, reason, text)
        if reason not in (Reason.THRESHOLD_NOT_MET, Reason.IMAGE_PULL_FAILED, Reason.HOLDOUT_EXHAUSTED):
            own = f" -c {run.phase}" if view.exam(run.phase) is not None else ""
            container = _LOGS.get(reason, own)
            text += f"; see `kubectl logs job/{job}{container}`"
        return not_yet(stage, reason, text)
    waiting = [p for p in pods if p.unschedulable]
    detail = f"no node has room for it: {waiting[0].unschedulable}" if waiting else "is running"
    # A Job that is new fetches first: its pod, and the container in it, say so a moment later.
    begins = all(p.runner is None for p in pods) and bool(orders.tables(run.declared, view.revision.inputs.bindings))
    if begins or fetched.is_fetching(pods):
        working = Reason.FETCHING
        detail = detail if waiting else "is fetching its data"
    elif not waiting and pods and (data := fetched.summary(fetched.tables(pods[-1]))):
        detail = f"{detail}, on {data}"
    if child is not None and isinstance(child.facts, JobFacts) and child.facts.trouble:
        detail = f"{child.facts.trouble}, so nobody knows whether it has ended; see `kubectl get job/{job} -o yaml`"
    return not_yet(stage, working, f"Job {job} {detail}")


@dataclass(frozen=True, slots=True)
class Monitored:
    """What monitoring came to.

    Attributes:
        step: with the run that is to be started.
        newest: the newest Job, which is kept; None where there is none.
    """

    step: Step
    newest: Child | None


def monitor(view: RevisionView, status: RevisionStatus, start: bool) -> Monitored:
    """Monitor a revision that serves: take in the newest run, and begin the next one where it is due.

    Args:
        view: of the revision.
        status: of the revision, with what its other runs showed.
        start: whether a run may begin; not while the runs of another revision go on.
    """
    run, now = view.revision.inputs.version.monitoring, view.snapshot.now
    job = monitoring.newest(view.snapshot.children_of(view.id, "Job"), now)
    if run is None or status.validation is None or status.validation.completed_at is None:
        return Monitored(Step(status), job)
    newest, soon, until = status.monitoring, False, None
    if job is not None:
        known = newest if newest is not None and newest.job == job.name else None
        pods = view.pods(phase=MONITOR, job=f"{job.name}-")
        assessment = assess(view, MONITOR, job, known, pods, run)
        soon = assessment.evidence != known and recalibration.drifted(assessment.evidence)
        newest, until = assessment.evidence or newest, assessment.until
    plan = monitoring.plan_of(run, view.owner.uid)
    since = status.validation.completed_at
    watch = monitoring.watch(plan, view.renderer.prefix, newest, job, since, now)
    desired = (view.run(MONITOR, run, watch.start),) if start and watch.start is not None else ()
    step = Step(
        status.model_copy(update={"monitoring": newest}),
        desired=desired,
        until=tuple(moment for moment in (until, watch.next) if moment is not None),
        soon=soon,
    )
    return Monitored(step, job)
