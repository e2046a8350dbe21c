"""The whole status of an object, computed anew each time. Never patched piece by piece.

A condition keeps its time of transition while its status stays the same; nothing else of the old status matters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from ddtas.api.base import Condition, Verdict
from ddtas.api.capabilities import MeasuredOffers
from ddtas.api.installation import Installation
from ddtas.api.installation_status import Consumer, DriftedItem, InstallationStatus, InventoryItem, ServiceBinding
from ddtas.api.listing import AppListing, AppListingStatus
from ddtas.api.platform import (
    ClusterStatus,
    DataSource,
    DataSourceStatus,
    ListingFit,
    MunicipalityPlatform,
    MunicipalityPlatformStatus,
)
from ddtas.api.volumes import RefusedGrowth, VolumeStatus
from ddtas.data.meaning import space
from ddtas.data.measured import SourceFacts
from ddtas.plan import clock
from ddtas.plan.children.volumes import CLAIM, mine
from ddtas.plan.decision.decide import PROVISIONED, STEPS, Finding, Frozen, Plan
from ddtas.plan.decision.preview import Preview
from ddtas.plan.decision.rules import review_refusal
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.snapshot import Key, Snapshot, SourceObservation
from ddtas.plan.twins.products import Product, Ref
from ddtas.plan.twins.upstreams import known
from ddtas.settings import StorePolicy

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
Status = AppListingStatus | MunicipalityPlatformStatus | InstallationStatus
# The condition by which an object gets in, where its kind has one.
_GATES = {InstallationStatus: STEPS[0], AppListingStatus: "Listed"}


@dataclass(frozen=True, slots=True)
class Fault:
    """An object that could not be applied.

    Attributes:
        refused: of a volume that was to become larger: it stays as it is, and nothing waits for it.
        claim: its name.
        retry_after: seconds that the API server asks to wait.
    """

    reason: Reason
    message: str
    refused: RefusedGrowth | None = None
    claim: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What applying a plan came to."""

    created: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    # Changed by hand, and left so.
    drifted: tuple[DriftedItem, ...] = ()
    faults: tuple[Fault, ...] = field(default_factory=tuple)
    # Of what was made and changed.
    uids: Mapping[Key, str] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Not everything was done that could be."""
        return any(fault.refused is None for fault in self.faults)


def conditions(
    findings: Iterable[Finding], old: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Findings as conditions; the time of transition stays where the status did."""
    before = {c.type: c for c in old}
    result = []
    for finding in findings:
        was = before.get(finding.step)
        result.append(
            Condition(
                type=finding.step,
                status=finding.status,
                reason=finding.reason,
                message=finding.message[:2000],
                observed_generation=generation,
                last_transition_time=was.last_transition_time
                if was is not None and was.status == finding.status
                else now.replace(microsecond=0),
            )
        )
    return tuple(result)


def _kstatus(main: Finding) -> tuple[Finding, ...]:
    """Ready, Reconciling and Stalled (kstatus) from the finding that matters most."""
    course = main.reason.course
    working: Literal["True", "False"] = "False"
    stalled: Literal["True", "False"] = "False"
    if main.status != "True":
        working = "True" if course in (Course.WORKING, Course.WAITING) else "False"
        stalled = "True" if course is Course.STALLED else "False"
    # Whoever waits for the object shows the message of the one that is True, and no other.
    return (
        Finding("Ready", main.status, main.reason, main.message),
        Finding("Reconciling", working, main.reason, main.message if working == "True" else course.value),
        Finding("Stalled", stalled, main.reason, main.message if stalled == "True" else course.value),
    )


def _summary(
    findings: Sequence[Finding], held_up: Finding | None, frozen: Frozen | None, preview: Preview | None
) -> Finding:
    """What Ready says: the first step that is not there; the last one when all are.

    An earlier revision that keeps serving makes Serving True, and never Ready: that is about what the spec asks for.
    One that is frozen says so, and nobody waits for it: what is not there now comes only when a person thaws it. A plan
    that was asked for and cannot be made says why; it is made as soon as it can.
    """
    first = next((f for f in findings if f.status != "True"), held_up)
    main = first or findings[-1]
    if frozen is None:
        return main
    text = f"{frozen.message}; {main.message}"
    if frozen.reason is Reason.PLANNED and preview is not None and preview.waits is not None:
        text = f"{frozen.message}; {preview.waits.message}"
        return replace(preview.waits, step="Ready", message=text)
    return Finding("Ready", "True" if first is None else "False", frozen.reason, text)


def _drifted(findings: Sequence[Finding], drifted: Sequence[DriftedItem]) -> list[Finding]:
    """A step that waits for objects says that it waits for a person, where those are missing and left so."""
    missing = [f"{item.kind} {item.name}" for item in drifted if item.found == "Missing"]
    if not missing:
        return list(findings)
    text = f"missing: {', '.join(missing[:5])}; spec.drift is Report: restore what is missing, or set it to Correct"
    waiting = (Reason.PROVISIONING, Reason.ROLLING_OUT)
    return [Finding(f.step, "False", Reason.DRIFTED, text) if f.reason in waiting else f for f in findings]


def installation_status(
    snapshot: Snapshot, plan: Plan, changes: ChangeSet, preview: Preview | None = None
) -> InstallationStatus:
    """The status of an Installation after `plan` was applied with the outcome `changes`.

    Args:
        snapshot: what the plan was made of.
        plan: the plan.
        changes: what applying it came to; nothing where it was not applied.
        preview: what would be done, where nothing is.
    """
    findings = _drifted(plan.findings, changes.drifted)
    if changes.faults:
        fault = changes.faults[0]
        more = f" (and {len(changes.faults) - 1} more)" if len(changes.faults) > 1 else ""
        index = STEPS.index(PROVISIONED)
        findings[index] = Finding(PROVISIONED, "False", fault.reason, fault.message + more)
    main = _summary(findings, plan.held_up, plan.frozen, preview)
    kstatus = _kstatus(main)
    meta, old = snapshot.installation.metadata, snapshot.installation.status
    done = sum(f.status == "True" for f in findings if f.reason is not Reason.KEEPS_SERVING)
    owned = {d.key for d in plan.desired} if not plan.suspended else set()
    if changes.stopped:
        owned -= set(changes.created)  # of some, it is not known whether they were
    claims = mine(snapshot)
    there = {c.key for c in snapshot.children.values() if c.kind not in ("Pod", CLAIM) or c.key in claims}
    owned |= there - set(changes.removed)
    uids = {c.key: c.uid for c in snapshot.children.values()} | dict(changes.uids)
    return InstallationStatus(
        observed_generation=meta.generation,
        conditions=conditions([*findings, *kstatus, *plan.notices], old.conditions, meta.generation, snapshot.now),
        progress=f"{done}/{len(STEPS)}",
        url=plan.url,
        revision=plan.revision,
        version=plan.version,
        available_version=plan.available_version,
        serving_revision=plan.serving,
        serving_version=plan.serving_version,
        last_retry=plan.retry,
        binding=ServiceBinding(name=plan.products[0].secret_name) if plan.products else None,
        products=plan.products,
        consumers=_shown(snapshot.consumers),
        bindings=plan.bindings,
        revisions=plan.revisions,
        inventory=tuple(InventoryItem(kind=k, name=n, uid=uids.get((k, n))) for k, n in sorted(owned))[:200],
        recalibration=plan.recalibration,
        volumes=_volumes(plan, changes),
        plan=preview.status if preview is not None else None,
        drift=(changes.drifted if not plan.suspended else snapshot.installation.status.drift)[:200],
    )


def _volumes(plan: Plan, changes: ChangeSet) -> tuple[VolumeStatus, ...]:
    """The volumes of a plan, with what the API server said of them."""
    refused = {fault.claim: fault.refused for fault in changes.faults if fault.refused is not None}
    return tuple(v.model_copy(update={"refused": refused[v.claim]}) if v.claim in refused else v for v in plan.volumes)


def held_status(installation: Installation, reason: Reason, message: str, now: datetime) -> InstallationStatus:
    """The status of an Installation that nothing can be done for now: what was known stays, and Ready says why."""
    old, generation = installation.status, installation.metadata.generation
    status: Literal["False", "Unknown"] = "False" if reason.course is Course.STALLED else "Unknown"
    known = {c.type: c for c in old.conditions}
    findings = [Finding(step, status, reason, message) for step in STEPS if step not in known]
    findings += _kstatus(Finding("Ready", status, reason, message))
    known |= {c.type: c for c in conditions(findings, old.conditions, generation, now)}
    ordered = tuple(known[kind] for kind in dict.fromkeys([*STEPS, *known]))
    progress = old.progress or f"0/{len(STEPS)}"
    return old.model_copy(update={"observed_generation": generation, "conditions": ordered, "progress": progress})


def refused_status(old: Status, generation: int, message: str, now: datetime) -> Status:
    """The status of an object that the operator cannot read: everything else stays as it was."""
    return _said(old, Finding(_GATES.get(type(old), "Ready"), "False", Reason.SPEC_INVALID, message), generation, now)


def broken_status(old: Status, generation: int, message: str, now: datetime) -> Status:
    """The status of an object that the operator fails to work on: everything else stays as it was."""
    return _said(old, Finding("Ready", "False", Reason.OPERATOR_ERROR, message), generation, now)


def _said(old: Status, main: Finding, generation: int, now: datetime) -> Status:
    """A status with one finding for Ready, and for the step that it is about."""
    found = {f.step: f for f in (main, *_kstatus(main))}
    new = {c.type: c for c in conditions(found.values(), old.conditions, generation, now)}
    known = {c.type: c for c in old.conditions} | new
    ordered = tuple(known[kind] for kind in dict.fromkeys([main.step, *known]))
    return old.model_copy(update={"observed_generation": generation, "conditions": ordered})


def _shown(consumers: Sequence[Ref]) -> tuple[Consumer, ...]:
    """As many as a status holds."""
    return tuple(Consumer(namespace=c.namespace, installation=c.name) for c in consumers[:100])


def awaited_status(installation: Installation, consumers: Sequence[Ref], now: datetime) -> InstallationStatus:
    """The status of a deleted Installation that stays for the sake of others: everything else stays as it was."""
    meta, old = installation.metadata, installation.status
    named = ", ".join(c.seen_from(meta.namespace) for c in consumers)
    text = (
        f"it is being deleted, and its data products feed {named}: delete them, choose other data sources for them,"
        " or set spec.removal to Warn"
    )
    findings = _kstatus(Finding("Ready", "False", Reason.HAS_CONSUMERS, text))
    new = conditions(findings, old.conditions, meta.generation, now)
    others = [c for c in old.conditions if c.type not in {c.type for c in new}]
    return old.model_copy(
        update={"observed_generation": meta.generation, "conditions": (*others, *new), "consumers": _shown(consumers)}
    )


def listing_status(listing: AppListing, policy: StorePolicy, now: datetime) -> AppListingStatus:
    """The status of an AppListing: may it be installed?"""
    fault = review_refusal(listing, policy)
    count = len(listing.spec.versions)
    text = fault or f"{count} version{'s' if count > 1 else ''}"
    reason = Reason.LISTING_NOT_APPROVED if fault else Reason.LISTED
    main = Finding("Listed", "False" if fault else "True", reason, text)
    generation = listing.metadata.generation
    return AppListingStatus(
        observed_generation=generation,
        conditions=conditions([main, *_kstatus(main)], listing.status.conditions, generation, now),
    )


def platform_status(
    platform: MunicipalityPlatform,
    observations: Mapping[str, SourceObservation],
    probes: Mapping[str, str],
    listings: Sequence[ListingFit],
    now: datetime,
    cluster: tuple[Finding, ClusterStatus | None] | None = None,
    products: Mapping[str, Product] = MappingProxyType({}),
    offers: tuple[Finding | None, MeasuredOffers] = (None, MeasuredOffers()),
) -> MunicipalityPlatformStatus:
    """The status of a MunicipalityPlatform.

    Args:
        platform: the platform.
        observations: what is known of its data sources, by name.
        probes: digest of what each probe used, by source name.
        listings: which apps could run here.
        now: for what changed since the old status.
        cluster: what was found of the city's own cluster; None where workloads are beside the platform.
        products: other Installations' data products that may be used here, by name.
        offers: what was found of what the cluster offers, and whether it is what listings ask for. It does not count
            for Ready: a platform is no worse for an app that it is not fit for.
    """
    before = {s.name: s for s in platform.status.data_sources}
    sources = []
    own = (_source_status(s, observations.get(s.name), probes.get(s.name), now) for s in platform.spec.data_sources)
    for status in (*own, *_product_statuses(platform, products, observations, probes, now)):
        was = before.get(status.name)
        if was is not None and (was.state, was.reason) == (status.state, status.reason):
            status = was if _no_news(was, status, now) else status.model_copy(update={"since": was.since})
        sources.append(status)
    reachable = sum(s.state == "Reachable" for s in sources)
    conformant = sum(s.conformant is Verdict.MET for s in sources)
    where, remembered = cluster or (None, None)
    about = (_platform_finding(sources, reachable), _conformance_finding(sources))
    found = about if where is None else (where, *about)
    main = _area_fault(platform) or next((f for f in found if f.status != "True"), about[0])
    kstatus = _kstatus(main)
    if platform.spec.suspend:  # its data sources are looked at all the same, and what is wrong with them is told
        text = f"spec.suspend is true: nothing new is done for the Installations here; {main.message}"
        kstatus = tuple(replace(f, reason=Reason.SUSPENDED) for f in _kstatus(replace(main, message=text)))
    generation = platform.metadata.generation
    asked, measured = offers
    notices = [asked] if asked is not None else []
    return MunicipalityPlatformStatus(
        observed_generation=generation,
        conditions=conditions([*found, *kstatus, *notices], platform.status.conditions, generation, now),
        cluster=remembered,
        offers=measured if measured != MeasuredOffers() else None,
        data_sources=tuple(_bounded(sources)),
        sources=f"{reachable}/{len(sources)}",
        conformant=f"{conformant}/{len(sources)}",
        listings=tuple(listings),
        apps=f"{sum(f.verdict is Verdict.MET for f in listings)}/{len(listings)}",
    )


def _source_status(
    source: DataSource, seen: SourceObservation | None, probe: str | None, now: datetime
) -> DataSourceStatus:
    facts = seen.facts if seen else None
    looked_at = (seen.looked_at if seen else None) or now
    found = conformance(source, facts, looked_at) if facts is not None else None
    return DataSourceStatus(
        name=source.name,
        probe=probe,
        state=seen.state if seen else "Unknown",
        reason=seen.reason if seen else Reason.PROBING,
        message=seen.message if seen and seen.message else None,
        since=now.replace(microsecond=0),
        looked_at=looked_at.replace(microsecond=0) if seen else None,
        conformant=found.verdict if found else None,
        faults=found.faults if found else (),
        facts=facts,
    )


def _product_statuses(
    platform: MunicipalityPlatform,
    products: Mapping[str, Product],
    observations: Mapping[str, SourceObservation],
    probes: Mapping[str, str],
    now: datetime,
) -> Iterator[DataSourceStatus]:
    """Products are among the sources from the first look at them; those that were accepted, in any case.

    Those inside a city's own cluster, which nobody looks at from here, are among them as soon as they are served.
    """
    namespace = platform.metadata.namespace
    accepted = {a.name: a for a in platform.spec.accepts}
    for name in sorted(accepted.keys() | products.keys()):
        product = products.get(name)
        if product is not None and product.reach == "Here" and product.state != "NotServing":
            seen = observations.get(name)
            if seen is not None:
                status = _source_status(product.source, seen, probes.get(name), now)
                yield status.model_copy(update={"upstream": "/".join(product.upstream)})
            continue
        if product is not None:
            upstream, found = product.upstream, known(product, None, namespace)
        else:
            a = accepted[name]
            upstream = Ref(a.namespace, a.installation)
            text = f"no Installation {'/'.join(upstream)} offers {a.product} here"
            found = SourceObservation("Unreachable", Reason.NOT_OFFERED, text)
        # One of its own platform that is to come is no news of it.
        if found is not None and (name in accepted or found.reason != Reason.UPSTREAM_NOT_SERVING):
            yield DataSourceStatus(
                name=name,
                upstream="/".join(upstream),
                state=found.state,
                reason=found.reason,
                message=found.message,
                since=now.replace(microsecond=0),
            )


def _no_news(was: DataSourceStatus, status: DataSourceStatus, now: datetime) -> bool:
    """Whether the old word on a source still stands.

    A live source has a new record, and another latency, at each look. That alone is written once an hour.
    """
    old = was.looked_at is not None and clock.elapsed(was.looked_at, now, _RENEWED_AFTER)
    if old and status.looked_at != was.looked_at:
        return False
    return _steady(was) == _steady(status)


def _steady(status: DataSourceStatus) -> DataSourceStatus:
    return status.model_copy(update={"since": None, "looked_at": None, "facts": steady_facts(status.facts)})


def steady_facts(facts: SourceFacts | None) -> SourceFacts | None:
    """Facts without those that move on with each record."""
    if facts is None:
        return None
    fields = tuple(f if not f.empty else f.model_copy(update={"empty": 0}) for f in facts.fields)
    return facts.model_copy(update=_MOVES_ON | {"fields": fields})


def _bounded(sources: Sequence[DataSourceStatus]) -> Iterator[DataSourceStatus]:
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


def _area_fault(platform: MunicipalityPlatform) -> Finding | None:
    """An area that cannot be used is the platform's own fault: apps that ask for coverage wait for its correction."""
    area = platform.spec.municipality.area
    fault = space.fault(area) if area is not None else None
    return Finding("Ready", "False", Reason.SPEC_INVALID, f"spec.municipality.area{fault}") if fault else None


def _platform_finding(sources: Sequence[DataSourceStatus], reachable: int) -> Finding:
    step = "SourcesReachable"
    if not sources:
        return Finding(step, "True", Reason.NO_SOURCES, "spec.dataSources is empty")
    away = [s for s in sources if s.state == "Unreachable"]
    if away:
        named = "; ".join(f"{s.name}: {s.reason}: {s.message}" for s in away[:3])
        return Finding(step, "False", Reason.SOURCES_UNREACHABLE, f"{len(away)} of {len(sources)}: {named}")
    inside = [s.name for s in sources if _inside(s)]
    unknown = [s.name for s in sources if s.state == "Unknown" and not _inside(s)]
    if unknown:
        return Finding(step, "Unknown", Reason.PROBING, f"being looked at: {', '.join(unknown[:5])}")
    text = f"{reachable} of {len(sources)} data sources"
    if inside:
        text += f"; inside the city's own cluster, and not looked at from here: {', '.join(inside[:5])}"
    return Finding(step, "True", Reason.SOURCES_REACHABLE, text)


def _inside(source: DataSourceStatus) -> bool:
    """Not looked at, and never to be: that it is not known is no reason to wait."""
    return source.reason == Reason.INSIDE_CLUSTER


def _conformance_finding(sources: Sequence[DataSourceStatus]) -> Finding:
    """Whether the data that could be read is what its contracts promise."""
    step = "SourcesConformant"
    wrong = [s for s in sources if s.conformant is Verdict.NOT_MET]
    if wrong:
        named = "; ".join(f"{s.name}: {s.faults[0]}" for s in wrong[:3])
        text = f"{len(wrong)} of {len(sources)}: {named}: ask the supplier to mend the data, or correct the contract"
        return Finding(step, "False", Reason.SOURCES_NOT_CONFORMANT, text)
    if any(s.state == "Reachable" for s in sources) or all(_inside(s) for s in sources):
        return Finding(step, "True", Reason.SOURCES_CONFORMANT, "nothing was found that a contract says otherwise")
    return Finding(step, "Unknown", Reason.PROBING, "no data source could be read yet")
