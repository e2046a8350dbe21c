"""Which apps of the store could run on a platform, and what is missing for the others.

It is asked of the very rules that an Installation has to pass, with an Installation that nobody has made. Where the
city has one of that app, its own windows, parameters and choices are tried; and what serves there can run there.
"""

from collections.abc import Iterable, Mapping

from ddtas.api.base import Metadata, Verdict
from ddtas.api.installation import Installation, InstallationSpec
from ddtas.api.listing import AppListing, Version
from ddtas.api.platform import ListingFit
from ddtas.plan.capabilities import requirements
from ddtas.plan.capabilities.check import CapabilityCheck
from ddtas.plan.decision import rules
from ddtas.plan.decision.bind import bind
from ddtas.plan.decision.situation import Situation
from ddtas.plan.findings import Finding
from ddtas.plan.reasons import Course, Reason, Refusal
from ddtas.plan.turns import Turns, in_turns
from ddtas.plan.versions import choice

MOST_LISTINGS = 200  # that the status of a platform can hold
_MAX_MISSING = 16
_MOST_NAMED = 5
CAPABILITIES_SUFFICIENT = "CapabilitiesSufficient"


def installable(listing: AppListing) -> Version | None:
    """The newest stable version that may be installed again; None where there is none."""
    return choice.newest(choice.active(listing, choice.STABLE))


def hypothetical(
    listing: str, version: str, platform: str, namespace: str, like: Installation | None = None
) -> Installation:
    """An Installation that nobody has made: without parameters, bindings or windows of its own.

    Args:
        listing: the app.
        version: of it.
        platform: where it would run.
        namespace: of the platform.
        like: the one that the city has; its own values are taken, and it does not get its own products.
    """
    if like is None:
        spec = InstallationSpec(listing=listing, version=version, platform=platform)
        return Installation(metadata=Metadata(name=listing, namespace=namespace), spec=spec)
    own = like.spec
    spec = InstallationSpec(
        listing=listing,
        version=version,
        platform=platform,
        parameters=own.parameters,
        bindings=own.bindings,
        windows=own.windows,
        recalibration=own.recalibration,
    )
    return like.model_copy(update={"spec": spec})


def of_the_city(installations: Iterable[Installation], listing: str) -> Installation | None:
    """The Installation of an app that a city goes by: one that serves before one that does not."""
    mine = (i for i in installations if i.spec.listing == listing and i.metadata.deletion_timestamp is None)
    return min(mine, key=lambda i: (i.status.serving_revision is None, i.metadata.name), default=None)


def with_what_serves(newest: ListingFit, like: Installation | None) -> ListingFit:
    """What is said of an app: the version that serves can run, whatever the newest one lacks."""
    serving = like.status.serving_version if like is not None and like.status.serving_revision else None
    if serving is None or newest.verdict is Verdict.MET:
        return newest
    lacks = (
        tuple(f"version {newest.version}: {text}"[:500] for text in newest.missing) if newest.version != serving else ()
    )
    return newest.model_copy(update={"version": serving, "verdict": Verdict.MET, "missing": lacks})


def unjudged(name: str, version: str, error: Exception) -> ListingFit:
    """What is said of a version that the rules fail at: it is not installable, and the others are judged all the same.

    What the error says may quote anything: its kind is all that is said.
    """
    text = f"it could not be judged ({type(error).__name__}): see the operator's log"
    return ListingFit(name=name, version=version, verdict=Verdict.UNKNOWN, missing=(text,))


@in_turns
def fit(situation: Situation, version: Version) -> Turns[ListingFit]:
    """Whether one version could run, in the situation of a hypothetical Installation of it.

    Met also where the user would have to choose among several sources. Unknown where a source that may fit cannot be
    read, or was not surveyed yet.
    """
    name = situation.snapshot.installation.spec.listing

    def answer(verdict: Verdict, missing: Iterable[str] = ()) -> ListingFit:
        texts = tuple(text[:500] for text in missing)[:_MAX_MISSING]
        return ListingFit(name=name, version=version.version, verdict=verdict, missing=texts)

    accepted = rules.accept(situation)
    if isinstance(accepted, Refusal):
        decided = accepted.reason.course is not Course.WORKING
        return answer(Verdict.NOT_MET if decided else Verdict.UNKNOWN, [accepted.message])
    able = answer(Verdict.UNKNOWN if accepted.doubts else Verdict.MET, accepted.doubts)
    bindings = yield from bind.turns(situation.snapshot, accepted)
    if bindings.bound is not None:
        return able
    missing = []
    for binding in bindings.answers:
        ambiguous = binding.near_misses and all(n.missing == ("fits",) for n in binding.near_misses)
        if binding.verdict is Verdict.MET or ambiguous:
            continue
        best = next(iter(binding.near_misses), None)
        why = f"{best.data_source}: {'; '.join(best.missing)}" if best else "the platform has no data source at all"
        missing.append(f"{binding.requirement}: {why}")
    if not missing and bindings.finding.reason is not Reason.BINDING_AMBIGUOUS:
        missing = [bindings.finding.message]  # a Secret that is not there
    if not missing:
        return able
    missing += accepted.doubts
    lacking = any(b.verdict is Verdict.NOT_MET for b in bindings.answers)
    stalled = bindings.finding.reason.course is Course.STALLED
    return answer(Verdict.NOT_MET if lacking or stalled else Verdict.UNKNOWN, missing)


def capabilities_finding(checks: Mapping[str, tuple[CapabilityCheck, ...]]) -> Finding | None:
    """Whether a platform's cluster has what listings ask of it; None where none of them asks for anything.

    Args:
        checks: those of each listing, by its name and version.
    """
    demanding = {name: each for name, each in checks.items() if each}
    if not demanding:
        return None
    lacking = {name: lines for name, each in demanding.items() if (lines := requirements.lacking(each))}
    doubtful = {name: lines for name, each in demanding.items() if (lines := requirements.doubtful(each))}
    about = f"{len(lacking or doubtful)} of {len(demanding)} listings"
    if lacking:
        return Finding(CAPABILITIES_SUFFICIENT, "False", Reason.CAPABILITIES_MISSING, f"{about}: {_named(lacking)}")
    if any(requirements.pending(each) for each in demanding.values()):
        text = "the cluster's capabilities have not been surveyed yet"
        return Finding(CAPABILITIES_SUFFICIENT, "Unknown", Reason.PROBING, text)
    if doubtful:
        return Finding(CAPABILITIES_SUFFICIENT, "Unknown", Reason.CAPABILITIES_UNKNOWN, f"{about}: {_named(doubtful)}")
    text = f"what {len(demanding)} listing(s) ask of the cluster is there"
    return Finding(CAPABILITIES_SUFFICIENT, "True", Reason.CAPABILITIES_SUFFICIENT, text)


def _named(lines: Mapping[str, tuple[str, ...]]) -> str:
    named = [f"{name}: {'; '.join(texts)}" for name, texts in sorted(lines.items())]
    more = f"; and {len(named) - _MOST_NAMED} more in status.listings" if len(named) > _MOST_NAMED else ""
    return "; ".join(named[:_MOST_NAMED]) + more
