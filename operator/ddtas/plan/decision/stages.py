"""The stages of a revision. Each is a function of the revision and of what the stages before it assessment.

    provision → calibrate → validate → serve

A stage either passes, and the next one is gone on to; or its finding says why not.
"""

from collections.abc import Callable

from ddtas.api.evidence import Outcome, RevisionStatus
from ddtas.errors import TemplateError
from ddtas.plan.decision import exams, rollout, runs
from ddtas.plan.decision.step import Progress, Step
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding, Stage, not_yet, true
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import evidence
from ddtas.plan.runs.evidence import CALIBRATE, VALIDATE

StageFunction = Callable[[RevisionView, RevisionStatus], Step]


def provision(view: RevisionView, status: RevisionStatus) -> Step:
    """Make what the runs need: volumes, record, configuration, bindings, NetworkPolicy."""
    stopped = _not_provisioned(view)
    if stopped is not None:
        return Step(status, (stopped,))
    claims, base = view.claims, view.base
    if claims.refusal is not None:
        finding = not_yet(Stage.PROVISIONED, claims.refusal.reason, claims.refusal.message)
    elif claims.waits:
        finding = not_yet(Stage.PROVISIONED, Reason.PROVISIONING, claims.waits[:2000])
    elif view.exists(base):
        version = view.revision.inputs.version.version
        finding = true(Stage.PROVISIONED, Reason.PROVISIONED, f"revision {view.id}, version {version}")
    else:
        finding = not_yet(Stage.PROVISIONED, Reason.PROVISIONING, f"{len(base)} objects of revision {view.id}")
    return Step(
        status,
        (finding,),
        desired=(*claims.desired, *(base if claims.refusal is None or view.serves else ())),
        prune=claims.prune,
        until=(claims.until,) if claims.until is not None else (),
        # One that serves is kept whole meanwhile.
        passes=finding.holds or view.serves,
    )


def _not_provisioned(view: RevisionView) -> Finding | None:
    """Why nothing is made yet; None where it is."""
    rendered = view.rendered
    if rendered is None:
        return not_yet(Stage.PROVISIONED, Reason.PROVISIONING, "the listing's templates are being rendered")
    if isinstance(rendered, TemplateError):
        return not_yet(Stage.PROVISIONED, Reason.named(rendered.reason), rendered.message[:2000])
    if view.lacks_runner:
        text = (
            f"{', '.join(sorted(view.tables))}: no image is set that fetches data:"
            " set runner.image of the operator's chart, or ask for delivery Direct"
        )
        return not_yet(Stage.PROVISIONED, Reason.RUNNER_NOT_SET, text[:2000])
    untried = view.untried if not view.serves else None
    if untried is None:
        return None
    text = f"data source {untried.source.name}: its credentials were changed, and are tried first"
    return not_yet(Stage.PROVISIONED, Reason.PROBING, text)


def calibrate(view: RevisionView, status: RevisionStatus) -> Step:
    """Fit the model to the city's data: a Job, and what it showed."""
    inputs = view.revision.inputs
    run = runs.RunStage(Stage.CALIBRATED, CALIBRATE, inputs.version.calibration, (inputs.windows.validation,))
    if status.calibration is None and not view.has_begun(CALIBRATE):
        exhausted = exams.refused(view, CALIBRATE)
        if exhausted is not None:  # to calibrate would lead nowhere
            return Step(status.model_copy(update={"calibration": exhausted}), (runs.ended(view, run, exhausted),))
    assessment, finding = runs.assess_run(view, run, status.calibration)
    final = evidence.is_final(assessment.evidence)
    return Step(
        status.model_copy(update={"calibration": assessment.evidence}),
        (finding,),
        desired=() if final else (view.run(CALIBRATE, run.declared),),
        until=(assessment.until,) if assessment.until is not None else (),
        passes=finding.holds,
    )


def validate(view: RevisionView, status: RevisionStatus) -> Step:
    """Judge the calibrated model on other data: a Job, and what it showed."""
    calibration, renderer = status.calibration, view.renderer
    assert calibration is not None  # noqa: S101 - the stage before has passed
    run = runs.RunStage(Stage.VALIDATED, VALIDATE, view.revision.inputs.version.validation, calibration.windows)
    exam = exams.of(view, status.validation)
    status = status.model_copy(update={"exam": exam.content})
    if exam.refused is not None:
        return Step(status.model_copy(update={"validation": exam.refused}), (runs.ended(view, run, exam.refused),))
    if exam.waits is not None:
        return Step(status, (exam.waits,), until=(view.snapshot.now,))
    assessment, finding = runs.assess_run(view, run, status.validation)
    final, result = evidence.is_final(assessment.evidence), exams.judged(view, exam, assessment.evidence)
    if result is not None and finding.holds and result.outcome is not Outcome.PASSED:
        finding = runs.ended(view, run, result)
    return Step(
        status.model_copy(update={"validation": result}),
        (finding,),
        desired=() if final else (renderer.calibrated(calibration), view.run(VALIDATE, run.declared)),
        until=(assessment.until,) if assessment.until is not None else (),
        passes=finding.holds,
    )


def serve(view: RevisionView, status: RevisionStatus) -> Step:
    """Start the components, and lead the Services to them once all are ready."""
    assert status.calibration is not None  # noqa: S101 - both stages before have passed
    assert status.validation is not None  # noqa: S101
    obstacle = rollout.obstacle(view)
    # No Service leads to a revision that was never ready; one that serves keeps its Services through a bad moment.
    entrances = view.entrances() if obstacle is None or view.serves else ()
    if obstacle is None and not view.services_switched():
        obstacle = not_yet(Stage.SERVING, Reason.ROLLING_OUT, "the Services are being pointed at this revision")
    where = view.renderer.url() or "its components"
    finding = obstacle or true(Stage.SERVING, Reason.SERVING, f"revision {view.id} serves at {where}")
    workloads = view.workloads(status.calibration, status.validation)
    started = view.claims.started(view.revision.inputs.version.version)
    return Step(status, (finding,), desired=(*started, *workloads, *entrances), passes=finding.holds)


def keep(view: RevisionView, status: RevisionStatus) -> Step:
    """Keep a revision whole that serves, and is not what the spec asks for."""
    assert status.calibration is not None  # noqa: S101 - only what has passed both serves
    assert status.validation is not None  # noqa: S101
    desired = view.claims.desired
    if view.complete:
        workloads = view.workloads(status.calibration, status.validation)
        desired = (*desired, *view.base, *workloads, *view.entrances())
    until = (view.claims.until,) if view.claims.until is not None else ()
    return Step(status, (rollout.kept(view),), desired=desired, until=until)


_STAGES: tuple[StageFunction, ...] = (provision, calibrate, validate, serve)


def advance(view: RevisionView) -> Progress:
    """Bring a revision as far as it comes: each stage once, until one does not pass."""
    progress = Progress(view, view.status)
    for stage in _STAGES:
        step = stage(view, progress.status)
        progress = progress.after(step)
        if not step.passes:
            break
    return progress
