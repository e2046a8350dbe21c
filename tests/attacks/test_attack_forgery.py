"""Evidence, records, volumes and children that somebody forges, takes over, relabels or removes."""

from collections.abc import Iterator

import cluster_apps as apps
import pytest
from attacks_actors import Actors, Role
from cluster_city import App, City
from cluster_kit import KINDS, ApiServer, JsonObject, condition, eventually
from test_cluster_volumes import CLAIM, NAME, VOLUME, Storage, with_volume

from ddtas import names
from ddtas.plan.revision import RevisionInputs

INSTALLATION, PLATFORM, LISTING = KINDS["Installation"], KINDS["MunicipalityPlatform"], KINDS["AppListing"]
RECORD, DEPLOYMENT, SERVICE, JOB = KINDS["ControllerRevision"], KINDS["Deployment"], KINDS["Service"], KINDS["Job"]
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Volumes that an admin has made."""
    made = Storage()
    yield made
    made.end()


def test_nobody_but_the_operator_says_what_an_object_is(city: City, actors: Actors) -> None:
    """By the subresource it is forbidden; beside it, the API server leaves it out."""
    city.start()
    flood = city.everything()
    before = flood.served()
    city.settled()
    forged = {"status": {"servingRevision": "0000000000", "progress": "6/6"}}
    people = {role: actors(role) for role in Role}
    for actor in people.values():
        for resource, name in ((INSTALLATION, "flood"), (PLATFORM, "oup"), (LISTING, city.app)):
            path = resource.path(None if resource is LISTING else city.namespace, name, "status")
            body = {"apiVersion": apps.API, "kind": resource.kind, "metadata": {"name": name}} | forged
            actor.forbidden(lambda s, p=path: s.request("PATCH", p, forged, _MERGE))  # type: ignore[misc]
            actor.forbidden(lambda s, p=path, b=body: s.request("PUT", p, b))  # type: ignore[misc]
            as_ours = f"{path}?fieldManager={names.FIELD_MANAGER}&force=true"
            actor.forbidden(lambda s, p=as_ours, b=body: s.request("PATCH", p, b, _APPLY))  # type: ignore[misc]
    market = people[Role.MARKETPLACE].server
    market.request("PUT", INSTALLATION.path(city.namespace, "flood"), flood.body() | forged)
    market.merge(INSTALLATION, city.namespace, "flood", forged)
    city.settled()
    assert flood.body()["status"] == before["status"]


# ---- going back ----


def _record(city: City, inputs: JsonObject, uid: str) -> JsonObject:
    """A record as the operator would make it, of inputs that somebody chose: the digest fits."""
    revision = RevisionInputs.model_validate(inputs).id
    owner = {"apiVersion": apps.API, "kind": "Installation", "name": "flood", "uid": uid, "controller": True}
    labels = {
        names.LABEL_INSTALLATION: "flood",
        names.LABEL_REVISION: revision,
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
    }
    metadata = {"name": f"flood-{revision}", "namespace": city.namespace, "labels": labels, "ownerReferences": [owner]}
    return {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": inputs, "revision": 1}


def test_no_way_leads_back_to_what_was_not_proven(city: City, actors: Actors) -> None:
    failing = apps.version("2.0.0", validation=apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.1})))
    held = apps.version("3.0.0", calibration=apps.run(apps.CALIBRATED, held=True))
    city.start()
    city.store(apps.version(), failing, held)
    city.platform()
    flood = city.install()
    good = flood.served()["status"]["revision"]
    market = actors(Role.MARKETPLACE)
    mine = App(market.server, city.namespace, "flood")  # all that follows is done by the marketplace

    mine.edit(version="2.0.0")
    failed = flood.wait("Validated", "False", "ThresholdNotMet")["status"]["revision"]
    mine.edit(rollbackTo=failed)
    flood.wait_for("Ready", "False", "RevisionNotProven")
    mine.edit(version="3.0.0", rollbackTo=None)
    candidate = flood.wait("Calibrated", "Unknown", "Calibrating")["status"]["revision"]
    assert len({good, failed, candidate}) == 3
    mine.edit(rollbackTo=candidate)
    flood.wait_for("Ready", "False", "RevisionNotProven")
    mine.edit(rollbackTo="0123456789")
    body = flood.wait("Ready", "False", "RevisionNotKept")
    assert condition(body, "Serving")["reason"] == "KeepsServing"

    # A record of whatever somebody likes, with the digest that it should have. It takes a right that no role gives.
    inputs = city.cluster.get(RECORD, city.namespace, f"flood-{good}")["data"]
    inputs["version"]["components"][0]["image"] = "localhost/evil:1"
    forged = _record(city, inputs, flood.body()["metadata"]["uid"])
    path = RECORD.path(city.namespace)
    market.forbidden(lambda s: s.request("POST", path, forged))
    city.cluster.request("POST", f"{path}?fieldManager={names.FIELD_MANAGER}", forged)
    mine.edit(rollbackTo=forged["metadata"]["labels"][names.LABEL_REVISION])
    flood.wait_for("Ready", "False", "RevisionNotKept")
    # One that is proven, with other inputs than it had: they do not fit its digest.
    city.cluster.delete(RECORD, city.namespace, f"flood-{good}")
    other = forged | {"metadata": {**forged["metadata"], "name": f"flood-{good}"}}
    other["metadata"]["labels"] = {**forged["metadata"]["labels"], names.LABEL_REVISION: good}
    eventually("room for it", lambda: city.cluster.find(RECORD, city.namespace, f"flood-{good}") is None)
    city.cluster.request("POST", f"{path}?fieldManager={names.FIELD_MANAGER}", other)
    mine.edit(rollbackTo=good)
    flood.wait_for("Ready", "False", "RevisionNotKept")

    body = flood.body()
    assert body["status"]["servingRevision"] == good
    (deployment,) = flood.children(DEPLOYMENT)
    assert deployment["metadata"]["labels"][names.LABEL_REVISION] == good
    assert not any("evil" in str(child["spec"]) for kind in (DEPLOYMENT, JOB) for child in flood.children(kind))


# ---- volumes ----


def _claim(city: City, labels: JsonObject | None = None, **spec: object) -> JsonObject:
    body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}} | spec
    return {"metadata": {"name": NAME, "namespace": city.namespace, "labels": labels or {}}, "spec": body}


def _handed_over(city: City) -> JsonObject:
    return {names.LABEL_INSTALLATION: "flood", names.LABEL_LISTING: city.app, names.LABEL_MANAGED_BY: names.MANAGED_BY}


def test_a_claim_that_somebody_made_before_is_not_taken_for_ours(city: City, actors: Actors) -> None:
    """Without our labels it is in the way; with those of another app it has another app's data."""
    editor, path = actors(Role.EDIT), CLAIM.path(city.namespace)
    for role in (Role.MARKETPLACE, Role.PLATFORM_TEAM):
        actors(role).forbidden(lambda s: s.request("POST", path, _claim(city)))
    before = editor.server.request("POST", path, _claim(city))
    city.start()
    flood = city.everything(with_volume(), volumes="Delete")
    flood.wait_for("Ready", "False", "NameTaken")
    assert city.cluster.get(CLAIM, city.namespace, NAME) == before

    other = _handed_over(city) | {names.LABEL_LISTING: "another-app"}
    editor.server.merge(CLAIM, city.namespace, NAME, {"metadata": {"labels": other}})
    flood.wait_for("Ready", "False", "VolumeOfAnotherApp")
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    eventually("end of it", lambda: city.cluster.find(INSTALLATION, city.namespace, "flood") is None)
    city.settled()
    assert city.cluster.get(CLAIM, city.namespace, NAME)["metadata"]["uid"] == before["metadata"]["uid"]


def test_another_citys_volume_is_not_to_be_had(
    city: City, actors: Actors, neighbour: str, storage: Storage, cluster: ApiServer
) -> None:
    """By the name of the volume in a claim that was made before: it is bound to another claim, and stays so."""
    storage.volume(cluster, neighbour)
    theirs = _claim(city)
    theirs["metadata"]["namespace"] = neighbour
    theirs["spec"] |= {"volumeName": f"{neighbour}.{NAME}", "storageClassName": ""}
    cluster.request("POST", CLAIM.path(neighbour), theirs)

    def bound() -> bool:
        return cluster.get(CLAIM, neighbour, NAME)["status"].get("phase") == "Bound"  # type: ignore[no-any-return]

    eventually("bound claim of the neighbour", bound)
    before = cluster.get(VOLUME, None, f"{neighbour}.{NAME}")
    wanted = _claim(city, _handed_over(city), volumeName=f"{neighbour}.{NAME}", storageClassName="")
    actors(Role.EDIT).server.request("POST", CLAIM.path(city.namespace), wanted)
    city.start()
    flood = city.everything(with_volume(), volumes="Delete")
    flood.wait("Validated", "True")
    city.settled_but_for_looks(2)
    assert cluster.get(CLAIM, city.namespace, NAME)["status"]["phase"] in ("Pending", "Lost")
    assert condition(flood.body(), "Serving").get("status") != "True"
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    eventually("end of the claim", lambda: cluster.find(CLAIM, city.namespace, NAME) is None)
    assert cluster.get(VOLUME, None, f"{neighbour}.{NAME}")["spec"] == before["spec"]
    assert bound()


def test_data_that_were_kept_go_to_nobody_else(city: City, actors: Actors, storage: Storage) -> None:
    """A retained volume, relabelled by the platform team for another Installation: its name says whose it was."""
    storage.volume(city.cluster, city.namespace)
    city.start()
    flood = city.everything(with_volume())
    flood.served()
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    eventually("end of it", lambda: city.cluster.find(INSTALLATION, city.namespace, "flood") is None)
    team = actors(Role.PLATFORM_TEAM).server
    team.merge(CLAIM, city.namespace, NAME, {"metadata": {"labels": {names.LABEL_INSTALLATION: "other"}}})
    kept = city.cluster.get(CLAIM, city.namespace, NAME)
    other = App(actors(Role.MARKETPLACE).server, city.namespace, "other")
    other.cluster.apply(apps.installation(city.namespace, "other", city.app, volumes="Delete"))
    other.wait("Validated", "True")
    city.cluster.delete(INSTALLATION, city.namespace, "other")
    eventually("end of it", lambda: city.cluster.find(INSTALLATION, city.namespace, "other") is None)
    city.settled()
    now = city.cluster.get(CLAIM, city.namespace, NAME)
    assert now["metadata"]["uid"] == kept["metadata"]["uid"]
    assert "ownerReferences" not in now["metadata"]


# ---- children ----


def test_children_that_are_changed_in_our_name_are_put_right(city: City, actors: Actors) -> None:
    """Who applies with our field manager's name, and says that this was asked for, is not believed."""
    city.start()
    flood = city.everything()
    flood.served()
    editor = actors(Role.EDIT).server
    (deployment,) = flood.children(DEPLOYMENT)
    name, right = deployment["metadata"]["name"], deployment["spec"]["template"]["spec"]
    asked = deployment["metadata"]["annotations"][names.ANNOTATION_APPLIED]
    evil = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "annotations": {names.ANNOTATION_APPLIED: asked},
            "labels": deployment["metadata"]["labels"],
        },
        "spec": {
            "selector": deployment["spec"]["selector"],
            "template": {
                "metadata": deployment["spec"]["template"]["metadata"],
                "spec": {"containers": [{"name": "web", "image": "localhost/evil:1", "command": ["sh"]}]},
            },
        },
    }
    path = f"{DEPLOYMENT.path(city.namespace, name)}?fieldManager={names.FIELD_MANAGER}&force=true"
    editor.request("PATCH", path, evil, _APPLY)

    def as_it_was() -> bool:
        return bool(city.cluster.get(DEPLOYMENT, city.namespace, name)["spec"]["template"]["spec"] == right)

    eventually("the Deployment as it was", as_it_was)
    selector = {"spec": {"selector": {"app": "evil"}}}
    editor.merge(SERVICE, city.namespace, "flood-web", selector)
    eventually(
        "the Service as it was",
        lambda: (
            city.cluster.get(SERVICE, city.namespace, "flood-web")["spec"]["selector"].get("app") is None
            or "app" not in city.cluster.get(SERVICE, city.namespace, "flood-web")["spec"]["selector"]
        ),
    )
    for resource, child in ((DEPLOYMENT, name), (SERVICE, "flood-web")):
        uid = editor.get(resource, city.namespace, child)["metadata"]["uid"]
        editor.delete(resource, city.namespace, child)

        def anew(resource: object = resource, child: str = child, uid: str = uid) -> bool:
            found = city.cluster.find(resource, city.namespace, child)  # type: ignore[arg-type]
            return found is not None and found["metadata"]["uid"] != uid

        eventually(f"another {child}", anew)
    flood.served()


def test_a_child_given_to_another_installation_comes_back(city: City, actors: Actors) -> None:
    """By its label it would be another's, to be removed there: the owner says whose it is."""
    city.start()
    flood = city.everything()
    flood.served()
    other = city.install("other")
    other.served()
    city.settled()
    editor = actors(Role.EDIT).server
    before = {r.kind: {c["metadata"]["uid"] for c in flood.children(r)} for r in (DEPLOYMENT, SERVICE)}
    for resource in (DEPLOYMENT, SERVICE):
        (child,) = flood.children(resource)
        theirs = {"metadata": {"labels": {names.LABEL_INSTALLATION: "other"}}}
        editor.merge(resource, city.namespace, child["metadata"]["name"], theirs)

    def back() -> bool:
        return all({c["metadata"]["uid"] for c in flood.children(r)} == before[r.kind] for r in (DEPLOYMENT, SERVICE))

    eventually("children with their label", back)
    flood.served()
    other.served()


def test_a_finalizer_that_is_taken_away_comes_back(city: City, actors: Actors) -> None:
    city.start()
    flood = city.everything(removal="Wait")
    flood.served()
    market = actors(Role.MARKETPLACE)
    market.server.merge(INSTALLATION, city.namespace, "flood", {"metadata": {"finalizers": None}})

    def there() -> bool:
        return names.FINALIZER_CONSUMERS in flood.body()["metadata"].get("finalizers", ())

    eventually("finalizer", there)
    for annotation in (names.ANNOTATION_ABANDON, names.ANNOTATION_ACCEPT_CLUSTER):
        mark = {"metadata": {"annotations": {annotation: "true"}}}
        market.forbidden(lambda s, m=mark: s.merge(PLATFORM, city.namespace, "oup", m))  # type: ignore[misc]
