"""Everything that was observed of one Installation and its surroundings, at one moment.

A Snapshot is plain data. Whoever makes one (the cluster, or a test) decides what is true in it; nothing below `plan`
looks anywhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import DataSource, MunicipalityPlatform
from ddtas.data.measured import SourceFacts
from ddtas.data.network import Surroundings
from ddtas.errors import TemplateError
from ddtas.plan import quantity
from ddtas.plan.products import Product, Ref
from ddtas.settings import Runner, StorePolicy

_LONGEST_NAME = 253

Key = tuple[str, str]  # (kind, name)
Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What counts of a Job's status."""

    state: Literal["Running", "Complete", "Failed"]
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None
    trouble: str = ""  # why it cannot be told from Running
    shape: str = ""  # digest of what its pod is made of


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """What counts of a Deployment's status, for its newest generation only."""

    available: bool
    stuck: str = ""  # message of Progressing=False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """What counts of one container's status.

    Attributes:
        running: whether it runs now.
        waiting_reason: why it does not run, in one word; "" where it does, or has ended.
        waiting_message: the same in words.
        exit_code: of its last end; None where it has not ended yet.
        ended_reason: of that end, in one word.
        ended_message: its termination message then.
    """

    running: bool = False
    waiting_reason: str = ""
    waiting_message: str = ""
    exit_code: int | None = None
    ended_reason: str = ""
    ended_message: str = ""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What counts of a pod: of the app's container, and of the operator's own that gets its data.

    Attributes:
        phase: of the pod.
        waiting_reason: of the app's container, as all that ContainerFacts has.
        unschedulable: why no node takes the pod; "" where one does.
        runner: the container that fetches the app's data; None where the pod has none, or it has no status yet.
        score: the container that scores what the app made of it; None as before.
        shape: digest of what it is made of, which is that of its Job where nobody else has a hand in it.
    """

    phase: str
    waiting_reason: str = ""
    waiting_message: str = ""
    exit_code: int | None = None
    ended_reason: str = ""
    ended_message: str = ""
    unschedulable: str = ""
    runner: ContainerFacts | None = None
    score: ContainerFacts | None = None
    shape: str = ""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What counts of a PersistentVolumeClaim.

    Attributes:
        phase: Pending, Bound or Lost.
        requested: its size, as asked for.
        capacity: of the volume that it has; "" while it has none.
        access_modes: as asked for.
        storage_class: its class, whoever named it; "" for none.
        asked_class: the class that the operator named; None where it left that to the cluster, or did not make it.
        volume: the PersistentVolume; "" where it has never had one, so that it has no data.
        copied: made from a snapshot or another claim, by a person.
        listing: whose data it has.
        version: that was started on it last.
        trouble: why it does not grow.
    """

    phase: str
    requested: str
    capacity: str = ""
    access_modes: tuple[str, ...] = ()
    storage_class: str = ""
    asked_class: str | None = None
    volume: str = ""
    copied: bool = False
    listing: str = ""
    version: str = ""
    trouble: str = ""

    def __post_init__(self) -> None:
        """A city's API server may say anything: what no claim has counts as not said."""
        if self.phase not in ("Pending", "Bound", "Lost"):
            object.__setattr__(self, "phase", "Pending")
        for name, none in (("requested", "0"), ("capacity", "")):
            if quantity.read(getattr(self, name)) is None:
                object.__setattr__(self, name, none)
        for name in ("storage_class", "asked_class", "volume"):
            text = getattr(self, name)
            if text is not None and len(text) > _LONGEST_NAME:
                object.__setattr__(self, name, "")


@dataclass(frozen=True, slots=True)
class Child:
    """An object that carries our label."""

    kind: str
    name: str
    uid: str = ""
    resource_version: int = 0
    revision: str = ""
    component: str = ""
    phase: str = ""
    # Digest of the fields that our field manager owns, with the values they have now.
    applied: str = ""
    # Digest of what was last asked for, as the object itself remembers it.
    asked: str = ""
    deleting: bool = False
    # uid of the Installation of the name that its label has (of a run's pod: of the Job) that owns it; "" where no such
    # owner is named. On a city's own cluster a label names the Installation.
    owner_uid: str = ""
    facts: JobFacts | DeploymentFacts | PodFacts | ClaimFacts | None = None
    # Only of a ControllerRevision: its data, as JSON.
    data: str = ""
    # Only of a Job: what tells that the operator made it.
    seal: str = ""

    @property
    def key(self) -> Key:
        """Kind and name."""
        return (self.kind, self.name)


@dataclass(frozen=True, slots=True)
class SourceObservation:
    """What the probe last knew of a data source."""

    state: Literal["Reachable", "Unreachable", "Unknown"]
    reason: str
    message: str
    facts: SourceFacts | None = None
    # When the facts were found; None counts as just now.
    probed_at: datetime | None = None
    # Of a data product: what validation showed of the twin that makes it. None with any other source.
    metrics: Mapping[str, float] | None = None
    # Whether it was made with the credentials that there are now; None where that is not known, as after a restart.
    current: bool | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A credentials Secret: base64 values by key. Its repr shows no value."""

    data: Mapping[str, str] = field(repr=False)
    uid: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Invalid:
    """An object that is there and cannot be read, with what is wrong with it: the place first."""

    fault: str


@dataclass(frozen=True)
class Snapshot:
    """The world, as far as one Installation is concerned."""

    now: datetime
    policy: StorePolicy
    kubernetes_version: str  # of where workloads go; "" while that is not known
    installation: Installation
    listing: AppListing | Invalid | None  # None where there is none of that name
    platform: MunicipalityPlatform | Invalid | None
    # What fetches the data of apps.
    runner: Runner = field(default_factory=Runner)
    # Of workloads on a city's own cluster; "" where they are beside the Installation.
    workload_namespace: str = ""
    # What a survey of the cluster found that it has.
    capabilities: MeasuredCapabilities = field(default_factory=MeasuredCapabilities)
    observations: Mapping[str, SourceObservation] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    children: Mapping[Key, Child] = field(default_factory=dict)
    # What the listing's templates gave, by revision: the sandbox is I/O, so its answer is an observation.
    rendered: Mapping[str, tuple[Manifest, ...] | TemplateError] = field(default_factory=dict)
    # Data products that the platform may use, by the name that they have there as data sources.
    products: Mapping[str, Product] = field(default_factory=dict)
    # Which Installations feed which, as far as that can be reached from those products.
    dependencies: Mapping[Ref, frozenset[Ref]] = field(default_factory=dict)
    # The Installations that products of this one feed.
    consumers: tuple[Ref, ...] = ()
    # The platforms, by namespace and name, that it offers products to although they are in another cluster.
    apart: tuple[tuple[str, str], ...] = ()
    # Of the cluster where the workloads are, as far as it is known here.
    surroundings: Surroundings = field(default_factory=Surroundings)
    # The namespaces of the workloads that it offers products to.
    recipients: tuple[str, ...] = ()

    @property
    def me(self) -> Ref:
        """The Installation that this is about."""
        return Ref.of(self.installation)

    def source(self, name: str) -> DataSource | None:
        """The data source of the platform with that name: its own, or a product; None where there is none."""
        own = self.platform.spec.source(name) if isinstance(self.platform, MunicipalityPlatform) else None
        product = self.products.get(name)
        return own or (product.source if product is not None else None)

    def children_of(self, revision: str, kind: str) -> list[Child]:
        """The children of one kind that belong to a revision, by name."""
        return sorted(
            (c for c in self.children.values() if c.kind == kind and c.revision == revision), key=lambda c: c.name
        )
