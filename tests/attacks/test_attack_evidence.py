"""Evidence that is made by people who may make Jobs in their city's namespace, but write no status."""

import copy

import cluster_apps as apps
from attacks_actors import Actor, Actors, Role
from cluster_city import App, City
from cluster_kit import KINDS, JsonObject, eventually

from ddtas import names

JOB, SECRET, SERVICE = KINDS["Job"], KINDS["Secret"], KINDS["Service"]
INSTALLATION = KINDS["Installation"]


def job_like_ours(flood: App, revision: str, **annotations: str) -> JsonObject:
    """A calibration that passes, with our name, labels and owner."""
    metadata = flood.body()["metadata"]
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_INSTALLATION: flood.name,
        names.LABEL_REVISION: revision,
        names.LABEL_PHASE: "calibrate",
    }
    owner = {"apiVersion": apps.API, "kind": "Installation", "name": flood.name, "uid": metadata["uid"]}
    container = apps.run(apps.CALIBRATED) | {"name": "calibrate"}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{flood.name}-{revision}-calibrate",
            "namespace": flood.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": labels},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }


def make(actor: Actor, body: JsonObject) -> JsonObject:
    """As the operator makes it: server-side apply, by a field manager of its name."""
    path = JOB.path(body["metadata"]["namespace"], body["metadata"]["name"])
    return actor.server.request(
        "PATCH", f"{path}?fieldManager={names.FIELD_MANAGER}&force=true", body, "application/apply-patch+yaml"
    )


def complete(city: City, name: str) -> None:
    """Wait until a Job is."""

    def look() -> bool:
        conditions = city.cluster.get(JOB, city.namespace, name).get("status", {}).get("conditions", [])
        return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)

    eventually(f"end of {name}", look)


def shows_nothing(flood: App, job: str) -> None:
    """It is named, and no evidence is of it."""
    said = flood.wait_for("Ready", "False", "NameTaken")
    assert f"Job {job} exists, and the operator did not make it" in said["message"]
    for revision in flood.body()["status"].get("revisions", []):
        assert revision.get("calibration", {}).get("outcome") != "Passed"


def test_a_job_that_was_made_while_nobody_looked_is_no_evidence(city: City, actors: Actors) -> None:
    """Suspend, make the Job at the name that ours will have, and resume."""
    actor = actors(Role.EDIT)
    operator = city.start()
    flood = city.everything(apps.version(calibration=apps.run("no result at all")), suspend=True)
    revision = eventually("a revision", lambda: flood.body().get("status", {}).get("revision"))
    flood.wait_for("Ready", "False", "Suspended")
    city.settled()
    forged = make(actor, job_like_ours(flood, revision))["metadata"]["name"]
    complete(city, forged)
    operator.kill()
    operator.start()
    actor.server.merge(INSTALLATION, city.namespace, flood.name, {"spec": {"suspend": False}})
    shows_nothing(flood, forged)

    city.cluster.delete(JOB, city.namespace, forged)
    flood.wait_for("Calibrated", "False", "ResultMalformed")


def test_a_job_of_ours_that_was_replaced_is_no_evidence(city: City, actors: Actors) -> None:
    """With a copy of its seal, while the operator is down."""
    actor = actors(Role.EDIT)
    operator = city.start()
    flood = city.everything(apps.version(calibration=apps.run("no result at all", held=True)))
    flood.running("calibrate")
    city.settled()
    ours = copy.deepcopy(flood.job("calibrate"))
    assert ours is not None
    operator.kill()
    name = ours["metadata"]["name"]
    actor.server.delete(JOB, city.namespace, name)
    eventually("end of the Job", lambda: city.cluster.find(JOB, city.namespace, name) is None)
    seal = ours["metadata"]["annotations"][names.ANNOTATION_SEAL]
    body = job_like_ours(flood, flood.body()["status"]["revision"], **{names.ANNOTATION_SEAL: seal})
    make(actor, body)
    complete(city, name)
    operator.start()
    shows_nothing(flood, name)


def test_a_pod_that_no_job_of_ours_owns_is_no_evidence(city: City, actors: Actors) -> None:
    """It has our labels, and reports that all is well; the run itself reports nonsense."""
    actor = actors(Role.EDIT)
    city.start()
    flood = city.everything(apps.version(calibration=apps.run("no result at all", held=True)))
    flood.running("calibrate")
    like = job_like_ours(flood, flood.body()["status"]["revision"])
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{like['metadata']['name']}-zzzzz",
            "namespace": city.namespace,
            "labels": like["metadata"]["labels"],
        },
        "spec": like["spec"]["template"]["spec"],
    }
    made = actor.server.request("POST", KINDS["Pod"].path(city.namespace), pod)["metadata"]["name"]
    pods = KINDS["Pod"]
    eventually(
        "its end", lambda: city.cluster.get(pods, city.namespace, made).get("status", {}).get("phase") == "Succeeded"
    )
    flood.release("calibrate")
    flood.wait_for("Calibrated", "False", "ResultMalformed")


def test_what_has_our_label_alone_is_neither_removed_nor_taken_over(city: City, actors: Actors) -> None:
    actor = actors(Role.EDIT)
    city.start()
    flood = city.everything()
    flood.served()
    old = flood.body()["status"]["revision"]
    marks = {names.LABEL_INSTALLATION: flood.name, names.LABEL_REVISION: old}
    ours = actor.server.request(
        "POST",
        SECRET.path(city.namespace),
        {"metadata": {"name": f"flood-{old}-extra", "labels": marks}, "data": {}},
    )
    flood.edit(parameters={"depth": 4})
    eventually("another revision", lambda: flood.body()["status"].get("servingRevision") not in (None, old))
    city.settled()
    assert city.cluster.get(SECRET, city.namespace, ours["metadata"]["name"]) == ours


def test_a_service_with_our_label_alone_is_not_taken_over(city: City, actors: Actors) -> None:
    actor = actors(Role.EDIT)
    body = {
        "metadata": {"name": "flood-web", "labels": {names.LABEL_INSTALLATION: "flood"}},
        "spec": {"selector": {"app": "other"}, "ports": [{"name": "other", "port": 80, "protocol": "TCP"}]},
    }
    before = actor.server.request("POST", SERVICE.path(city.namespace), body)
    city.start()
    flood = city.everything()
    said = flood.wait_for("Ready", "False", "NameTaken")
    assert "Service flood-web" in said["message"]
    assert city.cluster.get(SERVICE, city.namespace, "flood-web") == before
