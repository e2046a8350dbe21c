"""What the operator knows of its own cluster: the three kinds, and credentials.

Fed by watches, and by the answers to the operator's own writes, so that it never acts on less than it did itself.
An older state of an object never replaces a newer one.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ddtas.api.base import Metadata, Resource
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import MunicipalityPlatform
from ddtas.errors import InvalidObject
from ddtas.plan.snapshot import Secret

JsonObject = dict[str, Any]
Name = tuple[str, str]  # (namespace, name); the namespace of a cluster-scoped object is ""

R = TypeVar("R", bound=Resource)


class Unreadable:
    """An object that does not fit its model, with what is needed to say so in its status."""

    def __init__(self, body: JsonObject, fault: str) -> None:
        self.metadata = Metadata.model_validate(body["metadata"])
        self.platform = str(body.get("spec", {}).get("platform", ""))  # of an Installation
        self.status: JsonObject = body.get("status") or {}
        self.fault = fault


class Collection(Generic[R]):
    """All objects of one of the three kinds."""

    def __init__(self, model: type[R]) -> None:
        self._model = model
        self._objects: dict[Name, R | Unreadable] = {}

    def put(self, body: JsonObject) -> bool:
        """Take in an object; False when it is not newer than what is known."""
        metadata = body["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects.get(key)
        if (
            known is not None
            and known.metadata.uid == metadata["uid"]
            and int(known.metadata.resource_version) >= int(metadata["resourceVersion"])
        ):
            return False
        try:
            self._objects[key] = self._model.parse(body)
        except InvalidObject as error:
            self._objects[key] = Unreadable(body, str(error))
        return True

    def remove(self, key: Name) -> None:
        """Forget an object."""
        self._objects.pop(key, None)

    def retain(self, keys: set[Name], version: int) -> list[Name]:
        """Forget all objects but these.

        Args:
            keys: what a list found.
            version: the list's resourceVersion; an object that is newer came after it, and stays.

        Returns:
            Those that were forgotten.
        """
        gone = [
            key
            for key, known in self._objects.items()
            if key not in keys and int(known.metadata.resource_version) <= version
        ]
        for key in gone:
            del self._objects[key]
        return gone

    def get(self, key: Name) -> R | Unreadable | None:
        """The object, or what stands for one that cannot be read."""
        return self._objects.get(key)

    def readable(self) -> Iterator[R]:
        """All objects that fit their model."""
        return (o for o in self._objects.values() if not isinstance(o, Unreadable))

    def names(self) -> list[Name]:
        """The names of all objects."""
        return list(self._objects)


class World:
    """Everything that is known."""

    def __init__(self) -> None:
        self.listings = Collection(AppListing)
        self.platforms = Collection(MunicipalityPlatform)
        self.installations = Collection(Installation)
        self.kubernetes_version = "0.0"
        self._secrets: dict[Name, Secret] = {}

    def put_secret(self, body: JsonObject) -> Name:
        """Take in a credentials Secret."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        self._secrets[key] = Secret(body.get("data") or {})
        return key

    def remove_secret(self, key: Name) -> None:
        """Forget a credentials Secret."""
        self._secrets.pop(key, None)

    def secrets(self, namespace: str) -> dict[str, Secret]:
        """The credentials Secrets of a namespace, by name."""
        return {name: secret for (where, name), secret in self._secrets.items() if where == namespace}

    def users_of_platform(self, key: Name) -> list[Name]:
        """The Installations on a platform."""
        namespace, name = key
        return [
            (namespace, i.metadata.name)
            for i in self.installations.readable()
            if i.metadata.namespace == namespace and i.spec.platform == name
        ]

    def users_of_listing(self, name: str) -> list[Name]:
        """The Installations of a listing, in all namespaces."""
        return [
            (i.metadata.namespace, i.metadata.name) for i in self.installations.readable() if i.spec.listing == name
        ]
