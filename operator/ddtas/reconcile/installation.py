"""One Installation, once: observe, decide, apply, publish."""

import logging
from functools import partial

from ddtas import metrics, names
from ddtas.api.installation import Installation, Removal
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.place import Place
from ddtas.cluster.rest.resources import APP_LISTING, INSTALLATION, PLATFORM
from ddtas.cluster.write import events, report
from ddtas.cluster.write.apply import apply
from ddtas.cluster.write.events import News
from ddtas.errors import ClusterError, NotFound
from ddtas.names import NamespacedName
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.plan import Plan
from ddtas.plan.decision.preview import Preview, preview
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.evidence import is_final
from ddtas.plan.snapshot import Snapshot
from ddtas.plan.status.changes import ChangeSet
from ddtas.plan.status.installation import installation_status
from ddtas.reconcile.context import Context
from ddtas.reconcile.observe import Observer
from ddtas.reconcile.pacing import Grace, by_turns, settled
from ddtas.reconcile.publish import Publisher
from ddtas.reconcile.remote import RemoteWork
from ddtas.reconcile.removal import Removals
from ddtas.reconcile.rendering import Renderings

log = logging.getLogger(__name__)

# Objects of others are not watched: whether one that is in the way is gone must be read.
_NAME_TAKEN_AGAIN_SECONDS = 15.0
# What a read found and no watch has brought yet.
_UNHEARD_SECONDS = 0.5
# Objects, the run or the components, the Services, and one to see that there is no more.
_MOST_PASSES = 4


class Installations:
    """Reconciles Installations."""

    def __init__(self, context: Context, publisher: Publisher, observer: Observer, renderings: Renderings) -> None:
        self._context = context
        self._publisher = publisher
        self._observer = observer
        self._renderings = renderings
        self._grace = Grace()
        self._removals = Removals(context, publisher)
        self._remote = RemoteWork(context, publisher, self._bring)

    async def reconcile(self, key: NamespacedName) -> float | None:
        """Bring one closer to what its spec asks for.

        Returns:
            Seconds after which to reconcile it again although nothing was heard; None where an event will come.
        """
        installation = self._context.world.installations.get(key)
        if installation is None:
            self._grace.end(key)
            await self._removals.tell_left(key)
            return None
        self._removals.forget_left(key)
        if installation.metadata.deletion_timestamp:
            return await self._removals.remove(installation)
        if isinstance(installation, Unreadable):
            await self._publisher.refuse(INSTALLATION.kind, installation)
            return None
        waits = installation.spec.removal is Removal.WAIT
        await self._publisher.set_finalizer(installation.metadata, names.FINALIZER_CONSUMERS, waits)
        installation = self._context.world.installations.get(key)
        if not isinstance(installation, Installation):
            return None
        await self._look_up(installation)
        platform = self._context.world.platforms.get((key[0], installation.spec.platform))
        elsewhere = isinstance(platform, MunicipalityPlatform) and platform.spec.cluster is not None
        # Its objects may be elsewhere also when its platform is gone, or is another one by now.
        if elsewhere or names.FINALIZER in installation.metadata.finalizers:
            return await self._remote.reconcile(installation, platform)
        return await self._bring(installation, self._context.home)

    async def _bring(self, installation: Installation, place: Place) -> float | None:
        """Decide and apply, until nothing more can be done without news from outside; then publish that."""
        key = (installation.metadata.namespace, installation.metadata.name)
        for _ in range(_MOST_PASSES):
            snapshot, plan, shown = await self._decide(installation, place)
            log.debug("decided", extra={"object": "/".join(key), "stage": plan.stage.value})
            changes = ChangeSet()
            if not plan.suspended:
                changes = await apply(self._context.client, place, snapshot, plan, self._context.seal)
            if self._context.world.installations.get(key) is not installation:
                break  # it was edited meanwhile: publishing finds that out
            if not _goes_on(plan, changes):
                break
        if _only_probing(installation, plan) and (seconds := self._grace.left(key)):
            return seconds
        self._grace.end(key)
        status = installation_status(snapshot, plan, changes, shown)
        trigger = _begins(installation.status, status)
        more = _more_news(installation, status)
        if await self._publisher.publish(INSTALLATION.kind, installation, status, more) and trigger:
            metrics.RECALIBRATIONS.labels(trigger).inc()
        if status.serving_version != installation.status.serving_version:
            self._context.on_served((key[0], installation.spec.platform))
        if _exam(status) != _exam(installation.status):
            self._context.on_exam((key[0], installation.spec.platform))
        failed = [fault for fault in changes.faults if fault.reason is Reason.APPLY_FAILED]
        if failed:
            raise ClusterError(0, failed[0].message, max(fault.retry_after for fault in failed))
        return _NAME_TAKEN_AGAIN_SECONDS if changes.faults else plan.requeue_after

    async def _decide(self, installation: Installation, place: Place) -> tuple[Snapshot, Plan, Preview | None]:
        """Decide; where that needs templates rendered, render them, which is observed too, and decide again.

        Returns:
            What was observed, what to do, and where nothing is done, what would be.
        """
        while True:
            snapshot = self._observer.installation(installation, place)
            plan, shown = await settled(snapshot.me.namespace, partial(_planned, snapshot))
            wanted = plan.render or (shown.render if shown is not None else ())
            if not wanted:
                return snapshot, plan, shown
            await self._renderings.render(installation, wanted)

    async def _look_up(self, installation: Installation) -> None:
        """What an Installation names is missing only where a read says so: each kind has a watch of its own, and of two
        objects that were made one after the other, the second one may be heard of first.

        Raises:
            Outdated: it is there, and a watch is about to bring it.
        """
        spec, said = installation.spec, {c.reason for c in installation.status.conditions}
        world, namespace = self._context.world, installation.metadata.namespace
        for resource, collection, key, reason in (
            (APP_LISTING, world.listings, ("", spec.listing), Reason.LISTING_NOT_FOUND),
            (PLATFORM, world.platforms, (namespace, spec.platform), Reason.PLATFORM_NOT_FOUND),
        ):
            if collection.get(key) is not None or reason in said:
                continue
            try:
                await self._context.client.get(resource, key[0] or None, key[1])
            except NotFound:
                return  # the first one that is missing is what is said
            raise report.Outdated(_UNHEARD_SECONDS)


def _exam(status: InstallationStatus) -> object:
    """What the platform writes down of it: the exam that is awaited, or how the one ended that was taken."""
    revision = status.evidence(status.revision or "")
    if revision is None or not revision.exam:
        return None
    return revision.id, revision.exam, is_final(revision.validation)


def _goes_on(plan: Plan, changes: ChangeSet) -> bool:
    """Whether what was applied may be all that the plan waits for.

    The decision is asked again then, as after a crash right here: the status that it reads is still the old one.
    """
    if changes.faults or not (changes.created or changes.changed):
        return False
    waits_for = next((f.reason for f in plan.findings if f.status != "True"), None)
    return waits_for in (Reason.PROVISIONING, Reason.ROLLING_OUT)


def _only_probing(installation: Installation, plan: Plan) -> bool:
    """Whether all that there is to say of a new Installation is that its data sources are being probed."""
    waits_for = next((f.reason for f in plan.findings if f.status != "True"), None)
    return not installation.status.conditions and waits_for is Reason.PROBING and plan.frozen is None


async def _planned(snapshot: Snapshot) -> tuple[Plan, Preview | None]:
    """What to do, and where nothing is done, what would be."""
    plan = await by_turns(decide.turns(snapshot))
    return plan, await by_turns(preview.turns(snapshot)) if plan.suspended and not plan.render else None


def _begins(old: InstallationStatus, new: InstallationStatus) -> str:
    """What triggered the recalibration that begins with this status; "" where none does."""
    begun = new.recalibration
    if begun is None or begun.trigger is None or begun.since == getattr(old.recalibration, "since", None):
        return ""
    return begun.trigger.value


def _more_news(installation: Installation, status: InstallationStatus) -> list[News]:
    """What no condition says: a recalibration that begins, and objects that were changed by hand."""
    metadata, old, more = installation.metadata, installation.status, []
    trigger = _begins(old, status)
    if trigger and status.recalibration is not None:
        before = (status.recalibration.round, getattr(old.recalibration, "since", None))
        text = f"{trigger}: {status.recalibration.reason}"
        more.append(events.news("Normal", "Recalibrating", text, metadata, *before))
    if status.drift and status.drift != old.drift:
        items = ", ".join(f"{item.kind} {item.name} ({item.change.lower()})" for item in status.drift[:10])
        text = f"changed by hand, and left so: {items}"
        more.append(events.news("Warning", "Drifted", text, metadata, metadata.generation))
    return more
