"""Room in the namespace: ResourceQuotas and LimitRanges, against what a version asks for at its busiest."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from ddtas.api.listing import Version
from ddtas.api.volumes import Volume
from ddtas.api.workload import Container
from ddtas.plan.capabilities.check import NOT_MET, SILENT, CapabilityCheck, Case
from ddtas.plan.capabilities.needs import Fact, runs
from ddtas.plan.quantity import amount, read, written

Load = dict[str, Decimal]
# A quota may call the same thing otherwise.
_SAME = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    "count/pods": "pods",
    "count/persistentvolumeclaims": "persistentvolumeclaims",
}


def container_load(container: Container, replicas: int = 1) -> Load:
    """What pods of one container ask for, by the names that a ResourceQuota has."""
    resources = container.resources
    load = {
        "requests.cpu": amount(resources.requests.cpu),
        "requests.memory": amount(resources.requests.memory),
        "limits.cpu": amount(resources.limits.cpu),
        "limits.memory": amount(resources.limits.memory),
        "pods": Decimal(1),
    } | {f"requests.{d.name}": Decimal(d.count) for d in container.devices}
    return {name: replicas * value for name, value in load.items()}


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
    loads = {"while one revision replaces another": _sum((serving, serving, volumes))}
    for name, run in runs(version):
        loads[f"while it serves and {name} runs"] = _sum((serving, container_load(run), volumes))
    return loads


def _volume_load(volume: Volume) -> Load:
    return {"persistentvolumeclaims": Decimal(1), "requests.storage": amount(volume.size)}


def quota(case: Case, version: Version) -> Iterator[CapabilityCheck]:
    """What does not fit into a ResourceQuota of the namespace, or that these are not known."""
    quotas = case.measured.quotas
    if quotas is None:
        yield case.check("room in the quota of its namespace", Fact.QUOTAS, SILENT, None)
        return
    busiest: dict[str, tuple[Decimal, str]] = {}
    for moment, load in moments(version).items():
        for name, value in load.items():
            if name not in busiest or value > busiest[name][0]:
                busiest[name] = (value, moment)
    for quota in quotas:
        for item in quota.hard:
            needed, hard = busiest.get(_SAME.get(item.resource, item.resource)), read(item.amount)
            if needed is not None and hard is not None and needed[0] > hard:
                bytes_ = "memory" in item.resource or "storage" in item.resource
                what = f"{written(needed[0], bytes_=bytes_)} {item.resource} {needed[1]}"
                short = written(needed[0] - hard, bytes_=bytes_)
                yield CapabilityCheck(
                    what, measured=NOT_MET, why=f"ResourceQuota {quota.name} allows {item.amount}: {short} too little"
                )


def limits(case: Case, version: Version) -> Iterator[CapabilityCheck]:
    """What does not fit into a LimitRange of the namespace, or that these are not known."""
    ranges = case.measured.limit_ranges
    if ranges is None:
        yield case.check("room in the limits of its namespace", Fact.LIMIT_RANGES, SILENT, None)
        return
    containers = [(f"component {c.name}", c) for c in version.components]
    containers += [(name, run) for name, run in runs(version)]  # type: ignore[misc] # a Container, whichever it is
    for limit_range in ranges:
        most = {item.resource: (item.amount, read(item.amount)) for item in limit_range.max}
        for who, container in containers:
            needed: Mapping[str, Decimal] = {
                "cpu": amount(container.resources.limits.cpu),
                "memory": amount(container.resources.limits.memory),
            } | {d.name: Decimal(d.count) for d in container.devices}
            for name, value in needed.items():
                said, limit = most.get(name, ("", None))
                if limit is not None and value > limit:
                    what = f"{written(value, bytes_=name == 'memory')} {name} for {who}"
                    yield CapabilityCheck(
                        what, measured=NOT_MET, why=f"LimitRange {limit_range.name} allows a container {said}"
                    )
