"""What people do to an Installation that serves: edit it, upgrade it, suspend it, try again, remove it."""

import base64
import time
from collections.abc import Callable

import cluster_apps as apps
import pytest
from cluster_city import JOB, App, City
from cluster_kit import KINDS, JsonObject, condition

from ddtas import names

SERVICE, DEPLOYMENT, SECRET, CONFIG_MAP = (KINDS[k] for k in ("Service", "Deployment", "Secret", "ConfigMap"))


def only(found: list[JsonObject]) -> JsonObject:
    """The one that there is."""
    (one,) = found
    return one


# What a person breaks by hand: kind, patch, and what must be there again.
EDITS: dict[str, tuple[str, JsonObject, Callable[[JsonObject], object]]] = {
    "ConfigMap data": ("ConfigMap", {"data": {"parameters.json": "{}"}}, lambda o: o["data"]["parameters.json"]),
    "ConfigMap key removed": ("ConfigMap", {"data": {"serve.json": None}}, lambda o: o["data"].get("serve.json")),
    "Deployment replicas": ("Deployment", {"spec": {"replicas": 3}}, lambda o: o["spec"]["replicas"]),
    "Deployment image": (
        "Deployment",
        {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "localhost/other:1"}]}}}},
        lambda o: [c["image"] for c in o["spec"]["template"]["spec"]["containers"]],
    ),
    "Service selector": (
        "Service",
        {"spec": {"selector": {names.LABEL_REVISION: "0"}}},
        lambda o: o["spec"]["selector"],
    ),
    "Secret value": ("Secret", {"data": {"uri": base64.b64encode(b"http://evil/").decode()}}, lambda o: o["data"]),
    "NetworkPolicy": ("NetworkPolicy", {"spec": {"ingress": None}}, lambda o: o["spec"].get("ingress")),
    "label": ("Deployment", {"metadata": {"labels": {names.LABEL_COMPONENT: "x"}}}, lambda o: o["metadata"]["labels"]),
}


def test_a_child_that_is_edited_by_hand_is_put_right(city: City) -> None:
    city.start()
    flood = city.everything()
    flood.served()
    for what, (kind, patch, seen) in EDITS.items():
        resource = KINDS[kind]
        child = next(c for c in flood.children(resource) if kind != "ConfigMap" or "serve.json" in c["data"])
        name, right = child["metadata"]["name"], seen(child)
        path = f"{resource.path(city.namespace, name)}?fieldManager=somebody"
        edited = city.cluster.request("PATCH", path, patch, "application/strategic-merge-patch+json")
        assert seen(edited) != right, what

        def is_right(resource=resource, name=name, seen=seen, right=right) -> bool:  # type: ignore[no-untyped-def]
            return bool(seen(city.cluster.get(resource, city.namespace, name)) == right)

        city.cluster.wait(f"correction: {what}", is_right, city.namespace)
    flood.served()


def test_what_others_add_to_a_child_stays(city: City) -> None:
    operator = city.start()
    flood = city.everything()
    flood.served()
    before = only(flood.children(DEPLOYMENT))
    name = before["metadata"]["name"]
    city.cluster.merge(DEPLOYMENT, city.namespace, name, {"metadata": {"annotations": {"a-tool": "was here"}}})
    mark = city.cluster.mark()
    city.settled()
    after = only(flood.children(DEPLOYMENT))
    writes = [r for r in city.cluster.requests(city.rights.user, mark) if r.writes and r.kind == "deployments"]
    assert writes == [], f"before: {before}, after: {after}, the operator: {operator.records()[-20:]}"
    assert after["metadata"]["annotations"]["a-tool"] == "was here"


def test_a_child_that_is_deleted_is_made_again_but_for_runs_that_are_done(city: City) -> None:
    city.start()
    flood = city.everything()
    flood.served()
    before = {(k, c["metadata"]["name"]): c["metadata"]["uid"] for k, r in KINDS.items() for c in children(flood, k)}
    for kind, name in before:
        city.cluster.delete(KINDS[kind], city.namespace, name)

    def all_new() -> bool:
        now = {(k, c["metadata"]["name"]): c["metadata"]["uid"] for k in KINDS for c in children(flood, k)}
        expected = {key for key in before if key[0] != "Job"}
        return now.keys() >= expected and all(now[key] != before[key] for key in expected)

    city.cluster.wait("all children again", all_new, city.namespace)
    flood.served()
    city.settled()
    assert flood.children(JOB) == [], "evidence stands: its runs are not made again"


def children(app: App, kind: str) -> list[JsonObject]:
    """Its objects of a kind; pods are their controllers' business."""
    skipped = ("Pod", "Namespace", "AppListing", "Installation", "MunicipalityPlatform")
    return [] if kind in skipped else app.children(KINDS[kind])


def test_a_changed_installation_serves_the_old_revision_until_the_new_one_is_there(city: City) -> None:
    held = apps.run(apps.VALIDATED, held=True)
    city.start()
    flood = city.everything(apps.version(), apps.version("2.0.0", validation=held))
    old = flood.served()["status"]["revision"]
    flood.edit(version="2.0.0")
    flood.running("validate")
    body = flood.body()
    new = body["status"]["revision"]
    assert new != old
    assert body["status"]["servingRevision"] == old
    assert body["status"]["servingVersion"] == "1.0.0"
    assert condition(body, "Serving")["reason"] == "KeepsServing"
    assert condition(body, "Ready")["status"] != "True"
    assert only(flood.children(SERVICE))["spec"]["selector"][names.LABEL_REVISION] == old
    assert [d["metadata"]["labels"][names.LABEL_REVISION] for d in flood.children(DEPLOYMENT)] == [old]

    service = only(flood.children(SERVICE))["metadata"]["uid"]
    flood.release("validate")
    assert flood.served()["status"]["servingRevision"] == new
    moved = only(flood.children(SERVICE))
    assert moved["spec"]["selector"][names.LABEL_REVISION] == new
    assert moved["metadata"]["uid"] == service, "a Service that is made anew has another address"
    record = [f"ControllerRevision flood-{old}"]
    city.cluster.wait(
        "end of the old revision", lambda: [n for n in city.leftovers() if old in n] == record, city.namespace
    )


def test_an_upgrade_that_fails_leaves_the_old_revision_serving_and_can_be_taken_back(city: City) -> None:
    bad = apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.2}))
    city.start()
    flood = city.everything(apps.version(), apps.version("2.0.0", validation=bad))
    old = flood.served()["status"]["revision"]
    jobs = {job["metadata"]["uid"] for job in flood.children(JOB)}
    flood.edit(version="2.0.0")
    flood.wait_for("Ready", "False", "ThresholdNotMet")
    body = flood.body()
    assert condition(body, "Serving")["status"] == "True"
    assert "NSE is 0.2, must be > 0.50" in condition(body, "Ready")["message"]
    assert body["status"]["servingRevision"] == old
    flood.edit(version="1.0.0")
    assert flood.served()["status"]["revision"] == old
    city.cluster.wait(
        "only the old Jobs", lambda: {j["metadata"]["uid"] for j in flood.children(JOB)} == jobs, city.namespace
    )


def test_suspend(city: City) -> None:
    city.start()
    flood = city.everything(suspend=True)
    assert "spec.suspend is true" in flood.wait_for("Ready", "False", "Suspended")["message"]
    city.settled()
    assert city.leftovers() == []

    flood.edit(suspend=False)
    flood.served()
    flood.edit(suspend=True)
    flood.wait_for("Ready", "True", "Suspended")
    name = only(flood.children(DEPLOYMENT))["metadata"]["name"]
    city.cluster.merge(DEPLOYMENT, city.namespace, name, {"spec": {"replicas": 2}})
    flood.edit(parameters={"depth": 9})
    city.settled()
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 2, "a suspended Installation is left alone"
    assert len(flood.children(JOB)) == 2

    flood.edit(suspend=False)
    flood.served()
    assert only(flood.children(DEPLOYMENT))["spec"]["replicas"] == 1


def test_the_retry_annotation_asks_for_one_more_attempt(city: City) -> None:
    city.start()
    flood = city.everything(apps.version(calibration=apps.run("no luck", code=1)))
    flood.wait_for("Ready", "False", "RunCrashed")
    first = flood.body()["status"]["revision"]
    city.cluster.merge(
        KINDS["Installation"], city.namespace, "flood", {"metadata": {"annotations": {names.ANNOTATION_RETRY: "again"}}}
    )

    def another() -> bool:
        status = flood.body()["status"]
        return bool(status["revision"] != first and status.get("lastRetry") == "again")

    city.cluster.wait("another revision", another, city.namespace)
    city.cluster.wait(
        "failed run of it", lambda: condition(flood.body(), "Ready")["reason"] == "RunCrashed", city.namespace
    )
    city.settled()
    assert len(flood.children(JOB)) == 1, "one attempt for one token, and the old one is pruned"
    assert [n for n in city.leftovers() if first in n] == [f"ControllerRevision flood-{first}"]


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_deletion_leaves_nothing_behind(city: City, cascade: str) -> None:
    city.start()
    flood = city.everything()
    other = city.install("other")
    flood.served()
    other.served()
    city.settled()
    mark = city.cluster.mark()
    city.cluster.kubectl("delete", "inst", "flood", "-n", city.namespace, f"--cascade={cascade}", "--wait=false")
    city.cluster.wait("end of all children", lambda: not [n for n in city.leftovers() if " flood" in n], city.namespace)
    city.settled()
    written = [r for r in city.cluster.requests(city.rights.user, mark) if r.writes and r.kind != "events"]
    assert {r.kind for r in written} <= {"municipalityplatforms/status"}, "it made something again"
    assert len(written) <= 1, "that it uses no data any more is said once"
    other.served()
    assert city.known("flood").cluster.find(KINDS["Installation"], city.namespace, "flood") is None


def test_a_deletion_in_the_middle_of_a_run_leaves_nothing_behind(city: City) -> None:
    city.start()
    flood = city.everything(apps.version(calibration=apps.run(apps.CALIBRATED, held=True)))
    flood.running("calibrate")
    city.cluster.delete(KINDS["Installation"], city.namespace, "flood")
    city.cluster.wait("end of all children", lambda: not city.leftovers(), city.namespace)
    time.sleep(2)
    assert city.leftovers() == []


def test_a_namesake_begins_anew(city: City) -> None:
    """Deleted and made again at once: nothing of the first one is the second one's."""
    city.start()
    flood = city.everything()
    first = flood.served()
    jobs = {job["metadata"]["uid"] for job in flood.children(JOB)}
    city.cluster.delete(KINDS["Installation"], city.namespace, "flood")
    city.install()
    second = flood.served()
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    city.settled()
    assert jobs.isdisjoint(job["metadata"]["uid"] for job in flood.children(JOB))
    owners = {r["uid"] for k in KINDS for c in children(flood, k) for r in c["metadata"]["ownerReferences"]}
    assert owners == {second["metadata"]["uid"]}
    assert len(flood.children(JOB)) == 2


# ---- credentials ----


def secured(city: City, path: str) -> None:
    """A platform whose data source wants a password."""
    city.supplier.passwords[path] = "right"
    credentials = {"secretName": "gauge", "scheme": "Basic"}
    city.platform(apps.source(city.supplier.url(path), credentials=credentials))


def test_rotated_credentials_roll_the_app_within_its_revision(city: City) -> None:
    secured(city, "/rotated.csv")
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="right"))
    city.store()
    city.start()
    flood = city.install()
    before = flood.served()["status"]["revision"]
    template = only(flood.children(DEPLOYMENT))["spec"]["template"]
    jobs = {job["metadata"]["uid"] for job in flood.children(JOB)}

    city.supplier.passwords["/rotated.csv"] = "new"
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="new"))

    def rolled() -> bool:
        return bool(only(flood.children(DEPLOYMENT))["spec"]["template"] != template)

    city.cluster.wait("new pod template", rolled, city.namespace)
    secret = only(flood.children(SECRET))
    assert base64.b64decode(secret["data"]["password"]) == b"new"
    digest = names.ANNOTATION_BINDINGS
    annotations = only(flood.children(DEPLOYMENT))["spec"]["template"]["metadata"]["annotations"]
    assert annotations[digest] != template["metadata"]["annotations"][digest]
    assert flood.served()["status"]["revision"] == before
    city.settled()
    assert {job["metadata"]["uid"] for job in flood.children(JOB)} == jobs, "no new calibration"


def test_credentials_that_the_source_refuses_roll_nothing(city: City) -> None:
    """What serves goes on with those of before, and says why; the right ones are passed on by themselves."""
    secured(city, "/refused.csv")
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="right"))
    city.store()
    city.start()
    flood = city.install()
    before = flood.served()["status"]["revision"]
    template = only(flood.children(DEPLOYMENT))["spec"]["template"]

    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="mistyped"))
    said = flood.wait_for("CredentialsPassedOn", "False", "CredentialsRefused")["message"]
    assert "Secret gauge: " in said
    assert "mistyped" not in said
    city.settled_but_for_looks()
    assert only(flood.children(DEPLOYMENT))["spec"]["template"] == template
    assert base64.b64decode(only(flood.children(SECRET))["data"]["password"]) == b"right"
    assert condition(flood.body(), "Serving")["status"] == "True"

    city.supplier.passwords["/refused.csv"] = "new"
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="new"))

    def passed_on() -> bool:
        return base64.b64decode(only(flood.children(SECRET))["data"]["password"]) == b"new"

    city.cluster.wait("the new password", passed_on, city.namespace)
    body = flood.served()
    assert body["status"]["revision"] == before
    assert "CredentialsPassedOn" not in {c["type"] for c in body["status"]["conditions"]}
    assert only(flood.children(DEPLOYMENT))["spec"]["template"] != template


def test_credentials_that_come_later(city: City) -> None:
    secured(city, "/later.csv")
    city.store()
    city.start()
    flood = city.install()
    said = flood.wait_for("DataBound", "False", "CredentialsMissing")["message"]
    assert "Secret gauge is not there: create it in the platform's namespace" in said
    unlabelled = apps.credentials(city.namespace, "gauge", username="me", password="right")
    unlabelled["metadata"]["labels"] = {}
    city.cluster.apply(unlabelled)
    city.settled()
    assert condition(flood.body(), "DataBound")["reason"] == "CredentialsMissing", "it reads what was not meant for it"

    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me"))
    city.cluster.wait(
        "missing key",
        lambda: "lacks the key password" in flood.condition("DataBound").get("message", ""),
        city.namespace,
    )
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="right"))
    flood.served()

    city.cluster.delete(SECRET, city.namespace, "gauge")
    flood.wait_for("DataBound", "False", "CredentialsMissing")
    assert condition(flood.body(), "Serving")["status"] == "True", "what serves goes on"
    assert len(flood.children(DEPLOYMENT)) == 1
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username="me", password="right"))
    flood.served()
