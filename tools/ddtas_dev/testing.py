"""Running the tests: brings up what the chosen layers need, and leaves the machine as it was."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from ddtas_dev import binaries, checks, cluster, images, launcher, servers_debian, servers_python, servers_registry
from ddtas_dev.console import DevError, say
from ddtas_dev.paths import REPO

LAYERS = ("pure", "confined", "protocols", "cluster", "attacks", "faults", "e2e")
ON_TEST_SERVERS = frozenset({"cluster", "attacks", "faults"})  # API servers without a node
ON_A_CLUSTER = ON_TEST_SERVERS | {"e2e"}
# Processes of pytest: tests mostly wait, so there may be more of them than cores. Each has API servers of its own.
SIDE_BY_SIDE = 3
# Of the layer that never waits, as many as cores; each begins with seconds of imports.
MOST_OF_PURE = 4


def test(layers: Sequence[str], pytest_arguments: Sequence[str], keep: bool) -> int:
    """Run layers of the tests, all of them and the checks before them when none is named; pytest's exit code."""
    if not layers and not checks.run_all():
        say("the tests did not run: make the checks above pass first, or name the layers to run")
        return 1
    chosen = [layer for layer in LAYERS if layer in (layers or LAYERS) and _has_tests(layer)]
    if not chosen:
        raise DevError(
            f"there is nothing to run: no test in {', '.join(f'tests/{layer}' for layer in layers or LAYERS)}"
        )
    if set(chosen) & {"protocols", "attacks"}:
        for servers in (servers_debian, servers_python, servers_registry):
            servers.ensure()
    if "confined" in chosen:
        launcher.ensure()
    tools = binaries.ensure("kubectl", "helm") if set(chosen) & ON_A_CLUSTER else {}
    folders = os.pathsep.join(sorted({str(tool.parent) for tool in tools.values()}))
    environment = {**os.environ, "PATH": os.pathsep.join(filter(None, (folders, os.environ["PATH"])))}
    # What one process has compiled, the others need not compile again.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    workers = _workers(chosen, pytest_arguments)
    with contextlib.ExitStack() as started:
        environment |= _start(started, chosen, workers, keep)
        command = [sys.executable, "-m", "pytest", *(f"tests/{layer}" for layer in chosen), *pytest_arguments]
        side_by_side = ["-n", str(workers), "--no-loadscope-reorder"] if workers > 1 else []
        code = subprocess.run([*command, *side_by_side], cwd=REPO, env=environment, check=False).returncode
        if side_by_side and code == pytest.ExitCode.TESTS_FAILED:
            say("what failed beside other tests runs once more, alone: what fails only beside others is above")
            code = subprocess.run([*command, "--last-failed"], cwd=REPO, env=environment, check=False).returncode
        # What is stopped afterwards is stopped silently: pytest's summary is the last thing to read.
        return code


def _workers(chosen: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Processes of pytest. What a person picks out runs in one, whose output is easier to follow."""
    if pytest_arguments or cluster.given(None, None):
        return 1
    return min(os.cpu_count() or 1, MOST_OF_PURE) if chosen == ["pure"] else SIDE_BY_SIDE


def _start(started: contextlib.ExitStack, chosen: Sequence[str], workers: int, keep: bool) -> dict[str, str]:
    """Start the clusters that these layers need; the variables that tell the tests where they are."""
    environment = {}
    if set(chosen) & ON_TEST_SERVERS:
        of_each = [_start_servers(started, number, keep) for number in range(1, workers + 1)]
        environment["DDTAS_TEST_CLUSTERS"] = json.dumps(of_each)
    if "e2e" in chosen:
        demo = started.enter_context(_running(cluster.DEMO, node=True, keep=keep))
        built = images.build_all()
        demo.load(list(built.values()))
        environment |= _access("DDTAS_E2E", demo)
        environment["DDTAS_IMAGES"] = json.dumps({name: image.reference for name, image in built.items()})
    return environment


def _start_servers(started: contextlib.ExitStack, number: int, keep: bool) -> dict[str, str]:
    """Start the API servers of one of pytest's processes: home, and a city's own cluster."""
    suffix = f"-{number}" if number > 1 else ""
    home = started.enter_context(_running(f"{cluster.TEST}{suffix}", node=False, keep=keep))
    access = _access("DDTAS_TEST", home)
    if home.backend != "given":
        city = started.enter_context(_running(f"{cluster.TEST_CITY}{suffix}", node=False, keep=keep))
        access |= _access("DDTAS_TEST_CITY", city)
    return access


def _has_tests(layer: str) -> bool:
    return any((REPO / "tests" / layer).rglob("test_*.py"))


@contextlib.contextmanager
def _running(name: str, node: bool, keep: bool) -> Iterator[cluster.Cluster]:
    """A cluster that is stopped again, unless it ran before (a demo, say) or is to be kept."""
    stop = not keep and not cluster.is_up(name, node)
    try:
        yield cluster.up(name, node)
    finally:
        if stop:
            cluster.down(name)


def _access(prefix: str, running: cluster.Cluster) -> dict[str, str]:
    log = {f"{prefix}_AUDIT_LOG": str(running.audit_log)} if running.audit_log else {}
    return {f"{prefix}_KUBECONFIG": running.kubeconfig, **log}
