"""Probes GeoJSON over HTTP: one request."""

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.facts.records import Records
from ddtas.data.kinds.http_geojson.reader import ACCEPT, FeatureCollection, unexpected
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import answers, http


async def probe(session: ProbeSession) -> SourceFacts:
    """Read a GeoJSON document once and tell its facts.

    When the byte cap ends the reading, what depends on the rest is absent: `records`, `first`, `last`, and the extent
    unless the document began with its own `bbox`.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client, client.get(accept=ACCEPT) as answer:
        return session.facts(await facts(answer, session))


async def facts(answer: answers.Answer, session: ProbeSession) -> SourceFacts:
    """The facts of a FeatureCollection, of which an answer is read to its end or to the cap.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what reading raises.
    """
    return await _Summary(session).read(answer)


class _Summary:
    """What a FeatureCollection shows."""

    def __init__(self, session: ProbeSession) -> None:
        self._session = session
        self._geometries = geo.Geometries()
        self._records = Records(session.target.contract)
        self._collection = FeatureCollection(session, self._geometries)

    async def read(self, answer: answers.Answer) -> SourceFacts:
        """Read an answer, and tell the facts.

        Raises:
            SourceError: UnexpectedContent or MalformedData, or what reading raises.
        """
        async for batch in self._collection.batches(answer):
            for properties in batch:
                self._records.add(properties)
        size = answer.received if answer.complete else _length(answer)
        return self._facts(size, complete=answer.complete)

    def _facts(self, size_bytes: int | None, *, complete: bool) -> SourceFacts:
        """The facts so far.

        Raises:
            SourceError: UnexpectedContent when nothing of a feature was read before the cap.
        """
        session, records, geometries = self._session, self._records, self._geometries
        if not complete:
            if not self._collection.begun:
                raise unexpected(session, f"JSON without features in its first {session.limits.max_bytes} bytes")
            for fact in ("records", "first", "last", *(() if size_bytes is not None else ("sizeBytes",))):
                session.unknown(fact, f"only the first {session.limits.max_bytes} bytes were read")
        kind = geometries.type()
        if kind is None:
            session.unknown(
                "geometryType",
                "there are geometries of several types" if geometries.types else "no feature has a geometry",
            )
        if records.axis() is None:
            for fact in ("first", "last", "timeResolution"):
                session.unknown(fact, "no property holds dates or timestamps")
        crs = self._crs_name()
        return records.facts(complete=complete).model_copy(
            update={
                "geometry_type": kind,
                "crs": (crs,) if crs else (),
                "extent": self._extent(crs, complete=complete),
                "size_bytes": size_bytes,
            }
        )

    def _crs_name(self) -> str | None:
        """RFC 7946 has one CRS; GeoJSON 2008 names another in the member `crs`, where null means that it is unknown."""
        no_degrees = self._geometries.box and self._geometries.extent(geo.CRS84) is None
        if self._collection.crs is ... and no_degrees and not self._geometries.broken:
            self._session.unknown("crs", "no CRS is named, and the coordinates are no degrees as RFC 7946 has them")
            return None
        crs = self._collection.crs_name()
        if crs is None:
            self._session.unknown("crs", "the crs member names no coordinate reference system that is known")
        return crs

    def _extent(self, crs: str | None, *, complete: bool) -> Extent | None:
        session = self._session
        if crs is None:
            session.unknown("extent", "the coordinate reference system is not known")
            return None
        if complete and self._geometries.box is None and not self._geometries.broken:
            session.unknown("extent", "no feature has a geometry")
            return None
        if complete:
            extent = self._geometries.extent(crs)
        else:
            # [west, south, east, north], or with heights [west, south, lowest, east, north, highest]
            box = self._collection.box
            extent = geo.extent(crs, [*box[0:2], *box[3:5]] if len(box) == 6 else box)
        if extent is None:
            session.unknown(
                "extent",
                "a geometry has no usable coordinates"
                if complete
                else f"only the first {session.limits.max_bytes} bytes were read, and there is no usable bbox in them",
            )
        return extent


def _length(answer: answers.Answer) -> int | None:
    """`Content-Length`, as the server tells it."""
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
