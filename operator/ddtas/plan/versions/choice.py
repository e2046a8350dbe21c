"""Which version of its listing an Installation is to have: by number, or by range, channel, policy and approval. Pure.

Nothing is remembered for it: a Manual Installation keeps to the version that serves (or, before anything does, to the
one that it was led to last), so an approval counts for as long as it stands, and may be taken back until it serves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import semver

from ddtas import names
from ddtas.api.installation import InstallationSpec
from ddtas.api.listing import AppListing, Version
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import Revision
from ddtas.plan.snapshot import Snapshot
from ddtas.plan.version_range import within
from ddtas.plan.versions.past import Past

STABLE = "stable"  # the channel of a version, and of an Installation, that names none

_NO_LONGER_OFFERED = (
    ("Withdrawn", Reason.VERSION_WITHDRAWN, "was withdrawn"),
    ("Deprecated", Reason.VERSION_DEPRECATED, "is deprecated"),
)


def in_channel(version: Version, channel: str) -> bool:
    """Whether a version is offered in a channel."""
    if version.channels is None:
        return channel == STABLE and "-" not in version.version.partition("+")[0]
    return channel in version.channels


def in_range(version: str, wanted: str) -> bool:
    """Whether a version meets all comparators. One below 2.0.0 is not 2.0.0-rc.1."""
    if not within(version, wanted):
        return False
    core, _, pre_release = version.partition("+")[0].partition("-")
    return not pre_release or f"<{core}" not in wanted.split()


def precedes(version: str, other: str) -> bool:
    """Whether a version is older than another one; False where one of them is no Semantic Version."""
    mine, others = _parsed(version), _parsed(other)
    return mine is not None and others is not None and mine < others


def newest(versions: Iterable[Version]) -> Version | None:
    """The newest of some versions; one whose number cannot be compared has to be named."""
    comparable = [(parsed, v) for v in versions if (parsed := _parsed(v.version)) is not None]
    return max(comparable, key=lambda pair: pair[0], default=(None, None))[1]


def active(listing: AppListing, channel: str) -> list[Version]:
    """The versions of a channel that anyone may take."""
    return [v for v in listing.spec.versions if v.state in (None, "Active") and in_channel(v, channel)]


# What the spec leads to: a version of the listing, or the recorded revision that spec.rollbackTo names.
Chosen = Version | Revision | Refusal
_NO_LISTING = "waits for the listing"


def choose(past: Past) -> Chosen:
    """What the spec leads to."""
    spec, listing = past.snapshot.installation.spec, past.snapshot.listing
    if not isinstance(listing, AppListing):
        return Refusal(Reason.WAITING, _NO_LISTING)
    return past.rollback(spec.rollback_to) if spec.rollback_to is not None else _choose(past, listing)


def _choose(past: Past, listing: AppListing) -> Version | Refusal:
    """The version that the spec leads to, a rollback aside."""
    snapshot, name = past.snapshot, listing.metadata.name
    spec = snapshot.installation.spec
    if spec.version is not None:
        there = ", ".join(v.version for v in listing.spec.versions)
        text = f"spec.version: listing {name} has no version {spec.version}; it has {there}"
        return listing.spec.version(spec.version) or Refusal(Reason.VERSION_NOT_FOUND, text)
    if spec.version_range is not None and within("0.0.0", spec.version_range) is None:
        text = f"spec.versionRange: {spec.version_range} cannot be read: write comparators such as >=1.2.0 <2.0.0"
        return Refusal(Reason.VERSION_NOT_FOUND, text)
    serving, held = past.serving_version, _held(past, listing)
    latest = newest(v for v in active(listing, spec.channel or STABLE) if _eligible(spec, v))
    if spec.upgrade_policy == "Manual":
        kept = _approved_version(snapshot, listing, held if serving is not None else None) or held
        if kept is None and serving is not None and latest is not None:
            text = f"version {serving}, which serves, is not listed {_within(spec)}: {_how_to_approve(latest.version)}"
            return Refusal(Reason.APPROVAL_REQUIRED, text)
    elif serving is None or (held is not None and latest is not None and precedes(held.version, latest.version)):
        kept = None
    else:
        kept = held
    chosen = kept or latest or held
    there = ", ".join(_described(v) for v in listing.spec.versions)
    if chosen is None:
        text = f"listing {name} has no active version {_within(spec)}; it has {there}"
        return Refusal(Reason.VERSION_NOT_FOUND, text)
    if held is None and serving is not None and _ranged(spec, serving) and precedes(chosen.version, serving):
        gone = f"listing {name} no longer has version {serving}, which serves, nor a newer one {_within(spec)}"
        return Refusal(Reason.VERSION_NOT_FOUND, f"{gone}; it has {there}")  # never back by itself
    return chosen


def _held(past: Past, listing: AppListing) -> Version | None:
    """The version to keep to: the one that serves, whatever became of it in the store, unless the range leaves it out.

    While nothing serves, the one that the spec led to last, if it may still be had.
    """
    spec, serving = past.snapshot.installation.spec, past.serving_version
    if serving is not None:
        return listing.spec.version(serving) if _ranged(spec, serving) else None
    before = listing.spec.version(past.snapshot.installation.status.version or "")
    return before if before is not None and before.state != "Withdrawn" and _eligible(spec, before) else None


def _approved_version(snapshot: Snapshot, listing: AppListing, since: Version | None) -> Version | None:
    """The newest version that is approved, may be had, and is newer than another one."""
    spec, named = snapshot.installation.spec, approved(snapshot)
    return newest(
        v
        for v in listing.spec.versions
        if v.version in named
        and v.state != "Withdrawn"
        and _eligible(spec, v)
        and (since is None or precedes(since.version, v.version))
    )


def approved(snapshot: Snapshot) -> set[str]:
    """The versions that are approved for this Installation, by field and by annotation."""
    spec, annotations = snapshot.installation.spec, snapshot.installation.metadata.annotations
    return {v for v in (spec.approved_version, annotations.get(names.ANNOTATION_APPROVE, "").strip()) if v}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the version that the spec leads to compares with what the listing has.

    Attributes:
        version: its number; None where the spec leads to none.
        available: the newest one of the channel, where that is newer.
        status, reason, message: of the condition UpToDate.
    """

    version: str | None
    available: str | None
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str


def standing(past: Past, chosen: Chosen) -> Standing:
    """Compare the version that the spec leads to, and the one that serves, with what the listing has.

    Args:
        past: what serves.
        chosen: what the spec leads to (`choose`).
    """
    snapshot = past.snapshot
    spec, listing = snapshot.installation.spec, snapshot.listing
    if not isinstance(listing, AppListing):
        before = snapshot.installation.status.version
        number = spec.version if spec.version is not None and spec.rollback_to is None else before
        return Standing(number, None, "Unknown", Reason.WAITING, _NO_LISTING)
    serving = past.serving_version
    if spec.rollback_to is not None:
        kept = snapshot.installation.status.evidence(spec.rollback_to)
        number, refusal = kept.version if kept is not None else None, None
    else:
        number = chosen.version if isinstance(chosen, Version) else spec.version
        refusal = chosen if isinstance(chosen, Refusal) else None
    available = _available(spec, listing, number or serving)
    if refusal is not None and refusal.reason is Reason.APPROVAL_REQUIRED:
        return Standing(number, available, "False", refusal.reason, refusal.message)
    if number is None or refusal is not None:
        return Standing(number, available, "Unknown", Reason.WAITING, "waits for Accepted")
    offer = f"version {available} is listed: {_how(snapshot, listing, available)}" if available is not None else ""
    for state, reason, word in _NO_LONGER_OFFERED:
        for mine in dict.fromkeys((serving or number, number)):
            listed = listing.spec.version(mine)
            if listed is not None and listed.state == state:
                what = f"version {mine}{', which serves,' if mine == serving else ''} {word}"
                text = f"{what}; {offer or _what_next(mine, number)}"
                return Standing(number, available, "False", reason, text)
    strange = _not_to_be_had(snapshot, listing)
    if available is None:
        text = f"version {number} is the newest one {_within(spec)}{strange}"
        return Standing(number, None, "True", Reason.NEWEST_VERSION, text)
    waits = spec.rollback_to is None and spec.version is None and _eligible_number(spec, listing, available)
    reason = Reason.APPROVAL_REQUIRED if waits else Reason.VERSION_PINNED
    return Standing(number, available, "False", reason, offer + strange)


def _available(spec: InstallationSpec, listing: AppListing, number: str | None) -> str | None:
    """The newest version that a person could go to: of those that the spec allows, else of the channel."""
    if number is None:
        return None
    newer = [v for v in active(listing, spec.channel or STABLE) if precedes(number, v.version)]
    best = newest(v for v in newer if _eligible(spec, v)) or newest(newer)
    return best.version if best is not None else None


def _eligible(spec: InstallationSpec, version: Version) -> bool:
    """Whether a version is in the channel and the range of a spec that has them."""
    return in_channel(version, spec.channel or STABLE) and _ranged(spec, version.version)


def _ranged(spec: InstallationSpec, number: str) -> bool:
    return spec.version_range is None or in_range(number, spec.version_range)


def _eligible_number(spec: InstallationSpec, listing: AppListing, number: str) -> bool:
    version = listing.spec.version(number)
    return version is not None and _eligible(spec, version)


def _what_next(mine: str, number: str) -> str:
    return "no newer one is listed yet" if mine == number else f"version {number} is to take its place"


def _how(snapshot: Snapshot, listing: AppListing, number: str) -> str:
    """What a person has to do to get a version."""
    spec = snapshot.installation.spec
    if spec.rollback_to is not None:
        return "remove spec.rollbackTo to go on"
    if spec.version is not None:
        return f"set spec.version to {number} to have it"
    if not _eligible_number(spec, listing, number):
        return f"spec.versionRange ({spec.version_range}) leaves it out"
    return _how_to_approve(number)


def _not_to_be_had(snapshot: Snapshot, listing: AppListing) -> str:
    """Says that an approval names a version that cannot be had."""
    spec = snapshot.installation.spec
    if spec.upgrade_policy != "Manual":
        return ""
    strange = approved(snapshot) - {v.version for v in listing.spec.versions if _eligible(spec, v)}
    return "".join(f"; the approved {v[:64]!r} is not listed {_within(spec)}" for v in sorted(strange)[:1])


def _how_to_approve(number: str) -> str:
    return f"approve it by spec.approvedVersion or the annotation {names.ANNOTATION_APPROVE}: {number}"


def _within(spec: InstallationSpec) -> str:
    wanted = f" and within {spec.version_range}" if spec.version_range is not None else ""
    return f"in channel {spec.channel or STABLE}{wanted}"


def _described(version: Version) -> str:
    channels = "/".join(version.channels or ())
    words = [word for word in (channels, version.state if version.state != "Active" else "") if word]
    return f"{version.version} ({', '.join(words)})" if words else version.version


@lru_cache(maxsize=1024)
def _parsed(number: str) -> semver.Version | None:
    try:
        return semver.Version.parse(number)
    except ValueError:
        return None
