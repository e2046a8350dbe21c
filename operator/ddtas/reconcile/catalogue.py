"""Which apps of the store could run on a platform."""

import logging
import time
from dataclasses import dataclass

from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import ListingFit, MunicipalityPlatform
from ddtas.names import NamespacedName
from ddtas.plan.capabilities.check import CapabilityCheck
from ddtas.plan.decision.catalogue import (
    MOST_LISTINGS,
    capabilities_finding,
    fit,
    hypothetical,
    installable,
    of_the_city,
    unjudged,
    with_what_serves,
)
from ddtas.plan.decision.rules import review_refusal
from ddtas.plan.decision.situation import Situation
from ddtas.plan.findings import Finding
from ddtas.plan.products import Product
from ddtas.plan.snapshot import SourceObservation
from ddtas.plan.status.sources import steady_facts
from ddtas.reconcile.context import Context
from ddtas.reconcile.observe import Observer
from ddtas.reconcile.pacing import by_turns, settled

log = logging.getLogger(__name__)

# How often it is computed again which apps could run on a platform, when nothing but a few more records came in.
REFRESH_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a platform has for an app.

    Attributes:
        platform: the platform.
        products: the data products that may be used there, by name.
        observations: what is known of its data sources, by name.
    """

    platform: MunicipalityPlatform
    products: dict[str, Product]
    observations: dict[str, SourceObservation]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Which apps could run on a platform.

    Attributes:
        fits: a verdict for each listing.
        capabilities: whether its cluster has what they ask of it; None where none asks for anything.
    """

    fits: tuple[ListingFit, ...]
    capabilities: Finding | None


class Catalogues:
    """The catalogue of each platform."""

    def __init__(self, context: Context, observer: Observer) -> None:
        self._context = context
        self._observer = observer
        # By platform: what it was computed from, when, and what came of it.
        self._remembered: dict[NamespacedName, tuple[object, float, Catalogue]] = {}

    def forget(self, platform: NamespacedName) -> None:
        """Forget a platform that is gone."""
        self._remembered.pop(platform, None)

    async def of(self, there: Surroundings) -> Catalogue:
        """Which apps could run on a platform.

        Each of a hundred sources may have news in each interval, so what only moves on (a record more) is computed
        no more often than every five minutes; what changes the question is computed at once.
        """
        platform, world = there.platform, self._context.world
        key = (platform.metadata.namespace, platform.metadata.name)
        listings = sorted(world.listings.readable(), key=lambda known: known.metadata.name)
        tenants = [i for user in world.users_of_platform(key) if (i := world.installations.find(user))]
        question = (
            platform.metadata.uid,
            platform.metadata.generation,
            self._observer.kubernetes_version(platform),
            self._observer.capabilities(platform),
            tuple((listing.metadata.uid, listing.metadata.generation) for listing in listings),
            tuple((name, seen.state, steady_facts(seen.facts)) for name, seen in there.observations.items()),
            tuple(there.products.items()),
            tuple((i.metadata.uid, i.metadata.generation, i.status.serving_version) for i in tenants),
        )
        remembered, now = self._remembered.get(key), time.monotonic()
        if remembered is not None and remembered[0] == question and now - remembered[1] < REFRESH_SECONDS:
            return remembered[2]
        answer = await settled(key[0], lambda: self._compute(there, listings, tenants))
        self._remembered[key] = (question, now, answer)
        return answer

    async def _compute(self, there: Surroundings, listings: list[AppListing], tenants: list[Installation]) -> Catalogue:
        fits: list[ListingFit] = []
        checks: dict[str, tuple[CapabilityCheck, ...]] = {}
        platform = there.platform
        for listing in listings:
            version = installable(listing)
            if version is None or review_refusal(listing, self._context.settings.policy) or len(fits) >= MOST_LISTINGS:
                continue
            name, about = listing.metadata.name, f"{listing.metadata.name} {version.version}"
            try:
                like = of_the_city(tenants, name)
                where = (platform.metadata.name, platform.metadata.namespace)
                candidate = hypothetical(name, version.version, *where, like)
                snapshot = self._observer.candidate(candidate, listing, platform, there.products, there.observations)
                situation = Situation.of(snapshot)
                fits.append(with_what_serves(await by_turns(fit.turns(situation, version)), like))
                checks[about] = situation.capabilities
            except Exception as error:  # a fault of ours is this listing's trouble, and no other's
                log.exception("listing cannot be judged", extra={"object": about})
                fits.append(unjudged(name, version.version, error))
        return Catalogue(tuple(fits), capabilities_finding(checks))
