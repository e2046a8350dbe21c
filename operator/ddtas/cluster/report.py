"""Tells the world: the status of an object (one write, only when it changed) and Events of its transitions."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from ddtas import redaction
from ddtas.api.base import Condition, Metadata, Model
from ddtas.cluster.client import Client
from ddtas.cluster.resources import EVENT, ResourceType
from ddtas.errors import ClusterError, Conflict
from ddtas.names import API_VERSION, MANAGED_BY
from ddtas.plan.decide import UP_TO_DATE
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.revision import digest

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

_KSTATUS = frozenset({"Ready", "Reconciling", "Stalled"})


async def write_status(
    client: Client, resource: ResourceType, metadata: Metadata, old: JsonObject, new: Model
) -> JsonObject | None:
    """Publish a status by server-side apply of the whole of it.

    Returns:
        The object as it is now, or None when nothing had to be written.

    Raises:
        NotFound: the object is gone.
        Conflict: another object has its name now.
    """
    status = new.dump()
    if status == old:
        return None
    status = redaction.known.hide_in(status, old, metadata.namespace)
    if status == old:
        return None
    manifest = {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        # The uid makes sure that it is not the status of a namesake that came since.
        "metadata": {
            k: v for k, v in (("name", metadata.name), ("namespace", metadata.namespace), ("uid", metadata.uid)) if v
        },
        "status": status,
    }
    return await client.apply(resource, manifest, force=True, subresource="status")


async def write_finalizers(
    client: Client, resource: ResourceType, metadata: Metadata, finalizers: Sequence[str]
) -> JsonObject:
    """Have these finalizers of ours on an object, and no other ones of ours; its spec is not touched.

    Raises:
        NotFound: the object is gone.
        Conflict: another object has its name now.
    """
    named = {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid}
    manifest = {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": named | ({"finalizers": list(finalizers)} if finalizers else {}),
    }
    return await client.apply(resource, manifest, force=True)


# Steps that take long enough for a person to wonder what is going on.
_WORK = frozenset({Reason.PROBING, Reason.CALIBRATING, Reason.VALIDATING, Reason.ROLLING_OUT})


def _worth_telling(old: Condition | None, new: Condition) -> bool:
    if new.type in _KSTATUS or new.reason in (Reason.NOT_SERVING, Reason.VERSION_FAILED):  # said of another step
        return False
    if new.status == "Unknown" and new.reason not in _WORK:
        return False
    if new.type == UP_TO_DATE and new.status == "True" and (old is None or old.status == "Unknown"):
        return False  # nothing has become newer
    return old is None or (old.status, old.reason) != (new.status, new.reason)


def _as_asked(condition: Condition) -> bool:
    """Nobody has to do anything about it, although it is not True: a newer version, where the spec keeps to another."""
    return Reason.named(condition.reason).course is Course.DONE


class News(NamedTuple):
    """Something worth an Event."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def _transition(condition: Condition) -> News:
    # "Calibrated" reads better than "Passed" where several conditions share a reason.
    reason = condition.type if condition.status == "True" else condition.reason
    warning = condition.status == "False" and not _as_asked(condition)
    return News("Warning" if warning else "Normal", reason, condition.message)


def _event(resource: ResourceType, metadata: Metadata, news: News, name: str) -> JsonObject:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = metadata.namespace or "default"
    message = redaction.known.hide(news.message, metadata.namespace)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{name}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": resource.kind,
            "name": metadata.name,
            "uid": metadata.uid,
        }
        | ({"namespace": metadata.namespace} if metadata.namespace else {}),
        "reason": news.reason,
        "message": message[:1000],
        "type": news.type,
        "source": {"component": MANAGED_BY},
        "reportingComponent": MANAGED_BY,
        "reportingInstance": MANAGED_BY,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


async def tell(
    client: Client, resource: ResourceType, metadata: Metadata, old: Sequence[Condition], new: Sequence[Condition]
) -> None:
    """Make an Event of each transition. An Event that cannot be made is logged: it is news, not state."""
    before = {c.type: c for c in old}
    for step, condition in enumerate(new):
        if not _worth_telling(before.get(condition.type), condition):
            continue
        told = [metadata.uid, condition.type, condition.status, condition.reason, condition.message]
        # The same transition, told twice, is one Event. Times have whole seconds, and within one kubectl sorts by
        # name, so the name begins with the step: "is running" before "has passed", and both before the next step.
        name = f"{step}{int(condition.status != 'Unknown')}{digest(told)[:14]}"
        await _create(client, resource, metadata, _event(resource, metadata, _transition(condition), name))


async def announce(client: Client, resource: ResourceType, metadata: Metadata, news: News, at: str = "") -> None:
    """Make an Event of what no condition says.

    Args:
        client: the cluster.
        resource: the kind of the object.
        metadata: the object.
        news: what to tell.
        at: tells the same news at another time apart.
    """
    name = digest([metadata.uid, *news, at])[:16]
    await _create(client, resource, metadata, _event(resource, metadata, news, name))


async def _create(client: Client, resource: ResourceType, metadata: Metadata, event: JsonObject) -> None:
    try:
        await client.create(EVENT, event)
    except Conflict:
        return
    except ClusterError as error:
        log.warning("Event for %s %s: %s", resource.kind, metadata.name, error)
