"""What reconciling needs: the parts of the running operator, and the names of objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.ownership import Seal
from ddtas.cluster.memory.world import World
from ddtas.cluster.place import Place
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.rest.client import Client
from ddtas.data.network import Surroundings
from ddtas.names import NamespacedName
from ddtas.probes.scheduler import ProbeScheduler
from ddtas.settings import Settings


class ObjectKey(NamedTuple):
    """One object of the three kinds."""

    kind: Literal["AppListing", "MunicipalityPlatform", "Installation"]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _remembered(namespace: str, remembered: MeasuredCapabilities | None) -> MeasuredCapabilities | None:
    return remembered


@dataclass(frozen=True)
class Context:
    """The parts of the operator that an object is reconciled with.

    Attributes:
        client: the operator's own cluster.
        world: the objects of the three kinds, and the credentials.
        children: the objects of Installations on the operator's own cluster.
        clusters: connections to the cities' own clusters.
        probes: what is known of data sources.
        settings: of this process.
        seal: of the Jobs that are made.
        capabilities: the operator's own cluster's in a namespace; the second argument, which the status
            remembers, until it was surveyed.
        now: the clock.
        on_published: called after a status was written: its own watch event will bring nothing new.
        surroundings: the network of the operator's own cluster.
        on_served: called with the platform of an Installation when another version serves than before.
        on_exam: called with the platform of an Installation that waits for an exam, or has taken it.
        on_attempts: called with the Installations of which attempts were written down.
    """

    client: Client
    world: World
    children: Children
    clusters: Clusters
    probes: ProbeScheduler
    settings: Settings
    seal: Seal
    capabilities: Callable[[str, MeasuredCapabilities | None], MeasuredCapabilities | None] = _remembered
    now: Callable[[], datetime] = _utc_now
    on_published: Callable[[], None] = lambda: None
    surroundings: Callable[[], Surroundings] = Surroundings
    on_served: Callable[[NamespacedName], None] = lambda platform: None
    on_exam: Callable[[NamespacedName], None] = lambda platform: None
    on_attempts: Callable[[Sequence[NamespacedName]], None] = lambda installations: None

    @property
    def home(self) -> Place:
        """The operator's own cluster, as a place for workloads."""
        return Place(self.client, self.children, self.world.kubernetes_version)
