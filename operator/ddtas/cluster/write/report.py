"""Writes to the three kinds: the status of an object (one write, only when it changed), and finalizers of ours.

Each write is of the very state that was decided on: it carries the object's uid and resourceVersion. So it can never
be that of a namesake, nor undo what another replica, or a person, has written since.
"""

import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from ddtas.api.base import Metadata
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import ResourceType
from ddtas.cluster.write.events import News, news, tell
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.names import API_VERSION
from ddtas.plan.reasons import Reason

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]

# The object is another one by now: the watch is about to bring it.
_NEWER_SECONDS = 0.5
# It is gone, by what the API server says. If the watch does not bring that, it was not so.
GONE_SECONDS = 15.0
_INVALID = 422
# It must not be written, or not like this: no attempt will put that right.
_REFUSALS = (403, 413, _INVALID)


class Outdated(Exception):
    """What was decided is about an object that is gone, or is otherwise by now.

    Attributes:
        again_after: seconds after which to decide again, if no watch has called for it before.
    """

    def __init__(self, again_after: float) -> None:
        super().__init__("the object is gone, or is otherwise by now")
        self.again_after = again_after


async def write_status(client: Client, resource: ResourceType, metadata: Metadata, status: JsonObject) -> JsonObject:
    """Publish a status by server-side apply of the whole of it; the object as it is now.

    Raises:
        Outdated: the object is gone, or has changed since.
        ClusterError: the API server did not take it.
    """
    try:
        return await _current(client, resource, metadata, _written(client, resource, metadata, status))
    except ClusterError as error:
        if error.status in _REFUSALS:
            await tell(client, resource, metadata, [_refused(metadata, error)])
        raise


async def _written(client: Client, resource: ResourceType, metadata: Metadata, status: JsonObject) -> JsonObject:
    """Apply a status; write it over what is there, where that is not enough.

    What somebody else has written into it is theirs as well. It stays, or leaves a list that is null, which the API
    server refuses.
    """
    manifest = _named(resource, metadata) | {"status": status}
    try:
        live = await client.apply(resource, manifest, force=True, subresource="status")
    except ClusterError as error:
        if error.status != _INVALID:
            raise
        return await client.overwrite_status(resource, manifest["metadata"], status)
    if not _exceeds(live.get("status"), status):
        return live
    return await client.overwrite_status(
        resource, manifest["metadata"] | {"resourceVersion": live["metadata"]["resourceVersion"]}, status
    )


def _exceeds(live: Any, applied: Any) -> bool:
    """Whether there is more than was applied."""
    if isinstance(live, dict) and isinstance(applied, dict):
        return any(key not in applied or _exceeds(value, applied[key]) for key, value in live.items())
    if isinstance(live, list) and isinstance(applied, list):
        return len(live) != len(applied) or any(map(_exceeds, live, applied))
    return False


async def write_finalizers(
    client: Client, resource: ResourceType, metadata: Metadata, finalizers: Sequence[str]
) -> JsonObject:
    """Have these finalizers of ours on an object, and no other ones of ours; its spec is not touched.

    Raises:
        Outdated: the object is gone, or has changed since.
        ClusterError: the API server did not take it.
    """
    manifest = _named(resource, metadata)
    if finalizers:
        manifest["metadata"]["finalizers"] = list(finalizers)
    return await _current(client, resource, metadata, client.apply(resource, manifest, force=True))


def _named(resource: ResourceType, metadata: Metadata) -> JsonObject:
    marks = {
        "name": metadata.name,
        "namespace": metadata.namespace,
        "uid": metadata.uid,
        "resourceVersion": metadata.resource_version,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": {key: value for key, value in marks.items() if value},
    }


async def _current(
    client: Client, resource: ResourceType, metadata: Metadata, write: Awaitable[JsonObject]
) -> JsonObject:
    """Do a write. That the object is gone or another one is believed only where a read says so, too."""
    try:
        return await write
    except (NotFound, Conflict):
        try:
            live = (await client.get(resource, metadata.namespace or None, metadata.name))["metadata"]
        except NotFound:
            raise Outdated(GONE_SECONDS) from None
        if (live["uid"], live["resourceVersion"]) != (metadata.uid, metadata.resource_version):
            raise Outdated(_NEWER_SECONDS) from None
        raise


def _refused(metadata: Metadata, error: ClusterError) -> News:
    """A status that cannot be written cannot say so itself."""
    text = f"the API server does not take its status: {error.message}; it is tried again, see the operator's log"
    return news("Warning", Reason.STATUS_REFUSED, text, metadata, metadata.generation)
