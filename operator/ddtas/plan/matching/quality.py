"""How much data there is, and how good: records, bytes, rules of quality."""

from ddtas.api.platform import DataSource
from ddtas.data.contract import Operator, QualityRule
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import MET, Comparison, data_gives, needs, verdict_of

AT_MOST = (Operator.MUST_BE_LESS_THAN, Operator.MUST_BE_LESS_OR_EQUAL_TO)
_AT_LEAST = (Operator.MUST_BE_GREATER_THAN, Operator.MUST_BE_GREATER_OR_EQUAL_TO)


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
    holds = None if value is None else required.operator.holds(value, float(required.value))
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
            f"{about} {required.operator.symbol} {required.value} {required.unit}",
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
    if rule.unit == "percent":
        return 100 * measured.empty / facts.sampled, "sampled"
    # Of a sample it is only known that there are at least so many.
    return (float(measured.empty) if facts.sampled == facts.records else None), "records"


def _has_missing_values(rule: QualityRule, source: DataSource) -> bool:
    return any(f.missing_values for f in source.contract.fields if f.name == rule.field)


def _promised(rule: QualityRule, source: DataSource) -> bool | None:
    """Whether the contract implies a rule; it may say something about the same metric that does not."""
    contract = source.contract
    if rule.metric == "rowCount" and contract.records is not None:
        return rule.operator.holds(contract.records, float(rule.value))
    if rule.metric != "rowCount" and any(f.required for f in contract.fields if f.name == rule.field):
        return rule.operator.holds(0, float(rule.value))
    for promise in contract.quality:
        if (promise.metric, promise.field, promise.unit) != (rule.metric, rule.field, rule.unit):
            continue
        bound = float(promise.value)
        if promise.operator == rule.operator and promise.value == rule.value:
            return True
        if promise.operator is Operator.MUST_BE:
            return rule.operator.holds(bound, float(rule.value))
        for side, strict in ((AT_MOST, AT_MOST[0]), (_AT_LEAST, _AT_LEAST[0])):
            if promise.operator in side and rule.operator in side:
                # A promise that stays short of its bound keeps even a rule that excludes the bound itself.
                wanted = side[1] if promise.operator is strict else rule.operator
                return wanted.holds(bound, float(rule.value))
    return None
