"""One object, once: what becomes of it where the operator fails, and where watches have not brought all there is."""

from typing import Any

import pytest
from builders import NOW, UID, installation_body, listing_body, platform_body

from ddtas import metrics
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.ownership import Seal
from ddtas.cluster.memory.world import World
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.remote.connection import Polling
from ddtas.cluster.rest.resources import ResourceType
from ddtas.data.addresses import AddressPolicy
from ddtas.errors import ClusterError, NotFound
from ddtas.plan.turns import in_turns
from ddtas.probes.scheduler import ProbeScheduler
from ddtas.reconcile import installation, listing, platform
from ddtas.reconcile.context import Context, ObjectKey
from ddtas.reconcile.dispatch import Reconciler
from ddtas.settings import Settings

SECRET_TEXT = "password=hunter2"
INSTALLATION = ObjectKey("Installation", "voorbeeldstad", "flood")
PLATFORM = ObjectKey("MunicipalityPlatform", "voorbeeldstad", "oup")
LISTING = ObjectKey("AppListing", "", "flood-twin")


class Server:
    """An API server with the three kinds; what else it is sent, it takes."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.written = 10

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> dict[str, Any]:
        self.asked.append(f"get {resource.kind}")
        try:
            return self.there[resource.kind, name]
        except KeyError:
            raise NotFound(404, "not there") from None

    async def apply(
        self, resource: ResourceType, manifest: dict[str, Any], *, force: bool, subresource: str | None = None
    ) -> dict[str, Any]:
        self.asked.append(f"apply {resource.kind} {subresource or ''}".strip())
        self.written += 1
        live = self.there.get((resource.kind, manifest["metadata"]["name"]), manifest)
        metadata = live["metadata"] | {"resourceVersion": str(self.written)}
        metadata.setdefault("uid", f"uid-{self.written}")
        live = live | {"metadata": metadata} | ({"status": manifest["status"]} if subresource else {})
        self.there[resource.kind, metadata["name"]] = live
        return live

    async def create(self, resource: ResourceType, manifest: dict[str, Any]) -> dict[str, Any]:
        self.events.append(manifest)
        return manifest


class Bench:
    """A reconciler, and what it knows."""

    def __init__(self) -> None:
        self.server, self.world = Server(), World()
        polling = Polling(30, 300, lambda: frozenset())
        clusters = Clusters(lambda access: (None, None), lambda name: None, lambda name: None, polling)  # type: ignore[arg-type,return-value]
        probes = ProbeScheduler(AddressPolicy(), on_change=lambda key: None)
        parts = (self.server, self.world, Children(), clusters, probes, Settings(), Seal(b"k" * 32))
        self.reconciler = Reconciler(Context(*parts, now=lambda: NOW))  # type: ignore[arg-type]

    def put(self, body: dict[str, Any], *, heard: bool = True) -> None:
        """Have an object, and have heard of it."""
        collections = {
            "AppListing": self.world.listings,
            "MunicipalityPlatform": self.world.platforms,
            "Installation": self.world.installations,
        }
        self.server.there[body["kind"], body["metadata"]["name"]] = body
        if heard:
            collections[body["kind"]].put(body)  # type: ignore[attr-defined]

    def ready(self, kind: str, name: str) -> dict[str, Any]:
        """The condition Ready as it was written."""
        conditions = self.server.there[kind, name]["status"]["conditions"]
        return next(c for c in conditions if c["type"] == "Ready")


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    for body in (listing_body(), platform_body(), installation_body()):
        made.put(body)
    return made


def recursion(*_: Any, **__: Any) -> Any:
    return recursion()


def failing(*_: Any, **__: Any) -> Any:
    raise KeyError(SECRET_TEXT)


@pytest.mark.parametrize("fault", [failing, recursion])
@pytest.mark.parametrize(
    ("key", "module", "function"),
    [
        (INSTALLATION, installation, "installation_status"),
        (PLATFORM, platform, "platform_status"),
        (LISTING, listing, "listing_status"),
    ],
)
async def test_a_fault_of_the_operator_is_a_condition_of_that_object(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, key: ObjectKey, module: Any, function: str, fault: Any
) -> None:
    monkeypatch.setattr(module, function, in_turns(fault))
    before = metrics.INTERNAL_ERRORS.labels(key.kind)._value.get()
    with pytest.raises((KeyError, RecursionError)):
        await bench.reconciler(key)
    ready = bench.ready(key.kind, key.name)
    assert (ready["status"], ready["reason"]) == ("False", "OperatorError")
    assert "report it" in ready["message"]
    assert f"{module.__name__.rpartition('.')[2]}.py:" in ready["message"]
    assert SECRET_TEXT not in str(bench.server.there) + str(bench.server.events)
    assert [e["reason"] for e in bench.server.events] == ["OperatorError"]
    assert metrics.INTERNAL_ERRORS.labels(key.kind)._value.get() == before + 1

    asked = len(bench.server.asked)
    with pytest.raises((KeyError, RecursionError)):
        await bench.reconciler(key)
    assert bench.server.asked[asked:] == [], "it is said already"


async def test_the_condition_goes_when_the_fault_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(installation, "installation_status", failing)
        with pytest.raises(KeyError):
            await bench.reconciler(INSTALLATION)
    await bench.reconciler(INSTALLATION)
    assert bench.ready("Installation", "flood")["reason"] != "OperatorError"


async def test_no_condition_tells_of_an_api_server_that_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise ClusterError(503, "away")

    monkeypatch.setattr(installation, "installation_status", away)
    with pytest.raises(ClusterError):
        await bench.reconciler(INSTALLATION)
    assert not [asked for asked in bench.server.asked if asked.endswith("status")]


# ---- what is there, and no watch has brought yet ----


@pytest.mark.parametrize(("late", "reason"), [(listing_body, "ListingNotFound"), (platform_body, "PlatformNotFound")])
async def test_what_is_there_is_not_said_to_be_missing(late: Any, reason: str) -> None:
    bench = Bench()
    for body in (listing_body(), platform_body(), installation_body()):
        bench.put(body, heard=body["kind"] != late()["kind"])
    again_after = await bench.reconciler(INSTALLATION)
    assert again_after is not None
    assert "status" not in bench.server.there["Installation", "flood"]
    assert bench.server.events == []

    del bench.server.there[late()["kind"], late()["metadata"]["name"]]
    await bench.reconciler(INSTALLATION)
    assert bench.ready("Installation", "flood")["reason"] == reason
    bench.server.asked.clear()
    await bench.reconciler(INSTALLATION)
    assert bench.server.asked == [], "it was said: nothing is asked any more"


async def test_events_come_before_the_status(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between, the operator tells it again, under the same name."""
    bench.put(installation_body() | {"spec": installation_body()["spec"] | {"parameters": {"nonsense": 1}}})
    body = bench.server.there["Installation", "flood"]
    bench.world.installations.remove(("voorbeeldstad", "flood"))
    bench.world.installations.put(body)

    async def killed(*_: Any, **__: Any) -> Any:
        raise ClusterError(0, "killed")

    with monkeypatch.context() as patched:
        patched.setattr(bench.server, "apply", killed)
        with pytest.raises(ClusterError):
            await bench.reconciler(INSTALLATION)
    first = [e["metadata"]["name"] for e in bench.server.events]
    assert first
    bench.server.events.clear()
    await bench.reconciler(INSTALLATION)
    assert [e["metadata"]["name"] for e in bench.server.events] == first
    assert bench.server.there["Installation", "flood"]["metadata"]["uid"] == UID
