"""The probe of 3D Tiles against servers that are good, odd, broken and hostile."""

import json
import math
from typing import Any

import pyproj
import pytest
from probes_kit import HASTE, LIMITS, LOOPBACK, SECRET, Answer, json_response, look_at, redirect, response, serving
from probes_kit import refusal as kit_refusal
from probes_kit import target as kit_target

from ddtas.data.contract import DataKind
from ddtas.data.kinds.tiles_3d.probe import probe
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError

PATH = "/3d/tileset.json"
REGION = [*map(math.radians, (4.2, 52.0, 4.4, 52.1)), -5, 100]
BOX_AROUND_ZERO = [0, 0, 0, 500, 0, 0, 0, 500, 0, 0, 0, 50]
DROP = object()
GLB = b"glTF\x02\0\0\0\x0c\0\0\0"


def tileset(root: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    tile = {"boundingVolume": {"region": REGION}, "geometricError": 10, "refine": "ADD", **(root or {})}
    whole = {"asset": {"version": "1.1"}, "geometricError": 100.5, "root": tile, **changes}
    whole["root"] = {name: value for name, value in tile.items() if value is not DROP} if root else whole["root"]
    return {name: value for name, value in whole.items() if value is not DROP}


def volume(kind: str, numbers: Any, **root: Any) -> dict[str, Any]:
    return tileset({"boundingVolume": {kind: numbers}, **root})


def at(longitude: float, latitude: float) -> list[float]:
    """The transform from east, north and up in metres at a place to geocentric coordinates, by column."""
    x, y, z = pyproj.Transformer.from_crs(4979, 4978, always_xy=True).transform(longitude, latitude, 0)
    east, north = math.radians(longitude), math.radians(latitude)
    sin, cos = math.sin, math.cos
    return [
        *(-sin(east), cos(east), 0, 0),
        *(-sin(north) * cos(east), -sin(north) * sin(east), cos(north), 0),
        *(cos(north) * cos(east), cos(north) * sin(east), sin(north), 0),
        *(x, y, z, 1),
    ]


def target(endpoint: str) -> Target:
    return kit_target(endpoint, kind=DataKind.TILES_3D)


async def facts(value: Any, limits: Limits = LIMITS, **routes: Answer) -> SourceFacts:
    answers = {PATH: json_response(value), **{f"/3d/{name}": answer for name, answer in routes.items()}}
    async with serving(answers) as server:
        return await look_at(target(server.url(path=PATH)), limits)


async def refusal(value: Any, limits: Limits = LIMITS, **routes: Answer) -> SourceError:
    raw = callable(value) or (isinstance(value, bytes) and value.startswith(b"HTTP/"))
    answer = value if raw else json_response(value)
    async with serving({PATH: answer, **{f"/3d/{name}": answer for name, answer in routes.items()}}) as server:
        return await kit_refusal(target(server.url(path=PATH)), limits)


# --- what it finds


async def test_finds_what_a_tileset_tells() -> None:
    schema = {
        "classes": {
            "building": {
                "properties": {
                    "height": {"type": "SCALAR", "componentType": "FLOAT32"},
                    "floors": {"type": "SCALAR", "componentType": "UINT8"},
                    "use": {"type": "ENUM", "enumType": "use"},
                    "name": {"type": "STRING"},
                    "listed": {"type": "BOOLEAN"},
                    "colour": {"type": "VEC3", "componentType": "UINT8"},
                    "years": {"type": "SCALAR", "componentType": "INT16", "array": True},
                }
            },
            "tree": {"properties": {"height": {"type": "STRING"}, "kind": {"type": "STRING"}}},
        }
    }
    answers = {
        PATH: json_response(tileset({"content": {"uri": "tiles/0.glb"}}, schema=schema)),
        "/3d/tiles/0.glb": response(GLB + bytes(100_000)),
    }
    async with serving(answers) as server:
        session = ProbeSession(target(server.url(path=PATH)), LIMITS, LOOPBACK)
        found = await probe(session)
    assert [(f.name, f.type) for f in found.fields] == [
        ("height", "number"),
        ("floors", "integer"),
        ("use", "string"),
        ("name", "string"),
        ("listed", "boolean"),
        ("colour", "array"),
        ("years", "array"),
        ("kind", "string"),
    ]
    assert (found.crs, found.geometry_type, found.sampled) == (("EPSG:4978",), "Mesh", None)
    assert found.extent is not None
    assert (found.extent.crs, found.extent.bbox) == ("OGC:CRS84", ("4.2", "52", "4.4", "52.1"))
    assert {unknown.fact for unknown in found.unknown} == {"records", "first", "last", "timeResolution", "sizeBytes"}
    assert server.targets == [PATH, "/3d/tiles/0.glb"]
    assert server.header("Range") == "bytes=0-63"
    assert session.requests == 2
    assert session.received < 20_000  # of a server that knows no ranges, one piece


async def test_a_range_is_read_where_the_server_knows_ranges() -> None:
    part = response(GLB.ljust(64, b"\0"), "Content-Range: bytes 0-63/100000", status="206 Partial Content")
    async with serving(
        {PATH: json_response(volume("region", REGION, content={"uri": "0.glb"})), "/3d/0.glb": part}
    ) as s:
        session = ProbeSession(target(s.url(path=PATH)), LIMITS, LOOPBACK)
        assert (await probe(session)).geometry_type == "Mesh"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_both_versions(version: str) -> None:
    properties = {"Height": {"minimum": 1, "maximum": 241.6}, "no name": {}}
    found = await facts(tileset(asset={"version": version}, properties=properties))
    assert [(f.name, f.type, f.empty) for f in found.fields] == [("Height", "number", 0)]


async def test_a_schema_in_a_file_of_its_own() -> None:
    schema = {"classes": {"a": {"properties": {"height": {"type": "SCALAR", "componentType": "FLOAT64"}}}}}
    found = await facts(tileset(schemaUri="schema.json"), **{"schema.json": json_response(schema)})  # type: ignore[arg-type]
    assert [(f.name, f.type) for f in found.fields] == [("height", "number")]


@pytest.mark.parametrize(
    "link", ["missing.json", "http://127.0.0.1:1/schema.json", "file:///etc/passwd", "//[/", "bad.json", 7, None, {}]
)
async def test_a_schema_that_cannot_be_had_is_no_failure(link: Any) -> None:
    found = await facts(tileset(schemaUri=link), **{"bad.json": json_response("{")})  # type: ignore[arg-type]
    assert found.fields == ()
    assert found.why_unknown("fields")


@pytest.mark.parametrize(
    "schema",
    [
        7,
        [],
        {"classes": 7},
        {"classes": {"a": 7}},
        {"classes": {"a": {"properties": []}}},
        {
            "classes": {
                "a": {"properties": {"b": 7, "c": {"type": []}, "d": {"type": "VEC9"}, "no name": {"type": "STRING"}}}
            }
        },
    ],
)
async def test_an_odd_schema_tells_nothing(schema: Any) -> None:
    assert (await facts(tileset(schema=schema, properties=[schema]))).fields == ()


async def test_a_huge_schema_is_cut() -> None:
    properties = {f"field_{number}": {"type": "STRING"} for number in range(1000)}
    assert len((await facts(tileset(schema={"classes": {"a": {"properties": properties}}}))).fields) == 128


# --- the place on Earth


def close(found: SourceFacts, west: float, south: float, east: float, north: float) -> bool:
    assert found.extent is not None
    assert found.extent.crs == "OGC:CRS84"
    return [float(number) for number in found.extent.bbox] == pytest.approx([west, south, east, north], abs=2e-4)


async def test_the_extent_of_a_box_is_that_of_its_corners() -> None:
    found = await facts(volume("box", BOX_AROUND_ZERO, transform=at(4.3, 52.05)))
    # 500 m is 0.0045 degrees of latitude, and 0.0073 of longitude at 52 north.
    assert close(found, 4.3 - 0.0073, 52.05 - 0.0045, 4.3 + 0.0073, 52.05 + 0.0045)
    # The same box, without a transform.
    matrix = at(4.3, 52.05)
    box = [
        *matrix[12:15],
        *(500 * x for x in matrix[0:3]),
        *(500 * x for x in matrix[4:7]),
        *(50 * x for x in matrix[8:11]),
    ]
    assert (await facts(volume("box", box))).extent == found.extent


async def test_the_extent_of_a_sphere() -> None:
    found = await facts(volume("sphere", [0, 0, 0, 500], transform=at(4.3, 52.05)))
    assert close(found, 4.3 - 0.0073, 52.05 - 0.0045, 4.3 + 0.0073, 52.05 + 0.0045)
    doubled = [
        2 * x if i % 5 == 0 and i < 15 else x for i, x in enumerate([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    ]
    place = at(4.3, 52.05)[12:15]
    found = await facts(volume("sphere", [*(x / 2 for x in place), 250], transform=doubled))
    assert close(found, 4.3 - 0.0073, 52.05 - 0.0045, 4.3 + 0.0073, 52.05 + 0.0045)


async def test_a_region_is_not_moved_by_the_transform() -> None:
    found = await facts(volume("region", REGION, transform=at(100, 10)))
    assert close(found, 4.2, 52.0, 4.4, 52.1)


@pytest.mark.parametrize(
    "value",
    [
        volume("box", BOX_AROUND_ZERO),
        volume("sphere", [78000, 452000, 0, 1000]),  # metres of a national grid
        volume("box", [0, 0, 0, 1e7, 0, 0, 0, 1, 0, 0, 0, 1], transform=[0] * 16),
    ],
)
async def test_local_coordinates_are_told(value: Any) -> None:
    found = await facts(value)
    if found.crs:  # so big that it may be on Earth
        assert found.extent is None
        return
    assert found.why_unknown("crs")
    assert (found.why_unknown("extent") or "").startswith("the root's bounding volume is not on Earth")


@pytest.mark.parametrize(
    "root",
    [
        {"boundingVolume": {"region": []}},
        {"boundingVolume": {"region": [*REGION[:4], None, 1]}},
        {"boundingVolume": {"region": [10, 0, 11, 1, 0, 0]}},
        {"boundingVolume": {"region": [3, 0, -3, 1, 0, 0]}},  # across the antimeridian
        {"boundingVolume": {"region": REGION[:3]}},
        {"boundingVolume": {"region": {"a": 1}}},
        {"boundingVolume": {"region": [True] * 6}},
        {"boundingVolume": {"box": [1, 2, 3, 4, 5]}},
        {"boundingVolume": {"box": [1, 2, 3, 4, 5], "sphere": [1, 2, 3, 4]}},
        {"boundingVolume": {"box": ["1"] * 12}},
        {"boundingVolume": {"box": [1e308] * 12}, "transform": [1e308] * 16},
        {"boundingVolume": {"sphere": [0, 0, 0, -1]}, "transform": at(4, 52)},
        {"boundingVolume": {"sphere": [0, 0, 0, 1e7]}, "transform": at(4, 52)},  # the whole Earth
        {"boundingVolume": {"sphere": [1, 2]}},
        {"boundingVolume": {"sphere": [0, 0, 0, 1]}, "transform": [1, 2]},
        {"boundingVolume": {"sphere": [0, 0, 0, 1]}, "transform": "x"},
        {"boundingVolume": {"box": BOX_AROUND_ZERO}, "transform": at(180, 10)},
        {"boundingVolume": {"box": BOX_AROUND_ZERO}, "transform": at(20, 90)},
        {"boundingVolume": {"sphere": [0, 0, 0, 500]}, "transform": at(180, 10)},
        {"boundingVolume": {"sphere": [0, 0, 0, 500]}, "transform": at(20, 90)},
        {"boundingVolume": {"extensions": {"3DTILES_bounding_volume_S2": {"token": "2"}}}},
    ],
)
async def test_an_extent_that_cannot_be_told_is_unknown(root: dict[str, Any]) -> None:
    found = await facts(tileset(root))
    assert found.extent is None
    assert found.why_unknown("extent")
    assert found.crs == ("EPSG:4978",)


# --- a tile


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"b3dm", "Mesh"),
        (b"i3dm", "Mesh"),
        (b"cmpt", "Mesh"),
        (b"glTF", "Mesh"),
        (b"pnts", "Point"),
        (b' {"asset": {"version": "2.0"}}', "Mesh"),
    ],
)
@pytest.mark.parametrize("content", [{"uri": "tile"}, {"url": "tile"}])
async def test_kinds_of_tiles(head: bytes, kind: str, content: dict[str, str]) -> None:
    found = await facts(tileset({"content": content}), tile=response(head + bytes(50)))
    assert found.geometry_type == kind


@pytest.mark.parametrize("head", [b"", b"b3d", b"<html></html>", b"\x1f\x8b\x08\0", b"PK\x03\x04", bytes(64)])
async def test_refuses_a_tile_that_is_none(head: bytes) -> None:
    error = await refusal(tileset({"content": {"uri": "tile"}}), tile=response(head))
    assert error.reason == "UnexpectedContent"
    assert "no tile" in error.message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(b"", status="404 Not Found"), "MalformedData"),
        (response(b"", status="401 Unauthorized"), "Unauthorized"),
        (response(b"", status="416 Range Not Satisfiable"), "HttpError"),
        (redirect("http://169.254.169.254/x"), "AddressForbidden"),
        (redirect("file:///etc/passwd"), "AddressForbidden"),
    ],
)
async def test_refuses_a_tile_that_cannot_be_had(answer: bytes, reason: str) -> None:
    assert (await refusal(tileset({"content": {"uri": "tile"}}), tile=answer)).reason == reason


async def test_a_tile_that_is_kept_compressed_is_not_looked_into() -> None:
    found = await facts(tileset({"content": {"uri": "t"}}), t=response(b"\x1f\x8b", "Content-Encoding: gzip"))
    assert found.geometry_type == "Mesh"


async def test_an_endless_tile_is_left_after_its_head() -> None:
    async def endless(writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nb3dm")
        while True:
            writer.write(bytes(10_000))
            await writer.drain()

    answers = {PATH: json_response(tileset({"content": {"uri": "t"}})), "/3d/t": endless}
    async with serving(answers) as server:  # type: ignore[arg-type]
        session = ProbeSession(target(server.url(path=PATH)), LIMITS, LOOPBACK)
        await probe(session)
    assert session.received < 50_000


@pytest.mark.parametrize(
    "root",
    [
        {"content": {"uri": "http://127.0.0.1:1/0.b3dm"}},  # on another server
        {"content": {"uri": "file:///etc/passwd"}},
        {"content": {"uri": "//[/"}},
        {"content": {"uri": 7}},
        {"content": {"uri": "{level}/{x}/{y}.glb"}},
        {"content": 7, "contents": 7, "children": 7, "implicitTiling": 7},
        {"content": [], "contents": [7], "children": [7, None, []], "implicitTiling": {"subtrees": {"uri": 7}}},
        {"content": None, "children": [{"content": {"uri": {"uri": {}}}}]},
    ],
)
async def test_odd_links_to_tiles_are_not_followed(root: dict[str, Any]) -> None:
    answers = {PATH: json_response(tileset(root))}
    async with serving(answers) as server:
        await look_at(target(server.url(path=PATH)))
        assert server.targets == [PATH]


async def test_the_first_tile_below_an_empty_root_is_looked_at() -> None:
    below = {"content": {"uri": "a.b3dm"}, "children": [{"content": {"uri": "b.b3dm"}}]}
    root = {"children": [{"extras": {"uri": "no.b3dm"}, "children": [below]}, {"content": {"uri": "c.b3dm"}}]}
    found = await facts(tileset(root), **{"a.b3dm": response(b"pnts" + bytes(60))})  # type: ignore[arg-type]
    assert found.geometry_type == "Point"


async def test_the_first_subtree_of_implicit_tiles_is_looked_at() -> None:
    implicit = {"subdivisionScheme": "QUADTREE", "subtrees": {"uri": "subtrees/{level}.{x}.{y}.subtree"}}
    root = {"content": {"uri": "{level}/{x}/{y}.glb"}, "implicitTiling": implicit}
    found = await facts(tileset(root), **{"subtrees/0.0.0.subtree": response(b"subt" + bytes(60))})  # type: ignore[arg-type]
    assert found.geometry_type == "Mesh"
    assert (await refusal(tileset(root))).reason == "MalformedData"


async def test_links_are_relative_to_where_the_tileset_came_from() -> None:
    answers = {
        "/latest.json": redirect("/2024/tileset.json"),
        "/2024/tileset.json": json_response(tileset({"content": {"uri": "0.glb?v=1"}})),
        "/2024/0.glb?v=1": response(b"pnts" + bytes(60)),
    }
    async with serving(answers) as server:
        assert (await look_at(target(server.url(path="/latest.json")))).geometry_type == "Point"


# --- big ones


async def test_of_a_big_tileset_only_the_beginning_is_read() -> None:
    tile = {"boundingVolume": {"region": REGION}, "geometricError": 1, "content": {"uri": "0.glb"}}
    big = tileset({"children": [tile] * 5000})
    answers = {PATH: json_response(big), "/3d/0.glb": response(GLB + bytes(60))}
    async with serving(answers) as server:
        session = ProbeSession(target(server.url(path=PATH)), Limits(max_document_bytes=50_000), LOOPBACK)
        found = await probe(session)
    assert found.extent is not None
    assert session.received < 100_000
    # Its parts may come in an order that hides what is needed.
    root = {"children": [tile] * 5000, **tile}
    error = await refusal({"root": root, "asset": {"version": "1.1"}}, Limits(max_document_bytes=50_000))
    assert error.reason == "UnexpectedContent"
    error = await refusal({"asset": {"version": "1.1"}, "root": root}, Limits(max_document_bytes=50_000))
    assert error.reason == "MalformedData"
    assert "in its first 50000 bytes" in error.message


async def test_of_many_tiles_nothing_is_kept() -> None:
    tile = {"content": {"uri": "0.glb"}, "geometricError": 1}
    found = await facts(tileset({"children": [tile] * 10_000}), **{"0.glb": response(GLB + bytes(60))})  # type: ignore[arg-type]
    assert found.extent is not None


async def test_an_endless_tileset_is_too_long_or_too_slow() -> None:
    async def endless(writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b'{"extras": [')
        while True:
            writer.write(b"1," * 5000)
            await writer.drain()

    assert (await refusal(endless, Limits(max_document_bytes=100_000))).reason == "UnexpectedContent"
    assert (await refusal(endless, Limits(max_bytes=100_000))).reason == "UnexpectedContent"
    assert (await refusal(endless, Limits(HASTE.deadline_seconds, 10**12, 10**12))).reason == "TooSlow"


# --- what is no tileset


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "UnexpectedContent"),
        ([], "UnexpectedContent"),
        ("7", "UnexpectedContent"),
        ("null", "UnexpectedContent"),
        ({"error": SECRET, "status": 404}, "UnexpectedContent"),
        (tileset(asset={}), "UnexpectedContent"),
        (tileset(asset=7), "UnexpectedContent"),
        (tileset(asset={"version": 1.1}), "UnexpectedContent"),
        (tileset(asset={"version": "0.0"}), "UnexpectedContent"),
        (tileset(asset={"version": "2.0\u202e" + "x" * 500}), "UnexpectedContent"),
        ({"asset": {"version": "2.0"}, "scene": 0, "nodes": []}, "UnexpectedContent"),  # glTF
        (tileset(root={"boundingVolume": DROP}), "MalformedData"),
        (tileset(root={"boundingVolume": 7}), "MalformedData"),
        (tileset(root={"boundingVolume": {}}), "MalformedData"),
        (tileset(root={"geometricError": DROP}), "MalformedData"),
        (tileset(root={"geometricError": -1}), "MalformedData"),
        (tileset(root={"geometricError": "1"}), "MalformedData"),
        (tileset(geometricError=DROP), "MalformedData"),
        (tileset(geometricError=True), "MalformedData"),
        (tileset(geometricError=-0.5), "MalformedData"),
        ({"asset": {"version": "1.0"}, "geometricError": 1}, "MalformedData"),
        ({"asset": {"version": "1.0"}, "geometricError": 1, "root": []}, "MalformedData"),
        (json.dumps(tileset()).replace("100.5", "1e999"), "MalformedData"),
        (json.dumps(tileset()).replace("100.5", "1e99999999999999999999"), "MalformedData"),
        (json.dumps(tileset()).replace("100.5", "NaN"), "MalformedData"),
        (json.dumps(tileset()).replace("100.5", "9" * 5000), "MalformedData"),
        (json.dumps(tileset()) + "{}", "MalformedData"),
        (json.dumps(tileset())[:-1], "MalformedData"),
        ("[" * 100_000, "MalformedData"),
        ('{"root": {"children": ' + '[{"children": ' * 100_000, "MalformedData"),
        ("[" * 100 + "]" * 100, "MalformedData"),
        (b'{"asset": "\xff"}', "MalformedData"),
        ("", "MalformedData"),
        ("{,}", "MalformedData"),
        ("<html></html>", "UnexpectedContent"),
        ("  \n<?xml?>", "UnexpectedContent"),
    ],
)
async def test_refuses_what_is_no_tileset(document: Any, reason: str) -> None:
    assert (await refusal(document)).reason == reason


async def test_refuses_a_web_page_by_its_media_type() -> None:
    error = await refusal(json_response(tileset(), media_type="text/html"))
    assert error.reason == "UnexpectedContent"
    assert "text/html" in error.message


async def test_half_a_surrogate_pair_is_not_shown() -> None:
    document = json.dumps(tileset()).replace('"1.1"', '"\\ud800"')
    assert (await refusal(document)).reason in ("MalformedData", "UnexpectedContent")


@pytest.mark.parametrize(
    ("status", "reason"), [("404 No", "HttpError"), ("403 No", "Unauthorized"), ("500 X", "HttpError")]
)
async def test_refuses_error_statuses(status: str, reason: str) -> None:
    assert (await refusal(json_response({}, status=status))).reason == reason
