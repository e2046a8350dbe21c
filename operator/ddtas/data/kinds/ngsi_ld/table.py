"""Reads the entities of one type as they are now: `id`, the newest value of each attribute, and `observedAt`."""

from collections.abc import AsyncGenerator

import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows
from ddtas.data.facts import geo
from ddtas.data.kinds.ngsi_ld.reader import Broker
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    rows, seen, count = Rows(session, selection), 0, None
    ids: set[str] = set()
    async with http.client(session) as client:
        async for page in Broker(client).pages():
            for entity in page.entities:
                if entity.id is None or entity.id in ids:
                    raise _malformed(session, "an entity twice, or without an id")
                ids.add(entity.id)
                try:
                    place = wkb(entity.location) if selection.geometry else None
                except ValueError as error:
                    raise _malformed(session, f"a location that cannot be read ({error})") from None
                rows.add({**entity.record, "id": entity.id}, place)
            seen, count = seen + len(page.entities), page.count
            for batch in rows.full():
                yield _with_crs(batch, selection)
    if count is not None and seen < count:
        raise _malformed(session, f"{seen} entities of {count}")
    for batch in rows.rest():
        yield _with_crs(batch, selection)


def _with_crs(batch: pyarrow.RecordBatch, selection: Selection) -> pyarrow.RecordBatch:
    return batch.replace_schema_metadata({CRS: geo.CRS84.encode()}) if selection.geometry else batch


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(SourceReason.MALFORMED_DATA, f"answers with {what}: ask the data supplier")
