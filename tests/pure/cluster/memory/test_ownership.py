"""What is an Installation's own: nothing that is only made to look so by people who may write no status."""

from base64 import b64encode
from typing import Any

import pytest
from builders import UID

from ddtas import names
from ddtas.cluster.memory.facts import child
from ddtas.cluster.memory.ownership import Ownership, Seal
from ddtas.cluster.rest.resources import ResourceType
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.plan.snapshot import Child, Key

Json = dict[str, Any]

SEAL = Seal(b"k" * 32)
JOB: Key = ("Job", "flood-9563821c0d-calibrate")
OWNER = {"apiVersion": "ddtas.nl/v1alpha1", "kind": "Installation", "name": "flood", "uid": UID}
APPLIED = {"manager": names.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}}


def ownership(recorded: dict[Key, str | None] | None = None, seal: Seal = SEAL) -> Ownership:
    return Ownership(UID, "city", recorded or {}, seal)


def body(kind: str, name: str, uid: str = "u", owners: Any = (OWNER,), **labels: str) -> Json:
    """An object as the API server has it, by whoever made it."""
    marks = {names.LABEL_INSTALLATION: "flood"} | {
        names.GROUP + "/" + k.replace("_", "-"): v for k, v in labels.items()
    }
    metadata = {"name": name, "namespace": "city", "uid": uid, "resourceVersion": "5", "labels": marks}
    metadata |= {"ownerReferences": list(owners), "managedFields": [APPLIED]}  # type: ignore[list-item]
    return {"kind": kind, "metadata": metadata, "spec": {"template": {"spec": {"containers": [{"name": "calibrate"}]}}}}


def made(by: Ownership, uid: str = "u") -> Child:
    """The Job as the operator makes it."""
    return child("Job", by.sealed(body(*JOB, uid, phase="calibrate")))


def own(by: Ownership, *found: Child) -> set[Key]:
    return set(by.of({c.key: c for c in found}))


# ---- Jobs ----


def test_a_job_counts_from_the_moment_that_it_is_made() -> None:
    """Killed before the status has its uid, the operator knows it again."""
    assert own(ownership(), made(ownership())) == {JOB}


def test_a_job_whose_uid_the_status_has_counts() -> None:
    job = child("Job", body(*JOB, "u", phase="calibrate"))
    assert own(ownership({JOB: "u"}), job) == {JOB}


def test_a_job_that_only_looks_like_ours_does_not_count() -> None:
    """It has our label, our owner and our field manager, all of which anybody can set."""
    assert own(ownership(), child("Job", body(*JOB, phase="calibrate"))) == set()


@pytest.mark.parametrize("key", [b"k" * 31 + b"x", b"another key, and just as long. .."])
def test_a_seal_of_another_key_is_none(key: bytes) -> None:
    assert own(ownership(), made(ownership(seal=Seal(key)))) == set()


def test_a_seal_that_was_copied_is_of_no_use_once_the_status_has_the_uid() -> None:
    """Somebody removes the Job that runs, and makes another one with its seal."""
    original = made(ownership(), "u")
    copy = made(ownership(), "forged")
    assert original.seal == copy.seal
    assert own(ownership({JOB: "u"}), copy) == set()


def test_a_seal_that_was_copied_is_of_no_use_for_another_pod() -> None:
    """Before the status has the uid, too."""
    original = ownership().sealed(body(*JOB, "u", phase="calibrate"))
    original["spec"]["template"]["spec"]["containers"][0]["image"] = "forger"
    assert own(ownership(), child("Job", original)) == set()


def test_a_job_that_is_made_again_counts() -> None:
    """It was removed while it ran; killed before the status has the new uid, the operator knows it again."""
    before = ownership({JOB: "u"})
    again = made(before, "v")
    assert own(before, again) == {JOB}
    assert own(ownership({JOB: "v"}), again) == {JOB}
    assert own(ownership({JOB: "w"}), again) == set(), "it was made again since"


@pytest.mark.parametrize(
    "other",
    [
        Ownership("another-uid", "city", {}, SEAL),
        Ownership(UID, "elsewhere", {}, SEAL),
    ],
)
def test_a_seal_is_of_one_job_of_one_installation(other: Ownership) -> None:
    assert own(other, made(ownership())) == set()


def test_a_seal_is_of_one_name() -> None:
    seal = made(ownership()).seal
    other = body("Job", "flood-9563821c0d-validate", phase="validate")
    other["metadata"]["annotations"] = {names.ANNOTATION_SEAL: seal}
    assert own(ownership(), child("Job", other)) == set()


def test_a_job_without_owner_does_not_count() -> None:
    ours = ownership()
    assert own(ours, child("Job", ours.sealed(body(*JOB, owners=(), phase="calibrate")))) == set()
    labelled = body(*JOB, owners=(), phase="calibrate", owner_uid=UID)
    assert own(ours, child("Job", ours.sealed(labelled))) == set(), "at home the label says nothing"


def test_jobs_of_an_operator_that_recorded_no_uids_count() -> None:
    job = child("Job", body(*JOB, phase="calibrate"))
    assert own(ownership({JOB: None}), job) == {JOB}


@pytest.mark.parametrize("seal", ["", "\u00e9" * 40, "x" * 10_000, "0" * 40])
def test_a_seal_may_be_anything(seal: str) -> None:
    forged = body(*JOB, phase="calibrate")
    forged["metadata"]["annotations"] = {names.ANNOTATION_SEAL: seal}
    assert own(ownership(), child("Job", forged)) == set()


# ---- pods ----


def pod(owner: Json | None, name: str = "flood-9563821c0d-calibrate-x1", phase: str = "calibrate") -> Child:
    owners = [owner] if owner is not None else []
    return child("Pod", body("Pod", name, "p", owners, **({"phase": phase} if phase else {})))


def by_job(uid: str, **more: Any) -> Json:
    return {"apiVersion": "batch/v1", "kind": "Job", "name": JOB[1], "uid": uid, "controller": True} | more


def test_a_pod_of_a_job_that_counts_counts() -> None:
    assert ("Pod", "flood-9563821c0d-calibrate-x1") in own(ownership(), made(ownership()), pod(by_job("u")))


@pytest.mark.parametrize(
    "owner",
    [None, by_job("another"), by_job("u", controller=False), by_job("u", apiVersion="apps/v1"), OWNER, by_job("")],
)
def test_a_pod_of_nothing_that_counts_does_not(owner: Json | None) -> None:
    assert own(ownership(), made(ownership()), pod(owner)) == {JOB}


def test_a_pod_of_a_forged_job_does_not_count() -> None:
    forged = child("Job", body(*JOB, "forged", phase="calibrate"))
    assert own(ownership(), forged, pod(by_job("forged"))) == set()


def test_a_pod_of_a_component_counts() -> None:
    """Its owner is a ReplicaSet, which is not watched; it is evidence of nothing."""
    replica = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": True}
    assert own(ownership(), pod(replica, "flood-web-x1", "")) == {("Pod", "flood-web-x1")}


# ---- other kinds ----


@pytest.mark.parametrize(
    "kind", ["Secret", "Service", "ConfigMap", "Deployment", "ControllerRevision", "NetworkPolicy"]
)
def test_an_object_is_known_by_its_owner_alone(kind: str) -> None:
    assert own(ownership(), child(kind, body(kind, "a"))) == {(kind, "a")}
    assert own(ownership(), child(kind, body(kind, "a", owners=()))) == set()
    assert own(ownership(), child(kind, body(kind, "a", owners=(), owner_uid=UID))) == set()
    assert own(ownership(), child(kind, body(kind, "a", owners=(OWNER | {"uid": "namesake"},)))) == set()
    assert own(ownership(), child(kind, body(kind, "a", owners=(OWNER | {"name": "other"},)))) == set()
    foreign = OWNER | {"apiVersion": "example.org/v1"}
    assert own(ownership(), child(kind, body(kind, "a", owners=(foreign,)))) == set()


def test_a_volume_that_is_to_be_kept_has_no_owner() -> None:
    kind = "PersistentVolumeClaim"
    assert own(ownership(), child(kind, body(kind, "a", owners=()))) == {(kind, "a")}
    assert own(ownership(), child(kind, body(kind, "a", owners=(OWNER | {"uid": "namesake"},)))) == set()


def test_what_lost_label_and_owner_is_known_by_its_uid() -> None:
    ours = ownership({("Deployment", "a"): "u"})
    assert ours.lost(("Deployment", "a"), "u")
    assert not ours.lost(("Deployment", "a"), "another")
    assert not ours.lost(("Deployment", "b"), "u")
    assert not ownership({("Deployment", "a"): None}).lost(("Deployment", "a"), "")


# ---- the key ----


class Server:
    """Has one Secret, or none."""

    def __init__(self, there: Json | None = None, *, raced: bool = False) -> None:
        self.there, self.raced = there, raced

    async def get(self, resource: ResourceType, namespace: str, name: str) -> Json:
        assert (namespace, name) == ("operators", names.SEAL)
        if self.there is None:
            raise NotFound(404, "no")
        return self.there

    async def create(self, resource: ResourceType, manifest: Json) -> Json:
        if self.raced:
            self.there = {"data": {"key": b64encode(b"r" * 32).decode()}}
            raise Conflict(409, "already exists")
        self.there = manifest
        return manifest


async def loaded(server: Server) -> str:
    seal = Seal()
    await seal.load(server, "operators")  # type: ignore[arg-type]
    return seal.of(UID, "city", JOB, "", "")


async def test_the_key_is_made_once_and_found_again() -> None:
    server = Server()
    first = await loaded(server)
    assert first == await loaded(server)
    assert first != await loaded(Server()), "it is another one each time that it is made"


async def test_of_two_replicas_the_quicker_one_makes_the_key() -> None:
    assert await loaded(Server(raced=True)) == Seal(b"r" * 32).of(UID, "city", JOB, "", "")


@pytest.mark.parametrize("data", [None, {}, {"key": "no base64!"}, {"key": "c2hvcnQ="}, {"key": 7}, []])
async def test_a_damaged_key_is_named(data: Any) -> None:
    with pytest.raises(ClusterError, match=r"operators/ddtas-operator-seal .* delete it"):
        await loaded(Server({"data": data}))
