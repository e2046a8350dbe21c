"""Each check beyond the example's own: what is declared and what was measured, as a table."""

from datetime import UTC, datetime
from typing import Any

import pytest
from builders import CALIBRATION_WINDOW, VALIDATION_WINDOW, platform_body
from hypothesis import given
from hypothesis import strategies as st
from plan.matching.kit import match

from ddtas.api.base import Verdict
from ddtas.api.installation import Windows
from ddtas.api.installation_status import Binding, Check
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import Area, Extent
from ddtas.data.meaning import periods, questions, space, units
from ddtas.data.meaning.questions import Question
from ddtas.data.measured import MeasuredField, SourceFacts, UnknownFact
from ddtas.plan.matching.binding import Bound, bind, verdict
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.version_range import within
from ddtas.schema.types import Window

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
AN_HOUR_AGO = "2026-06-02T11:00:00Z"
YESTERDAY = "2026-06-01"
# A square of 10 km in the projection of the Netherlands.
CITY = Area(crs="EPSG:28992", wkt="POLYGON((80000 450000, 90000 450000, 90000 460000, 80000 460000, 80000 450000))")
HERE = Circumstances(
    Windows(calibration=Window.model_validate(CALIBRATION_WINDOW), validation=Window.model_validate(VALIDATION_WINDOW)),
    NOW,
    CITY,
)
NOWHERE = Circumstances(HERE.windows, NOW, None)


def requirement(**asks: Any) -> DataRequirement:
    return DataRequirement.model_validate(
        {
            "name": "levels",
            "description": "d",
            "delivery": "Direct",
            "kinds": ["postgresql", "http-csv"],
            "history": False,
        }
        | asks
    )


def source(contract: dict[str, Any] | None = None, **declares: Any) -> DataSource:
    body = platform_body()["spec"]["dataSources"][0]
    kept = {k: body[k] for k in ("name", "title", "kind", "endpoint", "accessRights", "licence", "purposes")}
    return DataSource.model_validate(kept | {"contract": {"version": "1.4.2"} | (contract or {})} | declares)


def seen(**facts: Any) -> SourceObservation:
    return SourceObservation("Reachable", "Reachable", "", SourceFacts(**facts))


def extent(crs: str, *bbox: object) -> dict[str, Any]:
    return {"crs": crs, "bbox": [str(value) for value in bbox]}


WHOLE = extent("EPSG:28992", 79000, 449000, 91000, 461000)
HALF = extent("EPSG:28992", 80000, 450000, 85000, 460000)
WHOLE_WGS84 = extent("OGC:CRS84", 4.2, 51.9, 4.6, 52.2)
ELSEWHERE = extent("EPSG:28992", 200000, 500000, 210000, 510000)
COMPLETE = {
    "history": None,
    "timeResolution": "P1D",
    "minimumCompletenessPercent": 90,
}
LEVEL_OR_9999 = {"name": "level", "type": "number", "missingValues": ["-9999"]}
NO_NULLS = {
    "name": "complete",
    "metric": "nullValues",
    "field": "level",
    "operator": "mustBeLessOrEqualTo",
    "value": "5",
    "unit": "percent",
}
ENOUGH = {
    "name": "enough",
    "metric": "rowCount",
    "operator": "mustBeGreaterOrEqualTo",
    "value": "100",
    "unit": "rows",
}
TEMPERATURE = {"name": "t", "type": "number", "unit": "Cel"}
RAIN = {"name": "rain", "type": "number", "unit": "mm"}


def level(value: str, unit: str, operator: str = "mustBeLessOrEqualTo", name: str = "latency") -> dict[str, Any]:
    return {"serviceLevels": [{"property": name, "operator": operator, "value": value, "unit": unit}]}


def promise(value: str, unit: str, name: str = "latency") -> dict[str, Any]:
    return {"serviceLevels": [{"property": name, "value": value, "unit": unit}]}


# id: check, requirement, source, facts → declared, measured
TABLE: dict[str, tuple[str, dict[str, Any], DataSource, SourceObservation | None, Verdict, Verdict]] = {
    # what only a person can declare
    "entity": ("entity", {"entity": "Gauge"}, source({"entity": "Gauge"}), seen(), MET, UNKNOWN),
    "entity, another": ("entity", {"entity": "Gauge"}, source({"entity": "Tree"}), seen(), NOT_MET, UNKNOWN),
    "entity, none": ("entity", {"entity": "Gauge"}, source(), seen(), UNKNOWN, UNKNOWN),
    "version": ("contract version", {"contractVersion": ">=1.2.0 <2.0.0"}, source(), seen(), MET, UNKNOWN),
    "version, too old": ("contract version", {"contractVersion": ">=1.5.0"}, source(), seen(), NOT_MET, UNKNOWN),
    "version, exact": ("contract version", {"contractVersion": "1.4.2"}, source(), seen(), MET, UNKNOWN),
    "version, exact, another": ("contract version", {"contractVersion": "=1.4.3"}, source(), seen(), NOT_MET, UNKNOWN),
    "legal basis": (
        "legal basis",
        {"legalBases": ["public-task", "consent"]},
        source(legalBasis="public-task"),
        seen(),
        MET,
        UNKNOWN,
    ),
    "legal basis, another": (
        "legal basis",
        {"legalBases": ["consent"]},
        source(legalBasis="public-task"),
        seen(),
        NOT_MET,
        UNKNOWN,
    ),
    "legal basis, none": ("legal basis", {"legalBases": ["consent"]}, source(), seen(), UNKNOWN, UNKNOWN),
    "class": (
        "security class",
        {"maximumSecurityClass": "internal"},
        source(securityClass="internal"),
        None,
        MET,
        UNKNOWN,
    ),
    "class, lighter": (
        "security class",
        {"maximumSecurityClass": "internal"},
        source(securityClass="public"),
        None,
        MET,
        UNKNOWN,
    ),
    "class, heavier": (
        "security class",
        {"maximumSecurityClass": "internal"},
        source(securityClass="confidential"),
        None,
        NOT_MET,
        UNKNOWN,
    ),
    "class, none": ("security class", {"maximumSecurityClass": "internal"}, source(), None, UNKNOWN, UNKNOWN),
    # what is not for everybody must be named
    "rights, not named": ("access rights", {}, source(accessRights="restricted"), None, NOT_MET, UNKNOWN),
    "purpose, not named": (
        "purpose",
        {"accessRights": ["restricted"]},
        source(accessRights="restricted"),
        None,
        NOT_MET,
        UNKNOWN,
    ),
    "legal basis, not named": ("legal basis", {}, source(legalBasis="public-task"), None, NOT_MET, UNKNOWN),
    "class, not named": ("security class", {}, source(securityClass="internal"), None, NOT_MET, UNKNOWN),
    "licence": ("licence", {"licences": ["CC0-1.0", "cc-by-4.0"]}, source(), None, MET, UNKNOWN),
    "licence, another": ("licence", {"licences": ["CC0-1.0"]}, source(), None, NOT_MET, UNKNOWN),
    "provenance": ("provenance", {"provenance": True}, source(provenance="gauges"), None, MET, UNKNOWN),
    "provenance, none": ("provenance", {"provenance": True}, source(), None, NOT_MET, UNKNOWN),
    # units
    "unit, written otherwise": (
        "field rain",
        {"fields": [RAIN]},
        source({"fields": [RAIN | {"unit": "L/m2"}]}),
        seen(fields=(MeasuredField(name="rain", type="number"),)),
        MET,
        MET,
    ),
    "unit, another size": (
        "field rain",
        {"fields": [RAIN]},
        source({"fields": [RAIN | {"unit": "cm"}]}),
        seen(fields=(MeasuredField(name="rain", type="number", unit="cm"),)),
        NOT_MET,
        NOT_MET,
    ),
    "unit, another measure": (
        "field rain",
        {"fields": [RAIN]},
        source({"fields": [TEMPERATURE]}),
        None,
        NOT_MET,
        UNKNOWN,
    ),
    "unit, another zero": (
        "field t",
        {"fields": [TEMPERATURE]},
        source({"fields": [TEMPERATURE | {"unit": "K"}]}),
        seen(fields=(MeasuredField(name="t", type="number", unit="degC"),)),
        NOT_MET,
        MET,
    ),
    "unit, not known": (
        "field rain",
        {"fields": [RAIN]},
        source({"fields": [RAIN | {"unit": "m+NAP"}]}),
        seen(fields=(MeasuredField(name="rain", type="number", unit="bucketfuls"),)),
        UNKNOWN,
        UNKNOWN,
    ),
    "field, the data tells none": ("field rain", {"fields": [RAIN]}, source({"fields": [RAIN]}), seen(), MET, UNKNOWN),
    # space
    "geometry": (
        "geometry type",
        {"geometryTypes": ["Point", "MultiPoint"]},
        source({"geometryType": "Point"}),
        seen(geometry_type="Polygon"),
        MET,
        NOT_MET,
    ),
    "geometry, unknown": ("geometry type", {"geometryTypes": ["Point"]}, source(), seen(), UNKNOWN, UNKNOWN),
    "crs": ("crs", {"crs": ["EPSG:28992"]}, source({"crs": "EPSG:28992"}), seen(crs=("EPSG:28992",)), MET, MET),
    "crs, as URI and URN": (
        "crs",
        {"crs": ["EPSG:28992"]},
        source({"crs": "http://www.opengis.net/def/crs/EPSG/0/28992"}),
        seen(crs=("OGC:CRS84", "urn:ogc:def:crs:EPSG::28992")),
        MET,
        MET,
    ),
    "crs, the order of axes aside": ("crs", {"crs": ["EPSG:4326"]}, source({"crs": "OGC:CRS84"}), None, MET, UNKNOWN),
    "crs, another": (
        "crs",
        {"crs": ["EPSG:28992"]},
        source({"crs": "EPSG:3857"}),
        seen(crs=("EPSG:4326",)),
        NOT_MET,
        NOT_MET,
    ),
    "crs, with heights besides": (
        "crs",
        {"crs": ["EPSG:28992"]},
        source({"crs": "EPSG:7415"}),
        seen(crs=("urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709",)),
        MET,
        MET,
    ),
    "crs, heights are not there": (
        "crs",
        {"crs": ["EPSG:7415"]},
        source({"crs": "EPSG:28992"}),
        seen(crs=("EPSG:4326",)),
        NOT_MET,
        NOT_MET,
    ),
    "crs, heights of one datum": (
        "crs",
        {"crs": ["EPSG:7415"]},
        source({"crs": "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709"}),  # NAP
        seen(crs=("urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5710",)),  # Ostend
        MET,
        NOT_MET,
    ),
    "crs, heights above the ellipsoid": (
        "crs",
        {"crs": ["EPSG:4326"]},
        source({"crs": "EPSG:4979"}),
        seen(crs=("OGC:CRS84h",)),
        MET,
        MET,
    ),
    "crs, not known": ("crs", {"crs": ["EPSG:28992"]}, source({"crs": "EPSG:999999"}), seen(), UNKNOWN, UNKNOWN),
    "coverage": (
        "coverage",
        {"coverage": {"minimumPercent": 100}},
        source({"extent": WHOLE}),
        seen(extent=HALF),
        MET,
        NOT_MET,
    ),
    "coverage, in degrees": (
        "coverage",
        {"coverage": {"minimumPercent": 99}},
        source({"extent": WHOLE_WGS84}),
        seen(extent=ELSEWHERE),
        MET,
        NOT_MET,
    ),
    "coverage, half is enough": (
        "coverage",
        {"coverage": {"minimumPercent": 50}},
        source(),
        seen(extent=HALF),
        UNKNOWN,
        MET,
    ),
    "coverage, of an extent of the app's": (
        "coverage",
        {"coverage": {"minimumPercent": 60, "extent": WHOLE}},
        source({"extent": HALF}),
        None,
        NOT_MET,
        UNKNOWN,
    ),
    "coverage, crs not known": (
        "coverage",
        {"coverage": {"minimumPercent": 1}},
        source({"extent": extent("EPSG:999999", 0, 0, 1, 1)}),
        seen(extent=extent("EPSG:28992", "1e9", 0, 1, 1) | {"bbox": ["9" * 30, "0", "1", "1"]}),
        UNKNOWN,
        NOT_MET,
    ),
    # time
    "resolution, written otherwise": (
        "time resolution",
        {"timeResolution": "P1D"},
        source({"timeResolution": "PT24H"}),
        seen(time_resolution="P7D"),
        MET,
        NOT_MET,
    ),
    "freshness": (
        "freshness",
        {"freshness": "P1D"},
        source({"freshness": "PT1H"}),
        seen(last="2026-06-02T11:00:00Z"),
        MET,
        MET,
    ),
    "freshness, a day counts to its end": (
        "freshness",
        {"freshness": "P1D"},
        source(),
        seen(last="2026-06-01"),
        UNKNOWN,
        MET,
    ),
    "freshness, stale": (
        "freshness",
        {"freshness": "P1D"},
        source({"freshness": "P2D"}),
        seen(last="2026-06-01T11:59:59Z"),
        NOT_MET,
        NOT_MET,
    ),
    "freshness, unknown": ("freshness", {"freshness": "P1D"}, source(), seen(), UNKNOWN, UNKNOWN),
    # volume and quality
    "size": ("size", {"maximumSizeBytes": 1000}, source({"sizeBytes": 1000}), seen(size_bytes=1001), MET, NOT_MET),
    "rows": ("quality enough", {"quality": [ENOUGH]}, source({"records": 100}), seen(records=99), MET, NOT_MET),
    "nulls": (
        "quality complete",
        {"quality": [NO_NULLS]},
        source({"fields": [{"name": "level", "type": "number", "required": True}]}),
        seen(fields=(MeasuredField(name="level", type="number", empty=6),), sampled=100),
        MET,
        NOT_MET,
    ),
    "nulls, at the bound": (
        "quality complete",
        {"quality": [NO_NULLS]},
        source({"quality": [NO_NULLS | {"value": "4"}]}),
        seen(fields=(MeasuredField(name="level", type="number", empty=5),), sampled=100),
        MET,
        MET,
    ),
    "nulls, a weaker promise": (
        "quality complete",
        {"quality": [NO_NULLS]},
        source({"quality": [NO_NULLS | {"value": "6"}]}),
        seen(fields=(MeasuredField(name="level", type="number"),)),
        NOT_MET,
        UNKNOWN,
    ),
    "nulls, in rows of a sample": (
        "quality complete",
        {"quality": [NO_NULLS | {"unit": "rows"}]},
        source(),
        seen(fields=(MeasuredField(name="level", type="number", empty=1),), sampled=100, records=200),
        UNKNOWN,
        UNKNOWN,
    ),
    "missing values": (
        "quality complete",
        {"quality": [NO_NULLS | {"metric": "missingValues"}]},
        source({"fields": [LEVEL_OR_9999]}),
        seen(fields=(MeasuredField(name="level", type="number", empty=50),), sampled=100, records=100),
        UNKNOWN,
        NOT_MET,
    ),
    "nulls, among what is missing": (
        "quality complete",
        {"quality": [NO_NULLS]},
        source({"fields": [LEVEL_OR_9999]}),
        seen(fields=(MeasuredField(name="level", type="number", empty=50),), sampled=100, records=100),
        UNKNOWN,
        UNKNOWN,
    ),
    "nulls, less than what is missing": (
        "quality complete",
        {"quality": [NO_NULLS]},
        source({"fields": [LEVEL_OR_9999]}),
        seen(fields=(MeasuredField(name="level", type="number", empty=0),), sampled=100, records=100),
        UNKNOWN,
        MET,
    ),
    "period, its middle is missing": (
        "period",
        COMPLETE,
        source({"temporalExtent": {"start": "2012-01-01", "end": "2017-01-01"}}),
        seen(first="2012-01-01", last="2017-01-01", records=60, time_resolution="P1D"),
        MET,
        NOT_MET,
    ),
    "period, a few days are missing": (
        "period",
        COMPLETE,
        source(),
        seen(first="2012-01-01", last="2017-01-01", records=658, time_resolution="P1D"),  # 90% of 731
        UNKNOWN,
        MET,
    ),
    # service levels
    "latency, in another unit": (
        "service level latency",
        level("2", "h"),
        source(**promise("90", "min")),
        seen(last=AN_HOUR_AGO),
        MET,
        MET,
    ),
    "latency, the newest record is too old": (
        "service level latency",
        level("30", "min"),
        source(),
        seen(last=AN_HOUR_AGO),
        UNKNOWN,
        NOT_MET,
    ),
    "latency, of a day is counted from its end": (
        "service level latency",
        level("1", "d"),
        source(),
        seen(last=YESTERDAY),
        UNKNOWN,
        MET,
    ),
    "latency, not the time that an answer takes": (
        "service level latency",
        level("4", "d"),
        source(),
        seen(latency_milliseconds=120),
        UNKNOWN,
        UNKNOWN,
    ),
    "frequency, not the time between records": (
        "service level frequency",
        level("1", "d", name="frequency"),
        source(**promise("1", "h", "frequency")),
        seen(time_resolution="PT1H"),
        MET,
        UNKNOWN,
    ),
    "availability": (
        "service level availability",
        level("99", "%", "mustBeGreaterOrEqualTo", "availability"),
        source(**promise("0.995", "1", "availability")),
        seen(),
        MET,
        UNKNOWN,
    ),
}


@pytest.mark.parametrize(("name", "asks", "offered", "observed", "declared", "measured"), TABLE.values(), ids=TABLE)
def test_check(
    name: str,
    asks: dict[str, Any],
    offered: DataSource,
    observed: SourceObservation | None,
    declared: Verdict,
    measured: Verdict,
) -> None:
    result = next(c for c in match(requirement(**asks), offered, observed, HERE) if c.name == name)
    assert (result.declared, result.measured) == (declared, measured), result.message
    assert result.message.startswith("needs ")


def message(name: str, asks: dict[str, Any], offered: DataSource, observed: SourceObservation | None = None) -> str:
    return next(c.message for c in match(requirement(**asks), offered, observed, HERE) if c.name == name)


def test_messages_say_what_would_fix_it() -> None:
    daily = seen(time_resolution="P1D")
    assert message("time resolution", {"timeResolution": "PT1H"}, source({"timeResolution": "P1D"}), daily) == (
        "needs hourly (PT1H) values; the contract says daily (P1D), the data gives daily (P1D)"
    )
    assert message("field rain", {"fields": [RAIN]}, source({"fields": [RAIN | {"unit": "cm"}]})) == (
        "needs rain as number in mm; the contract says number in cm (1 cm = 10 mm)"
    )
    why = SourceFacts(unknown=(UnknownFact(fact="records", reason="the server does not tell numberMatched"),))
    seen_it = SourceObservation("Reachable", "Reachable", "", why)
    assert message("records", {"minimumRecords": 5}, source(), seen_it) == (
        "needs 5 records; the contract says nothing, the data gives no answer (the server does not tell numberMatched)"
    )
    assert message("coverage", {"coverage": {"minimumPercent": 95}}, source(), seen(extent=HALF)) == (
        "needs 95% of the municipality; the contract's extent is not known, the data has 50%"
    )


def test_a_platform_without_an_area_cannot_tell_its_coverage() -> None:
    asked = requirement(coverage={"minimumPercent": 95})
    result = next(c for c in match(asked, source({"extent": WHOLE}), None, NOWHERE) if c.name == "coverage")
    assert (result.declared, result.measured) == (UNKNOWN, UNKNOWN)
    assert "spec.municipality.area" in result.message


def test_what_is_met_says_nothing_that_moves_on_with_time() -> None:
    """A growing source would else change the status of each Installation at each look."""
    asks = {"minimumRecords": 10, "freshness": "P1D", "quality": [ENOUGH], "maximumSizeBytes": 10**9}

    def checks(records: int, last: str) -> tuple[Check, ...]:
        return match(requirement(**asks), source(), seen(records=records, last=last, size_bytes=records), HERE)

    assert checks(100, "2026-06-02T10:00:00Z") == checks(101, "2026-06-02T11:00:00Z")


UNITS: dict[tuple[str, str], bool | None] = {
    ("mm", "mm"): True,
    ("mm", "L/m2"): True,
    ("mm", "l/m^2"): True,
    ("mm/d", "mm/day"): True,
    ("m3/s", "m**3/s"): True,
    ("m3/s", "L/s"): False,
    ("kW.h", "kWh"): True,
    ("Cel", "degC"): True,
    ("Cel", "K"): False,
    ("ug/m3", "µg/m3"): True,
    ("ug/m3", "μg/m3"): True,
    ("%", "percent"): True,
    ("%", "1"): False,
    ("[ppm]", "ppm"): True,
    ("{veh}/h", "1/h"): False,
    ("{veh}/h", "{veh}/min"): False,
    ("{veh}/h", "{pers}/h"): False,
    ("{veh}/h", "/h.{veh}"): True,
    ("m{NAP}", "m"): False,
    ("har", "ha"): True,
    ("wk", "week"): True,
    ("[degF]", "degF"): True,
    ("[ppb]", "ug/kg"): True,
    ("kOhm", "kohm"): True,
    ("10*3.m3", "ML"): True,
    ("10^6.L", "10*3.m3"): True,
    ("J/(kg.K)", "m2/s2/K"): True,
    ("(m3/s)/(km2)", "m3.s-1.km-2"): True,
    ("m³/s", "m3/s"): True,
    ("W·m⁻²", "W/m2"): True,
    ("µg/m³", "ug/m3"): True,
    ("dB(A)", "dB[A]"): True,
    ("dB(A)", "dBA"): True,
    ("dB(A)", "dB(C)"): False,
    ("dB(A)", "dB"): False,
    ("dB", "1"): False,
    ("[pH]", "[pH]"): True,
    ("[pH]", "H"): None,
    ("m3.", "m3"): None,
    ("m)", "m"): None,
    ("()", "m"): None,
    ("m m", "m2"): None,
    ("km/h", "m/s"): False,
    ("mm", "d"): False,
    ("m+NAP", "m+NAP"): True,
    ("m+NAP", "m"): None,
    ("bucketful", "L"): None,
    ("10**10**10", "m"): None,
    ("m**99999999", "m"): None,
    ("((((((((m", "m"): None,
    ("__import__('os')", "m"): None,
    ("m", ""): None,
}


@pytest.mark.parametrize(("pair", "expected"), UNITS.items(), ids=lambda value: str(value))
def test_units_are_compared_by_what_they_measure(pair: tuple[str, str], expected: bool | None) -> None:
    assert units.same(*pair) is expected
    assert units.same(*reversed(pair)) is expected


def test_values_are_converted() -> None:
    assert units.convert(1.5, "h", "min") == pytest.approx(90)
    assert units.convert(0, "Cel", "K") == pytest.approx(273.15)
    assert units.convert(1, "h", "m") is None


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("PT1H", 3600),
        ("P1D", 86400),
        ("P1W", 604800),
        ("P1DT1H30M5S", 91805),
        ("P1Y", 31556952),
        ("P99999999999Y", None),
        ("1H", None),
    ],
)
def test_durations(duration: str, seconds: int | None) -> None:
    found = periods.span(duration)
    assert (None if found is None else round(found.total_seconds())) == seconds


def test_a_broken_area_has_no_coverage() -> None:
    whole = source({"extent": WHOLE}).contract.extent
    assert whole is not None
    for wkt in ("POLYGON((0 0, 1 1", "POLYGON((0 0, 1 1, 0 0, 0 0))"):
        assert space.covered_percent(Area(crs="EPSG:28992", wkt=wkt), whole) is None
    bow = Area(crs="EPSG:28992", wkt="POLYGON((80000 450000, 90000 460000, 90000 450000, 80000 460000, 80000 450000))")
    assert space.covered_percent(bow, whole) is None


def crossing(points: int) -> str:
    """A ring of a quarter of the points' square of crossings."""
    ring = [(7 * i % 997, 13 * i * i % 991) for i in range(points)]
    return f"POLYGON(({','.join(f'{x} {y}' for x, y in [*ring, ring[0]])}))"


@pytest.mark.parametrize(
    ("wkt", "crs", "said"),
    [
        ("POLYGON((0 0, 10 10, 10 0, 0 10, 0 0))", "EPSG:28992", r".wkt is no valid polygon (Self-intersection[5 5])"),
        (crossing(450), "EPSG:28992", ".wkt is no valid polygon (Self-intersection["),
        (crossing(1600), "EPSG:28992", ".wkt has more than 1000 points: simplify it"),
        ("POLYGON((0 0, 1 1", "EPSG:28992", ".wkt cannot be read"),
        ("POLYGON((0 0, 1 1, 0 0, 0 0))", "EPSG:28992", ".wkt is no valid polygon"),
        ("MULTIPOLYGON (EMPTY)", "EPSG:28992", ".wkt encloses nothing"),
        ("POLYGON((0 0, 10 10, 10 0, 0 0))", "EPSG:99999", ".crs is not known"),
    ],
)
def test_an_area_that_cannot_be_used_is_named(wkt: str, crs: str, said: str) -> None:
    area = Area(crs=crs, wkt=wkt)
    assert (space.fault(area) or "").startswith(said)
    assert space.covered_percent(area, Extent(crs="EPSG:28992", bbox=("0", "0", "9", "9"))) is None


def test_what_is_not_remembered_is_collected_and_not_worked_out() -> None:
    area = Area(crs="EPSG:28992", wkt="POLYGON((0 0, 10 10, 10 0, 0 0))")
    here, there = (Extent(crs="EPSG:28992", bbox=("0", "0", "9", side)) for side in ("8.75", "9.25"))
    asked: list[Question] = [space.Covered(area, here), space.MeetsCrs("EPSG:28992", "EPSG:4326"), space.Fault(area)]
    questions._answers.clear()
    with questions.elsewhere() as collected:
        assert space.covered_percent(area, here) is None
        assert space.meets_crs("EPSG:28992", "EPSG:4326") is None
        assert space.fault(area) is None
        assert list(collected) == asked
        questions.learn(asked[0], 42.0)
        questions.learn(asked[1], False)
        assert space.covered_percent(area, here) == 42.0
        assert space.meets_crs("EPSG:28992", "EPSG:4326") is False
        assert space.meets_crs("EPSG:28992", "EPSG:28992") is True
    assert space.covered_percent(area, there) == pytest.approx(81.5, abs=20)
    questions.learn(asked[0], None)


@pytest.mark.parametrize(
    ("version", "comparators", "expected"),
    [
        ("1.2.0", ">=1.2.0 <2.0.0", True),
        ("2.0.0", ">=1.2.0 <2.0.0", False),
        ("2.0.0-rc.1", "<2.0.0", True),
        ("1.2.0", "1.2.0", True),
        ("1.2.0+build", "1.2.0", True),
        ("1.2.0", ">=1.02.0", None),
    ],
)
def test_ranges_of_versions(version: str, comparators: str, expected: bool | None) -> None:
    assert within(version, comparators) is expected


# ---- properties ----

# Each constraint from loose to strict: what meets a later one meets all before it.
LADDERS: dict[str, list[Any]] = {
    "contractVersion": [">=1.0.0", ">=1.0.0 <2.0.0", ">=1.4.0 <2.0.0", "1.4.2"],
    "accessRights": [["public", "restricted", "non-public"], ["public", "restricted"], ["public"]],
    "licences": [["CC0-1.0", "CC-BY-4.0", "other"], ["CC0-1.0", "CC-BY-4.0"], ["CC0-1.0"]],
    "maximumSecurityClass": ["secret", "confidential", "internal", "public"],
    "geometryTypes": [["Point", "Polygon"], ["Point"]],
    "crs": [["EPSG:28992", "EPSG:4326", "EPSG:3857"], ["EPSG:28992", "EPSG:4326"], ["EPSG:28992"]],
    "coverage": [{"minimumPercent": percent} for percent in (1, 50, 100)],
    "freshness": ["P1Y", "P1M", "P1D", "PT1H"],
    "minimumRecords": [1, 100, 1000],
    "maximumSizeBytes": [10**9, 10**6, 10**3],
    "fields": [[RAIN | {"type": "string", "unit": "mm"}], [RAIN], [RAIN, TEMPERATURE]],
    "quality": [[NO_NULLS | {"value": "50"}], [NO_NULLS], [NO_NULLS, ENOUGH]],
    "serviceLevels": [level(value, "s")["serviceLevels"] for value in ("10", "1", "0.1")],
    "entity": ["Gauge"],
    "provenance": [True],
    "timeResolution": ["P1D"],
    "history": [False, True],
}
rungs = st.fixed_dictionaries({}, optional={name: st.integers(0, len(steps) - 1) for name, steps in LADDERS.items()})


def climbed(rung: dict[str, int]) -> DataRequirement:
    """With access rights and a purpose in any case: without them a requirement is for public data alone."""
    widest = {"accessRights": LADDERS["accessRights"][0], "purpose": "flood-prevention"}
    return requirement(**widest | {name: LADDERS[name][n] for name, n in rung.items()})


offers = st.builds(
    lambda contract, declares: source(contract, **declares),
    st.fixed_dictionaries(
        {},
        optional={
            "entity": st.sampled_from(["Gauge", "Tree"]),
            "geometryType": st.sampled_from(["Point", "Polygon"]),
            "crs": st.sampled_from(["EPSG:28992", "urn:ogc:def:crs:EPSG::4326", "EPSG:999999"]),
            "extent": st.sampled_from([WHOLE, HALF, WHOLE_WGS84, ELSEWHERE]),
            "freshness": st.sampled_from(["PT10M", "P1D", "P1W"]),
            "timeResolution": st.sampled_from(["PT24H", "PT1H"]),
            "temporalExtent": st.sampled_from([{"start": "2010-01-01", "end": "2020-01-01"}]),
            "records": st.sampled_from([0, 50, 500, 5000]),
            "sizeBytes": st.sampled_from([10, 10**5, 10**8]),
            "fields": st.sampled_from(
                [[RAIN], [RAIN | {"unit": "L/m2", "required": True}, TEMPERATURE], [TEMPERATURE]]
            ),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "accessRights": st.sampled_from(["public", "restricted", "non-public"]),
            "licence": st.sampled_from(["CC0-1.0", "CC-BY-4.0"]),
            "securityClass": st.sampled_from(["public", "internal", "confidential", "secret"]),
            "provenance": st.just("gauges"),
            "serviceLevels": st.sampled_from([promise(v, u)["serviceLevels"] for v, u in (("500", "ms"), ("5", "s"))]),
        },
    ),
)
looks = st.one_of(
    st.none(),
    st.just(SourceObservation("Unreachable", "TooSlow", "no answer")),
    st.builds(
        lambda facts: SourceObservation("Reachable", "Reachable", "", SourceFacts.model_validate(facts), NOW),
        st.fixed_dictionaries(
            {},
            optional={
                "geometry_type": st.sampled_from(["Point", "Polygon"]),
                "crs": st.sampled_from([("OGC:CRS84",), ("EPSG:28992", "EPSG:4326"), ("EPSG:999999",)]),
                "extent": st.sampled_from([WHOLE, HALF, ELSEWHERE]),
                "first": st.just("2009-12-31"),
                "last": st.sampled_from(["2026-06-02T11:30:00Z", "2026-06-01", "2020-01-01"]),
                "records": st.sampled_from([0, 50, 500, 5000]),
                "sampled": st.sampled_from([0, 50, 500]),
                "size_bytes": st.sampled_from([10, 10**5, 10**8]),
                "time_resolution": st.sampled_from(["P1D", "PT1H"]),
                "latency_milliseconds": st.sampled_from([5, 150, 1500, 30000]),
                "fields": st.sampled_from(
                    [
                        (
                            MeasuredField(name="rain", type="integer"),
                            MeasuredField(name="level", type="number", empty=9),
                        ),
                        (MeasuredField(name="rain", type="number", unit="cm"), MeasuredField(name="t", type="number")),
                        (MeasuredField(name="level", type="number", empty=30),),
                    ]
                ),
            },
        ),
    ),
)
RANK = {NOT_MET: 0, UNKNOWN: 1, MET: 2}


@given(rungs, rungs, offers, looks)
def test_a_stricter_requirement_never_fits_more(
    rung: dict[str, int], more: dict[str, int], offered: DataSource, observed: SourceObservation | None
) -> None:
    """In whatever it is stricter: every constraint climbs its ladder, and new ones come.

    A security class that is named first is no stricter: without one a requirement is for public data alone.
    """
    new = {name: n for name, n in more.items() if name != "maximumSecurityClass" or name in rung}
    higher = rung | {name: max(n, rung.get(name, 0)) for name, n in new.items()}
    loose = verdict(match(climbed(rung), offered, observed, HERE))
    strict = verdict(match(climbed(higher), offered, observed, HERE))
    assert RANK[strict] <= RANK[loose]


@given(rungs, st.lists(st.tuples(offers, looks), max_size=4), offers, looks, st.randoms(use_true_random=False))
def test_more_sources_and_another_order(
    rung: dict[str, int],
    city: list[tuple[DataSource, SourceObservation | None]],
    more: DataSource,
    observed: SourceObservation | None,
    chance: Any,
) -> None:
    """One more source never turns Met into NotMet, and the order in which sources are listed does not matter."""

    def answer(offered: list[tuple[DataSource, SourceObservation | None]]) -> Bound:
        sources = [s.model_copy(update={"name": f"s{n}"}) for n, (s, _) in enumerate(offered)]
        seen = {s.name: o for s, (_, o) in zip(sources, offered, strict=True) if o is not None}
        first = bind(climbed(rung), sources, seen, HERE, None)
        chance.shuffle(sources)
        assert bind(climbed(rung), sources, seen, HERE, None) == first
        return first

    before = answer(city).binding.verdict
    after = answer([*city, (more, observed)]).binding.verdict
    if before is not NOT_MET:
        assert after is not NOT_MET
    Binding.model_validate(answer(city).binding.model_dump())  # within the bounds of the status
