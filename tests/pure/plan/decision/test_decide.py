"""The decision, walked through whole lives of an Installation in memory: see `builders.City`."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from builders import (
    CREDENTIALS,
    REACHABLE,
    UNREACHABLE,
    VALIDATION_WINDOW,
    City,
    JsonObject,
    result,
    secret,
)

from ddtas import names
from ddtas.errors import TemplateError
from ddtas.plan.children.pod_security import restricted_violations
from ddtas.plan.decision.plan import Plan
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import JobFacts, PodFacts, SourceObservation
from ddtas.plan.status.changes import Fault
from ddtas.settings import StorePolicy

ALL_TRUE = {
    "Accepted": ("True", "Accepted"),
    "DataBound": ("True", "Bound"),
    "Provisioned": ("True", "Provisioned"),
    "Calibrated": ("True", "Passed"),
    "Validated": ("True", "Passed"),
    "Serving": ("True", "Serving"),
}
WAITING = ("Unknown", "Waiting")
NOT_SERVING = ("False", "NotServing")


def said(plan: Plan) -> dict[str, tuple[str, str]]:
    return {f.condition: (f.status, f.reason.value) for f in plan.findings}


def keys(plan: Plan) -> set[str]:
    """Desired children as `Kind part`, without the installation's name and the revision."""
    prefix = f"flood-{plan.revision}"
    found = set()
    for kind, name in (d.key for d in plan.desired):
        part = name.removeprefix(prefix).removeprefix("flood").lstrip("-")
        found.add(f"{kind} {part}".strip())
    return found


BASE = {"ControllerRevision", "ConfigMap config", "Secret discharge-series", "NetworkPolicy network"}
SERVES = BASE | {"ConfigMap calibrated", "ConfigMap evidence", "Deployment web"}


def version_body(city: City) -> JsonObject:
    assert isinstance(city.listing, dict)
    body: JsonObject = city.listing["spec"]["versions"][0]
    return body


# ---- the whole life ----


def test_a_life_from_nothing_to_serving() -> None:
    """At each step: what is said, and what is desired; nothing is desired too early."""
    city = City(observations={})

    plan = city.settle()
    assert said(plan) == {
        "Accepted": ("True", "Accepted"),
        "DataBound": ("Unknown", "Probing"),
        "Provisioned": WAITING,
        "Calibrated": WAITING,
        "Validated": WAITING,
        "Serving": NOT_SERVING,
    }
    assert plan.desired == ()
    assert plan.revision is None

    city.observations["river-gauge"] = REACHABLE
    plan = city.reconcile()
    assert said(plan)["Provisioned"] == ("Unknown", "Provisioning")
    assert keys(plan) == BASE

    plan = city.settle()
    assert said(plan) == {
        "Accepted": ("True", "Accepted"),
        "DataBound": ("True", "Bound"),
        "Provisioned": ("True", "Provisioned"),
        "Calibrated": ("Unknown", "Calibrating"),
        "Validated": WAITING,
        "Serving": NOT_SERVING,
    }
    assert keys(plan) == BASE | {"Job calibrate"}

    city.finish("calibrate", result({"NSE": 0.8}, parameters={"cmax": 412.5}))
    plan = city.settle()
    assert said(plan)["Calibrated"] == ("True", "Passed")
    assert said(plan)["Validated"] == ("Unknown", "Validating")
    assert keys(plan) == BASE | {"ConfigMap calibrated", "Job validate"}

    city.finish("validate", result(window=VALIDATION_WINDOW))
    plan = city.settle()
    assert said(plan)["Validated"] == ("True", "Passed")
    assert said(plan)["Serving"] == ("Unknown", "RollingOut")
    assert keys(plan) == SERVES
    assert plan.serving is None
    assert plan.url is None

    city.roll_out()
    plan = city.reconcile()
    assert said(plan)["Serving"] == ("Unknown", "RollingOut")
    assert keys(plan) == SERVES | {"Service web"}

    plan = city.settle()
    assert said(plan) == ALL_TRUE
    assert keys(plan) == SERVES | {"Service web"}
    assert plan.serving == plan.revision
    assert plan.serving_version == "1.0.0"
    assert plan.url == "http://flood-web.voorbeeldstad.svc:8080/"
    assert city.started == [f"flood-{plan.revision}-calibrate", f"flood-{plan.revision}-validate"]
    assert city.installation["status"]["progress"] == "6/6"


def test_a_converged_installation_has_nothing_to_do() -> None:
    city = City()
    city.serving()
    children, status = dict(city.children), copy.deepcopy(city.installation["status"])
    city.tick(3600)
    plan = city.reconcile()
    assert city.children == children
    assert city.installation["status"] == status
    assert (plan.prune, plan.render, plan.requeue_after) == ((), (), None)


@pytest.mark.parametrize("stage", ["settle", "calibrated", "validated", "serving"])
def test_the_same_snapshot_gives_the_same_plan(stage: str) -> None:
    city = City()
    getattr(city, stage)()
    snapshot = city.snapshot()
    before = copy.deepcopy(snapshot)
    assert city.decide() == city.decide()
    assert snapshot == before


@pytest.mark.parametrize("stage", ["settle", "calibrated", "validated", "serving"])
def test_an_operator_that_starts_again_goes_on_and_starts_no_job_twice(stage: str) -> None:
    """Killed before its status was written, it finds its Jobs by name."""
    city = City()
    getattr(city, stage)()
    started, plan = list(city.started), city.decide()
    del city.installation["status"]
    again = city.settle()
    assert said(again) == said(plan)
    assert again.revision == plan.revision
    assert again.revisions == plan.revisions
    assert city.started == started


def test_a_job_that_vanishes_while_it_runs_is_started_again() -> None:
    city = City()
    city.settle()
    city.delete(city.job("calibrate").key)
    city.settle()
    assert len(city.started) == 2


@pytest.mark.parametrize("gone", ["Job", "Pod"])
def test_evidence_stands_when_a_run_is_tidied_away(gone: str) -> None:
    city = City()
    before = city.serving()
    for key in [k for k in city.children if k[0] == gone]:
        city.delete(key)
    plan = city.settle()
    assert said(plan) == ALL_TRUE
    assert plan.revisions == before.revisions
    assert len(city.started) == 2


def test_the_calibrated_parameters_reach_the_pods_in_full() -> None:
    city = City()
    plan = city.validated()
    data = next(d.manifest["data"] for d in plan.desired if d.key[1].endswith("-calibrated"))
    assert data == {"calibrated.json": '{"alpha": 2.0, "cmax": 412.5}'}


# ---- runs that end badly ----

BAD_CALIBRATION: dict[str, Any] = {
    "crash": (lambda c: c.fail("calibrate", '{"error": "no data"}'), "RunCrashed", "exit code 1: no data"),
    "deadline": (lambda c: c.fail("calibrate", reason="DeadlineExceeded"), "RunTimedOut", "not done after 900 s"),
    "no result": (lambda c: c.finish("calibrate", ""), "ResultMissing", "wrote nothing"),
    "5 KB": (lambda c: c.finish("calibrate", result(message="x" * 5000)), "ResultTooLarge", "4096 bytes"),
    "NaN": (lambda c: c.finish("calibrate", result({"NSE": float("nan")})), "ResultNotFinite", "NSE is nan"),
    "validation days": (
        lambda c: c.finish("calibrate", result(window=VALIDATION_WINDOW)),
        "WindowsOverlap",
        "the run used 2015-01-01…2016-12-31 shares days with 2015-01-01…2016-12-31",
    ),
}


@pytest.mark.parametrize(("end", "reason", "text"), BAD_CALIBRATION.values(), ids=BAD_CALIBRATION)
def test_a_bad_calibration_stops_there(end: Any, reason: str, text: str) -> None:
    city = City()
    city.settle()
    end(city)
    plan = city.settle()
    assert said(plan)["Calibrated"] == ("False", reason)
    assert text in plan.finding("Calibrated").message
    assert f"revision {plan.revision}" in plan.finding("Calibrated").message
    assert said(plan)["Validated"] == WAITING
    assert said(plan)["Serving"] == NOT_SERVING
    assert keys(plan) == BASE
    assert city.condition("Stalled")["status"] == "True"
    assert city.condition("Ready") | {"type": "Calibrated"} == city.condition("Calibrated") | {
        "lastTransitionTime": city.condition("Ready")["lastTransitionTime"]
    }
    assert len(city.started) == 1
    city.edit(parameters={"seed": 3})  # the next good edit recovers it
    assert said(city.serving()) == ALL_TRUE


def test_validation_on_calibration_days_is_refused_by_what_calibration_used() -> None:
    """The listing's windows are disjoint; calibration said that it used more than its own."""
    city = City()
    city.settle()
    city.finish("calibrate", result({"NSE": 0.8}, window={"start": "2012-01-01", "end": "2014-12-31"}))
    city.settle()
    city.finish("validate", result(window={"start": "2012-06-01", "end": "2012-06-30"}))
    plan = city.settle()
    assert said(plan)["Validated"] == ("False", "WindowsOverlap")
    assert "Deployment web" not in keys(plan)


def test_a_threshold_that_is_not_met_serves_nothing() -> None:
    city = City()
    city.calibrated()
    city.finish("validate", result({"NSE": 0.24, "RSR": 0.8, "absPBIAS": 3}, VALIDATION_WINDOW))
    plan = city.settle()
    assert said(plan)["Validated"] == ("False", "ThresholdNotMet")
    expected = f"validation of revision {plan.revision}: NSE is 0.24, must be > 0.50; RSR is 0.8, must be < 0.70"
    assert plan.finding("Validated").message == expected
    assert not {c.kind for c in city.children.values()} & {"Deployment", "Service"}
    assert city.condition("Ready")["message"] == expected


def test_an_image_that_cannot_be_pulled_recovers_by_itself() -> None:
    city = City()
    city.settle()
    job = city.job("calibrate")
    seen = set()
    for reason in ("ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"):
        city.pod(job, PodFacts("Pending", waiting_reason=reason, waiting_message="not found"))
        city.settle()
        seen.add((city.condition("Calibrated")["reason"], city.condition("Calibrated")["lastTransitionTime"]))
    assert [reason for reason, _ in sorted(seen)] == ["Calibrating", "ImagePullFailed"]  # once each: no flapping
    city.pod(job, PodFacts("Running"))
    assert said(city.settle())["Calibrated"] == ("Unknown", "Calibrating")
    assert said(city.serving()) == ALL_TRUE
    assert len(city.started) == 2


def test_a_finished_job_waits_for_its_pod_and_then_gives_the_result_up() -> None:
    city = City()
    city.settle()
    city.finish("calibrate", result())
    pod = next(k for k in city.children if k[0] == "Pod")
    kept = city.children.pop(pod)
    plan = city.settle()
    assert said(plan)["Calibrated"] == ("Unknown", "Calibrating")
    assert plan.requeue_after is not None
    later = copy.deepcopy(city)
    later.tick(120)
    assert said(later.settle())["Calibrated"] == ("False", "ResultMissing")
    city.children[pod] = kept
    assert said(city.settle())["Calibrated"] == ("True", "Passed")


def test_a_pod_without_room_says_so() -> None:
    city = City()
    city.settle()
    city.pod(city.job("calibrate"), PodFacts("Pending", unschedulable="0/1 nodes are available: Insufficient cpu."))
    assert "no node has room for it: 0/1 nodes" in city.settle().finding("Calibrated").message


ROLL_OUTS: dict[str, Any] = {
    "starting": (lambda c: None, "RollingOut", "waiting for web to become ready"),
    "stuck": (
        lambda c: c.roll_out(False, stuck="deadline exceeded"),
        "RolloutFailed",
        "component web: deadline exceeded",
    ),
    "crash loop": (
        lambda c: web_pod(c, PodFacts("Running", waiting_reason="CrashLoopBackOff", exit_code=2, ended_message="boom")),
        "RolloutFailed",
        "component web: exit code 2: boom",
    ),
    "image": (
        lambda c: web_pod(c, PodFacts("Pending", waiting_reason="ImagePullBackOff", waiting_message="not found")),
        "ImagePullFailed",
        "component web: image localhost/flood-twin:latest: ImagePullBackOff: not found",
    ),
}


def web_pod(city: City, facts: PodFacts) -> None:
    city.pod(next(c for c in city.children.values() if c.kind == "Deployment"), facts)


@pytest.mark.parametrize(("state", "reason", "text"), ROLL_OUTS.values(), ids=ROLL_OUTS)
def test_no_service_leads_to_components_that_are_not_ready(state: Any, reason: str, text: str) -> None:
    city = City()
    city.validated()
    state(city)
    plan = city.settle()
    assert plan.finding("Serving").reason.value == reason
    assert text in plan.finding("Serving").message
    assert keys(plan) == SERVES
    assert plan.serving is None


def test_a_serving_revision_keeps_its_service_through_a_bad_moment() -> None:
    city = City()
    city.serving()
    city.roll_out(available=False)
    plan = city.settle()
    assert said(plan)["Serving"] == ("Unknown", "RollingOut")
    assert "Service web" in keys(plan)
    assert plan.serving == plan.revision


# ---- what is refused before anything is made ----


def no_listing(city: City) -> None:
    city.listing = None


def unreadable_listing(city: City) -> None:
    city.listing = "spec.title: Field required"


def no_platform(city: City) -> None:
    city.platform = None


def unreadable_platform(city: City) -> None:
    city.platform = "spec.municipality: Field required"


def platform_spec(city: City) -> JsonObject:
    assert isinstance(city.platform, dict)
    spec: JsonObject = city.platform["spec"]
    return spec


def scores(*values: int) -> Any:
    def edit(city: City) -> None:
        assert isinstance(city.listing, dict)
        review = city.listing["spec"]["review"][: len(values)]
        for score, value in zip(review, values, strict=True):
            score["score"] = value
        city.listing["spec"]["review"] = review

    return edit


def digests(city: City) -> None:
    city.policy = StorePolicy(require_image_digests=True)


def old_cluster(city: City) -> None:
    city.kubernetes_version = "1.29+"


def overlap(city: City) -> None:
    version_body(city)["calibration"]["window"]["end"] = "2015-01-01"


def own_windows(city: City) -> None:
    city.edit(
        windows={
            "calibration": {"start": "2015-01-01", "end": "2016-12-31"},
            "validation": {"start": "2013-01-01", "end": "2015-01-01"},
        }
    )


BAD: dict[str, Any] = {
    "no listing": (no_listing, "ListingNotFound", "spec.listing: there is no AppListing flood-twin"),
    "unreadable listing": (unreadable_listing, "ListingInvalid", "AppListing flood-twin: spec.title: Field required"),
    "no platform": (
        no_platform,
        "PlatformNotFound",
        "spec.platform: there is no MunicipalityPlatform oup in namespace voorbeeldstad",
    ),
    "unreadable platform": (
        unreadable_platform,
        "PlatformInvalid",
        "MunicipalityPlatform oup: spec.municipality: Field required",
    ),
    "a score too low": (
        scores(8, 8, 7, 8, 8, 5),
        "ListingNotApproved",
        "listing flood-twin: Management has 5, the store asks for 6",
    ),
    "a score missing": (scores(8, 8, 7, 8, 8), "ListingNotApproved", "listing flood-twin: Management has no score"),
    "no such version": (
        lambda c: c.edit(version="9.9.9"),
        "VersionNotFound",
        "spec.version: listing flood-twin has no version 9.9.9; it has 1.0.0",
    ),
    "a version that was withdrawn": (
        lambda c: version_body(c).update(state="Withdrawn"),
        "VersionWithdrawn",
        "spec.version: version 1.0.0 was withdrawn: choose another",
    ),
    "images without digests": (digests, "ImageNotPinned", "images without a digest: localhost/flood-twin:latest"),
    "workloads elsewhere": (
        lambda c: platform_spec(c).update(workloadNamespace="kube-system"),
        "WorkloadNamespaceForbidden",
        "platform oup: spec.workloadNamespace is kube-system, must be its own (voorbeeldstad)",
    ),
    "an old cluster": (
        old_cluster,
        "PlatformUnsuitable",
        "platform oup: needs Kubernetes 1.30, the cluster has 1.29+",
    ),
    "too little processor": (
        lambda c: platform_spec(c).update(limits={"cpu": "50m", "memory": "2Gi"}),
        "PlatformUnsuitable",
        "spec.limits allow 50m",
    ),
    "too little memory": (
        lambda c: platform_spec(c).update(limits={"cpu": "2", "memory": "100Mi"}),
        "PlatformUnsuitable",
        "spec.limits allow 100Mi",
    ),
    "an unknown parameter": (
        lambda c: c.edit(parameters={"sed": 1}),
        "ParametersInvalid",
        "spec.parameters.sed: the app has no such parameter "
        "(it has areaKm2, horizonDays, objective, repetitions, seed)",
    ),
    "a parameter out of bounds": (
        lambda c: c.edit(parameters={"repetitions": 10}),
        "ParametersInvalid",
        "spec.parameters.repetitions: is 10, must be at least 300",
    ),
    "a bad city parameter": (
        lambda c: platform_spec(c).update(parameters={"catchmentAreaKm2": "large"}),
        "ParametersInvalid",
        "the platform's spec.parameters.catchmentAreaKm2: is 'large', must be a number",
    ),
    "a missing city parameter": (
        lambda c: platform_spec(c).update(parameters={}),
        "ParametersInvalid",
        "spec.parameters.areaKm2: no value; set it here, or catchmentAreaKm2 in the platform's",
    ),
    "overlapping windows of the listing": (
        overlap,
        "WindowsOverlap",
        "the validation window 2015-01-01…2016-12-31 shares days with the calibration window 2013-01-01…2015-01-01",
    ),
    "overlapping windows of the installation": (
        own_windows,
        "WindowsOverlap",
        "the validation window 2013-01-01…2015-01-01 shares days with the calibration window 2015-01-01…2016-12-31",
    ),
}


@pytest.mark.parametrize(("spoil", "reason", "text"), BAD.values(), ids=BAD)
def test_a_bad_input_is_refused_and_the_next_good_one_recovers(spoil: Any, reason: str, text: str) -> None:
    city, good = City(), City()
    spoil(city)
    plan = city.settle()
    assert said(plan)["Accepted"] == ("False", reason)
    assert text in plan.finding("Accepted").message
    assert {status for step, (status, _) in said(plan).items() if step not in ("Accepted", "Serving")} == {"Unknown"}
    assert (plan.desired, plan.prune, plan.revision) == ((), (), None)
    stalled = plan.finding("Accepted").reason.course.name == "STALLED"
    assert city.condition("Stalled")["status"] == str(stalled)
    assert city.condition("Reconciling")["status"] == str(not stalled)
    assert city.condition("Ready")["message"] == plan.finding("Accepted").message

    city.listing, city.platform, city.policy = good.listing, good.platform, good.policy
    city.kubernetes_version = good.kubernetes_version
    city.installation["spec"] = good.installation["spec"]
    assert said(city.serving()) == ALL_TRUE


def unlabelled_secret(city: City) -> None:
    city.secrets.clear()
    city.observations["river-gauge"] = SourceObservation("Unreachable", "CredentialsMissing", "no Secret")


def half_a_secret(city: City) -> None:
    city.secrets["water-board"] = secret(username="voorbeeldstad")


def second_source(city: City) -> None:
    sources = platform_spec(city)["dataSources"]
    sources.append(copy.deepcopy(sources[0]) | {"name": "other-gauge"})
    city.observations["other-gauge"] = REACHABLE


BAD_DATA: dict[str, Any] = {
    "unreachable": (
        lambda c: c.observations.update({"river-gauge": UNREACHABLE}),
        "DataSourceUnreachable",
        "data source river-gauge cannot be read: TooSlow: no answer within 20 s",
    ),
    "does not fit": (
        lambda c: platform_spec(c)["dataSources"][0].update(theme="air"),
        "RequirementNotMet",
        "nearest is river-gauge: needs water; the source says air",
    ),
    "no source at all": (
        lambda c: platform_spec(c).update(dataSources=[]),
        "RequirementNotMet",
        "requirement discharge-series: the platform has no data source at all",
    ),
    "two fit": (second_source, "BindingAmbiguous", "2 data sources fit (other-gauge, river-gauge): choose one"),
    "unknown requirement": (
        lambda c: c.edit(bindings=[{"requirement": "rain", "dataSource": "river-gauge"}]),
        "BindingInvalid",
        "spec.bindings: the app has no requirement rain; it has discharge-series",
    ),
    "unknown source": (
        lambda c: c.edit(bindings=[{"requirement": "discharge-series", "dataSource": "lake"}]),
        "BindingInvalid",
        "requirement discharge-series: the platform has no data source lake",
    ),
    "no Secret": (
        unlabelled_secret,
        "CredentialsMissing",
        "data source river-gauge: Secret water-board is not there: create it in the platform's namespace, "
        "with the label ddtas.nl/credentials",
    ),
    "half a Secret": (half_a_secret, "CredentialsMissing", "Secret water-board lacks the key password, which Basic"),
}


@pytest.mark.parametrize(("spoil", "reason", "text"), BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_is_refused_and_the_next_good_one_recovers(spoil: Any, reason: str, text: str) -> None:
    city, good = City(), City()
    spoil(city)
    plan = city.settle()
    assert said(plan)["DataBound"] == ("False", reason)
    assert text in plan.finding("DataBound").message
    assert (plan.desired, plan.revision) == ((), None)
    city.platform, city.observations, city.secrets = good.platform, good.observations, good.secrets
    city.installation["spec"] = good.installation["spec"]
    assert said(city.serving()) == ALL_TRUE


def test_an_explicit_binding_settles_an_ambiguous_one() -> None:
    city = City()
    second_source(city)
    city.edit(bindings=[{"requirement": "discharge-series", "dataSource": "other-gauge"}])
    plan = city.serving()
    assert said(plan) == ALL_TRUE
    assert plan.bindings[0].data_source == "other-gauge"


def test_no_message_shows_a_secret() -> None:
    city = City()
    plan = city.serving()
    text = f"{plan.findings}{plan.revisions}{plan.bindings}{city.snapshot()}"
    assert "only-for-this-test" not in text
    assert CREDENTIALS.data["password"] not in text


# ---- upgrades ----


def test_an_upgrade_stands_beside_what_serves_and_takes_over_when_it_is_ready() -> None:
    city = City()
    old = city.serving().revision
    city.edit(parameters={"seed": 2})

    plan = city.settle()
    new = plan.revision
    assert new not in (None, old)
    assert said(plan)["Calibrated"] == ("Unknown", "Calibrating")
    assert said(plan)["Serving"] == ("True", "KeepsServing")
    assert city.condition("Ready")["status"] == "Unknown"
    assert plan.serving == old
    assert service_leads_to(city) == old
    assert plan.prune == ()

    for go_on in (city.calibrated, lambda: finish_validation(city, new)):
        plan = go_on()
        assert said(plan)["Serving"] == ("True", "KeepsServing")
        assert city.condition("Ready")["status"] != "True"
        assert service_leads_to(city) == old
        assert plan.url == "http://flood-web.voorbeeldstad.svc:8080/"
    assert {c.revision for c in city.children.values() if c.kind == "Deployment"} == {old, new}
    assert city.condition("Ready")["reason"] == "RollingOut"

    city.roll_out(revision=new)
    plan = city.reconcile()
    assert service_leads_to(city) == new  # moved in this pass
    assert plan.prune == ()  # and what served goes only when that is seen
    plan = city.settle()
    assert said(plan) == ALL_TRUE
    assert city.condition("Ready")["status"] == "True"
    assert plan.serving == new
    assert {c.revision for c in city.children.values() if c.kind not in ("Pod", "ControllerRevision")} == {new}
    assert {r.id: r.state for r in plan.revisions} == {new: "Serving", old: "Superseded"}


def finish_validation(city: City, revision: str | None) -> Plan:
    city.finish("validate", result(window=VALIDATION_WINDOW), revision)
    return city.settle()


def service_leads_to(city: City) -> str:
    (service,) = [c for c in city.children.values() if c.kind == "Service"]
    return service.revision


FAILED_UPGRADES: dict[str, Any] = {
    "calibration crashes": (lambda c, r: fail_new(c, "calibrate", r), "Calibrated", "RunCrashed"),
    "validation refuses": (lambda c, r: refuse_new(c, r), "Validated", "ThresholdNotMet"),
    "roll-out is stuck": (lambda c, r: stick_new(c, r), "Serving", "RolloutFailed"),
}


def fail_new(city: City, phase: str, revision: str) -> None:
    job = city.job(phase, revision)
    for key in [k for k, c in city.children.items() if c.kind == "Job" and c.revision != revision]:
        city.delete(key)
    city.fail(job.phase, "boom")


def refuse_new(city: City, revision: str) -> None:
    city.finish("calibrate", result(), revision)
    city.settle()
    city.finish("validate", result({"NSE": 0.1, "RSR": 0.9, "absPBIAS": 1}, VALIDATION_WINDOW), revision)


def stick_new(city: City, revision: str) -> None:
    city.validated()
    city.roll_out(False, revision, stuck="progress deadline exceeded")


@pytest.mark.parametrize(("end", "step", "reason"), FAILED_UPGRADES.values(), ids=FAILED_UPGRADES)
def test_a_failed_upgrade_keeps_the_old_revision_serving(end: Any, step: str, reason: str) -> None:
    city = City()
    old = city.serving().revision
    city.edit(parameters={"seed": 2})
    new = city.settle().revision
    end(city, new)
    plan = city.settle()
    if step != "Serving":
        assert said(plan)[step] == ("False", reason)
    assert said(plan)["Serving"] == ("True", "KeepsServing")
    assert f"revision {old} (version 1.0.0) keeps serving" in plan.finding("Serving").message
    assert (city.condition("Ready")["status"], city.condition("Ready")["reason"]) == ("False", reason)
    assert city.condition("Stalled")["status"] == "True"
    assert service_leads_to(city) == old
    assert {r.id: r.state for r in plan.revisions} == {
        new: "Candidate" if step == "Serving" else "Failed",
        old: "Serving",
    }
    status = city.installation["status"]
    assert (status["revision"], status["servingRevision"], status["servingVersion"]) == (new, old, "1.0.0")
    city.edit(parameters={})  # and going back costs nothing: the evidence is still there
    plan = city.settle()
    assert plan.revision == old
    assert said(plan) == ALL_TRUE
    assert {c.revision for c in city.children.values() if c.kind not in ("Pod", "ControllerRevision")} == {old}


def test_there_and_back_names_the_same_revision() -> None:
    city = City()
    first = city.settle().revision
    city.edit(parameters={"seed": 2})
    second = city.settle().revision
    city.edit(parameters={})
    assert first == city.settle().revision != second
    assert {c.revision for c in city.children.values()} == {first}


def test_a_new_version_that_drops_and_adds_components_leaves_no_service_behind() -> None:
    city = City()
    web = version_body(city)["components"][0]
    version_body(city)["components"].append(copy.deepcopy(web) | {"name": "tiles"})
    city.serving()
    assert {k for k in city.children if k[0] == "Service"} == {("Service", "flood-web"), ("Service", "flood-tiles")}
    versions: Any = city.listing["spec"]["versions"]  # type: ignore[index]
    versions.append(copy.deepcopy(versions[0]) | {"version": "2.0.0"})
    versions[1]["components"][1]["name"] = "maps"
    city.edit(version="2.0.0")
    plan = city.serving()
    assert said(plan) == ALL_TRUE
    assert {k for k in city.children if k[0] == "Service"} == {("Service", "flood-web"), ("Service", "flood-maps")}
    assert plan.serving_version == "2.0.0"


def test_a_crash_in_the_middle_of_the_switch() -> None:
    """One of two Services has moved, and the operator is gone before it wrote a status: it goes on to the end."""
    city = City()
    web = version_body(city)["components"][0]
    version_body(city)["components"].append(copy.deepcopy(web) | {"name": "tiles"})
    old = city.serving().revision
    city.edit(parameters={"seed": 2})
    new = city.validated().revision
    before = {k: c for k, c in city.children.items() if k == ("Service", "flood-web")}
    status = copy.deepcopy(city.installation["status"])
    city.roll_out(revision=new)
    city.reconcile()
    city.children |= before  # this one's write did not get through
    city.installation["status"] = status
    plan = city.decide()
    assert plan.serving == old
    assert plan.prune == ()
    plan = city.settle()
    assert said(plan) == ALL_TRUE
    assert {c.revision for c in city.children.values() if c.kind == "Service"} == {new}


def test_a_spec_that_changes_in_the_middle_of_the_switch_goes_back_to_what_served() -> None:
    city = City()
    web = version_body(city)["components"][0]
    version_body(city)["components"].append(copy.deepcopy(web) | {"name": "tiles"})
    old = city.serving().revision
    city.edit(parameters={"seed": 2})
    new = city.validated().revision
    before = {k: c for k, c in city.children.items() if k == ("Service", "flood-web")}
    status = copy.deepcopy(city.installation["status"])
    city.roll_out(revision=new)
    city.reconcile()
    city.children |= before
    city.installation["status"] = status
    city.edit(parameters={"seed": 3})
    plan = city.settle()
    assert plan.revision not in (old, new)
    assert {c.revision for c in city.children.values() if c.kind == "Service"} == {old}
    assert new not in {c.revision for c in city.children.values() if c.kind not in ("Pod", "ControllerRevision")}


# ---- while it serves ----


def all_but(city: City, *kinds: str) -> dict[Any, str]:
    return {k: c.applied for k, c in city.children.items() if c.kind not in ("Pod", "Job", *kinds)}


ELSEWHERE: dict[str, Any] = {
    "the listing is deleted": (no_listing, "Accepted", "ListingNotFound"),
    "the listing is unreadable": (unreadable_listing, "Accepted", "ListingInvalid"),
    "the review is withdrawn": (scores(8, 8, 7, 8, 8, 2), "Accepted", "ListingNotApproved"),
    "the spec is wrong": (lambda c: c.edit(parameters={"seed": -1}), "Accepted", "ParametersInvalid"),
    "the source is unreachable": (
        lambda c: c.observations.update({"river-gauge": UNREACHABLE}),
        "DataBound",
        "DataSourceUnreachable",
    ),
    "the source does not fit any more": (
        lambda c: platform_spec(c)["dataSources"][0].update(theme="air"),
        "DataBound",
        "RequirementNotMet",
    ),
}


@pytest.mark.parametrize(("happen", "step", "reason"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_serves_keeps_serving_and_is_put_right_when(happen: Any, step: str, reason: str) -> None:
    city = City()
    before = city.serving()
    wanted = all_but(city)
    happen(city)
    plan = city.settle()
    assert said(plan)[step] == ("False", reason)
    assert said(plan)["Serving"] == ("True", "KeepsServing")
    assert city.condition("Ready")["status"] == "False"
    assert (plan.serving, plan.url, plan.prune) == (before.serving, before.url, ())
    for kind in ("Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy"):
        for key in [k for k in city.children if k[0] == kind]:
            city.delete(key)
    city.settle()
    assert all_but(city) == wanted
    assert len(city.started) == 2


@pytest.mark.parametrize("loss", [no_platform, unreadable_platform])
def test_without_its_platform_it_keeps_serving(loss: Any) -> None:
    city = City()
    before = city.serving()
    wanted = all_but(city)
    loss(city)
    plan = city.settle()
    assert said(plan)["Serving"] == ("True", "KeepsServing")
    assert (plan.serving, plan.url, plan.prune) == (before.serving, before.url, ())
    assert all_but(city) == wanted


@pytest.mark.parametrize("happening", ELSEWHERE)
def test_a_candidate_keeps_its_evidence_while_the_way_is_blocked(happening: str) -> None:
    """Calibration has passed; then something else is wrong for a while, and the Job's pod is tidied away."""
    city, good = City(), City()
    city.calibrated()
    ELSEWHERE[happening][0](city)
    city.settle()
    for key in [k for k in city.children if k[0] == "Pod"]:
        city.delete(key)
    city.settle()
    city.listing, city.platform, city.observations = good.listing, good.platform, good.observations
    city.installation["spec"] = good.installation["spec"]
    plan = city.settle()
    assert said(plan)["Calibrated"] == ("True", "Passed")
    assert len(city.started) == 2


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy"])
def test_a_child_that_was_deleted_by_hand_comes_back(kind: str) -> None:
    city = City()
    before = city.serving()
    wanted = all_but(city)
    for key in [k for k in city.children if k[0] == kind]:
        city.delete(key)
    for key in [k for k in city.children if k[0] == "Pod"]:
        city.delete(key)
    plan = city.reconcile()
    assert plan.serving == before.serving
    assert all_but(city) == wanted
    assert plan.revisions == before.revisions  # nothing that is known is forgotten on the way
    city.roll_out()
    assert said(city.settle()) == ALL_TRUE
    assert len(city.started) == 2


def test_a_child_that_is_being_deleted_is_not_there() -> None:
    city = City()
    city.settle()
    key = next(k for k in city.children if k[0] == "Secret")
    city.children[key] = replace(city.children[key], deleting=True)
    plan = city.reconcile()
    assert said(plan)["Provisioned"] == ("Unknown", "Provisioning")
    assert ("Job", f"flood-{plan.revision}-calibrate") not in plan.prune


def test_a_rotated_credential_rolls_the_app_without_a_new_revision() -> None:
    city = City()
    before = city.serving()
    city.secrets["water-board"] = secret(username="new", password="new")
    plan = city.decide()
    assert plan.revision == before.revision
    changed = {d.key[0] for d, e in zip(plan.desired, before.desired, strict=True) if d != e}
    assert changed == {"Secret", "Deployment"}


def test_a_record_that_was_edited_is_not_believed() -> None:
    city = City()
    old = city.serving().revision
    key = ("ControllerRevision", f"flood-{old}")
    city.children[key] = replace(city.children[key], data=city.children[key].data.replace('"seed": 1', '"seed": 7'))
    city.edit(parameters={"seed": 2})
    plan = city.settle()
    assert plan.serving == old
    assert plan.url == "http://flood-web.voorbeeldstad.svc:8080/"
    assert {r for d in plan.desired if (r := d.manifest["metadata"]["labels"][names.LABEL_REVISION])} == {plan.revision}
    assert plan.prune == ()  # what serves is left alone
    assert old in {r.id for r in plan.revisions}


# ---- retry, suspend, templates ----


def test_a_retry_token_makes_one_new_revision_and_its_removal_does_not_go_back() -> None:
    city = City()
    first = city.settle().revision
    city.fail("calibrate", "boom")
    city.settle()
    city.annotate(retry="2026-11-24")
    plan = city.settle()
    second = plan.revision
    assert second != first
    assert said(plan)["Calibrated"] == ("Unknown", "Calibrating")
    assert city.installation["status"]["lastRetry"] == "2026-11-24"
    city.annotate(retry=None)
    assert city.settle().revision == second
    city.tick(60)
    city.annotate(retry="again")
    assert city.settle().revision not in (first, second)
    assert len(city.started) == 3


def test_a_long_retry_token_is_cut() -> None:
    city = City()
    city.annotate(retry="x" * 5000)
    city.settle()
    assert city.installation["status"]["lastRetry"] == "x" * 64


def test_suspended_does_nothing_new_and_goes_on_afterwards() -> None:
    city = City()
    city.edit(suspend=True)
    plan = city.settle()
    assert plan.suspended
    assert city.children == {}
    assert city.condition("Ready")["reason"] == "Suspended"
    assert city.condition("Reconciling")["status"] == "False"
    stalled = city.condition("Stalled")
    assert (stalled["status"], stalled["message"]) == ("True", city.condition("Ready")["message"])
    assert "inventory" not in city.installation["status"]
    city.edit(suspend=False)
    assert said(city.serving()) == ALL_TRUE


def test_suspended_while_it_serves_leaves_everything_in_place() -> None:
    city = City()
    city.serving()
    children, inventory = dict(city.children), city.installation["status"]["inventory"]
    city.edit(suspend=True, parameters={"seed": 2})
    plan = city.settle()
    assert city.children == children
    assert city.installation["status"]["inventory"] == inventory
    assert said(plan)["Serving"][0] == "True"
    assert city.condition("Ready")["status"] != "True"  # what the spec asks for is not there
    assert plan.serving is not None


def test_suspended_keeps_what_would_be_pruned_in_the_inventory() -> None:
    city = City()
    old = city.settle().revision
    city.edit(suspend=True, parameters={"seed": 2})
    plan = city.settle()
    assert plan.prune
    assert f"flood-{old}-calibrate" in {i["name"] for i in city.installation["status"]["inventory"]}


def templated(city: City) -> None:
    version_body(city)["templates"] = [{"name": "tiles", "manifest": "kind: ConfigMap"}]


TILES = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x-tiles", "labels": {"a": "b"}}, "data": {}}


def test_templates_are_rendered_before_anything_is_made() -> None:
    city = City()
    templated(city)
    plan = city.settle()
    assert said(plan)["Provisioned"] == ("Unknown", "Provisioning")
    assert plan.desired == ()
    (request,) = plan.render
    assert (request.revision, request.prefix, request.namespace) == (
        plan.revision,
        f"flood-{plan.revision}",
        "voorbeeldstad",
    )
    assert request.context["parameters"]["areaKm2"] == 1.783
    assert request.context["bindings"] == {"discharge-series": {"source": "river-gauge", "kind": "http-csv"}}
    assert ("Deployment", f"flood-{plan.revision}-web") in request.taken
    city.rendered[request.revision] = (TILES,)
    plan = city.serving()
    assert said(plan) == ALL_TRUE
    tiles = city.children[("ConfigMap", "x-tiles")]
    assert tiles.revision == plan.revision


@pytest.mark.parametrize("reason", ["TemplateInvalid", "TemplateForbidden"])
def test_a_template_error_stops_before_anything_is_made(reason: str) -> None:
    city = City()
    templated(city)
    revision = city.decide().revision
    assert revision is not None
    city.rendered[revision] = TemplateError(reason, "template tiles, line 3: no")
    plan = city.settle()
    assert said(plan)["Provisioned"] == ("False", reason)
    assert plan.finding("Provisioned").message == "template tiles, line 3: no"
    assert (plan.desired, plan.render) == ((), ())
    assert city.condition("Stalled")["status"] == "True"


def test_a_broken_template_in_an_upgrade_keeps_the_old_revision() -> None:
    city = City()
    old = city.serving().revision
    templated(city)
    revision = city.decide().revision
    assert revision is not None
    city.rendered[revision] = TemplateError("TemplateInvalid", "no")
    plan = city.settle()
    assert said(plan)["Serving"] == ("True", "KeepsServing")
    assert service_leads_to(city) == old


def test_what_serves_has_its_templates_rendered_again_after_a_restart() -> None:
    city = City()
    templated(city)
    revision = city.decide().revision
    assert revision is not None
    city.rendered[revision] = (TILES,)
    city.serving()
    city.edit(parameters={"seed": 2})
    city.rendered.clear()
    plan = city.decide()
    assert {r.revision for r in plan.render} == {revision, plan.revision}
    assert all(c.revision in (revision, plan.revision) for c in city.children.values())
    assert plan.prune == ()


def test_a_fault_of_apply_shows_on_provisioned() -> None:
    city = City()
    city.reconcile((Fault(Reason.NAME_TAKEN, "Service flood-web exists"), Fault(Reason.APPLY_FAILED, "no")))
    assert city.condition("Provisioned")["reason"] == "NameTaken"
    assert city.condition("Provisioned")["message"] == "Service flood-web exists (and 1 more)"
    assert city.condition("Ready")["status"] == "False"
    assert city.condition("Stalled")["status"] == "True"


# ---- what is made ----


def longest() -> City:
    """The longest names that are allowed, in all places at once."""
    city = City()
    city.installation["metadata"]["name"] = "i" * names.MAX_INSTALLATION_NAME
    version = version_body(city)
    version["components"] = [version["components"][0] | {"name": "c" * names.MAX_PART_NAME, "replicas": 3}]
    version["dataRequirements"][0]["name"] = "r" * names.MAX_PART_NAME
    version["dataProducts"] = []
    return city


@pytest.mark.parametrize("build", [City, longest])
def test_every_name_label_and_volume_is_short_enough(build: Any) -> None:
    city = build()
    plan = city.serving()
    assert said(plan) == ALL_TRUE
    for kind, name in {*city.children, *(d.key for d in plan.desired)}:
        assert len(name) <= 63, kind
    for desired in plan.desired:
        assert all(len(v) <= 63 for v in desired.manifest["metadata"]["labels"].values())
        for volume in pod_spec(desired.manifest).get("volumes", []):
            assert len(volume["name"]) <= 63


def pod_spec(manifest: JsonObject) -> JsonObject:
    spec: JsonObject = manifest.get("spec", {}).get("template", {}).get("spec", {})
    return spec


def every_desired(city: City) -> dict[Any, JsonObject]:
    """All that is desired at any time from nothing to serving."""
    found: dict[Any, JsonObject] = {}
    for go_on in (
        lambda: None,
        lambda: city.finish("calibrate", result(parameters={"a": 1.0})),
        lambda: city.finish("validate", result(window=VALIDATION_WINDOW)),
        city.roll_out,
    ):
        go_on()  # type: ignore[no-untyped-call]
        found |= {d.key: d.manifest for d in city.settle().desired}
    return found


def test_every_pod_is_restricted_and_a_good_citizen() -> None:
    manifests = every_desired(City())
    pods = {key: pod_spec(m) for key, m in manifests.items() if pod_spec(m)}
    assert {kind for kind, _ in pods} == {"Job", "Deployment"}
    assert len(pods) == 3
    for key, pod in pods.items():
        assert restricted_violations(pod) == [], key
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["requests"] == {"cpu": "100m", "memory": "192Mi"}
        assert container["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}
        mounted = {m["name"] for m in container["volumeMounts"]}
        assert mounted == {v["name"] for v in pod["volumes"]}


def test_every_child_is_ours_and_owned() -> None:
    for key, manifest in every_desired(City()).items():
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "voorbeeldstad", key
        assert metadata["labels"][names.LABEL_INSTALLATION] == "flood"
        assert metadata["labels"][names.LABEL_REVISION]
        (owner,) = metadata["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Installation", "flood")
        assert "controller" not in owner


def test_a_job_runs_once_and_its_deadline_is_the_listings() -> None:
    manifests = every_desired(City())
    jobs = {m["metadata"]["labels"][names.LABEL_PHASE]: m["spec"] for k, m in manifests.items() if k[0] == "Job"}
    assert {phase: spec["activeDeadlineSeconds"] for phase, spec in jobs.items()} == {"calibrate": 900, "validate": 300}
    assert {spec["backoffLimit"] for spec in jobs.values()} == {0}
    assert {pod["restartPolicy"] for pod in (pod_spec({"spec": s}) for s in jobs.values())} == {"Never"}


def test_a_window_at_the_beginning_of_time_is_no_crash() -> None:
    city = City()
    city.edit(
        windows={
            "calibration": {"start": "0001-01-01", "end": "0001-12-31"},
            "validation": {"start": "2015-01-01", "end": "2016-12-31"},
        }
    )
    assert said(city.settle())["DataBound"] == ("False", "RequirementNotMet")


# ---- at the edges of the rules ----

FITS: dict[str, Any] = {
    "limits that are just enough": lambda c: platform_spec(c).update(limits={"cpu": "0.1", "memory": "192Mi"}),
    "no limits": lambda c: platform_spec(c).pop("limits"),
    "the minimum version itself": lambda c: setattr(c, "kubernetes_version", "1.30"),
    "a version of more digits": lambda c: setattr(c, "kubernetes_version", "1.100"),
    "a newer major version": lambda c: setattr(c, "kubernetes_version", "2.0"),
    "a provider's version": lambda c: setattr(c, "kubernetes_version", "v1.33+"),
    "scores just high enough": scores(6, 6, 6, 6, 6, 6),
    "its own namespace for workloads": lambda c: platform_spec(c).update(workloadNamespace="voorbeeldstad"),
    "a deprecated version": lambda c: version_body(c).update(state="Deprecated"),
}


@pytest.mark.parametrize("change", FITS.values(), ids=FITS)
def test_what_is_just_good_enough_is_accepted(change: Any) -> None:
    city = City()
    change(city)
    assert said(city.settle())["Accepted"] == ("True", "Accepted")


def test_an_old_version_is_compared_by_number() -> None:
    city = City(kubernetes_version="1.9")
    assert said(city.settle())["Accepted"] == ("False", "PlatformUnsuitable")


def test_replicas_count_against_the_limits() -> None:
    city = City()
    version_body(city)["components"][0]["replicas"] = 10
    platform_spec(city)["limits"] = {"cpu": "999m", "memory": "2Gi"}
    plan = city.settle()
    assert said(plan)["Accepted"] == ("False", "PlatformUnsuitable")
    assert "1 cpu, spec.limits allow 999m" in plan.finding("Accepted").message


def test_a_version_that_is_withdrawn_keeps_serving_where_it_serves() -> None:
    city = City()
    city.serving()
    version_body(city)["state"] = "Withdrawn"
    assert said(city.settle()) == ALL_TRUE


def test_what_is_being_deleted_is_not_removed_again() -> None:
    city = City()
    old = city.settle().revision
    key = ("Job", f"flood-{old}-calibrate")
    city.children[key] = replace(city.children[key], deleting=True)
    city.edit(parameters={"seed": 2})
    prune = city.decide().prune
    assert key not in prune
    assert ("Secret", f"flood-{old}-discharge-series") in prune


def test_each_service_leads_to_its_own_component() -> None:
    city = City()
    web = version_body(city)["components"][0]
    version_body(city)["components"].append(copy.deepcopy(web) | {"name": "tiles"})
    plan = city.serving()
    selectors = {d.key[1]: d.manifest["spec"]["selector"] for d in plan.desired if d.key[0] == "Service"}
    pods = {
        d.manifest["spec"]["template"]["metadata"]["labels"][names.LABEL_COMPONENT]: d.manifest
        for d in plan.desired
        if d.key[0] == "Deployment"
    }
    assert set(selectors) == {"flood-web", "flood-tiles"}
    for name, selector in selectors.items():
        matching = [
            component
            for component, m in pods.items()
            if selector.items() <= m["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert matching == [name.removeprefix("flood-")]


def test_an_app_cannot_point_its_pods_elsewhere_than_to_their_bindings() -> None:
    city = City()
    own = [
        {"name": "SERVICE_BINDING_ROOT", "value": "/elsewhere"},
        {"name": "A", "value": "1"},
        {"name": "B", "value": ""},
    ]
    version_body(city)["calibration"]["env"] = own
    job = next(d.manifest for d in city.settle().desired if d.key[0] == "Job")
    (container,) = pod_spec(job)["containers"]
    assert {e["name"]: e["value"] for e in container["env"]} == {
        "SERVICE_BINDING_ROOT": "/bindings",
        "DDTAS_CONFIG": "/etc/ddtas",
        "A": "1",
    }


@pytest.mark.parametrize("phase", ["calibrate", "validate"])
@pytest.mark.parametrize(("seconds", "lost"), [(58, False), (62, True)])
def test_the_pod_of_a_finished_job_has_a_minute_to_say_how_it_ended(phase: str, seconds: int, lost: bool) -> None:
    """A pod's last event may come later than its Job's; and a Job whose pod is gone must not wait for ever."""
    city = City()
    (city.calibrated if phase == "validate" else city.settle)()
    job = city.job(phase)
    city.children[job.key] = replace(job, facts=JobFacts("Complete", finished_at=city.now))
    city.tick(seconds - 1)  # one more passes in the pass itself
    plan = city.reconcile()
    condition = city.condition({"calibrate": "Calibrated", "validate": "Validated"}[phase])
    assert (condition["reason"] == "ResultMissing") is lost, condition
    assert (plan.requeue_after is None) is lost
