"""What is known of the network that the operator and its apps are in. Plain values.

Whose an address is cannot be seen from it: the API server, the nodes, other cities' Services and pods all have private
addresses, as municipal data servers do. So the cluster says which ranges are its own, and settings say the rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPV4LENGTH, IPV6LENGTH, IPv4Network, IPv6Network, collapse_addresses

Network = IPv4Network | IPv6Network

CLUSTER_DOMAIN = "cluster.local"
MOST_HOLES = 64  # of each IP version


@dataclass(frozen=True)
class Surroundings:
    """The network of one cluster.

    Attributes:
        forbidden: what neither a probe nor an app may reach: the API server's and the nodes' addresses, and the ranges
            that the settings deny.
        inside: ranges of Services and pods; one of them is reached by name or label, never by address.
        dns: addresses of name servers that are no pods of kube-dns.
        shared: namespaces whose Services any platform may have as data sources.
        operator: the operator's own namespace; "" where it is not in this cluster.
        domain: of the names of Services.
    """

    forbidden: tuple[Network, ...] = ()
    inside: tuple[Network, ...] = ()
    dns: tuple[Network, ...] = ()
    shared: tuple[str, ...] = ()
    operator: str = ""
    domain: str = CLUSTER_DOMAIN

    @cached_property
    def closed(self) -> tuple[Network, ...]:
        """What is forbidden or inside, as few ranges as a NetworkPolicy should have: of many, wider ones."""
        both = [*self.forbidden, *self.inside]
        v4 = [n for n in both if isinstance(n, IPv4Network)]
        v6 = [n for n in both if isinstance(n, IPv6Network)]
        return merged(
            [*map(IPv4Network, _few(v4, IPV4LENGTH)), *map(IPv6Network, _few(v6, IPV6LENGTH))],
        )


def ordered(networks: Iterable[Network]) -> tuple[Network, ...]:
    """The same ranges, each once, in order."""
    return tuple(sorted(set(networks), key=lambda n: (n.version, int(n.network_address), n.prefixlen)))


def merged(networks: Iterable[Network]) -> tuple[Network, ...]:
    """The same ranges, as few as they can be, in order. Not for thousands."""
    both = list(networks)
    v4 = collapse_addresses(n for n in both if isinstance(n, IPv4Network))
    v6 = collapse_addresses(n for n in both if isinstance(n, IPv6Network))
    return (*v4, *v6)


def _few(networks: Iterable[Network], bits: int) -> set[tuple[int, int]]:
    """Address and length of ranges that hold all of these: a few, at the price that they are wider."""
    pairs = {(int(n.network_address), n.prefixlen) for n in networks}
    longest = bits
    while len(pairs) > MOST_HOLES:
        longest -= 1
        pairs = {(a >> (bits - longest) << (bits - longest) if p > longest else a, min(p, longest)) for a, p in pairs}
    return pairs


def service_namespace(host: str, domain: str = CLUSTER_DOMAIN, *, short: bool = False) -> str | None:
    """The namespace of the Service or pod that a name of the cluster's DNS stands for.

    Args:
        host: a name.
        domain: of the cluster.
        short: take `service.namespace` for such a name, too: outside the cluster it may be anything.

    Returns:
        "" for a name of the cluster that has no namespace; None for one that is not the cluster's.
    """
    labels = host.lower().rstrip(".").split(".")
    ending = domain.lower().split(".")
    if labels[-len(ending) :] == ending:
        labels = labels[: -len(ending)]
    elif labels[-1] not in ("svc", "pod") or len(labels) < 3:
        return labels[1] if short and len(labels) == 2 else None
    if labels and labels[-1] in ("svc", "pod") and len(labels) >= 3:
        return labels[-2]
    return ""
