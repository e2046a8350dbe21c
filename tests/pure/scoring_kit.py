"""An exam in a folder: what was kept from an app, and what the app wrote."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from ddtas.scoring.order import ScoredTarget, ScoreOrder, TargetKind, WantedMetric
from ddtas.scoring.report import Score, ScoreReport
from ddtas.scoring.run import score

START = datetime(2020, 1, 1, tzinfo=UTC)


def days(count: int, start: datetime = START) -> list[datetime]:
    return [start + timedelta(days=i) for i in range(count)]


def target(kind: TargetKind = TargetKind.CONTINUOUS, **fields: Any) -> ScoredTarget:
    given = {"name": "flow", "requirement": "discharge", "field": "q", "kind": kind, "time": "time"} | fields
    return ScoredTarget.model_validate(given)


@dataclass(frozen=True)
class Exam:
    """Folders of one run."""

    root: Path

    @property
    def truth(self) -> Path:
        return self.root / "truth"

    @property
    def output(self) -> Path:
        return self.root / "output"

    def know(self, columns: Mapping[str, Any], requirement: str = "discharge") -> None:
        """Lay the truth; moments are of UTC."""
        arrays = {name: _column(values) for name, values in columns.items()}
        folder = self.truth / requirement
        folder.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(arrays), folder / "data.parquet")

    def predict(self, columns: Mapping[str, Sequence[Any]], name: str = "flow") -> Path:
        """Write what the app writes."""
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return path

    def write(self, text: str | bytes, name: str = "flow.csv") -> Path:
        """Write anything."""
        self.output.mkdir(parents=True, exist_ok=True)
        path = self.output / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def score(self, *targets: ScoredTarget, wanted: Sequence[WantedMetric] = (), **fields: Any) -> ScoreReport:
        """The report, as it is read from a termination message."""
        self.output.mkdir(parents=True, exist_ok=True)
        order = ScoreOrder(targets=targets or (target(),), wanted=tuple(wanted), **{"seed": 7} | fields)
        return ScoreReport.unsealed(score(order, self.truth, self.output).sealed())


def _column(values: Any) -> Any:
    if isinstance(values, list) and any(isinstance(value, datetime) for value in values):
        return pyarrow.array(values, pyarrow.timestamp("us", tz="UTC"))
    return values if isinstance(values, pyarrow.Array) else pyarrow.array(values)


def values(report: ScoreReport) -> dict[str, float]:
    """The metrics of a report of one target."""
    assert report.fault is None, report.fault
    return {s.metric: float(s.value) for s in report.scores}


def found(report: ScoreReport, metric: str) -> Score:
    return next(s for s in report.scores if s.metric == metric)
