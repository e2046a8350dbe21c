"""Values that a contract calls impossible, and those that come twice."""

from typing import Any

import pytest

from ddtas.data.contract import DataContract
from ddtas.data.facts import checks
from ddtas.data.facts.records import Records
from ddtas.data.facts.table import Table

RULE = {"name": "once", "metric": "duplicateValues", "field": "id", "operator": "mustBe", "value": "0", "unit": "rows"}
CONTRACT = DataContract.model_validate(
    {
        "version": "1.0.0",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "level", "type": "number", "minimum": "-0.5", "maximum": "10", "missingValues": ["-9999"]},
            {"name": "high", "type": "number", "minimum": "0"},
            {"name": "free", "type": "number"},
        ],
        "quality": [RULE],
    }
)
ROWS = [
    ("a", "-0.5", "1e9", "1"),
    ("b", "10", "-1", "1"),
    ("a", "10.01", "", "1"),
    ("", "", "NaN", ""),
    ("a", "many", "0", "1"),
]


def counts(fields: Any) -> dict[str, tuple[int | None, int | None]]:
    return {f.name: (f.invalid, f.duplicates) for f in fields}


def test_of_a_table() -> None:
    table = Table(["id", "level", "high", "free"], CONTRACT, "here")
    for row in ROWS:
        table.add([row])
    assert counts(table.facts(9).fields) == {
        "id": (None, 2),
        "level": (2, None),
        "high": (1, None),
        "free": (None, None),
    }


def test_of_records() -> None:
    records = Records(CONTRACT)
    for record in (
        {"id": "a", "level": -0.5, "high": 10**400},
        {"id": "b", "level": 10, "high": -1},
        {"id": "a", "level": 10.01, "high": None},
        {"id": "", "level": -9999, "high": [1]},
        {"id": "a", "level": "many", "high": "3"},
    ):
        records.add(record)
    assert counts(records.fields()) == {"id": (None, 2), "level": (2, None), "high": (3, None)}


def test_more_values_than_can_be_remembered_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_MOST_DISTINCT", 3)
    table = Table(["id"], CONTRACT, "here")
    table.add([["a"], ["b"], ["c"], ["a"]])
    assert counts(table.facts(9).fields) == {"id": (None, 1)}
    table.add([["d"], ["a"]])
    assert counts(table.facts(9).fields) == {"id": (None, None)}
