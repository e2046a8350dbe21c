"""One city whose API server's webhook hangs: its neighbour goes on."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster_city import City
from cluster_kit import NAMESPACE, ApiServer, JsonObject, eventually
from cluster_remote import authority_of, server_of
from faults_actions import hang
from faults_proxy import Proxy, Rule

MANY = 12


@pytest.fixture
def neighbour(cluster: ApiServer, space: str) -> Iterator[str]:
    """A namespace of another city, which the same operator serves."""
    name = cluster.make_namespace(f"{space}-n")
    yield name
    cluster.delete(NAMESPACE, None, name)


@pytest.fixture
def proxy(city: City, neighbour: str, tmp_path: Path) -> Iterator[Proxy]:
    """On the operator's way to the API server, where it may serve both."""
    city.rights.change(f"namespaces[1]={neighbour}")
    made = Proxy(server_of(city.cluster), authority_of(city.cluster))
    access = yaml.safe_load(city.rights.kubeconfig.read_text())
    access["clusters"][0]["cluster"] = {"server": made.url}
    city.rights.kubeconfig.write_text(yaml.safe_dump(access))
    yield made
    made.close()


def is_current(body: JsonObject) -> bool:
    """Whether the status is about the spec as it is."""
    return bool(body["status"]["observedGeneration"] == body["metadata"]["generation"])


def test_writes_that_hang_in_one_city_delay_no_other(city: City, neighbour: str, proxy: Proxy) -> None:
    city.start(namespaces=f"{city.namespace},{neighbour}")
    city.everything(name="first").served()
    other = City(city.cluster, neighbour, city.supplier, city.rights, city.folder)
    other.app = city.app
    other.platform()
    near = other.install("near")
    near.served()
    rule = Rule(lambda call: call.writes and call.namespace == city.namespace, hang, times=10_000)
    proxy.add(rule)
    for number in range(MANY):
        city.install(f"far-{number}")
    eventually("writes that hang", lambda: len(rule.hits) >= 4)
    times = []
    for number in range(5):
        near.edit(parameters={"depth": 3 + number})
        began = time.monotonic()
        eventually("status of the edit", lambda: is_current(near.body()))
        times.append(time.monotonic() - began)
    print(f"a neighbour's edit is in its status after {max(times):.2f} s at most")
    # It took 69 s; a request that hangs has 30 s and more.
    assert max(times) < 15
    proxy.calm()
    proxy.break_off(lambda call: call.writes)
    for number in range(MANY):
        city.known(f"far-{number}").served()
