"""The status of an AppListing: may it be installed?"""

from datetime import datetime

from ddtas.api.listing import AppListing, AppListingStatus
from ddtas.plan.decision.rules import review_refusal
from ddtas.plan.findings import Finding
from ddtas.plan.reasons import Reason
from ddtas.plan.status.conditions import conditions, kstatus
from ddtas.plan.versions import offered
from ddtas.settings import StorePolicy


def listing_status(listing: AppListing, policy: StorePolicy, now: datetime) -> AppListingStatus:
    """The status of an AppListing: may it be installed?"""
    fault = review_refusal(listing, policy)
    changed = [v.version for v in listing.spec.versions if v.targets and offered.is_changed(listing, v)]
    count = len(listing.spec.versions)
    text = fault or f"{count} version{'s' if count > 1 else ''}"
    reason = Reason.LISTING_NOT_APPROVED if fault else Reason.LISTED
    if changed and not fault:
        reason = Reason.VERSION_CHANGED
        fault = text = f"{', '.join(changed)}: taken out, and put back otherwise than offered: give it another number"
    main = Finding("Listed", "False" if fault else "True", reason, text)
    generation = listing.metadata.generation
    return AppListingStatus(
        observed_generation=generation,
        offered=offered.remembered(listing),
        conditions=conditions([main, *kstatus(main)], listing.status.conditions, generation, now),
    )
