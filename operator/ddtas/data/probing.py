"""A session of a probe: it ends in facts, and in why others are unknown."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ddtas.data.measured import SourceFacts, UnknownFact
from ddtas.data.session import Session
from ddtas.errors import printable


@dataclass
class ProbeSession(Session):
    """A session of a probe. What reads the source knows it as a Session alone."""

    _unknown: dict[str, str] = field(default_factory=dict)

    def unknown(self, fact: str, reason: str) -> None:
        """Say why a fact (named as in SourceFacts, in camelCase) is unknown. The first reason stands."""
        self._unknown.setdefault(fact, printable(reason, 200))

    def facts(self, measured: SourceFacts) -> SourceFacts:
        """What was measured, with the latency and what is unknown: neither in one way nor in another."""
        present = measured.dump()
        # What the data itself tells comes before what the probe says of facts that it does not get.
        reasons = self._unknown | {one.fact: one.reason for one in measured.unknown}
        unknown = tuple(
            UnknownFact(fact=fact, reason=why) for fact, why in sorted(reasons.items()) if fact not in present
        )
        return measured.model_copy(update={"latency_milliseconds": self.latency_milliseconds, "unknown": unknown})


Probe = Callable[[ProbeSession], Awaitable[SourceFacts]]
"""Probes a source once, within the limits; raises SourceError with a SourceReason when it cannot be read."""
