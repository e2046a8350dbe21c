"""A table as files: data.parquet (GeoParquet where it has a geometry) and data.csv, with the same rows."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import shapely

from ddtas.data.contract import FieldType
from ddtas.data.delivery.table import GEOMETRY, Table
from ddtas.runner import times
from ddtas.runner.convert import schema

PARQUET, CSV = "data.parquet", "data.csv"
_GROUP = 100_000  # rows of a row group


class CsvFile:
    """Writes columns of a table as CSV, batch by batch. A context manager; without rows it has its header all the same.

    Attributes:
        rows: written so far.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self._path, self._schema = path, _texts(table)
        self._csv: Any = None
        self.rows = 0

    def __enter__(self) -> Self:
        self._csv = pyarrow.csv.CSVWriter(self._path, self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._csv.close()

    def write(self, batch: Any) -> None:
        """Write those columns of a batch that the file has."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        texts = [_text(batch.column(name)) for name in self._schema.names]
        self._csv.write_batch(pyarrow.RecordBatch.from_arrays(texts, schema=self._schema))


class Writer:
    """Writes both files of a table, batch by batch. A context manager; without rows they have the columns all the same.

    Attributes:
        parquet: the path of data.parquet.
        rows: written so far.
        first: the time of the first row that has one: a datetime in the zone of the table, or a day.
        last: that of the last one.
        ordered: each row was later than the one before it.
    """

    def __init__(self, folder: Path, table: Table, *, csv: bool = True) -> None:
        self.parquet = folder / PARQUET
        self._table, self._csv = table, CsvFile(folder / CSV, table) if csv else None
        self._zone = table.time_zone or "UTC"
        self._schema = _named(table, self._zone)
        self._parquet: Any = None
        self.rows = 0
        self.first: Any = None
        self.last: Any = None
        self.ordered = True

    def __enter__(self) -> Self:
        self._parquet = pyarrow.parquet.ParquetWriter(self.parquet, self._schema, compression="zstd")
        if self._csv is not None:
            self._csv.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parquet.close()
        if self._csv is not None:
            self._csv.__exit__(kind, error, trace)

    def write(self, batch: Any) -> None:
        """Write a batch that has the schema of the conversion."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self._note(batch)
        columns = [
            column.cast(field.type) if pyarrow.types.is_timestamp(field.type) else column
            for column, field in zip(batch.columns, self._schema, strict=True)
        ]
        rows = pyarrow.RecordBatch.from_arrays(columns, schema=self._schema)
        self._parquet.write_batch(rows, _GROUP)
        if self._csv is not None:
            self._csv.write(rows)

    def _note(self, batch: Any) -> None:
        if self._table.time is None:
            return
        values = batch.column(self._table.time).drop_null()
        if not len(values):
            return
        values = values.cast(pyarrow.timestamp("us", tz=self._zone)) if values.type == times.MOMENT else values
        least, most = pc.min(values).as_py(), pc.max(values).as_py()
        later = len(values) < 2 or pc.all(pc.greater(values[1:], values[:-1])).as_py()
        self.ordered = self.ordered and later and (self.last is None or values[0].as_py() > self.last)
        self.first = least if self.first is None else min(self.first, least)
        self.last = most if self.last is None else max(self.last, most)

    def digest(self) -> str:
        """SHA-256 of data.parquet, once it is closed."""
        found = hashlib.sha256()
        with self.parquet.open("rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
        return f"sha256:{found.hexdigest()}"


def _named(table: Table, zone: str) -> Any:
    """The schema of data.parquet: times in the zone of the table, units and concepts as metadata of their columns."""
    fields = []
    for field in schema(table):
        column = next((c for c in table.columns if c.name == field.name), None)
        told = {"unit": column.unit, "concept": column.concept} if column is not None else {}
        kind = pyarrow.timestamp("us", tz=zone) if field.type == times.MOMENT else field.type
        fields.append(pyarrow.field(field.name, kind, metadata={k: v for k, v in told.items() if v} or None))
    return pyarrow.schema(fields, metadata=_geo(table))


def _geo(table: Table) -> dict[str, str] | None:
    """The metadata of GeoParquet 1.1; None without a geometry."""
    if table.geometry is None:
        return None
    from pyproj import CRS

    column = {"encoding": "WKB", "geometry_types": [], "crs": CRS.from_user_input(table.geometry.crs).to_json_dict()}
    return {"geo": json.dumps({"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}})}


def _texts(table: Table) -> Any:
    """The schema of data.csv: what is no number or truth is a text."""
    kinds = {
        FieldType.NUMBER: pyarrow.float64(),
        FieldType.INTEGER: pyarrow.int64(),
        FieldType.BOOLEAN: pyarrow.bool_(),
        FieldType.DATE: pyarrow.date32(),
    }
    fields = [pyarrow.field(c.name, kinds.get(c.type, pyarrow.string())) for c in table.columns]
    return pyarrow.schema([*fields, *([pyarrow.field(GEOMETRY, pyarrow.string())] if table.geometry else [])])


def _text(values: Any) -> Any:
    if pyarrow.types.is_binary(values.type):
        return pyarrow.array(shapely.to_wkt(shapely.from_wkb(values.to_numpy(zero_copy_only=False)), trim=True))
    if not pyarrow.types.is_timestamp(values.type):
        return values
    with suppress(pyarrow.ArrowInvalid):  # some have parts of a second
        values = values.cast(pyarrow.timestamp("s", tz=values.type.tz))
    return _iso(values)


def _iso(values: Any) -> Any:
    """Moments with a zone as ISO 8601. `strftime` takes ten times as long."""
    local = pc.local_timestamp(values)
    texts = pc.replace_substring(local.cast(pyarrow.string()), " ", "T")
    per_second = 1 if values.type.unit == "s" else 1_000_000
    offsets = pc.subtract(local.cast(pyarrow.int64()), values.cast(pyarrow.int64())).dictionary_encode()
    written = pyarrow.array([_offset(number.as_py() // per_second) for number in offsets.dictionary], pyarrow.string())
    return pc.binary_join_element_wise(texts, written.take(offsets.indices), "")


def _offset(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
