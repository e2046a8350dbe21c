"""The NetworkPolicy of a revision: who may reach its pods, and whom they may reach. Pure.

A NetworkPolicy knows addresses and labels, no names. So a server that is known by its name opens its port for all
public addresses; private ones are opened by the platform, range by range. What nobody may reach is cut out of each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from ddtas import names
from ddtas.api.listing import Version
from ddtas.api.platform import DataSource, MunicipalityPlatformSpec
from ddtas.data.network import Network, Surroundings, merged, ordered, service_namespace
from ddtas.plan.products import Ref

Peer = dict[str, Any]

# Public addresses are all but these (RFC 6890 and metadata services), and of IPv6 the global ones alone.
_CLOSED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "224.0.0.0/3",
            "2001::/32",
            "2002::/16",
        ),
    )
)
_PUBLIC = (ip_network("0.0.0.0/0"), ip_network("2000::/3"))
# Never open, not even where a platform opens the range around: the node itself, and who answers to it alone.
_NEVER = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "100.100.100.200/32",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "192.0.0.192/32",
            "224.0.0.0/3",
            "::/127",
            "fd00:ec2::/32",
            "fd20:ce::254/128",
            "fe80::/10",
            "ff00::/8",
        ),
    )
)
_DNS_PORT = 53
_DNS_PODS: Peer = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
_SCHEMES = {"http": 80, "https": 443, "postgresql": 5432, "mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Reached:
    """A bound source.

    Attributes:
        source: as it is now.
        upstream: the Installation whose product it is; None where it is none.
    """

    source: DataSource
    upstream: Ref | None = None


@dataclass(frozen=True)
class Traffic:
    """What decides about one revision.

    Attributes:
        surroundings: the network of the cluster where the pods are.
        namespace: of the pods.
        platform: theirs; None where it cannot be read.
        version: of the app.
        sources: those that it is bound to.
        ports: on which its pods listen, as (number, protocol).
        offered: those of them at which products are offered.
        recipients: namespaces of the platforms that they are offered to.
    """

    surroundings: Surroundings
    namespace: str
    platform: MunicipalityPlatformSpec | None
    version: Version
    sources: Sequence[Reached]
    ports: frozenset[tuple[int, str]]
    offered: frozenset[int] = frozenset()
    recipients: tuple[str, ...] = ()


def policy(traffic: Traffic, selector: dict[str, str]) -> dict[str, Any]:
    """The `spec` of the NetworkPolicy for the pods of an Installation that have these labels."""
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": selector},
        "policyTypes": ["Ingress", "Egress"],
        "egress": _egress(traffic, selector[names.LABEL_INSTALLATION]),
    }
    ingress = _ingress(traffic)
    return spec | ({"ingress": ingress} if ingress else {})


# ---- in ----


def _ingress(traffic: Traffic) -> list[dict[str, Any]]:
    rules = []
    if traffic.ports:
        near: list[Peer] = [{"podSelector": {}}]
        for caller in traffic.platform.ingress if traffic.platform is not None else ():
            near.append(_namespace(caller.namespace) if caller.namespace else {"ipBlock": {"cidr": caller.cidr}})
        rules.append({"ports": [_port(*port) for port in sorted(traffic.ports)], "from": near})
    if traffic.offered:
        apps: Peer = {"podSelector": {"matchExpressions": [{"key": names.LABEL_INSTALLATION, "operator": "Exists"}]}}
        far = [_namespace(namespace) | apps for namespace in traffic.recipients if namespace != traffic.namespace]
        if traffic.surroundings.operator:  # it looks at products as at any other source
            label = {"app.kubernetes.io/name": names.MANAGED_BY}
            far.append(_namespace(traffic.surroundings.operator) | {"podSelector": {"matchLabels": label}})
        if far:
            rules.append({"ports": [_port(port) for port in sorted(traffic.offered)], "from": far})
    return rules


# ---- out ----


def _egress(traffic: Traffic, installation: str) -> list[dict[str, Any]]:
    platform, around = traffic.platform, traffic.surroundings
    servers = (*around.dns, *(ip_network(a) for a in (platform.name_servers if platform is not None else ())))
    dns = [_DNS_PODS, *({"ipBlock": {"cidr": str(one)}} for one in ordered(servers))]
    rules = [{"ports": [_port(_DNS_PORT, "TCP"), _port(_DNS_PORT, "UDP")], "to": dns}]
    if traffic.ports:  # its components call each other
        own = {"podSelector": {"matchLabels": {names.LABEL_INSTALLATION: installation}}}
        rules.append({"ports": [_port(*port) for port in sorted(traffic.ports)], "to": [own]})
    public: set[int] = set()
    found: dict[str, dict[str, Any]] = {}
    for reached in traffic.sources:
        for host, port in _servers(reached.source):
            rule = _near(traffic, reached, host, port)
            if rule is None and _is_name(host, around.domain):
                public.add(port)
            elif rule is not None:
                found[repr(rule)] = rule
    rules += [found[key] for key in sorted(found)]
    for call in permitted(traffic.version, platform):
        public |= set(call.ports)
    if public:
        blocks = [block for network in _PUBLIC for block in _blocks(network, (*_CLOSED, *around.closed))]
        rules.append({"ports": [_port(port) for port in sorted(public)], "to": blocks})
    for opened in platform.egress if platform is not None else ():
        if opened.cidr is not None:
            blocks = _blocks(ip_network(opened.cidr), (*_NEVER, *around.closed))
            if blocks:
                rules.append({"ports": [_port(port) for port in sorted(opened.ports)], "to": blocks})
    return rules


def permitted(version: Version, platform: MunicipalityPlatformSpec | None) -> list[Any]:
    """The calls of a version that the platform permits."""
    return [call for call in version.egress if not missing(call.host, call.ports, platform)]


def missing(host: str, ports: Iterable[int], platform: MunicipalityPlatformSpec | None) -> list[int]:
    """The ports of a host that the platform does not permit to call."""
    allowed = {p for e in (platform.egress if platform is not None else ()) if e.permits(host) for p in e.ports}
    return sorted(set(ports) - allowed)


def _servers(source: DataSource) -> list[tuple[str, int]]:
    """Hosts and ports that a client of the source connects to: its server, and who gives it a token."""
    servers = []
    token = source.credentials.token_url if source.credentials is not None else None
    for url in filter(None, (source.endpoint, token)):
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _SCHEMES.get(parts.scheme)
        except ValueError:  # no URL, or a port that is none: the probe says so
            continue
        if host and port:
            servers.append((host, port))
    return servers


def _near(traffic: Traffic, reached: Reached, host: str, port: int) -> dict[str, Any] | None:
    """The rule for a server inside the cluster, or one that is given by its address; None for any other."""
    around = traffic.surroundings
    try:
        address = ip_network(host)
    except ValueError:
        address = None
    if address is not None:
        blocks = _blocks(address, (*_NEVER, *around.closed))
        return {"ports": [_port(port)], "to": blocks} if blocks else None
    namespace = service_namespace(host, around.domain, short=True)
    if namespace is None:
        return None
    if reached.upstream is not None:
        component = host.partition(".")[0].removeprefix(f"{reached.upstream.name}-")
        labels = {names.LABEL_INSTALLATION: reached.upstream.name, names.LABEL_COMPONENT: component}
        return {"ports": [_port(port)], "to": [_namespace(namespace) | {"podSelector": {"matchLabels": labels}}]}
    if namespace not in (traffic.namespace, *around.shared):
        return None
    # Which pods and ports a Service leads to is its own affair; twins are reached as products, and not by this way.
    others = {"matchExpressions": [{"key": names.LABEL_INSTALLATION, "operator": "DoesNotExist"}]}
    return {"ports": [{"protocol": "TCP"}], "to": [_namespace(namespace) | {"podSelector": others}]}


def _is_name(host: str, domain: str) -> bool:
    """Whether it is the name of a server outside the cluster."""
    try:
        ip_address(host)
    except ValueError:
        return service_namespace(host, domain) is None
    return False


# ---- parts ----


def _blocks(network: Network, closed: Iterable[Network]) -> list[Peer]:
    """A range less what is closed; none where all of it is."""
    inside = []
    for one in closed:
        if one.version != network.version or not one.overlaps(network):
            continue
        if one.prefixlen <= network.prefixlen:  # of two that overlap, one is inside the other
            return []
        inside.append(one)
    holes = [str(hole) for hole in merged(inside)]
    return [{"ipBlock": {"cidr": str(network)} | ({"except": holes} if holes else {})}]


def _namespace(name: str) -> Peer:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}
