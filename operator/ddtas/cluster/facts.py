"""From an object as the API server sends it to the few facts that the decision needs. Pure."""

import json
import re
from datetime import datetime
from sys import intern
from typing import Any

from ddtas import names
from ddtas.cluster.fields import asked_digest, owned_digest, owned_part
from ddtas.plan.snapshot import Child, ClaimFacts, DeploymentFacts, JobFacts, PodFacts

JsonObject = dict[str, Any]

# A termination message has at most 4,096 bytes; a condition's message can be longer than anyone reads.
_MAX_MESSAGE = 500
# Annotations may be edited: what is no version counts as none.
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.+-]*)?")


def child(kind: str, body: JsonObject) -> Child:
    """The facts of one of our children."""
    metadata = body["metadata"]
    labels = metadata.get("labels", {})
    status = body.get("status", {})
    facts: JobFacts | DeploymentFacts | PodFacts | ClaimFacts | None = None
    if kind == "Job":
        facts = _job(status)
    elif kind == "Deployment":
        facts = _deployment(body)
    elif kind == "Pod":
        facts = _pod(status)
    elif kind == "PersistentVolumeClaim":
        facts = _claim(body, labels)
    # Thousands of children are held: what the children of an Installation have in common is kept once.
    return Child(
        kind=kind,
        name=intern(metadata["name"]),
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        revision=intern(labels.get(names.LABEL_REVISION, "")),
        component=intern(labels.get(names.LABEL_COMPONENT, "")),
        phase=intern(labels.get(names.LABEL_PHASE, "")),
        applied="" if kind == "Pod" else intern(owned_digest(body)),
        asked="" if kind == "Pod" else intern(asked_digest(body)),
        deleting="deletionTimestamp" in metadata,
        owner_uid=intern(_owner_uid(metadata, labels)),
        facts=facts,
        data=json.dumps(body.get("data")) if kind == "ControllerRevision" else "",
    )


def _owner_uid(metadata: JsonObject, labels: JsonObject) -> str:
    owners = metadata.get("ownerReferences", ())
    named = next((str(o["uid"]) for o in owners if o["kind"] in ("Installation", "Job")), "")
    return named or str(labels.get(names.LABEL_OWNER, ""))


NOBODY = ("", "")


def owner(body: JsonObject, home: str = "") -> tuple[str, str]:
    """Namespace and name of the Installation that a child belongs to, by label.

    Args:
        body: the child.
        home: namespace of the Installation, when it is on another cluster than the child.

    Returns:
        NOBODY for what is on this cluster for an Installation elsewhere, or the other way around: a city may run an
        operator itself.
    """
    metadata = body["metadata"]
    labels = metadata.get("labels", {})
    if (names.LABEL_PLATFORM in labels) != bool(home):
        return NOBODY
    return intern(home or metadata["namespace"]), intern(labels.get(names.LABEL_INSTALLATION, ""))


def _conditions(status: JsonObject) -> dict[str, JsonObject]:
    return {c["type"]: c for c in status.get("conditions", ())}


def _job(status: JsonObject) -> JobFacts:
    conditions = _conditions(status)
    for kind in ("Complete", "Failed"):
        condition = conditions.get(kind)
        if condition is not None and condition["status"] == "True":
            return JobFacts(
                state="Complete" if kind == "Complete" else "Failed",
                reason=condition.get("reason", ""),
                message=condition.get("message", "")[:_MAX_MESSAGE],
                finished_at=datetime.fromisoformat(condition["lastTransitionTime"]),
            )
    return JobFacts(state="Running")


def _deployment(body: JsonObject) -> DeploymentFacts:
    status, wanted = body.get("status", {}), body["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= body["metadata"].get("generation", 1)
    available = current and status.get("updatedReplicas", 0) >= wanted and status.get("availableReplicas", 0) >= wanted
    progressing = _conditions(status).get("Progressing", {})
    stuck = progressing.get("message", "") if current and progressing.get("status") == "False" else ""
    return DeploymentFacts(available=available, stuck=stuck[:_MAX_MESSAGE])


def _claim(body: JsonObject, labels: JsonObject) -> ClaimFacts:
    spec, status = body["spec"], body.get("status", {})
    version = str(body["metadata"].get("annotations", {}).get(names.ANNOTATION_DATA_VERSION, ""))
    conditions = _conditions(status)
    failed = (conditions.get(kind, {}) for kind in ("ControllerResizeError", "NodeResizeError"))
    return ClaimFacts(
        phase=status.get("phase", "Pending"),
        requested=spec.get("resources", {}).get("requests", {}).get("storage", "0"),
        capacity=status.get("capacity", {}).get("storage", ""),
        access_modes=tuple(spec.get("accessModes", ())),
        storage_class=spec.get("storageClassName") or "",
        asked_class=((owned_part(body) or {}).get("spec") or {}).get("storageClassName"),
        volume=spec.get("volumeName", ""),
        copied=bool(spec.get("dataSource") or spec.get("dataSourceRef")),
        listing=labels.get(names.LABEL_LISTING, ""),
        version=version if _VERSION.fullmatch(version) else "",
        trouble=next((c.get("message", "") for c in failed if c.get("status") == "True"), "")[:_MAX_MESSAGE],
    )


def _pod(status: JsonObject) -> PodFacts:
    containers = status.get("containerStatuses") or [{}]
    state = containers[0].get("state", {})
    waiting = state.get("waiting", {})
    ended = state.get("terminated") or containers[0].get("lastState", {}).get("terminated") or {}
    if ended.get("reason") == "ContainerStatusUnknown":
        ended = {}  # the kubelet's way to end a container that never started: its exit code 137 is made up
    scheduled = _conditions(status).get("PodScheduled", {})
    unschedulable = scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else ""
    return PodFacts(
        phase=status.get("phase", "Pending"),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", "")[:_MAX_MESSAGE],
        exit_code=ended.get("exitCode"),
        ended_reason=ended.get("reason", ""),
        ended_message=ended.get("message", ""),
        unschedulable=unschedulable[:_MAX_MESSAGE],
        restarts=containers[0].get("restartCount", 0),
    )
