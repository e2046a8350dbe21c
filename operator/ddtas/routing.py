"""Which objects each piece of news concerns: from a watch, a probe, a survey or a status to keys in the work queue."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.facts import NOBODY
from ddtas.cluster.memory.world import Collection, World
from ddtas.cluster.rest.resources import APP_LISTING, INSTALLATION, PLATFORM, ResourceType
from ddtas.names import NamespacedName
from ddtas.plan.capabilities.needs import Fact, needs
from ddtas.plan.findings import Stage
from ddtas.plan.status.conditions import stage_of
from ddtas.probes.scheduler import SourceKey
from ddtas.reconcile.context import ObjectKey

JsonObject = dict[str, Any]


class Add(Protocol):
    """Has a key worked on soon."""

    def __call__(self, key: ObjectKey, *, urgent: bool = True) -> None:
        """Add it; one that is not urgent waits for those that are."""


class Router:
    """Takes in news, and queues what it concerns."""

    def __init__(self, world: World, children: Children, add: Add, refresh: Callable[[], None]) -> None:
        """Route nothing yet.

        Args:
            world: the objects of the three kinds, and the credentials.
            children: the objects of Installations on the operator's own cluster.
            add: to the work queue.
            refresh: surveys clusters again, where other facts are wanted of them than before.
        """
        self._world = world
        self._children = children
        self._add = add
        self._refresh = refresh
        self.collections: dict[str, Collection[Any]] = {
            APP_LISTING.kind: world.listings,
            PLATFORM.kind: world.platforms,
            INSTALLATION.kind: world.installations,
        }
        # By listing: what its versions ask of a cluster, for one generation of it.
        self._facts: dict[str, tuple[str, int, frozenset[Fact]]] = {}

    def add_all(self) -> None:
        """Queue everything that is known."""
        # Platforms first: they say which data sources to probe.
        for kind in (PLATFORM.kind, APP_LISTING.kind, INSTALLATION.kind):
            for namespace, name in self.collections[kind].names():
                self._add(ObjectKey(kind, namespace, name), urgent=False)  # type: ignore[arg-type]
        for owner in self._children.owners():  # it may be gone since, and what it left behind has to be said
            self.on_installation(owner)

    def count_installations(self) -> Counter[tuple[str, ...]]:
        """How many Installations there are, by the stage that they are at."""
        return Counter((stage_of(known.status.conditions),) for known in self._world.installations.readable())

    def count(self) -> Counter[tuple[str, ...]]:
        """How many objects there are, by kind and reason of Ready."""
        counts: Counter[tuple[str, ...]] = Counter()
        for kind, collection in self.collections.items():
            for known in collection.readable():
                ready = next((c.reason for c in known.status.conditions if c.type == "Ready"), "New")
                counts[kind, ready] += 1
        return counts

    # ---- news of the three kinds ----

    async def on_object(self, resource: ResourceType, body: JsonObject) -> None:
        """One of the three kinds came, or changed."""
        if await self.collections[resource.kind].take(body):
            metadata = body["metadata"]
            self.concerns(resource.kind, (metadata.get("namespace", ""), metadata["name"]))

    def on_object_gone(self, resource: ResourceType, namespace: str, name: str, version: str) -> None:
        """One of the three kinds is gone."""
        self.collections[resource.kind].bury((namespace, name), version)
        self.concerns(resource.kind, (namespace, name))

    def concerns(self, kind: str, key: NamespacedName) -> None:
        """Queue an object, and those that depend on it."""
        self._add(ObjectKey(kind, *key))  # type: ignore[arg-type]
        users: list[NamespacedName] = []
        if kind == APP_LISTING.kind:
            users = self._world.users_of_listing(key[1])
            for platform in self._world.platforms.names():  # each says which apps could run on it
                self._add(ObjectKey(PLATFORM.kind, *platform), urgent=False)  # type: ignore[arg-type]
        elif kind == PLATFORM.kind:
            users = self._world.users_of_platform(key)
        for user in users:  # one listing may have hundreds: what a person edits goes first
            self._add(ObjectKey("Installation", *user), urgent=False)
        if kind != INSTALLATION.kind:
            self._refresh()
        self.pass_on()

    def pass_on(self) -> None:
        """Queue those whose data, removal or status depends on an Installation that is another one for them now."""
        for platform in self._world.take_newly_used():
            self._add(ObjectKey("MunicipalityPlatform", *platform), urgent=False)
        upstreams, platforms = self._world.take_news()
        users = upstreams
        for platform in platforms:
            self._add(ObjectKey("MunicipalityPlatform", *platform))
            users = users.union(self._world.users_of_platform(platform))
        for user in users:
            self._add(ObjectKey("Installation", *user))

    def is_on_its_way(self, key: ObjectKey) -> bool:
        """Whether an Installation has begun, and is not Ready yet."""
        installation = self._world.installations.find((key.namespace, key.name)) if key.kind == "Installation" else None
        if installation is None:
            return False
        conditions = {c.type: c.status for c in installation.status.conditions}
        return conditions.get(Stage.PROVISIONED) == "True" and conditions.get("Ready") != "True"

    def on_served(self, platform: NamespacedName) -> None:
        """Another version serves on a platform: its catalogue says so."""
        self._add(ObjectKey("MunicipalityPlatform", *platform), urgent=False)

    def on_exam(self, platform: NamespacedName) -> None:
        """An Installation waits for an exam, or has taken it: its platform writes that down."""
        self._add(ObjectKey("MunicipalityPlatform", *platform))

    def on_attempts(self, installations: Sequence[NamespacedName]) -> None:
        """Attempts of some Installations were written down: their runs may begin."""
        for installation in installations:
            self._add(ObjectKey("Installation", *installation))

    # ---- news of children, credentials and data sources ----

    def on_child(self, resource: ResourceType, body: JsonObject) -> None:
        """An object of an Installation came, or changed."""
        for owner in self._children.put(resource, body):
            self.on_installation(owner)

    def on_child_gone(self, resource: ResourceType, namespace: str, name: str, version: str) -> None:
        """An object of an Installation is gone."""
        owner = self._children.remove(resource.kind, namespace, name, version)
        if owner is not None:
            self.on_installation(owner)

    def on_installation(self, owner: NamespacedName) -> None:
        """Something is otherwise with the objects of an Installation."""
        if owner != NOBODY:
            self._add(ObjectKey("Installation", *owner))

    def on_secret(self, _: ResourceType, body: JsonObject) -> None:
        """A Secret with credentials came, or changed."""
        self._on_credentials(self._world.put_secret(body))

    def on_secret_gone(self, _: ResourceType, namespace: str, name: str, version: str) -> None:
        """A Secret with credentials is gone."""
        self._world.remove_secret((namespace, name))
        self._on_credentials((namespace, name))

    def _on_credentials(self, secret: NamespacedName) -> None:
        namespace, name = secret
        for platform in self._world.platforms.readable():
            if platform.metadata.namespace == namespace and name in platform.spec.secret_names():
                self.concerns(PLATFORM.kind, (namespace, platform.metadata.name))

    # ---- the capabilities of clusters ----

    def facts_wanted(self) -> frozenset[Fact]:
        """What some version of some listing asks of a cluster."""
        known, self._facts = self._facts, {}
        for listing in self._world.listings.readable():
            meta = listing.metadata
            was = known.get(meta.name)
            if was is None or was[:2] != (meta.uid, meta.generation):
                facts = (needs(version).facts for version in listing.spec.versions)
                was = (meta.uid, meta.generation, frozenset[Fact]().union(*facts))
            self._facts[meta.name] = was
        return frozenset[Fact]().union(*(facts for _, _, facts in self._facts.values()))

    def namespaces_at_home(self) -> frozenset[str]:
        """The namespaces of platforms whose workloads are on the operator's own cluster."""
        platforms = self._world.platforms.readable()
        return frozenset(p.metadata.namespace for p in platforms if p.spec.cluster is None)

    def on_capabilities(self, namespace: str) -> None:
        """The capabilities of the operator's own cluster are others in a namespace."""
        for platform in list(self._world.platforms.readable()):
            if platform.metadata.namespace == namespace and platform.spec.cluster is None:
                self.concerns(PLATFORM.kind, (namespace, platform.metadata.name))

    def on_surroundings(self) -> None:
        """The network of the operator's own cluster is another one: all NetworkPolicies have its addresses."""
        for namespace, name in self._world.installations.names():
            self._add(ObjectKey("Installation", namespace, name), urgent=False)

    def on_probe_news(self, key: SourceKey) -> None:
        """A probe found another thing than before."""
        self.concerns(PLATFORM.kind, (key.namespace, key.platform))
