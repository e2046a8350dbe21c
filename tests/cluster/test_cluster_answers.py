"""What one object, one answer or one moment does to the operator as a process: nothing to the others."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
import yaml
from cluster_city import City
from cluster_kit import KINDS, eventually
from cluster_operator import Operator

from ddtas import names

JOB, INSTALLATION = KINDS["Job"], KINDS["Installation"]


def _odd_job(namespace: str) -> dict[str, Any]:
    """One with our label, made by somebody who may make Jobs."""
    container = {"name": "a", "image": "localhost/nothing"}
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    metadata = {"name": "odd", "namespace": namespace, "labels": {names.LABEL_INSTALLATION: "flood"}}
    spec = {"suspend": True, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def test_a_job_with_a_condition_without_a_time_stops_nobody(city: City) -> None:
    city.cluster.apply(_odd_job(city.namespace))
    path = f"{JOB.path(city.namespace, 'odd')}/status"
    status = {"conditions": [{"type": "Suspended", "status": "True"}, {"type": "Odd", "status": "True"}]}
    city.cluster.request("PATCH", path, {"status": status}, "application/merge-patch+json")
    found = city.cluster.get(JOB, city.namespace, "odd")["status"]["conditions"]
    assert any(c.get("lastTransitionTime") is None for c in found), found
    operator = city.start()
    flood = city.everything()
    flood.served()
    assert operator.get("/readyz") == (200, "ok\n")
    assert operator.terminate() == 0


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("[" + ",".join(["[]"] * 150_000) + "]", "more than 100000 values", id="values"),
        pytest.param("[" * 300 + "]" * 300, "nested more than", id="300 levels"),
        pytest.param("[" * 4000 + "]" * 4000, "nested more than", id="4000 levels"),
    ],
)
def test_an_installation_that_is_far_too_large_is_alone_in_that(
    city: City, tmp_path: Path, value: str, why: str
) -> None:
    operator = city.start()
    flood = city.everything()
    body = json.dumps(apps.installation(city.namespace, "large", city.app, parameters={"a": 0}))
    (tmp_path / "large.json").write_text(body.replace('"a": 0', f'"a": {value}'))
    made = city.cluster.kubectl(
        "create", "--raw", INSTALLATION.path(city.namespace), "-f", str(tmp_path / "large.json")
    )
    assert '"uid"' in made, made[-500:]

    def refused() -> bool:
        conditions = city.cluster.kubectl(
            "get", "installation", "large", "-n", city.namespace, "-o", "jsonpath={.status.conditions}"
        )
        return any(c["reason"] == "SpecInvalid" and why in c["message"] for c in json.loads(conditions or "[]"))

    eventually("word that it cannot be read", refused)
    flood.served()
    restarted = city.start()  # its list has it, too
    assert restarted.terminate() == 0
    mark = city.cluster.mark()
    time.sleep(3)
    written = [r for r in city.cluster.requests(city.rights.user, mark) if r.writes]
    assert written == [], "once is enough"
    assert operator.get("/readyz")[0] == 200


@contextmanager
def _as_administrator(city: City, operator: Operator) -> Iterator[str]:
    """So that the audit log tells which replica wrote; the user's name."""
    access = yaml.safe_load(Path(city.cluster.kubeconfig).read_text())
    operator._environment["KUBECONFIG"] = city.cluster.kubeconfig
    assert access["users"]
    yield "kubernetes-admin"


def test_a_leader_that_was_stopped_writes_nothing_when_it_goes_on(city: City) -> None:
    first = city.operator(leader_election="true")
    with _as_administrator(city, first):
        first.start()
    city.store()
    city.platform()
    eventually("a leader", lambda: city.lease() == first.name)
    apart = [city.install(f"flood-{n}") for n in range(4)]
    time.sleep(0.7)  # in the midst of writing
    assert first._process is not None
    first._process.send_signal(signal.SIGSTOP)
    second = city.start(leader_election="true")
    eventually("another leader", lambda: city.lease() == second.name)
    for app in apart:
        city.cluster.merge(INSTALLATION, city.namespace, app.name, {"spec": {"suspend": True}})
    time.sleep(3)
    mark = city.cluster.mark()
    first._process.send_signal(signal.SIGCONT)
    assert first.ended(60) == 1
    written = [
        r
        for r in city.cluster._lines(mark)
        if r.user != city.rights.user
        and r.agent.startswith("ddtas-operator")
        and r.namespace == city.namespace
        and r.writes
        and r.kind != "leases"
    ]
    assert written == []
    for app in apart:
        city.cluster.merge(INSTALLATION, city.namespace, app.name, {"spec": {"suspend": False}})
    for app in apart:
        app.served()
    assert city.lease() == second.name
