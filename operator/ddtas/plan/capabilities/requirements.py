"""What a version needs of a cluster, against the capabilities of the cluster. Pure.

Each check has two verdicts, as in data binding: `declared` by the platform team (`spec.capabilities`) and `measured` by
a survey of the cluster. What is not met on either side is not met; else one side that meets it is enough. Where neither
can tell, the version is not refused, and what is not known is said.
"""

from collections.abc import Iterable, Sequence

from ddtas.api.base import Verdict
from ddtas.api.capabilities import AccessMode, Capabilities, Exposure, MeasuredCapabilities, PodSecurityLevel
from ddtas.api.listing import Version
from ddtas.plan.capabilities.check import MET, NOT_MET, SILENT, UNKNOWN, CapabilityCheck, Case, side
from ddtas.plan.capabilities.needs import DeviceNeed, Fact, needs
from ddtas.plan.capabilities.room import limits, quota


def checks(
    version: Version, capabilities: Capabilities | None, measured: MeasuredCapabilities, kubernetes_version: str
) -> tuple[CapabilityCheck, ...]:
    """All that a version needs, each with its verdicts; nothing where it asks for nothing.

    Args:
        version: of the app.
        capabilities: what the platform team side.
        measured: what the survey found.
        kubernetes_version: of the cluster; "" while that is not known.
    """
    required, wanted = version.platform_requirements, needs(version)
    made: list[CapabilityCheck] = []
    if required is not None and required.minimum_kubernetes_version is not None:
        made.append(_kubernetes(required.minimum_kubernetes_version, kubernetes_version))
    if not wanted.facts:
        return tuple(made)
    case = Case(capabilities, measured)
    if wanted.architectures:
        made.append(_architecture(case, wanted.architectures))
    made += [_storage(case, mode) for mode in wanted.storage]
    if wanted.exposure:
        made.append(_exposure(case, wanted.exposure))
    if wanted.pod_security is not None:
        made.append(_pod_security(case, wanted.pod_security))
    made += [_device(case, need) for need in wanted.devices]
    made += quota(case, version)
    made += limits(case, version)
    return tuple(made)


def lacking(checked: Iterable[CapabilityCheck]) -> tuple[str, ...]:
    """What the cluster lacks, one line each."""
    return tuple(str(c) for c in checked if c.verdict is NOT_MET)


def doubtful(checked: Iterable[CapabilityCheck]) -> tuple[str, ...]:
    """What nobody could tell, one line each."""
    return tuple(str(c) for c in checked if c.verdict is UNKNOWN)


def pending(checked: Iterable[CapabilityCheck]) -> bool:
    """Whether a survey of the cluster may still tell what is not known."""
    return any(c.pending and c.verdict is UNKNOWN for c in checked)


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


def _architecture(case: Case, wanted: Sequence[str]) -> CapabilityCheck:
    declared, measured = case.capabilities.architectures, case.measured.architectures
    return case.check(
        f"nodes of {' or '.join(wanted)}",
        Fact.NODES,
        side(
            None if declared is None else bool(set(wanted) & set(declared)),
            f"spec.capabilities.architectures has {_list(declared)}",
        ),
        None
        if measured is None
        else side(bool(set(wanted) & set(measured)), f"the nodes are of {_list(measured, 'no architecture')}"),
    )


def _storage(case: Case, mode: AccessMode) -> CapabilityCheck:
    """A StorageClass does not say how its volumes may be mounted: that is declared, of classes that are there."""
    declared, measured = case.capabilities.storage_classes, case.measured.storage_classes
    named = [c.name for c in declared or () if mode in c.access_modes]
    by_survey: tuple[Verdict, str] | None = None
    if measured is not None:
        names = [c.name for c in measured]
        by_survey = (
            UNKNOWN,
            "a StorageClass does not say how its volumes may be mounted: name one in spec.capabilities.storageClasses",
        )
        if not names:
            by_survey = (NOT_MET, "the cluster has no StorageClass")
        elif named and not set(named) & set(names):
            by_survey = (
                NOT_MET,
                f"spec.capabilities names StorageClass {_list(named)}, the cluster has {_list(names)}",
            )
    return case.check(
        f"{mode} storage",
        Fact.STORAGE_CLASSES,
        side(None if declared is None else bool(named), f"no class of spec.capabilities.storageClasses has {mode}"),
        by_survey,
    )


def _exposure(case: Case, wanted: Sequence[Exposure]) -> CapabilityCheck:
    """One way is enough: that which holds best."""
    ways = [_way_in(case, way) for way in wanted]
    what = f"{' or '.join(wanted)} classes" if len(wanted) > 1 else ways[0].needs
    for verdict in (MET, UNKNOWN):
        best = [c for c in ways if c.verdict is verdict]
        if best:
            pending = any(c.pending for c in best) and verdict is UNKNOWN
            return CapabilityCheck(what, best[0].declared, best[0].measured, best[0].why, pending)
    return CapabilityCheck(what, ways[0].declared, ways[0].measured, "; ".join(c.why for c in ways))


def _way_in(case: Case, way: Exposure) -> CapabilityCheck:
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
    by_survey: tuple[Verdict, str] | None = None
    if measured is not None:
        if declared and measured and not set(declared) & set(measured):
            by_survey = (
                NOT_MET,
                f"spec.capabilities names {kind} {_list(declared)}, the cluster has {_list(measured)}",
            )
        else:
            by_survey = (MET, "") if measured else (NOT_MET, f"the cluster has no {kind}")
    return case.check(
        f"an {kind}" if way is Exposure.INGRESS else f"a {kind}",
        fact,
        side(None if declared is None else bool(declared), f"spec.capabilities.{field} is empty"),
        by_survey,
    )


def _pod_security(case: Case, wanted: PodSecurityLevel) -> CapabilityCheck:
    declared, measured = case.capabilities.pod_security, case.measured.pod_security
    return case.check(
        f"a namespace that enforces Pod Security {wanted}",
        Fact.POD_SECURITY,
        side(None if declared is None else declared.covers(wanted), f"spec.capabilities.podSecurity is {declared}"),
        None if measured is None else side(measured.covers(wanted), f"it enforces {measured}"),
    )


def _device(case: Case, need: DeviceNeed) -> CapabilityCheck:
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
        SILENT
        if declared is None
        else compare(((d.name, d.on_one_node, d.count) for d in declared), " by spec.capabilities.devices"),
        None if measured is None else compare(((d.name, d.on_one_node, d.count) for d in measured), ""),
    )


def _list(names: Iterable[str] | None, none: str = "none") -> str:
    listed = list(names or ())
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more or none
