"""Reads a table or view by one COPY, so by one snapshot, into a file of ours, and then its rows."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, timedelta
from pathlib import Path

import pyarrow
import pyarrow.csv
from psycopg import sql
from pydantic import TypeAdapter

from ddtas.data.contract import FieldType
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import no_field
from ddtas.data.delivery.streams import threaded
from ddtas.data.kinds.postgresql.catalogue import Column, PostGIS, relation, spatial, table_of
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import libpq, libpq_errors
from ddtas.data.wire.download import too_big
from ddtas.errors import SourceError

_DAY = timedelta(days=1)  # more than any zone is away from UTC
_BLOCK = 16 * 1024 * 1024  # no row may be longer: a polygon of half a million points is not
_ROWS = 20_000  # of a batch
_NAME = TypeAdapter(tuple[str | None])


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them, times in UTC where the source has a zone."""
    path = selection.folder / "rows.csv"
    most = session.limits.max_bytes
    try:
        crs = await libpq.transaction(session, lambda asks: _copy(session, asks, selection, path), most)
    except SourceError:
        if session.received > most:
            raise too_big(session) from None
        raise
    read = threaded(_rows(path, selection, crs), lambda _: libpq_errors.malformed(session, "rows that are no CSV"))
    async with aclosing(read) as found:
        async for batch in found:
            yield batch


async def _copy(session: Session, asks: libpq.Transaction, selection: Selection, path: Path) -> str | None:
    """Write the rows into a file; and the CRS of the geometries, where their column has one."""
    schema, table = table_of(session)
    described, postgis = await relation(session, asks, schema, table)
    columns = {column.name: column for column in described.columns}
    for field in selection.fields:
        if field.name not in columns:
            raise no_field(session, field.name, list(columns))
    chosen = [_value(columns[field.name]) for field in selection.fields]
    crs = None
    if selection.geometry:
        shape = next((column for column in described.columns if spatial(column, postgis)), None)
        if shape is None or postgis is None or not postgis.usable:
            raise session.error(
                SourceReason.ENTITY_NOT_FOUND,
                "has no geometry that this user may read: ask for a column of PostGIS, and USAGE on its schema",
            )
        chosen.append(_wkb(shape, postgis))
        crs = await _crs(asks, shape, postgis)
    query = sql.SQL("copy (select {} from {}{}) to stdout (format csv)").format(
        sql.SQL(", ").join(chosen), sql.Identifier(schema, table), _window(selection, columns)
    )
    await asks.copy(query, path)
    return crs


def _value(column: Column) -> sql.Composed:
    """A column as a text: ISO 8601 whatever the DateStyle is, true and false, JSON; everything else as it is."""
    own = sql.Identifier(column.name)
    match column.field_type:
        case FieldType.DATE | FieldType.TIMESTAMP:
            return sql.SQL("pg_catalog.to_json({}) #>> '{{}}'").format(own)
        case FieldType.ARRAY | FieldType.OBJECT:
            return sql.SQL("pg_catalog.to_json({})::pg_catalog.text").format(own)
    return sql.SQL("{}::pg_catalog.text").format(own)


def _wkb(shape: Column, postgis: PostGIS) -> sql.Composed:
    function, kind = sql.Identifier(postgis.home, "st_asbinary"), sql.Identifier(postgis.home, "geometry")
    return sql.SQL("pg_catalog.encode({}({}::{}, 'NDR'), 'hex')").format(function, sql.Identifier(shape.name), kind)


async def _crs(asks: libpq.Transaction, shape: Column, postgis: PostGIS) -> str | None:
    """The CRS in the type of the column; None where it has none, or the user may not read its name."""
    if shape.srid is None or not postgis.names:
        return None
    query = sql.SQL(
        "select pg_catalog.json_build_array((select auth_name || ':' || auth_srid from {} where srid = {}))"
    ).format(sql.Identifier(postgis.home, "spatial_ref_sys"), sql.Literal(shape.srid))
    return (await asks.ask(_NAME, query))[0]


def _window(selection: Selection, columns: dict[str, Column]) -> sql.Composed:
    """The condition on the time; a day wider on both sides where the column has no zone."""
    column = columns.get(selection.time.name) if selection.time else None
    if column is None or column.field_type not in (FieldType.DATE, FieldType.TIMESTAMP):
        return sql.Composed([])
    zoned = column.type == "timestamptz"
    wider = timedelta() if zoned else _DAY
    bounds = [
        sql.SQL("{} {} {}::pg_catalog.{}").format(
            sql.Identifier(column.name),
            sql.SQL(operator),
            sql.Literal(moment.astimezone(UTC).isoformat() if zoned else moment.astimezone(UTC).replace(tzinfo=None)),
            sql.SQL("timestamptz" if zoned else "timestamp"),
        )
        for operator, moment in (
            (">=", selection.start - wider if selection.start else None),
            ("<", selection.end + wider if selection.end else None),
        )
        if moment is not None
    ]
    return sql.SQL(" where ") + sql.SQL(" and ").join(bounds) if bounds else sql.Composed([])


def _rows(path: Path, selection: Selection, crs: str | None) -> Iterator[pyarrow.RecordBatch]:
    """The rows of a file, which is then removed. A null is nothing at all; an empty text has quotes."""
    names = [field.name for field in selection.fields] + (["geometry"] if selection.geometry else [])
    metadata = {CRS: crs.encode()} if crs else None
    kinds = [pyarrow.field(name, pyarrow.binary() if name == "geometry" else pyarrow.string()) for name in names]
    schema = pyarrow.schema(kinds, metadata)
    if not path.stat().st_size:
        path.unlink()
        yield pyarrow.RecordBatch.from_pylist([], schema)
        return
    numbers = [str(number) for number in range(len(names))]
    with path.open("rb") as file:
        path.unlink()  # it stays until it is closed
        for batch in pyarrow.csv.open_csv(
            file,
            pyarrow.csv.ReadOptions(block_size=_BLOCK, column_names=numbers, use_threads=False),
            pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(numbers, pyarrow.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        ):
            for start in range(0, batch.num_rows, _ROWS):
                arrays = batch.slice(start, _ROWS).columns
                if selection.geometry:
                    places = [None if text is None else bytes.fromhex(text) for text in arrays[-1].to_pylist()]
                    arrays = [*arrays[:-1], pyarrow.array(places, pyarrow.binary())]
                yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
