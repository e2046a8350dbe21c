"""docs/evidence.md has each metric, with its formula, and by kind."""

import re
from pathlib import Path

from ddtas.scoring.order import METRICS

PAGE = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text()
ROWS = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in PAGE.splitlines() if line[:1] == "|"]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", cell))


def test_each_metric_has_a_row_with_its_formula() -> None:
    documented = [name for row in ROWS if len(row) == 6 for name in names(row[0])]
    assert sorted(documented) == sorted({name for metrics in METRICS.values() for name in metrics})
    assert all(row[1] and row[2] for row in ROWS if len(row) == 6)


def test_each_kind_has_its_metrics() -> None:
    kinds = {row[0]: names(row[1]) - {"lower", "upper"} for row in ROWS if len(row) == 2}
    continuous = kinds["Continuous"] - {"skillPersistence", "skillClimatology", "coverage90"}
    kinds["Ensemble"] |= continuous
    assert {kind.value: set(metrics) for kind, metrics in METRICS.items()} == {k: kinds[k] for k in map(str, METRICS)}
