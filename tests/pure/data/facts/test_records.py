"""Facts about records."""

from typing import Any

import pytest

from ddtas.data.contract import DataContract
from ddtas.data.facts.records import Records


def facts_of(*records: dict[str, Any], **contract: Any) -> Any:
    taken = Records(DataContract.model_validate({"version": "1.0.0"} | contract))
    for record in records:
        taken.add(record)
    return taken.facts(complete=True)


def test_times_without_an_offset_are_of_the_zone_of_the_contract() -> None:
    records = [{"at": "2024-07-01T12:00:00"}, {"at": "2024-07-01T13:00:00"}]
    facts = facts_of(*records, timeZone="Europe/Amsterdam")
    assert (facts.first, facts.last) == ("2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z")
    assert (facts.time_resolution, facts.unknown) == ("PT1H", ())


def test_times_without_an_offset_or_zone_are_no_moments() -> None:
    facts = facts_of({"at": "2024-07-01T12:00:00Z"}, {"at": "2024-07-01T13:00:00"})
    assert (facts.fields[0].type, facts.first, facts.last) == ("timestamp", None, None)
    assert "times in at have no offset" in facts.why_unknown("last")


@pytest.mark.parametrize("value", [-9999, -9999.0, "-9999", None, ""])
def test_what_the_contract_says_is_missing(value: Any) -> None:
    field = {"name": "level", "type": "number", "missingValues": ["-9999"]}
    facts = facts_of({"level": value}, {"level": 1.5}, fields=[field])
    assert (facts.fields[0].type, facts.fields[0].empty) == ("number", 1)
