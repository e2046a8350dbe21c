"""Batches that a library gives one by one, each in a thread, so that nothing holds up the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING

from ddtas.errors import SourceError

if TYPE_CHECKING:
    import pyarrow


async def threaded(
    iterator: Iterator["pyarrow.RecordBatch"], explain: Callable[[Exception], SourceError]
) -> AsyncGenerator["pyarrow.RecordBatch", None]:
    """The batches of an iterator.

    Args:
        iterator: whose steps may take long.
        explain: what an error of the library means; what the library says holds pieces of the data.

    Raises:
        SourceError: what `explain` gives.
    """
    while True:
        try:
            batch = await asyncio.to_thread(next, iterator, None)
        except (SourceError, MemoryError):
            raise
        except Exception as error:  # of whatever type libraries raise; the data is the cause
            raise explain(error) from None
        if batch is None:
            return
        yield batch
