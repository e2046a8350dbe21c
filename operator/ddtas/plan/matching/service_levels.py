"""What a source promises of its service, and of the twin that makes its data."""

from ddtas.api.base import Verdict
from ddtas.api.platform import DataSource
from ddtas.api.requirements import RequiredServiceLevel, Threshold
from ddtas.data.contract import ServiceLevelProperty
from ddtas.data.meaning import periods, units
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import A_DECISION, MET, NOT_MET, THE_DATA, UNKNOWN, Comparison, needs, verdict_of
from ddtas.plan.matching.quality import AT_MOST
from ddtas.plan.snapshot import SourceObservation

_SLOW = 2  # times the bound on latency, before a measured one counts against a source: networks have their moods


def level(wanted: RequiredServiceLevel, source: DataSource, facts: SourceFacts | None) -> Comparison:
    """A service level: what is promised, and of latency and frequency also what was measured."""
    promise = next((p for p in source.service_levels if p.property == wanted.property), None)
    bound = float(wanted.value)
    declared, by_promise = UNKNOWN, "the source promises nothing"
    if promise is not None:
        value = units.convert(float(promise.value), promise.unit, wanted.unit)
        declared = verdict_of(None if value is None else wanted.operator.holds(value, bound))
        other = ", in a unit that cannot be compared" if value is None else ""
        by_promise = f"the source promises {promise.value} {promise.unit}{other}"
    return Comparison(
        f"service level {wanted.property}",
        declared,
        _measured_level(wanted, facts),
        lambda: needs(f"{wanted.property} {wanted.operator.symbol} {wanted.value} {wanted.unit}", by_promise, None),
        A_DECISION,
    )


def _measured_level(wanted: RequiredServiceLevel, facts: SourceFacts | None) -> Verdict:
    bound = float(wanted.value)
    if facts is None:
        return UNKNOWN
    if wanted.property is ServiceLevelProperty.FREQUENCY and facts.time_resolution is not None:
        step = periods.span(facts.time_resolution)
        value = None if step is None else units.convert(step.total_seconds(), "s", wanted.unit)
        return verdict_of(None if value is None else wanted.operator.holds(value, bound))
    if wanted.property is ServiceLevelProperty.LATENCY and facts.latency_milliseconds is not None:
        value = units.convert(facts.latency_milliseconds, "ms", wanted.unit)
        if value is None or wanted.operator not in AT_MOST:
            return UNKNOWN
        return MET if wanted.operator.holds(value, bound) else NOT_MET if value > _SLOW * bound else UNKNOWN
    return UNKNOWN


def upstream(bound: Threshold, observation: SourceObservation | None) -> Comparison:
    """A metric of the validation of the twin that the data is a product of. No contract can promise that."""
    metrics = observation.metrics if observation is not None else None
    value = metrics.get(bound.metric) if metrics is not None else None
    measured = verdict_of(None if value is None else bound.operator.holds(value, float(bound.value)))

    def say() -> str:
        result = "its validation meets it"
        if metrics is None:
            result = "no validation of a twin that makes this data is known"
        elif value is None:
            result = f"the validation of what serves there has no {bound.metric}"
        elif measured is NOT_MET:
            result = f"the validation of what serves there has {value:.6g}"
        return needs(f"{bound.metric} {bound.operator.symbol} {bound.value} of the twin that makes it", result, None)

    return Comparison(f"upstream {bound.metric}", UNKNOWN, measured, say, THE_DATA)
