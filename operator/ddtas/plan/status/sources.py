"""What the status of a platform says of each of its data sources, products among them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ddtas.api.platform import (
    DataSource,
    DataSourceStatus,
    MunicipalityPlatform,
)
from ddtas.data.measured import SourceFacts
from ddtas.plan import clock
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.products import Product, Ref
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.twins.upstreams import observation_of

# Facts that move on with each record, and when they are written although nothing else changed.
_MOVES_ON = {
    "records": None,
    "sampled": None,
    "first": None,
    "last": None,
    "size_bytes": None,
    "latency_milliseconds": None,
}


_RENEWED_AFTER = timedelta(hours=1)


_MOST_FIELDS = 6000  # of all sources together


def source_status(
    source: DataSource, seen: SourceObservation | None, probe: str | None, now: datetime
) -> DataSourceStatus:
    facts = seen.facts if seen else None
    probed_at = (seen.probed_at if seen else None) or now
    judged = conformance(source, facts, probed_at) if facts is not None else None
    return DataSourceStatus(
        name=source.name,
        probe=probe,
        state=seen.state if seen else "Unknown",
        reason=seen.reason if seen else Reason.PROBING,
        message=seen.message if seen and seen.message else None,
        since=now.replace(microsecond=0),
        probed_at=probed_at.replace(microsecond=0) if seen else None,
        conformant=judged.verdict if judged else None,
        faults=judged.faults if judged else (),
        facts=facts,
    )


def product_statuses(
    platform: MunicipalityPlatform,
    products: Mapping[str, Product],
    observations: Mapping[str, SourceObservation],
    probes: Mapping[str, str],
    now: datetime,
) -> Iterator[DataSourceStatus]:
    """Products are among the sources from the first probe of them; those that were accepted, in any case.

    Those inside a city's own cluster, which nobody looks at from here, are among them as soon as they are served.
    """
    namespace = platform.metadata.namespace
    accepted = {a.name: a for a in platform.spec.accepts}
    for name in sorted(accepted.keys() | products.keys()):
        product = products.get(name)
        if product is not None and product.reach == "Here" and product.state != "NotServing":
            seen = observations.get(name)
            if seen is not None:
                status = source_status(product.source, seen, probes.get(name), now)
                yield status.model_copy(update={"upstream": "/".join(product.upstream)})
            continue
        if product is not None:
            upstream, seen = product.upstream, observation_of(product, None, namespace)
        else:
            a = accepted[name]
            upstream = Ref(a.namespace, a.installation)
            text = f"no Installation {'/'.join(upstream)} offers {a.product} here"
            seen = SourceObservation("Unreachable", Reason.NOT_OFFERED, text)
        # One of its own platform that is to come is no news of it.
        if seen is not None and (name in accepted or seen.reason != Reason.UPSTREAM_NOT_SERVING):
            yield DataSourceStatus(
                name=name,
                upstream="/".join(upstream),
                state=seen.state,
                reason=seen.reason,
                message=seen.message,
                since=now.replace(microsecond=0),
            )


def renewed(was: DataSourceStatus | None, status: DataSourceStatus, now: datetime) -> DataSourceStatus:
    """A status, or the one before it where that still stands; the time of transition stays where the state did."""
    if was is None or (was.state, was.reason) != (status.state, status.reason):
        return status
    return was if _stands(was, status, now) else status.model_copy(update={"since": was.since})


def _stands(was: DataSourceStatus, status: DataSourceStatus, now: datetime) -> bool:
    """Whether the old word on a source still stands.

    A live source has a new record, and another latency, at each probe. That alone is written once an hour.
    """
    old = was.probed_at is not None and clock.elapsed(was.probed_at, now, _RENEWED_AFTER)
    if old and status.probed_at != was.probed_at:
        return False
    return _steady(was) == _steady(status)


def _steady(status: DataSourceStatus) -> DataSourceStatus:
    unused = {"used_by": (), "uses": 0}  # which is no news of the source
    return status.model_copy(update={"since": None, "probed_at": None, "facts": steady_facts(status.facts)} | unused)


def steady_facts(facts: SourceFacts | None) -> SourceFacts | None:
    """Facts without those that move on with each record."""
    if facts is None:
        return None
    moves_on = {"empty": 0, "invalid": None, "duplicates": None}
    fields = tuple(f.model_copy(update=moves_on) if f.empty or f.invalid or f.duplicates else f for f in facts.fields)
    return facts.model_copy(update=_MOVES_ON | {"fields": fields})


def bounded(sources: Sequence[DataSourceStatus]) -> Iterator[DataSourceStatus]:
    """What an object can hold (etcd: 1.5 MiB): of very many and very wide sources, the fields are left out.

    Without the digest of its probe, what is left is not taken for knowledge after a restart.
    """
    room = _MOST_FIELDS
    for source in sources:
        wide = len(source.facts.fields) if source.facts else 0
        if wide > room and source.facts is not None:
            facts = source.facts.model_copy(update={"fields": ()})
            yield source.model_copy(update={"facts": facts, "probe": None})
        else:
            room -= wide
            yield source
