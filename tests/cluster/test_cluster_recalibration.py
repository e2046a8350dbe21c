"""Evidence that expires, plans that are only shown, and edits by hand that are only reported."""

import json

import cluster_apps as apps
import pytest
from cluster_city import JOB, App, City
from cluster_kit import KINDS, JsonObject, condition

from ddtas import names

DEPLOYMENT = KINDS["Deployment"]
DRIFTED = json.dumps({"metrics": {"NSE": 0.2}, "windows": [apps.VALIDATION]})


def only(found: list[JsonObject]) -> JsonObject:
    """The one that there is."""
    (one,) = found
    return one


def recalibration(flood: App) -> JsonObject:
    found: JsonObject = flood.body()["status"].get("recalibration", {})
    return found


def served_anew(city: City, flood: App, old: str) -> JsonObject:
    """Wait until another revision serves; the status."""

    def look() -> JsonObject | None:
        status: JsonObject = flood.body()["status"]
        return status if status.get("servingRevision") not in (None, old) else None

    city.cluster.wait("another revision that serves", look, city.namespace)
    return dict(flood.served()["status"])


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted while it is due"])
def test_evidence_that_is_too_old(city: City, restart: bool) -> None:
    operator = city.start()
    flood = city.everything(apps.version())
    old = flood.served()["status"]["revision"]
    flood.edit(recalibration={"schedule": "* * * * *", "jitter": "PT0S"})
    city.cluster.wait("next round", lambda: recalibration(flood).get("next"), city.namespace)
    if restart:
        operator.kill()
        operator.start()
    flood.told("Recalibrating")
    flood.edit(recalibration={})
    status = served_anew(city, flood, old)
    assert status["recalibration"]["trigger"] == "Schedule"
    assert status["recalibration"]["round"].startswith("Schedule/")
    assert only(flood.children(DEPLOYMENT))["metadata"]["labels"][names.LABEL_REVISION] == status["revision"]
    assert 'ddtas_recalibrations_total{trigger="Schedule"} 1.0' in operator.get("/metrics")[1]
    city.settled()
    mark = city.cluster.mark()
    city.settled()
    assert [r for r in city.cluster.requests(city.rights.user, mark) if r.writes] == []


def test_drift_that_a_monitoring_run_reports(city: City) -> None:
    """While the recalibration goes on, and when it has failed, the last valid one serves."""
    threshold = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.40"}
    monitoring = apps.run(DRIFTED) | {"schedule": "* * * * *", "jitter": "PT0S", "thresholds": [threshold]}
    operator = city.start()
    flood = city.everything(apps.version(monitoring=monitoring))
    old = flood.served()["status"]["revision"]
    assert flood.told("Recalibrating")["message"].startswith(f"ModelDrift: flood-{old}-monitor-")
    status = served_anew(city, flood, old)
    assert status["recalibration"]["reason"].endswith("NSE is 0.2, must be > 0.40")
    assert 'ddtas_recalibrations_total{trigger="ModelDrift"}' in operator.get("/metrics")[1]
    phases = [j["metadata"]["labels"][names.LABEL_PHASE] for j in flood.children(JOB, revision=status["revision"])]
    assert phases.count("calibrate") == phases.count("validate") == 1


def test_a_plan_is_shown_and_then_done(city: City) -> None:
    city.start()
    flood = city.everything(mode="Plan")
    flood.wait_for("Ready", "False", "Planned")
    city.settled()
    assert city.leftovers() == []
    plan = flood.body()["status"]["plan"]
    assert plan["message"] == "create 10, calibrate, validate"
    flood.edit(mode="Apply")
    flood.served()
    city.settled()
    found = [n for n in city.leftovers() if not n.startswith("Pod ")]
    assert sorted(f"{i['kind']} {i['name']}" for i in plan["items"]) == sorted(found)
    assert "plan" not in flood.body()["status"]


def test_a_suspended_platform_freezes_what_is_on_it(city: City) -> None:
    city.start()
    flood = city.everything()
    flood.served()
    city.platform(suspend=True)
    said = flood.wait_for("Ready", "True", "Suspended")["message"]
    assert "spec.suspend of platform oup is true" in said
    name = only(flood.children(DEPLOYMENT))["metadata"]["name"]
    city.cluster.merge(DEPLOYMENT, city.namespace, name, {"spec": {"replicas": 2}})
    city.settled()
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 2
    items = flood.body()["status"]["plan"]["items"]
    assert items == [{"kind": "Deployment", "name": name, "action": "Change"}]
    assert condition(city.cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "oup"), "Ready")["reason"] == (
        "Suspended"
    )
    city.platform(suspend=False)
    flood.wait_for("Ready", "True", "Serving")  # it was True with the reason Suspended
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 1


def test_edits_by_hand_are_only_reported_where_that_is_the_policy(city: City) -> None:
    operator = city.start()
    flood = city.everything(drift="Report")
    flood.served()
    name = only(flood.children(DEPLOYMENT))["metadata"]["name"]
    city.cluster.merge(DEPLOYMENT, city.namespace, name, {"spec": {"replicas": 2}})
    policy = only(flood.children(KINDS["NetworkPolicy"]))["metadata"]["name"]
    city.cluster.delete(KINDS["NetworkPolicy"], city.namespace, policy)
    flood.wait_for("Ready", "False", "Drifted")
    told = [
        {"kind": "Deployment", "name": name, "change": "Edited"},
        {"kind": "NetworkPolicy", "name": policy, "change": "Missing"},
    ]
    city.cluster.wait("both", lambda: flood.body()["status"].get("drift") == told, city.namespace)
    city.settled()
    before = flood.body()["metadata"]["resourceVersion"]
    operator.kill()
    operator.start()
    city.settled()
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 2
    assert flood.children(KINDS["NetworkPolicy"]) == []
    assert flood.body()["metadata"]["resourceVersion"] == before, "it flaps"
    flood.edit(drift="Correct")
    flood.served()
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 1
    assert "drift" not in flood.body()["status"]
