"""Looks at the cluster's own network, few and far between: what nobody outside may be led to, and nobody inside.

A right that is withheld, or a kind that is not there, is a fact; what it would have said must be in the settings then.
What did not answer stays as it was, and is asked for again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import NAMESPACE, ResourceType
from ddtas.data.network import Network, Surroundings, ordered
from ddtas.errors import ClusterError, NotFound

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

INTERVAL_SECONDS = 300.0
_RETRY_SECONDS = 10.0
_FIRST_SECONDS = 10.0
_MOST = 5000
_FORBIDDEN = (401, 403)

_ENDPOINTS = ResourceType("EndpointSlice", "/apis/discovery.k8s.io/v1", "endpointslices")
_RANGES = ResourceType("ServiceCIDR", "/apis/networking.k8s.io/v1", "servicecidrs")
_NODES = ResourceType("Node", "/api/v1", "nodes")


@dataclass(frozen=True)
class _Part:
    """What one question found."""

    forbidden: tuple[Network, ...] = ()
    inside: tuple[Network, ...] = ()


class Scout:
    """Keeps up with the network of the cluster at home."""

    def __init__(self, client: Client, configured: Surroundings, on_change: Callable[[], None]) -> None:
        """Ask nothing yet.

        Args:
            client: of the API server.
            configured: what the settings say.
            on_change: called when something has moved.
        """
        self._client = client
        self._configured = configured
        self._on_change = on_change
        self._parts: dict[str, _Part] = {}
        self._withheld: dict[str, str] = {}
        self._looked = asyncio.Event()
        self.surroundings = configured

    async def run(self) -> None:
        """Keep looking, until cancelled."""
        while True:
            complete = await self._look()
            self._looked.set()
            await asyncio.sleep(INTERVAL_SECONDS if complete else _RETRY_SECONDS)

    async def first(self) -> None:
        """Wait for the first survey, not for ever: the settings count meanwhile."""
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._looked.wait()
        except TimeoutError:
            log.warning("the network of the cluster is not known yet: the settings count until it is")

    async def uid(self, namespace: str) -> str | None:
        """The UID of a namespace here; None where there is none, or nobody may know."""
        try:
            body = await self._client.get(NAMESPACE, None, namespace)
        except NotFound:
            return None
        except ClusterError as error:
            if error.status not in _FORBIDDEN:
                raise
            return None
        found = _member(body, "metadata", "uid")
        return found if isinstance(found, str) else None

    async def _look(self) -> bool:
        """Look once; whether all was answered."""
        complete = True
        for what, ask in (("API server", self._api_server), ("Services", self._services), ("nodes", self._nodes)):
            try:
                part, withheld = await _answered(ask())
            except ClusterError as error:
                log.warning("the addresses of the %s cannot be read: %s", what, error)
                complete = False
                continue
            self._parts[what] = part
            if withheld and self._withheld.get(what) != withheld:
                log.warning("the addresses of the %s may not be read: network.deniedRanges must have them", what)
            self._withheld[what] = withheld
        found = replace(
            self._configured,
            forbidden=ordered([*self._configured.forbidden, *(n for p in self._parts.values() for n in p.forbidden)]),
            inside=ordered([*self._configured.inside, *(n for p in self._parts.values() for n in p.inside)]),
        )
        if found != self.surroundings:
            self.surroundings = found
            self._on_change()
        return complete

    async def _api_server(self) -> _Part:
        body = await self._client.get(_ENDPOINTS, "default", "kubernetes")
        found = (a for e in _items(body, "endpoints") for a in _items(e, "addresses"))
        return _Part(forbidden=tuple(_networks(found)))

    async def _services(self) -> _Part:
        found = [c async for item in self._all(_RANGES) for c in _items(_member(item, "spec"), "cidrs")]
        return _Part(inside=tuple(_networks(found)))

    async def _nodes(self) -> _Part:
        addresses: list[Network] = []
        ranges: list[Network] = []
        async for node in self._all(_NODES):
            own = (_member(a, "address") for a in _items(_member(node, "status"), "addresses"))
            addresses += _networks(own)
            ranges += _networks(_items(_member(node, "spec"), "podCIDRs"))
        return _Part(forbidden=tuple(addresses), inside=tuple(ranges))

    async def _all(self, resource: ResourceType) -> AsyncGenerator[Any, None]:
        left = _MOST
        async with aclosing(self._client.pages(resource, None)) as pages:
            async for page in pages:
                for item in page["items"][:left]:
                    yield item
                left -= len(page["items"])
                if left <= 0:
                    return


async def _answered(asked: Awaitable[_Part]) -> tuple[_Part, str]:
    """What was found; or nothing, and why it cannot be had.

    Raises:
        ClusterError: there was no answer.
    """
    try:
        return await asked, ""
    except NotFound:
        return _Part(), ""
    except ClusterError as error:
        if error.status not in _FORBIDDEN:
            raise
        return _Part(), error.message


def _member(body: Any, *path: str) -> Any:
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _items(body: Any, key: str) -> list[Any]:
    found = _member(body, key)
    return found if isinstance(found, list) else []


def _networks(texts: Any) -> Iterator[Network]:
    """Those that are addresses or ranges: a node's addresses have host names among them."""
    for text in texts:
        try:
            yield ip_network(text, strict=False) if isinstance(text, str) else ip_network("")
        except ValueError:
            continue
