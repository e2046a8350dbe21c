"""The facts of all children in one place: the operator's own cluster, or a platform's namespace on a city's cluster.

Fed by watches, and by the answers to the operator's own writes. An older state of an object never replaces a newer one.
"""

from collections import OrderedDict, defaultdict
from dataclasses import replace
from sys import intern
from typing import Any

from ddtas.cluster.memory import facts
from ddtas.cluster.rest import answers
from ddtas.cluster.rest.resources import ResourceType
from ddtas.names import NamespacedName
from ddtas.plan.snapshot import Child, Key

JsonObject = dict[str, Any]


# Of children that went, in which state: an answer to a write of ours may still be on its way.
_MOST_GONE = 1000
# Characters of records in one city's namespace, where anybody's objects may carry our labels.
_MOST_DATA = 16 * 1024 * 1024


class Children:
    """By the Installation that they belong to."""

    def __init__(self, home: str = "") -> None:
        """Know nothing yet.

        Args:
            home: namespace of the Installations, where their children are on another cluster; "" where they are
                beside them.
        """
        self._home = home
        self._children: defaultdict[NamespacedName, dict[Key, Child]] = defaultdict(dict)
        self._owner_of: dict[tuple[str, str, str], NamespacedName] = {}  # by kind, namespace and name
        # For each child that the API server stores otherwise than it was sent (a mutating webhook, an unusual
        # quantity): the digest of what it made of it. Asked for again, it would come out the same again.
        self._accepted: dict[str, tuple[str, str]] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()  # uid → version at which it was gone
        self._data = 0  # characters of records

    def put(self, resource: ResourceType, body: JsonObject) -> tuple[NamespacedName, ...]:
        """Take in a child; returns the Installations that it concerns: whose it is by its label, and whose it was.

        Raises:
            Garbled: it has no name, uid or resourceVersion.
        """
        found = answers.identity(body)
        owner = facts.owner(body, self._home)
        place = (resource.kind, intern(found.namespace), intern(found.name))
        if self._gone.get(found.uid, -1) >= answers.number(found.version):
            return (owner,)  # it went since
        child = facts.child(resource.kind, body)
        if child.data and self._home and self._data + len(child.data) > _MOST_DATA:
            child = replace(child, data="")
        former = self._owner_of.setdefault(place, owner)
        if former != owner:  # its label was edited
            self._drop(place)
            self._owner_of[place] = owner
        known = self._children[owner].get(child.key)
        if known is None or known.uid != child.uid or answers.is_newer(found.version, str(known.resource_version)):
            self._children[owner][child.key] = child
            self._data += len(child.data) - (len(known.data) if known is not None else 0)
        return (owner,) if former == owner else (owner, former)

    def remove(self, kind: str, namespace: str, name: str, version: str = "") -> NamespacedName | None:
        """Forget a child, which was gone at that version; returns the Installation that it belonged to."""
        place = (kind, namespace, name)
        owner, gone = self._owner_of.get(place), answers.number(version)
        known = self.child(owner, (kind, name)) if owner is not None else None
        if known is not None and gone and known.resource_version > gone:
            return None  # it came since, and an answer told it first
        child = self._drop(place)
        if child is not None:
            self._gone[child.uid] = max(child.resource_version, gone)
            if len(self._gone) > _MOST_GONE:
                self._gone.popitem(last=False)
        return owner

    def _drop(self, place: tuple[str, str, str]) -> Child | None:
        owner = self._owner_of.pop(place, None)
        if owner is None:
            return None
        child = self._children[owner].pop((place[0], place[2]), None)
        if not self._children[owner]:
            del self._children[owner]
        if child is not None:
            self._accepted.pop(child.uid, None)
            self._data -= len(child.data)
        return child

    def held(self, resource: ResourceType, namespace: str | None) -> list[NamespacedName]:
        """Namespaces and names of the children of a kind (in a namespace, or everywhere)."""
        kind = resource.kind
        return [(place, name) for what, place, name in self._owner_of if what == kind and namespace in (None, place)]

    def there(self, owner: NamespacedName) -> dict[Key, Child]:
        """All objects with the label of an Installation, whoever made them: see `cluster.ownership`."""
        return {key: self._as_accepted(child) for key, child in self._children.get(owner, {}).items()}

    def _as_accepted(self, child: Child) -> Child:
        """A child that is what the API server once made of a manifest, as if it were that manifest."""
        asked, got = self._accepted.get(child.uid, ("", ""))
        return replace(child, applied=asked) if asked and child.applied == got else child

    def owners(self) -> list[NamespacedName]:
        """The Installations that something carries the label of, also those that are gone."""
        return list(self._children)

    def child(self, owner: NamespacedName, key: Key) -> Child | None:
        """One child of an Installation."""
        return self._children.get(owner, {}).get(key)

    def accept(self, uid: str, asked: str, got: str) -> None:
        """Remember what the API server made of a manifest."""
        self._accepted[uid] = (asked, got)
