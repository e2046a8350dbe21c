"""Volumes on a real API server, with its binder of claims and its garbage collector."""

import json
import time
from collections.abc import Iterator
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import App, City
from cluster_kit import KINDS, OURS, SESSION, ApiServer, JsonObject, by_kind, condition, eventually
from cluster_remote import Elsewhere, RemoteApp
from test_cluster_flow import without_lease
from test_cluster_remote import CLUSTER, INSTALLATION, PLATFORM, remote_city

from ddtas import names
from ddtas.cluster.rest.resources import EVENT, ResourceType

CLAIM = KINDS["PersistentVolumeClaim"]
VOLUME = ResourceType("PersistentVolume", "/api/v1", "persistentvolumes")
CLASS = ResourceType("StorageClass", "/apis/storage.k8s.io/v1", "storageclasses")
NAME = "flood-web.data"
DATA = {"name": "data", "mountPath": "/archive", "size": "1Gi"}


class Storage:
    """What a cluster's storage would bring: volumes that were made beforehand, and classes."""

    def __init__(self) -> None:
        self._made: list[tuple[ApiServer, ResourceType, str]] = []

    def volume(self, cluster: ApiServer, namespace: str, claim: str = NAME, **spec: Any) -> None:
        """A volume for one claim."""
        name = f"{namespace}.{claim}"
        body = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/nowhere"},
            "claimRef": {"namespace": namespace, "name": claim},
        }
        self._make(cluster, VOLUME, name, {"spec": body | spec})

    def storage_class(self, cluster: ApiServer, namespace: str, **more: Any) -> str:
        """A class of which nothing is made by itself."""
        name = f"class-{namespace}"
        self._make(cluster, CLASS, name, {"provisioner": "kubernetes.io/no-provisioner"} | more)
        return name

    def _make(self, cluster: ApiServer, resource: ResourceType, name: str, body: JsonObject) -> None:
        metadata = {"name": name, "labels": {OURS: SESSION}}
        cluster.request("POST", resource.path(), {"metadata": metadata} | body)
        self._made.append((cluster, resource, name))

    def end(self) -> None:
        """Take all of it away; a volume that is in use goes with its claim."""
        for cluster, resource, name in self._made:
            cluster.delete(resource, None, name)


@pytest.fixture
def storage() -> Iterator[Storage]:
    made = Storage()
    yield made
    made.end()


def with_volume(number: str = "1.0.0", *volumes: JsonObject, **more: Any) -> JsonObject:
    """A version whose component has volumes, by default the one."""
    version = apps.version(number, **more)
    version["components"][0]["volumes"] = list(volumes or [DATA])
    return version


def claim(flood: App, cluster: ApiServer | None = None, namespace: str = "") -> JsonObject:
    return (cluster or flood.cluster).get(CLAIM, namespace or flood.namespace, NAME)


def find(flood: App) -> JsonObject | None:
    return flood.cluster.find(CLAIM, flood.namespace, NAME)


def gone(flood: App) -> None:
    flood.cluster.delete(INSTALLATION, flood.namespace, flood.name)
    flood.cluster.wait(f"end of {flood}", lambda: flood.cluster.find(INSTALLATION, flood.namespace, flood.name) is None)


def event(city: City, reason: str) -> JsonObject:
    def look() -> JsonObject | None:
        items = city.cluster.request("GET", EVENT.path(city.namespace))["items"]
        return next((dict(e) for e in items if e["reason"] == reason), None)

    found: JsonObject = city.cluster.wait(f"Event {reason}", look, city.namespace)
    return found


def requests_for_claims(city: City, since: int) -> dict[str, int]:
    asked = city.cluster.requests(city.rights.user, since)
    return by_kind([r for r in asked if r.kind == CLAIM.plural and r.verb != "watch"])  # watches are renewed anyway


def test_a_claim_is_made_once_and_outlives_upgrade_restart_and_deletion(city: City, storage: Storage) -> None:
    storage.volume(city.cluster, city.namespace)
    city.start()
    mark = city.cluster.mark()
    flood = city.everything(with_volume(), with_volume("2.0.0"), apps.version("3.0.0"))
    body = flood.served()
    first = claim(flood)
    assert "ownerReferences" not in first["metadata"]
    assert first["status"]["phase"] == "Bound"
    (pod,) = flood.children(KINDS["Pod"], component="web")
    assert {"name": "volume-data", "persistentVolumeClaim": {"claimName": NAME}} in pod["spec"]["volumes"]
    (shown,) = flood.cluster.wait("volume in the status", lambda: bound(flood), city.namespace)
    assert shown == {
        "claim": NAME,
        "component": "web",
        "name": "data",
        "phase": "Bound",
        "size": "1Gi",
        "onDeletion": "Retain",
    }
    assert ("PersistentVolumeClaim", NAME) in {(item["kind"], item["name"]) for item in body["status"]["inventory"]}
    city.settled()
    asked = requests_for_claims(city, mark)
    print(json.dumps(asked))
    assert asked == {"patch persistentvolumeclaims": 1}, "one write"

    mark = city.cluster.mark()
    city.end_operators()
    city.start()
    time.sleep(3)
    assert [r for r in city.cluster.requests(city.rights.user, mark) if r.writes] == [], "a restart changes nothing"
    mark = city.cluster.mark()
    time.sleep(5)
    assert without_lease(city.cluster.requests(city.rights.user, mark)) == []

    flood.edit(version="2.0.0")
    flood.served()
    assert claim(flood)["metadata"]["uid"] == first["metadata"]["uid"]
    assert claim(flood)["metadata"]["annotations"][names.ANNOTATION_DATA_VERSION] == "2.0.0"
    flood.edit(version="3.0.0")
    flood.served()
    flood.cluster.wait("unused volume", lambda: flood.body()["status"]["volumes"][0].get("unused"), city.namespace)
    assert claim(flood)["metadata"]["uid"] == first["metadata"]["uid"]
    flood.edit(version="2.0.0")
    flood.served()

    gone(flood)
    assert f"kept, with the data: PersistentVolumeClaim {NAME}" in event(city, "VolumesKept")["message"]
    city.cluster.wait("end of all else", lambda: city.leftovers() == [f"PersistentVolumeClaim {NAME}"], city.namespace)
    time.sleep(3)
    assert claim(flood)["metadata"]["uid"] == first["metadata"]["uid"]

    city.settled()
    mark = city.cluster.mark()
    city.install(version="2.0.0")
    flood.served()
    assert claim(flood)["metadata"]["uid"] == first["metadata"]["uid"], "a namesake has the data"
    assert requests_for_claims(city, mark) == {}, "it is as it should be"


def bound(flood: App) -> list[JsonObject] | None:
    volumes: list[JsonObject] = flood.body()["status"].get("volumes", [])
    return volumes if volumes and volumes[0]["phase"] == "Bound" else None


def test_what_is_to_be_deleted_goes_and_a_namesake_gets_nothing_of_it(city: City, storage: Storage) -> None:
    storage.volume(city.cluster, city.namespace)
    city.start()
    flood = city.everything(with_volume(), volumes="Delete")
    body = flood.served()
    first = claim(flood)
    (owner,) = first["metadata"]["ownerReferences"]
    assert owner["uid"] == body["metadata"]["uid"]
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    city.install(volumes="Delete")

    def another() -> bool:
        found = find(flood)
        return found is not None and found["metadata"]["uid"] != first["metadata"]["uid"]

    city.cluster.wait("another claim", another, city.namespace)
    flood.wait_for("Provisioned", "True", "Provisioned")
    gone(flood)
    city.cluster.wait("end of everything", lambda: not city.leftovers(), city.namespace)
    told = city.cluster.request("GET", EVENT.path(city.namespace))["items"]
    assert "VolumesKept" not in {e["reason"] for e in told}


def test_the_policy_can_change_while_there_is_data(city: City, storage: Storage) -> None:
    storage.volume(city.cluster, city.namespace)
    city.start()
    flood = city.everything(with_volume())
    flood.served()
    uid = claim(flood)["metadata"]["uid"]
    flood.edit(volumes="Delete")
    city.cluster.wait("owner", lambda: claim(flood)["metadata"].get("ownerReferences"), city.namespace)
    flood.edit(volumes="Retain")
    city.cluster.wait("no owner", lambda: not claim(flood)["metadata"].get("ownerReferences"), city.namespace)
    flood.served()
    gone(flood)
    event(city, "VolumesKept")
    assert claim(flood)["metadata"]["uid"] == uid


def test_another_apps_data_are_refused_until_a_person_decides(city: City, storage: Storage) -> None:
    storage.volume(city.cluster, city.namespace)
    city.start()
    flood = city.everything(with_volume())
    flood.served()
    gone(flood)
    event(city, "VolumesKept")
    other = f"{city.app}-other"
    city.cluster.apply(apps.listing(other, with_volume()))
    try:
        before = claim(flood)
        city.install(listing=other)
        said = flood.wait_for("Ready", "False", "VolumeOfAnotherApp")["message"]
        assert f"{NAME} has data of listing {city.app}" in said
        city.settled()
        assert claim(flood) == before
        assert city.leftovers() == [f"PersistentVolumeClaim {NAME}"]
        assert f"{names.LABEL_LISTING}={other}" in said
        labels = {"metadata": {"labels": {names.LABEL_LISTING: other}}}
        city.cluster.merge(CLAIM, city.namespace, NAME, labels)
        flood.served()
        assert claim(flood)["metadata"]["uid"] == before["metadata"]["uid"]
    finally:
        city.cluster.delete(KINDS["AppListing"], None, other)


def test_a_claim_of_somebody_else_is_not_touched_until_it_is_handed_over(city: City, storage: Storage) -> None:
    """It is just as ours would be, so no field of it would be in conflict."""
    storage.volume(city.cluster, city.namespace)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    city.cluster.request("POST", CLAIM.path(city.namespace), {"metadata": {"name": NAME}, "spec": spec})
    flood = city.known()
    city.cluster.wait("bound claim", lambda: claim(flood)["status"]["phase"] == "Bound")
    before = claim(flood)
    city.start()
    city.everything(with_volume())
    said = flood.wait_for("Ready", "False", "NameTaken")["message"]
    assert f"PersistentVolumeClaim {NAME} exists and is not this Installation's" in said
    assert claim(flood) == before
    marks = {names.LABEL_INSTALLATION: "flood", names.LABEL_LISTING: city.app}
    assert " ".join(f"{key}={value}" for key, value in marks.items()) in said
    city.cluster.merge(CLAIM, city.namespace, NAME, {"metadata": {"labels": marks}})
    flood.served()
    assert claim(flood)["metadata"]["uid"] == before["metadata"]["uid"]
    assert claim(flood)["spec"] == before["spec"]


def test_a_size_that_the_cluster_refuses_is_asked_for_once(city: City, storage: Storage) -> None:
    storage_class = storage.storage_class(city.cluster, city.namespace)
    storage.volume(city.cluster, city.namespace, storageClassName=storage_class)
    city.store(with_volume(), with_volume("2.0.0", DATA | {"size": "2Gi"}))
    city.platform(storageClassName=storage_class)
    city.start()
    flood = city.install()
    flood.served()
    assert claim(flood)["spec"]["storageClassName"] == storage_class
    city.settled()

    mark = city.cluster.mark()
    flood.edit(version="2.0.0")
    said = flood.wait_for("Provisioned", "False", "VolumeNotGrown")["message"]
    assert "is to become 2Gi, and the API server refuses" in said
    assert "allowVolumeExpansion" in said
    assert condition(flood.body(), "Serving")["reason"] == "KeepsServing"
    deployment = flood.children(KINDS["Deployment"])[0]["metadata"]["name"]
    city.cluster.delete(KINDS["Deployment"], city.namespace, deployment)
    city.cluster.wait(
        "Deployment again", lambda: city.cluster.find(KINDS["Deployment"], city.namespace, deployment), city.namespace
    )
    time.sleep(20)  # it looks again meanwhile
    assert requests_for_claims(city, mark) == {"patch persistentvolumeclaims": 1}
    assert condition(flood.body(), "Provisioned")["message"] == said

    city.cluster.merge(CLASS, None, storage_class, {"allowVolumeExpansion": True})
    city.store(with_volume(), with_volume("2.0.0", DATA | {"size": "3Gi"}))
    flood.served()
    assert claim(flood)["spec"]["resources"]["requests"]["storage"] == "3Gi"
    shown = flood.body()["status"]["volumes"][0]
    assert "it is growing to 3Gi" in shown["message"], "nobody makes it larger here"

    mark = city.cluster.mark()
    city.store(with_volume(), with_volume("2.0.0"))
    text = "the version asks for 1Gi; it has 3Gi"
    city.cluster.wait("notice", lambda: text in flood.body()["status"]["volumes"][0]["message"], city.namespace)
    assert requests_for_claims(city, mark) == {}
    flood.served()


def test_a_claim_that_waits_says_so_and_its_class_can_be_corrected(city: City, storage: Storage) -> None:
    city.store(with_volume())
    city.platform(storageClassName="mistyped")
    city.start()
    flood = city.install()
    text = f"PersistentVolumeClaim {NAME} (class mistyped) has no volume yet"
    city.cluster.wait("message", lambda: text in flood.condition("Serving").get("message", ""), city.namespace)
    assert "no node takes it" in flood.condition("Serving")["message"]
    first = claim(flood)["metadata"]["uid"]
    storage_class = storage.storage_class(city.cluster, city.namespace)
    city.platform(storageClassName=storage_class)

    def corrected() -> bool:
        return ((find(flood) or {}).get("spec") or {}).get("storageClassName") == storage_class

    city.cluster.wait("claim of the other class", corrected, city.namespace)
    assert claim(flood)["metadata"]["uid"] != first
    storage.volume(city.cluster, city.namespace, storageClassName=storage_class)
    flood.served()


# ---- on a city's own cluster ----


def there(elsewhere: Elsewhere) -> JsonObject | None:
    return elsewhere.cluster.find(CLAIM, elsewhere.namespace, NAME)


def test_volumes_stay_on_a_citys_own_cluster(city: City, elsewhere: Elsewhere, storage: Storage) -> None:
    storage.volume(elsewhere.cluster, elsewhere.namespace)
    flood = remote_city(city, elsewhere, with_volume())
    city.install("flood")
    body = flood.served()
    first = elsewhere.cluster.get(CLAIM, elsewhere.namespace, NAME)
    assert first["metadata"]["labels"][names.LABEL_USER] == body["metadata"]["uid"]
    assert names.LABEL_OWNER not in first["metadata"]["labels"]
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert list(elsewhere.objects()) == [f"PersistentVolumeClaim {NAME}"]
    assert f"in namespace {elsewhere.namespace} of the city's cluster" in event(city, "VolumesKept")["message"]

    city.install("flood")
    again = flood.served()
    found = elsewhere.cluster.get(CLAIM, elsewhere.namespace, NAME)
    assert found["metadata"]["uid"] == first["metadata"]["uid"]
    assert found["metadata"]["labels"][names.LABEL_USER] == again["metadata"]["uid"]

    # A platform that is made again has another UID, and finds them all the same.
    city.cluster.delete(PLATFORM, city.namespace, "oup")
    flood.says("PlatformNotFound")
    city.platform(**CLUSTER)
    flood.served()
    found = elsewhere.cluster.get(CLAIM, elsewhere.namespace, NAME)
    assert found["metadata"]["uid"] == first["metadata"]["uid"]
    platform = city.cluster.get(PLATFORM, city.namespace, "oup")["metadata"]["uid"]
    assert found["metadata"]["labels"][names.LABEL_PLATFORM] == platform

    city.cluster.merge(INSTALLATION, city.namespace, "flood", {"spec": {"volumes": "Delete"}})
    eventually("owner", lambda: names.LABEL_OWNER in (there(elsewhere) or {}).get("metadata", {}).get("labels", {}))
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert elsewhere.objects() == {}


def test_a_claim_of_another_operator_there_is_not_touched(city: City, elsewhere: Elsewhere) -> None:
    flood: RemoteApp = remote_city(city, elsewhere, with_volume())
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_INSTALLATION: "flood",
        names.LABEL_COMPONENT: "web",
        names.LABEL_LISTING: city.app,
        names.LABEL_PLATFORM: "0000-another",
        names.LABEL_USER: "0000-another",
    }
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": NAME, "namespace": elsewhere.namespace, "labels": labels}
    manifest = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    path = f"{CLAIM.path(elsewhere.namespace, NAME)}?fieldManager={names.FIELD_MANAGER}&force=false"
    elsewhere.cluster.request("PATCH", path, manifest, "application/apply-patch+yaml")
    time.sleep(1)
    before = there(elsewhere)
    city.install("flood")
    said = flood.says("NameTaken")
    assert f"PersistentVolumeClaim {NAME} exists and is not this Installation's" in said["message"]
    assert there(elsewhere) == before
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    flood.gone()
    assert list(elsewhere.objects()) == [f"PersistentVolumeClaim {NAME}"], "more was removed than its own"
