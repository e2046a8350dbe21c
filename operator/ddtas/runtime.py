"""The running operator: what is watched, and which object each piece of news concerns."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextvars import Context
from ipaddress import ip_network
from typing import Any, TypeVar

from ddtas import confined, metrics, names
from ddtas.cluster.access import open_client
from ddtas.cluster.children import Children
from ddtas.cluster.client import Client
from ddtas.cluster.clusters import Clusters, Looks
from ddtas.cluster.facts import NOBODY
from ddtas.cluster.http import HttpServer
from ddtas.cluster.informer import Informer
from ddtas.cluster.leader import Election
from ddtas.cluster.resources import APP_LISTING, CHILDREN, INSTALLATION, PLATFORM, SECRET, ResourceType
from ddtas.cluster.surroundings import Scout
from ddtas.cluster.survey import Surveyor
from ddtas.cluster.world import Collection, Name, World
from ddtas.errors import ClusterError
from ddtas.plan import offers
from ddtas.plan.network import Network, Surroundings, collapsed
from ddtas.plan.offers import Fact
from ddtas.probes import AddressPolicy, Limits, Look
from ddtas.probes.scheduler import ProbeScheduler, SourceKey
from ddtas.reconcile import ObjectKey, Reconciler
from ddtas.settings import Settings
from ddtas.workqueue import WorkQueue

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
T = TypeVar("T")

# After a hint that the framework's watch was renewed, all objects are listed once more, this much later.
_SWEEP_AFTER_SECONDS = 2.0


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
        self._collections: dict[str, tuple[ResourceType, Collection[Any]]] = {
            APP_LISTING.kind: (APP_LISTING, self._world.listings),
            PLATFORM.kind: (PLATFORM, self._world.platforms),
            INSTALLATION.kind: (INSTALLATION, self._world.installations),
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
        self._asked: dict[str, tuple[str, int, frozenset[Fact]]] = {}
        self._surveyor = Surveyor(
            client,
            lambda: (self._facts_wanted(), self._namespaces_at_home()),
            on_change=self._on_offers,
            every_seconds=settings.offers_interval_seconds,
            whole=not settings.namespaces,
        )
        self._clusters = Clusters(
            lambda access: open_client(
                access, lambda a: self._addresses(settings.cluster_allowed_ranges).refusal(a), _count_request
            ),
            on_change=lambda platform: self._concerns(PLATFORM.kind, platform),
            on_child=self._on_installation,
            looks=Looks(
                settings.cluster_interval_seconds,
                settings.offers_interval_seconds,
                self._facts_wanted,
                self._scout.uid,
            ),
        )
        self._queue: WorkQueue[ObjectKey] = WorkQueue(
            Reconciler(
                client,
                self._world,
                self._children,
                self._clusters,
                self._probes,
                settings,
                self._surveyor.of,
                on_published=self._pass_on,
            ),
            settings.workers,
            party=lambda key: key.namespace,
        )
        self._informers = [
            Informer(client, resource, namespace, selector, on_object, on_gone)
            for namespace in settings.namespaces or (None,)
            for resource, selector, on_object, on_gone in (
                *((r, names.LABEL_INSTALLATION, self._on_child, self._on_child_gone) for r in CHILDREN),
                (SECRET, names.LABEL_CREDENTIALS, self._on_secret, self._on_secret_gone),
            )
        ]
        self._http = HttpServer(settings.http_host, settings.http_port, self._healthy, self._is_ready)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = False
        self._failed = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        metrics.QUEUE_LENGTH.set_function(lambda: len(self._queue))
        metrics.count_objects_by(self._count_objects)

    @classmethod
    async def create(cls, settings: Settings) -> "Operator":
        """Connect to the cluster, and wire the parts."""
        client = await Client.connect(_count_request)
        return cls(client, settings, await _addresses(client.host))

    # ---- life ----

    async def start(self) -> None:
        """Fill the caches, then work as soon as this replica leads."""
        await self._http.start()
        self._world.kubernetes_version = await _insist(self._client.version)
        for informer in self._informers:
            self._spawn(informer.run(), "informer")
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers))
        await _insist(self._list_all)
        self._ready = True
        log.info("caches are filled", extra={"kubernetes": self._world.kubernetes_version})
        if self._settings.leader_election:
            election = Election(self._client, self._settings.lease_namespace, self._settings.identity)
            self._spawn(election.run(self._on_leading, self._failed.set), "leader election")
        else:
            self._on_leading()

    async def stop(self) -> None:
        """Let what is in flight end, give the Lease back, and close everything."""
        self._ready = False
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
        for kind, (_, collection) in self._collections.items():
            for known in collection.readable():
                ready = next((c.reason for c in known.status.conditions if c.type == "Ready"), "New")
                counts[kind, ready] += 1
        return counts

    def _healthy(self) -> bool:
        return not self._failed.is_set()

    def _is_ready(self) -> bool:
        return self._ready

    def _on_leading(self) -> None:
        metrics.LEADER.set(1)
        self._spawn(self._scout.run(), "looks at the cluster's network")
        self._spawn(self._lead(), "start of work")

    async def _lead(self) -> None:
        """Begin, once it is known where nothing may lead to."""
        await self._scout.first()
        self._spawn(self._probes.start(), "probe scheduler")
        self._spawn(self._surveyor.run(), "looks at what the cluster offers")
        # Platforms first: they say which data sources to look at.
        for kind in (PLATFORM.kind, APP_LISTING.kind, INSTALLATION.kind):
            _, collection = self._collections[kind]
            for namespace, name in collection.names():
                self._queue.add(ObjectKey(kind, namespace, name), urgent=False)  # type: ignore[arg-type]
        self._queue.start()

    # ---- news of the three kinds ----

    async def _list_all(self) -> None:
        """List the three kinds: before the first decision, and to find what went away unheard."""
        for resource, collection in self._collections.values():
            namespaces = (None,) if resource is APP_LISTING else self._settings.namespaces or (None,)
            present: set[Name] = set()
            versions: list[int] = []
            for namespace in namespaces:
                async for page in self._client.pages(resource, namespace):
                    versions.append(int(page["metadata"]["resourceVersion"]))
                    for body in page["items"]:
                        metadata = body["metadata"]
                        key = (metadata.get("namespace", ""), metadata["name"])
                        present.add(key)
                        if collection.put(body):
                            self._concerns(resource.kind, key)
            for key in collection.retain(present, min(versions)):
                self._concerns(resource.kind, key)

    def on_object(self, kind: str, event: str | None, body: JsonObject) -> None:
        """Take in what the framework's watch saw.

        Args:
            kind: one of the three kinds.
            event: ADDED, MODIFIED, DELETED; None when it stems from a list.
            body: the object.
        """
        _, collection = self._collections[kind]
        metadata = body["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            collection.remove(key)
            self._concerns(kind, key)
        elif collection.put(body):
            self._concerns(kind, key)
        if event is None and self._ready:
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        """The framework lists anew after a broken watch, and does not tell what is no longer there."""
        if self._sweep is not None:
            self._sweep.cancel()
        loop = asyncio.get_running_loop()
        # In an empty context: the framework's has the whole object, and a timer keeps it, also one that was cancelled.
        self._sweep = loop.call_later(
            _SWEEP_AFTER_SECONDS, lambda: self._spawn(self._list_all(), "sweep"), context=Context()
        )

    def _concerns(self, kind: str, key: Name) -> None:
        """Queue an object, and those that depend on it."""
        self._queue.add(ObjectKey(kind, *key))  # type: ignore[arg-type]
        users: list[Name] = []
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
            self._clusters.look()
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

    # ---- news of children, credentials and data sources ----

    def _on_child(self, resource: ResourceType, body: JsonObject) -> None:
        self._on_installation(self._children.put(resource, body))

    def _on_child_gone(self, resource: ResourceType, namespace: str, name: str) -> None:
        owner = self._children.remove(resource.kind, namespace, name)
        if owner is not None:
            self._on_installation(owner)

    def _on_installation(self, owner: Name) -> None:
        if owner != NOBODY:
            self._queue.add(ObjectKey("Installation", *owner))

    def _on_secret(self, _: ResourceType, body: JsonObject) -> None:
        self._on_credentials(self._world.put_secret(body))

    def _on_secret_gone(self, _: ResourceType, namespace: str, name: str) -> None:
        self._world.remove_secret((namespace, name))
        self._on_credentials((namespace, name))

    def _on_credentials(self, secret: Name) -> None:
        namespace, name = secret
        for platform in self._world.platforms.readable():
            if platform.metadata.namespace == namespace and name in platform.spec.secret_names():
                self._concerns(PLATFORM.kind, (namespace, platform.metadata.name))

    # ---- what clusters offer ----

    def _facts_wanted(self) -> frozenset[Fact]:
        """What some version of some listing asks of a cluster."""
        known, self._asked = self._asked, {}
        for listing in self._world.listings.readable():
            meta = listing.metadata
            was = known.get(meta.name)
            if was is None or was[:2] != (meta.uid, meta.generation):
                facts = (offers.needs(version).facts for version in listing.spec.versions)
                was = (meta.uid, meta.generation, frozenset[Fact]().union(*facts))
            self._asked[meta.name] = was
        return frozenset[Fact]().union(*(facts for _, _, facts in self._asked.values()))

    def _namespaces_at_home(self) -> frozenset[str]:
        platforms = self._world.platforms.readable()
        return frozenset(p.metadata.namespace for p in platforms if p.spec.cluster is None)

    def _on_offers(self, namespace: str) -> None:
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

    def _on_probe_news(self, key: SourceKey) -> None:
        self._concerns(PLATFORM.kind, (key.namespace, key.platform))


async def _insist(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request until it succeeds: an API server that starts, or a CRD that was just made, needs a moment."""
    pause = 1.0
    while True:
        try:
            return await request()
        except ClusterError as error:
            log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(pause)
            pause = min(30.0, pause * 2)


def _count_request(verb: str, kind: str, status: int) -> None:
    metrics.API_REQUESTS.labels(verb, kind, status).inc()


def _count_probe(look: Look, reason: str, seconds: float) -> None:
    kind = look.target.kind
    metrics.PROBES.labels(kind, reason).inc()
    metrics.PROBE_REQUESTS.labels(kind).inc(look.requests)
    metrics.PROBE_BYTES.labels(kind).inc(look.received)
    metrics.PROBE_SECONDS.labels(kind).observe(seconds)


def _configured(settings: Settings, api_server: tuple[Network, ...]) -> Surroundings:
    """What the settings, and the API server's own name, say of the network."""
    return Surroundings(
        forbidden=collapsed([*settings.denied_ranges, *api_server]),
        inside=collapsed(settings.cluster_ranges),
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
