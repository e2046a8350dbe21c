"""A city's own cluster: whether work may be done there, what is said where not, and how its objects are marked."""

from typing import Any

import pytest
from builders import NOW, UID, City, listing_body, platform_body

from ddtas import names
from ddtas.api.installation import Installation
from ddtas.api.platform import ClusterStatus, MunicipalityPlatform
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.facts import NOBODY
from ddtas.cluster.memory.ownership import Ownership, Seal
from ddtas.cluster.rest.resources import BY_KIND
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.identity import CONNECTING, ClusterObservation, blocked_removal, judge, namespace_of
from ddtas.plan.status.installation import held_status
from ddtas.plan.status.platform import platform_status

ONE, TWO = "aaaa/twins", "bbbb/twins"
UNREACHABLE = ClusterObservation(Reason.CLUSTER_UNREACHABLE, "https://api.example does not answer")
STEPS = ("Accepted", "DataBound", "Provisioned", "Calibrated", "Validated", "Serving")


def remote(known: str | None = None, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    body = platform_body()
    body["spec"]["cluster"] = {"kubeconfigSecret": {"name": "city-cluster"}}
    body["metadata"] |= {"name": "oup", "uid": "platform-uid", "annotations": annotations or {}}
    if known is not None:
        body["status"] = {"cluster": {"identity": known, "kubernetesVersion": "1.33"}}
    return body


def platform(known: str | None = None, **annotations: str) -> MunicipalityPlatform:
    marks = {f"ddtas.nl/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return MunicipalityPlatform.parse(remote(known, marks))


def reached(*identities: str) -> ClusterObservation:
    return ClusterObservation(Reason.CLUSTER_REACHABLE, "", identities, "1.34")


# ---- which cluster is it ----


@pytest.mark.parametrize(
    ("known", "seen", "accepted", "status", "reason", "remembered"),
    [
        pytest.param(None, (ONE, TWO), None, "True", "ClusterReachable", ONE, id="the first one is trusted"),
        pytest.param(ONE, (ONE,), None, "True", "ClusterReachable", ONE, id="as ever"),
        pytest.param(TWO, (ONE, TWO), None, "True", "ClusterReachable", TWO, id="more may be read than before"),
        pytest.param(ONE, (TWO,), None, "False", "ClusterReplaced", ONE, id="another one"),
        pytest.param(ONE, ("aaaa/other",), None, "False", "ClusterReplaced", ONE, id="another namespace of it"),
        pytest.param(ONE, (TWO,), ONE, "False", "ClusterReplaced", ONE, id="accepted was another"),
        pytest.param(ONE, (TWO,), TWO, "True", "ClusterReachable", TWO, id="accepted"),
    ],
)
def test_identity(
    known: str | None, seen: tuple[str, ...], accepted: str | None, status: str, reason: str, remembered: str
) -> None:
    marks = {"accept_cluster": accepted} if accepted else {}
    finding, cluster = judge(platform(known, **marks), reached(*seen))
    assert (finding.status, finding.reason.value) == (status, reason)
    assert cluster is not None
    assert cluster.identity == remembered


def test_another_cluster_is_named_with_the_way_to_accept_it() -> None:
    finding, _ = judge(platform(ONE), reached(TWO))
    assert f"leads to cluster {TWO}, and led to {ONE} before" in finding.message
    assert f"ddtas.nl/accept-cluster={TWO}" in finding.message


def test_a_cluster_that_is_away_is_still_remembered() -> None:
    finding, cluster = judge(platform(ONE), UNREACHABLE)
    assert (finding.status, finding.reason) == ("False", Reason.CLUSTER_UNREACHABLE)
    assert cluster == ClusterStatus(identity=ONE, kubernetes_version="1.33")


def test_the_namespace_is_that_of_the_kubeconfig() -> None:
    assert namespace_of(ONE) == "twins"


# ---- the platform's status ----


def published(body: dict[str, Any], seen: ClusterObservation) -> dict[str, Any]:
    parsed = MunicipalityPlatform.parse(body)
    return platform_status(parsed, {}, {}, (), NOW, judge(parsed, seen)).dump()


def test_the_condition_is_the_first_and_ready_has_its_reason() -> None:
    status = published(remote(), UNREACHABLE)
    first, *_ = status["conditions"]
    assert (first["type"], first["status"], first["reason"]) == ("ClusterReachable", "False", "ClusterUnreachable")
    ready = {c["type"]: c for c in status["conditions"]}
    assert ready["Ready"]["reason"] == "ClusterUnreachable"
    assert ready["Reconciling"]["status"] == "True"
    assert "cluster" not in status


def test_before_the_first_answer_after_a_restart_nothing_changes() -> None:
    for before in (reached(ONE), UNREACHABLE):
        body = remote(ONE)
        body["status"] |= published(body, before)
        again = published(body, CONNECTING)
        assert again["conditions"][0] == body["status"]["conditions"][0]


def test_before_the_very_first_answer_it_is_connecting() -> None:
    first = published(remote(), CONNECTING)["conditions"][0]
    assert (first["status"], first["reason"]) == ("Unknown", "ClusterConnecting")


def test_a_local_platform_says_nothing_of_a_cluster() -> None:
    status = platform_status(MunicipalityPlatform.parse(platform_body()), {}, {}, (), NOW)
    assert "ClusterReachable" not in [c.type for c in status.conditions]
    assert status.cluster is None


# ---- Installations while nothing can be done ----


def held(city: City, reason: Reason) -> dict[str, Any]:
    return held_status(Installation.parse(city.installation), reason, "platform oup: it is away", city.now).dump()


def test_what_was_known_stays_and_ready_says_why() -> None:
    city = City()
    city.serving()
    before = city.installation["status"]
    status = held(city, Reason.CLUSTER_UNREACHABLE)
    steps = len(STEPS)
    assert status["conditions"][:steps] == before["conditions"][:steps]
    assert {k: v for k, v in status.items() if k != "conditions"} == {
        k: v for k, v in before.items() if k != "conditions"
    }
    known = {c["type"]: c for c in status["conditions"]}
    ready, reconciling, stalled = (known[kind] for kind in ("Ready", "Reconciling", "Stalled"))
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "Unknown",
        "ClusterUnreachable",
        "platform oup: it is away",
    )
    assert (reconciling["status"], stalled["status"]) == ("True", "False")
    city.installation["status"] = status
    city.tick(60)
    assert held(city, Reason.CLUSTER_UNREACHABLE) == status, "it flaps"


def test_it_catches_up_with_the_status_it_had() -> None:
    city = City()
    city.serving()
    before = [(c["type"], c["status"], c["reason"]) for c in city.installation["status"]["conditions"]]
    city.installation["status"] = held(city, Reason.CLUSTER_UNREACHABLE)
    city.settle()
    assert [(c["type"], c["status"], c["reason"]) for c in city.installation["status"]["conditions"]] == before


def test_a_person_must_act_where_another_cluster_answers() -> None:
    city = City()
    status = held(city, Reason.CLUSTER_REPLACED)
    by_type = {c["type"]: c for c in status["conditions"]}
    assert list(by_type) == [*STEPS, "Ready", "Reconciling", "Stalled"]
    assert by_type["Ready"]["status"] == "False"
    assert by_type["Stalled"]["status"] == "True"
    assert status["progress"] == "0/6"


def test_a_blocked_removal_says_the_way_out() -> None:
    assert "ddtas.nl/abandon=true" in blocked_removal(Reason.CLUSTER_UNREACHABLE, "it is away")
    assert blocked_removal(Reason.REMOVING, "two objects") == "two objects"


# ---- objects on the city's cluster ----


def elsewhere(**more: Any) -> City:
    return City(platform=remote(ONE), workload_namespace="twins", **more)


def test_each_object_is_marked_and_has_no_owner_reference() -> None:
    city = elsewhere()
    city.serving()
    plan = city.reconcile()
    assert plan.desired
    for desired in plan.desired:
        metadata = desired.manifest["metadata"]
        assert metadata["namespace"] == "twins"
        assert "ownerReferences" not in metadata
        marks = {names.LABEL_PLATFORM: "platform-uid", names.LABEL_OWNER: UID, names.LABEL_INSTALLATION: "flood"}
        assert metadata["labels"].items() >= marks.items()
        if desired.key[0] in ("Job", "Deployment"):
            assert desired.manifest["spec"]["template"]["metadata"]["labels"].items() >= marks.items()
    assert plan.url is not None
    assert ".twins.svc:" in plan.url


def test_a_revision_is_the_same_wherever_it_runs() -> None:
    """So a calibration is not done again for a platform's move, and no id changes with this version."""
    assert elsewhere().settle().revision == City().settle().revision


def test_the_citys_own_kubernetes_version_counts() -> None:
    body = listing_body()
    for version in body["spec"]["versions"]:
        version["platformRequirements"] = {"minimumKubernetesVersion": "1.35"}
    refused = elsewhere(listing=body, kubernetes_version="1.34").decide().finding("Accepted")
    assert refused.reason is Reason.PLATFORM_UNSUITABLE
    assert "the cluster has 1.34" in refused.message
    assert elsewhere(listing=body, kubernetes_version="").decide().finding("Accepted").status == "True", "not known"


# ---- whose is it ----


def child(name: str, labels: dict[str, str], namespace: str = "twins", uid: str = "u", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "5", "labels": labels}
    return {"metadata": metadata | more, "data": {}}


OURS = {names.LABEL_INSTALLATION: "flood", names.LABEL_PLATFORM: "platform-uid", names.LABEL_OWNER: UID}
LOCAL = {names.LABEL_INSTALLATION: "flood"}
CONFIG_MAP = BY_KIND["ConfigMap"]


def config_map_body(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """An object on a city's cluster with our labels, and other ones."""
    return child(name, OURS | labels)


def own(view: Children, owner: tuple[str, str]) -> set[tuple[str, str]]:
    """What is that Installation's own, of what carries its label; its status knows the Job."""
    return set(Ownership(UID, "twins", {("Job", "j"): "job"}, Seal(b"k" * 32)).of(view.there(owner)))


def test_a_remote_child_belongs_to_the_installation_at_home() -> None:
    view = Children("voorbeeldstad")
    owner = ("voorbeeldstad", "flood")
    assert view.put(CONFIG_MAP, child("a", OURS)) == (owner,)
    assert own(view, owner) == {("ConfigMap", "a")}
    assert view.remove("ConfigMap", "twins", "a") == owner
    assert own(view, owner) == set()


def test_what_a_namesake_left_is_not_this_ones() -> None:
    view = Children("voorbeeldstad")
    (owner,) = view.put(CONFIG_MAP, child("a", OURS | {names.LABEL_OWNER: "another"}))
    assert own(view, owner) == set()
    assert view.child(owner, ("ConfigMap", "a")) is not None


def test_at_home_what_another_operator_made_is_nobodys() -> None:
    """The city may run an operator itself, in the very namespace, with an Installation of that name."""
    view = Children()
    assert view.put(CONFIG_MAP, child("a", OURS)) == (NOBODY,)
    assert [*view.there(NOBODY)] == [("ConfigMap", "a")]
    assert view.child(("twins", "flood"), ("ConfigMap", "a")) is None
    assert view.put(CONFIG_MAP, child("b", LOCAL)) == (("twins", "flood"),)
    theirs = LOCAL | {names.LABEL_INSTALLATION: "other"}
    given = child("b", theirs)
    assert view.put(CONFIG_MAP, given) == (("twins", "other"), ("twins", "flood")), "who lost it hears of it too"
    assert Children("voorbeeldstad").put(CONFIG_MAP, child("b", LOCAL)) == (NOBODY,)


def test_a_pod_of_a_remote_run_is_its_jobs() -> None:
    view = Children("voorbeeldstad")
    job = child("j", OURS, uid="job")
    (owner,) = view.put(BY_KIND["Job"], job)
    reference = {"kind": "Job", "uid": "job"}
    view.put(BY_KIND["Pod"], child("p", OURS, uid="pod", ownerReferences=[reference]))
    view.put(BY_KIND["Pod"], child("r", OURS, uid="web", ownerReferences=[{"kind": "ReplicaSet", "uid": "rs"}]))
    assert own(view, owner) == {("Job", "j"), ("Pod", "p"), ("Pod", "r")}
