"""Which targets of a version can be judged."""

from typing import Any

import pytest
from builders import listing_body

from ddtas.api.listing import Version
from ddtas.plan.versions.targets import faults

TARGET = {"name": "discharge", "requirement": "discharge-series", "field": "discharge_m3s", "kind": "Continuous"}


def version(*targets: dict[str, Any], delivery: str = "Files", **requirement: Any) -> Version:
    body: Any = listing_body(delivery)["spec"]["versions"][0]
    body["dataRequirements"][0] |= requirement
    body["dataRequirements"][0]["fields"] += [{"name": "kind", "type": "string"}, {"name": "wet", "type": "boolean"}]
    return Version.model_validate(body | {"targets": targets})


@pytest.mark.parametrize(
    "target",
    [
        TARGET,
        TARGET | {"kind": "Ensemble"},
        TARGET | {"kind": "Binary", "field": "wet"},
        TARGET | {"kind": "Classes", "field": "kind"},
    ],
)
def test_what_can_be_judged(target: dict[str, Any]) -> None:
    assert faults(version(target)) == []


def test_without_a_time_a_key_splits_the_rows() -> None:
    drawn = TARGET | {"holdout": {"key": "kind", "sharePercent": 20}}
    assert faults(version(drawn, history=False)) == []
    assert faults(version(TARGET, history=False)) == [
        "target discharge: data requirement discharge-series has no time to split by: give a holdout by key"
    ]


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("wet", "field wet is of type boolean: the key of a holdout needs string or integer or date"),
        ("gone", "there is no field gone, the key of the holdout, of data requirement discharge-series"),
        ("kind", "field kind is a target, so that it cannot be the key of a holdout"),
    ],
)
def test_what_rows_cannot_be_drawn_by(key: str, fault: str) -> None:
    drawn = TARGET | {"holdout": {"key": key, "sharePercent": 20}}
    other = TARGET | {"name": "kind", "field": "kind", "kind": "Classes"}
    assert f"target discharge: {fault}" in faults(version(drawn, other))


@pytest.mark.parametrize(
    ("target", "delivery", "fault"),
    [
        (TARGET | {"kind": "Classes"}, "Files", "field discharge_m3s is of type number: Classes needs string"),
        (TARGET | {"field": "kind"}, "Files", "field kind is of type string: Continuous needs number or integer"),
        (TARGET | {"field": "date"}, "Files", "field date is of type date: Continuous needs number or integer"),
        (TARGET | {"field": "gone"}, "Files", "there is no field gone of a data requirement discharge-series"),
        (
            TARGET,
            "Direct",
            "data requirement discharge-series must have delivery Files: the app would read the truth itself",
        ),
    ],
)
def test_what_cannot(target: dict[str, Any], delivery: str, fault: str) -> None:
    assert faults(version(target, delivery=delivery)) == [f"target discharge: {fault}"]


def test_a_field_is_the_target_of_one() -> None:
    assert faults(version(TARGET, TARGET | {"name": "other"})) == [
        "field discharge_m3s of discharge-series is the target of two"
    ]
