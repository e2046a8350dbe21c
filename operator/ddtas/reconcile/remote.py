"""Installations whose workloads go to a city's own cluster: the same there, where it can be reached."""

from collections.abc import Awaitable, Callable

from ddtas import names
from ddtas.api.installation import Installation
from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.remote.place import Place
from ddtas.names import NamespacedName
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.identity import judge
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
            reason, message = why_not(clusters, key, platform)
            # News of the cluster brings it here again. Until there is some, what was said before holds.
            if reason is not Reason.CLUSTER_CONNECTING or not installation.status.conditions:
                await self._publisher.hold(installation, reason, message)
            return None
        with clusters.slot(key) as free:
            if not free:
                return BUSY_SECONDS
            spec = installation.spec
            frozen = spec.suspend or spec.mode == "Plan" or platform.spec.suspend
            if names.FINALIZER not in installation.metadata.finalizers and not frozen:
                # Written before the first object, and with it in memory it goes on at once.
                await self._publisher.set_finalizer(installation.metadata, names.FINALIZER, True)
                return 0.0
            return await self._bring(installation, place)


def why_not(
    clusters: Clusters, key: NamespacedName, platform: MunicipalityPlatform | Unreadable | None
) -> tuple[Reason, str]:
    """Why nothing can be done on a platform's cluster; CLUSTER_CONNECTING where that will show in a moment."""
    if platform is None:
        return Reason.PLATFORM_NOT_FOUND, f"MunicipalityPlatform {key[1]} is gone, and with it the kubeconfig"
    if isinstance(platform, Unreadable):
        return Reason.PLATFORM_INVALID, f"MunicipalityPlatform {key[1]}: {platform.fault}"
    if platform.spec.cluster is None:
        return Reason.KUBECONFIG_MISSING, f"platform {key[1]} names no cluster any more, as it did"
    finding, _ = judge(platform, clusters.observation(key))
    reason = Reason.CLUSTER_CONNECTING if finding.status == "True" else finding.reason
    return reason, f"platform {key[1]}: {finding.message}"
