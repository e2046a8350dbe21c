"""Records as JSON has them, one by one, to batches of texts: what the readers of JSON services share."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow

from ddtas.data.delivery.reading import Selection
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError, printable

MOST = 10_000
"""Rows of a batch."""
_DOCUMENT_BYTES = 16 * 1024 * 1024
_SHOWN = 12
_EXACT = 2**53


class Rows:
    """Takes records, and gives batches with the columns of a selection: texts all of them, and the geometry."""

    def __init__(self, session: Session, selection: Selection) -> None:
        self._session = session
        self._names = [field.name for field in selection.fields]
        self._geometry = selection.geometry
        self._columns: list[list[str | None]] = [[] for _ in self._names]
        self._geometries: list[bytes | None] = []
        self._seen: set[str] = set()  # of the fields that are asked for
        self._others: dict[str, None] = {}  # some that are not
        self._rows = 0
        self._any = False

    def add(self, record: Mapping[str, Any], geometry: bytes | None = None) -> None:
        """Take one record: names to JSON values; and its geometry as WKB."""
        self._any = True
        self._rows += 1
        for name, column in zip(self._names, self._columns, strict=True):
            if name in record:
                self._seen.add(name)
            column.append(text_of(record.get(name)))
        if self._geometry:
            self._geometries.append(geometry)
        if len(self._others) < _SHOWN:
            self._others |= dict.fromkeys(str(name) for name in list(record)[:_SHOWN])

    def full(self) -> Iterator[pyarrow.RecordBatch]:
        """A batch, where enough rows came by."""
        if self._rows >= MOST:
            yield self._batch()

    def rest(self) -> Iterator[pyarrow.RecordBatch]:
        """The last batch, after all records; without any record one without rows.

        Raises:
            SourceError: EntityNotFound where no record had a field at all.
        """
        if self._any and (missing := [name for name in self._names if name not in self._seen]):
            raise no_field(self._session, missing[0], list(self._others))
        yield self._batch()

    def _batch(self) -> pyarrow.RecordBatch:
        arrays = [pyarrow.array(column, pyarrow.string()) for column in self._columns]
        names = list(self._names)
        if self._geometry:
            arrays.append(pyarrow.array(self._geometries, pyarrow.binary()))
            names.append("geometry")
        self._columns = [[] for _ in self._names]
        self._geometries = []
        self._rows = 0
        return pyarrow.RecordBatch.from_arrays(arrays, names)


def short_documents(session: Session) -> None:
    """Let no JSON document of a session be longer than 16 MiB: as Python values it takes ten times as much, or more."""
    most = min(session.limits.max_document_bytes, _DOCUMENT_BYTES)
    session.limits = replace(session.limits, max_document_bytes=most)


def text_of(value: Any) -> str | None:
    """A JSON value as a text: a text is itself, everything else is JSON; None for null.

    A number without decimals is written without them, as a contract writes what stands for no value (-9999).
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, Decimal):  # as ijson has numbers
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):  # as JSON has them, and sooner
        return repr(value)
    return json.dumps(value, ensure_ascii=False, default=float)


def no_field(session: Session, name: str, others: list[str]) -> SourceError:
    """The error for a field that the source does not have, with some that it has."""
    has = ", ".join(printable(other, 63) for other in others[:_SHOWN]) or "none"
    return session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has no field {name}; it has {has}: correct the contract of the data source, or spec.bindings",
    )
