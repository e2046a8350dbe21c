"""What one Installation makes of other Installations' data products, when it looks for its data.

A product is matched like any source. What is added here: what validation showed of the twin that makes it, that it may
have to be waited for, that it may be gone, and that nobody may be fed by himself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ddtas.api.evidence import RevisionStatus, UsedProduct
from ddtas.api.platform import DataSource, MunicipalityPlatformSpec
from ddtas.api.requirements import DataRequirement
from ddtas.plan.matching.binding import Bound, bind
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.products import Product, Ref
from ddtas.plan.reasons import Reason
from ddtas.plan.revision import BoundSource
from ddtas.plan.snapshot import Snapshot, SourceObservation
from ddtas.plan.turns import Turns, in_turns
from ddtas.plan.twins import dependencies

# The reasons with which a product is what is wanted, although it is not bound.
_WANTED = frozenset({Reason.UPSTREAM_NOT_SERVING, Reason.OTHER_CLUSTER, Reason.DATA_SOURCE_UNREACHABLE, Reason.PROBING})
_UNMET = frozenset({Reason.REQUIREMENT_NOT_MET, Reason.BINDING_INVALID})


@in_turns
def answers(
    snapshot: Snapshot,
    platform: MunicipalityPlatformSpec,
    requirements: Sequence[DataRequirement],
    circumstances: Circumstances,
) -> Turns[list[Bound]]:
    """Find a source for each requirement, and whose product it is, or would be, or was.

    A product that would close a cycle is no choice; it is shown where nothing else fits, so that the cycle is named.
    """
    sources, observations = _candidates(snapshot, platform)
    closing = {s.name for s in sources if s.name in snapshot.products and _way_back(snapshot, s.name) is not None}
    safe = [s for s in sources if s.name not in closing]
    bounds = []
    for requirement in requirements:
        choice = snapshot.installation.spec.choice(requirement.name)
        answer = yield from bind.turns(requirement, safe, observations, circumstances, choice)
        if closing and answer.reason in _UNMET:
            answer = yield from bind.turns(requirement, sources, observations, circumstances, choice)
        bounds.append(_judged(snapshot, answer))
    return bounds


def _candidates(
    snapshot: Snapshot, platform: MunicipalityPlatformSpec
) -> tuple[Sequence[DataSource], Mapping[str, SourceObservation]]:
    """The data sources that come into question, with what was observed of them.

    Not its own products, unless one is chosen (and then it is told why not); nor, for somebody new, those of an
    Installation that is being deleted.
    """
    if not snapshot.products:
        return platform.data_sources, snapshot.observations
    chosen = {b.data_source for b in snapshot.installation.spec.bindings}
    feeding = dependencies.fed_by(snapshot.installation)
    observations = dict(snapshot.observations)
    sources = list(platform.data_sources)
    for name, product in snapshot.products.items():
        if product.upstream == snapshot.me and name not in chosen:
            continue
        if product.state == "Leaving" and product.upstream not in feeding:
            continue
        sources.append(product.source)
        observation = observation_of(product, observations.get(name), snapshot.me.namespace)
        if observation is not None:
            metrics = product.metrics if product.state != "NotServing" else None
            observations[name] = replace(observation, metrics=metrics)
    return sources, observations


def observation_of(product: Product, observation: SourceObservation | None, namespace: str) -> SourceObservation | None:
    """What is known of a product, as it is said in a namespace.

    Args:
        product: as the platform sees it.
        observation: of its probe, where there was one.
        namespace: of the platform.
    """
    who = product.upstream.seen_from(namespace)
    if product.reach == "Apart":
        text = (
            f"Installation {who} is in another cluster, and its address leads nowhere in this platform's: have"
            f" {product.name} published behind one that can be reached, and list that in spec.dataSources"
        )
        return SourceObservation("Unreachable", Reason.OTHER_CLUSTER, text)
    if product.state == "NotServing":
        text = f"Installation {who} does not serve {product.name} yet"
        return SourceObservation("Unreachable", Reason.UPSTREAM_NOT_SERVING, text)
    if product.reach == "Inside":
        return SourceObservation(
            "Unknown", Reason.INSIDE_CLUSTER, "inside the city's own cluster: not probed from here"
        )
    return observation


def _judged(snapshot: Snapshot, answer: Bound) -> Bound:
    binding, name = answer.binding, answer.binding.data_source
    if name is None and answer.reason in _WANTED:
        name = next((n.data_source for n in binding.near_misses), None)
    product = snapshot.products.get(name) if name is not None else None
    if name is not None and product is not None:
        upstream = product.as_upstream(snapshot.me.namespace)
        answer = replace(answer, binding=binding.model_copy(update={"upstream": upstream}))
        return _cyclic(snapshot, answer, name) or _leaving(snapshot, answer, product)
    if answer.reason in _UNMET:
        return _lost(snapshot, answer) or answer
    return answer


def _way_back(snapshot: Snapshot, name: str) -> tuple[Ref, ...] | None:
    """The cycle that a product would close; None where it closes none.

    What the revision that serves uses stands: whoever closed the cycle is refused.
    """
    status, me, upstream = snapshot.installation.status, snapshot.me, snapshot.products[name].upstream
    serving = status.evidence(status.serving_revision) if status.serving_revision else None
    if serving is not None and upstream in {dependencies.named(f, me.namespace) for f in serving.upstreams}:
        return None
    return dependencies.cycle(me, upstream, snapshot.dependencies)


def _cyclic(snapshot: Snapshot, answer: Bound, name: str) -> Bound | None:
    """Refuse to be fed by oneself."""
    way = _way_back(snapshot, name)
    if way is None:
        return None
    cycle = " → ".join(ref.seen_from(snapshot.me.namespace) for ref in way)
    text = f"requirement {answer.binding.requirement}: {cycle} is a cycle (each is fed by the next)"
    advice = "choose another data source for one of them in its spec.bindings"
    return replace(answer, reason=Reason.DEPENDENCY_CYCLE, message=f"{text}: {advice}")


def _leaving(snapshot: Snapshot, answer: Bound, product: Product) -> Bound:
    if product.state != "Leaving":
        return answer
    who = product.upstream.seen_from(snapshot.me.namespace)
    text = f"{answer.message}; Installation {who} is being deleted: choose another data source in spec.bindings"
    return replace(answer, message=text)


def _lost(snapshot: Snapshot, answer: Bound) -> Bound | None:
    """A product that fed this requirement and is there no more."""
    binding, status = answer.binding, snapshot.installation.status
    revisions = sorted(status.revisions, key=lambda r: r.id != status.serving_revision)
    feed = next((f for r in revisions for f in r.upstreams if f.requirement == binding.requirement), None)
    if feed is None or snapshot.source(feed.data_source) is not None:
        return None
    who = dependencies.named(feed, snapshot.me.namespace).seen_from(snapshot.me.namespace)
    text = (
        f"requirement {binding.requirement}: data source {feed.data_source} was the product {feed.product} of"
        f" Installation {who}, which is gone or does not offer it any more, and no other source fits:"
        " bring it back, or choose another data source in spec.bindings"
    )
    gone = {"installation": feed.installation, "namespace": feed.namespace, "product": feed.product, "state": "Gone"}
    with_upstream = binding.model_validate(binding.model_dump() | {"upstream": gone})
    return replace(answer, binding=with_upstream, reason=Reason.UPSTREAM_GONE, message=text)


def used_products(
    snapshot: Snapshot, bound: Iterable[BoundSource], known: RevisionStatus | None
) -> tuple[UsedProduct, ...]:
    """The products among the data sources of a revision; those that are gone as they were known."""
    before = {f.data_source: f for f in known.upstreams} if known is not None else {}
    found = []
    for b in bound:
        product = snapshot.products.get(b.data_source)
        if product is not None:
            found.append(product.feed(b.requirement, snapshot.me.namespace))
        elif b.data_source in before and snapshot.source(b.data_source) is None:
            found.append(before[b.data_source])
    return tuple(found)
