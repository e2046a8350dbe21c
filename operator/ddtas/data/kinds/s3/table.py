"""Reads one object, or all under a prefix one after the other, each as its format has it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import ModuleType

import pyarrow

from ddtas.data.delivery.reading import Selection
from ddtas.data.kinds.http_csv import table as csv
from ddtas.data.kinds.http_geojson import table as geojson
from ddtas.data.kinds.http_parquet import table as parquet
from ddtas.data.kinds.s3.reader import SUFFIXES, Bucket, located
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import printable

_FORMATS = {".csv": csv, ".geojson": geojson, ".json": geojson, ".parquet": parquet}


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it.

    Under a prefix, objects come in the order of their keys; those without one of the suffixes are left out. All of them
    have the types of the first.
    """
    schema: pyarrow.Schema | None = None
    async with http.client(session) as client:
        store, key = located(session, client)
        for one in [key] if key.lower().endswith(SUFFIXES) else await _keys(store, key):
            try:
                path = await _save(store, one, session, selection)
                async with aclosing(_format(one).read(path, session, selection)) as found:
                    async for batch in found:
                        schema = schema or batch.schema
                        yield _like(batch, schema, one, session)
            except answers.NotFoundError:
                raise await store.no_object(one) from None


async def _keys(store: Bucket, prefix: str) -> list[str]:
    """The keys of all objects under a prefix that have data in a format that is known.

    Raises:
        SourceError: EntityNotFound where there are none; TooManyRequests at the bound of the session.
    """
    keys: list[str] = []
    async for page in store.pages(prefix):
        keys += [one.key for one in page.objects if one.key.lower().endswith(SUFFIXES) and one.size]
    if not keys:
        raise await store.no_objects(prefix)
    for key in keys:
        if not store.has_url(key):
            raise store.session.error(
                SourceReason.MALFORMED_DATA,
                f"lists {printable(key, 80)}, for which there is no URL: ask the data supplier to name it otherwise",
            )
    return keys


async def _save(store: Bucket, key: str, session: Session, selection: Selection) -> Path:
    form = _format(key)
    async with store.open(key, form.ACCEPT) as answer:
        path: Path = await form.save(answer, session, selection)
    return path


def _format(key: str) -> ModuleType:
    """The module that has the format of a key: `ACCEPT`, `save` and `read`."""
    return next(form for suffix, form in _FORMATS.items() if key.lower().endswith(suffix))


def _like(batch: pyarrow.RecordBatch, schema: pyarrow.Schema, key: str, session: Session) -> pyarrow.RecordBatch:
    """A batch of one object with the types of the first.

    Raises:
        SourceError: MalformedData where they are others.
    """
    try:
        return batch if batch.schema.equals(schema, check_metadata=True) else batch.cast(schema)
    except (pyarrow.ArrowException, ValueError):
        raise session.error(
            SourceReason.MALFORMED_DATA,
            f"has other types in {printable(key, 80)} than in the first object: ask the data supplier for one type",
        ) from None
