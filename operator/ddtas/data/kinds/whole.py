"""What the readers of files share: the whole file first, and then its rows."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pyarrow

from ddtas.data.delivery.reading import Selection
from ddtas.data.session import Session
from ddtas.data.wire import http
from ddtas.data.wire.answers import Answer

Batches = AsyncGenerator[pyarrow.RecordBatch, None]


async def whole(
    session: Session,
    selection: Selection,
    accept: str,
    save: Callable[[Answer, Session, Selection], Awaitable[Path]],
    read: Callable[[Path, Session, Selection], Batches],
) -> Batches:
    """The rows of the file at the endpoint.

    Args:
        session: with the source.
        selection: what is asked of it.
        accept: media types.
        save: writes an answer into a file.
        read: gives the rows of that file, which it removes.

    Raises:
        SourceError: what `save` and `read` raise.
    """
    async with http.client(session) as client, client.get(accept=accept) as answer:
        path = await save(answer, session, selection)
    async with aclosing(read(path, session, selection)) as found:
        async for batch in found:
            yield batch
