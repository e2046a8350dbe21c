"""Who may reach the pods of a revision, and whom they may reach, as NetworkPolicies say it."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from builders import City, JsonObject, listing_body
from systems import System, app, product, requirement

from ddtas import names
from ddtas.api.listing import Version
from ddtas.api.platform import DataSource, MunicipalityPlatformSpec
from ddtas.api.traffic import Call, PermittedCall
from ddtas.data.network import Surroundings
from ddtas.plan.children.network_policy import Reached, Traffic, policy
from ddtas.plan.decision.decide import decide
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Reason

SELECTOR = {names.LABEL_INSTALLATION: "flood", names.LABEL_REVISION: "0123456789"}
VERSION = Version.model_validate(listing_body()["spec"]["versions"][0])
AROUND = Surroundings(
    forbidden=(ip_network("192.168.1.5/32"), ip_network("203.0.113.9/32"), ip_network("2a00:1::9/128")),
    inside=(ip_network("10.96.0.0/16"), ip_network("10.244.0.0/16")),
    dns=(ip_network("169.254.20.10/32"),),
    shared=("suppliers",),
    operator="ddtas-system",
)
NAME = "kubernetes.io/metadata.name"
CALL = {"host": "api.weather.example", "ports": [443, 8443], "reason": "The forecast."}


def source(endpoint: str, **more: Any) -> Reached:
    body = {
        "name": "gauge",
        "title": "A gauge",
        "kind": "postgresql"
        if endpoint.startswith("postgres")
        else "mqtt"
        if endpoint.startswith("mqtt")
        else "http-csv",
        "endpoint": endpoint,
        "physicalName": "a.b",
        "contract": {"version": "1.0.0"},
        "accessRights": "public",
        "licence": "CC0-1.0",
        "purposes": ["testing"],
    }
    upstream = more.pop("upstream", None)
    return Reached(DataSource.model_validate(body | more), upstream)


def traffic(*sources: Reached, calls: list[JsonObject] | None = None, **more: Any) -> Traffic:
    spec = {"municipality": {"name": "Delft", "code": "GM0503"}} | {k: more.pop(k) for k in list(more) if k in _SPEC}
    version = VERSION.model_copy(update={"egress": tuple(Call.model_validate(c) for c in calls or ())})
    made = Traffic(AROUND, "delft", MunicipalityPlatformSpec.model_validate(spec), version, sources, frozenset())
    return replace(made, **more)


_SPEC = ("egress", "ingress", "nameServers")


# ---- who is let out to where: the rules as a network reads them ----


def let(
    rules: list[JsonObject], port: int, *, address: str = "", namespace: str = "", protocol: str = "TCP", **labels: str
) -> bool:
    """Whether one of the rules lets a connection pass.

    Args:
        rules: of one direction.
        port: that is connected to.
        address: of what is outside the cluster, "" for a pod.
        namespace: of a pod.
        protocol: of the connection.
        labels: of a pod.
    """
    return any(
        any(_port(p, port, protocol) for p in rule["ports"])
        and any(_peer(peer, address, namespace, labels) for peer in rule.get("to", rule.get("from")))  # type: ignore[union-attr]
        for rule in rules
    )


def _port(rule: JsonObject, port: int, protocol: str) -> bool:
    return rule["protocol"] == protocol and rule.get("port") in (None, port)


def _peer(peer: JsonObject, address: str, namespace: str, labels: dict[str, str]) -> bool:
    if "ipBlock" in peer:
        if not address:
            return False
        literal, block = ip_address(address), peer["ipBlock"]
        return literal in ip_network(block["cidr"]) and not any(
            literal in ip_network(e) for e in block.get("except", ())
        )
    if not namespace:
        return False
    wanted = peer.get("namespaceSelector", {"matchLabels": {NAME: "delft"}})["matchLabels"][NAME]
    selector = peer.get("podSelector", {})
    known = {f"ddtas.nl/{key}" if key in ("installation", "component") else key: value for key, value in labels.items()}
    return (
        wanted == namespace
        and all(known.get(k.replace("k8s-app", "app")) == v for k, v in selector.get("matchLabels", {}).items())
        and all((e["key"] in known) == (e["operator"] == "Exists") for e in selector.get("matchExpressions", ()))
    )


def out(made: Traffic, port: int, **to: str) -> bool:
    return let(policy(made, SELECTOR)["egress"], port, **to)


NOWHERE = (
    "10.0.0.1", "10.96.0.1", "10.244.0.9", "172.16.0.1", "192.168.1.5", "192.168.7.7", "127.0.0.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "203.0.113.9",
    "0.0.0.0", "fd00::1", "fd00:ec2::254", "fe80::1", "::1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:1::", "ff02::1",
    "2a00:1::9", "::ffff:10.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("address", NOWHERE)
def test_a_public_name_opens_no_address_that_is_not_public(address: str) -> None:
    made = traffic(source("https://data.example/x.csv"), calls=[CALL], egress=[_permit("*", 443, 8443)])
    assert not any(out(made, port, address=address) for port in (80, 443, 8443, 6443, 10250))


@pytest.mark.parametrize("address", ["203.0.113.7", "8.8.8.8", "2a00:1::7"])
def test_a_public_name_opens_its_port_of_all_public_addresses(address: str) -> None:
    made = traffic(source("https://data.example/x.csv"), source("postgresql://db.example/x"))
    assert [port for port in (80, 443, 5432, 8443) if out(made, port, address=address)] == [443, 5432]


def _permit(host: str, *ports: int) -> JsonObject:
    return {"name": "p", "host": host, "ports": list(ports)}


def test_without_a_source_outside_nothing_outside_is_open() -> None:
    assert not out(traffic(), 443, address="8.8.8.8")
    assert not out(traffic(source("http://gauge.delft.svc/x")), 80, address="8.8.8.8")


def test_names_are_looked_up_at_kube_dns_and_at_what_is_named() -> None:
    made = traffic(nameServers=["10.96.0.10"])
    for protocol in ("TCP", "UDP"):
        assert out(made, 53, namespace="kube-system", app="kube-dns", protocol=protocol)
        assert out(made, 53, address="169.254.20.10", protocol=protocol)
        assert out(made, 53, address="10.96.0.10", protocol=protocol)
        assert not out(made, 53, address="10.96.0.11", protocol=protocol)
    assert not out(made, 443, address="169.254.20.10")
    assert not out(made, 53, namespace="kube-system", app="other", protocol="UDP")


def test_a_service_opens_pods_of_its_namespace_that_are_no_apps() -> None:
    for host, namespace in (("gauge.delft.svc", "delft"), ("gauge.delft", "delft"), ("x.suppliers.svc", "suppliers")):
        made = traffic(source(f"http://{host}/x"))
        assert out(made, 8080, namespace=namespace, app="gauge"), host
        assert not out(made, 8080, namespace=namespace, app="gauge", installation="other")
        assert not out(made, 8080, namespace="gouda", app="gauge")


@pytest.mark.parametrize(
    "endpoint",
    ["http://web.gouda.svc/x", "http://web.gouda.svc.cluster.local/x", "https://kubernetes.default.svc/x"],
)
def test_a_service_of_another_city_opens_nothing(endpoint: str) -> None:
    made = traffic(source(endpoint))
    assert len(policy(made, SELECTOR)["egress"]) == 1, "DNS alone"


def test_a_product_opens_the_pods_that_serve_it() -> None:
    made = traffic(source("http://dike-web.gouda.svc:8080/x", upstream=Ref("gouda", "dike")))
    assert out(made, 8080, namespace="gouda", installation="dike", component="web")
    assert not out(made, 8081, namespace="gouda", installation="dike", component="web")
    assert not out(made, 8080, namespace="gouda", installation="dike", component="admin")
    assert not out(made, 8080, namespace="gouda", installation="other", component="web")


@pytest.mark.parametrize(
    ("address", "open_"),
    [("10.20.0.5", True), ("[fd00:20::5]", True), ("192.168.1.5", False), ("10.96.0.1", False), ("127.0.0.1", False)],
)
def test_an_address_opens_itself_unless_nobody_may_reach_it(address: str, open_: bool) -> None:
    made = traffic(source(f"postgresql://{address}/x"))
    literal = address.strip("[]")
    assert out(made, 5432, address=literal) == open_
    assert not out(made, 443, address=literal)
    assert not out(made, 5432, address="10.20.0.6")


def test_a_token_server_is_reached_as_well() -> None:
    auth = {"secretName": "s", "scheme": "OAuth2ClientCredentials", "tokenUrl": "https://id.example:9443/token"}
    made = traffic(source("http://gauge.delft.svc/x", credentials=auth))
    assert out(made, 9443, address="8.8.8.8")
    assert not out(made, 443, address="8.8.8.8")


def test_a_range_of_the_platform_is_open_but_for_what_nobody_may_reach() -> None:
    opened = [
        {"name": "all", "cidr": "10.0.0.0/8", "ports": [443]},
        {"name": "any", "cidr": "0.0.0.0/0", "ports": [80]},
    ]
    made = traffic(egress=opened)
    assert out(made, 443, address="10.20.0.5")
    assert not out(made, 80, address="10.96.0.1")
    assert out(made, 80, address="192.168.7.7")
    for address in ("10.96.0.1", "10.244.0.9"):
        assert not out(made, 443, address=address)
    for address in ("192.168.1.5", "169.254.169.254", "127.0.0.1", "100.100.100.200", "203.0.113.9"):
        assert not out(made, 80, address=address)
    assert len(policy(traffic(egress=[{"name": "x", "cidr": "10.96.3.0/24", "ports": [1]}]), SELECTOR)["egress"]) == 1


def test_a_thousand_nodes_make_a_policy_of_bounded_size_that_still_keeps_them_out() -> None:
    nodes = tuple(ip_network(f"10.{n % 7}.{n % 200}.{n % 251}/32") for n in range(1000))
    made = traffic(egress=[{"name": "x", "cidr": "10.0.0.0/8", "ports": [443]}])
    made = replace(made, surroundings=replace(AROUND, forbidden=nodes))
    (block,) = (r["to"][0]["ipBlock"] for r in policy(made, SELECTOR)["egress"] if "ipBlock" in r["to"][0])
    assert len(block["except"]) <= 64 + 16
    holes = [ip_network(hole) for hole in block["except"]]
    assert all(any(node.subnet_of(hole) for hole in holes) for node in nodes)  # type: ignore[arg-type]
    assert out(made, 443, address="10.200.0.1")


# ---- declared calls ----


@pytest.mark.parametrize(
    ("host", "permitted"),
    [
        ("api.weather.example", True),
        ("*.weather.example", True),
        ("*.example", True),
        ("*", True),
        ("weather.example", False),
        ("*.api.weather.example", False),
        ("*.eather.example", False),
        ("api.weather.example.evil.example", False),
    ],
)
def test_which_host_a_permission_is_about(host: str, permitted: bool) -> None:
    assert PermittedCall.model_validate(_permit(host, 443)).permits("api.weather.example") == permitted


def test_a_call_is_open_where_both_sides_name_it() -> None:
    assert not out(traffic(calls=[CALL]), 443, address="8.8.8.8")
    assert not out(traffic(calls=[CALL], egress=[_permit("*", 443)]), 443, address="8.8.8.8"), "not all of its ports"
    made = traffic(calls=[CALL], egress=[_permit("*", 443), _permit("*", 8443) | {"name": "q"}])
    assert out(made, 443, address="8.8.8.8")
    assert out(made, 8443, address="8.8.8.8")
    assert not out(traffic(egress=[_permit("*", 443)]), 443, address="8.8.8.8"), "nobody calls it"


def test_a_call_that_is_not_permitted_is_refused_and_what_serves_loses_it() -> None:
    city = City()
    city.listing["spec"]["versions"][0]["egress"] = [CALL]  # type: ignore[index]
    city.platform["spec"]["egress"] = [_permit("*.weather.example", 443, 8443)]  # type: ignore[index]
    plan = city.serving()
    (before,) = (d.manifest["spec"] for d in plan.desired if d.key[0] == "NetworkPolicy")
    assert let(before["egress"], 8443, address="8.8.8.8")
    city.platform["spec"]["egress"] = [_permit("*.weather.example", 443)]  # type: ignore[index]
    plan = decide(city.snapshot())
    accepted = plan.finding("Accepted")
    assert accepted.reason is Reason.EGRESS_NOT_PERMITTED
    assert "calls api.weather.example, port 8443 (The forecast.): spec.egress of platform" in accepted.message
    assert plan.finding("Serving").reason is Reason.KEEPS_SERVING
    (after,) = (d.manifest["spec"] for d in plan.desired if d.key[0] == "NetworkPolicy")
    assert not let(after["egress"], 8443, address="8.8.8.8")


def test_what_an_app_may_call_makes_no_new_revision() -> None:
    city = City()
    before = city.serving().revision
    city.platform["spec"]["egress"] = [_permit("*", 443, 8443)]  # type: ignore[index]
    city.listing["spec"]["versions"][0]["egress"] = [CALL]  # type: ignore[index]
    plan = decide(city.snapshot())
    assert plan.revision == before
    moved = replace(city.snapshot(), surroundings=AROUND)
    assert decide(moved).revision == before


# ---- in ----


def into(made: Traffic, port: int, **who: str) -> bool:
    return let(policy(made, SELECTOR).get("ingress", []), port, **who)


PORTS = frozenset({(8080, "TCP"), (9090, "TCP")})


def test_declared_ports_are_open_to_the_own_namespace_alone() -> None:
    made = traffic(ports=PORTS)
    assert into(made, 8080, namespace="delft", app="anything")
    assert not into(made, 8081, namespace="delft", app="anything")
    assert not into(made, 8080, namespace="gouda", app="anything")
    assert not into(made, 8080, namespace="ddtas-system", **{"app.kubernetes.io/name": "ddtas-operator"})
    assert not into(made, 8080, address="8.8.8.8")
    assert "ingress" not in policy(traffic(), SELECTOR), "without a port nobody is let in"


def test_the_platform_names_who_else_comes_in() -> None:
    callers = [{"name": "gateway", "namespace": "gateways"}, {"name": "balancer", "cidr": "192.0.2.0/24"}]
    made = traffic(ports=PORTS, ingress=callers)
    assert into(made, 8080, namespace="gateways", app="anything")
    assert into(made, 9090, address="192.0.2.7")
    assert not into(made, 8080, address="8.8.8.8")


def test_products_are_open_to_the_apps_of_recipients_and_to_the_operators_look() -> None:
    made = traffic(ports=PORTS, offered=frozenset({8080}), recipients=("gouda",))
    assert into(made, 8080, namespace="gouda", installation="district")
    assert not into(made, 8080, namespace="gouda", app="anything")
    assert not into(made, 9090, namespace="gouda", installation="district")
    assert not into(made, 8080, namespace="leiden", installation="district")
    assert into(made, 8080, namespace="ddtas-system", **{"app.kubernetes.io/name": "ddtas-operator"})
    assert not into(made, 9090, namespace="ddtas-system", **{"app.kubernetes.io/name": "ddtas-operator"})


def test_a_consumer_in_another_namespace_reaches_the_product_and_nobody_else_does() -> None:
    system = System()
    accepts = [{"name": "levels", "namespace": "voorbeeldstad", "installation": "flood", "product": "forecast"}]
    system.platform("gouda", accepts=accepts)
    to = [{"namespace": "gouda", "platform": "oup"}]
    up = system.install("flood", app("flood", products=(product(),)), offers=[{"product": "forecast", "to": to}])
    up.serving()
    down = system.install("district", app("district", requirement()), namespace="gouda")
    plan = down.serving()
    (out_,) = (d.manifest["spec"]["egress"] for d in plan.desired if d.key[0] == "NetworkPolicy")
    reached = {"namespace": "voorbeeldstad", "installation": "flood", "component": "web"}
    assert let(out_, 8080, **reached)
    plan = decide(up.snapshot())
    (in_,) = (d.manifest["spec"]["ingress"] for d in plan.desired if d.key[0] == "NetworkPolicy")
    assert let(in_, 8080, namespace="gouda", installation="district")
    assert not let(in_, 8080, namespace="gouda", app="anything")


# ---- what templates make ----

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ prefix }}-cache}
"""


def test_pods_of_templates_are_the_revisions_and_their_ports_count() -> None:
    city = City()
    city.listing["spec"]["versions"][0]["templates"] = [{"name": "cache", "manifest": DEPLOYMENT}]  # type: ignore[index]
    request = decide(city.snapshot()).render[0]
    name = f"{request.prefix}-cache"
    ports = [{"containerPort": 6379}, {"containerPort": 6380, "protocol": "UDP"}]
    labels = {"app": name}
    made: JsonObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "ports": ports}]}},
        },
    }
    city.rendered = {request.revision: (made,)}
    plan = city.serving()
    by_key = {d.key: d.manifest for d in plan.desired}
    (found,) = (m for (kind, _), m in by_key.items() if kind == "NetworkPolicy")
    template = by_key["Deployment", name]["spec"]["template"]
    selected = found["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= template["metadata"]["labels"].items()
    assert by_key["Deployment", name]["spec"]["selector"]["matchLabels"] == labels
    assert let(found["spec"]["ingress"], 6379, namespace="delft", app="x")
    assert let(found["spec"]["ingress"], 6380, namespace="delft", app="x", protocol="UDP")
