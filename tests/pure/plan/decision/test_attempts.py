"""A retry is not a new exam: whoever fails five times, under whatever name, waits for newer data."""

import copy
from typing import Any

import pytest
from builders import City, calibration_report, score_report, scored_listing_body

from ddtas.plan.findings import Stage
from ddtas.plan.snapshot import Child
from ddtas.scoring.report import ScoreReport
from ddtas.settings import StorePolicy

OTHER = {
    "calibration": {"start": "2013-01-01", "end": "2013-12-31"},
    "validation": {"start": "2014-01-01", "end": "2014-12-31"},
}


def passing(nse: str = "0.72", truth: str = "0") -> str:
    report = ScoreReport.unsealed(score_report(NSE=float(nse), RSR=0.53, absPBIAS=4.2))
    (about,) = report.predicted
    return report.model_copy(
        update={"predicted": (about.model_copy(update={"truth": f"sha256:{truth * 64}"}),)}
    ).sealed()


def city(**more: Any) -> City:
    return City(listing=scored_listing_body(), **more)


def taken(city: City) -> list[dict[str, Any]]:
    assert isinstance(city.platform, dict)
    found: list[dict[str, Any]] = city.platform["status"]["attempts"]
    return found


def runs(city: City, phase: str) -> list[Child]:
    """The Jobs of a phase of the newest revision."""
    newest = city.installation["status"].get("revision")
    return [c for c in city.children.values() if c.kind == "Job" and c.phase == phase and c.revision == newest]


def until_exam(city: City) -> None:
    """Go on until calibration has passed, and its exam is awaited."""
    city.settle()
    if runs(city, "calibrate"):
        city.finish("calibrate", "", city.installation["status"]["revision"], calibration_report(cmax=412.5))
        city.settle()


def take(city: City, nse: str, truth: str = "0") -> None:
    """Take the exam, with that score."""
    until_exam(city)
    city.examine()
    city.settle()
    if runs(city, "validate"):
        city.finish("validate", "", city.installation["status"]["revision"], passing(nse, truth))
        city.settle()
        city.examine()


def test_no_run_is_started_before_its_attempt_is_written_down() -> None:
    there = city()
    until_exam(there)
    assert not runs(there, "validate")
    condition = there.condition("Validated")
    assert (condition["status"], condition["reason"]) == ("Unknown", "Validating")
    assert "is being written down in the status of platform oup" in condition["message"]
    (revision,) = there.installation["status"]["revisions"]
    (held,) = revision["exam"]
    assert held["window"] == {"start": "2015-01-01", "end": "2016-12-31"}
    there.examine()
    there.settle()
    assert runs(there, "validate")
    (entry,) = taken(there)
    assert (entry["installation"], entry["exam"], entry["number"]) == ("flood", [held], 1)
    assert "outcome" not in entry
    there.finish("validate", "", score=passing())
    there.settle()
    there.examine()
    assert taken(there)[0]["outcome"] == "Passed"
    (revision,) = there.installation["status"]["revisions"]
    assert revision["validation"]["attempt"] == 1


def test_who_fails_five_times_waits_for_newer_data_whatever_it_is_called() -> None:
    there = city()
    for n in range(5):
        take(there, "0.12")
        assert there.condition("Validated")["reason"] == "ThresholdNotMet", there.condition("Ready")["message"]
        assert taken(there)[-1]["number"] == n + 1
        again(there, n)
        there.tick(120)
    before = len(there.started)
    there.settle()
    assert len(there.started) == before, "it is calibrated for nothing"
    condition = there.condition("Calibrated")
    assert (condition["status"], condition["reason"]) == ("False", "HoldoutExhausted")
    assert "5 attempts at this exam have failed" in condition["message"]
    assert "begins after 2016-12-31" in condition["message"]
    assert "kubectl logs" not in condition["message"]
    there.examine()
    assert len(taken(there)) == 5
    there.edit(windows=OTHER)  # older ones, here: what counts is that they share no day with those
    take(there, "0.72", truth="1")
    assert there.condition("Validated")["status"] == "True", there.condition("Ready")["message"]
    assert taken(there)[-1]["number"] == 1


def again(city: City, n: int) -> None:
    """Try again: by the annotation, with another Installation of the same name, or of another one."""
    if n % 3 == 0:
        city.annotate(retry=str(n))
    elif n % 3 == 1:
        city.reinstall()
    else:
        renamed(city, f"other-{n}")


def renamed(city: City, name: str) -> None:
    """Delete the Installation, and make another one of another name, with another parameter."""
    city.reinstall()
    city.children = {}
    city.installation["metadata"]["name"] = name
    city.installation["spec"]["parameters"] = {"repetitions": 1000 + len(name)}


def other_source_name(city: City) -> None:
    assert isinstance(city.platform, dict)
    (source,) = [s for s in city.platform["spec"]["dataSources"] if s["name"] == "river-gauge"]
    source["name"] = "renamed-gauge"
    city.observations["renamed-gauge"] = city.observations["river-gauge"]


def other_target_name(city: City) -> None:
    assert isinstance(city.listing, dict)
    city.listing["spec"]["versions"][0]["targets"][0] |= {"name": "runoff", "kind": "Ensemble"}


def shorter_window(city: City) -> None:
    windows = {"calibration": OTHER["calibration"], "validation": {"start": "2016-12-01", "end": "2016-12-31"}}
    city.edit(windows=windows)


@pytest.mark.parametrize("trick", [other_source_name, other_target_name, shorter_window, City.reinstall])
def test_the_same_data_is_the_same_exam(trick: Any) -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.12")
    trick(there)
    there.tick(120)
    there.settle()
    assert there.condition("Calibrated")["reason"] == "HoldoutExhausted"


def test_a_version_that_only_adds_a_key_column_is_the_same_exam() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.12")
    assert isinstance(there.listing, dict)
    (version,) = there.listing["spec"]["versions"]
    there.listing["spec"]["versions"].append(copy.deepcopy(version) | {"version": "9.0.0"})
    there.edit(version="9.0.0")
    there.settle()
    assert there.condition("Calibrated")["reason"] == "HoldoutExhausted"


def test_an_installation_that_is_deleted_before_its_result_is_read_has_failed() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    until_exam(there)
    there.examine()
    there.settle()
    assert runs(there, "validate")
    there.reinstall()
    there.examine()
    assert taken(there)[0]["outcome"] == "Abandoned"
    there.settle()
    assert there.condition("Calibrated")["reason"] == "HoldoutExhausted"


def test_a_crash_costs_no_attempt() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    until_exam(there)
    there.examine()
    there.settle()
    there.fail("validate", "out of luck")
    there.settle()
    assert there.condition("Validated")["reason"] == "RunCrashed"
    there.examine()
    assert taken(there)[0]["outcome"] == "Void"
    there.annotate(retry="1")
    there.tick(120)
    take(there, "0.72")
    assert there.condition("Validated")["status"] == "True"
    assert taken(there)[-1]["number"] == 1


def test_a_status_that_is_lost_costs_no_attempt_of_what_has_passed() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.72")
    there.roll_out()
    there.settle()
    del there.installation["status"]
    there.settle()
    there.examine()
    there.settle()
    assert there.condition("Ready")["status"] == "True"
    assert len(taken(there)) == 1


def test_a_result_that_comes_before_its_attempt_is_written_down_does_not_count() -> None:
    """A Job of an older operator, or one that somebody made."""
    there = city()
    until_exam(there)
    there.examine()
    there.settle()
    there.finish("validate", "", score=passing())
    assert isinstance(there.platform, dict)
    del there.platform["status"]["attempts"]
    there.settle()
    assert there.condition("Validated")["status"] == "Unknown"
    there.examine()
    there.settle()
    assert there.condition("Validated")["status"] == "True"


def test_an_address_that_moves_during_the_exam_makes_no_other_attempt_of_it() -> None:
    there = city()
    until_exam(there)
    there.examine()
    there.settle()
    assert isinstance(there.platform, dict)
    for source in there.platform["spec"]["dataSources"]:
        source["endpoint"] = "https://moved.example/series.csv"
    there.settle()
    there.examine()
    assert len(taken(there)) == 1
    there.finish("validate", "", score=passing())
    there.settle()
    there.examine()
    assert [a["outcome"] for a in taken(there)] == ["Passed"]


def test_others_wait_while_as_many_go_on_as_may_fail() -> None:
    there, other = city(policy=StorePolicy(maximum_attempts=1)), city(policy=StorePolicy(maximum_attempts=1))
    other.installation["metadata"] |= {"name": "second", "uid": "second"}
    until_exam(there)
    until_exam(other)
    there.examine(other.installation)
    other.platform = there.platform
    other.settle()
    assert "it waits for flood" in other.condition("Validated")["message"]
    there.settle()
    there.finish("validate", "", score=passing())
    there.settle()
    there.examine(other.installation)
    other.settle()
    assert runs(other, "validate")


@pytest.mark.parametrize("spec", [{"suspend": True}, {"mode": "Plan"}])
def test_who_is_held_takes_no_exam(spec: Any) -> None:
    there = city()
    until_exam(there)
    there.edit(**spec)
    there.settle()
    there.examine()
    assert taken(there) == []
    assert there.installation["status"]["plan"]["validates"] is True


def test_after_an_exam_that_may_not_be_taken_time_brings_another_round() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    there.edit(recalibration={"maximumAge": "P1D"})
    take(there, "0.12")
    there.tick(3 * 86400)
    plan = there.settle()
    assert plan.finding(Stage.CALIBRATED).reason == "HoldoutExhausted"
    first = plan.revision
    there.tick(3 * 86400)
    assert there.settle().revision != first


def test_the_same_values_at_another_address_are_the_same_exam() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.12")
    assert len(taken(there)[0]["truths"]) == 1
    assert isinstance(there.platform, dict)
    for source in there.platform["spec"]["dataSources"]:
        source["endpoint"] += "?once=more"
    there.annotate(retry="1")
    there.tick(120)
    take(there, "0.72")
    condition = there.condition("Validated")
    assert (condition["status"], condition["reason"]) == ("False", "HoldoutExhausted")
    assert "failed on these very values" in condition["message"]
    assert [(a["number"], a["outcome"]) for a in taken(there)] == [(1, "Failed"), (1, "Failed")]


def test_what_serves_goes_on_when_others_fail_on_its_values() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.72")
    there.roll_out()
    there.settle()
    there.annotate(retry="1")
    there.tick(120)
    take(there, "0.12")
    assert there.condition("Validated")["reason"] == "ThresholdNotMet"
    there.annotate(retry=None)
    there.edit(rollbackTo=there.installation["status"]["servingRevision"])
    there.settle()
    assert there.condition("Ready")["status"] == "True"


def test_what_has_passed_is_not_undone_by_those_that_failed_since() -> None:
    there = city(policy=StorePolicy(maximum_attempts=1))
    take(there, "0.72")
    there.roll_out()
    there.settle()
    there.annotate(retry="1")
    there.tick(120)
    take(there, "0.12")
    there.annotate(retry=None)
    del there.installation["status"]  # and with it the token and the evidence
    there.settle()
    there.examine()
    there.settle()
    assert there.condition("Ready")["status"] == "True", there.condition("Ready")["message"]
