"""The comparison of one thing that a requirement asks for with what a source declares, and with what was measured."""

from collections.abc import Callable
from typing import NamedTuple

from ddtas.api.base import Verdict
from ddtas.data.measured import SourceFacts

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN

# How far a failed check is from being fixed. Other data altogether; what a person has to decide; the data itself.
OTHER_DATA, A_DECISION, THE_DATA, A_DETAIL = 100, 20, 5, 2


class Comparison(NamedTuple):
    """One check of a requirement against a source.

    Attributes:
        name: of the check.
        declared: by the source's contract.
        measured: by the last probe.
        describe: writes the message, which most comparisons are never asked for.
        distance: how far a failed check is from being fixed.
    """

    name: str
    declared: Verdict
    measured: Verdict
    describe: Callable[[], str]
    distance: int = THE_DATA

    @property
    def fails(self) -> bool:
        """One of the two sides does not meet it."""
        return self.declared is NOT_MET or self.measured is NOT_MET

    @property
    def holds(self) -> bool:
        """One side meets it, and the other does not deny it."""
        return not self.fails and (self.declared is MET or self.measured is MET)


def verdict_of(holds: bool | None) -> Verdict:
    """The verdict of one side; None is Unknown."""
    return UNKNOWN if holds is None else MET if holds else NOT_MET


def needs(wanted: str, declared: str, measured: str | None) -> str:
    """The message of a check, the same for all of them."""
    return f"needs {wanted}; {declared}{f', {measured}' if measured else ''}"[:500]


def data_gives(value: object | None, facts: SourceFacts | None, fact: str) -> str:
    """What the data gives, or why that is not known."""
    if value is not None:
        return f"the data gives {value}"
    why = facts.why_unknown(fact) if facts else None
    return f"the data gives no answer ({why})" if why else "the data gives no answer"
