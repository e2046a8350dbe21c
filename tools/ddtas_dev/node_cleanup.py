"""Taking back what a real node did to this machine: containers, mounts, network, firewall rules, cgroups."""

import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ddtas_dev import processes
from ddtas_dev.console import say
from ddtas_dev.layout import BRIDGE, Layout
from ddtas_dev.shell import run, succeeds

# The chains of kube-proxy, the kubelet and the CNI plugins, and the rules that lead into them.
FIREWALL_RULE = re.compile(r"^(:|-A )(KUBE|CNI)-|-j (KUBE|CNI)-")


def clean(layout: Layout, programs: Collection[str], shim: str) -> None:
    """Take it all back. Does what is left to do after a reboot or an earlier half-done clean-up, too."""
    folders = [layout.state, layout.volatile]
    # The kubelet and containerd first, or they start again what is being stopped.
    processes.kill([process.pid for process in processes.find(programs, folders)])
    processes.kill(list(_processes_in(layout.cgroup)))
    processes.kill([process.pid for process in processes.find([shim], folders)])
    _unmount(folders)
    _clean_network(layout)
    _remove_cgroups(layout.cgroup)
    shutil.rmtree(layout.volatile, ignore_errors=True)
    with contextlib.suppress(OSError):
        layout.volatile.parent.rmdir()
    _remove_log_links(layout)
    _remove_if_unused(Path("/var/lib/kubelet/device-plugins"))


def cgroup_roots() -> list[Path]:
    """Where control groups are mounted: one place in version 2, one for each controller in version 1."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(mount[1]) for mount in mounts if mount[2] in ("cgroup", "cgroup2")]


def firewall_without_ours(saved: str) -> str:
    """Saved rules less those of the cluster.

    >>> print(firewall_without_ours("*nat\\n:INPUT ACCEPT\\n:KUBE-SVC - \\n-A INPUT -j KUBE-SVC\\nCOMMIT"))
    *nat
    :INPUT ACCEPT
    COMMIT
    """
    return "\n".join(line for line in saved.splitlines() if not FIREWALL_RULE.search(line))


def _groups(cgroup: str) -> Iterator[Path]:
    for root in cgroup_roots():
        top = root / cgroup.strip("/")
        if top.is_dir():
            yield from (Path(folder) for folder, _, _ in os.walk(top, topdown=False))


def _processes_in(cgroup: str) -> set[int]:
    found: set[int] = set()
    for group in _groups(cgroup):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    return found


def _remove_cgroups(cgroup: str) -> None:
    # A group can be removed only once the kernel is done with its last process.
    for _ in range(50):
        for group in _groups(cgroup):
            with contextlib.suppress(OSError):
                group.rmdir()
        if not any(_groups(cgroup)):
            return
        time.sleep(0.1)
    say(f"some control groups {cgroup} could not be removed; they are empty and harmless")


def _unmount(folders: Collection[Path]) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    # The innermost first.
    for mount in sorted(mounts, key=len, reverse=True):
        if any(mount.startswith(f"{folder}/") for folder in folders):
            succeeds(["umount", "--lazy", mount])


def _clean_network(layout: Layout) -> None:
    succeeds(["ip", "link", "delete", BRIDGE])
    for version in ("iptables", "ip6tables"):
        if shutil.which(f"{version}-save"):
            saved = run([f"{version}-save"])
            if FIREWALL_RULE.search(saved) or any(map(FIREWALL_RULE.search, saved.splitlines())):
                run([f"{version}-restore"], stdin=firewall_without_ours(saved) + "\n")
    results = Path("/var/lib/cni/results")
    for result in results.glob(f"{layout.name}-*"):
        result.unlink()
    _remove_if_unused(results)


def _remove_log_links(layout: Layout) -> None:
    """The kubelet links each log from here, wherever its own folder is."""
    folder = Path("/var/log/containers")
    if folder.is_dir():
        for link in folder.iterdir():
            if link.is_symlink() and str(link.readlink()).startswith(f"{layout.node}/"):
                link.unlink()


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder that programs make in a place of their own choice, with the one above it, if nobody uses it."""
    kubelet = folder / "kubelet.sock"
    if kubelet.is_socket() and not _answers(kubelet):
        kubelet.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
