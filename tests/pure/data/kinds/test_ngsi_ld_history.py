"""The temporal API of NGSI-LD brokers: what becomes rows, how parts follow, and what brokers get wrong."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, Answer, json_response, look_at, serving, target

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.ngsi_ld.history import _Stretch
from ddtas.data.kinds.ngsi_ld.table import batches
from ddtas.data.session import Limits, Session, SourceReason
from ddtas.errors import SourceError

ENTITIES, TEMPORAL = "/entities", "/temporal/entities"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
TIME = SourceField("observedAt", FieldType.TIMESTAMP)
GAUGE = "urn:ngsi-ld:Gauge:1"


def day(number: int, second: int = 0) -> str:
    return f"2026-01-{number:02}T00:00:{second:02}Z"


def value(of: Any, when: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": of, **({"observedAt": when} if when else {}), **more}


def place(x: float, when: str | None = None) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": [x, 52]}
    return {"type": "GeoProperty", "value": point, **({"observedAt": when} if when else {})}


def entity(id: str = GAUGE, **attributes: Any) -> dict[str, Any]:
    return {"id": id, "type": "Gauge", **attributes}


def now(*entities: dict[str, Any]) -> bytes:
    return json_response(list(entities), f"NGSILD-Results-Count: {len(entities)}")


def part(evolution: dict[str, Any], until: str) -> bytes:
    return json_response([evolution], f"Content-Range: date-time {day(1)}-{until}/*", status="206 Partial Content")


GAUGES = now(entity(level=value(9, day(4)), name=value("north"), location=place(4)))


async def read(
    routes: Mapping[str, Answer], folder: Path, *names: str, limits: Limits = LIMITS, **options: Any
) -> tuple[list[Any], list[str]]:
    """The values of the fields of each row, and what was asked beside the entities."""
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    chosen: dict[str, Any] = {"time": TIME, "start": START, "end": END, **options}
    async with serving(routes) as server:
        to = target(server.url(path="/"), kind=DataKind.NGSI_LD, physical_name="Gauge")
        read = batches(Session(to, limits, LOOPBACK), Selection(fields, folder, **chosen))
        rows = [tuple(row.values()) for batch in [one async for one in read] for row in batch.to_pylist()]
    return rows, [asked for asked in server.targets if asked.startswith(TEMPORAL)]


async def refused(evolution: Answer, folder: Path, entities: Answer = GAUGES, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await read({ENTITIES: entities, TEMPORAL: evolution}, folder, "level", **options)
    return caught.value


# ---- rows ----


async def test_a_row_for_each_moment_with_what_is_not_observed(tmp_path: Path) -> None:
    """Attributes that are observed at one moment are one row; another moment is another one, perhaps without some."""
    evolution = entity(
        level=[value(1, day(1)), value(2, day(2))],
        flow=value(7.5, day(2)),
        name=value("old"),
        createdAt=day(1),
    )
    rows, asked = await read(
        {ENTITIES: GAUGES, TEMPORAL: json_response([evolution])},
        tmp_path,
        *("id", "observedAt", "level", "flow", "name"),
        geometry=True,
    )
    assert [row[:5] for row in rows] == [
        (GAUGE, day(1), "1", None, "north"),
        (GAUGE, day(2), "2", "7.5", "north"),
    ]
    assert {shapely.from_wkb(row[5]).wkt for row in rows} == {"POINT (4 52)"}
    period = "timerel=between&timeAt=2025-12-31T23:59:59Z&endTimeAt=2026-01-05T00:00:01Z"
    assert asked == [f"{TEMPORAL}?type=Gauge&id={GAUGE}&{period}"]


async def test_what_moves_is_where_it_was(tmp_path: Path) -> None:
    entities = now(entity(level=value(9, day(4)), location=place(4, day(4))))
    evolution = entity(level=[value(1, day(1)), value(2, day(2))], location=[place(5, day(2)), place(6, day(3))])
    rows, _ = await read(
        {ENTITIES: entities, TEMPORAL: json_response([evolution])}, tmp_path, "observedAt", "level", geometry=True
    )
    assert [(*row[:2], row[2] and shapely.from_wkb(row[2]).x) for row in rows] == [
        (day(1), "1", None),
        (day(2), "2", 5),
        (day(3), None, 6),
    ]


@pytest.mark.parametrize(
    ("levels", "rows"),
    [
        ([value(1, day(1)), value(1, day(1))], ["1"]),  # the same once more
        ([value(1, day(1)), value(2, day(1))], ["1", "2"]),  # the runner refuses times that come twice
        ([value(1, day(1), datasetId="urn:a"), value(2, day(1))], ["2"]),
        ([value(1, day(1), datasetId="urn:a"), value(2, day(2), datasetId="urn:b")], ["1"]),
        ([value(1), value(2, "yesterday"), value(3, day(2)), {"type": "Property", "value": 4, "observedAt": 5}], ["3"]),
        ([value("urn:ngsi-ld:null", day(1))], [None]),
        ([value(1, "2026-01-01T00:00:00.250Z")], ["1"]),
        ([value(1, "2026-01-01T00:00:00")], ["1"]),  # times are in UTC
    ],
)
async def test_instances_of_an_attribute(levels: list[Any], rows: list[str | None], tmp_path: Path) -> None:
    answer = json_response([entity(level=levels)])
    assert (await read({ENTITIES: GAUGES, TEMPORAL: answer}, tmp_path, "level"))[0] == [(level,) for level in rows]


async def test_an_entity_without_history_has_no_rows(tmp_path: Path) -> None:
    assert (await read({ENTITIES: GAUGES, TEMPORAL: json_response([])}, tmp_path, "level"))[0] == []


@pytest.mark.parametrize(
    "options",
    [{"time": None}, {"time": SourceField("inspected", FieldType.DATE)}, {"start": None, "end": None}],
)
async def test_without_a_period_of_observedat_all_is_as_it_is_now(options: dict[str, Any], tmp_path: Path) -> None:
    rows, asked = await read({ENTITIES: GAUGES}, tmp_path, "level", **options)
    assert (rows, asked) == ([("9",)], [])


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed", "501 Not Implemented"])
async def test_a_broker_without_a_temporal_api_gives_the_newest_values(status: str, tmp_path: Path) -> None:
    entities = now(entity(level=value(9, day(4))), entity(f"{GAUGE}2", level=value(8, day(3))))
    rows, asked = await read(
        {ENTITIES: entities, TEMPORAL: json_response({}, status=status)}, tmp_path, "observedAt", "level"
    )
    assert rows == [(day(4), "9"), (day(3), "8")]
    assert len(asked) == 1


# ---- parts ----


async def test_parts_follow_each_other_and_share_no_row(tmp_path: Path) -> None:
    """The second part begins with what the first one ended with, and with a value that the first was without."""
    asked = f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=between&timeAt="
    end = "&endTimeAt=2026-01-05T00:00:01Z"
    first = entity(level=[value(1, day(1)), value(2, day(2))], flow=[value(1, day(1)), value(3, day(3))])
    second = entity(level=[value(2, day(2)), value(3, day(3))], flow=[value(3, day(3))])
    routes = {
        ENTITIES: GAUGES,
        f"{asked}2025-12-31T23:59:59Z{end}": part(first, day(2)),
        f"{asked}2026-01-02T00:00:00Z{end}": part(second, day(3)),
        f"{asked}2026-01-03T00:00:00Z{end}": json_response([]),
    }
    rows, _ = await read(routes, tmp_path, "observedAt", "level", "flow")
    assert rows == [(day(1), "1", "1"), (day(2), "2", None), (day(3), "3", "3")]


async def test_a_broker_that_calls_the_last_part_a_part_too(tmp_path: Path) -> None:
    """Without an end of the period, nothing else says that it is over."""
    evolution = entity(level=[value(1, day(1)), value(2, day(2))])
    routes = {
        ENTITIES: GAUGES,
        f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=after&timeAt=2025-12-31T23:59:59Z": part(evolution, day(2)),
        f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=after&timeAt=2026-01-02T00:00:00Z": part(
            entity(level=value(2, day(2))), day(2)
        ),
    }
    assert (await read(routes, tmp_path, "level", end=None))[0] == [("1",), ("2",)]


async def test_what_is_too_long_a_document_is_asked_for_in_halves(tmp_path: Path) -> None:
    long = entity(level=[value(n, day(n)) for n in range(1, 5)])
    halves = [entity(level=[value(n, day(n)) for n in numbers]) for numbers in ((1, 2), (3, 4))]
    asked = f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=between&timeAt="
    routes = {
        ENTITIES: GAUGES,
        f"{asked}2025-12-31T23:59:59Z&endTimeAt=2026-01-05T00:00:01Z": json_response([long]),
        f"{asked}2025-12-31T23:59:59Z&endTimeAt=2026-01-03T00:00:00Z": json_response([halves[0]]),
        f"{asked}2026-01-03T00:00:00Z&endTimeAt=2026-01-05T00:00:01Z": json_response([halves[1]]),
    }
    limits = replace(LIMITS, max_document_bytes=len(json_response([halves[1]])))
    rows, _ = await read(routes, tmp_path, "level", limits=limits)
    assert rows == [("1",), ("2",), ("4",)]  # the third is of the first half, which has its end


def test_halves_end() -> None:
    stretch, number = _Stretch(START, END), 0
    while halves := stretch.halves():
        stretch, number = halves[0], number + 1
    assert number < 20
    assert _Stretch(None, END).halves() is None
    assert _Stretch(START, None).halves() is None


# ---- what brokers get wrong ----


async def test_a_broker_that_gives_the_same_part_for_ever(tmp_path: Path) -> None:
    error = await refused(part(entity(level=[value(1, day(1)), value(2, day(2))]), day(2)), tmp_path)
    assert (error.reason, "again and again" in error.message) == (SourceReason.MALFORMED_DATA, True)


async def test_parts_without_end_come_to_one(tmp_path: Path) -> None:
    """Each is later than the one before, and there is always one more."""
    number = 0

    async def endless(writer: Any) -> None:
        nonlocal number
        number += 1
        until = f"{START + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}"
        writer.write(part(entity(level=value(number, until)), until))
        await writer.drain()

    error = await refused(endless, tmp_path, limits=replace(LIMITS, max_requests=9))
    assert error.reason == SourceReason.TOO_MANY_REQUESTS


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (json_response([entity(level=value(1, day(1)))], status="206 Partial Content"), "MalformedData"),
        (part(entity(level=value(1, day(1))), "x" * 20), "MalformedData"),
        (part(entity(level=value(1, day(1))), "2026-13-41T00:00:00Z"), "MalformedData"),
        (part(entity(level=value(1, day(1))), "2026-01-01T" + "0" * 5000), "MalformedData"),
        (json_response([entity("urn:x:other", level=value(1, day(1)))]), "MalformedData"),
        (json_response([entity(level=value(1, day(1)))] * 2), "MalformedData"),
        (json_response([5]), "MalformedData"),
        (json_response({"type": "x"}), "MalformedData"),
        (json_response([entity(level=[[1, day(1)]])]), "MalformedData"),
        (json_response([entity(level=[])]), "MalformedData"),
        (json_response([entity(level=1)]), "MalformedData"),
        (json_response({}, status="500 Oops"), "HttpError"),
        (json_response({}, status="400 Bad Request"), "HttpError"),
        (json_response({}, status="401 No"), "Unauthorized"),
        (json_response([entity(level=value(1, day(1)))])[:-9], "Unreachable"),
    ],
)
async def test_what_is_no_history_is_an_error_and_not_the_present(answer: bytes, reason: str, tmp_path: Path) -> None:
    error = await refused(answer, tmp_path)
    assert error.reason == reason


async def test_an_id_that_nobody_can_ask_for(tmp_path: Path) -> None:
    error = await refused(json_response([]), tmp_path, now(entity("urn:x:1,urn:x:2", level=value(1, day(1)))))
    assert (error.reason, "comma" in error.message) == (SourceReason.MALFORMED_DATA, True)


async def test_an_api_that_goes_away_meanwhile_is_an_error(tmp_path: Path) -> None:
    entities = now(entity(level=value(9, day(4))), entity(f"{GAUGE}2", level=value(8, day(3))))
    routes = {
        ENTITIES: entities,
        TEMPORAL: json_response({}, status="404 Not Found"),
        f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=between&timeAt=2025-12-31T23:59:59Z"
        "&endTimeAt=2026-01-05T00:00:01Z": json_response([entity(level=value(1, day(1)))]),
    }
    with pytest.raises(SourceError) as caught:
        await read(routes, tmp_path, "level")
    assert caught.value.reason == SourceReason.HTTP_ERROR


# ---- the probe ----


async def test_the_probe_finds_the_step_of_one_entity(tmp_path: Path) -> None:
    evolution = entity(level=[value(n, day(n)) for n in (3, 1, 2)])
    async with serving({ENTITIES: GAUGES, TEMPORAL: json_response([evolution])}) as server:
        facts = await look_at(target(server.url(path="/"), kind=DataKind.NGSI_LD, physical_name="Gauge"))
    assert (facts.time_resolution, facts.records, facts.first, facts.last) == ("P1D", None, None, day(4))
    assert facts.why_unknown("records") == "a broker does not count its observations"
    assert server.targets[1].startswith(f"{TEMPORAL}?type=Gauge&id={GAUGE}&timerel=before&timeAt=20")
    assert server.targets[1].endswith("&lastN=100")


@pytest.mark.parametrize(
    "answer",
    [
        json_response({}, status="404 Not Found"),
        json_response({}, status="501 Not Implemented"),
        json_response({}, status="500 Oops"),
        json_response([]),
        json_response([5]),
        json_response([entity(level=value(1))]),
    ],
)
async def test_the_probe_of_a_broker_without_a_history_is_of_the_present(answer: bytes) -> None:
    async with serving({ENTITIES: GAUGES, TEMPORAL: answer}) as server:
        facts = await look_at(target(server.url(path="/"), kind=DataKind.NGSI_LD, physical_name="Gauge"))
    assert (facts.time_resolution, facts.records, facts.first, facts.last) == (None, 1, day(4), day(4))
