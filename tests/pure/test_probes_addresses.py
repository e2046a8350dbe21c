"""Which addresses probes may connect to."""

from ipaddress import ip_network

import pytest

from ddtas.probes import AddressPolicy

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
