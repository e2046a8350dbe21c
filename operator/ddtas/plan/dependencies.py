"""Which Installation uses the products of which: who feeds whom, who must wait, and whether somebody feeds himself.

All of it is read from what the Installations say of themselves: what they are bound to, or wait for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from ddtas.api.installation import Feed, Installation, Upstream
from ddtas.plan.products import Ref

Edges = Mapping[Ref, frozenset[Ref]]


def named(upstream: Upstream | Feed, namespace: str) -> Ref:
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
    """The Installations among these that a product of this one feeds."""
    return tuple(sorted(Ref.of(i) for i in others if Ref.of(i) != me and me in fed_by(i)))


def holding(
    me: Ref, consumers_of: Callable[[Ref], Iterable[Ref]], leaving: Callable[[Ref], bool]
) -> tuple[Ref, ...]:
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
