"""What the operator knows of its own cluster: the three kinds, and credentials.

Fed by watches, and by the answers to the operator's own writes, so that it never acts on less than it did itself.
An older state of an object never replaces a newer one.
"""

import contextlib
import logging
from base64 import b64decode
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from ddtas import names, redaction
from ddtas.api.base import Metadata, Resource
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import DataUse, MunicipalityPlatform
from ddtas.cluster.memory.reading import parts_read
from ddtas.cluster.rest import answers
from ddtas.data.contract import CREDENTIAL_KEYS
from ddtas.errors import InvalidObject, KubeconfigError
from ddtas.names import NamespacedName
from ddtas.plan.products import Product, Ref
from ddtas.plan.remote import kubeconfig
from ddtas.plan.snapshot import Secret
from ddtas.plan.status.uses import Uses, by_source, uses_of
from ddtas.plan.twins import dependencies
from ddtas.plan.twins.dependencies import HOME, Interface, apart, cluster_of

JsonObject = dict[str, Any]

R = TypeVar("R", bound=Resource)

log = logging.getLogger(__name__)

_MOST_GONE = 1000


class Unreadable:
    """An object that does not fit its model, with what is needed to say so in its status."""

    def __init__(self, body: JsonObject, fault: str) -> None:
        self.metadata = _metadata(body)
        spec, status = body.get("spec"), body.get("status")
        platform = spec.get("platform") if isinstance(spec, dict) else None
        self.platform = platform if isinstance(platform, str) else ""  # of an Installation
        self.status: JsonObject = status if isinstance(status, dict) else {}
        self.fault = fault


def _credentials(secret: Secret) -> Iterator[str]:
    """The values of a Secret that nobody may see, and those within a kubeconfig."""
    for key, encoded in secret.data.items():
        with contextlib.suppress(ValueError, KubeconfigError):  # nothing is sent of what cannot be read
            value = b64decode(encoded)
            if key in CREDENTIAL_KEYS:
                yield value.decode("utf-8", "replace")
            elif b"current-context" in value:
                access = kubeconfig.parse(value)
                yield from (access.token, access.key)


def _metadata(body: JsonObject) -> Metadata:
    """As much of an object's metadata as can be read."""
    found = body["metadata"]
    try:
        return Metadata.model_validate(found)
    except ValidationError:
        known = answers.identity(body)
        number = found.get("generation")
        return Metadata(
            name=known.name,
            namespace=known.namespace,
            uid=known.uid,
            resource_version=known.version,
            generation=number if isinstance(number, int) else 0,
        )


class Collection(Generic[R]):
    """All objects of one of the three kinds."""

    def __init__(self, model: type[R], on_change: Callable[[NamespacedName], None] = lambda key: None) -> None:
        self._model = model
        self._objects: dict[NamespacedName, R | Unreadable] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()  # uids, which never come back
        self._on_change = on_change  # called with the name of what came, changed or went

    async def take(self, body: JsonObject) -> bool:
        """Take in an object as `put` does, with turns for others while it is read."""
        return self.put(body if answers.FAULT in body else await parts_read(self._model, body))

    def put(self, body: JsonObject) -> bool:
        """Take in an object; False when it is not newer than what is known.

        Raises:
            Garbled: it has no name, uid or resourceVersion.
        """
        found = answers.identity(body)
        key = (found.namespace, found.name)
        known = self._objects.get(key)
        if found.uid in self._gone:
            return False  # an answer that was on its way when it went
        if known is not None and known.metadata.uid == found.uid:
            if not answers.is_newer(found.version, known.metadata.resource_version):
                return False
        else:
            known = None
        read = self._read(body)
        self._objects[key] = read
        # Its status is not read either, so only another generation of it is news: what is written is no edit.
        if answers.FAULT in body and isinstance(known, Unreadable) and known.fault == body[answers.FAULT]:
            return read.metadata.generation != known.metadata.generation
        self._on_change(key)
        return True

    def _read(self, body: JsonObject) -> R | Unreadable:
        try:
            if answers.FAULT in body:
                return Unreadable(body, str(body[answers.FAULT]))
            return self._model.parse(body)
        except InvalidObject as error:
            return Unreadable(body, str(error))
        except Exception as error:  # a model that breaks on what an object says: it is that object's trouble
            log.exception("a %s cannot be read", self._model.__name__)
            return Unreadable(body, f"it cannot be read ({type(error).__name__})")

    def bury(self, key: NamespacedName, version: str) -> None:
        """Forget an object that was gone for good at that version."""
        known, gone = self._objects.get(key), answers.number(version)
        if known is not None:
            if gone and answers.number(known.metadata.resource_version) > gone:
                return  # a namesake, of which an answer told first
            self._gone[known.metadata.uid] = None
            if len(self._gone) > _MOST_GONE:
                self._gone.popitem(last=False)
        self.remove(key)

    def remove(self, key: NamespacedName) -> None:
        """Forget an object."""
        self._objects.pop(key, None)
        self._on_change(key)

    def get(self, key: NamespacedName) -> R | Unreadable | None:
        """The object, or what stands for one that cannot be read."""
        return self._objects.get(key)

    def readable(self) -> Iterator[R]:
        """All objects that fit their model."""
        return (o for o in self._objects.values() if not isinstance(o, Unreadable))

    def find(self, key: NamespacedName) -> R | None:
        """The object, if there is one that fits its model."""
        known = self._objects.get(key)
        return None if isinstance(known, Unreadable) else known

    def names(self) -> list[NamespacedName]:
        """The names of all objects."""
        return list(self._objects)


class World:
    """Everything that is known."""

    def __init__(self) -> None:
        self._interfaces: dict[Ref, Interface] = {}
        self._linked: defaultdict[str, set[Ref]] = defaultdict(set)  # those that have one, by namespace
        self._news: dict[Ref, Interface | None] = {}
        self._listed: dict[NamespacedName, tuple[str, int]] = {}  # uid and generation of each listing
        self.listings = Collection(AppListing, self._renew_users)
        self._clusters: dict[NamespacedName, str | None] = {}  # where the workloads of each platform are
        self._moved: set[NamespacedName] = set()  # platforms of which that is news
        self.platforms = Collection(MunicipalityPlatform, self._renew_tenants)
        self.installations = Collection(Installation, self._renew)
        self._uses: dict[NamespacedName, tuple[NamespacedName, Uses]] = {}  # of each Installation, with its platform
        self._newly_used: set[NamespacedName] = set()  # platforms whose data others use now
        self.kubernetes_version = "0.0"
        self._secrets: dict[NamespacedName, Secret] = {}

    def put_secret(self, body: JsonObject) -> NamespacedName:
        """Take in a credentials Secret."""
        found, data = answers.identity(body), body.get("data")
        texts = {k: v for k, v in data.items() if isinstance(v, str)} if isinstance(data, dict) else {}
        key = (found.namespace, found.name)
        self._secrets[key] = Secret(texts, found.uid)
        redaction.known.put(*key, _credentials(self._secrets[key]))
        return key

    def remove_secret(self, key: NamespacedName) -> None:
        """Forget a credentials Secret."""
        self._secrets.pop(key, None)
        redaction.known.remove(*key)

    def secrets(self, namespace: str) -> dict[str, Secret]:
        """The credentials Secrets of a namespace, by name."""
        return {name: secret for (where, name), secret in self._secrets.items() if where == namespace}

    def users_of_platform(self, key: NamespacedName) -> list[NamespacedName]:
        """The Installations on a platform."""
        namespace, name = key
        return [
            (namespace, i.metadata.name)
            for i in self.installations.readable()
            if i.metadata.namespace == namespace and i.spec.platform == name
        ]

    def users_of_listing(self, name: str) -> list[NamespacedName]:
        """The Installations of a listing, in all namespaces."""
        return [
            (i.metadata.namespace, i.metadata.name) for i in self.installations.readable() if i.spec.listing == name
        ]

    # ---- uses of data ----

    def uses(self, platform: NamespacedName) -> dict[str, tuple[DataUse, ...]]:
        """Who uses the data sources of a platform, by the name of the source."""
        return by_source(uses for where, uses in self._uses.values() if where == platform)

    def take_newly_used(self) -> set[NamespacedName]:
        """The platforms whose data others use now than the last time."""
        found, self._newly_used = self._newly_used, set()
        return found

    def _renew_uses(self, key: NamespacedName, installation: Installation | None) -> None:
        old = self._uses.pop(key, None)
        if installation is not None and (uses := uses_of(installation)):
            self._uses[key] = ((key[0], installation.spec.platform), uses)
        new = self._uses.get(key)
        if new != old:
            self._newly_used |= {known[0] for known in (old, new) if known is not None}

    # ---- data products ----

    def products(self, platform: MunicipalityPlatform) -> dict[str, Product]:
        """The data products that a platform may use, by the name that they have there."""
        return dependencies.on_platform(platform, self._linked_in(platform.metadata.namespace), self._interfaces.get)

    def consumers(self, ref: Ref) -> tuple[Ref, ...]:
        """The Installations that products of one feed."""
        interface = self._interfaces.get(ref)
        places = {platform[0] for platform in interface.platforms} if interface is not None else set()
        return dependencies.consumers(ref, (i for place in places for i in self._linked_in(place)))

    def apart(self, ref: Ref) -> tuple[NamespacedName, ...]:
        """The platforms that an Installation offers products to although they are in another cluster."""
        mine = self._interfaces.get(ref)
        if mine is None:
            return ()
        offered = mine.platforms - {mine.home}
        return tuple(sorted(p for p in offered if p in self._clusters and apart(mine.cluster, self._clusters[p])))

    def recipients(self, ref: Ref) -> tuple[str, ...]:
        """The namespaces of the workloads that an Installation offers products to, in its own cluster."""
        mine = self._interfaces.get(ref)
        if mine is None:
            return ()
        found = set()
        for platform in mine.platforms - {mine.home}:
            cluster = self._clusters.get(platform)
            if cluster is not None and not apart(mine.cluster, cluster):
                found.add(platform[0] if cluster == HOME else cluster.rpartition("/")[2])
        return tuple(sorted(found))

    def take_news(self) -> tuple[set[NamespacedName], set[NamespacedName]]:
        """Who has something to decide again, since the last time.

        Returns:
            The Installations that feed one that has changed, or did; and the platforms that its products go to.
        """
        upstreams: set[NamespacedName] = set()
        platforms: set[NamespacedName] = set()
        for ref, old in self._news.items():
            new = self._interfaces.get(ref)
            for interface in (old, new) if old != new else ():
                if interface is not None:
                    upstreams |= interface.upstreams
                    platforms |= self._users(ref, interface)
        if self._moved:
            upstreams |= {ref for ref, i in self._interfaces.items() if self._moved & i.platforms}
        self._news, self._moved = {}, set()
        return upstreams, self._downstream(platforms)

    def _downstream(self, platforms: Iterable[NamespacedName]) -> set[NamespacedName]:
        """These platforms, and those that products of Installations there go to: as far as a cycle can reach."""
        found: set[NamespacedName] = set()
        todo = list(platforms)
        while todo:
            platform = todo.pop()
            if platform in found:
                continue
            found.add(platform)
            for ref in self._linked.get(platform[0], ()):
                if self._interfaces[ref].home == platform:
                    todo += self._users(ref, self._interfaces[ref])
        return found

    def _users(self, ref: Ref, interface: Interface) -> set[NamespacedName]:
        """The platforms that may use an Installation's products: its own, and those that accept what it offers.

        Whoever only offers, to hundreds of platforms, gives none of them anything to do.
        """
        return {p for p in interface.platforms if p == interface.home or self._accepts(p, ref)}

    def _accepts(self, key: NamespacedName, ref: Ref) -> bool:
        platform = self.platforms.find(key)
        return platform is not None and any((a.namespace, a.installation) == ref for a in platform.spec.accepts)

    def _linked_in(self, namespace: str) -> Iterator[Installation]:
        found = (self.installations.find(ref) for ref in self._linked.get(namespace, ()))
        return (i for i in found if i is not None)

    def _renew(self, key: NamespacedName) -> None:
        """Keep up with what an Installation is for others."""
        ref, installation = Ref(*key), self.installations.find(key)
        self._renew_uses(key, installation)
        new = None
        if installation is not None:
            listing = self.listings.find(("", installation.spec.listing))
            number = installation.status.version or installation.spec.version  # what its spec leads to
            version = listing.spec.version(number) if listing is not None and number is not None else None
            new = dependencies.interface(installation, version, self._cluster(installation))
        old = self._interfaces.get(ref)
        if new == old:
            return
        self._news.setdefault(ref, old)
        if new is None:
            del self._interfaces[ref]
            self._linked[ref.namespace].discard(ref)
        else:
            self._interfaces[ref] = new
            self._linked[ref.namespace].add(ref)

    def _cluster(self, installation: Installation) -> str | None:
        """Where an Installation is. Its finalizer knows that it is on a city's own cluster, also when its platform is
        gone, or is another one by now.
        """
        metadata = installation.metadata
        found = self._clusters.get((metadata.namespace, installation.spec.platform), HOME)
        return None if found == HOME and names.FINALIZER in metadata.finalizers else found

    def _renew_tenants(self, key: NamespacedName) -> None:
        """Keep up with where a platform's workloads are."""
        platform = self.platforms.find(key)
        old = {k: self._clusters[k] for k in (key,) if k in self._clusters}
        new = {key: cluster_of(platform)} if platform is not None else {}
        if new == old:
            return
        self._clusters.pop(key, None)
        self._clusters |= new
        self._moved.add(key)
        for user in self.users_of_platform(key):
            self._renew(user)

    def _renew_users(self, listing: NamespacedName) -> None:
        """A listing has many users, and most news of it is of its status, which is nothing to them."""
        found = self.listings.find(listing)
        now = (found.metadata.uid, found.metadata.generation) if found is not None else None
        if self._listed.get(listing) == now:
            return
        self._listed.pop(listing, None)
        if now is not None:
            self._listed[listing] = now
        for user in self.users_of_listing(listing[1]):
            self._renew(user)
