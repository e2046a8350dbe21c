"""The WFS probe against services that are good, odd, broken and hostile."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from probes_kit import (
    CONTRACT,
    HASTE,
    LIMITS,
    LOOPBACK,
    SECRET,
    Answer,
    Server,
    look_at,
    response,
    serving,
    target,
)
from probes_kit import refusal as kit_refusal

from ddtas.data.contract import DataContract, DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError

NAME = "city:gauges"
PATH = "/ows?map=city.map"
NAMESPACES = (
    'xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:ows="http://www.opengis.net/ows/1.1" '
    'xmlns:fes="http://www.opengis.net/fes/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:city="http://city.example/"'
)
EPSG = "urn:ogc:def:crs:EPSG::"
CORNERS = "<ows:LowerCorner>4.2 52</ows:LowerCorner><ows:UpperCorner>4.4 52.1</ows:UpperCorner>"
BOX = f"<ows:WGS84BoundingBox>{CORNERS}</ows:WGS84BoundingBox>"
CRS = f"<wfs:DefaultCRS>{EPSG}28992</wfs:DefaultCRS><wfs:OtherCRS>{EPSG}4326</wfs:OtherCRS>"
FIELDS = (
    '<xs:element name="place" type="gml:PointPropertyType"/>'
    '<xs:element name="at" type="xs:dateTime"/>'
    '<xs:element name="level" type="xs:double"/>'
)
POINT = "<city:place><gml:Point><gml:pos>81000 447000</gml:pos></gml:Point></city:place>"
REPORT = (
    f'<ows:ExceptionReport {NAMESPACES} version="2.0.0"><ows:Exception exceptionCode="NoApplicableCode">'
    f"<ows:ExceptionText>{SECRET}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
)


def xml(text: str | bytes, *headers: str, media_type: str = "text/xml", status: str = "200 OK") -> bytes:
    body = text if isinstance(text, bytes) else text.encode()
    return response(body, f"Content-Type: {media_type}", *headers, status=status)


def capabilities(
    types: str = "", *, about: str = CRS + BOX, sorting: str = "FALSE", version: str = "2.0.0", root: str = ""
) -> bytes:
    root = root or "wfs:WFS_Capabilities"
    types = types or f"<wfs:FeatureType><wfs:Name>{NAME}</wfs:Name>{about}</wfs:FeatureType>"
    return xml(
        f'<{root} {NAMESPACES} version="{version}"><wfs:FeatureTypeList>{types}</wfs:FeatureTypeList>'
        f'<fes:Constraint name="ImplementsSorting"><ows:DefaultValue>{sorting}</ows:DefaultValue></fes:Constraint>'
        f"</{root}>"
    )


def schema(fields: str = FIELDS, *, more: str = "", base: str = "gml:AbstractFeatureType") -> bytes:
    return xml(
        f'<xs:schema {NAMESPACES}><xs:element name="gauges" type="city:gaugesType"/>{more}'
        f'<xs:complexType name="gaugesType"><xs:complexContent><xs:extension base="{base}">'
        f"<xs:sequence>{fields}</xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:schema>"
    )


def feature(hour: int | None, level: str = "<city:level>1.5</city:level>", geometry: str = POINT) -> str:
    at = f"<city:at>2024-01-01T{hour:02d}:00:00Z</city:at>" if hour is not None else ""
    return f"<wfs:member><city:gauges>{geometry}{at}{level}</city:gauges></wfs:member>"


def features(*members: str, matched: str | None = "unknown") -> bytes:
    attribute = "" if matched is None else f'numberMatched="{matched}"'
    return xml(f"<wfs:FeatureCollection {NAMESPACES} {attribute}>{''.join(members)}</wfs:FeatureCollection>")


def service(**answers: Answer) -> dict[str, Answer]:
    """A service with three features, that says their number when it is asked for nothing else."""
    usual: dict[str, Answer] = {
        "capabilities": capabilities(),
        "schema": schema(),
        "features": features(feature(1), feature(2), feature(3)),
        "hits": features(matched="3"),
    }
    return {**usual, **answers}


def asked(server: Server, request: int = -1) -> str:
    query = {key: values[0] for key, values in parse_qs(urlsplit(server.targets[request]).query).items()}
    assert (query["service"], query["map"]) == ("WFS", "city.map")
    if query["request"] != "GetFeature":
        return {"GetCapabilities": "capabilities", "DescribeFeatureType": "schema"}[query["request"]]
    if query.get("resulttype") == "hits":
        return "hits"
    return {None: "features", "DESC": "newest", "ASC": "oldest"}[query.get("sortby", " ").split(" ")[1] or None]


@asynccontextmanager
async def serving_wfs(answers: Mapping[str, Answer]) -> AsyncIterator[Server]:
    async def say(writer: asyncio.StreamWriter) -> None:
        answer = answers[asked(server)]
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            await answer(writer)

    async with serving(say) as server:
        yield server


def session(
    server: Server, name: str = NAME, limits: Limits = LIMITS, contract: DataContract = CONTRACT, path: str = PATH
) -> ProbeSession:
    to = target(server.url(path=path), kind=DataKind.WFS, physical_name=name, contract=contract)
    return ProbeSession(to, limits, LOOPBACK)


async def facts(
    limits: Limits = LIMITS, contract: DataContract = CONTRACT, name: str = NAME, **answers: Answer
) -> SourceFacts:
    async with serving_wfs(service(**answers)) as server:
        return await look_at(session(server, name, limits, contract))


async def refusal(limits: Limits = LIMITS, name: str = NAME, **answers: Answer) -> SourceError:
    async with serving_wfs(service(**answers)) as server:
        return await kit_refusal(session(server, name, limits))


def types(found: SourceFacts) -> dict[str, str]:
    return {one.name: one.type.value for one in found.fields}


# --- good services


async def test_finds_the_facts() -> None:
    async with serving_wfs(service()) as server:
        one = session(server)
        found = await look_at(one)
    assert found.dump() == {
        "fields": [{"name": "at", "type": "timestamp"}, {"name": "level", "type": "number"}],
        "geometryType": "Point",
        "crs": ["EPSG:28992", "EPSG:4326"],
        "extent": {"crs": "OGC:CRS84", "bbox": ["4.2", "52", "4.4", "52.1"]},
        "records": 3,
        "sampled": 3,
        "first": "2024-01-01T01:00:00Z",
        "last": "2024-01-01T03:00:00Z",
        "timeResolution": "PT1H",
        "latencyMilliseconds": found.latency_milliseconds,
        "unknown": [{"fact": "sizeBytes", "reason": "the protocol does not tell it"}],
    }
    assert [asked(server, number) for number in range(one.requests)] == ["capabilities", "schema", "features", "hits"]
    assert all("version=2.0.0" in request for request in server.targets)


async def test_asks_for_no_number_that_was_told() -> None:
    async with serving_wfs(service(features=features(feature(1), matched="1"))) as server:
        one = session(server)
        assert (await look_at(one)).records == 1
    assert one.requests == 3


async def test_keeps_the_query_of_the_endpoint_and_replaces_what_is_our_own() -> None:
    async with serving_wfs(service()) as server:
        path = "/ows?map=city.map&SERVICE=WMS&Request=GetMap&VERSION=1.3.0&typeName=x&key=a%2Bb%26c"
        assert (await look_at(session(server, path=path))).records == 3
    for request in server.targets:
        query = parse_qs(urlsplit(request).query)
        assert query["key"] == ["a+b&c"]
        assert not {"SERVICE", "Request", "VERSION", "typeName"} & set(query)


@pytest.mark.parametrize("name", [NAME, "gauges"])
async def test_a_feature_type_may_be_named_without_its_prefix(name: str) -> None:
    async with serving_wfs(service()) as server:
        await look_at(session(server, name))
    assert f"typename={NAME}" in server.targets[1]
    assert f"typenames={NAME}" in server.targets[2]


SORTED = {
    "capabilities": capabilities(sorting="TRUE"),
    "newest": features(feature(9), feature(8), feature(7)),
    "hits": features(matched="300"),
    "oldest": features(feature(2)),
}


async def test_of_a_service_that_sorts_it_sees_the_newest_and_the_oldest() -> None:
    found = await facts(**SORTED)  # type: ignore[arg-type]
    assert (found.first, found.last) == ("2024-01-01T02:00:00Z", "2024-01-01T09:00:00Z")
    assert (found.records, found.sampled, found.time_resolution) == (300, 3, "PT1H")


@pytest.mark.parametrize(
    ("answers", "first", "last", "why"),
    [
        ({"newest": features(feature(1), feature(2))}, None, None, "does not sort as its capabilities say"),
        ({"newest": features(feature(None), feature(None))}, None, None, "no field with days or moments"),
        ({"oldest": features(feature(9))}, None, "2024-01-01T09:00:00Z", "oldest feature first"),
        ({"oldest": features(feature(None))}, None, "2024-01-01T09:00:00Z", "oldest feature first"),
        ({"oldest": features()}, None, "2024-01-01T09:00:00Z", "oldest feature first"),
        ({"oldest": xml(REPORT)}, None, "2024-01-01T09:00:00Z", "oldest feature first"),
        ({"newest": xml(REPORT)}, None, None, "does not sort them by time"),
        ({"newest": xml(REPORT, status="400 No")}, None, None, "does not sort them by time"),
        ({"capabilities": capabilities(sorting="no")}, None, None, "does not sort them by time"),
    ],
)
async def test_a_period_that_the_service_does_not_show_is_unknown(
    answers: dict[str, Answer], first: str | None, last: str | None, why: str
) -> None:
    found = await facts(**{**SORTED, **answers})  # type: ignore[arg-type]
    assert (found.first, found.last) == (first, last)
    assert why in (found.why_unknown("first") or "")
    assert found.records == 300


async def test_sorts_by_the_field_that_the_contract_has() -> None:
    fields = FIELDS + '<xs:element name="day" type="xs:string"/>'
    contract = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "day", "type": "date"}]})
    days = [f"<city:day>2024-01-{day:02d}</city:day>" for day in (31, 30, 1)]
    newest, oldest = features(*(feature(1, day) for day in days[:2])), features(feature(5, days[2]))
    async with serving_wfs({**service(schema=schema(fields)), **SORTED, "newest": newest, "oldest": oldest}) as server:
        found = await look_at(session(server, contract=contract))
    assert (found.first, found.last, found.time_resolution) == ("2024-01-01", "2024-01-31", "P1D")
    assert "sortby=day+DESC" in server.targets[2]


# --- schemas and values


@pytest.mark.parametrize(
    ("declared", "value", "type_"),
    [
        ("xs:int", "7", "integer"),
        ("xs:integer", "-7", "integer"),
        ("xs:long", "7.5", "number"),  # what is there counts, not what is said
        ("xs:long", "seven", "string"),
        ("xs:double", "7", "number"),
        ("xs:decimal", "1e3", "number"),
        ("xs:boolean", "1", "boolean"),
        ("xs:boolean", "true", "boolean"),
        ("xs:date", "2024-01-31", "date"),
        ("xs:date", "2024-01-31Z", "date"),
        ("xs:date", "2024-01-31+01:00", "date"),
        ("xs:dateTime", "2024-01-31T12:00:00.000+01:00", "timestamp"),
        ("gml:TimeInstantType", "<gml:timePosition>2024-01-31T12:00:00Z</gml:timePosition>", "timestamp"),
        ("gml:TimeInstantType", "<gml:timePosition>2024-01-31</gml:timePosition>", "date"),
        ("gml:TimePeriodType", "<gml:beginPosition>2024</gml:beginPosition>", "object"),
        ("xs:string", "2511", "string"),
        ("xs:string", "2024-01-31", "date"),
        ("city:AddressType", "<city:street>x</city:street>", "object"),
        ("city:Unheard", "5", "integer"),
        ("city:Unheard", "five", "string"),
    ],
)
async def test_types_come_from_the_schema_and_the_values(declared: str, value: str, type_: str) -> None:
    found = await facts(
        schema=schema(f'<xs:element name="a" type="{declared}"/>'),
        features=features(feature(None, f"<city:a>{value}</city:a>")),
    )
    assert types(found) == {"a": type_}
    assert found.fields[0].empty == 0


@pytest.mark.parametrize(
    "value",
    [
        "",
        "<city:a/>",
        "<city:a>  </city:a>",
        '<city:a xsi:nil="true"/>',
        "<city:a>NaN</city:a>",
        "<city:a>INF</city:a>",
        "<city:a>1e999</city:a>",
        "<city:a>-1e999</city:a>",
    ],
)
async def test_no_value_is_empty_and_has_the_type_of_the_schema(value: str) -> None:
    found = await facts(
        schema=schema('<xs:element name="a" type="xs:double"/>'), features=features(feature(None, value))
    )
    assert [(one.name, one.type.value, one.empty) for one in found.fields] == [("a", "number", 1)]


@pytest.mark.parametrize(
    ("declaration", "more", "type_"),
    [
        (
            '<xs:element name="a"><xs:simpleType><xs:restriction base="xs:int"/></xs:simpleType></xs:element>',
            "",
            "integer",
        ),
        (
            '<xs:element name="a" type="city:brief"/>',
            '<xs:simpleType name="brief"><xs:restriction base="xs:double"/></xs:simpleType>',
            "number",
        ),
        (
            '<xs:element name="a" type="city:loop"/>',
            '<xs:simpleType name="loop"><xs:restriction base="city:loop"/></xs:simpleType>',
            "string",
        ),
        ('<xs:element name="a"><xs:complexType><xs:sequence/></xs:complexType></xs:element>', "", "object"),
        ('<xs:element name="a" type="xs:int" maxOccurs="unbounded"/>', "", "array"),
        ('<xs:choice><xs:element name="a" type="xs:int"/></xs:choice><xs:element ref="gml:name"/>', "", "integer"),
    ],
)
async def test_reads_all_forms_of_declarations(declaration: str, more: str, type_: str) -> None:
    assert types(await facts(schema=schema(declaration, more=more), features=features(feature(None, "")))) == {
        "a": type_
    }


async def test_fields_of_an_extended_type_come_first_and_a_loop_of_types_ends() -> None:
    more = (
        '<xs:complexType name="baseType"><xs:complexContent><xs:extension base="city:gaugesType"><xs:sequence>'
        '<xs:element name="basic" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
    )
    found = await facts(schema=schema(more=more, base="city:baseType"), features=features())
    assert list(types(found)) == ["basic", "at", "level"]


async def test_repeated_elements_are_an_array_and_units_are_told() -> None:
    level = '<city:level uom="m">1</city:level><city:note>x</city:note><city:note>y</city:note>'
    found = await facts(features=features(feature(None, level)))
    assert types(found)["note"] == "array"
    assert [one.unit for one in found.fields if one.name == "level"] == ["m"]


async def test_two_units_are_none() -> None:
    members = [feature(None, f'<city:level uom="{unit}">1</city:level>') for unit in ("m", "cm")]
    assert [one.unit for one in (await facts(features=features(*members))).fields] == [None, None]


@pytest.mark.parametrize(
    ("declared", "geometries", "type_"),
    [
        ("gml:MultiSurfacePropertyType", [], "MultiPolygon"),
        ("gml:CurvePropertyType", [], "LineString"),
        ("gml:GeometryPropertyType", ["Surface"], "Polygon"),
        ("gml:GeometryPropertyType", ["Polygon", "MultiSurface"], "MultiPolygon"),
        ("gml:GeometryPropertyType", ["Point", "Polygon"], None),
        ("gml:GeometryPropertyType", [], None),
        ("gml:SolidPropertyType", ["Solid"], None),
    ],
)
async def test_the_geometry_type_is_that_of_the_schema_or_of_the_features(
    declared: str, geometries: list[str], type_: str | None
) -> None:
    members = [feature(1, "", f"<city:place><gml:{kind}/></city:place>") for kind in geometries]
    found = await facts(schema=schema(f'<xs:element name="place" type="{declared}"/>'), features=features(*members))
    assert found.geometry_type == type_
    assert (found.why_unknown("geometryType") is None) == (type_ is not None)


@pytest.mark.parametrize(
    ("schema_", "expected"),
    [
        (xml(f"<xs:schema {NAMESPACES}/>"), {"at": "timestamp", "level": "number"}),
        (
            xml(f'<xs:schema {NAMESPACES}><xs:element name="gauges" type="x:y"/></xs:schema>'),
            {"at": "timestamp", "level": "number"},
        ),
        (xml("<something/>"), {"at": "timestamp", "level": "number"}),
        (
            schema('<xs:element name="1a" type="xs:int"/><xs:element name="é" type="xs:int"/><xs:element/>'),
            {"at": "timestamp", "level": "number"},
        ),
    ],
)
async def test_without_a_usable_schema_the_values_tell(schema_: bytes, expected: dict[str, str]) -> None:
    assert types(await facts(schema=schema_)) == expected


async def test_keeps_no_more_than_128_fields() -> None:
    many = "".join(f'<xs:element name="a{number}" type="xs:int"/>' for number in range(1000))
    values = "".join(f"<city:b{number}>1</city:b{number}>" for number in range(1000))
    assert len((await facts(schema=schema(many), features=features(feature(None, values)))).fields) == 128


# --- numbers, places


@pytest.mark.parametrize("matched", ["unknown", "-1", "1e3", "", "3.5", "٣", "9" * 5000, None])
async def test_a_number_that_is_none_is_unknown(matched: str | None) -> None:
    found = await facts(features=features(feature(1), matched=matched), hits=features(matched=matched))
    assert found.records is None
    assert found.why_unknown("records") == "the server does not tell numberMatched"
    assert (found.first, found.last) == (None, None)


@pytest.mark.parametrize("hits", [xml(REPORT), xml(REPORT, status="400 No"), xml("<a/>")])
async def test_a_service_without_hits_has_an_unknown_number(hits: bytes) -> None:
    assert (await facts(hits=hits)).records is None


async def test_more_features_than_there_are_is_no_number() -> None:
    found = await facts(hits=features(matched="2"))
    assert found.records is None
    assert "more features" in (found.why_unknown("records") or "")


async def test_an_empty_feature_type_has_no_records() -> None:
    found = await facts(features=features(matched="0"))
    assert (found.records, found.sampled, found.first) == (0, 0, None)
    assert types(found) == {"at": "timestamp", "level": "number"}


@pytest.mark.parametrize(
    "corners",
    [
        "",
        "<ows:LowerCorner>4.2 52</ows:LowerCorner>",
        "<ows:LowerCorner>a b</ows:LowerCorner><ows:UpperCorner>c d</ows:UpperCorner>",
        "<ows:LowerCorner>NaN 52</ows:LowerCorner><ows:UpperCorner>5 53</ows:UpperCorner>",
        "<ows:LowerCorner>4 1e999</ows:LowerCorner><ows:UpperCorner>5 53</ows:UpperCorner>",
        "<ows:LowerCorner>4 52 0</ows:LowerCorner><ows:UpperCorner>5 53 1</ows:UpperCorner>",
        "<ows:LowerCorner>5 53</ows:LowerCorner><ows:UpperCorner>4 52</ows:UpperCorner>",
        "<ows:LowerCorner>80000 450000</ows:LowerCorner><ows:UpperCorner>90000 460000</ows:UpperCorner>",
    ],
)
async def test_a_box_that_is_none_is_unknown(corners: str) -> None:
    box = f"<ows:WGS84BoundingBox>{corners}</ows:WGS84BoundingBox>"
    found = await facts(capabilities=capabilities(about=CRS + box))
    assert found.extent is None
    assert found.why_unknown("extent")


@pytest.mark.parametrize(
    ("about", "crs"),
    [
        ("", ()),
        ("<wfs:NoCRS/>", ()),
        ("<wfs:DefaultCRS/>", ()),
        ("<wfs:DefaultCRS>our own grid</wfs:DefaultCRS>", ()),
        (
            "<wfs:OtherCRS>EPSG:4326</wfs:OtherCRS><wfs:DefaultCRS>EPSG:28992</wfs:DefaultCRS>",
            ("EPSG:28992", "EPSG:4326"),
        ),
        ("<wfs:DefaultCRS>http://www.opengis.net/def/crs/EPSG/0/28992</wfs:DefaultCRS>", ("EPSG:28992",)),
        (
            "".join(f"<wfs:DefaultCRS>{EPSG}{code}</wfs:DefaultCRS>" for code in range(2000, 2100)),
            tuple(f"EPSG:{code}" for code in range(2000, 2016)),
        ),
    ],
)
async def test_the_crs_that_it_is_kept_in_comes_first(about: str, crs: tuple[str, ...]) -> None:
    found = await facts(capabilities=capabilities(about=about))
    assert found.crs == crs
    assert (found.why_unknown("crs") is None) == bool(crs)


# --- refusals


@pytest.mark.parametrize(
    ("name", "shown"),
    [("nothing", "'nothing'"), ("gauges", "city:gauges, other:gauges"), ("GAUGES", "no feature types")],
)
async def test_tells_which_feature_types_there_are(name: str, shown: str) -> None:
    names = [NAME, "other:gauges", "a:b", "\x85c", "x" * 500, *(f"more:t{number}" for number in range(50))]
    listed = "".join(f"<wfs:FeatureType><wfs:Name>{one}</wfs:Name></wfs:FeatureType>" for one in names)
    error = await refusal(name=name, capabilities=capabilities(listed))
    assert error.reason == "EntityNotFound"
    assert shown in error.message
    assert "more:t5" not in error.message


@pytest.mark.parametrize(
    "types_", ["<wfs:FeatureType/>", "<a/>", f"<wfs:FeatureType><wfs:Name/>{CRS}</wfs:FeatureType>"]
)
async def test_a_service_without_feature_types_has_none_of_that_name(types_: str) -> None:
    assert (await refusal(capabilities=capabilities(types_))).reason == "EntityNotFound"


@pytest.mark.parametrize("request_", ["capabilities", "schema", "features"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (xml(REPORT), "ErrorReported"),
        (xml("<ServiceExceptionReport><ServiceException code='x'/></ServiceExceptionReport>"), "ErrorReported"),
        (xml("<ows:ExceptionReport xmlns:ows='x'/>"), "ErrorReported"),
        (xml("<html/>", media_type="text/html"), "UnexpectedContent"),
        (xml("{}", media_type="application/json"), "UnexpectedContent"),
        (xml(""), "MalformedData"),
        (xml("<a>"), "MalformedData"),
        (xml("<a></b>"), "MalformedData"),
        (xml("level;1"), "MalformedData"),
        (xml(b"\0\xff"), "MalformedData"),
        (xml('<?xml version="1.0" encoding="no-such-code"?><a/>'), "MalformedData"),
        (xml('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), "MalformedData"),
        (xml('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'), "MalformedData"),
        (xml("<a>" * 100_000), "MalformedData"),
        (xml(REPORT, status="500 Oops"), "HttpError"),
        (xml(REPORT, status="401 No"), "Unauthorized"),
        (xml("<a/>", "Content-Encoding: gzip"), "UnexpectedContent"),
    ],
)
async def test_answers_that_are_no_answer(request_: str, answer: bytes, reason: str) -> None:
    error = await refusal(**{request_: answer})  # type: ignore[arg-type]
    assert error.reason == reason


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (capabilities(version="1.1.0"), "version '1.1.0'"),
        (capabilities(version="3"), "version '3'"),
        (capabilities(version=""), "version ''"),
        (capabilities(version="2.0.0 and more"), "version"),
        (capabilities(root="WMS_Capabilities"), "'WMS_Capabilities'"),
        (xml("<a/>"), "'a'"),
        (xml("<" + "x" * 5000 + "/>"), "instead of WFS capabilities"),
    ],
)
async def test_other_services_and_versions_are_unexpected(answer: bytes, says: str) -> None:
    error = await refusal(capabilities=answer)
    assert error.reason == "UnexpectedContent"
    assert says in error.message


async def test_something_else_instead_of_features_is_unexpected() -> None:
    assert (await refusal(features=xml("<wrong/>"))).reason == "UnexpectedContent"


async def test_an_exception_report_shows_its_code_and_not_its_text() -> None:
    error = await refusal(schema=xml(REPORT))
    assert "DescribeFeatureType with an exception report (NoApplicableCode)" in error.message


# --- size and time


async def test_a_document_that_is_too_long_is_refused() -> None:
    limits = Limits(deadline_seconds=5, max_document_bytes=20_000)
    padded = capabilities(f"<!--{'x' * 30_000}-->")
    assert (await refusal(limits, capabilities=padded)).reason == "MalformedData"


async def test_of_big_features_as_many_are_looked_at_as_may_be_read() -> None:
    big = f"<city:place><gml:Polygon><gml:posList>{'1 2 ' * 4000}</gml:posList></gml:Polygon></city:place>"
    members = features(*(feature(hour, geometry=big) for hour in range(20)))
    limits = Limits(deadline_seconds=5, max_document_bytes=100_000)
    found = await facts(limits, features=members, hits=features(matched="20"))
    assert found.records == 20
    assert found.sampled in (5, 6)
    assert (found.first, found.last) == (None, None)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
    writer.write(f"<wfs:FeatureCollection {NAMESPACES}>".encode())
    while True:
        writer.write(feature(1).encode() * 100)
        await writer.drain()


async def test_features_without_end_are_left() -> None:
    found = await facts(features=endless, hits=features(matched="1000000"))
    assert found.records == 1_000_000
    assert 100 <= (found.sampled or 0) < 300


async def test_nothing_but_a_value_without_end_is_left() -> None:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
        writer.write(f"<wfs:FeatureCollection {NAMESPACES}><wfs:member><city:gauges><city:level>".encode())
        while True:
            writer.write(b"1" * 10_000)
            await writer.drain()

    found = await facts(Limits(deadline_seconds=5, max_document_bytes=100_000), features=say)
    assert (found.records, found.sampled) == (3, 0)


async def test_a_silent_service_is_too_slow() -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    assert (await refusal(HASTE, features=silent)).reason == "TooSlow"


async def test_a_deep_document_is_refused() -> None:
    deep = "<xs:sequence>" * 20_000 + FIELDS + "</xs:sequence>" * 20_000
    assert (await refusal(schema=schema(deep))).reason == "MalformedData"
    deep = feature(1, "<a>" * 20_000 + "</a>" * 20_000)
    assert (await refusal(features=features(deep))).reason == "MalformedData"
