"""The cities' own clusters: one connection each, with its own client, watches and back-off.

A connection looks at its cluster every half minute: which one it is, and does it answer. While it answers and a
platform's status remembers that identity (`approve`), the children there are watched, and there is a Place to work on.
What happens to one connection reaches no other one, and none of it raises: it ends in an observation.
"""

import asyncio
import hashlib
import logging
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ddtas import names
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.platform import KubeconfigSecret, MunicipalityPlatform
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.remote.place import Place
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import CHILDREN, NAMESPACE, ResourceType
from ddtas.cluster.rest.transport import Gate
from ddtas.cluster.survey.capabilities import survey
from ddtas.errors import ClusterError, KubeconfigError, NotFound
from ddtas.names import NamespacedName
from ddtas.plan.capabilities.measured import Found
from ddtas.plan.capabilities.needs import Fact
from ddtas.plan.reasons import Reason
from ddtas.plan.remote import kubeconfig
from ddtas.plan.remote.identity import CONNECTING, ClusterObservation, namespace_of
from ddtas.plan.snapshot import Secret

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

DEFAULT_KEY = "kubeconfig"

# What a city's cluster says of itself goes into a status.
_UID = re.compile(r"[0-9a-zA-Z-]{1,64}")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\+?")

# A cluster is away when it did not answer so often in a row: what is only a hiccup is not told.
_FAILURES = 3
_FIRST_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 30.0
_SYNC_SECONDS = 30.0
_SURVEY_SECONDS = 20.0
_FORBIDDEN = (401, 403)
# Installations of one city that are worked on at once.
_MOST_OF_ONE = 2

Opener = Callable[[kubeconfig.Access], tuple[Client, Gate]]


@dataclass(frozen=True)
class _Hooks:
    """Whom a connection tells.

    Attributes:
        on_change: something is otherwise with the cluster of that platform.
        on_child: something is otherwise with the children of that Installation.
    """

    on_change: Callable[[NamespacedName], None]
    on_child: Callable[[NamespacedName], None]


class _HomeError(Exception):
    """The kubeconfig leads to the cluster that the operator itself is in."""


async def _unknown(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class Looks:
    """How often a cluster is looked at, and for what.

    Attributes:
        every_seconds: while it answers.
        survey_seconds: for its capabilities, which change seldom.
        wanted: what of that is to be looked at.
        home: the UID of a namespace of the operator's own cluster, which no city's is; None where nobody knows.
    """

    every_seconds: float
    survey_seconds: float = 300.0
    wanted: Callable[[], frozenset[Fact]] = frozenset
    home: Callable[[str], Awaitable[str | None]] = _unknown


class _Connection:
    """One cluster, by one kubeconfig."""

    def __init__(
        self,
        key: NamespacedName,
        platform_uid: str,
        access: kubeconfig.Access,
        opened: tuple[Client, Gate],
        looks: Looks,
    ) -> None:
        self._key = key
        self._platform_uid = platform_uid
        self._access = access
        self._client, self._gate = opened
        self._looks = looks
        self._found: Found | None = None  # its capabilities
        self._surveyed = 0.0
        self._approved = ""
        self._known_by: dict[str, str] = {}  # each identity that was seen → the namespace that has its UID
        self._foreign: set[str] = set()  # identities that are not those of the operator's own cluster
        self._doubtful = False  # it did not answer just now, or is not what it was
        self._place: Place | None = None
        self._watching: asyncio.Task[None] | None = None
        self._informers: list[Informer] = []
        self._look_now = asyncio.Event()
        self.observation = CONNECTING
        self.working = 0  # Installations that are worked on there

    @property
    def place(self) -> Place | None:
        """Where to work; None while that cannot or must not be."""
        return None if self._doubtful else self._place

    def capabilities(self, remembered: MeasuredCapabilities | None = None) -> MeasuredCapabilities | None:
        """The cluster's capabilities; `remembered` while it was not looked at."""
        found = self._found.of(self._access.namespace, remembered) if self._found is not None else None
        return found if found is not None else remembered

    def approve(self, identity: str) -> None:
        """Work may be done on the cluster with that identity."""
        if self._approved != identity:
            self._approved = identity
            self._look_now.set()

    def look(self, facts: frozenset[Fact]) -> None:
        """Look now, if that is not what was looked at last."""
        if self._found is not None and self._found.facts != facts:
            self._look_now.set()

    async def run(self, hooks: _Hooks) -> None:
        """Keep looking, until cancelled."""
        failures = 0
        try:
            while True:
                self._look_now.clear()
                before = (self.place, self.observation, self.capabilities())
                try:
                    await self._look(hooks)
                    failures, pause = 0, self._looks.every_seconds
                except Exception as error:  # whatever a city's cluster answers, it is that city's trouble
                    failures += 1
                    pause = min(_MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** max(0, failures - _FAILURES))
                    await self._failed(error, failures)
                if (self.place, self.observation, self.capabilities()) != before:
                    hooks.on_change(self._key)
                try:
                    async with asyncio.timeout(pause):
                        await self._look_now.wait()
                except TimeoutError:
                    continue
        finally:
            await self._stop_watching()
            await self._client.close()
            await self._gate.connector.close()

    async def _look(self, hooks: _Hooks) -> None:
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
        """Look at the cluster's capabilities, seldom. That it does not answer this is no reason to leave it alone."""
        facts, before = self._looks.wanted(), self._found or Found()
        now = asyncio.get_running_loop().time()
        due = not before.complete or (bool(facts) and now - self._surveyed >= self._looks.survey_seconds)
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
                if error.status != _FORBIDDEN[1]:
                    raise
        if not found:
            text = f"the right to get namespace {namespace} is missing, by which the cluster is known again"
            raise ClusterError(403, text)
        for identity in found.keys() - self._foreign:
            if await self._looks.home(found[identity]) == identity.partition("/")[0]:
                raise _HomeError
        self._foreign |= found.keys()
        self._known_by = found
        return tuple(found)

    async def _identity(self, name: str) -> str:
        body = await self._client.get(NAMESPACE, None, name)
        uid = body["metadata"]["uid"]
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            raise ClusterError(0, f"namespace {name} has no UID")
        return f"{uid}/{self._access.namespace}"

    async def _watch(self, hooks: _Hooks, version: str) -> Place:
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
            self._doubtful = True  # what is known is not kept up to date; the next look begins anew

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
        """Do nothing there until the next look, which is at once."""
        self._doubtful = True
        self._look_now.set()

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
        if not isinstance(error, ClusterError | TimeoutError | _HomeError):
            log.warning("the cluster of platform %s/%s answers oddly: %r", *self._key, type(error))
        if failures < _FAILURES and not isinstance(error, _HomeError):
            return
        await self._stop_watching()
        self.observation = self._trouble(error)
        if failures == _FAILURES:
            log.warning("the cluster of platform %s/%s: %s", *self._key, self.observation.message)

    def _trouble(self, error: Exception) -> ClusterObservation:
        server = self._access.server
        if self._gate.refused:
            where, self._gate.refused = self._gate.refused, ""
            text = f"{server} leads to {where}, where the operator may not connect to: correct the kubeconfig, or ask "
            return ClusterObservation(
                Reason.CLUSTER_ADDRESS_FORBIDDEN, f"{text}whoever runs the operator to allow that range"
            )
        if isinstance(error, _HomeError):
            text = (
                f"{server} is the cluster that the operator itself runs in: leave spec.cluster out of a platform whose "
                "apps run beside it"
            )
            return ClusterObservation(Reason.CLUSTER_IS_HOME, text)
        if isinstance(error, NotFound):
            text = f"{server} has no namespace {self._access.namespace}: prepare it, or correct the kubeconfig"
            return ClusterObservation(Reason.CLUSTER_UNAUTHORIZED, text)
        if isinstance(error, ClusterError) and error.status in _FORBIDDEN:
            text = f"{server}: {error.message}: give the account its Role again, or put a new token into the kubeconfig"
            return ClusterObservation(Reason.CLUSTER_UNAUTHORIZED, text)
        said = error.message if isinstance(error, ClusterError) and error.status == 0 else None
        what = "does not answer as an API server does" if said is None else "does not answer"
        text = f"{server} {what}: what runs there runs on; it is tried again"
        if said is not None and "CERTIFICATE_VERIFY_FAILED" in said:
            text = f"{server} has a certificate that the kubeconfig's certificate-authority-data does not vouch for"
        return ClusterObservation(Reason.CLUSTER_UNREACHABLE, text)


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
        if informer.trouble is not None and informer.trouble.status in _FORBIDDEN:
            raise informer.trouble
        if watching.done():
            raise TimeoutError
        await asyncio.sleep(0.05)


@dataclass
class _Known:
    """What is known of one platform's cluster, by one content of its Secret.

    Attributes:
        mark: digest of that content.
        connection: None where the kubeconfig was refused.
        task: that runs it.
        refused: why there is no connection.
    """

    mark: str
    connection: _Connection | None
    task: "asyncio.Task[None] | None" = None
    refused: ClusterObservation | None = None

    @property
    def observation(self) -> ClusterObservation:
        return self.refused or (self.connection.observation if self.connection else CONNECTING)


class Clusters:
    """All cities' own clusters, by platform."""

    def __init__(
        self,
        opener: Opener,
        on_change: Callable[[NamespacedName], None],
        on_child: Callable[[NamespacedName], None],
        looks: Looks,
    ) -> None:
        """Connect to nothing yet.

        Args:
            opener: makes a client by what a kubeconfig says.
            on_change: told of a platform whose cluster has news.
            on_child: told of an Installation whose children have news.
            looks: how often a cluster is looked at, and for what.
        """
        self._open = opener
        self._hooks = _Hooks(on_change, on_child)
        self._looks = looks
        self._known: dict[NamespacedName, _Known] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def ensure(self, platform: MunicipalityPlatform, secrets: Mapping[str, Secret]) -> ClusterObservation | None:
        """See to it that there is a connection by the kubeconfig as it is now; what is known of it.

        None where the platform has no cluster of its own.
        """
        key = (platform.metadata.namespace, platform.metadata.name)
        if platform.spec.cluster is None:
            self.forget(key)
            return None
        content = _content(platform.spec.cluster.kubeconfig_secret, secrets)
        mark = hashlib.sha256(content or b"").hexdigest() + platform.metadata.uid + str(content is None)
        known = self._known.get(key)
        if known is None or known.mark != mark:
            self.forget(key)
            known = self._known[key] = self._connect(platform, content, mark)
        return known.observation

    def __contains__(self, key: NamespacedName) -> bool:
        """Whether something is known of a platform's cluster."""
        return key in self._known

    def _connect(self, platform: MunicipalityPlatform, content: bytes | None, mark: str) -> _Known:
        assert platform.spec.cluster is not None  # noqa: S101 - the caller looked
        named = platform.spec.cluster.kubeconfig_secret
        about = f"Secret {named.name}, key {named.key or DEFAULT_KEY}"
        if content is None:
            text = f"{about}: it is missing, or has no label {names.LABEL_CREDENTIALS}: create it beside the platform"
            return _Known(mark, None, refused=ClusterObservation(Reason.KUBECONFIG_MISSING, text))
        try:
            access = kubeconfig.parse(content)
            opened = self._open(access)
        except KubeconfigError as error:
            refused = ClusterObservation(Reason.named(error.reason), f"{about}: {error.message}")
            return _Known(mark, None, refused=refused)
        key = (platform.metadata.namespace, platform.metadata.name)
        connection = _Connection(key, platform.metadata.uid, access, opened, self._looks)
        known = platform.status.cluster
        if known is not None and namespace_of(known.identity) == access.namespace:
            connection.approve(known.identity)
        task = asyncio.create_task(connection.run(self._hooks), name=f"cluster of {key[0]}/{key[1]}")
        return _Known(mark, connection, task)

    def approve(self, key: NamespacedName, identity: str) -> None:
        """The platform's status remembers that identity: work may be done there."""
        known = self._known.get(key)
        if known is not None and known.connection is not None:
            known.connection.approve(identity)

    def observation(self, key: NamespacedName) -> ClusterObservation:
        """What is known of a platform's cluster."""
        known = self._known.get(key)
        return known.observation if known is not None else CONNECTING

    def capabilities(
        self, key: NamespacedName, remembered: MeasuredCapabilities | None = None
    ) -> MeasuredCapabilities | None:
        """The capabilities of a platform's cluster; `remembered` while it was not looked at."""
        known = self._known.get(key)
        connection = known.connection if known is not None else None
        return connection.capabilities(remembered) if connection is not None else remembered

    def look(self) -> None:
        """Look at the clusters that were not looked at for what is wanted now."""
        facts = self._looks.wanted()
        for known in self._known.values():
            if known.connection is not None:
                known.connection.look(facts)

    def place(self, key: NamespacedName) -> Place | None:
        """Where the workloads of a platform are worked on; None while that cannot or must not be."""
        known = self._known.get(key)
        return known.connection.place if known is not None and known.connection is not None else None

    @contextmanager
    def slot(self, key: NamespacedName) -> Iterator[bool]:
        """Whether there is room to work on that cluster now: one that is slow takes no more than its share."""
        known = self._known.get(key)
        connection = known.connection if known is not None else None
        if connection is None or connection.working >= _MOST_OF_ONE:
            yield False
            return
        connection.working += 1
        try:
            yield True
        finally:
            connection.working -= 1

    def forget(self, key: NamespacedName) -> None:
        """End the connection of a platform, if there is one."""
        known = self._known.pop(key, None)
        if known is not None and known.task is not None:
            known.task.cancel()
            self._ending.add(known.task)
            known.task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        """End all connections."""
        for key in list(self._known):
            self.forget(key)
        await asyncio.gather(*self._ending, return_exceptions=True)


def _content(named: KubeconfigSecret, secrets: Mapping[str, Secret]) -> bytes | None:
    secret = secrets.get(named.name)
    value = secret.data.get(named.key or DEFAULT_KEY) if secret is not None else None
    if value is None:
        return None
    try:
        return b64decode(value)
    except Base64Error:
        return b""
