"""The capabilities of a cluster against what listings ask for: at home and in a city, with few rights."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import App, City
from cluster_kit import KINDS, NAMESPACE, OURS, SESSION, ApiServer, JsonObject, by_kind, condition
from cluster_remote import EXAMPLES, SECRET, Elsewhere
from test_cluster_flow import without_lease

from ddtas.cluster.rest.resources import ResourceType

PLATFORM = KINDS["MunicipalityPlatform"]
STORAGE_CLASS = ResourceType("StorageClass", "/apis/storage.k8s.io/v1", "storageclasses")
INGRESS_CLASS = ResourceType("IngressClass", "/apis/networking.k8s.io/v1", "ingressclasses")
QUOTA = ResourceType("ResourceQuota", "/api/v1", "resourcequotas")
LIMIT_RANGE = ResourceType("LimitRange", "/api/v1", "limitranges")
NODE = ResourceType("Node", "/api/v1", "nodes")
LEVEL = "pod-security.kubernetes.io/enforce"
GPU = f"tests-{SESSION}.example/gpu"
EVERY_SECOND = {"capabilities_interval_seconds": "1"}


@contextlib.contextmanager
def there(cluster: ApiServer, resource: ResourceType, **body: Any) -> Iterator[str]:
    """Something of the cluster's own, for a while."""
    name = f"tests-{SESSION}"
    cluster.request("POST", resource.path(), {"metadata": {"name": name, "labels": {OURS: SESSION}}, **body})
    try:
        yield name
    finally:
        cluster.delete(resource, None, name)


def ingress_class(cluster: ApiServer) -> contextlib.AbstractContextManager[str]:
    return there(cluster, INGRESS_CLASS, spec={"controller": "tests.example/nobody"})


def storage_class(cluster: ApiServer) -> contextlib.AbstractContextManager[str]:
    return there(cluster, STORAGE_CLASS, provisioner="tests.example/nobody")


@contextlib.contextmanager
def devices(cluster: ApiServer, count: int) -> Iterator[None]:
    """The fake node has these, as a device plugin would have the kubelet say."""
    (node,) = [n["metadata"]["name"] for n in cluster.all(NODE, labels="type=kwok")]

    def say(number: str | None) -> None:
        amounts = {"capacity": {GPU: number}, "allocatable": {GPU: number}}
        path = NODE.path(None, node, "status")
        cluster.request("PATCH", path, {"status": amounts}, "application/merge-patch+json")

    say(str(count))
    try:
        yield
    finally:
        say(None)


def asks(**required: Any) -> JsonObject:
    return apps.version(platformRequirements=required)


def asks_for_devices() -> JsonObject:
    made = apps.version()
    made["components"][0]["devices"] = [{"name": GPU, "count": 1}]
    return made


def message(app: App, status: str, reason: str, part: str) -> str:
    """Wait until the condition Accepted says this; its message."""

    def look() -> str | None:
        found = condition(app.body(), "Accepted")
        fits = (found.get("status"), found.get("reason")) == (status, reason) and part in found.get("message", "")
        return found["message"] if fits else None

    said: str = app.cluster.wait(f"{reason} of {app} with {part!r}", look, app.namespace)
    return said


def refused(app: App, part: str) -> str:
    return message(app, "False", "PlatformUnsuitable", part)


def platform_with(city: City, look: Callable[[JsonObject], Any], name: str = "oup") -> JsonObject:
    """Wait until the platform is like this; the platform."""

    def found() -> JsonObject | None:
        body = city.cluster.get(PLATFORM, city.namespace, name)
        return body if look(body) else None

    body: JsonObject = city.cluster.wait(f"status of platform {name}", found, city.namespace)
    return body


def says(body: JsonObject, reason: str) -> bool:
    return condition(body, "CapabilitiesSufficient").get("reason") == reason


def capabilities_of(body: JsonObject) -> JsonObject:
    found: JsonObject = body.get("status", {}).get("capabilities", {})
    return found


def limit(city: City, namespace: str, pods: str | None, cluster: ApiServer | None = None) -> None:
    """Set the quota of a namespace, or take it away."""
    server = cluster or city.cluster
    if pods is None:
        server.delete(QUOTA, namespace, "small")
    elif server.find(QUOTA, namespace, "small") is None:
        server.request("POST", QUOTA.path(namespace), {"metadata": {"name": "small"}, "spec": {"hard": {"pods": pods}}})
    else:
        server.merge(QUOTA, namespace, "small", {"spec": {"hard": {"pods": pods}}})


# ---- at home ----


def test_an_app_waits_for_what_the_cluster_lacks_and_keeps_serving_when_it_goes(city: City) -> None:
    city.start(**EVERY_SECOND)
    flood = city.everything(asks(exposure=["Ingress", "Gateway"]))
    # That the Gateway API is not installed is no error: then there is no GatewayClass.
    lacks = "needs Ingress or Gateway classes, the cluster has no IngressClass; the cluster has no GatewayClass"
    assert refused(flood, "IngressClass") == f"platform oup: {lacks}"
    # The platform is no worse for it: once its source has been probed, it is Ready.
    body = platform_with(city, lambda b: says(b, "CapabilitiesMissing") and condition(b, "Ready")["status"] == "True")
    assert capabilities_of(body) == {"ingressClasses": [], "gatewayClasses": [], "quotas": [], "limitRanges": []}
    said = condition(body, "CapabilitiesSufficient")["message"]
    assert said.startswith("1 of ")  # other tests may have listings too
    assert said.endswith(f" listings: {city.app} 1.0.0: {lacks}")
    (fit,) = [one for one in body["status"]["listings"] if one["name"] == city.app]
    assert (fit["verdict"], fit["missing"]) == ("NotMet", [f"platform oup: {lacks}"])
    assert flood.children(KINDS["Job"]) == []

    with ingress_class(city.cluster) as name:
        revision = flood.served()["status"]["revision"]
        body = platform_with(city, lambda b: says(b, "CapabilitiesSufficient"))
        assert capabilities_of(body)["ingressClasses"] == [name]
    refused(flood, "no IngressClass")
    assert condition(flood.body(), "Serving")["reason"] == "KeepsServing"
    assert flood.children(KINDS["Service"]) != []
    with ingress_class(city.cluster):
        assert flood.served()["status"]["revision"] == revision, "nothing was calibrated anew"


def test_storage_counts_as_declared_where_the_class_is_there(city: City) -> None:
    city.start(**EVERY_SECOND)
    city.store(asks(storage=["ReadWriteMany"]))
    city.platform()
    flood = city.install()
    refused(flood, "needs ReadWriteMany storage, the cluster has no StorageClass")
    with storage_class(city.cluster) as name:
        # It does not say how its volumes may be mounted: nobody knows, so nobody is refused, and it is said.
        message(flood, "True", "Accepted", "a StorageClass does not say how its volumes may be mounted")
        platform_with(city, lambda b: says(b, "CapabilitiesUnknown"))
        city.platform(capabilities={"storageClasses": [{"name": "other", "accessModes": ["ReadWriteMany"]}]})
        refused(flood, f"spec.capabilities names StorageClass other, the cluster has {name}")
        city.platform(capabilities={"storageClasses": [{"name": name, "accessModes": ["ReadWriteMany"]}]})
        flood.served()
        assert "not known" not in condition(flood.body(), "Accepted")["message"]


def test_a_quota_that_is_too_small_is_named_by_how_much(city: City) -> None:
    limit(city, city.namespace, "1")
    city.start(**EVERY_SECOND)
    flood = city.everything(asks(podSecurity="baseline"))
    said = refused(flood, "ResourceQuota")
    assert said == (
        "platform oup: needs 2 pods while one revision replaces another, ResourceQuota small allows 1: 1 too little"
    )
    limit(city, city.namespace, "2")
    flood.served()
    before = flood.body()["metadata"]["resourceVersion"]
    assert city.cluster.get(QUOTA, city.namespace, "small")["status"]["used"]["pods"] != "0"
    city.settled_but_for_looks()
    assert flood.body()["metadata"]["resourceVersion"] == before, "what is used moves, and nothing is written for it"
    limits = [{"type": "Container", "max": {"cpu": "5m"}}]
    city.cluster.request(
        "POST", LIMIT_RANGE.path(city.namespace), {"metadata": {"name": "box"}, "spec": {"limits": limits}}
    )
    assert "needs 10m cpu for component web, LimitRange box allows a container 5m" in refused(flood, "LimitRange")
    city.cluster.delete(LIMIT_RANGE, city.namespace, "box")
    flood.served()


def test_the_namespace_must_be_as_strict_as_the_app_asks(city: City) -> None:
    city.cluster.merge(NAMESPACE, None, city.namespace, {"metadata": {"labels": {LEVEL: "baseline"}}})
    city.start(**EVERY_SECOND)
    flood = city.everything(asks(podSecurity="restricted"))
    refused(flood, "needs a namespace that enforces Pod Security restricted, it enforces baseline")
    city.cluster.merge(NAMESPACE, None, city.namespace, {"metadata": {"labels": {LEVEL: None}}})
    message(flood, "True", "Accepted", f"the namespace has no label {LEVEL}")
    city.cluster.merge(NAMESPACE, None, city.namespace, {"metadata": {"labels": {LEVEL: "restricted"}}})
    flood.served()
    platform_with(city, lambda b: capabilities_of(b).get("podSecurity") == "restricted")


def test_an_app_gets_the_devices_that_it_asks_for(city: City) -> None:
    city.rights.change("network.read={apiServer,services}")
    city.start(**EVERY_SECOND)
    flood = city.everything(asks_for_devices())
    # Without the right to read nodes nobody knows, and it is said what to do.
    said = message(flood, "True", "Accepted", "may not list nodes")
    assert said.endswith(
        f"not known of platform oup: needs 1 {GPU}: the operator may not list nodes: declare architectures and devices "
        "in spec.capabilities, or grant it (docs/operations.md)"
    )
    city.rights.change("capabilities.read={classes,namespaces,nodes}")
    assert refused(flood, GPU) == f"platform oup: needs 1 {GPU}, no node has one"
    with devices(city.cluster, 2):
        flood.served()
        (pod,) = [p for p in flood.children(KINDS["Pod"]) if "ddtas.nl/component" in p["metadata"]["labels"]]
        resources = pod["spec"]["containers"][0]["resources"]
        assert (resources["limits"][GPU], resources["requests"][GPU]) == ("1", "1")
        assert pod["spec"]["nodeName"], "the scheduler found the node that has it"
        assert {"key": GPU, "operator": "Exists", "effect": "NoSchedule"} in pod["spec"]["tolerations"]
        body = platform_with(city, lambda b: capabilities_of(b).get("devices"))
        assert {"name": GPU, "count": 2, "perNode": 2} in capabilities_of(body)["devices"]
        city.platform(capabilities={"devices": []})
        refused(flood, f"needs 1 {GPU}, no node has one by spec.capabilities.devices")


def test_pods_go_to_nodes_of_the_architecture_that_the_images_are_for(city: City) -> None:
    city.rights.change("capabilities.read={nodes}")
    (node,) = [n["metadata"]["name"] for n in city.cluster.all(NODE, labels="type=kwok")]
    city.start(**EVERY_SECOND)
    flood = city.everything(asks(architectures=["riscv64"]))
    refused(flood, "needs nodes of riscv64, the nodes are of ")
    city.cluster.merge(NODE, None, node, {"metadata": {"labels": {"kubernetes.io/arch": "riscv64"}}})
    try:
        flood.served()
    finally:
        city.cluster.merge(NODE, None, node, {"metadata": {"labels": {"kubernetes.io/arch": None}}})


def test_without_any_right_to_look_the_operator_works_and_says_so(city: City) -> None:
    city.rights.change("capabilities.read={}", "network.read={}")
    operator = city.start(**EVERY_SECOND)
    flood = city.everything(
        asks(architectures=["amd64"], storage=["ReadWriteMany"], exposure=["Ingress"], podSecurity="baseline")
    )
    # Nothing is refused for what nobody knows; the pods wait for a node of that architecture, as anywhere.
    said = message(flood, "True", "Accepted", "may not list nodes")
    for what in (
        "list nodes",
        "list storageclasses",
        "list ingressclasses",
        "get its namespace",
        "list resourcequotas",
    ):
        assert f"the operator may not {what}: " in said
    assert operator.running
    unknown = {u["fact"] for u in platform_with(city, capabilities_of)["status"]["capabilities"]["unknown"]}
    assert unknown == {"nodes", "storageClasses", "ingressClasses", "podSecurity", "quotas", "limitRanges"}
    city.platform(capabilities={"architectures": ["arm64"]})
    refused(flood, "needs nodes of amd64, spec.capabilities.architectures has arm64")


def test_what_looks_cost(city: City) -> None:
    city.start(capabilities_interval_seconds="3600")
    mark = city.cluster.mark()
    flood = city.everything()
    flood.served()
    asked = {r.kind for r in city.cluster.requests(city.rights.user, mark)}
    looks = {
        "storageclasses",
        "ingressclasses",
        "gatewayclasses",
        "nodes",
        "namespaces",
        "resourcequotas",
        "limitranges",
    }
    asked -= {"nodes"}  # for their addresses
    assert not looks & asked, "nothing was asked for, so nothing was looked at"

    mark = city.cluster.mark()
    city.store(asks(exposure=["Ingress"]))
    refused(flood, "IngressClass")
    found = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind in looks]
    assert by_kind(found) == {"list ingressclasses": 1, "list limitranges": 1, "list resourcequotas": 1}
    with ingress_class(city.cluster):
        city.settled()
        mark = city.cluster.mark()
        time.sleep(5)
        assert without_lease(city.cluster.requests(city.rights.user, mark)) == [], "until the next look"
        city.end_operators()
        city.start(capabilities_interval_seconds="3600")
        flood.served()  # the first look was at once
        city.settled()
        # What is known then outlives a restart: nothing is written, before the first look or after it.
        mark = city.cluster.mark()
        city.end_operators()
        city.start(capabilities_interval_seconds="3600")
        city.settled()
        written = [r for r in city.cluster.requests(city.rights.user, mark) if r.writes and r.kind != "leases"]
        assert written == []
    city.settled()
    for number in range(3):
        city.install(f"more-{number}")
    for number in range(3):
        city.known(f"more-{number}").served()
    mark = city.cluster.mark()
    city.settled()
    found = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind in looks]
    assert found == [], "Installations cost no look"


# ---- on a city's own cluster ----


def far(city: City, elsewhere: Elsewhere, *versions: JsonObject) -> App:
    """An Installation there, and an operator at work."""
    city.store(*versions)
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    city.platform(cluster={"kubeconfigSecret": {"name": SECRET}})
    city.start(**EVERY_SECOND)
    return city.install()


@pytest.fixture
def allowed(elsewhere: Elsewhere, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """What a city may grant beside the Role: `kubectl apply -f capabilities.yaml`."""
    name = f"ddtas-operator-capabilities-{elsewhere.namespace}"
    text = (EXAMPLES / "capabilities.yaml").read_text().replace("digital-twins", elsewhere.namespace)
    file = tmp_path / "capabilities.yaml"
    file.write_text(text.replace("ddtas-operator-capabilities", name))

    def grant() -> None:
        said = elsewhere.cluster.kubectl("apply", "--server-side", "-f", str(file))
        assert said.count("serverside-applied") == 2, said

    yield grant
    elsewhere.cluster.kubectl("delete", "--ignore-not-found", "-f", str(file))


def test_a_city_is_seen_with_its_narrow_role_and_no_more(
    city: City, elsewhere: Elsewhere, allowed: Callable[[], None]
) -> None:
    there_ = elsewhere.cluster
    limit(city, elsewhere.namespace, "1", there_)
    version = asks(storage=["ReadWriteMany"], exposure=["Ingress"], podSecurity="restricted")
    flood = far(city, elsewhere, version)
    said = refused(flood, "ResourceQuota small allows 1")
    assert "Pod Security" not in said, "the namespace is as the city was told to make it"
    limit(city, elsewhere.namespace, "9", there_)
    said = message(flood, "True", "Accepted", "not known of platform oup")
    assert "the operator may not list storageclasses: declare storageClasses in spec.capabilities" in said
    assert "the operator may not list ingressclasses" in said
    flood.served()
    capabilities = capabilities_of(platform_with(city, lambda b: says(b, "CapabilitiesUnknown")))
    assert {key: capabilities[key] for key in ("podSecurity", "quotas", "limitRanges")} == {
        "podSecurity": "restricted",
        "quotas": [{"name": "small", "hard": [{"resource": "pods", "amount": "9"}]}],
        "limitRanges": [],
    }

    allowed()
    refused(flood, "needs an IngressClass, the cluster has no IngressClass")
    with ingress_class(there_), storage_class(there_) as name:
        declared = {"storageClasses": [{"name": name, "accessModes": ["ReadWriteMany"]}]}
        city.platform(cluster={"kubeconfigSecret": {"name": SECRET}}, capabilities=declared)
        flood.served()
        platform_with(city, lambda b: says(b, "CapabilitiesSufficient"))
        # It is that cluster that was asked: at home there is no such class.
        assert city.cluster.find(STORAGE_CLASS, None, name) is None
    there_.merge(NAMESPACE, None, elsewhere.namespace, {"metadata": {"labels": {LEVEL: "privileged"}}})
    refused(flood, "needs a namespace that enforces Pod Security restricted, it enforces privileged")
    assert condition(flood.body(), "Serving")["reason"] == "KeepsServing"


def test_devices_of_a_citys_own_cluster(city: City, elsewhere: Elsewhere, allowed: Callable[[], None]) -> None:
    allowed()
    flood = far(city, elsewhere, asks_for_devices())
    refused(flood, f"needs 1 {GPU}, no node has one")
    with devices(elsewhere.cluster, 1):
        flood.served()


def test_the_capabilities_of_a_city_outlive_its_absence(city: City, elsewhere: Elsewhere) -> None:
    flood = far(city, elsewhere, asks(podSecurity="baseline"))
    flood.served()
    known = platform_with(city, capabilities_of)["status"]["capabilities"]
    elsewhere.tunnel.cut()
    flood.wait_for("Ready", "Unknown", "ClusterUnreachable")
    assert platform_with(city, capabilities_of)["status"]["capabilities"] == known
    assert condition(flood.body(), "Accepted")["status"] == "True", "what was known stays"
    elsewhere.tunnel.restore()
    flood.served()


def test_a_city_is_asked_seldom(city: City, elsewhere: Elsewhere) -> None:
    city.store(asks(podSecurity="baseline"))
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    city.platform(cluster={"kubeconfigSecret": {"name": SECRET}})
    mark = elsewhere.cluster.mark()
    city.start(capabilities_interval_seconds="3600")
    city.install().served()
    time.sleep(5)  # some looks at whether it is there, each second
    found = [r for r in elsewhere.cluster.requests(elsewhere.user, mark) if r.kind in ("resourcequotas", "limitranges")]
    assert by_kind(found) == {"list limitranges": 1, "list resourcequotas": 1}
    assert {r.namespace for r in found} == {elsewhere.namespace}


def test_the_api_server_takes_the_new_fields_and_no_odd_ones(city: City, tmp_path: Path) -> None:
    name = f"odd-{SESSION}"
    full = asks(architectures=["amd64"], storage=["ReadWriteMany"], exposure=["Ingress"], podSecurity="restricted")
    full["calibration"]["devices"] = [{"name": GPU, "count": 2}]
    assert city.cluster.dry_run(apps.listing(name, full)) == ""
    for change, said in (
        ({"platformRequirements": {"podSecurity": "privileged"}}, "Unsupported value"),
        ({"platformRequirements": {"storage": []}}, "at least 1 items"),
        ({"platformRequirements": {"architectures": ["x 86"]}}, "should match"),
    ):
        assert said in city.cluster.dry_run(apps.listing(name, apps.version(**change)))
    for device in ("kubernetes.io/gpu", "requests.a.b/c", "gpu"):
        odd = apps.version()
        odd["components"][0]["devices"] = [{"name": device, "count": 1}]
        said = city.cluster.dry_run(apps.listing(name, odd))
        assert "a device is named by its vendor's domain" in said or "should match" in said
    capabilities = {
        "storageClasses": [{"name": "nfs", "accessModes": ["ReadWriteMany"]}],
        "ingressClasses": ["nginx"],
        "gatewayClasses": [],
        "architectures": ["amd64"],
        "devices": [{"name": GPU, "count": 4, "perNode": 2}],
        "podSecurity": "baseline",
    }
    assert city.cluster.dry_run(apps.platform(city.namespace, name="whole", capabilities=capabilities)) == ""
    odd = {"devices": [{"name": "x.kubernetes.io/y", "count": 1}]}
    assert "a device is named" in city.cluster.dry_run(apps.platform(city.namespace, name="odd", capabilities=odd))


def test_an_operator_of_all_namespaces_asks_for_them_at_once(city: City) -> None:
    limit(city, city.namespace, "1")
    city.rights.change("namespaces=null", "allNamespaces=true", "capabilities.read={classes,namespaces,nodes}")
    mark = city.cluster.mark()
    city.start(namespaces="", **EVERY_SECOND)
    flood = city.everything(asks(podSecurity="restricted", exposure=["Ingress"]))
    refused(flood, "needs an IngressClass, the cluster has no IngressClass; needs 2 pods")
    with ingress_class(city.cluster):
        limit(city, city.namespace, "2")
        flood.served()
    looks = ("namespaces", "resourcequotas", "limitranges", "ingressclasses")
    found = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind in looks]
    assert {(r.verb, r.namespace, r.code) for r in found} == {("list", "", 200)}
    assert {r.kind for r in found} == set(looks)
