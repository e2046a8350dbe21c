"""The GeoJSON probe: good documents of several kinds, and broken and hostile ones."""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, look_at, refusal, response, serving
from probes_kit import target as kit_target

from ddtas.data.contract import DataContract, DataKind, Extent, FieldType, GeometryType
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError

CONTRACT = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "planted", "type": "date"}]})
RD = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::28992"}}


def point(x: Any, y: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": properties}


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": None}


def collection(*features: Any, **members: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", **members, "features": list(features)}


def body(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def look_for(url: str, limits: Limits = LIMITS) -> ProbeSession:
    return ProbeSession(kit_target(url, kind=DataKind.HTTP_GEOJSON, contract=CONTRACT), limits, LOOPBACK)


async def facts_of(document: Any, limits: Limits = LIMITS, *headers: str) -> SourceFacts:
    async with serving(response(body(document), *(headers or ("Content-Type: application/geo+json",)))) as server:
        session = look_for(server.url(path="/data.geojson"), limits)
        facts = await look_at(session)
    assert (session.requests, session.received <= limits.max_bytes) == (1, True)
    return facts


async def error_of(document: Any, limits: Limits = LIMITS, *headers: str) -> SourceError:
    answer: Answer = response(body(document), *headers)
    async with serving(answer) as server:
        return await refusal(look_for(server.url(path="/data.geojson"), limits))


# --- good data


async def test_tells_all_facts_of_a_collection() -> None:
    document = collection(
        point(4.30, 52.07, id=1, species="oak", planted="2001-03-01", tags=["a"], height=4),
        point(4.35, 52.01, id=2, species=None, planted="2002-03-01", tags=[], height=4.5),
        point(-4.35, 52.05, id=3, species="", planted="2003-03-01", owner={"name": "city"}, height=None),
    )
    facts = await facts_of(document)
    assert facts.fields == (
        MeasuredField(name="id", type=FieldType.INTEGER),
        MeasuredField(name="species", type=FieldType.STRING, empty=2),
        MeasuredField(name="planted", type=FieldType.DATE),
        MeasuredField(name="tags", type=FieldType.ARRAY, empty=1),
        MeasuredField(name="height", type=FieldType.NUMBER, empty=1),
        MeasuredField(name="owner", type=FieldType.OBJECT, empty=2),
    )
    assert (facts.geometry_type, facts.crs) == (GeometryType.POINT, ("OGC:CRS84",))
    assert facts.extent == Extent(crs="OGC:CRS84", bbox=("-4.35", "52.01", "4.35", "52.07"))
    assert (facts.records, facts.sampled, facts.size_bytes) == (3, 3, len(body(document)))
    assert (facts.first, facts.last, facts.time_resolution) == ("2001-03-01", "2003-03-01", "P1Y")
    assert facts.unknown == ()


async def test_takes_a_collection_without_features() -> None:
    facts = await facts_of(collection())
    assert (facts.records, facts.fields, facts.crs) == (0, (), ("OGC:CRS84",))
    assert facts.why_unknown("extent") == facts.why_unknown("geometryType") == "no feature has a geometry"


@pytest.mark.parametrize(
    ("document", "crs"),
    [
        (collection(point(82000, 455000), crs=RD), "EPSG:28992"),
        (collection(point(4, 52), crs={"type": "name", "properties": {"name": "EPSG:4326"}}), "EPSG:4326"),
        (
            collection(point(4, 52), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}),
            "OGC:CRS84",
        ),
        ({"features": [point(82000, 455000)], "crs": RD, "type": "FeatureCollection"}, "EPSG:28992"),  # any order
        (collection(point(4, 52), crs=None), None),
        (collection(point(4, 52), crs={"type": "link", "properties": {"href": "http://a/b"}}), None),
        (collection(point(4, 52), crs={"type": "name", "properties": {"name": ["EPSG:28992"]}}), None),
        (collection(point(4, 52), crs="EPSG:28992"), None),
        (collection(point(4, 52), crs=[[[]]]), None),
        (collection(point(82000, 455000)), None),  # metres, and nothing says so
    ],
)
async def test_tells_the_crs(document: Any, crs: str | None) -> None:
    facts = await facts_of(document)
    assert facts.crs == ((crs,) if crs else ())
    assert (facts.extent.crs if facts.extent else None) == crs
    assert (facts.why_unknown("crs") is None) == (crs is not None)
    assert facts.records == 1


@pytest.mark.parametrize(
    ("features", "kind", "box"),
    [
        ([shape("LineString", [[1, 2], [3, 4, 5]])], "LineString", ("1", "2", "3", "4")),
        ([shape("MultiPolygon", [[[[1, 2], [3, 9], [0.5, 2], [1, 2]]]])], "MultiPolygon", ("0.5", "2", "3", "9")),
        ([shape("Polygon", [[[1, 2]]]), shape("MultiPolygon", [[[[3, 4]]]])], "MultiPolygon", ("1", "2", "3", "4")),
        ([shape("Polygon", [[[1, 2]]]), shape("Point", [3, 4])], None, ("1", "2", "3", "4")),
        ([shape("Point", []), shape("Point", [3, 4])], "Point", ("3", "4", "3", "4")),
        ([shape("Point", [3, 4]) | {"geometry": None}], None, None),
        (
            [
                {
                    "geometry": {
                        "geometries": [
                            {"type": "Point", "coordinates": [1, 2]},
                            {"type": "GeometryCollection", "geometries": [{"coordinates": [[7, 8]], "type": "X"}]},
                        ],
                        "type": "GeometryCollection",
                    },
                    "type": "Feature",
                }
            ],
            "GeometryCollection",
            ("1", "2", "7", "8"),
        ),
        # What is no geometry makes the extent unknown, and nothing else.
        ([shape("Point", ["4", "52"])], "Point", None),
        ([shape("Point", [4])], "Point", None),
        ([shape("Point", [True, 52])], "Point", None),
        ([shape("Point", [1, [2, 3]])], "Point", None),
        ([shape("Point", [1e300, 4])], "Point", None),
        ([shape("Circle", [4, 52])], None, None),
        ([{"type": "Feature", "geometry": {"type": {"a": 1}, "coordinates": 7}, "properties": {}}], None, None),
    ],
)
async def test_tells_type_and_extent_of_geometries(features: list[Any], kind: str | None, box: Any) -> None:
    facts = await facts_of(collection(*features))
    assert facts.geometry_type == kind
    assert (facts.extent.bbox if facts.extent else None) == box
    assert (facts.why_unknown("extent") is None) == (box is not None)
    assert facts.records == len(features)


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/octet-stream", None])
async def test_takes_any_name_for_json_and_a_byte_order_mark(media_type: str | None) -> None:
    headers = [f"Content-Type: {media_type}"] if media_type else ["X-None: 1"]
    facts = await facts_of(b"\xef\xbb\xbf" + body(collection(point(4, 52))), LIMITS, *headers)
    assert facts.records == 1


async def test_leaves_out_what_is_no_field_name() -> None:
    names = ["day", "day of week", "é", "", "9a", "a" * 64, "constructor", "\u202e"]
    facts = await facts_of(collection({**point(4, 52), "properties": dict.fromkeys(names, 1)}))
    assert [field.name for field in facts.fields] == ["day", "constructor"]


async def test_reads_one_byte_at_a_time() -> None:
    document = b"\xef\xbb\xbf" + json.dumps(collection(point(4.5, 52, name="één")), ensure_ascii=False).encode()

    async def dribble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(document))
        for byte in document:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(dribble) as server:
        facts = await look_at(look_for(server.url()))
    assert (facts.records, facts.size_bytes) == (1, len(document))


# --- more than is read


@pytest.mark.parametrize(
    ("members", "box"),
    [
        ({"bbox": [3, 50, 7, 54]}, ("3", "50", "7", "54")),
        ({"bbox": [3, 50, -1, 7, 54, 9]}, ("3", "50", "7", "54")),
        ({"bbox": [3, 50, 7]}, None),
        ({"bbox": [3, "50", 7, 54]}, None),
        ({"bbox": [170, 50, -170, 54]}, None),
        ({"bbox": [[]] * 9}, None),
        ({"bbox": {"a": 1}}, None),
        ({}, None),
    ],
)
async def test_knows_only_the_beginning_of_what_is_too_long(members: dict[str, Any], box: Any) -> None:
    document = collection(*(point(4, 52, planted=f"20{i:02}-01-01") for i in range(100)), **members)
    facts = await facts_of(document, Limits(max_bytes=4096))
    assert (facts.records, facts.first, facts.last) == (None, None, None)
    assert facts.sampled is not None
    assert 10 < facts.sampled < 100
    assert (facts.geometry_type, facts.crs, facts.time_resolution) == ("Point", ("OGC:CRS84",), "P1Y")
    assert (facts.extent.bbox if facts.extent else None) == box
    assert (facts.why_unknown("extent") is None) == (box is not None)
    assert facts.why_unknown("records") == facts.why_unknown("last") == "only the first 4096 bytes were read"
    assert facts.size_bytes == len(body(document))  # by Content-Length


async def test_ends_an_endless_body_at_the_cap() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"type":"FeatureCollection","features":[')
        feature = body(point(4, 52, day="2024-01-01")) + b","
        while True:
            writer.write(feature * 50)
            await writer.drain()

    limits = Limits(max_bytes=256 * 1024)
    async with serving(endless) as server:
        session = look_for(server.url(), limits)
        facts = await look_at(session)
    assert session.received == limits.max_bytes
    assert facts.why_unknown("sizeBytes")
    assert facts.size_bytes is None


async def test_holds_no_geometry() -> None:
    ring = [[4 + i / 1e6, 52] for i in range(100_000)]
    document = body(collection(shape("Polygon", [ring])))
    async with serving(response(document)) as server:
        tracemalloc.start()
        try:
            facts = await look_at(look_for(server.url()))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert facts.records == 1
    assert peak < 2 * 1024 * 1024 + len(document)  # the server's copy on its way


# --- something else


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        (point(4, 52), "a Feature that is no FeatureCollection"),
        ({"type": "Point", "coordinates": [4, 52]}, "a Point that is no"),
        ({"type": "Topology", "objects": {}}, "a Topology that is no"),
        ({"type": {"a": [1]}, "features": []}, "JSON that is no FeatureCollection"),
        ({"type": None, "features": []}, "JSON that is no"),
        ({"type": "\u202e\n" * 99}, "that is no FeatureCollection"),
        ({"error": {"code": 498, "message": "s3cr3t-v4lue"}}, "JSON that is no FeatureCollection"),
        ({"features": []}, "JSON that is no FeatureCollection"),
        ({}, "JSON that is no FeatureCollection"),
        ([point(4, 52)], "JSON that is no FeatureCollection"),
        (b'"text"', "JSON that is no FeatureCollection"),
        (b"12", "JSON that is no FeatureCollection"),
        (b"null", "JSON that is no FeatureCollection"),
        (b"", "nothing"),
        (b"\xef\xbb", "nothing"),
        (b"   ", "what is not JSON"),
        (b"<html>", "what is not JSON"),
        (b"day,level\n", "what is not JSON"),
        (b"\x1f\x8b\x08\0\0", "what is not JSON"),
        (b"NaN", "what is not JSON"),
    ],
)
async def test_refuses_what_is_no_collection(document: Any, shown: str) -> None:
    error = await error_of(document)
    assert error.reason == "UnexpectedContent"
    assert shown in error.message


@pytest.mark.parametrize("media_type", ["text/html", "application/xml", "application/zip", "image/png", "text/csv"])
async def test_refuses_other_media_types(media_type: str) -> None:
    error = await error_of(collection(), LIMITS, f"Content-Type: {media_type}")
    assert error.reason == "UnexpectedContent"
    assert media_type in error.message


# --- broken and hostile

START = b'{"type":"FeatureCollection","features":['


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ({"type": "FeatureCollection"}, "no features member"),
        ({"type": "FeatureCollection", "features": {}}, "its features are no array"),
        ({"type": "FeatureCollection", "features": None}, "its features are no array"),
        (collection(7), "among its features is what is none"),
        (collection([]), "among its features is what is none"),
        (collection(None), "among its features is what is none"),
        (collection({}), "among its features is what is none"),
        (collection({"type": "Point", "coordinates": [1, 2]}), "among its features is what is none"),
        (collection({"type": ["Feature"]}), "among its features is what is none"),
        (collection({"type": "Feature", "properties": []}), "the properties of a feature are no object"),
        (collection({"type": "Feature", "properties": "s3cr3t-v4lue"}), "the properties of a feature are no object"),
        (collection({"type": "Feature", "geometry": []}), "a geometry is no object"),
        (collection({"type": "Feature", "geometry": 1}), "a geometry is no object"),
        (collection(shape("GeometryCollection", []) | {"geometry": {"geometries": [None]}}), "a geometry is no object"),
        (collection(shape("Point", [{"x": 1}])), "coordinates hold an object"),
        (collection(shape("Point", [[[[[1, 2]]]]])), "nested more than 4 deep"),
        (START + b'{"type":"Feature","properties":{"a":' + b"[" * 100 + b"]" * 100 + b"}}]}", "more than 64 deep"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "more than 64 deep"),
        (b'{"crs":' * 100 + b"1" + b"}" * 100, "more than 64 deep"),
        (b'{"bbox":' + b"[" * 100_000, "more than 64 deep"),
        (START + b'{"geometry":' + b'{"geometries":[' * 5000, "geometries are nested more than 8 deep"),
        (START + b'{"properties":{"a":1e999}', "a number that is not finite"),
        (START + b'{"properties":{"a":NaN}', "it is broken"),
        (START + b'{"geometry":{"coordinates":[-1e999,1]}', "a number that is not finite"),
        (START + b'{"properties":{"a":' + b"9" * 5000 + b"}", "needs more than 64 bits"),
        (START + b'{"properties":{"a":9223372036854775808}', "needs more than 64 bits"),
        (START, "it is broken"),
        (START + b"]", "it is broken"),
        (START + b"]}]", "it is broken"),
        (START + b',"', "it is broken"),
        (START + b'{"properties":{"\xff":1}', "it is broken"),
        (START + b'{"properties":{"a":"\0s3cr3t-v4lue"}', "it is broken"),
        (START + b'{"properties":{"a":"' + b"x" * 100_000, "a value has more than 65536 characters"),
        (START + b" " * 100_000 + b"]}", "a value has more than 65536 characters"),
        (
            collection({"type": "Feature", "properties": {f"n{i}": i for i in range(1025)}}),
            "a feature has more than 1024 properties",
        ),
    ],
)
async def test_refuses_what_is_malformed(document: Any, shown: str) -> None:
    error = await error_of(document)
    assert error.reason == "MalformedData"
    assert shown in error.message


async def test_refuses_a_document_whose_features_do_not_begin() -> None:
    error = await error_of(b'{"a":[' + b"1," * 5000, Limits(max_bytes=4096))
    assert error.reason == "UnexpectedContent"


async def test_takes_members_that_are_there_twice() -> None:
    facts = await facts_of(b'{"type":"FeatureCollection","features":[],"features":[],"x":"\\ud800"}')
    assert facts.records == 0
