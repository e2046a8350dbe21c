"""What goes wrong around an operator: each function lets it go wrong while Installations are on their way, and puts it
right again.
"""

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import cluster_apps as apps
import faults_actions as a
from cluster_kit import KINDS, REPO, ApiServer
from cluster_operator import Operator
from faults_proxy import Rule
from faults_street import INSTALLATION, LISTING, NEW, OLD, Street, version

from ddtas.cluster.rest.resources import ResourceType

ROLE = ResourceType("Role", "/apis/rbac.authorization.k8s.io/v1", "roles")
QUOTA = ResourceType("ResourceQuota", "/api/v1", "resourcequotas")
CRD = ResourceType("CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1", "customresourcedefinitions")
NAMES = ("a1", "a2", "a3")
PATIENCE_SECONDS = 200.0
# What a process says that ends itself because somebody else may lead: Kubernetes starts it anew, as it should.
LOST = "the Lease was lost"


def store(cluster: ApiServer) -> None:
    """The app of all streets."""
    cluster.apply(apps.listing(LISTING, version(OLD), version(NEW)))


def settle(street: Street) -> None:
    """The Installations that this happens to."""
    for name in NAMES:
        street.settle(name)


def ready(street: Street, names: tuple[str, ...] = NAMES) -> bool:
    """Whether all of them are served."""
    there = street.installations()
    return all(name in there and street.is_ready(there[name]) for name in names)


def all_ready(street: Street) -> None:
    """Wait for it."""
    assert street.until(lambda: ready(street), PATIENCE_SECONDS), [street.says(name) for name in NAMES]


def some_way(street: Street) -> None:
    """Wait until the operator has begun."""
    street.until(lambda: any("conditions" in body.get("status", {}) for body in street.installations().values()), 60.0)


# ---- the API server ----


def _away(street: Street, seconds: float, **settings: str) -> None:
    street.start(**settings)
    settle(street)
    some_way(street)
    street.proxy.away()
    street.pause(seconds)
    street.proxy.back()


def away_briefly(street: Street) -> None:
    _away(street, 3.0)


def away_for_long(street: Street) -> None:
    street.forgives = LOST
    _away(street, 40.0, leader_election="true")


def away_as_it_starts(street: Street) -> None:
    settle(street)
    street.proxy.away()
    street.start()
    street.pause(5.0)
    street.proxy.back()


# ---- the leader ----


def _leads(street: Street, operator: Operator) -> bool:
    return "ddtas_leader 1.0" in operator.get("/metrics")[1]


def _pair(street: Street) -> Operator:
    """One that leads and is the street's, and one that stands by."""
    street.forgives = LOST
    street.start(leader_election="true")
    street.until(lambda: _leads(street, street.operator), 60.0)
    other = street.another(leader_election="true")
    settle(street)
    some_way(street)
    return other


def leader_stopped(street: Street) -> None:
    other = _pair(street)
    street.operator.signal(signal.SIGSTOP)
    assert street.until(lambda: _leads(street, other), 90.0), "nobody took over"
    street.operator.signal(signal.SIGCONT)
    assert street.until(lambda: street.operator.has_ended() is not None or bool(street.restarts), 60.0), "it goes on"


def leader_killed(street: Street) -> None:
    other = _pair(street)
    street.kill()
    assert street.until(lambda: _leads(street, other) or _leads(street, street.operator), 90.0), "nobody took over"


def lease_refused(street: Street) -> None:
    street.forgives = LOST
    street.start(leader_election="true")
    settle(street)
    some_way(street)
    rule = Rule(lambda call: call.kind == "leases" and call.writes, a.refuse(409, "Conflict"), times=1000)
    street.proxy.add(rule)
    street.pause(15.0)
    street.proxy.drop(rule)


# ---- the clock ----


def _clock(street: Street, hours: float) -> None:
    (street.folder / "clock").write_text(str(hours * 3600))


def _with_clock(street: Street) -> None:
    street.shifts = True
    _clock(street, 0)
    street.start(test_clock=str(street.folder / "clock"))


def _shifted(street: Street, hours: float) -> None:
    _with_clock(street)
    settle(street)
    some_way(street)
    _clock(street, hours)
    all_ready(street)
    _clock(street, 0)
    for name in NAMES:
        street.edit(name, {"spec": {"version": NEW}})


def clock_ahead(street: Street) -> None:
    _shifted(street, 1)


def clock_back(street: Street) -> None:
    _shifted(street, -1)


def clock_ahead_and_back(street: Street) -> None:
    _with_clock(street)
    settle(street)
    all_ready(street)
    minute = (datetime.now(UTC) + timedelta(minutes=30)).minute
    seen = {name: {street.installations()[name]["status"]["revision"]} for name in NAMES}
    for hours in (1, 0, 2):
        _clock(street, hours)
        for name in NAMES:
            schedule = {"schedule": f"{minute} * * * *", "jitter": "PT0S"}
            street.edit(name, {"spec": {"recalibration": schedule}, "metadata": {"annotations": {"x": str(hours)}}})
        if hours:
            _have_another(street, seen)
    for name in NAMES:
        street.edit(name, {"spec": {"recalibration": None}})
    _clock(street, 0)


def _have_another(street: Street, seen: dict[str, set[str]]) -> None:
    def look() -> bool:
        there = street.installations()
        return ready(street) and all(there[name]["status"]["revision"] not in seen[name] for name in NAMES)

    assert street.until(look, PATIENCE_SECONDS), [street.says(name) for name in NAMES]
    for name, body in street.installations().items():
        seen[name].add(body["status"]["revision"])


# ---- CRDs ----


def _without_crd(plural: str) -> Callable[[Street], None]:
    def work(street: Street) -> None:
        cluster = street.cluster
        street.remembers = False
        street.start()
        settle(street)
        all_ready(street)
        name = f"{plural}.ddtas.nl"
        cluster.delete(CRD, None, name)
        assert street.until(lambda: cluster.find(CRD, None, name) is None, 90.0), "it does not go"
        street.pause(10.0)
        said = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPO / "crds"))
        assert said.count("serverside-applied") == 3, said
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(REPO / "crds"))
        street.until(lambda: cluster.raw("GET", f"/apis/ddtas.nl/v1alpha1/{plural}")[0] == 200, 60.0)
        store(cluster)
        for one in NAMES:
            street.declare(one)

    return work


# ---- quota, rights ----


def _quota(what: str) -> Callable[[Street], None]:
    def work(street: Street) -> None:
        path = QUOTA.path(street.namespace)
        used = {"configmaps": len(street.cluster.all(KINDS["ConfigMap"], street.namespace)) + 2 * len(NAMES)}
        body = {"metadata": {"name": "full"}, "spec": {"hard": {what: str(used.get(what, 0))}}}
        street.cluster.request("POST", path, body)
        street.until(lambda: "used" in street.cluster.request("GET", f"{path}/full").get("status", {}), 60.0)
        street.start()
        settle(street)
        street.until(
            lambda: all("conditions" in body.get("status", {}) for body in street.installations().values()), 60.0
        )
        street.pause(8.0)
        assert not any(street.is_ready(body) for body in street.installations().values())
        street.cluster.request("DELETE", f"{path}/full")

    return work


def _right(resource: str) -> Callable[[Street], None]:
    def work(street: Street) -> None:
        street.tells = resource != "events"  # what happens meanwhile, nobody is told
        street.start()
        settle(street)
        some_way(street)
        path = ROLE.path(street.namespace, f"ddtas-{street.namespace}")
        role = street.cluster.request("GET", path)
        kept = [rule | {"resources": [r for r in rule["resources"] if r != resource]} for rule in role["rules"]]
        street.cluster.request("PUT", path, role | {"rules": [rule for rule in kept if rule["resources"]]})
        street.proxy.break_off(lambda call: call.verb == "watch")
        for name in NAMES:
            street.edit(name, {"spec": {"parameters": {"depth": 3}}})
        street.pause(12.0)
        now = street.cluster.request("GET", path)
        street.cluster.request("PUT", path, now | {"rules": role["rules"]})

    return work


# ---- a namespace that ends ----


def namespace_ending(street: Street) -> None:
    """The other namespace has an Installation of its own, and something that keeps it from going."""
    cluster, other = street.cluster, cluster_make(street)
    street.rights.change(f"namespaces={{{street.namespace},{other}}}")
    street.start(namespaces=f"{street.namespace},{other}")
    stone = {"metadata": {"name": "stone", "namespace": other, "finalizers": ["tests.ddtas.nl/stone"]}}
    cluster.request("POST", KINDS["ConfigMap"].path(other), stone)
    _town(street, other)
    settle(street)
    some_way(street)
    # The order in which a namespace loses its objects is nobody's: here its rights go first.
    cluster.kubectl("delete", "rolebinding", "--all", "-n", other)
    cluster.delete(KINDS["Namespace"], None, other)
    assert street.until(lambda: ready(street), PATIENCE_SECONDS), "those in the other namespace do not go on"
    gone = street.until(lambda: cluster.find(INSTALLATION, other, "there") is None, 90.0)
    cluster.merge(KINDS["ConfigMap"], other, "stone", {"metadata": {"finalizers": []}})
    assert gone, "the Installation stays, and with it the namespace"
    assert street.until(lambda: cluster.find(KINDS["Namespace"], None, other) is None, 90.0), "it does not go"
    street.pause(5.0)
    cluster.make_namespace(other)
    street.rights.grant()
    _town(street, other)

    def lives() -> bool:
        body = cluster.find(INSTALLATION, other, "there")
        return body is not None and street.is_ready(body)

    assert street.until(lives, PATIENCE_SECONDS), cluster.kubectl("describe", "inst", "-n", other)
    cluster.delete(KINDS["Namespace"], None, other)


def cluster_make(street: Street) -> str:
    """A namespace beside the street's."""
    return street.cluster.make_namespace(f"{street.namespace}-x")


def _town(street: Street, other: str) -> None:
    source = apps.source(street.supplier.url())
    body = apps.installation(other, "there", "", version="1.0.0", removal="Wait")
    plain = f"{LISTING}-plain"
    body["spec"]["listing"] = plain
    street.cluster.apply(apps.listing(plain, apps.version()))
    street.cluster.apply(apps.platform(other, source), body)


HAPPENS: dict[tuple[str, str], Callable[[Street], None]] = {
    ("API server", "away for 3 s"): away_briefly,
    ("API server", "away for 40 s"): away_for_long,
    ("API server", "away as it starts"): away_as_it_starts,
    ("leader", "stopped and continued"): leader_stopped,
    ("leader", "killed"): leader_killed,
    ("leader", "its Lease refused"): lease_refused,
    ("clock", "an hour ahead"): clock_ahead,
    ("clock", "an hour back"): clock_back,
    ("clock", "ahead and back"): clock_ahead_and_back,
    **{("CustomResourceDefinition", p): _without_crd(p) for p in
       ("installations", "municipalityplatforms", "applistings")},
    ("ResourceQuota", "no Jobs"): _quota("count/jobs.batch"),
    ("ResourceQuota", "no pods"): _quota("pods"),
    ("ResourceQuota", "no ConfigMaps"): _quota("configmaps"),
    **{("right withdrawn", r): _right(r) for r in
       ("jobs", "events", "secrets", "services", "installations", "installations/status")},
    ("namespace", "ending"): namespace_ending,
}  # fmt: skip
