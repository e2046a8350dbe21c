"""Looks at the capabilities of a cluster: plain lists, few and far between, of what some listing asks for.

Rights that are missing and kinds that are not there are facts. What did not answer stays as it was, and is asked for
again sooner.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.backoff import backoff
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import NAMESPACE, ResourceType
from ddtas.errors import ClusterError, Garbled, NotFound, TooLarge
from ddtas.plan.capabilities.measured import OF_A_NAMESPACE, Answer, Survey, answer, trimmed
from ddtas.plan.capabilities.needs import Fact

JsonObject = dict[str, Any]

_RESOURCES = {
    Fact.STORAGE_CLASSES: ResourceType("StorageClass", "/apis/storage.k8s.io/v1", "storageclasses"),
    Fact.INGRESS_CLASSES: ResourceType("IngressClass", "/apis/networking.k8s.io/v1", "ingressclasses"),
    Fact.GATEWAY_CLASSES: ResourceType("GatewayClass", "/apis/gateway.networking.k8s.io/v1", "gatewayclasses"),
    Fact.NODES: ResourceType("Node", "/api/v1", "nodes"),
    Fact.POD_SECURITY: NAMESPACE,
    Fact.QUOTAS: ResourceType("ResourceQuota", "/api/v1", "resourcequotas"),
    Fact.LIMIT_RANGES: ResourceType("LimitRange", "/api/v1", "limitranges"),
}
# Where a platform team can say it instead.
_DECLARED = {
    Fact.STORAGE_CLASSES: "storageClasses",
    Fact.INGRESS_CLASSES: "ingressClasses",
    Fact.GATEWAY_CLASSES: "gatewayClasses",
    Fact.NODES: "architectures and devices",
    Fact.POD_SECURITY: "podSecurity",
}

_MOST = 5000
_MOST_OF_ONE = 20_000
_FIRST_PAUSE_SECONDS = 5.0
# What comes in a burst (a hundred listings) is one survey.
_BREATH_SECONDS = 1.0


async def _list(client: Client, fact: Fact, namespace: str | None) -> list[Any]:
    """All objects of a kind, page by page; of each only what counts.

    Raises:
        TooLarge: there are more objects than anybody should have to read.
        ClusterError: it was refused, or there is no such kind.
    """
    items: list[Any] = []
    pages = client.pages(_RESOURCES[fact], namespace)
    async with aclosing(pages):
        async for page in pages:
            for item in page["items"]:
                kept = trimmed(fact, item)
                if not _is_small(kept):
                    raise Garbled(0, f"one of the {_RESOURCES[fact].plural} says more than such an object does")
                items.append(kept)
                await asyncio.sleep(0)
            if len(items) > _MOST:
                raise TooLarge(0, f"there are more than {_MOST}")
    return items


def _is_small(value: Any) -> bool:
    """Whether it has no more values and characters than thousands of its kind may have."""
    left, todo = _MOST_OF_ONE, [value]
    while todo and left > 0:
        found = todo.pop()
        left -= 1 + (len(found) if isinstance(found, str | dict | list) else 0)
        if left > 0 and isinstance(found, dict | list):
            todo += [*found, *found.values()] if isinstance(found, dict) else found
    return left > 0


def _grouped(fact: Fact, items: Iterable[Any]) -> dict[str, list[Any]]:
    """Objects by their namespace; namespaces by themselves."""
    groups: defaultdict[str, list[Any]] = defaultdict(list)
    for item in items:
        metadata = item.get("metadata") if isinstance(item, dict) else None
        if isinstance(metadata, dict):
            groups[str(metadata.get("name" if fact is Fact.POD_SECURITY else "namespace"))].append(item)
    return groups


async def _ask(client: Client, fact: Fact, namespaces: frozenset[str], whole: bool) -> dict[tuple[Fact, str], Answer]:
    """One fact, for all namespaces."""
    if fact not in OF_A_NAMESPACE:
        return {(fact, ""): await _told(fact, _list(client, fact, None))}
    if whole:
        # Sorted by namespace before it is read: each is told on its own.
        everything = await _answered(fact, _list(client, fact, None))
        if isinstance(everything, str):
            return {(fact, n): everything for n in namespaces}
        groups = _grouped(fact, everything)
        return {(fact, n): answer(fact, groups.get(n, [])) for n in namespaces}
    found: dict[tuple[Fact, str], Answer] = {}
    for n in sorted(namespaces):
        ask = _one(client, n) if fact is Fact.POD_SECURITY else _list(client, fact, n)
        found[fact, n] = await _told(fact, ask)
    return found


async def _one(client: Client, namespace: str) -> list[Any]:
    return [await client.get(NAMESPACE, None, namespace)]


async def _told(fact: Fact, asked: Awaitable[list[Any]]) -> Answer:
    found = await _answered(fact, asked)
    return found if isinstance(found, str) else answer(fact, found)


async def _answered(fact: Fact, asked: Awaitable[list[Any]]) -> list[Any] | str:
    """The objects; or why they cannot be had.

    Raises:
        ClusterError: there was no answer.
    """
    plural = _RESOURCES[fact].plural
    try:
        return await asked
    except NotFound:  # there is no such kind, and so no such object
        return []
    except TooLarge:
        return f"the cluster has more than {_MOST} {plural}"
    except ClusterError as error:
        if error.status not in (401, 403):
            raise
        verb = "get its namespace" if fact is Fact.POD_SECURITY else f"list {plural}"
        instead = f"declare {_DECLARED[fact]} in spec.capabilities, or " if fact in _DECLARED else ""
        return f"the operator may not {verb}: {instead}grant it (docs/operations.md)"


async def survey(
    client: Client, facts: frozenset[Fact], namespaces: frozenset[str], before: Survey, *, whole: bool
) -> Survey:
    """Look at a cluster.

    Args:
        client: of its API server.
        facts: what to survey.
        namespaces: of the workloads there.
        before: what the last survey found.
        whole: ask once for all namespaces, which needs the right to.
    """
    answers: dict[tuple[Fact, str], Answer] = {}
    troubles: dict[Fact, str] = {}
    complete, answered = True, True
    for fact in sorted(facts) if namespaces else ():
        how = "no answer"
        try:
            if answered:
                answers |= await _ask(client, fact, namespaces, whole)
                continue
        except ClusterError as error:
            answered = error.status != 0
            how = f"HTTP {error.status}" if error.status else how
        complete = False
        answers |= {key: known for key, known in before.answers.items() if key[0] is fact}
        if fact in before.facts:  # once is a hiccup
            plural = _RESOURCES[fact].plural
            troubles[fact] = f"the cluster does not say which {plural} it has ({how}): it is asked again"
    return Survey(facts, namespaces, answers, troubles, complete)


class Surveyor:
    """Looks at the cluster at home, time and again."""

    def __init__(
        self,
        client: Client,
        wanted: Callable[[], tuple[frozenset[Fact], frozenset[str]]],
        on_change: Callable[[str], None],
        every_seconds: float,
        *,
        whole: bool,
    ) -> None:
        """Look at nothing yet.

        Args:
            client: of the API server.
            wanted: what is to be surveyed, and for which namespaces.
            on_change: called with a namespace whose capabilities are others than before.
            every_seconds: between two surveys.
            whole: the operator serves all namespaces.
        """
        self._client = client
        self._wanted = wanted
        self._on_change = on_change
        self._every = every_seconds
        self._whole = whole
        self._wake = asyncio.Event()
        self._found: Survey | None = None

    def of(self, namespace: str, remembered: MeasuredCapabilities | None = None) -> MeasuredCapabilities | None:
        """The capabilities for workloads in a namespace; `remembered` where that was not surveyed yet."""
        found = self._found.of(namespace, remembered) if self._found is not None else None
        return found if found is not None else remembered

    def refresh(self) -> None:
        """Survey now, if something else is wanted than what was surveyed last."""
        if self._found is not None and not self._found.covers(*self._wanted()):
            self._wake.set()

    async def run(self) -> None:
        """Keep looking, until cancelled. Where nothing is wanted, nothing is asked."""
        failures = 0
        while True:
            self._wake.clear()
            facts, namespaces = self._wanted()
            before = self._found or Survey()
            found = await survey(self._client, facts, namespaces, before, whole=self._whole)
            self._found = found
            for namespace in sorted(namespaces):
                if found.of(namespace) != before.of(namespace):
                    self._on_change(namespace)
            failures = 0 if found.complete else failures + 1
            if not found.covers(*self._wanted()):
                self._wake.set()  # it changed meanwhile
            pause = backoff(failures, _FIRST_PAUSE_SECONDS, self._every) if failures else self._every
            try:
                async with asyncio.timeout(pause if facts and namespaces else None):
                    await self._wake.wait()
                await asyncio.sleep(_BREATH_SECONDS)
            except TimeoutError:
                continue
