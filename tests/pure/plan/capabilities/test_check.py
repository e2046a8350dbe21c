"""What is declared and what is measured, together: the verdict, and whose reason is told."""

import pytest

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.plan.capabilities.check import MET, NOT_MET, SILENT, UNKNOWN, Case, side
from ddtas.plan.capabilities.needs import Fact

DECLARED = {"met": (MET, ""), "not met": (NOT_MET, "declared otherwise"), "silent": SILENT}
MEASURED = {
    "met": (MET, ""),
    "not met": (NOT_MET, "measured otherwise"),
    "not told": (UNKNOWN, "a node does not tell"),
    "refused": None,
    "not yet": None,
}
NOT_YET = "the cluster has not been surveyed yet"
TOGETHER = [
    ("met", "met", MET, ""),
    ("met", "not met", NOT_MET, "measured otherwise"),
    ("met", "not told", MET, ""),
    ("met", "refused", MET, ""),
    ("met", "not yet", MET, ""),
    ("not met", "met", NOT_MET, "declared otherwise"),
    ("not met", "not met", NOT_MET, "measured otherwise"),
    ("not met", "not told", NOT_MET, "declared otherwise"),
    ("not met", "refused", NOT_MET, "declared otherwise"),
    ("not met", "not yet", NOT_MET, "declared otherwise"),
    ("silent", "met", MET, ""),
    ("silent", "not met", NOT_MET, "measured otherwise"),
    ("silent", "not told", UNKNOWN, "a node does not tell"),
    ("silent", "refused", UNKNOWN, "no right to list nodes"),
    ("silent", "not yet", UNKNOWN, NOT_YET),
]


@pytest.mark.parametrize(("declared", "measured", "verdict", "why"), TOGETHER)
def test_the_two_sides_together(declared: str, measured: str, verdict: object, why: str) -> None:
    unknown = [{"fact": "nodes", "reason": "no right to list nodes"}] if measured == "refused" else []
    case = Case(None, MeasuredCapabilities.model_validate({"unknown": unknown}))
    found = case.check("2 GPUs", Fact.NODES, DECLARED[declared], MEASURED[measured])
    assert (found.verdict, found.why) == (verdict, why)
    assert found.pending == (measured == "not yet"), "what is pending is surveyed, and what is refused is not"
    assert found.declared is DECLARED[declared][0]


@pytest.mark.parametrize(
    ("verdict", "why", "said"), [(UNKNOWN, "why", "needs a GPU: why"), (NOT_MET, "why", "needs a GPU, why")]
)
def test_a_check_in_words(verdict: object, why: str, said: str) -> None:
    case = Case(None, MeasuredCapabilities())
    assert str(case.check("a GPU", Fact.NODES, SILENT, (verdict, why))) == said  # type: ignore[arg-type]


def test_a_side_gives_its_reason_where_it_does_not_hold() -> None:
    assert side(True, "why") == (MET, "")
    assert side(False, "why") == (NOT_MET, "why")
    assert side(None, "why") == SILENT
