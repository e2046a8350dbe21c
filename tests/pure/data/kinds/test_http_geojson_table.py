"""GeoJSON as a table: geometries, values, and what is broken. The rows: tests/protocols/test_tables.py."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, response, serving, target

from ddtas.data.contract import FieldType
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.kinds.http_geojson.table import batches
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError

GEOMETRIES = [
    {"type": "Point", "coordinates": [4.25, 52]},
    {"type": "Point", "coordinates": [4.25, 52, -1.5]},
    {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]},
    {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
]


def collection(*features: Any, **members: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", **members, "features": features}).encode()


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


async def read(body: bytes, folder: Path, *names: str, geometry: bool = False) -> pa.Table:
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    async with serving(response(body, "Content-Type: application/geo+json")) as server:
        session = Session(target(server.url()), LIMITS, LOOPBACK)
        found = [batch async for batch in batches(session, Selection(fields, folder, geometry=geometry))]
    return pa.Table.from_batches(found)


async def test_whole_geometries(tmp_path: Path) -> None:
    empty = {"type": "Polygon", "coordinates": []}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::28992"}}
    body = collection(*map(feature, [*GEOMETRIES, None, empty]), crs=crs)
    found = await read(body, tmp_path, geometry=True)
    *shapes, null, nothing = found["geometry"].to_pylist()
    assert [json.loads(shapely.to_geojson(shapely.from_wkb(shape))) for shape in shapes] == GEOMETRIES
    assert null is nothing is None
    assert found.schema.metadata == {CRS: b"EPSG:28992"}
    assert not os.listdir(tmp_path)


async def test_values_are_texts_or_json(tmp_path: Path) -> None:
    properties = {"a": "-9999", "b": 0.1, "c": {"d": [1.5, None]}, "e": True, "f": None, "g": 9007199254740993}
    found = await read(b"\xef\xbb\xbf" + collection(feature(**properties)), tmp_path, *properties)
    assert found.to_pylist() == [
        {"a": "-9999", "b": "0.1", "c": '{"d": [1.5, null]}', "e": "true", "f": None, "g": "9007199254740993"}
    ]


async def test_many_features_come_in_batches_of_one_schema(tmp_path: Path) -> None:
    found = await read(collection(*(feature(n=n) for n in range(25_000))), tmp_path, "n")
    assert found["n"].to_pylist() == [str(n) for n in range(25_000)]
    assert found["n"].num_chunks > 1


BROKEN = {
    "cut off": (collection(feature(n=1), feature(n=2))[:-30], SourceReason.MALFORMED_DATA),
    "no feature": (collection(1), SourceReason.MALFORMED_DATA),
    "no features": (b'{"type": "FeatureCollection"}', SourceReason.MALFORMED_DATA),
    "a number too big": (collection(feature(n=10**30)), SourceReason.MALFORMED_DATA),
    "a geometry of nothing": (collection(feature({"type": "Point"}, n=1)), SourceReason.MALFORMED_DATA),
    "a geometry of texts": (
        collection(feature({"type": "Point", "coordinates": "ab"}, n=1)),
        SourceReason.MALFORMED_DATA,
    ),
    "a geometry that is a text": (collection(feature("POINT (1 2)", n=1)), SourceReason.MALFORMED_DATA),
    "an error": (b'{"error": "no such layer"}', SourceReason.UNEXPECTED_CONTENT),
    "a web page": (b"<html></html>", SourceReason.UNEXPECTED_CONTENT),
    "nothing": (b"", SourceReason.UNEXPECTED_CONTENT),
    "no such property": (collection(feature(m=1)), SourceReason.ENTITY_NOT_FOUND),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken(name: str, tmp_path: Path) -> None:
    body, reason = BROKEN[name]
    with pytest.raises(SourceError) as caught:
        await read(body, tmp_path, "n", geometry=True)
    assert caught.value.reason == reason
    assert not os.listdir(tmp_path)
