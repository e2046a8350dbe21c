"""Reads the entities of one type: what was observed of them in a period, or how they are now.

Fields are `id`, the attributes by their short names, and `observedAt`. An attribute without a time is as it is now in
all rows of its entity.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows, short_documents
from ddtas.data.facts import geo
from ddtas.data.kinds.ngsi_ld.history import History, NoHistoryError
from ddtas.data.kinds.ngsi_ld.reader import LOCATION, OBSERVED_AT, Broker, Entity
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError

Record = tuple[dict[str, Any], Any]
"""The fields of a row, and its geometry as GeoJSON, not checked."""


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    short_documents(session)
    rows = Rows(session, selection)
    async with http.client(session) as client:
        async for records in _records(session, client, selection):
            for record, location in records:
                try:
                    place = wkb(location) if selection.geometry else None
                except ValueError as error:
                    raise _malformed(session, f"a location that cannot be read ({error})") from None
                rows.add(record, place)
            for batch in rows.full():
                yield _with_crs(batch, selection)
    for batch in rows.rest():
        yield _with_crs(batch, selection)


async def _records(session: Session, client: http.Client, selection: Selection) -> AsyncIterator[list[Record]]:
    """What becomes rows, part by part."""
    history, begun = History(client) if _of_a_period(selection) else None, False
    async for entities in _entities(session, client):
        if history is not None:
            try:
                for entity in entities:
                    async for part in _evolution(history, entity, selection):
                        begun = True
                        yield part
                continue
            except NoHistoryError:
                if begun:
                    raise  # it is there, and does not answer now
                history = None
        yield [({**entity.record, "id": entity.id}, entity.location) for entity in entities]


async def _entities(session: Session, client: http.Client) -> AsyncIterator[list[Entity]]:
    """All entities as they are now, page by page."""
    seen, count = 0, None
    ids: set[str] = set()
    async for page in Broker(client).pages():
        for entity in page.entities:
            if entity.id is None or entity.id in ids:
                raise _malformed(session, "an entity twice, or without an id")
            ids.add(entity.id)
        seen, count = seen + len(page.entities), page.count
        yield page.entities
    if count is not None and seen < count:
        raise _malformed(session, f"{seen} entities of {count}")


async def _evolution(history: History, entity: Entity, selection: Selection) -> AsyncIterator[list[Record]]:
    """What was observed of an entity, beside what is not observed of it."""
    timeless = {
        name: value for name, value in entity.record.items() if name not in entity.observed and name != OBSERVED_AT
    }
    moves = LOCATION in entity.observed
    async for part in history.observations(entity.id or "", selection.start, selection.end):
        yield [
            (
                {**timeless, **one.record, OBSERVED_AT: one.time, "id": entity.id},
                one.location if moves else entity.location,
            )
            for one in part
        ]


def _of_a_period(selection: Selection) -> bool:
    """Whether a period is asked for, of the time that brokers keep a history by."""
    bounded = selection.start is not None or selection.end is not None
    return bounded and selection.time is not None and selection.time.name == OBSERVED_AT


def _with_crs(batch: pyarrow.RecordBatch, selection: Selection) -> pyarrow.RecordBatch:
    return batch.replace_schema_metadata({CRS: geo.CRS84.encode()}) if selection.geometry else batch


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(SourceReason.MALFORMED_DATA, f"answers with {what}: ask the data supplier")
