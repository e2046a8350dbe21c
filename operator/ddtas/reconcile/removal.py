"""Installations that are deleted: whom they wait for, what is removed, and what stays."""

import logging

from ddtas import names
from ddtas.api.base import Metadata
from ddtas.api.installation import Installation, Removal
from ddtas.api.platform import MunicipalityPlatform
from ddtas.api.volumes import VolumePolicy
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.remote.place import Place
from ddtas.cluster.rest.resources import INSTALLATION
from ddtas.cluster.write import events
from ddtas.cluster.write.apply import remove_all
from ddtas.errors import ClusterError
from ddtas.names import NamespacedName
from ddtas.plan.children import volumes
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.identity import blocked_removal
from ddtas.plan.status.installation import awaited_status
from ddtas.plan.twins import dependencies
from ddtas.reconcile.context import Context, ObjectKey
from ddtas.reconcile.publish import Publisher
from ddtas.reconcile.remote import BUSY_SECONDS, why_not

log = logging.getLogger(__name__)

# When objects that are being removed on a city's cluster are listed again.
_REMOVING_SECONDS = 2.0


class Removals:
    """Reconciles Installations that are deleted, or gone."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher
        # What Installations that are gone left behind, as it was told.
        self._left: dict[NamespacedName, list[str]] = {}

    async def tell_left(self, key: NamespacedName) -> None:
        """Of an Installation that is gone: say once which volumes it left behind."""
        kept = volumes.kept(self._context.children.there(key))
        if kept != self._left.get(key, []):
            await self._tell_kept(kept, Metadata(namespace=key[0], name=key[1]), "")
            self._left[key] = kept
        if not kept:
            self.forget_left(key)

    def forget_left(self, key: NamespacedName) -> None:
        """Of an Installation that is there: what a namesake left behind is its own now."""
        self._left.pop(key, None)

    async def remove(self, installation: Installation | Unreadable) -> float | None:
        """Of one that is being deleted: keep it while others use its products, then remove what is elsewhere."""
        metadata = installation.metadata
        if await self._is_awaited(installation):
            return None
        known = self._context.world.installations.get((metadata.namespace, metadata.name))
        if known is not None and names.FINALIZER in known.metadata.finalizers:  # it may have one less by now
            return await self._remove_remote(known)
        return None  # the children are owned: the garbage collector removes them

    async def _is_awaited(self, installation: Installation | Unreadable) -> bool:
        """Whether a deleted Installation stays, as its spec says, because others use its products; if so, say so."""
        metadata = installation.metadata
        if names.FINALIZER_CONSUMERS not in metadata.finalizers:
            return False
        held: tuple[Ref, ...] = ()
        if isinstance(installation, Installation) and installation.spec.removal is Removal.WAIT:
            held = dependencies.holding(Ref.of(installation), self._context.world.consumers, self._is_leaving)
        if held and isinstance(installation, Installation):
            status = awaited_status(installation, held, self._context.now())
            await self._publisher.publish(INSTALLATION.kind, installation, status)
            return True
        await self._publisher.set_finalizer(metadata, names.FINALIZER_CONSUMERS, False)
        return False

    def _is_leaving(self, ref: Ref) -> bool:
        installation = self._context.world.installations.find(ref)
        return installation is None or installation.metadata.deletion_timestamp is not None

    async def _remove_remote(self, installation: Installation | Unreadable) -> float | None:
        """Remove what is on the city's cluster, then let the Installation go; or say what it waits for."""
        metadata, clusters = installation.metadata, self._context.clusters
        named = installation.platform if isinstance(installation, Unreadable) else installation.spec.platform
        key = (metadata.namespace, named)
        place = clusters.place(key)
        if place is None:
            await self._blocked(installation, key)
            return None
        with clusters.slot(key) as free:
            if not free:
                return BUSY_SECONDS
            # Of one that cannot be read, nobody knows whether its data may go.
            going = isinstance(installation, Installation) and installation.spec.volumes is VolumePolicy.DELETE
            try:
                left = await remove_all(place, metadata.uid, going)
            except ClusterError as error:
                if error.status:
                    text = f"the cluster of platform {key[1]} refuses: {error.message}"
                    blocked = blocked_removal(Reason.APPLY_FAILED, text)
                    await self._publisher.hold(installation, Reason.APPLY_FAILED, blocked)
                raise
        if not left:
            await self._gone(metadata, place, going)
            return None
        named_left = ", ".join(f"{kind} {name}" for kind, name in left[:5])
        text = f"{len(left)} object(s) are being removed from the cluster of platform {key[1]}: {named_left}"
        await self._publisher.hold(installation, Reason.REMOVING, text)
        return _REMOVING_SECONDS

    async def _blocked(self, installation: Installation | Unreadable, key: NamespacedName) -> None:
        """The cluster cannot be worked on: say so, or let go where a person has said that it is gone for good."""
        metadata, platform = installation.metadata, self._context.world.platforms.get(key)
        reason, message = why_not(self._context.clusters, key, platform)
        if reason is Reason.CLUSTER_CONNECTING:
            return
        if not _is_abandoned(metadata, platform):
            await self._publisher.hold(installation, reason, blocked_removal(reason, message))
            return
        text = f"let go, as {names.ANNOTATION_ABANDON} says; its objects may still be there: {message}"
        await self._publisher.event(metadata, events.news("Warning", Reason.ABANDONED, text, metadata))
        await self._let_go(metadata)
        log.warning("abandoned %s", ObjectKey("Installation", metadata.namespace, metadata.name))

    async def _gone(self, metadata: Metadata, place: Place, going: bool) -> None:
        children = place.children.there((metadata.namespace, metadata.name))
        kept = volumes.kept(children, "" if going else metadata.uid)
        await self._tell_kept(kept, metadata, f" in namespace {place.namespace} of the city's cluster")
        await self._let_go(metadata)

    async def _tell_kept(self, kept: list[str], metadata: Metadata, where: str) -> None:
        """Deleting is the last that a person hears of an Installation: say where its data are."""
        if not kept:
            return
        named = ", ".join(f"{volumes.CLAIM} {name}" for name in kept[:8])
        text = (
            f"kept, with the data: {named}{where}. An Installation of this name and listing takes them over;"
            " `kubectl delete pvc` deletes the data"
        )
        await self._publisher.event(metadata, events.news("Normal", Reason.VOLUMES_KEPT, text, metadata))

    async def _let_go(self, metadata: Metadata) -> None:
        await self._publisher.set_finalizer(metadata, names.FINALIZER, False)
        log.info("let go of Installation", extra={"object": f"{metadata.namespace}/{metadata.name}"})


def _is_abandoned(metadata: Metadata, platform: MunicipalityPlatform | Unreadable | None) -> bool:
    marked = (metadata, platform.metadata) if platform is not None else (metadata,)
    return any(one.annotations.get(names.ANNOTATION_ABANDON) == "true" for one in marked)
