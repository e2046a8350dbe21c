"""Probes a query of a collection: its description, the list of locations, and its newest data: three requests."""

from datetime import UTC, datetime, timedelta

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import iso
from ddtas.data.facts.records import MAX_FIELDS, NAME, Records
from ddtas.data.kinds.extents import extent_of, interval_of
from ddtas.data.kinds.ogc_edr.choice import LOCATIONS
from ddtas.data.kinds.ogc_edr.coverage import TIME, units_of
from ddtas.data.kinds.ogc_edr.reader import Collection, Interval, Location, Service
from ddtas.data.kinds.ogc_edr.rows import records_of
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http
from ddtas.data.wire.documents import as_array, as_object

_SAMPLE = 1000  # rows
_PERIODS = (timedelta(days=1), timedelta(days=60))  # the newest of data that may be decades, until a step is seen
_TYPES = {"integer": FieldType.INTEGER, "string": FieldType.STRING}  # of data-type; all else is a number


class _Sample:
    """What the newest data of one location, a place or an area shows."""

    def __init__(self, session: ProbeSession) -> None:
        self.records = Records(session.target.contract)
        self.places = geo.Geometries()
        self.crs: str | None = None


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe one query.

    Raises:
        SourceError: with a Reason.
    """
    sample = _Sample(session)
    async with http.client(session) as client:
        service = Service(client)
        collection = await service.collection()
        location: Location | None = None
        if service.choice.kind == LOCATIONS:
            location = next(iter(await service.locations()), None)
            if location is None:
                raise service.malformed("with a list of no locations")
        for period in _PERIODS:
            sample = _Sample(session)
            await _read(service, collection, location, sample, period)
            if (axis := sample.records.axis_of(TIME)) is not None and axis.resolution():
                break
    return session.facts(_facts(session, collection, sample))


async def _read(
    service: Service, collection: Collection, location: Location | None, sample: _Sample, period: timedelta
) -> None:
    """Some rows of the newest data."""
    newest = collection.last or datetime.now(UTC)
    interval = Interval(newest - period, collection.last) if collection.first or collection.last else None
    async for answer in service.data(collection, location, [], interval):
        for record, place, crs in records_of(service, answer, collection, location):
            sample.records.add(record)
            sample.places.add(place)
            sample.crs = sample.crs or crs
            if sample.records.count >= _SAMPLE:
                return


def _facts(session: ProbeSession, collection: Collection, sample: _Sample) -> SourceFacts:
    units = units_of(collection.parameters)
    measured = sample.records.facts(complete=False, units=units)
    axis = sample.records.axis_of(TIME)
    first, last = interval_of(collection.described)
    if last is None and axis is not None:
        last = axis.last
    extent = extent_of(collection.described)
    names = [sample.crs, *(geo.crs_name(one) for one in as_array(collection.described.get("crs")))]
    crs = tuple(dict.fromkeys(name for name in names if name))[:16]
    for fact, value, why in (
        ("first", first, "the collection's temporal extent does not tell it"),
        ("last", last, "the collection's temporal extent does not tell it, and no newest data was found"),
        ("extent", extent, "the collection's bbox is no rectangle in a CRS that can be read"),
        ("crs", crs, "neither the collection nor its data names a CRS that is known"),
        ("timeResolution", axis and axis.resolution(), "the rows that were read have no step in time that most have"),
        ("geometryType", sample.places.types, "no data was found in the newest days of the collection"),
    ):
        if not value:
            session.unknown(fact, why)
    session.unknown("records", "the protocol does not tell it")
    session.unknown("sizeBytes", "the protocol does not tell it")
    return measured.model_copy(
        update={
            "fields": _fields(collection, measured, units),
            "geometry_type": GeometryType.POINT if sample.places.types else None,
            "crs": crs,
            "extent": extent,
            "first": iso(first),
            "last": iso(last),
            "time_resolution": axis.resolution() if axis else None,
        }
    )


def _fields(collection: Collection, measured: SourceFacts, units: dict[str, str]) -> tuple[MeasuredField, ...]:
    """The fields that were seen, then the parameters that the collection has besides, as numbers where it is silent."""
    fields = {one.name: one for one in measured.fields}
    for name, described in collection.parameters.items():
        kind = _TYPES.get(str(as_object(described).get("data-type")), FieldType.NUMBER)
        seen = fields.get(name)
        if seen is not None and (seen.empty == measured.sampled or seen.type is FieldType.INTEGER):
            fields[name] = seen.model_copy(update={"type": kind})
        elif seen is None and NAME.fullmatch(name):
            fields[name] = MeasuredField(name=name, type=kind, unit=units.get(name, "")[:60] or None)
    return tuple(fields.values())[:MAX_FIELDS]
