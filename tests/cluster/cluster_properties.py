"""What must hold of everything that happened to one Installation. Says what did not; knows no cluster."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import cluster_apps as apps
from cluster_city import STEPS
from cluster_kit import JsonObject
from cluster_witness import ADDED, DELETED, Event

from ddtas import names
from ddtas.api.evidence import MAX_REVISIONS

Run = tuple[str, str]  # revision and phase
_WITH_RUNS = ("calibrate", "validate")


def breaches(
    name: str, *places: Sequence[Event], leaving: frozenset[str] = frozenset(), meddled: bool = False
) -> list[str]:
    """What did not hold of the Installation of that name.

    Args:
        name: of the Installation.
        places: the events of each API server that it had children on, in their order. Between two servers there is
            none, so a run that is done counts on the other one for all times.
        leaving: the uids of Installations that were deleted: what is theirs may go.
        meddled: people have taken children away, so that it says nothing when one goes, or when it does not serve.
    """
    mine = [[e for e in events if _owner(e) == name] for events in places]
    found = []
    for n, events in enumerate(mine):
        others = {run for m, other in enumerate(mine) if m != n for run in _done(other)}
        found += _Walk(events, others, leaving, meddled).found
    return found


def _owner(event: Event) -> str:
    return event.name if event.kind == "Installation" else event.labels.get(names.LABEL_INSTALLATION, "")


def _run(event: Event) -> Run:
    return event.labels[names.LABEL_REVISION], event.labels.get(names.LABEL_PHASE, "")


def _done(events: Sequence[Event]) -> Iterator[Run]:
    return (_run(e) for e in events if e.kind == "Job" and _passed(e.body))


def _passed(job: JsonObject) -> bool:
    """By what its container was told to say, and not by what the operator made of it."""
    conditions = job.get("status", {}).get("conditions", [])
    if not any(c["type"] == "Complete" and c["status"] == "True" for c in conditions):
        return False
    _, code, message = job["spec"]["template"]["spec"]["containers"][0]["args"]
    try:
        return code == "0" and bool(json.loads(message)["metrics"]["NSE"] > apps.LEAST)
    except ValueError:
        return False


def led_to(services: dict[str, JsonObject]) -> set[str]:
    """The revisions that Services lead to."""
    return {s["spec"]["selector"][names.LABEL_REVISION] for s in services.values()}


def _serves(body: JsonObject) -> bool:
    conditions = body.get("status", {}).get("conditions", [])
    return any(c["type"] == "Serving" and c["status"] == "True" for c in conditions)


class _Walk:
    """From the first event to the last, with what was there at each of them."""

    def __init__(self, events: Sequence[Event], done: set[Run], leaving: frozenset[str], meddled: bool) -> None:
        self.found: list[str] = []
        self._done = set(done)
        self._leaving, self._meddled = leaving, meddled
        self._there: dict[str, dict[str, JsonObject]] = {}
        for event in events:
            look: Any = getattr(self, f"_{event.kind.lower()}", None)
            for text in look(event) if look is not None else ():
                self.found.append(f"at {event.at}: {event.kind} {event.name} {event.type}: {text}")
            there = self._there.setdefault(event.kind, {})
            if event.type == DELETED:
                there.pop(event.name, None)
            else:
                there[event.name] = event.body

    def _of(self, kind: str) -> dict[str, JsonObject]:
        return self._there.get(kind, {})

    # ---- each kind ----

    def _job(self, event: Event) -> Iterator[str]:
        run = revision, phase = _run(event)
        if _passed(event.body):
            self._done.add(run)
        if event.type != ADDED or phase not in _WITH_RUNS:
            return
        if phase == "validate" and (revision, "calibrate") not in self._done:
            yield "it is not calibrated"
        for body in self._of("Installation").values():
            status = body.get("status", {})
            known: JsonObject = next((r for r in status.get("revisions", []) if r["id"] == revision), {})
            if {"calibrate": "calibration", "validate": "validation"}[phase] in known:
                yield "it was run before, and the status had its result"
            in_force = status.get("observedGeneration") == body["metadata"]["generation"]
            if in_force and "rollbackTo" in body["spec"]:
                yield "a rollback began a run"

    def _pod(self, event: Event) -> Iterator[str]:
        pods = {**self._of("Pod"), event.name: event.body}
        ended = {name for name, body in pods.items() if body.get("status", {}).get("phase") in ("Succeeded", "Failed")}
        runs = [
            _run(Event(0, ADDED, "Pod", body))
            for name, body in pods.items()
            if name not in ended and "deletionTimestamp" not in body["metadata"]
        ]
        runs = [run for run in runs if run[1]]
        if event.type != DELETED and len(runs) != len(set(runs)):
            yield f"two runs at once of one revision and phase: {runs}"

    def _service(self, event: Event) -> Iterator[str]:
        if event.type == DELETED:
            if not self._may_go(event):
                yield "what served has no Service any more"
            return
        for revision in led_to({event.name: event.body}):
            if not {(revision, phase) for phase in _WITH_RUNS} <= self._done:
                yield f"traffic goes to revision {revision}, which is not proven"
            if not self._meddled and not self._deployed(revision):
                yield f"traffic goes to revision {revision}, which has no Deployment"

    def _deployment(self, event: Event) -> Iterator[str]:
        if event.leaves and not self._may_go(event) and _run(event)[0] in led_to(self._of("Service")):
            yield "it serves"

    def _installation(self, event: Event) -> Iterator[str]:
        generation, status = event.body["metadata"]["generation"], event.body.get("status", {})
        if len(status.get("revisions", [])) > MAX_REVISIONS:
            yield "it remembers too much"
        conditions = {c["type"]: c for c in status.get("conditions", [])}
        before = self._of("Installation").get(event.name)
        if before is not None and _serves(before) and not _serves(event.body) and not self._meddled:
            yield f"it served, and does not any more: {conditions['Serving']['reason']}"
        if conditions.get("Ready", {}).get("status") != "True":
            return
        if {conditions[step]["status"] for step in STEPS} != {"True"}:
            yield "it is not as ready as it says"
        if status.get("servingRevision") != status.get("revision"):
            yield "another revision serves than the one that is ready"
        seen = {c["observedGeneration"] for c in conditions.values()}
        if seen != {status["observedGeneration"]}:
            yield f"Ready is of generation {status['observedGeneration']}, conditions are of {seen} ({generation})"

    # ---- words for it ----

    def _may_go(self, event: Event) -> bool:
        owners = {o["uid"] for o in event.body["metadata"].get("ownerReferences", [])}
        owners.add(event.labels.get(names.LABEL_OWNER, ""))
        return self._meddled or bool(owners & self._leaving)

    def _deployed(self, revision: str) -> bool:
        return any(
            d["metadata"]["labels"][names.LABEL_REVISION] == revision and "deletionTimestamp" not in d["metadata"]
            for d in self._of("Deployment").values()
        )
