"""MultiDatastreams (OGC 18-088, 8.2), whose results are lists; and what tells the series of Datastreams apart."""

from pathlib import Path
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, json_response, look_at, refusal, serving, target

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.sensorthings.table import batches
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Session, SourceReason, Target
from ddtas.errors import SourceError

OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
PATH = "/MultiDatastreams(7)"
NAMES = ("air temperature", "humidity")


def stream(*names: Any, units: int = 2, types: int = 2) -> dict[str, Any]:
    return {
        "@iot.id": 7,
        "name": "weather at the harbour",
        "observationType": f"{OM}OM_ComplexObservation",
        "multiObservationDataTypes": [f"{OM}OM_Measurement", f"{OM}OM_CountObservation"][:types],
        "unitOfMeasurements": [{"symbol": "Cel"}, {"symbol": "%"}][:units],
        "ObservedProperties": [{"name": name} for name in names],
        "Thing": {"@iot.id": 1, "name": "mast", "Locations": []},
    }


def observations(*results: Any) -> dict[str, Any]:
    found = [{"phenomenonTime": f"2026-01-01T{n:02}:00:00Z", "result": result} for n, result in enumerate(results)]
    return {"value": found, "@iot.count": len(found)}


def routes(of: dict[str, Any], found: Any) -> dict[str, Answer]:
    return {
        PATH: json_response(of),
        f"{PATH}/Observations": json_response(found),
        f"{PATH}/Thing/Locations": json_response({"value": [], "@iot.count": 0}),
    }


def place(url: str, name: str = "MultiDatastreams(7)") -> Target:
    return target(url, kind=DataKind.SENSORTHINGS, physical_name=name)


async def facts(of: dict[str, Any], found: Any) -> SourceFacts:
    async with serving(routes(of, found)) as server:
        return await look_at(place(server.url(path="/")))


async def table(of: dict[str, Any], found: Any, folder: Path, *names: str) -> list[Any]:
    async with serving(routes(of, found)) as server:
        fields = tuple(SourceField(name, FieldType.STRING) for name in names)
        read = batches(Session(place(server.url(path="/")), LIMITS, LOOPBACK), Selection(fields, folder))
        return [tuple(row.values()) for batch in [one async for one in read] for row in batch.to_pylist()]


async def test_each_property_is_a_field_with_its_unit() -> None:
    found = await facts(stream(*NAMES), observations([20, 55], [21.5, 56], [None, 57]))
    assert [(f.name, f.type.value, f.unit, f.empty) for f in found.fields] == [
        ("phenomenonTime", "timestamp", None, 0),
        ("air_temperature", "number", "Cel", 1),
        ("humidity", "integer", "%", 0),
        ("datastream", "integer", None, 0),
        ("datastreamName", "string", None, 0),
        ("thing", "integer", None, 0),
        ("thingName", "string", None, 0),
    ]
    assert (found.records, found.time_resolution) == (3, "PT1H")


async def test_without_observations_the_types_are_those_that_it_says() -> None:
    found = await facts(stream(*NAMES), observations())
    assert [(f.name, f.type.value, f.unit) for f in found.fields[1:3]] == [
        ("air_temperature", "number", "Cel"),
        ("humidity", "integer", "%"),
    ]


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (("a", "a"), ("a", "result2")),
        (("", "9"), ("result1", "result2")),
        ((5, None), ("result1", "result2")),
        ((), ("result1", "result2")),
        (("a",), ("a", "result2")),
        (("thing", "phenomenonTime"), ("result1", "result2")),
        (("Luchtvochtigheid (%)", "x" * 99), ("Luchtvochtigheid____", "x" * 63)),
    ],
)
async def test_names_that_no_field_has(names: tuple[Any, ...], fields: tuple[str, ...], tmp_path: Path) -> None:
    assert await table(stream(*names), observations([1, 2], [3, 4]), tmp_path, *fields) == [("1", "2"), ("3", "4")]
    assert tuple(f.name for f in (await facts(stream(*names), observations([1, 2]))).fields[1:3]) == fields


@pytest.mark.parametrize("units", [0, 1])
async def test_units_that_are_not_there_are_not_known(units: int) -> None:
    found = await facts(stream(*NAMES, units=units, types=units), observations([1, 2]))
    assert [f.unit for f in found.fields[1:3]] == ["Cel", None] if units else [None, None]


async def test_rows_with_what_tells_them_apart(tmp_path: Path) -> None:
    rows = await table(
        stream(*NAMES), observations([20, 55], [None, "dry"]), tmp_path, "humidity", "thingName", "datastream"
    )
    assert rows == [("55", "mast", "7"), ("dry", "mast", "7")]


@pytest.mark.parametrize("result", [[1], [1, 2, 3], [], 1, None, {"a": 1}, "1,2"])
async def test_results_of_another_length(result: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await table(stream(*NAMES), observations([1, 2], result), tmp_path, "humidity")
    assert caught.value.reason == SourceReason.MALFORMED_DATA
    assert "one result for each unit" in caught.value.message
    async with serving(routes(stream(*NAMES), observations(result))) as server:
        assert (await refusal(place(server.url(path="/")))).reason == SourceReason.MALFORMED_DATA


async def test_one_that_is_not_there() -> None:
    async with serving(routes(stream(*NAMES), observations())) as server:
        error = await refusal(place(server.url(path="/"), "MultiDatastreams(8)"))
    assert error.reason == SourceReason.ENTITY_NOT_FOUND
    assert "MultiDatastreams(<id>)" in error.message


async def test_the_fields_of_series_of_datastreams() -> None:
    """One that some of the Datastreams have is a field; one that none of them has is none."""
    streams = [
        {"@iot.id": 1, "name": "a", "Thing": {"@iot.id": "m-1", "name": "mast"}},
        {"@iot.id": 2, "name": "b", "Thing": {"@iot.id": "m-2"}},
        {"@iot.id": 3, "name": None, "Thing": "x"},
    ]
    answers: dict[str, Answer] = {
        "/Datastreams": json_response({"value": streams, "@iot.count": 3}),
        "/Observations": json_response(observations(1.5)),
        "/Locations": json_response({"value": []}),
    }
    async with serving(answers) as server:
        found = await look_at(target(server.url(path="/"), kind=DataKind.SENSORTHINGS))
    assert [(f.name, f.type.value, f.empty) for f in found.fields[2:]] == [
        ("datastream", "integer", 0),
        ("datastreamName", "string", 0),
        ("thing", "string", 0),
        ("thingName", "string", 0),
    ]
