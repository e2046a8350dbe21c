"""What a version needs of a cluster against what is declared and measured: every check, and what it does to an app."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from builders import City, listing_body, version
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ddtas.api.base import Verdict
from ddtas.api.capabilities import Capabilities, Device, DeviceName, MeasuredCapabilities
from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan.capabilities.check import CapabilityCheck
from ddtas.plan.capabilities.measured import READERS, Survey, answer
from ddtas.plan.capabilities.needs import Fact, needs
from ddtas.plan.capabilities.requirements import checks, pending
from ddtas.plan.capabilities.room import moments
from ddtas.plan.decision.catalogue import capabilities_finding, fit, hypothetical
from ddtas.plan.decision.situation import Situation
from ddtas.plan.reasons import Reason
from ddtas.plan.status.platform import platform_status

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
LISTED = listing_body()["spec"]["versions"][0]
GPU = "nvidia.com/gpu"
UNTOLD = {"unknown": [{"fact": fact, "reason": "no right to look"} for fact in Fact]}
NO_QUOTA: dict[str, Any] = {"quotas": [], "limitRanges": []}


def with_devices(*devices: dict[str, Any], replicas: int = 1, run: int = 0) -> dict[str, Any]:
    """Changes of the example's version: devices of its component, and of its calibration."""
    component = LISTED["components"][0] | {"devices": list(devices), "replicas": replicas}
    found: dict[str, Any] = {"components": [component], "platformRequirements": None}
    if run:
        found["calibration"] = LISTED["calibration"] | {"devices": [{"name": GPU, "count": run}]}
    return found


def asks(**required: Any) -> dict[str, Any]:
    return {"platformRequirements": required}


def gpu(count: int = 1) -> dict[str, Any]:
    return {"name": GPU, "count": count}


def judged(
    change: dict[str, Any], declared: dict[str, Any] | None, measured: dict[str, Any]
) -> tuple[CapabilityCheck, ...]:
    capabilities = Capabilities.model_validate(declared) if declared is not None else None
    return checks(version(**change), capabilities, MeasuredCapabilities.model_validate(NO_QUOTA | measured), "1.36")


ARM, AMD = asks(architectures=["arm64"]), asks(architectures=["amd64", "arm64"])
RWX, RWO_RWX = asks(storage=["ReadWriteMany"]), asks(storage=["ReadWriteOnce", "ReadWriteMany"])
INGRESS, EITHER = asks(exposure=["Ingress"]), asks(exposure=["Ingress", "Gateway"])
RESTRICTED, BASELINE = asks(podSecurity="restricted"), asks(podSecurity="baseline")
NFS = {"storageClasses": [{"name": "nfs", "accessModes": ["ReadWriteMany"]}]}
DISK = {"storageClasses": [{"name": "disk", "accessModes": ["ReadWriteOnce"]}]}


def classes(*names: str) -> dict[str, Any]:
    return {"storageClasses": [{"name": name} for name in names]}


def node(count: int, per_node: int | None = None, name: str = GPU) -> dict[str, Any]:
    return {"devices": [{"name": name, "count": count} | ({"perNode": per_node} if per_node is not None else {})]}


# id: what is asked, declared, measured → verdict, a part of what is said
VERDICTS: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any], Verdict, str]] = {
    "architecture: there": (ARM, None, {"architectures": ["amd64", "arm64"]}, MET, ""),
    "architecture: one is enough": (AMD, None, {"architectures": ["amd64"]}, MET, ""),
    "architecture: not there": (
        ARM, None, {"architectures": ["amd64"]}, NOT_MET, "needs nodes of arm64, the nodes are of amd64"),
    "architecture: no node": (ARM, None, {"architectures": []}, NOT_MET, "no architecture"),
    "architecture: declared": (ARM, {"architectures": ["arm64"]}, UNTOLD, MET, ""),
    "architecture: declared, but otherwise": (
        ARM, {"architectures": ["arm64"]}, {"architectures": ["amd64"]}, NOT_MET, "the nodes are of amd64"),
    "architecture: withheld": (
        ARM, {"architectures": ["amd64"]}, {"architectures": ["arm64"]}, NOT_MET,
        "spec.capabilities.architectures has amd64"),
    "architecture: nobody knows": (ARM, None, UNTOLD, UNKNOWN, "needs nodes of arm64: no right to look"),
    "storage: a class does not tell": (
        RWX, None, classes("nfs"), UNKNOWN, "name one in spec.capabilities.storageClasses"),
    "storage: declared of one that is there": (RWX, NFS, classes("disk", "nfs"), MET, ""),
    "storage: declared of one that is not": (
        RWX, NFS, classes("disk"), NOT_MET, "spec.capabilities names StorageClass nfs, the cluster has disk"),
    "storage: none at all": (
        RWX, NFS, classes(), NOT_MET, "needs ReadWriteMany storage, the cluster has no StorageClass"),
    "storage: declared otherwise": (
        RWX, DISK, classes("disk"), NOT_MET, "no class of spec.capabilities.storageClasses has"),
    "storage: declared, not seen": (RWX, NFS, UNTOLD, MET, ""),
    "storage: declared that there is none": (
        RWX, {"storageClasses": []}, UNTOLD, NOT_MET, "no class of spec.capabilities"),
    "ingress: there": (INGRESS, None, {"ingressClasses": ["nginx"]}, MET, ""),
    "ingress: not there": (
        INGRESS, None, {"ingressClasses": []}, NOT_MET, "needs an IngressClass, the cluster has no IngressClass"),
    "ingress: declared another": (
        INGRESS, {"ingressClasses": ["traefik"]}, {"ingressClasses": ["nginx"]}, NOT_MET, "names IngressClass traefik"),
    "ingress: withheld": (
        INGRESS, {"ingressClasses": []}, {"ingressClasses": ["nginx"]}, NOT_MET,
        "spec.capabilities.ingressClasses is empty"),
    "either: the other": (EITHER, None, {"ingressClasses": [], "gatewayClasses": ["istio"]}, MET, ""),
    "either: none": (
        EITHER, None, {"ingressClasses": [], "gatewayClasses": []}, NOT_MET, "no IngressClass; the cluster has no Gat"),
    "either: one is withheld, the other not there": (
        EITHER, {"ingressClasses": []}, {"ingressClasses": ["nginx"], "gatewayClasses": []}, NOT_MET, "is empty"),
    "either: one may be": (
        EITHER, None,
        {"ingressClasses": [], "unknown": [{"fact": "gatewayClasses", "reason": "why"}]}, UNKNOWN, "why"),
    "pod security: as strict": (RESTRICTED, None, {"podSecurity": "restricted"}, MET, ""),
    "pod security: stricter": (BASELINE, None, {"podSecurity": "restricted"}, MET, ""),
    "pod security: laxer": (RESTRICTED, None, {"podSecurity": "baseline"}, NOT_MET, "restricted, it enforces baseline"),
    "pod security: declared": (RESTRICTED, {"podSecurity": "restricted"}, UNTOLD, MET, ""),
    "pod security: declared laxer": (
        RESTRICTED, {"podSecurity": "baseline"}, UNTOLD, NOT_MET, "spec.capabilities.podSecurity is baseline"),
    "device: there": (with_devices(gpu()), None, node(1), MET, ""),
    "device: none": (
        with_devices(gpu()), None, node(1, name="amd.com/gpu"), NOT_MET, f"needs 1 {GPU}, no node has one"),
    "device: on two nodes, needed on one": (
        with_devices(gpu(2)), None, node(2, 1), NOT_MET, f"needs 2 {GPU}, the most that a node has is 1"),
    "device: not for all replicas": (
        with_devices(gpu(), replicas=3), None, node(2), NOT_MET,
        f"needs 3 {GPU}, 1 on one node, all nodes together have 2"),
    "device: for a run": (with_devices(run=4), None, node(2), NOT_MET, f"needs 4 {GPU}, the most that a node has is 2"),
    "device: a run does not wait for the components": (with_devices(gpu(), run=2), None, node(2), MET, ""),
    "device: declared": (with_devices(gpu()), node(4, 2), UNTOLD, MET, ""),
    "device: declared too few": (
        with_devices(gpu()), {"devices": []}, node(4), NOT_MET, "by spec.capabilities.devices"),
    "device: nobody knows": (with_devices(gpu()), None, UNTOLD, UNKNOWN, f"needs 1 {GPU}: no right to look"),
}  # fmt: skip


@pytest.mark.parametrize("case", VERDICTS)
def test_each_check(case: str) -> None:
    change, declared, measured, verdict, said = VERDICTS[case]
    (found,) = [
        c for c in judged(change, declared, measured) if "in the quota" not in c.needs and "limits of" not in c.needs
    ]
    assert (found.verdict, found.pending) == (verdict, False), found
    assert said in str(found)
    assert bool(found.why) == (verdict is not MET)


def test_each_way_of_mounting_is_a_check_of_its_own() -> None:
    found = judged(RWO_RWX, DISK, classes("disk"))
    assert [(c.needs, c.verdict) for c in found] == [("ReadWriteOnce storage", MET), ("ReadWriteMany storage", NOT_MET)]


@pytest.mark.parametrize("change", [ARM, RWX, EITHER, RESTRICTED, with_devices(gpu())])
def test_what_was_not_looked_at_is_pending_and_a_declaration_settles_it(change: dict[str, Any]) -> None:
    found = checks(version(**change), None, MeasuredCapabilities(), "1.36")
    assert pending(found)
    assert {c.verdict for c in found} == {UNKNOWN}
    full = {
        "architectures": ["arm64"], "ingressClasses": ["a"], "podSecurity": "restricted", **NFS, **node(9)
    }  # fmt: skip
    seen = MeasuredCapabilities.model_validate(NO_QUOTA)
    assert not pending(checks(version(**change), Capabilities.model_validate(full), seen, "1.36"))


# ---- what a version needs ----


def test_a_version_that_asks_for_nothing_needs_no_look() -> None:
    for change in (asks(), {"platformRequirements": None}):
        assert needs(version(**change)).facts == frozenset()
        assert checks(version(**change), None, MeasuredCapabilities(), "1.36") == ()


@pytest.mark.parametrize(
    ("has", "verdict", "said"),
    [
        ("1.36", MET, ""),
        ("1.35+", MET, ""),
        ("1.34", NOT_MET, "needs Kubernetes 1.35, the cluster has 1.34"),
        ("", UNKNOWN, "needs Kubernetes 1.35: its version is not known yet"),
    ],
)
def test_the_version_of_kubernetes_is_known_without_a_look(has: str, verdict: Verdict, said: str) -> None:
    asking = version(**asks(minimumKubernetesVersion="1.35"))
    assert needs(asking).facts == frozenset()
    (found,) = checks(asking, None, MeasuredCapabilities(), has)
    assert (found.verdict, found.pending) == (verdict, False)
    assert said == ("" if verdict is MET else str(found))


QUOTA = {Fact.QUOTAS, Fact.LIMIT_RANGES}


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (ARM, {Fact.NODES}),
        (RWX, {Fact.STORAGE_CLASSES}),
        (INGRESS, {Fact.INGRESS_CLASSES}),
        (EITHER, {Fact.INGRESS_CLASSES, Fact.GATEWAY_CLASSES}),
        (BASELINE, {Fact.POD_SECURITY}),
        (with_devices(run=1), {Fact.NODES}),
    ],
)
def test_only_what_is_asked_for_is_looked_at(change: dict[str, Any], facts: set[Fact]) -> None:
    assert needs(version(**change)).facts == facts | QUOTA


@pytest.mark.parametrize(
    "name", ["gpu", "kubernetes.io/gpu", "x.kubernetes.io/gpu", "requests.nvidia.com/gpu", "A.b/c"]
)
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Device).validate_python({"name": name, "count": 1})


# ---- quota ----


def load(cpu: str, memory: str = "64Mi") -> dict[str, Any]:
    amounts = {"cpu": cpu, "memory": memory}
    return {"resources": {"requests": amounts, "limits": amounts}}


def sized(component: str = "1", calibration: str = "1", replicas: int = 1, **more: Any) -> dict[str, Any]:
    """A version that asks for an architecture, and so much."""
    return {
        "components": [LISTED["components"][0] | load(component) | {"replicas": replicas}],
        "calibration": LISTED["calibration"] | load(calibration),
        "validation": LISTED["validation"] | load("100m"),
        "monitoring": None,
        **asks(architectures=["amd64"]),
        **more,
    }


def dotted(name: str) -> str:
    return name.replace("__", "/").replace("_", ".")


def quota(name: str = "small", /, **hard: str) -> dict[str, Any]:
    return {
        "name": name,
        "hard": [{"resource": dotted(r), "amount": a} for r, a in hard.items()],
    }


def limits(**most: str) -> dict[str, Any]:
    return {"name": "box", "max": [{"resource": r, "amount": a} for r, a in most.items()]}


# id: version, quotas, limit ranges → lines of what is lacking
ROOM: dict[str, tuple[dict[str, Any], list[Any], list[Any], list[str]]] = {
    "no quota": (sized(), [], [], []),
    "just enough": (sized(), [quota(requests_cpu="2", limits_cpu="2", pods="2")], [], []),
    "two revisions side by side": (sized(), [quota(requests_cpu="1500m")], [], [
        "needs 2 requests.cpu while one revision replaces another, ResourceQuota small allows 1500m: 500m too little"]),
    "the other name": (sized(), [quota(cpu="1")], [], [
        "needs 2 cpu while one revision replaces another, ResourceQuota small allows 1: 1 too little"]),
    "a large run": (sized(calibration="4"), [quota(limits_cpu="4")], [], [
        "needs 5 limits.cpu while it serves and calibration runs, ResourceQuota small allows 4: 1 too little"]),
    "replicas": (sized(replicas=3), [quota(pods="5")], [], [
        "needs 6 pods while one revision replaces another, ResourceQuota small allows 5: 1 too little"]),
    "counted pods": (sized(), [quota(count__pods="1")], [], [
        "needs 2 count/pods while one revision replaces another, ResourceQuota small allows 1: 1 too little"]),
    "memory": (sized(), [quota(requests_memory="100Mi")], [], [
        "needs 128Mi requests.memory while one revision replaces another, "
        "ResourceQuota small allows 100Mi: 28Mi too little"]),
    "two quotas": (sized(), [quota("a", limits_cpu="1"), quota("b", limits_cpu="9")], [], [
        "needs 2 limits.cpu while one revision replaces another, ResourceQuota a allows 1: 1 too little"]),
    "what cannot be read": (sized(), [quota(limits_cpu="none")], [], []),
    "a limit": (sized(calibration="4"), [], [limits(cpu="2")], [
        "needs 4 cpu for calibration, LimitRange box allows a container 2"]),
    "a limit that is kept": (sized(), [], [limits(cpu="1", memory="64Mi")], []),
    "both": (sized(), [quota(pods="1")], [limits(memory="32Mi")], [
        "needs 2 pods while one revision replaces another, ResourceQuota small allows 1: 1 too little",
        "needs 64Mi memory for component web, LimitRange box allows a container 32Mi",
        "needs 64Mi memory for calibration, LimitRange box allows a container 32Mi",
        "needs 64Mi memory for validation, LimitRange box allows a container 32Mi"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ROOM)
def test_quota_and_limits(case: str) -> None:
    change, quotas, ranges, lines = ROOM[case]
    measured = {"architectures": ["amd64"], "quotas": quotas, "limitRanges": ranges}
    assert [str(c) for c in judged(change, None, measured) if c.verdict is not MET] == lines


def test_revisions_share_their_volumes() -> None:
    volumes = [{"name": name, "mountPath": f"/{name}", "size": "2Gi"} for name in ("data", "index")]
    change = sized()
    change["components"] = [change["components"][0] | {"volumes": volumes}]
    tight = quota(persistentvolumeclaims="1", requests_storage="3Gi")
    found = judged(change, None, {"architectures": ["amd64"], "quotas": [tight], "limitRanges": []})
    assert [str(c) for c in found if c.verdict is NOT_MET] == [
        "needs 2 persistentvolumeclaims while one revision replaces another, "
        "ResourceQuota small allows 1: 1 too little",
        "needs 4Gi requests.storage while one revision replaces another, "
        "ResourceQuota small allows 3Gi: 1Gi too little",
    ]
    enough = quota(persistentvolumeclaims="2", requests_storage="4Gi")
    found = judged(change, None, {"architectures": ["amd64"], "quotas": [enough], "limitRanges": []})
    assert [c for c in found if c.verdict is NOT_MET] == []


def test_devices_count_for_quota() -> None:
    change = with_devices(gpu(), replicas=2)
    found = judged(
        change, None, node(9) | {"quotas": [{"name": "q", "hard": [{"resource": f"requests.{GPU}", "amount": "3"}]}]}
    )
    assert [str(c) for c in found if c.verdict is NOT_MET] == [
        f"needs 4 requests.{GPU} while one revision replaces another, ResourceQuota q allows 3: 1 too little"
    ]
    found = judged(change, None, node(9) | {"limitRanges": [limits(**{GPU: "0"})]})
    assert [str(c) for c in found if c.verdict is NOT_MET] == [
        f"needs 1 {GPU} for component web, LimitRange box allows a container 0"
    ]


def test_every_moment_is_as_busy_as_what_serves() -> None:
    change = LISTED | {"monitoring": LISTED["validation"] | {"schedule": "0 * * * *"}}
    found = moments(version(**{"monitoring": change["monitoring"]}))
    assert list(found) == [
        "while one revision replaces another",
        "while it serves and calibration runs",
        "while it serves and validation runs",
        "while it serves and monitoring runs",
    ]
    assert {load["pods"] for load in found.values()} == {2}


# ---- more is never less ----

NAMES = st.sampled_from(["a", "b", "c"])
SETS = st.frozensets(NAMES)
MODES = st.frozensets(st.sampled_from(["ReadWriteOnce", "ReadWriteMany"]))
COUNTS = st.integers(0, 5)
LEVELS = st.sampled_from(["privileged", "baseline", "restricted"])
MAYBE = st.booleans()


@st.composite
def worlds(draw: Any) -> dict[str, Any]:
    return {
        "storage": draw(st.dictionaries(NAMES, MODES)),
        "there": draw(SETS),
        "ingress": draw(SETS),
        "gateway": draw(SETS),
        "architectures": draw(st.frozensets(st.sampled_from(["amd64", "arm64"]))),
        "gpus": draw(COUNTS),
        "per_node": draw(COUNTS),
        "level": draw(LEVELS),
        "cpu": draw(st.integers(0, 8)),
    }


def more_of(small: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """At least what each of the two has."""
    order = ["privileged", "baseline", "restricted"]
    storage = {
        n: small["storage"].get(n, frozenset()) | other["storage"].get(n, frozenset())
        for n in {*small["storage"], *other["storage"]}
    }
    found = {key: small[key] | other[key] for key in ("there", "ingress", "gateway", "architectures")}
    numbers = {key: max(small[key], other[key]) for key in ("gpus", "per_node", "cpu")}
    return found | numbers | {"storage": storage, "level": max(small["level"], other["level"], key=order.index)}


def declared_of(world: dict[str, Any], said: frozenset[str]) -> Capabilities:
    full = {
        "storageClasses": [{"name": n, "accessModes": sorted(m)} for n, m in sorted(world["storage"].items())],
        "ingressClasses": sorted(world["ingress"]),
        "gatewayClasses": sorted(world["gateway"]),
        "architectures": sorted(world["architectures"]),
        "podSecurity": world["level"],
        **node(world["gpus"], world["per_node"]),
    }
    return Capabilities.model_validate({key: value for key, value in full.items() if key in said})


def measured_of(world: dict[str, Any], said: frozenset[str]) -> MeasuredCapabilities:
    full = declared_of(world, frozenset(FIELDS)).dump() | classes(*sorted(world["there"]))
    hard = [{"name": "q", "hard": [{"resource": "limits.cpu", "amount": str(world["cpu"])}]}]
    full |= {"quotas": hard, "limitRanges": []}
    return MeasuredCapabilities.model_validate({key: value for key, value in full.items() if key in said})


FIELDS = ["storageClasses", "ingressClasses", "gatewayClasses", "architectures", "podSecurity", "devices", "quotas"]
ASKING = sized(
    replicas=2,
    **asks(architectures=["arm64"], storage=["ReadWriteMany"], exposure=["Ingress", "Gateway"], podSecurity="baseline"),
) | {"calibration": LISTED["calibration"] | load("1") | {"devices": [gpu(2)]}}  # fmt: skip


@given(worlds(), worlds(), st.frozensets(st.sampled_from(FIELDS)), st.frozensets(st.sampled_from(FIELDS)))
def test_more_capabilities_never_turn_met_into_not_met(
    small: dict[str, Any], other: dict[str, Any], declared: frozenset[str], measured: frozenset[str]
) -> None:
    large = more_of(small, other)
    asking = version(**ASKING)
    first, second = (checks(asking, declared_of(w, declared), measured_of(w, measured), "") for w in (small, large))

    def not_met(found: tuple[CapabilityCheck, ...]) -> set[str]:
        return {c.needs for c in found if c.verdict is NOT_MET}

    assert not_met(second) <= not_met(first)
    met = {c.needs for c in first if c.verdict is MET}
    assert not met & not_met(second)


# ---- what an API server answers ----


def meta(name: Any, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name} | more}


def machine(architecture: Any = "amd64", system: Any = "linux", **capacity: Any) -> dict[str, Any]:
    labels = {"kubernetes.io/arch": architecture, "kubernetes.io/os": system}
    return meta("n", labels=labels) | {"status": {"capacity": {dotted(k): v for k, v in capacity.items()}}}


def spec(name: str = "q", **fields: Any) -> dict[str, Any]:
    return meta(name) | {"spec": fields}


DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
SCOPED = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]}
LABEL = "pod-security.kubernetes.io/enforce"

# id: fact, objects → fields as the status has them
ANSWERS: dict[str, tuple[Fact, list[Any], dict[str, Any]]] = {
    "storage classes": (
        Fact.STORAGE_CLASSES, [meta("nfs"), meta("disk", annotations=DEFAULT)],
        {"storageClasses": [{"name": "disk", "default": True}, {"name": "nfs"}]}),
    "no storage class": (Fact.STORAGE_CLASSES, [], {"storageClasses": []}),
    "classes with odd names": (
        Fact.INGRESS_CLASSES,
        [meta("b"), meta("a"), meta("a"), meta("A b"), meta("x" * 300), meta(7), {}, "text", None, {"metadata": []}],
        {"ingressClasses": ["a", "b"]}),
    "gateway classes": (Fact.GATEWAY_CLASSES, [meta("istio")], {"gatewayClasses": ["istio"]}),
    "nodes": (
        Fact.NODES,
        [machine(nvidia_com__gpu="2", cpu="4"), machine("arm64", nvidia_com__gpu="1", amd_com__gpu="1"),
         machine("arm64")],
        {"architectures": ["amd64", "arm64"],
         "devices": [{"name": "amd.com/gpu", "count": 1, "perNode": 1}, {"name": GPU, "count": 3, "perNode": 2}]}),
    "a node that runs something else": (Fact.NODES, [machine(system="windows", a_b__c="1")],
                                        {"architectures": [], "devices": []}),
    "odd nodes": (
        Fact.NODES,
        [machine(None, a_b__c="x"), machine("A" * 40, a_b__c="-1"), machine(["amd64"], a_b__c=3), {"status": 1}, 3,
         machine(a_b__c="1e99", x_kubernetes_io__c="1", attachable="9", requests_a__b="1"),
         {"status": {"capacity": []}}],
        {"architectures": ["amd64"], "devices": [{"name": "a.b/c", "count": 1_000_000, "perNode": 1_000_000}]}),
    "a broken device": (Fact.NODES, [machine(a_b__c="0"), machine(a_b__c="500m")],
                        {"architectures": ["amd64"], "devices": []}),
    "pod security": (Fact.POD_SECURITY, [meta("n", labels={LABEL: "restricted"})], {"podSecurity": "restricted"}),
    "quota": (
        Fact.QUOTAS,
        [spec(hard={"pods": "3", "limits.cpu": "2", "services": "1", f"requests.{GPU}": "1", "cpu": "1e3"})],
        {"quotas": [{"name": "q", "hard": [
            {"resource": "cpu", "amount": "1e3"}, {"resource": "limits.cpu", "amount": "2"},
            {"resource": "pods", "amount": "3"}, {"resource": f"requests.{GPU}", "amount": "1"}]}]}),
    "quotas for other pods": (
        Fact.QUOTAS,
        [spec("a", hard={"pods": "1"}, scopes=["BestEffort"]), spec("b", hard={"pods": "1"}, scopes=["Terminating"]),
         spec("c", hard={"pods": "1"}, scopeSelector=SCOPED), spec("d", hard={"pods": "1"}, scopes=[{}]),
         spec("e", hard={"pods": "1"}, scopes=["NotBestEffort", "NotTerminating"])],
        {"quotas": [{"name": "e", "hard": [{"resource": "pods", "amount": "1"}]}]}),
    "odd quotas": (
        Fact.QUOTAS,
        [spec(hard={"pods": "many", "limits.cpu": None, "limits.memory": "9" * 50, "cpu": {}}), spec("X"),
         spec(hard=[]), {"metadata": {"name": "n"}, "spec": "text"}, 1],
        {"quotas": []}),
    "limit ranges": (
        Fact.LIMIT_RANGES,
        [spec("l", limits=[{"type": "Container", "max": {"cpu": "2", "memory": "1Gi"}},
                           {"type": "Pod", "max": {"cpu": "1"}},
                           {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}, {"type": "Container"}, "x"])],
        {"limitRanges": [{"name": "l", "max": [
            {"resource": "cpu", "amount": "1"}, {"resource": "memory", "amount": "1Gi"}]}]}),
    "odd limit ranges": (
        Fact.LIMIT_RANGES, [spec("l", limits="x"), spec("m", limits=[{"type": "Pod", "max": {"cpu": "x"}}])],
        {"limitRanges": []}),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_what_is_read_from_an_answer(case: str) -> None:
    fact, items, fields = ANSWERS[case]
    found = answer(fact, items)
    assert isinstance(found, dict)
    assert MeasuredCapabilities(**found).dump() == fields


def many(count: int) -> list[Any]:
    return [meta(f"n{i}") for i in range(count)]


@pytest.mark.parametrize(
    ("fact", "items", "why"),
    [
        (Fact.STORAGE_CLASSES, many(65), "more than 64 storage classes"),
        (Fact.INGRESS_CLASSES, many(65), "more than 64 ingress classes"),
        (Fact.NODES, [machine(**{f"a_b__c{i}": "1" for i in range(65)})], "more than 64 kinds of devices"),
        (Fact.NODES, [machine(f"a{i}") for i in range(9)], "more than 8 architectures"),
        (Fact.QUOTAS, [spec(f"q{i}", hard={"pods": "1"}) for i in range(17)], "more than 16 ResourceQuotas"),
        (Fact.LIMIT_RANGES, [spec(f"q{i}", limits=[{"type": "Pod", "max": {"cpu": "1"}}]) for i in range(17)],
         "more than 16 LimitRanges"),
        (Fact.POD_SECURITY, [], "has no label"),
        (Fact.POD_SECURITY, [meta("n", labels={"a": "b"})], "has no label"),
        (Fact.POD_SECURITY, [meta("n", labels={LABEL: "most"})], "has a label that means nothing"),
        (Fact.POD_SECURITY, [meta("n", labels={LABEL: ["restricted"]})], "has a label that means nothing"),
    ],
)  # fmt: skip
def test_what_an_answer_does_not_tell(fact: Fact, items: list[Any], why: str) -> None:
    found = answer(fact, items)
    assert isinstance(found, str)
    assert why in found
    assert len(found) <= 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["1", "a", "restricted"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["metadata", "name", "spec", "status", "hard", "limits", "max", "type", "capacity", "labels",
                         "kubernetes.io/arch", "scopes",
                         "scopeSelector", "matchExpressions", "cpu", "nvidia.com/gpu", LABEL]),
        inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(st.sampled_from(list(READERS)), st.lists(JSON, max_size=4))
def test_whatever_a_cluster_answers_is_a_status_or_a_reason(fact: Fact, items: list[Any]) -> None:
    found = answer(fact, items)
    assert found != "what the cluster answered cannot be read"
    fields = found if isinstance(found, dict) else {}
    assert len(json.dumps(MeasuredCapabilities(**fields).dump())) < 100_000


def test_what_was_looked_at_is_told_by_namespace() -> None:
    answers: Any = {
        (Fact.NODES, ""): {"architectures": ("amd64",), "devices": ()},
        (Fact.QUOTAS, "a"): {"quotas": ()},
        (Fact.QUOTAS, "b"): "no right",
    }
    found = Survey(frozenset({Fact.NODES, Fact.QUOTAS}), frozenset({"a", "b"}), answers)
    assert found.of("c") is None, "it was not looked at"
    first, second = found.of("a"), found.of("b")
    assert first is not None
    assert second is not None
    assert (first.quotas, second.quotas, second.why_unknown("quotas")) == ((), None, "no right")
    assert first.architectures == second.architectures == ("amd64",)
    assert Survey().of("c") == MeasuredCapabilities(), "nothing was wanted"


# ---- what becomes of an Installation ----


def city(*, measured: dict[str, Any] | None, declared: dict[str, Any] | None = None, **change: Any) -> City:
    made = City()
    assert isinstance(made.listing, dict)
    assert isinstance(made.platform, dict)
    made.listing["spec"]["versions"][0] |= change
    if declared is not None:
        made.platform["spec"]["capabilities"] = declared
    if measured is not None:
        made.capabilities = MeasuredCapabilities.model_validate(NO_QUOTA | measured)
    return made


def test_an_app_is_refused_and_goes_on_by_itself() -> None:
    made = city(measured=node(0), **with_devices(gpu()))
    made.settle()
    refused = made.condition("Accepted")
    assert (refused["status"], refused["reason"]) == ("False", "PlatformUnsuitable")
    assert refused["message"] == f"platform oup: needs 1 {GPU}, no node has one"
    assert made.condition("Stalled")["status"] == "True"
    assert made.children == {}
    made.capabilities = MeasuredCapabilities.model_validate(NO_QUOTA | node(1))
    made.serving()
    assert made.condition("Ready")["status"] == "True"


def test_all_that_is_lacking_is_named_at_once() -> None:
    made = city(
        measured=classes() | {"quotas": [quota(pods="1")]},
        **(asks(storage=["ReadWriteMany"], minimumKubernetesVersion="1.99")),
    )
    made.settle()
    assert made.condition("Accepted")["message"] == (
        "platform oup: needs Kubernetes 1.99, the cluster has 1.36; needs ReadWriteMany storage, the cluster has no "
        "StorageClass; needs 2 pods while one revision replaces another, ResourceQuota small allows 1: 1 too little"
    )


def test_what_nobody_knows_refuses_nothing_and_is_said() -> None:
    made = city(measured=UNTOLD, **RWX)
    made.serving()
    assert made.condition("Ready")["status"] == "True"
    accepted = made.condition("Accepted")
    assert accepted["status"] == "True"
    assert "not known of platform oup: needs ReadWriteMany storage: no right to look" in accepted["message"]


def test_nothing_begins_before_the_cluster_was_looked_at() -> None:
    made = city(measured=None, **RWX)
    made.settle()
    waiting = made.condition("Accepted")
    assert (waiting["status"], waiting["reason"]) == ("Unknown", "Probing")
    assert made.condition("Reconciling")["status"] == "True"
    assert made.children == {}


def test_what_runs_does_not_stop_for_a_first_look() -> None:
    made = city(measured=None)
    made.serving()
    assert isinstance(made.listing, dict)
    made.listing["spec"]["versions"][0] |= RWX  # the listing is edited: it is looked at in a moment
    made.settle()
    assert made.condition("Ready")["status"] == "True"


def test_what_serves_keeps_serving_when_a_capability_goes() -> None:
    made = city(measured=node(1), **with_devices(gpu()))
    made.serving()
    there = set(made.children)
    made.capabilities = MeasuredCapabilities.model_validate(NO_QUOTA | node(0))
    made.settle()
    assert made.condition("Accepted")["reason"] == "PlatformUnsuitable"
    serving = made.condition("Serving")
    assert (serving["status"], serving["reason"]) == ("True", "KeepsServing")
    assert set(made.children) == there
    made.capabilities = MeasuredCapabilities.model_validate(NO_QUOTA | node(1))
    made.settle()
    assert made.condition("Ready")["status"] == "True"
    assert made.started == list(dict.fromkeys(made.started)), "nothing ran twice"


def test_a_device_is_a_limit_of_the_container_and_leads_to_its_node() -> None:
    made = city(measured=node(4) | {"architectures": ["arm64"]}, **(with_devices(gpu(2)) | ARM))
    made.validated()
    pods = {d.key: d.manifest["spec"]["template"]["spec"] for d in made.decide().desired if d.key[0] == "Deployment"}
    (pod,) = pods.values()
    (container,) = pod["containers"]
    assert container["resources"]["limits"][GPU] == "2"
    assert GPU not in container["resources"]["requests"], "the API server makes them the same"
    assert pod["tolerations"] == [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    terms = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}]


def test_pods_of_an_app_that_asks_for_nothing_are_as_before() -> None:
    made = City()
    made.validated()
    (pod,) = [d.manifest["spec"]["template"]["spec"] for d in made.decide().desired if d.key[0] == "Deployment"]
    assert not {"affinity", "tolerations"} & set(pod)


# ---- what a platform says ----


def said(*apps: tuple[str, dict[str, Any]], measured: dict[str, Any] | None) -> Any:
    seen = MeasuredCapabilities() if measured is None else MeasuredCapabilities.model_validate(NO_QUOTA | measured)
    return capabilities_finding({name: checks(version(**change), None, seen, "1.36") for name, change in apps})


def test_a_platform_says_which_listings_miss_what() -> None:
    apps = (("one 1.0.0", INGRESS), ("two 1.0.0", with_devices(gpu())), ("plain 1.0.0", asks()))
    found = said(*apps, measured={"ingressClasses": ["nginx"]} | node(0))
    assert (found.status, found.reason) == ("False", Reason.CAPABILITIES_MISSING)
    assert found.message == f"1 of 2 listings: two 1.0.0: needs 1 {GPU}, no node has one"
    found = said(*apps, measured={"ingressClasses": ["nginx"]} | node(1))
    assert (found.status, found.message) == ("True", "what 2 listing(s) ask of the cluster is there")
    found = said(*apps, measured={"ingressClasses": ["nginx"], "unknown": [{"fact": "nodes", "reason": "why"}]})
    assert (found.status, found.reason) == ("Unknown", Reason.CAPABILITIES_UNKNOWN)
    assert found.message == f"1 of 2 listings: two 1.0.0: needs 1 {GPU}: why"
    assert said(*apps, measured=None).reason is Reason.PROBING
    assert said(("plain 1.0.0", asks()), measured=None) is None


def test_many_listings_are_counted_and_a_few_are_named() -> None:
    found = said(*((f"app-{i}", INGRESS) for i in range(9)), measured={"ingressClasses": []})
    assert found.message.startswith("9 of 9 listings: app-0: ")
    assert found.message.endswith("; and 4 more in status.listings")
    assert len(found.message) < 2000


def test_the_condition_is_shown_and_does_not_count_for_ready() -> None:
    made = City()
    assert isinstance(made.platform, dict)
    platform = MunicipalityPlatform.parse(made.platform)
    measured = MeasuredCapabilities.model_validate(NO_QUOTA | node(0))
    asked = said(("two 1.0.0", with_devices(gpu())), measured=node(0))
    plain = platform_status(platform, made.observations, {}, (), made.now)
    status = platform_status(platform, made.observations, {}, (), made.now, capabilities=(asked, measured))
    assert [c.type for c in status.conditions] == [*(c.type for c in plain.conditions), "CapabilitiesSufficient"]
    assert status.conditions[:-1] == plain.conditions
    assert status.capabilities == measured
    assert plain.capabilities is None


@pytest.mark.parametrize(
    ("measured", "verdict", "missing"),
    [
        ({"ingressClasses": ["nginx"]}, MET, ()),
        ({"ingressClasses": []}, NOT_MET, ("platform oup: needs an IngressClass, the cluster has no IngressClass",)),
        (UNTOLD | NO_QUOTA, UNKNOWN, ("needs an IngressClass: no right to look",)),
        (None, UNKNOWN, ("platform oup: the capabilities of its cluster have not been surveyed yet",)),
    ],
)
def test_the_catalogue_says_what_is_missing(
    measured: dict[str, Any] | None, verdict: Verdict, missing: tuple[str, ...]
) -> None:
    snapshot = city(measured=measured, **INGRESS).snapshot()
    candidate = hypothetical("flood-twin", "1.0.0", "oup", "voorbeeldstad")
    found = fit(Situation.of(replace(snapshot, installation=candidate)), version(**INGRESS))
    assert (found.verdict, found.missing) == (verdict, missing)


def test_names_of_devices_are_those_of_kubernetes() -> None:
    valid = TypeAdapter(DeviceName)
    for name in (GPU, "amd.com/gpu", "xilinx.com/fpga-xilinx_u30_gen3x4_base_1-0", "example.com/a.b"):
        assert valid.validate_python(name) == name


def files(change: dict[str, Any], **reads: Any) -> dict[str, Any]:
    """The same, where the app gets its data as files."""
    (series,) = LISTED["dataRequirements"]
    wanted = {k: v for k, v in series.items() if k not in ("delivery", "kinds")}
    parts = {name: change[name] | {"reads": names} for name, names in reads.items()}
    return change | parts | {"dataRequirements": [wanted]}


def test_what_fetches_data_needs_room_too() -> None:
    """Beside a component, for all the time; before a run, so that the larger of the two counts."""
    plain, fetched = (moments(version(**change)) for change in (sized(), files(sized())))
    both, run = "while one revision replaces another", "while it serves and calibration runs"
    assert fetched[both]["limits.memory"] - plain[both]["limits.memory"] == 2 * 2**30
    assert fetched[both]["requests.cpu"] - plain[both]["requests.cpu"] == Decimal("0.1")
    assert fetched[both]["pods"] == plain[both]["pods"]
    component = Decimal("0.05")
    assert fetched[run]["requests.cpu"] - plain[run]["requests.cpu"] == component, "the run itself asks for more"
    small = "while it serves and validation runs"
    assert fetched[small]["limits.memory"] == 2 * Decimal(2**30) + 64 * 2**20, "the component's, and the larger one"


def test_a_run_that_reads_nothing_fetches_nothing() -> None:
    run = "while it serves and calibration runs"
    reading = moments(version(**files(sized())))
    idle = moments(version(**files(sized(), calibration=[])))
    assert reading[run]["limits.memory"] > idle[run]["limits.memory"]


def test_what_fetches_data_must_fit_into_the_limits_of_a_container() -> None:
    measured = {"architectures": ["amd64"], "quotas": [], "limitRanges": [limits(memory="512Mi")]}
    lines = [str(c) for c in judged(files(sized()), None, measured) if c.verdict is not MET]
    assert lines == [
        "needs 1Gi memory for the container that fetches its data, LimitRange box allows a container 512Mi"
    ]
