"""Benchmarks: what they measure is printed as JSON, progress goes to stderr."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ddtas_dev import binaries, cluster
from ddtas_dev.console import DevError
from ddtas_dev.paths import REPO

CLUSTER = "ddtas-bench"
BENCHMARKS = ("matching", "cities")


def bench(name: str, arguments: Sequence[str]) -> int:
    """Run one benchmark; its exit code.

    Args:
        name: matching needs nothing; cities gets a cluster of its own, which is removed afterwards.
        arguments: of the benchmark.
    """
    if name not in BENCHMARKS:
        raise DevError(f"there is no benchmark {name}; there are {', '.join(BENCHMARKS)}")
    tests = [REPO / "tests" / layer for layer in ("", "pure", "cluster", "e2e")]
    folders = [REPO / "operator", REPO / "tools", *tests]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    command: list[str | Path] = [sys.executable, REPO / "tests" / "bench" / f"{name}.py", *arguments]
    if name == "matching":
        return subprocess.run(command, env=environment, check=False).returncode
    tools = {str(tool.parent) for tool in binaries.ensure("kubectl", "helm").values()}
    environment["PATH"] = os.pathsep.join([*sorted(tools), environment["PATH"]])
    cluster.down(CLUSTER)  # what an earlier run left would be counted
    running = cluster.up(CLUSTER, False)
    try:
        environment["DDTAS_TEST_KUBECONFIG"] = running.kubeconfig
        environment["DDTAS_TEST_AUDIT_LOG"] = str(running.audit_log)
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        cluster.down(CLUSTER)
