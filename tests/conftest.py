"""Tests side by side: which belong together, and which API servers each of pytest's processes has.

Layers that wait (for a node, for Jobs, for watches) leave the machine idle, so `./dev test` runs several processes
(pytest-xdist). One process is never in another one's way: each has an API server of its own, and what shares more than
that (the one real node, the one cluster of a city) is one group, which stays in one process.
"""

import json
import os

import pytest

# Of the layers that have an API server: one set for all of them, since their lock would wait for another one for ever.
pytest_plugins = ["cluster_fixtures"]

_WORKER = "PYTEST_XDIST_WORKER"
# What takes longest comes first; the quick tests fill the gaps at the end.
_ORDER = ("e2e", "faults", "cluster", "attacks", "protocols", "pure")


def pytest_configure(config: pytest.Config) -> None:
    """Give this process its API server: `DDTAS_TEST_CLUSTERS` has one for each."""
    clusters = json.loads(os.environ.get("DDTAS_TEST_CLUSTERS", "[]"))
    if clusters:
        number = int(os.environ.get(_WORKER, "gw0").removeprefix("gw"))
        os.environ.update(clusters[number % len(clusters)])


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in groups and, where there are several processes, the long ones first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    if _WORKER in os.environ:
        items.sort(key=_rank)


def _layer(item: pytest.Item) -> str:
    return item.nodeid.split("/")[1] if item.nodeid.startswith("tests/") else ""


def _group(item: pytest.Item) -> str:
    if _layer(item) == "e2e":
        return "e2e"
    if "second" in getattr(item, "fixturenames", ()):
        return "two clusters"
    return item.nodeid.partition("::")[0]


def _rank(item: pytest.Item) -> tuple[int, bool]:
    layer = _layer(item)
    return (_ORDER.index(layer) if layer in _ORDER else len(_ORDER), "machine" not in item.nodeid)
