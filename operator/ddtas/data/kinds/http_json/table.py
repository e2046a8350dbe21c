"""Reads all rows of a plain JSON service: for the period that is wanted, in parts where the service wants that."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b

import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows, short_documents
from ddtas.data.kinds.http_json.periods import Period, field_of, longest, promised
from ddtas.data.kinds.http_json.pointers import Row
from ddtas.data.kinds.http_json.reader import Page, Service, described
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    short_documents(session)
    rows = Rows(session, selection)
    async with http.client(session) as client:
        crs: str | None = None
        async for page in _pages(Service(client), _period(session, selection)):
            if crs is not None and page.crs not in (None, crs):
                raise session.error(
                    SourceReason.MALFORMED_DATA,
                    "answers in several coordinate reference systems: ask the data supplier",
                )
            crs = crs or page.crs
            for row in page.rows:
                try:
                    rows.add(row.record, wkb(row.geometry) if selection.geometry else None)
                except ValueError as error:
                    raise session.error(
                        SourceReason.MALFORMED_DATA,
                        f"answers with a geometry that cannot be read ({error}): correct jsonService, or ask the data "
                        "supplier",
                    ) from None
            for batch in rows.full():
                yield _with_crs(batch, crs, selection)
    for batch in rows.rest():
        yield _with_crs(batch, crs, selection)


def _with_crs(batch: pyarrow.RecordBatch, crs: str | None, selection: Selection) -> pyarrow.RecordBatch:
    return batch.replace_schema_metadata({CRS: crs.encode()}) if crs and selection.geometry else batch


async def _pages(service: Service, period: Period | None) -> AsyncIterator[Page]:
    """The pages of all parts of a period; what comes in two parts that follow each other counts once.

    Services differ in whether the end is part of what they give, so the same rows come at the end of one part and at
    the beginning of the next.
    """
    width = longest(service.description)
    if period is None or width is None or period.end - period.start <= width:
        async for page in service.pages(period):
            yield page
        return
    before: set[bytes] = set()
    for part in period.parts(width):
        came: set[bytes] = set()
        async for page in service.pages(part):
            digests = [_digest(row) for row in page.rows]
            came.update(digests)
            rows = [row for row, digest in zip(page.rows, digests, strict=True) if digest not in before]
            yield replace(page, rows=rows)
        before = came


def _digest(row: Row) -> bytes:
    return blake2b(json.dumps([row.record, row.geometry], sort_keys=True).encode(), digest_size=16).digest()


def _period(session: Session, selection: Selection) -> Period | None:
    """What to ask for; None where the service is asked for no period.

    Raises:
        SourceError: EntityNotFound where it is, and nothing says from when.
    """
    service, contract = described(session), session.target.contract
    if not service.windowed:
        return None
    days = promised(contract)
    about = selection.time is not None and selection.time.name == field_of(service, contract)
    start = (selection.start if about else None) or (days.start if days else None)
    if start is None:
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND,
            "is asked for a period, and nothing says from when: add temporalExtent to the contract of the data source",
        )
    end = (selection.end if about else None) or datetime.now(UTC)
    return Period(start.astimezone(UTC), end.astimezone(UTC))
