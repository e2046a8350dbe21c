"""Plain JSON services: the examples of the documentation, pointers, periods, pages, and what services get wrong."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely
import yaml
from hypothesis import given
from hypothesis import strategies as st
from probes_kit import LIMITS, LOOPBACK, SECRET, Answer, Server, json_response, look_at, redirect, refusal, response
from probes_kit import serving as served
from pydantic import ValidationError

from ddtas.api.platform import DataSource
from ddtas.data.contract import DataContract, DataKind, FieldType
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.json_service import JsonService
from ddtas.data.kinds.http_json.periods import Period, Values
from ddtas.data.kinds.http_json.pointers import ABSENT, Layout, Pointer
from ddtas.data.kinds.http_json.table import batches
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.errors import SourceError

PAGE = (Path(__file__).parents[4] / "docs" / "json-services.md").read_text()
EXAMPLES = {
    source["name"]: (source, json.loads(answer))
    for source, answer in (
        (yaml.safe_load(source), answer)
        for source, answer in re.findall(r"```yaml\n(.*?)```\n\n```json\n(.*?)```", PAGE, re.S)
    )
}
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)
FIELDS = [{"name": "time", "type": "timestamp"}, {"name": "n", "type": "integer"}]
CONTRACT = DataContract.model_validate({"version": "1.0.0", "fields": FIELDS})
TIME = SourceField("time", FieldType.TIMESTAMP)


def target(url: str, contract: DataContract = CONTRACT, **service: Any) -> Target:
    return Target(DataKind.HTTP_JSON, url, contract, json_service=JsonService.model_validate(service))


async def read(
    to: Target, folder: Path, *names: str, limits: Limits = LIMITS, **options: Any
) -> tuple[list[dict[str, Any]], bytes | None]:
    """All rows, and the CRS that the batches tell."""
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    found = [b async for b in batches(Session(to, limits, LOOPBACK), Selection(fields, folder, **options))]
    return [row for batch in found for row in batch.to_pylist()], (found[-1].schema.metadata or {}).get(CRS)


async def numbers(answer: Answer | Mapping[str, Answer], folder: Path, **options: Any) -> tuple[list[int], Server]:
    """The field n of all rows, and the server that was asked; `options` are those of jsonService."""
    selection = {key: options.pop(key) for key in ("time", "start", "end", "contract", "limits") if key in options}
    contract = selection.pop("contract", CONTRACT)
    async with served(answer) as server:
        rows, _ = await read(target(server.url(path="/levels"), contract, **options), folder, "n", **selection)
    return [int(row["n"]) for row in rows], server


def page(*rows: int, **members: Any) -> bytes:
    return json_response({"data": [{"n": n, "time": f"2026-01-{n:02}T00:00:00Z"} for n in rows], **members})


PAGED: dict[str, Any] = {"rows": ["/data"], "query": [{"name": "page", "value": "{page}"}]}
WINDOWED: dict[str, Any] = {
    "rows": ["/data"],
    "query": [{"name": "from", "value": "{start}"}, {"name": "to", "value": "{end}"}],
}


# ---- the examples of the documentation ----


def example(name: str, server: Server) -> Target:
    source, _ = EXAMPLES[name]
    found = DataSource.model_validate(source)
    path = re.sub("^https://[^/]+", "", found.endpoint)
    secret = {"api-key": SECRET} if found.credentials else None
    return Target(
        DataKind.HTTP_JSON,
        server.url(path=path),
        found.contract,
        auth=found.credentials,
        secret=secret,
        json_service=found.json_service,
    )


async def test_series_in_a_list(tmp_path: Path) -> None:
    async with served(json_response(EXAMPLES["water-levels"][1])) as server:
        to = example("water-levels", server)
        rows, crs = await read(
            to, tmp_path, "time", "level", "station", geometry=True, time=TIME, start=START, end=START.replace(day=5)
        )
        facts = await look_at(to)
    place = shapely.Point(576917.7, 5759136.2)
    assert [(r["time"], r["level"], r["station"], shapely.from_wkb(r["geometry"])) for r in rows] == [
        ("2026-01-01T00:00:00.000+01:00", "52", "hoekvanholland", place),
        ("2026-01-01T00:10:00.000+01:00", "999999999", "hoekvanholland", place),
    ]
    assert crs is None
    asked = json.loads(server.bodies[0])
    assert asked["Periode"] == {
        "Begindatumtijd": "2026-01-01T01:00:00.000+01:00",
        "Einddatumtijd": "2026-01-05T01:00:00.000+01:00",
    }
    assert asked["Locatie"] == {"Code": "hoekvanholland"}
    assert server.requests[0].startswith("POST /OphalenWaarnemingen ")
    assert server.header("Content-Type", 0) == "application/json"
    assert {f.name: (f.type, f.empty) for f in facts.fields}["level"] == (FieldType.NUMBER, 1)
    assert facts.time_resolution == "PT10M"
    assert (facts.first, facts.last) == (None, "2025-12-31T23:10:00Z")
    assert (facts.records, facts.geometry_type, facts.crs) == (None, "Point", ())


async def test_pages_by_number(tmp_path: Path) -> None:
    _, answer = EXAMPLES["air-quality"]
    first = {**answer, "pagination": {"current_page": 1, "last_page": 2}}
    second = {
        "pagination": {"current_page": 2, "last_page": 2},
        "data": [{"station_number": "NL49012", "value": 7, "timestamp_measured": "2026-01-01T02:00:00+00:00"}],
    }
    window = "start=2026-01-01T00:00:00Z&end=2026-01-05T00:00:00Z"
    path = f"/open_api/measurements?formula=NO2&{window}&page="
    async with served({f"{path}1": json_response(first), f"{path}2": json_response(second)}) as server:
        rows, _ = await read(
            example("air-quality", server),
            tmp_path,
            "value",
            time=SourceField("timestamp_measured", FieldType.TIMESTAMP),
            start=START,
            end=START.replace(day=5),
        )
    assert [r["value"] for r in rows] == ["21.4", None, "7"]
    assert len(server.targets) == 2


async def test_links_to_the_next_page(tmp_path: Path) -> None:
    _, answer = EXAMPLES["buildings"]
    first = json.loads(json.dumps(answer))
    first["_links"]["next"] = {"href": "/v2/panden?page=2"}
    routes = {
        "/v2/panden?status=Pand%20in%20gebruik": json_response(first, "Content-Crs: epsg:28992"),
        "/v2/panden?page=2": json_response({"_links": {}}),
    }
    async with served(routes) as server:
        to = example("buildings", server)
        rows, crs = await read(to, tmp_path, "id", "built", geometry=True)
        facts = await look_at(to)
    assert [(r["id"], r["built"], shapely.from_wkb(r["geometry"]).area) for r in rows] == [
        ("0344100000000001", "1931", 50.0)
    ]
    assert crs == b"EPSG:28992"
    assert server.header("Accept-Crs", 0) == "epsg:28992"
    assert server.header("X-Api-Key", 1) == SECRET
    assert (facts.records, facts.geometry_type, facts.crs) == (1, "Polygon", ("EPSG:28992",))
    assert facts.extent is not None
    assert facts.extent.bbox == ("136000", "455000", "136010", "455010")


# ---- pointers ----

RFC6901 = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC6901), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8), ("/foo/2", ABSENT), ("/foo/-", ABSENT),
        ("/foo/00", ABSENT), ("/foo/-1", ABSENT), ("/foo/\u0661", ABSENT), ("/foo/0/bar", ABSENT), ("/bar", ABSENT),
        ("1", ABSENT), ("/foo/99999999999999999999", ABSENT),
    ],
)  # fmt: skip
def test_a_pointer_of_rfc_6901(pointer: str, value: Any) -> None:
    found = Pointer.read(pointer).of([RFC6901])
    assert found is ABSENT if value is ABSENT else found == value


def test_levels_above_a_row() -> None:
    answer = {"city": "X", "lists": [{"name": "a", "rows": [[1, "x"], [2, "y"]]}, {"name": "b", "rows": []}]}
    layout = Layout(
        JsonService.model_validate(
            {
                "rows": ["/lists", "/rows"],
                "fields": [
                    {"name": "n", "pointer": "/0"},
                    {"name": "list", "pointer": "2/name"},
                    {"name": "city", "pointer": "4/city"},
                    {"name": "sibling", "pointer": "1/0/1"},
                    {"name": "beyond", "pointer": "5/city"},
                ],
            }
        )
    )
    assert [row.record for row in layout.rows(answer)] == [
        {"n": 1, "list": "a", "city": "X", "sibling": "x"},
        {"n": 2, "list": "a", "city": "X", "sibling": "x"},
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3),
)
_POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1"]), max_size=3).map(
    lambda steps: "".join(f"/{s}" for s in steps)
)


@given(_JSON, st.lists(_POINTERS, max_size=3), st.integers(0, 9), _POINTERS, st.booleans())
def test_any_answer_has_rows_or_none(answer: Any, lists: list[str], levels: int, pointer: str, optional: bool) -> None:
    layout = Layout(
        JsonService.model_validate(
            {
                "rows": lists,
                "rowsRequired": not optional,
                "fields": [{"name": "f", "pointer": f"{levels}{pointer}"}],
                "geometry": {"easting": "/a", "northing": "/b"},
            }
        )
    )
    try:
        found = list(layout.rows(answer))
    except ValueError:
        return
    assert all(isinstance(row.record, dict) for row in found)


# ---- periods ----


@pytest.mark.parametrize(
    ("form", "zone", "start", "end"),
    [
        (None, None, "2026-06-30T22:00:00Z", "2026-07-01T12:30:16Z"),
        (None, "Europe/Amsterdam", "2026-06-30T22:00:00Z", "2026-07-01T12:30:16Z"),
        ("yyyy-MM-dd", "Europe/Amsterdam", "2026-07-01", "2026-07-02"),
        ("yyyy-MM-dd", None, "2026-06-30", "2026-07-02"),
        ("yyyyMMddHH", "Europe/Amsterdam", "2026070100", "2026070115"),
        ("yyyy-MM-dd'T'HH:mm", "Europe/Amsterdam", "2026-07-01T00:00", "2026-07-01T14:31"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSxxx", "Europe/Amsterdam", "2026-07-01T00:00:00.000+02:00",
         "2026-07-01T14:30:16.000+02:00"),
        ("d-M-yyyy H:mm XXX", None, "30-6-2026 22:00 Z", "1-7-2026 12:31 Z"),
        ("yyyy-MM", "Europe/Amsterdam", "2026-07", "2026-08"),
        ("yyyy", "Europe/Amsterdam", "2026", "2027"),
        ("epoch-seconds", None, 1782856800, 1782909016),
        ("epoch-milliseconds", None, 1782856800000, 1782909016000),
        ("yyyy-MM-dd", "Nowhere/Atall", "2026-06-30", "2026-07-02"),
    ],
)  # fmt: skip
def test_how_a_period_is_written(form: str | None, zone: str | None, start: Any, end: Any) -> None:
    """The end is never before the period's, whatever a format leaves out."""
    service = JsonService.model_validate({"window": {"format": form} if form else {}})
    contract = CONTRACT.model_copy(update={"time_zone": zone})
    period = Period(datetime(2026, 6, 30, 22, tzinfo=UTC), datetime(2026, 7, 1, 12, 30, 15, 500000, tzinfo=UTC))
    values = Values(service, contract, period)
    assert values.body({"a": ["{start}", "{end}"], "b": "{start}/{end}", "c": 1.5, "d": None}) == {
        "a": [start, end],
        "b": f"{start}/{end}",
        "c": 1.5,
        "d": None,
    }


async def test_a_long_period_is_asked_for_in_parts_that_share_no_row(tmp_path: Path) -> None:
    """The service gives the end too, so the rows of it come twice; two that are the same in one answer stay two."""
    path = "/levels?from=2026-01-"
    routes = {
        f"{path}01T00:00:00Z&to=2026-01-08T00:00:00Z": page(1, 2, 2, 8),
        f"{path}08T00:00:00Z&to=2026-01-15T00:00:00Z": page(8, 9, 15),
        f"{path}15T00:00:00Z&to=2026-01-16T00:00:00Z": page(15, 16),
    }
    options = {**WINDOWED, "window": {"longest": "P7D"}, "time": TIME, "start": START, "end": END.replace(day=16)}
    assert (await numbers(routes, tmp_path, **options))[0] == [1, 2, 2, 8, 9, 15, 16]


async def test_a_period_of_another_field_is_not_asked_for(tmp_path: Path) -> None:
    """The service would leave rows out by a time that the table is not about: all that is promised is asked for."""
    contract = CONTRACT.model_validate(
        {**CONTRACT.dump(), "temporalExtent": {"start": "2020-01-01", "end": "2026-01-31"}}
    )
    other = SourceField("inspected", FieldType.TIMESTAMP)
    _, server = await numbers(page(1), tmp_path, contract=contract, time=other, start=START, end=END, **WINDOWED)
    assert server.targets[0].startswith("/levels?from=2020-01-01T00:00:00Z&to=20")


async def test_a_period_from_nobody_knows_when(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await numbers(page(1), tmp_path, **WINDOWED)
    assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND
    assert "add temporalExtent to the contract" in caught.value.message


# ---- pages ----


@pytest.mark.parametrize(
    ("service", "routes", "requests"),
    [
        ({"rows": ["/data"]}, {"/levels": page(1, 2, 3)}, 1),
        (
            PAGED,
            {"/levels?page=1": page(1, 2), "/levels?page=2": page(3), "/levels?page=3": page()},
            3,
        ),
        (
            {**PAGED, "paging": {"firstPage": 0, "lastPage": "/last"}},
            {"/levels?page=0": page(1, 2, last=1), "/levels?page=1": page(3, last=1)},
            2,
        ),
        (
            {**PAGED, "paging": {"total": "/count"}},
            {"/levels?page=1": page(1, 2, count=3), "/levels?page=2": page(3, count=3)},
            2,
        ),
        (
            {"rows": ["/data"], "query": [{"name": "skip", "value": "{offset}"}], "paging": {"total": "/count"}},
            {"/levels?skip=0": page(1, 2, count=3), "/levels?skip=2": page(3, count=3)},
            2,
        ),
        (
            {"rows": ["/data"], "paging": {"next": "/next"}},
            {
                "/levels": page(1, 2, next="levels?after=2"),
                "/levels?after=2": page(3, next=""),
            },
            2,
        ),
        (
            {**PAGED, "paging": {"lastPage": "/last", "total": "/count"}},
            {"/levels?page=1": response(b"", status="204 No Content")},
            1,
        ),
    ],
)
async def test_each_way_to_page(
    service: dict[str, Any], routes: dict[str, Answer], requests: int, tmp_path: Path
) -> None:
    found, server = await numbers(routes, tmp_path, **service)
    assert found == ([1, 2, 3] if requests > 1 or "/levels" in routes else [])
    assert len(server.targets) == requests


async def test_numbers_in_a_body_are_numbers(tmp_path: Path) -> None:
    body = {"paging": {"page": "{page}", "offset": "{offset}"}, "text": "page {page}", "deep": [["{page}"]]}
    service = {"rows": ["/data"], "body": body, "paging": {"firstPage": 0, "lastPage": "/last"}}
    _, server = await numbers(page(1, last=0), tmp_path, **service)
    assert json.loads(server.bodies[0]) == {
        "paging": {"page": 0, "offset": 0},
        "text": "page 0",
        "deep": [[0]],
    }


PLAIN = {"rows": ["/data"]}
LINKED = {**PLAIN, "paging": {"next": "/next"}}
COUNTED = {**PLAIN, "paging": {"total": "/count"}}
MALFORMED, UNEXPECTED = SourceReason.MALFORMED_DATA, SourceReason.UNEXPECTED_CONTENT
NOT_FOUND = SourceReason.ENTITY_NOT_FOUND


@pytest.mark.parametrize(
    ("service", "routes", "reason", "words"),
    [
        (PAGED, {"/levels": page(1)}, MALFORMED, "the same page again and again"),
        (LINKED, {"/levels": page(1, next="levels?b"), "/levels?b": page(2, next="levels?b")}, MALFORMED, "leads back"),
        (LINKED, {"/levels": page(1, next="https://elsewhere.example/")}, UNEXPECTED, "on the same server"),
        (LINKED, {"/levels": page(1, next={"href": "/a"})}, UNEXPECTED, "no link to a page"),
        (LINKED, {"/levels": page(1, next="http://[")}, UNEXPECTED, "no link to a page"),
        (COUNTED, {"/levels": page(1, count=2)}, MALFORMED, "ends after 1 of 2"),
        (COUNTED, {"/levels": page(1)}, UNEXPECTED, "without a number at /count"),
        (
            {**PAGED, "paging": {"lastPage": "/last"}},
            {"/levels?page=1": page(1, last=3), "/levels?page=2": page(last=3)},
            MALFORMED,
            "has no items on page 2 of 3",
        ),
        ({**PAGED, "paging": {"lastPage": "/last"}}, {"/levels": page(1, last=True)}, UNEXPECTED, "a number at /last"),
        ({**PAGED, "paging": {"lastPage": "/last"}}, {"/levels": page(1, last=1e400)}, MALFORMED, "cannot be read"),
        (
            {"rows": ["/values"]},
            {"/levels": json_response({"Succesvol": False, "Foutmelding": "x"})},
            UNEXPECTED,
            "without a list at /values; its members are Succesvol, Foutmelding",
        ),
        ({}, {"/levels": json_response({"a": 1})}, UNEXPECTED, "without a list at the root"),
        (
            {"rows": ["/data", "/inner"]},
            {"/levels": json_response({"data": [{"inner": [{"n": 1}]}, {"inner": "x"}]})},
            UNEXPECTED,
            "without a list at /inner",
        ),
        ({**PLAIN, "rowsRequired": False}, {"/levels": json_response({"data": {}})}, UNEXPECTED, "a list at /data"),
        (PLAIN, {"/levels": json_response({"data": [{"m": 1}]})}, NOT_FOUND, "no field n"),
        (PLAIN, {"/levels": json_response({"data": [1, "x"]})}, NOT_FOUND, "no field n"),
        (PLAIN, {"/levels": response(b"<html>", "Content-Type: text/html")}, UNEXPECTED, "html"),
        ({**PLAIN, "body": {}}, {"/levels": redirect("/data")}, SourceReason.HTTP_ERROR, "redirects a POST"),
        (PLAIN, {"/levels": page(1)[:-3]}, SourceReason.UNREACHABLE, "broke off"),
    ],
)  # fmt: skip
async def test_what_is_not_as_it_is_described(
    service: dict[str, Any], routes: dict[str, Answer], reason: SourceReason, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        await numbers(routes, tmp_path, **service)
    assert (caught.value.reason, words in caught.value.message) == (reason, True), caught.value.message


async def test_an_endless_service_ends(tmp_path: Path) -> None:
    """Each page is another one, and none is the last."""
    routes = {f"/levels?page={n}": page(n) for n in range(1, 9)}
    with pytest.raises(SourceError) as caught:
        await numbers(routes, tmp_path, limits=replace(LIMITS, max_requests=5), **PAGED)
    assert caught.value.reason == SourceReason.TOO_MANY_REQUESTS


async def test_an_answer_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await numbers(page(*range(1, 9)), tmp_path, limits=replace(LIMITS, max_document_bytes=100), rows=["/data"])
    assert caught.value.reason == SourceReason.RESOURCE_EXHAUSTED
    assert "ask for shorter pages" in caught.value.message


async def test_a_post_that_is_redirected_stays_one(tmp_path: Path) -> None:
    routes = {"/levels": redirect("/moved", "308 Permanent Redirect"), "/moved": page(1)}
    found, server = await numbers(routes, tmp_path, rows=["/data"], body={"a": 1})
    assert found == [1]
    assert server.requests[1].startswith("POST /moved ")
    assert server.bodies == [b'{"a": 1}', b'{"a": 1}']


async def test_geometries_that_are_none(tmp_path: Path) -> None:
    for answer, geometry in (
        ([{"n": 1, "place": {"type": "Blob"}}], {"pointer": "/place"}),
        ([{"n": 1, "x": "far", "z": 2}], {"easting": "/x", "northing": "/z"}),
    ):
        async with served(json_response(answer)) as server:
            with pytest.raises(SourceError) as caught:
                await read(target(server.url(), geometry=geometry), tmp_path, "n", geometry=True)
        assert caught.value.reason == SourceReason.MALFORMED_DATA


async def test_points_whose_coordinates_are_texts_or_are_not_there(tmp_path: Path) -> None:
    answer = [{"x": "4.5", "z": 52}, {"x": None, "z": 52}, {}]
    async with served(json_response(answer)) as server:
        to = target(server.url(), geometry={"easting": "/x", "northing": "/z"})
        rows, _ = await read(to, tmp_path, geometry=True)
    assert [row["geometry"] and shapely.from_wkb(row["geometry"]).wkt for row in rows] == ["POINT (4.5 52)", None, None]


async def test_a_source_without_a_description() -> None:
    async with served(page(1)) as server:
        error = await refusal(replace(target(server.url()), json_service=None))
    assert error.reason == SourceReason.ENTITY_NOT_FOUND
    assert "add it to the data source" in error.message


@pytest.mark.parametrize(
    "body",
    [{"a": "x" * 8001}, {"a": float("nan")}, []],
)
def test_a_body_is_bounded(body: Any) -> None:
    with pytest.raises(ValidationError):
        JsonService.model_validate({"body": body})


def test_a_body_that_is_nested_without_end() -> None:
    """Its JSON is refused before there is an object; what is left of it here ends in one of two ways."""
    body: dict[str, Any] = {}
    for _ in range(2000):
        body = {"a": body}
    with pytest.raises(ValidationError):
        JsonService.model_validate({"body": body})


# ---- probes ----


async def test_facts_of_all_rows() -> None:
    async with served(page(1, 2, 3)) as server:
        facts = await look_at(target(server.url(), rows=["/data"]))
    assert [(f.name, f.type) for f in facts.fields] == [("n", FieldType.INTEGER), ("time", FieldType.TIMESTAMP)]
    assert (facts.records, facts.sampled, facts.time_resolution) == (3, 3, "P1D")
    assert (facts.first, facts.last) == ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    assert facts.why_unknown("crs") == "the service does not tell it (Content-Crs)"


async def test_facts_of_the_first_pages() -> None:
    routes = {f"/levels?page={n}": page(n, count=9) for n in range(1, 9)}
    async with served(routes) as server:
        facts = await look_at(target(server.url(path="/levels"), **PAGED, paging={"total": "/count"}))
    assert len(server.targets) == 3
    assert (facts.records, facts.sampled, facts.first, facts.last) == (9, 3, None, None)
    assert facts.why_unknown("last") == "only the first pages were read"


async def test_facts_of_the_newest_rows() -> None:
    """Of what is promised, the last day; or ten steps of the promised resolution, as far as one request may ask."""
    extent = {"temporalExtent": {"start": "2020-01-01", "end": "2024-12-31"}}
    for promised, window, asked in (
        ({}, {}, "from=2024-12-31T00:00:00Z&to=2025-01-01T00:00:00Z"),
        ({"timeResolution": "P1D"}, {}, "from=2024-12-22T00:00:00Z&to=2025-01-01T00:00:00Z"),
        ({"timeResolution": "P1D"}, {"longest": "P2D"}, "from=2024-12-30T00:00:00Z&to=2025-01-01T00:00:00Z"),
    ):
        contract = DataContract.model_validate({"version": "1.0.0", "fields": FIELDS, **extent, **promised})
        async with served(page(1, 2)) as server:
            facts = await look_at(target(server.url(path="/levels"), contract, **WINDOWED, window=window))
        assert server.targets == [f"/levels?{asked}"]
        assert (facts.records, facts.first, facts.last) == (None, None, "2026-01-02T00:00:00Z")


async def test_facts_of_no_rows() -> None:
    async with served(page()) as server:
        facts = await look_at(target(server.url(), rows=["/data"]))
    assert (facts.records, facts.fields) == (0, ())
    assert facts.why_unknown("fields") == "no rows came"


async def test_times_and_numbers_as_the_contract_writes_them() -> None:
    fields = [
        {"name": "time", "type": "timestamp", "format": "dd-MM-yyyy HH:mm"},
        {"name": "n", "type": "number", "missingValues": ["-9999"]},
    ]
    contract = DataContract.model_validate(
        {"version": "1.0.0", "timeZone": "Europe/Amsterdam", "fields": fields, "dialect": {"decimalChar": ","}}
    )
    rows = [{"time": "01-07-2026 00:00", "n": "1,5"}, {"time": "01-07-2026 01:00", "n": -9999.0}]
    async with served(json_response(rows)) as server:
        facts = await look_at(target(server.url(), contract))
    assert {f.name: (f.type, f.empty) for f in facts.fields} == {
        "time": (FieldType.TIMESTAMP, 0),
        "n": (FieldType.STRING, 1),
    }
    assert (facts.first, facts.last) == ("2026-06-30T22:00:00Z", "2026-06-30T23:00:00Z")
