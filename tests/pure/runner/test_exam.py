"""What is withheld is what is scored: who fetches and who scores ask for the same rows, of whatever table."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind, FieldType
from ddtas.data.delivery.order import Delivery, Withheld
from ddtas.data.delivery.reading import Selection
from ddtas.data.delivery.table import Aggregation, Column, Table
from ddtas.data.delivery.withholding import row_keys
from ddtas.data.session import Limits, Session, Target
from ddtas.runner.delivery import Folders, deliver
from ddtas.scoring.order import ScoredTarget, ScoreOrder, TargetKind
from ddtas.scoring.report import ScoreReport
from ddtas.scoring.run import score

CONTRACT = DataContract(version="1.0.0")
AMSTERDAM = "Europe/Amsterdam"
TIME = Column(name="time", type=FieldType.TIMESTAMP, source="tijd")
DATE = Column(name="day", type=FieldType.DATE, source="tijd", source_type=FieldType.TIMESTAMP)
PLACE = Column(name="place", type=FieldType.STRING, source="plek")
FLOW = Column(name="q", type=FieldType.NUMBER, source="debiet")
KIND = Column(name="kind", type=FieldType.STRING, source="soort")
NUMBER = Column(name="id", type=FieldType.INTEGER, source="nr")
START, END = datetime(2020, 10, 24, 22, tzinfo=UTC), datetime(2020, 10, 27, 23, tzinfo=UTC)
NOON = datetime(2020, 10, 25, 11, 30, tzinfo=UTC)
DRAWN = {"key": "id", "share_percent": 40, "seed": "7"}


def source() -> dict[str, list[Any]]:
    """Six days of hours of two places, with an hour that comes twice and values that are missing; newest first."""
    first = int(datetime(2020, 10, 22, 22, tzinfo=UTC).timestamp())
    rows = [
        (first + 3600 * hour, place, hour) for hour in reversed(range(145)) for place in ("Wijde Wormer, noord", 'b"')
    ]
    return {
        "tijd": [datetime.fromtimestamp(moment, UTC).isoformat() for moment, _, _ in rows],
        "plek": [place for _, place, _ in rows],
        "debiet": [None if hour % 11 == 0 else hour % 7 + len(place) / 10 for _, place, hour in rows],
        "soort": [("dry", "wet", None)[hour % 3] for _, _, hour in rows],
        "nr": list(range(len(rows))),
    }


def table(*columns: Column, **more: Any) -> Table:
    time = next((c.name for c in columns if c.type in (FieldType.TIMESTAMP, FieldType.DATE)), None)
    return Table(columns=columns, time=time, **more)


def mean(column: Column) -> Column:
    return column.model_copy(update={"aggregate": Aggregation.MEAN})


CASES = {
    "moments": (table(TIME, PLACE, FLOW, time_zone=AMSTERDAM), Withheld(targets={"t": "q"}, start=START, end=END)),
    "no end": (table(TIME, PLACE, FLOW), Withheld(targets={"t": "q"}, start=NOON)),
    "no start": (table(TIME, PLACE, FLOW), Withheld(targets={"t": "q"}, end=NOON)),
    "all": (table(TIME, PLACE, FLOW), Withheld(targets={"t": "q"})),
    "days": (
        table(DATE, PLACE, mean(FLOW), time_zone=AMSTERDAM, step="P1D", source_step="PT1H"),
        Withheld(targets={"t": "q"}, start=START, end=END),
    ),
    "parts of days": (
        table(DATE, PLACE, mean(FLOW), time_zone=AMSTERDAM, step="P1D", source_step="PT1H"),
        Withheld(targets={"t": "q"}, start=NOON, end=END.replace(hour=13)),
    ),
    "six hours": (
        table(TIME, PLACE, mean(FLOW), time_zone=AMSTERDAM, step="PT6H", source_step="PT1H"),
        Withheld(targets={"t": "q"}, start=NOON, end=END),
    ),
    "classes": (table(TIME, PLACE, KIND), Withheld(targets={"t": "kind"}, start=START, end=END)),
    "key": (table(NUMBER, FLOW, KIND), Withheld(targets={"t": "q"}, **DRAWN)),
    "key and time": (table(TIME, PLACE, NUMBER, FLOW), Withheld(targets={"t": "q"}, **DRAWN)),
    "place": (table(TIME, PLACE, FLOW), Withheld(targets={"t": "q"}, key="place", share_percent=60, seed="1")),
    "drawn days": (
        table(TIME, PLACE, FLOW),
        Withheld(targets={"t": "q"}, start=NOON, end=END, **DRAWN | {"key": "place"}),
    ),
}


async def fetched(root: Path, wanted: Table, withheld: Withheld) -> Path:
    """Lay the truth where the scorer reads it; give the folder that the app sees."""

    async def read(_: Session, selection: Selection) -> AsyncIterator[Any]:
        yield pyarrow.RecordBatch.from_pydict(source()).select([f.name for f in selection.fields])

    session = Session(Target(DataKind.HTTP_CSV, "http://x/", CONTRACT), Limits(), AddressPolicy())
    delivery = Delivery(table=wanted, contract=CONTRACT, withhold=withheld)
    made = await deliver(session, "gauge", delivery, Folders(root / "data", root / "truth"), read)
    assert made.truth is not None
    made.truth.rename(root / "truth" / "gauge")
    return made.folder


def scored(root: Path, wanted: Table, withheld: Withheld) -> ScoreReport:
    target = ScoredTarget(
        name="t",
        requirement="gauge",
        field=withheld.targets["t"],
        kind=TargetKind.CLASSES if withheld.targets["t"] == "kind" else TargetKind.CONTINUOUS,
        time=wanted.time,
        keys=tuple(key for key in row_keys(wanted, withheld) if key != wanted.time),
        time_zone=wanted.time_zone,
        start=withheld.start,
        end=withheld.end,
        key=withheld.key,
        share_percent=withheld.share_percent,
        seed=withheld.seed,
    )
    return score(ScoreOrder(targets=(target,), seed=1), root / "truth", root / "output")


def predict(root: Path, folder: Path, value: Any) -> int:
    """As an app does: a value beside the keys of each row that is asked for."""
    rows = list(csv.DictReader((folder / "predict" / "t.csv").open()))
    (root / "output").mkdir()
    with (root / "output" / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "value"])
        writer.writeheader()
        writer.writerows(row | {"value": value} for row in rows)
    return len(rows)


@pytest.mark.parametrize("case", CASES)
async def test_who_scores_asks_for_the_rows_that_the_app_was_asked_for(case: str, tmp_path: Path) -> None:
    wanted, withheld = CASES[case]
    folder = await fetched(tmp_path, wanted, withheld)
    count = predict(tmp_path, folder, "dry" if case == "classes" else "3.5")
    report = scored(tmp_path, wanted, withheld)
    assert report.fault is None, report.fault
    assert [p.rows for p in report.predicted] == [count]
    assert report.scores


@pytest.mark.parametrize("case", CASES)
async def test_no_value_that_is_asked_for_is_in_what_the_app_has(case: str, tmp_path: Path) -> None:
    wanted, withheld = CASES[case]
    folder = await fetched(tmp_path, wanted, withheld)
    names = row_keys(wanted, withheld)
    asked = {tuple(row.values()) for row in csv.DictReader((folder / "predict" / "t.csv").open())}
    given = list(csv.DictReader((folder / "data.csv").open()))
    field = withheld.targets["t"]
    assert len(asked) > 1
    assert {row[field] for row in given if tuple(row[name] for name in names) in asked} <= {""}
    known = [row for row in given if row[field]]
    whole = pyarrow.parquet.read_table(tmp_path / "truth" / "gauge" / "data.parquet")
    assert len(known) + len(asked) <= len(whole) - whole.column(field).null_count
