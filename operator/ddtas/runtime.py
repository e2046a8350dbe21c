"""The running operator: what is watched, and which object each piece of news concerns."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from ipaddress import ip_network
from typing import Any, TypeVar

from ddtas import confined, garbage, metrics, names
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.facts import NOBODY
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.memory.ownership import Seal
from ddtas.cluster.memory.world import Collection, World
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.remote.connection import Polling
from ddtas.cluster.rest.access import open_client
from ddtas.cluster.rest.bounds import LEASE
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.leader import Election
from ddtas.cluster.rest.resources import APP_LISTING, CHILDREN, INSTALLATION, PLATFORM, SECRET, ResourceType
from ddtas.cluster.survey.capabilities import Surveyor
from ddtas.cluster.survey.surroundings import Scout
from ddtas.data.addresses import AddressPolicy
from ddtas.data.network import Network, Surroundings, ordered
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.endpoints import HttpServer
from ddtas.errors import ClusterError
from ddtas.names import NamespacedName
from ddtas.plan.capabilities.needs import Fact, needs
from ddtas.probes.scheduler import ProbeScheduler, SourceKey
from ddtas.reconcile.context import Context, ObjectKey
from ddtas.reconcile.dispatch import Reconciler
from ddtas.settings import Settings
from ddtas.workqueue import WorkQueue

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
T = TypeVar("T")


class Operator:
    """All parts, wired together. One instance a process."""

    def __init__(self, client: Client, settings: Settings, forbidden: Iterable[str]) -> None:
        """Wire the parts; nothing runs yet.

        Args:
            client: the cluster.
            settings: this process's settings.
            forbidden: addresses (of the API server) that probes must not reach.
        """
        self._client = client
        self._settings = settings
        self._world = World()
        self._collections: dict[str, Collection[Any]] = {
            APP_LISTING.kind: self._world.listings,
            PLATFORM.kind: self._world.platforms,
            INSTALLATION.kind: self._world.installations,
        }
        networks = tuple(ip_network(address) for address in forbidden)
        self._scout = Scout(client, _configured(settings, networks), self._on_surroundings)
        limits = Limits(deadline_seconds=settings.probe_deadline_seconds, max_bytes=settings.probe_max_bytes)
        self._probes = ProbeScheduler(
            self._addresses(settings.probe_allowed_ranges),
            limits,
            on_change=self._on_probe_news,
            on_probe=_count_probe,
            interval_seconds=settings.probe_interval_seconds,
        )
        self._children = Children()
        self._seal = Seal()
        self._asked: dict[str, tuple[str, int, frozenset[Fact]]] = {}
        self._surveyor = Surveyor(
            client,
            lambda: (self._facts_wanted(), self._namespaces_at_home()),
            on_change=self._on_capabilities,
            every_seconds=settings.capabilities_interval_seconds,
            whole=not settings.namespaces,
        )
        self._clusters = Clusters(
            lambda access: open_client(
                access,
                lambda a: self._addresses(settings.cluster_allowed_ranges).refusal(a),
                _count_request,
                lambda: client.fence(),
            ),
            on_change=lambda platform: self._concerns(PLATFORM.kind, platform),
            on_child=self._on_installation,
            polling=Polling(
                settings.cluster_interval_seconds,
                settings.capabilities_interval_seconds,
                self._facts_wanted,
                self._scout.uid,
            ),
        )
        self._queue: WorkQueue[ObjectKey] = WorkQueue(
            Reconciler(
                Context(
                    client,
                    self._world,
                    self._children,
                    self._clusters,
                    self._probes,
                    settings,
                    self._seal,
                    capabilities=self._surveyor.of,
                    on_published=self._pass_on,
                    surroundings=lambda: self._scout.surroundings,
                    on_served=self._on_served,
                )
            ),
            settings.workers,
            party=lambda key: key.namespace,
            is_further=self._is_on_its_way,
        )
        self._informers = [
            Informer(client, resource, namespace, selector, on_object, on_gone, held)
            for resource, selector, on_object, on_gone, held in (
                *(
                    (r, "", self._on_object, self._on_object_gone, _nothing)
                    for r in (APP_LISTING, PLATFORM, INSTALLATION)
                ),
                *(
                    (r, names.LABEL_INSTALLATION, self._on_child, self._on_child_gone, self._children.held)
                    for r in CHILDREN
                ),
                (SECRET, names.LABEL_CREDENTIALS, self._on_secret, self._on_secret_gone, _nothing),
            )
            for namespace in ((None,) if resource is APP_LISTING else settings.namespaces or (None,))
        ]
        self._http = HttpServer(settings.http_host, settings.http_port, self._unhealthy, self._waiting)
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = False
        self._failed = asyncio.Event()
        metrics.QUEUE_LENGTH.set_function(lambda: len(self._queue))
        metrics.count_objects_by(self._count_objects)
        for resource in (APP_LISTING, PLATFORM, INSTALLATION, *CHILDREN):
            metrics.WATCH_UP.labels(resource.kind).set_function(partial(self._is_up, resource.kind))

    @classmethod
    async def create(cls, settings: Settings) -> "Operator":
        """Connect to the cluster, and wire the parts."""
        client = await Client.connect(_count_request)
        return cls(client, settings, await _addresses(client.host))

    # ---- life ----

    async def start(self) -> None:
        """Answer on the own port, and begin to fill the caches. It returns at once, whatever the API server does."""
        await self._http.start()
        for informer in self._informers:
            self._spawn(informer.run(), "informer")
        self._spawn(self._begin(), "start")

    async def _begin(self) -> None:
        """Work as soon as everything is known, and this replica leads."""
        self._world.kubernetes_version = await _insist(self._client.version)
        await _insist(lambda: self._seal.load(self._client, self._settings.lease_namespace))
        self._greeted = True
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers))
        garbage.set_aside()  # what has been read
        log.info("caches are filled", extra={"kubernetes": self._world.kubernetes_version})
        if not self._settings.leader_election:
            self._on_leading()
            return
        client = self._client.bounded(LEASE)
        election = Election(client, self._settings.lease_namespace, self._settings.identity)
        self._client.fence = election.fence  # the cities' clients ask this one
        await election.run(self._on_leading, self._failed.set)

    async def stop(self) -> None:
        """Let what is in flight end, give the Lease back, and close everything."""
        await self._queue.stop()
        await self._clusters.stop()
        await self._probes.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await confined.close()
        await self._http.stop()
        await self._client.close()

    async def failed(self) -> None:
        """Wait until this process must end: it lost the Lease, or a part of it broke."""
        await self._failed.wait()

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_end)

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("%s broke", task.get_name(), exc_info=task.exception())
            self._failed.set()

    def _count_objects(self) -> Counter[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        for kind, collection in self._collections.items():
            for known in collection.readable():
                ready = next((c.reason for c in known.status.conditions if c.type == "Ready"), "New")
                counts[kind, ready] += 1
        return counts

    def _unhealthy(self) -> list[str]:
        return ["a part of this process broke: it ends"] if self._failed.is_set() else []

    def _waiting(self) -> list[str]:
        """What is not known, or not kept up to date, and why."""
        known = [] if self._greeted else ["the API server has not told its version"]
        return known + [informer.lag for informer in self._informers if informer.lag]

    def _is_up(self, kind: str) -> float:
        return float(not any(informer.lag for informer in self._informers if informer.kind == kind))

    def _on_leading(self) -> None:
        metrics.LEADER.set(1)
        self._spawn(self._scout.run(), "looks at the cluster's network")
        self._spawn(self._lead(), "start of work")

    async def _lead(self) -> None:
        """Begin, once it is known where nothing may lead to."""
        await self._scout.first()
        self._spawn(self._probes.start(), "probe scheduler")
        self._spawn(self._surveyor.run(), "looks at the cluster's capabilities")
        # Platforms first: they say which data sources to look at.
        for kind in (PLATFORM.kind, APP_LISTING.kind, INSTALLATION.kind):
            for namespace, name in self._collections[kind].names():
                self._queue.add(ObjectKey(kind, namespace, name), urgent=False)  # type: ignore[arg-type]
        for owner in self._children.owners():  # it may be gone since, and what it left has to be told
            self._on_installation(owner)
        self._queue.start()

    # ---- news of the three kinds ----

    def _on_object(self, resource: ResourceType, body: JsonObject) -> None:
        if self._collections[resource.kind].put(body):
            metadata = body["metadata"]
            self._concerns(resource.kind, (metadata.get("namespace", ""), metadata["name"]))

    def _on_object_gone(self, resource: ResourceType, namespace: str, name: str, version: str) -> None:
        self._collections[resource.kind].bury((namespace, name), version)
        self._concerns(resource.kind, (namespace, name))

    def _concerns(self, kind: str, key: NamespacedName) -> None:
        """Queue an object, and those that depend on it."""
        self._queue.add(ObjectKey(kind, *key))  # type: ignore[arg-type]
        users: list[NamespacedName] = []
        if kind == APP_LISTING.kind:
            users = self._world.users_of_listing(key[1])
            for platform in self._world.platforms.names():  # each says which apps could run on it
                self._queue.add(ObjectKey(PLATFORM.kind, *platform), urgent=False)  # type: ignore[arg-type]
        elif kind == PLATFORM.kind:
            users = self._world.users_of_platform(key)
        for user in users:  # one listing may have hundreds: what a person edits goes first
            self._queue.add(ObjectKey("Installation", *user), urgent=False)
        if kind != INSTALLATION.kind:
            self._surveyor.look()
            self._clusters.refresh()
        self._pass_on()

    def _pass_on(self) -> None:
        """Queue those whose data, or whose removal, depends on an Installation that is another one for them now."""
        upstreams, platforms = self._world.take_news()
        users = upstreams
        for platform in platforms:
            self._queue.add(ObjectKey("MunicipalityPlatform", *platform))
            users = users.union(self._world.users_of_platform(platform))
        for user in users:
            self._queue.add(ObjectKey("Installation", *user))

    def _is_on_its_way(self, key: ObjectKey) -> bool:
        """Whether an Installation has begun, and is not Ready yet."""
        installation = self._world.installations.find((key.namespace, key.name)) if key.kind == "Installation" else None
        if installation is None:
            return False
        conditions = {c.type: c.status for c in installation.status.conditions}
        return conditions.get("Provisioned") == "True" and conditions.get("Ready") != "True"

    def _on_served(self, platform: NamespacedName) -> None:
        self._queue.add(ObjectKey("MunicipalityPlatform", *platform), urgent=False)

    # ---- news of children, credentials and data sources ----

    def _on_child(self, resource: ResourceType, body: JsonObject) -> None:
        for owner in self._children.put(resource, body):
            self._on_installation(owner)

    def _on_child_gone(self, resource: ResourceType, namespace: str, name: str, version: str) -> None:
        owner = self._children.remove(resource.kind, namespace, name, version)
        if owner is not None:
            self._on_installation(owner)

    def _on_installation(self, owner: NamespacedName) -> None:
        if owner != NOBODY:
            self._queue.add(ObjectKey("Installation", *owner))

    def _on_secret(self, _: ResourceType, body: JsonObject) -> None:
        self._on_credentials(self._world.put_secret(body))

    def _on_secret_gone(self, _: ResourceType, namespace: str, name: str, version: str) -> None:
        self._world.remove_secret((namespace, name))
        self._on_credentials((namespace, name))

    def _on_credentials(self, secret: NamespacedName) -> None:
        namespace, name = secret
        for platform in self._world.platforms.readable():
            if platform.metadata.namespace == namespace and name in platform.spec.secret_names():
                self._concerns(PLATFORM.kind, (namespace, platform.metadata.name))

    # ---- the capabilities of clusters ----

    def _facts_wanted(self) -> frozenset[Fact]:
        """What some version of some listing asks of a cluster."""
        known, self._asked = self._asked, {}
        for listing in self._world.listings.readable():
            meta = listing.metadata
            was = known.get(meta.name)
            if was is None or was[:2] != (meta.uid, meta.generation):
                facts = (needs(version).facts for version in listing.spec.versions)
                was = (meta.uid, meta.generation, frozenset[Fact]().union(*facts))
            self._asked[meta.name] = was
        return frozenset[Fact]().union(*(facts for _, _, facts in self._asked.values()))

    def _namespaces_at_home(self) -> frozenset[str]:
        platforms = self._world.platforms.readable()
        return frozenset(p.metadata.namespace for p in platforms if p.spec.cluster is None)

    def _on_capabilities(self, namespace: str) -> None:
        for platform in list(self._world.platforms.readable()):
            if platform.metadata.namespace == namespace and platform.spec.cluster is None:
                self._concerns(PLATFORM.kind, (namespace, platform.metadata.name))

    # ---- the cluster's network ----

    def _addresses(self, allowed: tuple[Network, ...]) -> AddressPolicy:
        """Where connections may lead to, as it is known now."""
        known = self._scout.surroundings
        return AddressPolicy(allowed, known.forbidden, known.inside, known.shared, known.domain)

    def _on_surroundings(self) -> None:
        self._probes.policy = self._addresses(self._settings.probe_allowed_ranges)
        for namespace, name in self._world.installations.names():  # their NetworkPolicies have these addresses
            self._queue.add(ObjectKey("Installation", namespace, name), urgent=False)

    def _on_probe_news(self, key: SourceKey) -> None:
        self._concerns(PLATFORM.kind, (key.namespace, key.platform))


async def _insist(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request until it succeeds: an API server that starts needs a moment."""
    pause = 1.0
    while True:
        try:
            return await request()
        except ClusterError as error:
            log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(max(pause, error.retry_after))
            pause = min(15.0, pause * 2)


def _nothing(_: ResourceType, __: str | None) -> tuple[NamespacedName, ...]:
    """What is made by others is heard of by watches alone."""
    return ()


def _count_request(verb: str, kind: str, status: int) -> None:
    metrics.API_REQUESTS.labels(verb, kind, status).inc()


def _count_probe(session: ProbeSession, reason: str, seconds: float) -> None:
    kind = session.target.kind
    metrics.PROBES.labels(kind, reason).inc()
    metrics.PROBE_REQUESTS.labels(kind).inc(session.requests)
    metrics.PROBE_BYTES.labels(kind).inc(session.received)
    metrics.PROBE_SECONDS.labels(kind).observe(seconds)


def _configured(settings: Settings, api_server: tuple[Network, ...]) -> Surroundings:
    """What the settings, and the API server's own name, say of the network."""
    return Surroundings(
        forbidden=ordered([*settings.denied_ranges, *api_server]),
        inside=ordered(settings.cluster_ranges),
        dns=settings.dns_addresses,
        shared=settings.shared_namespaces,
        operator=settings.lease_namespace,
        domain=settings.cluster_domain,
    )


async def _addresses(host: str) -> list[str]:
    """All addresses of the API server, which no probe may reach."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(info[4][0]) for info in found})
