"""The control plane of an embedded cluster: kwokctl makes certificates and starts the processes."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ddtas_dev import binaries, paths, processes
from ddtas_dev.console import DevError, Progress
from ddtas_dev.layout import (
    API_SERVICE_IP,
    FAKE_NODE_ANNOTATION,
    FAKE_NODE_NAME,
    NODE_IP,
    SERVICE_CIDR,
    Layout,
)
from ddtas_dev.shell import run, succeeds

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl", "kubectl")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")
READY_SECONDS = 90.0
DEFAULT_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # One line a request, written when it is answered: what a test counts.
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}

FAKE_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": FAKE_NODE_NAME,
        "annotations": {FAKE_NODE_ANNOTATION: "fake", "node.alpha.kubernetes.io/ttl": "0"},
        "labels": {"kubernetes.io/hostname": FAKE_NODE_NAME, "kubernetes.io/os": "linux", "type": "kwok"},
    },
}


def up(layout: Layout, fake_node: bool) -> None:
    """Make it run: create it, or start what is missing of one that was created before."""
    if is_running(layout):
        return
    with Progress(f"starting the control plane of cluster {layout.name}"):
        _start(layout)
        _apply(layout, *_default_stages())
        if fake_node:
            _apply(layout, json.dumps(FAKE_NODE))


def is_running(layout: Layout) -> bool:
    """Whether all its processes run and the API server says that it is ready."""
    return not missing(layout) and layout.kubeconfig.exists() and _ready(layout)


def missing(layout: Layout) -> list[str]:
    """The programs of which no process runs."""
    running = {process.program for process in processes.find(PROGRAMS, [layout.state])}
    return [program for program in PROGRAMS if program not in running]


def stop(layout: Layout) -> None:
    """End its processes."""
    processes.kill([process.pid for process in processes.find(PROGRAMS, [layout.state])])


def kwokctl_config(tools: dict[str, Path], layout: Layout) -> dict[str, Any]:
    """What kwokctl is told. It reads YAML, of which JSON is a part."""
    api_server = {
        # Pods have to reach it; everything else listens on the loopback address only.
        "bind-address": "0.0.0.0",  # noqa: S104
        # kwokctl gives ports from 32767 downwards to its processes, out of the range of Services.
        "service-node-port-range": "30000-32600",
        "service-cluster-ip-range": SERVICE_CIDR,
        # Pods on the real node reach the API server here; the default depends on the machine's default route.
        "advertise-address": NODE_IP,
        # `kubectl logs` and `exec`: reach the kubelet by address, and show it who is asking.
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": str(layout.pki / "admin.crt"),
        "kubelet-client-key": str(layout.pki / "admin.key"),
        # A test counts the lines, so the file must not be rotated under it.
        "audit-log-maxsize": "2048",
    }
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "etcdBinary": str(tools["etcd"]),
            "kubeApiserverBinary": str(tools["kube-apiserver"]),
            "kubeControllerManagerBinary": str(tools["kube-controller-manager"]),
            "kubeSchedulerBinary": str(tools["kube-scheduler"]),
            "kwokControllerBinary": str(tools["kwok"]),
            "kubectlBinary": str(tools["kubectl"]),
            "bindAddress": "127.0.0.1",
            "kubeAuthorization": True,
            "kubeAdmission": True,
            "kubeAuditPolicy": str(layout.state / "audit-policy.json"),
            # Clients in a pod use the API server's Service address.
            "kubeApiserverCertSANs": [API_SERVICE_IP, NODE_IP],
            "disableQPSLimits": True,
            # With this, a test can bring its own Stages: how a fake pod ends, failures included.
            "enableCRDs": ["Stage"],
        },
        "componentsPatches": [
            _extra_args("kube-apiserver", api_server),
            _extra_args(
                "kube-controller-manager",
                {
                    "service-cluster-ip-range": SERVICE_CIDR,
                    # It makes this folder; the default is one of the whole machine's.
                    "flex-volume-plugin-dir": str(layout.state / "volume-plugins"),
                },
            ),
            # Without this kwok fakes the status of every pod, those of the real node included.
            _extra_args(
                "kwok-controller",
                {
                    "manage-all-nodes": "false",
                    "manage-nodes-with-annotation-selector": f"{FAKE_NODE_ANNOTATION}=fake",
                },
            ),
        ],
    }


def _extra_args(component: str, arguments: dict[str, str]) -> dict[str, Any]:
    # Appended after kwokctl's own; of a repeated flag the last one counts. Its "override" drops what is not there yet.
    extra = [{"key": key, "value": value} for key, value in arguments.items()]
    return {"name": component, "extraArgs": extra}


def _start(layout: Layout) -> None:
    tools = binaries.ensure(*BINARIES)
    config = json.dumps(kwokctl_config(tools, layout), indent=1)
    config_file = layout.state / "kwokctl.json"
    if layout.state.exists() and not _same(config_file, config):
        # Made by another version of this file or of the pins, and not running: nothing to keep.
        stop(layout)
        shutil.rmtree(layout.control_plane, ignore_errors=True)
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.state / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY, indent=1))
    created = (layout.control_plane / "kwok.yaml").exists()
    _drop_stale_pid_files(layout)
    _kwokctl(
        layout, tools, ["start", "cluster"] if created else ["create", "cluster", "--config", str(config_file)], config
    )
    _write_kubeconfig(layout, tools["kubectl"])
    _wait_ready(layout)


def _same(file: Path, content: str) -> bool:
    return file.exists() and file.read_text() == content


def _drop_stale_pid_files(layout: Layout) -> None:
    """kwokctl trusts its pid files; after a reboot their numbers belong to others, or to nobody."""
    running = {process.pid for process in processes.find(PROGRAMS, [layout.state])}
    for file in (layout.control_plane / "pids").glob("*.pid"):
        if file.read_text().strip() not in map(str, running):
            file.unlink()


def _kwokctl(layout: Layout, tools: dict[str, Path], command: list[str], config: str) -> None:
    (layout.state / "kwokctl.json").write_text(config)
    environment = {
        "KWOK_WORKDIR": str(layout.kwok_home),
        # kwokctl adds the new cluster to this file: never the person's own.
        "KUBECONFIG": str(layout.state / "kwokctl-kubeconfig"),
        "PATH": f"{tools['kubectl'].parent}:{os.environ['PATH']}",
    }
    run(
        [tools["kwokctl"], "--name", layout.name, *command],
        env=environment,
        hint=f"The logs are in {layout.control_plane / 'logs'}. To begin anew: ./dev cluster down --name {layout.name}",
    )


def _write_kubeconfig(layout: Layout, kubectl: Path) -> None:
    source = layout.control_plane / "kubeconfig.yaml"
    content = run([kubectl, "config", "view", "--raw", "--flatten", "--kubeconfig", source])
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(content)


def _ready(layout: Layout) -> bool:
    kubectl = binaries.ensure_one("kubectl")
    return succeeds([kubectl, "--kubeconfig", layout.kubeconfig, "--request-timeout=3s", "get", "--raw", "/readyz"])


def _wait_ready(layout: Layout) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _ready(layout):
        if time.monotonic() > deadline:
            raise DevError(
                f"the API server of cluster {layout.name} is not ready after {READY_SECONDS:.0f} s: "
                f"read {layout.control_plane / 'logs'}"
            )
        time.sleep(0.2)
    if absent := missing(layout):
        raise DevError(f"{', '.join(absent)} did not stay up: read {layout.control_plane / 'logs'}")


def _default_stages() -> list[str]:
    """How a fake node and its pods behave unless a test says otherwise: kwok's own Stages.

    Once Stages are custom resources, kwok no longer takes the ones that are built into it.
    """
    module = json.loads(run(["go", "mod", "download", "-json", "sigs.k8s.io/kwok"], cwd=paths.GO_MODULES / "kwok"))
    folder = Path(module["Dir"]) / "kustomize" / "stage"
    files = [file for part in DEFAULT_STAGES for file in sorted((folder / part).glob("*.yaml"))]
    return [file.read_text() for file in files if file.name != "kustomization.yaml"]


def _apply(layout: Layout, *documents: str) -> None:
    kubectl = binaries.ensure_one("kubectl")
    run([kubectl, "--kubeconfig", layout.kubeconfig, "apply", "-f", "-"], stdin="\n---\n".join(documents))
