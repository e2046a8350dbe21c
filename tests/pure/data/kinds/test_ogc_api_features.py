"""The probe of OGC API - Features against servers that are good, odd, broken and hostile."""

from typing import Any

import pytest
from probes_kit import HASTE, LIMITS, LOOPBACK, SECRET, Answer, Server, json_response, look_at, serving
from probes_kit import refusal as kit_refusal
from probes_kit import target as kit_target

from ddtas.data.contract import DataKind
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError

NAME = "levels"
COLLECTION = f"/collections/{NAME}"
ITEMS = f"{COLLECTION}/items"
SCHEMA = f"{COLLECTION}/schema"
EPSG = "http://www.opengis.net/def/crs/EPSG/0"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
SCHEMA_REL = "http://www.opengis.net/def/rel/ogc/1.0/schema"
MANY = [f"{EPSG}/{code}" for code in range(2000, 2100)]
DROP = object()


def feature(level: Any = 1.5, day: str = "2024-01-01", x: float = 4.0, **more: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [x, 52.0]}
    return {"type": "Feature", "geometry": geometry, "properties": {"day": day, "level": level}, **more}


def collection(**changes: Any) -> dict[str, Any]:
    whole = {
        "id": NAME,
        "links": [{"rel": SCHEMA_REL, "type": "application/schema+json", "href": SCHEMA}],
        "extent": {
            "spatial": {"bbox": [[4.2, 52.0, 4.4, 52.1]], "crs": CRS84},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", "2024-06-30T12:00:00+02:00"]]},
        },
        "crs": [CRS84, f"{EPSG}/4326", f"{EPSG}/28992"],
        "storageCrs": f"{EPSG}/28992",
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not DROP}


def items(*features: Any, **changes: Any) -> dict[str, Any]:
    shown = list(features) or [feature(), feature(None, "2024-01-02"), feature(2, "2024-01-03")]
    whole = {"type": "FeatureCollection", "features": shown, "numberMatched": 300, "links": []}
    return {name: value for name, value in {**whole, **changes}.items() if value is not DROP}


def schema(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties or {"level": {"type": "number", "x-ogc-unit": "m"}, "day": {"type": "string"}},
    }


def routes(described: Any = None, page: Any = None, shape: Any = None, **headers: str) -> dict[str, Answer]:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return {
        COLLECTION: json_response(collection() if described is None else described),
        ITEMS: json_response(items() if page is None else page, *lines),
        SCHEMA: json_response(schema() if shape is None else shape),
    }


def target(server: Server, name: str = NAME, path: str = "/") -> Target:
    return kit_target(server.url(path=path), kind=DataKind.OGC_API_FEATURES, physical_name=name)


async def facts(answers: dict[str, Answer], name: str = NAME, limits: Limits = LIMITS) -> SourceFacts:
    async with serving(answers) as server:
        return await look_at(target(server, name), limits)


async def refusal(answers: Answer | dict[str, Answer], name: str = NAME, limits: Limits = LIMITS) -> SourceError:
    async with serving(answers) as server:
        return await kit_refusal(target(server, name), limits)


# --- what it finds


async def test_finds_what_the_server_tells() -> None:
    async with serving(routes()) as server:
        session = ProbeSession(target(server), LIMITS, LOOPBACK)
        found = await look_at(session)
    assert [(f.name, f.type, f.empty, f.unit) for f in found.fields] == [
        ("day", "date", 0, None),
        ("level", "number", 1, "m"),
    ]
    assert (found.records, found.sampled) == (300, 3)
    assert found.crs == ("EPSG:28992", "OGC:CRS84", "EPSG:4326")
    assert found.extent is not None
    assert (found.extent.crs, found.extent.bbox) == ("OGC:CRS84", ("4.2", "52", "4.4", "52.1"))
    assert (found.first, found.last) == ("2020-01-01T00:00:00Z", "2024-06-30T10:00:00Z")
    assert (found.time_resolution, found.geometry_type) == ("P1D", "Point")
    assert [unknown.fact for unknown in found.unknown] == ["sizeBytes"]
    assert server.targets == [COLLECTION, f"{ITEMS}?limit=100", SCHEMA]
    assert server.header("Accept", 1) == "application/geo+json, application/json;q=0.9"
    assert session.requests == 3


@pytest.mark.parametrize("path", ["", "/", "/ogc/v1", "/ogc/v1/", "/ogc/v1?f=json"])
async def test_the_endpoint_is_the_landing_page_with_or_without_a_slash(path: str) -> None:
    base = path.partition("?")[0].rstrip("/")
    answers = {base + address: answer for address, answer in routes(collection(links=[])).items()}
    async with serving(answers) as server:
        assert (await look_at(target(server, path=path))).records == 300


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a b/c?d#e", "/collections/a%20b%2Fc%3Fd%23e"),
        ("bgt:pand", "/collections/bgt:pand"),
        ("höhe", "/collections/h%C3%B6he"),
    ],
)
async def test_a_name_is_one_step_of_the_path(name: str, path: str) -> None:
    answers = {path: json_response(collection(id=name, links=[])), f"{path}/items": json_response(items())}
    assert (await facts(answers, name)).records == 300  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["..", ".", "../admin", "../../x"])
async def test_a_name_does_not_lead_out_of_the_collections(name: str) -> None:
    error = await refusal({"/": json_response({"title": "landing"}), **routes()}, name)
    assert error.reason in ("UnexpectedContent", "HttpError", "EntityNotFound")


@pytest.mark.parametrize(
    ("page", "records", "why"),
    [
        (items(numberMatched=DROP), 3, None),  # all on one page
        (
            items(numberMatched=DROP, links=[{"rel": "next", "href": "?page=2"}]),
            None,
            "the server does not tell numberMatched",
        ),
        (items(*[feature()] * 100, numberMatched=DROP), None, "the server does not tell numberMatched"),
        (items(numberMatched=3), 3, None),
        (items(numberMatched=10**12), 10**12, None),
        (items(features=[], numberMatched=0), 0, None),
    ],
)
async def test_the_number_of_records_is_never_guessed(page: Any, records: int | None, why: str | None) -> None:
    found = await facts(routes(page=page))
    assert found.records == records
    assert found.why_unknown("records") == why


@pytest.mark.parametrize("number", [-1, 2, 1.5, "300", True, None, [], {}, 10**30])
async def test_a_number_of_records_that_cannot_be_is_unknown(number: Any) -> None:
    found = await facts(routes(page=items(numberMatched=number, links=[{"rel": "next"}])))
    assert found.records is None
    assert found.why_unknown("records")


async def test_of_a_whole_collection_the_period_is_that_of_its_items() -> None:
    found = await facts(routes(page=items(numberMatched=3)))
    assert (found.records, found.first, found.last) == (3, "2024-01-01", "2024-01-03")


async def test_of_a_whole_collection_without_an_extent_it_is_the_box_around_the_items() -> None:
    page = items(feature(x=4.0), feature(x=4.5), numberMatched=2)
    found = await facts(routes(collection(extent=DROP), page))
    assert found.extent is not None
    assert found.extent.bbox == ("4", "52", "4.5", "52")
    swapped = await facts(routes(collection(extent=DROP), page, Content_Crs=f"<{EPSG}/4326>"))
    assert swapped.extent is not None
    assert (swapped.extent.crs, swapped.extent.bbox) == ("EPSG:4326", ("52", "4", "52", "4.5"))
    part = await facts(routes(collection(extent=DROP)))
    assert part.extent is None
    assert part.why_unknown("extent") == "the collection does not tell it"


@pytest.mark.parametrize(
    ("spatial", "bbox"),
    [
        ({"bbox": [[4, 52, 5, 53]]}, ("4", "52", "5", "53")),
        ({"bbox": [[4, 52, -5, 5, 53, 100]]}, ("4", "52", "5", "53")),  # with heights
        ({"bbox": [[4, 52, 5, 53], [4, 52, 4.1, 52.1]]}, ("4", "52", "5", "53")),  # the whole, then its parts
        ({"bbox": [[52, 4, 53, 5]], "crs": f"{EPSG}/4326"}, ("4", "52", "5", "53")),
        ({"bbox": [[78000, 452000, 80000, 455000]], "crs": f"{EPSG}/28992"}, ("78000", "452000", "80000", "455000")),
        ({"bbox": [[4, 52, -5, 5, 53, 100]], "crs": CRS84 + "h"}, ("4", "52", "5", "53")),
        ({"bbox": [[170, -1, -170, 1]]}, None),
        ({"bbox": [[78000, 452000, 80000, 455000]]}, None),  # metres, said to be degrees
        ({"bbox": [[4, 52, 5, 53]], "crs": "http://example.com/crs"}, None),
        ({"bbox": [[4, 52, 5, 53]], "crs": f"{EPSG}/999999"}, None),
        ({"bbox": [[4, 52, 5, 53]], "crs": 7}, None),
        ({"bbox": [["4", 52, 5, 53]]}, None),
        ({"bbox": [[4, 52, 5]]}, None),
        ({"bbox": [None]}, None),
        ({"bbox": [4, 52, 5, 53]}, None),
        ({"bbox": {"a": 1}}, None),
        ({"bbox": []}, None),
        ({}, None),
        ([], None),
        ("x", None),
    ],
)
async def test_extents(spatial: Any, bbox: tuple[str, ...] | None) -> None:
    found = await facts(routes(collection(extent={"spatial": spatial})))
    assert (found.extent and found.extent.bbox) == bbox
    assert bool(found.why_unknown("extent")) == (bbox is None)


@pytest.mark.parametrize(
    ("interval", "first", "last"),
    [
        ([["2020-01-01", "2024-01-01"]], "2020-01-01", "2024-01-01"),
        ([["2020-01-01T00:00:00+00:00", None]], "2020-01-01T00:00:00Z", None),  # goes on
        ([[None, "2024-01-01T00:00:00.123Z"]], None, "2024-01-01T00:00:00Z"),
        ([["..", ".."]], None, None),
        ([[None, None]], None, None),
        ([["2024-01-01", "2020-01-01"]], None, None),
        ([["2024-13-01", "yesterday"]], None, None),
        ([[1, True]], None, None),
        ([["2020-01-01"]], None, None),
        ([["2020-01-01", "2021-01-01", "2022-01-01"]], None, None),
        (["2020-01-01", "2021-01-01"], None, None),
        ([], None, None),
        ({}, None, None),
        (None, None, None),
    ],
)
async def test_periods(interval: Any, first: str | None, last: str | None) -> None:
    found = await facts(routes(collection(extent={"temporal": {"interval": interval}})))
    assert (found.first, found.last) == (first, last)
    assert (bool(found.why_unknown("first")), bool(found.why_unknown("last"))) == (first is None, last is None)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"storageCrs": DROP}, ("OGC:CRS84", "EPSG:4326", "EPSG:28992")),
        ({"storageCrs": f"{EPSG}/3857"}, ("OGC:CRS84", "EPSG:4326", "EPSG:28992")),  # not to be had
        ({"crs": DROP}, ("EPSG:28992", "OGC:CRS84")),
        ({"crs": DROP, "storageCrs": DROP}, ("OGC:CRS84",)),
        ({"crs": ["#/crs", f"{EPSG}/3857"]}, ("EPSG:28992", "OGC:CRS84", "EPSG:3857")),
        ({"crs": MANY, "storageCrs": 7}, tuple(f"EPSG:{code}" for code in range(2000, 2016))),
        ({"crs": [None, 7, [], {}, "nonsense"], "storageCrs": {}}, ("OGC:CRS84",)),
        ({"crs": CRS84, "storageCrs": DROP}, ("OGC:CRS84",)),
    ],
)
async def test_crs(changes: dict[str, Any], names: tuple[str, ...]) -> None:
    answers = routes(collection(**changes))
    answers["/collections"] = json_response({"collections": [], "crs": [f"{EPSG}/28992", CRS84]})
    assert (await facts(answers)).crs == names


async def test_a_shared_list_of_crs_that_cannot_be_read_is_no_failure() -> None:
    assert (await facts(routes(collection(crs=["#/crs"])))).crs == ("EPSG:28992", "OGC:CRS84")


# --- the schema


async def test_the_schema_tells_units_and_fields_that_no_item_has() -> None:
    shape = schema(
        geometry={"format": "geometry-multipolygon", "x-ogc-role": "primary-geometry"},
        outline={"$ref": "https://geojson.org/schema/Polygon.json"},
        fid={"type": "integer", "x-ogc-role": "id"},
        level={"type": ["null", "number"], "x-ogc-unit": "m"},
        note={"type": ["string", "null"]},
        seen={"type": "string", "format": "date-time"},
        day={"type": "string", "format": "date"},
    )
    found = await facts(routes(page=items(feature(None), feature(None)), shape=shape))
    assert [(f.name, f.type, f.empty, f.unit) for f in found.fields] == [
        ("day", "date", 0, None),
        ("level", "number", 2, "m"),
        ("note", "string", 2, None),
        ("seen", "timestamp", 2, None),
    ]
    assert found.geometry_type == "Point"  # of what was seen


async def test_without_items_the_schema_tells_fields_and_geometry() -> None:
    shape = schema(shape={"format": "geometry-multipolygon"}, level={"type": "number", "x-ogc-unit": "m"})
    found = await facts(routes(page=items(features=[], numberMatched=0), shape=shape))
    assert found.fields == (MeasuredField(name="level", type="number", unit="m"),)
    assert (found.geometry_type, found.records, found.sampled) == ("MultiPolygon", 0, 0)


async def test_without_items_and_schema_the_queryables_do() -> None:
    links = [{"rel": "[ogc-rel:queryables]", "href": "/q"}]
    answers = routes(collection(links=links), items(features=[])) | {"/q": json_response(schema())}
    found = await facts(answers)
    assert [f.name for f in found.fields] == ["level", "day"]
    nothing = await facts(routes(collection(links=[]), items(features=[])))
    assert nothing.fields == ()
    assert {"fields", "geometryType", "timeResolution"} <= {unknown.fact for unknown in nothing.unknown}


@pytest.mark.parametrize(
    "link",
    [
        {"href": "http://127.0.0.1:1/schema"},  # another server
        {"href": "//[/"},
        {"href": "file:///etc/passwd"},
        {"href": "javascript:alert(1)"},
        {"href": "/missing"},
        {"href": "/html", "type": "text/html"},
        {"href": 7},
        {"href": None},
        {"href": SCHEMA, "type": []},
        {"href": SCHEMA, "rel": [SCHEMA_REL]},
    ],
)
async def test_a_schema_that_cannot_be_had_is_no_failure(link: dict[str, Any]) -> None:
    found = await facts(routes(collection(links=[{"rel": SCHEMA_REL, **link}])))
    assert [(f.name, f.unit) for f in found.fields] == [("day", None), ("level", None)]


@pytest.mark.parametrize(
    "shape",
    [
        [],
        7,
        {},
        {"properties": []},
        {"properties": {"level": 7}},
        {"properties": {"level": {"type": 7, "format": [], "x-ogc-unit": {}}}},
        {"properties": {"level": {"type": ["null"]}}},
        {"properties": {"level": {"type": [[]]}}},
        {"properties": {"level": {"type": "number", "format": "date"}}},
        {"properties": {"geometry": {"format": "geometry-nonsense"}}},
        {"properties": {"no name": {"type": "string"}, "": {"type": "string"}, "x" * 64: {"type": "string"}}},
        "[" * 5000,
        '{"a": 1e999}',
    ],
)
async def test_an_odd_schema_changes_nothing(shape: Any) -> None:
    found = await facts(routes(shape=shape))
    assert [(f.name, f.type, f.unit) for f in found.fields] == [("day", "date", None), ("level", "number", None)]


async def test_a_huge_schema_is_cut() -> None:
    shape = schema(**{f"field_{number}": {"type": "string"} for number in range(1000)})
    assert len((await facts(routes(shape=shape))).fields) == 128


async def test_a_unit_is_printable_and_short() -> None:
    shape = '{"properties": {"level": {"type": "number", "x-ogc-unit": "m\\u0000\\u202e' + "x" * 500 + '"}}}'
    unit = (await facts(routes(shape=shape))).fields[1].unit
    assert unit is not None
    assert unit.isprintable()
    assert len(unit) == 60


# --- geometries


@pytest.mark.parametrize(
    ("geometries", "kind", "why"),
    [
        (["Polygon", "MultiPolygon"], "MultiPolygon", None),
        (["Point", "Polygon"], None, "the geometries are of several types"),
        ([None, None], None, "no geometry that can be read was found"),
        (["Mesh", "Circle"], None, "no geometry that can be read was found"),
    ],
)
async def test_geometry_types(geometries: list[str | None], kind: str | None, why: str | None) -> None:
    shown = [feature(geometry=one and {"type": one, "coordinates": []}) for one in geometries]
    found = await facts(routes(page=items(*shown)))
    assert found.geometry_type == kind
    assert found.why_unknown("geometryType") == why


async def test_big_geometries_are_asked_for_in_smaller_numbers() -> None:
    big = feature(geometry={"type": "LineString", "coordinates": [[4.0, 52.0]] * 500})
    answers = routes()
    answers[f"{ITEMS}?limit=100"] = json_response(items(*[big] * 100))
    answers[f"{ITEMS}?limit=5"] = json_response(items(*[big] * 5))
    async with serving(answers) as server:
        session = ProbeSession(target(server), Limits(max_document_bytes=100_000), LOOPBACK)
        found = await look_at(session)
    assert (found.records, found.sampled, found.geometry_type) == (300, 5, "LineString")
    assert session.requests == 4


# --- what is not there


async def test_a_wrong_name_is_not_found_and_some_that_are_there_are_named() -> None:
    ids = [*(f"name-{number}" for number in range(9)), None, 7, "bad\u202e" + "x" * 500]
    there = {"collections": [{"id": one} for one in reversed(ids)] + [7, None]}
    error = await refusal({"/collections": json_response(there)}, "levls")
    assert error.reason == "EntityNotFound"
    assert "has no collection levls; there are bad�" in error.message
    assert "name-8, name-7, name-6, name-5 and others: correct physicalName" in error.message


@pytest.mark.parametrize("there", [{}, [], {"collections": {}}, {"collections": []}, {"collections": [{}]}, "7", "{"])
async def test_a_wrong_name_is_not_found_whatever_the_list_is(there: Any) -> None:
    error = await refusal({"/collections": json_response(there)})
    assert error.reason == "EntityNotFound"
    assert "has no collection levels: correct physicalName" in error.message


async def test_another_endpoint_than_a_landing_page_is_told() -> None:
    error = await refusal({})
    assert error.reason == "HttpError"
    assert "landing page" in error.message


async def test_a_collection_without_items_is_something_else() -> None:
    error = await refusal({COLLECTION: json_response(collection())})
    assert error.reason == "UnexpectedContent"
    assert "something else than features" in error.message


@pytest.mark.parametrize("where", [COLLECTION, ITEMS])
@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"code": "NoApplicableCode", "description": SECRET}, "ErrorReported"),
        ({"type": "about:blank", "title": SECRET, "status": 500}, "ErrorReported"),
        ({"exception": SECRET}, "ErrorReported"),
        ({}, "UnexpectedContent"),
        ([], "UnexpectedContent"),
        ("null", "UnexpectedContent"),
        ("7", "UnexpectedContent"),
        ('"text"', "UnexpectedContent"),
        ({"status": "ok"}, "UnexpectedContent"),
        ({"id": "other", "title": SECRET}, "UnexpectedContent"),
        ({"id": [NAME]}, "UnexpectedContent"),
        ({"type": "Feature", "features": []}, "UnexpectedContent"),
        ({"type": "FeatureCollection", "features": {}}, "UnexpectedContent"),
        ({"type": "FeatureCollection"}, "UnexpectedContent"),
        ("<html></html>", "UnexpectedContent"),
        ("{", "MalformedData"),
        ('{"numberMatched": 1e999}', "MalformedData"),
        ('{"numberMatched": NaN}', "MalformedData"),
        ("[" * 50_000, "MalformedData"),
        ("[" * 100 + "]" * 100, "MalformedData"),
        (b'{"id": "\xff"}', "MalformedData"),
        ("", "MalformedData"),
    ],
)
async def test_refuses_what_is_not_the_document(where: str, document: Any, reason: str) -> None:
    assert (await refusal({**routes(), where: json_response(document)})).reason == reason


@pytest.mark.parametrize("one", [None, 7, "x", [], {"properties": []}, {"properties": "x"}, {"properties": 7}])
async def test_refuses_items_that_are_no_features(one: Any) -> None:
    assert (await refusal(routes(page=items(feature(), one)))).reason == "MalformedData"


@pytest.mark.parametrize(
    "one", [{}, {"properties": None}, {"properties": {}, "geometry": "x"}, {"geometry": {"type": 7}}]
)
async def test_takes_features_with_little_in_them(one: Any) -> None:
    found = await facts(routes(collection(links=[]), items(one)))
    assert (found.fields, found.sampled) == ((), 1)


async def test_takes_odd_values_of_properties() -> None:
    properties = {
        "level": {"a": [1]},
        "no name": 1,
        "x" * 100: 2,
        "list": [[]],
        "big": 10**30,
        "flag": True,
    }
    found = await facts(routes(collection(links=[]), items({"properties": properties})))
    assert [(f.name, f.type) for f in found.fields] == [
        ("level", "object"),
        ("list", "array"),
        ("big", "integer"),
        ("flag", "boolean"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"links": 7, "extent": 7, "crs": 7, "storageCrs": 7},
        {"links": {}, "extent": [], "crs": {}, "storageCrs": []},
        {"links": [7, None, {"rel": 7}], "extent": {"spatial": 7, "temporal": 7}, "crs": [[]]},
        {"links": DROP, "extent": DROP, "crs": DROP, "storageCrs": DROP},
        {"extent": {"spatial": {"bbox": 7, "crs": []}, "temporal": {"interval": 7}}},
    ],
)
async def test_takes_a_description_with_the_wrong_types_in_it(changes: dict[str, Any]) -> None:
    found = await facts(routes(collection(**changes), items(links=7)))
    assert (found.records, found.extent, found.first) == (300, None, None)


async def test_an_endless_body_is_refused() -> None:
    async def endless(writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
        while True:
            writer.write(b"1," * 5000)
            await writer.drain()

    error = await refusal({**routes(), ITEMS: endless}, limits=Limits(max_document_bytes=100_000))
    assert error.reason == "MalformedData"
    error = await refusal({**routes(), COLLECTION: endless}, limits=Limits(max_bytes=100_000))
    assert error.reason == "MalformedData"
    error = await refusal({**routes(), COLLECTION: endless}, limits=Limits(HASTE.deadline_seconds, 10**12, 10**12))
    assert error.reason == "TooSlow"


@pytest.mark.parametrize("where", [COLLECTION, ITEMS])
@pytest.mark.parametrize(
    ("status", "reason"), [("401 No", "Unauthorized"), ("400 Bad", "HttpError"), ("500 X", "HttpError")]
)
async def test_refuses_error_statuses(where: str, status: str, reason: str) -> None:
    error = await refusal({**routes(), where: json_response({"code": SECRET}, status=status)})
    assert error.reason == reason


async def test_credentials_go_to_all_three() -> None:
    async with serving(routes()) as server:
        await look_at(
            kit_target(
                server.url(path="/"),
                "Basic",
                {"username": "city", "password": SECRET},
                kind=DataKind.OGC_API_FEATURES,
                physical_name=NAME,
            )
        )
        assert len(server.requests) == 3
        assert all(server.header("Authorization", number) for number in range(3))
