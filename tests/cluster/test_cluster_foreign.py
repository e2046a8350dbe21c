"""Objects of others: nothing of theirs is touched, and what stands in the way is named."""

import cluster_apps as apps
from cluster_city import City
from cluster_kit import KINDS, JsonObject

from ddtas import names

SERVICE, CONFIG_MAP = KINDS["Service"], KINDS["ConfigMap"]


def foreign_service(namespace: str) -> JsonObject:
    """A Service that somebody made, with a name that ours would have."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "flood-web", "namespace": namespace},
        "spec": {"selector": {"app": "other"}, "ports": [{"name": "other", "port": 80, "protocol": "TCP"}]},
    }


def test_a_service_of_somebody_else_is_not_taken_over(city: City) -> None:
    city.cluster.request("POST", SERVICE.path(city.namespace), foreign_service(city.namespace))
    before = city.cluster.get(SERVICE, city.namespace, "flood-web")
    city.start()
    flood = city.everything()
    said = flood.wait_for("Ready", "False", "NameTaken")
    assert "Service flood-web exists and is not this Installation's: rename or remove it" in said["message"]
    assert city.cluster.get(SERVICE, city.namespace, "flood-web") == before

    city.cluster.delete(SERVICE, city.namespace, "flood-web")
    flood.served()


def test_objects_of_somebody_else_stay_as_they_are(city: City) -> None:
    """Nothing of theirs would be a conflict of fields, and a merge would make them ours, to be removed one day."""
    city.start()
    flood = city.everything(mode="Plan")
    flood.wait_for("Ready", "False", "Planned")
    planned = [i for i in flood.body()["status"]["plan"]["items"] if i["kind"] in ("ConfigMap", "Secret")]
    assert {i["kind"] for i in planned} == {"ConfigMap", "Secret"}
    foreign = []
    for item in planned:
        resource = KINDS[item["kind"]]
        body = {"apiVersion": "v1", "kind": item["kind"], "metadata": {"name": item["name"]}}
        foreign.append((resource, city.cluster.request("POST", resource.path(city.namespace), body)))
    flood.edit(mode="Apply")
    flood.wait_for("Ready", "False", "NameTaken")
    flood.edit(parameters={"depth": 4})  # another revision, with other names: those of the first one go
    flood.served()
    city.settled()
    for resource, before in foreign:
        assert city.cluster.get(resource, city.namespace, before["metadata"]["name"]) == before


def test_two_installations_do_not_share_a_service(city: City) -> None:
    """`a` with component `b-web` and `a-b` with component `web`: the second one says so, the first one serves on."""
    component = apps.version()["components"][0]
    city.store(apps.version(), apps.version("2.0.0", components=[component | {"name": "b-web"}]))
    city.platform()
    city.start()
    first = city.install("a-b", version="1.0.0")
    first.served()
    before = city.cluster.get(SERVICE, city.namespace, "a-b-web")

    second = city.install("a", version="2.0.0")
    second.wait_for("Ready", "False", "NameTaken")
    city.settled()
    assert city.cluster.get(SERVICE, city.namespace, "a-b-web") == before
    first.served()


def test_a_child_that_lost_our_label_is_taken_back(city: City) -> None:
    city.start()
    flood = city.everything()
    flood.served()
    for resource in (SERVICE, CONFIG_MAP, KINDS["Deployment"], KINDS["Secret"]):
        child = flood.children(resource)[0]
        gone = {"metadata": {"labels": {names.LABEL_INSTALLATION: None}}}
        city.cluster.merge(resource, city.namespace, child["metadata"]["name"], gone)

        def has_it(name: str = child["metadata"]["name"], resource: object = resource) -> bool:
            return any(c["metadata"]["name"] == name for c in flood.children(resource))  # type: ignore[arg-type]

        city.cluster.wait(f"label of {resource.kind}", has_it, city.namespace)


def test_a_child_that_lost_label_and_owner_is_taken_back(city: City) -> None:
    """It is known by its uid, which the status has."""
    city.start()
    flood = city.everything()
    flood.served()
    uids = {(i["kind"], i["name"]): i["uid"] for i in flood.body()["status"]["inventory"]}
    for resource in (SERVICE, CONFIG_MAP, KINDS["Deployment"], KINDS["Secret"]):
        name = flood.children(resource)[0]["metadata"]["name"]
        gone = {"metadata": {"labels": {names.LABEL_INSTALLATION: None}, "ownerReferences": None}}
        city.cluster.merge(resource, city.namespace, name, gone)

        def is_back(name: str = name, resource: object = resource) -> bool:
            metadata = city.cluster.get(resource, city.namespace, name)["metadata"]  # type: ignore[arg-type]
            assert metadata["uid"] == uids[resource.kind, name]  # type: ignore[attr-defined]
            return names.LABEL_INSTALLATION in metadata["labels"] and "ownerReferences" in metadata

        city.cluster.wait(f"owner of {resource.kind}", is_back, city.namespace)
    flood.served()
