"""What a version needs of a cluster, and what has to be read of the cluster to tell whether it has that."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ddtas.api.capabilities import AccessMode, Architecture, Exposure, PodSecurityLevel
from ddtas.api.listing import Version
from ddtas.api.workload import Container

ARCHITECTURE_LABEL = "kubernetes.io/arch"


class Fact(StrEnum):
    """What can be surveyed; named as in the status, which `nodes` are not: they give architectures and devices."""

    STORAGE_CLASSES = "storageClasses"
    INGRESS_CLASSES = "ingressClasses"
    GATEWAY_CLASSES = "gatewayClasses"
    NODES = "nodes"
    POD_SECURITY = "podSecurity"
    QUOTAS = "quotas"
    LIMIT_RANGES = "limitRanges"


@dataclass(frozen=True, slots=True)
class DeviceNeed:
    """How many devices of one kind a version needs: a pod gets all of them from one node."""

    name: str
    on_one_node: int
    together: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What one version needs of a cluster, its Kubernetes version aside."""

    architectures: tuple[Architecture, ...] = ()
    storage: tuple[AccessMode, ...] = ()
    exposure: tuple[Exposure, ...] = ()
    pod_security: PodSecurityLevel | None = None
    devices: tuple[DeviceNeed, ...] = ()

    @property
    def facts(self) -> frozenset[Fact]:
        """What has to be surveyed for it; nothing where it asks for nothing.

        Quota is the same question for every version that asks for something: one that asks for nothing costs nothing.
        """
        facts = {Fact.STORAGE_CLASSES} if self.storage else set()
        facts |= {Fact.INGRESS_CLASSES} if Exposure.INGRESS in self.exposure else set()
        facts |= {Fact.GATEWAY_CLASSES} if Exposure.GATEWAY in self.exposure else set()
        facts |= {Fact.NODES} if self.architectures or self.devices else set()
        facts |= {Fact.POD_SECURITY} if self.pod_security is not None else set()
        return frozenset(facts | {Fact.QUOTAS, Fact.LIMIT_RANGES}) if facts else frozenset()


def needs(version: Version) -> Needs:
    """What a version needs."""
    required = version.platform_requirements
    devices = tuple(_devices(version))
    if required is None:
        return Needs(storage=storage(version), devices=devices)
    return Needs(
        architectures=required.architectures or (),
        storage=storage(version),
        exposure=required.exposure or (),
        pod_security=required.pod_security,
        devices=devices,
    )


def storage(version: Version) -> tuple[AccessMode, ...]:
    """The ways in which its volumes must be mountable; none where it needs no volume."""
    required = version.platform_requirements
    return tuple(dict.fromkeys(required.storage or ())) if required is not None else ()


def runs(version: Version) -> list[tuple[str, Container]]:
    """The runs of a version, with what they are called."""
    always: list[tuple[str, Container]] = [("calibration", version.calibration), ("validation", version.validation)]
    return always + ([("monitoring", version.monitoring)] if version.monitoring is not None else [])


def _devices(version: Version) -> Iterator[DeviceNeed]:
    """Of its components at the same time, or of its largest run."""
    groups = [[(c.replicas or 1, c.devices) for c in version.components]]
    groups += [[(1, run.devices)] for _, run in runs(version)]
    needed = [[(n, d) for n, devices in group for d in devices] for group in groups]
    for name in sorted({d.name for group in needed for _, d in group}):
        one = max(d.count for group in needed for _, d in group if d.name == name)
        yield DeviceNeed(name, one, max(sum(n * d.count for n, d in group if d.name == name) for group in needed))
