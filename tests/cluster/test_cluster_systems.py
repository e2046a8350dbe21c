"""Twins that feed each other, under a running operator. What each rule means is tested with the pure layer."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import cluster_apps as apps
import pytest
from cluster_city import App, City
from cluster_kit import KINDS, JsonObject, by_kind, condition

INSTALLATION, OUP = KINDS["Installation"], KINDS["MunicipalityPlatform"]


class Systems:
    """A city with several apps in the store."""

    def __init__(self, city: City) -> None:
        self.city = city
        self._listed: list[str] = []

    def app(self, name: str, *needs: JsonObject, makes: str = "", **more: Any) -> str:
        """Put an app into the store. Its product is what the data supplier serves, since no container really runs."""
        port = urlsplit(self.city.supplier.url()).port
        web = apps.version()["components"][0] | {"ports": [{"name": "http", "port": port}]}
        version = apps.version(
            components=[web],
            dataRequirements=[*apps.version()["dataRequirements"][: not needs], *needs],
            dataProducts=[product(makes)] if makes else [],
        )
        listed = f"{self.city.app}-{name}"
        self.city.cluster.apply(apps.listing(listed, version | more))
        self._listed.append(listed)
        return listed

    def install(self, name: str, app: str, **spec: Any) -> App:
        """Make an Installation of an app."""
        self.city.cluster.apply(apps.installation(self.city.namespace, name, app, **spec))
        return self.city.known(name)

    def end(self) -> None:
        """Take the apps out of the store."""
        for listed in self._listed:
            self.city.cluster.delete(KINDS["AppListing"], None, listed)


def product(entity: str) -> JsonObject:
    """A product of the component web."""
    return {
        "name": "forecast",
        "title": "What is to come",
        "component": "web",
        "path": "/series.csv",
        "kind": "http-csv",
        "contract": {"version": "1.0.0", "entity": entity, "fields": apps.FIELDS},
        "accessRights": "public",
        "licence": "CC0-1.0",
        "purposes": ["testing"],
    }


def needs(entity: str, **more: Any) -> JsonObject:
    """A requirement that such a product meets."""
    asked = {
        "name": "upstream",
        "description": "Of another twin.",
        "delivery": "Direct",
        "kinds": ["http-csv"],
        "entity": entity,
    }
    return asked | {"fields": apps.FIELDS, "history": False} | more


@pytest.fixture
def systems(city: City) -> Iterator[Systems]:
    """With an operator that runs."""
    made = Systems(city)
    city.platform()
    yield made
    made.end()


def gone(app: App) -> bool:
    return app.cluster.find(INSTALLATION, app.namespace, app.name) is None


def test_three_levels_go_live_in_order_rest_and_lose_one(systems: Systems) -> None:
    city = systems.city
    operator = city.start()
    bound = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.5"}
    # The last one first: the order is the operator's work.
    town = systems.install("city", systems.app("city", needs("District", upstreamMetrics=[bound])))
    district = systems.install("district", systems.app("district", needs("Stream"), makes="District"))
    held = apps.run(apps.CALIBRATED, held=True)
    stream = systems.app("flood", makes="Stream", calibration=apps.version(calibration=held)["calibration"])
    flood = systems.install("flood", stream)

    flood.running("calibrate")
    for waits in (district, town):
        waits.wait_for("DataBound", "False", "UpstreamNotServing")
        assert condition(waits.body(), "Reconciling")["status"] == "True"
    assert district.children(KINDS["Job"]) == []
    flood.release("calibrate")
    served = {app.name: app.served() for app in (town, district, flood)}

    status = served["flood"]["status"]
    assert status["binding"] == {"name": "flood-forecast"}
    secret = city.cluster.get(KINDS["Secret"], city.namespace, "flood-forecast")
    assert secret["type"] == "servicebinding.io/http-csv"
    (binding,) = served["city"]["status"]["bindings"]
    assert binding["dataSource"] == "district-forecast"
    assert binding["upstream"]["revision"] == served["district"]["status"]["servingRevision"]
    check = next(c for c in binding["checks"] if c["name"] == "upstream NSE")
    assert (check["declared"], check["measured"]) == ("Unknown", "Met")
    sources = city.cluster.get(OUP, city.namespace, "oup")["status"]["dataSources"]
    shown = {s["name"]: (s.get("upstream"), s["state"]) for s in sources}
    assert shown["flood-forecast"] == (f"{city.namespace}/flood", "Reachable")
    assert shown["district-forecast"] == (f"{city.namespace}/district", "Reachable")

    # At rest nothing is asked, and a restart writes nothing.
    city.settled(3)
    assert [c["installation"] for c in flood.body()["status"]["consumers"]] == ["district"]
    mark = city.cluster.mark()
    time.sleep(4)
    assert [r for r in city.cluster.requests(city.rights.user, mark) if r.verb != "watch"] == []
    operator.kill()
    mark = city.cluster.mark()
    operator.start()
    city.settled(3)
    requests = city.cluster.requests(city.rights.user, mark)
    print(json.dumps(by_kind(requests)))
    assert [r for r in requests if r.writes] == []

    # An upgrade of the stream's twin with the same contract: nobody is calibrated anew.
    jobs = {j["metadata"]["uid"] for app in (district, town) for j in app.children(KINDS["Job"])}
    before = served["flood"]["status"]["revision"]
    flood.edit(parameters={"depth": 3})
    city.cluster.wait(
        "new revision", lambda: flood.body()["status"].get("revision") not in (None, before), city.namespace
    )
    flood.release("calibrate")
    now = flood.served()["status"]["servingRevision"]

    def fed() -> str:
        return str(district.body()["status"]["bindings"][0]["upstream"].get("revision"))

    city.cluster.wait("word of what feeds it now", lambda: fed() == now, city.namespace)
    assert {j["metadata"]["uid"] for app in (district, town) for j in app.children(KINDS["Job"])} == jobs

    # It goes: who was fed by it says so, and serves; who is fed by that one has lost nothing.
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    lost = district.wait_for("DataBound", "False", "UpstreamGone")
    assert "the product forecast of Installation flood, which is gone" in lost["message"]
    kept = district.wait_for("Serving", "True", "KeepsServing")
    assert served["district"]["status"]["servingRevision"] in kept["message"]
    assert district.told("UpstreamGone")["type"] == "Warning"
    assert condition(town.body(), "Ready")["status"] == "True"


def test_a_cycle_is_named_in_full_and_ends(systems: Systems) -> None:
    city = systems.city
    city.start()
    names = ("a", "b", "c")
    made = [systems.install(name, systems.app(name, needs(names[n - 1]), makes=name)) for n, name in enumerate(names)]
    ways = ("a → c → b → a", "b → a → c → b", "c → b → a → c")
    for app, way in zip(made, ways, strict=True):
        said = app.wait_for("DataBound", "False", "DependencyCycle")
        assert f"requirement upstream: {way} is a cycle" in said["message"]
        assert condition(app.body(), "Stalled")["status"] == "True"
    city.settled()
    assert city.leftovers() == []
    # One of them gets its data elsewhere, and all go live.
    city.platform(
        apps.source(city.supplier.url(), contract={"version": "1.0.0", "entity": "c", "fields": apps.FIELDS}),
    )
    made[0].edit(bindings=[{"requirement": "upstream", "dataSource": "gauge"}])
    for app in made:
        app.served()


def test_a_removal_waits_for_its_consumers_and_ends(systems: Systems) -> None:
    city = systems.city
    city.start()
    flood = systems.install("flood", systems.app("flood", makes="Stream"), removal="Wait")
    district = systems.install("district", systems.app("district", needs("Stream")))
    district.served()
    assert flood.body()["metadata"]["finalizers"] == ["ddtas.nl/consumers"]
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    ready = flood.wait_for("Ready", "False", "HasConsumers")
    assert "its data products feed district: delete them" in ready["message"]
    leaving = district.body()["status"]["bindings"][0]["upstream"]
    city.cluster.wait(
        "word of the removal",
        lambda: district.body()["status"]["bindings"][0]["upstream"]["state"] == "Leaving",
        city.namespace,
    )
    assert leaving["installation"] == "flood"
    assert condition(district.body(), "Ready")["status"] == "True"
    assert flood.children(KINDS["Service"]), "it serves on"
    city.settled()
    city.cluster.delete(INSTALLATION, city.namespace, "district")
    city.cluster.wait("end of the removal", lambda: gone(flood), city.namespace)

    # By the word of its own team, it also ends while somebody uses it.
    flood = systems.install("flood", f"{city.app}-flood", removal="Wait")
    district = systems.install("district", f"{city.app}-district")
    district.served()
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.wait_for("Ready", "False", "HasConsumers")
    flood.edit(removal="Warn")
    city.cluster.wait("end of the removal", lambda: gone(flood), city.namespace)
    district.wait_for("DataBound", "False", "UpstreamGone")
    district.wait_for("Serving", "True", "KeepsServing")


def test_a_product_of_another_kind_gets_a_secret_of_another_type(systems: Systems) -> None:
    """An edit of products takes effect within a revision, and the type of a Secret cannot be changed."""
    city = systems.city
    operator = city.start()
    flood = systems.install("flood", systems.app("flood", makes="Stream"))
    before = flood.served()["status"]["servingRevision"]

    def secret() -> JsonObject:
        return city.cluster.get(KINDS["Secret"], city.namespace, "flood-forecast")

    first = secret()
    assert first["type"] == "servicebinding.io/http-csv"
    systems.app("flood", makes="Stream", dataProducts=[product("Stream") | {"kind": "http-geojson"}])
    city.cluster.wait("type", lambda: secret()["type"] == "servicebinding.io/http-geojson", city.namespace)
    assert secret()["metadata"]["uid"] != first["metadata"]["uid"]
    assert flood.served()["status"]["servingRevision"] == before
    city.settled_but_for_looks()
    assert [r["message"] for r in operator.records() if r["level"] == "ERROR"] == []


def test_a_platform_gets_a_product_when_both_sides_name_each_other(systems: Systems) -> None:
    city, namespace = systems.city, systems.city.namespace
    city.start()
    flood = systems.install("flood", systems.app("flood", makes="Stream"))
    flood.served()
    accepts = [{"name": "river", "namespace": namespace, "installation": "flood", "product": "forecast"}]
    city.cluster.apply(apps.platform(namespace, name="other", accepts=accepts))
    app = systems.app("district", needs("Stream"))
    district = systems.install("district", app, platform="other")
    district.wait_for("DataBound", "False", "RequirementNotMet")

    def said() -> tuple[str, str]:
        sources = city.cluster.get(OUP, namespace, "other").get("status", {}).get("dataSources", [{}])
        return sources[0].get("state", ""), sources[0].get("reason", "")

    city.cluster.wait("a word of what is not offered", lambda: said() == ("Unreachable", "NotOffered"), namespace)
    flood.edit(offers=[{"product": "forecast", "to": [{"namespace": namespace, "platform": "other"}]}])
    body = district.served()
    assert body["status"]["bindings"][0]["dataSource"] == "river"
    city.cluster.wait("a look at it", lambda: said()[0] == "Reachable", namespace)
    flood.edit(offers=[])
    district.wait_for("DataBound", "False", "UpstreamGone")
    district.wait_for("Serving", "True", "KeepsServing")
