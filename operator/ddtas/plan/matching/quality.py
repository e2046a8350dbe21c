"""How much data there is, and how good: records, bytes, rules of quality."""

import math
from typing import NamedTuple

from ddtas.api.platform import DataSource
from ddtas.data.contract import Operator, QualityRule
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import MET, Comparison, data_gives, needs, verdict_of

AT_MOST = (Operator.MUST_BE_LESS_THAN, Operator.MUST_BE_LESS_OR_EQUAL_TO)
_OF_ABSENCE = ("nullValues", "missingValues")  # whose number is 0 where the contract says `required`


def records(wanted: int, declared: int | None, facts: SourceFacts | None) -> Comparison:
    """The number of records, at least."""
    measured_records = facts.records if facts else None
    measured = verdict_of(None if measured_records is None else measured_records >= wanted)
    return Comparison(
        "records",
        verdict_of(None if declared is None else declared >= wanted),
        measured,
        lambda: needs(
            f"{wanted} records",
            f"the contract says {declared if declared is not None else 'nothing'}",
            None if measured is MET else data_gives(measured_records, facts, "records"),
        ),
    )


def size(wanted: int, declared: int | None, facts: SourceFacts | None) -> Comparison:
    """The size in bytes, at the most."""
    measured_bytes = facts.size_bytes if facts else None
    measured = verdict_of(None if measured_bytes is None else measured_bytes <= wanted)
    return Comparison(
        "size",
        verdict_of(None if declared is None else declared <= wanted),
        measured,
        lambda: needs(
            f"at most {wanted} bytes",
            f"the contract says {declared if declared is not None else 'nothing'}",
            None if measured is MET else data_gives(measured_bytes, facts, "sizeBytes"),
        ),
    )


def rule(required: QualityRule, source: DataSource, facts: SourceFacts | None) -> Comparison:
    """A rule about the quality of the data."""
    value, fact = _value(required, facts)
    holds = None if value is None else _holds(required, value)
    if required.metric == "nullValues" and _has_missing_values(required, source):
        # What was counted are the missing values; nulls are as many at the most.
        holds = True if holds and required.operator in AT_MOST else None
    measured = verdict_of(holds)
    about = f"{required.metric}{f' of {required.field}' if required.field else ''}"
    return Comparison(
        f"quality {required.name}",
        verdict_of(_promised(required, source)),
        measured,
        lambda: needs(
            f"{about} {required.operator.symbol} {_bounds(required)} {required.unit}",
            "the contract promises it" if _promised(required, source) else "the contract does not promise it",
            None if measured is MET else data_gives(f"{value:g}" if value is not None else None, facts, fact),
        ),
    )


def _value(rule: QualityRule, facts: SourceFacts | None) -> tuple[float | None, str]:
    """The measured value of a rule's metric, and the fact that it stems from."""
    if facts is None or rule.metric == "rowCount":
        return (None if facts is None or facts.records is None else float(facts.records)), "records"
    measured = next((f for f in facts.fields if f.name == rule.field), None)
    if measured is None or not facts.sampled:
        return None, "sampled"
    counts = {"invalidValues": measured.invalid, "duplicateValues": measured.duplicates}
    count, whole = counts.get(rule.metric, measured.empty), facts.sampled == facts.records
    if count is None:
        return None, "sampled"
    if rule.unit == "percent" and (whole or rule.metric != "duplicateValues"):
        return 100 * count / facts.sampled, "sampled"
    # Of a sample it is only known that there are at least so many, or any part of them for what comes twice.
    return (float(count) if whole and rule.unit == "rows" else None), "records"


def _holds(rule: QualityRule, value: float) -> bool:
    return rule.operator.holds(value, float(rule.value), float(rule.upper) if rule.upper is not None else math.inf)


def _bounds(rule: QualityRule) -> str:
    return f"{rule.value} and {rule.upper}" if rule.operator.is_range else rule.value


def _has_missing_values(rule: QualityRule, source: DataSource) -> bool:
    return any(f.missing_values for f in source.contract.fields if f.name == rule.field)


def _promised(rule: QualityRule, source: DataSource) -> bool | None:
    """Whether the contract implies a rule; it may say something about the same metric that does not."""
    contract = source.contract
    if rule.metric == "rowCount" and contract.records is not None:
        return _holds(rule, contract.records)
    if rule.metric in _OF_ABSENCE and any(f.required for f in contract.fields if f.name == rule.field):
        return _holds(rule, 0)
    promises = [p for p in contract.quality if (p.metric, p.field, p.unit) == (rule.metric, rule.field, rule.unit)]
    answers = [_implied(rule, promise) for promise in promises]
    return True if True in answers else False if False in answers else None


def _implied(rule: QualityRule, promise: QualityRule) -> bool | None:
    """Whether all that a promise allows is what a rule allows; None where they are about different bounds."""
    allowed, wanted = _ranges(promise), _ranges(rule)
    if all(any(part.within(whole) for whole in wanted) for part in allowed):
        return True
    lowest, highest = allowed[0].low, allowed[-1].high
    silent = (wanted[0].low > -math.inf and lowest == -math.inf) or (wanted[-1].high < math.inf and highest == math.inf)
    return None if silent else False


class _Range(NamedTuple):
    """Numbers from one to another; `open` says whether the ends are not part of them."""

    low: float
    high: float
    open: tuple[bool, bool]

    def within(self, other: "_Range") -> bool:
        """Whether another range has all of these."""
        from_low = self.low > other.low or (self.low == other.low and self.open[0] >= other.open[0])
        to_high = self.high < other.high or (self.high == other.high and self.open[1] >= other.open[1])
        return from_low and to_high


def _ranges(rule: QualityRule) -> tuple[_Range, ...]:
    """What a rule allows, the lowest first."""
    value, upper = float(rule.value), float(rule.upper) if rule.upper is not None else math.inf
    match rule.operator:
        case Operator.MUST_BE:
            return (_Range(value, value, (False, False)),)
        case Operator.MUST_NOT_BE:
            return (_Range(-math.inf, value, (True, True)), _Range(value, math.inf, (True, True)))
        case Operator.MUST_BE_GREATER_THAN:
            return (_Range(value, math.inf, (True, True)),)
        case Operator.MUST_BE_GREATER_OR_EQUAL_TO:
            return (_Range(value, math.inf, (False, True)),)
        case Operator.MUST_BE_LESS_THAN:
            return (_Range(-math.inf, value, (True, True)),)
        case Operator.MUST_BE_LESS_OR_EQUAL_TO:
            return (_Range(-math.inf, value, (True, False)),)
        case Operator.MUST_BE_BETWEEN:
            return (_Range(value, upper, (True, True)),)
        case Operator.MUST_NOT_BE_BETWEEN:
            return (_Range(-math.inf, value, (True, False)), _Range(upper, math.inf, (False, True)))
