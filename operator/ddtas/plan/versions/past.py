"""What is remembered of an Installation's revisions, and which of them may serve again. Pure.

A revision is remembered once its runs have passed or one of them has failed: its record (a ControllerRevision) and its
evidence (in the status). All else that was made for it can be made again from these two, so it is removed.
"""

from collections.abc import Sequence

from pydantic import ValidationError

from ddtas import names
from ddtas.api.evidence import MAX_REVISIONS, Outcome, RevisionState, RevisionStatus
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import RevisionInputs
from ddtas.plan.runs.evidence import is_final
from ddtas.plan.snapshot import Snapshot


def observed_serving(snapshot: Snapshot) -> str | None:
    """The revision that traffic goes to: what the Services say; the status where they are gone or disagree."""
    services = [c for c in snapshot.children.values() if c.kind == "Service" and c.component]
    labels = {c.revision for c in services if names.REVISION_ID.fullmatch(c.revision)}
    if len(labels) == 1:
        return labels.pop()
    return snapshot.installation.status.serving_revision


def recorded(snapshot: Snapshot, revision: str) -> RevisionInputs | None:
    """The inputs of a revision from its record; None where there is none, or one that was edited by hand."""
    name = names.revision_prefix(snapshot.installation.metadata.name, revision)
    record = snapshot.children.get(("ControllerRevision", name))
    if record is None:
        return None
    try:
        inputs = RevisionInputs.model_validate_json(record.data)
    except ValidationError:
        return None
    return inputs if inputs.id == revision else None


def serving_version(snapshot: Snapshot) -> str | None:
    """The number of the version that serves; None where nothing does, or nobody knows which."""
    serving, status = observed_serving(snapshot), snapshot.installation.status
    if serving is None or serving == status.serving_revision:
        return serving and status.serving_version
    inputs = recorded(snapshot, serving)
    return inputs.version.version if inputs is not None else None


def rollback(snapshot: Snapshot, revision: str) -> RevisionInputs | Refusal:
    """The inputs of a revision that is to serve again with the evidence that it has."""
    known = snapshot.installation.status.revisions
    there = ", ".join(f"{r.id} (version {r.version})" for r in known if r.passed) or "none"
    may_serve = f"those that may serve: {there}"
    inputs, evidence = recorded(snapshot, revision), snapshot.installation.status.evidence(revision)
    if inputs is None or evidence is None:
        return Refusal(Reason.REVISION_NOT_KEPT, f"spec.rollbackTo: there is no revision {revision}; {may_serve}")
    if not evidence.passed:
        text = f"spec.rollbackTo: the runs of revision {revision} have not both passed; {may_serve}"
        return Refusal(Reason.REVISION_NOT_PROVEN, text)
    return inputs


def failed(revision: RevisionStatus) -> bool:
    """One of its runs came to an end, and not to a good one."""
    runs = (revision.calibration, revision.validation)
    return any(run is not None and is_final(run) and run.outcome is not Outcome.PASSED for run in runs)


def remember(
    alive: Sequence[RevisionStatus], old: Sequence[RevisionStatus], serving: str | None, asks: bool
) -> tuple[RevisionStatus, ...]:
    """The revisions that the status shows: those alive, then the others, the latest first.

    Args:
        alive: the one that the spec asks for, and the one that serves, as far as they can be told.
        old: what the status showed.
        serving: the revision that serves.
        asks: whether the spec leads to a revision just now. Where it does not, nothing is forgotten.
    """
    present = {r.id for r in alive}
    earlier = [
        r.model_copy(update={"state": _state(r, serving, asks)})
        for r in old
        if r.id not in present and (not asks or r.id == serving or r.passed or failed(r))
    ]
    room = MAX_REVISIONS - len(alive)
    # What serves stays known although its record cannot be read, and although ten others have come since.
    first = [r for r in earlier if r.id == serving]
    kept = {r.id for r in (*first, *(r for r in earlier if r.id != serving))[:room]}
    return (*alive, *(r for r in earlier if r.id in kept))


def _state(revision: RevisionStatus, serving: str | None, asks: bool) -> RevisionState:
    if revision.id == serving:
        return RevisionState.SERVING
    if failed(revision):
        return RevisionState.FAILED
    if not asks and revision.state is RevisionState.CANDIDATE:
        return RevisionState.CANDIDATE
    return RevisionState.SUPERSEDED if revision.passed else RevisionState.CANDIDATE
