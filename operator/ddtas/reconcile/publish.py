"""Tells the world about an object: Events, its status, and the operator's finalizers on it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from ddtas import names, redaction
from ddtas.api.base import Metadata
from ddtas.api.installation import Installation
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.listing import AppListing, AppListingStatus
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.cluster.memory.world import Collection, Unreadable
from ddtas.cluster.rest.resources import APP_LISTING, INSTALLATION, PLATFORM, ResourceType
from ddtas.cluster.write import events, report
from ddtas.cluster.write.events import News
from ddtas.errors import ClusterError, trail
from ddtas.plan.reasons import Reason
from ddtas.plan.status.conditions import Status, broken_status, refused_status
from ddtas.plan.status.installation import held_status
from ddtas.reconcile.context import Context, ObjectKey

log = logging.getLogger(__name__)

Known = AppListing | MunicipalityPlatform | Installation | Unreadable


class Kind(NamedTuple):
    """One of the three kinds: its resource, its objects in memory, and the model of its status."""

    resource: ResourceType
    collection: Collection[Any]
    status: type[Status]


class Publisher:
    """Writes what was decided about objects of the three kinds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        world = context.world
        self._kinds = {
            APP_LISTING.kind: Kind(APP_LISTING, world.listings, AppListingStatus),
            PLATFORM.kind: Kind(PLATFORM, world.platforms, MunicipalityPlatformStatus),
            INSTALLATION.kind: Kind(INSTALLATION, world.installations, InstallationStatus),
        }

    async def publish(self, kind: str, known: Known, status: Status, more: Sequence[News] = ()) -> bool:
        """Make the Events of a transition and write the status, where it differs from the one that is there.

        Args:
            kind: of the object.
            known: the object that was decided on.
            status: its new status, whole.
            more: Events of what no condition says.

        Returns:
            Whether the status was written.

        Raises:
            Outdated: the object is gone, or has changed since.
            ClusterError: the API server did not take the status.
        """
        resource, collection, model = self._kinds[kind]
        old = known.status if isinstance(known, Unreadable) else known.status.dump()
        await asyncio.sleep(0)  # of a platform with hundreds of sources each of these takes long: others get a turn
        new = status.dump()
        if new != old:
            new = redaction.known.hide_in(new, old, known.metadata.namespace)
        if new == old:
            return False
        told = events.transitions(known.metadata, status_of(known, model).conditions, status.conditions)
        # Events first: one that is made twice is one, and one that would come after the status may never come.
        await events.tell(self._context.client, resource, known.metadata, [*told, *more])
        live = await report.write_status(self._context.client, resource, known.metadata, new)
        await asyncio.sleep(0)
        await collection.take(live)
        self._context.on_published()
        return True

    async def refuse(self, kind: str, known: Unreadable) -> None:
        """Say that an object cannot be read, and why; only an edit of it can fix that."""
        old = status_of(known, self._kinds[kind].status)
        status = refused_status(old, known.metadata.generation, known.fault, self._context.now())
        await self.publish(kind, known, status)

    async def hold(self, installation: Installation | Unreadable, reason: Reason, message: str) -> None:
        """Say why nothing is done for an Installation; all else of its status stays."""
        if isinstance(installation, Unreadable):
            return  # what is wrong with it was said already
        status = held_status(installation, reason, message, self._context.now())
        await self.publish(INSTALLATION.kind, installation, status)

    async def report_fault(self, key: ObjectKey, error: Exception) -> None:
        """Say on the object that the operator fails to work on it, and where: never the error's text."""
        _, collection, model = self._kinds[key.kind]
        known = collection.get((key.namespace, key.name))
        if known is None:
            return
        text = f"the operator could not work on it: {trail(error)}: report it, with the operator's log"
        try:
            old = status_of(known, model)
            status = broken_status(old, known.metadata.generation, text, self._context.now())
            event = events.news("Warning", Reason.OPERATOR_ERROR, text, known.metadata, known.metadata.generation)
            await self.publish(key.kind, known, status, [event])
        except report.Outdated:
            return
        except ClusterError as refused:
            log.warning("%s: %s", key, refused)

    async def event(self, metadata: Metadata, event: News) -> None:
        """Make one Event of an Installation."""
        await events.tell(self._context.client, INSTALLATION, metadata, [event])

    async def set_finalizer(self, metadata: Metadata, finalizer: str, wanted: bool) -> None:
        """Set a finalizer of ours on an Installation, or take it away; those of others stay."""
        ours = [f for f in metadata.finalizers if f in names.FINALIZERS]
        if (finalizer in ours) == wanted:
            return
        kept = tuple(f for f in (*ours, *([finalizer] if wanted else [])) if wanted or f != finalizer)
        live = await report.write_finalizers(self._context.client, INSTALLATION, metadata, kept)
        await self._context.world.installations.take(live)


def status_of(known: Any, model: type[Status]) -> Status:
    """The status of an object, also where it or the object cannot be read."""
    if not isinstance(known, Unreadable):
        status: Status = known.status
        return status
    try:
        return model.model_validate(known.status)
    except ValueError:
        return model()
