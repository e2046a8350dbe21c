"""One thing that a version needs, against what is declared and what was measured."""

from dataclasses import dataclass

from ddtas.api.base import Verdict
from ddtas.api.capabilities import Capabilities, MeasuredCapabilities
from ddtas.plan.capabilities.needs import Fact

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
_NOT_YET = "the cluster has not been surveyed yet"
SILENT = (UNKNOWN, "")


@dataclass(frozen=True, slots=True)
class CapabilityCheck:
    """One thing that a version needs.

    Attributes:
        needs: what, for a person.
        declared: by the platform team.
        measured: by a survey of the cluster.
        why: what is otherwise, or why it is not known.
        pending: the cluster has not been surveyed for it yet.
    """

    needs: str
    declared: Verdict = UNKNOWN
    measured: Verdict = UNKNOWN
    why: str = ""
    pending: bool = False

    @property
    def verdict(self) -> Verdict:
        """The two together."""
        both = (self.declared, self.measured)
        return NOT_MET if NOT_MET in both else MET if MET in both else UNKNOWN

    def __str__(self) -> str:
        return f"needs {self.needs}{': ' if self.verdict is UNKNOWN else ', '}{self.why}"


class Case:
    """A version's needs beside what is declared and measured."""

    def __init__(self, capabilities: Capabilities | None, measured: MeasuredCapabilities) -> None:
        self.capabilities = capabilities or Capabilities()
        self.measured = measured

    def check(
        self, what: str, fact: Fact, declared: tuple[Verdict, str], measured: tuple[Verdict, str] | None
    ) -> CapabilityCheck:
        """A check; `measured` is None where the survey could not tell, or was not made yet."""
        pending = False
        if measured is None:
            reason = self.measured.why_unknown(fact)
            pending = reason is None
            measured = (UNKNOWN, reason or _NOT_YET)
        # A side that is met has no reason.
        _, why = measured if measured[0] is NOT_MET or declared[0] is UNKNOWN else declared
        return CapabilityCheck(what, declared[0], measured[0], why, pending)


def side(holds: bool | None, otherwise: str) -> tuple[Verdict, str]:
    """The verdict of one side, with the reason where it is NotMet; None is a side that says nothing."""
    return SILENT if holds is None else (MET, "") if holds else (NOT_MET, otherwise)
