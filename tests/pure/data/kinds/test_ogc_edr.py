"""OGC API - EDR: documents and servers that are good, odd, broken and hostile, for the probe and for tables."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, SECRET, Server, json_response, look_at, response, serving, target
from probes_kit import refusal as kit_refusal

from ddtas.data.contract import DataContract, DataKind, FieldType
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.kinds.ogc_edr.choice import Choice
from ddtas.data.kinds.ogc_edr.coverage import coverages, units_of
from ddtas.data.kinds.ogc_edr.reader import tidy
from ddtas.data.kinds.ogc_edr.table import batches
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.errors import SourceError

KIND = DataKind.OGC_EDR
ROOT = "/edr/v1"
TIME = SourceField("time", FieldType.TIMESTAMP)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 240
NO_CONTENT = response(b"", status="204 No Content")
TOO_LARGE = response(b"", status="413 Content Too Large")
BAD = response(b"", status="400 Bad Request")
ODD: list[Any] = [None, 1, "x", True, [], {}, [1], [None], {"a": {"b": []}}, 10**30, 1.5]
REFERENCING = [
    {"coordinates": ["y", "x"], "system": {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/EPSG/0/4326"}}
]


def description(**changes: Any) -> dict[str, Any]:
    return {
        "id": "levels",
        "extent": {
            "spatial": {"bbox": [[4, 52, 5, 53]]},
            "temporal": {"interval": [["2024-01-01T00:00:00Z", "2024-01-10T23:00:00Z"]]},
        },
        "data_queries": {"locations": {}, "position": {}, "cube": {}},
        "parameter_names": {"level": {"unit": {"symbol": "m"}}, "n": {"data-type": "integer"}},
        **changes,
    }


def series(start: datetime, end: datetime, **changes: Any) -> dict[str, Any]:
    """Hourly data of one place, from start to end, both included."""
    hours = [FIRST + timedelta(hours=hour) for hour in range(HOURS)]
    times = [f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in hours if start <= one <= end]
    values = list(range(len(times)))
    return {
        "type": "Coverage",
        "domain": {
            "axes": {"x": {"values": [4.5]}, "y": {"values": [52.5]}, "t": {"values": times}},
            "referencing": REFERENCING,
        },
        "parameters": {},
        "ranges": {"level": {"type": "NdArray", "axisNames": ["t"], "shape": [len(times)], "values": values}},
        **changes,
    }


Handler = Callable[[str, dict[str, str]], Any]
"""Path below the landing page, and query; gives JSON, bytes for a whole response, or None for 404."""


def bounds(query: Mapping[str, str]) -> tuple[datetime, datetime]:
    start, _, end = query.get("datetime", "../..").partition("/")
    far = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
    return (
        far[0] if start == ".." else datetime.fromisoformat(start),
        far[1] if end == ".." else datetime.fromisoformat(end),
    )


class Edr:
    """A service with locations a and b, and whatever `change` makes of its answers."""

    def __init__(self, change: Handler | None = None, most: int = 10**6) -> None:
        self.change = change
        self.most = most
        self.requests: list[tuple[str, dict[str, str]]] = []

    def answer(self, address: str) -> bytes:
        parts = urlsplit(address)
        path, query = unquote(parts.path.removeprefix(ROOT)), dict(parse_qsl(parts.query))
        self.requests.append((path, query))
        made = self.change(path, query) if self.change is not None else None
        made = self.usual(path, query) if made is None else made
        return made if isinstance(made, bytes) else json_response(made)

    def usual(self, path: str, query: dict[str, str]) -> Any:
        match path.split("/")[1:]:
            case ["collections"]:
                return {"collections": [{"id": "levels"}]}
            case ["collections", "levels"]:
                return description()
            case ["collections", "levels", "locations"]:
                found = [{"id": id, "properties": {"name": id.upper()}} for id in ("a", "b")]
                return {"type": "FeatureCollection", "features": found}
            case ["collections", "levels", "locations", "a" | "b"] | ["collections", "levels", "position"]:
                start, end = bounds(query)
                made = series(start, end)
                count = len(made["domain"]["axes"]["t"]["values"])
                return NO_CONTENT if not count else TOO_LARGE if count > self.most else made
        return response(b"", status="404 Not Found")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        async def say(writer: asyncio.StreamWriter) -> None:
            writer.write(self.answer(server.targets[-1]))
            await writer.drain()

        async with serving(say) as server:
            yield server

    @property
    def periods(self) -> list[str]:
        return [query["datetime"] for _, query in self.requests if "datetime" in query]


def of(server: Server, name: str = "levels", **contract: Any) -> Target:
    promised = DataContract.model_validate({"version": "1.0.0", **contract})
    return target(server.url(path=ROOT), kind=KIND, physical_name=name, contract=promised)


async def facts(edr: Edr, name: str = "levels") -> SourceFacts:
    async with edr.serving() as server:
        return await look_at(of(server, name))


async def refusal(edr: Edr, name: str = "levels") -> SourceError:
    async with edr.serving() as server:
        return await kit_refusal(of(server, name))


async def table(
    edr: Edr, folder: Path, *fields: str, name: str = "levels", limits: Limits = LIMITS, **options: Any
) -> list[dict[str, Any]]:
    chosen = tuple(SourceField(field, FieldType.STRING) for field in fields or ("time", "level"))
    contract = {"crs": options.pop("crs")} if "crs" in options else {}
    async with edr.serving() as server:
        session = Session(of(server, name, **contract), replace(limits, max_requests=400), LOOPBACK)
        read = [batch async for batch in batches(session, Selection(chosen, folder, time=TIME, **options))]
    return [{**one, "crs": (batch.schema.metadata or {}).get(CRS)} for batch in read for one in batch.to_pylist()]


async def fault(edr: Edr, folder: Path, *fields: str, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await table(edr, folder, *fields, **options)
    return caught.value


# --- the probe


async def test_finds_what_the_collection_and_its_newest_day_tell() -> None:
    edr = Edr()
    found = await facts(edr)
    assert {one.name: (one.type, one.unit) for one in found.fields} == {
        "time": ("timestamp", None),
        "x": ("number", None),
        "y": ("number", None),
        "level": ("number", "m"),  # though whole numbers were seen
        "location": ("string", None),
        "locationName": ("string", None),
        "n": ("integer", None),
    }
    assert (found.first, found.last) == ("2024-01-01T00:00:00Z", "2024-01-10T23:00:00Z")
    assert (found.time_resolution, found.geometry_type, found.crs) == ("PT1H", "Point", ("EPSG:4326",))
    assert found.extent is not None
    assert found.extent.bbox == ("4", "52", "5", "53")
    assert edr.periods == ["2024-01-09T23:00:00Z/2024-01-10T23:00:00Z"]
    assert [path for path, _ in edr.requests] == [
        "/collections/levels",
        "/collections/levels/locations",
        "/collections/levels/locations/a",
    ]


async def test_without_data_the_description_tells_the_fields() -> None:
    edr = Edr(lambda path, query: NO_CONTENT if "datetime" in query else None)
    found = await facts(edr, "levels/position?coords=POINT(4 52)")
    assert [(one.name, one.type) for one in found.fields] == [("level", "number"), ("n", "integer")]
    assert {one.fact for one in found.unknown} >= {"geometryType", "timeResolution", "crs"}
    assert len(edr.periods) == 2  # a day, then a longer period


@pytest.mark.parametrize(
    "name", ["extent", "data_queries", "parameter_names", "id", "crs", "type", "domain", "ranges", "features", "links"]
)
@pytest.mark.parametrize("value", ODD)
async def test_odd_values_anywhere_are_an_error_with_a_reason_or_unknown(name: str, value: Any) -> None:
    usual = Edr()

    def change(path: str, query: dict[str, str]) -> Any:
        made = usual.usual(path, query)
        return {**made, name: value} if isinstance(made, dict) else made

    async with Edr(change).serving() as server:
        try:
            found = await look_at(of(server))
        except SourceError as error:
            assert error.reason in (  # noqa: PT017
                SourceReason.UNEXPECTED_CONTENT,
                SourceReason.MALFORMED_DATA,
                SourceReason.ENTITY_NOT_FOUND,
            )
        else:
            assert found.latency_milliseconds is not None


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("other", SourceReason.ENTITY_NOT_FOUND, "there are levels"),
        ("levels/radius?coords=POINT(4 52)&within=1", SourceReason.ENTITY_NOT_FOUND, "no query radius"),
        ("levels/position", SourceReason.ENTITY_NOT_FOUND, "no query 'levels/position'"),
        ("levels/items", SourceReason.ENTITY_NOT_FOUND, "no query"),
        ("../levels", SourceReason.ENTITY_NOT_FOUND, "no query"),
        ("levels/locations/..", SourceReason.ENTITY_NOT_FOUND, "no query"),
    ],
)
async def test_names_that_are_no_query(name: str, reason: str, text: str) -> None:
    found = await refusal(Edr(), name)
    assert (found.reason, text in found.message) == (reason, True)


async def test_a_name_that_is_a_secret_is_not_shown() -> None:
    def change(path: str, query: dict[str, str]) -> Any:
        return {"code": "x", "description": SECRET} if path == "/collections/levels" else None

    assert (await refusal(Edr(change))).reason == SourceReason.UNEXPECTED_CONTENT


async def test_an_endpoint_that_is_no_service() -> None:
    found = await refusal(Edr(lambda path, query: {"title": "Files"}))
    assert found.reason == SourceReason.UNEXPECTED_CONTENT


# --- tables


async def test_all_locations_one_after_the_other(tmp_path: Path) -> None:
    edr = Edr()
    read = await table(edr, tmp_path, "location", "locationName", "time", "level", "n", geometry=True, crs="OGC:CRS84")
    assert len(read) == 2 * HOURS
    assert [row["location"] for row in read] == ["a"] * HOURS + ["b"] * HOURS
    assert (read[0]["locationName"], read[0]["level"], read[0]["n"]) == ("A", "0", None)
    assert shapely.from_wkb(read[0]["geometry"]).wkt == "POINT (4.5 52.5)"
    assert read[0]["crs"] == b"OGC:CRS84"
    assert edr.requests[2][1] == {
        "parameter-name": "level,n",
        "datetime": "2024-01-01T00:00:00Z/2024-01-10T23:00:00Z",
    }


async def test_the_format_is_named_as_the_service_names_it(tmp_path: Path) -> None:
    variables = {"output_formats": ["GeoJSON", "CovJSON"]}

    def change(path: str, query: dict[str, str]) -> Any:
        queries = {"locations": {"link": {"variables": variables}}}
        return description(data_queries=queries) if path == "/collections/levels" else None

    edr = Edr(change)
    await table(edr, tmp_path)
    assert edr.requests[2][1]["f"] == "CovJSON"


async def test_a_window_is_asked_for(tmp_path: Path) -> None:
    edr = Edr()
    start, end = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)
    assert len(await table(edr, tmp_path, start=start, end=end, name="levels/locations/a")) == 25
    assert edr.periods == ["2024-01-02T00:00:00Z/2024-01-03T00:00:00Z"]


@pytest.mark.parametrize("most", [200, 100, 30, 3])
async def test_too_long_a_period_comes_in_halves_without_a_row_twice(most: int, tmp_path: Path) -> None:
    edr = Edr(most=most)
    read = await table(edr, tmp_path, name="levels/locations/a")
    times = [row["time"] for row in read]
    assert times == sorted(set(times))
    assert len(times) == HOURS


async def test_days_come_in_halves_without_one_twice(tmp_path: Path) -> None:
    days = [f"2024-01-{number:02d}" for number in range(1, 11)]

    def daily(path: str, query: dict[str, str]) -> Any:
        if "datetime" not in query:
            return None
        start, end = bounds(query)
        times = [day for day in days if start <= datetime.fromisoformat(f"{day}T00:00:00Z") <= end]
        made = series(FIRST, FIRST)
        made["domain"]["axes"]["t"]["values"] = times
        made["ranges"]["level"] |= {"shape": [len(times)], "values": list(range(len(times)))}
        return made if len(times) < 4 else BAD

    read = await table(Edr(daily), tmp_path, name="levels/locations/a")
    assert [row["time"] for row in read] == days


async def test_a_second_page_that_is_refused_is_an_error_and_no_row_comes_twice(tmp_path: Path) -> None:
    def paged(path: str, query: dict[str, str]) -> Any:
        if "page" in query:
            return BAD
        links = [{"rel": "next", "href": "?page=2"}]
        return series(*bounds(query), links=links) if "datetime" in query else None

    error = await fault(Edr(paged), tmp_path, name="levels/locations/a")
    assert (error.reason, "400" in error.message) == (SourceReason.HTTP_ERROR, True)


async def test_a_minute_that_is_refused_is_an_error(tmp_path: Path) -> None:
    error = await fault(Edr(most=0), tmp_path, name="levels/locations/a")
    assert (error.reason, "413" in error.message) == (SourceReason.HTTP_ERROR, True)


async def test_a_period_beyond_what_the_collection_has_is_asked_for_within(tmp_path: Path) -> None:
    def strict(path: str, query: dict[str, str]) -> Any:
        start, end = bounds(query)
        outside = start < FIRST or end > FIRST + timedelta(hours=HOURS - 1)
        return BAD if "datetime" in query and outside else None

    edr = Edr(strict)
    options: dict[str, Any] = {"start": FIRST - timedelta(days=9), "end": FIRST + timedelta(days=99)}
    assert len(await table(edr, tmp_path, name="levels/locations/a", **options)) == HOURS
    long_ago: dict[str, Any] = {"start": FIRST - timedelta(days=9), "end": FIRST - timedelta(days=8)}
    assert await table(edr, tmp_path, name="levels/locations/a", **long_ago) == []


async def test_no_data_of_a_period_is_no_fault_but_no_location_is(tmp_path: Path) -> None:
    options: dict[str, Any] = {"start": FIRST - timedelta(days=9), "end": FIRST - timedelta(days=8)}
    assert await table(Edr(), tmp_path, name="levels/locations/a", **options) == []
    nothing = Edr(lambda path, query: response(b"", status="404 Not Found") if "datetime" in query else None)
    assert await table(nothing, tmp_path, name="levels/locations/a") == []
    error = await fault(nothing, tmp_path, name="levels/locations/c")
    assert error.reason == SourceReason.ENTITY_NOT_FOUND
    assert "there are a, b" in error.message


async def test_a_field_that_is_not_there(tmp_path: Path) -> None:
    error = await fault(Edr(), tmp_path, "time", "depth")
    assert error.reason == SourceReason.ENTITY_NOT_FOUND
    assert "level" in error.message
    assert (await fault(Edr(), tmp_path, "z")).reason == SourceReason.ENTITY_NOT_FOUND


async def test_locations_in_pages(tmp_path: Path) -> None:
    def change(path: str, query: dict[str, str]) -> Any:
        if path != "/collections/levels/locations":
            return None
        features = [{"id": "b" if "page" in query else "a"}]
        return {"features": features, "links": [] if "page" in query else [{"rel": "next", "href": "?page=2"}]}

    assert len(await table(Edr(change), tmp_path)) == 2 * HOURS


@pytest.mark.parametrize("href", ["?page=2", "http://elsewhere.example/", "http://["])
async def test_pages_that_lead_nowhere(href: str, tmp_path: Path) -> None:
    def change(path: str, query: dict[str, str]) -> Any:
        links = [{"rel": "next", "href": href}]
        return {"features": [{"id": "a"}], "links": links} if path.endswith("/locations") else None

    assert (await fault(Edr(change), tmp_path)).reason == SourceReason.MALFORMED_DATA


@pytest.mark.parametrize("id", [None, True, [], {}, "", ".."])
async def test_locations_without_an_id(id: Any, tmp_path: Path) -> None:
    edr = Edr(lambda path, query: {"features": [{"id": id}]} if path.endswith("/locations") else None)
    assert (await fault(edr, tmp_path)).reason == SourceReason.MALFORMED_DATA


async def test_an_id_is_one_step_of_the_path(tmp_path: Path) -> None:
    edr = Edr(lambda path, query: {"features": [{"id": "x/../../y"}]} if path.endswith("/locations") else None)
    await table(edr, tmp_path)
    assert edr.requests[-1][0] == "/collections/levels/locations/x/../../y"  # unquoted here: %2F on the wire


async def test_an_answer_that_breaks_off(tmp_path: Path) -> None:
    whole = json_response(series(FIRST, FIRST + timedelta(days=1)))
    edr = Edr(lambda path, query: whole[:-30] if "datetime" in query else None)
    assert (await fault(edr, tmp_path)).reason == SourceReason.UNREACHABLE


async def test_more_bytes_than_may_be_read(tmp_path: Path) -> None:
    error = await fault(Edr(), tmp_path, limits=replace(LIMITS, max_bytes=2000))
    assert error.reason == SourceReason.MALFORMED_DATA


async def test_geojson_has_properties_as_fields(tmp_path: Path) -> None:
    features = [
        {"geometry": {"type": "Point", "coordinates": [4, 52]}, "properties": {"time": "2024-01-01T00:00:00Z", "n": 3}}
    ]
    body = {"type": "FeatureCollection", "features": features}
    edr = Edr(lambda path, query: body if "datetime" in query else None)
    (row,) = await table(edr, tmp_path, "time", "n", name="levels/position?coords=POINT(4 52)", geometry=True)
    assert (row["n"], row["crs"]) == ("3", b"OGC:CRS84")
    for odd in ({"features": None}, {"features": [None]}, {"features": [{"properties": 1}]}):
        broken = Edr(lambda path, query, odd=odd: {**body, **odd} if "datetime" in query else None)  # type: ignore[misc]
        assert (await fault(broken, tmp_path, "n")).reason == SourceReason.MALFORMED_DATA


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "Domain"},
        {"domain": "http://elsewhere/domain"},
        {"domain": {"axes": {"x": {"values": ["a"]}, "y": {"values": [1]}, "t": {"values": []}}}, "ranges": {}},
        {"ranges": {"level": "http://elsewhere/range"}},
        {"ranges": {"level": {"type": "TiledNdArray", "values": []}}},
    ],
)
async def test_documents_that_are_elsewhere_or_not_whole(changes: dict[str, Any], tmp_path: Path) -> None:
    whole = series(FIRST, FIRST + timedelta(hours=2))
    edr = Edr(lambda path, query: {**whole, **changes} if "datetime" in query else None)
    if changes.get("ranges") == {}:
        assert await table(edr, tmp_path) == []  # a coverage without values
    else:
        assert (await fault(edr, tmp_path)).reason == SourceReason.MALFORMED_DATA


# --- documents


def grid(**changes: Any) -> dict[str, Any]:
    axes = {"x": {"start": 4, "stop": 5, "num": 3}, "y": {"values": [52, 53]}, "t": {"values": ["2024-01-01"]}}
    level = {"type": "NdArray", "axisNames": ["y", "x"], "shape": [2, 3], "values": [0, 1, 2, 3, 4, None]}
    return {"type": "Coverage", "domain": {"axes": axes}, "ranges": {"level": level}, **changes}


def test_a_grid_has_a_row_for_each_cell() -> None:
    (coverage,) = coverages(grid())
    rows = list(coverage.rows())
    assert rows[1] == {"time": "2024-01-01", "x": 4.5, "y": 52, "level": 1}
    assert [row["level"] for row in rows] == [0, 1, 2, 3, 4, None]
    assert (coverage.crs, coverage.place) == (None, None)


def test_parameters_may_have_their_axes_in_another_order() -> None:
    rain = {"type": "NdArray", "axisNames": ["x", "t", "y"], "shape": [3, 1, 2], "values": [0, 3, 1, 4, 2, 5]}
    whole = grid()
    whole["ranges"]["rain"] = rain
    (coverage,) = coverages(whole)
    assert [row["rain"] for row in coverage.rows()] == [0, 1, 2, 3, 4, 5]


def test_tuples_of_places_and_times() -> None:
    composite = {"dataType": "tuple", "coordinates": ["t", "x", "y"], "values": [["2024", 1, 2], ["2025", 3, 4]]}
    level = {"type": "NdArray", "axisNames": ["composite"], "shape": [2], "values": [7, 8]}
    (coverage,) = coverages(grid(domain={"axes": {"composite": composite}}, ranges={"level": level}))
    assert list(coverage.rows()) == [
        {"time": "2024", "x": 1, "y": 2, "level": 7},
        {"time": "2025", "x": 3, "y": 4, "level": 8},
    ]


def test_a_collection_says_once_what_all_have() -> None:
    one = grid(id="a")
    body = {
        "type": "CoverageCollection",
        "coverages": [one, {**one, "id": "b", "eumetnet:locationId": "c"}],
        "referencing": REFERENCING,
        "parameters": {"level": {"unit": {"symbol": {"value": "cm", "type": "x"}}}},
    }
    found = coverages(body)
    assert [(one.place, one.crs, one.units) for one in found] == [
        ("a", "EPSG:4326", {"level": "cm"}),
        ("c", "EPSG:4326", {"level": "cm"}),
    ]


@pytest.mark.parametrize(
    "level",
    [
        {"type": "NdArray", "values": [1, 2]},
        {"type": "NdArray", "axisNames": ["y", "x"], "shape": [2, 3], "values": [1]},
        {"type": "NdArray", "axisNames": ["y", "x"], "shape": [3, 2], "values": [0] * 6},
        {"type": "NdArray", "axisNames": ["y", "x"], "shape": [2, 3.5], "values": [0] * 6},
        {"type": "NdArray", "axisNames": ["y", "z"], "shape": [2, 3], "values": [0] * 6},
        {"type": "NdArray", "axisNames": ["y", "y"], "shape": [2, 2], "values": [0] * 4},
        {"type": "NdArray", "axisNames": ["x"], "shape": [3], "values": [0] * 3},
        {"type": "NdArray", "axisNames": [[], {}], "shape": [2, 3], "values": [0] * 6},
        {"type": "NdArray", "axisNames": ["y", "x"], "shape": [-2, -3], "values": [0] * 6},
        {"type": "NdArray", "axisNames": ["y", "x"], "shape": [2, 3]},
        {"type": "TiledNdArray"},
        None,
        [],
    ],
)
def test_values_that_do_not_fit_their_axes(level: Any) -> None:
    with pytest.raises(ValueError, match="value"):
        coverages(grid(ranges={"level": level}))


@pytest.mark.parametrize(
    "axis",
    [
        None,
        [],
        "x",
        {},
        {"values": 1},
        {"start": 0, "stop": 1, "num": 10**12},
        {"start": 0, "stop": 1, "num": 0},
        {"start": "0", "stop": 1, "num": 2},
        {"dataType": "polygon", "coordinates": ["x", "y"], "values": [[]]},
        {"dataType": "tuple", "coordinates": ["x", "y"], "values": [[1]]},
        {"dataType": "tuple", "coordinates": ["x", "y"], "values": [1]},
    ],
)
def test_axes_that_cannot_be_read(axis: Any) -> None:
    with pytest.raises(ValueError, match="axis"):
        coverages(grid(domain={"axes": {"x": axis}}))


def test_units_that_are_said() -> None:
    described = {
        "a": {"unit": {"symbol": "m"}},
        "b": {"unit": {"symbol": {"value": "Cel"}}},
        "c": {"unit": {"label": "x"}},
        "d": {"unit": 3},
        "e": None,
        "f": {"unit": {"symbol": {"value": 3}}},
    }
    assert units_of(described) == {"a": "m", "b": "Cel"}
    assert units_of([]) == {}


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2024-01-01T00:00:00.000000000", "2024-01-01T00:00:00"),
        ("2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01T00:00:00.250000000+01:00", "2024-01-01T00:00:00.25+01:00"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-01-01", "2024-01-01"),
        (None, None),
        (1.5, 1.5),
    ],
)
def test_fractions_of_nothing_go(time: Any, text: Any) -> None:
    assert tidy({"time": time}) == {"time": text}


@pytest.mark.parametrize(
    ("name", "path", "parameters"),
    [
        ("a", "collections/a/locations", {}),
        ("a b/locations", "collections/a%20b/locations", {}),
        ("a/locations/0-20000-0-06260", "collections/a/locations/0-20000-0-06260", {}),
        ("a/position?coords=POINT(4.3 52.1)", "collections/a/position", {"coords": "POINT(4.3 52.1)"}),
        ("a/cube?bbox=4,52,5,53&z=10&f=x&datetime=y", "collections/a/cube", {"bbox": "4,52,5,53", "z": "10"}),
        ("a/instances/2024/area?coords=x", "collections/a/instances/2024/area", {"coords": "x"}),
    ],
)
def test_choices(name: str, path: str, parameters: dict[str, str]) -> None:
    choice = Choice.read(name)
    assert (choice.path, choice.parameters) == (path, parameters)


@pytest.mark.parametrize(
    "name", ["", "a/", "/a", "a/instances", "a/b", "a/position", "a/locations/b/c", "a/./locations"]
)
def test_names_that_choose_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="no "):
        Choice.read(name)
