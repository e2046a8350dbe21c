"""From objects as the API server sends them to facts."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from builders import City

from ddtas import metrics
from ddtas.cluster.memory.facts import child, owner
from ddtas.names import ANNOTATION_DATA_VERSION, FIELD_MANAGER, LABEL_LISTING
from ddtas.plan.snapshot import ClaimFacts, ContainerFacts, DeploymentFacts, JobFacts, PodFacts

Json = dict[str, Any]


def body(status: Json | None = None, spec: Json | None = None, **metadata: Any) -> Json:
    labels = {
        "ddtas.nl/installation": "flood",
        "ddtas.nl/revision": "0123456789",
        "ddtas.nl/component": "web",
        "ddtas.nl/phase": "calibrate",
    }
    base = {"name": "n", "namespace": "city", "uid": "u", "resourceVersion": "42", "labels": labels}
    found: Json = {"metadata": base | metadata, "spec": spec or {}}
    return found if status is None else found | {"status": status}


def condition(kind: str, status: str = "True", **more: str) -> Json:
    return {"type": kind, "status": status, "lastTransitionTime": "2026-11-24T09:00:00Z"} | more


DONE_AT = datetime(2026, 11, 24, 9, tzinfo=UTC)

JOBS: dict[str, tuple[Json | None, JobFacts]] = {
    "no status": (None, JobFacts("Running")),
    "empty status": ({}, JobFacts("Running")),
    "active": ({"active": 1, "startTime": "2026-11-24T08:00:00Z"}, JobFacts("Running")),
    "complete": ({"conditions": [condition("Complete")]}, JobFacts("Complete", finished_at=DONE_AT)),
    "about to be complete": ({"conditions": [condition("SuccessCriteriaMet")]}, JobFacts("Running")),
    "complete, with its criteria": (
        {"conditions": [condition("SuccessCriteriaMet"), condition("Complete")]},
        JobFacts("Complete", finished_at=DONE_AT),
    ),
    "failed": (
        {"conditions": [condition("Failed", reason="BackoffLimitExceeded", message="limit")]},
        JobFacts("Failed", "BackoffLimitExceeded", "limit", DONE_AT),
    ),
    "about to fail": ({"conditions": [condition("FailureTarget", reason="DeadlineExceeded")]}, JobFacts("Running")),
    "not failed": ({"conditions": [condition("Failed", "False")]}, JobFacts("Running")),
    "suspended": ({"conditions": [condition("Suspended")]}, JobFacts("Running")),
    "a long message": (
        {"conditions": [condition("Failed", message="x" * 9999)]},
        JobFacts("Failed", "", "x" * 500, DONE_AT),
    ),
}


@pytest.mark.parametrize(("status", "facts"), JOBS.values(), ids=JOBS)
def test_job(status: Json | None, facts: JobFacts) -> None:
    assert child("Job", body(status)).facts == facts


def test_a_job_that_cannot_be_read_is_told_and_counted() -> None:
    def count() -> float:
        return metrics.REGISTRY.get_sample_value("ddtas_unreadable_objects_total", {"kind": "Job"}) or 0

    before = count()
    found = child("Job", body({"conditions": ["Complete"]}))
    assert found.facts == JobFacts("Running", trouble="cannot be read: conditions has what is no object")
    assert count() == before + 1
    city = City()
    city.settle()
    job = city.job("calibrate")
    city.children[job.key] = replace(job, facts=found.facts)
    city.settle()
    said = city.condition("Calibrated")
    assert (said["status"], said["reason"]) == ("Unknown", "Calibrating")
    assert said["message"] == (
        f"Job {job.name} cannot be read: conditions has what is no object, so nobody knows whether it has ended;"
        f" see `kubectl get job/{job.name} -o yaml`"
    )
    assert said["message"] in city.condition("Ready")["message"]


GOOD = {"observedGeneration": 3, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
STUCK = condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="timed out")
DEPLOYMENTS: dict[str, tuple[Json | None, DeploymentFacts]] = {
    "no status": (None, DeploymentFacts(False)),
    "available": (GOOD, DeploymentFacts(True)),
    "more than wanted": (GOOD | {"updatedReplicas": 3, "availableReplicas": 3}, DeploymentFacts(True)),
    "one not available": (GOOD | {"availableReplicas": 1}, DeploymentFacts(False)),
    "one not updated": (GOOD | {"updatedReplicas": 1}, DeploymentFacts(False)),
    "the status of an earlier generation": (GOOD | {"observedGeneration": 2}, DeploymentFacts(False)),
    "stuck": (GOOD | {"availableReplicas": 0, "conditions": [STUCK]}, DeploymentFacts(False, "timed out")),
    "stuck in an earlier generation": ({"observedGeneration": 2, "conditions": [STUCK]}, DeploymentFacts(False)),
    "making progress": (
        GOOD | {"availableReplicas": 1, "conditions": [condition("Progressing", message="ReplicaSet is progressing")]},
        DeploymentFacts(False),
    ),
}


@pytest.mark.parametrize(("status", "facts"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_deployment(status: Json | None, facts: DeploymentFacts) -> None:
    assert child("Deployment", body(status, {"replicas": 2}, generation=3)).facts == facts


def test_a_deployment_that_says_no_number_wants_one() -> None:
    assert child("Deployment", body(GOOD | {"availableReplicas": 0}, generation=3)).facts == DeploymentFacts(False)
    one = GOOD | {"updatedReplicas": 1, "availableReplicas": 1}
    assert child("Deployment", body(one, generation=3)).facts == DeploymentFacts(True)


def pod(phase: str = "Running", state: Json | None = None, **more: Any) -> Json:
    own = {"name": "calibrate", "state": state or {}, "restartCount": 0} | more
    return {"phase": phase, "containerStatuses": [own]}


def injected(name: str, state: Json) -> Json:
    """The status of a container that somebody else put into the pod."""
    return {"name": name, "state": state, "restartCount": 0}


ENDED = {"terminated": {"exitCode": 1, "reason": "Error", "message": "boom"}}
PODS: dict[str, tuple[Json | None, PodFacts]] = {
    "no status": (None, PodFacts("Pending")),
    "no containers yet": ({"phase": "Pending"}, PodFacts("Pending")),
    "empty list of containers": ({"phase": "Pending", "containerStatuses": []}, PodFacts("Pending")),
    "evicted before it started": ({"phase": "Failed", "reason": "Evicted"}, PodFacts("Failed")),
    "running": (pod(state={"running": {}}), PodFacts("Running")),
    "waiting": (
        pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}),
        PodFacts("Pending", waiting_reason="ImagePullBackOff", waiting_message="not found"),
    ),
    "a long waiting message": (
        pod("Pending", {"waiting": {"reason": "ErrImagePull", "message": "x" * 9999}}),
        PodFacts("Pending", waiting_reason="ErrImagePull", waiting_message="x" * 500),
    ),
    "ended well": (
        pod("Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed", "message": '{"metrics": {}}'}}),
        PodFacts("Succeeded", exit_code=0, ended_reason="Completed", ended_message='{"metrics": {}}'),
    ),
    "a full result is not cut": (
        pod("Succeeded", {"terminated": {"exitCode": 0, "message": "x" * 4096}}),
        PodFacts("Succeeded", exit_code=0, ended_message="x" * 4096),
    ),
    "ended badly": (
        pod("Failed", ENDED),
        PodFacts("Failed", exit_code=1, ended_reason="Error", ended_message="boom"),
    ),
    "out of memory": (
        pod("Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        PodFacts("Failed", exit_code=137, ended_reason="OOMKilled"),
    ),
    "never started": (
        pod("Failed", {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}),
        PodFacts("Failed"),
    ),
    "between two crashes": (
        pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=ENDED, restartCount=4),
        PodFacts(
            "Running",
            waiting_reason="CrashLoopBackOff",
            exit_code=1,
            ended_reason="Error",
            ended_message="boom",
        ),
    ),
    "a proxy that somebody put in first": (
        {"phase": "Running", "containerStatuses": [injected("proxy", ENDED), *pod()["containerStatuses"]]},
        PodFacts("Running"),
    ),
    "a proxy alone": ({"phase": "Running", "containerStatuses": [injected("proxy", ENDED)]}, PodFacts("Running")),
    "a container without a name": ({"phase": "Running", "containerStatuses": [{"state": ENDED}]}, PodFacts("Running")),
    "data is being fetched": (
        pod("Pending", {"waiting": {"reason": "PodInitializing"}})
        | {"initContainerStatuses": [injected("proxy", ENDED), injected("fetch", {"running": {}})]},
        PodFacts("Pending", waiting_reason="PodInitializing", runner=ContainerFacts(running=True)),
    ),
    "data could not be fetched": (
        pod("Failed", {"waiting": {"reason": "PodInitializing"}})
        | {"initContainerStatuses": [injected("fetch", ENDED)]},
        PodFacts(
            "Failed",
            waiting_reason="PodInitializing",
            runner=ContainerFacts(exit_code=1, ended_reason="Error", ended_message="boom"),
        ),
    ),
    "data is kept fresh": (
        pod(state={"running": {}})
        | {"initContainerStatuses": [injected("follow", {"waiting": {"reason": "ErrImagePull"}})]},
        PodFacts("Running", runner=ContainerFacts(waiting_reason="ErrImagePull")),
    ),
    "no room": (
        {"phase": "Pending", "conditions": [condition("PodScheduled", "False", reason="Unschedulable", message="0/1")]},
        PodFacts("Pending", unschedulable="0/1"),
    ),
    "scheduled": (
        {"phase": "Pending", "conditions": [condition("PodScheduled", message="x")]},
        PodFacts("Pending"),
    ),
}


@pytest.mark.parametrize(("status", "facts"), PODS.values(), ids=PODS)
def test_pod(status: Json | None, facts: PodFacts) -> None:
    assert child("Pod", body(status)).facts == facts


def test_what_every_child_has() -> None:
    found = child("ConfigMap", body() | {"data": {"a": "1"}})
    assert found.key == ("ConfigMap", "n")
    assert (found.uid, found.resource_version, found.revision) == ("u", 42, "0123456789")
    assert (found.component, found.phase) == ("web", "calibrate")
    assert (found.deleting, found.facts, found.data, found.applied) == (False, None, "", "")


def test_a_child_that_is_being_deleted() -> None:
    assert child("Secret", body(deletionTimestamp="2026-11-24T09:00:00Z")).deleting


def test_a_child_without_our_labels_is_of_no_revision() -> None:
    found = child("Service", body(labels={}))
    assert (found.revision, found.component, found.phase) == ("", "", "")
    without = body()
    del without["metadata"]["labels"]
    assert child("Service", without).revision == ""
    assert owner(without) == ("city", "")


def test_only_a_record_keeps_its_data() -> None:
    record = body() | {"data": {"listing": "flood-twin"}}
    assert json.loads(child("ControllerRevision", record).data) == {"listing": "flood-twin"}
    assert child("Secret", record).data == ""


def test_the_owner_is_told_by_label() -> None:
    assert owner(body()) == ("city", "flood")


def claim(spec: Json, status: Json | None = None, *, ours: bool = True, **metadata: Any) -> ClaimFacts:
    """The facts of a claim; `ours` where the operator named its class."""
    fields: Json = {"f:spec": {"f:storageClassName": {}} if ours else {"f:accessModes": {}}}
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec
    found = child("PersistentVolumeClaim", body(status, spec, managedFields=[entry], **metadata)).facts
    assert isinstance(found, ClaimFacts)
    return found


def test_a_claim() -> None:
    new = ClaimFacts("Pending", "1Gi", access_modes=("ReadWriteOnce",))
    assert claim({}) == claim({}, {}) == new
    bound = claim(
        {"volumeName": "pv-1", "storageClassName": "fast"},
        {"phase": "Bound", "capacity": {"storage": "2Gi"}},
        labels={LABEL_LISTING: "flood-twin"},
        annotations={ANNOTATION_DATA_VERSION: "1.2.0-rc.1"},
    )
    assert bound == ClaimFacts(
        phase="Bound",
        requested="1Gi",
        capacity="2Gi",
        access_modes=("ReadWriteOnce",),
        storage_class="fast",
        asked_class="fast",
        volume="pv-1",
        listing="flood-twin",
        version="1.2.0-rc.1",
    )


def test_the_class_that_the_cluster_chose_is_not_the_one_that_we_asked_for() -> None:
    found = claim({"storageClassName": "standard"}, ours=False)
    assert (found.storage_class, found.asked_class) == ("standard", None)
    assert claim({"storageClassName": "fast"}).asked_class == "fast"


@pytest.mark.parametrize("field", ["dataSource", "dataSourceRef"])
def test_a_claim_that_is_made_from_something_is_a_copy(field: str) -> None:
    assert claim({field: {"kind": "VolumeSnapshot", "name": "yesterday"}}).copied


@pytest.mark.parametrize("version", ["", "one", "1.0", "v1.0.0", "1.0.0 and more", "1.0.0\n"])
def test_what_is_no_version_counts_as_none(version: str) -> None:
    assert claim({}, annotations={ANNOTATION_DATA_VERSION: version}).version == ""


def test_why_a_claim_does_not_grow() -> None:
    failed = condition("ControllerResizeError", message="no room")
    assert claim({}, {"conditions": [condition("Resizing"), failed]}).trouble == "no room"
    assert claim({}, {"conditions": [failed | {"status": "False"}]}).trouble == ""
