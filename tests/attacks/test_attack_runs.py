"""A hand in a run: by somebody with Kubernetes' role `edit` in the city's namespace, and by an admin of the cluster."""

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import cluster_apps as apps
import pytest
from attacks_actors import Actors, Role
from cluster_city import City
from cluster_kit import KINDS, REPO, ApiServer, JsonObject, eventually

from ddtas import names
from ddtas.plan.runs import monitoring
from ddtas.plan.runs.evidence import CALIBRATE, VALIDATE

JOB, POD = KINDS["Job"], KINDS["Pod"]
LONGEST = "a" * names.MAX_INSTALLATION_NAME
SAID = "since what it reports is evidence"
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def path(pod: JsonObject, subresource: str = "") -> str:
    return POD.path(pod["metadata"]["namespace"], pod["metadata"]["name"]) + subresource


def execute(server: ApiServer, pod: JsonObject) -> tuple[int, bytes]:
    return server.raw("POST", f"{path(pod, '/exec')}?command=true&stdout=true")


def attach(server: ApiServer, pod: JsonObject) -> tuple[int, bytes]:
    return server.raw("POST", f"{path(pod, '/attach')}?stdout=true")


def _patch(server: ApiServer, where: str, spec: JsonObject) -> tuple[int, bytes]:
    return server.raw("PATCH", f"{where}?dryRun=All", {"spec": spec}, "application/strategic-merge-patch+json")


def join(server: ApiServer, pod: JsonObject) -> tuple[int, bytes]:
    beside = {"name": "beside", "image": "localhost/other:1", "securityContext": RESTRICTED}
    return _patch(server, path(pod, "/ephemeralcontainers"), {"ephemeralContainers": [beside]})


def replace_main(server: ApiServer, pod: JsonObject) -> tuple[int, bytes]:
    """Such as that of the container that scores."""
    changed = {"name": pod["spec"]["containers"][0]["name"], "image": "localhost/other:1"}
    return _patch(server, path(pod), {"containers": [changed]})


def replace_first(server: ApiServer, pod: JsonObject) -> tuple[int, bytes]:
    """Such as that of the app."""
    changed = {"name": pod["spec"]["initContainers"][0]["name"], "image": "localhost/other:1"}
    return _patch(server, path(pod), {"initContainers": [changed]})


ATTEMPTS: tuple[Callable[[ApiServer, JsonObject], tuple[int, bytes]], ...] = (
    execute,
    attach,
    join,
    replace_main,
    replace_first,
)


def stopped(server: ApiServer, pod: JsonObject) -> list[bool]:
    """Whether the policy refuses each attempt. Without it they go on, or fail for want of a real node."""
    answers = [attempt(server, pod) for attempt in ATTEMPTS]
    return [status == 403 and SAID in body.decode() for status, body in answers]


@pytest.fixture
def policy(city: City, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Puts the chart's policy in force, for the namespace of the city alone."""
    file, release = tmp_path / "policy.yaml", f"policy-{city.namespace}"
    command = ["helm", "template", release, str(REPO / "charts" / "ddtas-operator"), "-n", "default"]
    command += ["--show-only", "templates/runpolicy.yaml", "--set", f"namespaces={{{city.namespace}}}"]
    file.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def enforce() -> None:
        said = city.cluster.kubectl("apply", "--server-side", "-f", str(file))
        assert said.count("serverside-applied") == 2, said

    yield enforce
    city.cluster.kubectl("delete", "-f", str(file), "--ignore-not-found")


def run_of(city: City, installation: str, part: str) -> JsonObject:
    """A pod that the Job controller made for a Job of this name, with an init container."""
    name = names.child(installation, "0a1b2c3d4e", part)
    container = apps.run("", held=True) | {"name": "app", "securityContext": RESTRICTED}
    first = container | {"name": "first"}
    spec = {"restartPolicy": "Never", "initContainers": [first], "containers": [container]}
    body = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}}
    job = city.cluster.request("POST", JOB.path(city.namespace), body)
    label = f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"
    pod: JsonObject = eventually("its pod", lambda: city.cluster.all(POD, city.namespace, label))[0]
    return pod


def test_nobody_enters_the_pod_of_a_run_or_changes_it(city: City, actors: Actors, policy: Callable[[], None]) -> None:
    calibrate, validate = run_of(city, "flood", CALIBRATE), run_of(city, "a", VALIDATE)
    period = monitoring.part(datetime(2026, 11, 28, 7, 30, tzinfo=UTC))
    runs = [calibrate, validate, run_of(city, "flood", period)]
    # The API server cuts a name that it completes.
    runs += [run_of(city, LONGEST, part) for part in (CALIBRATE, VALIDATE, period)]
    assert runs[-1]["metadata"]["name"][:-5] == names.child(LONGEST, "0a1b2c3d4e", period)[:58]
    # Others with names that are nearly so: a component's, and a Job of somebody else.
    others = [run_of(city, "flood", "calibrate-5d4f8c9b7"), run_of(city, "flood", "monitor"), run_of(city, "b", "web")]

    editor, admin = actors(Role.EDIT).server, city.cluster
    for pod in (*runs, *others):
        assert stopped(admin, pod) == [False] * len(ATTEMPTS)
    policy()
    eventually("policy in force", lambda: execute(admin, runs[0])[0] == 403)
    for pod in runs:
        assert stopped(admin, pod) == [True] * len(ATTEMPTS), pod["metadata"]["name"]
        assert stopped(editor, pod)[:2] == [True, True]
    for pod in others:
        assert stopped(admin, pod) == [False] * len(ATTEMPTS), pod["metadata"]["name"]
    # The policy goes by the name: to take the labels away is of no use, and all else of a pod may be changed.
    admin.merge(POD, city.namespace, calibrate["metadata"]["name"], {"metadata": {"labels": None}})
    assert stopped(admin, calibrate) == [True] * len(ATTEMPTS)


def test_a_run_of_the_operator_is_one_and_what_serves_is_none(city: City, policy: Callable[[], None]) -> None:
    policy()
    city.start()
    flood = city.everything(apps.version(calibration=apps.run(apps.CALIBRATED, held=True)))
    pod = flood.running(CALIBRATE)
    eventually("policy in force", lambda: execute(city.cluster, pod)[0] == 403)
    flood.release(CALIBRATE)
    flood.served()
    (web,) = flood.children(POD, component="web")
    assert execute(city.cluster, web)[0] != 403
