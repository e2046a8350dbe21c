"""The status of a MunicipalityPlatform: its data sources, its cluster, and the apps that could run there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from types import MappingProxyType

from ddtas.api.base import Verdict
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.platform import (
    ClusterStatus,
    DataSourceStatus,
    DataUse,
    ListingFit,
    MunicipalityPlatform,
    MunicipalityPlatformStatus,
)
from ddtas.data.meaning import space
from ddtas.plan.findings import Finding
from ddtas.plan.products import Product
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.attempts import Ledger
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.status.conditions import conditions, kstatus
from ddtas.plan.status.sources import bounded, product_statuses, renewed, source_status
from ddtas.plan.status.uses import with_uses
from ddtas.plan.turns import Turns, in_turns


@in_turns
def platform_status(
    platform: MunicipalityPlatform,
    observations: Mapping[str, SourceObservation],
    probes: Mapping[str, str],
    listings: Sequence[ListingFit],
    now: datetime,
    cluster: tuple[Finding, ClusterStatus | None] | None = None,
    products: Mapping[str, Product] = MappingProxyType({}),
    capabilities: tuple[Finding | None, MeasuredCapabilities] = (None, MeasuredCapabilities()),
    ledger: Ledger | None = None,
    uses: Mapping[str, tuple[DataUse, ...]] = MappingProxyType({}),
) -> Turns[MunicipalityPlatformStatus]:
    """The status of a MunicipalityPlatform.

    Args:
        platform: the platform.
        observations: what is known of its data sources, by name.
        probes: digest of what each probe used, by source name.
        listings: which apps could run here.
        now: for what changed since the old status.
        cluster: what was found of the city's own cluster; None where workloads are beside the platform.
        products: other Installations' data products that may be used here, by name.
        capabilities: the cluster's, as measured, and whether they are what listings ask for. It does not count
            for Ready: a platform is no worse for an app that it is not fit for.
        ledger: the attempts at exams; None where they are as they were.
        uses: who uses its data sources, by name.
    """
    sources = yield from _sources(platform, observations, probes, now, products)
    reachable = sum(s.state == "Reachable" for s in sources)
    conformant = sum(s.conformant is Verdict.MET for s in sources)
    where, remembered = cluster or (None, None)
    about = (_sources_reachable(sources, reachable), _sources_conformant(sources))
    findings = about if where is None else (where, *about)
    main = _area_fault(platform) or next((f for f in findings if not f.holds), about[0])
    generation = platform.metadata.generation
    requirements, measured = capabilities
    ledger = ledger or Ledger.of(platform.status)
    notices = [requirements] if requirements is not None else []
    summary = [*findings, *_summary(platform, main), *notices]
    return MunicipalityPlatformStatus(
        observed_generation=generation,
        conditions=conditions(summary, platform.status.conditions, generation, now),
        cluster=remembered,
        capabilities=measured if measured != MeasuredCapabilities() else None,
        data_sources=with_uses(tuple(bounded(sources)), uses),
        sources=f"{reachable}/{len(sources)}",
        conformant=f"{conformant}/{len(sources)}",
        listings=tuple(listings),
        apps=f"{sum(f.verdict is Verdict.MET for f in listings)}/{len(listings)}",
        attempts=ledger.attempts,
        earlier_failures=ledger.earlier,
    )


def _sources(
    platform: MunicipalityPlatform,
    observations: Mapping[str, SourceObservation],
    probes: Mapping[str, str],
    now: datetime,
    products: Mapping[str, Product],
) -> Turns[list[DataSourceStatus]]:
    """Its own data sources, then products; what has not changed stays as it was said before."""
    before = {s.name: s for s in platform.status.data_sources}
    own = (source_status(s, observations.get(s.name), probes.get(s.name), now) for s in platform.spec.data_sources)
    products_ = product_statuses(platform, products, observations, probes, now)
    found = []
    for status in chain(own, products_):
        found.append(renewed(before.get(status.name), status, now))
        yield
    return found


def _summary(platform: MunicipalityPlatform, main: Finding) -> tuple[Finding, ...]:
    """Ready and its companions. A suspended platform's sources are probed all the same, and their faults are said."""
    if not platform.spec.suspend:
        return kstatus(main)
    text = f"spec.suspend is true: nothing new is done for the Installations here; {main.message}"
    return tuple(replace(f, reason=Reason.SUSPENDED) for f in kstatus(replace(main, message=text)))


def _area_fault(platform: MunicipalityPlatform) -> Finding | None:
    """An area that cannot be used is the platform's own fault: apps that ask for coverage wait for its correction."""
    area = platform.spec.municipality.area
    fault = space.fault(area) if area is not None else None
    return Finding("Ready", "False", Reason.SPEC_INVALID, f"spec.municipality.area{fault}") if fault else None


def _sources_reachable(sources: Sequence[DataSourceStatus], reachable: int) -> Finding:
    step = "SourcesReachable"
    if not sources:
        return Finding(step, "True", Reason.NO_SOURCES, "spec.dataSources is empty")
    away = [s for s in sources if s.state == "Unreachable"]
    if away:
        named = "; ".join(f"{s.name}: {s.reason}: {s.message}" for s in away[:3])
        return Finding(step, "False", Reason.SOURCES_UNREACHABLE, f"{len(away)} of {len(sources)}: {named}")
    inside = [s.name for s in sources if _is_inside(s)]
    unknown = [s.name for s in sources if s.state == "Unknown" and not _is_inside(s)]
    if unknown:
        return Finding(step, "Unknown", Reason.PROBING, f"being probed: {', '.join(unknown[:5])}")
    text = f"{reachable} of {len(sources)} data sources"
    if inside:
        text += f"; inside the city's own cluster, and not probed from here: {', '.join(inside[:5])}"
    return Finding(step, "True", Reason.SOURCES_REACHABLE, text)


def _is_inside(source: DataSourceStatus) -> bool:
    """Not looked at, and never to be: that it is not known is no reason to wait."""
    return source.reason == Reason.INSIDE_CLUSTER


def _sources_conformant(sources: Sequence[DataSourceStatus]) -> Finding:
    """Whether the data that could be read is what its contracts promise."""
    step = "SourcesConformant"
    wrong = [s for s in sources if s.conformant is Verdict.NOT_MET]
    if wrong:
        named = "; ".join(f"{s.name}: {s.faults[0]}" for s in wrong[:3])
        text = f"{len(wrong)} of {len(sources)}: {named}: ask the supplier to fix the data, or correct the contract"
        return Finding(step, "False", Reason.SOURCES_NOT_CONFORMANT, text)
    if any(s.state == "Reachable" for s in sources) or all(_is_inside(s) for s in sources):
        return Finding(step, "True", Reason.SOURCES_CONFORMANT, "nothing was found that a contract says otherwise")
    return Finding(step, "Unknown", Reason.PROBING, "no data source could be read yet")
