"""What becomes of an Installation that is being deleted, and of what it leaves behind. Pure.

Its children on the operator's own cluster are owned, and need no decision. It stays while others use its data products,
where its spec says so, and until its objects on a city's own cluster are gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ddtas import names
from ddtas.api.base import Metadata
from ddtas.api.installation import InstallationSpec, Removal
from ddtas.api.volumes import VolumePolicy
from ddtas.plan.children.volumes import CLAIM
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.remote.identity import blocked_removal
from ddtas.plan.snapshot import Key

# When objects that are being removed on a city's cluster are listed again.
_REMOVING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is known of an Installation that is being deleted.

    Attributes:
        metadata: of the Installation.
        spec: None where it cannot be read.
        platform: name of its platform.
        consumers: the Installations for whose sake it would stay.
        obstacle: why the cluster of its platform cannot be worked on; None where it can.
        abandoned: a person has said that the cluster is gone for good.
    """

    metadata: Metadata
    spec: InstallationSpec | None
    platform: str
    consumers: tuple[Ref, ...] = ()
    obstacle: Refusal | None = None
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person is told by an Event."""

    type: Literal["Normal", "Warning"]
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What to do next.

    Attributes:
        consumers: it stays for their sake, and its status says so.
        blocked: why it stays otherwise; its status says so.
        notices: made before anything is released.
        release: finalizers that it needs no more.
        remove: delete its objects on the city's cluster.
        volumes: its claims there go as well, with their data.
        again_after: seconds until it is decided again; None where an event will come.
    """

    consumers: tuple[Ref, ...] = ()
    blocked: Refusal | None = None
    notices: tuple[Notice, ...] = ()
    release: tuple[str, ...] = ()
    remove: bool = False
    volumes: bool = False
    again_after: float | None = None


def plan_removal(deleted: Deleted) -> RemovalPlan:
    """What to do before anything of it is removed."""
    ours, spec = deleted.metadata.finalizers, deleted.spec
    release: tuple[str, ...] = ()
    if names.FINALIZER_CONSUMERS in ours:
        if spec is not None and spec.removal is Removal.WAIT and deleted.consumers:
            return RemovalPlan(consumers=deleted.consumers)
        release = (names.FINALIZER_CONSUMERS,)
    if names.FINALIZER not in ours:
        return RemovalPlan(release=release)
    if deleted.obstacle is None:
        # Of one that cannot be read, nobody knows whether its data may go.
        volumes = spec is not None and spec.volumes is VolumePolicy.DELETE
        return RemovalPlan(release=release, remove=True, volumes=volumes)
    reason, message = deleted.obstacle.reason, deleted.obstacle.message
    if reason is Reason.CLUSTER_CONNECTING:  # that will show in a moment
        return RemovalPlan(release=release)
    if deleted.abandoned:
        text = f"let go, as {names.ANNOTATION_ABANDON} says; its objects may still be there: {message}"
        notice = Notice("Warning", Reason.ABANDONED, text)
        return RemovalPlan(notices=(notice,), release=(*release, names.FINALIZER))
    return RemovalPlan(release=release, blocked=Refusal(reason, blocked_removal(reason, message)))


def after_removal(deleted: Deleted, left: Sequence[Key], kept: Sequence[str], namespace: str) -> RemovalPlan:
    """What to do once its objects were asked to go.

    Args:
        deleted: what was decided on.
        left: its objects that are still there.
        kept: the claims that stay.
        namespace: on the city's cluster.
    """
    if left:
        first = ", ".join(f"{kind} {name}" for kind, name in left[:5])
        text = f"{len(left)} object(s) are being removed from the cluster of platform {deleted.platform}: {first}"
        return RemovalPlan(blocked=Refusal(Reason.REMOVING, text), again_after=_REMOVING_SECONDS)
    notices = kept_notices(kept, f" in namespace {namespace} of the city's cluster")
    return RemovalPlan(notices=notices, release=(names.FINALIZER,))


def refused_removal(deleted: Deleted, message: str) -> RemovalPlan:
    """What to say where the city's API server refuses to remove its objects."""
    text = f"the cluster of platform {deleted.platform} refuses: {message}"
    return RemovalPlan(blocked=Refusal(Reason.APPLY_FAILED, blocked_removal(Reason.APPLY_FAILED, text)))


def kept_notices(kept: Sequence[str], where: str = "") -> tuple[Notice, ...]:
    """Deleting is the last that a person hears of an Installation: say where its data are."""
    if not kept:
        return ()
    claims = ", ".join(f"{CLAIM} {name}" for name in kept[:8])
    text = (
        f"kept, with the data: {claims}{where}. An Installation of this name and listing takes them over;"
        " `kubectl delete pvc` deletes the data"
    )
    return (Notice("Normal", Reason.VOLUMES_KEPT, text),)
