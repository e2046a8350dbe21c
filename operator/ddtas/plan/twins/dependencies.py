"""Which Installation uses the products of which: who must wait, and whether one uses its own.

All of it is read from what the Installations say of themselves: what they are bound to, or wait for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from ddtas.api.evidence import UsedProduct
from ddtas.api.installation import Installation, Offer
from ddtas.api.installation_status import Upstream
from ddtas.api.listing import Version
from ddtas.api.platform import MunicipalityPlatform
from ddtas.names import NamespacedName
from ddtas.plan.products import Product, Reach, Ref, of_installation

Edges = Mapping[Ref, frozenset[Ref]]

HOME = ""

_MOST = 200  # products on one platform


def cluster_of(platform: MunicipalityPlatform) -> str | None:
    """Where a platform's workloads are: HOME, or the identity of the city's own cluster; None before that is known."""
    if platform.spec.cluster is None:
        return HOME
    return platform.status.cluster.identity if platform.status.cluster is not None else None


def apart(one: str | None, other: str | None) -> bool:
    """Whether two places (see `cluster_of`) are known to be in different clusters.

    An identity begins with a UID, which no two clusters have both. A city may know its cluster by the UID of its own
    namespace: then two platforms of one cluster count as apart, for nobody can tell.
    """
    if one is None or other is None:
        return HOME in (one, other)
    return one.partition("/")[0] != other.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Interface:
    """What an Installation is for others. While it stays the same, nobody else has anything to decide again.

    Attributes:
        home: its own platform.
        offers: to whom else it offers what.
        products: what there is, and is to come.
        upstreams: whose products it uses, or waits for.
        fed_by: whose products it uses: whose consumer it is.
        leaving: it is being deleted.
        cluster: where it is; see `cluster_of`.
    """

    home: NamespacedName
    offers: tuple[Offer, ...]
    products: tuple[Product, ...]
    upstreams: frozenset[Ref]
    fed_by: frozenset[Ref]
    leaving: bool
    cluster: str | None = HOME

    @property
    def platforms(self) -> frozenset[NamespacedName]:
        """All platforms that may use its products, if they accept."""
        offered = {(r.namespace, r.platform) for offer in self.offers for r in offer.to}
        return frozenset(offered | {self.home}) if self.products else frozenset()


def interface(installation: Installation, version: Version | None, cluster: str | None = HOME) -> Interface | None:
    """What an Installation is for others; None for one that has nothing to do with any other.

    Args:
        installation: with its status.
        version: what its spec asks for; None where that cannot be told.
        cluster: where it is; see `cluster_of`.
    """
    metadata, spec = installation.metadata, installation.spec
    summary = Interface(
        home=(metadata.namespace, spec.platform),
        offers=spec.offers,
        products=tuple(of_installation(installation, version)),
        upstreams=upstreams(installation),
        fed_by=fed_by(installation),
        leaving=metadata.deletion_timestamp is not None,
        cluster=cluster,
    )
    return summary if summary.products or summary.upstreams else None


def on_platform(
    platform: MunicipalityPlatform, local: Iterable[Installation], find: Callable[[Ref], Interface | None]
) -> dict[str, Product]:
    """The products that are data sources of a platform, by the name that they have there.

    A name that is taken by the platform's own sources, or by what it accepts, is theirs.

    Args:
        platform: the platform.
        local: the Installations in its namespace.
        find: what an Installation is for others.
    """
    home, cluster = (platform.metadata.namespace, platform.metadata.name), cluster_of(platform)
    by_name: dict[str, Product] = {}
    for acceptance in platform.spec.accepts:
        there = find(Ref(acceptance.namespace, acceptance.installation))
        products = there.products if there is not None and _offered(there.offers, acceptance.product, home) else ()
        product = next((p for p in products if p.name == acceptance.product), None)
        if product is not None and there is not None:
            named = product.source.model_copy(update={"name": acceptance.name})
            by_name[acceptance.name] = replace(product, source=named, reach=_reach(cluster, there))
    taken = {s.name for s in platform.spec.data_sources} | {a.name for a in platform.spec.accepts}
    for ref in sorted(Ref.of(i) for i in local):
        there = find(ref)
        if there is None or there.home != home:
            continue
        for product in there.products:
            if product.source.name not in taken and len(by_name) < _MOST:
                by_name.setdefault(product.source.name, replace(product, reach=_reach(cluster, there)))
    return by_name


def _reach(cluster: str | None, there: Interface) -> Reach:
    if apart(cluster, there.cluster):
        return "Apart"
    return "Here" if cluster == HOME else "Inside"


def _offered(offers: Iterable[Offer], product: str, to: NamespacedName) -> bool:
    return any(o.product == product and to in {(r.namespace, r.platform) for r in o.to} for o in offers)


def named(upstream: Upstream | UsedProduct, namespace: str) -> Ref:
    """The Installation that a consumer in a namespace means."""
    return Ref(upstream.namespace or namespace, upstream.installation)


def upstreams(installation: Installation) -> frozenset[Ref]:
    """The Installations whose products feed one, or are waited for."""
    namespace, status = installation.metadata.namespace, installation.status
    waits = {named(b.upstream, namespace) for b in status.bindings if b.upstream is not None}
    return frozenset(waits | fed_by(installation))


def fed_by(installation: Installation) -> frozenset[Ref]:
    """The Installations whose products feed a revision of one."""
    namespace = installation.metadata.namespace
    return frozenset(named(f, namespace) for r in installation.status.revisions for f in r.upstreams)


def graph(start: Iterable[Ref], find: Callable[[Ref], Installation | None]) -> dict[Ref, frozenset[Ref]]:
    """From each Installation that can be reached against the flow of the data, to those that feed it."""
    edges: dict[Ref, frozenset[Ref]] = {}
    todo = list(start)
    while todo:
        ref = todo.pop()
        if ref in edges:
            continue
        installation = find(ref)
        edges[ref] = upstreams(installation) if installation is not None else frozenset()
        todo += edges[ref]
    return edges


def cycle(me: Ref, wanted: Ref, edges: Edges) -> tuple[Ref, ...] | None:
    """The shortest way from one Installation over one that it wants to be fed by, and back to itself.

    Returns:
        Each Installation on the way, the first one at the end again; None where there is no such way.
    """
    before: dict[Ref, Ref] = {}
    todo = deque([wanted])
    while todo:
        ref = todo.popleft()
        if ref == me:
            way = [me]
            while way[-1] != wanted:
                way.append(before[way[-1]])
            return (me, *reversed(way))
        for feeding in sorted(edges.get(ref, ())):
            if feeding not in before and feeding != wanted:
                before[feeding] = ref
                todo.append(feeding)
    return None


def consumers(me: Ref, others: Iterable[Installation]) -> tuple[Ref, ...]:
    """The Installations among these that use a product of this one."""
    return tuple(sorted(Ref.of(i) for i in others if Ref.of(i) != me and me in fed_by(i)))


def holding(me: Ref, consumers_of: Callable[[Ref], Iterable[Ref]], leaving: Callable[[Ref], bool]) -> tuple[Ref, ...]:
    """The consumers for whose sake a deleted Installation stays.

    A consumer that is being deleted itself counts only as long as there is somebody for whose sake it stays: so the
    deletion of them all, of a whole namespace say, always ends.
    """

    def stays(ref: Ref, seen: set[Ref]) -> bool:
        if ref in seen:
            return False
        seen.add(ref)
        return not leaving(ref) or any(stays(c, seen) for c in consumers_of(ref))

    return tuple(c for c in consumers_of(me) if stays(c, {me}))
