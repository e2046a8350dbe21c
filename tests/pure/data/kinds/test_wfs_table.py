"""WFS as a table: pages, types, and what is broken. The rows of a real server: tests/protocols/test_tables.py."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, response, serving, target

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.wfs.table import batches
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError

XML = "Content-Type: application/gml+xml"
CAPABILITIES = response(
    b'<WFS_Capabilities version="2.0.0"><FeatureTypeList><FeatureType><Name>w:levels</Name>'
    b"<DefaultCRS>urn:ogc:def:crs:EPSG::28992</DefaultCRS></FeatureType></FeatureTypeList></WFS_Capabilities>",
    XML,
)
SCHEMA = response(
    b'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:gml="http://www.opengis.net/gml/3.2" '
    b'xmlns:w="http://w" targetNamespace="http://w" elementFormDefault="qualified">'
    b'<xsd:complexType name="levelsType"><xsd:complexContent><xsd:extension base="gml:AbstractFeatureType">'
    b'<xsd:sequence><xsd:element name="code" type="xsd:string" minOccurs="0"/>'
    b'<xsd:element name="at" type="xsd:dateTime" minOccurs="0"/>'
    b'<xsd:element name="level" type="xsd:double" minOccurs="0"/></xsd:sequence></xsd:extension></xsd:complexContent>'
    b'</xsd:complexType><xsd:element name="levels" substitutionGroup="gml:AbstractFeature" type="w:levelsType"/>'
    b"</xsd:schema>",
    XML,
)
BASE = "/?service=WFS&version=2.0.0&request="


def page(numbers: range, matched: str = "unknown") -> bytes:
    members = "".join(
        f'<wfs:member><w:levels gml:id="levels.{n}"><w:code>{n:03d}</w:code>'
        f"<w:at>2025-03-01T{n % 24:02d}:00:00+01:00</w:at></w:levels></wfs:member>"
        for n in numbers
    )
    return response(
        f'<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" '
        f'xmlns:w="http://w" numberMatched="{matched}" numberReturned="{len(numbers)}">{members}'
        "</wfs:FeatureCollection>".encode(),
        XML,
    )


def features(start: int = 0) -> str:
    return f"{BASE}GetFeature&typenames=w:levels&count=5000{f'&startindex={start}' if start else ''}"


async def read(
    pages: Mapping[str, Answer], folder: Path, *names: str
) -> tuple[list[tuple[str | None, ...]], list[str]]:
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    work = folder / "work"
    os.makedirs(work, exist_ok=True)
    routes: dict[str, Answer] = {
        f"{BASE}GetCapabilities&acceptversions=2.0.2,2.0.0": CAPABILITIES,
        f"{BASE}DescribeFeatureType&typename=w:levels": SCHEMA,
        **pages,
    }
    async with serving(routes) as server:
        session = Session(target(server.url(path="/"), kind=DataKind.WFS, physical_name="levels"), LIMITS, LOOPBACK)
        try:
            found = [batch async for batch in batches(session, Selection(fields, work))]
        finally:
            assert not os.listdir(work)
    return [tuple(row.values()) for batch in found for row in batch.to_pylist()], server.targets[2:]


async def test_values_as_the_schema_has_them(tmp_path: Path) -> None:
    rows, _ = await read({features(): page(range(3), "3")}, tmp_path, "code", "at", "level")
    assert [row[0] for row in rows] == ["000", "001", "002"]  # a text with zeros is no number
    assert datetime.fromisoformat(str(rows[1][1])) == datetime(2025, 3, 1, tzinfo=UTC)
    assert [row[2] for row in rows] == [None] * 3  # of no feature, but of the schema


@pytest.mark.parametrize("matched", ["unknown", "5"])
async def test_pages_of_a_server_that_gives_fewer_than_asked_for(matched: str, tmp_path: Path) -> None:
    pages = {
        features(): page(range(2), matched),
        features(2): page(range(2, 4), matched),
        features(4): page(range(4, 5), matched),
        features(5): page(range(0), matched),
    }
    rows, asked = await read(pages, tmp_path, "code")
    assert [row[0] for row in rows] == [f"{n:03d}" for n in range(5)]
    assert len(asked) == (4 if matched == "unknown" else 3)


async def test_no_features(tmp_path: Path) -> None:
    rows, _ = await read({features(): page(range(0), "0")}, tmp_path, "code")
    assert rows == []


REPORT = b'<ows:ExceptionReport xmlns:ows="o"><ows:Exception exceptionCode="NoSuchThing"/></ows:ExceptionReport>'
BOMB = b'<!DOCTYPE a [<!ENTITY b "c">]><FeatureCollection>&b;</FeatureCollection>'
BROKEN: dict[str, tuple[dict[str, Answer], SourceReason]] = {
    "the same page for ever": ({"/": page(range(2))}, SourceReason.MALFORMED_DATA),
    "fewer than it says": (
        {features(): page(range(2), "5"), features(2): page(range(0), "5")},
        SourceReason.MALFORMED_DATA,
    ),
    "an exception": ({features(): response(REPORT, XML)}, SourceReason.ERROR_REPORTED),
    "entities": ({features(): response(BOMB, XML)}, SourceReason.MALFORMED_DATA),
    "something else": ({features(): response(b"<a/>", XML)}, SourceReason.MALFORMED_DATA),
    "cut off": (
        {features(): response(page(range(300)).partition(b"\r\n\r\n")[2][:-5000], XML)},
        SourceReason.MALFORMED_DATA,
    ),
    "a web page": ({features(): response(b"<html/>", "Content-Type: text/html")}, SourceReason.UNEXPECTED_CONTENT),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken(name: str, tmp_path: Path) -> None:
    pages, reason = BROKEN[name]
    with pytest.raises(SourceError) as caught:
        await read(pages, tmp_path, "code")
    assert caught.value.reason == reason
