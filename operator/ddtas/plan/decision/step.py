"""What one stage of a revision comes to, and how far its stages have brought it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ddtas.api.evidence import RevisionStatus
from ddtas.plan.children.desired import Desired
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding
from ddtas.plan.snapshot import Key


@dataclass(frozen=True, slots=True)
class Step:
    """What one stage comes to.

    Attributes:
        status: the revision as the status has it, with what this stage found.
        findings: what is true of the stage.
        desired: objects that should exist from here on.
        prune: objects that are to be made again, and removed first.
        until: when this may change although nothing is heard.
        soon: what was found is acted on as soon as the status has it.
        passes: whether the next stage is gone on to.
    """

    status: RevisionStatus
    findings: tuple[Finding, ...] = ()
    desired: tuple[Desired, ...] = ()
    prune: tuple[Key, ...] = ()
    until: tuple[datetime, ...] = ()
    soon: bool = False
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a revision is, after some of its stages; attributes are those of Step."""

    view: RevisionView
    status: RevisionStatus
    findings: tuple[Finding, ...] = ()
    desired: Mapping[Key, Desired] = field(default_factory=dict)
    prune: tuple[Key, ...] = ()
    until: tuple[datetime, ...] = ()
    soon: bool = False

    @property
    def id(self) -> str:
        """The revision's id."""
        return self.view.id

    def after(self, step: Step) -> "Progress":
        """With one more step; of an object that two steps want, the later one's word counts."""
        return Progress(
            self.view,
            step.status,
            (*self.findings, *step.findings),
            {**self.desired, **{d.key: d for d in step.desired}},
            (*self.prune, *step.prune),
            (*self.until, *step.until),
            self.soon or step.soon,
        )
