"""What an app is judged by is nowhere in what it gets, however the source has it."""

import csv
import hashlib
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
from ddtas.data.contract import DataContract, DataKind, FieldType
from ddtas.data.delivery.order import Delivery, Withheld
from ddtas.data.delivery.reading import Selection
from ddtas.data.delivery.table import Aggregation, Column, Geometry, Table
from ddtas.data.session import Limits, Session, Target
from ddtas.errors import Reasoned
from ddtas.runner.delivery import Folders, Made, deliver

CONTRACT = DataContract(version="1.0.0")
TIME = Column(name="time", type=FieldType.TIMESTAMP, source="tijd")
FLOW = Column(name="q", type=FieldType.NUMBER, source="debiet")
RAIN = Column(name="rain", type=FieldType.NUMBER, source="regen")
STATION = Column(name="station", type=FieldType.STRING, source="plek")
DAYS: dict[str, Any] = {
    "tijd": [f"2020-01-0{day}T00:00:00Z" for day in range(1, 7)],
    "debiet": [11.5, 22.5, 33.5, None, 55.5, 66.5],
    "regen": [1.0, None, 3.0, 4.0, None, 6.0],
}
FIRST = 1_577_836_800_000_000  # the first of January 2020, in microseconds
START, END = datetime(2020, 1, 3, tzinfo=UTC), datetime(2020, 1, 6, tzinfo=UTC)


def table(*columns: Column, **more: Any) -> Table:
    return Table(columns=columns, **more)


TABLE = table(TIME, FLOW, RAIN, time="time")
WITHHELD = Withheld(targets={"flow": "q"}, start=START, end=END)


async def made(root: Path, table: Table, withheld: Withheld, *batches: dict[str, Any], **more: Any) -> Made:
    async def read(_: Session, selection: Selection) -> AsyncIterator[Any]:
        assert root / "truth" in selection.folder.parents, "what is downloaded is the truth as well"
        for batch in batches:
            yield pyarrow.RecordBatch.from_pydict(batch)

    session = Session(Target(DataKind.HTTP_CSV, "http://x/", CONTRACT), Limits(), AddressPolicy())
    delivery = Delivery(table=table, contract=CONTRACT, withhold=withheld, **more)
    return await deliver(session, "gauge", delivery, Folders(root / "data", root / "truth"), read)


def left(root: Path) -> list[Path]:
    return list(root.glob("*/*"))


async def refused(reason: str, text: str, root: Path, table: Table, withheld: Withheld, *batches: Any) -> None:
    with pytest.raises(Reasoned) as caught:
        await made(root, table, withheld, *batches)
    assert caught.value.reason == reason
    assert text in caught.value.message
    assert left(root) == []


def given(done: Made) -> list[dict[str, str]]:
    """What the app gets, and that both files have the same of it."""
    rows = list(csv.DictReader((done.folder / "data.csv").open()))
    parquet = pyarrow.parquet.read_table(done.folder / "data.parquet")
    assert parquet.num_rows == len(rows) == done.fetched.rows
    for name in set(parquet.column_names) - {"geometry"}:
        assert [value is None for value in parquet.column(name).to_pylist()] == [row[name] == "" for row in rows]
    return rows


def asked(done: Made, target: str = "flow") -> list[dict[str, str]]:
    return list(csv.DictReader((done.folder / "predict" / f"{target}.csv").open()))


def truth(done: Made) -> list[dict[str, Any]]:
    assert done.truth is not None
    assert [path.name for path in done.truth.iterdir()] == ["data.parquet"]
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(done.truth / "data.parquet").to_pylist()
    return rows


def about(done: Made) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((done.folder / "about.json").read_text())
    return found


async def test_the_app_gets_all_but_the_target_in_the_period(tmp_path: Path) -> None:
    done = await made(tmp_path, TABLE, WITHHELD, DAYS)
    assert [(row["time"][8:10], row["q"], row["rain"]) for row in given(done)] == [
        ("01", "11.5", "1"),
        ("02", "22.5", ""),
        ("03", "", "3"),
        ("04", "", "4"),
        ("06", "66.5", "6"),
    ], "nothing is left of the fifth, but its time"
    assert asked(done) == [{"time": f"2020-01-0{day}T00:00:00+00:00"} for day in (3, 5)]
    assert [row["q"] for row in truth(done)] == DAYS["debiet"]


async def test_no_file_that_the_app_gets_has_a_value_that_is_withheld(tmp_path: Path) -> None:
    withheld = WITHHELD.model_copy(update={"end": None})
    await made(tmp_path, table(TIME, FLOW, time="time"), withheld, DAYS)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) == 4
    for file in files:
        read = file.read_bytes()
        assert b"33.5" not in read
        assert b"66.5" not in read
        if file.suffix == ".parquet":
            column = pyarrow.parquet.ParquetFile(file).metadata.row_group(0).column(1)
            assert column.statistics.max == 22.5, "pages and statistics are those of the rows that are given"


async def test_what_is_said_of_a_table_counts_nothing_that_is_withheld(tmp_path: Path) -> None:
    limited = FLOW.model_copy(update={"maximum": "60"})
    ends = WITHHELD.model_copy(update={"end": None})
    found = about(await made(tmp_path, table(TIME, limited, RAIN, time="time"), ends, DAYS))
    assert found["withheld"] == {
        "fields": ["q"],
        "start": "2020-01-03T00:00:00+00:00",
        "predict": {"flow": "predict/flow.csv"},
    }
    assert found["fields"][1] == {"name": "q", "type": "number", "from": "debiet", "missing": 0}
    assert found["fields"][2] | {"missing": 1, "outOfRange": 0} == found["fields"][2]
    assert (found["rows"], found["end"]) == (5, "2020-01-06T00:00:00+00:00")


async def test_who_scores_and_the_app_are_other_users(tmp_path: Path) -> None:
    done = await made(tmp_path, TABLE, WITHHELD, DAYS)
    assert done.truth is not None
    for folder in (done.folder, done.truth):
        assert folder.stat().st_mode & 0o777 == 0o755
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


async def test_what_is_left_behind_is_the_table_alone(tmp_path: Path) -> None:
    done = await made(tmp_path, TABLE, WITHHELD, DAYS)
    assert list((tmp_path / "data").iterdir()) == [done.folder]
    assert list((tmp_path / "truth").iterdir()) == [done.truth]


async def test_all_columns_of_one_field_of_the_source_are_hidden(tmp_path: Path) -> None:
    """A listing may ask for a field twice: once as its target, and once in another unit, or as a text."""
    again = FLOW.model_copy(update={"name": "litres", "scale": "1000"})
    text = FLOW.model_copy(update={"name": "words", "type": FieldType.STRING, "source_type": FieldType.NUMBER})
    done = await made(tmp_path, table(TIME, FLOW, again, text, RAIN, time="time"), WITHHELD, DAYS)
    third = given(done)[2]
    assert (third["q"], third["litres"], third["words"], third["rain"]) == ("", "", "", "3")
    assert set(asked(done)[0]) == {"time"}
    assert about(done)["withheld"]["fields"] == ["q", "litres", "words"]


async def test_the_order_of_the_rows_does_not_tell_a_class(tmp_path: Path) -> None:
    kind = Column(name="kind", type=FieldType.STRING, source="soort")
    withheld = Withheld(targets={"kind": "kind"}, start=START, end=END)
    first, second = ["2020-01-02T00:00:00Z"] * 3, ["2020-01-03T00:00:00Z"] * 3
    batch = {"tijd": first + second, "plek": ["c", "a", "b"] * 2, "soort": ["x", "y", "z"] * 2, "regen": [1, 2, 3] * 2}
    done = await made(tmp_path, table(TIME, kind, STATION, RAIN, time="time"), withheld, batch)
    assert [row["station"] for row in given(done)] == ["a", "b", "c", "a", "b", "c"]
    assert [row["kind"] for row in given(done)] == ["y", "z", "x", "", "", ""]
    assert asked(done, "kind") == [{"time": "2020-01-03T00:00:00+00:00", "station": place} for place in "abc"]


async def test_a_row_that_its_class_alone_would_tell_apart_is_refused(tmp_path: Path) -> None:
    kind = Column(name="kind", type=FieldType.STRING, source="soort")
    batch = {"tijd": ["2020-01-03T00:00:00Z"] * 2, "soort": ["x", "y"]}
    withheld = Withheld(targets={"kind": "kind"}, start=START, end=END)
    await refused("DuplicateTimes", "several rows", tmp_path, table(TIME, kind, time="time"), withheld, batch)


def seconds(step: str | None, time: Column = TIME, **more: Any) -> Table:
    flow = FLOW.model_copy(update={"aggregate": Aggregation.MEAN})
    return table(time, flow, time="time", step=step, **more)


@pytest.mark.parametrize(
    ("step", "start", "known", "predicted"),
    [
        ("P1D", datetime(2020, 3, 2, tzinfo=UTC), ["01"], ["02", "03"]),
        ("P1D", datetime(2020, 3, 2, 12, tzinfo=UTC), ["01"], ["03"]),
        ("PT6H", datetime(2020, 3, 2, 15, tzinfo=UTC), ["01 00", "01 12", "02 00"], ["03 00", "03 12"]),
    ],
)
async def test_a_mean_that_reaches_into_the_period_is_withheld_and_not_asked_for(
    step: str, start: datetime, known: list[str], predicted: list[str], tmp_path: Path
) -> None:
    batch = {
        "tijd": [f"2020-03-0{day}T{hour:02d}:00:00Z" for day in (1, 2, 3) for hour in (0, 12)],
        "debiet": list(range(6)),
    }
    withheld = Withheld(targets={"flow": "q"}, start=start)
    done = await made(tmp_path, seconds(step, source_step="PT1H"), withheld, batch)
    assert [row["time"][8:13].replace("T", " ")[: len(known[0])] for row in given(done)] == known
    assert [row["time"][8:13].replace("T", " ")[: len(known[0])] for row in asked(done)] == predicted


async def test_a_month_that_begins_before_the_period_is_withheld(tmp_path: Path) -> None:
    batch = {"tijd": [f"2020-0{month}-01T00:00:00Z" for month in (1, 2, 3, 4)], "debiet": [1.0, 2.0, 3.0, 4.0]}
    for day, months in ((1, ["01", "02"]), (15, ["01", "02"]), (31, ["01", "02"])):
        withheld = Withheld(targets={"flow": "q"}, start=datetime(2020, 3, day, tzinfo=UTC))
        done = await made(tmp_path / str(day), seconds("P1M"), withheld, batch)
        assert [row["time"][5:7] for row in given(done)] == months


@pytest.mark.parametrize(
    ("start", "end", "known", "predicted"),
    [
        ("2020-01-01T23:00", "2020-01-03T23:00", [1, 4, 5], [2, 3]),  # days of Amsterdam
        ("2020-01-02T11:00", "2020-01-04T11:00", [1, 5], [2, 3]),  # one that ends in the period, and one that begins
        ("2020-01-02T23:30", "2020-01-04T22:30", [1, 2, 5], [3]),
    ],
)
async def test_a_day_that_has_a_part_in_the_period_is_withheld(
    start: str, end: str, known: list[int], predicted: list[int], tmp_path: Path
) -> None:
    date = Column(name="time", type=FieldType.DATE, source="tijd")
    batch = {"tijd": [f"2020-01-0{day}" for day in range(1, 6)], "debiet": [1.0, 2.0, 3.0, 4.0, 5.0]}
    first, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
    withheld = Withheld(targets={"flow": "q"}, start=first, end=last)
    done = await made(tmp_path, table(date, FLOW, time="time", time_zone="Europe/Amsterdam"), withheld, batch)
    assert [int(row["time"][-1]) for row in given(done)] == known
    assert [int(row["time"][-1]) for row in asked(done)] == predicted


async def test_what_is_asked_for_is_withheld_whatever_the_step(tmp_path: Path) -> None:
    """A day with a step of an hour: it begins more than a step before the period, and is asked for all the same."""
    date = Column(name="time", type=FieldType.DATE, source="tijd")
    withheld = Withheld(targets={"flow": "q"}, start=datetime(2020, 1, 2, 12, tzinfo=UTC))
    batch = {"tijd": ["2020-01-01", "2020-01-02"], "debiet": [1.0, 2.0]}
    done = await made(tmp_path, table(date, FLOW, time="time", step="PT1H"), withheld, batch)
    assert [row["time"] for row in given(done)] == ["2020-01-01"]
    assert [row["time"] for row in asked(done)] == ["2020-01-02"]


@pytest.mark.parametrize("start", [START, None])
async def test_a_row_without_a_time_may_be_of_the_period(start: datetime | None, tmp_path: Path) -> None:
    batch = {"tijd": [None, "2020-01-03T00:00:00Z"], "debiet": [7.5, 8.5], "regen": [1.0, 2.0]}
    done = await made(tmp_path, TABLE, Withheld(targets={"flow": "q"}, start=start), batch)
    assert [(row["time"][:10], row["q"]) for row in given(done)] == [("2020-01-03", "")]
    assert len(asked(done)) == len(truth(done)) == 1


TREES = table(
    Column(name="id", type=FieldType.INTEGER, source="nr"),
    Column(name="height", type=FieldType.NUMBER, source="hoogte"),
    Column(name="species", type=FieldType.STRING, source="soort"),
    geometry=Geometry(crs="EPSG:28992", source_crs="EPSG:28992"),
)
DRAWN = Withheld(targets={"height": "height"}, key="id", share_percent=30, seed="42")


def trees(count: int) -> dict[str, Any]:
    """In the order of their heights, as a view in a database may have them."""
    place = shapely.Point(155_000, 463_000).wkb
    return {
        "nr": [(37 * n) % count for n in range(count)],
        "hoogte": [n + 0.25 for n in range(count)],
        "soort": ["oak", "elm"] * (count // 2),
        "geometry": [place] * count,
    }


async def test_a_share_of_the_keys_is_withheld_by_a_rule_that_anybody_can_repeat(tmp_path: Path) -> None:
    done = await made(tmp_path, TREES, DRAWN, trees(200))
    drawn = {n for n in range(200) if int.from_bytes(hashlib.sha256(b"42\0%d" % n).digest()[:8], "big") / 2**64 < 0.3}
    assert 40 < len(drawn) < 80
    assert {int(row["id"]) for row in given(done) if row["height"] == ""} == drawn
    assert [int(row["id"]) for row in asked(done, "height")] == sorted(drawn)
    assert set(asked(done, "height")[0]) == {"id"}
    assert all(row["geometry"].startswith("POINT") for row in given(done))
    assert about(done)["withheld"] | {"key": "id", "sharePercent": 30} == about(done)["withheld"]


async def test_rows_of_a_source_that_is_sorted_by_the_target_are_not(tmp_path: Path) -> None:
    done = await made(tmp_path, TREES, DRAWN, trees(200))
    assert [int(row["id"]) for row in given(done)] == list(range(200))


async def test_a_station_is_withheld_at_all_times(tmp_path: Path) -> None:
    times, places = ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], [f"s{n}" for n in range(20)]
    batch = {
        "tijd": [time for time in times for _ in places],
        "plek": places * 2,
        "debiet": [n + 0.5 for n in range(40)],
    }
    withheld = Withheld(targets={"flow": "q"}, key="station", share_percent=50)
    done = await made(tmp_path, table(TIME, STATION, FLOW, time="time"), withheld, batch)
    predicted = [(row["station"], row["time"]) for row in asked(done)]
    assert len({station for station, _ in predicted}) * 2 == len(predicted)
    assert {row["station"] for row in given(done)} == set(places) - {station for station, _ in predicted}


async def test_a_row_without_a_key_is_refused(tmp_path: Path) -> None:
    batch = trees(10) | {"nr": [None, *range(1, 10)]}
    await refused("ValueMissing", "id has no value in 1 of 10 rows", tmp_path, TREES, DRAWN, batch)


async def test_a_key_that_comes_twice_is_refused(tmp_path: Path) -> None:
    batch = trees(10) | {"nr": [1, 1, *range(2, 10)]}
    await refused("DuplicateTimes", "nr 1 has several rows", tmp_path, TREES, DRAWN, batch)


@pytest.mark.parametrize("values", [[1.0, 2.0, None, None, None, 6.0], [None] * 6])
async def test_where_nothing_has_a_value_nothing_is_asked_for(values: list[Any], tmp_path: Path) -> None:
    assert asked(await made(tmp_path, TABLE, WITHHELD, DAYS | {"debiet": values})) == []


async def test_a_column_of_another_table_is_hidden_without_being_asked_for(tmp_path: Path) -> None:
    withheld = Withheld(fields=("q",), start=START, end=END)
    done = await made(tmp_path, TABLE, withheld, DAYS)
    assert [row["q"] for row in given(done)] == ["11.5", "22.5", "", "", "66.5"]
    assert list((done.folder / "predict").iterdir()) == []
    done = await made(tmp_path / "throughout", TABLE, Withheld(fields=("q",)), DAYS)
    assert {row["q"] for row in given(done)} == {""}


@pytest.mark.parametrize(
    ("wanted", "withheld", "message"),
    [
        (TABLE, Withheld(targets={"flow": "other"}), "other is no column"),
        (TABLE, Withheld(targets={"flow": "q"}, key="other", share_percent=10), "other is no column"),
        (TABLE, Withheld(targets={"flow": "time"}), "time tells rows apart"),
        (TABLE, Withheld(targets={"flow": "q"}, key="rain", share_percent=10), "the key rain is a number"),
        (TREES, Withheld(targets={"height": "height"}, start=START), "by a key of it alone"),
        (TREES, Withheld(fields=("height",)), "so that height can be withheld by a key of it alone"),
        (
            TREES,
            Withheld(targets={"height": "height"}, key="id", start=START, share_percent=10),
            "by a key of it alone",
        ),
        (TREES, Withheld(targets={"id": "id"}, key="id", share_percent=10), "id tells rows apart"),
        (
            table(TIME, FLOW, time="time", step="P1D", source_step="PT1H"),
            WITHHELD,
            "q has no aggregate",
        ),
    ],
)
async def test_what_cannot_be_withheld_is_said_before_anything_is_fetched(
    wanted: Table, withheld: Withheld, message: str, tmp_path: Path
) -> None:
    for folder in ("data", "truth"):
        (tmp_path / folder).mkdir()
    await refused("CannotWithhold", message, tmp_path, wanted, withheld)


async def test_nothing_is_withheld_without_a_place_that_the_app_does_not_see(tmp_path: Path) -> None:
    session = Session(Target(DataKind.HTTP_CSV, "http://x/", CONTRACT), Limits(), AddressPolicy())
    delivery = Delivery(table=TABLE, contract=CONTRACT, withhold=WITHHELD)
    with pytest.raises(Reasoned, match="no folder that the app does not see"):
        await deliver(session, "gauge", delivery, Folders(tmp_path))
    assert left(tmp_path) == []


async def test_a_large_table_is_made_in_batches(tmp_path: Path) -> None:
    count = 120_000
    batch = {
        "tijd": pyarrow.array(
            [1_577_836_800_000_000 + 60_000_000 * n for n in range(count)], pyarrow.timestamp("us", "UTC")
        ),
        "debiet": pyarrow.array(range(count), pyarrow.float64()),
        "regen": pyarrow.array([1.0] * count),
    }
    start = datetime(2020, 1, 31, tzinfo=UTC)
    done = await made(tmp_path, TABLE, Withheld(targets={"flow": "q"}, start=start), batch)
    hidden = count - 30 * 24 * 60
    parquet = pyarrow.parquet.read_table(done.folder / "data.parquet")
    assert (parquet.num_rows, parquet.column("q").null_count) == (count, hidden)
    assert len((done.folder / "predict" / "flow.csv").read_text().splitlines()) == hidden + 1
