"""Rules of quality: what a promise implies, what was counted, and what of that is not known."""

from typing import Any

import pytest
from builders import NOW, source
from hypothesis import given
from hypothesis import strategies as st

from ddtas.api.base import Verdict
from ddtas.api.platform import DataSource
from ddtas.data.contract import Operator, QualityRule
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.matching.quality import rule as compared

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
FIELD = {"name": "level", "type": "number", "minimum": "0", "maximum": "10"}


def a_rule(operator: str, value: int, upper: int | None = None, **more: Any) -> QualityRule:
    body = {"name": "r", "metric": "invalidValues", "field": "level", "operator": operator, "unit": "rows"} | more
    return QualityRule.model_validate(
        body | {"value": str(value)} | ({"upper": str(upper)} if upper is not None else {})
    )


def promising(*rules: QualityRule) -> DataSource:
    return source(contract={"version": "1.0.0", "fields": [FIELD], "quality": [r.dump() for r in rules]})


def counted(sampled: int = 100, records: int | None = 100, **counts: Any) -> SourceFacts:
    return SourceFacts(
        fields=(MeasuredField.model_validate({"name": "level", "type": "number"} | counts),),
        sampled=sampled,
        records=records,
    )


# operator, bounds: values that are met, values that are not
OPERATORS: dict[str, tuple[tuple[int, ...], list[float], list[float]]] = {
    "mustBe": ((3,), [3], [2, 4]),
    "mustNotBe": ((3,), [2, 4], [3]),
    "mustBeGreaterThan": ((3,), [4], [2, 3]),
    "mustBeGreaterOrEqualTo": ((3,), [3, 4], [2]),
    "mustBeLessThan": ((3,), [2], [3, 4]),
    "mustBeLessOrEqualTo": ((3,), [2, 3], [4]),
    "mustBeBetween": ((3, 6), [4, 5], [2, 3, 6, 7]),
    "mustNotBeBetween": ((3, 6), [2, 3, 6, 7], [4, 5]),
}


@pytest.mark.parametrize("operator", list(Operator))
def test_operators(operator: Operator) -> None:
    bounds, good, bad = OPERATORS[operator]
    for value, verdict in [*((v, MET) for v in good), *((v, NOT_MET) for v in bad)]:
        found = compared(a_rule(operator, *bounds), promising(), counted(invalid=value))
        assert (found.declared, found.measured) == (UNKNOWN, verdict), value


def test_a_range_is_said_with_both_bounds() -> None:
    found = compared(a_rule("mustNotBeBetween", 3, 6), promising(), counted(invalid=4))
    assert found.describe() == (
        "needs invalidValues of level not between 3 and 6 rows; the contract does not promise it, the data gives 4"
    )


RULES = st.builds(
    lambda operator, value, length: a_rule(operator, value, value + length if operator.is_range else None),
    st.sampled_from(list(Operator)),
    st.integers(0, 6),
    st.integers(1, 4),
)


def allows(rule: QualityRule, value: float) -> bool:
    return rule.operator.holds(value, float(rule.value), float(rule.upper or "inf"))


@given(promise=RULES, wanted=RULES)
def test_a_promise_implies_a_rule_where_all_that_it_allows_is_met(promise: QualityRule, wanted: QualityRule) -> None:
    """By trying all halves from below to above the bounds, which stand for all numbers between them."""
    values = [n / 2 for n in range(-4, 30)]
    broken = [v for v in values if allows(promise, v) and not allows(wanted, v)]
    declared = compared(wanted, promising(promise), None).declared
    assert (declared is MET) == (not broken), broken


def test_a_promise_about_another_bound_says_nothing() -> None:
    promise, wanted = a_rule("mustBeGreaterThan", 3), a_rule("mustBeLessThan", 10)
    assert compared(wanted, promising(promise), None).declared is UNKNOWN
    assert compared(wanted, promising(promise, a_rule("mustBe", 4)), None).declared is MET
    assert compared(a_rule("mustBeBetween", 1, 9), promising(promise), None).declared is UNKNOWN
    assert compared(a_rule("mustBeBetween", 1, 9), promising(a_rule("mustBeBetween", 0, 9)), None).declared is NOT_MET


def test_a_required_field_promises_that_no_value_is_missing_and_not_that_each_is_possible() -> None:
    offered = source(contract={"version": "1.0.0", "fields": [FIELD | {"required": True}]})
    for metric, declared in (("nullValues", MET), ("missingValues", MET), ("invalidValues", UNKNOWN)):
        assert compared(a_rule("mustBe", 0, metric=metric), offered, None).declared is declared


# rule, facts → measured
MEASURED: dict[str, tuple[dict[str, Any], SourceFacts, Verdict]] = {
    "percent of a sample": ({"unit": "percent"}, counted(records=None, invalid=2), MET),
    "more percent of a sample": ({"unit": "percent"}, counted(records=None, invalid=4), NOT_MET),
    "rows of a sample": ({}, counted(records=None, invalid=2), UNKNOWN),
    "not counted": ({}, counted(), UNKNOWN),
    "no such field": ({"field": "other"}, counted(invalid=0), UNKNOWN),
    "twice in all rows": ({"metric": "duplicateValues"}, counted(duplicates=2), MET),
    "twice, too often": ({"metric": "duplicateValues"}, counted(duplicates=4), NOT_MET),
    "twice, in percent": ({"metric": "duplicateValues", "unit": "percent"}, counted(duplicates=2), MET),
    "twice, of a sample": ({"metric": "duplicateValues", "unit": "percent"}, counted(records=9, duplicates=2), UNKNOWN),
}


@pytest.mark.parametrize("case", MEASURED)
def test_what_is_counted(case: str) -> None:
    more, facts, verdict = MEASURED[case]
    assert compared(a_rule("mustBeLessThan", 3, **more), promising(), facts).measured is verdict


@pytest.mark.parametrize(("invalid", "verdict"), [(None, MET), (0, MET), (1, NOT_MET)])
def test_a_value_out_of_the_bounds_of_a_contract_is_a_fault_of_the_data(invalid: int | None, verdict: Verdict) -> None:
    answer = conformance(promising(), counted(invalid=invalid), NOW)
    assert answer.verdict is verdict
    assert answer.faults == (("level from minimum to maximum; some are not",) if verdict is NOT_MET else ())
