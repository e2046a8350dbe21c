"""Twins that feed each other inside a city's own cluster: addresses, what is not looked at, and what does not cross."""

import copy
from base64 import b64decode
from typing import Any

import pytest
from builders import UNREACHABLE, VALIDATION_WINDOW, platform_body, result
from systems import FIELDS, LOOKED_AT, System, Twin, app, product, requirement

from ddtas import names
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.plan.decision.catalogue import fit
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.rules import Accepted, accept
from ddtas.plan.decision.situation import Situation
from ddtas.plan.products import Ref, readdressed
from ddtas.plan.reasons import Reason
from ddtas.plan.status.platform import platform_status
from ddtas.plan.twins.dependencies import HOME, apart, cluster_of
from ddtas.reconcile.sources import probed

FLOOD = "flood-forecast"
ONE, BESIDE, TWO = "aaaa/twins", "aaaa/others", "bbbb/twins"
HERE, THERE = "voorbeeldstad", "voorbeelddorp"
ACCEPTS = [{"name": "flow", "namespace": HERE, "installation": "flood", "product": "forecast"}]
OFFERS = [{"product": "forecast", "to": [{"namespace": THERE, "platform": "oup"}]}]


def flood(system: System, **spec: Any) -> Twin:
    return system.install("flood", app("flood-twin", products=(product(),)), **spec)


def district(system: System, namespace: str = HERE, **more: Any) -> Twin:
    return system.install("district", app("district-twin", requirement(**more)), namespace)


def reason(twin: Twin, kind: str = "DataBound") -> tuple[str, str]:
    condition = twin.condition(kind)
    return condition["status"], condition["reason"]


def served_address(twin: Twin) -> str:
    (published,) = twin.installation["status"]["products"]
    endpoint: str = published["source"]["endpoint"]
    return endpoint


def status_of(system: System, namespace: str = HERE) -> MunicipalityPlatformStatus:
    """Of a platform, as it is written after the last one."""
    body = system.platforms[namespace, "oup"]
    parsed = MunicipalityPlatform.parse(body)
    twin = next(t for t in system.twins.values())
    found = platform_status(parsed, twin.observations, {}, (), twin.now, products=system.world.products(parsed))
    body["status"] = body.get("status", {}) | {
        k: v for k, v in found.dump().items() if k not in ("cluster", "observedGeneration")
    }
    return found


@pytest.fixture
def pair() -> tuple[System, Twin, Twin]:
    """An upstream and a consumer, both serving in the city's own cluster."""
    system = System()
    system.remote(ONE)
    up, down = flood(system), district(system)
    system.go_live(up, down)
    return system, up, down


# ---- which cluster is it in ----

PLACES: dict[str, tuple[str | None, str | None, bool]] = {
    "both here": (HOME, HOME, False),
    "one here": (HOME, ONE, True),
    "one here, the other somewhere else": (HOME, None, True),
    "the same": (ONE, ONE, False),
    "two namespaces of one cluster": (ONE, BESIDE, False),
    "two clusters": (ONE, TWO, True),
    "not known yet": (None, ONE, False),
    "neither is known yet": (None, None, False),
}


@pytest.mark.parametrize(("one", "other", "expected"), PLACES.values(), ids=PLACES)
def test_what_is_known_to_be_in_different_clusters(one: str | None, other: str | None, expected: bool) -> None:
    assert apart(one, other) is expected
    assert apart(other, one) is expected


def test_where_a_platform_is() -> None:
    system = System()
    assert cluster_of(MunicipalityPlatform.parse(system.platform())) == HOME
    system.remote(None)
    assert cluster_of(MunicipalityPlatform.parse(system.platform())) is None
    system.remote(ONE)
    assert cluster_of(MunicipalityPlatform.parse(system.platform())) == ONE


# ---- on its own platform ----


def test_it_is_published_and_wired_at_the_address_that_is_right_there(pair: tuple[System, Twin, Twin]) -> None:
    _, up, down = pair
    address = "http://flood-web.twins.svc:8080/forecast.csv"
    assert served_address(up) == address
    assert up.installation["status"]["products"][0]["source"]["provenance"] == "Installation voorbeeldstad/flood"
    assert up.installation["status"]["binding"] == {"name": FLOOD}
    own = {d.key: d.manifest for d in up.decide().desired}["Secret", FLOOD]
    revision = down.installation["status"]["revision"]
    wired = {d.key: d.manifest for d in down.decide().desired}["Secret", f"district-{revision}-levels"]
    for secret in (own, wired):
        assert secret["metadata"]["namespace"] == "twins"
        assert secret["metadata"]["labels"].keys() >= {names.LABEL_PLATFORM, names.LABEL_OWNER}
        assert b64decode(secret["data"]["uri"]).decode() == address
        assert b64decode(secret["data"]["host"]).decode() == "flood-web.twins.svc"


def test_what_cannot_be_looked_at_is_unknown_and_the_contract_decides(pair: tuple[System, Twin, Twin]) -> None:
    _, up, down = pair
    assert reason(down) == ("True", "Bound")
    checks = {c["name"]: c for c in down.binding()["checks"]}
    assert (checks["reachable"]["declared"], checks["reachable"]["measured"]) == ("Met", "Unknown")
    assert checks["reachable"]["message"] == "inside the city's own cluster: not probed from here"
    assert {c["measured"] for c in checks.values()} == {"Unknown"}
    assert down.binding()["upstream"]["revision"] == up.installation["status"]["revision"]


LACKING = {
    "what the contract says": ({"minimumRecords": 5}, {"records": 10}, ("True", "Bound"), ""),
    "what the contract denies": (
        {"minimumRecords": 50},
        {"records": 10},
        ("False", "RequirementNotMet"),
        "needs 50 records; the contract says 10",
    ),
    "what the contract leaves open": (
        {"minimumRecords": 5},
        {},
        ("False", "RequirementNotMet"),
        "needs 5 records; the contract says nothing",
    ),
}


@pytest.mark.parametrize(("asked", "promised", "expected", "text"), LACKING.values(), ids=LACKING)
def test_no_probe_stands_in_for_a_contract(asked: Any, promised: Any, expected: tuple[str, str], text: str) -> None:
    system = System()
    system.remote(ONE)
    contract = {"version": "1.0.0", "entity": "Level", "fields": FIELDS} | promised
    up = system.install("flood", app("flood-twin", products=(product(contract=contract),)))
    down = district(system, **asked)
    up.serving()
    system.settle()
    assert reason(down) == expected
    assert text in down.condition("DataBound")["message"]
    assert "cannot be read" not in down.condition("DataBound")["message"]


@pytest.mark.parametrize(("least", "expected"), [("0.5", ("True", "Bound")), ("0.8", ("False", "RequirementNotMet"))])
def test_what_validation_showed_upstream_is_known_there_as_well(least: str, expected: tuple[str, str]) -> None:
    system = System()
    system.remote(ONE)
    bound = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": least}
    up, down = flood(system), district(system, upstreamMetrics=[bound])
    up.serving()
    system.settle()
    assert reason(down) == expected


def test_a_consumer_waits_until_it_is_served() -> None:
    system = System()
    system.remote(ONE)
    up, down = flood(system), district(system)
    system.settle()
    assert reason(down) == ("False", "UpstreamNotServing")
    assert down.binding()["upstream"]["state"] == "NotServing"
    up.serving()
    system.settle()
    assert reason(down) == ("True", "Bound")


def test_nothing_inside_a_cluster_is_ever_looked_at(pair: tuple[System, Twin, Twin]) -> None:
    """Also by a look that is remembered from elsewhere: it was not at this."""
    system, _, down = pair
    parsed = MunicipalityPlatform.parse(system.platform())
    products = system.world.products(parsed)
    assert set(products) == {FLOOD}
    assert [s.name for s in probed(parsed, products)] == ["river-gauge"]
    for seen in (UNREACHABLE, LOOKED_AT):
        system.seen[FLOOD] = seen
        system.settle()
        assert reason(down) == ("True", "Bound")
        assert {c["measured"] for c in down.binding()["checks"]} == {"Unknown"}


def test_it_is_not_looked_at_either_when_its_platform_is_gone_or_another_one(pair: tuple[System, Twin, Twin]) -> None:
    """Its finalizer tells where it is; somebody here may accept it."""
    system, up, _ = pair
    up.edit(offers=OFFERS)
    up.installation["metadata"]["finalizers"] = [names.FINALIZER]
    near = MunicipalityPlatform.parse(system.platform(THERE, accepts=ACCEPTS))
    system.publish(up)
    system.world.platforms.remove((HERE, "oup"))
    assert system.world.products(near)["flow"].reach == "Apart"
    assert [s.name for s in probed(near, system.world.products(near))] == ["river-gauge"]
    remade = system.platform()
    remade["metadata"]["uid"] = "another"
    del remade["spec"]["cluster"]
    del remade["status"]
    system.publish()
    for platform, name in ((near, "flow"), (MunicipalityPlatform.parse(remade), FLOOD)):
        products = system.world.products(platform)
        assert products[name].reach == "Apart"
        assert [s.name for s in probed(platform, products)] == ["river-gauge"]


def test_the_catalogue_takes_the_contract_for_it(pair: tuple[System, Twin, Twin]) -> None:
    system, _, _ = pair
    snapshot = system.install("late", app("late-twin", requirement())).snapshot()
    accepted = accept(Situation.of(snapshot))
    assert isinstance(accepted, Accepted)
    assert fit(Situation.of(snapshot), accepted.version).verdict == "Met"


def test_an_upgrade_upstream_calibrates_nobody_anew(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    children = dict(down.children)
    up.edit(parameters={"seed": 2})
    system.settle()
    up.serving()
    system.settle()
    assert down.children == children
    assert down.binding()["upstream"]["revision"] == up.installation["status"]["revision"]


def test_a_consumer_of_what_is_gone_serves_on(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    system.remove(up)
    system.settle()
    assert reason(down) == ("False", "UpstreamGone")
    assert reason(down, "Serving") == ("True", "KeepsServing")


def test_a_cycle_is_named_there_as_well() -> None:
    system = System()
    system.remote(ONE)
    for name, feeds in (("a", "b"), ("b", "a")):
        listing = app(f"{name}-twin", requirement(), products=(product(),))
        system.install(name, listing, bindings=[{"requirement": "levels", "dataSource": f"{feeds}-forecast"}])
    system.settle()
    assert "a → b → a is a cycle" in system.twins[Ref(HERE, "a")].condition("DataBound")["message"]
    assert "b → a → b is a cycle" in system.twins[Ref(HERE, "b")].condition("DataBound")["message"]


# ---- the cluster is another one ----


def test_in_another_namespace_the_address_is_another_one_and_the_consumer_is_told(
    pair: tuple[System, Twin, Twin],
) -> None:
    system, up, down = pair
    revision = down.installation["status"]["revision"]
    system.remote("bbbb/elsewhere")
    for twin in (up, down):
        twin.children.clear()
    system.settle()
    for twin in (up, down):
        twin.roll_out()
    system.settle()
    assert served_address(up) == "http://flood-web.elsewhere.svc:8080/forecast.csv"
    assert down.installation["status"]["revision"] == revision, "calibrated anew for an address"
    wired = {d.key: d.manifest for d in down.decide().desired}["Secret", f"district-{revision}-levels"]
    assert b64decode(wired["data"]["host"]).decode() == "flood-web.elsewhere.svc"


def test_what_a_kept_revision_published_moves_along(pair: tuple[System, Twin, Twin]) -> None:
    system, up, _ = pair
    up.edit(parameters={"objective": "KGE"})
    plan = up.calibrated()
    up.finish("validate", result({"NSE": 0.1, "RSR": 0.9, "absPBIAS": 1.0}, VALIDATION_WINDOW), plan.revision)
    system.settle()
    assert reason(up, "Serving") == ("True", "KeepsServing")
    system.remote("aaaa/elsewhere")
    system.settle()
    assert reason(up, "Serving") == ("True", "KeepsServing")
    assert served_address(up) == "http://flood-web.elsewhere.svc:8080/forecast.csv"


def test_where_nothing_moves_what_was_published_stays_as_it_is(pair: tuple[System, Twin, Twin]) -> None:
    _, up, _ = pair
    (published,) = up.snapshot().installation.status.products
    assert readdressed(published, up.installation["metadata"]["name"], "twins") == published


# ---- on other platforms ----


def across(here: str | None, there: str | None) -> tuple[System, Twin, Twin]:
    """A product that both sides name, of platforms on these clusters ("" for here)."""
    system = System()
    system.platform(THERE, accepts=ACCEPTS)
    for namespace, identity in ((HERE, here), (THERE, there)):
        if identity != HOME:
            system.remote(identity, namespace)
    up, down = flood(system, offers=OFFERS), district(system, THERE)
    system.settle()
    return system, up, down


@pytest.mark.parametrize(("here", "there"), [(ONE, ONE), (ONE, BESIDE)], ids=["same namespace", "another namespace"])
def test_platforms_of_one_cluster_use_each_others_products(here: str, there: str) -> None:
    system, up, down = across(here, there)
    assert reason(down) == ("False", "UpstreamNotServing")
    up.serving()
    system.settle()
    assert reason(down) == ("True", "Bound")
    plan = down.serving()
    wired = {d.key: d.manifest for d in plan.desired}["Secret", f"district-{plan.revision}-levels"]
    assert wired["metadata"]["namespace"] == there.partition("/")[2]
    assert b64decode(wired["data"]["host"]).decode() == "flood-web.twins.svc"
    system.settle()
    assert up.installation["status"]["consumers"] == [{"namespace": THERE, "installation": "district"}]
    assert all(c["type"] != "OffersReachable" for c in up.installation["status"]["conditions"])


@pytest.mark.parametrize(("here", "there"), [(ONE, HOME), (HOME, ONE), (ONE, TWO)], ids=["out", "in", "between"])
def test_what_is_in_another_cluster_is_refused_on_both_sides_from_the_start(here: str, there: str) -> None:
    system, up, down = across(here, there)
    for _ in ("before it serves", "while it serves"):
        assert reason(down) == ("False", "OtherCluster")
        said = down.condition("DataBound")["message"]
        assert "Installation voorbeeldstad/flood is in another cluster" in said
        assert "list that in spec.dataSources" in said
        assert down.condition("Stalled")["status"] == "True"
        assert down.started == []
        offers = up.condition("OffersReachable")
        assert (offers["status"], offers["reason"]) == ("False", "OtherCluster")
        assert "lead nowhere: voorbeelddorp/oup. Publish a product behind an address" in offers["message"]
        parsed = MunicipalityPlatform.parse(system.platform(THERE))
        assert [s.name for s in probed(parsed, system.world.products(parsed))] == ["river-gauge"]
        shown = status_of(system, THERE).data_sources[1]
        assert (shown.name, shown.state, shown.reason) == ("flow", "Unreachable", "OtherCluster")
        up.serving()
        system.settle()
    assert reason(up, "Ready") == ("True", "Serving"), "its own city has it"
    up.edit(offers=[])
    system.settle()
    assert all(c["type"] != "OffersReachable" for c in up.installation["status"]["conditions"])
    assert reason(down)[1] == "RequirementNotMet"


def test_another_source_that_fits_is_bound_all_the_same() -> None:
    system, up, down = across(ONE, HOME)
    own = copy.deepcopy(platform_body()["spec"]["dataSources"][0])
    own |= {"name": "published", "theme": "levels", "accessRights": "public"}
    own["contract"] = {"version": "1.0.0", "fields": FIELDS}
    system.platform(THERE, dataSources=[own, *platform_body()["spec"]["dataSources"]])
    down.observations["published"] = LOOKED_AT
    up.serving()
    system.settle()
    assert down.binding()["dataSource"] == "published"


def test_what_serves_on_a_product_that_is_in_another_cluster_now_serves_on() -> None:
    system, up, down = across(ONE, ONE)
    up.serving()
    system.settle()
    down.serving()
    system.settle()
    system.remote(TWO)
    up.children.clear()
    system.settle()
    assert reason(down) == ("False", "OtherCluster")
    assert reason(down, "Serving") == ("True", "KeepsServing")


def test_nobody_is_refused_before_it_is_known_where_a_cluster_is() -> None:
    _, up, down = across(ONE, None)
    snapshot = down.snapshot()
    assert snapshot.products["flow"].reach == "Inside"
    assert decide(snapshot).finding("DataBound").reason is Reason.UPSTREAM_NOT_SERVING
    assert up.snapshot().apart == ()


# ---- the platform says so ----


def test_a_platform_does_not_wait_for_what_it_never_looks_at(pair: tuple[System, Twin, Twin]) -> None:
    system, _, _ = pair
    status = status_of(system)
    shown = status.data_sources[1]
    assert (shown.name, shown.upstream) == (FLOOD, "voorbeeldstad/flood")
    assert (shown.state, shown.reason) == ("Unknown", "InsideCluster")
    assert (shown.probe, shown.probed_at, shown.conformant) == (None, None, None)
    assert (status.sources, status.conformant) == ("1/2", "1/2")
    found = {c.type: (c.status, c.reason, c.message) for c in status.conditions}
    text = f"1 of 2 data sources; inside the city's own cluster, and not probed from here: {FLOOD}"
    assert found["SourcesReachable"] == ("True", "SourcesReachable", text)
    assert found["SourcesConformant"][0] == "True"
    assert found["Ready"][0] == "True"


def test_nor_where_that_is_all_there_is(pair: tuple[System, Twin, Twin]) -> None:
    system, _, _ = pair
    system.platform(dataSources=[])
    found = {c.type: c.status for c in status_of(system).conditions}
    assert (found["SourcesReachable"], found["SourcesConformant"], found["Ready"]) == ("True", "True", "True")


def test_time_alone_writes_nothing_of_it(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    before = status_of(system)
    for twin in (up, down):
        twin.tick(7200)
    after = status_of(system)
    assert after.data_sources[1] == before.data_sources[1]


# ---- news ----


def test_that_a_cluster_is_another_one_is_news_for_both_sides() -> None:
    system, up, down = across(ONE, ONE)
    world = system.world
    world.take_news()
    system.publish(up, down)
    assert world.take_news() == (set(), set())
    system.remote(TWO, THERE)
    upstreams, _ = world.take_news()
    assert up.ref in upstreams, "it has to say that its offer leads nowhere now"
    system.remote(TWO)
    assert (THERE, "oup") in world.take_news()[1], "it may use it again"


def test_it_is_also_where_nobody_has_asked_for_the_product_yet() -> None:
    system = System()
    system.remote(ONE)
    up = flood(system, offers=OFFERS)
    system.settle()
    system.world.take_news()
    system.remote(TWO, THERE)
    upstreams, _ = system.world.take_news()
    assert upstreams == {up.ref}
    system.settle()
    assert reason(up, "OffersReachable") == ("False", "OtherCluster")
