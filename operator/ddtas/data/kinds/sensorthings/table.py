"""Reads all Observations of the chosen Datastreams, one Datastream after the other, each in the order of its times.

Besides `phenomenonTime` (of an interval the end) and `result` (of a MultiDatastream a field for each property that it
observes), the fields `datastream`, `datastreamName`, `thing` and `thingName` tell the series apart; the geometry is the
first Location of the Thing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, timedelta
from typing import Any

import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows
from ddtas.data.facts import geo
from ddtas.data.kinds.sensorthings.reader import (
    REFUSALS,
    RESULT,
    TIME,
    Choice,
    Page,
    Results,
    Service,
    series_of,
    stream_path,
)
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError

_PAGE = 1000  # Observations; a server may give fewer
_STREAMS = 100
_LONGEST = timedelta(days=32)  # interval; servers compare its start, and its end counts

Json = Mapping[str, Any]


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    rows = Rows(session, selection)
    async with http.client(session) as client:
        service, chosen = Service(client), Choice.read(session.target.physical_name)
        async for stream in _streams(session, service, chosen):
            fields, results = series_of(stream), Results.of(stream, chosen)
            place = _place(session, stream) if selection.geometry else None
            path = chosen.observations if chosen.one else f"{stream_path(_id(session, stream))}/Observations"
            async for page in _observations(session, service, path, selection):
                for item in page.items:
                    rows.add({**results.record(session, item), **fields}, place)
                for batch in rows.full():
                    yield _with_crs(batch, selection)
    for batch in rows.rest():
        yield _with_crs(batch, selection)


async def _streams(session: Session, service: Service, chosen: Choice) -> AsyncIterator[Json]:
    """The chosen Datastreams, with their Things and the Locations of those."""
    # What a MultiDatastream has more of is small.
    query = {"$expand": chosen.expand(places=True), **({} if chosen.several else {"$select": "id,name"})}
    if chosen.one:
        try:
            yield await service.entity(chosen.streams, query)
        except answers.NotFoundError:
            raise await service.not_there() from None
        return
    ids: set[Any] = set()
    ordered = {**query, **chosen.of_streams, "$orderby": "id asc"}
    async for page in service.pages(chosen.streams, ordered, _STREAMS):
        for stream in page.items:
            if _id(session, stream) in ids:
                raise _malformed(session, "with a Datastream twice")
            ids.add(_id(session, stream))
            yield stream
        _check_end(session, page, len(ids))
    if not ids and session.target.physical_name:
        raise await service.not_there()


async def _observations(session: Session, service: Service, path: str, selection: Selection) -> AsyncIterator[Page]:
    """The Observations of one Datastream; all of them where the server refuses to filter."""
    query = {"$select": f"{TIME},{RESULT}", "$orderby": f"{TIME} asc"}
    window = _window(selection)
    seen = 0
    try:
        async for page in service.pages(path, {**query, **window}, _PAGE):
            seen += len(page.items)
            _check_end(session, page, seen)
            yield page
    except SourceError as error:
        if error.reason not in REFUSALS or not window or seen:
            raise
    else:
        return
    async for page in service.pages(path, query, _PAGE):
        seen += len(page.items)
        _check_end(session, page, seen)
        yield page


def _window(selection: Selection) -> Mapping[str, str]:
    """The filter for a period, where it is about phenomenonTime."""
    if selection.time is None or selection.time.name != TIME:
        return {}
    bounds = []
    if selection.start is not None:
        bounds.append(f"{TIME} ge {(selection.start - _LONGEST).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    if selection.end is not None:
        end = selection.end + timedelta(seconds=1)  # it may have a fraction
        bounds.append(f"{TIME} lt {end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return {"$filter": " and ".join(bounds)} if bounds else {}


def _check_end(session: Session, page: Page, seen: int) -> None:
    """A page that is the last one although the server counts more than came."""
    last = not page.more or not page.items
    if last and (page.more or (page.count is not None and seen < page.count)):
        raise _malformed(session, f"whose pages end after {seen} of {page.count or 'more'} entities")


def _place(session: Session, stream: Json) -> bytes | None:
    match stream:
        case {"Thing": {"Locations": [{"location": {"type": "Feature", "geometry": place}}, *_]}}:
            pass
        case {"Thing": {"Locations": [{"location": place}, *_]}}:
            pass
        case _:
            return None
    try:
        return wkb(place)
    except ValueError as error:
        raise _malformed(session, f"with a Location that cannot be read ({error})") from None


def _with_crs(batch: pyarrow.RecordBatch, selection: Selection) -> pyarrow.RecordBatch:
    return batch.replace_schema_metadata({CRS: geo.CRS84.encode()}) if selection.geometry else batch


def _id(session: Session, stream: Json) -> int | str:
    match stream.get("@iot.id"):
        case bool():
            pass
        case int(number) if 0 <= number < 10**20:
            return number
        case str(text) if 0 < len(text) <= 150:
            return text
    raise _malformed(session, "with a Datastream without an id")


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(SourceReason.MALFORMED_DATA, f"answers {what}: ask the data supplier")
