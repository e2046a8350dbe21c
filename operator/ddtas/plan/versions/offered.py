"""What a version was when it was first offered. One that is taken out, and put back otherwise, is found out. Pure.

The API server refuses an edit, and forgets what it deletes; the status of the listing does not.
"""

from ddtas.api.listing import CONTENT, AppListing, OfferedVersion, Version
from ddtas.plan.revision import digest

_MOST = 100


def content(version: Version) -> str:
    """Digest of what the evidence of a version is about."""
    body = version.dump()
    return digest({field: body[field] for field in CONTENT if field in body})[:32]


def remembered(listing: AppListing) -> tuple[OfferedVersion, ...]:
    """Each version with targets that the listing has or had, as it was first; of many, the newest that it has not."""
    known = {offered.version: offered for offered in listing.status.offered}
    there = {v.version for v in listing.spec.versions}
    for version in listing.spec.versions:
        if version.targets and version.version not in known:
            known[version.version] = OfferedVersion(version=version.version, content=content(version))
    gone = [number for number in known if number not in there]
    forgotten = set(gone[: max(0, len(known) - _MOST)])
    return tuple(offered for number, offered in known.items() if number not in forgotten)


def is_changed(listing: AppListing, version: Version) -> bool:
    """Whether a version of a listing is not what it was when it was first offered."""
    first = next((offered for offered in listing.status.offered if offered.version == version.version), None)
    return first is not None and first.content != content(version)
