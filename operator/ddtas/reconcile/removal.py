"""Installations that are deleted, or gone: carries out what `plan/decision/removal.py` decides."""

import logging
from collections.abc import Iterable

from ddtas import names
from ddtas.api.base import Metadata
from ddtas.api.installation import Installation
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.rest.resources import INSTALLATION
from ddtas.cluster.write import events
from ddtas.cluster.write.apply import remove_all
from ddtas.errors import ClusterError
from ddtas.names import NamespacedName
from ddtas.plan.children import volumes
from ddtas.plan.decision.removal import (
    Deleted,
    Notice,
    RemovalPlan,
    after_removal,
    kept_notices,
    plan_removal,
    refused_removal,
)
from ddtas.plan.products import Ref
from ddtas.plan.status.installation import awaited_status
from ddtas.plan.twins import dependencies
from ddtas.reconcile.context import Context
from ddtas.reconcile.publish import Publisher
from ddtas.reconcile.remote import BUSY_SECONDS, obstacle_of

log = logging.getLogger(__name__)

Known = Installation | Unreadable


class Removals:
    """Reconciles Installations that are deleted, or gone."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher
        # The claims that Installations that are gone left behind, as an Event said.
        self._left: dict[NamespacedName, list[str]] = {}

    async def tell_left(self, key: NamespacedName) -> None:
        """Of an Installation that is gone: say once which volumes it left behind."""
        kept = volumes.kept(self._context.children.there(key))
        if kept != self._left.get(key, []):
            await self._tell(Metadata(namespace=key[0], name=key[1]), kept_notices(kept))
            self._left[key] = kept
        if not kept:
            self.forget_left(key)

    def forget_left(self, key: NamespacedName) -> None:
        """Of an Installation that is there: what a namesake left behind is its own now."""
        self._left.pop(key, None)

    async def remove(self, installation: Known) -> float | None:
        """Of one that is being deleted: do what is to be done next.

        Returns:
            Seconds after which to reconcile it again; None where an event will come.
        """
        deleted = self._observe(installation)
        plan = plan_removal(deleted)
        left = await self._carry_out(plan, installation)
        if plan.remove and left is not None:
            return await self._remove_remote(deleted, plan.volumes, left)
        return plan.again_after

    def _observe(self, installation: Known) -> Deleted:
        metadata, world = installation.metadata, self._context.world
        spec = installation.spec if isinstance(installation, Installation) else None
        named = installation.platform if isinstance(installation, Unreadable) else installation.spec.platform
        key = (metadata.namespace, named)
        platform = world.platforms.get(key)
        marked = (metadata, platform.metadata) if platform is not None else (metadata,)
        waits, clusters = names.FINALIZER_CONSUMERS in metadata.finalizers, self._context.clusters
        return Deleted(
            metadata,
            spec,
            named,
            consumers=dependencies.holding(Ref(*_name(metadata)), world.consumers, self._is_leaving) if waits else (),
            obstacle=obstacle_of(clusters, key, platform) if clusters.place(key) is None else None,
            abandoned=any(one.annotations.get(names.ANNOTATION_ABANDON) == "true" for one in marked),
        )

    def _is_leaving(self, ref: Ref) -> bool:
        installation = self._context.world.installations.find(ref)
        return installation is None or installation.metadata.deletion_timestamp is not None

    async def _carry_out(self, plan: RemovalPlan, installation: Known) -> Known | None:
        """Say what is to be said, and release what is to be released; the Installation as it is then."""
        metadata = installation.metadata
        await self._tell(metadata, plan.notices)
        for finalizer in plan.release:
            known = self._context.world.installations.get(_name(metadata))
            if known is None:
                return None
            await self._publisher.set_finalizer(known.metadata, finalizer, False)
            log.info("released %s", finalizer, extra={"object": f"{metadata.namespace}/{metadata.name}"})
        known = self._context.world.installations.get(_name(metadata)) if plan.release else installation
        if known is not None and plan.blocked is not None:
            await self._publisher.hold(known, plan.blocked.reason, plan.blocked.message)
        if plan.consumers and isinstance(known, Installation):
            status = awaited_status(known, plan.consumers, self._context.now())
            await self._publisher.publish(INSTALLATION.kind, known, status)
        return known

    async def _remove_remote(self, deleted: Deleted, claims: bool, installation: Known) -> float | None:
        """Remove what is on the city's cluster, then let the Installation go; or say what it waits for."""
        clusters, metadata = self._context.clusters, deleted.metadata
        key = (metadata.namespace, deleted.platform)
        place = clusters.place(key)
        with clusters.slot(key) as free:
            if not free or place is None:
                return BUSY_SECONDS
            try:
                left = await remove_all(place, metadata.uid, claims)
            except ClusterError as error:
                if error.status:
                    await self._carry_out(refused_removal(deleted, error.message), installation)
                raise
        kept = volumes.kept(place.children.there(_name(metadata)), "" if claims else metadata.uid)
        plan = after_removal(deleted, left, kept, place.namespace)
        await self._carry_out(plan, installation)
        return plan.again_after

    async def _tell(self, metadata: Metadata, notices: Iterable[Notice]) -> None:
        for notice in notices:
            event = events.news(notice.type, notice.reason, notice.message, metadata)
            await self._publisher.event(metadata, event)
            if notice.type == "Warning":
                log.warning(
                    "Installation: %s", notice.reason, extra={"object": f"{metadata.namespace}/{metadata.name}"}
                )


def _name(metadata: Metadata) -> NamespacedName:
    return metadata.namespace, metadata.name
