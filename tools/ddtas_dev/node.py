"""The real node of an embedded cluster: its programs as processes of this machine."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from ddtas_dev import binaries, images, node_cleanup, node_config, packages, processes
from ddtas_dev.console import DevError, Progress, say
from ddtas_dev.layout import (
    API_SERVICE_IP,
    BRIDGE,
    BRIDGE_MAC,
    NODE_IP,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_CIDR,
    POLICY_QUEUE,
    SERVICE_CIDR,
    Layout,
)
from ddtas_dev.shell import Words, run, succeeds

PROGRAMS = ("containerd", "coredns", "kubelet", "kube-proxy", "network-policies")
SHIM = "containerd-shim-runc-v2"
PACKAGES = ("runc", "containernetworking-plugins", "iptables", "conntrack", "iproute2", "ca-certificates")
READY_SECONDS = 120.0


def up(layout: Layout) -> None:
    """Make it run and wait until it is Ready; start only what does not run yet."""
    if is_running(layout):
        return
    tools = binaries.ensure(*PROGRAMS, SHIM, "ctr", "kubectl", "pause")
    packages.ensure(*PACKAGES)
    pause = images.build_pause(tools["pause"])
    with Progress(f"starting the node of cluster {layout.name}") as progress:
        _write_configuration(layout)
        _prepare_network()
        _prepare_policies()
        _prepare_cgroups(layout)
        for program in missing(layout):
            progress.detail = program
            _start(layout, program, tools)
        progress.detail = "waiting until it is Ready"
        images.import_archive(layout.containerd_socket, PAUSE_IMAGE, pause)
        _wait_until(layout, "kubelet", "the node is Ready", lambda: is_ready(layout))
        _wait_until(layout, "kube-proxy", "Services answer", lambda: _connects(API_SERVICE_IP, 443))
        _wait_until(layout, "coredns", "names resolve", lambda: _connects(NODE_IP, 53))


def is_running(layout: Layout) -> bool:
    """Whether all its processes run and the cluster says that it is Ready."""
    return not missing(layout) and is_ready(layout)


def missing(layout: Layout) -> list[str]:
    """The programs of which no process runs, in the order in which they have to start."""
    running = {process.program for process in processes.find(PROGRAMS, [layout.state])}
    return [program for program in PROGRAMS if program not in running]


def is_ready(layout: Layout) -> bool:
    """Whether the node's Ready condition is true."""
    kubectl = binaries.ensure_one("kubectl")
    access: Words = [kubectl, "--kubeconfig", layout.kubeconfig, "--request-timeout=5s"]
    # A node that has been down looks Ready for 40 s more: its kubelet has to say so itself.
    with contextlib.suppress(DevError):
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        return _connects(NODE_IP, 10250) and run([*access, "get", "node", NODE_NAME, "-o", path]) == "True"
    return False


def down(layout: Layout) -> None:
    """End its processes and containers, and take back what it did to the machine (ip_forward stays on)."""
    node_cleanup.clean(layout, PROGRAMS, SHIM)


def _start(layout: Layout, program: str, tools: dict[str, Path]) -> None:
    configuration: dict[str, Words] = {
        "containerd": ["--config", layout.node / "containerd.toml"],
        "coredns": ["-conf", layout.node / "Corefile"],
        "kubelet": [
            f"--config={layout.node / 'kubelet.json'}",
            f"--kubeconfig={layout.kubeconfig}",
            f"--root-dir={layout.node / 'kubelet'}",
            f"--cert-dir={layout.node / 'kubelet-pki'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_IP}",
        ],
        "kube-proxy": [f"--config={layout.node / 'kube-proxy.json'}"],
        "network-policies": [f"--kubeconfig={layout.kubeconfig}", f"--node={NODE_NAME}", f"--queue={POLICY_QUEUE}"],
    }
    # containerd looks for its shim, and the shim for runc, on the PATH.
    path = f"{tools[SHIM].parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    processes.spawn([tools[program], *configuration[program]], layout.logs / f"{program}.log", {"PATH": path})
    if program == "containerd":
        ctr: Words = [tools["ctr"], "--address", layout.containerd_socket]
        _wait_until(layout, program, "it answers", lambda: succeeds([*ctr, "version"]))


def _write_configuration(layout: Layout) -> None:
    (layout.node / "cni").mkdir(parents=True, exist_ok=True)
    layout.volatile.mkdir(parents=True, exist_ok=True)
    resolv_conf = _resolv_conf()
    for name, content in (
        ("containerd.toml", node_config.containerd(layout, _snapshotter(layout))),
        ("cni/10-bridge.conflist", node_config.cni(layout)),
        ("kubelet.json", node_config.kubelet(layout, resolv_conf)),
        ("kube-proxy.json", node_config.kube_proxy(layout)),
        ("Corefile", node_config.corefile(layout, forward="nameserver" in resolv_conf.read_text())),
    ):
        (layout.node / name).write_text(content)


def _resolv_conf() -> Path:
    """The name servers as a pod can use them: systemd's stub at 127.0.0.53 is not there in a pod's network."""
    systemd = Path("/run/systemd/resolve/resolv.conf")
    return systemd if systemd.exists() else Path("/etc/resolv.conf")


def _snapshotter(layout: Layout) -> str:
    """overlayfs; on a file system that cannot carry it (another overlay, say) plain copies."""
    trial = layout.node / "overlay-trial"
    for folder in ("lower", "upper", "work", "merged"):
        (trial / folder).mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    works = succeeds(["mount", "-t", "overlay", "overlay", "-o", options, trial / "merged"])
    if works:
        run(["umount", trial / "merged"])
    shutil.rmtree(trial)
    return "overlayfs" if works else "native"


def _prepare_network() -> None:
    """The pods' bridge, before the first pod: the node's own address is on it."""
    for module in ("overlay", "br_netfilter"):
        succeeds(["modprobe", module])  # built in, or not to be had: then the steps below tell
    if not succeeds(["ip", "link", "show", BRIDGE]):
        run(["ip", "link", "add", BRIDGE, "type", "bridge"])
        run(["ip", "address", "add", f"{NODE_IP}/24", "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "address", BRIDGE_MAC, "up"])
    # Service addresses are on no interface: without a default route the kernel refuses them before they are translated.
    run(["ip", "route", "replace", SERVICE_CIDR, "dev", BRIDGE, "src", NODE_IP])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # Two pods of one Service talk over the bridge: the kernel must translate addresses there, too.
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/bridge/bridge-nf-call-iptables").write_text("1")


def _prepare_policies() -> None:
    """Send the first packet of each connection from or to a pod to the program that knows the NetworkPolicies.

    What leaves the node is not held up, nor what the node itself sends: the kubelet's probes, the API server's proxy.
    The chain's name begins like kube-proxy's, so that it is cleaned up with those.
    """
    chain, table = "KUBE-DDTAS-POLICY", ["iptables", "--wait", "-t", "mangle"]
    if succeeds([*table, "-L", chain]):
        return
    run([*table, "-N", chain])
    run([*table, "-A", chain, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"])
    run([*table, "-A", chain, "-s", NODE_IP, "-j", "RETURN"])
    queue: Words = ["-j", "NFQUEUE", "--queue-num", str(POLICY_QUEUE), "--queue-bypass"]
    if not succeeds([*table, "-A", chain, *queue]):
        say("this kernel has no NFQUEUE: NetworkPolicies are not enforced")
    for hook in (["FORWARD", "-s", POD_CIDR], ["FORWARD", "-d", POD_CIDR], ["INPUT", "-i", BRIDGE, "-s", POD_CIDR]):
        run([*table, "-A", *hook, "-j", chain])


def _prepare_cgroups(layout: Layout) -> None:
    """The pods' parent group: the kubelet wants to find it."""
    for root in node_cleanup.cgroup_roots():
        with contextlib.suppress(OSError):  # not every version 1 hierarchy may be written, nor is needed
            (root / layout.cgroup.strip("/")).mkdir(exist_ok=True)


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _wait_until(layout: Layout, program: str, what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        time.sleep(0.2)
        died = program in missing(layout)
        if died or time.monotonic() > deadline:
            log = layout.logs / f"{program}.log"
            reason = f"{program} has ended" if died else f"not so after {READY_SECONDS:.0f} s"
            tail = "\n".join(f"  | {line[:300]}" for line in log.read_text(errors="replace").splitlines()[-15:])
            raise DevError(f"waited until {what}: {reason}. The end of {log}:\n{tail}")
