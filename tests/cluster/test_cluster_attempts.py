"""Attempts at an exam on a real API server: who deletes, renames or kills forgets none, and what they cost."""

import json
import time
from typing import Any

import cluster_apps as apps
from cluster_city import JOB, App, City
from cluster_kit import KINDS, History, JsonObject, by_kind, condition
from test_cluster_flow import OBJECTS, QUIET_SECONDS, eventually_idle, without_lease
from test_cluster_killed import Gate

from ddtas import names

PLATFORM = KINDS["MunicipalityPlatform"]
LATER = {
    "calibration": {"start": "2013-01-01", "end": "2013-12-31"},
    "validation": {"start": "2014-01-01", "end": "2014-12-31"},
}


def attempts(city: City) -> list[JsonObject]:
    """Those that the platform has."""
    found: list[JsonObject] = city.cluster.get(PLATFORM, city.namespace, "oup").get("status", {}).get("attempts", [])
    return found


def attempt(city: City, number: int, outcome: str | None, name: str = "flood") -> JsonObject:
    """Wait until the newest attempt is that one."""

    def newest() -> JsonObject | None:
        found = attempts(city)
        wanted = (number, outcome, name)
        is_it = found and (found[-1]["number"], found[-1].get("outcome"), found[-1]["installation"]) == wanted
        return found[-1] if is_it else None

    found: JsonObject = city.cluster.wait(f"attempt {number} of {name}: {outcome}", newest, city.namespace)
    return found


def failed(app: App) -> None:
    """Wait until it has failed."""
    app.wait_for("Validated", "False", "ThresholdNotMet")


def retry(app: App) -> None:
    """Ask for one more attempt."""
    annotations = {"metadata": {"annotations": {names.ANNOTATION_RETRY: "once-more"}}}
    app.cluster.merge(KINDS["Installation"], app.namespace, app.name, annotations)


def test_who_fails_too_often_waits_for_newer_data_whatever_it_is_called(city: City) -> None:
    city.start(maximum_attempts="4")
    flood = city.everything(apps.scored(nse="0.12"), apps.scored("1.0.1", nse="0.12"))
    failed(flood)
    attempt(city, 1, "Failed")
    retry(flood)
    attempt(city, 2, "Failed")
    city.cluster.delete(KINDS["Installation"], city.namespace, "flood")
    flood = city.install(version="1.0.1")
    failed(flood)
    attempt(city, 3, "Failed")
    other = city.install("other", parameters={"depth": 3})
    failed(other)
    attempt(city, 4, "Failed", "other")

    third = city.install("third")
    said = third.wait_for("Calibrated", "False", "HoldoutExhausted")["message"]
    assert "4 attempts at this exam have failed on this platform" in said
    assert "begins after 2016-12-31" in said
    assert third.children(JOB) == []
    retry(other)
    other.wait_for("Calibrated", "False", "HoldoutExhausted")
    assert len(attempts(city)) == 4

    third.edit(windows=LATER)
    failed(third)
    assert attempt(city, 1, "Failed", "third")["exam"][0]["window"] == LATER["validation"]


def test_a_deleted_installation_has_failed_what_it_had_begun(city: City) -> None:
    city.start()
    flood = city.everything(apps.scored(held=True))
    flood.running("validate")
    attempt(city, 1, None)
    city.cluster.delete(KINDS["Installation"], city.namespace, "flood")
    again = city.install()
    again.running("validate")
    new = attempt(city, 2, None)
    old = attempts(city)[0]
    assert old["outcome"] == "Abandoned"
    assert old["uid"] != new["uid"]
    again.release("validate")
    status = again.served()["status"]
    assert status["revisions"][0]["validation"]["attempt"] == 2
    attempt(city, 2, "Passed")


def test_killed_between_the_attempt_and_the_job(city: City) -> None:
    operator, gate = city.operator(), Gate(city)
    gate.shut(1)
    operator.start()
    flood = city.everything(apps.scored())
    begun = attempt(city, 1, None)
    flood.wait_for("Provisioned", "False", "ApplyFailed")  # no Job yet
    operator.kill()
    gate.open()
    mark = city.cluster.mark()
    operator.start()
    flood.served()
    ended = attempt(city, 1, "Passed")
    assert {key: ended[key] for key in begun} == begun, "another attempt under the same number"
    assert len(attempts(city)) == 1
    made = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind == "jobs" and r.writes and r.code == 201]
    assert len(made) == 1


def test_killed_before_the_attempt_is_written_down(city: City) -> None:
    """The status of the Installation has the exam, and nothing else is known: the next one goes on from there."""
    operator = city.start()
    flood = city.everything(apps.scored(held=True))
    flood.running("validate")
    operator.kill()
    # As if it had been killed before: the attempt, and the Job, were not made yet.
    status = city.cluster.get(PLATFORM, city.namespace, "oup")["status"]
    path = f"/apis/ddtas.nl/v1alpha1/namespaces/{city.namespace}/municipalityplatforms/oup/status"
    patch = [{"op": "remove", "path": "/status/attempts"}]
    assert status["attempts"]
    city.cluster.request("PATCH", path, patch, "application/json-patch+json")
    (job,) = flood.children(JOB, phase="validate")
    city.cluster.delete(JOB, city.namespace, job["metadata"]["name"])
    operator.start()
    flood.release("validate")
    flood.served()
    attempt(city, 1, "Passed")


def test_what_an_exam_costs_the_api_server(city: City) -> None:
    city.start()
    city.store(apps.scored())
    city.platform()
    eventually_idle(city)
    mark = city.cluster.mark()
    with History(city.cluster, KINDS["Installation"], city.namespace, "flood") as history:
        states = [s for s in history.up_to(city.install().served()) if "conditions" in s["status"]]
    attempt(city, 1, "Passed")
    city.settled()
    requests = without_lease(city.cluster.requests(city.rights.user, mark))
    print(json.dumps(by_kind(requests)))
    assert [r for r in requests if not r.writes] == [], "it reads what it watches anyway"
    counts = by_kind(requests)
    assert counts["patch municipalityplatforms/status"] <= 3  # it begins, it ends, and the catalogue when it serves
    assert counts["patch installations/status"] == len(states) <= 9, "one write a published transition"
    waiting = [s for s in states if "written down" in condition(s, "Validated")["message"]]
    assert len(waiting) == 1, "one write more than without an exam"
    assert condition(waiting[0], "Calibrated")["status"] == "True"
    assert counts["patch jobs"] == OBJECTS["jobs"]

    mark = city.cluster.mark()
    time.sleep(QUIET_SECONDS)
    assert without_lease(city.cluster.requests(city.rights.user, mark)) == [], "it does not rest when converged"


def test_many_exams_that_begin_at_once_are_one_write(city: City) -> None:
    operator = city.start()
    city.store(apps.scored())
    city.platform()
    eventually_idle(city)
    operator.kill()
    many: list[Any] = [city.install(f"flood-{n}") for n in range(4)]
    mark = city.cluster.mark()
    operator.start()
    for app in many:
        app.served()
    city.settled()
    counts = by_kind(city.cluster.requests(city.rights.user, mark))
    print(json.dumps(counts))
    assert sorted(a["number"] for a in attempts(city)) == [1, 2, 3, 4]
    assert {a.get("outcome") for a in attempts(city)} == {"Passed"}
    assert counts["patch municipalityplatforms/status"] <= 2 * len(many) + 2
    assert condition(many[0].body(), "Ready")["status"] == "True"
