"""One object, once: observe → decide → apply → status. Level-triggered: it looks at the world, not at what changed."""

import asyncio
import logging
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from ddtas import metrics, names, redaction
from ddtas.api.base import Metadata
from ddtas.api.capabilities import MeasuredOffers
from ddtas.api.installation import Installation, Removal
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.listing import AppListing, AppListingStatus
from ddtas.api.platform import (
    DataSource,
    DataSourceStatus,
    ListingFit,
    MunicipalityPlatform,
    MunicipalityPlatformStatus,
)
from ddtas.api.volumes import VolumePolicy
from ddtas.cluster.memory.children import Children
from ddtas.cluster.memory.ownership import Seal
from ddtas.cluster.memory.world import Collection, Name, Unreadable, World
from ddtas.cluster.remote.clusters import Clusters
from ddtas.cluster.remote.place import Place
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import APP_LISTING, INSTALLATION, PLATFORM, ResourceType
from ddtas.cluster.write import events, report
from ddtas.cluster.write.apply import apply, ownership, remove_all
from ddtas.cluster.write.events import News
from ddtas.confined.turns import Later, Party
from ddtas.data.look import Target
from ddtas.data.meaning import comparison, questions
from ddtas.data.meaning.questions import Question
from ddtas.data.wire.network import Surroundings
from ddtas.errors import ClusterError, NotFound, TemplateError, trail
from ddtas.plan.capabilities import requirements
from ddtas.plan.capabilities.requirements import Check
from ddtas.plan.children import volumes
from ddtas.plan.children.admission import admit
from ddtas.plan.decision.catalogue import (
    MOST_LISTINGS,
    fit,
    hypothetical,
    installable,
    of_the_city,
    offered,
    unjudged,
    with_what_serves,
)
from ddtas.plan.decision.decide import Finding, Plan, RenderRequest, decide
from ddtas.plan.decision.preview import Preview, preview
from ddtas.plan.decision.rules import review_refusal
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.identity import blocked_removal, judge
from ddtas.plan.revision import digest
from ddtas.plan.snapshot import Manifest, Secret, Snapshot, SourceObservation
from ddtas.plan.status.statuses import (
    ChangeSet,
    Status,
    awaited_status,
    broken_status,
    held_status,
    installation_status,
    listing_status,
    platform_status,
    refused_status,
    steady_facts,
)
from ddtas.plan.turns import Turns
from ddtas.plan.twins import dependencies
from ddtas.plan.twins.products import Product, Ref
from ddtas.probes.scheduler import Observation, ProbeScheduler, SourceKey
from ddtas.reconcile.sandbox import render_in_sandbox
from ddtas.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

# Of processor time, after which what is worked out pauses. A piece in between may take as long again, and twice.
_TURN_SECONDS = 0.01
# Installations, and revisions of each (the one that serves and the target, and a few that were left behind).
_RENDERED_AT_MOST = 2000
_REVISIONS_AT_MOST = 8
# How often it is worked out anew which apps could run on a platform, when nothing but a few more records came in.
_CATALOGUE_SECONDS = 300.0
# Objects of others are not watched: whether one that is in the way is gone must be looked up.
_NAME_TAKEN_AGAIN_SECONDS = 15.0
# When all room on a city's cluster is taken, and when objects that are being removed there are looked for again.
_BUSY_SECONDS = 1.0
_REMOVING_SECONDS = 2.0
# What a read found and no watch has brought yet.
_UNHEARD_SECONDS = 0.5
# A platform that is gone while Installations of it still are to be removed from its cluster.
_FORGOTTEN_SECONDS = 60.0


class ObjectKey(NamedTuple):
    """One object of the three kinds."""

    kind: Literal["AppListing", "MunicipalityPlatform", "Installation"]
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def _now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """Brings one object at a time to where it should be."""

    def __init__(
        self,
        client: Client,
        world: World,
        children: Children,
        clusters: Clusters,
        probes: ProbeScheduler,
        settings: Settings,
        seal: Seal,
        offered: Callable[[str, MeasuredOffers | None], MeasuredOffers | None] = lambda namespace, known: known,
        now: Callable[[], datetime] = _now,
        on_published: Callable[[], None] = lambda: None,
        surroundings: Callable[[], Surroundings] = Surroundings,
        on_served: Callable[[Name], None] = lambda platform: None,
    ) -> None:
        """Wire the parts.

        Args:
            client: the cluster.
            world: what is known of it.
            probes: what is known of data sources.
            settings: of this process.
            seal: of the Jobs that are made.
            offered: what the cluster at home offers in a namespace; what was known of it, while it was not looked at.
            now: the clock.
            on_published: called when a status was written: its own event will bring nothing new.
            surroundings: the network of the cluster at home.
            on_served: called with the platform of an Installation where another version serves than before.
        """
        self._surroundings = surroundings
        self._client = client
        self._world = world
        self._children = children
        self._clusters = clusters
        self._probes = probes
        self._settings = settings
        self._seal = seal
        self._offered = offered
        self._now = now
        self._on_published = on_published
        self._on_served = on_served
        # By Installation, then revision: two Installations may have the same revision, but never the same names.
        self._rendered: OrderedDict[Name, dict[str, tuple[Manifest, ...] | TemplateError]] = OrderedDict()
        # By platform: the digests of its sources, for one generation of it; and which apps could run there.
        self._digests: dict[Name, tuple[str, int, dict[str, str]]] = {}
        self._catalogues: dict[Name, tuple[object, float, tuple[tuple[ListingFit, ...], Finding | None]]] = {}
        # What Installations that are gone left behind, as it was told.
        self._left: dict[Name, list[str]] = {}

    async def __call__(self, key: ObjectKey) -> float | None:
        """Reconcile one object.

        Returns:
            Seconds after which to look again although nothing was heard; None where an event will come.

        Raises:
            ClusterError: the API server did not do what it was asked; the caller tries again later.
            Exception: a fault of ours, which is told as a condition of the object; the caller tries again later.
        """
        work = {
            "AppListing": self._listing,
            "MunicipalityPlatform": self._platform,
            "Installation": self._installation,
        }[key.kind]
        started = time.perf_counter()
        outcome = "error"
        try:
            with questions.elsewhere():  # whatever takes long is not worked out in this process
                again_after = await work((key.namespace, key.name))
            outcome = "ok"
        except Later as later:  # for its turn at a confined process
            outcome, again_after = "ok", later.seconds
        except report.Outdated as outdated:
            again_after, outcome = outdated.again_after, "ok"
        except (ClusterError, MemoryError):
            raise
        except Exception as error:
            metrics.INTERNAL_ERRORS.labels(key.kind).inc()
            await self._own_up(key, error)
            raise
        finally:
            metrics.RECONCILES.labels(key.kind, outcome).inc()
            metrics.RECONCILE_SECONDS.labels(key.kind).observe(time.perf_counter() - started)
        return again_after

    async def _own_up(self, key: ObjectKey, error: Exception) -> None:
        """Say on the object that the operator fails to work on it, and where: never the error's text."""
        _, collection, model = self._kind(key.kind)
        known = collection.get((key.namespace, key.name))
        if known is None:
            return
        text = f"the operator could not work on it: {trail(error)}: report it, with the operator's log"
        try:
            old = _status_of(known, model)
            status = broken_status(old, known.metadata.generation, text, self._now())
            told = events.news("Warning", Reason.OPERATOR_ERROR, text, known.metadata, known.metadata.generation)
            await self._publish(key.kind, known, status, [told])
        except report.Outdated:
            return
        except ClusterError as refused:
            log.warning("%s: %s", key, refused)

    def _kind(self, kind: str) -> tuple[ResourceType, Collection[Any], type[Status]]:
        world = self._world
        found: dict[str, tuple[ResourceType, Collection[Any], type[Status]]] = {
            APP_LISTING.kind: (APP_LISTING, world.listings, AppListingStatus),
            PLATFORM.kind: (PLATFORM, world.platforms, MunicipalityPlatformStatus),
            INSTALLATION.kind: (INSTALLATION, world.installations, InstallationStatus),
        }
        return found[kind]

    # ---- AppListing ----

    async def _listing(self, key: Name) -> float | None:
        listing = self._world.listings.get(key)
        if listing is None or listing.metadata.deletion_timestamp:
            return None
        if isinstance(listing, Unreadable):
            await self._refuse(APP_LISTING.kind, listing)
            return None
        status = listing_status(listing, self._settings.policy, self._now())
        await self._publish(APP_LISTING.kind, listing, status)
        return None

    # ---- MunicipalityPlatform ----

    async def _platform(self, key: Name) -> float | None:
        platform = self._world.platforms.get(key)
        namespace, name = key
        if platform is None:
            self._probes.forget(namespace, name)
            self._digests.pop(key, None)
            self._catalogues.pop(key, None)
            if key in self._clusters and self._world.users_of_platform(key):  # who may have to be removed from there
                return _FORGOTTEN_SECONDS
            self._clusters.forget(key)
            return None
        if platform.metadata.deletion_timestamp:
            return None
        if isinstance(platform, Unreadable):
            await self._refuse(PLATFORM.kind, platform)
            return None
        products = self._world.products(platform)
        sources = _sources(platform, products)
        self._probes.retain(namespace, name, {s.name for s in sources})
        observations = self._observations(platform, products)
        await asyncio.sleep(0)
        seen = self._clusters.ensure(platform, self._world.secrets(namespace))
        cluster = judge(platform, seen) if seen is not None else None
        listings, asked = await self._catalogue(platform, products, observations)
        digests = self._probe_digests(platform, products)
        offer, now = (asked, self._offers(platform)), self._now()

        async def judged() -> MunicipalityPlatformStatus:
            return platform_status(platform, observations, digests, listings, now, cluster, products, offer)

        status = await _settled(namespace, judged)
        await self._publish(PLATFORM.kind, platform, status)
        if cluster is not None and cluster[0].status == "True":
            self._approve(key)
        return _CATALOGUE_SECONDS

    def _approve(self, key: Name) -> None:
        """Nothing is done on a cluster before its identity has been written down."""
        written = self._world.platforms.get(key)
        if isinstance(written, MunicipalityPlatform) and written.status.cluster is not None:
            self._clusters.approve(key, written.status.cluster.identity)

    def _kubernetes_version(self, platform: MunicipalityPlatform) -> str:
        """Of where the platform's workloads go; "" while that is not known."""
        if platform.spec.cluster is None:
            return self._world.kubernetes_version
        seen = self._clusters.observation((platform.metadata.namespace, platform.metadata.name))
        known = platform.status.cluster.kubernetes_version if platform.status.cluster is not None else ""
        return seen.kubernetes_version or known

    def _offers(self, platform: MunicipalityPlatform) -> MeasuredOffers:
        """What the cluster of the platform's workloads offers: as it was last seen, until it is looked at."""
        key, remembered = (platform.metadata.namespace, platform.metadata.name), platform.status.offers
        at_home = platform.spec.cluster is None
        found = self._offered(key[0], remembered) if at_home else self._clusters.offers(key, remembered)
        return found if found is not None else MeasuredOffers()

    async def _catalogue(
        self, platform: MunicipalityPlatform, products: dict[str, Product], observations: dict[str, SourceObservation]
    ) -> tuple[tuple[ListingFit, ...], Finding | None]:
        """Which apps could run on a platform, and whether its cluster offers what they ask of it.

        Each of a hundred sources may have news in each interval, so what only moves on (a record more) is worked out
        no more often than every five minutes; what changes the question is worked out at once.
        """
        key = (platform.metadata.namespace, platform.metadata.name)
        listings = sorted(self._world.listings.readable(), key=lambda known: known.metadata.name)
        tenants = [i for user in self._world.users_of_platform(key) if (i := self._world.installations.find(user))]
        question = (
            platform.metadata.uid,
            platform.metadata.generation,
            self._kubernetes_version(platform),
            self._offers(platform),
            tuple((listing.metadata.uid, listing.metadata.generation) for listing in listings),
            tuple((name, seen.state, steady_facts(seen.facts)) for name, seen in observations.items()),
            tuple(products.items()),
            tuple((i.metadata.uid, i.metadata.generation, i.status.serving_version) for i in tenants),
        )
        known = self._catalogues.get(key)
        now = time.monotonic()
        if known is not None and known[0] == question and now - known[1] < _CATALOGUE_SECONDS:
            return known[2]
        answer = await _settled(key[0], lambda: self._fits(listings, tenants, platform, products, observations))
        self._catalogues[key] = (question, now, answer)
        return answer

    async def _fits(
        self,
        listings: list[AppListing],
        tenants: list[Installation],
        platform: MunicipalityPlatform,
        products: dict[str, Product],
        observations: dict[str, SourceObservation],
    ) -> tuple[tuple[ListingFit, ...], Finding | None]:
        """What `_catalogue` remembers, worked out."""
        namespace, name = platform.metadata.namespace, platform.metadata.name
        fits: list[ListingFit] = []
        checks: dict[str, tuple[Check, ...]] = {}
        for listing in listings:
            version = installable(listing)
            if version is None or review_refusal(listing, self._settings.policy) or len(fits) >= MOST_LISTINGS:
                continue
            about = f"{listing.metadata.name} {version.version}"
            try:
                like = of_the_city(tenants, listing.metadata.name)
                candidate = hypothetical(listing.metadata.name, version.version, name, namespace, like)
                snapshot = self._snapshot(candidate, listing, platform, products, observations)
                asked = requirements.checks(version, platform.spec.offers, snapshot.offers, snapshot.kubernetes_version)
                fits.append(with_what_serves(await _by_turns(fit.turns(snapshot, version)), like))
                checks[about] = asked
            except Exception as error:  # a fault of ours is this listing's trouble, and no other's
                log.exception("listing cannot be judged", extra={"object": about})
                fits.append(unjudged(listing.metadata.name, version.version, error))
        return tuple(fits), offered(checks)

    def _observations(
        self, platform: MunicipalityPlatform, products: dict[str, Product]
    ) -> dict[str, SourceObservation]:
        """What is known of the platform's sources and products, by name; sees to it that each of them is looked at.

        An Installation may well come before its platform after a restart, and must not take that for a source that
        nobody has looked at yet. Without its credentials nothing can be known of a source.
        """
        namespace, name = platform.metadata.namespace, platform.metadata.name
        secrets, digests = self._world.secrets(namespace), self._probe_digests(platform, products)
        remembered = {s.name: s for s in platform.status.data_sources}
        found = {}
        for source in _sources(platform, products):
            key, digest = SourceKey(namespace, name, source.name), digests[source.name]
            product = products.get(source.name)
            # A product was offered to this platform: its Service may be reached, and no other one there.
            target = _target(source, secrets, product.upstream.namespace if product is not None else namespace)
            if target is None:
                self._probes.forget(*key)
                secret = source.credentials.secret_name if source.credentials else ""
                text = f"Secret {secret} is missing, lacks a key, or has no label {names.LABEL_CREDENTIALS}"
                found[source.name] = SourceObservation("Unreachable", Reason.CREDENTIALS_MISSING, text)
                continue
            self._probes.ensure(key, digest, target, _seed(remembered.get(source.name)))
            seen = self._probes.observation(key, digest)
            if seen is not None:
                current = seen.target == target if seen.target is not None else None
                found[source.name] = SourceObservation(
                    seen.state, seen.reason, seen.message or "", seen.facts, seen.looked_at, current=current
                )
        return found

    def _probe_digests(self, platform: MunicipalityPlatform, products: dict[str, Product]) -> dict[str, str]:
        """The digest of each source by name; of the platform's own worked out once for each generation of it."""
        meta = platform.metadata
        known = self._digests.get((meta.namespace, meta.name))
        if known is None or known[:2] != (meta.uid, meta.generation):
            known = (meta.uid, meta.generation, {s.name: _probe_digest(s) for s in platform.spec.data_sources})
            self._digests[meta.namespace, meta.name] = known
        return known[2] | {name: _probe_digest(p.source) for name, p in products.items()} if products else known[2]

    # ---- Installation ----

    async def _installation(self, key: Name) -> float | None:
        installation = self._world.installations.get(key)
        if installation is None:
            kept = volumes.kept(self._children.there(key))
            if kept != self._left.get(key, []):
                await self._tell_kept(kept, Metadata(namespace=key[0], name=key[1]), "")
                self._left[key] = kept
            if not kept:
                self._left.pop(key, None)
            return None
        self._left.pop(key, None)
        if installation.metadata.deletion_timestamp:
            if await self._is_awaited(installation):
                return None
            installation = self._world.installations.get(key)  # it may have one finalizer less by now
            if installation is not None and names.FINALIZER in installation.metadata.finalizers:
                return await self._remove(installation)
            return None  # the children are owned: the garbage collector removes them
        if isinstance(installation, Unreadable):
            await self._refuse(INSTALLATION.kind, installation)
            return None
        await self._finalize(
            installation.metadata, names.FINALIZER_CONSUMERS, installation.spec.removal is Removal.WAIT
        )
        installation = self._world.installations.get(key)
        if not isinstance(installation, Installation):
            return None
        await self._look_up(installation)
        platform = self._world.platforms.get((key[0], installation.spec.platform))
        elsewhere = isinstance(platform, MunicipalityPlatform) and platform.spec.cluster is not None
        # Its objects may be elsewhere also when its platform is gone, or is another one by now.
        if elsewhere or names.FINALIZER in installation.metadata.finalizers:
            return await self._bring_remote(installation, platform)
        return await self._bring(installation, self._home)

    @property
    def _home(self) -> Place:
        return Place(self._client, self._children, self._world.kubernetes_version)

    async def _bring(self, installation: Installation, place: Place) -> float | None:
        """Decide, apply, status."""
        snapshot, plan, shown = await self._decide(installation, place)
        changes = await apply(self._client, place, snapshot, plan, self._seal) if not plan.suspended else ChangeSet()
        status = installation_status(snapshot, plan, changes, shown)
        begins = _begins(installation.status, status)
        if await self._publish(INSTALLATION.kind, installation, status, _more_news(installation, status)) and begins:
            metrics.RECALIBRATIONS.labels(begins).inc()
        if status.serving_version != installation.status.serving_version:
            self._on_served((installation.metadata.namespace, installation.spec.platform))
        failed = [fault for fault in changes.faults if fault.reason is Reason.APPLY_FAILED]
        if failed:
            raise ClusterError(0, failed[0].message, max(fault.retry_after for fault in failed))
        return _NAME_TAKEN_AGAIN_SECONDS if changes.faults else plan.requeue_after

    async def _look_up(self, installation: Installation) -> None:
        """What an Installation names is missing only where a read says so: each kind has a watch of its own, and of two
        objects that were made one after the other, the second one may be heard of first.

        Raises:
            Outdated: it is there, and a watch is about to bring it.
        """
        spec, told = installation.spec, {c.reason for c in installation.status.conditions}
        for resource, collection, key, reason in (
            (APP_LISTING, self._world.listings, ("", spec.listing), Reason.LISTING_NOT_FOUND),
            (
                PLATFORM,
                self._world.platforms,
                (installation.metadata.namespace, spec.platform),
                Reason.PLATFORM_NOT_FOUND,
            ),
        ):
            if collection.get(key) is not None or reason in told:
                continue
            try:
                await self._client.get(resource, key[0] or None, key[1])
            except NotFound:
                return  # the first one that is missing is what is told
            raise report.Outdated(_UNHEARD_SECONDS)

    # ---- Installations on a city's own cluster ----

    async def _bring_remote(
        self, installation: Installation, platform: MunicipalityPlatform | Unreadable | None
    ) -> float | None:
        """The same on the city's cluster, where that can be reached; nothing where it cannot."""
        key = (installation.metadata.namespace, installation.spec.platform)
        place = self._clusters.place(key)
        if place is None or not isinstance(platform, MunicipalityPlatform):
            reason, message = self._why_not(key, platform)
            # News of the cluster brings it here again. Until there is some, what was said before holds.
            if reason is not Reason.CLUSTER_CONNECTING or not installation.status.conditions:
                await self._hold(installation, reason, message)
            return None
        with self._clusters.slot(key) as free:
            if not free:
                return _BUSY_SECONDS
            spec = installation.spec
            frozen = spec.suspend or spec.mode == "Plan" or platform.spec.suspend
            if names.FINALIZER not in installation.metadata.finalizers and not frozen:
                # Written before the first object, and with it in memory it goes on at once.
                await self._finalize(installation.metadata, names.FINALIZER, True)
                return 0.0
            return await self._bring(installation, place)

    def _why_not(self, key: Name, platform: MunicipalityPlatform | Unreadable | None) -> tuple[Reason, str]:
        """Why nothing can be done on a platform's cluster; CLUSTER_CONNECTING where that will show in a moment."""
        if platform is None:
            return (
                Reason.PLATFORM_NOT_FOUND,
                f"MunicipalityPlatform {key[1]} is gone, and with it the kubeconfig",
            )
        if isinstance(platform, Unreadable):
            return Reason.PLATFORM_INVALID, f"MunicipalityPlatform {key[1]}: {platform.fault}"
        if platform.spec.cluster is None:
            return Reason.KUBECONFIG_MISSING, f"platform {key[1]} names no cluster any more, as it did"
        finding, _ = judge(platform, self._clusters.observation(key))
        reason = Reason.CLUSTER_CONNECTING if finding.status == "True" else finding.reason
        return reason, f"platform {key[1]}: {finding.message}"

    async def _remove(self, installation: Installation | Unreadable) -> float | None:
        """Remove what is on the city's cluster, then let the Installation go; or say what it waits for."""
        metadata = installation.metadata
        named = installation.platform if isinstance(installation, Unreadable) else installation.spec.platform
        key = (metadata.namespace, named)
        platform = self._world.platforms.get(key)
        place = self._clusters.place(key)
        if place is None:
            reason, message = self._why_not(key, platform)
            if reason is Reason.CLUSTER_CONNECTING:
                return None
            if self._abandoned(metadata, platform):
                text = f"let go, as {names.ANNOTATION_ABANDON} says; its objects may still be there: {message}"
                told = events.news("Warning", Reason.ABANDONED, text, metadata)
                await events.tell(self._client, INSTALLATION, metadata, [told])
                await self._let_go(metadata)
                log.warning("abandoned %s", ObjectKey("Installation", metadata.namespace, metadata.name))
                return None
            await self._hold(installation, reason, blocked_removal(reason, message))
            return None
        with self._clusters.slot(key) as free:
            if not free:
                return _BUSY_SECONDS
            # Of one that cannot be read, nobody knows whether its data may go.
            going = isinstance(installation, Installation) and installation.spec.volumes is VolumePolicy.DELETE
            try:
                left = await remove_all(place, metadata.uid, going)
            except ClusterError as error:
                if error.status:
                    text = f"the cluster of platform {key[1]} refuses: {error.message}"
                    await self._hold(installation, Reason.APPLY_FAILED, blocked_removal(Reason.APPLY_FAILED, text))
                raise
        if not left:
            children = place.children.there((metadata.namespace, metadata.name))
            kept = volumes.kept(children, "" if going else metadata.uid)
            await self._tell_kept(kept, metadata, f" in namespace {place.namespace} of the city's cluster")
            await self._let_go(metadata)
            return None
        named_left = ", ".join(f"{kind} {name}" for kind, name in left[:5])
        text = f"{len(left)} object(s) are being removed from the cluster of platform {key[1]}: {named_left}"
        await self._hold(installation, Reason.REMOVING, text)
        return _REMOVING_SECONDS

    async def _tell_kept(self, kept: list[str], metadata: Metadata, where: str) -> None:
        """Deleting is the last that a person hears of an Installation: say where its data are."""
        if not kept:
            return
        named = ", ".join(f"{volumes.CLAIM} {name}" for name in kept[:8])
        text = (
            f"kept, with the data: {named}{where}. An Installation of this name and listing takes them over;"
            " `kubectl delete pvc` deletes the data"
        )
        told = events.news("Normal", Reason.VOLUMES_KEPT, text, metadata)
        await events.tell(self._client, INSTALLATION, metadata, [told])

    @staticmethod
    def _abandoned(metadata: Metadata, platform: MunicipalityPlatform | Unreadable | None) -> bool:
        marked = (metadata, platform.metadata) if platform is not None else (metadata,)
        return any(one.annotations.get(names.ANNOTATION_ABANDON) == "true" for one in marked)

    async def _let_go(self, metadata: Metadata) -> None:
        await self._finalize(metadata, names.FINALIZER, False)
        log.info("let go of Installation", extra={"object": f"{metadata.namespace}/{metadata.name}"})

    async def _hold(self, installation: Installation | Unreadable, reason: Reason, message: str) -> None:
        """Publish why nothing is done; all else of the status stays."""
        if isinstance(installation, Unreadable):
            return  # what is wrong with it was said already
        status = held_status(installation, reason, message, self._now())
        await self._publish(INSTALLATION.kind, installation, status)

    # ---- Installations whose products others use ----

    async def _is_awaited(self, installation: Installation | Unreadable) -> bool:
        """Whether a deleted Installation stays, as its spec says, because others use its products; if so, say so."""
        metadata = installation.metadata
        if names.FINALIZER_CONSUMERS not in metadata.finalizers:
            return False
        held: tuple[Ref, ...] = ()
        if isinstance(installation, Installation) and installation.spec.removal is Removal.WAIT:
            held = dependencies.holding(Ref.of(installation), self._world.consumers, self._is_leaving)
        if held and isinstance(installation, Installation):
            status = awaited_status(installation, held, self._now())
            await self._publish(INSTALLATION.kind, installation, status)
            return True
        await self._finalize(metadata, names.FINALIZER_CONSUMERS, False)
        return False

    def _is_leaving(self, ref: Ref) -> bool:
        installation = self._world.installations.find(ref)
        return installation is None or installation.metadata.deletion_timestamp is not None

    async def _finalize(self, metadata: Metadata, finalizer: str, wanted: bool) -> None:
        """Set a finalizer of ours, or take it away; those of others stay."""
        ours = [f for f in metadata.finalizers if f in names.FINALIZERS]
        if (finalizer in ours) == wanted:
            return
        kept = tuple(f for f in (*ours, *([finalizer] if wanted else [])) if wanted or f != finalizer)
        live = await report.write_finalizers(self._client, INSTALLATION, metadata, kept)
        self._world.installations.put(live)

    async def _decide(self, installation: Installation, place: Place) -> tuple[Snapshot, Plan, Preview | None]:
        """Decide; where that needs templates rendered, render them, which is observed too, and decide again.

        Returns:
            What was observed, what to do, and where nothing is done, what would be.
        """
        while True:
            snapshot = self._observe(installation, place)
            plan, shown = await _settled(snapshot.me.namespace, partial(_planned, snapshot))
            wanted = plan.render or (shown.render if shown is not None else ())
            if not wanted:
                return snapshot, plan, shown
            for request in wanted:
                owner = (installation.metadata.namespace, installation.metadata.name)
                mine = self._rendered.setdefault(owner, {})
                party, pinned = (installation.spec.listing, owner[0]), self._settings.require_image_digests
                mine[request.revision] = await _render(request, party, pinned)
                if len(mine) > _REVISIONS_AT_MOST:
                    del mine[next(iter(mine))]
            while len(self._rendered) > _RENDERED_AT_MOST:
                self._rendered.popitem(last=False)

    def _observe(self, installation: Installation, place: Place) -> Snapshot:
        metadata, spec, world = installation.metadata, installation.spec, self._world
        owner = (metadata.namespace, metadata.name)
        listing = world.listings.get(("", spec.listing))
        platform = world.platforms.get((metadata.namespace, spec.platform))
        products = world.products(platform) if isinstance(platform, MunicipalityPlatform) else {}
        snapshot = self._snapshot(
            installation,
            listing.fault if isinstance(listing, Unreadable) else listing,
            platform.fault if isinstance(platform, Unreadable) else platform,
            products,
            self._observations(platform, products) if isinstance(platform, MunicipalityPlatform) else {},
        )
        return replace(
            snapshot,
            kubernetes_version=place.kubernetes_version,
            workload_namespace=place.namespace,
            children=ownership(place, installation, self._seal).of(place.children.there(owner)),
            rendered=self._rendered.get(owner, {}),
            consumers=world.consumers(Ref.of(installation)) if installation.status.products else (),
            apart=world.apart(Ref.of(installation)) if spec.offers else (),
            # Of a city's own cluster nothing is known but what the settings deny.
            surroundings=Surroundings(self._settings.denied_ranges) if place.remote else self._surroundings(),
            recipients=world.recipients(Ref.of(installation)) if spec.offers else (),
        )

    def _snapshot(
        self,
        installation: Installation,
        listing: AppListing | str | None,
        platform: MunicipalityPlatform | str | None,
        products: dict[str, Product],
        observations: dict[str, SourceObservation],
    ) -> Snapshot:
        """A snapshot without children."""
        return Snapshot(
            now=self._now(),
            policy=self._settings.policy,
            kubernetes_version=self._kubernetes_version(platform)
            if isinstance(platform, MunicipalityPlatform)
            else self._world.kubernetes_version,
            installation=installation,
            listing=listing,
            platform=platform,
            offers=self._offers(platform) if isinstance(platform, MunicipalityPlatform) else MeasuredOffers(),
            observations=observations,
            secrets=self._world.secrets(installation.metadata.namespace),
            products=products,
            dependencies=dependencies.graph({p.upstream for p in products.values()}, self._world.installations.find),
        )

    # ---- all kinds ----

    async def _refuse(self, kind: str, known: Unreadable) -> None:
        """Say that an object cannot be read, and why; only an edit of it can mend that."""
        old = _status_of(known, self._kind(kind)[2])
        status = refused_status(old, known.metadata.generation, known.fault, self._now())
        await self._publish(kind, known, status)

    async def _publish(
        self,
        kind: str,
        known: AppListing | MunicipalityPlatform | Installation | Unreadable,
        status: Status,
        more: Sequence[News] = (),
    ) -> bool:
        """Tell what happened, and write the status, if it changed; whether it was written."""
        resource, collection, model = self._kind(kind)
        old = known.status if isinstance(known, Unreadable) else known.status.dump()
        await asyncio.sleep(0)  # of a platform with hundreds of sources each of these takes long: others get a turn
        new = status.dump()
        if new != old:
            new = redaction.known.hide_in(new, old, known.metadata.namespace)
        if new == old:
            return False
        told = events.transitions(known.metadata, _status_of(known, model).conditions, status.conditions)
        # Events first: one that is made twice is one, and one that would come after the status may never come.
        await events.tell(self._client, resource, known.metadata, [*told, *more])
        live = await report.write_status(self._client, resource, known.metadata, new)
        await asyncio.sleep(0)
        collection.put(live)
        self._on_published()
        return True


async def _by_turns(turns: Turns[T]) -> T:
    """Work something out, and let others have a turn now and then: nothing may hold the event loop for long."""
    await asyncio.sleep(0)
    started = time.thread_time()
    while True:
        try:
            next(turns)
        except StopIteration as done:
            answer: T = done.value
            return answer
        if time.thread_time() - started > _TURN_SECONDS:
            await asyncio.sleep(0)
            started = time.thread_time()


async def _settled(namespace: str, work: Callable[[], Awaitable[T]]) -> T:
    """Work something out; what that asks and takes long is answered first, in another process."""
    answered: set[Question] = set()
    while True:
        with questions.elsewhere() as asked:
            found = await work()
        wanted = [question for question in asked if question not in answered]
        if not wanted:
            return found
        answered.update(wanted)
        await comparison.answer_all(wanted, ("areas", namespace))


async def _planned(snapshot: Snapshot) -> tuple[Plan, Preview | None]:
    """What to do, and where nothing is done, what would be."""
    plan = await _by_turns(decide.turns(snapshot))
    return plan, await _by_turns(preview.turns(snapshot)) if plan.suspended and not plan.render else None


def _status_of(known: Any, model: type[Status]) -> Status:
    """The status of an object, also where it or the object cannot be read."""
    if not isinstance(known, Unreadable):
        status: Status = known.status
        return status
    try:
        return model.model_validate(known.status)
    except ValueError:
        return model()


def _begins(old: InstallationStatus, new: InstallationStatus) -> str:
    """What triggered the recalibration that begins with this status; "" where none does."""
    begun = new.recalibration
    if begun is None or begun.trigger is None or begun.since == getattr(old.recalibration, "since", None):
        return ""
    return begun.trigger.value


def _more_news(installation: Installation, status: InstallationStatus) -> list[News]:
    """What no condition says: a recalibration that begins, and objects that were changed by hand."""
    metadata, old, found = installation.metadata, installation.status, []
    begins = _begins(old, status)
    if begins and status.recalibration is not None:
        before = (status.recalibration.round, getattr(old.recalibration, "since", None))
        text = f"{begins}: {status.recalibration.reason}"
        found.append(events.news("Normal", "Recalibrating", text, metadata, *before))
    if status.drift and status.drift != old.drift:
        items = ", ".join(f"{item.kind} {item.name} ({item.found.lower()})" for item in status.drift[:10])
        text = f"changed by hand, and left so: {items}"
        found.append(events.news("Warning", "Drifted", text, metadata, metadata.generation))
    return found


def _sources(platform: MunicipalityPlatform, products: dict[str, Product]) -> list[DataSource]:
    """What is to be looked at: a product, once it is served, and where its address means the same from here.

    Inside a city's own cluster it may, from here, be the name of something else.
    """
    served = (p.source for p in products.values() if p.state != "NotServing" and p.reach == "Here")
    return [*platform.spec.data_sources, *served]


def _target(source: DataSource, secrets: dict[str, Secret], namespace: str) -> Target | None:
    """What to probe, perhaps a Service of that namespace; None where the credentials are not complete."""
    auth = source.credentials
    values: dict[str, str] = {}
    if auth is not None:
        secret = secrets.get(auth.secret_name)
        if secret is None or any(key not in secret.data for key in auth.keys):
            return None
        values = {key: _decoded(secret.data[key]) for key in auth.keys + auth.optional_keys if key in secret.data}
    return Target(source.kind, source.endpoint, source.contract, source.physical_name, auth, values, namespace)


def _decoded(value: str) -> str:
    return b64decode(value).decode("utf-8", "replace")


def _probe_digest(source: DataSource) -> str:
    """Of what a probe depends on. Credentials are not in it: they change who may look, not what is there."""
    auth = source.credentials.dump() if source.credentials else None
    return digest([source.kind, source.endpoint, source.physical_name, source.contract.dump(), auth])[:16]


def _seed(known: DataSourceStatus | None) -> Observation | None:
    """What the platform's status still knows from before a restart.

    That credentials were missing is no look: once they are there, the source is looked at for the first time.
    """
    if known is None or known.probe is None or known.reason == Reason.CREDENTIALS_MISSING:
        return None
    looked_at = known.looked_at or known.since
    return Observation(known.probe, known.state, known.reason, known.message, known.facts, known.since, looked_at)


async def _render(request: RenderRequest, party: Party, pinned: bool) -> tuple[Manifest, ...] | TemplateError:
    try:
        objects = await render_in_sandbox(request.templates, request.context, party)
        return tuple(
            admit(objects, prefix=request.prefix, namespace=request.namespace, taken=request.taken, pinned=pinned)
        )
    except TemplateError as error:
        return error
