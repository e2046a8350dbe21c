"""A city and its neighbour, and actors with the shipped roles. The API servers are those of the cluster layer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks_actors import Actors, actor, ship
from cluster_city import City
from cluster_kit import NAMESPACE, ApiServer


@pytest.fixture(scope="session")
def roles(cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The chart's roles, once for all tests."""
    ship(cluster, tmp_path_factory.mktemp("roles"))


@pytest.fixture
def actors(roles: None, city: City, tmp_path: Path) -> Actors:
    """Makes actors in the city's namespace, and for the store."""
    return lambda role: actor(city.cluster, role, city.namespace, tmp_path)


@pytest.fixture
def neighbour(cluster: ApiServer, space: str) -> Iterator[str]:
    """A namespace of another city."""
    name = cluster.make_namespace(f"{space}-n")
    yield name
    cluster.delete(NAMESPACE, None, name)
