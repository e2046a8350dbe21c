"""What is remembered of an Installation's revisions, and which of them may serve again. Pure.

A revision is remembered once its runs have passed or one of them has failed: its record (a ControllerRevision) and its
evidence (in the status). All else that was made for it can be made again from these two, so it is removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import ValidationError

from ddtas import names
from ddtas.api.evidence import MAX_REVISIONS, Outcome, RevisionState, RevisionStatus
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import Revision, RevisionInputs
from ddtas.plan.runs.evidence import is_final
from ddtas.plan.snapshot import Snapshot


@dataclass(frozen=True)
class Past:
    """The revisions that there have been, as far as they are known: made once for a decision, and handed down.

    Attributes:
        snapshot: what was observed.
        serving: the revision that traffic goes to; None where there is none.
    """

    snapshot: Snapshot
    serving: str | None
    _records: dict[str, Revision | None] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Past":
        """That of the Installation of a snapshot."""
        return cls(snapshot, _serving(snapshot))

    @cached_property
    def serving_version(self) -> str | None:
        """The number of the version that serves; None where nothing does, or nobody knows which."""
        status = self.snapshot.installation.status
        if self.serving is None or self.serving == status.serving_revision:
            return self.serving and status.serving_version
        record = self.recorded(self.serving)
        return record.inputs.version.version if record is not None else None

    def recorded(self, revision: str) -> Revision | None:
        """A revision from its record, read once; None where there is none, or one that was edited by hand."""
        if revision not in self._records:
            self._records[revision] = _read(self.snapshot, revision)
        return self._records[revision]

    def rollback(self, revision: str) -> Revision | Refusal:
        """A revision that is to serve again with the evidence that it has."""
        status = self.snapshot.installation.status
        proven = ", ".join(f"{r.id} (version {r.version})" for r in status.revisions if r.passed) or "none"
        may_serve = f"those that may serve: {proven}"
        record, evidence = self.recorded(revision), status.evidence(revision)
        if record is None or evidence is None:
            return Refusal(Reason.REVISION_NOT_KEPT, f"spec.rollbackTo: there is no revision {revision}; {may_serve}")
        if not evidence.passed:
            text = f"spec.rollbackTo: the runs of revision {revision} have not both passed; {may_serve}"
            return Refusal(Reason.REVISION_NOT_PROVEN, text)
        return record


def _serving(snapshot: Snapshot) -> str | None:
    """What the Services say; the status where they are gone or disagree."""
    services = [c for c in snapshot.children.values() if c.kind == "Service" and c.component]
    labels = {c.revision for c in services if names.REVISION_ID.fullmatch(c.revision)}
    if len(labels) == 1:
        return labels.pop()
    return snapshot.installation.status.serving_revision


def _read(snapshot: Snapshot, revision: str) -> Revision | None:
    name = names.revision_prefix(snapshot.installation.metadata.name, revision)
    record = snapshot.children.get(("ControllerRevision", name))
    if record is None:
        return None
    try:
        recorded = Revision.of(RevisionInputs.model_validate_json(record.data))
    except ValidationError:
        return None
    return recorded if recorded.id == revision else None


def failed(revision: RevisionStatus) -> bool:
    """One of its runs came to an end, and not to a good one."""
    runs = (revision.calibration, revision.validation)
    return any(run is not None and is_final(run) and run.outcome is not Outcome.PASSED for run in runs)


def remember(
    alive: Sequence[RevisionStatus], old: Sequence[RevisionStatus], serving: str | None, has_target: bool
) -> tuple[RevisionStatus, ...]:
    """The revisions that the status shows: those alive, then the others, the latest first.

    Args:
        alive: the one that the spec asks for, and the one that serves, as far as they can be told.
        old: what the status showed.
        serving: the revision that serves.
        has_target: whether the spec leads to a revision just now. Where it does not, nothing is forgotten.
    """
    present = {r.id for r in alive}
    earlier = [
        r.model_copy(update={"state": _state(r, serving, has_target)})
        for r in old
        if r.id not in present and (not has_target or r.id == serving or r.passed or failed(r))
    ]
    room = MAX_REVISIONS - len(alive)
    # What serves stays known although its record cannot be read, and although ten others have come since.
    first = [r for r in earlier if r.id == serving]
    kept = {r.id for r in (*first, *(r for r in earlier if r.id != serving))[:room]}
    now = (r.model_copy(update={"state": _state_alive(r, serving)}) for r in alive)
    return (*now, *(r for r in earlier if r.id in kept))


def _state_alive(revision: RevisionStatus, serving: str | None) -> RevisionState:
    if revision.id == serving:
        return RevisionState.SERVING
    return RevisionState.FAILED if failed(revision) else RevisionState.CANDIDATE


def _state(revision: RevisionStatus, serving: str | None, has_target: bool) -> RevisionState:
    state = _state_alive(revision, serving)
    if state is not RevisionState.CANDIDATE or (not has_target and revision.state is RevisionState.CANDIDATE):
        return state
    return RevisionState.SUPERSEDED if revision.passed else RevisionState.CANDIDATE
