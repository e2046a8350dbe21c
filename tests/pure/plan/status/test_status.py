"""The whole status: as golden files, and what tools may rely on in each of them.

`UPDATE_GOLDEN=1 pytest tests/pure/plan/status/test_status.py` writes the files again: read the difference before a
commit.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import NOW, VALIDATION_WINDOW, City, JsonObject, listing_body, platform_body, result

from ddtas.api.base import Condition
from ddtas.api.installation import Installation
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.listing import AppListing, AppListingStatus
from ddtas.api.platform import MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.plan.findings import STAGES, UP_TO_DATE, Finding
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.snapshot import PodFacts, SourceObservation
from ddtas.plan.status.changes import ChangeSet, Fault
from ddtas.plan.status.conditions import Status, conditions, refused_status
from ddtas.plan.status.installation import installation_status
from ddtas.plan.status.listing import listing_status
from ddtas.plan.status.platform import platform_status
from ddtas.settings import StorePolicy

GOLDEN = Path(__file__).parent / "golden"
KSTATUS = ("Ready", "Reconciling", "Stalled")


# ---- situations ----


def first_sight() -> City:
    city = City(observations={})
    city.settle()
    return city


def calibrating() -> City:
    city = City()
    city.settle()
    return city


def image_missing() -> City:
    city = calibrating()
    facts = PodFacts("Pending", waiting_reason="ImagePullBackOff", waiting_message="Back-off pulling image: not found")
    city.pod(city.job("calibrate"), facts)
    city.settle()
    return city


def serving() -> City:
    city = City()
    city.serving()
    return city


def threshold_not_met() -> City:
    city = City()
    city.calibrated()
    city.finish("validate", result({"NSE": 0.24, "RSR": 0.87, "absPBIAS": 3.1}, VALIDATION_WINDOW))
    city.settle()
    return city


def upgrade_rolls_out() -> City:
    city = serving()
    city.edit(parameters={"seed": 2})
    city.validated()
    return city


def upgrade_failed() -> City:
    city = serving()
    city.edit(parameters={"objective": "KGE"})
    plan = city.calibrated()
    city.finish("validate", result({"NSE": 0.24, "RSR": 0.87, "absPBIAS": 3.1}, VALIDATION_WINDOW), plan.revision)
    city.settle()
    return city


def suspended_while_it_serves() -> City:
    city = serving()
    city.edit(suspend=True, parameters={"seed": 2})
    city.settle()
    return city


def name_taken() -> City:
    city = City()
    city.reconcile((Fault(Reason.NAME_TAKEN, "ConfigMap flood-config exists and is not this Installation's"),))
    return city


def listing_gone_while_it_serves() -> City:
    city = serving()
    city.listing = None
    city.settle()
    return city


SITUATIONS: dict[str, Callable[[], City]] = {
    "first-sight": first_sight,
    "calibrating": calibrating,
    "image-missing": image_missing,
    "serving": serving,
    "threshold-not-met": threshold_not_met,
    "upgrade-rolls-out": upgrade_rolls_out,
    "upgrade-failed": upgrade_failed,
    "suspended-while-it-serves": suspended_while_it_serves,
    "name-taken": name_taken,
    "listing-gone-while-it-serves": listing_gone_while_it_serves,
}


@cache
def status_of(name: str) -> JsonObject:
    """The status in a situation; read only."""
    found: JsonObject = SITUATIONS[name]().installation["status"]
    return found


def golden_form(status: JsonObject) -> JsonObject:
    """With words for the revisions' ids, which every edit of the example changes."""
    text = json.dumps(status, ensure_ascii=False)
    for word in ("revision", "servingRevision"):
        if word in status:
            text = text.replace(status[word], f"<{word}>")
    found: JsonObject = json.loads(text)
    found.get("inventory", []).sort(key=lambda item: (item["kind"], item["name"]))
    return found


@pytest.mark.parametrize("name", SITUATIONS)
def test_golden_status(name: str) -> None:
    status = golden_form(status_of(name))
    path = GOLDEN / f"status-{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(status, sort_keys=False, allow_unicode=True, width=110))
    assert status == yaml.safe_load(path.read_text()), "see the docstring of this module"


def test_no_golden_file_is_left_over() -> None:
    assert {p.name for p in GOLDEN.glob("status-*.yaml")} == {f"status-{name}.yaml" for name in SITUATIONS}


# ---- what tools rely on, in each situation ----


@pytest.fixture(params=SITUATIONS)
def status(request: pytest.FixtureRequest) -> JsonObject:
    return status_of(request.param)


def by_type(status: JsonObject) -> dict[str, JsonObject]:
    return {c["type"]: c for c in status["conditions"]}


def test_every_condition_is_there_once_and_in_order(status: JsonObject) -> None:
    assert [c["type"] for c in status["conditions"]] == [*STAGES, *KSTATUS, UP_TO_DATE]


def test_kstatus_holds(status: JsonObject) -> None:
    kinds = {kind: c["status"] for kind, c in by_type(status).items()}
    assert not (kinds["Reconciling"] == kinds["Stalled"] == "True")
    if kinds["Ready"] == "True":
        assert {kinds["Reconciling"], kinds["Stalled"]} == {"False"}
        assert {kinds[step] for step in STAGES} == {"True"}


def test_reasons_are_of_the_closed_list(status: JsonObject) -> None:
    assert {c["reason"] for c in status["conditions"]} <= {r.value for r in Reason}


def test_each_condition_says_something_and_for_this_generation(status: JsonObject) -> None:
    assert {c["observedGeneration"] for c in status["conditions"]} == {status["observedGeneration"]}
    assert all(c["message"] for c in status["conditions"])


def test_no_message_holds_a_time(status: JsonObject) -> None:
    for condition in status["conditions"]:
        assert not re.search(r"\d{1,2}:\d{2}|\d{4}-\d{2}-\d{2}T", condition["message"]), condition


def test_the_status_fits_its_model_and_comes_back_whole(status: JsonObject) -> None:
    assert InstallationStatus.model_validate(status).dump() == status


def test_progress_counts_what_holds_for_the_spec(status: JsonObject) -> None:
    done, _, of = status["progress"].partition("/")
    held = [c for kind, c in by_type(status).items() if kind in STAGES and c["status"] == "True"]
    assert int(done) == sum(c["reason"] != "KeepsServing" for c in held)
    assert of == str(len(STAGES))


PROGRESS = {
    "first-sight": "1/6",
    "calibrating": "3/6",
    "threshold-not-met": "4/6",
    "upgrade-rolls-out": "5/6",
    "upgrade-failed": "4/6",
    "serving": "6/6",
    "listing-gone-while-it-serves": "0/6",
}


@pytest.mark.parametrize(("name", "progress"), PROGRESS.items(), ids=PROGRESS)
def test_progress(name: str, progress: str) -> None:
    assert status_of(name)["progress"] == progress


READY = {
    "first-sight": ("Unknown", "Probing", "True", "False"),
    "calibrating": ("Unknown", "Calibrating", "True", "False"),
    "image-missing": ("False", "ImagePullFailed", "False", "True"),
    "serving": ("True", "Serving", "False", "False"),
    "threshold-not-met": ("False", "ThresholdNotMet", "False", "True"),
    "upgrade-rolls-out": ("Unknown", "RollingOut", "True", "False"),
    "upgrade-failed": ("False", "ThresholdNotMet", "False", "True"),
    "suspended-while-it-serves": ("False", "Suspended", "False", "True"),
    "name-taken": ("False", "NameTaken", "False", "True"),
    "listing-gone-while-it-serves": ("False", "ListingNotFound", "True", "False"),
}


@pytest.mark.parametrize(("name", "expected"), READY.items(), ids=READY)
def test_what_tools_are_told(name: str, expected: tuple[str, str, str, str]) -> None:
    found = by_type(status_of(name))
    ready = found["Ready"]
    assert (ready["status"], ready["reason"], found["Reconciling"]["status"], found["Stalled"]["status"]) == expected


@pytest.mark.parametrize("name", READY)
def test_who_waits_is_shown_what_ready_says(name: str) -> None:
    """Helm, Flux and Argo CD show the message of the condition that is True, not that of Ready."""
    found = by_type(status_of(name))
    for kind in ("Reconciling", "Stalled"):
        if found[kind]["status"] == "True":
            assert found[kind]["message"] == found["Ready"]["message"]


# ---- times ----


def finding(status: Any, reason: Reason = Reason.WAITING, message: str = "m") -> Finding:
    return Finding("Accepted", status, reason, message)


def test_a_transition_time_moves_with_the_status_and_with_nothing_else() -> None:
    old = conditions([finding("False")], (), 1, NOW)
    assert old[0].last_transition_time == NOW
    later = NOW + timedelta(minutes=5, microseconds=7)
    same = conditions([finding("False", Reason.SUSPENDED, "other")], old, 2, later)
    assert same[0].last_transition_time == NOW
    assert (same[0].reason, same[0].message, same[0].observed_generation) == ("Suspended", "other", 2)
    moved = conditions([finding("Unknown")], old, 2, later)
    assert moved[0].last_transition_time == NOW + timedelta(minutes=5)  # whole seconds, as the API server keeps them


def test_a_long_message_is_cut() -> None:
    (condition,) = conditions([finding("False", message="x" * 5000)], (), 1, NOW)
    assert len(condition.message) == 2000


def test_transition_times_through_a_life() -> None:
    city = City()
    city.settle()
    accepted = city.condition("Accepted")["lastTransitionTime"]
    calibrating_since = city.condition("Calibrated")["lastTransitionTime"]
    city.tick(600)
    city.serving()
    assert city.condition("Accepted")["lastTransitionTime"] == accepted
    assert city.condition("Calibrated")["lastTransitionTime"] > calibrating_since


# ---- other objects ----


def test_an_unreadable_installation_says_so_and_keeps_the_rest() -> None:
    old = InstallationStatus.model_validate(serving().installation["status"])
    new = refused_status(old, 7, "spec.version: String should match pattern", NOW + timedelta(hours=1))
    found = by_type(new.dump())
    assert (found["Accepted"]["status"], found["Accepted"]["reason"]) == ("False", "SpecInvalid")
    assert (found["Ready"]["status"], found["Ready"]["message"]) == (
        "False",
        "spec.version: String should match pattern",
    )
    assert (found["Stalled"]["status"], found["Reconciling"]["status"]) == ("True", "False")
    assert found["Serving"] == by_type(old.dump())["Serving"]
    assert [c.type for c in new.conditions] == [*STAGES, *KSTATUS, UP_TO_DATE]
    assert (new.observed_generation, new.serving_revision, new.revisions) == (7, old.serving_revision, old.revisions)  # type: ignore[union-attr]
    assert new.observed_generation == found["Ready"]["observedGeneration"]


def test_an_unreadable_installation_on_first_sight() -> None:
    new = refused_status(InstallationStatus(), 1, "no", NOW)
    assert [c.type for c in new.conditions] == ["Accepted", *KSTATUS]


@pytest.mark.parametrize(
    ("status", "kinds"),
    [(AppListingStatus(), ["Listed", *KSTATUS]), (MunicipalityPlatformStatus(), [*KSTATUS])],
    ids=["listing", "platform"],
)
def test_an_unreadable_object_of_another_kind_says_so_too(status: Status, kinds: list[str]) -> None:
    new = refused_status(status, 3, "spec.parameters.a: must be a text", NOW)
    assert sorted(c.type for c in new.conditions) == sorted(kinds)
    ready = by_type(new.dump())["Ready"]
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "SpecInvalid", 3)


def test_a_listing_is_listed_or_says_which_score_is_wanting() -> None:
    listing = AppListing.parse(listing_body())
    good = by_type(listing_status(listing, StorePolicy(), NOW).dump())
    assert (good["Ready"]["status"], good["Ready"]["reason"]) == ("True", "Listed")
    bad = by_type(listing_status(listing, StorePolicy(minimum_review_score=8), NOW).dump())
    assert (bad["Ready"]["status"], bad["Ready"]["reason"]) == ("False", "ListingNotApproved")
    assert bad["Ready"]["message"] == "Management has 7, the store asks for 8; Social has 7, the store asks for 8"
    assert bad["Stalled"]["status"] == "True"


SEEN = SourceObservation("Reachable", "Read", "")
AWAY = SourceObservation("Unreachable", "TooSlow", "no answer")
PLATFORMS: dict[str, tuple[dict[str, SourceObservation], tuple[str, str, str], str]] = {
    "not looked at": ({}, ("Unknown", "Probing", "being probed: river-gauge"), "0/1"),
    "reachable": ({"river-gauge": SEEN}, ("True", "SourcesReachable", "1 of 1 data sources"), "1/1"),
    "unreachable": (
        {"river-gauge": AWAY},
        ("False", "SourcesUnreachable", "1 of 1: river-gauge: TooSlow: no answer"),
        "0/1",
    ),
}


@pytest.mark.parametrize(("seen", "ready", "sources"), PLATFORMS.values(), ids=PLATFORMS)
def test_a_platform(seen: dict[str, SourceObservation], ready: tuple[str, str, str], sources: str) -> None:
    platform = MunicipalityPlatform.parse(platform_body())
    status = platform_status(platform, seen, {"river-gauge": "abc"}, (), NOW)
    found = by_type(status.dump())["Ready"]
    assert (found["status"], found["reason"], found["message"]) == ready
    assert status.sources == sources
    assert status.data_sources[0].probe == "abc"


def test_a_suspended_platform_says_so_and_goes_on_looking() -> None:
    body = platform_body()
    body["spec"]["suspend"] = True
    status = platform_status(MunicipalityPlatform.parse(body), {"river-gauge": SEEN}, {}, (), NOW)
    found = by_type(status.dump())
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("True", "Suspended")
    assert found["Ready"]["message"].startswith(
        "spec.suspend is true: nothing new is done for the Installations here; 1 of 1"
    )
    assert {found[kind]["status"] for kind in ("Reconciling", "Stalled")} == {"False"}
    assert found["SourcesReachable"]["reason"] == "SourcesReachable"


def test_a_platform_without_sources_is_ready() -> None:
    body = platform_body()
    body["spec"]["dataSources"] = []
    status = platform_status(MunicipalityPlatform.parse(body), {}, {}, (), NOW)
    assert by_type(status.dump())["Ready"]["reason"] == "NoSources"


def test_since_moves_only_when_something_of_the_source_did() -> None:
    body = platform_body()

    def at(minutes: int, seen: SourceObservation) -> Any:
        status = platform_status(
            MunicipalityPlatform.parse(body), {"river-gauge": seen}, {}, (), NOW + timedelta(minutes=minutes)
        )
        body["status"] = status.dump()
        return status.data_sources[0].since - NOW

    assert [at(1, SEEN), at(2, SEEN), at(3, AWAY), at(4, AWAY)] == [timedelta(minutes=m) for m in (1, 1, 3, 3)]


# ---- reasons ----


def test_reasons_are_documented_and_named_once() -> None:
    assert len({r.value for r in Reason}) == len(list(Reason))
    for reason in Reason:
        assert isinstance(reason.course, Course)
        assert reason.meaning.endswith(".")
        assert Reason.named(reason.value) is reason
        Condition(
            type="Ready", status="True", reason=reason, message="m", observed_generation=1, last_transition_time=NOW
        )


def test_a_status_of_another_operator_with_a_reason_of_its_own_is_no_crash() -> None:
    city = upgrade_rolls_out()
    for condition in city.installation["status"]["conditions"]:
        condition["reason"] = "FromTheFuture"
    assert Installation.parse(city.installation).status.conditions
    assert city.settle().finding("Serving").reason is Reason.KEEPS_SERVING


def test_what_may_not_have_been_made_is_not_in_the_inventory() -> None:
    """After an apply that stopped, of what was to be made nobody knows whether it was; what was there still is."""
    city = City()
    plan = city.settle()
    snapshot = city.snapshot()
    made, *others = sorted(desired.key for desired in plan.desired)
    there = {key: child for key, child in snapshot.children.items() if key != made}
    snapshot = replace(snapshot, children=there)
    stopped = (Fault(Reason.APPLY_FAILED, "no answer"),)
    for faults, expected in (((), {made, *others}), (stopped, {*others})):
        changes = ChangeSet((made,), faults=faults)
        found = {(item.kind, item.name) for item in installation_status(snapshot, plan, changes, None).inventory}
        assert found == expected
