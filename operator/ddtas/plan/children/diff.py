"""From what is there to what is desired: one comparison, for doing it and for showing it. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ddtas.api.installation_status import DriftedItem
from ddtas.plan.children.desired import Desired
from ddtas.plan.revision import digest
from ddtas.plan.snapshot import Child, Key

_IDENTITY = ("apiVersion", "kind")
_NAMES = ("name", "namespace")


@dataclass(frozen=True, slots=True)
class Send:
    """An object that must be sent, with the digest of what is asked for."""

    desired: Desired
    digest: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """What must be sent and removed, and what was changed by hand and is left so."""

    sends: tuple[Send, ...] = ()
    removes: tuple[Key, ...] = ()
    drifted: tuple[DriftedItem, ...] = field(default_factory=tuple)


def desired_digest(manifest: dict[str, Any]) -> str:
    """Digest of what a manifest asks for."""
    body = {key: value for key, value in manifest.items() if key not in _IDENTITY}
    body["metadata"] = {key: value for key, value in manifest["metadata"].items() if key not in _NAMES}
    return digest(body)[:16]


def diff(
    desired: Collection[Desired],
    prune: Collection[Key],
    there: Mapping[Key, Child],
    inventory: Collection[Key],
    correct: bool,
) -> Diff:
    """Compare.

    Args:
        desired: what should be there.
        prune: what should not, unless it is desired.
        there: what is.
        inventory: what was made before: of it, what is not there now was deleted by hand.
        correct: whether changes by hand are put right.
    """
    sends, drifted = [], []
    for wanted in desired:
        child = there.get(wanted.key)
        if child is not None and (wanted.once or child.deleting):
            continue  # what is being deleted is made again when it is gone
        wanted_digest = desired_digest(wanted.manifest)
        if child is not None and child.applied == wanted_digest:
            continue
        kind, name = wanted.key
        # A run or record that is gone is made again: it is work to be done, and holds nobody's wish.
        if not correct and child is None and wanted.key in inventory and not wanted.once:
            drifted.append(DriftedItem(kind=kind, name=name, change="Missing"))
        # What was asked for last is still what is wanted: it is the object that changed.
        elif not correct and child is not None and child.asked == wanted_digest:
            drifted.append(DriftedItem(kind=kind, name=name, change="Edited"))
        else:
            sends.append(Send(wanted, wanted_digest, exists=child is not None))
    # A Service that goes back to what served is of the revision that is pruned, until it is sent.
    wanted_keys = {wanted.key for wanted in desired}
    removes = tuple(key for key in prune if key in there and key not in wanted_keys)
    return Diff(tuple(sends), removes, tuple(sorted(drifted, key=lambda item: (item.kind, item.name))))
