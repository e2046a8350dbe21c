"""Readers of data sources: for each kind that can be had as a table, what gives its rows."""

from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from ddtas.data.contract import DataKind
from ddtas.data.delivery.reading import Reader, Selection
from ddtas.data.session import Session

if TYPE_CHECKING:
    import pyarrow


def _of(module: str) -> Reader:
    """The reader of a package of `ddtas.data.kinds`, which is imported when it is first needed."""

    async def batches(session: Session, selection: Selection) -> AsyncIterator["pyarrow.RecordBatch"]:
        read: Reader = import_module(f"ddtas.data.kinds.{module}.table").batches
        async for batch in read(session, selection):
            yield batch

    return batches


READERS: Mapping[DataKind, Reader] = MappingProxyType(
    {kind: _of(kind.value.replace("-", "_")) for kind in DataKind if kind.tabular}
)
