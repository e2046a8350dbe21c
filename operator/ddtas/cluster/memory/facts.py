"""From an object as an API server sends it to the few facts that the decision needs.

Pure but for a count of what cannot be read, and raises nothing.

Of a field that is absent or null, the meaning is that of Kubernetes. An object with anything else in place of what
belongs there has facts that say that it cannot be read: a city's API server may send anything.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from sys import intern
from typing import Any, TypeVar

from ddtas import metrics, names
from ddtas.cluster.memory.fields import asked_digest, owned_digest, owned_part
from ddtas.cluster.memory.shapes import shape
from ddtas.cluster.rest.answers import FAULT, number
from ddtas.errors import printable
from ddtas.plan.snapshot import Child, ClaimFacts, ContainerFacts, DeploymentFacts, JobFacts, PodFacts

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
T = TypeVar("T")

# A termination message has at most 4,096 bytes; a condition's message can be longer than anyone reads.
_MAX_MESSAGE = 500
_MOST_ENDED = 8192
_MOST_DATA = 1024 * 1024  # characters of a record; those that we write have some thousands
_MOST_ITEMS = 1000  # conditions, owners, containers
# Annotations may be edited: what is no version counts as none.
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)([-+][0-9A-Za-z.+-]*)?")


class _Odd(Exception):
    """There is something else where a text, a number, a list or an object belongs."""


def _get(place: Mapping[str, Any], name: str, kind: type[T], absent: T) -> T:
    value = place.get(name)
    if value is None:
        return absent
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise _Odd(f"{name} is no {kind.__name__}")
    return value


_NOTHING: JsonObject = {}  # nobody writes to it


def _map(place: Mapping[str, Any], name: str) -> JsonObject:
    return _get(place, name, dict, _NOTHING)


def _text(place: Mapping[str, Any], name: str, most: int = _MAX_MESSAGE) -> str:
    return _get(place, name, str, "")[:most]


def _maps(place: Mapping[str, Any], name: str) -> list[JsonObject]:
    found: list[Any] = _get(place, name, list, [])[:_MOST_ITEMS]
    if not all(isinstance(item, dict) for item in found):
        raise _Odd(f"{name} has what is no object")
    return found


def _label(labels: JsonObject, name: str) -> str:
    return intern(_text(labels, name, 63))


def child(kind: str, body: JsonObject) -> Child:
    """The facts of one of our children, which has an identity (`answers.identity`)."""
    try:
        if FAULT in body:
            raise _Odd(str(body[FAULT]))
        return _child(kind, body)
    except _Odd as odd:
        return _unreadable(kind, body, f"cannot be read: {printable(str(odd))}")
    except Exception as error:  # nothing is known to lead here
        log.exception("a %s cannot be read", kind)
        return _unreadable(kind, body, f"cannot be read ({type(error).__name__})")


def _child(kind: str, body: JsonObject) -> Child:
    metadata = body["metadata"]
    labels, status = _map(metadata, "labels"), _map(body, "status")
    facts: JobFacts | DeploymentFacts | PodFacts | ClaimFacts | None = None
    if kind == "Job":
        facts = replace(_job(status, metadata), shape=intern(_template(body)))
    elif kind == "Deployment":
        facts = _deployment(body, status)
    elif kind == "Pod":
        facts = _pod(labels, status)
        if labels.get(names.LABEL_PHASE):
            facts = replace(facts, shape=intern(shape(_map(body, "spec"))))
    elif kind == "PersistentVolumeClaim":
        facts = _claim(body, labels, status)
    # Thousands of children are held: what the children of an Installation have in common is kept once.
    return replace(
        _identified(kind, metadata, labels),
        applied="" if kind == "Pod" else intern(owned_digest(body)),
        asked="" if kind == "Pod" else intern(asked_digest(body)[:64]),
        owner_uid=intern(_owner_uid(kind, metadata, labels)),
        facts=facts,
        data=_data(body) if kind == "ControllerRevision" else "",
        seal=_seal(metadata) if kind == "Job" else "",
    )


def _template(body: JsonObject) -> str:
    return shape(_map(_map(_map(body, "spec"), "template"), "spec"))


def _unreadable(kind: str, body: JsonObject, why: str) -> Child:
    """What is left: nothing is taken for applied, finished or available."""
    metrics.UNREADABLE.labels(kind).inc()
    metadata = body["metadata"]
    marks = metadata.get("labels")
    labels = {k: v for k, v in marks.items() if isinstance(v, str)} if isinstance(marks, dict) else {}
    facts: Mapping[str, JobFacts | DeploymentFacts | PodFacts | ClaimFacts] = {
        "Job": JobFacts("Running", trouble=why),
        "Deployment": DeploymentFacts(available=False, stuck=why),
        "Pod": PodFacts("Unknown"),
        "PersistentVolumeClaim": ClaimFacts("Pending", "0", trouble=why),
    }
    return replace(_identified(kind, metadata, labels), owner_uid=_labelled_owner(labels), facts=facts.get(kind))


def _identified(kind: str, metadata: JsonObject, labels: JsonObject) -> Child:
    """Which object it is, and of what; nothing of what it says."""
    return Child(
        kind=kind,
        name=intern(metadata["name"]),
        uid=metadata["uid"],
        resource_version=number(metadata["resourceVersion"]),
        revision=_label(labels, names.LABEL_REVISION),
        component=_label(labels, names.LABEL_COMPONENT),
        phase=_label(labels, names.LABEL_PHASE),
        deleting=metadata.get("deletionTimestamp") is not None,
    )


def _owner_uid(kind: str, metadata: JsonObject, labels: JsonObject) -> str:
    for owner in _maps(metadata, "ownerReferences"):
        group, what = _text(owner, "apiVersion").partition("/")[0], owner.get("kind")
        namesake = group == names.GROUP and owner.get("name") == labels.get(names.LABEL_INSTALLATION)
        run = kind == "Pod" and group == "batch" and owner.get("controller") is True
        if (what == "Installation" and namesake) or (what == "Job" and run):
            return _text(owner, "uid", 64)
    return _labelled_owner(labels)


def _labelled_owner(labels: JsonObject) -> str:
    """On a city's own cluster. At home the label says nothing: anybody may set it."""
    return _label(labels, names.LABEL_OWNER) if names.LABEL_PLATFORM in labels else ""


def _seal(metadata: JsonObject) -> str:
    return _text(_map(metadata, "annotations"), names.ANNOTATION_SEAL, 64).encode("ascii", "replace").decode()


def _data(body: JsonObject) -> str:
    text = json.dumps(body.get("data"))
    if len(text) > _MOST_DATA:
        raise _Odd(f"data has more than {_MOST_DATA} characters")
    return text


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
    labels, namespace = metadata.get("labels") or {}, home or metadata.get("namespace")
    if not isinstance(labels, dict) or (names.LABEL_PLATFORM in labels) != bool(home):
        return NOBODY
    name = labels.get(names.LABEL_INSTALLATION) or ""
    if not isinstance(name, str) or not isinstance(namespace, str) or len(name) > 63:
        return NOBODY
    return intern(namespace), intern(name)


def _conditions(status: JsonObject) -> dict[str, JsonObject]:
    return {_text(c, "type"): c for c in _maps(status, "conditions")}


def _time(place: JsonObject, name: str) -> datetime | None:
    text = _text(place, name)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise _Odd(f"{name} is no time") from None
    return found if found is None or found.tzinfo is not None else found.replace(tzinfo=UTC)


def _job(status: JsonObject, metadata: JsonObject) -> JobFacts:
    conditions = _conditions(status)
    for kind in ("Complete", "Failed"):
        condition = conditions.get(kind)
        if condition is not None and condition.get("status") == "True":
            return JobFacts(
                state="Complete" if kind == "Complete" else "Failed",
                reason=_text(condition, "reason"),
                message=_text(condition, "message"),
                # The first one is always there; without any, a Job whose pod is gone would be waited for for ever.
                finished_at=_time(condition, "lastTransitionTime")
                or _time(status, "completionTime")
                or _time(metadata, "creationTimestamp"),
            )
    return JobFacts(state="Running")


def _deployment(body: JsonObject, status: JsonObject) -> DeploymentFacts:
    wanted = _get(_map(body, "spec"), "replicas", int, 1)
    current = _get(status, "observedGeneration", int, 0) >= _get(body["metadata"], "generation", int, 1)
    ready = min(_get(status, name, int, 0) for name in ("updatedReplicas", "availableReplicas"))
    progressing = _conditions(status).get("Progressing", _NOTHING)
    stuck = _text(progressing, "message") if current and progressing.get("status") == "False" else ""
    return DeploymentFacts(available=current and ready >= wanted, stuck=stuck)


def _claim(body: JsonObject, labels: JsonObject, status: JsonObject) -> ClaimFacts:
    spec, owned = _map(body, "spec"), owned_part(body) or _NOTHING
    version = _text(_map(body["metadata"], "annotations"), names.ANNOTATION_DATA_VERSION, 64)
    conditions = _conditions(status)
    failed = [conditions.get(kind, _NOTHING) for kind in ("ControllerResizeError", "NodeResizeError")]
    modes: list[Any] = _get(spec, "accessModes", list, [])
    asked = _map(owned, "spec").get("storageClassName")
    return ClaimFacts(
        phase=_text(status, "phase", 63) or "Pending",
        requested=_text(_map(_map(spec, "resources"), "requests"), "storage", 63) or "0",
        capacity=_text(_map(status, "capacity"), "storage", 63),
        access_modes=tuple(mode for mode in modes[:10] if isinstance(mode, str) and len(mode) < 63),
        storage_class=_text(spec, "storageClassName", 253),
        asked_class=asked if isinstance(asked, str) else None,
        volume=_text(spec, "volumeName", 253),
        copied=bool(spec.get("dataSource") or spec.get("dataSourceRef")),
        listing=_text(labels, names.LABEL_LISTING, 63),
        version=version if _VERSION.fullmatch(version) else "",
        trouble=next((_text(c, "message") for c in failed if c.get("status") == "True"), ""),
    )


def _pod(labels: JsonObject, status: JsonObject) -> PodFacts:
    """By the names of containers: what others add to a pod, such as the proxy of a mesh, says nothing of our run."""
    component, phase = _label(labels, names.LABEL_COMPONENT), _label(labels, names.LABEL_PHASE)
    app = _container(status, "containerStatuses", {component, phase})
    if app is None:  # of a run that is scored afterwards
        app = _container(status, "initContainerStatuses", {phase})
    runner = _container(status, "initContainerStatuses", {names.FETCH, names.FOLLOW})
    scheduled = _conditions(status).get("PodScheduled", _NOTHING)
    return PodFacts(
        phase=_text(status, "phase", 63) or "Pending",
        waiting_reason=app.waiting_reason if app is not None else "",
        waiting_message=app.waiting_message if app is not None else "",
        exit_code=app.exit_code if app is not None else None,
        ended_reason=app.ended_reason if app is not None else "",
        ended_message=app.ended_message if app is not None else "",
        unschedulable=_text(scheduled, "message") if scheduled.get("reason") == "Unschedulable" else "",
        runner=runner,
        score=_container(status, "containerStatuses", {names.SCORE}) if phase else None,
    )


def _container(status: JsonObject, place: str, wanted: set[str]) -> ContainerFacts | None:
    """The facts of the first container that has one of these names; None where none has a status."""
    container = next((c for c in _maps(status, place) if _text(c, "name", 63) in wanted - {""}), None)
    if container is None:
        return None
    state = _map(container, "state")
    waiting = _map(state, "waiting")
    ended = _map(state, "terminated") or _map(_map(container, "lastState"), "terminated")
    if ended.get("reason") == "ContainerStatusUnknown":
        ended = _NOTHING  # the kubelet's way to end a container that never started: its exit code 137 is made up
    return ContainerFacts(
        running=state.get("running") is not None,
        waiting_reason=_text(waiting, "reason"),
        waiting_message=_text(waiting, "message"),
        exit_code=_get(ended, "exitCode", int, 0) if ended.get("exitCode") is not None else None,
        ended_reason=_text(ended, "reason"),
        ended_message=_text(ended, "message", _MOST_ENDED),
    )
