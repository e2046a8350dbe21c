"""Which data source meets which data requirement.

Every check has two verdicts: *declared*, from the supplier's contract, and *measured*, from what the probe found.
A source fits when no check is NotMet on either side and each check is Met on at least one. Unknown never counts as a
pass, nor as a fail of the source.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ddtas.api.base import Verdict
from ddtas.api.installation_status import Binding, Check, NearMiss
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.plan.matching import checks
from ddtas.plan.matching.checks import Circumstances, Comparison
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.turns import Turns, in_turns

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

# Where it is the twin that makes the data which is to be named, and not the data.
_OF_THE_UPSTREAM = (Reason.UPSTREAM_NOT_SERVING, Reason.OTHER_CLUSTER)
_MAX_NEAR_MISSES = 5
_MAX_MISSING = 16
# In one status, which must stay below what the API server stores. Few apps come near it.
_MOST_CHECKS, _MOST_LINES = 640, 320


def match(
    requirement: DataRequirement,
    source: DataSource,
    observation: SourceObservation | None,
    circumstances: Circumstances,
) -> tuple[Check, ...]:
    """Check one requirement against one source, by contract and by what was measured.

    Args:
        requirement: what the app needs.
        source: what the city offers.
        observation: what the probe last knew; None when it has not looked.
        circumstances: periods, moment and area.

    Returns:
        All checks, also those that are Met, in a fixed order.
    """
    return _shown(checks.all_of(requirement, source, observation, circumstances))


def _shown(comparisons: Iterable[Comparison]) -> tuple[Check, ...]:
    return tuple(Check(name=o.name, declared=o.declared, measured=o.measured, message=o.say()) for o in comparisons)


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

    The comparisons of its checks are not kept: of five hundred candidates five are shown, and it is keeping the others
    that takes the time (garbage collection).
    """

    __slots__ = ("_ask", "distance", "source", "verdict")

    def __init__(self, source: DataSource, ask: Callable[[], list[Comparison]]) -> None:
        self.source = source
        self._ask = ask
        comparisons = ask()
        self.verdict = verdict(comparisons)
        # What it is about; what fails, by how much it takes to mend it; what is not known; the name, to be stable.
        foreign = failed = unknown = 0
        for comparison in comparisons:
            if comparison.fails:
                foreign += comparison.distance == checks.OTHER_DATA
                failed += comparison.distance
            elif not comparison.holds:
                unknown += 1
        self.distance = (foreign, failed, unknown, source.name)

    def checks(self) -> tuple[Check, ...]:
        """All checks, as they are shown."""
        return _shown(self._ask())

    def missing(self) -> tuple[str, ...]:
        """What stands between the source and a fit, in words: what takes most to mend first."""
        lacking = sorted((o for o in self._ask() if not o.holds), key=lambda o: (not o.fails, -o.distance))
        return tuple(o.say() for o in lacking[:_MAX_MISSING])


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


def _unmet(requirement: DataRequirement, best: _Candidate, observation: SourceObservation | None) -> tuple[Reason, str]:
    """Why the best candidate is no fit (yet)."""
    name = f"requirement {requirement.name}"
    if best.verdict is UNKNOWN and observation is None:
        return Reason.PROBING, f"{name}: data source {best.source.name} has not been looked at yet"
    if best.verdict is UNKNOWN and observation is not None and observation.reason in _OF_THE_UPSTREAM:
        text = f"{name}: data source {best.source.name}: {observation.message}"
        return Reason.named(observation.reason), text
    # What is inside a city's own cluster was not read, and no fault is known: its contract lacks something.
    inside = observation is not None and observation.reason == Reason.INSIDE_CLUSTER
    if best.verdict is UNKNOWN and observation is not None and observation.state != "Reachable" and not inside:
        why = f"{observation.reason}: {observation.message}"
        return Reason.DATA_SOURCE_UNREACHABLE, f"{name}: data source {best.source.name} cannot be read: {why}"
    return (
        Reason.REQUIREMENT_NOT_MET,
        f"{name}: no data source fits; nearest is {best.source.name}: {'; '.join(best.missing())}",
    )


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
    """

    def candidate(source: DataSource) -> _Candidate:
        seen, chosen = observations.get(source.name), choice is not None
        return _Candidate(source, lambda: checks.all_of(requirement, source, seen, circumstances, chosen=chosen))

    candidates = []
    for source in sources:
        if choice is None or source.name == choice:
            candidates.append(candidate(source))
            yield
    candidates.sort(key=lambda c: c.distance)
    fits = [c for c in candidates if c.verdict is MET]
    name = f"requirement {requirement.name}"
    if not candidates:
        message = f"{name}: the platform has no data source" + (f" {choice}" if choice else " at all")
        reason = Reason.BINDING_INVALID if choice else Reason.REQUIREMENT_NOT_MET
        return Bound(Binding(requirement=requirement.name, verdict=NOT_MET), reason, message)
    best = candidates[0]
    # A source that fits but for a probe that is under way could make the choice ambiguous, so it is waited for.
    pending = [c for c in candidates if c.verdict is UNKNOWN and observations.get(c.source.name) is None]
    if len(fits) == 1 and not pending:
        source = fits[0].source
        binding = Binding(
            requirement=requirement.name,
            verdict=MET,
            data_source=source.name,
            contract_version=source.contract.version,
            checks=fits[0].checks(),
        )
        until = None
        if requirement.freshness is not None:
            until = checks.expiry(requirement.freshness, observations[source.name].facts)
        return Bound(binding, Reason.BOUND, f"{requirement.name} ← {source.name} ({source.contract.version})", until)
    if len(fits) > 1:
        names = ", ".join(c.source.name for c in fits)
        message = f"{name}: {len(fits)} data sources fit ({names}): choose one in spec.bindings"
        near = tuple(NearMiss(data_source=c.source.name, missing=("fits",)) for c in fits[:_MAX_NEAR_MISSES])
        return Bound(
            Binding(requirement=requirement.name, verdict=UNKNOWN, near_misses=near), Reason.BINDING_AMBIGUOUS, message
        )
    shown = pending[0] if fits else best
    reason, message = _unmet(requirement, shown, observations.get(shown.source.name))
    near = tuple(
        NearMiss(data_source=c.source.name, missing=c.missing())
        for c in candidates[:_MAX_NEAR_MISSES]
        if c.verdict is not MET
    )
    binding = Binding(requirement=requirement.name, verdict=shown.verdict, checks=shown.checks(), near_misses=near)
    return Bound(binding, reason, message)
