"""The cities' own clusters: one connection each. What happens to one reaches no other one."""

import asyncio
import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ddtas import names
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.platform import KubeconfigSecret, MunicipalityPlatform
from ddtas.cluster.place import Place
from ddtas.cluster.remote.connection import Connection, Hooks, Polling
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.transport import Gate
from ddtas.errors import KubeconfigError
from ddtas.names import NamespacedName
from ddtas.plan.reasons import Reason
from ddtas.plan.remote import kubeconfig
from ddtas.plan.remote.identity import CONNECTING, ClusterObservation, namespace_of
from ddtas.plan.snapshot import Secret

DEFAULT_KEY = "kubeconfig"
# Installations of one city that are worked on at once.
_MOST_OF_ONE = 2

Opener = Callable[[kubeconfig.Access], tuple[Client, Gate]]


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
    connection: Connection | None
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
        polling: Polling,
    ) -> None:
        """Connect to nothing yet.

        Args:
            opener: makes a client by what a kubeconfig says.
            on_change: called with a platform whose cluster has news.
            on_child: called with an Installation whose children have news.
            polling: how often a cluster is polled, and for what.
        """
        self._open = opener
        self._hooks = Hooks(on_change, on_child)
        self._polling = polling
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
        assert platform.spec.cluster is not None  # noqa: S101 - the caller checked
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
        connection = Connection(key, platform.metadata.uid, access, opened, self._polling)
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
        """The capabilities of a platform's cluster; `remembered` until it was surveyed."""
        known = self._known.get(key)
        connection = known.connection if known is not None else None
        return connection.capabilities(remembered) if connection is not None else remembered

    def refresh(self) -> None:
        """Survey the clusters that were not surveyed for what is wanted now."""
        facts = self._polling.wanted()
        for known in self._known.values():
            if known.connection is not None:
                known.connection.refresh(facts)

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
