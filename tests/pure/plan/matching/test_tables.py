"""The table that an app gets of a source: found fields, conversions, steps, and what stands in the way."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ddtas.api.base import Verdict
from ddtas.api.installation import FieldMapping, Windows
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import FieldType
from ddtas.data.delivery.table import Aggregation, Column
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching import checks, tables
from ddtas.plan.matching.comparison import Comparison
from ddtas.plan.snapshot import SourceObservation

WINDOWS = Windows.model_validate(
    {
        "calibration": {"start": "2020-01-01", "end": "2020-12-31"},
        "validation": {"start": "2021-01-01", "end": "2021-12-31"},
    }
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def requirement(**more: Any) -> DataRequirement:
    return DataRequirement.model_validate(
        {
            "name": "flow",
            "description": "Discharge.",
            "fields": [
                {"name": "date", "type": "date", "concept": "time"},
                {"name": "q", "type": "number", "unit": "m3/s", "concept": "discharge", "aggregate": "mean"},
            ],
            "timeResolution": "P1D",
            "timeZone": "Europe/Amsterdam",
        }
        | more
    )


def source(*fields: dict[str, Any], **contract: Any) -> DataSource:
    listed = fields or (
        {"name": "DATUM", "type": "timestamp", "format": "yyyyMMdd HH:mm", "concept": "time"},
        {"name": "DEBIET", "type": "number", "unit": "m3/h", "concept": "discharge", "missingValues": ["-9999"]},
    )
    return DataSource.model_validate(
        {
            "name": "gauge", "title": "Gauge", "kind": "http-csv", "endpoint": "http://x/", "licence": "CC0-1.0",
            "accessRights": "public", "purposes": ["any"],
            "contract": {"version": "1.0.0", "timeResolution": "PT10M", "timeZone": "Europe/Amsterdam"}
            | {"fields": list(listed)} | contract,
        }
    )  # fmt: skip


def column(table: Any, name: str) -> Column:
    found: Column = next(c for c in table.columns if c.name == name)
    return found


def comparisons(
    requirement: DataRequirement, source: DataSource, *mappings: FieldMapping, facts: SourceFacts | None = None
) -> dict[str, Comparison]:
    seen = SourceObservation("Reachable", "Reachable", "", facts) if facts is not None else None
    circumstances = checks.Circumstances(WINDOWS, NOW, mappings={requirement.name: mappings})
    return {c.name: c for c in checks.all_of(requirement, source, seen, circumstances)}


def test_fields_are_found_by_concept_and_units_and_steps_converted() -> None:
    table = tables.table(requirement(), source(), ())
    assert table is not None
    date, q = column(table, "date"), column(table, "q")
    assert (date.source, date.source_type, date.format) == ("DATUM", FieldType.TIMESTAMP, "yyyyMMdd HH:mm")
    assert (q.source, q.source_unit, q.missing, q.aggregate) == ("DEBIET", "m3/h", ("-9999",), Aggregation.MEAN)
    assert float(q.scale or 0) == pytest.approx(1 / 3600)
    assert (table.time, table.step, table.source_step) == ("date", "P1D", "PT10M")
    assert (table.time_zone, table.source_time_zone) == ("Europe/Amsterdam", "Europe/Amsterdam")
    assert [f.dump() for f in tables.described(table)] == [
        {"field": "date", "from": "DATUM", "conversion": "timestamp to date"},
        {"field": "q", "from": "DEBIET", "conversion": "m3/h to m3/s; mean of PT10M"},
    ]


def test_what_is_already_right_is_left_alone() -> None:
    same = source(
        {"name": "date", "type": "date"}, {"name": "q", "type": "number", "unit": "m3/s"}, timeResolution="PT24H"
    )
    table = tables.table(requirement(), same, ())
    assert table is not None
    assert [f.dump() for f in tables.described(table)] == [
        {"field": "date", "from": "date"},
        {"field": "q", "from": "q"},
    ]
    assert (column(table, "q").scale, table.source_step) == (None, None)


def test_an_app_that_reads_the_source_itself_gets_no_table() -> None:
    assert tables.table(requirement(delivery="Direct", kinds=["http-csv"]), source(), ()) is None


def test_bounds_of_the_contract_are_converted_with_the_values() -> None:
    field = {"name": "q", "type": "number", "unit": "degF", "minimum": "-4", "maximum": "140"}
    wanted = requirement(fields=[{"name": "q", "type": "number", "unit": "degC"}], timeResolution=None)
    table = tables.table(wanted, source(field), ())
    assert table is not None
    q = column(table, "q")
    assert (float(q.minimum or 0), float(q.maximum or 0)) == pytest.approx((-20, 60))


def test_a_city_may_choose_a_field_and_say_its_unit() -> None:
    chosen = FieldMapping(field="q", source="flow", unit="L/s")
    there = source({"name": "date", "type": "date"}, {"name": "flow", "type": "number"})
    found = comparisons(requirement(), there, chosen)
    assert found["field q"].declared is Verdict.MET
    table = tables.table(requirement(), there, [chosen])
    assert table is not None
    assert float(column(table, "q").scale or 0) == pytest.approx(0.001)


def test_a_choice_of_a_field_that_is_not_there_says_what_is() -> None:
    found = comparisons(requirement(), source(), FieldMapping(field="q", source="flow"))["field q"]
    assert found.declared is Verdict.NOT_MET
    assert found.describe() == (
        "needs q from flow as number in m3/s; the contract has no such field (it has DATUM, DEBIET)"
    )


def test_two_fields_of_one_concept_are_no_answer() -> None:
    two = source(
        {"name": "a", "type": "number", "unit": "m3/s", "concept": "discharge"},
        {"name": "b", "type": "number", "unit": "m3/s", "concept": "discharge"},
        {"name": "date", "type": "date"},
    )
    found = comparisons(requirement(), two)["field q"]
    assert found.declared is Verdict.NOT_MET
    assert found.describe() == (
        "needs q as number in m3/s; the contract has 2 fields with the concept discharge (a, b): choose one in"
        " spec.bindings[].fields of the Installation"
    )
    chosen = comparisons(requirement(), two, FieldMapping(field="q", source="b"))["field q"]
    assert chosen.declared is Verdict.MET


def test_of_two_fields_of_one_concept_the_name_decides_and_a_third_one_of_that_name_does_not() -> None:
    two = [{"name": name, "type": "number", "unit": "m3/s", "concept": "discharge"} for name in ("q", "other")]
    there = source(*two, {"name": "date", "type": "date"})
    assert comparisons(requirement(), there)["field q"].declared is Verdict.MET
    table = tables.table(requirement(), there, ())
    assert table is not None
    assert column(table, "q").source == "q"
    two[0]["name"] = "another"
    third = source(*two, {"name": "q", "type": "number", "unit": "m3/s"}, {"name": "date", "type": "date"})
    assert comparisons(requirement(), third)["field q"].declared is Verdict.NOT_MET


@pytest.mark.parametrize("more", [{}, {"crs": ["EPSG:28992"]}])
def test_a_table_with_geometries_needs_the_crs_of_the_contract(more: dict[str, Any]) -> None:
    wanted = requirement(fields=[], timeResolution=None, geometryTypes=["Point"], history=False, **more)
    measured = SourceFacts.model_validate({"geometryType": "Point", "crs": ["EPSG:28992"]})
    without = comparisons(wanted, source(geometryType="Point"), facts=measured)["crs of the contract"]
    assert (without.declared, without.measured) == (Verdict.NOT_MET, Verdict.UNKNOWN)
    assert without.describe().endswith("the contract says nothing: give its crs")
    stated = comparisons(wanted, source(geometryType="Point", crs="EPSG:28992"), facts=measured)
    assert stated["crs of the contract"].declared is Verdict.MET
    direct = requirement(
        fields=[], timeResolution=None, geometryTypes=["Point"], history=False, delivery="Direct", kinds=["http-csv"]
    )
    assert "crs of the contract" not in comparisons(direct, source(geometryType="Point"), facts=measured)


@pytest.mark.parametrize(
    ("unit", "verdict"), [("m3/h", Verdict.MET), ("mm", Verdict.NOT_MET), ("m3/fortnite", Verdict.UNKNOWN)]
)
def test_a_unit_is_met_where_it_can_be_converted(unit: str, verdict: Verdict) -> None:
    there = source({"name": "DATUM", "type": "date", "concept": "time"}, {"name": "q", "type": "number", "unit": unit})
    assert comparisons(requirement(), there)["field q"].declared is verdict


def test_what_was_measured_is_that_of_the_field_of_the_source() -> None:
    facts = SourceFacts(
        fields=(
            MeasuredField(name="DATUM", type=FieldType.TIMESTAMP),
            MeasuredField(name="DEBIET", type=FieldType.STRING),
        )
    )
    found = comparisons(requirement(), source(), facts=facts)
    assert found["field date"].measured is Verdict.MET
    assert found["field q"].measured is Verdict.NOT_MET


def test_a_shorter_step_needs_to_know_how_values_become_one() -> None:
    without = requirement(
        fields=[
            {"name": "date", "type": "date", "concept": "time"},
            {"name": "q", "type": "number", "concept": "discharge"},
        ]
    )
    found = comparisons(without, source())["time resolution"]
    assert found.declared is Verdict.NOT_MET
    assert "the listing does not say how q becomes one (aggregate)" in found.describe()
    assert comparisons(requirement(), source())["time resolution"].declared is Verdict.MET


def test_a_longer_step_is_never_met() -> None:
    assert comparisons(requirement(), source(timeResolution="P1M"))["time resolution"].declared is Verdict.NOT_MET


def test_coordinates_are_converted_to_the_first_that_is_wanted() -> None:
    wanted = requirement(fields=[], timeResolution=None, geometryTypes=["Point"], crs=["EPSG:28992"], history=False)
    there = source(crs="EPSG:4258", geometryType="Point")
    assert comparisons(wanted, there)["crs"].declared is Verdict.MET
    table = tables.table(wanted, there, ())
    assert table is not None
    assert table.geometry is not None
    assert (table.geometry.crs, table.geometry.source_crs) == ("EPSG:28992", "EPSG:4258")
