"""The operator is killed at each stage of the flow. It goes on where it was, and no run is made twice."""

from collections.abc import Callable

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import DEPLOYMENT, EVENT, JOB, POD, Cluster, Twin, evidence

from ddtas.cluster.rest.resources import CHILDREN, INSTALLATION
from ddtas_dev import deploy

# Long enough to be caught running, short enough to end while nobody leads.
RUN_SECONDS = 8


def lead_again(cluster: Cluster, killed: str) -> None:
    """Wait for an operator that works: the Lease of one that was killed must run out first."""

    def another() -> bool:
        return cluster.leader() != killed and cluster.leader() in {
            p["metadata"]["name"] for p in cluster.operator_pods()
        }

    cluster.wait(f"successor of {killed}", another)


def running(twin: Twin, phase: str) -> bool:
    return [p["status"]["phase"] for p in twin.children(POD, phase=phase)] == ["Running"]


@pytest.fixture(scope="module")
def killed_on_its_way(cluster: Cluster, city: City) -> tuple[Twin, dict[str, str]]:
    """An Installation that got to Ready although the operator died at each stage; its Jobs' uids as first seen."""
    calibrate, validate = (apps.sleeping(RUN_SECONDS, code) for code in (apps.CALIBRATE, apps.VALIDATE))
    twin = city.install("killed", apps.version(city.image, calibrate=calibrate, validate=validate))
    uids: dict[str, str] = {}
    stages: dict[str, Callable[[], bool]] = {
        "calibration runs": lambda: running(twin, "calibrate"),
        "validation runs": lambda: running(twin, "validate"),
        "components start": lambda: bool(twin.children(DEPLOYMENT)),
    }
    for stage, reached in stages.items():
        cluster.wait(f"moment when {stage}", reached, twin.namespace)
        uids = {j["metadata"]["name"]: j["metadata"]["uid"] for j in twin.children(JOB)} | uids
        lead_again(cluster, cluster.kill_operator())
    twin.ready()
    return twin, uids


def test_it_goes_on_to_the_end(killed_on_its_way: tuple[Twin, dict[str, str]]) -> None:
    twin, _ = killed_on_its_way
    body = twin.body()
    assert evidence(body)["calibration"]["outcome"] == evidence(body)["validation"]["outcome"] == "Passed"
    assert twin.ask("/")[0] == 200


def test_no_job_was_made_or_run_twice(cluster: Cluster, killed_on_its_way: tuple[Twin, dict[str, str]]) -> None:
    twin, uids = killed_on_its_way
    jobs = twin.children(JOB)
    assert len(jobs) == 2
    assert {j["metadata"]["name"]: j["metadata"]["uid"] for j in jobs} == uids
    for job in jobs:
        assert (job["status"]["succeeded"], job["status"].get("failed", 0)) == (1, 0)
    for phase in ("calibrate", "validate"):
        assert len(twin.children(POD, phase=phase)) == 1
    made = [
        event["involvedObject"]["name"]
        for event in cluster.all(EVENT, twin.namespace)
        if event["involvedObject"]["kind"] == "Job" and event["reason"] == "SuccessfulCreate"
    ]
    assert sorted(made) == sorted(uids)


def test_no_transition_was_told_twice(killed_on_its_way: tuple[Twin, dict[str, str]]) -> None:
    killed_on_its_way[0].told("Serving")
    told = [e["reason"] for e in killed_on_its_way[0].events()]
    for milestone in ("Calibrated", "Serving"):
        # An operator that dies between a status and its Event tells nothing: news may be lost, state may not.
        assert told.count(milestone) <= 1


def test_killed_when_all_is_done_it_changes_nothing(
    cluster: Cluster, killed_on_its_way: tuple[Twin, dict[str, str]]
) -> None:
    twin, _ = killed_on_its_way

    def state() -> dict[str, tuple[str, str]]:
        objects = [o["metadata"] for r in (INSTALLATION, *CHILDREN) for o in cluster.all(r, twin.namespace)]
        return {o["name"]: (o["uid"], o["resourceVersion"]) for o in objects}

    before = state()
    lead_again(cluster, cluster.kill_operator())
    cluster.wait("operator that has looked at everything", lambda: has_caught_up(cluster))
    assert state() == before


def has_caught_up(cluster: Cluster) -> bool:
    """The operator's own metrics: it leads, it has worked, and nothing waits for it."""
    _, data = cluster.raw("GET", f"/api/v1/namespaces/{deploy.NAMESPACE}/pods/{cluster.leader()}:8080/proxy/metrics")
    samples = dict(line.rsplit(" ", 1) for line in data.decode().splitlines() if not line.startswith("#"))
    done = float(samples.get('ddtas_reconciles_total{kind="Installation",outcome="ok"}', 0))
    waiting = float(samples.get("ddtas_queue_length", 1))
    return samples.get("ddtas_leader") == "1.0" and done >= len(cluster.all(INSTALLATION)) and waiting == 0
