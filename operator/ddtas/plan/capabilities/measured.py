"""From what an API server answers to the capabilities of a cluster. Pure.

A city's own cluster may answer anything: names are checked, numbers are read, and there is a bound to everything. What
does not fit is left out, or said to be unknown.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ddtas.api.capabilities import (
    Amount,
    DeviceCapacity,
    MeasuredCapabilities,
    MeasuredLimitRange,
    MeasuredQuota,
    MeasuredStorageClass,
    PodSecurityLevel,
)
from ddtas.data.measured import UnknownFact
from ddtas.plan.capabilities.needs import ARCHITECTURE_LABEL, Fact
from ddtas.plan.quantity import read

# Fields of MeasuredCapabilities; or why they are not known.
Answer = dict[str, Any] | str

POD_SECURITY_LABEL = "pod-security.kubernetes.io/enforce"

_OS_LABEL = "kubernetes.io/os"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ARCHITECTURE = re.compile(r"[a-z0-9]{1,16}")
_DEVICE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,50}[A-Za-z0-9])?")
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_MOST_CLASSES, _MOST_DEVICES, _MOST_ARCHITECTURES, _MOST_IN_A_NAMESPACE = 64, 64, 8, 16
_MOST_AMOUNTS = 64
_MOST_COUNTED = 1_000_000
# What pods of ours are: they have requests and limits, and no deadline of their own. A quota that is for other pods
# only, or for those of a priority, is none for us that could be told.
_OUR_SCOPES = frozenset({"NotBestEffort", "NotTerminating"})
_RESOURCES = frozenset(
    {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods", "count/pods"}
)


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _name(item: object) -> str:
    name = _map(_map(item).get("metadata")).get("name")
    return name if isinstance(name, str) and _NAME.fullmatch(name) else ""


def _too_many(what: str, most: int) -> str:
    return f"the cluster has more than {most} {what}, which is more than is kept: declare those that count"


def storage_classes(items: Sequence[object]) -> Answer:
    """Of all StorageClasses."""
    classes = {}
    for item in items:
        annotations = _map(_map(_map(item).get("metadata")).get("annotations"))
        if name := _name(item):
            classes[name] = MeasuredStorageClass(name=name, default=annotations.get(_DEFAULT_CLASS) == "true")
    if len(classes) > _MOST_CLASSES:
        return _too_many("storage classes", _MOST_CLASSES)
    return {"storage_classes": tuple(classes[name] for name in sorted(classes))}


def _classes(into: str, what: str) -> Callable[[Sequence[object]], Answer]:
    def answer(items: Sequence[object]) -> Answer:
        names = sorted({name for item in items if (name := _name(item))})
        return {into: tuple(names)} if len(names) <= _MOST_CLASSES else _too_many(what, _MOST_CLASSES)

    return answer


def nodes(items: Sequence[object]) -> Answer:
    """Of all nodes that run Linux: their architectures and devices.

    Their capacity counts, whether a node is ready now or not: a drained node is no reason to refuse an app.
    """
    architectures: set[str] = set()
    devices: dict[str, list[int]] = {}
    for item in items:
        status, labels = _map(_map(item).get("status")), _map(_map(_map(item).get("metadata")).get("labels"))
        if labels.get(_OS_LABEL) not in (None, "linux"):
            continue
        architecture = labels.get(ARCHITECTURE_LABEL)  # which is what pods are sent there by
        if isinstance(architecture, str) and _ARCHITECTURE.fullmatch(architecture):
            architectures.add(architecture)
        for name, amount in _map(status.get("capacity")).items():
            count = int(min(read(amount) or Decimal(0), Decimal(_MOST_COUNTED)))
            if count > 0 and _is_device(name):
                devices.setdefault(name, []).append(count)
    if len(devices) > _MOST_DEVICES:
        return _too_many("kinds of devices", _MOST_DEVICES)
    if len(architectures) > _MOST_ARCHITECTURES:
        return _too_many("architectures", _MOST_ARCHITECTURES)
    return {
        "architectures": tuple(sorted(architectures)),
        "devices": tuple(
            DeviceCapacity(name=name, count=min(sum(counts), _MOST_COUNTED), per_node=max(counts))
            for name, counts in sorted(devices.items())
        ),
    }


def _is_device(name: object) -> bool:
    if not isinstance(name, str) or "kubernetes.io/" in name or name.startswith("requests."):
        return False
    return len(name) <= 120 and _DEVICE.fullmatch(name) is not None


def pod_security(namespaces: Sequence[object]) -> Answer:
    """Of one namespace. Without a label the API server has a default of its own, which nobody can ask it for."""
    labels = _map(_map(_map(next(iter(namespaces), None)).get("metadata")).get("labels"))
    level = labels.get(POD_SECURITY_LABEL)
    if level in list(PodSecurityLevel):
        return {"pod_security": PodSecurityLevel(level)}
    lacks = "has no label" if level is None else "has a label that means nothing,"
    return f"the namespace {lacks} {POD_SECURITY_LABEL}: set it, or declare spec.capabilities.podSecurity"


def quotas(items: Sequence[object]) -> Answer:
    """Of the ResourceQuotas of one namespace: those that count for pods like ours."""
    by_name = {}
    for item in items:
        spec = _map(_map(item).get("spec"))
        if _is_ours(spec) and (name := _name(item)):
            by_name[name] = MeasuredQuota(name=name, hard=_amounts(_map(spec.get("hard"))))
    if len(by_name) > _MOST_IN_A_NAMESPACE:
        return f"the namespace has more than {_MOST_IN_A_NAMESPACE} ResourceQuotas"
    return {"quotas": tuple(by_name[name] for name in sorted(by_name) if by_name[name].hard)}


def _is_ours(spec: Mapping[str, Any]) -> bool:
    scopes: list[object] = list(_items(spec.get("scopes")))
    for expression in _items(_map(spec.get("scopeSelector")).get("matchExpressions")):
        scopes.append(_map(expression).get("scopeName") if _map(expression).get("operator") == "Exists" else None)
    return all(isinstance(scope, str) and scope in _OUR_SCOPES for scope in scopes)


def _amounts(amounts: Mapping[str, Any]) -> tuple[Amount, ...]:
    """Those that pods like ours can ask for."""
    countable = [
        Amount(resource=name, amount=value)
        for name, value in amounts.items()
        if isinstance(name, str) and read(value) is not None and _counts(name)
    ]
    return tuple(sorted(countable, key=lambda a: a.resource)[:_MOST_AMOUNTS])


def _counts(resource: str) -> bool:
    return resource in _RESOURCES or _is_device(resource.removeprefix("requests."))


def limit_ranges(items: Sequence[object]) -> Answer:
    """Of the LimitRanges of one namespace. A pod of ours has one container: a limit for pods is one for containers."""
    by_name = {}
    for item in items:
        most: dict[str, str] = {}
        for limit in _items(_map(_map(item).get("spec")).get("limits")):
            if _map(limit).get("type") not in ("Container", "Pod"):
                continue
            for name, value in _map(_map(limit).get("max")).items():
                amount, least = read(value), read(most.get(name))
                if amount is not None and (least is None or amount < least):
                    most[name] = value
        name = _name(item)
        if name and most:
            by_name[name] = MeasuredLimitRange(name=name, max=_amounts(most))
    if len(by_name) > _MOST_IN_A_NAMESPACE:
        return f"the namespace has more than {_MOST_IN_A_NAMESPACE} LimitRanges"
    return {"limit_ranges": tuple(by_name[name] for name in sorted(by_name) if by_name[name].max)}


# What each fact is read from. Those of a namespace are read for one at a time.
READERS: Mapping[Fact, Callable[[Sequence[object]], Answer]] = {
    Fact.STORAGE_CLASSES: storage_classes,
    Fact.INGRESS_CLASSES: _classes("ingress_classes", "ingress classes"),
    Fact.GATEWAY_CLASSES: _classes("gateway_classes", "gateway classes"),
    Fact.NODES: nodes,
    Fact.POD_SECURITY: pod_security,
    Fact.QUOTAS: quotas,
    Fact.LIMIT_RANGES: limit_ranges,
}
OF_A_NAMESPACE = frozenset({Fact.POD_SECURITY, Fact.QUOTAS, Fact.LIMIT_RANGES})


# The fields of MeasuredCapabilities that each fact gives.
_FIELDS: Mapping[Fact, tuple[str, ...]] = {
    Fact.STORAGE_CLASSES: ("storage_classes",),
    Fact.INGRESS_CLASSES: ("ingress_classes",),
    Fact.GATEWAY_CLASSES: ("gateway_classes",),
    Fact.NODES: ("architectures", "devices"),
    Fact.POD_SECURITY: ("pod_security",),
    Fact.QUOTAS: ("quotas",),
    Fact.LIMIT_RANGES: ("limit_ranges",),
}
_KEPT = frozenset({_DEFAULT_CLASS, _OS_LABEL, ARCHITECTURE_LABEL, POD_SECURITY_LABEL})


def trimmed(fact: Fact, item: object) -> dict[str, Any]:
    """What counts of an object, so that a long list of large ones takes little room: a node has many kilobytes."""
    metadata, status = _map(_map(item).get("metadata")), _map(_map(item).get("status"))
    kept: dict[str, Any] = {key: metadata[key] for key in ("name", "namespace") if _is_short(metadata.get(key))}
    for marks in ("labels", "annotations"):
        kept[marks] = {k: v for k, v in _map(metadata.get(marks)).items() if k in _KEPT and _is_short(v)}
    kept_object: dict[str, Any] = {"metadata": kept}
    if fact in (Fact.QUOTAS, Fact.LIMIT_RANGES):
        kept_object["spec"] = _map(item).get("spec")
    if fact is Fact.NODES:
        capacity = [(k, v) for k, v in _map(status.get("capacity")).items() if _is_device(k) and _is_short(v)]
        kept_object["status"] = {"capacity": dict(capacity[: _MOST_DEVICES + 1])}
    return kept_object


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 253


def answer(fact: Fact, items: Sequence[object]) -> Answer:
    """What a list of objects says."""
    try:
        return READERS[fact](items)
    except (ValueError, ArithmeticError):  # nothing is known to lead here: it must not end a survey all the same
        return "what the cluster answered cannot be read"


@dataclass(frozen=True)
class Survey:
    """What one survey of a cluster found.

    Attributes:
        facts: what was surveyed.
        namespaces: for which.
        answers: by fact and namespace; "" where that is all the same.
        troubles: what was asked for more than once and did not answer, and how. What it answered before still stands.
        complete: nothing went wrong.
    """

    facts: frozenset[Fact] = frozenset()
    namespaces: frozenset[str] = frozenset()
    answers: Mapping[tuple[Fact, str], Answer] = field(default_factory=dict)
    troubles: Mapping[Fact, str] = field(default_factory=dict)
    complete: bool = True

    def covers(self, facts: frozenset[Fact], namespaces: Iterable[str]) -> bool:
        """Whether these are what was surveyed."""
        return facts == self.facts and (not facts or frozenset(namespaces) == self.namespaces)

    def of(self, namespace: str, remembered: MeasuredCapabilities | None = None) -> MeasuredCapabilities | None:
        """The capabilities for workloads in a namespace; None where that was not surveyed.

        Args:
            namespace: theirs.
            remembered: what was known before a restart, which stands in for what has not answered since.
        """
        if not self.facts:
            return MeasuredCapabilities()
        if namespace not in self.namespaces:
            return None
        fields: dict[str, Any] = {}
        unknown: list[UnknownFact] = []
        for fact in Fact:
            answered = self.answers.get((fact, namespace if fact in OF_A_NAMESPACE else ""))
            if isinstance(answered, str):
                unknown.append(UnknownFact(fact=fact, reason=answered[:200]))
            elif answered is not None:
                fields |= answered
            elif fact in self.facts:
                before = {name: getattr(remembered, name, None) for name in _FIELDS[fact]}
                fields |= {name: value for name, value in before.items() if value is not None}
                said = remembered.why_unknown(fact) if remembered is not None else None
                said = said or (None if any(v is not None for v in before.values()) else self.troubles.get(fact))
                unknown += [UnknownFact(fact=fact, reason=said)] if said is not None else []
        return MeasuredCapabilities(**fields, unknown=tuple(unknown))
