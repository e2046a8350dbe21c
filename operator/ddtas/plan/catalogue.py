"""Which apps of the store could run on a platform, and what is missing for the others.

It is asked of the very rules that an Installation has to pass, with an Installation that nobody has made.
"""

from collections.abc import Iterable

from ddtas.api.base import Metadata, Verdict
from ddtas.api.installation import Installation, InstallationSpec
from ddtas.api.listing import AppListing, Version
from ddtas.api.platform import ListingFit
from ddtas.plan import rules, versions
from ddtas.plan.decide import bind
from ddtas.plan.reasons import Course, Reason, Refusal
from ddtas.plan.snapshot import Snapshot

MOST_LISTINGS = 200  # that the status of a platform can hold
_MAX_MISSING = 16


def installable(listing: AppListing) -> Version | None:
    """The newest stable version that may be installed anew; None where there is none."""
    return versions.newest(versions.active(listing, versions.STABLE))


def hypothetical(listing: str, version: str, platform: str, namespace: str) -> Installation:
    """An Installation that nobody has made: without parameters, bindings or windows of its own."""
    spec = InstallationSpec(listing=listing, version=version, platform=platform)
    return Installation(metadata=Metadata(name=listing, namespace=namespace), spec=spec)


def fit(snapshot: Snapshot, version: Version) -> ListingFit:
    """Whether one version could run, given a snapshot with a hypothetical Installation of it.

    Met also where the user would have to choose among several sources. Unknown where a source that may fit cannot be
    read, or was not looked at yet.
    """
    name = snapshot.installation.spec.listing

    def answer(verdict: Verdict, missing: Iterable[str] = ()) -> ListingFit:
        texts = tuple(text[:500] for text in missing)[:_MAX_MISSING]
        return ListingFit(name=name, version=version.version, verdict=verdict, missing=texts)

    accepted = rules.accept(snapshot)
    if isinstance(accepted, Refusal):
        return answer(Verdict.NOT_MET, [accepted.message])
    bindings = bind(snapshot, accepted)
    if bindings.bound is not None:
        return answer(Verdict.MET)
    missing = []
    for shown in bindings.shown:
        ambiguous = shown.near_misses and all(n.missing == ("fits",) for n in shown.near_misses)
        if shown.verdict is Verdict.MET or ambiguous:
            continue
        best = next(iter(shown.near_misses), None)
        why = f"{best.data_source}: {'; '.join(best.missing)}" if best else "the platform has no data source at all"
        missing.append(f"{shown.requirement}: {why}")
    if not missing and bindings.finding.reason is not Reason.BINDING_AMBIGUOUS:
        missing = [bindings.finding.message]  # a Secret that is not there
    if not missing:
        return answer(Verdict.MET)
    lacking = any(b.verdict is Verdict.NOT_MET for b in bindings.shown)
    stalled = bindings.finding.reason.course is Course.STALLED
    return answer(Verdict.NOT_MET if lacking or stalled else Verdict.UNKNOWN, missing)
