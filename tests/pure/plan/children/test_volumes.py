"""Volumes: which claims there are, whose data they have, and what becomes of them in the life of an Installation."""

from dataclasses import replace
from typing import Any

import pytest
from builders import City, listing_body, platform_body
from plan.remote.test_identity import ONE, remote

from ddtas import names
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.installation import Installation
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.volumes import CLAIM, kept, refused_growth
from ddtas.plan.decision.plan import Plan
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Child, ClaimFacts, PodFacts
from ddtas.plan.status.changes import Fault

DATA = {"name": "data", "mountPath": "/archive", "size": "1Gi"}
KEY = (CLAIM, "flood-web.data")


def listing(*volumes: dict[str, Any], **versions: Any) -> Any:
    """The example's listing, whose component has these volumes; more versions by number, with what they change.

    Args:
        volumes: of version 1.0.0.
        versions: `v2={"volumes": (…)}` is version 2.0.0, with these volumes and other fields.
    """
    body = listing_body()
    (first,) = body["spec"]["versions"]
    component = first["components"][0]
    first["components"] = [component | ({"volumes": list(volumes)} if volumes else {})]
    for number, more in versions.items():
        own = list(more.pop("volumes", ()))
        version = first | {"version": f"{number[1:]}.0.0"} | more
        version["components"] = [component | ({"volumes": own} if own else {})]
        body["spec"]["versions"].append(version)
    return body


def city(*volumes: dict[str, Any], **versions: Any) -> City:
    return City(listing=listing(*(volumes or (DATA,)), **versions))


def serving(*volumes: dict[str, Any], **versions: Any) -> City:
    """A city whose app serves, with data on its volumes."""
    made = city(*volumes, **versions)
    made.validated()
    made.bind_volumes()
    made.serving()
    return made


def desired(plan: Plan, key: tuple[str, str] = KEY) -> Desired:
    return next(d for d in plan.desired if d.key == key)


def claim(there: City, key: tuple[str, str] = KEY) -> Child:
    return there.children[key]


def facts(there: City, key: tuple[str, str] = KEY) -> ClaimFacts:
    found = claim(there, key).facts
    assert isinstance(found, ClaimFacts)
    return found


def change(there: City, key: tuple[str, str] = KEY, **fields: Any) -> None:
    """Have the cluster, or a person, change a claim."""
    there.children[key] = replace(claim(there, key), facts=replace(facts(there, key), **fields))


def volumes(there: City) -> list[dict[str, Any]]:
    return list(there.installation["status"].get("volumes", []))


# ---- the claim and its mount ----


def test_a_claim_is_the_installations_and_no_revisions() -> None:
    there = city()
    plan = there.settle()
    manifest = desired(plan).manifest
    assert manifest["metadata"] == {
        "name": "flood-web.data",
        "namespace": "voorbeeldstad",
        "labels": {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_INSTALLATION: "flood",
            names.LABEL_COMPONENT: "web",
            names.LABEL_LISTING: "flood-twin",
        },
        "annotations": {names.ANNOTATION_DATA_VERSION: "1.0.0"},
    }
    assert manifest["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert there.condition("Provisioned")["status"] == "True", "one without a volume yet is nothing to wait for"


def test_the_longest_names_make_one_that_a_claim_may_have() -> None:
    assert len(names.claim("a" * 30, "b" * 20, "c" * 20)) == 72
    assert names.claim("a", "b-c", "d") != names.claim("a", "b", "c-d")


def test_the_pods_mount_it_and_may_write_and_follow_it_to_its_node() -> None:
    there = city(DATA, {"name": "tiles", "mountPath": "/var/tiles", "size": "500M"})
    plan = there.validated()
    pod = next(d for d in plan.desired if d.key[0] == "Deployment").manifest["spec"]["template"]["spec"]
    own = [v for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert own == [
        {"name": f"volume-{name}", "persistentVolumeClaim": {"claimName": f"flood-web.{name}"}}
        for name in ("data", "tiles")
    ]
    mounts = {m["name"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert mounts["volume-data"] == {"name": "volume-data", "mountPath": "/archive"}
    assert pod["securityContext"]["fsGroup"] > 0
    assert pod["securityContext"]["runAsNonRoot"] is True
    (term,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert names.LABEL_REVISION not in term["labelSelector"]["matchLabels"], "both revisions, at the switch-over"


def test_a_volume_takes_nothing_from_the_choice_of_nodes() -> None:
    body = listing(DATA)
    body["spec"]["versions"][0]["platformRequirements"] = {"architectures": ["arm64"]}
    there = City(listing=body)
    there.capabilities = MeasuredCapabilities(architectures=("arm64",), quotas=(), limit_ranges=())
    plan = there.validated()
    pod = next(d for d in plan.desired if d.key[0] == "Deployment").manifest["spec"]["template"]["spec"]
    assert set(pod["affinity"]) == {"nodeAffinity", "podAffinity"}


def test_pods_that_share_a_volume_may_be_anywhere() -> None:
    plan = city(DATA | {"accessMode": "ReadWriteMany"}).validated()
    pod = next(d for d in plan.desired if d.key[0] == "Deployment").manifest["spec"]["template"]["spec"]
    assert "affinity" not in pod
    assert desired(plan).manifest["spec"]["accessModes"] == ["ReadWriteMany"]


def test_runs_have_no_volume_and_an_app_without_one_is_as_it_was() -> None:
    plan = city().settle()
    (job,) = (d for d in plan.desired if d.key[0] == "Job")
    assert "persistentVolumeClaim" not in str(job.manifest)
    without = City().validated()
    pod = next(d for d in without.desired if d.key[0] == "Deployment").manifest["spec"]["template"]["spec"]
    assert "fsGroup" not in pod["securityContext"]
    assert "affinity" not in pod


def test_size_class_and_mode_are_no_inputs_of_a_revision_and_the_rest_is() -> None:
    first = city().decide().revision
    for same in ({"size": "2Gi"}, {"accessMode": "ReadWriteMany"}):
        assert city(DATA | same).decide().revision == first
    fast = city()
    fast.platform["spec"]["storageClassName"] = "fast"  # type: ignore[index]
    assert fast.decide().revision == first
    for other in ({"mountPath": "/other"}, {"name": "other"}):
        assert city(DATA | other).decide().revision != first
    assert City().decide().revision != first


def test_the_class_is_the_platforms() -> None:
    there = city()
    there.platform["spec"]["storageClassName"] = "fast"  # type: ignore[index]
    assert desired(there.decide()).manifest["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(("limit", "fits"), [("1Gi", True), ("1000M", False), ("2T", True)])
def test_the_size_is_within_the_platforms_limits(limit: str, fits: bool) -> None:
    there = city()
    there.platform["spec"]["limits"]["storage"] = limit  # type: ignore[index]
    plan = there.reconcile()
    assert (plan.finding("Accepted").status == "True") is fits
    if not fits:
        said = there.condition("Accepted")
        assert said["reason"] == Reason.PLATFORM_UNSUITABLE
        assert f"its volumes request 1073741824 storage, spec.limits allow {limit}" in said["message"]


# ---- upgrades ----


def test_an_upgrade_keeps_the_claim_and_notes_who_was_started_on_it() -> None:
    there = serving(DATA, v2={"volumes": [DATA]})
    before = claim(there)
    there.edit(version="2.0.0")
    there.calibrated()
    assert facts(there).version == "1.0.0", "it has not been started yet"
    assert claim(there) == before, "nothing was sent"
    there.validated()
    assert facts(there).version == "2.0.0"
    there.serving()
    assert there.condition("Ready")["status"] == "True"


@pytest.mark.parametrize("policy", [None, "Retain", "Delete"])
def test_a_version_that_drops_a_volume_leaves_it_there(policy: str | None) -> None:
    there = serving(DATA, v2={})
    there.edit(version="2.0.0", **({"volumes": policy} if policy else {}))
    there.validated()
    assert "unused" not in volumes(there)[0], "what serves has it"
    there.serving()
    (shown,) = volumes(there)
    assert shown["unused"] is True
    assert "it is kept; delete the claim when its data may go" in shown["message"]
    assert KEY in there.children
    assert (claim(there).owner_uid != "") is (policy == "Delete"), "the policy holds for it too"
    there.edit(version="1.0.0")
    there.settle()
    there.roll_out()
    there.settle()
    assert there.condition("Ready")["status"] == "True"
    assert "unused" not in volumes(there)[0]


def test_what_is_unused_is_still_so_while_the_listing_is_away() -> None:
    there = serving(DATA, v2={})
    there.edit(version="2.0.0")
    there.validated()
    there.serving()
    before = volumes(there)
    there.listing = None
    there.settle()
    assert volumes(there) == before
    assert KEY in there.children


def test_an_earlier_version_does_not_get_data_that_a_candidate_may_have_migrated() -> None:
    there = serving(DATA, v2={"volumes": [DATA], "dataMigration": True})
    there.edit(version="2.0.0")
    there.validated()  # started, and does not become ready
    there.edit(version="1.0.0")
    there.settle()
    said = there.condition("Accepted")
    assert said["reason"] == Reason.DATA_MIGRATED
    assert "version 2.0.0 was started on PersistentVolumeClaim flood-web.data" in said["message"]


def test_nor_does_an_earlier_version_that_is_installed_anew() -> None:
    there = serving(DATA, v2={"volumes": [DATA], "dataMigration": True})
    there.edit(version="2.0.0")
    there.validated()
    there.serving()
    there.reinstall()
    there.edit(version="1.0.0")
    there.settle()
    assert there.condition("Accepted")["reason"] == Reason.DATA_MIGRATED
    there.edit(version="2.0.0")
    there.settle()
    assert there.condition("Provisioned")["status"] == "True"


# ---- size ----


def test_a_larger_size_is_asked_for_and_waited_for() -> None:
    there = serving(DATA, v2={"volumes": [DATA | {"size": "2Gi"}]})
    there.edit(version="2.0.0")
    plan = there.reconcile()
    assert desired(plan).manifest["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert "is made larger, from 1Gi to 2Gi" in there.condition("Provisioned")["message"]
    assert not [d for d in plan.desired if d.key[0] == "Job" and plan.revision and plan.revision in d.key[1]]
    there.settle()
    assert there.condition("Provisioned")["status"] == "True"
    assert "it is growing to 2Gi" in volumes(there)[0]["message"]
    change(there, trouble="the backend has no room")
    there.settle()
    assert "it is growing to 2Gi: the backend has no room" in volumes(there)[0]["message"]
    there.bind_volumes()
    there.settle()
    assert "message" not in volumes(there)[0]


def refuse(there: City, size: str = "2Gi") -> None:
    """One pass in which the API server refuses to make the volume larger."""
    wanted = desired(there.decide())
    assert wanted.manifest["spec"]["resources"]["requests"]["storage"] == size
    refused = refused_growth(wanted, "the class does not", there.now)
    there.reconcile(faults=(Fault(Reason.VOLUME_NOT_GROWN, refused.message, refused, KEY[1]),))


def test_a_refused_size_is_named_and_not_asked_for_again_at_once() -> None:
    there = serving(DATA, v2={"volumes": [DATA | {"size": "2Gi"}]})
    there.edit(version="2.0.0")
    refuse(there)
    said = there.condition("Provisioned")
    assert said["reason"] == Reason.VOLUME_NOT_GROWN
    assert "is to become 2Gi, and the API server refuses: the class does not" in said["message"]
    assert there.condition("Serving")["reason"] == Reason.KEEPS_SERVING
    plan = there.settle()
    assert desired(plan).manifest["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert there.condition("Provisioned")["message"] == said["message"]
    assert there.condition("Stalled")["status"] == "True"
    assert plan.requeue_after is not None
    assert 0 < plan.requeue_after <= 600
    there.tick(600)
    refuse(there)
    assert there.condition("Provisioned") == said
    there.tick(600)
    there.settle()
    assert facts(there).requested == "2Gi", "its class was told to let its volumes grow"
    assert there.condition("Provisioned")["status"] == "True"


def test_a_refused_size_does_not_keep_a_policy_from_its_claim() -> None:
    there = serving(DATA, v2={"volumes": [DATA | {"size": "2Gi"}]})
    there.edit(version="2.0.0", volumes="Delete")
    refuse(there)
    assert claim(there).owner_uid == ""
    there.settle()
    assert claim(there).owner_uid != ""
    there.edit(volumes="Retain")
    there.settle()
    assert claim(there).owner_uid == ""


def test_what_serves_goes_on_with_the_size_that_it_has() -> None:
    """An edit of the size within a version is no other revision."""
    there = serving()
    revision = there.decide().revision
    there.listing = listing(DATA | {"size": "2Gi"})
    refuse(there)
    plan = there.settle()
    assert plan.revision == revision
    assert there.condition("Serving")["status"] == "True"
    assert there.condition("Ready")["reason"] == Reason.VOLUME_NOT_GROWN
    assert {d.key[0] for d in plan.desired} >= {"Deployment", "Service"}
    there.listing = listing(DATA)
    there.settle()
    assert there.condition("Ready")["status"] == "True"


def test_a_smaller_size_is_never_asked_for() -> None:
    there = serving(DATA | {"size": "2Gi"}, v2={"volumes": [DATA]})
    there.edit(version="2.0.0")
    plan = there.settle()
    assert desired(plan).manifest["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert there.condition("Provisioned")["status"] == "True"
    assert volumes(there)[0]["message"] == "the version asks for 1Gi; it has 2Gi, and is not made smaller"


def test_a_size_that_is_written_otherwise_is_the_same() -> None:
    there = serving()
    change(there, requested="1024Mi", capacity="1Gi")
    before = desired(there.decide()).manifest["spec"]
    assert before["resources"]["requests"]["storage"] == "1024Mi"
    there.settle()
    assert "message" not in volumes(there)[0]


@pytest.mark.parametrize("requested", ["1Pi", "2E", "1e12", "1500000000000m", "3000000000u"])
def test_any_size_that_a_person_may_have_written_can_be_read(requested: str) -> None:
    there = serving()
    change(there, requested=requested, capacity=requested)
    there.settle()
    assert there.condition("Accepted")["status"] == "True"


# ---- what never had a volume ----


@pytest.mark.parametrize("later", [{"size": "2Gi"}, {"size": "500Mi"}, {"accessMode": "ReadWriteMany"}])
def test_a_claim_that_never_had_a_volume_is_made_anew_as_it_is_asked_for_now(later: dict[str, str]) -> None:
    there = city()
    there.settle()
    there.listing = listing(DATA | later)
    plan = there.reconcile()
    assert KEY in plan.prune
    assert "is made again" in there.condition("Provisioned")["message"]
    assert there.settle().prune == ()
    assert facts(there).requested == later.get("size", "1Gi")
    assert list(facts(there).access_modes) == [later.get("accessMode", "ReadWriteOnce")]


def test_so_a_class_that_is_not_there_can_be_corrected() -> None:
    there = city()
    there.platform["spec"]["storageClassName"] = "fats"  # type: ignore[index]
    there.settle()
    there.platform["spec"]["storageClassName"] = "fast"  # type: ignore[index]
    there.settle()
    assert facts(there).asked_class == "fast"
    there.bind_volumes()
    there.platform["spec"]["storageClassName"] = "other"  # type: ignore[index]
    plan = there.settle()
    assert plan.prune == ()
    assert desired(plan).manifest["spec"]["storageClassName"] == "fast"
    assert volumes(there)[0]["message"] == "its class is fast; the platform's, other, is that of new volumes"


@pytest.mark.parametrize("fields", [{"copied": True}, {"volume": "pv-1"}, {"phase": "Bound", "volume": "pv-1"}])
def test_what_has_or_will_have_data_is_not_made_anew(fields: dict[str, Any]) -> None:
    there = city()
    there.settle()
    change(there, **fields)
    there.listing = listing(DATA | {"size": "500Mi"})
    assert there.settle().prune == ()
    assert KEY in there.children


def test_a_claim_that_a_person_prepared_is_used_as_it_is() -> None:
    there = city()
    restored = ClaimFacts("Pending", "5Gi", access_modes=("ReadWriteOnce",), copied=True, listing="flood-twin")
    there.children[KEY] = Child(CLAIM, KEY[1], component="web", facts=restored)
    plan = there.reconcile()
    manifest = desired(plan).manifest
    assert manifest["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    there.settle()
    assert there.condition("Provisioned")["status"] == "True"


# ---- what cannot be used ----


def test_another_apps_data_are_not_touched_and_the_way_out_is_named() -> None:
    there = city()
    other = ClaimFacts("Bound", "1Gi", "1Gi", ("ReadWriteOnce",), volume="pv-1", listing="other-twin")
    there.children[KEY] = Child(CLAIM, KEY[1], component="web", applied="theirs", facts=other)
    plan = there.settle()
    assert (plan.desired, plan.prune) == ((), ())
    said = there.condition("Provisioned")
    assert said["reason"] == Reason.VOLUME_OF_ANOTHER_APP
    assert (
        "PersistentVolumeClaim flood-web.data has data of listing other-twin, and not of flood-twin" in said["message"]
    )
    assert "ddtas.nl/listing=flood-twin" in said["message"]
    assert there.condition("Stalled")["status"] == "True"
    assert volumes(there) == []
    assert "inventory" not in there.installation["status"]
    change(there, listing="flood-twin")
    there.settle()
    assert there.condition("Provisioned")["status"] == "True"


def test_a_claim_whose_mark_was_taken_away_is_left_alone_and_what_serves_serves_on() -> None:
    there = serving()
    change(there, listing="")
    plan = there.settle()
    assert KEY not in {d.key for d in plan.desired}
    assert "has no label ddtas.nl/listing" in there.condition("Provisioned")["message"]
    assert there.condition("Serving")["status"] == "True"
    assert {d.key[0] for d in plan.desired} >= {"Deployment", "Service"}


def test_a_claim_does_not_become_another_kind_of_volume() -> None:
    there = serving(DATA, v2={"volumes": [DATA | {"accessMode": "ReadWriteMany"}]})
    there.edit(version="2.0.0")
    there.settle()
    said = there.condition("Provisioned")
    assert said["reason"] == Reason.VOLUME_UNSUITABLE
    assert "is ReadWriteOnce, and version 2.0.0 asks for ReadWriteMany" in said["message"]
    assert there.condition("Serving")["reason"] == Reason.KEEPS_SERVING


def test_nothing_is_made_for_a_version_that_cannot_have_what_is_there() -> None:
    more = {"name": "more", "mountPath": "/more", "size": "1Gi"}
    there = serving(DATA, v2={"volumes": [DATA | {"accessMode": "ReadWriteMany"}, more]})
    there.edit(version="2.0.0")
    there.settle()
    assert (CLAIM, "flood-web.more") not in there.children


def test_a_lost_volume_is_named() -> None:
    there = serving()
    change(there, phase="Lost")
    there.settle()
    said = there.condition("Provisioned")
    assert said["reason"] == Reason.VOLUME_UNSUITABLE
    assert "is lost: its PersistentVolume pv-flood-web.data is gone" in said["message"]
    assert volumes(there)[0]["phase"] == "Lost"


def test_a_claim_that_is_named_like_none_of_ours_is_nobodys() -> None:
    there = serving()
    for name in (
        "flood-web",
        "other",
        "flood-Web.data",
        "flood-web.data.more",
        "web.data",
        "flood-web-.data",
        f"flood-{'w' * 21}.data",
    ):
        there.children[(CLAIM, name)] = replace(claim(there), name=name)
    plan = there.settle()
    assert [d.key for d in plan.desired if d.key[0] == CLAIM] == [KEY]
    assert len(volumes(there)) == 1


# ---- what a person sees while it starts ----


def test_a_pod_without_a_node_says_what_it_waits_for() -> None:
    there = city()
    there.validated()
    deployment = next(c for c in there.children.values() if c.kind == "Deployment")
    there.pod(deployment, PodFacts("Pending", unschedulable="pod has unbound immediate PersistentVolumeClaims"))
    there.settle()
    said = there.condition("Serving")
    assert said["reason"] == Reason.ROLLING_OUT
    assert "no node takes it: pod has unbound immediate PersistentVolumeClaims" in said["message"]
    assert "the cluster needs a default class, or the platform a spec.storageClassName" in said["message"]
    change(there, storage_class="slow")
    there.settle()
    text = "PersistentVolumeClaim flood-web.data (class slow) has no volume yet: `kubectl describe pvc flood-web.data`"
    assert text in there.condition("Serving")["message"]
    there.roll_out(available=False, stuck="timed out progressing")
    there.settle()
    assert there.condition("Serving")["reason"] == Reason.ROLLOUT_FAILED
    assert text in there.condition("Serving")["message"]


def test_a_claim_that_waits_for_its_first_pod_is_no_news() -> None:
    there = city()
    there.validated()
    change(there, storage_class="local")
    deployment = next(c for c in there.children.values() if c.kind == "Deployment")
    there.pod(deployment, PodFacts("Pending"))
    there.settle()
    assert there.condition("Serving")["message"] == "waiting for web to become ready"


def test_a_pod_that_cannot_mount_has_no_log_to_look_at() -> None:
    there = city()
    there.validated()
    there.bind_volumes()
    deployment = next(c for c in there.children.values() if c.kind == "Deployment")
    there.pod(deployment, PodFacts("Pending", waiting_reason="ContainerCreating"))
    there.roll_out(available=False, stuck="timed out progressing")
    there.settle()
    assert "see `kubectl describe pods -l ddtas.nl/component=web`" in there.condition("Serving")["message"]


def test_a_claim_that_is_deleted_by_hand_while_it_is_used_is_named() -> None:
    there = serving()
    there.children[KEY] = replace(claim(there), deleting=True)
    there.settle()
    assert "is being deleted, with its data" in there.condition("Provisioned")["message"]
    assert there.condition("Serving")["status"] == "True"
    assert volumes(there)[0]["phase"] == "Terminating"
    there.delete(KEY)
    there.settle()
    assert facts(there).volume == "", "a new one, without data"


# ---- policy, deletion, and the next Installation ----


def test_the_policy_is_who_owns_it() -> None:
    there = serving()
    assert claim(there).owner_uid == ""
    assert kept(there.children) == ["flood-web.data"]
    there.edit(volumes="Delete")
    there.settle()
    assert claim(there).owner_uid == there.installation["metadata"]["uid"]
    assert kept(there.children) == []
    assert volumes(there)[0]["onDeletion"] == "Delete"
    there.edit(volumes="Retain")
    there.settle()
    assert claim(there).owner_uid == ""
    assert facts(there).volume == "pv-flood-web.data"


def test_a_policy_that_does_not_hold_yet_is_not_shown_as_if_it_did() -> None:
    there = serving()
    there.edit(volumes="Delete", suspend=True)
    there.settle()
    assert volumes(there)[0]["onDeletion"] == "Retain"
    there.edit(suspend=False)
    there.settle()
    assert volumes(there)[0]["onDeletion"] == "Delete"


def test_on_a_citys_cluster_a_label_is_the_owner() -> None:
    there = City(listing=listing(DATA), platform=remote(ONE), workload_namespace="twins")
    labels = desired(there.settle()).manifest["metadata"]["labels"]
    uid = there.installation["metadata"]["uid"]
    assert labels[names.LABEL_USER] == uid
    assert names.LABEL_OWNER not in labels
    assert claim(there).owner_uid == ""
    there.edit(volumes="Delete")
    manifest = desired(there.settle()).manifest
    assert manifest["metadata"]["labels"][names.LABEL_OWNER] == uid
    assert names.LABEL_USER not in manifest["metadata"]["labels"]
    assert "ownerReferences" not in manifest["metadata"]


def test_a_namesake_takes_over_what_was_kept() -> None:
    there = serving()
    before = claim(there)
    there.reinstall()
    there.validated()
    there.serving()
    assert claim(there) == before, "it is as it should be: nothing is sent"
    assert there.condition("Ready")["status"] == "True"


def test_what_was_to_go_is_made_anew_for_a_namesake() -> None:
    there = serving()
    there.edit(volumes="Delete")
    there.settle()
    there.reinstall()
    assert KEY not in there.children
    there.settle()
    assert facts(there).volume == ""


def test_a_plan_shows_claims_and_makes_none() -> None:
    there = city()
    there.edit(mode="Plan")
    there.settle()
    assert KEY not in there.children
    items = there.installation["status"]["plan"]["items"]
    assert {"action": "Create", "kind": CLAIM, "name": "flood-web.data"} in items
    (shown,) = volumes(there)
    assert shown == {
        "claim": "flood-web.data",
        "component": "web",
        "name": "data",
        "phase": "Pending",
        "size": "1Gi",
        "onDeletion": "Retain",
    }


def test_a_plan_to_drop_a_volume_removes_nothing_of_it() -> None:
    there = serving(DATA, v2={"volumes": [DATA | {"size": "2Gi"}]}, v3={})
    there.edit(version="2.0.0", mode="Plan")
    there.settle()
    items = there.installation["status"]["plan"]["items"]
    assert {"action": "Change", "kind": CLAIM, "name": "flood-web.data"} in items
    there.edit(version="3.0.0")
    there.settle()
    assert not [i for i in there.installation["status"]["plan"]["items"] if i["kind"] == CLAIM]


def test_bring_up_writes_each_object_once() -> None:
    there = city()
    sent: list[tuple[str, str]] = []
    put = there._put
    there._put = lambda m, *more: (sent.append((m["kind"], m["metadata"]["name"])), put(m, *more))[1]  # type: ignore[func-returns-value, method-assign]
    there.validated()
    there.bind_volumes()
    there.serving()
    assert sent.count(KEY) == 1
    there.edit(parameters={"seed": 2})  # another revision of the same version
    there.validated()
    there.serving()
    assert sent.count(KEY) == 1


def test_the_status_is_one_that_the_model_reads() -> None:
    there = serving(DATA, v2={})
    there.edit(version="2.0.0")
    refusable = there.settle()
    assert refusable.volumes == Installation.parse(there.installation).status.volumes
    assert platform_body() == there.platform
