"""Makes the Snapshot that a decision is made from: from memory, without a request."""

from dataclasses import replace

from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import MunicipalityPlatform
from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.place import Place
from ddtas.cluster.write.apply import ownership
from ddtas.data.network import Surroundings
from ddtas.plan.products import Product, Ref
from ddtas.plan.snapshot import Invalid, Snapshot, SourceObservation
from ddtas.plan.twins import dependencies
from ddtas.reconcile.context import Context
from ddtas.reconcile.rendering import Renderings
from ddtas.reconcile.sources import Sources


class Observer:
    """Reads what is known."""

    def __init__(self, context: Context, sources: Sources, renderings: Renderings) -> None:
        self._context = context
        self._sources = sources
        self._renderings = renderings

    def installation(self, installation: Installation, place: Place) -> Snapshot:
        """All that is known of an Installation whose workloads are in a place."""
        metadata, spec, world = installation.metadata, installation.spec, self._context.world
        owner, me = (metadata.namespace, metadata.name), Ref.of(installation)
        listing = world.listings.get(("", spec.listing))
        platform = world.platforms.get((metadata.namespace, spec.platform))
        products = world.products(platform) if isinstance(platform, MunicipalityPlatform) else {}
        snapshot = self.candidate(
            installation,
            Invalid(listing.fault) if isinstance(listing, Unreadable) else listing,
            Invalid(platform.fault) if isinstance(platform, Unreadable) else platform,
            products,
            self._sources.observations(platform, products) if isinstance(platform, MunicipalityPlatform) else {},
        )
        # Of a city's own cluster nothing is known but what the settings deny.
        denied = Surroundings(self._context.settings.denied_ranges)
        return replace(
            snapshot,
            kubernetes_version=place.kubernetes_version,
            workload_namespace=place.namespace,
            children=ownership(place, installation, self._context.seal).of(place.children.there(owner)),
            rendered=self._renderings.of(owner),
            consumers=world.consumers(me) if installation.status.products else (),
            apart=world.apart(me) if spec.offers else (),
            surroundings=denied if place.remote else self._context.surroundings(),
            recipients=world.recipients(me) if spec.offers else (),
        )

    def candidate(
        self,
        installation: Installation,
        listing: AppListing | Invalid | None,
        platform: MunicipalityPlatform | Invalid | None,
        products: dict[str, Product],
        observations: dict[str, SourceObservation],
    ) -> Snapshot:
        """What an Installation that has no children meets: one that is only imagined, say."""
        context, known = self._context, platform if isinstance(platform, MunicipalityPlatform) else None
        return Snapshot(
            now=context.now(),
            policy=context.settings.policy,
            runner=context.settings.runner,
            kubernetes_version=self.kubernetes_version(known) if known else context.world.kubernetes_version,
            installation=installation,
            listing=listing,
            platform=platform,
            capabilities=self.capabilities(known) if known else MeasuredCapabilities(),
            observations=observations,
            secrets=context.world.secrets(installation.metadata.namespace),
            products=products,
            dependencies=dependencies.graph({p.upstream for p in products.values()}, context.world.installations.find),
        )

    def kubernetes_version(self, platform: MunicipalityPlatform) -> str:
        """Of where the platform's workloads go; "" while that is not known."""
        if platform.spec.cluster is None:
            return self._context.world.kubernetes_version
        seen = self._context.clusters.observation((platform.metadata.namespace, platform.metadata.name))
        known = platform.status.cluster.kubernetes_version if platform.status.cluster is not None else ""
        return seen.kubernetes_version or known

    def capabilities(self, platform: MunicipalityPlatform) -> MeasuredCapabilities:
        """What the cluster of the platform's workloads has: as its status remembers it, until it is surveyed."""
        key, remembered = (platform.metadata.namespace, platform.metadata.name), platform.status.capabilities
        if platform.spec.cluster is None:
            found = self._context.capabilities(key[0], remembered)
        else:
            found = self._context.clusters.capabilities(key, remembered)
        return found if found is not None else MeasuredCapabilities()
