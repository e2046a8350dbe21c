"""Objects with anything in place of what belongs there: no callback raises, and neighbours are taken in.

`DDTAS_TEST_MUTATIONS` says how many of each kind; a small number in each run.
"""

import copy
import json
import os
from collections.abc import Coroutine
from typing import Any

import pytest
from builders import installation_body, listing_body, platform_body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.aio.client import ApiClient, Configuration

from ddtas import names
from ddtas.cluster.memory.facts import child
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import CHILDREN
from ddtas.errors import Garbled
from ddtas.runtime import Operator
from ddtas.settings import Settings

EXAMPLES = int(os.environ.get("DDTAS_TEST_MUTATIONS", "40"))
TIME = "2026-11-24T09:00:00Z"
OWNER = ("city", "flood")


def _metadata(kind: str) -> dict[str, Any]:
    labels = {names.LABEL_INSTALLATION: "flood", names.LABEL_REVISION: "0123456789", names.LABEL_PHASE: "calibrate"}
    fields: dict[str, Any] = {
        "f:metadata": {"f:labels": {f"f:{names.LABEL_REVISION}": {}}},
        "f:spec": {"f:a": {'k:{"b":1}': {}}},
    }
    return {
        "name": f"flood-{kind.lower()}",
        "namespace": "city",
        "uid": "u-1",
        "resourceVersion": "41",
        "generation": 2,
        "creationTimestamp": TIME,
        "labels": labels,
        "annotations": {names.ANNOTATION_APPLIED: "abc", names.ANNOTATION_DATA_VERSION: "1.0.0"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Installation", "name": "flood", "uid": "i-1"}],
        "managedFields": [{"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}],
    }


def _condition(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": TIME, "reason": "R", "message": "m"} | more


_STATE = {"terminated": {"exitCode": 1, "reason": "Error", "message": '{"error": "x"}', "finishedAt": TIME}}
_REST: dict[str, dict[str, Any]] = {
    "Job": {"spec": {"template": {}}, "status": {"conditions": [_condition("Complete")], "completionTime": TIME}},
    "Pod": {
        "spec": {"containers": [{"name": "a"}]},
        "status": {
            "phase": "Running",
            "conditions": [_condition("PodScheduled", status="False", reason="Unschedulable")],
            "containerStatuses": [
                {"name": "calibrate", "state": {"waiting": {"reason": "W"}}, "lastState": _STATE, "restartCount": 2},
            ],
            "initContainerStatuses": [{"name": "fetch", "state": _STATE}],
        },
    },
    "Deployment": {
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 2,
            "updatedReplicas": 2,
            "availableReplicas": 1,
            "conditions": [_condition("Progressing", status="False")],
        },
    },
    "PersistentVolumeClaim": {
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"], "volumeName": "v"},
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "conditions": [_condition("NodeResizeError")]},
    },
    "ControllerRevision": {"data": {"listing": "app"}, "revision": 1},
    "Secret": {"data": {"username": "bWU=", "kubeconfig": "Y3VycmVudC1jb250ZXh0OiBhCg=="}},
    "Service": {"spec": {"a": [{"b": 1, "c": 2}], "ports": [{"port": 80}]}},
    "ConfigMap": {"data": {"a": "b"}},
    "NetworkPolicy": {"spec": {"podSelector": {}}},
}


def _bodies() -> dict[str, dict[str, Any]]:
    found = {kind: {"kind": kind, "metadata": _metadata(kind)} | rest for kind, rest in _REST.items()}
    for kind, body in (
        ("AppListing", listing_body()),
        ("MunicipalityPlatform", platform_body()),
        ("Installation", installation_body()),
    ):
        made = json.loads(json.dumps(body))
        made["metadata"] |= {"uid": f"u-{kind}", "resourceVersion": "41", "generation": 1}
        made["status"] = {"conditions": [_condition("Ready", observedGeneration=1)], "observedGeneration": 1}
        found[kind] = made
    return found


BODIES = _bodies()
assert len(BODIES) == len(CHILDREN) + 3, "all kinds that are watched"
_ODD_TEXTS = ["", "x", "\x00", "é" * 300, "9" * 80, "0x10", "2026-13-45T99:00:00Z", "-1Gi"]
_ODD_LISTS: list[Any] = [[], [None], [[]], [{"type": 3}], [{"type": "Complete", "status": "True"}]]
ODD = st.sampled_from([*_ODD_TEXTS, *_ODD_LISTS, None, True, 0, -1, 10**30, 1.5, {}, {"a": None}, {"": {}}])


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [place for key, part in inner for place in ((*path, key), *_places(part, (*path, key)))]


def _mutated(body: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    made = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_places(made)))
        place: Any = made
        for key in path[:-1]:
            place = place[key]
        if data.draw(st.booleans()):
            place[path[-1]] = copy.deepcopy(data.draw(ODD))
        else:
            del place[path[-1]]
        if not _places(made):
            break
    return made


class Ear(Informer):
    """An informer whose callbacks' exceptions are seen."""

    broken: list[Exception]

    def _cannot(self, key: tuple[str, str], error: Exception) -> None:
        if not isinstance(error, Garbled):
            self.broken.append(error)


def _ears() -> tuple[Operator, dict[str, list[Ear]]]:
    client = Client(ApiClient(configuration=Configuration(host="http://127.0.0.1:1")))
    operator = Operator(client, Settings(), [])
    ears: dict[str, list[Ear]] = {}
    for informer in operator._informers:
        informer.__class__ = Ear
        informer.broken = []  # type: ignore[attr-defined]
        ears.setdefault(informer.kind, []).append(informer)  # type: ignore[arg-type]
    return operator, ears


def _at_once(work: Coroutine[Any, Any, Any]) -> None:
    """Go through a coroutine that waits for nothing but its next turn."""
    while True:
        try:
            work.send(None)
        except StopIteration:
            return


@pytest.mark.parametrize("kind", BODIES)
async def test_no_mutation_of_an_object_reaches_its_neighbours(kind: str) -> None:
    operator, ears = _ears()
    count = 0

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def search(data: st.DataObject) -> None:
        nonlocal count
        count += 1
        odd, neighbour = _mutated(BODIES[kind], data), copy.deepcopy(BODIES[kind])
        neighbour["metadata"] |= {"name": f"neighbour-{count}", "uid": f"n-{count}"}
        for ear in ears[kind]:
            for body in (odd, neighbour):
                _at_once(ear._take(json.loads(json.dumps(body))))
            for what in ("ADDED", "MODIFIED", "DELETED"):
                try:
                    _at_once(ear._hear(what, json.loads(json.dumps(odd))))
                except Garbled:
                    continue  # the stream is left, and listed again
            assert ear.broken == []
        found = (neighbour["metadata"].get("namespace", ""), neighbour["metadata"]["name"])
        if kind in operator._collections:
            assert found in operator._collections[kind].names()
        else:
            assert (kind, found[1]) in operator._children.there(OWNER)

    search()
    await operator._client.close()


def test_what_cannot_be_read_of_a_child_is_said() -> None:
    job = copy.deepcopy(BODIES["Job"])
    job["status"]["conditions"] = 3
    found = child("Job", job)
    assert (found.name, found.revision, found.applied) == ("flood-job", "0123456789", "")
    assert found.facts is not None
    assert getattr(found.facts, "trouble", "") == "cannot be read: conditions is no list"
    deployment = copy.deepcopy(BODIES["Deployment"])
    deployment["status"]["availableReplicas"] = "many"
    assert getattr(child("Deployment", deployment).facts, "stuck", "") == "cannot be read: availableReplicas is no int"


def test_a_condition_without_a_time_is_read() -> None:
    job = copy.deepcopy(BODIES["Job"])
    for absent in ({}, {"lastTransitionTime": None}):
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"} | absent]}
        facts = child("Job", job).facts
        assert getattr(facts, "state", "") == "Complete"
        assert getattr(facts, "finished_at", None) is not None, "a Job whose pod is gone is given up"
