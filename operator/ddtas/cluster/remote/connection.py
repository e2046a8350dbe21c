"""A connection to one city's own cluster: its client, watches and back-off.

A connection polls its cluster every half minute: which one it is, and does it answer. While it answers, and the status
of the platform remembers that identity (`approve`), the children there are watched, and there is a Place to work on.
Nothing that happens to a connection raises: it ends in an observation.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ddtas import names
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.backoff import backoff
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.place import Place
from ddtas.cluster.remote.troubles import FORBIDDEN, HomeError, explain
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import CHILDREN, NAMESPACE, ResourceType
from ddtas.cluster.rest.transport import Gate
from ddtas.cluster.survey.capabilities import survey
from ddtas.errors import ClusterError, NotFound
from ddtas.names import NamespacedName
from ddtas.plan.capabilities.measured import Survey
from ddtas.plan.capabilities.needs import Fact
from ddtas.plan.reasons import Reason
from ddtas.plan.remote import kubeconfig
from ddtas.plan.remote.identity import CONNECTING, ClusterObservation

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

# What a city's cluster says of itself goes into a status.
_UID = re.compile(r"[0-9a-zA-Z-]{1,64}")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\+?")

# A cluster is away when it did not answer so often in a row: one hiccup is not said.
_FAILURES = 3
_FIRST_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 30.0
_SYNC_SECONDS = 30.0
_SURVEY_SECONDS = 20.0


@dataclass(frozen=True)
class Hooks:
    """Whom a connection tells.

    Attributes:
        on_change: something is otherwise with the cluster of that platform.
        on_child: something is otherwise with the children of that Installation.
    """

    on_change: Callable[[NamespacedName], None]
    on_child: Callable[[NamespacedName], None]


async def _unknown(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class Polling:
    """How often a cluster is polled, and for what.

    Attributes:
        every_seconds: while it answers.
        survey_seconds: for its capabilities, which change seldom.
        wanted: the facts that are to be surveyed.
        home: the UID of a namespace of the operator's own cluster, which no city's is; None where nobody knows.
    """

    every_seconds: float
    survey_seconds: float = 300.0
    wanted: Callable[[], frozenset[Fact]] = frozenset
    home: Callable[[str], Awaitable[str | None]] = _unknown


class Connection:
    """One cluster, by one kubeconfig."""

    def __init__(
        self,
        key: NamespacedName,
        platform_uid: str,
        access: kubeconfig.Access,
        opened: tuple[Client, Gate],
        polling: Polling,
    ) -> None:
        self._key = key
        self._platform_uid = platform_uid
        self._access = access
        self._client, self._gate = opened
        self._polling = polling
        self._found: Survey | None = None  # its capabilities
        self._surveyed = 0.0
        self._approved = ""
        self._known_by: dict[str, str] = {}  # each identity that was seen → the namespace that has its UID
        self._foreign: set[str] = set()  # identities that are not those of the operator's own cluster
        self._doubtful = False  # it did not answer just now, or is not what it was
        self._place: Place | None = None
        self._watching: asyncio.Task[None] | None = None
        self._informers: list[Informer] = []
        self._poll_now = asyncio.Event()
        self.observation = CONNECTING
        self.working = 0  # Installations that are worked on there

    @property
    def place(self) -> Place | None:
        """Where to work; None while that cannot or must not be."""
        return None if self._doubtful else self._place

    def capabilities(self, remembered: MeasuredCapabilities | None = None) -> MeasuredCapabilities | None:
        """The cluster's capabilities; `remembered` until it was surveyed."""
        found = self._found.of(self._access.namespace, remembered) if self._found is not None else None
        return found if found is not None else remembered

    def approve(self, identity: str) -> None:
        """Work may be done on the cluster with that identity."""
        if self._approved != identity:
            self._approved = identity
            self._poll_now.set()

    def refresh(self, facts: frozenset[Fact]) -> None:
        """Survey now, if these are not the facts that were surveyed last."""
        if self._found is not None and self._found.facts != facts:
            self._poll_now.set()

    async def run(self, hooks: Hooks) -> None:
        """Keep polling, until cancelled."""
        failures = 0
        try:
            while True:
                self._poll_now.clear()
                before = (self.place, self.observation, self.capabilities())
                try:
                    await self._poll(hooks)
                    failures, pause = 0, self._polling.every_seconds
                except Exception as error:  # whatever a city's cluster answers, it is that city's trouble
                    failures += 1
                    pause = backoff(failures - _FAILURES + 1, _FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)
                    await self._failed(error, failures)
                if (self.place, self.observation, self.capabilities()) != before:
                    hooks.on_change(self._key)
                try:
                    async with asyncio.timeout(pause):
                        await self._poll_now.wait()
                except TimeoutError:
                    continue
        finally:
            await self._stop_watching()
            await self._client.close()
            await self._gate.connector.close()

    async def _poll(self, hooks: Hooks) -> None:
        version = await self._client.version()
        if not _VERSION.fullmatch(version):
            raise ClusterError(0, "the version is none of Kubernetes")
        identities = await self._identities()
        approved = self._approved in identities
        if not approved or (self._watching is not None and self._watching.done()):
            await self._stop_watching()
        if approved and self._place is None:
            self._place = await self._watch(hooks, version)
        for informer in self._informers:  # what is not kept up with must not be decided on
            if informer.lag:
                raise informer.trouble or ClusterError(0, informer.lag)
        if self._place is not None and self._place.kubernetes_version != version:
            self._place = replace(self._place, kubernetes_version=version)  # the city upgraded it
        self.observation = ClusterObservation(Reason.CLUSTER_REACHABLE, "", identities, version)
        self._doubtful = False
        if self._place is not None:
            await self._survey()

    async def _survey(self) -> None:
        """Survey the cluster's capabilities, seldom. That it does not answer this is no reason to leave it alone."""
        facts, before = self._polling.wanted(), self._found or Survey()
        now = asyncio.get_running_loop().time()
        due = not before.complete or (bool(facts) and now - self._surveyed >= self._polling.survey_seconds)
        if self._found is not None and before.facts == facts and not due:
            return
        namespaces = frozenset({self._access.namespace})
        try:
            async with asyncio.timeout(_SURVEY_SECONDS):
                self._found = await survey(self._client, facts, namespaces, before, whole=False)
        except TimeoutError:
            self._found = replace(before, facts=facts, namespaces=namespaces, complete=False)
        self._surveyed = now

    async def _identities(self) -> tuple[str, ...]:
        namespace = self._access.namespace
        found = {}
        for name in dict.fromkeys(("kube-system", namespace)):
            try:
                found[await self._identity(name)] = name
            except NotFound:
                if name == namespace:
                    raise
            except ClusterError as error:
                if error.status != FORBIDDEN[1]:
                    raise
        if not found:
            text = f"the right to get namespace {namespace} is missing, by which the cluster is known again"
            raise ClusterError(403, text)
        for identity in found.keys() - self._foreign:
            if await self._polling.home(found[identity]) == identity.partition("/")[0]:
                raise HomeError
        self._foreign |= found.keys()
        self._known_by = found
        return tuple(found)

    async def _identity(self, name: str) -> str:
        body = await self._client.get(NAMESPACE, None, name)
        uid = body["metadata"]["uid"]
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            raise ClusterError(0, f"namespace {name} has no UID")
        return f"{uid}/{self._access.namespace}"

    async def _watch(self, hooks: Hooks, version: str) -> Place:
        """Fill a view of the children, and keep it."""
        children = Children(self._key[0])

        def on_object(resource: ResourceType, body: JsonObject) -> None:
            for owner in children.put(resource, body):
                hooks.on_child(owner)

        def on_gone(resource: ResourceType, namespace: str, name: str, version: str) -> None:
            owner = children.remove(resource.kind, namespace, name, version)
            if owner is not None:
                hooks.on_child(owner)

        namespace, selector = self._access.namespace, f"{names.LABEL_PLATFORM}={self._platform_uid}"
        informers = [
            Informer(self._client, resource, namespace, selector, on_object, on_gone, children.held)
            for resource in CHILDREN
        ]
        self._watching = asyncio.create_task(_together([informer.run() for informer in informers]), name="watches")
        self._watching.add_done_callback(self._on_watches_end)
        try:
            async with asyncio.timeout(_SYNC_SECONDS):
                for informer in informers:
                    await _synced(informer, self._watching)
            self._informers = informers
        except BaseException:
            await self._stop_watching()
            raise
        return Place(self._client, children, version, namespace, self.verify)

    def _on_watches_end(self, watching: "asyncio.Task[None]") -> None:
        if not watching.cancelled():
            self._doubtful = True  # what is known is not kept up to date; the next poll begins again

    async def verify(self) -> None:
        """Ask which cluster it is.

        Raises:
            ClusterError: it does not answer, or is another one than was approved.
        """
        try:
            if await self._identity(self._known_by.get(self._approved, "kube-system")) == self._approved:
                return
        except ClusterError:
            self._doubt()
            raise
        self._doubt()
        raise ClusterError(0, "the kubeconfig leads to another cluster than before")

    def _doubt(self) -> None:
        """Do nothing there until the next poll, which is at once."""
        self._doubtful = True
        self._poll_now.set()

    async def _stop_watching(self) -> None:
        self._place, self._informers = None, []
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            (ended,) = await asyncio.gather(watching, return_exceptions=True)
            if isinstance(ended, BaseExceptionGroup):
                log.warning("a watch for platform %s/%s broke", *self._key, exc_info=ended)

    async def _failed(self, error: Exception, failures: int) -> None:
        self._doubtful = True
        if not isinstance(error, ClusterError | TimeoutError | HomeError):
            log.warning("the cluster of platform %s/%s answers oddly: %r", *self._key, type(error))
        if failures < _FAILURES and not isinstance(error, HomeError):
            return
        await self._stop_watching()
        refused, self._gate.refused = self._gate.refused, ""
        self.observation = explain(self._access, error, refused)
        if failures == _FAILURES:
            log.warning("the cluster of platform %s/%s: %s", *self._key, self.observation.message)


async def _together(work: list[Awaitable[None]]) -> None:
    """Run all of them; when one breaks, the others end."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(_coroutine(one))


async def _coroutine(work: Awaitable[None]) -> None:
    await work


async def _synced(informer: Informer, watching: "asyncio.Task[None]") -> None:
    """Wait for a first list.

    Raises:
        ClusterError: it was refused.
        TimeoutError: all watches ended, as one met what it does not understand.
    """
    while not informer.synced.is_set():
        if informer.trouble is not None and informer.trouble.status in FORBIDDEN:
            raise informer.trouble
        if watching.done():
            raise TimeoutError
        await asyncio.sleep(0.05)
