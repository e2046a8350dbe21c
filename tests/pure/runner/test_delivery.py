"""From batches of a source to the files of a table."""

import csv
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
import shapely

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind, Dialect, FieldType
from ddtas.data.delivery.order import Delivery, Period
from ddtas.data.delivery.reading import Selection
from ddtas.data.delivery.table import Aggregation, Column, Geometry, Table
from ddtas.data.session import Limits, Session, Target
from ddtas.errors import Reasoned
from ddtas.runner.delivery import Folders, Made, deliver

CONTRACT = DataContract(version="1.0.0")
AMSTERDAM = "Europe/Amsterdam"


def column(name: str, kind: FieldType, source: str | None = None, **more: Any) -> Column:
    return Column(name=name, type=kind, source=source or name, **more)


TIME = column("time", FieldType.TIMESTAMP, "tijd")
VALUE = column("q", FieldType.NUMBER, "debiet")


def table(*columns: Column, **more: Any) -> Table:
    return Table(columns=columns, time=columns[0].name, **more)


async def made(folder: Path, table: Table, *batches: dict[str, list[Any]] | pyarrow.RecordBatch, **more: Any) -> Made:
    async def read(_: Session, selection: Selection) -> AsyncIterator[Any]:
        for batch in batches:
            if isinstance(batch, dict):
                batch = pyarrow.RecordBatch.from_pydict(batch)
            assert set(batch.schema.names) >= {f.name for f in selection.fields}
            yield batch

    session = Session(Target(DataKind.HTTP_CSV, "http://x/", CONTRACT), Limits(), AddressPolicy())
    return await deliver(session, "flow", Delivery(table=table, contract=CONTRACT, **more), Folders(folder), read)


async def rows(folder: Path, table: Table, *batches: Any, **more: Any) -> list[dict[str, str]]:
    done = await made(folder, table, *batches, **more)
    found = list(csv.DictReader((done.folder / "data.csv").open()))
    assert pyarrow.parquet.read_table(done.folder / "data.parquet").num_rows == len(found) == done.fetched.rows
    return found


def left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def refused(reason: str, text: str, folder: Path, table: Table, *batches: Any, **more: Any) -> None:
    with pytest.raises(Reasoned) as caught:
        await made(folder, table, *batches, **more)
    assert caught.value.reason == reason
    assert text in caught.value.message
    assert left(folder) == []


async def test_names_units_and_decimal_commas(tmp_path: Path) -> None:
    wanted = table(
        TIME,
        VALUE.model_copy(update={"scale": "0.000277777777777778", "missing": ("-9999",)}),
        source_time_zone=AMSTERDAM,
        time_zone=AMSTERDAM,
        dialect=Dialect(decimal_char=",", group_char="."),
    )
    batch = {"tijd": ["2020-01-01 00:00", "2020-07-01T00:00:00"], "debiet": [" 1.234,5", "-9999"]}
    found = await rows(tmp_path, wanted, batch)
    assert found[0]["time"] == "2020-01-01T00:00:00+01:00"
    assert float(found[0]["q"]) == pytest.approx(1234.5 / 3600)
    assert found[1] == {"time": "2020-07-01T00:00:00+02:00", "q": ""}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyyMMdd HH:mm", "20200229 13:05"),
        ("dd-MM-yyyy HH:mm:ss", "29-02-2020 13:05:00"),
        (None, "2020-02-29T14:05+01:00"),
    ],
)
async def test_times_as_sources_write_them(pattern: str | None, text: str, tmp_path: Path) -> None:
    wanted = table(TIME.model_copy(update={"format": pattern}), source_time_zone="UTC")
    assert await rows(tmp_path, wanted, {"tijd": [text]}) == [{"time": "2020-02-29T13:05:00+00:00"}]


async def test_the_night_that_has_an_hour_twice_goes_by_order(tmp_path: Path) -> None:
    clock = ["2020-10-25 01:30", "2020-10-25 02:00", "2020-10-25 02:30", "2020-10-25 02:00", "2020-10-25 02:30"]
    found = await rows(tmp_path, table(TIME, source_time_zone=AMSTERDAM), {"tijd": clock[:3]}, {"tijd": clock[3:]})
    assert [row["time"][11:16] for row in found] == ["23:30", "00:00", "00:30", "01:00", "01:30"]


# Local times of the night of 2020-10-25 → the moments that they are in UTC, in the order of time.
NIGHTS = {
    "by the hour": (["01:00", "02:00", "02:00", "03:00"], ["23:00", "00:00", "01:00", "02:00"]),
    "by the hour, newest first": (["03:00", "02:00", "02:00", "01:00"], ["23:00", "00:00", "01:00", "02:00"]),
    "by half hours, newest first": (
        ["03:00", "02:30", "02:00", "02:30", "02:00", "01:30"],
        ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"],
    ),
    "only that hour, newest first": (["02:30", "02:00", "02:30", "02:00"], ["00:00", "00:30", "01:00", "01:30"]),
    "only that hour": (["02:00", "02:30", "02:00", "02:30"], ["00:00", "00:30", "01:00", "01:30"]),
    "before it, newest first": (["02:30", "02:00", "01:30"], ["23:30", "01:00", "01:30"]),
}


@pytest.mark.parametrize("night", NIGHTS)
@pytest.mark.parametrize("size", [1, 2, 10])
async def test_that_night_goes_by_the_order_of_the_source(night: str, size: int, tmp_path: Path) -> None:
    given, moments = NIGHTS[night]
    if size == 1 and given[0].startswith("02"):
        pytest.skip("nothing says in which order the first batch is")
    clock = [f"2020-10-25 {time}" for time in given]
    batches = [{"tijd": clock[n : n + size]} for n in range(0, len(clock), size)]
    found = await rows(tmp_path, table(TIME, source_time_zone=AMSTERDAM), *batches)
    assert [row["time"][11:16] for row in found] == moments


async def test_newest_first_each_series_has_that_hour_for_itself(tmp_path: Path) -> None:
    clock = [f"2020-10-25 {time}" for time in ("03:00", "02:00", "02:00", "01:00")]
    wanted = table(TIME, column("place", FieldType.STRING, "plek"), source_time_zone=AMSTERDAM)
    grouped = {"tijd": clock * 2, "plek": ["a"] * 4 + ["b"] * 4}
    interleaved = {"tijd": [time for time in clock for _ in "ab"], "plek": ["a", "b"] * 4}
    for n, batch in enumerate((grouped, interleaved)):
        found = await rows(tmp_path / str(n), wanted, batch)
        assert [row["time"][11:16] for row in found if row["place"] == "b"] == ["23:00", "00:00", "01:00", "02:00"]


async def test_a_time_that_comes_three_times_that_night_is_refused(tmp_path: Path) -> None:
    clock = [f"2020-10-25 {time}" for time in ("01:00", "02:00", "02:00", "02:00", "03:00")]
    wanted = table(TIME, column("place", FieldType.STRING, "plek"), source_time_zone=AMSTERDAM)
    batch = {"tijd": clock, "plek": ["a"] * 5}
    await refused("DuplicateTimes", "2020-10-25 01:00", tmp_path, wanted, batch)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01T00:00:00.1234567Z", "2020-01-01T00:00:00.123456+00:00"),
        ("2020-01-01T00:00:00.123456789+01:00", "2019-12-31T23:00:00.123456+00:00"),
        ("2020-01-01 00:00:00.1234567", "2020-01-01T00:00:00.123456+00:00"),
    ],
)
async def test_what_is_finer_than_a_microsecond_is_cut_off(text: str, expected: str, tmp_path: Path) -> None:
    (row,) = await rows(tmp_path, table(TIME, source_time_zone="UTC"), {"tijd": [text]})
    assert row["time"] == expected


DAY = column("time", FieldType.DATE, "tijd")
COUNT = column("n", FieldType.INTEGER, "aantal")


@pytest.mark.parametrize(
    "value", [2**53 + 1, -(2**62), str(2**53 + 1), "+9007199254740993", "999999999999999999", 2**63 - 1]
)
async def test_integers_that_no_floating_point_number_holds_stay_what_they_are(value: Any, tmp_path: Path) -> None:
    (row,) = await rows(
        tmp_path, table(TIME, COUNT, source_time_zone="UTC"), {"tijd": ["2020-01-01 00:00"], "aantal": [value]}
    )
    assert int(row["n"]) == int(value)


async def test_integers_with_a_point_or_an_exponent_are_integers_too(tmp_path: Path) -> None:
    batch = {"tijd": [f"2020-01-0{day}" for day in range(1, 5)], "aantal": ["7", "5.0", "1e3", None]}
    found = await rows(tmp_path, table(DAY, COUNT), batch)
    assert [row["n"] for row in found] == ["7", "5", "1000", ""]


@pytest.mark.parametrize("value", ["1.5", "12345678901234567890", "1e19", 0.5])
async def test_a_number_that_is_no_integer_says_what_to_ask_for(value: Any, tmp_path: Path) -> None:
    advice = "have the listing ask for n as a number or, if it is a name, as a string"
    await refused(
        "UnreadableValue",
        advice,
        tmp_path,
        table(TIME, COUNT, source_time_zone="UTC"),
        {"tijd": ["2020-01-01 00:00"], "aantal": [value]},
    )


async def test_what_is_no_number_says_what_the_contract_lacks(tmp_path: Path) -> None:
    await refused(
        "UnreadableValue",
        "missingValues",
        tmp_path,
        table(DAY, COUNT),
        {"tijd": ["2020-01-01", "2020-01-02"], "aantal": ["3", "many"]},
    )


async def test_each_series_has_that_hour_for_itself(tmp_path: Path) -> None:
    clock = ["2020-10-25 02:00", "2020-10-25 02:30", "2020-10-25 02:00", "2020-10-25 02:30"]
    wanted = table(TIME, column("place", FieldType.STRING, "plek"), source_time_zone=AMSTERDAM)
    found = await rows(tmp_path, wanted, {"tijd": clock, "plek": ["a", "a", "b", "b"]})
    assert [(row["time"][11:16], row["place"]) for row in found] == [
        ("00:00", "a"), ("00:00", "b"), ("00:30", "a"), ("00:30", "b"),
    ]  # fmt: skip
    found = await rows(tmp_path, wanted, {"tijd": clock, "plek": ["a"] * 4}, {"tijd": clock, "plek": ["b"] * 4})
    assert [row["time"][11:16] for row in found if row["place"] == "b"] == ["00:00", "00:30", "01:00", "01:30"]


async def test_what_is_no_number_is_missing_and_what_is_infinite_is_refused(tmp_path: Path) -> None:
    wanted = table(TIME, VALUE, source_time_zone="UTC")
    batch = {"tijd": ["2020-01-01 00:00"], "debiet": [float("nan")]}
    assert (await rows(tmp_path, wanted, batch))[0]["q"] == ""
    await refused("UnreadableValue", "inf", tmp_path / "x", wanted, batch | {"debiet": [float("inf")]})


async def test_a_time_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    wanted = table(TIME, source_time_zone=AMSTERDAM)
    await refused("TimeDoesNotExist", "2020-03-29 02:30", tmp_path, wanted, {"tijd": ["2020-03-29 02:30"]})


async def test_a_time_without_offset_needs_a_zone(tmp_path: Path) -> None:
    await refused("TimeZoneUnknown", "timeZone", tmp_path, table(TIME), {"tijd": ["2020-03-29 02:30"]})


@pytest.mark.parametrize("value", ["12,5", "x", "1 2", "--", "0x1F"])
async def test_a_value_of_another_type_is_named_with_its_row(value: str, tmp_path: Path) -> None:
    wanted = table(TIME, VALUE, source_time_zone="UTC")
    batch = {"tijd": ["2020-01-01 00:00", "2020-01-01 01:00"], "debiet": ["1", value]}
    await refused("UnreadableValue", f"debiet is '{value}' in row 2", tmp_path, wanted, batch)


async def test_what_is_impossible_is_missing_and_counted(tmp_path: Path) -> None:
    wanted = table(TIME, VALUE.model_copy(update={"minimum": "0", "maximum": "10"}), source_time_zone="UTC")
    done = await made(tmp_path, wanted, {"tijd": ["2020-01-01 00:00", "2020-01-02 00:00"], "debiet": [11.0, 1.0]})
    about = json.loads((done.folder / "about.json").read_text())
    assert about["fields"][1] | {"missing": 1, "outOfRange": 1} == about["fields"][1]
    assert (about["rows"], about["start"]) == (2, "2020-01-01T00:00:00+00:00")


async def test_what_is_always_there_and_is_not(tmp_path: Path) -> None:
    wanted = table(TIME, VALUE.model_copy(update={"required": True}), source_time_zone="UTC")
    batch = {"tijd": ["2020-01-01 00:00", "2020-01-02 00:00"], "debiet": ["1", ""]}
    await refused("ValueMissing", "in 1 of 2 rows", tmp_path, wanted, batch)
    period = {"end": datetime(2020, 1, 2, tzinfo=UTC)}
    assert len(await rows(tmp_path, wanted, batch, **period)) == 1, "what is not delivered is not judged"


async def test_rows_come_in_their_order_whatever_the_source_has(tmp_path: Path) -> None:
    wanted = table(TIME, column("place", FieldType.STRING, "plek"), VALUE, source_time_zone="UTC")
    times = ["2020-01-02 00:00", "2020-01-01 00:00", "2020-01-01 00:00"]
    found = await rows(tmp_path, wanted, {"tijd": times, "plek": ["a", "b", "a"], "debiet": [1, 2, 3]})
    assert [(row["time"][:10], row["place"], row["q"]) for row in found] == [
        ("2020-01-01", "a", "3"),
        ("2020-01-01", "b", "2"),
        ("2020-01-02", "a", "1"),
    ]


async def test_a_count_tells_no_series_apart(tmp_path: Path) -> None:
    wanted = table(TIME, column("n", FieldType.INTEGER), source_time_zone="UTC")
    batch = {"tijd": ["2020-01-01 00:00", "2020-01-01 00:00"], "n": ["5", "7"]}
    await refused("DuplicateTimes", "as a string", tmp_path, wanted, batch)


async def test_one_time_twice_in_one_series_is_refused(tmp_path: Path) -> None:
    wanted = table(TIME, VALUE, source_time_zone="UTC")
    batch = {"tijd": ["2020-01-01 00:00", "2020-01-01 00:00"], "debiet": ["1", "2"]}
    await refused("DuplicateTimes", "2020-01-01", tmp_path, wanted, batch)


def hours(day: str, count: int, values: list[Any]) -> dict[str, list[Any]]:
    return {"tijd": [f"{day} {hour:02d}:00" for hour in range(count)], "debiet": values}


async def test_hours_become_days_of_the_zone(tmp_path: Path) -> None:
    wanted = table(
        column("date", FieldType.DATE, "tijd", source_type=FieldType.TIMESTAMP),
        VALUE.model_copy(update={"name": "rain", "aggregate": Aggregation.SUM}),
        VALUE.model_copy(update={"aggregate": Aggregation.MEAN}),
        step="P1D", source_step="PT1H", time_zone=AMSTERDAM, source_time_zone=AMSTERDAM,
    )  # fmt: skip
    first, second = hours("2020-01-01", 24, [1.0] * 24), hours("2020-01-02", 23, [2.0] * 23)
    found = await rows(tmp_path, wanted, second, first)
    assert found == [
        {"date": "2020-01-01", "rain": "24", "q": "1"},
        {"date": "2020-01-02", "rain": "", "q": "2"},  # a sum of 23 hours is not that of the day
    ]


async def test_a_day_of_23_hours_is_whole_with_23_and_twice_a_day_stays_twice(tmp_path: Path) -> None:
    day = column("date", FieldType.DATE, "tijd", source_type=FieldType.TIMESTAMP)
    summed = VALUE.model_copy(update={"aggregate": Aggregation.SUM})
    common: dict[str, Any] = {"step": "P1D", "time_zone": AMSTERDAM, "source_time_zone": AMSTERDAM}
    clock = [f"2020-03-29 {hour:02d}:00" for hour in range(24) if hour != 2]
    assert (
        await rows(tmp_path, table(day, summed, source_step="PT1H", **common), {"tijd": clock, "debiet": [1] * 23})
    ) == [{"date": "2020-03-29", "q": "23"}]
    clock = ["2020-03-29 00:00", "2020-03-29 12:00", "2020-10-25 00:00", "2020-10-25 12:00"]
    found = await rows(tmp_path, table(day, summed, source_step="PT12H", **common), {"tijd": clock, "debiet": [1] * 4})
    assert [row["q"] for row in found] == ["2", "2"]


async def test_ten_minutes_become_hours_for_each_series(tmp_path: Path) -> None:
    wanted = table(
        TIME, column("place", FieldType.STRING, "plek"),
        VALUE.model_copy(update={"aggregate": Aggregation.LAST}),
        step="PT1H", source_step="PT10M", source_time_zone="UTC",
    )  # fmt: skip
    batch = {
        "tijd": [f"2020-01-01 00:{minute:02d}" for minute in range(0, 60, 10)] * 2,
        "plek": ["a"] * 6 + ["b"] * 6,
        "debiet": list(range(12)),
    }
    found = await rows(tmp_path, wanted, batch)
    assert [(row["time"], row["place"], row["q"]) for row in found] == [
        ("2020-01-01T00:00:00+00:00", "a", "5"),
        ("2020-01-01T00:00:00+00:00", "b", "11"),
    ]


async def test_only_the_period_is_delivered(tmp_path: Path) -> None:
    wanted = table(TIME, source_time_zone="UTC")
    batch = {"tijd": [f"2020-01-0{day} 00:00" for day in range(1, 6)]}
    period = {"start": datetime(2020, 1, 2, tzinfo=UTC), "end": datetime(2020, 1, 4, tzinfo=UTC)}
    assert [r["time"][:10] for r in await rows(tmp_path, wanted, batch, **period)] == ["2020-01-02", "2020-01-03"]


async def test_a_period_with_holes_is_incomplete(tmp_path: Path) -> None:
    wanted = table(TIME, source_time_zone="UTC", step="P1D", completeness=90)
    batch = {"tijd": ["2020-01-01 00:00", "2020-01-09 00:00"]}
    period = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2020, 1, 11, tzinfo=UTC)}
    await refused("Incomplete", "2 of 10 rows", tmp_path, wanted, batch, **period)


JANUARY = {"start": datetime(2020, 1, 1, tzinfo=UTC), "end": datetime(2020, 1, 31, tzinfo=UTC)}


def window(first: int, after: int) -> Period:
    return Period(start=datetime(2020, 1, first, tzinfo=UTC), end=datetime(2020, 1, after, tzinfo=UTC))


@pytest.mark.parametrize("source_step", [None, "PT12H"])
async def test_each_window_is_counted_for_itself(source_step: str | None, tmp_path: Path) -> None:
    """Days before a window, for warming up, make up for none that it lacks."""
    total = column("n", FieldType.NUMBER, "aantal", aggregate=Aggregation.SUM)
    zone = {"source_time_zone": "UTC", "step": "P1D", "completeness": 90}
    wanted = table(DAY.model_copy(update={"source_type": FieldType.TIMESTAMP}), total, source_step=source_step, **zone)
    there = [day for day in range(1, 31) if day not in (25, 26)]
    clock = [f"2020-01-{day:02} {hour}:00" for day in there for hour in (("00", "12") if source_step else ("00",))]
    batch = {"tijd": clock, "aantal": [1.0] * len(clock)}
    whole, short = window(1, 31), window(21, 31)
    assert len(await rows(tmp_path / "a", wanted, batch, **JANUARY)) == 28
    await rows(tmp_path / "b", wanted, batch, **JANUARY, windows=(whole,))
    await rows(tmp_path / "c", wanted, batch, **JANUARY, windows=(window(1, 21),))
    said = "8 of 10 rows from 2020-01-21 to 2020-01-31 are there (80.0 %)"
    await refused("Incomplete", said, tmp_path / "d", wanted, batch, **JANUARY, windows=(short,))
    await refused("Incomplete", said, tmp_path / "e", wanted, batch, **JANUARY, windows=(whole, short))


async def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    done = await made(tmp_path, table(TIME, VALUE))
    assert (done.folder / "data.csv").read_text() == '"time","q"\n'
    assert pyarrow.parquet.read_schema(done.folder / "data.parquet").names == ["time", "q"]
    assert (done.fetched.rows, done.fetched.start) == (0, None)


def points(*places: tuple[float, float]) -> dict[str, list[Any]]:
    return {"id": [str(n) for n in range(len(places))], "geometry": [shapely.Point(p).wkb for p in places]}


PLACES = Table(columns=(column("id", FieldType.STRING),), geometry=Geometry(crs="EPSG:28992", source_crs="OGC:CRS84"))


async def test_coordinates_are_those_of_the_table(tmp_path: Path) -> None:
    done = await made(tmp_path, PLACES, points((5.387206, 52.155174)))
    (row,) = csv.DictReader((done.folder / "data.csv").open())
    place = shapely.from_wkt(row["geometry"])
    assert (place.x, place.y) == pytest.approx((155_000, 463_000), abs=2)
    geo = json.loads(pyarrow.parquet.read_schema(done.folder / "data.parquet").metadata[b"geo"])
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 28992}


async def test_coordinates_of_another_system_are_refused(tmp_path: Path) -> None:
    both = "the contract says OGC:CRS84, and the table is to be in EPSG:28992"
    await refused("CoordinatesElsewhere", both, tmp_path, PLACES, points((155_000, 463_000)))


async def test_the_same_data_has_the_same_digest(tmp_path: Path) -> None:
    batch = {"tijd": ["2020-01-01 00:00"], "debiet": ["1"]}
    wanted = table(TIME, VALUE, source_time_zone="UTC")
    one, two = await made(tmp_path, wanted, batch), await made(tmp_path, wanted, batch)
    assert one.fetched == two.fetched
