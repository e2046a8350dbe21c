"""What a source promises of its service, and of the twin that makes its data."""

from datetime import datetime

from ddtas.api.base import Verdict
from ddtas.api.platform import DataSource
from ddtas.api.requirements import RequiredServiceLevel, Threshold
from ddtas.data.contract import ServiceLevelProperty
from ddtas.data.meaning import periods, units
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import A_DECISION, NOT_MET, THE_DATA, UNKNOWN, Comparison, needs, verdict_of
from ddtas.plan.matching.quality import AT_MOST
from ddtas.plan.snapshot import SourceObservation


def level(
    wanted: RequiredServiceLevel, source: DataSource, facts: SourceFacts | None, probed_at: datetime
) -> Comparison:
    """A service level: what is promised, and of latency also what was measured.

    In the meaning of the Open Data Contract Standard: latency is the age of the newest record, and frequency the time
    between two updates (which the step between records does not tell: hourly values may come once a month).
    """
    promise = next((p for p in source.service_levels if p.property == wanted.property), None)
    bound = float(wanted.value)
    declared, by_promise = UNKNOWN, "the source promises nothing"
    if promise is not None:
        value = units.convert(float(promise.value), promise.unit, wanted.unit)
        declared = verdict_of(None if value is None else wanted.operator.holds(value, bound))
        other = ", in a unit that cannot be compared" if value is None else ""
        by_promise = f"the source promises {promise.value} {promise.unit}{other}"
    measured = _measured_level(wanted, facts, probed_at)

    def say() -> str:
        newest = f"the newest record is of {facts.last}" if facts is not None and measured is NOT_MET else None
        return needs(f"{wanted.property} {wanted.operator.symbol} {wanted.value} {wanted.unit}", by_promise, newest)

    return Comparison(f"service level {wanted.property}", declared, measured, say, A_DECISION)


def _measured_level(wanted: RequiredServiceLevel, facts: SourceFacts | None, probed_at: datetime) -> Verdict:
    latency = wanted.property is ServiceLevelProperty.LATENCY and wanted.operator in AT_MOST
    if not latency or facts is None or facts.last is None:
        return UNKNOWN
    newest = periods.end_of(facts.last)
    # What is of today, or ahead, is not old.
    age = None if newest is None else max((probed_at - newest).total_seconds(), 0)
    value = None if age is None else units.convert(age, "s", wanted.unit)
    return verdict_of(None if value is None else wanted.operator.holds(value, float(wanted.value)))


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
