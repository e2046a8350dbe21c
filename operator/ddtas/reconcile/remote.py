"""Installations whose workloads go to a city's own cluster: the same there, where it can be reached."""

from collections.abc import Awaitable, Callable

from ddtas import names
from ddtas.api.installation import Installation
from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.place import Place
from ddtas.cluster.remote.clusters import Clusters
from ddtas.names import NamespacedName
from ddtas.plan.decision.plan import frozen
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.remote.identity import obstacle
from ddtas.reconcile.context import Context
from ddtas.reconcile.publish import Publisher

# When all room on a city's cluster is taken.
BUSY_SECONDS = 1.0


class RemoteWork:
    """Reconciles Installations on cities' own clusters."""

    def __init__(
        self,
        context: Context,
        publisher: Publisher,
        bring: Callable[[Installation, Place], Awaitable[float | None]],
    ) -> None:
        """Reconcile nothing yet.

        Args:
            context: the parts.
            publisher: writes statuses and finalizers.
            bring: decides, applies and publishes in a place.
        """
        self._context = context
        self._publisher = publisher
        self._bring = bring

    async def reconcile(
        self, installation: Installation, platform: MunicipalityPlatform | Unreadable | None
    ) -> float | None:
        """Reconcile one where its cluster can be reached; do nothing where it cannot."""
        clusters = self._context.clusters
        key = (installation.metadata.namespace, installation.spec.platform)
        place = clusters.place(key)
        if place is None or not isinstance(platform, MunicipalityPlatform):
            blocked = obstacle_of(clusters, key, platform)
            # News of the cluster brings it here again. Until there is some, what was said before holds.
            if blocked.reason is not Reason.CLUSTER_CONNECTING or not installation.status.conditions:
                await self._publisher.hold(installation, blocked.reason, blocked.message)
            return None
        with clusters.slot(key) as free:
            if not free:
                return BUSY_SECONDS
            if names.FINALIZER not in installation.metadata.finalizers and not frozen(installation, platform):
                # Written before the first object, and with it in memory it goes on at once.
                await self._publisher.set_finalizer(installation.metadata, names.FINALIZER, True)
                return 0.0
            return await self._bring(installation, place)


def obstacle_of(clusters: Clusters, key: NamespacedName, platform: MunicipalityPlatform | Unreadable | None) -> Refusal:
    """Why nothing can be done on a platform's cluster."""
    readable = platform if isinstance(platform, MunicipalityPlatform) else None
    fault = platform.fault if isinstance(platform, Unreadable) else None
    return obstacle(key[1], readable, fault, clusters.observation(key))
