"""The plan, from what the decision came to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from ddtas import names
from ddtas.api.installation_status import RecalibrationStatus
from ddtas.api.volumes import VolumeStatus
from ddtas.plan.children import volumes
from ddtas.plan.children.desired import Desired
from ddtas.plan.decision import notices
from ddtas.plan.decision.plan import PRUNABLE, Plan
from ddtas.plan.decision.situation import Situation
from ddtas.plan.decision.step import Progress
from ddtas.plan.decision.target import Target
from ddtas.plan.findings import STAGES, Finding, Stage
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import recalibration
from ddtas.plan.runs.evidence import MONITOR
from ddtas.plan.snapshot import Child, Key
from ddtas.plan.versions.past import remember

_AT_LEAST_SECONDS = 15.0
_AT_MOST_SECONDS = 3600.0
# What a monitoring run found goes into the status first, and is acted on at the next reconcile.
_SOON_SECONDS = 1.0


@dataclass(frozen=True)
class Decision:
    """What the decision came to.

    Attributes:
        situation: what it started from.
        target: what the spec leads to.
        lead: how far the revision is that the spec asks for; None where it leads to none.
        kept: the revision that serves in its place; None where none does, or nothing is known of it.
        serving: the id of the revision that serves; None where none does.
        ended: when the runs of the target ended, well or badly; None while they go on.
        monitoring: the newest monitoring Job of the revision that serves.
    """

    situation: Situation
    target: Target
    lead: Progress | None
    kept: Progress | None = None
    serving: str | None = None
    ended: datetime | None = None
    monitoring: Child | None = None

    @property
    def revisions(self) -> tuple[Progress, ...]:
        """The one that the spec asks for, and the one that serves in its place."""
        return tuple(r for r in (self.lead, self.kept) if r is not None)

    @property
    def active(self) -> Progress | None:
        """The one that serves; None where none does, or nothing is known of it."""
        return next((r for r in self.revisions if r.id == self.serving), None)


def compose(decision: Decision) -> Plan:
    """The plan."""
    situation, target, active = decision.situation, decision.target, decision.active
    status, standing = situation.snapshot.installation.status, situation.standing
    findings, held_up = _findings(decision)
    serving, version = decision.serving, _serving_version(decision)
    alive = [r.status for r in decision.revisions]
    remembered = remember(alive, status.revisions, serving, decision.lead is not None)
    desired, remade = _desired(decision), decision.lead.prune if decision.lead is not None else ()
    claims = [d for d in desired if d.key[0] == volumes.CLAIM]
    recalibrated = _recalibration(decision)
    return Plan(
        findings=findings,
        held_up=held_up,
        notices=(
            notices.up_to_date(standing, findings, held_up, version),
            *notices.offers_reachable(situation.snapshot),
            *notices.credentials_passed_on(r.view for r in decision.revisions),
            *notices.products_published(next((r.view for r in (active, decision.lead) if r is not None), None)),
        ),
        desired=desired,
        prune=(*_prune(decision, {r.id for r in remembered}), *_withheld(decision, desired), *remade),
        render=tuple(request for r in decision.revisions if (request := r.view.render_request()) is not None),
        bindings=target.bindings.answers if target.bindings is not None else (),
        revisions=remembered,
        revision=decision.lead.id if decision.lead is not None else None,
        version=standing.version,
        available_version=standing.available,
        serving=serving,
        serving_version=version,
        url=active.view.renderer.url() if active else serving and status.url,
        products=active.view.products if active else status.products if serving else (),
        volumes=_volumes(decision, claims),
        retry=situation.retry,
        recalibration=recalibrated,
        requeue_after=_requeue_after(decision, recalibrated),
        frozen=situation.frozen,
        report_drift=situation.snapshot.installation.spec.drift == "Report",
    )


def _findings(decision: Decision) -> tuple[tuple[Finding, ...], Finding | None]:
    """A finding for each stage, and what holds the target up where an earlier revision serves in its place.

    Stages that could not be reached wait for the one that stopped.
    """
    findings = [*decision.target.findings, *(decision.lead.findings if decision.lead is not None else ())]
    last = findings[-1]
    for stage in STAGES[len(findings) :]:
        text = f"waits for {last.condition} ({last.reason})"
        if stage is Stage.SERVING:
            findings.append(Finding(stage, "False", Reason.NOT_SERVING, text))
        else:
            findings.append(Finding(stage, "Unknown", Reason.WAITING, text))
    if decision.kept is None:
        return tuple(findings), None
    return (*findings[:-1], *decision.kept.findings), findings[-1]


def _serving_version(decision: Decision) -> str | None:
    if decision.active is not None:
        return decision.active.view.revision.inputs.version.version
    return decision.serving and decision.situation.snapshot.installation.status.serving_version


def _desired(decision: Decision) -> tuple[Desired, ...]:
    """The objects that should exist; of a Service that moves, and of a volume, the target's word counts."""
    situation, remade = decision.situation, decision.lead.prune if decision.lead is not None else ()
    desired: dict[Key, Desired] = {}
    for revision in decision.revisions:
        for key, wanted in revision.desired.items():
            desired.setdefault(key, wanted)
    carried = volumes.carried(situation.snapshot, situation.claims, situation.owner, {*desired, *remade})
    desired |= {d.key: d for d in carried}
    return tuple(d for key, d in desired.items() if key not in remade)


def _prune(decision: Decision, remembered: set[str]) -> Iterator[Key]:
    """Children of other revisions, but the records of those that are remembered; monitoring runs, but the newest."""
    if decision.lead is None:
        return
    alive, newest = {decision.lead.id, decision.serving}, decision.monitoring

    def stays(child: Child) -> bool:
        if child.revision not in alive:
            return child.kind == "ControllerRevision" and child.revision in remembered
        return child.phase != MONITOR or newest is None or child.name == newest.name

    children = decision.situation.snapshot.children.values()
    yield from sorted(c.key for c in children if c.kind in PRUNABLE and not c.deleting and not stays(c))


def _withheld(decision: Decision, desired: Iterable[Desired]) -> Iterator[Key]:
    """The Secrets of products that were published, and must not be any more."""
    snapshot, wanted = decision.situation.snapshot, {d.key for d in desired}
    for product in dict.fromkeys(w.product for r in decision.revisions for w in r.view.withheld):
        key = ("Secret", names.product(snapshot.me.name, product))
        child = snapshot.children.get(key)
        if child is not None and not child.deleting and key not in wanted:
            yield key


def _volumes(decision: Decision, claims: list[Desired]) -> tuple[VolumeStatus, ...]:
    situation, inputs = decision.situation, [r.view.revision.inputs for r in decision.revisions]
    return volumes.statuses(
        situation.snapshot, situation.claims, claims, situation.owner, inputs, decision.lead is not None
    )


def _recalibration(decision: Decision) -> RecalibrationStatus | None:
    """The newest recalibration, and when time brings the next one."""
    situation, target, lead = decision.situation, decision.target, decision.lead
    old, now = situation.snapshot.installation.status.recalibration, situation.snapshot.now
    if lead is None:
        return old.model_copy(update={"next": None}) if old is not None else None
    since, in_force = decision.ended, lead.view.revision.inputs.round
    timed = None
    if since is not None:
        timed = recalibration.due(target.policy, situation.owner.uid, since, in_force, now)
    cause = target.cause if situation.frozen is None else None
    return recalibration.status(old, cause, in_force, timed.moment if timed is not None else None, now)


def _requeue_after(decision: Decision, recalibrated: RecalibrationStatus | None) -> float | None:
    """Seconds until something may change of which nothing will be heard; None where nothing will."""
    situation, bindings = decision.situation, decision.target.bindings
    now = situation.snapshot.now
    moments: list[datetime | None] = [moment for r in decision.revisions for moment in r.until]
    moments.append(bindings.until if bindings is not None else None)
    if recalibrated is not None and situation.frozen is None:
        pause = recalibration.waits_until(recalibrated.since, now)
        moments += [recalibrated.next, pause, situation.retry_waits_until]
    # Past it, the next reconcile decides.
    waits = [max(_AT_LEAST_SECONDS, (moment - now).total_seconds()) for moment in moments if moment is not None]
    waits += [_SOON_SECONDS for r in decision.revisions if r.soon]
    # The clock may be put ahead meanwhile.
    return min(*waits, _AT_MOST_SECONDS) if waits else None
