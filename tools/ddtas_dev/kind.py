"""Clusters by kind, where a Docker engine answers."""

import json
import shutil

from ddtas_dev import binaries
from ddtas_dev.console import Progress
from ddtas_dev.control_plane import AUDIT_POLICY
from ddtas_dev.layout import Layout
from ddtas_dev.shell import run

IN_NODE = "/var/lib/ddtas-audit"


def up(name: str) -> Layout:
    """Create a cluster unless there is one of that name."""
    layout = Layout(name)
    if exists(name):
        if not layout.kubeconfig.exists():
            _kind("export", "kubeconfig", "--name", name, "--kubeconfig", str(layout.kubeconfig))
        return layout
    audit = layout.kind_audit_log.parent
    audit.mkdir(parents=True, exist_ok=True)
    (audit / "policy.json").write_text(json.dumps(AUDIT_POLICY))
    with Progress(f"creating kind cluster {name}"):
        command = ["create", "cluster", "--name", name, "--kubeconfig", str(layout.kubeconfig), "--wait", "180s"]
        _kind(*command, "--config", "-", stdin=json.dumps(config(layout)))
    return layout


def exists(name: str) -> bool:
    """Whether there is a kind cluster of that name."""
    return name in _kind("get", "clusters").split()


def down(name: str) -> None:
    """Remove it."""
    layout = Layout(name)
    _kind("delete", "cluster", "--name", name, "--kubeconfig", str(layout.kubeconfig))
    shutil.rmtree(layout.state, ignore_errors=True)


def load(name: str, references: list[str]) -> None:
    """Make images of the Docker engine known to the cluster's node."""
    with Progress(f"loading {len(references)} images into kind cluster {name}"):
        _kind("load", "docker-image", "--name", name, *references)


def config(layout: Layout) -> dict[str, object]:
    """One node, with the same audit log as the embedded cluster."""
    arguments = {"audit-policy-file": f"{IN_NODE}/policy.json", "audit-log-path": f"{IN_NODE}/audit.log"}
    volume = {"name": "audit", "hostPath": IN_NODE, "mountPath": IN_NODE, "pathType": "DirectoryOrCreate"}
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": [{"name": name, "value": value} for name, value in arguments.items()],
            "extraVolumes": [volume],
        },
    }
    mount = {"hostPath": str(layout.kind_audit_log.parent), "containerPath": IN_NODE}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraMounts": [mount], "kubeadmConfigPatches": [json.dumps(patch)]}],
    }


def _kind(*arguments: str, stdin: str | None = None) -> str:
    return run([binaries.ensure_one("kind"), *arguments], stdin=stdin)
