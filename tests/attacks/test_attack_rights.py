"""What each role may do, asked of the API server for an account that has it; and that the operator has no more than
it uses.

`golden/rights.txt` is the answer. After a change of the chart's roles: run with DDTAS_TEST_GOLDEN=write,
and read the difference.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import cluster_apps as apps
from attacks_actors import Actors, Role
from cluster_city import City
from cluster_kit import KINDS, ApiServer, JsonObject, Request, eventually

from ddtas.cluster.rest.resources import CHILDREN

GOLDEN = Path(__file__).parent / "golden" / "rights.txt"
_AUTHORIZATION = "/apis/authorization.k8s.io/v1"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
# All that matters here: group, and resource with its subresource.
RESOURCES = (
    ("ddtas.nl", "applistings"),
    ("ddtas.nl", "applistings/status"),
    ("ddtas.nl", "municipalityplatforms"),
    ("ddtas.nl", "municipalityplatforms/status"),
    ("ddtas.nl", "installations"),
    ("ddtas.nl", "installations/status"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "services"),
    ("", "persistentvolumeclaims"),
    ("", "pods"),
    ("", "pods/status"),
    ("", "pods/exec"),
    ("", "pods/ephemeralcontainers"),
    ("", "pods/log"),
    ("", "serviceaccounts/token"),
    ("", "events"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "controllerrevisions"),
    ("batch", "jobs"),
    ("batch", "jobs/status"),
    ("networking.k8s.io", "networkpolicies"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("storage.k8s.io", "storageclasses"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
)
CLUSTER_SCOPED = ("applistings", "nodes", "persistentvolumes", "storageclasses", "customresourcedefinitions")
OPERATOR = "operator"


class Asker:
    """Asks the API server what somebody may do, as that somebody."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def may(self, group: str, resource: str, verb: str, namespace: str) -> bool:
        """Whether it may."""
        kind, _, subresource = resource.partition("/")
        wanted = {"group": group, "resource": kind, "subresource": subresource, "verb": verb, "namespace": namespace}
        answer = self._server.request(
            "POST", f"{_AUTHORIZATION}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": wanted}}
        )
        return bool(answer["status"]["allowed"])

    def table(self, own: str, other: str) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Place, resource and verbs, where there are any."""
        for group, resource in RESOURCES:
            clusterwide = resource.partition("/")[0] in CLUSTER_SCOPED
            for place, namespace in {"cluster": ""}.items() if clusterwide else {"own": own, "other": other}.items():
                given = frozenset(verb for verb in VERBS if self.may(group, resource, verb, namespace))
                if given:
                    yield place, f"{group or 'core'}/{resource}", given

    def rules(self, namespace: str) -> set[tuple[str, str]]:
        """Verb and resource of each rule that grants something there; what everybody may is left out."""
        answer = self._server.request(
            "POST", f"{_AUTHORIZATION}/selfsubjectrulesreviews", {"spec": {"namespace": namespace}}
        )
        assert not answer["status"]["incomplete"]
        return {
            (verb, resource)
            for rule in answer["status"]["resourceRules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
            if not resource.startswith("selfsubject")
        }


# What the operator may do in a namespace that it does not serve.
ELSEWHERE = (
    ("core/namespaces", {"get"}),  # whether there is one, and what its labels say
    ("ddtas.nl/installations", {"get", "patch"}),  # a namespace that ends: decision 0105
)


def test_each_role_may_do_what_it_should_and_nothing_else(city: City, actors: Actors, neighbour: str) -> None:
    askers = {str(role): Asker(actors(role).server) for role in Role}
    askers[OPERATOR] = Asker(ApiServer(str(city.rights.kubeconfig), city.cluster.audit_log))
    with ThreadPoolExecutor(4) as pool:
        found = dict(
            zip(askers, pool.map(lambda a: list(a.table(city.namespace, neighbour)), askers.values()), strict=True)
        )
    lines = [
        f"{name:<14} {place:<8} {resource:<44} {' '.join(v for v in VERBS if v in verbs)}"
        for name, rows in found.items()
        for place, resource, verbs in rows
    ]
    text = "\n".join(["# role, where, what, verbs: what SelfSubjectAccessReview answers", *lines, ""])
    if os.environ.get("DDTAS_TEST_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()

    # What must hold of that table, whatever else changes in it.
    changing = {"create", "update", "patch", "delete", "deletecollection"}
    for name, rows in found.items():
        may = {(place, resource): verbs for place, resource, verbs in rows}
        for (place, resource), verbs in may.items():
            if name != OPERATOR or (resource, verbs) not in ELSEWHERE:
                assert place != "other", f"{name} has rights in another city's namespace: {resource}"
            if resource.startswith("ddtas.nl/") and resource.endswith("/status"):
                assert name == OPERATOR, f"{name} may touch {resource}: evidence is the operator's"
                assert verbs == {"patch"}
            if resource == "apps/controllerrevisions" and verbs & changing:
                assert name == OPERATOR, f"{name} may write records of revisions"
            if resource == "ddtas.nl/applistings" and verbs & changing:
                assert name == Role.MARKET_MASTER, f"{name} may publish in the store"
            if resource in ("core/secrets", "core/pods", "batch/jobs") and verbs & changing:
                assert name in (OPERATOR, Role.EDIT, Role.ADMIN) or (name, resource) == (
                    Role.PLATFORM_TEAM,
                    "core/secrets",
                )
        if name in (Role.VIEWER, Role.VIEW, Role.MARKETPLACE, Role.MARKET_MASTER, Role.STORE_VIEWER):
            assert ("own", "core/secrets") not in may, f"{name} may read credentials"


# What the life below does not bring about, and when it is used.
RARE = {
    ("get", "applistings"): "a conflict on a status: is it still the object that was read?",
    ("get", "municipalityplatforms"): "the same",
}


def _foreign(city: City, kind: str, name: str) -> None:
    """An object of somebody else."""
    pod = {"containers": [{"name": "c", "image": "localhost/nothing:1"}]}
    labels = {"app": "other"}
    bodies: dict[str, JsonObject] = {
        "Service": {"spec": {"ports": [{"port": 80}]}},
        "Deployment": {
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            }
        },
        "Job": {"spec": {"suspend": True, "template": {"spec": pod | {"restartPolicy": "Never"}}}},
        "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": labels}}},
        "ControllerRevision": {"revision": 1, "data": {"of": "others"}},
        "PersistentVolumeClaim": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        },
    }
    city.cluster.request("POST", KINDS[kind].path(city.namespace), {"metadata": {"name": name}} | bodies.get(kind, {}))


def _in_the_way(city: City) -> None:
    """For each kind of child, an Installation that finds its name taken by somebody else's object."""
    ways = {f"w-{number}": kind for number, kind in enumerate(k.kind for k in CHILDREN if k.kind != "Pod")}
    for name, kind in ways.items():
        city.install(name, version="4.0.0" if kind == "PersistentVolumeClaim" else "2.0.0", mode="Plan")
    for name, kind in ways.items():
        twin = city.known(name)
        twin.wait_for("Ready", "False", "Planned")
        items = eventually("plan", lambda twin=twin: twin.body()["status"].get("plan", {}).get("items"))  # type: ignore[misc]
        _foreign(city, kind, next(i["name"] for i in items if i["kind"] == kind))
        twin.edit(mode="Apply")
    for name in ways:
        city.known(name).wait_for("Ready", "False", "NameTaken")


def _with_volume(number: str, size: str = "1Gi") -> JsonObject:
    version = apps.version(number)
    version["components"][0]["volumes"] = [{"name": "data", "mountPath": "/archive", "size": size}]
    return version


def _used(requests: list[Request]) -> set[tuple[str, str]]:
    """Verb and resource of each request; server-side apply of a new object takes the right to create it as well."""
    found = {(r.verb, r.kind) for r in requests}
    return found | {("create", r.kind) for r in requests if r.verb == "patch" and r.code == 201}


def test_the_operator_uses_each_right_that_it_has(city: City) -> None:
    """A whole life: installed, upgraded, in somebody's way, deleted. What it never asks for, it should not have."""
    mark = city.cluster.mark()
    city.start(leader_election="true", capabilities_interval_seconds="1")
    asked = {"exposure": ["Ingress", "Gateway"], "podSecurity": "restricted", "storage": ["ReadWriteOnce"]}
    asking, two = apps.version("0.9.0", platformRequirements=asked), apps.version("1.0.0")
    two["components"] = [two["components"][0], two["components"][0] | {"name": "second"}]  # whose Service goes
    others = (apps.version("2.0.0"), _with_volume("3.0.0"), _with_volume("4.0.0", "2Gi"))
    city.store(asking, two, *others)
    city.platform()
    flood = city.install(removal="Wait")
    flood.served()

    def requests() -> list[Request]:
        return city.cluster.requests(city.rights.user, mark)

    flood.edit(version="3.0.0")  # its claim stays Pending: there is no volume for it
    eventually("claim", lambda: ("create", "persistentvolumeclaims") in _used(requests()))
    flood.edit(version="4.0.0")
    eventually("another claim", lambda: ("delete", "persistentvolumeclaims") in _used(requests()))
    flood.edit(version="2.0.0")
    flood.served()
    city.cluster.delete(KINDS["Service"], city.namespace, "flood-web")  # is it the Installation that is gone?
    eventually("Service", lambda: city.cluster.find(KINDS["Service"], city.namespace, "flood-web"))
    _in_the_way(city)
    granted = Asker(ApiServer(str(city.rights.kubeconfig), city.cluster.audit_log)).rules(city.namespace)
    expected = {right for right in granted - set(RARE) if right[0] != "watch"}
    with suppress(AssertionError):  # of those that are missing the comparison below tells
        eventually("use of all", lambda: expected <= _used(requests()), 15)
    city.end_operators()
    eventually("ends of the watches", lambda: ("watch", "jobs") in _used(requests()))
    assert sorted(map(" ".join, granted - _used(requests()) - set(RARE))) == [], "granted, and never asked for"
    assert set(RARE) <= granted
    refused = {(r.verb, r.kind) for r in requests() if r.code == 403}
    assert refused == set(), "it asks for what it may not"
