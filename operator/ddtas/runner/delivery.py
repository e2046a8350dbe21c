"""One requirement's data, from its source to its files."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute as pc

from ddtas.data.contract import FieldType
from ddtas.data.delivery.order import Delivery
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.delivery.report import FetchedTable
from ddtas.data.delivery.table import Column, Table, series_keys
from ddtas.data.delivery.withholding import row_keys
from ddtas.data.readers import READERS
from ddtas.data.session import Session
from ddtas.runner import about, times
from ddtas.runner.arrange import arranged
from ddtas.runner.completeness import Completeness
from ddtas.runner.convert import Conversion, Counts, schema
from ddtas.runner.withhold import check, give
from ddtas.runner.writing import Writer

_SPOOL = "spool.parquet"

Read = Callable[[Session, Selection], AsyncIterator[Any]]


@dataclass(frozen=True)
class Folders:
    """Where tables are made.

    Attributes:
        data: on the volume that the app sees.
        truth: on the one that it does not see; None where nothing can be withheld.
    """

    data: Path
    truth: Path | None = None


@dataclass(frozen=True)
class Made:
    """A table that was made.

    Attributes:
        folder: with its three files, and what is to be predicted of it.
        fetched: what is reported of it.
        truth: the folder of the whole table, where a part of it is withheld; None where nothing is.
    """

    folder: Path
    fetched: FetchedTable
    truth: Path | None = None


async def deliver(session: Session, name: str, delivery: Delivery, folders: Folders, read: Read | None = None) -> Made:
    """Fetch, convert and write one table into a new folder.

    What is withheld never touches the volume that the app sees: the whole table is made on the other one.

    Args:
        session: with the source, and its limits.
        name: of the requirement.
        delivery: what becomes of the source.
        folders: where to.
        read: the reader of the source; None for that of its kind.

    Raises:
        SourceError: where the source cannot be read.
        DeliveryError: where what was read is not what the contract says, or cannot be withheld.
    """
    withheld = delivery.withhold
    root = folders.data
    if withheld is not None:
        root = check(delivery.table, withheld, folders.truth)
    with ExitStack() as stack:
        work = stack.enter_context(_folder(root, f"{name}.work-", stays=False))
        whole = folder = stack.enter_context(_folder(root, f"{name}.table-", stays=True))
        source = (read or READERS[session.target.kind])(session, _selection(delivery, work))
        writer, converted = await _written(source, delivery, whole, work)
        converted.completeness.check(converted.series)
        if withheld is not None:
            folder = stack.enter_context(_folder(folders.data, f"{name}.table-", stays=True))
            writer, missing = await asyncio.to_thread(give, writer.parquet, delivery.table, withheld, folder)
            for column, count in missing.items():
                converted.counts[column].missing = count
        fetched = FetchedTable(
            requirement=name,
            rows=writer.rows,
            bytes=session.received,
            start=_iso(writer.first),
            end=_iso(writer.last),
            digest=writer.digest(),
        )
        about.write(folder, delivery, session.target.kind, fetched, converted.counts)
        for made in {whole, folder}:
            _readable(made)
    return Made(folder, fetched, whole if withheld is not None else None)


@contextmanager
def _folder(root: Path, prefix: str, *, stays: bool) -> Iterator[Path]:
    """A new folder, which is removed after an error; without one, it may stay."""
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=root, prefix=prefix))
    try:
        yield folder
    except BaseException:
        stays = False
        raise
    finally:
        if not stays:
            shutil.rmtree(folder, ignore_errors=True)


def _selection(delivery: Delivery, folder: Path) -> Selection:
    table = delivery.table
    fields = tuple(dict.fromkeys(SourceField(c.source, c.source_type or c.type) for c in table.columns))
    time = next((SourceField(c.source, c.source_type or c.type) for c in table.columns if c.name == table.time), None)
    return Selection(
        fields=fields,
        folder=folder,
        geometry=table.geometry is not None,
        time=time,
        start=delivery.start,
        end=delivery.end,
        dialect=table.dialect,
    )


@dataclass
class _Converted:
    """What is known after all rows came by."""

    counts: dict[str, Counts]
    series: int
    completeness: Completeness


async def _written(
    source: AsyncIterator[Any], delivery: Delivery, folder: Path, work: Path
) -> tuple[Writer, _Converted]:
    """Write the table: as the rows come, where they come in order; else once they all are there, in theirs.

    Where a part is withheld, an order by anything else than the keys could tell of it.
    """
    table, withheld = delivery.table, delivery.withhold
    keys = row_keys(table, withheld) if withheld is not None else _keys(table)
    spooled = _spooled(table)
    conversion = Conversion(spooled)
    window = _Window(delivery, table.time)
    series: set[tuple[Any, ...]] = set()
    aggregates, completeness = table.source_step is not None, Completeness(delivery)
    with Writer(work if aggregates else folder, spooled, csv=not aggregates and withheld is None) as writer:
        async for batch in source:
            rows = window.cut(await asyncio.to_thread(conversion.batch, batch))
            conversion.check(rows)
            series |= _series(rows, table)
            if not aggregates:
                completeness.count(rows)
            await asyncio.to_thread(writer.write, rows)
    ordered = writer.ordered if table.time is not None else withheld is None
    if aggregates or not ordered:
        os.replace(writer.parquet, work / _SPOOL)
        batches = arranged(work / _SPOOL, table, keys, work)
        counted = completeness if aggregates else None
        writer = await asyncio.to_thread(_rearranged, batches, table, folder, withheld is None, counted)
    return writer, _Converted(conversion.counts, max(1, len(series)), completeness)


def _keys(table: Table) -> tuple[str, ...]:
    """What rows are ordered by: the time, and what tells series apart."""
    return (*([table.time] if table.time is not None else []), *(c.name for c in series_keys(table)))


def _rearranged(
    batches: Iterator[Any], table: Table, folder: Path, csv: bool, completeness: Completeness | None
) -> Writer:
    wanted = schema(table)
    with Writer(folder, table, csv=csv) as writer:
        for batch in batches:
            columns = [column.cast(field.type) for column, field in zip(batch.columns, wanted, strict=True)]
            rows = pyarrow.RecordBatch.from_arrays(columns, schema=wanted)
            if completeness is not None:
                completeness.count(rows)
            writer.write(rows)
    return writer


def _spooled(table: Table) -> Table:
    """The table before its rows are aggregated: moments stay moments, so that each goes to its own step."""
    if table.source_step is None or table.time is None:
        return table

    def moments(column: Column) -> Column:
        finer = column.name == table.time and column.source_type is FieldType.TIMESTAMP
        return column.model_copy(update={"type": FieldType.TIMESTAMP}) if finer else column

    return table.model_copy(update={"columns": tuple(map(moments, table.columns))})


class _Window:
    """The period of a delivery, as rows are cut to it."""

    def __init__(self, delivery: Delivery, time: str | None) -> None:
        self._time = time
        self._start, self._end = delivery.start, delivery.end
        # A row without a time may be of the period that is withheld.
        self._all = delivery.withhold is None and self._start is None and self._end is None
        self._zone = delivery.table.time_zone

    def cut(self, batch: Any) -> Any:
        """The rows within the period; those without a time are not."""
        if self._time is None or self._all:
            return batch
        values = batch.column(self._time)
        within = pc.is_valid(values)
        if self._start is not None:
            within = pc.and_(within, pc.greater_equal(values, times.bound(values.type, self._start, self._zone)))
        if self._end is not None:
            within = pc.and_(within, pc.less(values, times.bound(values.type, self._end, self._zone)))
        return batch.filter(within)


def _series(batch: Any, table: Table) -> set[tuple[Any, ...]]:
    """The series in a batch, where completeness is counted for each."""
    names = [key.name for key in series_keys(table)] if table.time is not None and table.completeness else []
    if not names or not batch.num_rows:
        return set()
    found = pyarrow.Table.from_batches([batch.select(names)]).group_by(names).aggregate([])
    return {tuple(row.values()) for row in found.to_pylist()}


def _readable(folder: Path) -> None:
    """For the user of the app, or of who scores, who is another one."""
    folder.chmod(0o755)
    for file in folder.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)


def _iso(value: datetime | date | None) -> str | None:
    return None if value is None else value.isoformat()
