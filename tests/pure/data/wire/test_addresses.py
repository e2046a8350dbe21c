"""Which addresses probes may connect to."""

from ipaddress import ip_network

import pytest
from pydantic import TypeAdapter

from ddtas.data.addresses import AddressPolicy

POLICY = AddressPolicy(forbidden=(ip_network("10.96.0.1/32"), ip_network("fd00:1::1/128")))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.0.7", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("0.1.2.3", "this-network"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.0.0.192", "protocol-assignment"),
        ("100.100.100.200", "cloud metadata"),
        ("168.63.129.16", "cloud metadata"),
        ("fd00:ec2::254", "cloud metadata"),
        ("fd20:ce::254", "cloud metadata"),
        # IPv4 addresses in IPv6 clothes
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::127.0.0.1", "reserved"),
        ("::8.8.8.8", "reserved"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("64:ff9b:1::127.0.0.1", "reserved"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        # the API server
        ("10.96.0.1", "forbidden"),
        ("::ffff:10.96.0.1", "forbidden"),
        ("64:ff9b::10.96.0.1", "forbidden"),
        ("fd00:1::1", "forbidden"),
        # no addresses at all
        ("localhost", "not an IP address"),
        ("", "not an IP address"),
        ("2130706433", "not an IP address"),
        ("0177.0.0.1", "not an IP address"),
    ],
)
def test_refuses(address: str, why: str) -> None:
    assert why in (POLICY.refusal(address) or "allowed")


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "10.96.0.2",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "8.8.8.8",
        "fd12:3456::1",
        "2a02:ec80::1",
        "::ffff:10.1.2.3",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_leaves_public_and_private_servers_open(address: str) -> None:
    assert POLICY.refusal(address) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "10.96.0.1"])
def test_the_platform_team_has_the_last_word(address: str) -> None:
    policy = AddressPolicy(
        allowed=(ip_network("127.0.0.0/8"), ip_network("10.96.0.0/12")), forbidden=(ip_network("10.96.0.1/32"),)
    )
    assert policy.refusal(address) is None


def test_allowing_one_range_opens_no_other() -> None:
    policy = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
    assert policy.refusal("169.254.169.254")
    assert policy.refusal("::1")


# ---- inside the cluster ----

INSIDE = AddressPolicy(
    allowed=(ip_network("10.96.7.0/24"),),
    forbidden=(ip_network("10.96.0.1/32"), ip_network("192.168.1.5/32")),
    inside=(ip_network("10.96.0.0/16"), ip_network("10.244.0.0/16"), ip_network("fd00:10:96::/112")),
    namespaces=("delft", "suppliers"),
)


@pytest.mark.parametrize(
    ("address", "host", "why"),
    [
        # given as it is, or under a name that may be anybody's
        ("10.96.3.4", "", "inside the cluster"),
        ("10.244.1.9", "data.example", "inside the cluster"),
        ("fd00:10:96::7", "data.example", "inside the cluster"),
        ("::ffff:10.96.3.4", "", "inside the cluster"),
        ("64:ff9b::10.96.3.4", "", "inside the cluster"),
        ("10.96.3.4", "web.gouda", "inside the cluster"),
        ("10.96.3.4", "web", "inside the cluster"),
        # a Service of another city, whatever the name leads to
        ("10.96.3.4", "web.gouda.svc", "a name of namespace gouda"),
        ("203.0.113.7", "web.gouda.svc", "a name of namespace gouda"),
        ("10.96.7.1", "web.gouda.svc", "a name of namespace gouda"),
        ("10.96.3.4", "Web.Gouda.SVC.Cluster.Local.", "a name of namespace gouda"),
        ("10.244.1.9", "pod-0.web.gouda.svc.cluster.local", "a name of namespace gouda"),
        ("10.244.1.9", "10-244-1-9.gouda.pod.cluster.local", "a name of namespace gouda"),
        ("10.96.3.4", "delft.cluster.local", "a name inside the cluster"),
        ("10.96.3.4", "svc.cluster.local", "a name inside the cluster"),
        ("10.96.0.1", "kubernetes.default.svc", "a name of namespace default"),
        # a Service of one's own may still lead to where nobody may go
        ("10.96.0.1", "web.delft.svc", "a forbidden address"),
        ("192.168.1.5", "web.delft.svc", "a forbidden address"),
        ("169.254.169.254", "web.delft.svc", "link-local"),
    ],
)
def test_refuses_what_is_inside_the_cluster(address: str, host: str, why: str) -> None:
    assert why in (INSIDE.refusal(address, host) or "allowed")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("10.96.3.4", "web.delft.svc"),
        ("10.96.3.4", "web.delft"),
        ("10.96.3.4", "web.delft.svc.cluster.local"),
        ("10.244.1.9", "db-0.db.suppliers.svc"),
        ("10.20.0.5", "10.20.0.5"),
        ("10.20.0.5", "data.delft.example"),
        ("203.0.113.7", "data.svc.delft.example"),
        ("203.0.113.7", "svc.example"),
        ("10.96.7.1", ""),
    ],
)
def test_allows_services_of_ones_own_namespace_and_what_is_outside(address: str, host: str) -> None:
    assert INSIDE.refusal(address, host) is None


def test_another_domain_of_the_cluster() -> None:
    policy = AddressPolicy(domain="k8s.gov.example")
    assert "namespace gouda" in (policy.refusal("203.0.113.7", "web.gouda.svc.k8s.gov.example") or "")
    assert policy.refusal("203.0.113.7", "web.gouda.svc.cluster.local") is None


def test_an_offer_opens_one_namespace_more() -> None:
    assert AddressPolicy().refusal("203.0.113.7", "web.gouda.svc") is not None
    assert AddressPolicy().reaching(["gouda"]).refusal("203.0.113.7", "web.gouda.svc") is None


def test_a_policy_goes_to_another_process_and_is_the_same_there() -> None:
    adapter = TypeAdapter(AddressPolicy)
    assert adapter.validate_json(adapter.dump_json(INSIDE)) == INSIDE
