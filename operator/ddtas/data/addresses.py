"""Which addresses a probe may connect to.

Whoever may edit a platform chooses what the operator connects to, so the operator must not become a way to reach
what that person cannot: the operator's own pod, the cluster's API server, its nodes, another city's Services, a cloud's
metadata service. Private ranges stay open, because municipal data servers live there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ddtas.data.network import CLUSTER_DOMAIN, Network, service_namespace

Address = IPv4Address | IPv6Address

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_LOW_32_BITS = 0xFFFF_FFFF

# What the properties of `ipaddress` leave open: it can reach the host itself, or what only the host may see.
_SPECIAL: tuple[tuple[Network, str], ...] = (
    (ip_network("0.0.0.0/8"), "this-network"),  # Linux connects to itself on 0.0.0.0
    (ip_network("192.0.0.0/24"), "protocol-assignment"),  # RFC 6890; 192.0.0.192 is a metadata service (Oracle)
    (ip_network("2001::/32"), "Teredo tunnel"),  # carries an IPv4 address, scrambled
    # Metadata services outside link-local: Alibaba, Azure, and over IPv6 AWS and Google.
    (ip_network("100.100.100.200/32"), "cloud metadata"),
    (ip_network("168.63.129.16/32"), "cloud metadata"),
    (ip_network("fd00:ec2::/32"), "cloud metadata"),
    (ip_network("fd20:ce::254/128"), "cloud metadata"),
)


@dataclass(frozen=True)
class AddressPolicy:
    """Rules for the addresses of data sources. A plain value, which goes to another process.

    An address inside the cluster (a Service's, a pod's) says nothing of whose it is, so a Service is reached by its
    name alone, which has its namespace.

    Attributes:
        allowed: ranges that the platform team vouches for; they win from every other rule about addresses.
        forbidden: ranges refused on top of the built-in ones, such as the API server's and the nodes' addresses.
        inside: ranges of the cluster's own Services and pods.
        namespaces: those whose Services may be reached.
        domain: of the cluster's names.
    """

    allowed: tuple[Network, ...] = ()
    forbidden: tuple[Network, ...] = ()
    inside: tuple[Network, ...] = ()
    namespaces: tuple[str, ...] = ()
    domain: str = CLUSTER_DOMAIN

    def refusal(self, address: str, host: str = "") -> str | None:
        """Why an address may not be connected to; None when it may.

        Args:
            address: IPv4 or IPv6, as text.
            host: the name that led to it; "" where it was given as it is.
        """
        if why := self.name_refusal(host):
            return why
        try:
            literal = ip_address(address)
        except ValueError:
            return "not an IP address"
        forms = {literal, _embedded(literal) or literal}
        if _within(forms, self.allowed):
            return None
        if _within(forms, self.forbidden):
            return "a forbidden address"
        if _within(forms, self.inside) and service_namespace(host, self.domain, short=True) not in self.namespaces:
            return "an address inside the cluster"
        return _special(_embedded(literal) or literal)

    def name_refusal(self, host: str) -> str | None:
        """Why a host may not be connected to, whatever its address: it is a Service of another namespace."""
        namespace = service_namespace(host, self.domain)
        if namespace is None or namespace in self.namespaces:
            return None
        return f"a name of namespace {namespace}" if namespace else "a name inside the cluster"

    def reaching(self, namespaces: Iterable[str]) -> "AddressPolicy":
        """The same, with more namespaces whose Services may be reached."""
        return replace(self, namespaces=tuple(sorted({*self.namespaces, *namespaces})))


def _within(forms: set[Address], networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks for address in forms)


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for.

    The IPv4-compatible form (::a.b.c.d) needs no unpacking: it is obsolete, and all of ::/8 counts as reserved.
    """
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & _LOW_32_BITS)
    return address.ipv4_mapped or address.sixtofour


def _special(address: Address) -> str | None:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_reserved:
        return "a reserved address"
    return next((f"a {name} address" for network, name in _SPECIAL if address in network), None)
