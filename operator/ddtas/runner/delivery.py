"""One requirement's data, from its source to its files."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute as pc

from ddtas.data.contract import FieldType
from ddtas.data.delivery.order import Delivery
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.delivery.report import FetchedTable
from ddtas.data.delivery.table import Column, Table
from ddtas.data.readers import READERS
from ddtas.data.session import Session, Target
from ddtas.runner import times
from ddtas.runner.arrange import arranged
from ddtas.runner.completeness import check_completeness
from ddtas.runner.convert import Conversion, Counts, keys, schema
from ddtas.runner.writing import Writer

ABOUT = "about.json"
_SPOOL = "spool.parquet"

Read = Callable[[Session, Selection], AsyncIterator[Any]]


@dataclass(frozen=True)
class Made:
    """A table that was made.

    Attributes:
        folder: with its three files.
        fetched: what is reported of it.
    """

    folder: Path
    fetched: FetchedTable


async def deliver(session: Session, name: str, delivery: Delivery, root: Path, read: Read | None = None) -> Made:
    """Fetch, convert and write one table into a new folder below `root`.

    Args:
        session: with the source, and its limits.
        name: of the requirement.
        delivery: what becomes of the source.
        root: on the volume of the data.
        read: the reader of the source; None for that of its kind.

    Raises:
        SourceError: where the source cannot be read.
        DeliveryError: where what was read is not what the contract says.
    """
    work, folder = _folder(root, f"{name}.work-"), _folder(root, f"{name}.table-")
    try:
        source = (read or READERS[session.target.kind])(session, _selection(delivery, work))
        writer, conversion = await _written(source, delivery, folder, work)
        check_completeness(delivery, writer.rows, conversion.series)
        fetched = FetchedTable(
            requirement=name,
            rows=writer.rows,
            bytes=session.received,
            start=_iso(writer.first),
            end=_iso(writer.last),
            digest=writer.digest(),
        )
        _about(folder, delivery, session.target, fetched, conversion.counts)
        _readable(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Made(folder, fetched)


def _folder(root: Path, prefix: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=root, prefix=prefix))


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


async def _written(
    source: AsyncIterator[Any], delivery: Delivery, folder: Path, work: Path
) -> tuple[Writer, _Converted]:
    """Write the table: as the rows come, where they come in order; else once they all are there, in theirs."""
    table = delivery.table
    spooled = _spooled(table)
    conversion = Conversion(spooled)
    window = _Window(delivery, table.time)
    series: set[tuple[Any, ...]] = set()
    aggregates = table.source_step is not None
    with Writer(work if aggregates else folder, spooled, csv=not aggregates) as writer:
        async for batch in source:
            rows = window.cut(await asyncio.to_thread(conversion.batch, batch))
            conversion.check(rows)
            series |= _series(rows, table)
            await asyncio.to_thread(writer.write, rows)
    if aggregates or (table.time is not None and not writer.ordered):
        os.replace(writer.parquet, work / _SPOOL)
        writer = await asyncio.to_thread(_rearranged, work / _SPOOL, table, folder, work)
    return writer, _Converted(conversion.counts, max(1, len(series)))


def _rearranged(spool: Path, table: Table, folder: Path, work: Path) -> Writer:
    wanted = schema(table)
    with Writer(folder, table) as writer:
        for batch in arranged(spool, table, work):
            columns = [column.cast(field.type) for column, field in zip(batch.columns, wanted, strict=True)]
            writer.write(pyarrow.RecordBatch.from_arrays(columns, schema=wanted))
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
        self._zone = delivery.table.time_zone

    def cut(self, batch: Any) -> Any:
        """The rows within the period; those without a time are not."""
        if self._time is None or (self._start is None and self._end is None):
            return batch
        values = batch.column(self._time)
        within = pc.is_valid(values)
        if self._start is not None:
            within = pc.and_(within, pc.greater_equal(values, self._bound(values.type, self._start)))
        if self._end is not None:
            within = pc.and_(within, pc.less(values, self._bound(values.type, self._end)))
        return batch.filter(within)

    def _bound(self, kind: Any, moment: datetime) -> Any:
        if pyarrow.types.is_date(kind):
            return times.days(pyarrow.array([moment], times.MOMENT), self._zone, None)[0]
        return pyarrow.scalar(moment, times.MOMENT)


def _series(batch: Any, table: Table) -> set[tuple[Any, ...]]:
    """The series in a batch, where completeness is counted for each."""
    names = [key.name for key in keys(table)] if table.time is not None and table.completeness else []
    if not names or not batch.num_rows:
        return set()
    found = pyarrow.Table.from_batches([batch.select(names)]).group_by(names).aggregate([])
    return {tuple(row.values()) for row in found.to_pylist()}


def _about(folder: Path, delivery: Delivery, target: Target, fetched: FetchedTable, counts: dict[str, Counts]) -> None:
    """What an app, or a person, may want to know of a table."""
    table = delivery.table
    fields = [
        {
            "name": c.name,
            "type": c.type.value,
            "unit": c.unit,
            "concept": c.concept,
            "from": c.source,
            "missing": counts[c.name].missing,
            "outOfRange": counts[c.name].out_of_range,
        }
        for c in table.columns
    ]
    about = {
        "requirement": fetched.requirement,
        "available": True,
        "source": delivery.source,
        "kind": target.kind.value,
        "contractVersion": delivery.contract.version,
        "fields": [{key: value for key, value in field.items() if value is not None} for field in fields],
        "crs": table.geometry.crs if table.geometry is not None else None,
        "timeZone": table.time_zone or "UTC",
        "step": table.step,
        "rows": fetched.rows,
        "start": fetched.start,
        "end": fetched.end,
        "fetchedAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": fetched.digest,
        "licence": delivery.licence,
        "attribution": delivery.attribution,
    }
    text = json.dumps({key: value for key, value in about.items() if value is not None}, ensure_ascii=False, indent=1)
    (folder / ABOUT).write_text(text + "\n", "utf-8")


def _readable(folder: Path) -> None:
    """The app's user is another one."""
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _iso(value: datetime | date | None) -> str | None:
    return None if value is None else value.isoformat()
