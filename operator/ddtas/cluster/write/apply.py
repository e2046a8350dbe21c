"""Makes a place match a plan, with as few requests as that takes."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from ddtas import names
from ddtas.api.installation import Installation
from ddtas.cluster.memory.facts import child as child_of
from ddtas.cluster.memory.fields import marked
from ddtas.cluster.memory.ownership import Ownership, Seal
from ddtas.cluster.place import Place
from ddtas.cluster.rest.answers import identity
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import BY_KIND, CHILDREN, INSTALLATION, SECRET, ResourceType
from ddtas.cluster.write.report import GONE_SECONDS, Outdated
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.names import NamespacedName
from ddtas.plan.children.diff import Send, diff
from ddtas.plan.children.volumes import CLAIM, refused_growth
from ddtas.plan.decision.plan import PRUNABLE, Plan
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Child, ClaimFacts, Key, Snapshot
from ddtas.plan.status.changes import ChangeSet, Fault

log = logging.getLogger(__name__)

# Pods mount these, so they are made first: a pod that has to wait for its volumes is retried only after a while.
_FIRST = frozenset({"ControllerRevision", "ConfigMap", "Secret", "NetworkPolicy", CLAIM})
# Requests of one Installation under way at once: where they hang, others must still have room.
_AT_ONCE = 4
# What the API server says to a change that it does not allow: forbidden, and not valid.
_REFUSALS = (403, 422)
# With it, server-side apply makes an object, and is a conflict where there is one: the API server compares the version
# with that of the object, if there is any, and none has this one.
_OF_NO_OBJECT = "1"

JsonObject = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Site:
    """Whose children, and where they are."""

    place: Place
    owner: NamespacedName
    ownership: Ownership

    @property
    def namespace(self) -> str:
        return self.ownership.namespace

    def there(self) -> dict[Key, Child]:
        """The children, by kind and name.

        At home, what a namesake left is about to go by itself. Elsewhere it stays: it was let go of on purpose, and is
        somebody else's now.
        """
        found = self.place.children.there(self.owner)
        own = self.ownership.of(found)
        if self.place.remote:
            return own
        left = {k: c for k, c in found.items() if k not in own and c.owner_uid not in ("", self.ownership.uid)}
        return own | {key: replace(child, deleting=True) for key, child in left.items()}


def ownership(place: Place, installation: Installation, seal: Seal) -> Ownership:
    """What of the objects in a place is an Installation's."""
    metadata = installation.metadata
    recorded = {(item.kind, item.name): item.uid for item in installation.status.inventory}
    return Ownership(metadata.uid, place.namespace or metadata.namespace, recorded, seal)


async def apply(client: Client, place: Place, snapshot: Snapshot, plan: Plan, seal: Seal) -> ChangeSet:
    """Create, correct and remove children as the plan says.

    Args:
        client: the cluster of the Installation.
        place: where its children are.
        snapshot: what the plan was made from.
        plan: what to do.
        seal: of the Jobs that are made.

    Raises:
        Outdated: the Installation itself turned out to be gone: nothing was done.
        ClusterError: the place is not what it was, or could not be asked: nothing was done.
    """
    metadata = snapshot.installation.metadata
    site = _Site(place, (metadata.namespace, metadata.name), ownership(place, snapshot.installation, seal))
    inventory = site.ownership.recorded.keys()
    difference = diff(plan.desired, plan.prune, site.there(), inventory, not plan.report_drift)
    pending = difference.sends
    if pending or difference.removes:
        await place.verify()
    vanished = any(not send.exists and send.desired.key in inventory for send in pending)
    if vanished and not await _still_there(client, snapshot):
        raise Outdated(GONE_SECONDS)
    first = [s for s in pending if s.desired.key[0] in _FIRST]
    then = [s for s in pending if s.desired.key[0] not in _FIRST]
    uids: dict[Key, str] = {}
    faults = await _send_all(site, first, snapshot.now, uids)
    if not any(fault.refused is None for fault in faults):
        faults += await _send_all(site, then, snapshot.now, uids)
    faults.sort(key=lambda fault: fault.refused is not None)
    stopped = any(fault.refused is None for fault in faults)
    removed = await _remove(site, difference.removes) if not stopped else ()
    return ChangeSet(
        created=tuple(s.desired.key for s in pending if not s.exists),
        changed=tuple(s.desired.key for s in pending if s.exists),
        removed=removed,
        drifted=difference.drifted,
        faults=tuple(faults),
        uids=uids,
    )


async def remove_all(place: Place, uid: str, volumes: bool = False) -> list[Key]:
    """Ask for the deletion of everything that carries the uid of an Installation on a city's cluster.

    It is what is there that counts, not what the watches have brought. Pods go with what made them.

    Args:
        place: the city's cluster.
        uid: of the Installation.
        volumes: whether its volumes go too, with their data.

    Returns:
        What was still there; the Installation may go once that is nothing.

    Raises:
        ClusterError: not everything could be looked at, or asked for.
    """
    await place.verify()
    going = PRUNABLE | {CLAIM} if volumes else PRUNABLE
    kinds = [resource for resource in CHILDREN if resource.kind in going]
    selector = f"{names.LABEL_OWNER}={uid}"
    lists = await _together(_metadata(place, kind, selector) for kind in kinds)
    found = [(kind, metadata) for kind, listed in zip(kinds, lists, strict=True) for metadata in listed]
    await _together(
        place.client.delete(kind, place.namespace, metadata["name"], metadata["uid"])
        for kind, metadata in found
        if "deletionTimestamp" not in metadata
    )
    return sorted((kind.kind, str(metadata["name"])) for kind, metadata in found)


async def _metadata(place: Place, kind: ResourceType, selector: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    pages = place.client.pages(kind, place.namespace, selector)
    async with aclosing(pages):
        async for page in pages:
            for body in page["items"]:
                identity(body)  # one that has none could not be removed
                found.append(body["metadata"])
    return found


async def _still_there(client: Client, snapshot: Snapshot) -> bool:
    """Children that were there are gone: by hand, or because their owner is, and the news has not come yet."""
    metadata = snapshot.installation.metadata
    try:
        live = await client.get(INSTALLATION, metadata.namespace, metadata.name)
    except NotFound:
        return False
    return bool(live["metadata"]["uid"] == metadata.uid and "deletionTimestamp" not in live["metadata"])


async def _send_all(site: _Site, sends: Iterable[Send], now: datetime, uids: dict[Key, str]) -> list[Fault]:
    """Send all of it; what was made and changed is put into `uids`."""
    results = await _together(_send(site, send, now, uids) for send in sends)
    return [fault for fault in results if fault is not None]


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do all of it, a few at a time; their answers, in order."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(task: Coroutine[Any, Any, T]) -> T:
        async with room:
            return await task

    return await asyncio.gather(*(one(task) for task in work))


def _owners(metadata: JsonObject, remote: bool) -> set[str]:
    if remote:
        labels = metadata.get("labels", {})
        return {labels.get(names.LABEL_OWNER, ""), labels.get(names.LABEL_USER, "")}
    return {reference["uid"] for reference in metadata.get("ownerReferences", ())}


async def _create(site: _Site, resource: ResourceType, manifest: JsonObject) -> JsonObject | None:
    """Make an object; None where there is one with its name that is not this Installation's."""
    client, metadata = site.place.client, manifest["metadata"]
    try:
        new = manifest | {"metadata": metadata | {"resourceVersion": _OF_NO_OBJECT}}
        return await client.apply(resource, new, force=False)
    except Conflict as conflict:
        try:
            live = await client.get(resource, site.namespace, metadata["name"])
        except NotFound:
            raise conflict from None
    if not _is_own(site, resource, live):
        return None
    # Its label was taken away, and the watches do not see it without; perhaps its owner as well.
    return await _change(site, resource, manifest, live["metadata"]["uid"])


def _is_own(site: _Site, resource: ResourceType, live: JsonObject) -> bool:
    """Whether an object that the watches do not show as its own is the Installation's all the same."""
    metadata, own = live["metadata"], site.ownership
    if own.lost((resource.kind, metadata["name"]), metadata["uid"]):
        return True
    if own.uid not in _owners(metadata, site.place.remote):
        return False
    return resource.kind != "Job" or own.made(child_of(resource.kind, live))


async def _correct(site: _Site, resource: ResourceType, manifest: JsonObject, uid: str) -> JsonObject | None:
    """Put an object right; make it again where it is gone, and the news has not come yet."""
    try:
        return await _change(site, resource, manifest, uid)
    except Conflict:
        return await _create(site, resource, manifest)


async def _change(site: _Site, resource: ResourceType, manifest: JsonObject, uid: str) -> JsonObject:
    """Change an object; a Secret that is to have another type, which cannot be changed, is made again."""
    client, metadata = site.place.client, manifest["metadata"]
    try:
        return await client.apply(resource, manifest | {"metadata": metadata | {"uid": uid}}, force=True)
    except ClusterError as error:
        if resource is not SECRET or error.status != 422:
            raise
        live = await client.get(resource, site.namespace, metadata["name"])
        if live.get("type") == manifest.get("type", "Opaque"):
            raise error from None
    await client.delete(resource, site.namespace, metadata["name"], uid)
    log.info("removed %s", resource.kind, extra={"object": f"{site.namespace}/{metadata['name']}"})
    return await client.apply(
        resource, manifest | {"metadata": metadata | {"resourceVersion": _OF_NO_OBJECT}}, force=False
    )


async def _send(site: _Site, send: Send, now: datetime, uids: dict[Key, str]) -> Fault | None:
    kind, name = send.desired.key
    resource, children = BY_KIND[kind], site.place.children
    manifest = send.desired.manifest if send.desired.once else marked(send.desired.manifest, send.digest)
    manifest = site.ownership.sealed(manifest) if kind == "Job" else manifest
    known = children.child(site.owner, send.desired.key) if send.exists else None
    try:
        live = await (_correct(site, resource, manifest, known.uid) if known else _create(site, resource, manifest))
    except ClusterError as error:
        if _grows(known, send) and error.status in _REFUSALS:
            refused = refused_growth(send.desired, error.message, now)
            return Fault(Reason.VOLUME_NOT_GROWN, refused.message, refused, name)
        return Fault(Reason.APPLY_FAILED, f"{kind} {name}: {error.message}", retry_after=error.retry_after)
    if live is None:
        return Fault(Reason.NAME_TAKEN, _taken(site, send))
    children.put(resource, live, by_watch=False)
    uids[send.desired.key] = live["metadata"]["uid"]
    child = children.child(site.owner, send.desired.key)
    if child is not None and child.applied != send.digest:
        children.accept(child.uid, send.digest, child.applied)
    log.info("%s %s", "corrected" if send.exists else "created", kind, extra={"object": f"{site.namespace}/{name}"})
    return None


def _taken(site: _Site, send: Send) -> str:
    """What is in the way, and what to do about it."""
    kind, name = send.desired.key
    if kind == "Job":
        remove = f"`kubectl -n {site.namespace} delete job {name}`"
        return f"Job {name} exists, and the operator did not make it: what it shows is no evidence; {remove}"
    return f"{kind} {name} exists and is not this Installation's: rename or remove it{_or_hand_over(send)}"


def _or_hand_over(send: Send) -> str:
    """How a person has the data of a volume taken over that is nobody's."""
    if send.desired.key[0] != CLAIM:
        return ""
    labels = send.desired.manifest["metadata"]["labels"]
    marks = (names.LABEL_INSTALLATION, names.LABEL_LISTING, names.LABEL_PLATFORM)
    wanted = " ".join(f"{mark}={labels[mark]}" for mark in marks if mark in labels)
    return f"; or, to have its data used, label it {wanted}"


def _grows(child: Child | None, send: Send) -> bool:
    if child is None or not isinstance(child.facts, ClaimFacts):
        return False
    return bool(send.desired.manifest["spec"]["resources"]["requests"]["storage"] != child.facts.requested)


async def _remove(site: _Site, keys: Iterable[Key]) -> tuple[Key, ...]:
    removed = []
    there = site.there()
    for key in keys:
        child = there.get(key)
        if child is None:
            continue
        # A volume that is made again was empty as it was last seen, and must still be as it was.
        seen = str(child.resource_version) if key[0] == CLAIM else None
        await site.place.client.delete(BY_KIND[key[0]], site.namespace, key[1], child.uid, seen)
        log.info("removed %s", key[0], extra={"object": f"{site.namespace}/{key[1]}"})
        removed.append(key)
    return tuple(removed)
