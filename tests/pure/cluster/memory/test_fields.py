"""What our field manager owns of a live object, against what a manifest asks for."""

import copy
import json
from typing import Any

import pytest

from ddtas.cluster.memory.fields import asked_digest, marked, owned_digest
from ddtas.names import ANNOTATION_APPLIED, FIELD_MANAGER
from ddtas.plan.children.diff import desired_digest

Json = dict[str, Any]


def owned(fields: Json, **entry: Any) -> Json:
    return {"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields} | entry


def key(**keys: Any) -> str:
    return "k:" + json.dumps(keys, separators=(",", ":"))


WANTED: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "flood-web",
        "namespace": "city",
        "labels": {"a": "1", "b": "2"},
        "ownerReferences": [{"apiVersion": "x/v1", "kind": "Installation", "name": "flood", "uid": "u1"}],
    },
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "1"}},
        "finalizers": ["x", "y"],  # a set, as some kinds have
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "app:1",
                        "args": ["serve", "--fast"],
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                        "resources": {"limits": {"cpu": "1"}},
                    },
                    {"name": "side", "image": "app:2"},
                ],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
                "securityContext": {"runAsNonRoot": True},
            }
        },
    },
}
FIELDS: Json = {
    "f:metadata": {
        "f:labels": {"f:a": {}, "f:b": {}},
        "f:ownerReferences": {key(uid="u1"): {}},
    },
    "f:spec": {
        "f:replicas": {},
        "f:selector": {},  # atomic
        "f:finalizers": {'v:"x"': {}, 'v:"y"': {}},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    key(name="web"): {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {
                            key(containerPort=8080, protocol="TCP"): {
                                ".": {},
                                "f:name": {},
                                "f:containerPort": {},
                                "f:protocol": {},
                            }
                        },
                        "f:resources": {"f:limits": {"f:cpu": {}}},
                    },
                    key(name="side"): {".": {}, "f:name": {}, "f:image": {}},
                },
                "f:volumes": {key(name="tmp"): {".": {}, "f:name": {}, "f:emptyDir": {}}},
                "f:securityContext": {"f:runAsNonRoot": {}},
            }
        },
    },
}


def live() -> Json:
    """The wanted object as the API server sends it: defaults, status and others' fields beside ours."""
    body = copy.deepcopy(WANTED)
    body["metadata"] |= {
        "uid": "u2",
        "resourceVersion": "5",
        "generation": 1,
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "managedFields": [
            owned({"f:status": {"f:replicas": {}}}, manager="kube-controller-manager", operation="Update"),
            owned({"f:status": {}}, subresource="status"),
            owned(FIELDS),
        ],
    }
    body["metadata"]["labels"]["theirs"] = "3"
    body["metadata"]["ownerReferences"].append({"uid": "u9", "name": "another"})
    body["spec"] |= {"progressDeadlineSeconds": 600, "finalizers": ["x", "theirs", "y"]}
    pod = body["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst"}
    pod["securityContext"]["fsGroup"] = 1
    pod["containers"][0] |= {"imagePullPolicy": "Always"}
    pod["containers"][0]["resources"]["limits"]["memory"] = "1Gi"
    pod["containers"][0]["ports"].append({"name": "theirs", "containerPort": 9, "protocol": "UDP"})
    pod["containers"].insert(1, {"name": "injected", "image": "mesh:1"})
    pod["volumes"].insert(0, {"name": "injected", "emptyDir": {}})
    body["status"] = {"replicas": 2}
    return body


def at(body: Any, path: str) -> tuple[Any, Any]:
    """The container and the last key of a dotted path."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        body = body[step]
    return body, last


def test_what_others_set_does_not_count() -> None:
    assert owned_digest(live()) == desired_digest(WANTED)


SAMPLES: dict[str, tuple[Json, Json]] = {
    "nothing but the name": ({}, {}),
    "a map": ({"data": {"a": "1", "b": ""}}, {"f:data": {"f:a": {}, "f:b": {}}}),
    "an empty map": ({"data": {}}, {"f:data": {}}),
    "the map itself and its fields": ({"data": {"a": "1"}}, {"f:data": {".": {}, "f:a": {}}}),
    "an atomic map": ({"selector": {"a": "1", "b": "2"}}, {"f:selector": {}}),
    "an atomic list": ({"args": ["a", "b", "a"]}, {"f:args": {}}),
    "a list by key": (
        {"env": [{"name": "A", "value": "1"}]},
        {"f:env": {key(name="A"): {".": {}, "f:name": {}, "f:value": {}}}},
    ),
    "a list by two keys": (
        {"ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]},
        {"f:ports": {key(port=1, protocol="TCP"): {}, key(port=1, protocol="UDP"): {}}},
    ),
    "a set": ({"names": ["a", "b"]}, {"f:names": {'v:"a"': {}, 'v:"b"': {}}}),
    "a set of numbers": ({"ports": [1, 2]}, {"f:ports": {"v:1": {}, "v:2": {}}}),
    "false, zero and nothing": ({"a": False, "b": 0, "c": ""}, {"f:a": {}, "f:b": {}, "f:c": {}}),
    "a field with a dot and a slash": ({"data": {"a.b/c": "1"}}, {"f:data": {"f:a.b/c": {}}}),
    "a field called dot": ({"data": {".": "1"}}, {"f:data": {"f:.": {}}}),
}


@pytest.mark.parametrize(("body", "fields"), SAMPLES.values(), ids=SAMPLES)
def test_each_form_of_a_field(body: Json, fields: Json) -> None:
    wanted = {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "n", "namespace": "x", "labels": {"l": "1"}},
        **body,
    }
    found = copy.deepcopy(wanted)
    found["metadata"]["managedFields"] = [owned({"f:metadata": {"f:labels": {"f:l": {}}}, **fields})]
    assert owned_digest(found) == desired_digest(wanted)


POD = "spec.template.spec"
EDITS: dict[str, tuple[str, Any]] = {
    "a label": ("metadata.labels.a", "9"),
    "the owner": ("metadata.ownerReferences.0.name", "another"),
    "a number": ("spec.replicas", 3),
    "the type of a number": ("spec.replicas", "2"),
    "an atomic map": ("spec.selector.matchLabels.more", "1"),
    "a member of a set": ("spec.finalizers.0", "z"),
    "an image": (f"{POD}.containers.0.image", "app:9"),
    "an item of an atomic list": (f"{POD}.containers.0.args.1", "--slow"),
    "one more item of an atomic list": (f"{POD}.containers.0.args", ["serve", "--fast", "--more"]),
    "the order of an atomic list": (f"{POD}.containers.0.args", ["--fast", "serve"]),
    "a field of an item in an item": (f"{POD}.containers.0.ports.0.name", "https"),
    "a key of an item": (f"{POD}.containers.0.ports.0.containerPort", 8081),
    "a nested value": (f"{POD}.containers.0.resources.limits.cpu", "2"),
    "the second item": (f"{POD}.containers.2.image", "app:9"),
    "something within an empty map": (f"{POD}.volumes.1.emptyDir.medium", "Memory"),
    "a boolean": (f"{POD}.securityContext.runAsNonRoot", False),
}


@pytest.mark.parametrize(("path", "value"), EDITS.values(), ids=EDITS)
def test_an_edit_of_what_we_own_shows(path: str, value: Any) -> None:
    body = live()
    where, last = at(body, path)
    where[last] = value
    assert owned_digest(body) != desired_digest(WANTED)


@pytest.mark.parametrize(
    "path",
    [
        "metadata.labels.b",
        "metadata.ownerReferences.0",
        "spec.replicas",
        "spec.selector",
        "spec.finalizers.2",
        "spec.template",
        f"{POD}.containers",
        f"{POD}.containers.0",
        f"{POD}.containers.0.args",
        f"{POD}.containers.0.ports.0",
        f"{POD}.containers.0.resources.limits.cpu",
        f"{POD}.volumes.1",
        f"{POD}.securityContext.runAsNonRoot",
    ],
)
def test_a_loss_of_what_we_own_shows(path: str) -> None:
    body = live()
    where, last = at(body, path)
    del where[last]
    assert owned_digest(body) != desired_digest(WANTED)


@pytest.mark.parametrize(
    "path", ["f:metadata.f:labels.f:a", "f:spec.f:replicas", "f:spec.f:template.f:spec.f:securityContext"]
)
def test_a_field_that_another_took_over_shows(path: str) -> None:
    body = live()
    fields = copy.deepcopy(FIELDS)
    where, last = at(fields, path)
    del where[last]
    body["metadata"]["managedFields"][-1] = owned(fields)
    assert owned_digest(body) != desired_digest(WANTED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.labels.theirs", "4"),
        ("metadata.annotations", {}),
        ("metadata.resourceVersion", "6"),
        ("spec.progressDeadlineSeconds", 1),
        (f"{POD}.containers.1.image", "mesh:2"),
        (f"{POD}.containers.0.imagePullPolicy", "Never"),
        ("status.replicas", 0),
    ],
)
def test_an_edit_of_what_others_own_does_not_show(path: str, value: Any) -> None:
    body = live()
    where, last = at(body, path)
    where[last] = value
    assert owned_digest(body) == desired_digest(WANTED)


NOT_OURS: dict[str, list[Json]] = {
    "no managedFields": [],
    "another manager": [owned(FIELDS, manager="kubectl")],
    "an update": [owned(FIELDS, operation="Update")],
    "the status only": [owned({"f:status": {}}, subresource="status")],
}


@pytest.mark.parametrize("entries", NOT_OURS.values(), ids=NOT_OURS)
def test_an_object_that_we_never_applied_has_no_digest(entries: list[Json]) -> None:
    body = live()
    body["metadata"]["managedFields"] = entries
    assert owned_digest(body) == ""
    del body["metadata"]["managedFields"]
    assert owned_digest(body) == ""


def test_the_digest_of_a_manifest_leaves_out_what_names_it() -> None:
    other = copy.deepcopy(WANTED)
    other |= {"apiVersion": "v2", "kind": "K"}
    other["metadata"] |= {"name": "n", "namespace": "y"}
    assert desired_digest(other) == desired_digest(WANTED)
    other["metadata"]["labels"]["a"] = "9"
    assert desired_digest(other) != desired_digest(WANTED)


def test_nothing_is_changed_by_looking() -> None:
    body, wanted = live(), copy.deepcopy(WANTED)
    before = copy.deepcopy(body)
    owned_digest(body)
    desired_digest(wanted)
    assert (body, wanted) == (before, WANTED)


def test_the_mark_of_what_was_asked_for_is_no_part_of_it() -> None:
    asked = desired_digest(WANTED)
    sent = marked(WANTED, asked)
    assert sent["metadata"]["annotations"][ANNOTATION_APPLIED] == asked
    assert ANNOTATION_APPLIED not in WANTED["metadata"].get("annotations", {})
    body = live()
    annotations = body["metadata"].setdefault("annotations", {})
    owned = next(
        e["fieldsV1"]
        for e in body["metadata"]["managedFields"]
        if (e["manager"], e["operation"]) == (FIELD_MANAGER, "Apply") and not e.get("subresource")
    )
    fields = owned["f:metadata"].setdefault("f:annotations", {})
    annotations[ANNOTATION_APPLIED], fields[f"f:{ANNOTATION_APPLIED}"] = asked, {}
    assert asked_digest(body) == asked
    assert owned_digest(body) == asked
