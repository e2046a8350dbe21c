"""Names of coordinate reference systems, extents and GeoJSON geometries, as facts have them."""

from typing import Any

import pytest

from ddtas.data.facts import geo


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EPSG:28992", "EPSG:28992"),
        ("epsg:28992", "EPSG:28992"),
        ("[EPSG:28992]", "EPSG:28992"),
        ("http://www.opengis.net/def/crs/EPSG/0/28992", "EPSG:28992"),
        ("https://www.opengis.net/def/crs/EPSG/9.9.1/28992", "EPSG:28992"),
        ("urn:ogc:def:crs:EPSG::28992", "EPSG:28992"),
        ("urn:x-ogc:def:crs:EPSG:6.9:4326", "EPSG:4326"),
        ("http://www.opengis.net/gml/srs/epsg.xml#4258", "EPSG:4258"),
        ("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "OGC:CRS84"),
        ("http://www.opengis.net/def/crs/OGC/0/CRS84h", "OGC:CRS84h"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
        ("urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84"),
        ("CRS84", "OGC:CRS84"),
        ("http://www.opengis.net/def/crs/IAU/2015/49900", "http://www.opengis.net/def/crs/IAU/2015/49900"),
        ("urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709", "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709"),
        ("http://example.com/crs/28992", None),
        ("http://www.opengis.net/def/crs/\ud800", None),
        ("http://www.opengis.net/def/crs/" + "x" * 500, None),
        ("EPSG:28992\n", None),
        ("", None),
        (28992, None),
        (None, None),
        ({}, None),
    ],
)
def test_names_of_crs(text: Any, name: str | None) -> None:
    assert geo.crs_name(text) == name


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-1e-9, "0"),
        (4.35, "4.35"),
        (100, "100"),
        (78_000.0, "78000"),
        (1e-7, "0.0000001"),
        (-0.12345678, "-0.1234568"),
        (1e12, "1000000000000"),
        (1e13, None),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("4", None),
        (None, None),
    ],
)
def test_decimals(number: Any, text: str | None) -> None:
    assert geo.decimal(number) == text


@pytest.mark.parametrize(
    ("crs", "box", "bbox"),
    [
        ("OGC:CRS84", [4.2, 52, 4.4, 52.1], ("4.2", "52", "4.4", "52.1")),
        ("EPSG:28992", [78000, 452000, 78000, 452000], ("78000", "452000", "78000", "452000")),
        ("OGC:CRS84", [78000, 452000, 80000, 455000], None),  # metres
        ("OGC:CRS84", [179, -1, -179, 1], None),  # across the antimeridian
        ("OGC:CRS84", [4.2, 52.1, 4.4, 52], None),
        ("OGC:CRS84", [4.2, 52, 4.4], None),
        ("OGC:CRS84", [4.2, 52, 4.4, 53, 5], None),
        ("OGC:CRS84", ["4.2", 52, 4.4, 53], None),
        ("OGC:CRS84", [], None),
    ],
)
def test_extents(crs: str, box: list[Any], bbox: tuple[str, ...] | None) -> None:
    found = geo.extent(crs, box)
    assert (found and found.bbox) == bbox


@pytest.mark.parametrize(
    ("crs", "first"),
    [
        ("OGC:CRS84", False),
        ("EPSG:28992", False),
        ("EPSG:4326", True),
        ("EPSG:4258", True),
        ("EPSG:3035", True),
        ("EPSG:999999", None),
        ("urn:ogc:def:crs:nonsense", None),
    ],
)
def test_order_of_axes(crs: str, first: bool | None) -> None:
    assert geo.northing_first(crs) is first


def point(*position: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(position)}


@pytest.mark.parametrize(
    ("geometries", "kind", "box"),
    [
        ([point(4, 52)], "Point", (4, 52, 4, 52)),
        ([point(4, 52, 1), None, point(5, 51)], "Point", (4, 51, 5, 52)),
        ([point(4, 52), {"type": "MultiPoint", "coordinates": [[3, 50]]}], "MultiPoint", (3, 50, 4, 52)),
        ([point(4, 52), {"type": "LineString", "coordinates": [[3, 50], [3, 51]]}], None, (3, 50, 4, 52)),
        ([{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 2], [0, 0]]]}], "Polygon", (0, 0, 1, 2)),
        ([{"type": "GeometryCollection", "geometries": [point(1, 2)]}], "GeometryCollection", (1, 2, 1, 2)),
        ([{"type": "GeometryCollection", "geometries": []}], "GeometryCollection", None),
        ([{"type": "Point", "coordinates": []}], "Point", None),
        ([None], None, None),
        ([], None, None),
    ],
)
def test_geometries(geometries: list[Any], kind: str | None, box: tuple[float, ...] | None) -> None:
    found = geo.Geometries()
    for geometry in geometries:
        found.add(geometry)
    assert found.type() == kind
    assert found.box == box
    assert not found.broken


@pytest.mark.parametrize(
    "geometry",
    [
        7,
        "Point",
        [],
        {},
        {"type": "Mesh", "coordinates": [1, 2]},
        {"type": ["Point"], "coordinates": [1, 2]},
        {"type": "Point"},
        {"type": "Point", "coordinates": 1},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [10**400, 2]},
        {"type": "Point", "coordinates": [float("nan"), 2]},
        {"type": "Point", "coordinates": [None, None]},
        {"type": "Polygon", "coordinates": [[[1, 2], 3]]},
        {"type": "GeometryCollection", "geometries": [1]},
        {"type": "GeometryCollection", "geometries": {}},
    ],
)
def test_broken_geometries_make_the_extent_unknown(geometry: Any) -> None:
    found = geo.Geometries()
    found.add(point(1, 2))
    found.add(geometry)
    assert found.broken
    assert found.extent("OGC:CRS84") is None


def test_an_extent_has_x_before_y_whatever_the_order_of_the_coordinates() -> None:
    found = geo.Geometries()
    found.add(point(52.0, 4.0))
    found.add(point(52.1, 4.5))
    extent = found.extent("EPSG:4326", swapped=True)
    assert extent is not None
    assert extent.bbox == ("4", "52", "4.5", "52.1")
