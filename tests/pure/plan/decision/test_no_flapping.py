"""A kubelet that goes on trying shows another state at each look. What a person reads must not change with it."""

from typing import Any

import pytest
from builders import City

from ddtas.cluster.memory import facts
from ddtas.plan.snapshot import PodFacts

PULLING = PodFacts("Pending", waiting_reason="ErrImagePull", waiting_message="connection refused")
BACKING_OFF = PodFacts(
    "Pending",
    waiting_reason="ImagePullBackOff",
    waiting_message='Back-off pulling image "localhost/x:1": ErrImagePull: connection refused',
)
CRASHED = PodFacts("Running", waiting_reason="CrashLoopBackOff", exit_code=4, ended_message="no port")
STARTED_AGAIN = PodFacts("Running", exit_code=4, ended_message="no port")
ENDED_AGAIN = PodFacts("Running", exit_code=4, ended_message="no port", ended_reason="Error")
ENDED_UNSTARTED = facts.child(
    "Pod",
    {
        "metadata": {"name": "p", "uid": "u", "resourceVersion": "1", "labels": {"ddtas.nl/component": "web"}},
        "status": {
            "phase": "Failed",
            "containerStatuses": [
                {"name": "web", "state": {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}}
            ],
        },
    },
).facts


def told(city: City) -> Any:
    city.settle()
    return [(c["type"], c["status"], c["reason"], c["message"]) for c in city.installation["status"]["conditions"]]


def component(city: City, pod: PodFacts) -> Any:
    city.pod(next(c for c in city.children.values() if c.kind == "Deployment"), pod)
    return told(city)


@pytest.mark.parametrize(
    ("first", "later"),
    [(BACKING_OFF, [PULLING, BACKING_OFF, PULLING]), (CRASHED, [STARTED_AGAIN, ENDED_AGAIN, CRASHED, STARTED_AGAIN])],
    ids=["image", "crash"],
)
def test_a_component_that_is_tried_again_and_again(first: PodFacts, later: list[PodFacts]) -> None:
    city = City()
    city.validated()
    said = component(city, first)
    assert ("Stalled", "True") in [c[:2] for c in said]
    for pod in later:
        assert component(city, pod) == said


@pytest.mark.parametrize("pod", [PULLING, STARTED_AGAIN], ids=["image", "crash"])
def test_one_mishap_is_no_failure_yet(pod: PodFacts) -> None:
    city = City()
    city.validated()
    assert ("Serving", "Unknown", "RollingOut") in [c[:3] for c in component(city, pod)]


def test_a_component_that_recovers_by_itself_serves() -> None:
    city = City()
    city.validated()
    component(city, CRASHED)
    city.roll_out()
    assert ("Ready", "True", "Serving") in [c[:3] for c in told(city)]


def test_a_run_without_its_image_until_its_time_is_up() -> None:
    city = City()
    city.settle()
    job = city.job("calibrate")
    city.pod(job, BACKING_OFF)
    said = told(city)
    assert ("Calibrated", "False", "ImagePullFailed") in [c[:3] for c in said]
    assert isinstance(ENDED_UNSTARTED, PodFacts)
    for pod in (PULLING, BACKING_OFF, PodFacts("Pending", waiting_reason="ContainerCreating"), ENDED_UNSTARTED):
        city.pod(job, pod)
        assert told(city) == said
    city.fail("calibrate", reason="DeadlineExceeded")
    city.pod(city.job("calibrate"), ENDED_UNSTARTED)
    assert told(city) == said
