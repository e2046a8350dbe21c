"""Makes the cluster match a plan, with as few requests as that takes."""

import asyncio
import logging
from collections.abc import Iterable

from ddtas.cluster.client import Client
from ddtas.cluster.fields import marked
from ddtas.cluster.resources import BY_KIND, INSTALLATION
from ddtas.cluster.world import Name, World
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.plan.decide import Plan
from ddtas.plan.diff import Send, diff
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Key, Snapshot
from ddtas.plan.status import ChangeSet, Fault

log = logging.getLogger(__name__)

# Pods mount these, so they are made first: a pod that has to wait for its volumes is retried only after a while.
_FIRST = frozenset({"ControllerRevision", "ConfigMap", "Secret", "NetworkPolicy"})


async def apply(client: Client, world: World, snapshot: Snapshot, plan: Plan) -> ChangeSet | None:
    """Create, correct and remove children as the plan says.

    Returns:
        What was done; None when the Installation itself turned out to be gone.
    """
    owner = (snapshot.installation.metadata.namespace, snapshot.installation.metadata.name)
    inventory = {(item.kind, item.name) for item in snapshot.installation.status.inventory}
    difference = diff(plan.desired, plan.prune, world.there(owner), inventory, not plan.report_drift)
    pending = difference.sends
    vanished = any(not send.exists and send.desired.key in inventory for send in pending)
    if vanished and not await _still_there(client, snapshot):
        return None
    first = [s for s in pending if s.desired.key[0] in _FIRST]
    then = [s for s in pending if s.desired.key[0] not in _FIRST]
    faults = await _send_all(client, world, owner, first)
    if not faults:
        faults = await _send_all(client, world, owner, then)
    removed = await _remove(client, world, owner, difference.removes) if not faults else ()
    return ChangeSet(
        created=tuple(s.desired.key for s in pending if not s.exists),
        changed=tuple(s.desired.key for s in pending if s.exists),
        removed=removed,
        drifted=difference.drifted,
        faults=tuple(faults),
    )


async def _still_there(client: Client, snapshot: Snapshot) -> bool:
    """Children that were there are gone: by hand, or because their owner is, and the news has not come yet."""
    metadata = snapshot.installation.metadata
    try:
        live = await client.get(INSTALLATION, metadata.namespace, metadata.name)
    except NotFound:
        return False
    return bool(live["metadata"]["uid"] == metadata.uid and "deletionTimestamp" not in live["metadata"])


async def _send_all(client: Client, world: World, owner: Name, sends: Iterable[Send]) -> list[Fault]:
    results = await asyncio.gather(*(_send(client, world, owner, send) for send in sends))
    return [fault for fault in results if fault is not None]


async def _is_anothers(client: Client, world: World, owner: Name, send: Send) -> bool:
    """Whether the name belongs to another Installation, which has our field manager as well: no conflict would show.

    The label alone does not tell: it may have been edited.
    """
    kind, name = send.desired.key
    if send.exists or world.owner(kind, owner[0], name) in (None, owner):
        return False
    try:
        live = await client.get(BY_KIND[kind], owner[0], name)
    except NotFound:
        return False
    ours = {reference["uid"] for reference in send.desired.manifest["metadata"]["ownerReferences"]}
    return ours.isdisjoint(reference["uid"] for reference in live["metadata"].get("ownerReferences", ()))


async def _send(client: Client, world: World, owner: Name, send: Send) -> Fault | None:
    kind, name = send.desired.key
    resource = BY_KIND[kind]
    taken = f"{kind} {name} exists and is not this Installation's: rename or remove it"
    try:
        if await _is_anothers(client, world, owner, send):
            return Fault(Reason.NAME_TAKEN, taken)
        # Without force, a field that another manager set is a conflict: nothing of somebody else is taken over.
        manifest = send.desired.manifest
        manifest = manifest if send.desired.once else marked(manifest, send.digest)
        live = await client.apply(resource, manifest, force=send.exists)
    except Conflict as error:
        if send.exists:
            return Fault(Reason.APPLY_FAILED, f"{kind} {name}: {error.message}")
        return Fault(Reason.NAME_TAKEN, f"{taken} ({error.message})")
    except ClusterError as error:
        return Fault(Reason.APPLY_FAILED, f"{kind} {name}: {error.message}")
    world.put_child(resource, live)
    child = world.child(owner, send.desired.key)
    if child is not None and child.applied != send.digest:
        world.accept(child.uid, send.digest, child.applied)
    log.info("%s %s", "corrected" if send.exists else "created", kind, extra={"object": f"{owner[0]}/{name}"})
    return None


async def _remove(client: Client, world: World, owner: Name, keys: Iterable[Key]) -> tuple[Key, ...]:
    removed = []
    for key in keys:
        child = world.child(owner, key)
        if child is None:
            continue
        await client.delete(BY_KIND[key[0]], owner[0], key[1], child.uid)
        log.info("removed %s", key[0], extra={"object": f"{owner[0]}/{key[1]}"})
        removed.append(key)
    return tuple(removed)
