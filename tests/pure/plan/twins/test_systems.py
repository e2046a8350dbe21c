"""Twins that feed each other: products as data sources, order, cycles, upgrades, and what is lost."""

import copy
import random
from typing import Any

import pytest
from builders import CALIBRATION_WINDOW, REACHABLE, UNREACHABLE, VALIDATION_WINDOW, listing_body, platform_body, result
from courses import courses
from systems import LOOKED_AT, System, Twin, app, product, requirement

from ddtas.api.installation import Installation
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan.decision.catalogue import fit
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.rules import Accepted, accept
from ddtas.plan.decision.situation import Situation
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import JobFacts
from ddtas.plan.status.installation import awaited_status
from ddtas.plan.status.platform import platform_status
from ddtas.plan.twins.dependencies import holding

FLOOD = "flood-forecast"  # the product as a data source


def flood(system: System, *products: Any, **spec: Any) -> Twin:
    return system.install("flood", app("flood-twin", products=products or (product(),)), **spec)


def district(system: System, **more: Any) -> Twin:
    return system.install("district", app("district-twin", requirement(**more)))


@pytest.fixture
def pair() -> tuple[System, Twin, Twin]:
    """An upstream that serves, and a consumer that serves on what it makes."""
    system = System()
    up, down = flood(system), district(system)
    system.go_live(up, down)
    return system, up, down


def reason(twin: Twin, kind: str = "DataBound") -> tuple[str, str]:
    condition = twin.condition(kind)
    return condition["status"], condition["reason"]


# ---- a product becomes a data source ----


def test_a_product_is_published_once_it_serves_and_not_before() -> None:
    system = System()
    up = flood(system)
    up.validated()
    assert "products" not in up.installation["status"]
    assert ("Secret", FLOOD) not in up.children
    up.roll_out()
    up.settle()
    status = up.installation["status"]
    assert status["binding"] == {"name": FLOOD}
    (published,) = status["products"]
    assert (published["name"], published["secretName"]) == ("forecast", FLOOD)
    assert published["source"]["name"] == FLOOD
    assert published["source"]["endpoint"] == "http://flood-web.voorbeeldstad.svc:8080/forecast.csv"
    assert published["source"]["provenance"] == "Installation voorbeeldstad/flood"
    assert published["source"]["contract"]["version"] == "1.0.0"
    assert ("Secret", FLOOD) in up.children


def test_the_secret_is_what_a_service_binding_needs() -> None:
    system = System()
    up = flood(system)
    plan = up.serving()
    secret = next(d.manifest for d in plan.desired if d.key == ("Secret", FLOOD))
    assert secret["type"] == "servicebinding.io/http-csv"
    assert sorted(secret["data"]) == ["host", "port", "provider", "type", "uri"]


def test_a_product_without_a_kind_is_for_people() -> None:
    system = System()
    bare = {key: product()[key] for key in ("name", "title", "component", "path")}
    up = flood(system, bare)
    up.serving()
    assert {"binding", "products"}.isdisjoint(up.installation["status"])
    assert {d.key for d in up.decide().desired if d.key[0] == "Secret"} == {
        ("Secret", f"flood-{up.installation['status']['revision']}-discharge-series")
    }


def test_several_products_have_a_secret_each_and_the_first_is_the_binding() -> None:
    system = System()
    up = flood(system, product("forecast"), product("map", kind="http-geojson"))
    up.serving()
    status = up.installation["status"]
    assert status["binding"] == {"name": FLOOD}
    assert [p["secretName"] for p in status["products"]] == [FLOOD, "flood-map"]


def test_fields_of_the_product_count_where_its_contract_names_none() -> None:
    system = System()
    fields = [{"name": "level_m", "type": "number", "unit": "m"}]
    up = flood(system, product(contract={"version": "1.0.0"}, fields=fields))
    up.serving()
    assert up.installation["status"]["products"][0]["source"]["contract"]["fields"] == fields


def test_the_secret_of_a_product_has_its_own_name_whatever_the_status_says() -> None:
    """A status can be edited: what is not this Installation's is not written to for it."""
    system = System()
    up = flood(system)
    up.serving()
    up.edit(parameters={"seed": 2})  # from here on, what was published of the revision that is kept stands
    up.settle()
    up.installation["status"]["products"][0]["secretName"] = "somebody-elses"
    plan = up.settle()
    assert ("Secret", "somebody-elses") not in up.children
    assert ("Secret", FLOOD) in {d.key for d in plan.desired}
    assert up.installation["status"]["products"][0]["secretName"] == FLOOD
    assert up.installation["status"]["binding"] == {"name": FLOOD}


# ---- a consumer ----


def test_a_consumer_is_bound_to_it_like_to_any_source(pair: tuple[System, Twin, Twin]) -> None:
    _, up, down = pair
    assert reason(down) == ("True", "Bound")
    assert f"levels ← {FLOOD} (1.0.0)" in down.condition("DataBound")["message"]
    assert reason(down, "Ready") == ("True", "Serving")
    assert down.binding()["dataSource"] == FLOOD
    assert down.binding()["upstream"] == {
        "installation": "flood",
        "product": "forecast",
        "state": "Serving",
        "revision": up.installation["status"]["revision"],
        "version": "1.0.0",
    }
    assert up.installation["status"]["consumers"] == [{"namespace": "voorbeeldstad", "installation": "district"}]
    (secret,) = (k for k, c in down.children.items() if k[0] == "Secret" and k[1].endswith("-levels"))
    assert secret


def test_a_consumer_waits_for_an_upstream_that_does_not_serve_yet() -> None:
    system = System()
    up, down = flood(system), district(system)
    system.settle()
    assert reason(down) == ("False", "UpstreamNotServing")
    assert down.condition("DataBound")["message"] == (
        f"requirement levels: data source {FLOOD}: Installation flood does not serve forecast yet"
    )
    assert down.condition("Reconciling")["status"] == "True"
    assert down.binding()["upstream"]["state"] == "NotServing"
    assert down.started == []
    up.serving()
    system.settle()
    assert reason(down) == ("True", "Bound")


def test_a_wait_does_not_flap_while_the_upstream_goes_on() -> None:
    system = System()
    up, down = flood(system), district(system)
    system.settle()
    before = down.installation["status"]["conditions"]
    up.calibrated()
    system.settle()
    assert down.installation["status"]["conditions"] == before
    up.finish("validate", result(window=VALIDATION_WINDOW))
    system.settle()
    assert reason(up)[1] == "Bound"
    assert up.installation["status"]["progress"] == "5/6"
    assert down.installation["status"]["conditions"] == before


def test_a_product_that_was_not_looked_at_is_waited_for() -> None:
    system = System()
    up = flood(system)
    up.serving()
    down = district(system)
    snapshot = down.snapshot()
    assert FLOOD in snapshot.observations
    del snapshot.observations[FLOOD]  # type: ignore[attr-defined]
    assert decide(snapshot).finding("DataBound").reason is Reason.PROBING


def test_an_upstream_that_cannot_be_read_takes_nothing_down(pair: tuple[System, Twin, Twin]) -> None:
    system, _, down = pair
    serving = down.installation["status"]["servingRevision"]
    system.seen[FLOOD] = UNREACHABLE
    system.settle()
    assert reason(down) == ("False", "DataSourceUnreachable")
    assert reason(down, "Serving") == ("True", "KeepsServing")
    del system.seen[FLOOD]
    system.settle()
    assert reason(down, "Ready") == ("True", "Serving")
    assert down.installation["status"]["servingRevision"] == serving
    assert len(down.started) == 2


def test_nobody_is_bound_to_his_own_product_by_himself() -> None:
    system = System()
    own = system.install("loop", app("loop-twin", requirement(), products=(product(),)))
    system.settle()
    assert reason(own) == ("False", "RequirementNotMet")


def test_the_platforms_own_source_has_the_name() -> None:
    system = System()
    taken = copy.deepcopy(platform_body()["spec"]["dataSources"][0]) | {"name": FLOOD}
    system.platform(dataSources=[*platform_body()["spec"]["dataSources"], taken])
    up, down = flood(system), district(system)
    up.edit(bindings=[{"requirement": "discharge-series", "dataSource": "river-gauge"}])
    up.serving()
    assert FLOOD not in down.snapshot().products


# ---- metrics of the upstream ----

BOUNDS = {
    "met": ({"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.5"}, "Met", ("True", "Bound"), ""),
    "not met": (
        {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.8"},
        "NotMet",
        ("False", "RequirementNotMet"),
        "needs NSE > 0.8 of the twin that makes it; the validation of what serves there has 0.72",
    ),
    "not reported": (
        {"metric": "KGE", "operator": "mustBeGreaterThan", "value": "0.5"},
        "Unknown",
        ("False", "RequirementNotMet"),
        "the validation of what serves there has no KGE",
    ),
}


@pytest.mark.parametrize(("bound", "measured", "expected", "text"), BOUNDS.values(), ids=BOUNDS)
def test_a_requirement_may_bound_what_validation_showed_upstream(
    bound: Any, measured: str, expected: tuple[str, str], text: str
) -> None:
    system = System()
    up, down = flood(system), district(system, upstreamMetrics=[bound])
    up.serving()
    system.settle()
    assert reason(down) == expected
    check = next(c for c in down.binding()["checks"] if c["name"] == f"upstream {bound['metric']}")
    assert (check["declared"], check["measured"]) == ("Unknown", measured)
    assert text in down.condition("DataBound")["message"]


def test_a_source_that_is_no_twins_product_has_no_such_metrics() -> None:
    system = System()
    bound = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.5"}
    listing = app("district-twin")
    listing["spec"]["versions"][0]["dataRequirements"][0]["upstreamMetrics"] = [bound]
    down = system.install("district", listing)
    system.settle()
    assert reason(down) == ("False", "RequirementNotMet")
    assert "no validation of a twin that makes this data is known" in down.condition("DataBound")["message"]


# ---- upgrades of the upstream ----


def test_a_new_revision_upstream_with_the_same_contract_calibrates_nobody_anew(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    before = down.installation["status"]
    children = dict(down.children)
    up.edit(parameters={"seed": 2})
    system.settle()
    assert down.installation["status"] | {"conditions": 0} == before | {"conditions": 0}  # while it is prepared, too
    up.serving()
    system.settle()
    after = down.installation["status"]
    assert after["revision"] == before["revision"]
    assert down.children == children
    assert down.binding()["upstream"]["revision"] == up.installation["status"]["revision"]
    assert down.binding()["upstream"]["revision"] != before["bindings"][1]["upstream"]["revision"]


def test_a_new_contract_upstream_is_a_new_revision_beside_the_one_that_serves(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    before = down.installation["status"]["revision"]
    renewed = product()
    renewed["contract"] = renewed["contract"] | {"version": "1.1.0"}
    up.listing = app("flood-twin", products=(renewed,))
    system.settle()
    assert down.installation["status"]["revision"] != before
    assert reason(down, "Serving") == ("True", "KeepsServing")
    assert len(down.started) == 3


def test_what_was_published_stands_when_the_upstream_has_a_bad_moment(pair: tuple[System, Twin, Twin]) -> None:
    """The record of its revision is older than the listing's newest word on the product; nobody must be told that."""
    system, up, down = pair
    renewed = product(contract=product()["contract"] | {"version": "1.1.0"})
    up.listing = app("flood-twin", products=(renewed,))
    system.settle()
    down.serving()
    system.settle()
    before, children = down.installation["status"], dict(up.children)
    assert before["servingRevision"] == before["revision"]
    assert down.binding()["contractVersion"] == "1.1.0"
    up.observations["river-gauge"] = UNREACHABLE
    system.settle()
    assert reason(up, "Serving") == ("True", "KeepsServing")
    assert up.children == children
    assert down.installation["status"] == before


def test_an_upgrade_that_fails_upstream_changes_nothing_downstream(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    before = down.installation["status"]
    up.edit(parameters={"objective": "KGE"})
    plan = up.calibrated()
    up.finish("validate", result({"NSE": 0.1, "RSR": 0.9, "absPBIAS": 1.0}, VALIDATION_WINDOW), plan.revision)
    system.settle()
    assert reason(up, "Serving") == ("True", "KeepsServing")
    assert down.installation["status"]["bindings"] == before["bindings"]
    assert reason(down, "Ready") == ("True", "Serving")


def test_a_version_that_drops_the_product(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    listing = app("flood-twin", products=(product(),))
    second = copy.deepcopy(listing["spec"]["versions"][0]) | {"version": "2.0.0", "dataProducts": []}
    listing["spec"]["versions"].append(second)
    up.listing = listing
    up.edit(version="2.0.0")
    system.settle()
    assert reason(down, "Ready") == ("True", "Serving")  # the old version serves it still
    up.serving()
    system.settle()
    assert ("Secret", FLOOD) not in up.children
    assert reason(down) == ("False", "UpstreamGone")
    assert reason(down, "Serving") == ("True", "KeepsServing")


# ---- what is lost ----


def test_an_upstream_that_is_gone_is_named_and_what_serves_keeps_serving(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    serving, children = down.installation["status"]["servingRevision"], dict(down.children)
    system.remove(up)
    system.settle()
    assert reason(down) == ("False", "UpstreamGone")
    assert down.condition("DataBound")["message"] == (
        f"requirement levels: data source {FLOOD} was the product forecast of Installation flood, which is gone or does"
        " not offer it any more, and no other source fits: bring it back, or choose another data source in"
        " spec.bindings"
    )
    assert down.binding()["upstream"] == {"installation": "flood", "product": "forecast", "state": "Gone"}
    assert reason(down, "Serving") == ("True", "KeepsServing")
    assert down.children == children
    # It comes back: nothing is calibrated anew.
    again = flood(system)
    again.serving()
    system.settle()
    assert reason(down, "Ready") == ("True", "Serving")
    assert down.installation["status"]["servingRevision"] == serving
    assert len(down.started) == 2


def test_a_choice_of_a_product_that_is_gone_says_so_too() -> None:
    system = System()
    up = flood(system)
    up.serving()
    down = system.install(
        "district",
        app("district-twin", requirement()),
        bindings=[{"requirement": "levels", "dataSource": FLOOD}],
    )
    down.serving()
    system.settle()
    system.remove(up)
    system.settle()
    assert reason(down) == ("False", "UpstreamGone")


def test_another_source_that_fits_takes_its_place(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    other = system.install("backup", app("backup-twin", products=(product(),)))
    down.edit(bindings=[{"requirement": "levels", "dataSource": FLOOD}])
    other.serving()
    system.settle()
    assert reason(down, "Ready") == ("True", "Serving")
    system.remove(up)
    down.edit(bindings=[])
    system.settle()
    assert reason(down) == ("True", "Bound")
    assert down.binding()["upstream"]["installation"] == "backup"
    assert reason(down, "Serving") == ("True", "KeepsServing")


# ---- order and cycles ----


def chain(system: System, *names: str) -> list[Twin]:
    """Each is fed by the one before; the first by the last."""
    made = []
    for n, name in enumerate(names):
        before = names[n - 1]
        needs = requirement(entity=f"Of-{before}")
        makes = product(
            contract={"version": "1.0.0", "entity": f"Of-{name}", "fields": product()["contract"]["fields"]}
        )
        made.append(system.install(name, app(f"app-{name}", needs, products=(makes,))))
    return made


def test_three_levels_go_live_in_order() -> None:
    system = System()
    makes = {name: product(contract=product()["contract"] | {"entity": name}) for name in ("Stream", "Quarter")}
    city = system.install("city", app("city-twin", requirement(entity="Quarter")))
    quarter = system.install(
        "district", app("district-twin", requirement(entity="Stream"), products=(makes["Quarter"],))
    )
    stream = system.install("flood", app("flood-twin", products=(makes["Stream"],)))
    system.settle()
    assert [reason(t)[1] for t in (stream, quarter, city)] == ["Bound", "UpstreamNotServing", "UpstreamNotServing"]
    stream.serving()
    system.settle()
    assert [reason(t)[1] for t in (quarter, city)] == ["Bound", "UpstreamNotServing"]
    quarter.serving()
    system.settle()
    assert reason(city) == ("True", "Bound")
    city.serving()
    system.settle()
    assert [reason(t, "Ready") for t in (stream, quarter, city)] == [("True", "Serving")] * 3


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_cycle_is_named_in_full_by_each_of_its_members(size: int) -> None:
    system = System()
    names = "abcde"[:size]
    twins = chain(system, *names)
    system.settle()
    for n, twin in enumerate(twins):
        assert reason(twin) == ("False", "DependencyCycle")
        assert twin.condition("Stalled")["status"] == "True"
        way = " → ".join(names[(n - k) % size] for k in range(size + 1))
        assert f"requirement levels: {way} is a cycle" in twin.condition("DataBound")["message"]


def test_one_that_only_waits_for_a_cycle_is_not_in_it() -> None:
    system = System()
    chain(system, "a", "b")
    leaf = system.install("leaf", app("leaf-twin", requirement(entity="Of-a")))
    system.settle()
    assert reason(leaf) == ("False", "UpstreamNotServing")


def test_its_own_product_when_it_is_chosen_is_a_cycle() -> None:
    system = System()
    chosen = [{"requirement": "levels", "dataSource": "loop-forecast"}]
    own = system.install("loop", app("loop-twin", requirement(), products=(product(),)), bindings=chosen)
    system.settle()
    assert reason(own) == ("False", "DependencyCycle")
    assert "loop → loop is a cycle" in own.condition("DataBound")["message"]


def test_who_closes_a_cycle_is_refused_and_who_serves_is_left_alone(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    # The district gets a product, and the flood twin would now be fed by it.
    down.listing = app("district-twin", requirement(), products=(product("flow", theme="flows"),))
    system.settle()
    up.listing = app("flood-twin", requirement("flows", theme="flows"), products=(product(),))
    system.settle()
    assert reason(up) == ("False", "DependencyCycle")
    assert "flood → district → flood" in up.condition("DataBound")["message"]
    assert reason(up, "Serving") == ("True", "KeepsServing")
    assert reason(down, "Ready") == ("True", "Serving")


def test_a_product_of_a_consumer_is_no_choice_where_another_source_fits() -> None:
    """Such as where an app asks for so little that what is made of its own forecast would do as well."""
    system = System()
    up = flood(system)
    plain = listing_body()["spec"]["versions"][0]["dataRequirements"][0]
    fields = [{"name": f["name"], "type": f["type"], "unit": f.get("unit")} for f in plain["fields"]]
    contract = copy.deepcopy(platform_body()["spec"]["dataSources"][0]["contract"]) | {"fields": fields}
    for field in contract["fields"]:
        if field["unit"] is None:
            del field["unit"]
    levels = [{"property": "availability", "value": "99", "unit": "%"}]
    same = product("series", theme="water", contract=contract, serviceLevels=levels)
    down = system.install("district", app("district-twin", requirement(), products=(same,)))
    up.serving()
    system.settle()
    system.seen["district-series"] = REACHABLE
    down.serving()
    system.settle()
    assert down.installation["status"]["products"][0]["name"] == "series"
    assert reason(up, "Ready") == ("True", "Serving")
    assert up.binding("discharge-series")["dataSource"] == "river-gauge"
    other = system.install("other", app("other-twin"))  # for somebody else it is one of two
    system.settle()
    assert reason(other) == ("False", "BindingAmbiguous")


def test_a_cycle_is_over_when_one_of_them_has_another_source() -> None:
    system = System()
    a, b = chain(system, "a", "b")
    system.settle()
    a.listing = app("app-a", products=(product(contract=product()["contract"] | {"entity": "Of-a"}),))
    system.settle()
    assert reason(a) == ("True", "Bound")
    assert reason(b) == ("False", "UpstreamNotServing")


# ---- other platforms ----

ACCEPTS = [{"name": "river", "namespace": "voorbeeldstad", "installation": "flood", "product": "forecast"}]
OFFERS = [{"product": "forecast", "to": [{"namespace": "voorbeelddorp", "platform": "oup"}]}]
SIDES: dict[str, tuple[list[Any], list[Any], bool]] = {
    "neither": ([], [], False),
    "offered alone": (OFFERS, [], False),
    "accepted alone": ([], ACCEPTS, False),
    "offered to another platform": (
        [{"product": "forecast", "to": [{"namespace": "voorbeelddorp", "platform": "other"}]}],
        ACCEPTS,
        False,
    ),
    "offered in another namespace": (
        [{"product": "forecast", "to": [{"namespace": "elsewhere", "platform": "oup"}]}],
        ACCEPTS,
        False,
    ),
    "another product": ([OFFERS[0] | {"product": "map"}], ACCEPTS, False),
    "both": (OFFERS, ACCEPTS, True),
}


@pytest.mark.parametrize(("offers", "accepts", "crosses"), SIDES.values(), ids=SIDES)
def test_nothing_crosses_a_namespace_that_not_both_sides_named(offers: Any, accepts: Any, crosses: bool) -> None:
    system = System()
    up = flood(system, offers=offers)
    up.serving()
    system.platform("voorbeelddorp", accepts=accepts)
    down = system.install("village", app("district-twin", requirement()), namespace="voorbeelddorp")
    system.settle()
    assert reason(down) == (("True", "Bound") if crosses else ("False", "RequirementNotMet"))
    if not crosses:
        assert down.snapshot().products == {}
        assert "voorbeeldstad" not in str(down.installation["status"])
        return
    assert down.binding()["dataSource"] == "river"
    assert down.binding()["upstream"]["namespace"] == "voorbeeldstad"
    down.serving()
    system.settle()
    assert up.installation["status"]["consumers"] == [{"namespace": "voorbeelddorp", "installation": "village"}]
    up.edit(offers=[])  # withdrawn
    system.settle()
    assert reason(down) == ("False", "UpstreamGone")
    assert "Installation voorbeeldstad/flood" in down.condition("DataBound")["message"]
    assert reason(down, "Serving") == ("True", "KeepsServing")


def test_a_cycle_over_namespaces_names_them() -> None:
    system = System()
    a, b = chain(system, "a", "b")
    system.remove(b)
    listing = b.listing
    assert isinstance(listing, dict)
    away = system.install(
        "b",
        listing,
        namespace="voorbeelddorp",
        offers=[{"product": "forecast", "to": [{"namespace": "voorbeeldstad", "platform": "oup"}]}],
    )
    system.platform(accepts=[{"name": "b", "namespace": "voorbeelddorp", "installation": "b", "product": "forecast"}])
    system.platform(
        "voorbeelddorp",
        accepts=[{"name": "a", "namespace": "voorbeeldstad", "installation": "a", "product": "forecast"}],
    )
    a.edit(offers=[{"product": "forecast", "to": [{"namespace": "voorbeelddorp", "platform": "oup"}]}])
    system.settle()
    assert "a → voorbeelddorp/b → a is a cycle" in a.condition("DataBound")["message"]
    assert "b → voorbeeldstad/a → b is a cycle" in away.condition("DataBound")["message"]


# ---- the platform says so ----


def test_a_platform_shows_products_among_its_sources_from_the_first_look(pair: tuple[System, Twin, Twin]) -> None:
    _, _, down = pair
    snapshot = down.snapshot()
    platform = snapshot.platform
    assert isinstance(platform, MunicipalityPlatform)
    seen = dict(snapshot.observations)
    status = platform_status(platform, seen, {FLOOD: "abc"}, (), down.now, products=snapshot.products)
    assert [(s.name, s.upstream, s.state, s.probe) for s in status.data_sources][1:] == [
        (FLOOD, "voorbeeldstad/flood", "Reachable", "abc")
    ]
    assert status.sources == "2/2"
    del seen[FLOOD]
    status = platform_status(platform, seen, {}, (), down.now, products=snapshot.products)
    assert status.sources == "1/1"


def test_a_platform_says_which_of_what_it_accepts_is_not_offered_or_not_served() -> None:
    system = System()
    platform = system.platform("voorbeelddorp", accepts=ACCEPTS)
    flood(system)
    parsed = MunicipalityPlatform.parse(platform)

    def said() -> tuple[str, str | None]:
        (status,) = platform_status(parsed, {}, {}, (), up.now, products=system.world.products(parsed)).data_sources[1:]
        return status.reason, status.message

    up = system.twins[Ref("voorbeeldstad", "flood")]
    assert said() == ("NotOffered", "no Installation voorbeeldstad/flood offers forecast here")
    up.edit(offers=OFFERS)
    system.publish(up)
    assert said() == ("UpstreamNotServing", "Installation voorbeeldstad/flood does not serve forecast yet")


def test_the_catalogue_counts_products(pair: tuple[System, Twin, Twin]) -> None:
    system, up, _ = pair
    late = system.install("late", app("late-twin", requirement()))

    def verdict() -> str:
        snapshot = late.snapshot()
        accepted = accept(Situation.of(snapshot))
        assert isinstance(accepted, Accepted)
        return fit(Situation.of(snapshot), accepted.version).verdict

    assert verdict() == "Met"
    system.remove(up)
    assert verdict() == "NotMet"
    flood(system)
    assert verdict() == "Unknown"  # it may well come


# ---- removal ----


def leave(system: System, twin: Twin) -> None:
    """Ask for a deletion that something holds."""
    twin.installation["metadata"]["deletionTimestamp"] = "2026-11-24T10:00:00Z"
    system.publish(twin)


def test_one_that_leaves_is_kept_by_its_consumers_and_takes_no_new_ones(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    leave(system, up)
    late = system.install("late", app("late-twin", requirement()))
    del system.twins[up.ref]  # it is not reconciled any more
    system.settle()
    assert reason(down) == ("True", "Bound")
    assert "Installation flood is being deleted: choose another" in down.condition("DataBound")["message"]
    assert down.binding()["upstream"]["state"] == "Leaving"
    assert reason(late) == ("False", "RequirementNotMet")
    held = holding(up.ref, system.world.consumers, lambda ref: ref == up.ref)
    assert held == (down.ref,)
    status = awaited_status(Installation.parse(up.installation), held, up.now)
    ready = next(c for c in status.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "HasConsumers")
    assert "its data products feed district: delete them" in ready.message
    assert {c.type for c in status.conditions} == {c["type"] for c in up.installation["status"]["conditions"]}


# id: who uses whom, who is being deleted → who holds "a"
HELD: dict[str, tuple[dict[str, str], str, str]] = {
    "nobody uses it": ({}, "a", ""),
    "one uses it": ({"a": "b"}, "a", "b"),
    "two use it": ({"a": "bc"}, "a", "bc"),
    "one of two leaves as well": ({"a": "bc"}, "ab", "c"),
    "its consumer leaves as well": ({"a": "b"}, "ab", ""),
    "its consumer leaves, and is held itself": ({"a": "b", "b": "c"}, "ab", "b"),
    "the whole namespace goes": ({"a": "b", "b": "c"}, "abc", ""),
    "a ring that goes": ({"a": "b", "b": "a"}, "ab", ""),
    "a ring of which one stays": ({"a": "b", "b": "ca", "c": "a"}, "ab", "b"),
}


@pytest.mark.parametrize(("used_by", "leaving", "held"), HELD.values(), ids=HELD)
def test_who_holds_a_removal(used_by: dict[str, str], leaving: str, held: str) -> None:
    found = holding(
        Ref("n", "a"),
        lambda ref: [Ref("n", c) for c in used_by.get(ref.name, "")],
        lambda ref: ref.name in leaving,
    )
    assert "".join(ref.name for ref in found) == held


# ---- news ----


def test_only_what_concerns_others_is_news(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    world = system.world
    world.take_news()
    up.edit(parameters={"seed": 2})
    up.calibrated()
    system.publish(up, down)
    assert world.take_news() == (set(), set())  # a candidate that runs concerns nobody
    up.serving()
    system.publish(up)
    assert world.take_news() == (set(), {("voorbeeldstad", "oup")})  # another revision serves
    system.publish(up, down)
    assert world.take_news() == (set(), set())
    system.remove(down)
    assert world.take_news() == ({up.ref}, set())  # its removal may be waited for
    system.remove(up)
    assert world.take_news() == (set(), {("voorbeeldstad", "oup")})


def test_that_somebody_is_fed_now_is_news_for_who_feeds_him() -> None:
    system = System()
    up, down = flood(system), district(system)
    down.reconcile()  # waits
    system.publish(down)
    assert up.ref in system.world.take_news()[0]
    assert system.world.consumers(up.ref) == ()
    up.serving()
    system.publish(up)
    system.world.take_news()
    down.reconcile()  # is bound
    system.publish(down)
    assert system.world.take_news() == ({up.ref}, set())
    assert system.world.consumers(up.ref) == (down.ref,)


def test_a_consumer_that_leaves_is_news_for_who_waits_for_it(pair: tuple[System, Twin, Twin]) -> None:
    system, up, down = pair
    system.world.take_news()
    leave(system, down)
    assert system.world.take_news() == ({up.ref}, set())


def test_news_goes_as_far_as_a_cycle_can() -> None:
    system = System()
    up = flood(system, offers=OFFERS)
    accepts = [{"name": "town", "namespace": "voorbeelddorp", "installation": "town", "product": "flow"}]
    system.platform("elsewhere", accepts=accepts)
    taken = [{"name": "flood", "namespace": "voorbeeldstad", "installation": "flood", "product": "forecast"}]
    system.platform("voorbeelddorp", accepts=taken)
    town = app("town-twin", requirement(), products=(product("flow"),))
    offers = [{"product": "flow", "to": [{"namespace": "elsewhere", "platform": "oup"}]}]
    system.install("town", town, namespace="voorbeelddorp", offers=offers)
    system.world.take_news()
    system.remove(up)
    assert system.world.take_news()[1] == {(n, "oup") for n in ("voorbeeldstad", "voorbeelddorp", "elsewhere")}


def test_who_only_offers_gives_nobody_anything_to_do() -> None:
    """Hundreds of platforms may be named in offers, without a word of theirs."""
    system = System()
    crowd = [f"city-{number}" for number in range(32)]
    for namespace in crowd:
        system.platform(namespace)
    up = flood(system, offers=[{"product": "forecast", "to": [{"namespace": n, "platform": "oup"} for n in crowd]}])
    system.world.take_news()
    up.serving()
    system.publish(up)
    assert system.world.take_news()[1] == {("voorbeeldstad", "oup")}
    accepts = [{"name": "flood", "namespace": "voorbeeldstad", "installation": "flood", "product": "forecast"}]
    system.platform(crowd[0], accepts=accepts)
    system.world.take_news()
    system.remove(up)
    assert system.world.take_news()[1] == {("voorbeeldstad", "oup"), (crowd[0], "oup")}


def test_a_listing_that_gets_a_product_is_news_of_its_installations() -> None:
    system = System()
    up = system.install("flood", app("flood-twin"))
    system.world.take_news()
    system.publish(up)
    assert system.world.take_news() == (set(), set())
    up.listing = app("flood-twin", products=(product(),))
    system.publish(up)
    assert system.world.take_news() == (set(), {("voorbeeldstad", "oup")})


class Walk:
    """A system of three levels to which things happen; only who is queued is reconciled."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.system = System()
        self.apps = {
            "stream": app("stream-twin", products=(self.made("Stream"),)),
            "district": app("district-twin", requirement(entity="Stream"), products=(self.made("District"),)),
            "city": app("city-twin", requirement(entity="District")),
        }
        self.version = 0

    @staticmethod
    def made(entity: str, version: int = 0) -> Any:
        return product(contract=product()["contract"] | {"entity": entity, "version": f"1.{version}.0"})

    def twin(self, name: str) -> Twin | None:
        return self.system.twins.get(Ref("voorbeeldstad", name))

    def step(self) -> None:
        name = self.chance.choice(list(self.apps))
        twin = self.twin(name)
        if twin is None:
            self.system.follow(self.system.install(name, self.apps[name]))
            return
        acts = (self.run, self.edit, self.renew, self.remove, self.look)
        (act,) = self.chance.choices(acts, (40, 2, 2, 1, 2))
        act(twin)
        self.system.follow(*([twin] if self.twin(name) else []))

    def run(self, twin: Twin) -> None:
        """Let what runs end: well, mostly."""
        revision = twin.installation["status"].get("revision")
        for phase, window in (("calibrate", CALIBRATION_WINDOW), ("validate", VALIDATION_WINDOW)):
            job = twin.children.get(("Job", f"{twin.ref.name}-{revision}-{phase}"))
            if job is not None and job.facts == JobFacts("Running"):
                bad = phase == "validate" and self.chance.random() < 0.1
                metrics = {"NSE": 0.1 if bad else 0.8, "RSR": 0.5, "absPBIAS": 3.0}
                twin.finish(phase, result(metrics, window, parameters={"cmax": 1.0}), revision)
                return
        twin.roll_out(revision=revision)

    def edit(self, twin: Twin) -> None:
        self.version += 1
        twin.edit(parameters={"seed": self.version})

    def renew(self, twin: Twin) -> None:
        """A new version of the product's contract."""
        self.version += 1
        listing = self.apps[twin.ref.name]
        for made in listing["spec"]["versions"][0]["dataProducts"]:
            made["contract"] = made["contract"] | {"version": f"1.{self.version}.0"}
        twin.listing = listing

    def remove(self, twin: Twin) -> None:
        self.system.remove(twin)

    def look(self, twin: Twin) -> None:
        """Its own gauge comes and goes."""
        away = twin.observations["river-gauge"] is UNREACHABLE
        twin.observations["river-gauge"] = REACHABLE if away else UNREACHABLE


@pytest.mark.parametrize("seed", range(courses(5)))
def test_whatever_happens_who_has_something_to_do_is_queued_and_who_serves_serves(seed: int) -> None:
    walk = Walk(seed)
    serving: dict[str, Twin] = {}
    for _ in range(60):
        walk.step()
        walk.system.assert_nothing_was_missed()
        for ref, twin in walk.system.twins.items():
            status = twin.installation["status"]
            was = serving.get(ref.name)
            assert was is not twin or status.get("servingRevision"), f"{ref} serves no more"
            if status.get("servingRevision"):
                serving[ref.name] = twin
                assert {c.revision for k, c in twin.children.items() if k[0] == "Service"} == {
                    status["servingRevision"]
                }
            assert len(twin.started) == len(set(twin.started))
            if twin.condition("Ready")["status"] == "True":
                assert status["progress"] == "6/6"
                assert all(b["upstream"]["state"] == "Serving" for b in status["bindings"] if "upstream" in b)


def test_what_a_city_without_products_is_bound_to_stays_as_it_was() -> None:
    """The example as it is: nothing of this changes its revision, or anything in its status."""
    system = System()
    alone = system.install("flood", listing_body())
    alone.serving()
    assert {"binding", "products", "consumers"}.isdisjoint(alone.installation["status"])
    assert LOOKED_AT.metrics is None
