"""What a platform says of its data sources and of the store, as sources change under a running operator."""

import json
import time
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import City
from cluster_kit import KINDS, JsonObject, by_kind, condition
from cluster_supplier import CSV

SETTINGS = {"probe_interval_seconds": "5", "probe_deadline_seconds": "2"}
OUP = KINDS["MunicipalityPlatform"]


@pytest.fixture
def looking(city: City) -> City:
    """A city whose operator looks at the sources every five seconds."""
    city.start(**SETTINGS)
    return city


def oup(city: City) -> JsonObject:
    return city.cluster.get(OUP, city.namespace, "oup")


def wait_for_oup(city: City, kind: str, status: str, reason: str) -> JsonObject:
    def look() -> JsonObject | None:
        found = condition(oup(city), kind)
        return found if (found.get("status"), found.get("reason")) == (status, reason) else None

    found: JsonObject = city.cluster.wait(f"{kind} {status} {reason} of the platform", look, city.namespace)
    return found


def fits(city: City) -> dict[str, Any]:
    """What the platform says of the tests' own listings (others may be in the store), by name."""
    listed = oup(city).get("status", {}).get("listings", [])
    return {f["name"]: f for f in listed if f["name"].startswith(city.app)}


def test_a_source_that_changes_shows_everywhere_and_what_serves_keeps_serving(looking: City) -> None:
    city = looking
    flood = city.everything()
    before = flood.served()["status"]
    wait_for_oup(city, "SourcesConformant", "True", "SourcesConformant")
    jobs = {j["metadata"]["uid"] for j in flood.children(KINDS["Job"])}

    # The supplier renames a column.
    city.supplier.series = CSV.replace("discharge_m3s", "discharge")
    found = wait_for_oup(city, "SourcesConformant", "False", "SourcesNotConformant")
    assert "gauge: discharge_m3s as number in m3/s; " in found["message"]
    assert "the data has no such field" in found["message"]
    status = oup(city)["status"]
    (source,) = status["dataSources"]
    assert (source["state"], source["conformant"]) == ("Reachable", "NotMet")
    assert [f["name"] for f in source["facts"]["fields"]] == ["date", "discharge"]
    assert (status["sources"], status["conformant"]) == ("1/1", "0/1")
    unmet = flood.wait_for("DataBound", "False", "RequirementNotMet")
    assert "the data has no such field" in unmet["message"]
    kept = flood.wait_for("Serving", "True", "KeepsServing")
    assert before["servingRevision"] in kept["message"]
    assert flood.body()["status"]["url"] == before["url"]

    # And puts it right: nothing is calibrated anew.
    city.supplier.series = CSV
    after = flood.served()["status"]
    assert after["servingRevision"] == before["servingRevision"]
    assert {j["metadata"]["uid"] for j in flood.children(KINDS["Job"])} == jobs
    wait_for_oup(city, "SourcesConformant", "True", "SourcesConformant")


def test_a_source_of_another_kind_leaves_what_serves_as_it_is(city: City) -> None:
    """The type of a Secret cannot be changed: what serves keeps its binding, and nobody tries for ever to change it."""
    operator = city.start(**SETTINGS)
    flood = city.everything()
    before = flood.served()["status"]["servingRevision"]
    secrets = flood.children(KINDS["Secret"])
    city.platform(apps.source(city.supplier.url(), kind="http-geojson"))
    flood.wait_for("DataBound", "False", "RequirementNotMet")
    flood.wait_for("Serving", "True", "KeepsServing")
    city.settled_but_for_looks()
    assert flood.children(KINDS["Secret"]) == secrets
    city.platform()
    assert flood.served()["status"]["servingRevision"] == before
    assert flood.children(KINDS["Secret"]) == secrets
    assert [r["message"] for r in operator.records() if r["level"] == "ERROR"] == []


def test_which_apps_could_run_here_without_an_installation(looking: City) -> None:
    city = looking
    city.store()
    city.platform()
    city.cluster.wait("listing that fits", lambda: fits(city).get(city.app, {}).get("verdict") == "Met", city.namespace)
    assert "missing" not in fits(city)[city.app]

    # Another app comes into the store, and asks for what the city has not.
    required = apps.version()["dataRequirements"][0]
    fields = [*apps.FIELDS, {"name": "rain_mm", "type": "number", "unit": "mm"}]
    greedy = apps.listing(f"{city.app}-greedy", apps.version(dataRequirements=[required | {"fields": fields}]))
    city.cluster.apply(greedy)
    try:
        city.cluster.wait("listing that does not", lambda: f"{city.app}-greedy" in fits(city), city.namespace)
        answer = fits(city)[f"{city.app}-greedy"]
        assert (answer["version"], answer["verdict"]) == ("1.0.0", "NotMet")
        assert answer["missing"] == [
            "series: gauge: needs rain_mm as number in mm; the contract has no such field (it has date, discharge_m3s),"
            " the data has no such field (it has date, discharge_m3s)"
        ]
        applied = oup(city)["status"]["apps"]
        assert int(applied.partition("/")[0]) >= 1
    finally:
        city.cluster.delete(KINDS["AppListing"], None, f"{city.app}-greedy")
    city.cluster.wait("listing gone", lambda: f"{city.app}-greedy" not in fits(city), city.namespace)
    assert city.leftovers() == []


def test_a_source_that_grows_costs_the_api_server_nothing(looking: City) -> None:
    city = looking
    flood = city.everything()
    flood.served()
    city.supplier.grows = True
    asked = city.supplier.asked["/series.csv"]
    city.settled(6)
    mark = city.cluster.mark()
    city.cluster.wait("three more looks", lambda: city.supplier.asked["/series.csv"] >= asked + 5, city.namespace)
    time.sleep(1)
    requests = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind != "leases" and r.verb != "watch"]
    print(json.dumps(by_kind(requests)))
    assert requests == []
    assert city.supplier.series.count("\n") > CSV.count("\n") + 3
