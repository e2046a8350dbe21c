"""The NGSI-LD probe and answers that are odd, broken or hostile."""

import asyncio
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, SECRET, Answer, json_response, look_at, refusal, response, serving, target

from ddtas.data.contract import DataKind
from ddtas.data.facts import unece
from ddtas.data.meaning.units import known
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError

NAME = "WaterLevelObserved"
ERROR = "https://uri.etsi.org/ngsi-ld/errors/"
BASE = "/ngsi-ld/v1"
POINT = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [4.3, 52.0]}}


def attribute(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def entity(**attributes: Any) -> dict[str, Any]:
    return {"id": "urn:ngsi-ld:x:1", "type": NAME, **attributes}


def entities(*found: Any, count: Any = None, **more: Any) -> bytes:
    headers = [f"NGSILD-Results-Count: {len(found) if count is None else count}"] if count != "" else []
    return json_response(list(found), *headers, **more)


def look_for(url: str, name: str = NAME, limits: Limits = LIMITS) -> ProbeSession:
    return ProbeSession(target(url, kind=DataKind.NGSI_LD, physical_name=name), limits, LOOPBACK)


async def facts_of(*answers: Answer) -> SourceFacts:
    async with serving(dict(zip((f"{BASE}/entities", f"{BASE}/types"), answers, strict=False))) as server:
        return await look_at(look_for(server.url(path=BASE)))


async def error_of(*answers: Answer, name: str = NAME, limits: Limits = LIMITS) -> SourceError:
    async with serving(dict(zip((f"{BASE}/entities", f"{BASE}/types"), answers, strict=False))) as server:
        return await refusal(look_for(server.url(path=BASE), name, limits))


# --- what is asked


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME),
        ("https://data.example/x#Level", "https://data.example/x%23Level"),
        ("a&b=c", "a%26b%3Dc"),
    ],
)
async def test_one_request_has_the_number_and_a_sample(name: str, sent: str) -> None:
    async with serving({f"{BASE}/entities": entities(entity())}) as server:
        session = look_for(server.url(path=f"{BASE}/?tenant=x"), name)
        await look_at(session)
    assert server.targets == [f"{BASE}/entities?type={sent}&count=true&limit=100"]
    assert server.header("Accept") == "application/json"
    assert session.requests == 1


# --- attributes


@pytest.mark.parametrize(
    ("attributes", "fields"),
    [
        ({"a": attribute(1)}, {"a": "integer"}),
        ({"a": attribute(1.5)}, {"a": "number"}),
        ({"a": attribute(True)}, {"a": "boolean"}),
        ({"a": attribute("x")}, {"a": "string"}),
        ({"a": attribute([1])}, {"a": "array"}),
        ({"a": attribute({"b": 1})}, {"a": "object"}),
        ({"a": attribute({"@type": "DateTime", "@value": "2024-01-01T00:00:00Z"})}, {"a": "timestamp"}),
        ({"a": attribute({"@type": "Date", "@value": "2024-01-01"})}, {"a": "date"}),
        ({"a": {"type": "Relationship", "object": "urn:x:y"}}, {"a": "string"}),
        ({"a": {"type": "LanguageProperty", "languageMap": {"nl": "x"}}}, {"a": "object"}),
        ({"a": {"type": "JsonProperty", "json": [1]}}, {"a": "array"}),
        ({"a": {"type": "VocabProperty", "vocab": "x"}}, {"a": "string"}),
        ({"a": {"type": "ListProperty", "valueList": [1]}}, {"a": "array"}),
        ({"a": {"type": "NewProperty", "value": 1}}, {}),
        ({"a": POINT, "location": POINT}, {}),
        ({"a": [attribute("x", datasetId="urn:1"), attribute(1)]}, {"a": "integer"}),
        ({"a": [attribute(1, datasetId="urn:1"), attribute("x", datasetId="urn:2")]}, {"a": "integer"}),
        ({"https://data.example/terms/level": attribute(1)}, {"level": "integer"}),
        ({"https://data.example/terms#level": attribute(1)}, {"level": "integer"}),
        ({"https://data.example/terms/level": attribute("x"), "level": attribute(1)}, {"level": "string"}),
        ({"https://data.example/": attribute(1), "9": attribute(1), "é": attribute(1), "a b": attribute(1)}, {}),
        ({"createdAt": "2024-01-01T00:00:00Z", "modifiedAt": 5, "scope": ["/x"], "@context": []}, {}),
        ({"a": attribute(1, observedAt="2024-01-01T00:00:00Z")}, {"a": "integer", "observedAt": "timestamp"}),
        (
            {"a": attribute(1, observedAt="2024-01-01"), "b": attribute(1, observedAt=5)},
            {"a": "integer", "b": "integer"},
        ),
        ({"observedAt": attribute("x", observedAt="2024-01-01T00:00:00Z")}, {"observedAt": "string"}),
    ],
    ids=str,
)
async def test_attributes_become_fields(attributes: dict[str, Any], fields: dict[str, str]) -> None:
    facts = await facts_of(entities(entity(**attributes)))
    assert {found.name: found.type.value for found in facts.fields} == {"id": "string", **fields}


async def test_what_is_missing_in_some_entities_is_counted() -> None:
    facts = await facts_of(
        entities(entity(a=attribute(1)), entity(), entity(a=attribute(None)), entity(a=attribute("urn:ngsi-ld:null")))
    )
    assert [(found.name, found.type, found.empty) for found in facts.fields[1:]] == [("a", "integer", 3)]


@pytest.mark.parametrize(
    ("codes", "unit"),
    [
        (["MTR", "MTR"], "m"),
        (["CEL", "CEL"], "Cel"),
        (["X7", "X7"], "UNECE:X7"),
        (["MTR", "CMT"], None),
        (["MTR", None], None),
        ([None, "MTR", "MTR"], None),
        (["metre"], None),
        (["m"], None),
        ([5], None),
        ([["MTR"]], None),
        (["\u202eMTR"], None),
        (["X" * 1000], None),
    ],
)
async def test_the_unit_is_that_of_all_entities(codes: list[Any], unit: str | None) -> None:
    found = [entity(a=attribute(1, unitCode=code) if code is not None else attribute(1)) for code in codes]
    assert (await facts_of(entities(*found))).fields[1].unit == unit


def test_the_units_of_the_table_are_known_ones() -> None:
    assert [code for code, unit in unece._UNITS.items() if not known(unit)] == []


async def test_the_newest_attribute_tells_when_an_entity_was_observed() -> None:
    facts = await facts_of(
        entities(
            entity(
                a=attribute(1, observedAt="2024-01-01T00:00:00Z"),
                b=attribute(1, observedAt="2024-01-03T01:00:00+01:00"),
                c=attribute(1, observedAt="2024-01-02T00:00:00.5Z"),
            ),
            entity(a=attribute(1, observedAt="2024-02-01T00:00:00Z")),
            entity(a=attribute(1)),
        )
    )
    assert (facts.first, facts.last) == ("2024-01-03T00:00:00Z", "2024-02-01T00:00:00Z")
    assert facts.time_resolution is None
    assert [found.empty for found in facts.fields if found.name == "observedAt"] == [1]


# --- places


@pytest.mark.parametrize(
    ("locations", "kind", "box"),
    [
        ([POINT], "Point", ("4.3", "52", "4.3", "52")),
        ([POINT, None], "Point", ("4.3", "52", "4.3", "52")),
        ([None], None, None),
        (
            [{"type": "GeoProperty", "value": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}}, POINT],
            None,
            ("1", "2", "4.3", "52"),
        ),
        ([{"type": "GeoProperty", "value": {"type": "Point", "coordinates": ["x", 1]}}], "Point", None),
        ([{"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1e300, 1]}}], "Point", None),
        ([{"type": "GeoProperty", "value": {"type": "Point"}}], "Point", None),
        ([{"type": "GeoProperty", "value": {"type": "Blob", "coordinates": [1, 1]}}], None, None),
        ([{"type": "GeoProperty", "value": "x"}], None, None),
        ([{"type": "GeoProperty"}], None, None),
    ],
)
async def test_places(locations: list[Any], kind: str | None, box: tuple[str, ...] | None) -> None:
    found = [entity(location=where) if where else entity() for where in locations]
    facts = await facts_of(entities(*found))
    assert facts.geometry_type == kind
    assert (facts.extent.bbox if facts.extent else None) == box
    assert facts.crs == (("OGC:CRS84",) if facts.geometry_type or box else ())
    for fact, value in (("geometryType", kind), ("extent", box)):
        assert bool(facts.why_unknown(fact)) is (value is None)


# --- the number of entities


@pytest.mark.parametrize(
    ("count", "records", "why"),
    [
        (1, 1, None),
        (1_000, 1_000, None),
        ("", None, "does not tell NGSILD-Results-Count"),
        ("-1", None, "does not tell"),
        ("1e3", None, "does not tell"),
        ("٣", None, "does not tell"),
        ("9" * 5_000, None, "does not tell"),
        ("1, 2", None, "does not tell"),
        ("NaN", None, "does not tell"),
        ("0", None, "counts fewer"),
    ],
)
async def test_the_number_of_entities(count: Any, records: int | None, why: str | None) -> None:
    found = entity(a=attribute(1, observedAt="2024-01-01T00:00:00Z"), location=POINT)
    facts = await facts_of(entities(found, count=count))
    assert (facts.records, facts.sampled) == (records, 1)
    said = facts.why_unknown("records")
    assert said is None if why is None else why in str(said)
    complete = records == 1
    assert bool(facts.last) is bool(facts.first) is bool(facts.extent) is complete
    if not complete:
        assert "entities were read" in (facts.why_unknown("last") or "")


# --- types that are not there


@pytest.mark.parametrize(
    ("types", "says"),
    [
        ({"typeList": ["Tree", "Pump"]}, "(it has Tree, Pump)"),
        ({"typeList": "Tree"}, "(it has Tree)"),
        ({"typeList": [f"T{number}" for number in range(99)]}, "(it has T0, T1, T2, T3, T4, …)"),
        ({"typeList": ["\u202e" + "x" * 1000]}, "x…"),
        ({"typeList": [5, None, {"a": 1}, "Tree"]}, "(it has Tree)"),
        ({"typeList": []}, f"the type {NAME}: correct"),
        ({"typeList": {"a": 1}}, f"the type {NAME}: correct"),
        ({"typeList": 5}, f"the type {NAME}: correct"),
        ({}, f"the type {NAME}: correct"),
        ([], f"the type {NAME}: correct"),
        ("null", f"the type {NAME}: correct"),
        ("[", f"the type {NAME}: correct"),
    ],
)
@pytest.mark.parametrize("count", [0, ""])
async def test_a_type_without_entities_is_not_there(types: Any, says: str, count: Any) -> None:
    error = await error_of(entities(count=count), json_response(types))
    assert error.reason == "EntityNotFound"
    assert says in error.message


@pytest.mark.parametrize("status", ["404 No", "501 No", "401 No", "500 No"])
async def test_a_broker_that_does_not_list_its_types(status: str) -> None:
    error = await error_of(entities(), json_response({}, status=status))
    assert error.reason == "EntityNotFound"


@pytest.mark.parametrize("listed", [NAME, f"https://uri.etsi.org/ngsi-ld/default-context/{NAME}"])
async def test_a_type_that_the_broker_knows_may_have_no_entities(listed: str) -> None:
    facts = await facts_of(entities(), json_response({"typeList": [listed]}))
    assert (facts.records, facts.sampled, facts.fields) == (0, 0, ())


async def test_a_slow_list_of_types_is_slow() -> None:
    async def silent(_: Any) -> None:
        await asyncio.sleep(3)

    assert (await error_of(entities(), silent, limits=Limits(deadline_seconds=0.3))).reason == "TooSlow"


# --- errors


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_response({"type": f"{ERROR}BadRequestData", "title": SECRET}), "ErrorReported"),
        (json_response({"type": f"{ERROR}{'x' * 9_999}", "title": SECRET}), "ErrorReported"),
        (json_response({"type": f"{ERROR}BadRequestData"}, status="400 Bad Request"), "HttpError"),
        (json_response({"type": f"{ERROR}InternalError"}, status="500 Oops"), "HttpError"),
        (json_response({"type": f"{ERROR}ResourceNotFound"}, status="404 Not Found"), "HttpError"),
        (json_response({}, status="401 No"), "Unauthorized"),
        (json_response({"type": ["x"]}), "UnexpectedContent"),
        (json_response({"type": "FeatureCollection", "features": []}), "UnexpectedContent"),
        (json_response({}), "UnexpectedContent"),
        (json_response("5"), "UnexpectedContent"),
        (json_response("null"), "UnexpectedContent"),
        (response(b"<html>", "Content-Type: text/html"), "UnexpectedContent"),
        (json_response([5]), "MalformedData"),
        (json_response([None]), "MalformedData"),
        (json_response([[]]), "MalformedData"),
        (entities(entity(level=1.5)), "MalformedData"),  # keyValues, which was not asked for
        (entities(entity(level=None)), "MalformedData"),
        (entities(entity(level=[])), "MalformedData"),
        (entities(entity(level=[1, 2])), "MalformedData"),
        (entities(entity(level={"value": 1})), "MalformedData"),
        (entities(entity(level={"type": ["Property"], "value": 1})), "MalformedData"),
        (json_response('[{"id": "x", "level": {"type": "Property", "value": 1e999}}]'), "MalformedData"),
        (json_response('[{"id": "x", "level": {"type": "Property", "value": NaN}}]'), "MalformedData"),
        (json_response("[" * 100_000), "MalformedData"),
        (json_response([entity(a=attribute("x" * 3_000_000))]), "MalformedData"),
    ],
    ids=lambda value: repr(value)[-60:],
)
async def test_errors_and_other_things(answer: bytes, reason: str) -> None:
    error = await error_of(answer)
    assert error.reason == reason


async def test_a_document_that_is_too_long_is_asked_for_shorter_once() -> None:
    long, short = entities(entity(a=attribute("x" * 900))), entities(entity(a=attribute("x")), count=1)
    asked = f"{BASE}/entities?type={NAME}&count=true&limit="
    limits = Limits(max_document_bytes=500)
    async with serving({f"{asked}100": long, f"{asked}10": short}) as server:
        facts = await look_at(look_for(server.url(path=BASE), limits=limits))
    assert (facts.records, len(server.requests)) == (1, 2)
    async with serving(long) as server:
        error = await refusal(look_for(server.url(path=BASE), limits=limits))
    assert (error.reason, len(server.requests)) == ("MalformedData", 2)


async def test_many_attributes_are_bounded() -> None:
    facts = await facts_of(entities(entity(**{f"a{number}": attribute(number) for number in range(10_000)})))
    assert len(facts.fields) == 128
