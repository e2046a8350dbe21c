"""Fixtures of the layers that have a real API server with a fake node; a namespace of its own for each test.

`tests/conftest.py` has them, once for all of these layers: two sets of them would wait for each other.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_city import City
from cluster_kit import KINDS, NAMESPACE, REPO, SESSION, ApiServer, listed
from cluster_operator import Rights
from cluster_remote import Elsewhere
from cluster_supplier import Supplier

from ddtas_dev import paths
from ddtas_dev.shell import locked

_COUNT = pytest.StashKey[int]()


def _given(variable: str) -> str:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: run `./dev test cluster`")
    return os.environ[variable]


@pytest.fixture(scope="session")
def alone() -> Iterator[None]:
    """All operators see all AppListings: two sessions would count each other's requests. The second one waits."""
    name = hashlib.sha256(_given("DDTAS_TEST_KUBECONFIG").encode()).hexdigest()[:8]
    with locked(paths.state() / f"cluster-tests-{name}.lock", "it runs the cluster tests"):
        yield


@pytest.fixture(scope="session")
def cluster(alone: None) -> Iterator[ApiServer]:
    """The API server with our CRDs, which are what this checkout has, and with the Stages of the tests."""
    server = ApiServer(_given("DDTAS_TEST_KUBECONFIG"), Path(_given("DDTAS_TEST_AUDIT_LOG")))
    for what, count in ((REPO / "crds", 3), (Path(__file__).with_name("stages.yaml"), 4)):
        said = server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(what))
        assert said.count("serverside-applied") == count, said
    server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(REPO / "crds"))
    for kind in ("AppListing", "MunicipalityPlatform", "Installation"):
        listed(server, KINDS[kind])  # established is not yet served
    server.sweep()  # what a session left that was killed
    yield server
    server.sweep()


@pytest.fixture(scope="session")
def second(alone: None) -> Iterator[ApiServer]:
    """Another API server, with the Stages and nothing else of ours: a city's own cluster."""
    server = ApiServer(_given("DDTAS_TEST_CITY_KUBECONFIG"), Path(_given("DDTAS_TEST_CITY_AUDIT_LOG")))
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(Path(__file__).with_name("stages.yaml")))
    server.sweep()
    yield server
    server.sweep()


@pytest.fixture
def elsewhere(cluster: ApiServer, second: ApiServer, space: str, tmp_path: Path) -> Iterator[Elsewhere]:
    """That cluster as the city has prepared it, behind a tunnel that can be cut."""
    made = Elsewhere(second, space, tmp_path)
    yield made
    made.end()


@pytest.fixture
def space(cluster: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new namespace."""
    number = request.session.stash.setdefault(_COUNT, 0)
    request.session.stash[_COUNT] = number + 1
    name = cluster.make_namespace(f"t-{SESSION}-{number}")
    yield name
    cluster.delete(NAMESPACE, None, name)


@pytest.fixture(scope="session")
def data() -> Iterator[Supplier]:
    """One data supplier for all tests that do not break it."""
    supplier = Supplier()
    yield supplier
    supplier.stop()


@pytest.fixture
def city(cluster: ApiServer, space: str, data: Supplier, tmp_path: Path) -> Iterator[City]:
    """A city without an operator yet."""
    made = City(cluster, space, data, Rights(cluster, space, tmp_path), tmp_path)
    yield made
    made.end()
