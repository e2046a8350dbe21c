"""From the spec to the revision that it asks for: accept, then bind."""

from dataclasses import dataclass

from ddtas import names
from ddtas.api.base import Recalibration
from ddtas.api.installation import Windows
from ddtas.plan.decision.bind import Bindings, bind, bound_as_recorded, counted_back
from ddtas.plan.decision.rules import Accepted, accept
from ddtas.plan.decision.situation import Situation
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding, Stage, not_yet, true
from ddtas.plan.matching.windows import CountedBack
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import BoundSource, Revision, RevisionInputs
from ddtas.plan.runs import recalibration
from ddtas.plan.runs.recalibration import Cause
from ddtas.plan.turns import Turns, in_turns
from ddtas.plan.versions import parameters


@dataclass(frozen=True)
class Target:
    """What the spec leads to.

    Attributes:
        findings: of Accepted, and where that holds, of DataBound.
        bindings: what binding came to; None where the spec was not accepted.
        view: the revision that the spec asks for; None where it leads to none.
        policy: when its evidence expires by time.
        cause: why it is another revision than before, where that is a recalibration.
    """

    findings: tuple[Finding, ...]
    bindings: Bindings | None = None
    view: RevisionView | None = None
    policy: Recalibration | None = None
    cause: Cause | None = None


@in_turns
def find_target(situation: Situation) -> Turns[Target]:
    """Accept what the spec asks for, and bind its data."""
    snapshot, accepted = situation.snapshot, accept(situation)
    if isinstance(accepted, Refusal):
        return Target((not_yet(Stage.ACCEPTED, accepted.reason, accepted.message[:2000]),))
    yield
    if accepted.recorded is not None:
        bindings = bound_as_recorded(snapshot, accepted.recorded)
    else:
        bindings = yield from bind.turns(snapshot, accepted)
    findings = (_accepted(accepted), bindings.finding)
    if bindings.bound is None:
        return Target(findings, bindings)
    if accepted.recorded is not None:  # it serves with the evidence that it has, for as long as the spec says so
        return Target(findings, bindings, _view(situation, accepted.recorded, bindings))
    measured = recalibration.measured_digest(accepted.version.data_requirements, bindings.bound, snapshot.observations)
    inputs = _inputs(situation, accepted, bindings.bound, _round(situation))
    if isinstance(inputs, Refusal):
        return Target((findings[0], not_yet(Stage.DATA_BOUND, inputs.reason, inputs.message)), bindings)
    revision, cause = _revision(situation, inputs, accepted, measured)
    view = _view(situation, revision, bindings, measured)
    return Target(findings, bindings, view, accepted.recalibration, cause)


def _accepted(accepted: Accepted) -> Finding:
    recorded, platform = accepted.recorded, accepted.platform.metadata.name
    back = f"back to revision {recorded.id} (spec.rollbackTo): " if recorded is not None else ""
    text = f"{back}listing {accepted.listing.metadata.name}, version {accepted.version.version}"
    if accepted.doubts:
        text += f"; not known of platform {platform}: {'; '.join(accepted.doubts)}"
    return true(Stage.ACCEPTED, Reason.ACCEPTED, text)


def _view(situation: Situation, revision: Revision, bindings: Bindings, measured: str | None = None) -> RevisionView:
    snapshot = situation.snapshot
    return RevisionView(
        snapshot,
        situation.owner,
        revision,
        bindings.wiring,
        snapshot.installation.status.evidence(revision.id),
        measured=measured,
        serves=revision.id == situation.past.serving,
    )


def _inputs(
    situation: Situation, accepted: Accepted, bound: tuple[BoundSource, ...], round_: str | None
) -> RevisionInputs | Refusal:
    windows = _windows(situation, accepted, bound, round_)
    if isinstance(windows, Refusal):
        return windows
    counted = accepted.windows
    spec, platform, version = situation.snapshot.installation.spec, accepted.platform.spec, accepted.version
    return RevisionInputs(
        listing=accepted.listing.metadata.name,
        version=version,
        municipality=platform.municipality,
        parameters=accepted.parameters,
        bindings=bound,
        windows=windows,
        counted_back=(counted.calibration, counted.validation) if isinstance(counted, CountedBack) else None,
        retry=situation.retry,
        round=round_,
        open_runs=platform.open_runs and bool(version.targets),
        runner=situation.snapshot.runner.image or None if any(b.table is not None for b in bound) else None,
        from_city=parameters.from_city(version.parameters, spec.parameters, platform.parameters),
    )


def _windows(
    situation: Situation, accepted: Accepted, bound: tuple[BoundSource, ...], round_: str | None
) -> Windows | Refusal:
    """The windows of a revision. Counted back, they are decided once a round, and stay however often it is tried."""
    asked, snapshot = accepted.windows, situation.snapshot
    if isinstance(asked, Windows):
        return asked
    record = situation.past.recorded(snapshot.installation.status.revision or "")
    if record is not None:
        was = record.inputs
        same = (was.counted_back, was.round, was.version.version, was.bindings)
        if same == ((asked.calibration, asked.validation), round_, accepted.version.version, bound):
            return was.windows
    return counted_back(snapshot, accepted.version.data_requirements, bound, asked)


def _round(situation: Situation) -> str | None:
    """The round of recalibration that is in force."""
    status, past = situation.snapshot.installation.status, situation.past
    if status.recalibration is not None or status.revisions or past.serving is None:
        return status.recalibration.round if status.recalibration is not None else None
    record = past.recorded(past.serving)  # the status was lost
    return record.inputs.round if record is not None else None


def _revision(
    situation: Situation, inputs: RevisionInputs, accepted: Accepted, measured: str | None
) -> tuple[Revision, Cause | None]:
    """The revision, in another round where time, drift or the data call for one; and what makes it another one."""
    snapshot, revision = situation.snapshot, Revision.of(inputs)
    status = snapshot.installation.status
    serving = status.evidence(situation.past.serving or "")
    attempt = recalibration.Attempt(
        status.evidence(revision.id),
        inputs.round,
        situation.recalibrated_at,
        serving.monitoring if serving is not None else None,
        measured,
    )
    cause = None
    if situation.frozen is None:
        cause = recalibration.called_for(accepted.recalibration, situation.owner.uid, snapshot.now, attempt)
    if cause is not None:
        another = _inputs(situation, accepted, inputs.bindings, cause.round)
        if not isinstance(another, Refusal):
            return Revision.of(another), cause
    return revision, _changed(situation, revision)


def _changed(situation: Situation, revision: Revision) -> Cause | None:
    """Why the spec asks for another revision than before, where that is a cause for recalibration."""
    snapshot, past = situation.snapshot, situation.past
    before, record = snapshot.installation.status.revision, names.revision_prefix(situation.owner.name, revision.id)
    if before == revision.id and ("ControllerRevision", record) in snapshot.children:
        return None
    old = past.recorded(before) if before is not None and before != revision.id else None
    if old is None and past.serving is not None and past.serving != revision.id:
        # It was asked for before, while nothing was done; or nothing was asked for in between.
        old = past.recorded(past.serving)
        old = old if old is not None and old.inputs.round == revision.inputs.round else None
    if old is None:
        return None
    return recalibration.difference(old.inputs, revision.inputs, snapshot.installation.spec.parameters)
