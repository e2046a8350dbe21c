"""A real API server with a fake node; a namespace of its own for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_kit import NAMESPACE, REPO, SESSION, ApiServer


def _given(variable: str) -> str:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: run `./dev test cluster`")
    return os.environ[variable]


@pytest.fixture(scope="session")
def cluster() -> Iterator[ApiServer]:
    """The API server with our CRDs, which are what this checkout has."""
    server = ApiServer(_given("DDTAS_TEST_KUBECONFIG"), Path(_given("DDTAS_TEST_AUDIT_LOG")))
    said = server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPO / "crds"))
    assert said.count("serverside-applied") == 3, said
    server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(REPO / "crds"))
    yield server
    server.kubectl("delete", "namespaces,listing", "-l", f"ddtas-tests={SESSION}", "--wait=false")


@pytest.fixture
def space(cluster: ApiServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new namespace."""
    _given("DDTAS_TEST_KUBECONFIG")
    number = request.session.stash.setdefault(_COUNT, 0)
    request.session.stash[_COUNT] = number + 1
    name = cluster.make_namespace(f"t-{SESSION}-{number}")
    yield name
    cluster.delete(NAMESPACE, None, name)


_COUNT = pytest.StashKey[int]()
