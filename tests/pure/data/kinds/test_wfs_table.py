"""WFS as a table: pages, types, and what is broken. The rows of a real server: tests/protocols/test_tables.py."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, response, serving, target
from yarl import URL

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.wfs.table import batches
from ddtas.data.kinds.wfs.window import _NAMESPACE
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


# ---- periods: a server is asked for one only where its own counts show that it filters ----

AT = SourceField("at", FieldType.TIMESTAMP)
START, END = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 3, 12, tzinfo=UTC)
FROM = (
    "<fes:PropertyIsGreaterThanOrEqualTo><fes:ValueReference>at</fes:ValueReference>"
    "<fes:Literal>2025-02-28T00:00:00Z</fes:Literal></fes:PropertyIsGreaterThanOrEqualTo>"
)
UNTIL = (
    "<fes:PropertyIsLessThanOrEqualTo><fes:ValueReference>at</fes:ValueReference>"
    "<fes:Literal>2025-03-04T12:00:00Z</fes:Literal></fes:PropertyIsLessThanOrEqualTo>"
)
BOTH = f"<fes:And>{FROM}{UNTIL}</fes:And>"


def asked(condition: str = "", **parameters: str) -> str:
    """The target of a GetFeature."""
    query = {"service": "WFS", "version": "2.0.0", "request": "GetFeature", "typenames": "w:levels", **parameters}
    if condition:
        query["filter"] = f'<fes:Filter xmlns:fes="{_NAMESPACE}">{condition}</fes:Filter>'
    return str(URL("http://x/").update_query(query).relative())


def hits(number: int | str) -> bytes:
    return response(
        f'<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" numberMatched="{number}" '
        'numberReturned="0"/>'.encode(),
        XML,
    )


def counts(every: Answer, inside: Answer, outside: Answer, condition: str = BOTH) -> dict[str, Answer]:
    return {
        asked(resulttype="hits"): every,
        asked(condition, resulttype="hits"): inside,
        asked(f"<fes:Not>{condition}</fes:Not>", resulttype="hits"): outside,
    }


async def read_period(routes: dict[str, Answer], folder: Path, **options: Any) -> tuple[int, list[str]]:
    """How many rows came, and what was asked beside the two descriptions."""
    described: dict[str, Answer] = {
        f"{BASE}GetCapabilities&acceptversions=2.0.2,2.0.0": CAPABILITIES,
        f"{BASE}DescribeFeatureType&typename=w:levels": SCHEMA,
    }
    async with serving({**described, **routes}) as server:
        session = Session(target(server.url(path="/"), kind=DataKind.WFS, physical_name="levels"), LIMITS, LOOPBACK)
        chosen: dict[str, Any] = {"time": AT, "start": START, "end": END, **options}
        found = batches(session, Selection((SourceField("code", FieldType.STRING),), folder, **chosen))
        return sum([batch.num_rows async for batch in found]), server.targets[2:]


@pytest.mark.parametrize(
    ("options", "condition"),
    [({}, BOTH), ({"end": None}, FROM), ({"start": None}, UNTIL)],
)
async def test_a_period_is_asked_for_a_day_wider(options: dict[str, Any], condition: str, tmp_path: Path) -> None:
    routes = counts(hits(9000), hits(3), hits(8997), condition)
    routes[asked(condition, count="5000")] = page(range(3), "3")
    assert (await read_period(routes, tmp_path, **options))[0] == 3


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (hits(0), hits(0)),  # a filter that nothing passes
        (hits(9000), hits(9000)),  # one that is taken no notice of
        (hits(3), hits(8000)),  # times that are null, or rows that came meanwhile
        (hits("unknown"), hits(8997)),
        (response(b'<ExceptionReport><Exception exceptionCode="x"/></ExceptionReport>', XML), hits(8997)),
        (response(b"", status="400 Bad Request"), hits(8997)),
        (hits(3), response(b"", status="500 Oops")),
    ],
)
async def test_where_the_counts_do_not_add_up_all_is_read(inside: bytes, outside: bytes, tmp_path: Path) -> None:
    routes = {**counts(hits(9000), inside, outside), asked(count="5000"): page(range(3), "3")}
    assert (await read_period(routes, tmp_path))[0] == 3


@pytest.mark.parametrize("every", [hits(5000), hits("unknown")])
async def test_what_is_short_or_not_counted_is_read_whole(every: bytes, tmp_path: Path) -> None:
    routes: dict[str, Answer] = {asked(resulttype="hits"): every, asked(count="5000"): page(range(3), "3")}
    assert await read_period(routes, tmp_path) == (3, [asked(resulttype="hits"), asked(count="5000")])


@pytest.mark.parametrize(
    "options",
    [
        {"time": None},
        {"time": SourceField("code", FieldType.TIMESTAMP)},  # which the schema calls a text
        {"time": SourceField("nowhere", FieldType.TIMESTAMP)},
        {"start": None, "end": None},
    ],
)
async def test_without_a_period_of_a_time_nothing_is_counted(options: dict[str, Any], tmp_path: Path) -> None:
    assert await read_period({asked(count="5000"): page(range(3), "3")}, tmp_path, **options) == (
        3,
        [asked(count="5000")],
    )
