"""What must hold of an Installation after any fault. Says what did not; works on what was seen, and asks no cluster."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cluster_city import STEPS
from cluster_kit import JsonObject
from cluster_properties import breaches
from cluster_witness import ADDED, DELETED, Event

from ddtas import names

UNTOLD = "nobody was told"
RUNS = ("calibrate", "validate")
# Steps that take long enough for a person to wonder what is going on.
WORK = ("Probing", "Calibrating", "Validating", "RollingOut")
MILESTONES = ("Calibrated", "Serving")


def violations(
    name: str,
    seen: Sequence[Event],
    told: Sequence[JsonObject],
    leaving: frozenset[str],
    meddled: bool,
    shifts: bool,
) -> list[str]:
    """Of all that happened to one Installation, and of the Events that there are of it.

    Args:
        name: of the Installation.
        seen: what the witness saw in its namespace, in its order.
        told: the Events of the namespace.
        leaving: the uids of Installations that were deleted.
        meddled: people have taken children away.
        shifts: the clock of the operator went back.
    """
    mine = [e for e in seen if (e.name if e.kind == "Installation" else _owner(e)) == name]
    states = [e.body for e in mine if e.kind == "Installation" and e.type != DELETED]
    return [
        *breaches(name, mine, leaving=leaving, meddled=meddled),
        *_runs_once(mine),
        *_goes_forward(states, shifts),
        *_evidence_once(states),
        *_told(states, told),
    ]


def _owner(event: Event) -> str:
    return event.labels.get(names.LABEL_INSTALLATION, "")


def _runs_once(mine: Sequence[Event]) -> Iterator[str]:
    made: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for event in mine:
        phase = event.labels.get(names.LABEL_PHASE, "")
        if event.kind == "Job" and event.type == ADDED and phase in RUNS:
            made[event.labels[names.LABEL_REVISION], phase].add(event.body["metadata"]["uid"])
    yield from (f"{len(uids)} Jobs for {run}" for run, uids in made.items() if len(uids) > 1)


def _goes_forward(states: Sequence[JsonObject], shifts: bool) -> Iterator[str]:
    for old, new in pairwise(states):
        if old["metadata"]["uid"] != new["metadata"]["uid"]:
            continue
        before, after = (s.get("status", {}) for s in (old, new))
        if after.get("observedGeneration", 0) < before.get("observedGeneration", 0):
            yield f"observedGeneration fell from {before['observedGeneration']} to {after.get('observedGeneration')}"
        times = {c["type"]: c["lastTransitionTime"] for c in before.get("conditions", [])}
        for condition in after.get("conditions", []):
            if not shifts and condition["lastTransitionTime"] < times.get(condition["type"], ""):
                yield f"{condition['type']} went back in time to {condition['lastTransitionTime']}"


def _evidence_once(states: Sequence[JsonObject]) -> Iterator[str]:
    """What a run has shown is written once, and stays as it is while its revision is remembered."""
    for old, new in pairwise(states):
        known = {r["id"]: r for r in new.get("status", {}).get("revisions", [])}
        for revision in old.get("status", {}).get("revisions", []):
            for run in ("calibration", "validation"):
                before, after = revision.get(run), known.get(revision["id"], {}).get(run)
                if before and before.get("completedAt") and revision["id"] in known and before != after:
                    yield f"the {run} of {revision['id']} was written again: {before}, now {after}"


def transitions(states: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """What a person would want told of these states: reason and message of an Event."""
    found: list[tuple[str, str]] = []
    before: dict[str, tuple[str, str]] = {}
    for state in states:
        conditions = [c for c in state.get("status", {}).get("conditions", []) if c["type"] in STEPS]
        for condition in conditions:
            now = condition["status"], condition["reason"]
            was, before[condition["type"]] = before.get(condition["type"]), now
            if now == was or condition["reason"] == "NotServing":
                continue
            if condition["status"] == "True":
                wrong = was is not None and was[0] == "False" and was[1] != "NotServing"
                if wrong or (condition["type"] in MILESTONES and condition["reason"] != "KeepsServing"):
                    found.append((condition["type"], _message(condition, conditions)))
                continue
            again = condition["reason"] in WORK and was is not None and was[0] == "True"
            if condition["status"] == "False" or condition["reason"] == "Calibrating" or again:
                found.append((condition["reason"], condition["message"][:1000]))
    return found


def _message(condition: JsonObject, conditions: Sequence[JsonObject]) -> str:
    """That it serves is told with what its validation showed."""
    validated = next((c for c in conditions if c["type"] == "Validated" and c["status"] == "True"), None)
    if condition["type"] != "Serving" or validated is None:
        return str(condition["message"][:1000])
    return f"{condition['message']}; {validated['message']}"[:1000]


def _told(states: Sequence[JsonObject], told: Sequence[JsonObject]) -> Iterator[str]:
    uids = {s["metadata"]["uid"] for s in states}
    events = {(e["reason"], e["message"]) for e in told if e["involvedObject"].get("uid") in uids}
    for reason, message in transitions(states):
        if (reason, message) not in events:
            yield f"{UNTOLD} {reason}: {message[:120]}"


def orphans(name: str, body: JsonObject | None, children: Sequence[tuple[str, JsonObject]]) -> list[str]:
    """Objects with an Installation's label that it does not own, or that are not in its plan.

    Args:
        name: of the Installation.
        body: the Installation; None when it is gone.
        children: kind and body of all objects with our label.
    """
    uid = body["metadata"]["uid"] if body else ""
    planned = {(i["kind"], i["name"]) for i in body.get("status", {}).get("inventory", [])} if body else set()
    found = []
    for kind, child in children:
        metadata = child["metadata"]
        if metadata["labels"].get(names.LABEL_INSTALLATION) != name or kind == "PersistentVolumeClaim":
            continue
        if kind == "Pod" and body is not None:
            continue  # it belongs to its Job or Deployment
        owners = {o["uid"] for o in metadata.get("ownerReferences", [])}
        if uid not in owners:
            found.append(f"{kind} {metadata['name']} has no living owner")
        elif (kind, metadata["name"]) not in planned:
            found.append(f"{kind} {metadata['name']} is in no plan")
    return found
