"""Several Installations on several platforms, in memory: each a City of its own that sees the others' products."""

import copy
import marshal
from dataclasses import dataclass, field, replace
from typing import Any

from builders import REACHABLE, City, JsonObject, installation_body, listing_body, platform_body, without_times

from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.memory.world import Collection, World
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.products import Product, Ref
from ddtas.plan.remote.identity import namespace_of
from ddtas.plan.snapshot import Snapshot, SourceObservation
from ddtas.plan.twins.dependencies import graph

FIELDS = [{"name": "date", "type": "date"}, {"name": "level_m", "type": "number", "unit": "m"}]
LEVELS = SourceFacts(
    fields=(MeasuredField(name="date", type="date"), MeasuredField(name="level_m", type="number")), records=14
)
LOOKED_AT = SourceObservation("Reachable", "Read", "", LEVELS)


def product(name: str = "forecast", **more: Any) -> JsonObject:
    """A data product that is a data source."""
    return {
        "name": name,
        "title": "What is to come",
        "component": "web",
        "path": f"/{name}.csv",
        "kind": "http-csv",
        "theme": "levels",
        "contract": {"version": "1.0.0", "entity": "Level", "fields": FIELDS},
        "accessRights": "public",
        "licence": "CC0-1.0",
        "purposes": ["flood-prevention"],
    } | more


def requirement(name: str = "levels", **more: Any) -> JsonObject:
    """What a product meets."""
    return {
        "name": name,
        "description": "Levels to come.",
        "delivery": "Direct",
        "kinds": ["http-csv"],
        "theme": "levels",
        "fields": FIELDS,
        "history": False,
        # The gauge of the city is restricted, and so is what is made of it.
        "accessRights": ["public", "restricted"],
        "purpose": "flood-prevention",
    } | more


def app(name: str, *requirements: JsonObject, products: tuple[JsonObject, ...] = ()) -> JsonObject:
    """A listing like the example's, which asks for these besides, and has these products."""
    body = copy.deepcopy(listing_body())
    body["metadata"]["name"] = name
    (version,) = body["spec"]["versions"]
    version["dataRequirements"] = [*version["dataRequirements"], *requirements]
    version["dataProducts"] = list(products)
    return body


@dataclass
class Twin(City):
    """One Installation of a system."""

    system: "System" = field(default_factory=lambda: System())

    def snapshot(self) -> Snapshot:
        """As a City's, with what the others are for it."""
        self.system.publish(self)
        assert isinstance(self.platform, dict)
        known = self.platform.get("status", {}).get("cluster")
        self.workload_namespace = namespace_of(known["identity"]) if known is not None else ""
        snapshot = super().snapshot()
        assert isinstance(snapshot.platform, MunicipalityPlatform)
        world = self.system.world
        products = world.products(snapshot.platform)
        served = (name for name, p in products.items() if p.state != "NotServing" and p.reach == "Here")
        seen = dict.fromkeys(served, LOOKED_AT) | self.system.seen
        return replace(
            snapshot,
            products=products,
            dependencies=self.system.graph(products),
            observations=dict(self.observations) | {name: o for name, o in seen.items() if name in products},
            consumers=world.consumers(self.ref),
            apart=world.apart(self.ref),
            recipients=world.recipients(self.ref),
        )

    @property
    def ref(self) -> Ref:
        """Which one it is."""
        metadata = self.installation["metadata"]
        return Ref(metadata["namespace"], metadata["name"])

    def binding(self, requirement: str = "levels") -> JsonObject:
        """What its status says of a requirement."""
        found: list[JsonObject] = self.installation["status"]["bindings"]
        return next(b for b in found if b["requirement"] == requirement)


class System:
    """All Installations; what each of them is for the others is what the operator's own bookkeeping says."""

    def __init__(self) -> None:
        self.world = World()
        self.twins: dict[Ref, Twin] = {}
        self.platforms: dict[tuple[str, str], JsonObject] = {}
        self.seen: dict[str, SourceObservation] = {}  # of products that are not seen as LOOKED_AT
        self._version = 1
        self._told: dict[tuple[str, str, str], tuple[bytes, Any, int]] = {}

    def platform(self, namespace: str = "voorbeeldstad", **spec: Any) -> JsonObject:
        """Make a platform, or edit it."""
        body = self.platforms.setdefault((namespace, "oup"), platform_body())
        body["metadata"]["namespace"] = namespace
        body["spec"] |= spec
        self.publish()
        return body

    def remote(self, identity: str | None, namespace: str = "voorbeeldstad") -> None:
        """Have a platform's workloads on the city's own cluster; None before it is known which one that is."""
        body = self.platform(namespace, cluster={"kubeconfigSecret": {"name": "city-cluster"}})
        known = {"identity": identity, "kubernetesVersion": "1.36"}
        body["status"] = {"cluster": known} if identity is not None else {}
        self.publish()

    def install(self, name: str, listing: JsonObject, namespace: str = "voorbeeldstad", **spec: Any) -> Twin:
        """Make an Installation that has not been looked at yet."""
        body = installation_body()
        body["metadata"] |= {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}"}
        body["spec"] |= {"listing": listing["metadata"]["name"]} | spec
        platform = self.platform(namespace)
        twin = Twin(
            installation=body,
            listing=listing,
            platform=platform,
            observations={"river-gauge": REACHABLE},
            system=self,
        )
        self.twins[twin.ref] = twin
        self.publish(twin)
        return twin

    def publish(self, *twins: Twin) -> None:
        """Let the others see what these are now, as a watch does; and all platforms."""
        for body in self.platforms.values():
            self._tell(self.world.platforms, body)
        for twin in twins:
            assert isinstance(twin.listing, dict)
            self._tell(self.world.listings, twin.listing)
            self._tell(self.world.installations, twin.installation)

    def _tell(self, collection: Collection[Any], body: JsonObject) -> None:
        """A watch has an event of what changed; the API server counts the changes, and those of the spec."""
        metadata, content = body["metadata"], marshal.dumps(body, 2)
        key = (body["kind"], metadata.get("namespace", ""), metadata["name"])
        told, spec, generation = self._told.get(key, (b"", None, 0))
        if told == content:
            return
        self._version += 1
        generation += spec != body["spec"]
        self._told[key] = (content, copy.deepcopy(body["spec"]), generation)
        collection.put(
            body | {"metadata": metadata | {"resourceVersion": str(self._version), "generation": generation}}
        )

    def remove(self, twin: Twin) -> None:
        """Delete an Installation that nothing holds."""
        del self.twins[twin.ref]
        del self._told["Installation", twin.ref.namespace, twin.ref.name]
        self.world.installations.remove(twin.ref)

    def graph(self, products: dict[str, Product]) -> dict[Ref, frozenset[Ref]]:
        """Who feeds whom."""
        return graph({p.upstream for p in products.values()}, self.world.installations.find)

    def go_live(self, *twins: "Twin") -> None:
        """Have them serve, one after the other."""
        for twin in twins:
            twin.serving()
            self.settle()

    def settle(self) -> None:
        """Reconcile all of them until none has anything to do; fails where they do not come to rest."""
        for _ in range(12):
            before = {ref: self._state(twin) for ref, twin in self.twins.items()}
            for twin in self.twins.values():
                twin.reconcile()
                self.publish(twin)
            if before == {ref: self._state(twin) for ref, twin in self.twins.items()}:
                return
        raise AssertionError("the system does not come to rest")

    def follow(self, *changed: Twin) -> None:
        """Reconcile these, and then those only that the operator's own bookkeeping queues, until it queues nobody."""
        queue = [twin.ref for twin in changed]
        self.publish(*changed)
        for _ in range(300):
            upstreams, platforms = self.world.take_news()
            queue += [r for r in self.twins if r in upstreams or (r.namespace, "oup") in platforms]
            if not queue:
                return
            twin = self.twins.get(queue.pop(0))
            if twin is None:
                continue
            before = self._state(twin)
            twin.reconcile()
            self.publish(twin)
            if before != self._state(twin):
                queue.append(twin.ref)
        raise AssertionError("the system does not come to rest")

    def assert_nothing_was_missed(self) -> None:
        """Whoever was not queued had nothing to do."""
        for ref, twin in self.twins.items():
            before = self._state(twin)
            twin.reconcile()
            assert self._state(twin) == before, f"{ref} should have been queued"

    @staticmethod
    def _state(twin: Twin) -> Any:
        return dict(twin.children), without_times(twin.installation.get("status"))
