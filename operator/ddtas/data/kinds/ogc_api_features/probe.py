"""Probes a collection: its description, a page of its items, and its schema where it has one: three requests.

Number, extent and period of all items are what the server says of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.facts.axis import iso
from ddtas.data.facts.records import MAX_FIELDS, Records
from ddtas.data.kinds.extents import extent_of, has_box, interval_of
from ddtas.data.kinds.ogc_api_features.reader import Collection, Page
from ddtas.data.kinds.ogc_api_features.schema import Schema, schema_of
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError

_SAMPLE = 100
_MAX_CRS = 16  # what the status of a source can hold
_GLOBAL_CRS = "#/crs"  # of Part 2: the list of the document of all collections


@dataclass
class _Sample:
    """What the first page of items shows.

    Attributes:
        records: the properties of its items.
        geometries: of its items.
        crs: of those geometries; None when it has a name that cannot be read.
        matched: items in the collection, as the server says; None when it does not.
        complete: these are all items.
    """

    records: Records
    geometries: geo.Geometries
    crs: str | None
    matched: int | None
    complete: bool


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe one collection.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        reader = Collection(client)
        described = await reader.describe()
        page = await anext(reader.pages(_SAMPLE))
        sample = _sample(session, page)
        schema = await schema_of(client, described, needed=not sample.records.count)
        names = await _crs(client, described.value, sample)
    return session.facts(_facts(session, described.value, sample, schema, names))


def _sample(session: ProbeSession, page: Page) -> _Sample:
    records, geometries = Records(session.target.contract), geo.Geometries()
    for feature in page.features:
        records.add(feature.get("properties") or {})
        geometries.add(feature.get("geometry"))
    return _Sample(records, geometries, geo.crs_name(page.crs), page.matched, page.complete)


async def _crs(client: http.Client, collection: Mapping[str, Any], sample: "_Sample") -> tuple[str, ...]:
    """The CRS that items can be had in, the one that they are kept in first."""
    listed = _texts(collection.get("crs"))
    if _GLOBAL_CRS in listed:
        try:
            shared = _texts(as_object((await client.json("collections")).value).get("crs"))
        except SourceError:  # the items were read all the same
            shared = []
        listed = [name for one in listed for name in (shared if one == _GLOBAL_CRS else [one])]
    names = [name for name in map(geo.crs_name, listed) if name] or [sample.crs or geo.CRS84]
    kept = geo.crs_name(collection.get("storageCrs"))
    if kept in names or (kept and not listed):
        names = [kept, *names]
    return tuple(dict.fromkeys(names))[:_MAX_CRS]


def _facts(
    session: ProbeSession, collection: Mapping[str, Any], sample: _Sample, schema: Schema, names: tuple[str, ...]
) -> SourceFacts:
    measured = sample.records.facts(complete=sample.complete, units=schema.units)
    first, last = measured.first, measured.last
    if first is None:
        first, last = _period(session, collection)
    if measured.time_resolution is None:
        session.unknown("timeResolution", "the items that were read have no step in time that most have")
    records = sample.matched if sample.matched is not None else measured.records
    if records is None:
        session.unknown("records", "the server does not tell numberMatched")
    geometry_type = sample.geometries.type() or (None if sample.geometries.types else schema.geometry)
    if geometry_type is None:
        session.unknown(
            "geometryType",
            "the geometries are of several types"
            if sample.geometries.types
            else "no geometry that can be read was found",
        )
    fields = _fields(measured.fields, sample.records.count, schema)
    if not fields:
        session.unknown("fields", "there are no items to see, and no schema that can be read")
    session.unknown("sizeBytes", "OGC API - Features does not tell it")
    return measured.model_copy(
        update={
            "fields": fields,
            "geometry_type": geometry_type,
            "crs": names,
            "extent": _extent(session, collection, sample),
            "records": records,
            "first": first,
            "last": last,
        }
    )


def _fields(measured: Iterable[MeasuredField], sampled: int, schema: Schema) -> tuple[MeasuredField, ...]:
    """The fields that were seen, then those that the schema has besides; without any value, the type of the schema."""
    fields = {
        one.name: one.model_copy(update={"type": schema.types.get(one.name, one.type)}) if one.empty == sampled else one
        for one in measured
    }
    for name, kind in schema.types.items():
        if name not in fields:
            try:
                fields[name] = MeasuredField(name=name, type=kind, empty=sampled, unit=schema.units.get(name))
            except ValidationError:  # a name that the API cannot hold
                continue
    return tuple(fields.values())[:MAX_FIELDS]


def _extent(session: ProbeSession, collection: Mapping[str, Any], sample: _Sample) -> Extent | None:
    """The extent that the collection declares; else, where all items were seen, the box around them."""
    if not has_box(collection):
        extent = _extent_of_all(sample) if sample.complete else None
        if extent is None:
            session.unknown("extent", "the collection does not tell it")
        return extent
    extent = extent_of(collection)
    if extent is None:
        session.unknown("extent", "the collection's bbox is no rectangle in a CRS that can be read")
    return extent


def _extent_of_all(sample: _Sample) -> Extent | None:
    swapped = geo.northing_first(sample.crs) if sample.crs and sample.geometries.box else None
    return sample.geometries.extent(sample.crs, swapped=swapped) if sample.crs and swapped is not None else None


def _period(session: ProbeSession, collection: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """From when until when the collection has items, as it declares."""
    first, last = map(iso, interval_of(collection))
    for fact, end in (("first", first), ("last", last)):
        if end is None:
            session.unknown(fact, "the collection's temporal extent does not tell it")
    return first, last


def _texts(value: Any) -> list[str]:
    return [one for one in as_array(value) if isinstance(one, str)]
