"""The judge of the state machines sees what is wrong. It needs no cluster: events are told to it."""

from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import STEPS
from cluster_properties import breaches
from cluster_witness import ADDED, DELETED, MODIFIED, Event

from ddtas import names

JOBS = [("Job", "a", phase) for phase in ("calibrate", "validate")]
SERVES = [*JOBS, ("Deployment", "a", ""), ("Service", "a", "")]


def told(*events: Any) -> list[Event]:
    """Events in this order: a kind with its revision and phase, or an Event."""
    made = [e if isinstance(e, Event) else child(*e) for e in events]
    return [Event(n, e.type, e.kind, e.body) for n, e in enumerate(made)]


def child(kind: str, revision: str, phase: str = "", type_: str = ADDED, message: str = apps.VALIDATED) -> Event:
    """An object of Installation flood; a Job is done."""
    labels = {names.LABEL_INSTALLATION: "flood", names.LABEL_REVISION: revision, names.LABEL_PHASE: phase}
    name = "flood-web" if kind == "Service" else f"flood-{revision}-{phase or 'web'}"
    body: dict[str, Any] = {"metadata": {"name": name, "labels": {k: v for k, v in labels.items() if v}}}
    if kind == "Job":
        body["spec"] = {"template": {"spec": {"containers": [apps.run(message)]}}}
        body["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    if kind == "Service":
        body["spec"] = {"selector": {names.LABEL_REVISION: revision}}
    return Event(0, type_, kind, body)


def installation(spec: Any = None, *, ready: bool = False, **status: Any) -> Event:
    """The Installation in some state, as of now."""
    conditions = [{"type": t, "status": "True", "observedGeneration": 1} for t in STEPS]
    if ready:
        conditions.append({"type": "Ready", "status": "True", "observedGeneration": 1})
    known = {"observedGeneration": 1, "revision": "a", "servingRevision": "a", "conditions": conditions}
    metadata = {"name": "flood", "generation": 1}
    return Event(0, MODIFIED, "Installation", {"metadata": metadata, "spec": spec or {}, "status": known | status})


def test_nothing_is_said_of_what_went_well() -> None:
    assert breaches("flood", told(*SERVES, installation(ready=True))) == []
    assert breaches("flood", told(*SERVES), told(("Deployment", "a", ""), ("Service", "a", ""))) == []


WEAK = apps.report(apps.VALIDATION, metrics={"NSE": 0.2})
NOT_TRUE = [
    {"type": t, "status": str(t == "Ready"), "reason": "Waiting", "observedGeneration": 1} for t in (*STEPS, "Ready")
]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([("Job", "a", "validate")], "it is not calibrated"),
        ([JOBS[0], ("Job", "b", "validate")], "it is not calibrated"),
        ([("Job", "a", "calibrate", ADDED, "nothing"), ("Job", "a", "validate")], "it is not calibrated"),
        ([("Pod", "a", "calibrate"), ("Pod", "b", "calibrate"), ("Pod", "a", "validate")], ""),
        ([*SERVES, ("Deployment", "b"), ("Service", "b", "", MODIFIED)], "revision b, which is not proven"),
        ([JOBS[0], ("Job", "a", "validate", ADDED, WEAK), *SERVES[2:]], "which is not proven"),
        ([*JOBS, SERVES[3]], "which has no Deployment"),
        ([*SERVES, ("Service", "a", "", DELETED)], "has no Service any more"),
        ([*SERVES, ("Deployment", "a", "", DELETED)], "it serves"),
        ([*SERVES, ("Deployment", "b", "", DELETED)], ""),
        ([installation(revisions=[{"id": "a", "calibration": {}}]), JOBS[0]], "it was run before"),
        ([installation({"rollbackTo": "b"}), JOBS[0]], "a rollback began a run"),
        ([installation(revisions=[{"id": str(n)} for n in range(11)])], "remembers too much"),
        ([installation(ready=True, servingRevision="b")], "another revision serves"),
        ([installation(ready=True, observedGeneration=2)], "Ready is of generation 2"),
        ([installation(), installation(conditions=NOT_TRUE[:-1])], "does not any more: Waiting"),
        ([installation(conditions=NOT_TRUE)], "not as ready as it says"),
    ],
)
def test_a_breach_is_seen(events: list[Any], said: str) -> None:
    found = breaches("flood", told(*events))
    assert len(found) == (1 if said else 0)
    assert said in "".join(found)


def test_two_runs_of_one_phase_are_seen() -> None:
    first, second = child("Pod", "a", "calibrate"), child("Pod", "a", "calibrate")
    second.body["metadata"]["name"] = "another"
    (said,) = breaches("flood", told(first, second))
    assert "two runs at once" in said


def test_what_was_deleted_by_its_owner_may_go() -> None:
    gone = child("Service", "a", "", DELETED)
    gone.body["metadata"]["labels"][names.LABEL_OWNER] = "its-uid"
    events = told(*SERVES, gone)
    assert breaches("flood", events, leaving=frozenset({"its-uid"})) == []
    assert len(breaches("flood", events, leaving=frozenset({"another"}))) == 1
