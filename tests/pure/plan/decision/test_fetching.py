"""An app that gets its data as files, from the first object to serving; and all that may go wrong with the data."""

import json
from dataclasses import replace
from typing import Any

import pytest
from builders import CALIBRATION_WINDOW, REACHABLE, VALIDATION_WINDOW, City, result, secret

from ddtas.data.delivery.table import Table
from ddtas.plan.decision import bind
from ddtas.plan.revision import BoundSource
from ddtas.plan.snapshot import ContainerFacts, DeploymentFacts, JobFacts, PodFacts
from ddtas.settings import Runner

TABLE = Table.model_validate({"columns": [{"name": "date", "type": "date", "from": "dag"}], "time": "date"})
FETCHED = {"requirement": "discharge-series", "rows": 1827, "bytes": 60_000, "digest": f"sha256:{'a' * 64}"}


@pytest.fixture
def city(monkeypatch: pytest.MonkeyPatch) -> City:
    """A city whose one requirement is had as a table."""

    def bound(**values: Any) -> BoundSource:
        return BoundSource.model_validate(values | {"table": TABLE})

    monkeypatch.setattr(bind, "BoundSource", bound)
    return City()


def ready(city: City) -> dict[str, Any]:
    found: dict[str, Any] = city.condition("Ready")
    return found


def end(city: City, phase: str, window: Any) -> None:
    """Let a run end well, with what its runner fetched before."""
    city.finish(phase, result(window=window))
    job = city.job(phase)
    report = json.dumps({"tables": [FETCHED]})
    pod = city.children[("Pod", f"{job.name}-x1")]
    assert isinstance(pod.facts, PodFacts)
    facts = replace(pod.facts, runner=ContainerFacts(exit_code=0, ended_reason="Completed", ended_message=report))
    city.children[pod.key] = replace(pod, facts=facts)
    city.settle()


def serve(city: City) -> None:
    city.settle()
    end(city, "calibrate", CALIBRATION_WINDOW)
    end(city, "validate", VALIDATION_WINDOW)
    for key, child in list(city.children.items()):
        if child.kind == "Deployment":
            city.children[key] = replace(child, facts=DeploymentFacts(available=True))
    city.settle()


def kept(city: City, kind: str) -> dict[str, str]:
    return {c.name: c.asked for c in city.children.values() if c.kind == kind}


def test_a_revision_that_serves_again_says_where_its_fields_come_from(city: City) -> None:
    serve(city)
    before = city.installation["status"]
    city.edit(rollbackTo=before["servingRevision"])
    city.settle()
    after = city.installation["status"]
    assert city.condition("DataBound")["message"].startswith("as recorded: ")
    assert after["bindings"][0]["fields"] == before["bindings"][0]["fields"] == [{"field": "date", "from": "dag"}]


def test_data_is_fetched_then_used_then_on_record(city: City) -> None:
    city.settle()
    job = city.job("calibrate")
    assert city.condition("Calibrated")["reason"] == "Fetching", "said once, from the first moment on"
    assert ("ConfigMap", f"{job.name.removesuffix('calibrate')}order") in city.children
    city.pod(job, PodFacts("Pending"))
    city.settle()
    assert city.condition("Calibrated")["reason"] == "Fetching", "nobody knows the containers yet"
    city.pod(job, PodFacts("Pending", "PodInitializing", runner=ContainerFacts(running=True)))
    city.settle()
    said = city.condition("Calibrated")
    assert (said["reason"], said["message"]) == ("Fetching", f"Job {job.name} is fetching its data")
    report = json.dumps({"tables": [FETCHED]})
    city.pod(job, PodFacts("Running", runner=ContainerFacts(exit_code=0, ended_message=report)))
    city.settle()
    said = city.condition("Calibrated")
    assert said["reason"] == "Calibrating"
    assert said["message"].endswith("is running, on discharge-series: 1827 rows, 60 kB")
    serve(city)
    assert ready(city)["status"] == "True"
    (revision,) = city.installation["status"]["revisions"]
    for phase in ("calibration", "validation"):
        assert revision[phase]["tables"] == [FETCHED]


def fetch_fails(city: City, message: str, code: int = 1) -> None:
    job = city.job("calibrate")
    city.children[job.key] = replace(job, facts=JobFacts("Failed", "BackoffLimitExceeded", "m", city.now))
    runner = ContainerFacts(exit_code=code, ended_reason="Error", ended_message=message)
    city.pod(job, PodFacts("Failed", "PodInitializing", runner=runner))
    city.settle()


def test_a_failed_fetch_says_so_in_the_words_of_the_source(city: City) -> None:
    city.settle()
    fault = {"requirement": "discharge-series", "reason": "EntityNotFound", "message": "has no field dag; it has date"}
    fetch_fails(city, json.dumps({"fault": fault}))
    said = city.condition("Calibrated")
    assert (said["status"], said["reason"]) == ("False", "FetchFailed")
    assert "discharge-series: EntityNotFound: has no field dag; it has date" in said["message"]
    assert said["message"].endswith("-calibrate -c fetch`")
    (revision,) = city.installation["status"]["revisions"]
    assert (revision["calibration"]["outcome"], revision["state"]) == ("Inconclusive", "Failed")
    city.annotate(retry="1")
    city.settle()
    assert len([name for name in city.started if name.endswith("calibrate")]) == 2, "tried again where it is asked for"


def test_a_crash_after_a_fetch_is_that_of_the_app(city: City) -> None:
    city.settle()
    city.fail("calibrate", "boom", runner=ContainerFacts(exit_code=0, ended_message=json.dumps({"tables": [FETCHED]})))
    city.settle()
    assert city.condition("Calibrated")["reason"] == "RunCrashed"


def test_an_image_of_ours_that_cannot_be_had_is_named_as_ours(city: City) -> None:
    city.settle()
    runner = ContainerFacts(waiting_reason="ImagePullBackOff", waiting_message="not found")
    city.pod(city.job("calibrate"), PodFacts("Pending", "PodInitializing", runner=runner))
    city.settle()
    said = city.condition("Calibrated")
    assert said["reason"] == "ImagePullFailed"
    assert "that fetches the data (runner.image of the operator's chart)" in said["message"]
    city.pod(city.job("calibrate"), PodFacts("Pending", "PodInitializing", runner=ContainerFacts(running=True)))
    city.settle()
    assert city.condition("Calibrated")["reason"] == "Fetching", "it came after all"


def test_without_an_image_that_fetches_nothing_is_made_and_what_serves_stays(city: City) -> None:
    city.runner = Runner()
    city.settle()
    said = city.condition("Provisioned")
    assert (said["status"], said["reason"]) == ("False", "RunnerNotSet")
    assert "discharge-series" in said["message"]
    assert not city.started
    city.runner = Runner(image="registry.example/ddtas-runner:1")
    serve(city)
    there = set(city.children)
    city.runner = Runner()
    city.settle()
    assert set(city.children) == there


def test_another_runner_calibrates_nobody_and_rolls_what_serves(city: City) -> None:
    serve(city)
    (record,) = [c for c in city.children.values() if c.kind == "ControllerRevision"]
    assert json.loads(record.data)["runner"] == "registry.example/ddtas-runner:1"
    revision, started, deployments = (
        city.installation["status"]["revision"],
        list(city.started),
        kept(city, "Deployment"),
    )
    city.runner = Runner(image="registry.example/ddtas-runner:2")
    city.settle()
    assert city.installation["status"]["revision"] == revision
    assert city.started == started
    assert kept(city, "Deployment") != deployments


def test_a_rotated_credential_rolls_nothing(city: City) -> None:
    serve(city)
    deployments, secrets = kept(city, "Deployment"), kept(city, "Secret")
    city.secrets["water-board"] = secret(username="voorbeeldstad", password="the-next-one")
    city.observations["river-gauge"] = REACHABLE
    city.settle()
    assert kept(city, "Secret") != secrets, "what fetches gets it"
    assert kept(city, "Deployment") == deployments


def component(city: City, runner: ContainerFacts, waiting: str = "PodInitializing") -> dict[str, Any]:
    (web,) = [c for c in city.children.values() if c.kind == "Deployment"]
    city.children[web.key] = replace(web, facts=DeploymentFacts(available=False))
    city.pod(web, PodFacts("Pending", waiting, runner=runner))
    city.settle()
    found: dict[str, Any] = city.condition("Serving")
    return found


def test_what_keeps_the_data_of_a_component_fresh_is_reported(city: City) -> None:
    city.settle()
    end(city, "calibrate", CALIBRATION_WINDOW)
    end(city, "validate", VALIDATION_WINDOW)
    said = component(city, ContainerFacts(running=True))
    assert (said["reason"], "web (its data is being fetched)" in said["message"]) == ("RollingOut", True)
    said = component(city, ContainerFacts(waiting_reason="ErrImageNeverPull", waiting_message="x"))
    assert (said["reason"], "runner.image" in said["message"]) == ("ImagePullFailed", True)
    crashed = ContainerFacts(waiting_reason="CrashLoopBackOff", exit_code=3, ended_message="no order")
    said = component(city, crashed)
    assert said["reason"] == "RolloutFailed"
    assert "fetching the data ended with exit code 3: no order" in said["message"]
    assert "-c follow" in said["message"]
