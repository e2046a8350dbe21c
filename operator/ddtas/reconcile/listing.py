"""One AppListing, once: may it be installed?"""

from ddtas.cluster.memory.world import Unreadable
from ddtas.cluster.rest.resources import APP_LISTING
from ddtas.names import NamespacedName
from ddtas.plan.status.listing import listing_status
from ddtas.reconcile.context import Context
from ddtas.reconcile.publish import Publisher


class Listings:
    """Reconciles AppListings."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher

    async def reconcile(self, key: NamespacedName) -> float | None:
        """Bring the status of one up to date; an event will come when there is more to do."""
        listing = self._context.world.listings.get(key)
        if listing is None or listing.metadata.deletion_timestamp:
            return None
        if isinstance(listing, Unreadable):
            await self._publisher.refuse(APP_LISTING.kind, listing)
            return None
        status = listing_status(listing, self._context.settings.policy, self._context.now())
        await self._publisher.publish(APP_LISTING.kind, listing, status)
        return None
