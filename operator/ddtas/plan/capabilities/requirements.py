"""What a version needs of a cluster, against the capabilities of the cluster. Pure.

Each check has two verdicts, as in data binding: `declared` by the platform team (`spec.capabilities`) and `measured` by
a look at the cluster. What is not met on either side is not met; else one side that meets it is enough. Where neither
can tell, the version is not refused, and what is not known is said.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from ddtas.api.base import Verdict
from ddtas.api.capabilities import (
    AccessMode,
    Architecture,
    Capabilities,
    Exposure,
    MeasuredCapabilities,
    PodSecurityLevel,
)
from ddtas.api.listing import Version
from ddtas.api.volumes import Volume
from ddtas.api.workload import Container
from ddtas.plan.quantity import amount, read, written

ARCHITECTURE_LABEL = "kubernetes.io/arch"

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN


class Fact(StrEnum):
    """What can be looked at; named as in the status, which `nodes` are not: they give architectures and devices."""

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
        """What has to be looked at for it; nothing where it asks for nothing.

        Quota is the same question for every version that asks for something: one that asks for nothing costs nothing.
        """
        found = {Fact.STORAGE_CLASSES} if self.storage else set()
        found |= {Fact.INGRESS_CLASSES} if Exposure.INGRESS in self.exposure else set()
        found |= {Fact.GATEWAY_CLASSES} if Exposure.GATEWAY in self.exposure else set()
        found |= {Fact.NODES} if self.architectures or self.devices else set()
        found |= {Fact.POD_SECURITY} if self.pod_security is not None else set()
        return frozenset(found | {Fact.QUOTAS, Fact.LIMIT_RANGES}) if found else frozenset()


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


def _runs(version: Version) -> list[tuple[str, Container]]:
    runs: list[tuple[str, Container]] = [("calibration", version.calibration), ("validation", version.validation)]
    return runs + ([("monitoring", version.monitoring)] if version.monitoring is not None else [])


def _devices(version: Version) -> Iterator[DeviceNeed]:
    """Of its components at the same time, or of its largest run."""
    groups = [[(c.replicas or 1, c.devices) for c in version.components]]
    groups += [[(1, run.devices)] for _, run in _runs(version)]
    asked = [[(n, d) for n, devices in group for d in devices] for group in groups]
    for name in sorted({d.name for group in asked for _, d in group}):
        one = max(d.count for group in asked for _, d in group if d.name == name)
        yield DeviceNeed(name, one, max(sum(n * d.count for n, d in group if d.name == name) for group in asked))


@dataclass(frozen=True, slots=True)
class CapabilityCheck:
    """One thing that a version needs.

    Attributes:
        needs: what, for a person.
        declared: by the platform team.
        measured: by a look at the cluster.
        why: what is otherwise, or why it is not known.
        pending: the cluster has not been looked at for it yet.
    """

    needs: str
    declared: Verdict = UNKNOWN
    measured: Verdict = UNKNOWN
    why: str = ""
    pending: bool = False

    @property
    def verdict(self) -> Verdict:
        """The two together."""
        both = (self.declared, self.measured)
        return NOT_MET if NOT_MET in both else MET if MET in both else UNKNOWN

    def __str__(self) -> str:
        return f"needs {self.needs}{': ' if self.verdict is UNKNOWN else ', '}{self.why}"


_NOT_YET = "the cluster has not been looked at yet"


class _Case:
    """A version's needs beside what is declared and measured."""

    def __init__(self, capabilities: Capabilities | None, measured: MeasuredCapabilities) -> None:
        self.capabilities = capabilities or Capabilities()
        self.measured = measured

    def check(
        self, what: str, fact: Fact, declared: tuple[Verdict, str], measured: tuple[Verdict, str] | None
    ) -> CapabilityCheck:
        """A check; `measured` is None where the look could not tell, or was not made yet."""
        pending = False
        if measured is None:
            reason = self.measured.why_unknown(fact)
            pending = reason is None
            measured = (UNKNOWN, reason or _NOT_YET)
        if measured[0] is NOT_MET or (declared[0] is UNKNOWN and measured[0] is UNKNOWN):
            why = measured[1]
        else:
            why = declared[1] if declared[0] is NOT_MET else ""
        return CapabilityCheck(what, declared[0], measured[0], why, pending)


_SILENT = (UNKNOWN, "")


def _said(holds: bool | None, otherwise: str) -> tuple[Verdict, str]:
    """A verdict of the declaration; None where it says nothing."""
    return _SILENT if holds is None else (MET, "") if holds else (NOT_MET, otherwise)


def _architecture(case: _Case, wanted: Sequence[str]) -> CapabilityCheck:
    declared, measured = case.capabilities.architectures, case.measured.architectures
    return case.check(
        f"nodes of {' or '.join(wanted)}",
        Fact.NODES,
        _said(
            None if declared is None else bool(set(wanted) & set(declared)),
            f"spec.capabilities.architectures has {_list(declared)}",
        ),
        None
        if measured is None
        else _said(bool(set(wanted) & set(measured)), f"the nodes are of {_list(measured, 'no architecture')}"),
    )


def _storage(case: _Case, mode: AccessMode) -> CapabilityCheck:
    """A StorageClass does not say how its volumes may be mounted: that is declared, of classes that are there."""
    declared, measured = case.capabilities.storage_classes, case.measured.storage_classes
    named = [c.name for c in declared or () if mode in c.access_modes]
    found: tuple[Verdict, str] | None = None
    if measured is not None:
        there = [c.name for c in measured]
        found = (
            UNKNOWN,
            "a StorageClass does not say how its volumes may be mounted: name one in spec.capabilities.storageClasses",
        )
        if not there:
            found = (NOT_MET, "the cluster has no StorageClass")
        elif named and not set(named) & set(there):
            found = (NOT_MET, f"spec.capabilities names StorageClass {_list(named)}, the cluster has {_list(there)}")
    return case.check(
        f"{mode} storage",
        Fact.STORAGE_CLASSES,
        _said(None if declared is None else bool(named), f"no class of spec.capabilities.storageClasses has {mode}"),
        found,
    )


def _exposure(case: _Case, wanted: Sequence[Exposure]) -> CapabilityCheck:
    """One way is enough: that which holds best."""
    found = [_way_in(case, way) for way in wanted]
    what = f"{' or '.join(wanted)} classes" if len(wanted) > 1 else found[0].needs
    for verdict in (MET, UNKNOWN):
        best = [c for c in found if c.verdict is verdict]
        if best:
            pending = any(c.pending for c in best) and verdict is UNKNOWN
            return CapabilityCheck(what, best[0].declared, best[0].measured, best[0].why, pending)
    return CapabilityCheck(what, found[0].declared, found[0].measured, "; ".join(c.why for c in found))


def _way_in(case: _Case, way: Exposure) -> CapabilityCheck:
    fact, field, declared, measured = {
        Exposure.INGRESS: (
            Fact.INGRESS_CLASSES,
            "ingressClasses",
            case.capabilities.ingress_classes,
            case.measured.ingress_classes,
        ),
        Exposure.GATEWAY: (
            Fact.GATEWAY_CLASSES,
            "gatewayClasses",
            case.capabilities.gateway_classes,
            case.measured.gateway_classes,
        ),
    }[way]
    kind = f"{way}Class"
    found: tuple[Verdict, str] | None = None
    if measured is not None:
        if declared and measured and not set(declared) & set(measured):
            found = (NOT_MET, f"spec.capabilities names {kind} {_list(declared)}, the cluster has {_list(measured)}")
        else:
            found = (MET, "") if measured else (NOT_MET, f"the cluster has no {kind}")
    return case.check(
        f"an {kind}" if way is Exposure.INGRESS else f"a {kind}",
        fact,
        _said(None if declared is None else bool(declared), f"spec.capabilities.{field} is empty"),
        found,
    )


def _pod_security(case: _Case, wanted: PodSecurityLevel) -> CapabilityCheck:
    declared, measured = case.capabilities.pod_security, case.measured.pod_security
    return case.check(
        f"a namespace that enforces Pod Security {wanted}",
        Fact.POD_SECURITY,
        _said(None if declared is None else declared.covers(wanted), f"spec.capabilities.podSecurity is {declared}"),
        None if measured is None else _said(measured.covers(wanted), f"it enforces {measured}"),
    )


def _device(case: _Case, need: DeviceNeed) -> CapabilityCheck:
    def compare(devices: Iterable[tuple[str, int, int]], where: str) -> tuple[Verdict, str]:
        on_one, together = next(((o, t) for name, o, t in devices if name == need.name), (0, 0))
        if not on_one:
            return (NOT_MET, f"no node has one{where}")
        if on_one < need.on_one_node:
            return (NOT_MET, f"the most that a node has is {on_one}{where}")
        if together < need.together:
            return (NOT_MET, f"all nodes together have {together}{where}")
        return (MET, "")

    declared, measured = case.capabilities.devices, case.measured.devices
    count = need.on_one_node if need.on_one_node == need.together else need.together
    what = f"{count} {need.name}"
    if count != need.on_one_node:
        what += f", {need.on_one_node} on one node"
    return case.check(
        what,
        Fact.NODES,
        _SILENT
        if declared is None
        else compare(((d.name, d.on_one_node, d.count) for d in declared), " by spec.capabilities.devices"),
        None if measured is None else compare(((d.name, d.on_one_node, d.count) for d in measured), ""),
    )


def _list(names: Iterable[str] | None, none: str = "none") -> str:
    known = list(names or ())
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return ", ".join(known[:5]) + more or none


# ---- quota ----

Load = dict[str, Decimal]


def container_load(container: Container, replicas: int = 1) -> Load:
    """What pods of one container ask for, by the names that a ResourceQuota has."""
    resources = container.resources
    found = {
        "requests.cpu": amount(resources.requests.cpu),
        "requests.memory": amount(resources.requests.memory),
        "limits.cpu": amount(resources.limits.cpu),
        "limits.memory": amount(resources.limits.memory),
        "pods": Decimal(1),
    } | {f"requests.{d.name}": Decimal(d.count) for d in container.devices}
    return {name: replicas * value for name, value in found.items()}


def _sum(loads: Iterable[Load]) -> Load:
    total: Load = {}
    for load in loads:
        for name, value in load.items():
            total[name] = total.get(name, Decimal(0)) + value
    return total


def moments(version: Version) -> dict[str, Load]:
    """What a version asks for at its busiest moments: an upgrade and a recalibration stand beside what serves."""
    serving = _sum(container_load(c, c.replicas or 1) for c in version.components)
    volumes = _sum(_volume_load(v) for c in version.components for v in c.volumes)  # all revisions share them
    found = {"while one revision replaces another": _sum((serving, serving, volumes))}
    for name, run in _runs(version):
        found[f"while it serves and {name} runs"] = _sum((serving, container_load(run), volumes))
    return found


def _volume_load(volume: Volume) -> Load:
    return {"persistentvolumeclaims": Decimal(1), "requests.storage": amount(volume.size)}


# A quota may call the same thing otherwise.
_SAME = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    "count/pods": "pods",
    "count/persistentvolumeclaims": "persistentvolumeclaims",
}


def _quota(case: _Case, version: Version) -> Iterator[CapabilityCheck]:
    quotas = case.measured.quotas
    if quotas is None:
        yield case.check("room in the quota of its namespace", Fact.QUOTAS, _SILENT, None)
        return
    busiest: dict[str, tuple[Decimal, str]] = {}
    for moment, load in moments(version).items():
        for name, value in load.items():
            if name not in busiest or value > busiest[name][0]:
                busiest[name] = (value, moment)
    for quota in quotas:
        for item in quota.hard:
            asked, hard = busiest.get(_SAME.get(item.resource, item.resource)), read(item.amount)
            if asked is not None and hard is not None and asked[0] > hard:
                bytes_ = "memory" in item.resource or "storage" in item.resource
                what = f"{written(asked[0], bytes_=bytes_)} {item.resource} {asked[1]}"
                short = written(asked[0] - hard, bytes_=bytes_)
                yield CapabilityCheck(
                    what, measured=NOT_MET, why=f"ResourceQuota {quota.name} allows {item.amount}: {short} too little"
                )


def _limits(case: _Case, version: Version) -> Iterator[CapabilityCheck]:
    ranges = case.measured.limit_ranges
    if ranges is None:
        yield case.check("room in the limits of its namespace", Fact.LIMIT_RANGES, _SILENT, None)
        return
    containers = [(f"component {c.name}", c) for c in version.components]
    containers += [(name, run) for name, run in _runs(version)]  # type: ignore[misc] # a Container, whichever it is
    for limit_range in ranges:
        most = {item.resource: (item.amount, read(item.amount)) for item in limit_range.max}
        for who, container in containers:
            asked: Mapping[str, Decimal] = {
                "cpu": amount(container.resources.limits.cpu),
                "memory": amount(container.resources.limits.memory),
            } | {d.name: Decimal(d.count) for d in container.devices}
            for name, value in asked.items():
                said, limit = most.get(name, ("", None))
                if limit is not None and value > limit:
                    what = f"{written(value, bytes_=name == 'memory')} {name} for {who}"
                    yield CapabilityCheck(
                        what, measured=NOT_MET, why=f"LimitRange {limit_range.name} allows a container {said}"
                    )


# ---- all of them ----


def _kubernetes(needed: str, has: str) -> CapabilityCheck:
    what = f"Kubernetes {needed}"
    if not has:
        return CapabilityCheck(what, why="its version is not known yet")
    if _minor(has) < _minor(needed):
        return CapabilityCheck(what, measured=NOT_MET, why=f"the cluster has {has}")
    return CapabilityCheck(what, measured=MET)


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.lstrip("v").split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def checks(
    version: Version, capabilities: Capabilities | None, measured: MeasuredCapabilities, kubernetes_version: str
) -> tuple[CapabilityCheck, ...]:
    """All that a version needs, each with its verdicts; nothing where it asks for nothing.

    Args:
        version: of the app.
        capabilities: what the platform team declares.
        measured: what a look found.
        kubernetes_version: of the cluster; "" while that is not known.
    """
    required, wanted = version.platform_requirements, needs(version)
    found: list[CapabilityCheck] = []
    if required is not None and required.minimum_kubernetes_version is not None:
        found.append(_kubernetes(required.minimum_kubernetes_version, kubernetes_version))
    if not wanted.facts:
        return tuple(found)
    case = _Case(capabilities, measured)
    if wanted.architectures:
        found.append(_architecture(case, wanted.architectures))
    found += [_storage(case, mode) for mode in wanted.storage]
    if wanted.exposure:
        found.append(_exposure(case, wanted.exposure))
    if wanted.pod_security is not None:
        found.append(_pod_security(case, wanted.pod_security))
    found += [_device(case, need) for need in wanted.devices]
    found += _quota(case, version)
    found += _limits(case, version)
    return tuple(found)


def lacking(found: Iterable[CapabilityCheck]) -> tuple[str, ...]:
    """What the cluster lacks, one line each."""
    return tuple(str(c) for c in found if c.verdict is NOT_MET)


def doubtful(found: Iterable[CapabilityCheck]) -> tuple[str, ...]:
    """What nobody could tell, one line each."""
    return tuple(str(c) for c in found if c.verdict is UNKNOWN)


def pending(found: Iterable[CapabilityCheck]) -> bool:
    """Whether a look at the cluster may still tell what is not known."""
    return any(c.pending and c.verdict is UNKNOWN for c in found)
