"""What one decision starts from: the snapshot, and what all of its stages need of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ddtas import names
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan import clock
from ddtas.plan.capabilities import requirements
from ddtas.plan.capabilities.check import CapabilityCheck
from ddtas.plan.children import volumes
from ddtas.plan.children.desired import Owner
from ddtas.plan.decision.plan import Frozen, frozen
from ddtas.plan.reasons import Refusal
from ddtas.plan.revision import Revision
from ddtas.plan.runs import recalibration
from ddtas.plan.snapshot import Child, Key, Snapshot
from ddtas.plan.versions import choice
from ddtas.plan.versions.past import Past


@dataclass(frozen=True)
class Situation:
    """What a decision starts from. What is not read off the snapshot at once is worked out when it is first needed.

    Attributes:
        snapshot: what was observed.
        past: the revisions that there have been.
    """

    snapshot: Snapshot
    past: Past

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Situation":
        """The situation of an Installation."""
        return cls(snapshot, Past.of(snapshot))

    @cached_property
    def chosen(self) -> choice.Chosen:
        """The version, or the recorded revision, that the spec leads to."""
        return choice.choose(self.past)

    @cached_property
    def standing(self) -> choice.Standing:
        """How that compares with what the listing has."""
        return choice.standing(self.past, self.chosen)

    @cached_property
    def capabilities(self) -> tuple[CapabilityCheck, ...]:
        """What the chosen version needs of the platform's cluster; nothing where either is not known."""
        snapshot, chosen, platform = self.snapshot, self.chosen, self.snapshot.platform
        if isinstance(chosen, Refusal) or not isinstance(platform, MunicipalityPlatform):
            return ()
        version = chosen.inputs.version if isinstance(chosen, Revision) else chosen
        return requirements.checks(
            version, platform.spec.capabilities, snapshot.capabilities, snapshot.kubernetes_version
        )

    @cached_property
    def owner(self) -> Owner:
        """The Installation, as its children name it."""
        meta, platform = self.snapshot.installation.metadata, self.snapshot.platform
        if isinstance(platform, MunicipalityPlatform) and platform.spec.cluster is not None:
            return Owner(meta.name, self.snapshot.workload_namespace, meta.uid, platform.metadata.uid)
        return Owner(meta.name, meta.namespace, meta.uid)

    @cached_property
    def claims(self) -> Mapping[Key, Child]:
        """The claims that are there for volumes of this Installation."""
        return volumes.mine(self.snapshot)

    @cached_property
    def frozen(self) -> Frozen | None:
        """Why nothing is done, whatever the plan says."""
        return frozen(self.snapshot.installation, self.snapshot.platform)

    @property
    def recalibrated_at(self) -> datetime | None:
        """When the newest recalibration began."""
        newest = self.snapshot.installation.status.recalibration
        return newest.since if newest is not None else None

    @cached_property
    def retry(self) -> str | None:
        """The newest retry token; one that was taken up stays in force when its annotation is removed.

        A new one waits for a moment where a recalibration has just begun: a token that a machine edits again and again
        must not begin one run after the other.
        """
        last = self.snapshot.installation.status.last_retry
        return last if not self._token or self.retry_waits_until is not None else self._token

    @cached_property
    def retry_waits_until(self) -> datetime | None:
        """Until when a new retry token is not taken up; None where there is none, or it is."""
        begun = self.recalibrated_at
        if begun is None or self._token in ("", self.snapshot.installation.status.last_retry):
            return None
        over = clock.elapsed(begun, self.snapshot.now, recalibration.RETRY_PAUSE)
        return None if over else begun + recalibration.RETRY_PAUSE

    @property
    def _token(self) -> str:
        return self.snapshot.installation.metadata.annotations.get(names.ANNOTATION_RETRY, "")[:64]
