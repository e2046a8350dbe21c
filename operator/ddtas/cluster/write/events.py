"""Tells people: Events of what happened to an object, each under a name of its own, before its status says so.

The name is made of what is told and of the state before it. So an Event that is made for a second time, after a crash
or a lost answer, is the one that is there already; and what happens again later is told again.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from ddtas import redaction
from ddtas.api.base import Condition, Metadata
from ddtas.backoff import backoff
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import EVENT, ResourceType
from ddtas.errors import ClusterError, Conflict
from ddtas.names import API_VERSION, MANAGED_BY
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.revision import digest
from ddtas.plan.status.transitions import announced

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

# How long a status waits for its Events, in all and for one request; and the pauses between two attempts.
_TOGETHER_SECONDS = 20.0
_ATTEMPT_SECONDS = 5.0
_REFUSALS_BELIEVED = 3
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 2.0


class News(NamedTuple):
    """Something worth an Event.

    Attributes:
        type: of the Event.
        reason: in CamelCase.
        message: for a person.
        name: tells it apart from other news of the object; the same for the same news.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    name: str


def news(type_: Literal["Normal", "Warning"], reason: str, message: str, metadata: Metadata, *marks: object) -> News:
    """What no condition says.

    Args:
        type_: of the Event.
        reason: in CamelCase.
        message: for a person.
        metadata: of the object.
        marks: tell the same news at another time apart; nothing that is otherwise after a crash.
    """
    message = redaction.known.hide(message, metadata.namespace)
    return News(type_, reason, message, digest([metadata.uid, type_, reason, message, *map(str, marks)])[:16])


def _as_asked(condition: Condition) -> bool:
    """Nobody has to do anything about it, although it is not True: a newer version, where the spec keeps to another."""
    return Reason.named(condition.reason).course is Course.DONE


def transitions(metadata: Metadata, old: Sequence[Condition], new: Sequence[Condition]) -> Iterator[News]:
    """What of new conditions is worth an Event."""
    for step, condition, was in announced(old, new):
        message = redaction.known.hide(condition.message, metadata.namespace)
        told = [metadata.uid, condition.type, condition.status, condition.reason, message]
        since = [was.status, was.reason, str(was.last_transition_time), was.observed_generation] if was else []
        # Times have whole seconds, and within one kubectl sorts by name, so the name begins with the step: "is running"
        # before "has passed", and both before the next step.
        name = f"{step}{int(condition.status != 'Unknown')}{digest([*told, *since])[:14]}"
        # "Calibrated" reads better than "Passed" where several conditions share a reason.
        reason = condition.type if condition.status == "True" else condition.reason
        warning = condition.status == "False" and not _as_asked(condition)
        yield News("Warning" if warning else "Normal", reason, message, name)


async def tell(client: Client, resource: ResourceType, metadata: Metadata, told: Iterable[News]) -> None:
    """Make Events; those that are there already stay.

    What may work in a moment is tried again, for twenty seconds in all. What the API server refuses is tried a few
    times, since one answer proves nothing, and then logged.
    """
    try:
        async with asyncio.timeout(_TOGETHER_SECONDS):
            for piece in told:
                await _make(client, _event(resource, metadata, piece))
    except TimeoutError:
        log.warning("Events of %s %s could not be made in time", resource.kind, metadata.name)


async def _make(client: Client, event: JsonObject) -> None:
    about = f"Event {event['reason']} for {event['involvedObject']['kind']} {event['involvedObject']['name']}"
    refused = 0
    for attempt in itertools.count(1):
        asked = 0.0
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await client.create(EVENT, event)
                return
        except TimeoutError:
            log.warning("%s: no answer; it is tried again", about)
        except ClusterError as error:
            if isinstance(error, Conflict) and "already exists" in error.message:
                return
            if error.status not in (0, 409, 429) and error.status < 500:
                refused += 1
                if refused >= _REFUSALS_BELIEVED:
                    log.warning("%s: %s", about, error)
                    return
            asked = error.retry_after
            log.warning("%s: %s; it is tried again", about, error)
        await asyncio.sleep(max(backoff(attempt, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS), asked))


def _event(resource: ResourceType, metadata: Metadata, piece: News) -> JsonObject:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    namespace = metadata.namespace or "default"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{piece.name}", "namespace": namespace},
        "involvedObject": {"apiVersion": API_VERSION, "kind": resource.kind, "name": metadata.name}
        | {k: v for k, v in (("namespace", metadata.namespace), ("uid", metadata.uid)) if v},
        "reason": piece.reason,
        "message": piece.message[:1000],
        "type": piece.type,
        "source": {"component": MANAGED_BY},
        "reportingComponent": MANAGED_BY,
        "reportingInstance": MANAGED_BY,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
