"""Tells the world: the status of an object (one write, only when it changed) and Events of its transitions."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ddtas.api.base import Condition, Metadata, Model
from ddtas.cluster.client import Client
from ddtas.cluster.resources import EVENT, ResourceType
from ddtas.errors import ClusterError, Conflict
from ddtas.names import API_VERSION, FINALIZER_CONSUMERS, MANAGED_BY
from ddtas.plan.reasons import Reason
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


async def write_finalizer(client: Client, resource: ResourceType, metadata: Metadata, hold: bool) -> JsonObject:
    """Put our finalizer onto an object, or take it away, by server-side apply: those of others stay.

    Returns:
        The object as it is now.

    Raises:
        Conflict: another object has its name now.
    """
    body = {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid}
    finalizers = {"finalizers": [FINALIZER_CONSUMERS]} if hold else {}
    manifest = {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": body | finalizers}
    return await client.apply(resource, manifest, force=True)


# Steps that take long enough for a person to wonder what is going on.
_WORK = frozenset({Reason.PROBING, Reason.CALIBRATING, Reason.VALIDATING, Reason.ROLLING_OUT})


def _worth_telling(old: Condition | None, new: Condition) -> bool:
    if new.type in _KSTATUS or new.reason == Reason.NOT_SERVING:
        return False
    if new.status == "Unknown" and new.reason not in _WORK:
        return False
    return old is None or (old.status, old.reason) != (new.status, new.reason)


def _event(resource: ResourceType, metadata: Metadata, condition: Condition, step: int) -> JsonObject:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = metadata.namespace or "default"
    told = [metadata.uid, condition.type, condition.status, condition.reason, condition.message]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # The same transition, told twice, is one Event. Times have whole seconds, and within one kubectl sorts by
        # name, so the name begins with the step: "is running" before "has passed", and both before the next step.
        "metadata": {
            "name": f"{metadata.name}.{step}{int(condition.status != 'Unknown')}{digest(told)[:14]}",
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": resource.kind,
            "name": metadata.name,
            "uid": metadata.uid,
        }
        | ({"namespace": metadata.namespace} if metadata.namespace else {}),
        # "Calibrated" reads better than "Passed" where several conditions share a reason.
        "reason": condition.type if condition.status == "True" else condition.reason,
        "message": condition.message[:1000],
        "type": "Warning" if condition.status == "False" else "Normal",
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
        try:
            await client.create(EVENT, _event(resource, metadata, condition, step))
        except Conflict:
            continue
        except ClusterError as error:
            log.warning("Event for %s %s: %s", resource.kind, metadata.name, error)
