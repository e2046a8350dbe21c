"""Where a platform must not lead the operator to: the API server, nodes, other cities' Services, its own cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cluster_apps as apps
import pytest
from cluster_city import City
from cluster_kit import KINDS, OURS, SESSION, ApiServer, JsonObject, condition, eventually
from cluster_remote import Elsewhere, RemoteApp
from test_cluster_flow import NETWORK
from test_cluster_remote import platform_says, remote_city

from ddtas.cluster.rest.resources import ResourceType

OUP, SERVICE = KINDS["MunicipalityPlatform"], KINDS["Service"]
NODE = ResourceType("Node", "/api/v1", "nodes")
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"


@pytest.fixture
def node(cluster: ApiServer) -> Iterator[JsonObject]:
    """A node with an address and a range of pods, on which nothing runs."""
    name = f"{OURS}-{SESSION}"
    taint = {"key": OURS, "effect": "NoSchedule"}
    spec = {"podCIDR": "10.199.0.0/24", "podCIDRs": ["10.199.0.0/24", "fd00:199::/64"], "taints": [taint]}
    made: JsonObject = {"metadata": {"name": name, "labels": {OURS: "true"}}, "spec": spec}
    cluster.request("POST", NODE.path(), made)
    addresses = [{"type": "InternalIP", "address": "192.0.2.77"}, {"type": "Hostname", "address": name}]
    body = json.dumps({"status": {"addresses": addresses}})
    cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", body)
    yield made
    cluster.kubectl("delete", "node", name, "--wait=false")


def sources(city: City) -> dict[str, JsonObject]:
    found = city.cluster.get(OUP, city.namespace, "oup").get("status", {}).get("dataSources", [])
    return {s["name"]: s for s in found}


def all_seen(city: City, count: int) -> dict[str, JsonObject]:
    def look() -> bool:
        found = sources(city)
        return len(found) == count and all(s["reason"] not in ("Probing", "Waiting") for s in found.values())

    city.cluster.wait("look at each source", look, city.namespace)
    return sources(city)


def made_service(city: City) -> str:
    """A Service in another city's namespace; its address."""
    space = city.cluster.make_namespace(f"{city.namespace}-other")
    spec = {"ports": [{"port": 80, "protocol": "TCP"}]}
    body = city.cluster.request("POST", SERVICE.path(space), {"metadata": {"name": "web"}, "spec": spec})
    return str(body["spec"]["clusterIP"])


def endpoint_of(cluster: ApiServer) -> str:
    body = cluster.request("GET", SLICES)
    return str(body["endpoints"][0]["addresses"][0])


def test_no_source_leads_to_the_api_server_a_node_or_another_city(city: City, node: JsonObject) -> None:
    other = made_service(city)
    service = city.cluster.get(SERVICE, "default", "kubernetes")["spec"]["clusterIP"]
    hosts = {
        "endpoint": (f"https://{endpoint_of(city.cluster)}:6443/x", "a forbidden address"),
        "service": (f"https://{service}/x", "an address inside the cluster"),
        "kubelet": ("https://192.0.2.77:10250/pods", "a forbidden address"),
        "address": (f"http://{other}/x", "an address inside the cluster"),
        "pod": ("http://10.199.0.9:8080/x", "an address inside the cluster"),
        "pod-6": ("http://[fd00:199::9]:8080/x", "an address inside the cluster"),
        "name": (f"http://web.{city.namespace}-other.svc/x", f"a name of namespace {city.namespace}-other"),
        "api": ("https://kubernetes.default.svc/x", "a name of namespace default"),
        "denied": ("http://198.51.100.9/x", "a forbidden address"),
    }
    city.start(probe_allowed_ranges="127.0.0.1/32", denied_ranges="198.51.100.0/24")
    city.platform(*(apps.source(url, name=name) for name, (url, _) in hosts.items()))
    found = all_seen(city, len(hosts))
    for name, (_, why) in hosts.items():
        assert found[name]["reason"] == "AddressForbidden", found[name]
        assert why in found[name]["message"]


def test_what_is_near_may_be_reached_and_what_is_shared_is_anyones(city: City) -> None:
    """The names lead to this machine: see resolver/."""
    port = urlsplit(city.supplier.url()).port
    path = urlsplit(city.supplier.url()).path
    city.start(shared_namespaces="suppliers")
    city.platform(
        apps.source(f"http://supplier.{city.namespace}.svc:{port}{path}", name="own"),
        apps.source(f"http://supplier.suppliers.svc:{port}{path}", name="shared"),
        apps.source(f"http://supplier.gouda.svc:{port}{path}", name="other"),
    )
    found = all_seen(city, 3)
    assert {name: s["reason"] for name, s in found.items()} == {
        "own": "Reachable",
        "shared": "Reachable",
        "other": "AddressForbidden",
    }


def test_a_right_that_is_withheld_costs_a_line_in_the_log_and_nothing_else(city: City) -> None:
    city.rights.change("network.read=null")
    mark = city.cluster.mark()
    operator = city.start()
    city.platform()
    assert all_seen(city, 1)["gauge"]["reason"] == "Reachable"
    asked = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind in NETWORK]
    assert {(r.kind, r.code) for r in asked} == {(kind, 403) for kind in NETWORK}
    assert len(asked) == 3, "once, and again in five minutes"
    told = [r["message"] for r in operator.records() if "may not be read" in r["message"]]
    assert len(told) == 3


def test_the_operators_own_cluster_is_no_citys_own(
    city: City, cluster: ApiServer, elsewhere: Elsewhere, space: str, tmp_path: Path
) -> None:
    flood = remote_city(city, elsewhere)
    platform_says(city, "ClusterReachable")

    # Another kubeconfig: by a way that no address gives away, it leads home.
    at_home = Elsewhere(cluster, f"{space}-home", tmp_path)
    try:
        at_home.hand_over(cluster, space, at_home.kubeconfig())
        said = platform_says(city, "ClusterIsHome")
        assert said["status"] == "False"
        assert "is the cluster that the operator itself runs in" in said["message"]
        city.install("flood")
        eventually("refusal", lambda: _ready(flood, "ClusterIsHome"))
        assert at_home.objects() == {}
    finally:
        at_home.end()


def _ready(flood: RemoteApp, reason: str) -> JsonObject | None:
    found = condition(flood.body(), "Ready")
    return found if found.get("reason") == reason else None
