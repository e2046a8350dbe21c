"""The running operator: its parts, wired together, and their life from the start of the process to its end."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from ipaddress import ip_network
from typing import Any, TypeVar

from ddtas import confined, garbage, metrics, names
from ddtas.backoff import backoff
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.memory.ownership import Seal
from ddtas.cluster.memory.world import World
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
from ddtas.probes.scheduler import ProbeScheduler
from ddtas.reconcile.context import Context, ObjectKey
from ddtas.reconcile.dispatch import Reconciler
from ddtas.routing import Router
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
        self._client, self._settings = client, settings
        self._world, self._children, self._seal = World(), Children(), Seal()
        self._router = Router(self._world, self._children, self._add, self._refresh)
        self._collections = self._router.collections
        networks = tuple(ip_network(address) for address in forbidden)
        self._scout = Scout(client, _configured(settings, networks), self._on_surroundings)
        self._probes = ProbeScheduler(
            self._addresses(settings.probe_allowed_ranges),
            Limits(deadline_seconds=settings.probe_deadline_seconds, max_bytes=settings.probe_max_bytes),
            on_change=self._router.on_probe_news,
            on_probe=_count_probe,
            interval_seconds=settings.probe_interval_seconds,
        )
        self._surveyor = Surveyor(
            client,
            lambda: (self._router.facts_wanted(), self._router.namespaces_at_home()),
            on_change=self._router.on_capabilities,
            every_seconds=settings.capabilities_interval_seconds,
            whole=not settings.namespaces,
        )
        self._clusters = self._make_clusters()
        self._queue = self._make_queue()
        self._informers = self._make_informers()
        self._http = HttpServer(settings.http_host, settings.http_port, self._unhealthy, self._waiting)
        self._tasks: set[asyncio.Task[None]] = set()
        self._greeted = False
        self._failed = asyncio.Event()
        self._measure()

    def _make_clusters(self) -> Clusters:
        client, settings, router = self._client, self._settings, self._router
        return Clusters(
            lambda access: open_client(
                access,
                lambda a: self._addresses(settings.cluster_allowed_ranges).refusal(a),
                _count_request,
                lambda: client.fence(),
            ),
            on_change=lambda platform: router.concerns(PLATFORM.kind, platform),
            on_child=router.on_installation,
            polling=Polling(
                settings.cluster_interval_seconds,
                settings.capabilities_interval_seconds,
                router.facts_wanted,
                self._scout.uid,
            ),
        )

    def _make_queue(self) -> WorkQueue[ObjectKey]:
        context = Context(
            self._client,
            self._world,
            self._children,
            self._clusters,
            self._probes,
            self._settings,
            self._seal,
            capabilities=self._surveyor.of,
            on_published=self._router.pass_on,
            surroundings=lambda: self._scout.surroundings,
            on_served=self._router.on_served,
            on_exam=self._router.on_exam,
            on_attempts=self._router.on_attempts,
        )
        return WorkQueue(
            Reconciler(context),
            self._settings.workers,
            party=lambda key: key.namespace,
            is_further=self._router.is_on_its_way,
        )

    def _make_informers(self) -> list[Informer]:
        router, namespaces = self._router, self._settings.namespaces or (None,)
        own = (APP_LISTING, PLATFORM, INSTALLATION)
        watched = [
            *((r, "", router.on_object, router.on_object_gone, _nothing) for r in own),
            *(
                (r, names.LABEL_INSTALLATION, router.on_child, router.on_child_gone, self._children.held)
                for r in CHILDREN
            ),
            (SECRET, names.LABEL_CREDENTIALS, router.on_secret, router.on_secret_gone, _nothing),
        ]
        return [
            Informer(self._client, resource, namespace, selector, on_object, on_gone, held)
            for resource, selector, on_object, on_gone, held in watched
            for namespace in ((None,) if resource is APP_LISTING else namespaces)
        ]

    def _measure(self) -> None:
        """What metrics show when they are asked for."""
        metrics.QUEUE_LENGTH.set_function(lambda: len(self._queue))
        metrics.count_objects_by(self._router.count)
        metrics.count_installations_by(self._router.count_installations)
        for resource in (APP_LISTING, PLATFORM, INSTALLATION, *CHILDREN):
            metrics.WATCH_UP.labels(resource.kind).set_function(partial(self._is_up, resource.kind))

    def _add(self, key: ObjectKey, *, urgent: bool = True) -> None:
        self._queue.add(key, urgent=urgent)

    def _refresh(self) -> None:
        self._surveyor.refresh()
        self._clusters.refresh()

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
        self._spawn(self._scout.run(), "surveys the network of the cluster")
        self._spawn(self._lead(), "start of work")

    async def _lead(self) -> None:
        """Begin, once it is known where nothing may lead to."""
        await self._scout.first()
        self._spawn(self._probes.start(), "probe scheduler")
        self._spawn(self._surveyor.run(), "surveys the capabilities of the cluster")
        self._router.add_all()
        self._queue.start()

    def _addresses(self, allowed: tuple[Network, ...]) -> AddressPolicy:
        """Where connections may lead to, as it is known now."""
        known = self._scout.surroundings
        return AddressPolicy(allowed, known.forbidden, known.inside, known.shared, known.domain)

    def _on_surroundings(self) -> None:
        self._probes.policy = self._addresses(self._settings.probe_allowed_ranges)
        self._router.on_surroundings()


async def _insist(request: Callable[[], Awaitable[T]]) -> T:
    """Make a request until it succeeds: an API server that starts needs a moment."""
    failures = 0
    while True:
        try:
            return await request()
        except ClusterError as error:
            log.warning("waiting for the API server: %s", error)
            failures += 1
            await asyncio.sleep(max(backoff(failures, 1.0, 15.0), error.retry_after))


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
