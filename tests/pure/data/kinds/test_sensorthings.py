"""The SensorThings probe against services that are good, odd, broken and hostile."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from probes_kit import (
    HASTE,
    LIMITS,
    LOOPBACK,
    SECRET,
    Answer,
    Server,
    json_response,
    look_at,
    redirect,
    response,
    serving,
    target,
)
from probes_kit import refusal as kit_refusal

from ddtas.data.contract import DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError

ROOT = "/frost/v1.1"
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
POINT = {"type": "Point", "coordinates": [4.3, 52.0]}
ODD: list[Any] = [None, 1, "x", True, [], {}, [1], {"a": {"b": []}}, 10**30, 1.5]
DROP = object()


def collection(*items: Any, count: Any = DROP, more: bool = False, **others: Any) -> bytes:
    whole = {
        "@iot.count": count,
        "value": list(items),
        "@iot.nextLink": "http://elsewhere/" if more else DROP,
        **others,
    }
    return json_response({name: value for name, value in whole.items() if value is not DROP})


def stream(symbol: Any = "m", area: Any = POINT, kind: Any = MEASUREMENT) -> dict[str, Any]:
    return {"unitOfMeasurement": {"symbol": symbol}, "observedArea": area, "observationType": kind}


def observation(hour: Any, result: Any = 1.5, of: Any = 1) -> dict[str, Any]:
    time = f"2024-01-01T{hour:02d}:00:00Z" if isinstance(hour, int) else hour
    return {"phenomenonTime": time, "result": result, "Datastream": {"@iot.id": of}}


def location(geometry: Any = POINT) -> dict[str, Any]:
    return {"location": geometry, "encodingType": "application/geo+json"}


def service(**answers: Answer) -> dict[str, Answer]:
    """Two Datastreams, with three Observations of nine shown."""
    usual: dict[str, Answer] = {
        "streams": collection(stream(), stream(), count=2),
        "newest": collection(observation(9), observation(8), observation(7), count=9, more=True),
        "oldest": collection(observation(1), more=True),
        "locations": collection(location(), count=1),
        "properties": collection({"name": "level"}, {"name": "discharge"}),
    }
    return {**usual, **answers}


def parts(server: Server, request: int = -1) -> tuple[str, dict[str, str]]:
    url = urlsplit(server.targets[request])
    return unquote(url.path.removeprefix(f"{ROOT}/")), {key: values[0] for key, values in parse_qs(url.query).items()}


def asked(server: Server, request: int = -1) -> str:
    path, query = parts(server, request)
    if path.endswith("Observations"):
        return {"desc": "newest", "asc": "oldest"}[query["$orderby"].split()[1]]
    last = path.rpartition("/")[2]
    return {"Locations": "locations", "ObservedProperties": "properties"}.get(last, "streams")


@asynccontextmanager
async def serving_things(answers: Mapping[str, Answer]) -> AsyncIterator[Server]:
    async def say(writer: asyncio.StreamWriter) -> None:
        path, query = parts(server)
        name = asked(server)
        answer = answers.get(f"{name} {query.get('$skip')}") or answers.get(path) or answers[name]
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            await answer(writer)

    async with serving(say) as server:
        yield server


def session(server: Server, name: str | None = None, limits: Limits = LIMITS) -> ProbeSession:
    return ProbeSession(target(server.url(path=ROOT), kind=DataKind.SENSORTHINGS, physical_name=name), limits, LOOPBACK)


async def facts(name: str | None = None, limits: Limits = LIMITS, **answers: Answer) -> SourceFacts:
    async with serving_things(service(**answers)) as server:
        return await look_at(session(server, name, limits))


async def refusal(name: str | None = None, limits: Limits = LIMITS, **answers: Answer) -> SourceError:
    async with serving_things(service(**answers)) as server:
        return await kit_refusal(session(server, name, limits))


# --- good services


async def test_finds_the_facts() -> None:
    async with serving_things(service()) as server:
        one = session(server)
        found = await look_at(one)
    assert found.dump() == {
        "fields": [
            {"name": "phenomenonTime", "type": "timestamp"},
            {"name": "result", "type": "number", "unit": "m"},
        ],
        "geometryType": "Point",
        "crs": ["OGC:CRS84"],
        "extent": {"crs": "OGC:CRS84", "bbox": ["4.3", "52", "4.3", "52"]},
        "records": 9,
        "sampled": 3,
        "first": "2024-01-01T01:00:00Z",
        "last": "2024-01-01T09:00:00Z",
        "timeResolution": "PT1H",
        "latencyMilliseconds": found.latency_milliseconds,
        "unknown": [{"fact": "sizeBytes", "reason": "the protocol does not tell it"}],
    }
    assert [asked(server, number) for number in range(one.requests)] == ["streams", "newest", "oldest", "locations"]


@pytest.mark.parametrize(
    ("name", "filter_"),
    [
        (None, None),
        ("level", "ObservedProperty/name eq 'level'"),
        ("it's", "ObservedProperty/name eq 'it''s'"),
        ("' or 1 eq 1 or '", "ObservedProperty/name eq ''' or 1 eq 1 or '''"),
        ("a+b&c=d#e%20f$g", "ObservedProperty/name eq 'a+b&c=d#e%20f$g'"),
        ("Datastreams(1) ", "ObservedProperty/name eq 'Datastreams(1) '"),
        ("Datastreams('a'b')", "ObservedProperty/name eq 'Datastreams(''a''b'')'"),
    ],
)
async def test_a_name_is_that_of_an_observed_property(name: str | None, filter_: str | None) -> None:
    async with serving_things(service()) as server:
        await look_at(session(server, name))
    (_, streams), (_, newest), (_, oldest), (_, locations) = [parts(server, number) for number in range(4)]
    assert streams.get("$filter") == filter_
    assert newest.get("$filter") == oldest.get("$filter") == (filter_ and f"Datastream/{filter_}")
    assert locations.get("$filter") == (filter_ and f"Things/Datastreams/{filter_}")


@pytest.mark.parametrize("id_", ["7", "'b-1'", "'it''s'", "'a:b'", "'a/../b?c#d'", "'é %2F'"])
async def test_a_single_datastream(id_: str) -> None:
    path = f"Datastreams({id_})"
    async with serving_things(service(streams=json_response(stream()))) as server:
        found = await look_at(session(server, path))
    assert (found.records, found.time_resolution) == (9, "PT1H")
    paths = [parts(server, number)[0] for number in range(4)]
    assert paths == [path, f"{path}/Observations", f"{path}/Observations", f"{path}/Thing/Locations"]
    assert not any("$filter" in parts(server, number)[1] for number in range(4))
    assert ["$expand" in parts(server, number)[1] for number in range(4)] == [True, False, False, False]


async def test_of_an_interval_the_end_counts() -> None:
    items = [observation(f"2024-01-01T{hour:02d}:00:00Z/2024-01-01T{hour + 1:02d}:00:00+00:00") for hour in (9, 8)]
    found = await facts(newest=collection(*items, count=2))
    assert (found.first, found.last, found.time_resolution) == ("2024-01-01T09:00:00Z", "2024-01-01T10:00:00Z", "PT1H")
    assert found.fields[0].type == "timestamp"


async def test_the_step_is_that_of_one_datastream() -> None:
    mixed = [observation(f"2024-01-01T{hour}:{30 * of:02d}:00Z", of=of) for hour in (12, 11, 10) for of in (1, 0)]
    assert (await facts(newest=collection(*mixed, count=6))).time_resolution == "PT1H"


async def test_datastreams_with_different_steps_have_none() -> None:
    items = [observation(9, of=1), observation(9, of=2), observation(8, of=1), observation(7, of=2)]
    found = await facts(newest=collection(*items, count=4))
    assert found.time_resolution is None
    assert "no one step" in (found.why_unknown("timeResolution") or "")


@pytest.mark.parametrize("id_", [4, "b-1", "it's"])
async def test_where_each_datastream_came_by_once_one_is_looked_at_again(id_: int | str) -> None:
    shown = id_ if isinstance(id_, int) else "'" + id_.replace("'", "''") + "'"
    newest = collection(observation(9, of=id_), observation(9, of="other"), count=9, more=True)
    again = collection(observation(9), observation("2024-01-01T08:45:00Z"), more=True)
    found = await facts(newest=newest, **{f"Datastreams({shown})/Observations": again})  # type: ignore[arg-type]
    assert found.time_resolution == "PT15M"
    assert (found.records, found.sampled) == (9, 2)


@pytest.mark.parametrize("id_", [None, True, -1, 10**25, "", "x" * 1000, [], {}, 1.5])
async def test_datastreams_without_a_usable_id_have_no_step(id_: Any) -> None:
    async with serving_things(service(newest=collection(observation(9, of=id_), count=9, more=True))) as server:
        one = session(server)
        found = await look_at(one)
    assert found.time_resolution is None
    assert one.requests == 4


async def test_all_observations_in_one_answer() -> None:
    async with serving_things(service(newest=collection(observation(9), observation(3)))) as server:
        one = session(server)
        found = await look_at(one)
    assert (found.records, found.first, found.last) == (2, "2024-01-01T03:00:00Z", "2024-01-01T09:00:00Z")
    assert one.requests == 3


async def test_no_observations_yet() -> None:
    found = await facts(newest=collection(count=0))
    assert (found.records, found.sampled, found.first, found.last) == (0, 0, None, None)
    assert [(one.name, one.type.value, one.unit) for one in found.fields] == [
        ("phenomenonTime", "timestamp", None),
        ("result", "number", "m"),
    ]


async def test_no_datastreams_at_all() -> None:
    found = await facts(streams=collection(count=0), newest=collection(count=0), locations=collection(count=0))
    assert (found.records, found.extent, found.crs, found.geometry_type) == (0, None, (), None)
    assert {"crs", "extent", "geometryType", "unit"} <= {one.fact for one in found.unknown}


# --- types, units


@pytest.mark.parametrize(
    ("kind", "results", "type_", "empty"),
    [
        (MEASUREMENT, [1, 2], "number", 0),
        (MEASUREMENT, [None, None], "number", 2),
        (MEASUREMENT, ["wet", 2], "string", 0),  # what is there counts, not what is said
        ("OM_CountObservation", [1, 2], "integer", 0),
        ("OM_CountObservation", [None], "integer", 1),
        ("OM_TruthObservation", [True], "boolean", 0),
        ("OM_CategoryObservation", [None], "string", 1),
        ("OM_Observation", [{"a": 1}], "object", 0),
        ("OM_Observation", [[1]], "array", 0),
        ("OM_Observation", [1], "integer", 0),
        ("OM_Observation", ["2024-01-01"], "date", 0),
        (None, [1, 1.5, None], "number", 1),
        (5, [1], "integer", 0),
    ],
)
async def test_the_type_of_the_result(kind: Any, results: list[Any], type_: str, empty: int) -> None:
    items = [observation(9, result) for result in results]
    found = await facts(streams=collection(stream(kind=kind)), newest=collection(*items))
    assert [(one.type.value, one.empty) for one in found.fields if one.name == "result"] == [(type_, empty)]


@pytest.mark.parametrize(
    ("symbols", "unit", "why"),
    [
        (["m", "m"], "m", None),
        (["°C"], "°C", None),
        (["m\n" + "x" * 100], "m " + "x" * 57 + "…", None),
        (["m", "cm"], None, "different units: cm, m"),
        (["m", None], None, "different units: m, none"),
        ([f"u{number}" for number in range(50)], None, "different units: u0, u1, u2, u3, u4"),
        ([None], None, "no unitOfMeasurement"),
        ([""], None, "no unitOfMeasurement"),
        ([5], None, "no unitOfMeasurement"),
    ],
)
async def test_the_unit_is_that_of_all_datastreams(symbols: list[Any], unit: str | None, why: str | None) -> None:
    found = await facts(streams=collection(*map(stream, symbols)))
    assert [one.unit for one in found.fields if one.name == "result"] == [unit]
    said = found.why_unknown("unit")
    assert said is None if why is None else why in str(said)


# --- pages


async def test_pages_are_asked_for_by_number() -> None:
    first, second = [stream()] * 100, [stream(area={"type": "Point", "coordinates": [5.0, 53.0]})] * 20
    found = await facts(
        **{"streams": collection(*first, count=120, more=True), "streams 100": collection(*second, count=120)}  # type: ignore[arg-type]
    )
    assert found.extent is not None
    assert found.extent.bbox == ("4.3", "52", "5", "53")
    assert found.fields[1].unit == "m"


@pytest.mark.parametrize(
    ("streams", "requests"),
    [
        (collection(*[stream()] * 100, count=1000, more=True), 6),
        (collection(*[stream()] * 100, count=1000), 4),
        (collection(count=1000, more=True), 4),
    ],
)
async def test_of_too_many_datastreams_the_unit_is_unknown(streams: bytes, requests: int) -> None:
    async with serving_things(service(streams=streams)) as server:
        one = session(server)
        found = await look_at(one)
    assert one.requests == requests
    assert "Datastreams were read" in (found.why_unknown("unit") or "")
    assert found.extent is not None  # all Locations were seen


# --- places


@pytest.mark.parametrize("area", [DROP, None, *ODD[1:], {"type": "Point"}, {"type": "Point", "coordinates": [1e11, 1]}])
async def test_without_usable_areas_the_locations_tell_the_extent(area: Any) -> None:
    one = {name: value for name, value in stream(area=area).items() if value is not DROP}
    far = location({"type": "Feature", "geometry": {"type": "Point", "coordinates": [5.0, 53.0]}})
    found = await facts(streams=collection(one), locations=collection(location(), far))
    assert found.extent is not None
    assert found.extent.bbox == ("4.3", "52", "5", "53")
    assert found.geometry_type == "Point"


@pytest.mark.parametrize(
    "locations",
    [
        collection(),
        collection({}),
        *(collection(location(value)) for value in ODD),
        collection(location({"type": "Feature"})),
        collection(location("POINT (4 52)")),
        collection(location(), location("POINT (4 52)")),
        json_response({"code": 501, "type": "error", "message": SECRET}),
        json_response({"code": 501, "message": SECRET}, status="501 No"),
        collection(location({"type": "Point", "coordinates": [0] * 2_000_000})),
    ],
)
async def test_locations_that_are_no_use(locations: bytes) -> None:
    found = await facts(streams=collection(stream(area=None)), locations=locations)
    assert (found.extent, found.geometry_type) == (None, None)
    assert found.why_unknown("extent")
    assert found.why_unknown("geometryType")
    assert found.records == 9


async def test_an_area_tells_the_extent_without_locations() -> None:
    square = {"type": "Polygon", "coordinates": [[[4, 52], [5, 52], [5, 53], [4, 52]]]}
    found = await facts(streams=collection(stream(area=square)), locations=collection())
    assert found.extent is not None
    assert found.extent.bbox == ("4", "52", "5", "53")
    assert (found.crs, found.geometry_type) == (("OGC:CRS84",), None)


# --- numbers and times that are none


@pytest.mark.parametrize("count", [DROP, None, -1, 2, True, "9", 9.0, 10**30, [], {}])
async def test_a_count_that_is_none_is_unknown(count: Any) -> None:
    found = await facts(newest=collection(observation(9), observation(8), observation(7), count=count, more=True))
    assert found.records is None
    assert found.why_unknown("records") == "the server does not tell @iot.count"
    assert found.last == "2024-01-01T09:00:00Z"


@pytest.mark.parametrize("time", [*ODD, "", "/", "2024-01-01", "2024-13-01T00:00:00Z", "9999-12-31T23:59:59-12:00"])
async def test_times_that_are_none(time: Any) -> None:
    found = await facts(newest=collection({"phenomenonTime": time, "result": 1}, count=9, more=True))
    assert (found.first, found.last, found.time_resolution) == (None, None, None)
    assert found.why_unknown("last") == "no Observation that was read has a phenomenonTime"


@pytest.mark.parametrize(
    "oldest",
    [collection(), collection({}), *(collection({"phenomenonTime": time}) for time in ODD), collection(observation(8))],
)
async def test_an_oldest_observation_that_is_none(oldest: bytes) -> None:
    found = await facts(oldest=oldest)
    assert (found.first, found.last) == (None, "2024-01-01T09:00:00Z")
    assert found.why_unknown("first")


async def test_a_server_that_does_not_sort_has_no_period() -> None:
    found = await facts(newest=collection(observation(1), observation(2), count=9, more=True))
    assert (found.first, found.last, found.records) == (None, None, 9)
    assert "does not sort" in (found.why_unknown("last") or "")


@pytest.mark.parametrize("odd", ODD)
async def test_odd_values_in_every_place(odd: Any) -> None:
    streams = collection({"unitOfMeasurement": odd, "observationType": odd}, stream(odd, odd, odd), {})
    newest = collection({"phenomenonTime": odd, "result": odd, "Datastream": odd}, {}, observation(9, odd, odd))
    found = await facts(streams=streams, newest=newest)
    assert (found.records, found.sampled) == (3, 3)


# --- refusals


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ({}, "such as level, discharge"),
        ({"properties": collection()}, "ObservedProperty"),
        ({"properties": collection({"name": 5}, {}, {"name": "a\nb" * 100})}, "such as a ba b"),
        ({"properties": json_response({}, status="500 Oops")}, "ObservedProperty"),
    ],
)
@pytest.mark.parametrize(
    ("name", "streams"),
    [
        ("nothing", collection(count=0)),
        ("Datastreams(9)", json_response({"code": 404, "message": SECRET}, status="404 Not Found")),
    ],
)
async def test_tells_what_there_is(name: str, streams: bytes, answers: dict[str, Answer], shown: str) -> None:
    error = await refusal(name, streams=streams, **answers)  # type: ignore[arg-type]
    assert error.reason == "EntityNotFound"
    assert f"'{name}'" in error.message
    assert shown in error.message


@pytest.mark.parametrize("request_", ["streams", "newest", "oldest"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_response({"code": 400, "type": "error", "message": SECRET}), "ErrorReported"),
        (json_response({"error": SECRET}), "ErrorReported"),
        (json_response({"code": 400, "message": SECRET}), "ErrorReported"),
        (json_response({"code": 400, "message": SECRET}, status="400 No"), "HttpError"),
        (json_response({}, status="404 Not Found"), "HttpError"),
        (json_response({}, status="401 No"), "Unauthorized"),
        (json_response({}), "UnexpectedContent"),
        (json_response([]), "UnexpectedContent"),
        (json_response("null"), "UnexpectedContent"),
        (json_response({"value": {}}), "UnexpectedContent"),
        (json_response({"value": [1]}), "UnexpectedContent"),
        (json_response({"value": [[]]}), "UnexpectedContent"),
        (json_response({"value": "x"}), "UnexpectedContent"),
        (response(b"<html>", "Content-Type: text/html"), "UnexpectedContent"),
        (json_response(""), "MalformedData"),
        (json_response('{"value": ['), "MalformedData"),
        (json_response('{"value": [], "@iot.count": 1e999}'), "MalformedData"),
        (json_response('{"value": [], "@iot.count": NaN}'), "MalformedData"),
        (json_response(f'{{"value": [], "@iot.count": {"9" * 10_000}}}'), "MalformedData"),
        (json_response("[" * 100_000), "MalformedData"),
        (json_response('{"value": [' + '{"a": [' * 90 + "]}" * 90 + "]}"), "MalformedData"),
        (json_response(b'{"value": ["\xff"]}'), "MalformedData"),
        (json_response({"value": [{"x": "y" * 3_000_000}]}), "MalformedData"),
        (redirect("ftp://elsewhere/"), "AddressForbidden"),
        (b"", "Unreachable"),
    ],
)
async def test_answers_that_are_no_answer(request_: str, answer: bytes, reason: str) -> None:
    error = await refusal(**{request_: answer})  # type: ignore[arg-type]
    assert error.reason == reason


async def test_an_endless_answer_ends() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"value": [')
        while True:
            writer.write(b'{"result": 1},' * 1000)
            await writer.drain()

    assert (await refusal(newest=endless)).reason == "MalformedData"


async def test_a_silent_service_is_too_slow() -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    assert (await refusal(limits=HASTE, newest=silent)).reason == "TooSlow"
