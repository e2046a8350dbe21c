"""Rows of a table into their order, and short steps into longer ones. By DuckDB, which spills to disk."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.compute as pc

from ddtas.data.contract import FieldType
from ddtas.data.delivery.table import Aggregation, Column, Table
from ddtas.data.meaning import periods
from ddtas.runner.faults import DeliveryError, DeliveryReason

_MEMORY = "48MB"
_ROWS = 50_000  # of a batch
_HOUR, _DAY = 3600, 86_400
_UNITS = {1: "month", 3: "quarter", 12: "year"}
_CALLS = {
    Aggregation.MEAN: "avg({v})",
    Aggregation.MINIMUM: "min({v})",
    Aggregation.MAXIMUM: "max({v})",
    Aggregation.FIRST: "arg_min({v}, {t})",
    Aggregation.LAST: "arg_max({v}, {t})",
}


def arranged(spool: Path, table: Table, keys: Sequence[str], folder: Path) -> Iterator[Any]:
    """The rows of a Parquet file in the order of their keys, aggregated where the table says so; as Arrow batches.

    Args:
        spool: in the schema of the conversion; where rows are aggregated, its times are moments.
        table: what comes of it.
        keys: the columns that no two rows have the same values of; the time first, where the table has one.
        folder: for what does not fit into memory.

    Raises:
        DeliveryError: DuplicateTimes, OutOfMemory.
    """
    try:
        yield from _arranged(spool, table, keys, folder)
    except duckdb.OutOfMemoryException:
        raise DeliveryError(
            DeliveryReason.OUT_OF_MEMORY,
            "its rows take more memory than there is to be put in order: ask for fewer fields, series or days",
        ) from None


def _arranged(spool: Path, table: Table, keys: Sequence[str], folder: Path) -> Iterator[Any]:
    with _connection(spool, folder) as connection:
        source, order = f"read_parquet({_text(str(spool))})", ", ".join(map(_name, keys))

        def sorted_rows(query: str) -> Iterator[Any]:
            return iter(connection.sql(f"{query} ORDER BY {order}").to_arrow_reader(_ROWS))

        if table.source_step is None:
            yield from _once(sorted_rows(f"SELECT * FROM {source}"), keys, table)  # noqa: S608 - names are quoted
            return
        for _ in _once(sorted_rows(f"SELECT {order} FROM {source}"), keys, table):  # noqa: S608
            pass
        yield from sorted_rows(_aggregation(source, table))


def _connection(spool: Path, folder: Path) -> Any:
    connection = duckdb.connect(
        config={
            "memory_limit": _MEMORY,
            "threads": 1,
            "temp_directory": str(folder),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    connection.execute(f"SET allowed_paths = [{_text(str(spool))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _once(batches: Iterator[Any], names: Sequence[str], table: Table) -> Iterator[Any]:
    """Sorted batches, each row compared with the one before it: sorting spills to disk, counting by groups does not.

    Raises:
        DeliveryError: DuplicateTimes.
    """
    before = None
    for batch in batches:
        keys = batch.select(list(names))
        rows = pyarrow.Table.from_batches([keys] if before is None else [before, keys])
        same = functools.reduce(pc.and_, (_repeats(rows.column(name).combine_chunks()) for name in names))
        if pc.any(same).as_py():
            raise _twice(table, rows.slice(pc.index(same, True).as_py(), 1).to_pylist()[0])
        before = keys.slice(keys.num_rows - 1) if keys.num_rows else before
        yield batch


def _repeats(values: Any) -> Any:
    """For each value but the first, whether it is that before it; two that are missing are alike."""
    equal = pc.equal(values[1:], values[:-1]).fill_null(False)
    return pc.or_(equal, pc.and_(pc.is_null(values[1:]), pc.is_null(values[:-1])))


def _twice(table: Table, row: dict[str, Any]) -> DeliveryError:
    sources = {column.name: column.source for column in table.columns}
    what = f"the time {row[table.time]}" if table.time is not None else ""
    where = ", ".join(f"{sources[name]} {value}" for name, value in row.items() if name != table.time)
    return DeliveryError(
        DeliveryReason.DUPLICATE_TIMES,
        f"{' of '.join(filter(None, (what, where)))} has several rows: ask the supplier, or have the listing ask for "
        "the field that tells them apart, as a string",
    )


def _aggregation(source: str, table: Table) -> str:
    assert table.time is not None  # noqa: S101 - see arranged
    assert table.step is not None  # noqa: S101 - it is the longer one
    zone, time = _text(table.time_zone or "UTC"), _name(table.time)
    local, length = _bucket(table.step, f"timezone({zone}, {time})", time, zone)
    moment = f"timezone({zone}, bucket)" if length is not None else "bucket"
    selected, group = [], []
    for column in table.columns:
        name = _name(column.name)
        if column.name == table.time:
            selected.append(f"{'CAST(bucket AS DATE)' if column.type is FieldType.DATE else moment} AS {name}")
        elif column.aggregate is None:
            selected.append(f"{name}")
            group.append(name)
        else:
            selected.append(f"{_call(column, time, table, length, zone)} AS {name}")
    inner = f"SELECT *, {local} AS bucket FROM {source}"  # noqa: S608 - names are quoted
    return f"SELECT {', '.join(selected)} FROM ({inner}) GROUP BY {', '.join(['bucket', *group])}"  # noqa: S608


def _bucket(step: str, local: str, time: str, zone: str) -> tuple[str, str | None]:
    """What a row is counted to, and the length of that as an interval: a local time, or (without a length) a moment."""
    months, seconds = periods.parts(step) or (0, 0)
    if months:
        unit = _UNITS.get(months)
        start = f"date_trunc('{unit}', {local})" if unit else f"time_bucket(INTERVAL {months} MONTH, {local})"
        return start, f"INTERVAL {months} MONTH"
    if seconds > _HOUR:
        # From a Monday on, so that weeks are those of ISO 8601.
        return f"time_bucket(INTERVAL {seconds} SECOND, {local}, TIMESTAMP '2001-01-01')", f"INTERVAL {seconds} SECOND"
    return f"time_bucket(INTERVAL {seconds} SECOND, {time})", None


def _call(column: Column, time: str, table: Table, length: str | None, zone: str) -> str:
    name = _name(column.name)
    if column.aggregate is not Aggregation.SUM:
        assert column.aggregate is not None  # noqa: S101 - the caller checked
        found = _CALLS[column.aggregate].format(v=name, t=time)
    else:
        # A sum of a part is less than that of the whole: it is a value only where each step has one.
        found = f"CASE WHEN count({name}) >= {_expected(table, length, zone)} THEN sum({name}) END"
    return f"CAST({found} AS BIGINT)" if column.type is FieldType.INTEGER else found


def _expected(table: Table, length: str | None, zone: str) -> str:
    """How many values a bucket has. Days of 23 and 25 hours have fewer and more; twice a day stays twice."""
    months, seconds = periods.parts(table.source_step or "") or (0, 0)
    whole, parts = periods.parts(table.step or "") or (0, 0)
    if months:
        return str(max(1, whole // months))
    if length is None:
        return str(max(1, parts // max(1, seconds)))
    span = f"timezone({zone}, bucket + {length}) - timezone({zone}, bucket)"
    return f"round(epoch({span}) / {max(1, seconds)})"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
