"""ArcGIS layers: servers that are good, odd, broken and hostile, for the probe and for tables."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, SECRET, Server, json_response, look_at, response, serving, target
from probes_kit import refusal as kit_refusal

from ddtas.data.contract import DataContract, DataKind, FieldType
from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.kinds.arcgis_feature_server.layer import Layer, crs_of, wkid
from ddtas.data.kinds.arcgis_feature_server.shapes import geojson, together
from ddtas.data.kinds.arcgis_feature_server.table import _nested, batches
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.errors import SourceError

KIND = DataKind.ARCGIS_FEATURE_SERVER
PATH = "/arcgis/rest/services/levels/FeatureServer/0"
RD = {"wkid": 28992, "latestWkid": 28992}
HOUR = 3_600_000
START = 1_704_067_200_000  # 2024-01-01T00:00:00Z
FIELDS = {
    "OBJECTID": "esriFieldTypeOID",
    "STATION": "esriFieldTypeString",
    "LEVEL": "esriFieldTypeDouble",
    "TIME": "esriFieldTypeDate",
    "EDITED": "esriFieldTypeDate",
    "PHOTO": "esriFieldTypeBlob",
}
DROP = object()
ODD: list[Any] = [None, 1, "x", True, [], {}, [1], [None], {"a": {"b": []}}, 10**30, 1.5]


def description(**changes: Any) -> dict[str, Any]:
    whole = {
        "type": "Feature Layer",
        "objectIdField": "OBJECTID",
        "geometryType": "esriGeometryPoint",
        "fields": [{"name": name, "type": kind} for name, kind in FIELDS.items()],
        "timeInfo": {"startTimeField": "TIME"},
        "extent": {"xmin": 78000, "ymin": 452000, "xmax": 80000, "ymax": 455000, "spatialReference": RD},
        "maxRecordCount": 1000,
    }
    return {name: value for name, value in {**whole, **changes}.items() if value is not DROP}


def row(id: Any, **changes: Any) -> dict[str, Any]:
    number = id if isinstance(id, int) else 0
    values = {"OBJECTID": id, "STATION": "a", "LEVEL": 1, "TIME": START + number * HOUR, "EDITED": START}
    place = {"x": 79000 + number, "y": 453000.5}
    return {"attributes": {**values, **changes}, "geometry": place}


def rows(most: int) -> list[dict[str, Any]]:
    return [row(id) for id in range(1, most + 1)]


Change = Callable[[dict[str, str], dict[str, Any]], Any]


@dataclass
class ArcGIS:
    """A server that does what the specification says, but for what `change` makes of its answers.

    Attributes:
        rows: with their object ids, in order.
        most: rows of one answer.
        change: gets the query and the answer, and gives another answer; bytes are the whole response.
    """

    rows: list[dict[str, Any]]
    most: int = 1000
    described: dict[str, Any] = field(default_factory=description)
    change: Change = lambda query, answer: answer
    queries: list[dict[str, str]] = field(default_factory=list)

    def answer(self, address: str) -> bytes:
        parts = urlsplit(address)
        query = dict(parse_qsl(parts.query))
        self.queries.append(query)
        made = self.change(query, self.described if parts.path == PATH else self.asked(query))
        return made if isinstance(made, bytes) else json_response(made, media_type="text/plain")

    def asked(self, query: dict[str, str]) -> dict[str, Any]:
        condition = query["where"].rpartition("OBJECTID > ")[2]
        found = [one for one in self.rows if not condition.isdigit() or one["attributes"]["OBJECTID"] > int(condition)]
        if "returnCountOnly" in query:
            return {"count": len(found)}
        if query["orderByFields"].startswith("TIME"):
            found = sorted(found, key=lambda one: one["attributes"]["TIME"], reverse="DESC" in query["orderByFields"])
        size = min(self.most, int(query["resultRecordCount"]))
        page = {"features": found[:size], "spatialReference": RD}
        return {**page, **({"exceededTransferLimit": True} if len(found) > size else {})}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        async def say(writer: asyncio.StreamWriter) -> None:
            writer.write(self.answer(server.targets[-1]))
            await writer.drain()

        async with serving(say) as server:
            yield server


def of(server: Server, scheme: str | None = None, **contract: Any) -> Target:
    promised = DataContract.model_validate({"version": "1.0.0", **contract})
    secret = {"token": SECRET} if scheme else None
    return target(server.url(path=PATH), scheme, secret, kind=KIND, contract=promised)


async def facts(arcgis: ArcGIS, limits: Limits = LIMITS, **contract: Any) -> SourceFacts:
    async with arcgis.serving() as server:
        return await look_at(of(server, **contract), limits)


async def refusal(arcgis: ArcGIS, scheme: str | None = None) -> SourceError:
    async with arcgis.serving() as server:
        return await kit_refusal(of(server, scheme))


async def table(
    arcgis: ArcGIS, folder: Path, *names: str, limits: Limits = LIMITS, crs: str | None = None, **options: Any
) -> list[dict[str, Any]]:
    fields = tuple(SourceField(name, FieldType.STRING) for name in names or ("OBJECTID",))
    async with arcgis.serving() as server:
        session = Session(of(server, **({"crs": crs} if crs else {})), limits, LOOPBACK)
        read = [batch async for batch in batches(session, Selection(fields, folder, **options))]
    return [{**one, "crs": (batch.schema.metadata or {}).get(CRS)} for batch in read for one in batch.to_pylist()]


async def fault(arcgis: ArcGIS, folder: Path, *names: str, limits: Limits = LIMITS, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await table(arcgis, folder, *names, limits=limits, **options)
    return caught.value


# --- the probe


async def test_finds_what_the_layer_tells() -> None:
    arcgis = ArcGIS(rows(300), most=250)
    found = await facts(arcgis, crs="EPSG:28992")
    assert [(one.name, one.type, one.empty) for one in found.fields] == [
        ("OBJECTID", "integer", 0),
        ("STATION", "string", 0),
        ("LEVEL", "number", 0),  # 1 is a measurement where the layer says double
        ("TIME", "timestamp", 0),
        ("EDITED", "timestamp", 0),
    ]
    assert (found.records, found.sampled) == (300, 100)
    assert (found.first, found.last) == ("2024-01-01T01:00:00Z", "2024-01-13T12:00:00Z")
    assert (found.time_resolution, found.geometry_type, found.crs) == ("PT1H", "Point", ("EPSG:28992",))
    assert found.extent is not None
    assert found.extent.bbox == ("78000", "452000", "80000", "455000")
    assert [unknown.fact for unknown in found.unknown] == ["sizeBytes"]
    assert [query["f"] for query in arcgis.queries] == ["json"] * 5
    assert arcgis.queries[2]["outSR"] == "28992"
    assert "PHOTO" not in arcgis.queries[2]["outFields"]


async def test_of_a_short_layer_all_rows_are_read() -> None:
    arcgis = ArcGIS(rows(3))
    found = await facts(arcgis)
    assert (found.records, found.first, found.last) == (3, "2024-01-01T01:00:00Z", "2024-01-01T03:00:00Z")
    assert len(arcgis.queries) == 3


async def test_the_time_that_the_contract_promises_is_the_one() -> None:
    arcgis = ArcGIS(rows(300))
    fields = [{"name": "EDITED", "type": "timestamp"}]
    await facts(arcgis, fields=fields)
    assert [query["orderByFields"] for query in arcgis.queries[3:]] == ["EDITED ASC", "EDITED DESC"]


async def test_a_layer_without_rows_has_its_fields() -> None:
    found = await facts(ArcGIS([]))
    assert [one.name for one in found.fields] == ["OBJECTID", "STATION", "LEVEL", "TIME", "EDITED"]
    assert (found.records, found.geometry_type) == (0, "Point")


async def test_milliseconds_of_an_unknown_zone_are_those_of_the_contract() -> None:
    described = description(datesInUnknownTimezone=True)
    assert (await facts(ArcGIS(rows(3), described=described))).why_unknown("last") is not None
    found = await facts(ArcGIS(rows(3), described=described), timeZone="Europe/Amsterdam")
    assert found.last == "2024-01-01T02:00:00Z"


async def test_a_server_that_does_not_sort_by_time_tells_no_period() -> None:
    def refuse(query: dict[str, str], answer: Any) -> Any:
        return {"error": {"code": 400}} if query.get("orderByFields", "").startswith("TIME") else answer

    found = await facts(ArcGIS(rows(300), change=refuse))
    assert (found.records, found.first, found.last) == (300, None, None)
    assert found.why_unknown("first") is not None


@pytest.mark.parametrize("name", ["fields", "objectIdField", "geometryType", "timeInfo", "extent", "features", "count"])
@pytest.mark.parametrize("value", ODD)
async def test_odd_values_anywhere_are_an_error_with_a_reason_or_unknown(name: str, value: Any) -> None:
    def change(query: dict[str, str], answer: Any) -> Any:
        return {**answer, name: value}

    async with ArcGIS(rows(3), change=change).serving() as server:
        try:
            found = await look_at(of(server))
        except SourceError as error:
            assert error.reason in (SourceReason.UNEXPECTED_CONTENT, SourceReason.MALFORMED_DATA)  # noqa: PT017
        else:
            assert found.latency_milliseconds is not None


@pytest.mark.parametrize("value", ODD)
async def test_odd_rows_and_geometries(value: Any) -> None:
    assert (await facts(ArcGIS([{**row(1), "geometry": value}]))).records == 1
    assert (await facts(ArcGIS([row(1, TIME=value, LEVEL=value)]))).records == 1
    odd = ArcGIS(rows(1), change=lambda query, answer: {**answer, "features": [value]} if "where" in query else answer)
    assert (await refusal(odd)).reason == SourceReason.MALFORMED_DATA


@pytest.mark.parametrize(
    ("error", "reason", "text"),
    [
        ({"code": 499, "message": "Token Required"}, SourceReason.UNAUTHORIZED, "499: name a Secret"),
        ({"code": 498, "message": SECRET}, SourceReason.UNAUTHORIZED, "498"),
        ({"code": 403}, SourceReason.UNAUTHORIZED, "403"),
        ({"code": 400, "message": SECRET, "details": [SECRET]}, SourceReason.ERROR_REPORTED, "error 400"),
        ({"code": SECRET}, SourceReason.ERROR_REPORTED, "error:"),
        ({"code": -1}, SourceReason.ERROR_REPORTED, "error:"),
        (None, SourceReason.ERROR_REPORTED, "error:"),
        ([], SourceReason.ERROR_REPORTED, "error:"),
    ],
)
async def test_errors_that_come_with_status_200(error: Any, reason: str, text: str) -> None:
    found = await refusal(ArcGIS([], change=lambda query, answer: {"error": error}))
    assert (found.reason, text in found.message) == (reason, True)


async def test_a_wrong_token_is_the_fault_of_the_secret() -> None:
    found = await refusal(ArcGIS([], change=lambda query, answer: {"error": {"code": 498}}), "Bearer")
    assert "correct the Secret" in found.message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"layers": [{"id": 0}, {"id": 3}], "tables": [{"id": 7}]}, "it has 0, 3, 7"),
        ({"layers": [{"id": SECRET}, {}, None]}, "is no layer or table"),
        ({"folders": [], "services": []}, "is no layer or table"),
        ([], "is no layer or table"),
        (1, "is no layer or table"),
    ],
)
async def test_an_endpoint_that_is_no_layer(body: Any, text: str) -> None:
    found = await refusal(ArcGIS([], change=lambda query, answer: body))
    assert found.reason == SourceReason.UNEXPECTED_CONTENT
    assert text in found.message


# --- tables


async def test_all_rows_once_whatever_fits_a_page(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(25), most=10)
    read = await table(arcgis, tmp_path, "OBJECTID", "TIME", "LEVEL", crs="EPSG:28992", geometry=True)
    assert [one["OBJECTID"] for one in read] == [str(id) for id in range(1, 26)]
    assert (read[0]["TIME"], read[0]["LEVEL"], read[0]["crs"]) == ("2024-01-01T01:00:00Z", "1", b"EPSG:28992")
    assert shapely.from_wkb(read[0]["geometry"]).wkt == "POINT (79001 453000.5)"
    assert len(arcgis.queries) == 2 + 3 + 1  # the last page has no rows
    assert {query["outFields"] for query in arcgis.queries[2:]} == {"OBJECTID,TIME,LEVEL"}


async def test_a_server_that_does_not_say_that_it_holds_back_rows(tmp_path: Path) -> None:
    def silent(query: dict[str, str], answer: Any) -> Any:
        return {name: value for name, value in answer.items() if name != "exceededTransferLimit"}

    assert len(await table(ArcGIS(rows(25), most=10, change=silent), tmp_path)) == 25


async def test_pages_that_end_before_all_rows_came(tmp_path: Path) -> None:
    def short(query: dict[str, str], answer: Any) -> Any:
        return {"features": []} if "OBJECTID > 20" in query.get("where", "") else answer

    error = await fault(ArcGIS(rows(25), most=10, change=short), tmp_path)
    assert error.reason == SourceReason.MALFORMED_DATA
    assert "end after 20 of 25" in error.message


async def test_rows_that_are_removed_meanwhile_are_no_fault(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(25), most=10)

    def remove(query: dict[str, str], answer: Any) -> Any:
        if "OBJECTID > 10" in query.get("where", ""):
            arcgis.rows = [one for one in arcgis.rows if one["attributes"]["OBJECTID"] != 3]
        return answer

    arcgis.change = remove
    assert len(await table(arcgis, tmp_path)) == 25


async def test_rows_that_are_added_meanwhile_are_read_or_not_but_none_twice(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(25)[5:], most=10)

    def add(query: dict[str, str], answer: Any) -> Any:
        if "OBJECTID > 15" in query.get("where", ""):
            arcgis.rows = rows(26)
        return answer

    arcgis.change = add
    read = [int(one["OBJECTID"]) for one in await table(arcgis, tmp_path)]
    assert read == list(range(6, 27))


@pytest.mark.parametrize(
    "features",
    [
        [row(1), row(1)],
        [row(2), row(1)],
        [row("1")],
        [row(True)],
        [row(None)],
        [row(1.0)],
        [{"attributes": {"TIME": 1}}],
        [{"attributes": None}],
        "x",
    ],
)
async def test_pages_without_order_or_ids(features: Any, tmp_path: Path) -> None:
    def change(query: dict[str, str], answer: Any) -> Any:
        return {"features": features} if "outFields" in query else answer

    assert (await fault(ArcGIS(rows(2), change=change), tmp_path)).reason == SourceReason.MALFORMED_DATA


async def test_a_server_that_repeats_its_first_page(tmp_path: Path) -> None:
    def repeat(query: dict[str, str], answer: Any) -> Any:
        return {"features": rows(2)} if "outFields" in query else answer

    error = await fault(ArcGIS(rows(2), change=repeat), tmp_path)
    assert error.reason == SourceReason.MALFORMED_DATA
    assert "or come twice" in error.message


async def test_a_server_that_says_there_is_more_and_gives_nothing(tmp_path: Path) -> None:
    def empty(query: dict[str, str], answer: Any) -> Any:
        return {"features": [], "exceededTransferLimit": True} if "outFields" in query else answer

    assert (await fault(ArcGIS(rows(2), change=empty), tmp_path)).reason == SourceReason.MALFORMED_DATA


async def test_pages_without_end_come_to_one(tmp_path: Path) -> None:
    arcgis = ArcGIS([], most=2)

    def endless(query: dict[str, str], answer: Any) -> Any:
        return {"features": [row(len(arcgis.queries))]} if "outFields" in query else answer

    arcgis.change = endless
    error = await fault(arcgis, tmp_path, limits=replace(LIMITS, max_requests=9))
    assert error.reason == SourceReason.TOO_MANY_REQUESTS


async def test_a_page_that_breaks_off(tmp_path: Path) -> None:
    def cut(query: dict[str, str], answer: Any) -> Any:
        whole = response(json.dumps(answer).encode())
        return whole[:-40] if "OBJECTID > 10" in query.get("where", "") else answer

    assert (await fault(ArcGIS(rows(25), most=10, change=cut), tmp_path)).reason == SourceReason.UNREACHABLE


async def test_pages_that_are_too_long_are_asked_for_shorter(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(60))
    read = await table(arcgis, tmp_path, limits=replace(LIMITS, max_document_bytes=4000, max_requests=60))
    assert len(read) == 60
    assert [query["resultRecordCount"] for query in arcgis.queries[2:6]] == ["2000", "500", "125", "31"]


async def test_a_row_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    arcgis = ArcGIS([row(1, STATION="x" * 5000)])
    error = await fault(arcgis, tmp_path, limits=replace(LIMITS, max_document_bytes=4000, max_requests=30))
    assert error.reason == SourceReason.MALFORMED_DATA


async def test_a_window_is_asked_for_with_a_day_to_spare(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(3))
    time = SourceField("TIME", FieldType.TIMESTAMP)
    start, end = datetime(2024, 1, 1, 2, tzinfo=UTC), datetime(2024, 1, 5, tzinfo=UTC)
    await table(arcgis, tmp_path, time=time, start=start, end=end)
    where = "TIME >= TIMESTAMP '2023-12-31 02:00:00' AND TIME < TIMESTAMP '2024-01-06 00:00:00'"
    assert [query["where"] for query in arcgis.queries[1:]] == [where, f"({where})", f"({where}) AND OBJECTID > 3"]


async def test_a_window_about_a_field_that_may_be_no_moment_is_not_asked_for(tmp_path: Path) -> None:
    arcgis = ArcGIS(rows(3))
    await table(
        arcgis, tmp_path, time=SourceField("STATION", FieldType.TIMESTAMP), start=datetime(2024, 1, 1, tzinfo=UTC)
    )
    assert arcgis.queries[1]["where"] == "1=1"


async def test_without_the_window_where_the_server_refuses_it(tmp_path: Path) -> None:
    def refuse(query: dict[str, str], answer: Any) -> Any:
        return {"error": {"code": 400}} if "TIMESTAMP" in query.get("where", "") else answer

    arcgis = ArcGIS(rows(3), change=refuse)
    time = SourceField("TIME", FieldType.TIMESTAMP)
    assert len(await table(arcgis, tmp_path, time=time, start=datetime(2024, 1, 1, tzinfo=UTC))) == 3


async def test_what_the_layer_does_not_have(tmp_path: Path) -> None:
    error = await fault(ArcGIS(rows(3)), tmp_path, "DEPTH")
    assert error.reason == SourceReason.ENTITY_NOT_FOUND
    assert "DEPTH; it has OBJECTID, STATION, LEVEL" in error.message
    flat = ArcGIS(rows(3), described=description(geometryType=DROP))
    assert "without geometries" in (await fault(flat, tmp_path, geometry=True)).message
    unordered = description(objectIdField=DROP, fields=[{"name": "LEVEL", "type": "esriFieldTypeDouble"}])
    error = await fault(ArcGIS(rows(3), described=unordered), tmp_path, "LEVEL")
    assert error.reason == SourceReason.UNEXPECTED_CONTENT


async def test_many_fields_are_asked_for_as_all(tmp_path: Path) -> None:
    names = [f"A_NAME_THAT_IS_RATHER_LONG_{number}" for number in range(100)]
    fields = [{"name": name, "type": "esriFieldTypeString"} for name in names]
    described = description(fields=[{"name": "OBJECTID", "type": "esriFieldTypeOID"}, *fields])
    arcgis = ArcGIS([row(1, **dict.fromkeys(names, "x"))], described=described)
    assert len(await table(arcgis, tmp_path, *names)) == 1
    assert arcgis.queries[2]["outFields"] == "*"


@pytest.mark.parametrize("geometry", [{"curvePaths": []}, {"x": "a", "y": "b"}, {"rings": [["x"]]}, [], "x"])
async def test_a_geometry_that_is_none(geometry: Any, tmp_path: Path) -> None:
    error = await fault(ArcGIS([{**row(1), "geometry": geometry}]), tmp_path, geometry=True)
    assert error.reason == SourceReason.MALFORMED_DATA


@pytest.mark.parametrize(
    ("promised", "given", "stated"),
    [
        ("EPSG:28992", 28992, b"EPSG:28992"),
        ("EPSG:28992", 4326, b"OGC:CRS84"),  # another one than was asked for; who converts refuses it
        ("EPSG:4326", 4326, b"EPSG:4326"),
        ("OGC:CRS84", 4326, b"OGC:CRS84"),
        (None, 4326, b"OGC:CRS84"),
        ("EPSG:28992", 102100, None),
    ],
)
async def test_the_crs_is_the_one_that_comes(
    promised: str | None, given: int, stated: bytes | None, tmp_path: Path
) -> None:
    def change(query: dict[str, str], answer: Any) -> Any:
        return {**answer, "spatialReference": {"wkid": given}} if "outFields" in query else answer

    read = await table(ArcGIS(rows(1), change=change), tmp_path, crs=promised, geometry=True)
    assert read[0]["crs"] == stated


async def test_pages_in_several_crs(tmp_path: Path) -> None:
    def change(query: dict[str, str], answer: Any) -> Any:
        return {**answer, "spatialReference": {"wkid": 4326}} if "OBJECTID > 10" in query.get("where", "") else answer

    error = await fault(ArcGIS(rows(25), most=10, change=change), tmp_path, geometry=True)
    assert error.reason == SourceReason.MALFORMED_DATA


# --- values and shapes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (START, "2024-01-01T00:00:00Z"),
        (START + 250, "2024-01-01T00:00:00.250Z"),
        (-1000, "1969-12-31T23:59:59Z"),
        (float(START), "2024-01-01T00:00:00Z"),
        ("2024-01-01", "2024-01-01"),
        (None, None),
        (True, True),
        (10**30, 10**30),
        (1e300, 1e300),
    ],
)
def test_moments(value: Any, text: Any) -> None:
    assert Layer.read(description()).moment(value) == text
    local = Layer.read(description(datesInUnknownTimezone=True)).moment(value)
    assert local == (text.removesuffix("Z") if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ({"wkid": 28992}, "EPSG:28992"),
        ({"wkid": 102100, "latestWkid": 3857}, "EPSG:3857"),
        ({"wkid": 4326}, "OGC:CRS84"),
        ({"wkid": 102100}, None),
        ({"wkt": "PROJCS[]"}, None),
        ({"wkid": True}, None),
        ({"wkid": "28992"}, None),
        (None, None),
        ([], None),
    ],
)
def test_spatial_references(reference: Any, name: str | None) -> None:
    assert crs_of(reference) == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EPSG:28992", "28992"),
        ("http://www.opengis.net/def/crs/EPSG/0/3857", "3857"),
        ("OGC:CRS84", "4326"),
        ("EPSG:4326", "4326"),
        ("OGC:CRS84h", None),
        (None, None),
    ],
)
def test_codes_of_servers(name: str | None, code: str | None) -> None:
    assert wkid(name) == code


def square(x: float, y: float, size: float, *, hole: bool = False) -> list[list[float]]:
    ring = [[x, y], [x, y + size], [x + size, y + size], [x + size, y], [x, y]]
    return ring[::-1] if hole else ring


@pytest.mark.parametrize(
    ("geometry", "wkt"),
    [
        ({"x": 1, "y": 2}, "POINT (1 2)"),
        ({"x": "NaN", "y": "NaN"}, None),
        ({"x": None}, None),
        (None, None),
        ({"points": [[1, 2], [3, 4]]}, "MULTIPOINT ((1 2), (3 4))"),
        ({"paths": [[[1, 2], [3, 4]]]}, "LINESTRING (1 2, 3 4)"),
        ({"paths": [[[1, 2], [3, 4]], [], [[5, 6], [7, 8]]]}, "MULTILINESTRING ((1 2, 3 4), (5 6, 7 8))"),
        ({"paths": []}, None),
        ({"rings": [square(0, 0, 1)]}, "POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))"),
        ({"rings": [square(0, 0, 1)[:-1]]}, "POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))"),
        ({"rings": [square(0, 0, 1, hole=True)]}, "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"),
        ({"rings": [[[0, 0], [1, 1], [0, 0]]]}, None),
        ({"rings": []}, None),
    ],
)
def test_shapes(geometry: Any, wkt: str | None) -> None:
    made = wkb(geojson(geometry, _nested))
    assert (shapely.from_wkb(made).wkt if made else None) == wkt


def test_holes_are_with_the_outline_around_them() -> None:
    far = 450_000.0
    rings = [
        square(far, far, 100),
        square(far + 10, far + 10, 50, hole=True),
        square(far + 20, far + 20, 20),  # an island in the hole
        square(far + 25, far + 25, 5, hole=True),
        square(far + 200, far, 10),
        square(far + 300, far, 10, hole=True),  # around it is nothing
    ]
    made = shapely.from_wkb(wkb(geojson({"rings": rings[::-1]}, _nested)) or b"")
    assert made.is_valid
    assert made.area == 100**2 - 50**2 + 20**2 - 5**2 + 10**2 + 10**2
    assert len(made.geoms) == 4
    probed = geojson({"rings": rings}, together)
    assert probed is not None
    assert probed["type"] == "MultiPolygon"
