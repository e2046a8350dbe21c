"""What a cluster has for apps: the words that listings, platforms and surveys of a cluster have in common."""

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
    """The extended resource, named by the domain of its vendor, such as nvidia.com/gpu."""
    count: Annotated[int, Field(ge=1, le=64)]
    """How many each pod gets."""


class DeviceCapacity(Model):
    """Devices of one kind that the nodes have."""

    model_config = ConfigDict(json_schema_extra=_DEVICE_RULE)

    name: DeviceName
    """The extended resource, named by the domain of its vendor, such as nvidia.com/gpu."""
    count: Annotated[int, Field(ge=0, le=1_000_000)]
    """How many all nodes have together."""
    per_node: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How many the node with the most has. Absent: one node may have all of them."""

    @property
    def on_one_node(self) -> int:
        """The most that one pod can get."""
        return self.count if self.per_node is None else min(self.count, self.per_node)


# What is declared and what is measured have the same form.
ClassNames = Annotated[tuple[ClassName, ...], Field(max_length=64, json_schema_extra=LIST_SET)]
Architectures = Annotated[tuple[Architecture, ...], Field(max_length=8, json_schema_extra=LIST_SET)]
DeviceCapacities = Annotated[tuple[DeviceCapacity, ...], Field(max_length=64, json_schema_extra=list_map("name"))]


class DeclaredStorageClass(Model):
    """A StorageClass, and how its volumes may be mounted: that cannot be read from the cluster."""

    name: ClassName
    """The name of the StorageClass."""
    access_modes: Annotated[tuple[AccessMode, ...], Field(max_length=4, json_schema_extra=LIST_SET)]
    """The access modes that its volumes can have."""


class Capabilities(Model):
    """What the platform team declares that the cluster has for apps.

    Of what is left out, nothing is said; an empty list says that there is none. What a survey of the cluster finds
    otherwise counts against it.
    """

    storage_classes: (
        Annotated[tuple[DeclaredStorageClass, ...], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = None
    """StorageClasses that apps may use, with their access modes. Absent: nothing is said of them."""
    ingress_classes: ClassNames | None = None
    """IngressClasses that apps may use. Absent: nothing is said of them."""
    gateway_classes: ClassNames | None = None
    """GatewayClasses that apps may use. Absent: nothing is said of them."""
    architectures: Architectures | None = None
    """Processor architectures of the nodes, such as amd64. Absent: nothing is said of them."""
    devices: DeviceCapacities | None = None
    """Devices that the nodes have. Absent: nothing is said of them."""
    pod_security: PodSecurityLevel | None = None
    """The Pod Security level that the namespace of the workloads enforces. Absent: nothing is said of it."""


class MeasuredStorageClass(Model):
    """A StorageClass that is there."""

    name: ClassName
    """The name of the StorageClass."""
    default: bool = False
    """Whether volumes that name no class are of this one. Absent: no."""


class Amount(Model):
    """An amount of one resource, as the API server writes it."""

    resource: ResourceName
    """The resource, such as limits.cpu or requests.nvidia.com/gpu."""
    amount: Annotated[str, StringConstraints(max_length=40)]
    """The amount, as a Kubernetes quantity."""


_Amounts = Annotated[tuple[Amount, ...], Field(max_length=64, json_schema_extra=list_map("resource"))]


class MeasuredQuota(Model):
    """A ResourceQuota of the workloads' namespace: the most that all its pods may ask for together."""

    name: ClassName
    """The name of the ResourceQuota."""
    hard: _Amounts
    """Its limits, one for each resource."""


class MeasuredLimitRange(Model):
    """A LimitRange of the workloads' namespace: the most that one container may ask for."""

    name: ClassName
    """The name of the LimitRange."""
    max: _Amounts
    """The most that one container may have, for each resource."""


class MeasuredCapabilities(Model):
    """What a survey of the cluster found.

    Only what some listing asks for is read. What is not known is absent, and `unknown` says why.
    """

    storage_classes: (
        Annotated[tuple[MeasuredStorageClass, ...], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = None
    """StorageClasses that are there. Absent: not asked for, or not known."""
    ingress_classes: ClassNames | None = None
    """IngressClasses that are there. Absent: not asked for, or not known."""
    gateway_classes: ClassNames | None = None
    """GatewayClasses that are there. Absent: not asked for, or not known."""
    architectures: Architectures | None = None
    """Processor architectures of the nodes. Absent: not asked for, or not known."""
    devices: DeviceCapacities | None = None
    """Devices that the nodes have. Absent: not asked for, or not known."""
    pod_security: PodSecurityLevel | None = None
    """The Pod Security level that the namespace of the workloads enforces. Absent: not asked for, or not known."""
    quotas: Annotated[tuple[MeasuredQuota, ...], Field(max_length=16, json_schema_extra=list_map("name"))] | None = None
    """ResourceQuotas of the workloads' namespace. Absent: not asked for, or not known."""
    limit_ranges: (
        Annotated[tuple[MeasuredLimitRange, ...], Field(max_length=16, json_schema_extra=list_map("name"))] | None
    ) = None
    """LimitRanges of the workloads' namespace. Absent: not asked for, or not known."""
    unknown: Annotated[tuple[UnknownFact, ...], Field(max_length=16, json_schema_extra=list_map("fact"))] = ()
    """What could not be read, and why. Absent: everything that was asked for was read."""

    def why_unknown(self, fact: str) -> str | None:
        """Why a fact could not be found; None where nothing is said of it."""
        return next((u.reason for u in self.unknown if u.fact == fact), None)
