"""The ordered rules by which an Installation is accepted: the first refusal is the one that is shown.

A rule is a pure function `(Case) → Refusal | None`. Its place in `RULES` is its rank: a rule may rely on what the
rules before it made sure of. `decide` turns the outcome into the condition Accepted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ddtas.api.base import Scalar
from ddtas.api.installation import Installation, Windows
from ddtas.api.listing import AppListing, Criterion, Version
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan import parameters
from ddtas.plan.quantity import amount
from ddtas.plan.reasons import Reason
from ddtas.plan.render import container_requests
from ddtas.plan.snapshot import Snapshot
from ddtas.settings import StorePolicy


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Accepted:
    """What the later steps build on."""

    listing: AppListing
    platform: MunicipalityPlatform
    version: Version
    parameters: dict[str, Scalar]
    windows: Windows


@dataclass(frozen=True)
class _Case:
    """The objects once they are known to exist."""

    snapshot: Snapshot
    installation: Installation
    listing: AppListing
    platform: MunicipalityPlatform


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


def _approved(case: _Case) -> Refusal | None:
    fault = review_refusal(case.listing, case.snapshot.policy)
    name = case.listing.metadata.name
    return (fault and Refusal(Reason.LISTING_NOT_APPROVED, f"listing {name}: {fault}")) or None


def _version_known(case: _Case) -> Refusal | None:
    number = case.installation.spec.version
    if case.listing.spec.version(number) is not None:
        return None
    there = ", ".join(v.version for v in case.listing.spec.versions)
    return Refusal(
        Reason.VERSION_NOT_FOUND,
        f"spec.version: listing {case.listing.metadata.name} has no version {number}; it has {there}",
    )


def _version(case: _Case) -> Version:
    version = case.listing.spec.version(case.installation.spec.version)
    assert version is not None, "the rule _version_known comes first"  # noqa: S101
    return version


def _not_withdrawn(case: _Case) -> Refusal | None:
    version = _version(case)
    if version.state != "Withdrawn" or case.installation.status.serving_version == version.version:
        return None
    return Refusal(Reason.VERSION_WITHDRAWN, f"spec.version: version {version.version} was withdrawn: choose another")


def _images_pinned(case: _Case) -> Refusal | None:
    if not case.snapshot.policy.require_image_digests:
        return None
    version = _version(case)
    images = [c.image for c in (*version.components, version.calibration, version.validation)]
    loose = sorted({image for image in images if "@sha256:" not in image})
    return Refusal(Reason.IMAGE_NOT_PINNED, f"images without a digest: {', '.join(loose)}") if loose else None


def _workloads_at_home(case: _Case) -> Refusal | None:
    wanted, own = case.platform.spec.workload_namespace, case.platform.metadata.namespace
    if wanted in (None, own):
        return None
    return Refusal(
        Reason.WORKLOAD_NAMESPACE_FORBIDDEN,
        f"platform {case.platform.metadata.name}: spec.workloadNamespace is {wanted}, must be its own ({own})",
    )


def _platform_suits(case: _Case) -> Refusal | None:
    version, limits = _version(case), case.platform.spec.limits
    required = version.platform_requirements
    faults: list[str] = []
    if required is not None and required.minimum_kubernetes_version is not None:
        has, needs = case.snapshot.kubernetes_version, required.minimum_kubernetes_version
        if has and _minor(has) < _minor(needs):
            faults.append(f"needs Kubernetes {needs}, the cluster has {has}")
    if limits is not None:
        for who, requests in (
            ("components request", container_requests(version.components)),
            ("calibration requests", [(1, version.calibration.resources.requests)]),
            ("validation requests", [(1, version.validation.resources.requests)]),
        ):
            for what, limit in (("cpu", limits.cpu), ("memory", limits.memory)):
                total = sum((n * amount(getattr(r, what)) for n, r in requests), Decimal(0))
                if total > amount(limit):
                    faults.append(f"its {who} {total.normalize():f} {what}, spec.limits allow {limit}")
    name = case.platform.metadata.name
    return Refusal(Reason.PLATFORM_UNSUITABLE, f"platform {name}: {'; '.join(faults)}") if faults else None


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.lstrip("v").split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def _parameters(case: _Case) -> tuple[dict[str, Scalar], list[str]]:
    declared, city = _version(case).parameters, case.platform.spec.parameters
    return parameters.effective(declared, case.installation.spec.parameters, city)


def _parameters_valid(case: _Case) -> Refusal | None:
    _, faults = _parameters(case)
    return Refusal(Reason.PARAMETERS_INVALID, "; ".join(faults[:5])) if faults else None


def _windows(case: _Case) -> Windows:
    own, version = case.installation.spec.windows, _version(case)
    return own or Windows(calibration=version.calibration.window, validation=version.validation.window)


def _windows_disjoint(case: _Case) -> Refusal | None:
    windows = _windows(case)
    if not windows.calibration.overlaps(windows.validation):
        return None
    return Refusal(
        Reason.WINDOWS_OVERLAP,
        f"the validation window {windows.validation} shares days with the calibration window {windows.calibration}",
    )


RULES: Sequence[Callable[[_Case], Refusal | None]] = (
    _approved,
    _version_known,
    _not_withdrawn,
    _images_pinned,
    _workloads_at_home,
    _platform_suits,
    _parameters_valid,
    _windows_disjoint,
)


def accept(snapshot: Snapshot) -> Accepted | Refusal:
    """Apply the rules in order."""
    spec = snapshot.installation.spec
    listing, platform = snapshot.listing, snapshot.platform
    if platform is None:
        namespace = snapshot.installation.metadata.namespace
        text = f"spec.platform: there is no MunicipalityPlatform {spec.platform} in namespace {namespace}"
        return Refusal(Reason.PLATFORM_NOT_FOUND, text)
    if isinstance(platform, str):
        return Refusal(Reason.PLATFORM_INVALID, f"MunicipalityPlatform {spec.platform}: {platform}")
    if listing is None:
        return Refusal(Reason.LISTING_NOT_FOUND, f"spec.listing: there is no AppListing {spec.listing}")
    if isinstance(listing, str):
        return Refusal(Reason.LISTING_INVALID, f"AppListing {spec.listing}: {listing}")
    case = _Case(snapshot, snapshot.installation, listing, platform)
    for rule in RULES:
        refusal = rule(case)
        if refusal is not None:
            return refusal
    values, _ = _parameters(case)
    return Accepted(listing, platform, _version(case), values, _windows(case))
