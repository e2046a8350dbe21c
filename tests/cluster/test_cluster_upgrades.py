"""Upgrades by range and by approval, what is said of newer versions, the way back, and what is remembered."""

from typing import Any

import cluster_apps as apps
from cluster_city import JOB, App, City
from cluster_kit import KINDS, JsonObject, condition

from ddtas import names

INSTALLATION, SERVICE, RECORD = KINDS["Installation"], KINDS["Service"], KINDS["ControllerRevision"]
BAD = apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.2}))


def install(city: City, name: str = "flood", **spec: Any) -> App:
    """An Installation with a range instead of a version."""
    body = apps.installation(city.namespace, name, city.app, versionRange=">=1.0.0 <2.0.0", **spec)
    del body["spec"]["version"]
    city.cluster.apply(body)
    return city.known(name)


def serves(city: City, app: App, version: str) -> JsonObject:
    """Wait until a version serves and it is Ready; the status."""

    def look() -> JsonObject | None:
        body = app.body()
        status: JsonObject = body.get("status", {})
        return status if status.get("servingVersion") == version and is_ready(body) else None

    found: JsonObject = city.cluster.wait(f"version {version} of {app}", look, city.namespace)
    return found


def is_ready(body: JsonObject) -> bool:
    return condition(body, "Ready").get("status") == "True"


def jobs(app: App) -> set[str]:
    return {job["metadata"]["uid"] for job in app.children(JOB)}


def remove(city: City, app: App, field: str) -> None:
    city.cluster.merge(INSTALLATION, city.namespace, app.name, {"spec": {field: None}})


def test_a_version_that_is_listed_is_taken_by_itself_and_a_rollback_goes_back(city: City) -> None:
    city.store(apps.version())
    city.platform()
    city.start()
    flood = install(city)
    first = serves(city, flood, "1.0.0")["revision"]
    city.store(apps.version(), apps.version("1.1.0"), apps.version("2.0.0"))
    status = serves(city, flood, "1.1.0")
    second = status["revision"]
    assert {r["id"]: r["state"] for r in status["revisions"]} == {second: "Serving", first: "Superseded"}
    assert status["availableVersion"] == "2.0.0"
    assert condition(flood.body(), "UpToDate")["reason"] == "VersionPinned"
    city.settled()
    before, mark = jobs(flood), city.cluster.mark()

    flood.edit(rollbackTo=first)
    status = serves(city, flood, "1.0.0")
    assert status["servingRevision"] == status["revision"] == first
    assert {r["id"]: r["state"] for r in status["revisions"]} == {first: "Serving", second: "Superseded"}
    (service,) = flood.children(SERVICE)
    assert service["spec"]["selector"][names.LABEL_REVISION] == first
    city.settled()
    assert jobs(flood) <= before, "it was calibrated anew"
    made = [r for r in city.cluster.requests(city.rights.user, mark) if r.writes and r.kind == "jobs"]
    assert {r.verb for r in made} <= {"delete"}

    city.store(apps.version(), apps.version("1.1.0"), apps.version("1.2.0"))  # nothing overrides it
    city.settled()
    assert flood.body()["status"]["servingVersion"] == "1.0.0"
    assert "remove spec.rollbackTo to go on" in condition(flood.body(), "UpToDate")["message"]
    remove(city, flood, "rollbackTo")
    serves(city, flood, "1.2.0")


def test_an_approval_by_annotation_upgrades_one_and_not_its_neighbour(city: City) -> None:
    city.store(apps.version())
    city.platform()
    operator = city.start()
    mine = install(city, "mine", upgradePolicy="Manual")
    neighbour = install(city, "neighbour", upgradePolicy="Manual", parameters={"depth": 3})
    for app in (mine, neighbour):
        serves(city, app, "1.0.0")
    city.store(apps.version(), apps.version("1.1.0"), apps.version("1.2.0"))
    for app in (mine, neighbour):
        said = app.wait_for("UpToDate", "False", "ApprovalRequired")
        assert "version 1.2.0 is listed: approve it by" in said["message"]
        assert is_ready(app.body())
        assert app.told("ApprovalRequired")["type"] == "Warning"
    city.settled()
    before = neighbour.body()

    approval = {"metadata": {"annotations": {names.ANNOTATION_APPROVE: "1.1.0"}}}
    city.cluster.merge(INSTALLATION, city.namespace, "mine", approval)
    status = serves(city, mine, "1.1.0")
    assert status["availableVersion"] == "1.2.0"
    operator.kill()
    city.start()
    city.settled()
    assert mine.body()["status"]["servingVersion"] == "1.1.0"
    assert neighbour.body()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_an_automatic_upgrade_that_fails_is_not_tried_again(city: City) -> None:
    city.store(apps.version())
    city.platform()
    operator = city.start()
    flood = install(city)
    serves(city, flood, "1.0.0")
    city.store(apps.version(), apps.version("1.1.0", validation=BAD))
    flood.wait_for("Ready", "False", "ThresholdNotMet")
    status = flood.body()["status"]
    assert (status["version"], status["servingVersion"]) == ("1.1.0", "1.0.0")
    assert condition(flood.body(), "Serving")["reason"] == "KeepsServing"
    city.settled()
    before = jobs(flood)
    operator.kill()
    city.start()
    city.store(apps.version(state="Deprecated"), apps.version("1.1.0", validation=BAD), title="Another title")
    said = flood.wait_for("UpToDate", "False", "VersionDeprecated")["message"]
    assert said == "version 1.0.0, which serves, is deprecated; version 1.1.0 is to take its place"
    city.settled()
    assert jobs(flood) == before
    good = [apps.version("1.1.0", validation=BAD), apps.version("1.2.0", dataMigration=True)]
    city.store(apps.version(state="Deprecated"), *good)
    remembered = {r["version"]: r["id"] for r in serves(city, flood, "1.2.0")["revisions"]}
    flood.edit(rollbackTo=remembered["1.1.0"])
    flood.wait_for("Accepted", "False", "RevisionNotProven")
    flood.edit(rollbackTo=remembered["1.0.0"])
    assert "1.2.0 migrated data" in flood.wait_for("Accepted", "False", "DataMigrated")["message"]
    assert flood.body()["status"]["servingVersion"] == "1.2.0"


def test_ten_revisions_are_remembered_and_the_others_leave_nothing(city: City) -> None:
    city.start()
    flood = city.everything()
    served = [flood.served()["status"]["revision"]]
    for depth in range(3, 14):
        flood.edit(parameters={"depth": depth})
        served.insert(0, flood.served()["status"]["revision"])
    assert len(set(served)) == 12

    def tidy() -> bool:
        return {r["metadata"]["labels"][names.LABEL_REVISION] for r in flood.children(RECORD)} == set(served[:10])

    city.cluster.wait("ten records", tidy, city.namespace)
    status = flood.body()["status"]
    assert [r["id"] for r in status["revisions"]] == served[:10]
    assert all(r["validation"]["outcome"] == "Passed" for r in status["revisions"])
    others = [n for n in city.leftovers() if not n.startswith("ControllerRevision") and served[0] not in n]
    assert [n for n in others if not n.startswith(("Service ", "Pod "))] == []
    flood.edit(rollbackTo=served[11])
    assert "those that may serve" in flood.wait_for("Accepted", "False", "RevisionNotKept")["message"]
    flood.edit(rollbackTo=served[9])
    assert flood.served()["status"]["servingRevision"] == served[9]
