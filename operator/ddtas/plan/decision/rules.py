"""The ordered rules by which an Installation is accepted: the first refusal is the one that is shown.

A rule is a pure function `(Case) → Refusal | None`. Its place in `RULES` is its rank: a rule may rely on what the
rules before it made sure of. `decide` turns the outcome into the condition Accepted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from ddtas.api.base import Recalibration
from ddtas.api.evidence import Assurance
from ddtas.api.installation import Installation, Windows
from ddtas.api.listing import AppListing, Criterion, Version
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan.capabilities import requirements
from ddtas.plan.capabilities.needs import runs
from ddtas.plan.capabilities.room import fetches, run_load, serving_load
from ddtas.plan.children import network_policy as policy
from ddtas.plan.children import volumes
from ddtas.plan.children.manifests import storage_requests
from ddtas.plan.decision.situation import Situation
from ddtas.plan.matching.windows import CountedBack, asked
from ddtas.plan.quantity import amount
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import Revision
from ddtas.plan.runs import recalibration, schedule
from ddtas.plan.snapshot import Invalid, Snapshot
from ddtas.plan.versions import choice, offered, parameters, targets
from ddtas.schema.types import Scalar
from ddtas.settings import StorePolicy

_SHOWN = 5  # of many faults


@dataclass(frozen=True)
class Accepted:
    """What the later steps build on.

    Attributes:
        recorded: the revision that spec.rollbackTo names; the inputs of another one are still to be made.
        doubts: what it needs of the cluster and nobody could tell; it is not refused for it.
    """

    listing: AppListing
    platform: MunicipalityPlatform
    version: Version
    parameters: dict[str, Scalar]
    windows: Windows | CountedBack
    recalibration: Recalibration | None
    recorded: Revision | None = None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Case:
    """The objects once they are known to exist, and the version that is asked for; what several rules need, once."""

    situation: Situation
    listing: AppListing
    platform: MunicipalityPlatform
    version: Version

    @property
    def snapshot(self) -> Snapshot:
        return self.situation.snapshot

    @property
    def installation(self) -> Installation:
        return self.situation.snapshot.installation

    @cached_property
    def parameters(self) -> tuple[dict[str, Scalar], list[str]]:
        """The effective parameters, and what is wrong with them."""
        declared, city = self.version.parameters, self.platform.spec.parameters
        return parameters.effective(declared, self.installation.spec.parameters, city)

    @cached_property
    def windows(self) -> Windows | CountedBack:
        """The Installation's own, else the version's."""
        return asked(self.installation.spec.windows, self.version)

    @property
    def recalibration(self) -> Recalibration | None:
        """The Installation's own policy, else the version's."""
        own = self.installation.spec.recalibration
        return own if own is not None else self.version.recalibration


def review_refusal(listing: AppListing, policy: StorePolicy) -> str | None:
    """Why a listing may not be installed: a criterion without a score, or with one below the store's minimum."""
    scores = {score.criterion: score.score for score in listing.spec.review}
    faults = [f"{c} has no score" for c in Criterion if c not in scores]
    faults += [
        f"{criterion} has {score}, the store asks for {policy.minimum_review_score}"
        for criterion, score in sorted(scores.items())
        if score < policy.minimum_review_score
    ]
    return "; ".join(faults) or None


def _not_withdrawn(case: _Case) -> Refusal | None:
    number = case.version.version
    listed = case.listing.spec.version(number) or case.version
    if listed.state != "Withdrawn" or case.situation.past.serving_version == number:
        return None
    field = "rollbackTo" if case.installation.spec.rollback_to is not None else "version"
    return Refusal(Reason.VERSION_WITHDRAWN, f"spec.{field}: version {number} was withdrawn: choose another")


def _as_offered(case: _Case) -> Refusal | None:
    if not case.version.targets or not offered.is_changed(case.listing, case.version):
        return None
    text = f"listing {case.listing.metadata.name}: version {case.version.version} is not what was first offered under"
    return Refusal(Reason.VERSION_CHANGED, f"{text} this number: its builder gives another content another number")


def _data_readable(case: _Case) -> Refusal | None:
    """An earlier version than the one that serves, or that had a volume, cannot read data that was migrated since."""
    number, serving = case.version.version, case.situation.past.serving_version
    had = volumes.data_versions(case.situation.claims, case.installation.metadata.name, case.version)
    for claim, last in (("", serving or number), *sorted(had.items())):
        since = [
            v.version
            for v in case.listing.spec.versions
            if v.data_migration and choice.precedes(number, v.version) and not choice.precedes(last, v.version)
        ]
        if not since:
            continue
        text = f"and {' and '.join(since)} migrated data that version {number} cannot read: choose a version from"
        text = f"{text} {since[-1]} on, or"
        if claim:
            start = f"version {last} was started on {volumes.CLAIM} {claim}"
            return Refusal(Reason.DATA_MIGRATED, f"{start}, {text} delete the claim, with its data")
        return Refusal(Reason.DATA_MIGRATED, f"version {last} serves, {text} make another Installation")
    return None


def _images_pinned(case: _Case) -> Refusal | None:
    if not case.snapshot.policy.require_image_digests:
        return None
    version = case.version
    images = [c.image for c in (*version.components, version.calibration, version.validation)]
    images += [version.monitoring.image] if version.monitoring is not None else []
    loose = sorted({image for image in images if "@sha256:" not in image})
    return Refusal(Reason.IMAGE_NOT_PINNED, f"images without a digest: {', '.join(loose)}") if loose else None


def _egress_permitted(case: _Case) -> Refusal | None:
    """Both sides must name a call: the version says why it is made, the platform that it may be."""
    faults = []
    for call in case.version.egress:
        ports = policy.missing(call.host, call.ports, case.platform.spec)
        if ports:
            faults.append(f"{call.host}, port {', '.join(map(str, ports))} ({call.reason})")
    if not faults:
        return None
    calls = "; ".join(faults[:_SHOWN]) + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")
    name = f"platform {case.platform.metadata.name}"
    text = f"version {case.version.version} calls {calls}: spec.egress of {name} must permit it"
    return Refusal(Reason.EGRESS_NOT_PERMITTED, text)


def _workloads_at_home(case: _Case) -> Refusal | None:
    wanted, own = case.platform.spec.workload_namespace, case.platform.metadata.namespace
    if wanted in (None, own):
        return None
    return Refusal(
        Reason.WORKLOAD_NAMESPACE_FORBIDDEN,
        f"platform {case.platform.metadata.name}: spec.workloadNamespace is {wanted}, must be its own ({own})",
    )


def _platform_suits(case: _Case) -> Refusal | None:
    faults = [*requirements.lacking(case.situation.capabilities), *_over_limits(case)]
    name = f"platform {case.platform.metadata.name}"
    if faults:
        return Refusal(Reason.PLATFORM_UNSUITABLE, f"{name}: {'; '.join(faults)}")
    if requirements.pending(case.situation.capabilities) and not _was_accepted(case):
        return Refusal(Reason.PROBING, f"{name}: the capabilities of its cluster have not been surveyed yet")
    return None


def _over_limits(case: _Case) -> Iterator[str]:
    """What the version requests beyond what the platform allows to an app."""
    version, limits = case.version, case.platform.spec.limits
    if limits is None:
        return
    loads = [("components request", serving_load(version))]
    loads += [(f"{name} requests", run_load(run, fetches(run, version))) for name, run in runs(version)]
    for who, load in loads:
        for what, limit in (("cpu", limits.cpu), ("memory", limits.memory)):
            total = load[f"requests.{what}"]
            if total > amount(limit):
                yield f"its {who} {total.normalize():f} {what}, spec.limits allow {limit}"
    if limits.storage is not None:
        storage = sum((amount(size) for size in storage_requests(version.components)), Decimal(0))
        if storage > amount(limits.storage):
            yield f"its volumes request {storage.normalize():f} storage, spec.limits allow {limits.storage}"


def _was_accepted(case: _Case) -> bool:
    """What was accepted goes on while something is surveyed for the first time, as when its listing was edited."""
    status = case.installation.status
    return status.version == case.version.version and any(
        c.type == "Accepted" and c.status == "True" for c in status.conditions
    )


def _parameters_valid(case: _Case) -> Refusal | None:
    _, faults = case.parameters
    return Refusal(Reason.PARAMETERS_INVALID, "; ".join(faults[:5])) if faults else None


def _windows_disjoint(case: _Case) -> Refusal | None:
    windows = case.windows
    if isinstance(windows, CountedBack) or not windows.calibration.overlaps(windows.validation):
        return None
    return Refusal(
        Reason.WINDOWS_OVERLAP,
        f"the validation window {windows.validation} shares days with the calibration window {windows.calibration}",
    )


def _schedules_valid(case: _Case) -> Refusal | None:
    own, version = case.installation.spec.recalibration, case.version
    listing = f"listing {case.listing.metadata.name}, version {version.version}"
    policy, monitoring = case.recalibration, version.monitoring
    fault = recalibration.fault(policy) if policy is not None else None
    if fault is not None:
        place = "spec.recalibration" if own is not None else f"{listing}: recalibration"
        return Refusal(Reason.SCHEDULE_INVALID, f"{place}.{fault}")
    fault = schedule.fault(monitoring.schedule, monitoring.time_zone) if monitoring is not None else None
    return Refusal(Reason.SCHEDULE_INVALID, f"{listing}: monitoring.{fault}") if fault is not None else None


def _targets_fit(case: _Case) -> Refusal | None:
    faults = targets.faults(case.version)
    where = f"listing {case.listing.metadata.name}, version {case.version.version}"
    return Refusal(Reason.TARGET_INVALID, f"{where}: {'; '.join(faults)}") if faults else None


def _assured(case: _Case) -> Refusal | None:
    """What it would serve with must be as much as both sides ask for."""
    platform = case.platform
    can, why = Assurance.SEALED, ""
    if not case.version.targets:
        can, why = Assurance.NONE, "it has no targets, so its runs report their own metrics"
    elif platform.spec.open_runs:
        can, why = Assurance.SCORED, "its runs keep their network (spec.openRuns of the platform)"
    asked = (
        (Assurance(case.snapshot.policy.minimum_assurance), "the store asks"),
        (platform.spec.minimum_assurance or Assurance.NONE, f"platform {platform.metadata.name} asks"),
    )
    for least, who in asked:
        if not can.reaches(least):
            text = f"version {case.version.version} gives evidence of assurance {can}, because {why}"
            return Refusal(Reason.ASSURANCE_TOO_LOW, f"{text}; {who} for {least}")
    return None


Rule = Callable[[_Case], Refusal | None]
# For what is recorded, its own parameters and windows count, and they were valid.
RULES_OF_ROLLBACK: Sequence[Rule] = (
    _not_withdrawn,
    _data_readable,
    _images_pinned,
    _workloads_at_home,
    _platform_suits,
    _egress_permitted,
    _schedules_valid,
    _targets_fit,
    _assured,
)
RULES: Sequence[Rule] = (*RULES_OF_ROLLBACK, _as_offered, _parameters_valid, _windows_disjoint)


def _named(snapshot: Snapshot) -> tuple[AppListing, MunicipalityPlatform] | Refusal:
    """The objects that the spec names."""
    spec, listing, platform = snapshot.installation.spec, snapshot.listing, snapshot.platform
    if platform is None:
        namespace = snapshot.installation.metadata.namespace
        text = f"spec.platform: there is no MunicipalityPlatform {spec.platform} in namespace {namespace}"
        return Refusal(Reason.PLATFORM_NOT_FOUND, text)
    if isinstance(platform, Invalid):
        return Refusal(Reason.PLATFORM_INVALID, f"MunicipalityPlatform {spec.platform}: {platform.fault}")
    if listing is None:
        return Refusal(Reason.LISTING_NOT_FOUND, f"spec.listing: there is no AppListing {spec.listing}")
    if isinstance(listing, Invalid):
        return Refusal(Reason.LISTING_INVALID, f"AppListing {spec.listing}: {listing.fault}")
    return listing, platform


def accept(situation: Situation) -> Accepted | Refusal:
    """Apply the rules in order."""
    snapshot, chosen = situation.snapshot, situation.chosen
    named = _named(snapshot)
    if isinstance(named, Refusal):
        return named
    listing, platform = named
    fault = review_refusal(listing, snapshot.policy)
    if fault is not None:
        return Refusal(Reason.LISTING_NOT_APPROVED, f"listing {listing.metadata.name}: {fault}")
    if isinstance(chosen, Refusal):
        return chosen
    recorded, version = (chosen, chosen.inputs.version) if isinstance(chosen, Revision) else (None, chosen)
    case = _Case(situation, listing, platform, version)
    for rule in RULES if recorded is None else RULES_OF_ROLLBACK:
        refusal = rule(case)
        if refusal is not None:
            return refusal
    policy, doubts = case.recalibration, requirements.doubtful(case.situation.capabilities)
    if recorded is not None:
        inputs = recorded.inputs
        return Accepted(listing, platform, version, inputs.parameters, inputs.windows, policy, recorded, doubts)
    return Accepted(listing, platform, version, case.parameters[0], case.windows, policy, doubts=doubts)
