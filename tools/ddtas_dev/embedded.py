"""An embedded cluster: kwokctl's control plane, and a real node made of this machine's own processes."""

import os
import shutil
import sys

from ddtas_dev import control_plane, node, paths, processes
from ddtas_dev.console import DevError, say
from ddtas_dev.layout import Layout
from ddtas_dev.shell import locked

# containerd refuses a longer path: with the name of a socket it would exceed what the kernel takes.
MAX_SOCKET_FOLDER = 42


def up(name: str, with_node: bool) -> Layout:
    """Make it run: create it, or start what is missing of it."""
    layout = Layout(name)
    if not is_running(name, with_node):
        _require(with_node, layout)
        with locked(paths.state() / f"{name}.lock", f"it starts or stops cluster {name}"):
            if not control_plane.is_running(layout) and control_plane.is_outdated(layout):
                say(f"cluster {name} is down and was made by another version of these tools: making it anew")
                _remove(layout)
            control_plane.up(layout, fake_node=not with_node)
            if with_node:
                node.up(layout)
    return layout


def is_running(name: str, with_node: bool) -> bool:
    """Whether everything that `up` would start runs."""
    layout = Layout(name)
    return control_plane.is_running(layout) and (not with_node or node.is_running(layout))


def down(name: str) -> None:
    """End its processes and remove its files. Without one of that name it does nothing."""
    layout = Layout(name)
    with locked(paths.state() / f"{name}.lock", f"it starts or stops cluster {name}"):
        _remove(layout)


def status(name: str) -> str:
    """What runs and what does not, for a person."""
    layout = Layout(name)
    if not layout.state.exists():
        return f"{name}: no such cluster"
    absent = control_plane.missing(layout)
    has_node = layout.node.exists()
    if has_node:
        absent += node.missing(layout)
    if absent:
        health = f"not running: {', '.join(absent)} (repair: ./dev cluster up --name {name})"
    else:
        health = "running" if is_running(name, has_node) else f"not ready yet; logs: {layout.state}"
    kind = "with a real node" if has_node else "control plane only, with a fake node"
    return "\n".join(
        (f"{name}: {health}, {kind}", f"  KUBECONFIG={layout.kubeconfig}", f"  audit log: {layout.audit_log}")
    )


def _remove(layout: Layout) -> None:
    if layout.node.exists():
        if os.geteuid() != 0:
            raise DevError(f"cluster {layout.name} has a real node, and only root can stop it: run this as root")
        node.down(layout)
    control_plane.stop(layout)
    shutil.rmtree(layout.state, ignore_errors=True)


def possible(with_node: bool) -> bool:
    """Whether this machine can run one."""
    return sys.platform == "linux" and (not with_node or os.geteuid() == 0)


def _require(with_node: bool, layout: Layout) -> None:
    otherwise = "start Docker (then kind is used), or set KUBECONFIG to a cluster that you have"
    if sys.platform != "linux":
        raise DevError(f"a cluster without Docker needs Linux, this is {sys.platform}: {otherwise}")
    if not with_node:
        return
    if os.geteuid() != 0:
        raise DevError(
            "a real node without Docker needs root: run this as root, "
            f"or {otherwise}, or do without a node: ./dev cluster up --no-node"
        )
    others = [Layout(folder.name) for folder in paths.state().glob("*/") if folder.name != layout.name]
    for other in others:
        if processes.find(node.PROGRAMS, [other.state]):
            raise DevError(
                f"this machine is already the node of cluster {other.name}, and it can be only one at a time: "
                f"./dev cluster down --name {other.name}"
            )
    if len(str(layout.shim_sockets)) > MAX_SOCKET_FOLDER:
        raise DevError(f"the name {layout.name} is too long: containerd's sockets would not fit: choose a shorter one")
