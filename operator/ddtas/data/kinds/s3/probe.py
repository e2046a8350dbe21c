"""Probes one object, or all under a prefix.

The endpoint is https://host/bucket/prefix-or-key (path style); a physical name is appended to it. What ends with .csv,
.geojson, .json or .parquet is one object, and read as such; everything else is a prefix, whose objects are listed, and
of which the newest is read for the fields.
"""

from ddtas.data.kinds.http_csv import probe as csv
from ddtas.data.kinds.http_csv.reader import ACCEPT as CSV
from ddtas.data.kinds.http_geojson import probe as geojson
from ddtas.data.kinds.http_geojson.reader import ACCEPT as GEOJSON
from ddtas.data.kinds.http_parquet import probe as parquet
from ddtas.data.kinds.http_parquet.reader import ACCEPT as PARQUET
from ddtas.data.kinds.s3.reader import SUFFIXES, Bucket, Object, located
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

_PAGES = 2  # of a list of objects


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe one object, or at the objects under a prefix.

    Raises:
        SourceError: with a Reason; EntityNotFound when there is no such bucket or object, or none under the prefix.
    """
    async with http.client(session) as client:
        store, key = located(session, client)
        if key.lower().endswith(SUFFIXES):
            return session.facts(await _of_object(session, store, key))
        return session.facts(await _of_prefix(session, store, key))


async def _of_object(session: ProbeSession, store: Bucket, key: str) -> SourceFacts:
    try:
        return await _read(store, session, key)
    except answers.NotFoundError:
        raise await store.no_object(key) from None


async def _of_prefix(session: ProbeSession, store: Bucket, prefix: str) -> SourceFacts:
    objects, complete = await _first_objects(store, prefix)
    if not objects and prefix:
        raise await store.no_objects(prefix)
    size: int | None = sum(o.size for o in objects)
    if not complete:
        size = None
        session.unknown("sizeBytes", f"there are more than {len(objects)} objects: give a longer prefix")
    # An old year may be uploaded today.
    session.unknown("last", "a list of objects tells when they were uploaded, not when their data ends")
    session.unknown("records", "a list of objects does not tell how many records they hold")
    session.unknown("first", "a list of objects does not tell when their data begins")
    session.unknown("extent", "it is known of the newest object alone")
    readable = [o for o in objects if o.key.lower().endswith(SUFFIXES) and o.size and store.has_url(o.key)]
    if not readable:
        for fact in ("fields", "geometryType", "crs", "timeResolution"):
            session.unknown(fact, f"no object has data and one of the suffixes {', '.join(SUFFIXES)}")
        return SourceFacts(size_bytes=size)
    newest = max(readable, key=lambda o: (o.changed, o.key))
    try:
        newest_facts = await _read(store, session, newest.key)
    except answers.NotFoundError:
        raise session.error(
            SourceReason.HTTP_ERROR, f"lists {printable(newest.key, 80)} but does not have it: it is tried again later"
        ) from None
    except SourceError as error:
        raise SourceError(error.reason, f"{error.message} (the object is {printable(newest.key, 80)})") from None
    return SourceFacts(
        fields=newest_facts.fields,
        geometry_type=newest_facts.geometry_type,
        crs=newest_facts.crs,
        sampled=newest_facts.sampled,
        time_resolution=newest_facts.time_resolution,
        size_bytes=size,
    )


async def _first_objects(store: Bucket, prefix: str) -> tuple[list[Object], bool]:
    """The objects of the first pages; and whether these are all."""
    objects: list[Object] = []
    number = 0
    async for page in store.pages(prefix):
        objects += page.objects
        number += 1
        if page.last or number == _PAGES:
            return objects, page.last
    raise AssertionError  # the last page is the last


async def _read(store: Bucket, session: ProbeSession, key: str) -> SourceFacts:
    """What the format of an object tells.

    Raises:
        SourceError: answers.NotFoundError where it is not there.
    """
    if key.lower().endswith(".parquet"):
        return await parquet.facts(lambda headers: store.open(key, PARQUET, headers), session)
    if key.lower().endswith(".csv"):
        async with store.open(key, CSV) as answer:
            return await csv.facts(answer, session)
    async with store.open(key, GEOJSON) as answer:
        return await geojson.facts(answer, session)
