"""The status of an Installation: computed as a whole each time, never patched piece by piece."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from ddtas.api.installation import Installation
from ddtas.api.installation_status import Consumer, DriftedItem, InstallationStatus, InventoryItem, ServiceBinding
from ddtas.api.volumes import VolumeStatus
from ddtas.plan.children.volumes import CLAIM, mine
from ddtas.plan.decision.plan import Frozen, Plan
from ddtas.plan.decision.preview import Preview
from ddtas.plan.findings import STAGES, Finding, Stage
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.snapshot import Snapshot
from ddtas.plan.status.changes import ChangeSet
from ddtas.plan.status.conditions import conditions, kstatus


def _summary(
    findings: Sequence[Finding], held_up: Finding | None, frozen: Frozen | None, preview: Preview | None
) -> Finding:
    """What Ready says: the first step that is not there; the last one when all are.

    An earlier revision that keeps serving makes Serving True, and never Ready: that is about what the spec asks for.
    One that is frozen says so, and nobody waits for it: what is not there now comes only when a person thaws it. A plan
    that was asked for and cannot be made says why; it is made as soon as it can.
    """
    first = next((f for f in findings if f.status != "True"), held_up)
    main = first or findings[-1]
    if frozen is None:
        return main
    text = f"{frozen.message}; {main.message}"
    if frozen.reason is Reason.PLANNED and preview is not None and preview.waits is not None:
        text = f"{frozen.message}; {preview.waits.message}"
        return replace(preview.waits, condition="Ready", message=text)
    return Finding("Ready", "True" if first is None else "False", frozen.reason, text)


def _drifted(findings: Sequence[Finding], drifted: Sequence[DriftedItem]) -> list[Finding]:
    """A step that waits for objects says that it waits for a person, where those are missing and left so."""
    missing = [f"{item.kind} {item.name}" for item in drifted if item.change == "Missing"]
    if not missing:
        return list(findings)
    text = f"missing: {', '.join(missing[:5])}; spec.drift is Report: restore what is missing, or set it to Correct"
    waiting = (Reason.PROVISIONING, Reason.ROLLING_OUT)
    return [Finding(f.condition, "False", Reason.DRIFTED, text) if f.reason in waiting else f for f in findings]


def installation_status(
    snapshot: Snapshot, plan: Plan, changes: ChangeSet, preview: Preview | None = None
) -> InstallationStatus:
    """The status of an Installation after `plan` was applied with the outcome `changes`.

    Args:
        snapshot: what the plan was made of.
        plan: the plan.
        changes: what applying it came to; nothing where it was not applied.
        preview: what would be done, where nothing is.
    """
    findings = _drifted(plan.findings, changes.drifted)
    if changes.faults:
        fault = changes.faults[0]
        more = f" (and {len(changes.faults) - 1} more)" if len(changes.faults) > 1 else ""
        index = STAGES.index(Stage.PROVISIONED)
        findings[index] = Finding(Stage.PROVISIONED, "False", fault.reason, fault.message + more)
    main = _summary(findings, plan.held_up, plan.frozen, preview)
    meta, old = snapshot.installation.metadata, snapshot.installation.status
    done = sum(f.status == "True" for f in findings if f.reason is not Reason.KEEPS_SERVING)
    summary = [*findings, *kstatus(main), *plan.notices]
    return InstallationStatus(
        observed_generation=meta.generation,
        conditions=conditions(summary, old.conditions, meta.generation, snapshot.now),
        progress=f"{done}/{len(STAGES)}",
        url=plan.url,
        revision=plan.revision,
        version=plan.version,
        available_version=plan.available_version,
        serving_revision=plan.serving,
        serving_version=plan.serving_version,
        last_retry=plan.retry,
        binding=ServiceBinding(name=plan.products[0].secret_name) if plan.products else None,
        products=plan.products,
        consumers=_consumers(snapshot.consumers),
        bindings=plan.bindings,
        revisions=plan.revisions,
        inventory=_inventory(snapshot, plan, changes),
        recalibration=plan.recalibration,
        volumes=_volumes(plan, changes),
        plan=preview.status if preview is not None else None,
        drift=(changes.drifted if not plan.suspended else snapshot.installation.status.drift)[:200],
    )


def _inventory(snapshot: Snapshot, plan: Plan, changes: ChangeSet) -> tuple[InventoryItem, ...]:
    """The objects that are the Installation's own, with their uids as far as those are known."""
    owned = {d.key for d in plan.desired} if not plan.suspended else set()
    if changes.stopped:
        owned -= set(changes.created)  # of some, it is not known whether they were
    claims = mine(snapshot)
    there = {c.key for c in snapshot.children.values() if c.kind not in ("Pod", CLAIM) or c.key in claims}
    owned |= there - set(changes.removed)
    uids = {c.key: c.uid for c in snapshot.children.values()} | dict(changes.uids)
    return tuple(InventoryItem(kind=k, name=n, uid=uids.get((k, n))) for k, n in sorted(owned))[:200]


def _volumes(plan: Plan, changes: ChangeSet) -> tuple[VolumeStatus, ...]:
    """The volumes of a plan, with what the API server said of them."""
    refused = {fault.claim: fault.refused for fault in changes.faults if fault.refused is not None}
    return tuple(v.model_copy(update={"refused": refused[v.claim]}) if v.claim in refused else v for v in plan.volumes)


def held_status(installation: Installation, reason: Reason, message: str, now: datetime) -> InstallationStatus:
    """The status of an Installation that nothing can be done for now: what was known stays, and Ready says why."""
    old, generation = installation.status, installation.metadata.generation
    status: Literal["False", "Unknown"] = "False" if reason.course is Course.STALLED else "Unknown"
    known = {c.type: c for c in old.conditions}
    findings = [Finding(step, status, reason, message) for step in STAGES if step not in known]
    findings += kstatus(Finding("Ready", status, reason, message))
    known |= {c.type: c for c in conditions(findings, old.conditions, generation, now)}
    ordered = tuple(known[kind] for kind in dict.fromkeys([*STAGES, *known]))
    progress = old.progress or f"0/{len(STAGES)}"
    return old.model_copy(update={"observed_generation": generation, "conditions": ordered, "progress": progress})


def _consumers(consumers: Sequence[Ref]) -> tuple[Consumer, ...]:
    """As many as a status holds."""
    return tuple(Consumer(namespace=c.namespace, installation=c.name) for c in consumers[:100])


def awaited_status(installation: Installation, consumers: Sequence[Ref], now: datetime) -> InstallationStatus:
    """The status of a deleted Installation that stays for the sake of others: everything else stays as it was."""
    meta, old = installation.metadata, installation.status
    named = ", ".join(c.seen_from(meta.namespace) for c in consumers)
    text = (
        f"it is being deleted, and its data products feed {named}: delete them, choose other data sources for them,"
        " or set spec.removal to Warn"
    )
    findings = kstatus(Finding("Ready", "False", Reason.HAS_CONSUMERS, text))
    new = conditions(findings, old.conditions, meta.generation, now)
    others = [c for c in old.conditions if c.type not in {c.type for c in new}]
    return old.model_copy(
        update={
            "observed_generation": meta.generation,
            "conditions": (*others, *new),
            "consumers": _consumers(consumers),
        }
    )
