"""Probes a layer: its description, how many rows it has, some of them, the oldest and the newest: five requests."""

from ddtas.data.contract import Extent, FieldType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import iso, timestamp
from ddtas.data.facts.records import MAX_FIELDS, NAME, Records
from ddtas.data.kinds.arcgis_feature_server.layer import Layer
from ddtas.data.kinds.arcgis_feature_server.reader import REFUSALS, Choice, Page, Service
from ddtas.data.kinds.arcgis_feature_server.shapes import geojson, together
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http
from ddtas.errors import SourceError

_SAMPLE = 100  # rows


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe one layer or table.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        service = Service(client)
        layer = await service.layer()
        count = await service.count()
        choice = Choice(tuple(layer.fields), layer.spatial, session.target.contract.crs)
        page = await anext(service.pages(layer, choice, _SAMPLE))
        records, places = _sample(session, layer, page)
        complete = len(page.rows) >= count and not page.more
        measured = records.facts(complete=complete)
        if not complete:
            first, last = await _period(session, service, layer)
            measured = measured.model_copy(update={"first": first, "last": last, "records": count})
    return session.facts(_facts(session, layer, page, measured, places))


def _sample(session: ProbeSession, layer: Layer, page: Page) -> tuple[Records, geo.Geometries]:
    records, places = Records(session.target.contract), geo.Geometries()
    for row in page.rows:
        record = layer.record(row.attributes)
        records.add({name: record.get(name) for name in layer.fields})
        try:
            places.add(geojson(row.geometry, together))
        except ValueError:
            places.broken = True
    return records, places


async def _period(session: ProbeSession, service: Service, layer: Layer) -> tuple[str | None, str | None]:
    """The oldest and the newest moment of the field that the contract promises as the time, or the layer says it is."""
    promised = {one.name for one in session.target.contract.fields if one.type is FieldType.TIMESTAMP}
    names = sorted(layer.moments, key=lambda name: name not in promised)
    ends: list[str | None] = []
    for fact, newest in (("first", False), ("last", True)):
        try:
            text = await service.moment(layer, names[0], newest=newest) if names else None
        except SourceError as error:
            if error.reason not in REFUSALS:
                raise
            text = None
        moment = timestamp(text, session.target.contract.time_zone) if isinstance(text, str) else None
        if moment is None:
            session.unknown(fact, "the layer has no field of moments, or is not sorted by it")
        ends.append(iso(moment))
    first, last = ends
    return (first, last) if not (first and last) or first <= last else (None, None)


def _facts(
    session: ProbeSession, layer: Layer, page: Page, measured: SourceFacts, places: geo.Geometries
) -> SourceFacts:
    geometry_type = layer.geometry_type or places.type()
    if geometry_type is None:
        session.unknown(
            "geometryType", "no geometry of one type was read" if layer.spatial else "it is a table without geometries"
        )
    names = tuple(dict.fromkeys(name for name in (layer.crs, page.crs) if name))
    if not names:
        session.unknown("crs", "the layer names no coordinate reference system that is known")
    if measured.time_resolution is None:
        session.unknown("timeResolution", "the rows that were read have no step in time that most have")
    session.unknown("sizeBytes", "the protocol does not tell it")
    return measured.model_copy(
        update={
            "fields": _fields(layer, measured),
            "geometry_type": geometry_type,
            "crs": names,
            "extent": _extent(session, layer),
        }
    )


def _fields(layer: Layer, measured: SourceFacts) -> tuple[MeasuredField, ...]:
    """The fields of the layer: of its type where no row that was read has a value, and where 1 is a measurement."""
    sampled = {field.name: field for field in measured.fields}
    fields = []
    for name, kind in layer.fields.items():
        field = sampled.get(name)
        if field is None and NAME.fullmatch(name):
            field = MeasuredField(name=name, type=kind)
        if field is not None and (
            field.empty == measured.sampled or (field.type, kind) == (FieldType.INTEGER, FieldType.NUMBER)
        ):
            field = field.model_copy(update={"type": kind})
        fields += [field] if field is not None else []
    return tuple(fields)[:MAX_FIELDS]


def _extent(session: ProbeSession, layer: Layer) -> Extent | None:
    extent = geo.extent(layer.box_crs, layer.box) if layer.box_crs else None
    if extent is None:
        session.unknown("extent", "the layer tells no rectangle in a CRS that is known")
    return extent
