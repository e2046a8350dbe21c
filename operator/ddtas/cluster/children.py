"""The facts of all children in one place: the operator's own cluster, or a platform's namespace on a city's cluster.

Fed by watches, and by the answers to the operator's own writes. An older state of an object never replaces a newer one.
"""

from collections import defaultdict
from dataclasses import replace
from sys import intern
from typing import Any

from ddtas.cluster import facts
from ddtas.cluster.resources import ResourceType
from ddtas.cluster.world import Name
from ddtas.plan.snapshot import Child, Key

JsonObject = dict[str, Any]


class Children:
    """By the Installation that they belong to."""

    def __init__(self, home: str = "") -> None:
        """Know nothing yet.

        Args:
            home: namespace of the Installations, where their children are on another cluster; "" where they are
                beside them.
        """
        self._home = home
        self._children: defaultdict[Name, dict[Key, Child]] = defaultdict(dict)
        self._owner_of: dict[tuple[str, str, str], Name] = {}  # by kind, namespace and name
        # For each child that the API server stores otherwise than it was sent (a mutating webhook, an unusual
        # quantity): the digest of what it made of it. Asked for again, it would come out the same again.
        self._accepted: dict[str, tuple[str, str]] = {}

    def put(self, resource: ResourceType, body: JsonObject) -> Name:
        """Take in a child; returns the Installation that it belongs to."""
        owner = facts.owner(body, self._home)
        child = facts.child(resource.kind, body)
        place = (resource.kind, intern(body["metadata"]["namespace"]), child.name)
        if self._owner_of.setdefault(place, owner) != owner:  # its label was edited
            self.remove(*place)
            self._owner_of[place] = owner
        known = self._children[owner].get(child.key)
        if known is None or known.uid != child.uid or known.resource_version < child.resource_version:
            self._children[owner][child.key] = child
        return owner

    def remove(self, kind: str, namespace: str, name: str) -> Name | None:
        """Forget a child; returns the Installation that it belonged to."""
        owner = self._owner_of.pop((kind, namespace, name), None)
        if owner is None:
            return None
        child = self._children[owner].pop((kind, name))
        self._accepted.pop(child.uid, None)
        if not self._children[owner]:
            del self._children[owner]
        return owner

    def of(self, owner: Name, uid: str) -> dict[Key, Child]:
        """The children of an Installation, by kind and name.

        Those of a namesake that was deleted before are not among them, though they have the same names: the garbage
        collector is about to remove them, and what its runs showed is not evidence for this one.
        """
        found = self.there(owner)
        owners = {"", uid} | {c.uid for c in found.values() if c.kind == "Job" and c.owner_uid in ("", uid)}
        return {key: child for key, child in found.items() if child.owner_uid in owners}

    def there(self, owner: Name) -> dict[Key, Child]:
        """All objects with the label of an Installation, those of a namesake that was deleted before among them."""
        return {key: self._as_accepted(child) for key, child in self._children.get(owner, {}).items()}

    def _as_accepted(self, child: Child) -> Child:
        """A child that is what the API server once made of a manifest, as if it were that manifest."""
        asked, got = self._accepted.get(child.uid, ("", ""))
        return replace(child, applied=asked) if asked and child.applied == got else child

    def child(self, owner: Name, key: Key) -> Child | None:
        """One child of an Installation."""
        return self._children.get(owner, {}).get(key)

    def accept(self, uid: str, asked: str, got: str) -> None:
        """Remember what the API server made of a manifest."""
        self._accepted[uid] = (asked, got)
