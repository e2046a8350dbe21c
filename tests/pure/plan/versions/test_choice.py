"""Which version an Installation gets, what is approved, what is said about newer ones, and the way back."""

import copy
from typing import Any

import builders
import pytest
from builders import VALIDATION_WINDOW, City, installation_body, result
from courses import courses
from hypothesis import given, settings
from hypothesis import strategies as st

from ddtas.api.evidence import MAX_REVISIONS
from ddtas.api.installation import Installation
from ddtas.errors import InvalidObject
from ddtas.plan.decision.plan import Plan
from ddtas.plan.findings import STAGES, UP_TO_DATE
from ddtas.plan.snapshot import JobFacts
from ddtas.plan.versions.choice import in_channel, in_range

ALL_TRUE = dict.fromkeys(STAGES, "True")
BAD = {"NSE": 0.1, "RSR": 0.9, "absPBIAS": 1}


def put(city: City, *numbers: str, **fields: Any) -> None:
    """Put versions into the listing, or replace them."""
    assert isinstance(city.listing, dict)
    versions = city.listing["spec"]["versions"]
    for number in numbers:
        body = copy.deepcopy(versions[0]) | {"version": number} | fields
        versions[:] = [v for v in versions if v["version"] != number] + [body]


def edit_version(city: City, number: str, **fields: Any) -> None:
    assert isinstance(city.listing, dict)
    next(v for v in city.listing["spec"]["versions"] if v["version"] == number).update(fields)


def city_with(*numbers: str, **spec: Any) -> City:
    """A city whose Installation has a range (>=1.0.0 <2.0.0) or what is given, and a listing with these versions."""
    city = City()
    assert isinstance(city.listing, dict)
    put(city, *numbers)
    city.listing["spec"]["versions"] = [v for v in city.listing["spec"]["versions"] if v["version"] in numbers]
    del city.installation["spec"]["version"]
    city.installation["spec"] |= spec or {"versionRange": ">=1.0.0 <2.0.0"}
    return city


def manual(*numbers: str, **spec: Any) -> City:
    return city_with(*numbers, **({"versionRange": ">=1.0.0 <2.0.0", "upgradePolicy": "Manual"} | spec))


def held(plan: Plan) -> dict[str, str]:
    return {f.condition: f.status for f in plan.findings}


def up_to_date(city: City) -> tuple[str, str, str]:
    found = city.condition(UP_TO_DATE)
    return found["status"], found["reason"], found["message"]


def states(plan: Plan) -> dict[str, str]:
    return {r.id: r.state.value for r in plan.revisions}


def refuse(city: City, revision: str | None) -> Plan:
    """Let the validation of a revision say that the model is not good enough."""
    city.calibrated()
    city.finish("validate", result(BAD, VALIDATION_WINDOW), revision)
    return city.settle()


# ---- one way to choose ----

ONE_WAY = {
    "neither": ({"version": None}, False),
    "a version": ({}, True),
    "a range": ({"version": None, "versionRange": ">=1.0.0"}, True),
    "a channel": ({"version": None, "channel": "beta"}, True),
    "a range and a channel": ({"version": None, "versionRange": ">=1.0.0", "channel": "beta"}, True),
    "a version and a range": ({"versionRange": ">=1.0.0"}, False),
    "a version and a channel": ({"channel": "beta"}, False),
}


@pytest.mark.parametrize(("spec", "good"), ONE_WAY.values(), ids=ONE_WAY)
def test_there_is_one_way_to_choose(spec: Any, good: bool) -> None:
    body = installation_body()
    body["spec"] |= spec
    body["spec"] = {k: v for k, v in body["spec"].items() if v is not None}
    if good:
        Installation.parse(body)
    else:
        with pytest.raises(InvalidObject, match="give either version, or versionRange or channel"):
            Installation.parse(body)


# (versions, spec) → the one that is taken when nothing serves yet
FIRST: dict[str, tuple[dict[str, dict[str, Any]], dict[str, Any], str | None]] = {
    "the newest in the range": ({"1.0.0": {}, "1.10.0": {}, "1.9.0": {}, "2.0.0": {}}, {}, "1.10.0"),
    "none in the range": ({"2.0.0": {}}, {}, None),
    "a deprecated one is not taken anew": ({"1.0.0": {}, "1.1.0": {"state": "Deprecated"}}, {}, "1.0.0"),
    "a withdrawn one neither": ({"1.0.0": {}, "1.1.0": {"state": "Withdrawn"}}, {}, "1.0.0"),
    "only deprecated ones": ({"1.0.0": {"state": "Deprecated"}}, {}, None),
    "no other channel": ({"1.0.0": {}, "1.1.0": {"channels": ["beta"]}}, {}, "1.0.0"),
    "two channels": ({"1.0.0": {}, "1.1.0": {"channels": ["beta", "stable"]}}, {}, "1.1.0"),
    "a channel": ({"1.0.0": {}, "1.1.0": {"channels": ["beta"]}}, {"channel": "beta"}, "1.1.0"),
    "a channel alone": ({"3.0.0": {}, "1.1.0": {"channels": ["beta"]}}, {"channel": "beta"}, "1.1.0"),
    "a channel that is not there": ({"1.0.0": {}}, {"channel": "nightly"}, None),
    "no pre-release": ({"1.0.0": {}, "1.1.0-rc.1": {}}, {}, "1.0.0"),
    "a pre-release in its channel": (
        {"1.0.0": {}, "1.1.0-rc.1": {"channels": ["beta"]}},
        {"channel": "beta"},
        "1.1.0-rc.1",
    ),
    "one that cannot be compared": ({"1.0.0": {}, "1.1.0-01": {"channels": ["stable"]}}, {}, "1.0.0"),
    "the one that is approved": (
        {"1.0.0": {}, "1.1.0": {}},
        {"upgradePolicy": "Manual", "approvedVersion": "1.0.0"},
        "1.0.0",
    ),
    "a range that cannot be read": ({"1.0.0": {}}, {"versionRange": ">=1.0.0x"}, None),
}


@pytest.mark.parametrize(("listed", "spec", "taken"), FIRST.values(), ids=FIRST)
def test_the_first_version(listed: dict[str, Any], spec: dict[str, Any], taken: str | None) -> None:
    both = spec if "channel" in spec and "versionRange" not in spec else {"versionRange": ">=1.0.0 <2.0.0"} | spec
    city = city_with(*listed, **both)
    for number, fields in listed.items():
        edit_version(city, number, **fields)
    plan = city.settle()
    assert plan.version == taken
    assert city.installation["status"].get("version") == taken
    if taken is None:
        assert (plan.findings[0].status, plan.findings[0].reason) == ("False", "VersionNotFound")
        assert "1.0.0" in plan.findings[0].message or "2.0.0" in plan.findings[0].message
        assert up_to_date(city)[:2] == ("Unknown", "Waiting")


RANGES = {
    ("1.2.0", ">=1.2.0 <2.0.0"): True,
    ("1.2.0", "1.2.0"): True,
    ("1.2.0", "=1.2.0"): True,
    ("2.0.0", ">=1.2.0 <2.0.0"): False,
    ("2.0.0-rc.1", ">=1.2.0 <2.0.0"): False,  # older than 2.0.0, and not what was meant
    ("2.0.0-rc.1", ">=1.2.0 <=2.0.0"): True,
    ("2.0.0-rc.1", ">=1.2.0 <2.0.0-rc.2"): True,
    ("1.9.0-rc.1", ">=1.2.0 <2.0.0"): True,
    ("1.2.0+build-1", ">=1.2.0 <2.0.0"): True,
    ("junk", ">=1.2.0"): False,
}


@pytest.mark.parametrize(("version", "wanted"), RANGES)
def test_ranges(version: str, wanted: str) -> None:
    assert in_range(version, wanted) is RANGES[version, wanted]


def test_a_version_without_channels_is_stable_unless_it_is_a_pre_release() -> None:
    version = builders.version()
    assert in_channel(version, "stable")
    assert in_channel(version.model_copy(update={"version": "1.0.0+build-1"}), "stable")
    assert not in_channel(version.model_copy(update={"version": "1.0.0-rc.1"}), "stable")
    assert not in_channel(version.model_copy(update={"channels": ("beta",)}), "stable")


# ---- Automatic ----


def test_an_automatic_upgrade_comes_with_the_version_and_stands_beside_what_serves() -> None:
    city = city_with("1.0.0")
    old = city.serving()
    assert held(old) == ALL_TRUE
    put(city, "1.1.0")
    plan = city.settle()
    assert plan.version == "1.1.0"
    assert plan.serving_version == "1.0.0"
    assert plan.finding("Serving").reason == "KeepsServing"
    assert city.condition("Ready")["status"] == "Unknown"
    plan = city.serving()
    assert (plan.serving_version, held(plan)) == ("1.1.0", ALL_TRUE)
    assert states(plan) == {plan.revision: "Serving", old.revision: "Superseded"}
    assert up_to_date(city)[:2] == ("True", "NewestVersion")


def test_a_newest_version_that_does_not_serve_is_not_up_to_date() -> None:
    city = city_with("1.0.0")
    city.serving()
    put(city, "1.1.0")
    plan = city.settle()
    text = "version 1.1.0 does not serve: Calibrated (Calibrating); version 1.0.0 does"
    assert up_to_date(city) == ("Unknown", "Waiting", text)
    refuse(city, plan.revision)
    text = "version 1.1.0 does not serve: Validated (ThresholdNotMet); version 1.0.0 does"
    assert up_to_date(city) == ("False", "VersionFailed", text)
    city.annotate(retry="1")
    city.serving()
    assert up_to_date(city)[:2] == ("True", "NewestVersion")


def test_a_first_version_that_fails_is_not_up_to_date() -> None:
    city = city_with("1.0.0")
    city.settle()
    city.fail("calibrate", "boom")
    city.settle()
    assert up_to_date(city) == ("False", "VersionFailed", "version 1.0.0 does not serve: Calibrated (RunCrashed)")


@pytest.mark.parametrize("spec", [{"versionRange": ">=1.0.0 <2.0.0"}, {"channel": "stable"}])
def test_it_never_goes_back_by_itself(spec: Any) -> None:
    city = city_with("1.0.0", "1.1.0", **spec)
    before = city.serving()
    assert before.serving_version == "1.1.0"
    for state, reason in (("Deprecated", "VersionDeprecated"), ("Withdrawn", "VersionWithdrawn")):
        edit_version(city, "1.1.0", state=state)
        plan = city.settle()
        assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)
        assert city.condition("Ready")["status"] == "True"
        assert up_to_date(city)[:2] == ("False", reason)
        assert "version 1.1.0, which serves" in up_to_date(city)[2]
    edit_version(city, "1.1.0", state="Active", channels=["beta"])
    assert city.settle().revision == before.revision
    assert isinstance(city.listing, dict)
    del city.listing["spec"]["versions"][1:]
    plan = city.settle()
    assert (plan.findings[0].reason, plan.finding("Serving").reason) == ("VersionNotFound", "KeepsServing")
    assert "no longer has version 1.1.0, which serves" in plan.findings[0].message


def test_a_range_that_leaves_out_what_serves_asks_for_an_older_one() -> None:
    city = city_with("1.0.0", "1.1.0")
    city.serving()
    city.edit(versionRange=">=1.0.0 <1.1.0")
    plan = city.serving()
    assert (plan.serving_version, held(plan)) == ("1.0.0", ALL_TRUE)
    status, reason, message = up_to_date(city)
    assert (status, reason) == ("False", "VersionPinned")
    assert message == "version 1.1.0 is listed: spec.versionRange (>=1.0.0 <1.1.0) leaves it out"
    assert plan.available_version == "1.1.0"


@pytest.mark.parametrize("end", ["refused", "crashed"])
def test_a_version_that_failed_is_not_tried_again_until_something_changes(end: str) -> None:
    city = city_with("1.0.0")
    good = city.serving()
    put(city, "1.1.0")
    failed = city.settle().revision
    if end == "refused":
        plan = refuse(city, failed)
    else:
        for key in [k for k, c in city.children.items() if c.kind == "Job" and c.revision != failed]:
            city.delete(key)
        city.fail("calibrate", "boom")
        plan = city.settle()
    assert states(plan) == {failed: "Failed", good.revision: "Serving"}
    assert city.condition("Ready")["status"] == "False"
    assert (plan.version, plan.serving_version) == ("1.1.0", "1.0.0")
    started = len(city.started)
    for _ in range(5):  # whatever goes on around it
        city.tick(3600)
        city.settle()
        for key in [k for k, c in city.children.items() if c.kind == "Job"]:
            city.delete(key)
    assert len(city.started) == started

    put(city, "1.2.0")
    assert city.settle().version == "1.2.0"
    assert len(city.started) == started + 1
    edit_version(city, "1.2.0", state="Withdrawn")  # back to the one that failed: that is still known
    plan = city.settle()
    assert (plan.revision, len(city.started)) == (failed, started + 1)
    city.annotate(retry="1")
    plan = city.settle()
    assert plan.revision not in (failed, good.revision)
    assert len(city.started) == started + 2


def test_a_candidate_that_is_withdrawn_gives_way_to_what_serves() -> None:
    city = city_with("1.0.0")
    good = city.serving()
    put(city, "1.1.0")
    city.calibrated()
    edit_version(city, "1.1.0", state="Withdrawn")
    plan = city.settle()
    assert (plan.revision, held(plan)) == (good.revision, ALL_TRUE)


def test_without_its_status_it_is_still_known_which_version_serves() -> None:
    city = manual("1.0.0")
    before = city.serving()
    put(city, "1.1.0")
    del city.installation["status"]
    plan = city.reconcile()
    assert (plan.version, plan.revision) == ("1.0.0", before.revision)


# ---- Manual and approval ----


def test_manual_stays_and_says_what_waits() -> None:
    city = manual("1.0.0")
    before = city.serving()
    put(city, "1.1.0", "1.2.0", "2.0.0")
    plan = city.settle()
    assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)
    assert city.condition("Ready")["status"] == "True"
    assert city.installation["status"]["availableVersion"] == "1.2.0"
    status, reason, message = up_to_date(city)
    assert (status, reason) == ("False", "ApprovalRequired")
    assert message == (
        "version 1.2.0 is listed: approve it by spec.approvedVersion or the annotation ddtas.nl/approve: 1.2.0"
    )


APPROVALS: dict[str, Any] = {
    "by field": lambda c, v: c.edit(approvedVersion=v),
    "by annotation": lambda c, v: c.annotate(approve=v),
    "by annotation, with a space": lambda c, v: c.annotate(approve=f" {v} "),
}


@pytest.mark.parametrize("approve", APPROVALS.values(), ids=APPROVALS)
def test_an_approval_names_one_version_and_that_is_taken(approve: Any) -> None:
    city = manual("1.0.0")
    city.serving()
    put(city, "1.1.0", "1.2.0")
    approve(city, "1.1.0")
    plan = city.settle()
    assert (plan.version, plan.serving_version) == ("1.1.0", "1.0.0")
    plan = city.serving()
    assert (plan.serving_version, held(plan)) == ("1.1.0", ALL_TRUE)
    assert up_to_date(city)[:2] == ("False", "ApprovalRequired")  # 1.2.0 waits for its own
    city.annotate(approve=None)
    city.installation["spec"].pop("approvedVersion", None)
    assert city.settle().version == "1.1.0"


def test_an_approval_that_is_taken_back_before_it_serves() -> None:
    city = manual("1.0.0")
    before = city.serving()
    put(city, "1.1.0")
    city.annotate(approve="1.1.0")
    city.calibrated()
    city.annotate(approve=None)
    plan = city.settle()
    assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)


NO_EFFECT: dict[str, tuple[str, str]] = {
    "not listed": ("1.5.0", "; the approved '1.5.0' is not listed in channel stable and within >=1.0.0 <2.0.0"),
    "not in the range": ("2.0.0", "; the approved '2.0.0' is not listed"),
    "not in the channel": ("1.3.0", "; the approved '1.3.0' is not listed"),
    "no version at all": ("yes", "; the approved 'yes' is not listed"),
    "very long": ("x" * 5000, f"; the approved '{'x' * 64}' is not listed"),
    "withdrawn": ("1.2.0", "version 1.1.0 is listed"),
    "older, and not in the range": ("0.9.0", "version 1.1.0 is listed"),
    "what it has": ("1.0.0", "version 1.1.0 is listed"),
}


@pytest.mark.parametrize(("named", "text"), NO_EFFECT.values(), ids=NO_EFFECT)
def test_an_approval_of_what_cannot_be_had_changes_nothing_and_is_shown(named: str, text: str) -> None:
    city = manual("1.0.0")
    before = city.serving()
    put(city, "1.1.0", "2.0.0", "0.9.0")
    put(city, "1.2.0", state="Withdrawn")
    put(city, "1.3.0", channels=["beta"])
    city.annotate(approve=named)
    plan = city.settle()
    assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)
    assert up_to_date(city)[:2] == ("False", "ApprovalRequired")
    assert text in up_to_date(city)[2]


@pytest.mark.parametrize("approve", APPROVALS.values(), ids=APPROVALS)
def test_an_approval_of_an_older_version_takes_nobody_back(approve: Any) -> None:
    """It may be had, and is in the range: but it was approved before another one came to serve."""
    city = manual("1.1.0")
    before = city.serving()
    put(city, "1.0.0")
    approve(city, "1.0.0")
    plan = city.settle()
    assert (plan.revision, plan.version, held(plan)) == (before.revision, "1.1.0", ALL_TRUE)


def test_manual_does_not_follow_a_range_that_leaves_it_behind() -> None:
    city = manual("1.0.0", "2.1.0")
    before = city.serving()
    city.edit(versionRange=">=2.0.0")
    plan = city.settle()
    assert (plan.findings[0].reason, plan.serving) == ("ApprovalRequired", before.revision)
    assert plan.finding("Serving").reason == "KeepsServing"
    assert city.condition("Stalled")["status"] == "True"
    assert plan.available_version == "2.1.0"
    assert "approve it by spec.approvedVersion" in up_to_date(city)[2]
    city.edit(approvedVersion="2.1.0")
    assert city.serving().serving_version == "2.1.0"


def test_manual_keeps_to_the_version_that_it_began_with() -> None:
    city = manual("1.0.0")
    assert city.settle().version == "1.0.0"
    put(city, "1.1.0")
    assert city.settle().version == "1.0.0"  # although nothing serves yet
    edit_version(city, "1.0.0", state="Withdrawn")
    assert city.settle().version == "1.1.0"


@settings(max_examples=courses(10), deadline=None, derandomize=True)
@given(
    approvals=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["1.1.0", "1.2.0"])), max_size=6),
    by_field=st.booleans(),
)
def test_an_approval_touches_its_own_installation_only(approvals: list[tuple[int, str]], by_field: bool) -> None:
    """Three neighbours under one listing; each has what was approved for it, and nothing that was not."""
    cities = [manual("1.0.0") for _ in range(3)]
    for city in cities:
        city.reconcile()
        city.installation["status"] |= {"servingVersion": "1.0.0", "servingRevision": "0123456789"}
        put(city, "1.1.0", "1.2.0")
    latest = ["1.0.0"] * 3
    for which, number in approvals:
        others = [copy.deepcopy((c.installation, c.children, c.decide())) for c in cities if c is not cities[which]]
        (APPROVALS["by field" if by_field else "by annotation"])(cities[which], number)
        latest[which] = number
        assert others == [(c.installation, c.children, c.decide()) for c in cities if c is not cities[which]]
    assert [c.decide().version for c in cities] == latest


# ---- what is said of a version that is named ----


def test_a_named_version_stays_and_newer_ones_are_shown() -> None:
    city = City()
    before = city.serving()
    put(city, "1.1.0", "2.0.0")
    put(city, "3.0.0", channels=["beta"])
    plan = city.settle()
    assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)
    assert up_to_date(city) == (
        "False",
        "VersionPinned",
        "version 2.0.0 is listed: set spec.version to 2.0.0 to have it",
    )
    assert city.installation["status"]["availableVersion"] == "2.0.0"


def test_deprecation_is_shown_and_stops_nothing() -> None:
    city = City()
    before = city.serving()
    edit_version(city, "1.0.0", state="Deprecated")
    plan = city.settle()
    assert (plan.revision, held(plan)) == (before.revision, ALL_TRUE)
    assert {k: city.condition(k)["status"] for k in ("Ready", "Reconciling", "Stalled")} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
    }
    text = "version 1.0.0, which serves, is deprecated; no newer one is listed yet"
    assert up_to_date(city) == ("False", "VersionDeprecated", text)
    put(city, "1.1.0", state="Active")
    city.edit(version="1.1.0")
    city.settle()
    text = "version 1.0.0, which serves, is deprecated; version 1.1.0 is to take its place"
    assert up_to_date(city) == ("False", "VersionDeprecated", text)
    city.serving()
    assert up_to_date(city)[:2] == ("True", "NewestVersion")


@pytest.mark.parametrize("build", [City, lambda: manual("1.0.0")], ids=["version", "range"])
@pytest.mark.parametrize("listing", [None, "cannot be read"])
def test_without_a_listing_nothing_is_known(listing: Any, build: Any) -> None:
    city = build()
    city.serving()
    city.listing = listing
    city.settle()
    assert up_to_date(city)[:2] == ("Unknown", "Waiting")
    assert city.installation["status"]["version"] == "1.0.0"


# ---- the way back ----


def two_served(**spec: Any) -> tuple[City, str, str]:
    """A city that served 1.0.0 and serves 1.1.0; their revisions."""
    city = city_with("1.0.0", **spec)
    first = city.serving().revision
    put(city, "1.1.0")
    second = city.serving().revision
    assert first is not None
    assert second is not None
    return city, first, second


def test_a_rollback_serves_the_old_revision_without_a_new_run() -> None:
    city, first, second = two_served()
    assert city.kinds(first) == {"ControllerRevision"}
    started, parameters = list(city.started), city.settle().revisions[1].calibration
    city.edit(rollbackTo=first)
    plan = city.settle()
    assert (plan.revision, plan.serving) == (first, second)
    assert plan.finding("Accepted").message.startswith(f"back to revision {first} (spec.rollbackTo): ")
    assert plan.finding("Calibrated").status == plan.finding("Validated").status == "True"
    assert city.condition("Ready")["reason"] == "RollingOut"
    city.roll_out(revision=first)
    plan = city.settle()
    assert held(plan) == ALL_TRUE
    assert city.condition("Ready")["status"] == "True"
    assert (plan.serving, plan.serving_version) == (first, "1.0.0")
    assert states(plan) == {first: "Serving", second: "Superseded"}
    assert plan.revisions[0].calibration == parameters
    assert city.started == started
    assert city.kinds(second) == {"ControllerRevision"}
    assert [b.data_source for b in plan.bindings] == ["river-gauge"]
    assert up_to_date(city)[1:] == ("VersionPinned", "version 1.1.0 is listed: remove spec.rollbackTo to go on")

    put(city, "1.2.0")  # nothing overrides it
    city.annotate(retry="1", approve="1.2.0")
    city.edit(parameters={"seed": 7})
    plan = city.settle()
    assert (plan.revision, held(plan)) == (first, ALL_TRUE)
    assert city.started == started


def test_a_rollback_and_then_on_again() -> None:
    city, first, second = two_served()
    started = list(city.started)
    city.edit(rollbackTo=first)
    city.settle()
    city.roll_out(revision=first)
    city.settle()
    del city.installation["spec"]["rollbackTo"]
    city.settle()
    city.roll_out(revision=second)
    plan = city.settle()
    assert (plan.serving, held(plan)) == (second, ALL_TRUE)
    assert city.started == started  # its evidence was kept
    put(city, "1.2.0")
    plan = city.serving()
    assert (plan.serving_version, held(plan)) == ("1.2.0", ALL_TRUE)
    assert list(states(plan).values()) == ["Serving", "Superseded", "Superseded"]


def test_a_rollback_within_one_version() -> None:
    city = City()
    first = city.serving().revision
    city.edit(parameters={"seed": 2})
    city.serving()
    city.edit(rollbackTo=first)
    city.settle()
    city.roll_out(revision=first)
    assert held(city.settle()) == ALL_TRUE


def test_the_last_restart_and_a_rollback_give_what_was_there() -> None:
    city, first, _ = two_served()
    del city.children[("Service", "flood-web")]  # the garbage of others
    city.settle()
    city.edit(rollbackTo=first)
    city.rendered.clear()
    city.settle()
    city.roll_out(revision=first)
    assert city.settle().serving == first


def no_record(city: City, first: str) -> None:
    city.delete(("ControllerRevision", f"flood-{first}"))


def edited_record(city: City, first: str) -> None:
    key = ("ControllerRevision", f"flood-{first}")
    child = city.children[key]
    city.children[key] = type(child)(**{f: getattr(child, f) for f in child.__slots__} | {"data": '{"listing": "x"}'})


def no_source(city: City, _: str) -> None:
    assert isinstance(city.platform, dict)
    city.platform["spec"]["dataSources"][0]["name"] = "other-gauge"


REFUSED: dict[str, tuple[Any, str, str, str]] = {
    "no record": (no_record, "Accepted", "RevisionNotKept", "those that may serve: "),
    "a record that was edited": (edited_record, "Accepted", "RevisionNotKept", "there is no revision"),
    "a migration": (
        lambda c, _: edit_version(c, "1.1.0", dataMigration=True),
        "Accepted",
        "DataMigrated",
        "version 1.1.0 serves, and 1.1.0 migrated data that version 1.0.0 cannot read: choose a version from 1.1.0 on",
    ),
    "withdrawn meanwhile": (
        lambda c, _: edit_version(c, "1.0.0", state="Withdrawn"),
        "Accepted",
        "VersionWithdrawn",
        "spec.rollbackTo: version 1.0.0 was withdrawn",
    ),
    "no data source": (no_source, "DataBound", "RequirementNotMet", "data source river-gauge is gone"),
    "no credentials": (lambda c, _: c.secrets.clear(), "DataBound", "CredentialsMissing", "Secret water-board"),
}


@pytest.mark.parametrize(("spoil", "step", "reason", "text"), REFUSED.values(), ids=REFUSED)
def test_a_rollback_that_cannot_be_is_refused_by_name(spoil: Any, step: str, reason: str, text: str) -> None:
    city, first, second = two_served()
    started = list(city.started)
    spoil(city, first)
    city.edit(rollbackTo=first)
    plan = city.settle()
    finding = plan.finding(step)
    assert (finding.status, finding.reason) == ("False", reason)
    assert text in finding.message
    assert plan.serving == second
    assert plan.finding("Serving").reason == "KeepsServing"
    assert city.started == started


def test_a_rollback_to_what_failed_or_never_was_is_refused() -> None:
    city = City()
    good = city.serving().revision
    city.edit(parameters={"seed": 2})
    bad = refuse(city, city.settle().revision).revision
    city.edit(rollbackTo=bad)
    plan = city.settle()
    assert (plan.findings[0].reason, plan.serving) == ("RevisionNotProven", good)
    assert f"those that may serve: {good} (version 1.0.0)" in plan.findings[0].message
    city.edit(rollbackTo="0123456789")
    assert city.settle().findings[0].reason == "RevisionNotKept"
    city.edit(rollbackTo=good)
    assert held(city.settle()) == ALL_TRUE


def test_an_older_version_is_no_way_round_a_migration() -> None:
    city = City()
    put(city, "2.0.0", "3.0.0")
    edit_version(city, "2.0.0", dataMigration=True)
    city.edit(version="3.0.0")
    city.serving()
    city.edit(version="1.0.0")
    plan = city.settle()
    assert (plan.findings[0].reason, plan.serving_version) == ("DataMigrated", "3.0.0")
    city.edit(version="2.0.0")
    assert city.serving().serving_version == "2.0.0"


def test_a_migration_that_never_served_bars_no_way() -> None:
    city = city_with("1.0.0")
    first = city.serving().revision
    put(city, "1.1.0", dataMigration=True)
    refuse(city, city.settle().revision)
    city.edit(rollbackTo=first)
    assert held(city.settle()) == ALL_TRUE


# ---- history ----


def test_the_last_ten_revisions_are_remembered() -> None:
    city = City()
    served: list[str] = []
    for seed in range(1, 14):
        city.edit(parameters={"seed": seed})
        revision = city.serving().revision
        assert revision is not None
        served.insert(0, revision)
    plan = city.settle()
    assert [r.id for r in plan.revisions] == served[:MAX_REVISIONS]
    assert states(plan) == {served[0]: "Serving"} | dict.fromkeys(served[1:MAX_REVISIONS], "Superseded")
    records = {c.revision for c in city.children.values() if c.kind == "ControllerRevision"}
    assert records == set(served[:MAX_REVISIONS])
    assert {c.revision for c in city.children.values() if c.kind not in ("Pod", "ControllerRevision")} == {served[0]}

    oldest = served[MAX_REVISIONS - 1]
    city.edit(rollbackTo=oldest)
    city.settle()
    city.roll_out(revision=oldest)
    assert held(city.settle()) == ALL_TRUE
    city.edit(rollbackTo=served[MAX_REVISIONS])
    assert city.settle().findings[0].reason == "RevisionNotKept"


def test_what_serves_is_remembered_however_many_have_failed_since() -> None:
    city = City()
    good = city.serving().revision
    for seed in range(2, 15):
        city.edit(parameters={"seed": seed})
        plan = refuse(city, city.settle().revision)
    assert len(plan.revisions) == MAX_REVISIONS
    assert states(plan)[str(good)] == "Serving"
    assert list(states(plan).values()).count("Failed") == MAX_REVISIONS - 1


def test_a_revision_that_was_left_halfway_is_forgotten() -> None:
    city = City()
    good = city.serving().revision
    city.edit(parameters={"seed": 2})
    city.calibrated()
    city.edit(parameters={"seed": 3})
    left = city.settle()
    assert list(states(left)) == [left.revision, good]
    assert {c.revision for c in city.children.values()} == {left.revision, good}


@settings(max_examples=courses(10), deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["1", "2", "3", "back"]), min_size=1, max_size=7))
def test_there_and_back_again_equals_a_fresh_one(way: list[str]) -> None:
    """Whatever was served in between: what is desired in the end is what a fresh Installation would have."""
    city = City()
    served = [str(city.serving().revision)]
    for step in [*way, "1"]:
        if step == "back":
            city.edit(rollbackTo=served[0])
        else:
            city.installation["spec"].pop("rollbackTo", None)
            city.edit(parameters={"seed": int(step)})
        plan = city.settle()
        for phase, report in (
            ("calibrate", result({"NSE": 0.8}, parameters={"cmax": 412.5, "alpha": 2.0})),
            ("validate", result(window=VALIDATION_WINDOW)),
        ):
            job = next((c for c in city.children.values() if c.name == f"flood-{plan.revision}-{phase}"), None)
            if job is not None and job.facts == JobFacts("Running"):
                city.finish(phase, report, plan.revision)
                city.settle()
        city.roll_out(revision=plan.revision)
        plan = city.settle()
        assert held(plan) == ALL_TRUE
        served.append(str(plan.revision))
    assert len(set(city.started)) == len(city.started), "no run of a revision is done twice"
    fresh = City()
    fresh.edit(parameters={"seed": 1})
    wanted = fresh.serving()
    assert plan.revision == wanted.revision
    assert {d.key: d.manifest for d in plan.desired} == {d.key: d.manifest for d in wanted.desired}
