"""A revision's id: stable, changed by all that decides what runs, and by nothing else."""

import copy
import json
from typing import Any

import pytest
from builders import City, secret
from hypothesis import given
from hypothesis import strategies as st

from ddtas.plan.revision import RevisionInputs, digest

# The id of `held_inputs`. Were it to change, an upgrade of the operator would calibrate every running app anew.
HELD_ID = "33fcfbab8b"
# That of the record of an operator that did not keep the kind of a bound source.
WITHOUT_KIND_ID = "2f07ac56cc"
BOUND = {"requirement": "d", "dataSource": "gauge", "contractVersion": "1.0.0"}


def revision_of(city: City) -> str | None:
    return city.decide().revision


def held_inputs(**changes: Any) -> RevisionInputs:
    """Small inputs that no file outside this test can change."""
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    windows = {
        "calibration": {"start": "2013-01-01", "end": "2014-12-31"},
        "validation": {"start": "2015-01-01", "end": "2016-12-31"},
    }
    run = {"image": "app:1", "resources": resources, "thresholds": []}
    body = {
        "listing": "flood-twin",
        "version": {
            "version": "1.0.0",
            "components": [{"name": "web", "image": "app:1", "resources": resources}],
            "dataRequirements": [
                {
                    "name": "d",
                    "description": "D.",
                    "delivery": "Direct",
                    "kinds": ["http-csv"],
                    "fields": [{"name": "x", "type": "number"}],
                }
            ],
            "calibration": run | {"window": windows["calibration"]},
            "validation": run | {"window": windows["validation"]},
        },
        "municipality": {"name": "Voorbeeldstad", "code": "GM9999"},
        "parameters": {"seed": 1, "area": 1.5, "objective": "NSE", "debug": False},
        "bindings": [BOUND | {"kind": "http-csv"}],
        "windows": windows,
    }
    return RevisionInputs.model_validate(body | changes)


def version_edit(path: str, value: Any) -> Any:
    """An edit of the listing's version: a dotted path, with indices for lists."""

    def edit(city: City) -> None:
        assert isinstance(city.listing, dict)
        target: Any = city.listing["spec"]["versions"][0]
        *steps, last = path.split(".")
        for step in steps:
            target = target[int(step)] if step.isdigit() else target[step]
        target[last] = value

    return edit


def platform_edit(edit: Any) -> Any:
    def run(city: City) -> None:
        assert isinstance(city.platform, dict)
        edit(city.platform["spec"])

    return run


def source_edit(**changes: Any) -> Any:
    return platform_edit(lambda spec: spec["dataSources"][0].update(changes))


def contract_edit(**changes: Any) -> Any:
    return platform_edit(lambda spec: spec["dataSources"][0]["contract"].update(changes))


OTHER_WINDOWS = {
    "calibration": {"start": "2013-01-02", "end": "2014-12-31"},
    "validation": {"start": "2015-01-01", "end": "2016-12-31"},
}


def rename_source(city: City) -> None:
    assert isinstance(city.platform, dict)
    city.platform["spec"]["dataSources"][0]["name"] = "other-gauge"
    city.observations["other-gauge"] = city.observations.pop("river-gauge")


def rename_version(city: City) -> None:
    version_edit("version", "1.0.1")(city)
    city.edit(version="1.0.1")


def read_otherwise(city: City) -> None:
    version_edit("dataRequirements.0.kinds", ["http-csv", "http-geojson"])(city)
    source_edit(kind="http-geojson")(city)


DECISIVE = {
    "a parameter of the installation": lambda c: c.edit(parameters={"seed": 2}),
    "a city parameter": platform_edit(lambda spec: spec["parameters"].update(catchmentAreaKm2=1.784)),
    "a default": version_edit("parameters.4.default", "15"),
    "the windows": lambda c: c.edit(windows=OTHER_WINDOWS),
    "the retry token": lambda c: c.annotate(retry="1"),
    "the version's number": rename_version,
    "a component's image": version_edit("components.0.image", "localhost/flood-twin:2"),
    "a component's arguments": version_edit("components.0.args", ["serve", "--fast"]),
    "a component's port": version_edit("components.0.ports.0.port", 8081),
    "a component's environment": version_edit("components.0.env", [{"name": "A", "value": "1"}]),
    "a component's replicas": version_edit("components.0.replicas", 2),
    "the calibration's image": version_edit("calibration.image", "localhost/flood-twin:2"),
    "the calibration's resources": version_edit(
        "calibration.resources",
        {"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"cpu": "1", "memory": "1Mi"}},
    ),
    "the calibration's timeout": version_edit("calibration.timeoutSeconds", 901),
    "a threshold": version_edit("validation.thresholds.0.value", "0.51"),
    "a template": version_edit("templates", [{"name": "t", "manifest": "a: 1"}]),
    "the contract's version": contract_edit(version="1.1.0"),
    "the source's name": rename_source,
    "the source's kind": read_otherwise,
    "the municipality": platform_edit(lambda spec: spec["municipality"].update(code="GM9998")),
}


@pytest.mark.parametrize("change", DECISIVE.values(), ids=DECISIVE)
def test_each_decisive_input_makes_another_revision(change: Any) -> None:
    city = City()
    before = revision_of(city)
    change(city)
    assert revision_of(city) not in (before, None)


def rotate(city: City) -> None:
    city.secrets["water-board"] = secret(username="new", password="new")


def rename_secret(city: City) -> None:
    source_edit(credentials={"secretName": "other", "scheme": "Basic"})(city)
    city.secrets["other"] = secret(username="new", password="new")


def change_scheme(city: City) -> None:
    source_edit(credentials={"secretName": "water-board", "scheme": "Bearer"})(city)
    city.secrets["water-board"] = secret(token="new")


def listing_edit(**changes: Any) -> Any:
    def run(city: City) -> None:
        assert isinstance(city.listing, dict)
        city.listing["spec"].update(changes)

    return run


NOT_DECISIVE = {
    "the listing's texts": listing_edit(title="Another", description="Another."),
    "the review": lambda c: c.listing["spec"]["review"][0].update(score=10),
    "another version of the listing": lambda c: c.listing["spec"]["versions"].append(
        copy.deepcopy(c.listing["spec"]["versions"][0]) | {"version": "2.0.0"}
    ),
    "the version's state": version_edit("state", "Deprecated"),
    "a requirement's text": version_edit("dataRequirements.0.description", "Another."),
    "a parameter's text": version_edit("parameters.0.description", "Another."),
    "a parameter's bound": version_edit("parameters.1.maximum", "100001"),
    "a data product": version_edit("dataProducts", []),
    "the platform requirements": version_edit("platformRequirements", {"minimumKubernetesVersion": "1.31"}),
    "the source's address": source_edit(endpoint="http://elsewhere.example/discharge.csv"),
    "the source's physical name": source_edit(physicalName="discharge"),
    "the source's title and licence": source_edit(title="Another", licence="CC0-1.0"),
    "the credentials": rotate,
    "the credentials' place": rename_secret,
    "the credentials' scheme": change_scheme,
    "the platform's limits": platform_edit(lambda spec: spec.update(limits={"cpu": "3", "memory": "3Gi"})),
    "a city parameter that the app does not use": platform_edit(lambda spec: spec["parameters"].update(other=1)),
    "an explicit binding to the same source": lambda c: c.edit(
        bindings=[{"requirement": "discharge-series", "dataSource": "river-gauge"}]
    ),
    "a parameter set to its default": lambda c: c.edit(parameters={"objective": "NSE"}),
    "a parameter in another form": lambda c: c.edit(parameters={"repetitions": "7500"}),
    "the windows of the listing, written out": lambda c: c.edit(
        windows={
            "calibration": {"start": "2013-01-01", "end": "2014-12-31"},
            "validation": {"start": "2015-01-01", "end": "2016-12-31"},
        }
    ),
    "suspend": lambda c: c.edit(suspend=True),
    "an empty retry token": lambda c: c.annotate(retry=""),
    "time": lambda c: c.tick(10**6),
}


@pytest.mark.parametrize("change", NOT_DECISIVE.values(), ids=NOT_DECISIVE)
def test_what_decides_nothing_keeps_the_revision(change: Any) -> None:
    city = City()
    before = revision_of(city)
    change(city)
    assert revision_of(city) == before


def test_the_id_is_the_one_that_it_always_was() -> None:
    assert held_inputs().id == HELD_ID
    assert held_inputs(bindings=[BOUND]).id == WITHOUT_KIND_ID


def test_what_serves_keeps_its_binding_when_its_source_is_of_another_kind() -> None:
    """The type of a Secret cannot be changed, and the app was calibrated on what it could read before."""
    city = City()
    before = city.serving().revision
    secrets = {key: child for key, child in city.children.items() if key[0] == "Secret"}
    source_edit(kind="http-geojson")(city)
    plan = city.settle()
    assert (plan.revision, plan.serving) == (None, before)
    assert {key: child for key, child in city.children.items() if key[0] == "Secret"} == secrets
    version_edit("dataRequirements.0.kinds", ["http-csv", "http-geojson"])(city)
    plan = city.settle()
    assert plan.serving == before != plan.revision
    assert {key: city.children[key] for key in secrets} == secrets
    recalibration = city.installation["status"]["recalibration"]
    assert recalibration["trigger"] == "DataContract"
    assert recalibration["reason"] == "data source river-gauge: kind http-csv, now http-geojson"
    city.edit(rollbackTo=before)
    city.reconcile()
    message = city.condition("DataBound")["message"]
    assert message.endswith("needs it: data source river-gauge was of kind http-csv, and is http-geojson now")
    source_edit(kind="http-csv")(city)
    city.edit(rollbackTo=None)
    assert city.settle().serving == before
    assert city.condition("Ready")["reason"] == "Serving"


def test_the_same_inputs_always_have_the_same_id() -> None:
    assert held_inputs().id == held_inputs().id
    backwards = dict(reversed(held_inputs().parameters.items()))
    assert held_inputs(parameters=backwards).id == held_inputs().id


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(st.text(max_size=20), st.integers(-(2**63), 2**63 - 1), FLOATS, st.booleans())
NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,10}\Z")


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_inputs_survive_their_record(parameters: dict[str, Any]) -> None:
    inputs = held_inputs(parameters=parameters, retry="2026-11")
    again = RevisionInputs.model_validate_json(json.dumps(inputs.serialised()))
    assert again == inputs
    assert again.id == inputs.id


WRITTEN_BY_GO = {"2.0": 2, "-0.0": 0, "100000.0": 100000, "1e+20": 10**20}


@pytest.mark.parametrize(("ours", "theirs"), WRITTEN_BY_GO.items(), ids=WRITTEN_BY_GO)
def test_a_whole_float_that_comes_back_without_its_fraction_keeps_the_id(ours: str, theirs: int) -> None:
    """The API server stores the number 2.0 as 2; a revision must not be strange to itself for it."""
    inputs = held_inputs(parameters={"area": float(ours)})
    record = inputs.serialised()
    record["parameters"]["area"] = theirs
    assert RevisionInputs.model_validate_json(json.dumps(record)).id == inputs.id


def test_true_and_one_and_their_texts_are_different_values() -> None:
    ids = {held_inputs(parameters={"p": value}).id for value in (True, 1, "1", "true", "True", 0, False, "")}
    assert len(ids) == 8


def test_the_record_holds_no_address_and_no_credentials() -> None:
    city = City()
    city.settle()
    record = next(c for c in city.children.values() if c.kind == "ControllerRevision").data
    for hidden in ("water-board", "username", "password", "voorbeeldstad.svc"):
        assert hidden not in record
    assert "GM9999" in record


def test_digest_does_not_depend_on_the_order_of_keys_and_does_on_that_of_items() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest("é") != digest("e\u0301")
