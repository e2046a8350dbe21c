"""The control plane of an embedded cluster: kwokctl makes certificates and starts the processes."""

import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any
from zlib import crc32

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
from ddtas_dev.shell import locked, run, succeeds

BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kwokctl", "kubectl")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")
PORT_BLOCKS = range(32500, 32768 - 10, 10)
PORT_OPTIONS = (
    "kubeApiserverPort",
    "etcdPort",
    "etcdPeerPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
)
READY_SECONDS = 300.0
LAST_LINES = 3
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
    tools = binaries.ensure(*BINARIES)
    with Progress(f"starting the control plane of cluster {layout.name}"):
        _start(layout, tools)
        _apply(layout, *_default_stages(), *([json.dumps(FAKE_NODE)] if fake_node else []))
        # Last: without this file the next `up` does all of the above again.
        _write_kubeconfig(layout, tools["kubectl"])


def is_running(layout: Layout) -> bool:
    """Whether all its processes run and the API server says that it is ready."""
    return not missing(layout) and layout.kubeconfig.exists() and _answers(layout, "/readyz")


def missing(layout: Layout) -> list[str]:
    """The programs of which no process runs."""
    running = {process.program for process in processes.find(PROGRAMS, [layout.state])}
    return [program for program in PROGRAMS if program not in running]


def stop(layout: Layout) -> None:
    """End its processes."""
    processes.kill([process.pid for process in processes.find(PROGRAMS, [layout.state])])


def is_outdated(layout: Layout) -> bool:
    """Whether it was made with other binaries or settings than it would be now: then it cannot just be started."""
    config = layout.state / "kwokctl.json"
    return layout.state.exists() and not _same(config, _config(binaries.ensure(*BINARIES), layout))


def kwokctl_config(tools: dict[str, Path], layout: Layout, ports: dict[str, int]) -> dict[str, Any]:
    """What kwokctl is told. It reads YAML, of which JSON is a part."""
    api_server = {
        # Pods have to reach it; everything else listens on the loopback address only.
        "bind-address": "0.0.0.0",  # noqa: S104
        # The rest of the usual range is for our own processes.
        "service-node-port-range": f"30000-{PORT_BLOCKS.start - 1}",
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
            **ports,
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


def _start(layout: Layout, tools: dict[str, Path]) -> None:
    config_file = layout.state / "kwokctl.json"
    layout.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.state / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY, indent=1))
    # Once it is written, its ports are taken: two clusters that start at once must not choose the same.
    with locked(paths.state() / "ports.lock", "it chooses the ports of a cluster"):
        config_file.write_text(_config(tools, layout))
    _drop_stale_pid_files(layout)
    if _kwokctl_kubeconfig(layout).exists():
        _kwokctl(layout, tools, "start", "cluster")
    else:
        shutil.rmtree(layout.control_plane, ignore_errors=True)
        _kwokctl(layout, tools, "create", "cluster", "--config", str(config_file))
    _wait_ready(layout)


def _ports(layout: Layout) -> dict[str, int]:
    """Ports of this cluster, the same ones for its whole life, and none of another cluster's, running or not."""
    taken = {file.parent.name: _ports_in(file) for file in layout.state.parent.glob("*/kwokctl.json")}
    if mine := taken.pop(layout.name, None):
        return mine
    others = {port for ports in taken.values() for port in ports.values()}
    # Clusters of another state folder are not known here: two that start at once should not meet at the same block.
    start = crc32(str(layout.state).encode()) % len(PORT_BLOCKS)
    for first in (*PORT_BLOCKS[start:], *PORT_BLOCKS[:start]):
        block = dict(zip(PORT_OPTIONS, range(first, first + len(PORT_OPTIONS)), strict=True))
        if not others & set(block.values()) and all(map(_free, block.values())):
            return block
    raise DevError(f"no free ports for a cluster near {PORT_BLOCKS.start}: stop a cluster (./dev cluster status)")


def _ports_in(config: Path) -> dict[str, int]:
    options = json.loads(config.read_text())["options"]
    return {name: options[name] for name in PORT_OPTIONS if name in options}


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # A connection that was closed a moment ago does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _config(tools: dict[str, Path], layout: Layout) -> str:
    return json.dumps(kwokctl_config(tools, layout, _ports(layout)), indent=1)


def _same(file: Path, content: str) -> bool:
    return file.exists() and file.read_text() == content


def _drop_stale_pid_files(layout: Layout) -> None:
    """kwokctl trusts its pid files; after a reboot their numbers belong to others, or to nobody."""
    running = {process.pid for process in processes.find(PROGRAMS, [layout.state])}
    for file in (layout.control_plane / "pids").glob("*.pid"):
        if file.read_text().strip() not in map(str, running):
            file.unlink()


def _kwokctl(layout: Layout, tools: dict[str, Path], *command: str) -> None:
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


def _kwokctl_kubeconfig(layout: Layout) -> Path:
    return layout.control_plane / "kubeconfig.yaml"


def _write_kubeconfig(layout: Layout, kubectl: Path) -> None:
    """The same access with the certificates inside, so that it works wherever it is copied."""
    content = run([kubectl, "config", "view", "--raw", "--flatten", "--kubeconfig", _kwokctl_kubeconfig(layout)])
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(content)


def _kubectl(layout: Layout) -> list[str]:
    return [str(binaries.ensure_one("kubectl")), "--kubeconfig", str(_kwokctl_kubeconfig(layout))]


def _answers(layout: Layout, path: str) -> bool:
    return succeeds([*_kubectl(layout), "--request-timeout=3s", "get", "--raw", path])


def _wait_ready(layout: Layout) -> None:
    """Wait for the last thing that a first pod needs; a controller makes it when everything else works."""
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(layout, "/api/v1/namespaces/default/serviceaccounts/default"):
        if time.monotonic() > deadline:
            raise DevError(
                f"the control plane of cluster {layout.name} is not ready after {READY_SECONDS:.0f} s"
                f"{_last_words(layout)}"
            )
        time.sleep(0.2)
    if absent := missing(layout):
        raise DevError(f"{', '.join(absent)} did not stay up{_last_words(layout)}")


def _last_words(layout: Layout) -> str:
    """The end of each log: where a cluster is started by a machine, nobody can go and read them."""
    logs = layout.control_plane / "logs"
    text = f"; not running: {', '.join(missing(layout)) or 'none'}; the logs in {logs} end in"
    for file in sorted(set(logs.glob("*.log")) - {layout.audit_log}):
        lines = file.read_text(errors="replace").splitlines()[-LAST_LINES:]
        text += "".join(f"\n  {file.stem}: {line[:300]}" for line in lines)
    return text


def _default_stages() -> list[str]:
    """How a fake node and its pods behave unless a test says otherwise: kwok's own Stages.

    Once Stages are custom resources, kwok no longer takes the ones that are built into it.
    """
    module = json.loads(run(["go", "mod", "download", "-json", "sigs.k8s.io/kwok"], cwd=paths.GO_MODULES / "kwok"))
    folder = Path(module["Dir"]) / "kustomize" / "stage"
    files = [file for part in DEFAULT_STAGES for file in sorted((folder / part).glob("*.yaml"))]
    return [file.read_text() for file in files if file.name != "kustomization.yaml"]


def _apply(layout: Layout, *documents: str) -> None:
    run([*_kubectl(layout), "apply", "-f", "-"], stdin="\n---\n".join(documents))
