"""What a platform says of its sources and of the store's apps: conformance, what is written when, and the catalogue."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from builders import FACTS, NOW, REACHABLE, UNREACHABLE, City, platform_body, source, version

from ddtas.api.base import Verdict
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.decision.catalogue import fit, hypothetical, installable
from ddtas.plan.decision.situation import Situation
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.status.platform import platform_status

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN


# ---- conformance ----

PROMISES: dict[str, Any] = platform_body()["spec"]["dataSources"][0]["contract"]
RULE = {"name": "enough", "metric": "rowCount", "operator": "mustBeGreaterThan", "value": "1000", "unit": "rows"}
BOX = {"crs": "EPSG:28992", "bbox": ["80000", "450000", "90000", "460000"]}
FAR = {"crs": "EPSG:28992", "bbox": ["180000", "450000", "190000", "460000"]}

# id: promises beside the example's, facts besides those found there → verdict, a part of the first fault
CONFORMANCE: dict[str, tuple[dict[str, Any], dict[str, Any], Verdict, str]] = {
    "as promised": ({}, {}, MET, ""),
    "a field is gone": ({}, {"fields": FACTS.fields[1:]}, NOT_MET, "the data has no such field"),
    "a type changed": (
        {},
        {"fields": (*FACTS.fields[:3], MeasuredField(name="discharge_m3s", type="string"))},
        NOT_MET,
        "the data holds string values",
    ),
    "a unit changed": (
        {},
        {"fields": (*FACTS.fields[:3], MeasuredField(name="discharge_m3s", type="number", unit="L/s"))},
        NOT_MET,
        "the data holds number in L/s (1 L/s = 0.001 m3/s) values",
    ),
    "another crs": ({"crs": "EPSG:28992"}, {"crs": ("EPSG:4326",)}, NOT_MET, "EPSG:28992"),
    "elsewhere": ({"extent": BOX}, {"extent": FAR}, NOT_MET, "50% of the promised extent"),
    "another geometry": ({"geometryType": "Point"}, {"geometry_type": "Polygon"}, NOT_MET, "Polygon"),
    "another rhythm": ({}, {"time_resolution": "PT1H"}, NOT_MET, "hourly (PT1H)"),
    "a year is missing": ({}, {"last": "2015-12-31"}, NOT_MET, "2015-12-31"),
    "stale": ({"freshness": "P1D"}, {}, NOT_MET, "the newest is of 2016-12-31"),
    "fresh": ({"freshness": "P1D"}, {"last": NOW.date().isoformat()}, MET, ""),
    "too few": ({"quality": [RULE]}, {"records": 1000}, NOT_MET, "rowCount > 1000 rows"),
    "a value is missing": (
        {"fields": [{"name": "date", "type": "date", "required": True}]},
        {"fields": (MeasuredField(name="date", type="date", empty=1),)},
        NOT_MET,
        "in each record",
    ),
}


@pytest.mark.parametrize(("promises", "found", "verdict", "fault"), CONFORMANCE.values(), ids=CONFORMANCE)
def test_conformance(promises: dict[str, Any], found: dict[str, Any], verdict: Verdict, fault: str) -> None:
    facts = SourceFacts.model_validate(FACTS.model_dump() | found)
    answer = conformance(source(contract=PROMISES | promises), facts, NOW)
    assert answer.verdict is verdict
    assert bool(answer.faults) is (verdict is NOT_MET)
    assert fault in "".join(answer.faults[:1])


def test_what_the_probe_cannot_tell_is_neither_a_fault_nor_a_proof() -> None:
    answer = conformance(source(contract=PROMISES | {"crs": "EPSG:28992", "extent": BOX}), SourceFacts(), NOW)
    assert answer == (UNKNOWN, ())


# ---- what is written, and when ----


def observed(minutes: int, **facts: Any) -> SourceObservation:
    found = FACTS.model_copy(update=facts)
    return SourceObservation("Reachable", "Reachable", "", found, NOW + timedelta(minutes=minutes))


class Oup:
    """A platform whose status is kept from look to look, as the API server does."""

    def __init__(self, **spec: Any) -> None:
        self.body = platform_body()
        self.body["spec"] |= spec

    def look(self, minutes: int, seen: SourceObservation | dict[str, SourceObservation]) -> MunicipalityPlatformStatus:
        observations = seen if isinstance(seen, dict) else {"river-gauge": seen}
        digests = {s["name"]: "abc" for s in self.body["spec"]["dataSources"]}
        now = NOW + timedelta(minutes=minutes)
        status = platform_status(MunicipalityPlatform.parse(self.body), observations, digests, (), now)
        self.body["status"] = status.dump()
        return status


def test_what_only_moves_on_is_written_once_an_hour() -> None:
    oup = Oup()
    first = oup.look(0, observed(0))
    assert oup.look(5, observed(5, records=1828, latency_milliseconds=7)) == first
    assert oup.look(59, observed(59, records=1900)) == first
    renewed = oup.look(60, observed(60, records=1901))
    facts = renewed.data_sources[0].facts
    assert facts is not None
    assert facts.records == 1901
    assert renewed.data_sources[0].since == first.data_sources[0].since
    assert renewed.data_sources[0].probed_at == NOW + timedelta(minutes=60)


@pytest.mark.parametrize(
    "change",
    [
        {"fields": FACTS.fields[1:]},
        {"crs": ("EPSG:4326",)},
        {"time_resolution": "PT1H"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_matters_is_written_at_once(change: dict[str, Any]) -> None:
    oup = Oup()
    first = oup.look(0, observed(0))
    assert oup.look(5, observed(5, **change)) != first


def test_drift_shows_as_a_condition_with_source_and_fault() -> None:
    oup = Oup()
    assert oup.look(0, observed(0)).conformant == "1/1"
    status = oup.look(5, observed(5, time_resolution="PT1H"))
    conditions = {c.type: c for c in status.conditions}
    assert conditions["SourcesReachable"].status == "True"
    assert (conditions["SourcesConformant"].status, conditions["SourcesConformant"].reason) == (
        "False",
        "SourcesNotConformant",
    )
    assert "river-gauge: daily (P1D) values" in conditions["Ready"].message
    assert status.conformant == "0/1"
    assert status.data_sources[0].conformant is NOT_MET


def test_very_many_wide_sources_stay_within_what_an_object_can_hold() -> None:
    fields = tuple(MeasuredField(name=f"column_{i:050}", type="number") for i in range(128))
    body = platform_body()["spec"]["dataSources"][0]
    many = [body | {"name": f"source-{i:03}"} for i in range(500)]
    wide = SourceObservation("Reachable", "Reachable", "", FACTS.model_copy(update={"fields": fields}), NOW)
    status = Oup(dataSources=many).look(0, {s["name"]: wide for s in many})
    assert len(status.model_dump_json(by_alias=True, exclude_defaults=True)) < 1_400_000
    # What was left out is not taken for knowledge after a restart.
    assert {s.probe for s in status.data_sources if s.facts and not s.facts.fields} == {None}
    assert [s.probe for s in status.data_sources][:2] == ["abc", "abc"]


# ---- which apps could run here ----


def catalogue(city: City, number: str = "1.0.0") -> Any:
    snapshot = city.snapshot()
    asked = replace(snapshot, installation=hypothetical("flood-twin", number, "oup", "voorbeeldstad"), children={})
    return fit(Situation.of(asked), version())


def test_an_app_that_could_run() -> None:
    answer = catalogue(City())
    assert (answer.name, answer.version, answer.verdict, answer.missing) == ("flood-twin", "1.0.0", MET, ())


def test_an_app_that_could_run_once_the_user_has_chosen() -> None:
    city = City()
    assert isinstance(city.platform, dict)
    sources = city.platform["spec"]["dataSources"]
    sources.append(sources[0] | {"name": "another"})
    city.observations["another"] = REACHABLE
    assert catalogue(city).verdict is MET


def test_what_is_missing_is_said_for_each_requirement() -> None:
    city = City()
    city.observations["river-gauge"] = SourceObservation(
        "Reachable", "Reachable", "", FACTS.model_copy(update={"time_resolution": "P7D"})
    )
    answer = catalogue(city)
    assert answer.verdict is NOT_MET
    assert answer.missing == (
        "discharge-series: river-gauge: needs daily (P1D) values; the contract says daily (P1D), the data gives weekly "
        "(P7D)",
    )


def test_a_source_that_cannot_be_read_leaves_it_open() -> None:
    city = City()
    city.observations["river-gauge"] = UNREACHABLE
    answer = catalogue(city)
    assert answer.verdict is UNKNOWN
    assert answer.missing[0].startswith("discharge-series: river-gauge: TooSlow")
    city.observations.clear()
    assert catalogue(city).verdict is UNKNOWN


def test_a_secret_that_is_not_there_is_named() -> None:
    city = City()
    city.secrets.clear()
    answer = catalogue(city)
    assert answer.verdict is UNKNOWN
    assert "water-board" in answer.missing[0]


def test_a_platform_that_is_too_small_is_told_so() -> None:
    city = City()
    assert isinstance(city.platform, dict)
    city.platform["spec"]["limits"] = {"cpu": "10m", "memory": "1Mi"}
    answer = catalogue(city)
    assert answer.verdict is NOT_MET
    assert "spec.limits" in answer.missing[0]


def test_a_city_parameter_that_is_not_given_is_missing() -> None:
    city = City()
    assert isinstance(city.platform, dict)
    city.platform["spec"]["parameters"] = {}
    answer = catalogue(city)
    assert answer.verdict is NOT_MET
    assert "catchmentAreaKm2" in answer.missing[0] or "areaKm2" in answer.missing[0]


def test_the_newest_version_counts_unless_it_may_not_be_installed() -> None:
    city = City()
    assert isinstance(city.listing, dict)
    versions = city.listing["spec"]["versions"]
    versions += [
        versions[0] | {"version": v, "state": state} for v, state in (("1.10.0", "Active"), ("2.0.0", "Withdrawn"))
    ]
    listing = city.snapshot().listing
    assert not isinstance(listing, (str, type(None)))
    newest = installable(listing)  # type: ignore[arg-type]
    assert newest is not None
    assert newest.version == "1.10.0"
