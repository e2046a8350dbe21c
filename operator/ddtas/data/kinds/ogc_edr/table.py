"""Reads the data of a query: of all locations one after the other, or of a place or an area.

Besides the parameters there are the fields `time`, `x`, `y` and `z`, `location` (an id) and `locationName`; the
geometry is the point of x and y.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows
from ddtas.data.facts import geo
from ddtas.data.kinds.ogc_edr.choice import LOCATIONS
from ddtas.data.kinds.ogc_edr.coverage import TIME
from ddtas.data.kinds.ogc_edr.reader import Collection, Interval, Location, Service
from ddtas.data.kinds.ogc_edr.rows import records_of
from ddtas.data.session import Session
from ddtas.data.wire import http

_MOST_BYTES = 8 * 1024 * 1024  # of a document, which is in memory whole; shorter periods are asked for then


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    session.limits = replace(session.limits, max_document_bytes=min(session.limits.max_document_bytes, _MOST_BYTES))
    rows, crs = Rows(session, selection), None
    promised, zone = session.target.contract.crs, session.target.contract.time_zone
    async with http.client(session) as client:
        service = Service(client)
        collection = await service.collection()
        names = [field.name for field in selection.fields if field.name in collection.parameters]
        interval = _interval(collection, selection)
        all_places: list[Location | None] = [None]
        if service.choice.kind == LOCATIONS:
            all_places = list(await service.locations())
        for location in all_places:
            async for answer in service.data(collection, location, names, interval):
                for record, place, name in records_of(service, answer, collection, location):
                    if answer.repeated(record.get(TIME), zone):
                        continue
                    if name is not None and crs not in (None, name):
                        raise service.malformed("in several coordinate reference systems")
                    crs = name or crs
                    rows.add(record, _point(service, place) if selection.geometry else None)
                for batch in rows.full():
                    yield _with_crs(batch, crs, promised, selection)
    for batch in rows.rest():
        yield _with_crs(batch, crs, promised, selection)


def _interval(collection: Collection, selection: Selection) -> Interval | None:
    """The period that is asked for; without bounds all that the collection has, as servers differ in what they give."""
    if selection.time is not None and selection.time.name == TIME and (selection.start or selection.end):
        return Interval(selection.start, selection.end)
    if collection.first is None and collection.last is None:
        return None
    return Interval(collection.first, collection.last)


def _point(service: Service, place: Any) -> bytes | None:
    try:
        return wkb(place)
    except ValueError as error:
        raise service.malformed(f"with a place that cannot be used ({error})") from None


def _with_crs(
    batch: pyarrow.RecordBatch, crs: str | None, promised: str | None, selection: Selection
) -> pyarrow.RecordBatch:
    name = geo.same_plane(crs, promised)
    return batch.replace_schema_metadata({CRS: name.encode()}) if name and selection.geometry else batch
