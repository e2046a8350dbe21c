"""Tests side by side: which belong together, and which API servers each of pytest's processes has.

Layers that wait (for a node, for Jobs, for watches) leave the machine idle, so `./dev test` runs several processes
(pytest-xdist). One process is never in another one's way: each has API servers of its own, and what needs the one real
node stays in one process.
"""

import json
import os
from typing import Any

import pytest

# Of the layers that have an API server: one set for all of them, since their lock would wait for another one for ever.
pytest_plugins = ["cluster_fixtures"]

_WORKER = "PYTEST_XDIST_WORKER"
# What takes longest comes first; the quick tests fill the gaps at the end.
_ORDER = ("e2e", "faults", "cluster", "attacks", "protocols", "confined", "pure")


def pytest_configure(config: pytest.Config) -> None:
    """Give this process its API servers: `DDTAS_TEST_CLUSTERS` has some for each."""
    clusters = json.loads(os.environ.get("DDTAS_TEST_CLUSTERS", "[]"))
    if clusters:
        number = int(os.environ.get(_WORKER, "gw0").removeprefix("gw"))
        os.environ.update(clusters[number % len(clusters)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together in one process what belongs together."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        """A file is one piece of work; all end-to-end tests together are one."""

        def _split_scope(self, nodeid: str) -> str:
            return "e2e" if _layer(nodeid) == "e2e" else nodeid.partition("::")[0]

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, where there are several processes."""
    if _WORKER in os.environ:
        items.sort(key=_rank)


def _layer(nodeid: str) -> str:
    return nodeid.split("/")[1] if nodeid.startswith("tests/") else ""


def _rank(item: pytest.Item) -> tuple[int, bool]:
    layer = _layer(item.nodeid)
    return (_ORDER.index(layer) if layer in _ORDER else len(_ORDER), "machine" not in item.nodeid)
