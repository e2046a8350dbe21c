"""Looks at the capabilities of a cluster: what is asked for, and what becomes of answers that do not come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.cluster.rest.resources import ResourceType
from ddtas.cluster.survey import capabilities as module
from ddtas.cluster.survey.capabilities import Surveyor, survey
from ddtas.errors import ClusterError, NotFound
from ddtas.plan.capabilities.measured import Survey
from ddtas.plan.capabilities.needs import Fact

EVERYTHING = frozenset(Fact)
LABEL = "pod-security.kubernetes.io/enforce"


def named(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata} | more


def small(namespace: str, pods: str) -> dict[str, Any]:
    return named("small", namespace, spec={"hard": {"pods": pods}})


class Server:
    """An API server in memory, and the client of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.pages_of: dict[str, int] = {}
        self.objects: dict[str, list[Any]] = {
            "storageclasses": [named("disk")],
            "ingressclasses": [named("nginx")],
            "nodes": [
                {"metadata": {"labels": {"kubernetes.io/arch": "arm64"}}, "status": {"capacity": {"a.b/c": "2"}}}
            ],
            "resourcequotas": [small("a", "1"), small("b", "2")],
            "limitranges": [],
            "namespaces": [{"metadata": {"name": n, "labels": {LABEL: "restricted"}}} for n in ("a", "b")],
        }

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        plural = resource.plural
        for page in range(self.pages_of.get(plural, 1)):
            where = f" in {namespace}" if namespace else ""
            self.asked.append(f"list {plural}{where}{f' {page}' if page else ''}")
            if plural in self.trouble:
                raise self.trouble[plural]
            if plural not in self.objects:
                raise NotFound(404, "no such kind")
            found = [o for o in self.objects[plural] if namespace in (None, o["metadata"].get("namespace"))]
            yield {"metadata": {"resourceVersion": "1"}, "items": found}

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> dict[str, Any]:
        self.asked.append(f"get {resource.plural} {name}")
        if resource.plural in self.trouble:
            raise self.trouble[resource.plural]
        return next(dict(o) for o in self.objects["namespaces"] if o["metadata"]["name"] == name)

    async def look(self, *facts: Fact, before: Survey | None = None, whole: bool = True) -> Survey:
        wanted = frozenset(facts) or EVERYTHING
        return await survey(self, wanted, frozenset({"a", "b"}), before or Survey(), whole=whole)  # type: ignore[arg-type]


async def test_all_is_asked_once_for_all_namespaces() -> None:
    server = Server()
    found = await server.look()
    assert sorted(server.asked) == [
        "list gatewayclasses",
        "list ingressclasses",
        "list limitranges",
        "list namespaces",
        "list nodes",
        "list resourcequotas",
        "list storageclasses",
    ]
    measured = found.of("a")
    assert found.complete
    assert found.troubles == {}
    assert measured is not None
    assert measured.dump() == {
        "storageClasses": [{"name": "disk"}],
        "ingressClasses": ["nginx"],
        "gatewayClasses": [],  # the kind is not there
        "architectures": ["arm64"],
        "devices": [{"name": "a.b/c", "count": 2, "perNode": 2}],
        "podSecurity": "restricted",
        "quotas": [{"name": "small", "hard": [{"resource": "pods", "amount": "1"}]}],
        "limitRanges": [],
    }


async def test_or_namespace_by_namespace_where_only_some_are_served() -> None:
    server = Server()
    found = await server.look(Fact.POD_SECURITY, Fact.QUOTAS, whole=False)
    assert sorted(server.asked) == [
        "get namespaces a",
        "get namespaces b",
        "list resourcequotas in a",
        "list resourcequotas in b",
    ]
    other = found.of("b")
    assert other is not None
    assert other.quotas is not None
    assert other.quotas[0].hard[0].amount == "2"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_right_that_is_missing_is_a_fact_with_its_way_out(whole: bool, status: int) -> None:
    server = Server()
    plurals = [*server.objects, "gatewayclasses"]
    server.trouble = {plural: ClusterError(status, "no") for plural in plurals}
    found = await server.look(whole=whole)
    measured = found.of("a")
    assert found.complete, "asking again sooner would help nobody"
    assert measured is not None
    said = {u.fact: u.reason for u in measured.unknown}
    assert set(said) == set(Fact)
    assert said["storageClasses"] == (
        "the operator may not list storageclasses: declare storageClasses in spec.capabilities, or grant it "
        "(docs/operations.md)"
    )
    assert said["quotas"] == "the operator may not list resourcequotas: grant it (docs/operations.md)"
    why = "the operator may not get its namespace: declare podSecurity in spec.capabilities"
    assert said["podSecurity"].startswith(why)
    assert max(map(len, said.values())) <= 200


@pytest.mark.parametrize("error", [ClusterError(500, "oh"), ClusterError(429, "busy"), ClusterError(410, "expired")])
async def test_what_does_not_answer_stays_as_it_was(error: Exception) -> None:
    server = Server()
    before = await server.look()
    server.trouble["nodes"] = error
    server.objects["storageclasses"] = []
    found = await server.look(before=before)
    measured = found.of("a")
    assert not found.complete
    assert measured is not None
    assert measured.architectures == ("arm64",)
    assert measured.storage_classes == (), "the others were asked"


async def test_nobody_is_asked_twice_who_does_not_answer() -> None:
    server = Server()
    server.trouble = {plural: ClusterError(0, "no answer") for plural in (*server.objects, "gatewayclasses")}
    found = await server.look()
    assert len(server.asked) == 1
    assert not found.complete
    assert found.answers == {}


async def test_a_hiccup_leaves_open_what_it_would_have_said() -> None:
    server = Server()
    server.trouble["nodes"] = ClusterError(500, "oh")
    found = await server.look(Fact.NODES, Fact.QUOTAS)
    measured = found.of("a")
    assert measured is not None
    assert (measured.architectures, measured.unknown) == (None, ())
    known = MeasuredCapabilities.model_validate({"architectures": ["arm64"], "ingressClasses": ["gone"], "quotas": []})
    measured = found.of("a", known)
    assert measured is not None
    assert measured.architectures == ("arm64",)
    assert measured.ingress_classes is None, "nobody asks for it any more"
    assert measured.quotas is not None
    assert measured.quotas[0].name == "small", "what has answered counts"


async def test_pages_are_read_and_there_is_an_end_to_them() -> None:
    server = Server()
    server.pages_of["nodes"] = 3
    found = await server.look(Fact.NODES)
    assert server.asked == ["list nodes", "list nodes 1", "list nodes 2"]
    server.pages_of["nodes"] = 10**9
    found = await server.look(Fact.NODES)
    measured = found.of("a")
    assert measured is not None
    assert measured.why_unknown("nodes") == "the cluster has more than 5000 nodes"


async def test_an_object_that_says_more_than_such_an_object_does_is_not_kept() -> None:
    server = Server()
    server.objects["resourcequotas"] = [named("large", "a", spec={"hard": {f"count/{n}": "1" for n in range(30_000)}})]
    found = await server.look(Fact.QUOTAS, Fact.STORAGE_CLASSES)
    measured = found.of("a")
    assert not found.complete
    assert measured is not None
    assert measured.quotas is None


# ---- time and again ----


class Home:
    """A surveyor at work."""

    def __init__(self) -> None:
        self.server = Server()
        self.facts: frozenset[Fact] = frozenset()
        self.namespaces = frozenset({"a"})
        self.changed: list[str] = []
        self.every = 3600.0

    def start(self) -> Surveyor:
        self.surveyor = Surveyor(
            self.server,  # type: ignore[arg-type]
            lambda: (self.facts, self.namespaces),
            self.changed.append,
            self.every,
            whole=True,
        )
        self.task = asyncio.create_task(self.surveyor.run())
        return self.surveyor

    async def until(self, look: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not look():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(module, "_BREATH_SECONDS", 0.01)
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    made = Home()
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_nothing_is_asked_where_nothing_is_wanted(home: Home) -> None:
    home.every = 0.01
    surveyor = home.start()
    await home.until(lambda: surveyor.of("a") is not None)
    home.facts, home.namespaces = frozenset({Fact.NODES}), frozenset()  # no platform at home
    surveyor.refresh()
    await asyncio.sleep(0.1)
    assert home.server.asked == []
    assert home.changed == []


async def test_a_listing_that_asks_for_more_brings_a_look_and_one_that_goes_ends_it(home: Home) -> None:
    surveyor = home.start()
    await home.until(lambda: surveyor.of("a") is not None)
    home.facts = frozenset({Fact.INGRESS_CLASSES})
    surveyor.refresh()
    await home.until(lambda: home.changed == ["a"])
    surveyor.refresh()
    surveyor.refresh()
    await asyncio.sleep(0.1)
    assert home.server.asked == ["list ingressclasses"], "once"
    home.facts = frozenset()
    surveyor.refresh()
    await home.until(lambda: home.changed == ["a", "a"])
    measured = surveyor.of("a")
    assert measured is not None
    assert measured.dump() == {}
    assert home.server.asked == ["list ingressclasses"]


async def test_a_platform_in_another_namespace_is_not_known_before_its_own_look(home: Home) -> None:
    home.facts = frozenset({Fact.QUOTAS})
    surveyor = home.start()
    await home.until(lambda: home.changed == ["a"])
    assert surveyor.of("b") is None
    home.namespaces = frozenset({"a", "b"})
    surveyor.refresh()
    await home.until(lambda: surveyor.of("b") is not None)
    assert home.changed == ["a", "b"], "a has the same all the time"


async def test_what_changed_during_a_look_is_looked_at_afterwards(home: Home) -> None:
    class Slow(Server):
        async def pages(self, *args: Any, **more: Any) -> AsyncIterator[dict[str, Any]]:
            home.facts = frozenset({Fact.INGRESS_CLASSES, Fact.STORAGE_CLASSES})
            home.surveyor.refresh()
            async for page in super().pages(*args, **more):
                yield page

    home.server = Slow()
    home.facts = frozenset({Fact.INGRESS_CLASSES})
    surveyor = home.start()
    await home.until(lambda: (seen := surveyor.of("a")) is not None and seen.storage_classes is not None)


async def test_news_is_told_once_and_trouble_is_tried_again(home: Home) -> None:
    home.every = 0.02
    home.facts = frozenset({Fact.STORAGE_CLASSES})
    home.server.trouble["storageclasses"] = ClusterError(503, "later")
    surveyor = home.start()
    await home.until(lambda: len(home.server.asked) > 2)
    measured = surveyor.of("a")
    assert measured is not None
    assert measured.why_unknown("storageClasses") == (
        "the cluster does not say which storageclasses it has (HTTP 503): it is asked again"
    )
    assert home.changed == ["a"], "once"
    known = MeasuredCapabilities.model_validate({"storageClasses": [{"name": "disk"}]})
    assert surveyor.of("a", known) == known, "what was known before a restart still stands"
    home.changed.clear()
    home.server.trouble = {}
    await home.until(lambda: home.changed == ["a"])
    asked = len(home.server.asked)
    await home.until(lambda: len(home.server.asked) > asked + 2)
    assert home.changed == ["a"]
    home.server.objects["storageclasses"] = []
    await home.until(lambda: home.changed == ["a", "a"])
