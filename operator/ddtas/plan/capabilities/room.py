"""Room in the namespace: ResourceQuotas and LimitRanges, against what a version asks for at its busiest."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from ddtas.api.listing import Version
from ddtas.api.volumes import Volume
from ddtas.api.workload import Component, Container, ResourceList, Resources
from ddtas.plan.capabilities.check import NOT_MET, SILENT, CapabilityCheck, Case
from ddtas.plan.capabilities.needs import Fact, runs
from ddtas.plan.quantity import amount, read, written

RUNNER_RESOURCES = Resources(
    requests=ResourceList(cpu="50m", memory="128Mi"),
    limits=ResourceList(cpu="1", memory="1Gi"),
)
"""Of the container that fetches data: it streams, and needs the more memory for what a source has out of order."""
_RUNNER = "the container that fetches its data"
Load = dict[str, Decimal]
# A quota may call the same thing otherwise.
_SAME = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    "count/pods": "pods",
    "count/persistentvolumeclaims": "persistentvolumeclaims",
}


def run_load(run: Container, fetched: bool) -> Load:
    """What the pod of a run asks for: its data is fetched before, so that the larger of the two counts."""
    load, own = container_load(run), _amounts(RUNNER_RESOURCES) if fetched else {}
    return load | {name: max(load[name], value) for name, value in own.items()}


def serving_load(version: Version) -> Load:
    """What the pods of all components ask for; what keeps their data fresh runs beside them."""
    return _sum(_component_load(c, fetches(c, version)) for c in version.components)


def _component_load(component: Component, fetched: bool) -> Load:
    load, replicas = container_load(component), component.replicas or 1
    together = _sum((load, _amounts(RUNNER_RESOURCES))) if fetched else load
    return {name: replicas * value for name, value in together.items()}


def container_load(container: Container) -> Load:
    """What a pod of one container asks for, by the names that a ResourceQuota has."""
    devices = {f"requests.{d.name}": Decimal(d.count) for d in container.devices}
    return _amounts(container.resources) | {"pods": Decimal(1)} | devices


def _amounts(resources: Resources) -> Load:
    return {
        "requests.cpu": amount(resources.requests.cpu),
        "requests.memory": amount(resources.requests.memory),
        "limits.cpu": amount(resources.limits.cpu),
        "limits.memory": amount(resources.limits.memory),
    }


def fetches(container: Container, version: Version) -> bool:
    """Whether a container gets any data as files, so that the operator's own container is in its pod."""
    return any(r.files and container.gets(r.name) for r in version.data_requirements)


def _sum(loads: Iterable[Load]) -> Load:
    total: Load = {}
    for load in loads:
        for name, value in load.items():
            total[name] = total.get(name, Decimal(0)) + value
    return total


def moments(version: Version) -> dict[str, Load]:
    """What a version asks for at its busiest moments: an upgrade and a recalibration stand beside what serves."""
    serving = serving_load(version)
    volumes = _sum(_volume_load(v) for c in version.components for v in c.volumes)  # all revisions share them
    loads = {"while one revision replaces another": _sum((serving, serving, volumes))}
    for name, run in runs(version):
        loads[f"while it serves and {name} runs"] = _sum((serving, run_load(run, fetches(run, version)), volumes))
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
    containers: list[tuple[str, Container]] = [(f"component {c.name}", c) for c in version.components]
    containers += [(name, run) for name, run in runs(version)]
    if any(fetches(container, version) for _, container in containers):
        containers.append((_RUNNER, Container(image="runner", resources=RUNNER_RESOURCES)))
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
