"""Which data source meets which data requirement.

Every check has two verdicts: *declared*, from the supplier's contract, and *measured*, from what the probe found.
A source fits when no check is NotMet on either side and each check is Met on at least one. Unknown never counts as a
pass, nor as a fail of the source.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ddtas.api.base import Verdict, Window
from ddtas.api.datasource import ContractField, FieldType
from ddtas.api.installation import Binding, Check, NearMiss, Windows
from ddtas.api.listing import DataRequirement, RequiredField, RequiredServiceLevel
from ddtas.api.platform import DataSource, SourceFacts
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

# An integer is a number, and anything may be read as a string.
_FITS = {
    FieldType.STRING: frozenset(FieldType),
    FieldType.NUMBER: frozenset({FieldType.NUMBER, FieldType.INTEGER}),
    FieldType.INTEGER: frozenset({FieldType.INTEGER}),
    FieldType.DATE: frozenset({FieldType.DATE}),
}
_MAX_NEAR_MISSES = 5


def _of(holds: bool | None) -> Verdict:
    return UNKNOWN if holds is None else MET if holds else NOT_MET


def needed_days(requirement: DataRequirement, windows: Windows) -> Window:
    """The days that the data must cover: both windows, and the warm-up before the first."""
    start = min(windows.calibration.start, windows.validation.start)
    end = max(windows.calibration.end, windows.validation.end)
    earliest = date.fromisoformat(start)
    first = earliest - min(timedelta(days=requirement.warm_up_days or 0), earliest - date.min)
    return Window(start=first.isoformat(), end=end)


def _reachable(observation: SourceObservation | None) -> Check:
    # A contract does not make a source readable: without a look at it, it is not bound.
    if observation is None:
        return Check(name="reachable", declared=UNKNOWN, measured=UNKNOWN, message="not looked at yet")
    if observation.state != "Reachable":
        # The source may be just what is needed: it could not be told. The decision names the probe's fault itself.
        message = f"{observation.reason}: {observation.message}"[:500]
        return Check(name="reachable", declared=UNKNOWN, measured=UNKNOWN, message=message)
    return Check(name="reachable", declared=MET, measured=MET, message="read")


def _field(required: RequiredField, contract: Sequence[ContractField], facts: SourceFacts | None) -> Check:
    wanted = f"{required.type}{f' in {required.unit}' if required.unit else ''}"
    promised = next((f for f in contract if f.name == required.name), None)
    if promised is None:
        declared, message = NOT_MET, f"needs {required.name} ({wanted}); the contract has no such field"
    elif promised.type not in _FITS[required.type]:
        declared, message = NOT_MET, f"needs {required.name} as {wanted}; the contract says {promised.type}"
    elif required.unit is not None and promised.unit != required.unit:
        found = promised.unit or "no unit"
        declared, message = NOT_MET, f"needs {required.name} in {required.unit}; the contract says {found}"
    else:
        declared, message = MET, f"{required.name} ({wanted})"
    measured = UNKNOWN
    if facts is not None:
        found_field = next((f for f in facts.fields if f.name == required.name), None)
        measured = _of(found_field is not None and found_field.type in _FITS[required.type])
        if found_field is None:
            message = f"needs {required.name} ({wanted}); the data has no such field"
        elif measured is NOT_MET:
            message = f"needs {required.name} as {wanted}; the data holds {found_field.type} values"
    return Check(name=f"field {required.name}", declared=declared, measured=measured, message=message)


def _covers(first: str | None, last: str | None, days: Window) -> bool | None:
    if first is not None and first > days.start:
        return False
    if last is not None and last < days.end:
        return False
    return None if first is None or last is None else True


def _period(requirement: DataRequirement, source: DataSource, facts: SourceFacts | None, windows: Windows) -> Check:
    days = needed_days(requirement, windows)
    extent = source.contract.temporal_extent
    declared = _of(_covers(extent.start, extent.end, days) if extent else None)
    measured = _of(_covers(facts.first, facts.last, days) if facts else None)
    found = [f"the contract promises {extent}"] if extent else ["the contract gives no period"]
    if facts is not None and facts.first is not None:
        found.append(f"the data runs {facts.first}…{facts.last or '(end not read)'}")
    return Check(name="period", declared=declared, measured=measured, message=f"needs {days}; " + ", ".join(found))


def _resolution(wanted: str, source: DataSource, facts: SourceFacts | None) -> Check:
    promised, found = source.contract.time_resolution, facts.time_resolution if facts else None
    return Check(
        name="time resolution",
        declared=_of(None if promised is None else promised == wanted),
        measured=_of(None if found is None else found == wanted),
        message=f"needs {wanted}; the contract says {promised or 'nothing'}, the data gives {found or 'no answer'}",
    )


def _records(wanted: int, source: DataSource, facts: SourceFacts | None) -> Check:
    promised, found = source.contract.records, facts.records if facts else None
    return Check(
        name="records",
        declared=_of(None if promised is None else promised >= wanted),
        measured=_of(None if found is None else found >= wanted),
        message=f"needs {wanted}; the contract says {promised if promised is not None else 'nothing'},"
        f" counted {found if found is not None else 'nothing'}",
    )


def _level(wanted: RequiredServiceLevel, source: DataSource) -> Check:
    bound = f"{wanted.operator.symbol} {wanted.value} {wanted.unit}"
    promise = next((p for p in source.service_levels if p.property == wanted.property), None)
    if promise is None:
        declared, found = UNKNOWN, "the source promises nothing"
    elif promise.unit != wanted.unit:
        declared, found = UNKNOWN, f"the source promises {promise.value} {promise.unit}, in another unit"
    else:
        declared = _of(wanted.operator.holds(float(promise.value), float(wanted.value)))
        found = f"the source promises {promise.value} {promise.unit}"
    return Check(
        name=f"service level {wanted.property}",
        declared=declared,
        measured=UNKNOWN,
        message=f"needs {wanted.property} {bound}; {found}",
    )


def match(
    requirement: DataRequirement, source: DataSource, observation: SourceObservation | None, windows: Windows
) -> tuple[Check, ...]:
    """Check one requirement against one source, by contract and by what was measured.

    Args:
        requirement: what the app needs.
        source: what the city offers.
        observation: what the probe last knew; None when it has not looked.
        windows: the periods that calibration and validation will use.

    Returns:
        All checks, also those that are Met, in a fixed order.
    """
    facts = observation.facts if observation is not None and observation.state == "Reachable" else None
    kinds = ", ".join(sorted(requirement.kinds))
    checks = [
        Check(
            name="kind",
            declared=_of(source.kind in requirement.kinds),
            measured=_of(None if facts is None else source.kind in requirement.kinds),
            message=f"needs {kinds}; the source is {source.kind}",
        ),
        _reachable(observation),
    ]
    if requirement.theme is not None:
        message = f"needs {requirement.theme}; the source says {source.theme or 'nothing'}"
        holds = None if source.theme is None else source.theme == requirement.theme
        checks.append(Check(name="theme", declared=_of(holds), measured=UNKNOWN, message=message))
    if requirement.access_rights is not None:
        message = f"needs {', '.join(sorted(requirement.access_rights))}; the source is {source.access_rights}"
        holds = source.access_rights in requirement.access_rights
        checks.append(Check(name="access rights", declared=_of(holds), measured=UNKNOWN, message=message))
    if requirement.purpose is not None:
        message = f"needs {requirement.purpose}; the source allows {', '.join(source.purposes)}"[:500]
        holds = requirement.purpose in source.purposes
        checks.append(Check(name="purpose", declared=_of(holds), measured=UNKNOWN, message=message))
    checks += [_field(f, source.contract.fields, facts) for f in requirement.fields]
    checks.append(_period(requirement, source, facts, windows))
    if requirement.time_resolution is not None:
        checks.append(_resolution(requirement.time_resolution, source, facts))
    if requirement.minimum_records is not None:
        checks.append(_records(requirement.minimum_records, source, facts))
    checks += [_level(level, source) for level in requirement.service_levels]
    return tuple(checks)


def verdict(checks: Iterable[Check]) -> Verdict:
    """The verdict of a source as a whole."""
    combined = [{c.declared, c.measured} for c in checks]
    if any(NOT_MET in pair for pair in combined):
        return NOT_MET
    return MET if all(MET in pair for pair in combined) else UNKNOWN


def missing(checks: Iterable[Check]) -> tuple[str, ...]:
    """What stands between the source and a fit, in words."""
    return tuple(
        c.message for c in checks if NOT_MET in {c.declared, c.measured} or MET not in {c.declared, c.measured}
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: DataSource
    checks: tuple[Check, ...]

    @property
    def distance(self) -> tuple[int, int, str]:
        """How far from a fit: failed checks, then unknown ones, then by name, so that the order is stable."""
        failed = sum(NOT_MET in {c.declared, c.measured} for c in self.checks)
        return (failed, len(missing(self.checks)) - failed, self.source.name)


@dataclass(frozen=True, slots=True)
class Bound:
    """The answer for one requirement: what to show, and why it is not met where it is not."""

    binding: Binding
    reason: Reason
    message: str


def _unmet(requirement: DataRequirement, best: _Candidate, observation: SourceObservation | None) -> tuple[Reason, str]:
    """Why the best candidate is no fit (yet)."""
    name = f"requirement {requirement.name}"
    if verdict(best.checks) is UNKNOWN and observation is None:
        return Reason.PROBING, f"{name}: data source {best.source.name} has not been looked at yet"
    if verdict(best.checks) is UNKNOWN and observation is not None and observation.state != "Reachable":
        why = f"{observation.reason}: {observation.message}"
        return Reason.DATA_SOURCE_UNREACHABLE, f"{name}: data source {best.source.name} cannot be read: {why}"
    return (
        Reason.REQUIREMENT_NOT_MET,
        f"{name}: no data source fits; nearest is {best.source.name}: {'; '.join(missing(best.checks))}",
    )


def bind(
    requirement: DataRequirement,
    sources: Sequence[DataSource],
    observations: Mapping[str, SourceObservation],
    windows: Windows,
    choice: str | None,
) -> Bound:
    """Find the source for a requirement.

    An explicit choice wins. Exactly one fit binds by itself. Several are a question to the user, never a guess.
    """
    candidates = sorted(
        (
            _Candidate(s, match(requirement, s, observations.get(s.name), windows))
            for s in sources
            if choice is None or s.name == choice
        ),
        key=lambda c: c.distance,
    )
    fits = [c for c in candidates if verdict(c.checks) is MET]
    name = f"requirement {requirement.name}"
    if not candidates:
        message = f"{name}: the platform has no data source" + (f" {choice}" if choice else " at all")
        reason = Reason.BINDING_INVALID if choice else Reason.REQUIREMENT_NOT_MET
        return Bound(Binding(requirement=requirement.name, verdict=NOT_MET), reason, message)
    best = candidates[0]
    # A source that fits but for a probe that is under way could make the choice ambiguous, so it is waited for.
    pending = [c for c in candidates if verdict(c.checks) is UNKNOWN and observations.get(c.source.name) is None]
    if len(fits) == 1 and not pending:
        checks = fits[0].checks
        source = fits[0].source
        binding = Binding(
            requirement=requirement.name,
            verdict=MET,
            data_source=source.name,
            contract_version=source.contract.version,
            checks=checks,
        )
        return Bound(binding, Reason.BOUND, f"{requirement.name} ← {source.name} ({source.contract.version})")
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
        NearMiss(data_source=c.source.name, missing=missing(c.checks)[:16])
        for c in candidates[:_MAX_NEAR_MISSES]
        if verdict(c.checks) is not MET
    )
    binding = Binding(
        requirement=requirement.name, verdict=verdict(shown.checks), checks=shown.checks, near_misses=near
    )
    return Bound(binding, reason, message)
