"""Which data source meets which data requirement.

Every check has two verdicts: *declared*, from the supplier's contract, and *measured*, from what the probe found.
A source fits when no check is NotMet on either side and each check is Met on at least one. Unknown never counts as a
pass, nor as a fail of the source.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ddtas.api.base import Verdict
from ddtas.api.installation_status import Binding, Check, NearMiss
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.plan.matching.checks import Circumstances, all_of
from ddtas.plan.matching.comparison import MET, NOT_MET, OTHER_DATA, UNKNOWN, Comparison
from ddtas.plan.matching.times import expiry
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.turns import Turns, in_turns

# Where it is the twin that makes the data which is to be named, and not the data.
_OF_THE_UPSTREAM = (Reason.UPSTREAM_NOT_SERVING, Reason.OTHER_CLUSTER)
_MAX_NEAR_MISSES = 5
_MAX_MISSING = 16
# In one status, which must stay below what the API server stores. Few apps come near it.
_MOST_CHECKS, _MOST_LINES = 640, 320


def as_checks(comparisons: Iterable[Comparison]) -> tuple[Check, ...]:
    """Comparisons as a status shows them."""
    return tuple(
        Check(name=c.name, declared=c.declared, measured=c.measured, message=c.describe()) for c in comparisons
    )


def verdict(comparisons: Iterable[Comparison | Check]) -> Verdict:
    """The verdict of a source as a whole."""
    result = MET
    for comparison in comparisons:
        if comparison.declared is NOT_MET or comparison.measured is NOT_MET:
            return NOT_MET
        if comparison.declared is not MET and comparison.measured is not MET:
            result = UNKNOWN
    return result


class _Candidate:
    """A source, and how near it comes.

    Of five hundred candidates five are shown, and only these keep their comparisons: keeping all of them is what takes
    the time (garbage collection).
    """

    __slots__ = ("_compare", "_comparisons", "distance", "source", "verdict")

    def __init__(self, source: DataSource, compare: Callable[[], list[Comparison]]) -> None:
        self.source = source
        self._compare = compare
        comparisons = compare()
        self._comparisons: list[Comparison] | None = comparisons
        self.verdict = verdict(comparisons)
        # What it is about; what fails, by how much it takes to fix it; what is not known; the name, to be stable.
        foreign = failed = unknown = 0
        for comparison in comparisons:
            if comparison.fails:
                foreign += comparison.distance == OTHER_DATA
                failed += comparison.distance
            elif not comparison.holds:
                unknown += 1
        self.distance = (foreign, failed, unknown, source.name)

    def forget(self) -> None:
        """Keep no comparisons; they are made again where they are needed all the same."""
        self._comparisons = None

    def _kept(self) -> list[Comparison]:
        if self._comparisons is None:
            self._comparisons = self._compare()
        return self._comparisons

    def checks(self) -> tuple[Check, ...]:
        """All checks, as they are shown."""
        return as_checks(self._kept())

    def missing(self) -> tuple[str, ...]:
        """What stands between the source and a fit, in words: what takes most to fix first."""
        lacking = sorted((c for c in self._kept() if not c.holds), key=lambda c: (not c.fails, -c.distance))
        return tuple(c.describe() for c in lacking[:_MAX_MISSING])


def bounded(bindings: Sequence[Binding]) -> tuple[Binding, ...]:
    """As much of some bindings as a status has room for: of many checks, those that stand in the way come first."""
    checks = _MOST_CHECKS // max(1, len(bindings))
    lines = _MOST_LINES // max(1, sum(len(b.near_misses) for b in bindings))
    return tuple(
        b.model_copy(
            update={
                "checks": _first(b.checks, checks),
                "near_misses": tuple(n.model_copy(update={"missing": n.missing[:lines]}) for n in b.near_misses),
            }
        )
        for b in bindings
    )


def _first(checks: Sequence[Check], most: int) -> tuple[Check, ...]:
    if len(checks) <= most:
        return tuple(checks)
    ranked = sorted(range(len(checks)), key=lambda n: verdict([checks[n]]) is MET)
    return tuple(checks[n] for n in sorted(ranked[:most]))


@dataclass(frozen=True, slots=True)
class Bound:
    """The answer for one requirement: what to show, and why it is not met where it is not."""

    binding: Binding
    reason: Reason
    message: str
    # When the answer changes although nothing is heard: the newest record has become too old.
    until: datetime | None = None


@in_turns
def bind(
    requirement: DataRequirement,
    sources: Sequence[DataSource],
    observations: Mapping[str, SourceObservation],
    circumstances: Circumstances,
    choice: str | None,
) -> Turns[Bound]:
    """Find the source for a requirement.

    An explicit choice wins. Exactly one fit binds by itself. Several are a question to the user, never a guess.

    Args:
        requirement: what the app needs.
        sources: what the city has.
        observations: what the probes last knew, by the name of the source; none where no probe has ended yet.
        circumstances: periods, moment and area.
        choice: the name of the source that the user chose; None where nobody did.
    """

    def candidate(source: DataSource) -> _Candidate:
        observation, chosen = observations.get(source.name), choice is not None
        return _Candidate(source, lambda: all_of(requirement, source, observation, circumstances, chosen=chosen))

    candidates: list[_Candidate] = []
    nearest: list[_Candidate] = []
    for source in sources:
        if choice is None or source.name == choice:
            candidates.append(candidate(source))
            insort(nearest, candidates[-1], key=lambda c: c.distance)
            if len(nearest) > _MAX_NEAR_MISSES:
                nearest.pop().forget()
            yield
    if not candidates:
        which = choice or "at all"
        message = f"requirement {requirement.name}: the platform has no data source {which}"
        reason = Reason.BINDING_INVALID if choice else Reason.REQUIREMENT_NOT_MET
        return Bound(Binding(requirement=requirement.name, verdict=NOT_MET), reason, message)
    fits = sorted((c for c in candidates if c.verdict is MET), key=lambda c: c.distance)
    if len(fits) > 1:
        return _ambiguous(requirement, fits)
    # A source that fits but for a probe that is under way could make the choice ambiguous, so it is waited for.
    pending = [c for c in candidates if c.verdict is UNKNOWN and observations.get(c.source.name) is None]
    if fits and not pending:
        return _fitting(requirement, fits[0], observations)
    best = min(pending, key=lambda c: c.distance) if fits else nearest[0]
    return _unmet(requirement, best, nearest, observations.get(best.source.name))


def _fitting(requirement: DataRequirement, fit: _Candidate, observations: Mapping[str, SourceObservation]) -> Bound:
    name, version = fit.source.name, fit.source.contract.version
    binding = Binding(
        requirement=requirement.name, verdict=MET, data_source=name, contract_version=version, checks=fit.checks()
    )
    until = None
    if requirement.freshness is not None:
        until = expiry(requirement.freshness, observations[name].facts)
    return Bound(binding, Reason.BOUND, f"{requirement.name} ← {name} ({version})", until)


def _ambiguous(requirement: DataRequirement, fits: Sequence[_Candidate]) -> Bound:
    names = ", ".join(c.source.name for c in fits)
    near = tuple(NearMiss(data_source=c.source.name, missing=("fits",)) for c in fits[:_MAX_NEAR_MISSES])
    return Bound(
        Binding(requirement=requirement.name, verdict=UNKNOWN, near_misses=near),
        Reason.BINDING_AMBIGUOUS,
        f"requirement {requirement.name}: {len(fits)} data sources fit ({names}): choose one in spec.bindings",
    )


def _unmet(
    requirement: DataRequirement,
    best: _Candidate,
    nearest: Sequence[_Candidate],
    observation: SourceObservation | None,
) -> Bound:
    """No fit (yet): `best` is the candidate to show, of which `observation` is known."""
    reason, why = _why_unmet(best, observation)
    near = tuple(NearMiss(data_source=c.source.name, missing=c.missing()) for c in nearest if c.verdict is not MET)
    binding = Binding(requirement=requirement.name, verdict=best.verdict, checks=best.checks(), near_misses=near)
    return Bound(binding, reason, f"requirement {requirement.name}: {why}")


def _why_unmet(best: _Candidate, observation: SourceObservation | None) -> tuple[Reason, str]:
    name = best.source.name
    if best.verdict is UNKNOWN and observation is None:
        return Reason.PROBING, f"data source {name} has not been probed yet"
    if best.verdict is UNKNOWN and observation is not None and observation.reason in _OF_THE_UPSTREAM:
        return Reason.named(observation.reason), f"data source {name}: {observation.message}"
    # What is inside a city's own cluster was not read, and no fault is known: its contract lacks something.
    inside = observation is not None and observation.reason == Reason.INSIDE_CLUSTER
    if best.verdict is UNKNOWN and observation is not None and observation.state != "Reachable" and not inside:
        why = f"{observation.reason}: {observation.message}"
        return Reason.DATA_SOURCE_UNREACHABLE, f"data source {name} cannot be read: {why}"
    return Reason.REQUIREMENT_NOT_MET, f"no data source fits; nearest is {name}: {'; '.join(best.missing())}"
