"""Two replicas: one works, one stands by, and takes over in the middle of an Installation's life."""

from collections.abc import Iterator

import e2e_apps as apps
import pytest
from e2e_city import City, install
from e2e_kit import JOB, POD, Cluster, evidence

from ddtas_dev import deploy


@pytest.fixture
def two_replicas(cluster: Cluster, images: dict[str, str]) -> Iterator[list[str]]:
    """The names of two operators that are ready; afterwards there is one again."""
    try:
        install(cluster, images, replicas="2")
        pods = [p["metadata"]["name"] for p in cluster.operator_pods()]
        assert len(pods) == 2
        yield pods
    finally:
        install(cluster, images, replicas="1")
        cluster.wait("one operator", lambda: len(cluster.operator_pods()) == 1)


def says_that_it_leads(cluster: Cluster, pod: str) -> bool:
    status, data = cluster.raw("GET", f"/api/v1/namespaces/{deploy.NAMESPACE}/pods/{pod}:8080/proxy/metrics")
    assert status == 200
    return "ddtas_leader 1.0" in data.decode()


def test_the_second_replica_stands_by_and_takes_over(
    cluster: Cluster, city: City, images: dict[str, str], two_replicas: list[str]
) -> None:
    leader = cluster.wait("leader", lambda: cluster.leader() if cluster.leader() in two_replicas else None)
    (standby,) = set(two_replicas) - {leader}
    assert {pod: says_that_it_leads(cluster, pod) for pod in two_replicas} == {leader: True, standby: False}

    twin = city.install("standby", apps.version(city.image, calibrate=apps.sleeping(6, apps.CALIBRATE)))
    twin.wait("Calibrated", "Unknown", "Calibrating")
    (job,) = twin.children(JOB)

    # One replica fewer, and this one goes: so none but the other can follow.
    cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-100"}}}
    cluster.merge(POD, deploy.NAMESPACE, leader, cost)
    install(cluster, images, replicas="1")
    cluster.wait("takeover", lambda: cluster.leader() == standby, twin.namespace)
    assert says_that_it_leads(cluster, standby)

    body = twin.ready()
    assert evidence(body)["calibration"]["outcome"] == "Passed"
    jobs = {j["metadata"]["name"]: j["metadata"]["uid"] for j in twin.children(JOB)}
    assert jobs[job["metadata"]["name"]] == job["metadata"]["uid"]
    assert len(jobs) == 2
    assert [p["metadata"]["name"] for p in cluster.operator_pods()] == [standby]
