"""OGC API - Features: Part 1 (Core, OGC 17-069r4), Part 2 (CRS by reference, OGC 18-058r1), and schemas (Part 5).

The endpoint is the landing page. A probe is the collection, a page of its items as GeoJSON, and its schema where it
has one: three requests. Number, extent and period of all items are what the server says of them.
"""

import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ddtas.data.contract import Extent, FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import day, iso, timestamp
from ddtas.data.facts.records import MAX_FIELDS, Records
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason, beside
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

_SAMPLE = 100
_SMALL_SAMPLE = 5  # where the geometries are so big that 100 of them are no short document
_MAX_CRS = 16  # what the status of a source can hold
_MAX_COUNT = 2**53 - 1  # that every reader of JSON reads the same
_SHOWN = 5  # names of collections in a message
_SHOWN_CHARACTERS = 60
_GEOJSON = "application/geo+json, application/json;q=0.9"
_JSON_SCHEMA = "application/schema+json, application/json;q=0.9"
_GLOBAL_CRS = "#/crs"  # of Part 2: the list of the document of all collections
_SCHEMA_RELS = ("http://www.opengis.net/def/rel/ogc/1.0/schema", "[ogc-rel:schema]")
_QUERYABLES_RELS = ("http://www.opengis.net/def/rel/ogc/1.0/queryables", "[ogc-rel:queryables]")
_GEOMETRY = "geometry-"  # the formats of Part 5: geometry-point, geometry-multipolygon, geometry-any, …
_GEOMETRY_FORMATS = {f"{_GEOMETRY}{kind.value.lower()}": kind for kind in GeometryType if kind is not GeometryType.MESH}
_FORMATS = {"date": FieldType.DATE, "date-time": FieldType.TIMESTAMP}


async def probe(session: Session) -> SourceFacts:
    """Probe one collection.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        described, collection = await _collection(client)
        page = await _page(client)
        schema = await _schema(client, described, collection, needed=not page.records.count)
        names = await _crs(client, collection, page)
    return session.facts(_facts(session, collection, page, schema, names))


def _path(session: Session) -> str:
    return f"collections/{urllib.parse.quote(session.target.physical_name or '', safe='')}"


# --- the collection


async def _collection(client: http.Client) -> tuple[answers.Document, Mapping[str, Any]]:
    """The description of the collection."""
    session = client.session
    try:
        document = await client.json(_path(session))
    except answers.NotFoundError:
        raise await _missing(client) from None
    collection = _object(document.value)
    if collection.get("id") != (session.target.physical_name or ""):
        raise _no_features(session, collection, "the description of a collection")
    return document, collection


async def _missing(client: http.Client) -> SourceError:
    """The error for a collection that is not there, with those that are."""
    session = client.session
    try:
        listed = _object((await client.json("collections")).value)
    except answers.NotFoundError:
        return session.error(
            SourceReason.HTTP_ERROR,
            "has neither this collection nor a list of collections: give the landing page of OGC API - Features as "
            "the endpoint",
        )
    except SourceError:  # a list of thousands, say; it is only for the message
        listed = {}
    found = [_object(one).get("id") for one in _array(listed.get("collections"))]
    names = [printable(name, _SHOWN_CHARACTERS) for name in found if isinstance(name, str)]
    there = f"; there are {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}" if names else ""
    wanted = printable(session.target.physical_name or "", _SHOWN_CHARACTERS)
    return session.error(SourceReason.ENTITY_NOT_FOUND, f"has no collection {wanted}{there}: correct physicalName")


async def _crs(client: http.Client, collection: Mapping[str, Any], page: "_Page") -> tuple[str, ...]:
    """The CRS that items can be had in, the one that they are kept in first."""
    listed = _texts(collection.get("crs"))
    if _GLOBAL_CRS in listed:
        try:
            shared = _texts(_object((await client.json("collections")).value).get("crs"))
        except SourceError:  # the items were read all the same
            shared = []
        listed = [name for one in listed for name in (shared if one == _GLOBAL_CRS else [one])]
    names = [name for name in map(geo.crs_name, listed) if name] or [page.crs or geo.CRS84]
    kept = geo.crs_name(collection.get("storageCrs"))
    if kept in names or (kept and not listed):
        names = [kept, *names]
    return tuple(dict.fromkeys(names))[:_MAX_CRS]


# --- the items


@dataclass
class _Page:
    """What a page of items shows.

    Attributes:
        records: the properties of its items.
        geometries: of its items.
        crs: of those geometries; None when it has a name that cannot be read.
        matched: items in the collection, as the server says; None when it does not, or says what cannot be.
        complete: these are all items.
    """

    records: Records
    geometries: geo.Geometries
    crs: str | None
    matched: int | None
    complete: bool


async def _page(client: http.Client) -> _Page:
    """The first items."""
    session = client.session
    path = f"{_path(session)}/items"
    limit = _SAMPLE
    try:
        try:
            document = await client.json(path, accept=_GEOJSON, query={"limit": str(limit)})
        except answers.TooLongError:
            limit = _SMALL_SAMPLE
            document = await client.json(path, accept=_GEOJSON, query={"limit": str(limit)})
    except answers.NotFoundError:
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "has a collection of that name, but of something else than features: give one that has items",
        ) from None
    body = _object(document.value)
    features = body.get("features")
    if body.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise _no_features(session, body, "a GeoJSON FeatureCollection")
    records, geometries = Records(session.target.contract), geo.Geometries()
    for feature in features:
        properties = _object(feature).get("properties", {})
        if not isinstance(feature, dict) or not isinstance(properties, dict | None):
            raise session.error(
                SourceReason.MALFORMED_DATA, "answers with items that are no GeoJSON features: ask the data supplier"
            )
        records.add(properties or {})
        geometries.add(feature.get("geometry"))
    matched = _matched(body, records.count)
    goes_on = any(link.get("rel") == "next" for link in _links(body))
    complete = records.count == matched if matched is not None else records.count < limit and not goes_on
    # Part 1: without the header, coordinates are in CRS84.
    crs = geo.crs_name(document.headers.get("Content-Crs", geo.CRS84).strip().strip("<>"))
    return _Page(records, geometries, crs, matched, complete)


def _matched(body: Mapping[str, Any], seen: int) -> int | None:
    """The number of items in the collection; None where the server does not tell it, and where it cannot be right."""
    number = body.get("numberMatched")
    told = isinstance(number, int) and not isinstance(number, bool) and seen <= number <= _MAX_COUNT
    return number if told else None


# --- the schema


@dataclass
class _Schema:
    """What a JSON Schema of the items says, by the names of their properties."""

    types: dict[str, FieldType] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    geometry: GeometryType | None = None


async def _schema(
    client: http.Client, described: answers.Document, collection: Mapping[str, Any], *, needed: bool
) -> _Schema:
    """The schema of the items, or nothing: where there is none, and where it cannot be read.

    Args:
        visit: to the server.
        described: where the description of the collection came from.
        collection: that description.
        needed: there are no items to see; then the queryables, which need not be all properties, do as well.
    """
    for rels in (_SCHEMA_RELS, _QUERYABLES_RELS) if needed else (_SCHEMA_RELS,):
        address = _link(described.url, collection, rels)
        if address is None:
            continue
        try:
            return _read_schema(_object((await client.json(address, accept=_JSON_SCHEMA)).value))
        except SourceError:  # the items were read all the same
            continue
    return _Schema()


def _link(base: str, collection: Mapping[str, Any], rels: tuple[str, ...]) -> str | None:
    """Where a link as JSON leads to, if that is on the same server."""
    for link in _links(collection):
        href, kind = link.get("href"), link.get("type", "json")
        if link.get("rel") in rels and isinstance(href, str) and isinstance(kind, str) and "json" in kind:
            return beside(base, href)
    return None


def _read_schema(document: Mapping[str, Any]) -> _Schema:
    schema = _Schema()
    for name, value in _object(document.get("properties")).items():
        described = _object(value)
        form = described.get("format")
        if isinstance(form, str) and form.startswith(_GEOMETRY):
            if schema.geometry is None or described.get("x-ogc-role") == "primary-geometry":
                schema.geometry = _GEOMETRY_FORMATS.get(form)
            continue
        kind = described.get("type")
        kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
        if not isinstance(kind, str) or kind not in {one.value for one in FieldType}:
            continue  # a geometry by reference, or a choice of types
        if described.get("x-ogc-role") != "id":  # GeoJSON has it beside the properties
            by_form = _FORMATS.get(form) if isinstance(form, str) and kind == FieldType.STRING else None
            schema.types[name] = by_form or FieldType(kind)
        if isinstance(unit := described.get("x-ogc-unit"), str):
            schema.units[name] = printable(unit, _SHOWN_CHARACTERS)
    return schema


# --- the facts


def _facts(
    session: Session, collection: Mapping[str, Any], page: _Page, schema: _Schema, names: tuple[str, ...]
) -> SourceFacts:
    found = page.records.facts(complete=page.complete, units=schema.units)
    first, last = found.first, found.last
    if first is None:
        first, last = _period(session, collection)
    if found.time_resolution is None:
        session.not_found("timeResolution", "the items that were read have no step in time that most have")
    records = page.matched if page.matched is not None else found.records
    if records is None:
        session.not_found("records", "the server does not tell numberMatched")
    geometry_type = page.geometries.type() or (None if page.geometries.types else schema.geometry)
    if geometry_type is None:
        session.not_found(
            "geometryType",
            "the geometries are of several types"
            if page.geometries.types
            else "no geometry that can be read was found",
        )
    fields = _fields(found.fields, page.records.count, schema)
    if not fields:
        session.not_found("fields", "there are no items to see, and no schema that can be read")
    session.not_found("sizeBytes", "OGC API - Features does not tell it")
    return found.model_copy(
        update={
            "fields": fields,
            "geometry_type": geometry_type,
            "crs": names,
            "extent": _extent(session, collection, page),
            "records": records,
            "first": first,
            "last": last,
        }
    )


def _fields(found: Iterable[MeasuredField], sampled: int, schema: _Schema) -> tuple[MeasuredField, ...]:
    """The fields that were seen, then those that the schema has besides; without any value, the type of the schema."""
    fields = {
        one.name: one.model_copy(update={"type": schema.types.get(one.name, one.type)}) if one.empty == sampled else one
        for one in found
    }
    for name, kind in schema.types.items():
        if name not in fields:
            try:
                fields[name] = MeasuredField(name=name, type=kind, empty=sampled, unit=schema.units.get(name))
            except ValidationError:  # a name that the API cannot hold
                continue
    return tuple(fields.values())[:MAX_FIELDS]


def _extent(session: Session, collection: Mapping[str, Any], page: _Page) -> Extent | None:
    """The extent that the collection declares; else, where all items were seen, the box around them."""
    spatial = _object(_object(collection.get("extent")).get("spatial"))
    boxes = _array(spatial.get("bbox"))
    if not boxes:  # the first one is the whole
        found = _extent_of_all(page) if page.complete else None
        if found is None:
            session.not_found("extent", "the collection does not tell it")
        return found
    box = _array(boxes[0])
    plane = [box[0], box[1], box[3], box[4]] if len(box) == 6 else box  # without heights
    crs = geo.crs_name(spatial.get("crs", geo.CRS84))
    crs = geo.CRS84 if crs and crs.startswith(geo.CRS84) else crs
    swapped = geo.northing_first(crs) if crs else None
    if swapped and len(plane) == 4:
        plane = [plane[1], plane[0], plane[3], plane[2]]
    found = geo.extent(crs, plane) if crs and swapped is not None else None
    if found is None:
        session.not_found("extent", "the collection's bbox is no rectangle in a CRS that can be read")
    return found


def _extent_of_all(page: _Page) -> Extent | None:
    swapped = geo.northing_first(page.crs) if page.crs and page.geometries.box else None
    return page.geometries.extent(page.crs, swapped=swapped) if page.crs and swapped is not None else None


def _period(session: Session, collection: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """From when until when the collection has items, as it declares."""
    temporal = _object(_object(collection.get("extent")).get("temporal"))
    intervals = _array(temporal.get("interval"))
    ends = _array(intervals[0]) if intervals else []  # the first one is the whole
    found = [iso(day(end) or timestamp(end)) if isinstance(end, str) else None for end in ends]
    first, last = found if len(found) == 2 else (None, None)
    if first and last and first[:10] > last[:10]:
        first = last = None
    for fact, end in (("first", first), ("last", last)):
        if end is None:
            session.not_found(fact, "the collection's temporal extent does not tell it")
    return first, last


# --- JSON of which nothing is sure


def _no_features(session: Session, body: Mapping[str, Any], what: str) -> SourceError:
    """The error for JSON that is something else: an error document (Part 1, or RFC 7807), or a surprise."""
    status = body.get("status")
    if "code" in body or (isinstance(status, int) and status >= 400) or "exception" in body:
        return session.error(
            SourceReason.ERROR_REPORTED, "answers with an error document instead of data: ask the data supplier"
        )
    return session.error(
        SourceReason.UNEXPECTED_CONTENT,
        f"answers with JSON that is not {what}: give the landing page of OGC API - Features as the endpoint",
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [one for one in _array(value) if isinstance(one, str)]


def _links(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _array(body.get("links")) if isinstance(one, dict)]
