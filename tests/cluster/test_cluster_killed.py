"""The operator ends, well or badly, at any moment of the flow: another one goes on, and no run is started twice."""

import cluster_apps as apps
from cluster_city import JOB, App, City
from cluster_operator import GRACE_SECONDS

HELD = apps.version(calibration=apps.run(apps.CALIBRATED, held=True), validation=apps.run(apps.VALIDATED, held=True))
QUOTA = "/api/v1/namespaces/{}/resourcequotas"


class Gate:
    """A quota that lets no more Jobs in: the operator can be met just before it makes one."""

    def __init__(self, city: City) -> None:
        self._city, self._path = city, QUOTA.format(city.namespace)

    def shut(self, jobs: int) -> None:
        """Allow that many Jobs; returns when the quota is in force."""
        body = {"metadata": {"name": "gate"}, "spec": {"hard": {"count/jobs.batch": str(jobs)}}}
        self._city.cluster.request("POST", self._path, body)
        self._city.cluster.wait(
            "quota in force",
            lambda: self._city.cluster.request("GET", f"{self._path}/gate").get("status", {}).get("used"),
        )

    def open(self) -> None:
        """Let them in."""
        self._city.cluster.request("DELETE", f"{self._path}/gate")


def jobs_of(app: App) -> dict[str, str]:
    """Name → uid."""
    return {job["metadata"]["name"]: job["metadata"]["uid"] for job in app.children(JOB)}


def test_killed_before_and_after_each_job(city: City) -> None:
    mark = city.cluster.mark()
    operator = city.operator()
    gate = Gate(city)
    seen: dict[str, str] = {}

    def killed() -> None:
        operator.kill()
        operator.start()

    def same_jobs() -> None:
        now = jobs_of(flood)
        assert seen.items() <= now.items(), "a Job is another one"
        seen.update(now)

    gate.shut(0)
    operator.start()
    flood = city.everything(HELD)
    flood.wait_for("Provisioned", "False", "ApplyFailed")
    killed()  # before the first Job
    assert jobs_of(flood) == {}
    gate.open()
    flood.running("calibrate")
    killed()  # while it runs
    same_jobs()
    operator.kill()
    gate.shut(1)
    flood.release("calibrate")
    city.cluster.wait("end of the run", lambda: ended(flood, "calibrate"), city.namespace)
    operator.start()  # when it has ended, unheard
    flood.wait_for("Calibrated", "True", "Passed")
    flood.wait_for("Provisioned", "False", "ApplyFailed")
    killed()  # before the second Job
    same_jobs()
    gate.open()
    flood.running("validate")
    killed()
    same_jobs()
    operator.kill()
    flood.release("validate")
    city.cluster.wait("end of the run", lambda: ended(flood, "validate"), city.namespace)
    operator.start()
    flood.wait_for("Validated", "True", "Passed")
    killed()  # while it rolls out
    flood.served()
    killed()
    city.settled()
    same_jobs()

    assert len(seen) == 2
    written = [r for r in city.cluster.requests(city.rights.user, mark) if r.kind == "jobs" and r.writes]
    made = [r.name for r in written if r.code == 201]
    assert sorted(made) == sorted(seen), "a Job was made twice"
    assert {r.code for r in written} <= {201, 403}, "a Job was written again after it was made"
    served = flood.body()["status"]
    assert [r["id"] for r in served["revisions"]] == [served["revision"]]


def ended(app: App, phase: str) -> bool:
    """Whether the Job controller has seen the end of a run."""
    job = app.children(JOB, phase=phase)[0]
    return any(c["type"] == "Complete" for c in job.get("status", {}).get("conditions", []))


def test_sigterm_ends_in_time_and_gives_the_lease_back(city: City) -> None:
    first = city.start(leader_election="true")
    city.cluster.wait("leader", lambda: city.lease() == first.name)
    city.store(HELD)
    slow = apps.source(city.supplier.url("/slow.csv"), name="slow", purposes=["nothing"])
    city.platform(apps.source(city.supplier.url()), slow)  # a probe is under way when the end comes
    flood = city.install(bindings=[{"requirement": "series", "dataSource": "gauge"}])
    flood.running("calibrate")

    second = city.start(leader_election="true")
    assert second.get("/readyz")[0] == 200, "a standby has its caches filled"
    assert "ddtas_leader 0.0" in second.get("/metrics")[1]
    assert city.lease() == first.name

    assert first.terminate() == 0, f"not by itself within {GRACE_SECONDS} s"
    assert city.lease() in ("", second.name)
    city.cluster.wait("another leader", lambda: city.lease() == second.name)
    flood.release("calibrate")
    flood.release("validate")
    flood.served()
    assert "ddtas_leader 1.0" in second.get("/metrics")[1]
    assert "Traceback" not in first.output
    assert not [r for r in first.records() if r["level"] in ("ERROR", "CRITICAL")]


def test_a_standby_writes_nothing_and_follows_a_leader_that_vanished(city: City) -> None:
    first = city.start(leader_election="true")
    city.cluster.wait("leader", lambda: city.lease() == first.name)
    second = city.start(leader_election="true")
    flood = city.everything(HELD)
    flood.running("calibrate")
    before = jobs_of(flood)
    assert [r["message"] for r in second.records() if r["message"].startswith("created")] == []
    first.kill()
    flood.release("calibrate")
    city.cluster.wait("another leader", lambda: city.lease() == second.name, seconds=60)
    flood.release("validate")
    flood.served()
    assert before.items() <= jobs_of(flood).items()


def test_a_process_that_lost_the_lease_ends(city: City) -> None:
    """It must not do one thing more: another one may be at work. Kubernetes starts it anew."""
    operator = city.start(leader_election="true")
    city.cluster.wait("leader", lambda: city.lease() == operator.name)
    path = f"/apis/coordination.k8s.io/v1/namespaces/{city.namespace}/leases/ddtas-operator"
    usurped = {"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600}}
    city.cluster.request("PATCH", path, usurped, "application/merge-patch+json")
    assert operator.ended(60) == 1
    assert city.lease() == "somebody-else"
    assert "the Lease was lost" in operator.output
