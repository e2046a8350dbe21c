"""Which addresses a probe may connect to.

Whoever may edit a platform chooses what the operator connects to, so the operator must not become a way to reach
what that person cannot: the operator's own pod, the cluster's API server, a cloud's metadata service. Private ranges
stay open, because municipal data servers live there.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

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
    """Rules for the addresses of data sources.

    Attributes:
        allowed: ranges that the platform team vouches for; they win from every other rule.
        forbidden: ranges refused on top of the built-in ones, such as the API server's addresses.
    """

    allowed: tuple[Network, ...] = ()
    forbidden: tuple[Network, ...] = ()

    def refusal(self, address: str) -> str | None:
        """Why that address (IPv4 or IPv6, as text) may not be connected to; None when it may."""
        try:
            literal = ip_address(address)
        except ValueError:
            return "not an IP address"
        forms = {literal, _embedded(literal) or literal}
        if _within(forms, self.allowed):
            return None
        if _within(forms, self.forbidden):
            return "a forbidden address"
        return _special(_embedded(literal) or literal)


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
