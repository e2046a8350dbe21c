"""What applying a plan came to, as the status tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddtas.api.installation_status import DriftedItem
from ddtas.api.volumes import RefusedGrowth
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Key


@dataclass(frozen=True, slots=True)
class Fault:
    """An object that could not be applied.

    Attributes:
        refused: of a volume that was to become larger: it stays as it is, and nothing waits for it.
        claim: its name.
        retry_after: seconds that the API server asks to wait.
    """

    reason: Reason
    message: str
    refused: RefusedGrowth | None = None
    claim: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What applying a plan came to."""

    created: tuple[Key, ...] = ()
    changed: tuple[Key, ...] = ()
    removed: tuple[Key, ...] = ()
    # Changed by hand, and left so.
    drifted: tuple[DriftedItem, ...] = ()
    faults: tuple[Fault, ...] = field(default_factory=tuple)
    # Of what was made and changed.
    uids: Mapping[Key, str] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Not everything was done that could be."""
        return any(fault.refused is None for fault in self.faults)
