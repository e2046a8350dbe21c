"""Installations on a city's own cluster: two real API servers, and a network between them that can be cut."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import STEPS, City
from cluster_kit import KINDS, ApiServer, JsonObject, by_kind, condition, eventually
from cluster_remote import SECRET, Elsewhere, RemoteApp, server_of
from test_cluster_flow import OBJECTS, without_lease

from ddtas import names
from ddtas.cluster.rest.resources import EVENT

PLATFORM, INSTALLATION, SERVICE = KINDS["MunicipalityPlatform"], KINDS["Installation"], KINDS["Service"]
CLUSTER = {"cluster": {"kubeconfigSecret": {"name": SECRET}}}
# What a look at a cluster asks for.
LOOKS = {"get namespaces"}


def platform_says(city: City, reason: str, name: str = "oup") -> JsonObject:
    def look() -> JsonObject | None:
        found = condition(city.cluster.get(PLATFORM, city.namespace, name), "ClusterReachable")
        return found if found.get("reason") == reason else None

    found: JsonObject = city.cluster.wait(f"{reason} of platform {name}", look, city.namespace)
    return found


def remote_city(city: City, there: Elsewhere, *versions: JsonObject, **settings: str) -> RemoteApp:
    """Everything but the Installation, and an operator at work."""
    city.store(*versions)
    there.hand_over(city.cluster, city.namespace, there.kubeconfig())
    city.platform(**CLUSTER)
    city.start(**settings)
    return RemoteApp(city, there, "flood")


def install(city: City, flood: RemoteApp) -> RemoteApp:
    city.install(flood.name)
    flood.served()
    return flood


def steps(body: JsonObject) -> list[JsonObject]:
    return [c for c in body["status"]["conditions"] if c["type"] in STEPS]


def test_an_app_goes_to_the_citys_own_cluster(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    platform_says(city, "ClusterReachable")
    mark = elsewhere.cluster.mark()
    body = install(city, flood).body()
    city.settled()
    assert city.leftovers() == [], "nothing of it is at home"
    assert body["metadata"]["finalizers"] == [names.FINALIZER]
    assert body["status"]["url"] == f"http://flood-web.{elsewhere.namespace}.svc:8080/"

    objects = elsewhere.objects()
    assert {f"{i['kind']} {i['name']}" for i in body["status"]["inventory"]} == set(objects)
    uids = {
        names.LABEL_OWNER: body["metadata"]["uid"],
        names.LABEL_PLATFORM: city.cluster.get(PLATFORM, city.namespace, "oup")["metadata"]["uid"],
    }
    for made in objects.values():
        assert "ownerReferences" not in made["metadata"]
        assert made["metadata"]["labels"].items() >= uids.items()

    requests = elsewhere.cluster.requests(elsewhere.user, mark)
    print(json.dumps(by_kind(requests)))
    written = [r for r in requests if r.writes]
    assert by_kind(written) == {f"patch {kind}": count for kind, count in OBJECTS.items()}, "one write an object"
    looked_up = [(r.kind, r.name) for r in requests if r.verb == "get" and r.kind in OBJECTS]
    assert len(looked_up) == len(set(looked_up)), "once, before it is made, whether the name is taken"

    mark, there = city.cluster.mark(), elsewhere.cluster.mark()
    time.sleep(5)
    assert without_lease(city.cluster.requests(city.rights.user, mark)) == []
    assert set(by_kind(without_lease(elsewhere.cluster.requests(elsewhere.user, there)))) <= LOOKS
    remembered = city.cluster.get(PLATFORM, city.namespace, "oup")["status"]["cluster"]
    namespace = elsewhere.cluster.get(KINDS["Namespace"], None, elsewhere.namespace)
    assert remembered["identity"] == f"{namespace['metadata']['uid']}/{elsewhere.namespace}"

    # What is changed there is put right, and what is deleted here is removed there.
    elsewhere.cluster.delete(SERVICE, elsewhere.namespace, "flood-web")
    elsewhere.cluster.wait("Service", lambda: elsewhere.cluster.find(SERVICE, elsewhere.namespace, "flood-web"))
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert elsewhere.objects() == {}


def test_a_restart_changes_nothing(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    before = install(city, flood).body()
    city.settled()
    city.end_operators()
    mark, there = city.cluster.mark(), elsewhere.cluster.mark()
    city.start()
    time.sleep(3)
    city.settled()
    assert [r for r in city.cluster.requests(city.rights.user, mark) if r.writes] == []
    assert [r for r in elsewhere.cluster.requests(elsewhere.user, there) if r.writes] == []
    assert flood.body()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_city_that_is_away_harms_no_other_and_catches_up(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    city.cluster.apply(apps.platform(city.namespace, apps.source(city.supplier.url()), name="near"))
    before = steps(install(city, flood).body())
    elsewhere.tunnel.cut()
    said = platform_says(city, "ClusterUnreachable")
    assert "does not answer" in said["message"]
    ready = flood.says("ClusterUnreachable")
    assert ready["status"] == "Unknown"
    body = flood.body()
    assert condition(body, "Reconciling")["status"] == "True"
    assert steps(body) == before, "what was known stays"

    # Elsewhere life goes on; and so it does here.
    elsewhere.cluster.delete(SERVICE, elsewhere.namespace, "flood-web")
    flood.edit(parameters={"depth": 3})
    city.install("near", platform="near").served()
    fresh = RemoteApp(city, elsewhere, "fresh")
    city.install("fresh")
    fresh.says("ClusterUnreachable")
    city.settled(3)
    written = [e for e in flood.events() if e["reason"] == "ClusterUnreachable"]
    assert written == [], "one Event of the platform says it"

    elsewhere.tunnel.restore()
    platform_says(city, "ClusterReachable")
    flood.served()
    fresh.served()
    assert flood.body()["status"]["revision"] != body["status"]["revision"], "the edit was taken up"
    assert elsewhere.cluster.find(SERVICE, elsewhere.namespace, "flood-web") is not None


def test_a_city_that_hangs_holds_no_worker_for_long(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere, workers="2")
    city.cluster.apply(apps.platform(city.namespace, apps.source(city.supplier.url()), name="near"))
    install(city, flood)
    elsewhere.tunnel.hang()
    for n in range(4):
        city.install(f"far-{n}")
    city.install("near", platform="near").served()
    for n in range(4):
        assert "revision" not in city.known(f"far-{n}").body().get("status", {}), "the tunnel does not hang"
    elsewhere.tunnel.cut()
    elsewhere.tunnel.restore()
    for n in range(4):
        RemoteApp(city, elsewhere, f"far-{n}").served()


def test_another_cluster_behind_the_same_url_is_left_alone_until_it_is_accepted(
    city: City, elsewhere: Elsewhere
) -> None:
    # It is the operator's own cluster, which it would know by a namespace.
    city.rights.change("network.read={apiServer,services,nodes}")
    flood = remote_city(city, elsewhere)
    other = city.cluster
    elsewhere.hand_over(other, city.namespace, elsewhere.kubeconfig(None, other))
    platform_says(city, "ClusterReachable")
    before = install(city, flood).body()
    elsewhere.prepare(other)  # a namespace of the same name, on another cluster
    try:
        elsewhere.tunnel.lead_to(server_of(other))
        elsewhere.tunnel.break_off()
        platform_says(city, "ClusterUnauthorized")  # it knows no such token
        elsewhere.hand_over(other, city.namespace, elsewhere.kubeconfig(other))
        said = platform_says(city, "ClusterReplaced")
        flood.says("ClusterReplaced")
        stalled = condition(flood.body(), "Stalled")
        assert stalled["status"] == "True"
        flood.edit(parameters={"depth": 3})
        city.settled(3)
        assert elsewhere.objects(other) == {}, "something was applied to it"
        assert steps(flood.body()) == steps(before)

        identity = other.get(KINDS["Namespace"], None, elsewhere.namespace)["metadata"]["uid"]
        accepted = f"{identity}/{elsewhere.namespace}"
        assert f"{names.ANNOTATION_ACCEPT_CLUSTER}={accepted}" in said["message"]
        annotations = {names.ANNOTATION_ACCEPT_CLUSTER: accepted}
        other.merge(PLATFORM, city.namespace, "oup", {"metadata": {"annotations": annotations}})
        platform_says(city, "ClusterReachable")
        flood.served()
        assert "Service flood-web" in elsewhere.objects(other)
        city.cluster.delete(INSTALLATION, city.namespace, "flood")
        flood.gone()
    finally:
        other.delete(KINDS["Namespace"], None, elsewhere.namespace)


def test_a_deletion_waits_for_the_cluster_and_says_so_until_it_is_abandoned(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    install(city, flood)
    there = set(elsewhere.objects())
    elsewhere.tunnel.cut()
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    said = flood.says("ClusterUnreachable")
    assert f"{names.ANNOTATION_ABANDON}=true" in said["message"]

    city.end_operators()  # also when the operator knows nothing but what is in the cluster
    city.start()
    city.settled(3)
    assert "the deletion waits for that" in flood.says("ClusterUnreachable")["message"]
    annotations = {names.ANNOTATION_ABANDON: "true"}
    city.cluster.merge(INSTALLATION, city.namespace, "flood", {"metadata": {"annotations": annotations}})
    flood.gone()
    told = [e["reason"] for e in city.cluster.request("GET", EVENT.path(city.namespace))["items"]]
    assert "Abandoned" in told
    assert set(elsewhere.objects()) == there

    # Should the cluster come back: what was let go of is nobody's, and in the way of a namesake, which says so.
    elsewhere.tunnel.restore()
    platform_says(city, "ClusterReachable")
    city.install("flood")
    flood.says("NameTaken")
    owner = next(iter(elsewhere.objects().values()))["metadata"]["labels"][names.LABEL_OWNER]
    kinds = "configmaps,controllerrevisions,deployments,jobs,networkpolicies,secrets,services"
    elsewhere.cluster.kubectl("delete", kinds, "-n", elsewhere.namespace, "-l", f"{names.LABEL_OWNER}={owner}")
    flood.served()


def test_a_platform_that_goes_first_does_not_strand_its_installations(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    install(city, flood)
    city.cluster.delete(PLATFORM, city.namespace, "oup")
    flood.says("PlatformNotFound")
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert elsewhere.objects() == {}


def test_a_platform_that_is_made_again_finds_its_installations(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    revision = install(city, flood).body()["status"]["revision"]
    city.cluster.delete(PLATFORM, city.namespace, "oup")
    flood.says("PlatformNotFound")
    city.platform()  # one with that name, which has no cluster of its own
    flood.says("KubeconfigMissing")
    city.settled()
    assert city.leftovers() == [], "it was made here a second time"
    city.cluster.delete(PLATFORM, city.namespace, "oup")
    flood.says("PlatformNotFound")
    city.platform(**CLUSTER)
    assert flood.served()["status"]["revision"] == revision
    uid = city.cluster.get(PLATFORM, city.namespace, "oup")["metadata"]["uid"]
    web = elsewhere.objects()["Service flood-web"]
    assert web["metadata"]["labels"][names.LABEL_PLATFORM] == uid
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert elsewhere.objects() == {}


def test_what_another_operator_made_there_is_not_taken_over(city: City, elsewhere: Elsewhere) -> None:
    """Its objects have our labels and our field manager, and the very fields that we would set."""
    flood = remote_city(city, elsewhere)
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_INSTALLATION: "flood",
        names.LABEL_PLATFORM: "0000-another",
        names.LABEL_OWNER: "0000-another",
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "flood-web", "namespace": elsewhere.namespace, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}]},
    }
    path = f"{SERVICE.path(elsewhere.namespace, 'flood-web')}?fieldManager={names.FIELD_MANAGER}&force=false"
    before = elsewhere.cluster.request("PATCH", path, manifest, "application/apply-patch+yaml")
    city.install("flood")
    said = flood.says("NameTaken")
    assert "Service flood-web exists and is not this Installation's" in said["message"]
    assert elsewhere.cluster.get(SERVICE, elsewhere.namespace, "flood-web") == before
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert set(elsewhere.objects()) == {"Service flood-web"}, "more was removed than its own"


def test_a_withdrawn_token_is_named_and_a_new_one_taken_up(city: City, elsewhere: Elsewhere) -> None:
    flood = remote_city(city, elsewhere)
    install(city, flood)
    secret = KINDS["Secret"]
    elsewhere.cluster.delete(secret, elsewhere.namespace, "ddtas-operator-token")
    platform_says(city, "ClusterUnauthorized")
    flood.says("ClusterUnauthorized")
    elsewhere.prepare(elsewhere.cluster)
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    platform_says(city, "ClusterReachable")
    flood.served()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(lambda user, cluster, made: user.update(exec=made), "KubeconfigForbidden", id="exec"),
        pytest.param(
            lambda user, cluster, made: user.update({"auth-provider": {"name": "gcp", "config": {"cmd-path": made}}}),
            "KubeconfigForbidden",
            id="auth-provider",
        ),
        pytest.param(
            lambda user, cluster, made: user.update(tokenFile="/etc/hostname"), "KubeconfigForbidden", id="file"
        ),
        pytest.param(
            lambda user, cluster, made: cluster.update({"insecure-skip-tls-verify": True}),
            "KubeconfigForbidden",
            id="insecure",
        ),
        pytest.param(lambda user, cluster, made: user.pop("token"), "KubeconfigInvalid", id="nothing to show"),
    ],
)
def test_a_kubeconfig_that_asks_for_too_much_is_refused(
    city: City, second: ApiServer, tmp_path: Path, change: Callable[..., Any], reason: str
) -> None:
    canary = tmp_path / "canary"
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "touch",
        "args": [str(canary)],
        "interactiveMode": "Never",
    }
    user: JsonObject = {"token": "only-for-this-test"}
    cluster: JsonObject = {"server": server_of(second)}
    change(user, cluster, command)
    context = {"cluster": "c", "user": "u", "namespace": "default"}
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": context}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    city.cluster.apply(apps.credentials(city.namespace, SECRET, kubeconfig=json.dumps(body)))
    city.store()
    city.platform(**CLUSTER)
    operator = city.start()
    platform_says(city, reason)
    city.install("flood")
    RemoteApp(city, None, "flood").says(reason)  # type: ignore[arg-type]
    assert not canary.exists()
    assert "only-for-this-test" not in operator.output


def test_an_address_that_is_not_allowed_is_not_connected_to(city: City, elsewhere: Elsewhere) -> None:
    city.store()
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    city.platform(**CLUSTER)
    mark = elsewhere.cluster.mark()
    city.start(cluster_allowed_ranges="")
    said = platform_says(city, "ClusterAddressForbidden")
    assert "127.0.0.1 (a" in said["message"]
    assert elsewhere.cluster.requests(elsewhere.user, mark) == []


def test_a_missing_secret_is_named_and_taken_up_when_it_comes(city: City, elsewhere: Elsewhere) -> None:
    city.store()
    city.platform(**CLUSTER)
    city.start()
    platform_says(city, "KubeconfigMissing")
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    eventually("answer", lambda: platform_says(city, "ClusterReachable"))
