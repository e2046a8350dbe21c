"""What a cluster offers to apps: the words that listings, platforms and looks at a cluster have in common."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from ddtas.data.measured import UnknownFact
from ddtas.schema.model import LIST_SET, Model, cel, list_map


class AccessMode(StrEnum):
    """How a volume may be mounted (Kubernetes)."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_ONLY_MANY = "ReadOnlyMany"
    READ_WRITE_MANY = "ReadWriteMany"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"


class Exposure(StrEnum):
    """A way to let the outside world in."""

    INGRESS = "Ingress"
    GATEWAY = "Gateway"


class PodSecurityLevel(StrEnum):
    """A level of the Pod Security Standards, the least strict first."""

    PRIVILEGED = "privileged"
    BASELINE = "baseline"
    RESTRICTED = "restricted"

    def covers(self, other: "PodSecurityLevel") -> bool:
        """Whether it is at least as strict."""
        levels = list(PodSecurityLevel)
        return levels.index(self) >= levels.index(other)


def _extended(name: str) -> str:
    """Kubernetes keeps these names for itself; what it has in store under them (hugepages, volumes) is no device."""
    if "kubernetes.io/" in name or name.startswith("requests."):
        raise ValueError("a device is named by its vendor's domain, such as nvidia.com/gpu")
    return name


# As nodes have it (`kubectl get nodes -L kubernetes.io/arch`): amd64, arm64.
Architecture = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$", min_length=1, max_length=16)]
ClassName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
# An extended resource, by the domain of its vendor: nvidia.com/gpu.
DeviceName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=120
    ),
    AfterValidator(_extended),
]
ResourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$", max_length=140)]

_DEVICE_RULE = cel(
    (
        "!self.name.contains('kubernetes.io/') && !self.name.startsWith('requests.')",
        "a device is named by its vendor's domain, such as nvidia.com/gpu",
    )
)


class Device(Model):
    """Devices of one kind that each pod of a container gets, all from the node that it runs on."""

    model_config = ConfigDict(json_schema_extra=_DEVICE_RULE)

    name: DeviceName
    count: Annotated[int, Field(ge=1, le=64)]


class DeviceOffer(Model):
    """Devices of one kind that the nodes have."""

    model_config = ConfigDict(json_schema_extra=_DEVICE_RULE)

    name: DeviceName
    # On all nodes together.
    count: Annotated[int, Field(ge=0, le=1_000_000)]
    # On the node that has most of them; all of them where it is left out.
    per_node: Annotated[int, Field(ge=0, le=1_000_000)] | None = None

    @property
    def on_one_node(self) -> int:
        """The most that one pod can get."""
        return self.count if self.per_node is None else min(self.count, self.per_node)


# What is declared and what is measured have the same form.
ClassNames = Annotated[tuple[ClassName, ...], Field(max_length=64, json_schema_extra=LIST_SET)]
Architectures = Annotated[tuple[Architecture, ...], Field(max_length=8, json_schema_extra=LIST_SET)]
DeviceOffers = Annotated[tuple[DeviceOffer, ...], Field(max_length=64, json_schema_extra=list_map("name"))]


class StorageClassOffer(Model):
    """A StorageClass, and how its volumes may be mounted: that cannot be read from the cluster."""

    name: ClassName
    access_modes: Annotated[tuple[AccessMode, ...], Field(max_length=4, json_schema_extra=LIST_SET)]


class Offers(Model):
    """What the platform team says that the cluster offers to apps.

    Of what is left out, nothing is said; an empty list says that there is none. What a look at the cluster finds
    otherwise counts against it.
    """

    storage_classes: (
        Annotated[tuple[StorageClassOffer, ...], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = None
    ingress_classes: ClassNames | None = None
    gateway_classes: ClassNames | None = None
    architectures: Architectures | None = None
    devices: DeviceOffers | None = None
    # What the namespace of the workloads enforces.
    pod_security: PodSecurityLevel | None = None


class MeasuredStorageClass(Model):
    """A StorageClass that is there."""

    name: ClassName
    # Volumes that name no class are of this one.
    default: bool = False


class Amount(Model):
    """An amount of one resource, as the API server writes it."""

    resource: ResourceName
    amount: Annotated[str, StringConstraints(max_length=40)]


_Amounts = Annotated[tuple[Amount, ...], Field(max_length=64, json_schema_extra=list_map("resource"))]


class MeasuredQuota(Model):
    """A ResourceQuota of the workloads' namespace: the most that all its pods may ask for together."""

    name: ClassName
    hard: _Amounts


class MeasuredLimitRange(Model):
    """A LimitRange of the workloads' namespace: the most that one container may ask for."""

    name: ClassName
    max: _Amounts


class MeasuredOffers(Model):
    """What a look at the cluster found.

    Only what some listing asks for is looked at. What could not be told is absent, and `unknown` says why.
    """

    storage_classes: (
        Annotated[tuple[MeasuredStorageClass, ...], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = None
    ingress_classes: ClassNames | None = None
    gateway_classes: ClassNames | None = None
    architectures: Architectures | None = None
    devices: DeviceOffers | None = None
    pod_security: PodSecurityLevel | None = None
    quotas: Annotated[tuple[MeasuredQuota, ...], Field(max_length=16, json_schema_extra=list_map("name"))] | None = None
    limit_ranges: (
        Annotated[tuple[MeasuredLimitRange, ...], Field(max_length=16, json_schema_extra=list_map("name"))] | None
    ) = None
    unknown: Annotated[tuple[UnknownFact, ...], Field(max_length=16, json_schema_extra=list_map("fact"))] = ()

    def why_unknown(self, fact: str) -> str | None:
        """Why a fact could not be found; None where nothing is said of it."""
        return next((u.reason for u in self.unknown if u.fact == fact), None)
