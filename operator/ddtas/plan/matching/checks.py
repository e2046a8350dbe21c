"""The checks of a data requirement against a data source: what is declared, what was measured, and what would fix it.

Each check is a function of what is wanted, of the source's declarations and of the facts that a probe found. It gives
two verdicts, `Met`, `NotMet` or `Unknown`. Messages of what is met hold no measured values: those move on with each
look, and a status must not.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import semver

from ddtas.api.base import Verdict
from ddtas.api.installation import Windows
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement, RequiredField, RequiredServiceLevel, Threshold
from ddtas.data.contract import (
    Area,
    ContractField,
    DataContract,
    Extent,
    FieldType,
    Operator,
    QualityRule,
    SecurityClass,
    ServiceLevelProperty,
)
from ddtas.data.meaning import periods, space, units
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation
from ddtas.schema.types import Window

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

# An integer is a number, and anything may be read as a string.
_FITS = {
    FieldType.STRING: frozenset(FieldType),
    FieldType.NUMBER: frozenset({FieldType.NUMBER, FieldType.INTEGER}),
} | {t: frozenset({t}) for t in FieldType if t not in (FieldType.STRING, FieldType.NUMBER)}

_CLASSES = list(SecurityClass)

# How far a failed check is from being mended. Other data altogether; what a person has to decide; the data itself.
OTHER_DATA, A_DECISION, THE_DATA, A_DETAIL = 100, 20, 5, 2
_MOST_NAMES = 120  # characters of the names of fields in a message
_SLOW = 2  # times the bound on latency, before a measured one counts against a source: networks have their moods


class Comparison(NamedTuple):
    """One check of a requirement against a source, its message not yet written: most are never read."""

    name: str
    declared: Verdict
    measured: Verdict
    say: Callable[[], str]
    distance: int = THE_DATA

    @property
    def fails(self) -> bool:
        """One of the two sides does not meet it."""
        return self.declared is NOT_MET or self.measured is NOT_MET

    @property
    def holds(self) -> bool:
        """One side meets it, and the other does not deny it."""
        return not self.fails and (self.declared is MET or self.measured is MET)


@dataclass(frozen=True)
class Circumstances:
    """What else a match depends on.

    Attributes:
        windows: the periods that calibration and validation will use.
        now: for the age of the newest record.
        area: of the municipality; None where the platform does not give it.
    """

    windows: Windows
    now: datetime
    area: Area | None = None


def _of(holds: bool | None) -> Verdict:
    return UNKNOWN if holds is None else MET if holds else NOT_MET


def _needs(wanted: str, declared: str, measured: str | None) -> str:
    """The message of a check, the same for all of them."""
    return f"needs {wanted}; {declared}{f', {measured}' if measured else ''}"[:500]


def needed_days(requirement: DataRequirement, windows: Windows) -> Window:
    """The days that the data must cover: both windows, and the warm-up before the first."""
    start = min(windows.calibration.start, windows.validation.start)
    end = max(windows.calibration.end, windows.validation.end)
    return _days(start, end, requirement.warm_up_days or 0)


@lru_cache(maxsize=1024)
def _days(start: str, end: str, before: int) -> Window:
    earliest = date.fromisoformat(start)
    first = earliest - min(timedelta(days=before), earliest - date.min)
    return Window(start=first.isoformat(), end=end)


def reachable(observation: SourceObservation | None) -> Comparison:
    """A contract does not make a source readable: without a look at it, it is not bound."""
    if observation is None:
        return Comparison("reachable", UNKNOWN, UNKNOWN, lambda: "not looked at yet", OTHER_DATA)
    if observation.reason == Reason.INSIDE_CLUSTER:
        # The one exception: nobody can look at it from here, and the twin that makes it says that it serves it.
        return Comparison("reachable", MET, UNKNOWN, lambda: observation.message)
    if observation.state != "Reachable":
        # The source may be just what is needed: it could not be told. The decision names the probe's fault itself.
        text = f"{observation.reason}: {observation.message}"[:500]
        return Comparison("reachable", UNKNOWN, UNKNOWN, lambda: text, OTHER_DATA)
    return Comparison("reachable", MET, MET, lambda: "read")


def _kind(requirement: DataRequirement, source: DataSource, facts: SourceFacts | None) -> Comparison:
    fits = source.kind in requirement.kinds
    return Comparison(
        "kind",
        _of(fits),
        _of(fits if facts is not None else None),
        lambda: _needs(", ".join(sorted(requirement.kinds)), f"the source is {source.kind}", None),
        A_DECISION,
    )


def _declared(name: str, holds: bool | None, distance: int, say: Callable[[], tuple[str, object]]) -> Comparison:
    """A check of what only a person can declare; `say` gives what is wanted, and what the source says."""

    def message() -> str:
        wanted, found = say()
        return _needs(wanted, f"the source says {found or 'nothing'}", None)

    return Comparison(name, _of(holds), UNKNOWN, message, distance)


def _identity(r: DataRequirement, source: DataSource) -> list[Comparison]:
    """What the data is about."""
    comparisons = []
    if r.theme is not None:
        holds = None if source.theme is None else source.theme == r.theme
        comparisons.append(_declared("theme", holds, OTHER_DATA, lambda: (str(r.theme), source.theme)))
    if r.entity is not None:
        entity = source.contract.entity
        holds = None if entity is None else entity == r.entity
        comparisons.append(_declared("entity", holds, OTHER_DATA, lambda: (str(r.entity), entity)))
    return comparisons


def _declarations(r: DataRequirement, source: DataSource) -> Iterator[Comparison]:
    if r.contract_version is not None:
        version = source.contract.version
        wanted = f"contract {r.contract_version}"
        yield _declared("contract version", within(version, r.contract_version), THE_DATA, lambda: (wanted, version))
    if r.access_rights is not None:
        rights = r.access_rights
        holds: bool | None = source.access_rights in rights
        yield _declared("access rights", holds, A_DECISION, lambda: (" or ".join(sorted(rights)), source.access_rights))
    if r.purpose is not None:
        purpose = r.purpose
        holds = purpose in source.purposes
        yield _declared(
            "purpose", holds, A_DECISION, lambda: (f"purpose {purpose}", ", ".join(sorted(source.purposes)))
        )
    if r.legal_bases is not None:
        bases, given = r.legal_bases, source.legal_basis
        holds = None if given is None else given in bases
        yield _declared("legal basis", holds, A_DECISION, lambda: (f"legal basis {' or '.join(sorted(bases))}", given))
    if r.maximum_security_class is not None:
        most, own = r.maximum_security_class, source.security_class
        holds = None if own is None else _CLASSES.index(own) <= _CLASSES.index(most)
        yield _declared("security class", holds, A_DECISION, lambda: (f"security class {most} at the most", own))
    if r.licences is not None:
        licences = r.licences
        holds = _plain(source.licence) in {_plain(licence) for licence in licences}
        yield _declared("licence", holds, A_DECISION, lambda: (f"licence {' or '.join(licences)}", source.licence))
    if r.provenance:
        holds = source.provenance is not None
        yield _declared("provenance", holds, A_DETAIL, lambda: ("provenance on record", source.provenance))


def _plain(licence: str) -> str:
    return licence.casefold().rstrip("/")


@lru_cache(maxsize=4096)
def within(version: str, comparators: str) -> bool | None:
    """Whether a version meets all comparators (">=1.2.0 <2.0.0"); None where one of them cannot be read."""
    try:
        parsed = semver.Version.parse(version)
        return all(parsed.match(c if c[0] in "<>=" else f"=={c}") for c in _comparators(comparators))
    except ValueError:
        return None


def _comparators(text: str) -> list[str]:
    return [f"={part}" if part.startswith("=") and not part.startswith("==") else part for part in text.split()]


class Fields(NamedTuple):
    """The fields that are there, by name: those that the contract has, and those of the data, None while not known."""

    declared: Mapping[str, ContractField]
    measured: Mapping[str, MeasuredField] | None

    @classmethod
    def of(cls, contract: DataContract, facts: SourceFacts | None) -> "Fields":
        """Those of a contract, and of what was found."""
        measured = {f.name: f for f in facts.fields} if facts is not None and facts.fields else None
        return cls({f.name: f for f in contract.fields}, measured)


def field(wanted: RequiredField | ContractField, there: Fields) -> Comparison:
    """A field by name, type and unit.

    Args:
        wanted: what is asked for.
        there: the fields that are there.
    """
    declared = there.declared.get(wanted.name)
    found = there.measured.get(wanted.name) if there.measured is not None else None
    absent = there.measured is not None and found is None
    promised, distance = NOT_MET, THE_DATA
    if declared is not None:
        promised = _of(declared.type in _FITS[wanted.type])
        if promised is MET and wanted.unit is not None:
            # A unit that is left out is no unit that is asked for.
            promised = NOT_MET if declared.unit is None else _of(units.same(declared.unit, wanted.unit))
            distance = A_DETAIL
    measured = UNKNOWN
    if absent:
        measured = NOT_MET
    elif found is not None:
        measured = _of(found.type in _FITS[wanted.type])
        if measured is MET and wanted.unit is not None and found.unit is not None:
            measured = _of(units.same(found.unit, wanted.unit))

    def say() -> str:
        by_contract = f"the contract has no such field{_named(there.declared)}"
        if declared is not None:
            by_contract = f"the contract says {_typed(declared.type, declared.unit, wanted.unit)}"
        in_data = None
        if absent:
            in_data = f"the data has no such field{_named(there.measured or {})}"
        elif found is not None and measured is not MET:
            in_data = f"the data holds {_typed(found.type, found.unit, wanted.unit if found.unit else None)} values"
        return _needs(f"{wanted.name} as {_typed(wanted.type, wanted.unit, None)}", by_contract, in_data)

    return Comparison(f"field {wanted.name}", promised, measured, say, distance)


def _named(fields: Mapping[str, object]) -> str:
    """The names of the fields that there are, as many as a message can hold."""
    shown: list[str] = []
    for name in fields:
        if sum(map(len, shown)) + len(name) > _MOST_NAMES:
            return f" (it has {', '.join(shown)} and {len(fields) - len(shown)} more)"
        shown.append(name)
    return f" (it has {', '.join(shown)})" if shown else " (it has none)"


def _typed(kind: FieldType, unit: str | None, wanted: str | None) -> str:
    """A type with its unit, and how that is another one than is wanted."""
    if unit is None:
        return str(kind) if wanted is None else f"{kind} without a unit"
    if wanted is None or units.same(unit, wanted):
        return f"{kind} in {unit}"
    factor = units.in_terms_of(unit, wanted)
    if factor is not None:
        how = "another scale" if factor[1] else f"1 {unit} = {factor[0]:g} {wanted}"
    else:
        how = "which measures something else" if units.known(unit) and units.known(wanted) else "which is not known"
    return f"{kind} in {unit} ({how})"


def geometry(wanted: tuple[str, ...], declared: str | None, facts: SourceFacts | None) -> Comparison:
    """The type of the geometries."""
    found = facts.geometry_type if facts else None
    return Comparison(
        "geometry type",
        _of(None if declared is None else declared in wanted),
        _of(None if found is None else found in wanted),
        lambda: _needs(
            f"geometries {' or '.join(sorted(wanted))}",
            f"the contract says {declared or 'nothing'}",
            _found(found, facts, "geometryType"),
        ),
    )


def _found(value: object | None, facts: SourceFacts | None, fact: str) -> str:
    """What the data gives, or why that is not known."""
    if value is not None:
        return f"the data gives {value}"
    why = facts.why_unknown(fact) if facts else None
    return f"the data gives no answer ({why})" if why else "the data gives no answer"


def crs(wanted: tuple[str, ...], declared: str | None, facts: SourceFacts | None) -> Comparison:
    """The coordinate reference system: one of those that the data can be had in must be one of those wanted."""
    found = facts.crs if facts else ()

    def any_of(names: tuple[str, ...]) -> bool | None:
        pairs = [space.same_crs(a, b) for a in wanted for b in names]
        return True if True in pairs else None if not pairs or None in pairs else False

    return Comparison(
        "crs",
        _of(any_of((declared,) if declared else ())),
        _of(any_of(found)),
        lambda: _needs(
            f"coordinates in {' or '.join(wanted)}",
            f"the contract says {declared or 'nothing'}",
            _found(", ".join(found) or None, facts, "crs"),
        ),
    )


def coverage(
    area: Area | Extent | None, percent: int, declared: Extent | None, facts: SourceFacts | None, where: str
) -> Comparison:
    """The part of an area that is covered."""
    found = facts.extent if facts else None

    def share(extent: Extent | None) -> float | None:
        return None if extent is None or area is None else space.covered_percent(area, extent)

    promised, measured = share(declared), share(found)

    def say() -> str:
        if area is None:
            return _needs(f"{percent}% of {where}", "the platform has no spec.municipality.area", None)
        if isinstance(area, Area) and (fault := space.fault(area)):
            return _needs(f"{percent}% of {where}", f"the platform's spec.municipality.area{fault}", None)
        by_contract = (
            f"the contract's extent has {promised:.0f}%"
            if promised is not None
            else "the contract's extent is not known"
        )
        in_data = f"the data has {measured:.0f}%" if measured is not None else _found(None, facts, "extent")
        return _needs(f"{percent}% of {where}", by_contract, in_data)

    return Comparison(
        "coverage",
        _of(None if promised is None else promised >= percent),
        _of(None if measured is None else measured >= percent),
        say,
    )


def period(days: Window, declared: Window | None, facts: SourceFacts | None) -> Comparison:
    """The days from the first to the last that are needed."""
    first, last = (facts.first, facts.last) if facts else (None, None)
    promised = _of(_covers(declared.start, declared.end, days) if declared else None)
    measured = _of(_covers(first, last, days) if facts else None)

    def say() -> str:
        by_contract = f"the contract promises {declared}" if declared else "the contract gives no period"
        in_data = None
        if measured is not MET and first is not None:
            in_data = f"the data runs {first[:10]}…{last[:10] if last else '(end not read)'}"
        return _needs(str(days), by_contract, in_data)

    return Comparison("period", promised, measured, say)


def _covers(first: str | None, last: str | None, days: Window) -> bool | None:
    if first is not None and first[:10] > days.start:
        return False
    if last is not None and last[:10] < days.end:
        return False
    return None if first is None or last is None else True


def time_resolution(wanted: str, declared: str | None, facts: SourceFacts | None) -> Comparison:
    """The step between records."""
    found = facts.time_resolution if facts else None
    return Comparison(
        "time resolution",
        _of(None if declared is None else periods.same(declared, wanted)),
        _of(None if found is None else periods.same(found, wanted)),
        lambda: _needs(
            f"{periods.rhythm(wanted)} values",
            f"the contract says {periods.rhythm(declared) if declared else 'nothing'}",
            _found(periods.rhythm(found) if found else None, facts, "timeResolution"),
        ),
    )


def freshness(wanted: str, declared: str | None, facts: SourceFacts | None, probed_at: datetime) -> Comparison:
    """The age of the newest record when the data was looked at: what came since is not known."""
    most = periods.span(wanted)
    promise = periods.span(declared) if declared else None
    due = expiry(wanted, facts)
    measured = _of(None if due is None else probed_at <= due)
    last = facts.last if facts else None
    return Comparison(
        "freshness",
        _of(None if promise is None or most is None else promise <= most),
        measured,
        lambda: _needs(
            f"a newest record of at most {wanted} old",
            f"the contract says {declared or 'nothing'}",
            None if measured is MET else f"the newest is of {last}" if last else _found(None, facts, "last"),
        ),
    )


def expiry(wanted: str, facts: SourceFacts | None) -> datetime | None:
    """Until when the newest record is young enough; None where it is not known."""
    newest = periods.end_of(facts.last) if facts and facts.last else None
    most = periods.span(wanted)
    try:
        return newest + most if newest is not None and most is not None else None
    except OverflowError:
        return None


def records(wanted: int, declared: int | None, facts: SourceFacts | None) -> Comparison:
    """The number of records, at least."""
    found = facts.records if facts else None
    measured = _of(None if found is None else found >= wanted)
    return Comparison(
        "records",
        _of(None if declared is None else declared >= wanted),
        measured,
        lambda: _needs(
            f"{wanted} records",
            f"the contract says {declared if declared is not None else 'nothing'}",
            None if measured is MET else _found(found, facts, "records"),
        ),
    )


def size(wanted: int, declared: int | None, facts: SourceFacts | None) -> Comparison:
    """The size in bytes, at the most."""
    found = facts.size_bytes if facts else None
    measured = _of(None if found is None else found <= wanted)
    return Comparison(
        "size",
        _of(None if declared is None else declared <= wanted),
        measured,
        lambda: _needs(
            f"at most {wanted} bytes",
            f"the contract says {declared if declared is not None else 'nothing'}",
            None if measured is MET else _found(found, facts, "sizeBytes"),
        ),
    )


def quality(rule: QualityRule, source: DataSource, facts: SourceFacts | None) -> Comparison:
    """A rule about the quality of the data."""
    found, fact = _quality(rule, facts)
    measured = _of(None if found is None else rule.operator.holds(found, float(rule.value)))
    about = f"{rule.metric}{f' of {rule.field}' if rule.field else ''}"
    return Comparison(
        f"quality {rule.name}",
        _of(_promised(rule, source)),
        measured,
        lambda: _needs(
            f"{about} {rule.operator.symbol} {rule.value} {rule.unit}",
            "the contract promises it" if _promised(rule, source) else "the contract does not promise it",
            None if measured is MET else _found(f"{found:g}" if found is not None else None, facts, fact),
        ),
    )


def _quality(rule: QualityRule, facts: SourceFacts | None) -> tuple[float | None, str]:
    """The measured value of a rule's metric, and the fact that it stems from."""
    if facts is None or rule.metric == "rowCount":
        return (None if facts is None or facts.records is None else float(facts.records)), "records"
    found = next((f for f in facts.fields if f.name == rule.field), None)
    if found is None or not facts.sampled:
        return None, "sampled"
    if rule.unit == "percent":
        return 100 * found.empty / facts.sampled, "sampled"
    # Of a sample it is only known that there are at least so many.
    return (float(found.empty) if facts.sampled == facts.records else None), "records"


_AT_MOST = (Operator.MUST_BE_LESS_THAN, Operator.MUST_BE_LESS_OR_EQUAL_TO)
_AT_LEAST = (Operator.MUST_BE_GREATER_THAN, Operator.MUST_BE_GREATER_OR_EQUAL_TO)


def _promised(rule: QualityRule, source: DataSource) -> bool | None:
    """Whether the contract implies a rule; it may say something about the same metric that does not."""
    contract = source.contract
    if rule.metric == "rowCount" and contract.records is not None:
        return rule.operator.holds(contract.records, float(rule.value))
    if rule.metric == "nullValues" and any(f.required for f in contract.fields if f.name == rule.field):
        return rule.operator.holds(0, float(rule.value))
    for promise in contract.quality:
        if (promise.metric, promise.field, promise.unit) != (rule.metric, rule.field, rule.unit):
            continue
        bound = float(promise.value)
        if promise.operator == rule.operator and promise.value == rule.value:
            return True
        if promise.operator is Operator.MUST_BE:
            return rule.operator.holds(bound, float(rule.value))
        for side, strict in ((_AT_MOST, _AT_MOST[0]), (_AT_LEAST, _AT_LEAST[0])):
            if promise.operator in side and rule.operator in side:
                # A promise that stays short of its bound keeps even a rule that excludes the bound itself.
                wanted = side[1] if promise.operator is strict else rule.operator
                return wanted.holds(bound, float(rule.value))
    return None


def level(wanted: RequiredServiceLevel, source: DataSource, facts: SourceFacts | None) -> Comparison:
    """A service level: what is promised, and of latency and frequency also what was measured."""
    promise = next((p for p in source.service_levels if p.property == wanted.property), None)
    bound = float(wanted.value)
    declared, found = UNKNOWN, "the source promises nothing"
    if promise is not None:
        value = units.convert(float(promise.value), promise.unit, wanted.unit)
        declared = _of(None if value is None else wanted.operator.holds(value, bound))
        other = ", in a unit that cannot be compared" if value is None else ""
        found = f"the source promises {promise.value} {promise.unit}{other}"
    return Comparison(
        f"service level {wanted.property}",
        declared,
        _measured_level(wanted, facts),
        lambda: _needs(f"{wanted.property} {wanted.operator.symbol} {wanted.value} {wanted.unit}", found, None),
        A_DECISION,
    )


def _measured_level(wanted: RequiredServiceLevel, facts: SourceFacts | None) -> Verdict:
    bound = float(wanted.value)
    if facts is None:
        return UNKNOWN
    if wanted.property is ServiceLevelProperty.FREQUENCY and facts.time_resolution is not None:
        step = periods.span(facts.time_resolution)
        value = None if step is None else units.convert(step.total_seconds(), "s", wanted.unit)
        return _of(None if value is None else wanted.operator.holds(value, bound))
    if wanted.property is ServiceLevelProperty.LATENCY and facts.latency_milliseconds is not None:
        value = units.convert(facts.latency_milliseconds, "ms", wanted.unit)
        if value is None or wanted.operator not in _AT_MOST:
            return UNKNOWN
        return MET if wanted.operator.holds(value, bound) else NOT_MET if value > _SLOW * bound else UNKNOWN
    return UNKNOWN


def upstream(bound: Threshold, observation: SourceObservation | None) -> Comparison:
    """A metric of the validation of the twin that the data is a product of. No contract can promise that."""
    metrics = observation.metrics if observation is not None else None
    value = metrics.get(bound.metric) if metrics is not None else None
    measured = _of(None if value is None else bound.operator.holds(value, float(bound.value)))

    def say() -> str:
        found = "its validation meets it"
        if metrics is None:
            found = "no validation of a twin that makes this data is known"
        elif value is None:
            found = f"the validation of what serves there has no {bound.metric}"
        elif measured is NOT_MET:
            found = f"the validation of what serves there has {value:.6g}"
        return _needs(f"{bound.metric} {bound.operator.symbol} {bound.value} of the twin that makes it", found, None)

    return Comparison(f"upstream {bound.metric}", UNKNOWN, measured, say, THE_DATA)


def all_of(
    r: DataRequirement,
    source: DataSource,
    observation: SourceObservation | None,
    circumstances: Circumstances,
    *,
    chosen: bool = True,
) -> list[Comparison]:
    """Every check that a requirement asks for, in a fixed order.

    Of a source that is about something else, what it is about is all, unless somebody chose it.
    """
    about = _identity(r, source)
    if not chosen and any(o.declared is NOT_MET for o in about):
        return about
    facts = observation.facts if observation is not None and observation.state == "Reachable" else None
    contract = source.contract
    comparisons = [_kind(r, source, facts), reachable(observation), *about, *_declarations(r, source)]
    if r.fields:
        there = Fields.of(contract, facts)
        comparisons += [field(f, there) for f in r.fields]
    if r.geometry_types is not None:
        comparisons.append(geometry(r.geometry_types, contract.geometry_type, facts))
    if r.crs is not None:
        comparisons.append(crs(r.crs, contract.crs, facts))
    if r.coverage is not None:
        own = r.coverage.extent is None
        area: Area | Extent | None = circumstances.area if own else r.coverage.extent
        where = "the municipality" if own else "the extent that the app is made for"
        comparisons.append(coverage(area, r.coverage.minimum_percent, contract.extent, facts, where))
    if r.history is not False:
        comparisons.append(period(needed_days(r, circumstances.windows), contract.temporal_extent, facts))
    if r.time_resolution is not None:
        comparisons.append(time_resolution(r.time_resolution, contract.time_resolution, facts))
    if r.freshness is not None:
        probed_at = (observation.probed_at if observation else None) or circumstances.now
        comparisons.append(freshness(r.freshness, contract.freshness, facts, probed_at))
    if r.minimum_records is not None:
        comparisons.append(records(r.minimum_records, contract.records, facts))
    if r.maximum_size_bytes is not None:
        comparisons.append(size(r.maximum_size_bytes, contract.size_bytes, facts))
    comparisons += [quality(rule, source, facts) for rule in r.quality]
    comparisons += [level(wanted, source, facts) for wanted in r.service_levels]
    comparisons += [upstream(bound, observation) for bound in r.upstream_metrics]
    return comparisons
