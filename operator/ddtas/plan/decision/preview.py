"""What would be done, if something were done: the decision itself, made again and again in an imagined world.

In that world each plan is carried out, each run passes, and each component becomes ready. Nothing of it is written but
the answer. Pure.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ddtas import names
from ddtas.api.evidence import Evidence, Outcome, RevisionStatus
from ddtas.api.installation import Installation
from ddtas.api.installation_status import PlannedItem, PlanStatus
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.diff import Diff, diff
from ddtas.plan.children.volumes import CLAIM, imagined
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.plan import Plan, RenderRequest
from ddtas.plan.findings import Finding, Stage
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.attempts import Ledger
from ddtas.plan.runs.evidence import CALIBRATE, VALIDATE, is_final
from ddtas.plan.snapshot import Child, ClaimFacts, DeploymentFacts, Invalid, Key, Snapshot
from ddtas.plan.turns import Turns, in_turns
from ddtas.schema.model import Model

M = TypeVar("M", bound=Model)

# More than any life takes: provision, calibrate, validate, roll out, switch, remove.
_STEPS_AT_MOST = 12
_ITEMS_AT_MOST = 200
_KNOWN_FROM = (Stage.ACCEPTED, Stage.DATA_BOUND, Stage.PROVISIONED)


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer.

    Attributes:
        status: the plan, whole; without items while it cannot be made.
        waits: why it cannot be made: what is asked for is not accepted, not bound, or cannot be provisioned.
        render: templates that have to be rendered before it can.
    """

    status: PlanStatus
    waits: Finding | None = None
    render: tuple[RenderRequest, ...] = ()


@in_turns
def preview(snapshot: Snapshot) -> Turns[Preview]:
    """What would be created, changed and removed until an Installation is where its spec wants it."""
    world, first = _thawed(snapshot), {k: c.uid for k, c in snapshot.children.items()}
    sent: dict[Key, str] = {}
    removed: set[Key] = set()
    runs: set[str] = set()
    for _ in range(_STEPS_AT_MOST):
        plan = yield from decide.turns(world)
        yield
        if plan.render:
            return _not_known(plan)
        difference = _difference(world, plan)
        yield
        for send in difference.sends:
            sent.setdefault(send.desired.key, "Change" if send.exists else "Create")
            removed.discard(send.desired.key)
        removed |= set(difference.removes)
        runs |= {_phase(d) for d in plan.desired if d.key not in first and d.key[0] == "Job"}
        after = _carried_out(world, plan, difference)
        if after == world:
            break
        world = after
    if _waits(plan) is not None:
        return _not_known(plan)
    return Preview(_told(sent, removed & first.keys(), runs))


def _not_known(plan: Plan) -> Preview:
    """Nobody knows yet what would be made, and why."""
    waits = _waits(plan) or plan.findings[-1]
    return Preview(PlanStatus(message=f"not known: {waits.message}"[:200]), waits, plan.render)


def _waits(plan: Plan) -> Finding | None:
    """The step that is not done although all before it was: nothing that is asked for can be made from there on."""
    return next((f for f in plan.findings if f.condition in _KNOWN_FROM and f.status != "True"), None)


def _thawed(snapshot: Snapshot) -> Snapshot:
    """The snapshot as if nothing held the plan up."""
    platform = snapshot.platform
    if isinstance(platform, MunicipalityPlatform):
        platform = _with(platform, spec=_with(platform.spec, suspend=False))
    installation = snapshot.installation
    spec = _with(installation.spec, suspend=False, mode=None)
    return replace(snapshot, platform=platform, installation=_with(installation, spec=spec))


def _with(model: M, **fields: object) -> M:
    return model.model_copy(update=fields)


def _difference(world: Snapshot, plan: Plan) -> Diff:
    inventory = {(item.kind, item.name) for item in world.installation.status.inventory}
    return diff(plan.desired, plan.prune, world.children, inventory, not plan.report_drift)


def _phase(job: Desired) -> str:
    return str(job.manifest["metadata"]["labels"][names.LABEL_PHASE])


def _carried_out(world: Snapshot, plan: Plan, difference: Diff) -> Snapshot:
    """The world after a plan."""
    children = {key: child for key, child in world.children.items() if key not in difference.removes}
    for send in difference.sends:
        children[send.desired.key] = _child(send.desired, send.digest)
    for key, child in children.items():
        if isinstance(child.facts, DeploymentFacts):
            children[key] = replace(child, facts=DeploymentFacts(available=True))
    running = {(d.manifest["metadata"]["labels"][names.LABEL_REVISION], _phase(d)) for d in plan.desired if _is_run(d)}
    status = _with(
        world.installation.status,
        revision=plan.revision,
        last_retry=plan.retry,
        serving_revision=plan.serving,
        recalibration=plan.recalibration,
        revisions=tuple(_passed(r, running, world) for r in plan.revisions),
    )
    installation = _with(world.installation, status=status)
    return replace(world, children=children, installation=installation, platform=_examined(world, installation))


def _examined(world: Snapshot, installation: Installation) -> MunicipalityPlatform | Invalid | None:
    """The platform, with the attempt that the Installation waits for."""
    platform = world.platform
    if not isinstance(platform, MunicipalityPlatform):
        return platform
    ledger = Ledger.of(platform.status).opened([installation], world.policy.maximum_attempts, world.now)
    status = _with(platform.status, attempts=ledger.attempts, earlier_failures=ledger.earlier)
    return _with(platform, status=status)


def _is_run(desired: Desired) -> bool:
    return desired.key[0] == "Job" and _phase(desired) in (CALIBRATE, VALIDATE)


def _child(desired: Desired, digest: str) -> Child:
    labels, (kind, name) = desired.manifest["metadata"]["labels"], desired.key
    return Child(
        kind=kind,
        name=name,
        uid="imagined",
        revision=labels.get(names.LABEL_REVISION, ""),
        component=labels.get(names.LABEL_COMPONENT, ""),
        phase=labels.get(names.LABEL_PHASE, ""),
        applied=digest,
        asked=digest,
        facts=_facts(desired),
        data=json.dumps(desired.manifest["data"]) if kind == "ControllerRevision" else "",
    )


def _facts(desired: Desired) -> DeploymentFacts | ClaimFacts | None:
    if desired.key[0] == "Deployment":
        return DeploymentFacts(available=True)
    return imagined(desired.manifest) if desired.key[0] == CLAIM else None


def _passed(revision: RevisionStatus, running: Iterable[tuple[str, str]], world: Snapshot) -> RevisionStatus:
    """A revision whose run that goes on has passed."""
    for field, phase in (("calibration", CALIBRATE), ("validation", VALIDATE)):
        if (revision.id, phase) in running and not is_final(getattr(revision, field)):
            job = names.child(world.installation.metadata.name, revision.id, phase)
            evidence = Evidence(
                outcome=Outcome.PASSED, reason=Reason.PASSED, message="imagined", job=job, completed_at=world.now
            )
            revision = _with(revision, **{field: evidence})
    return revision


def _told(sent: dict[Key, str], removed: set[Key], runs: set[str]) -> PlanStatus:
    actions = {**dict.fromkeys(removed, "Remove"), **sent}
    items = tuple(
        PlannedItem.model_validate({"action": action, "kind": kind, "name": name})
        for (kind, name), action in sorted(actions.items(), key=lambda item: (item[1], item[0]))
    )
    counts = {action: sum(i.action == action for i in items) for action in ("Create", "Change", "Remove")}
    words = [f"{action.lower()} {count}" for action, count in counts.items() if count]
    words += [word for phase, word in ((CALIBRATE, "calibrate"), (VALIDATE, "validate")) if phase in runs]
    return PlanStatus(
        message=", ".join(words) or "nothing to do",
        calibrates=CALIBRATE in runs,
        validates=VALIDATE in runs,
        items=items[:_ITEMS_AT_MOST],
    )
