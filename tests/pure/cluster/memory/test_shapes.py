"""The shape of a pod: the same for a template and its pod, another one for whatever matters."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from tables_kit import inputs, renderer

from ddtas.cluster.memory.shapes import shape
from ddtas.plan.snapshot import Manifest


def template() -> Manifest:
    of = inputs()
    made: Manifest = renderer(of).job("validate", of.version.validation).manifest["spec"]["template"]["spec"]
    return copy.deepcopy(made)


def as_the_api_server_has_it(spec: Manifest) -> Manifest:
    """With what it fills in, and what a scheduler adds."""
    for container in (*spec["initContainers"], *spec["containers"]):
        container |= {"terminationMessagePath": "/dev/termination-log"}
    for volume in spec["volumes"]:
        for source in ("configMap", "secret", "projected"):
            if source in volume:
                volume[source]["defaultMode"] = 420
    added = {"nodeName": "node-1", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "priority": 0}
    return spec | added | {"tolerations": [{"key": "node.kubernetes.io/not-ready"}], "serviceAccountName": "default"}


def test_a_pod_has_the_shape_of_its_template() -> None:
    assert shape(as_the_api_server_has_it(template())) == shape(template()) != ""


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a sidecar": lambda s: s["containers"].append({"name": "proxy", "image": "mesh"}),
    "an init container": lambda s: s["initContainers"].insert(0, {"name": "init", "image": "mesh"}),
    "a debugger": lambda s: s.update(ephemeralContainers=[{"name": "debug"}]),
    "another image": lambda s: s["containers"][0].update(image="other"),
    "another command": lambda s: s["containers"][0].update(command=["sh"]),
    "another argument": lambda s: s["initContainers"][0].update(args=["follow"]),
    "a variable": lambda s: s["initContainers"][0]["env"].append({"name": "LD_PRELOAD", "value": "/output/x.so"}),
    "variables of a Secret": lambda s: s["containers"][0].update(envFrom=[{"secretRef": {"name": "x"}}]),
    "a mount": lambda s: s["containers"][0]["volumeMounts"].append({"name": "scratch", "mountPath": "/x"}),
    "a mount that can be written": lambda s: s["containers"][0]["volumeMounts"][-1].pop("readOnly"),
    "a volume": lambda s: s["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    "another volume": lambda s: s["volumes"][0].update(emptyDir={"medium": "Memory"}),
    "the order swapped": lambda s: s.update(initContainers=s["containers"], containers=s["initContainers"]),
    "the processes of the pod": lambda s: s.update(shareProcessNamespace=True),
    "the network of the node": lambda s: s.update(hostNetwork=True),
    "a right more": lambda s: s["containers"][0]["securityContext"].update(privileged=True),
    "a hook": lambda s: s["containers"][0].update(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_matters_makes_it_another_one(change: Callable[[Any], Any]) -> None:
    spec = template()
    change(spec)
    assert shape(spec) != shape(template())


@pytest.mark.parametrize(
    "spec", [{"containers": [None]}, {"containers": 1}, {"volumes": [{}]}, {"volumes": "x"}, {"initContainers": [[]]}]
)
def test_what_is_no_spec_has_none(spec: Any) -> None:
    assert shape(spec) == ""
