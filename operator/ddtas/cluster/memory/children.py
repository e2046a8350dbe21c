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
from ddtas.plan.children.volumes import CLAIM
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
        self._untold: set[str] = set()  # uids of children of whose last state only an own answer told
        self._gone: OrderedDict[str, int] = OrderedDict()  # uid → version at which it was gone
        self._data = 0  # characters of records

    def put(self, resource: ResourceType, body: JsonObject, *, by_watch: bool = True) -> tuple[NamespacedName, ...]:
        """Take in a child.

        Args:
            resource: its kind.
            body: the child.
            by_watch: whether a watch brought it, and not the answer to an own write, of which nobody was told.

        Returns:
            The Installations that have something to decide again: whose it is by its label, and whose it was. None
            where nothing of it changed that a decision goes by.

        Raises:
            Garbled: it has no name, uid or resourceVersion.
        """
        found = answers.identity(body)
        owner, key = facts.owner(body, self._home), (resource.kind, found.name)
        place = (resource.kind, intern(found.namespace), intern(found.name))
        if self._gone.get(found.uid, -1) >= answers.number(found.version):
            return (owner,)  # it went since
        former = self._owner_of.setdefault(place, owner)
        if former != owner:  # its label was edited
            self._drop(place)
            self._owner_of[place] = owner
        news, known = former != owner, self.child(owner, key)
        if known is None or known.uid != found.uid or answers.is_newer(found.version, str(known.resource_version)):
            news |= self._keep(owner, facts.child(resource.kind, body), known)
        if by_watch:
            news |= found.uid in self._untold
            self._untold.discard(found.uid)
        else:
            self._untold.add(found.uid)
        return tuple(dict.fromkeys((owner, former))) if news else ()

    def _keep(self, owner: NamespacedName, child: Child, known: Child | None) -> bool:
        """Keep a state of a child; whether it differs from the one that was known in what a decision goes by."""
        if child.data and self._home and self._data + len(child.data) > _MOST_DATA:
            child = replace(child, data="")
        self._children[owner][child.key] = child
        self._data += len(child.data) - (len(known.data) if known is not None else 0)
        # The removal of a claim goes by its very version.
        return known is None or child.kind == CLAIM or child != replace(known, resource_version=child.resource_version)

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
            self._untold.discard(child.uid)
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
