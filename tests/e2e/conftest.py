"""One operator for the whole session, installed by its chart; a namespace of its own for each test."""

import json
import os
from collections.abc import Iterator

import pytest
from e2e_city import City, install, sweep
from e2e_kit import KINDS, Cluster

from ddtas_dev import deploy, paths
from ddtas_dev.shell import locked

EXAMPLE, VILLAGE, HARBOUR, FLOOD = "voorbeeldstad", "voorbeelddorp", "voorbeeldhaven", "flood-twin"


def _given(variable: str) -> str:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: run `./dev test e2e`")
    return os.environ[variable]


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Each built image's reference, by its name without a tag."""
    found: dict[str, str] = json.loads(_given("DDTAS_IMAGES"))
    return found


@pytest.fixture(scope="session")
def app_image(images: dict[str, str]) -> str:
    """An image with Python, and nothing else that a test needs."""
    return images["localhost/flood-data"]


@pytest.fixture(scope="session")
def bare_cluster() -> Cluster:
    """The cluster, whatever is in it."""
    return Cluster(_given("DDTAS_E2E_KUBECONFIG"))


@pytest.fixture(scope="session")
def alone() -> Iterator[None]:
    """Two sessions would replace and kill each other's operator: the second one waits."""
    with locked(paths.state() / "e2e.lock", "it runs the end-to-end tests"):
        yield


@pytest.fixture(scope="session")
def cluster(bare_cluster: Cluster, images: dict[str, str], alone: None) -> Cluster:
    """The cluster with the operator in it, as a user installs it."""
    install(bare_cluster, images, replicas="1")
    bare_cluster.wait(
        "operator that leads",
        lambda: bare_cluster.leader() in {p["metadata"]["name"] for p in bare_cluster.operator_pods()},
    )
    sweep(bare_cluster)  # not sooner: a new cluster knows no listings before
    return bare_cluster


@pytest.fixture(scope="session")
def city(cluster: Cluster, app_image: str) -> Iterator[City]:
    """Where the tests live."""
    made = City(cluster, app_image)
    try:
        made.start_supplier()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="session")
def village(city: City) -> str:
    """The namespace of the second city of the examples."""
    return city.namespace("village")


@pytest.fixture(scope="session")
def harbour(city: City) -> str:
    """The namespace of the third city of the examples."""
    return city.namespace("harbour")


@pytest.fixture(scope="session")
def example(city: City, village: str, harbour: str, images: dict[str, str]) -> Iterator[str]:
    """The examples of this repository, in namespaces of the tests: a demonstration in the same cluster goes on."""
    space = city.namespace("example")
    text = json.dumps(deploy.example_manifests(images))
    text = text.replace(HARBOUR, harbour).replace(VILLAGE, village).replace(EXAMPLE, space)
    store = {m["metadata"]["name"] for m in city.cluster.all(KINDS["AppListing"])}
    deploy.apply_examples(city.cluster.kubeconfig, json.loads(text))
    yield space
    if FLOOD not in store:
        city.cluster.delete(KINDS["AppListing"], None, FLOOD)
