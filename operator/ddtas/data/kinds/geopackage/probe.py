"""Probes a layer of a GeoPackage over HTTP: one request."""

from ddtas.data.facts import geo
from ddtas.data.facts.records import NAME, Records
from ddtas.data.kinds.geopackage.contents import Contents, Layer
from ddtas.data.kinds.geopackage.reader import ACCEPT, HEADER_BYTES, check_header, layer_of
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http

_SAMPLE = 5000  # rows
_FACTS = ("crs", "extent", "fields", "first", "geometryType", "last", "records", "sizeBytes", "timeResolution")


async def probe(session: ProbeSession) -> SourceFacts:
    """Read a GeoPackage once and tell the facts of a layer; of a longer file than a probe reads, none.

    Raises:
        SourceError: with a Reason.
    """
    body = bytearray()
    async with http.client(session) as client, client.get(accept=ACCEPT) as answer:
        while chunk := await answer.read():
            body += chunk
        size = answer.received if answer.complete else None
    check_header(bytes(body[:HEADER_BYTES]), session)
    if size is None:
        return session.facts(_too_long(session))
    with Contents.opened(body, session) as contents:
        layer = contents.layer(layer_of(session, contents.names()))
        return session.facts(_facts(session, contents, layer, size))


def _too_long(session: ProbeSession) -> SourceFacts:
    """The list of layers may be at the end of a file, so its beginning tells nothing but what it is."""
    for fact in _FACTS:
        session.unknown(fact, f"the file has more than the {session.limits.max_bytes} bytes that a probe reads")
    return SourceFacts()


def _facts(session: ProbeSession, contents: Contents, layer: Layer, size: int) -> SourceFacts:
    records = Records(session.target.contract)
    complete = contents.sample(layer, _SAMPLE, records.add)
    if not complete:
        for fact in ("first", "last"):
            session.unknown(fact, f"only {records.count} rows were read")
    if records.axis() is None:
        for fact in ("first", "last", "timeResolution"):
            session.unknown(fact, "no column holds dates or timestamps")
    if layer.geometry_type is None:
        session.unknown("geometryType", "the layer tells no one type of geometry")
    if layer.crs is None:
        session.unknown("crs", "the layer names no coordinate reference system that is known")
    extent = geo.extent(layer.crs, layer.box) if layer.crs else None
    if extent is None:
        session.unknown("extent", "the layer tells no usable bounding box")
    facts = records.facts(complete=complete)
    sampled = {field.name: field for field in facts.fields}
    fields = tuple(
        sampled[name] if name in sampled and sampled[name].empty < records.count else MeasuredField(
            name=name, type=kind, empty=records.count
        )
        for name, kind in layer.fields.items()
        if NAME.fullmatch(name)
    )  # fmt: skip
    return facts.model_copy(
        update={
            "fields": fields[:128],
            "records": records.count if complete else contents.count(layer),
            "geometry_type": layer.geometry_type,
            "crs": (layer.crs,) if layer.crs else (),
            "extent": extent,
            "size_bytes": size,
        }
    )
