"""One MunicipalityPlatform, once: probe its sources, connect to its cluster, and say what could run there."""

import asyncio

from ddtas.api.installation import Installation
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.rest.resources import PLATFORM
from ddtas.names import NamespacedName
from ddtas.plan.decision.plan import frozen
from ddtas.plan.remote.identity import judge
from ddtas.plan.runs.attempts import Ledger
from ddtas.plan.status.platform import platform_status
from ddtas.reconcile.catalogue import REFRESH_SECONDS, Catalogues, Surroundings
from ddtas.reconcile.context import Context
from ddtas.reconcile.observe import Observer
from ddtas.reconcile.pacing import Grace, by_turns, settled
from ddtas.reconcile.publish import Publisher
from ddtas.reconcile.sources import Sources

# A platform that is gone while Installations of it still are to be removed from its cluster.
_FORGOTTEN_SECONDS = 60.0


class Platforms:
    """Reconciles MunicipalityPlatforms."""

    def __init__(self, context: Context, publisher: Publisher, sources: Sources, observer: Observer) -> None:
        self._context = context
        self._publisher = publisher
        self._sources = sources
        self._observer = observer
        self._grace = Grace()
        self._catalogues = Catalogues(context, observer)

    async def reconcile(self, key: NamespacedName) -> float | None:
        """Bring the probes, the connection and the status of one up to date.

        Returns:
            Seconds after which to reconcile it again; None where an event will come.
        """
        platform = self._context.world.platforms.get(key)
        if platform is None:
            return self._forget(key)
        if platform.metadata.deletion_timestamp:
            return None
        if isinstance(platform, Unreadable):
            await self._publisher.refuse(PLATFORM.kind, platform)
            return None
        products = self._context.world.products(platform)
        self._sources.retain(platform, products)
        there = Surroundings(platform, products, self._sources.observations(platform, products))
        await asyncio.sleep(0)
        seen = self._context.clusters.ensure(platform, self._context.world.secrets(key[0]))
        cluster = judge(platform, seen) if seen is not None else None
        catalogue = await self._catalogues.of(there)
        digests = self._sources.digests(platform, products)
        capabilities, now = (catalogue.capabilities, self._observer.capabilities(platform)), self._context.now()

        uses = self._context.world.uses(key)

        async def status() -> MunicipalityPlatformStatus:
            found = there.observations
            about = (found, digests, catalogue.fits, now, cluster, products, capabilities, ledger, uses)
            return await by_turns(platform_status.turns(platform, *about))

        if _only_probing(there) and cluster is None and (seconds := self._grace.left(key)):
            return seconds
        self._grace.end(key)
        ledger = self._ledger(platform)
        await self._publisher.publish(PLATFORM.kind, platform, await settled(key[0], status))
        known = set(platform.status.attempts)
        self._context.on_attempts([(key[0], a.installation) for a in ledger.attempts if a not in known])
        if cluster is not None and cluster[0].status == "True":
            self._approve(key)
        return REFRESH_SECONDS

    def _ledger(self, platform: MunicipalityPlatform) -> Ledger:
        """The attempts at exams, with what the Installations say of theirs. Whoever is held asks for none."""
        world, namespace = self._context.world, platform.metadata.namespace
        there = [world.installations.get(user) for user in world.installations.names() if user[0] == namespace]
        statuses = {i.metadata.uid: i.status if isinstance(i, Installation) else None for i in there if i is not None}
        users = [i for i in there if isinstance(i, Installation) and i.spec.platform == platform.metadata.name]
        applicants = [i for i in users if not i.metadata.deletion_timestamp and frozen(i, platform) is None]
        most = self._context.settings.policy.maximum_attempts
        return Ledger.of(platform.status).closed(statuses).opened(applicants, most, self._context.now())

    def _forget(self, key: NamespacedName) -> float | None:
        self._grace.end(key)
        self._sources.forget(key)
        self._catalogues.forget(key)
        users = self._context.world.users_of_platform(key)
        if key in self._context.clusters and users:  # who may have to be removed from there
            return _FORGOTTEN_SECONDS
        self._context.clusters.forget(key)
        return None

    def _approve(self, key: NamespacedName) -> None:
        """Nothing is done on a cluster before its identity has been written down."""
        written = self._context.world.platforms.get(key)
        if isinstance(written, MunicipalityPlatform) and written.status.cluster is not None:
            self._context.clusters.approve(key, written.status.cluster.identity)


def _only_probing(there: Surroundings) -> bool:
    """Whether all that there is to say of a new platform is that its data sources are being probed."""
    own = {source.name for source in there.platform.spec.data_sources}
    return bool(own - there.observations.keys()) and not there.platform.status.conditions
