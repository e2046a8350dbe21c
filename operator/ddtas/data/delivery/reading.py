"""What a reader of a protocol is asked for, and what it gives: a source's own columns, as a stream.

One reader a protocol, `batches` in `ddtas.data.kinds.<protocol>.table`; it gives fields by the names, and in the form,
that the source has them. What they become is not its business.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ddtas.data.contract import Dialect, FieldType
from ddtas.data.session import Session

if TYPE_CHECKING:
    import pyarrow

CRS = b"ddtas.crs"
"""Key of the metadata of a batch's schema: the CRS of its geometries, where the source itself tells it."""


@dataclass(frozen=True, slots=True)
class SourceField:
    """A field of the source: its name there, and its type by the contract."""

    name: str
    type: FieldType


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of a source.

    Attributes:
        fields: to read, in this order.
        folder: for files of the reader's own; it is empty, and is removed afterwards.
        geometry: whether the geometry is read as well.
        time: the field that `start` and `end` are about; None where there is none.
        start: rows before it need not come; None for no bound. Always with a zone.
        end: rows from it on need not come; None for no bound.
        dialect: of text files; None for RFC 4180.
    """

    fields: tuple[SourceField, ...]
    folder: Path
    geometry: bool = False
    time: SourceField | None = None
    start: datetime | None = None
    end: datetime | None = None
    dialect: Dialect | None = None


Reader = Callable[[Session, Selection], AsyncIterator["pyarrow.RecordBatch"]]
"""Reads a source once, within the session's limits, as batches of at most some tens of thousands of rows.

Each batch has the columns of `Selection.fields`, by name and in order, then `geometry` (binary, WKB, x before y) where
it was asked for. A column is text exactly as it was written (where the source is text: CSV, and strings in JSON), or an
Arrow boolean, integer, float, decimal, date or timestamp (with a zone only where the source has one), and of one type
in all batches. A missing value is null. Objects and arrays are JSON texts. Rows come in the source's order; rows
outside of the window may come, duplicates too.

Raises SourceError with a SourceReason: EntityNotFound where a field is not there (with the names that are), and
whatever reading can raise. What ends too early (fewer bytes or pages than announced) is an error, never a short table.
"""
