"""Reads Parquet over HTTP whole: a file of ours first, and then the columns that are asked for, by pyarrow."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pyarrow.parquet

from ddtas.data.delivery.plain import plain, plain_type
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import no_field
from ddtas.data.delivery.streams import threaded
from ddtas.data.delivery.table import GEOMETRY
from ddtas.data.kinds.http_parquet.geo_metadata import GeoMetadata
from ddtas.data.kinds.http_parquet.reader import ACCEPT, malformed
from ddtas.data.kinds.whole import Batches, whole
from ddtas.data.session import Session
from ddtas.data.wire.answers import Answer
from ddtas.data.wire.download import download
from ddtas.errors import printable

_ROWS = 32 * 1024  # of a batch
_THRIFT = 16 * 1024 * 1024  # of a footer; a hostile one announces more than it has


def batches(session: Session, selection: Selection) -> Batches:
    """As ddtas.data.delivery.reading.Reader has it: the types of the file, dictionaries and views as what they hold."""
    return whole(session, selection, ACCEPT, save, read)


async def save(answer: Answer, session: Session, selection: Selection) -> Path:
    """Write an answer into a file.

    Raises:
        SourceError: what reading raises.
    """
    path = selection.folder / "data.parquet"
    await download(session, answer, path)
    return path


def read(path: Path, session: Session, selection: Selection) -> Batches:
    """The rows of a file, which is then removed.

    Raises:
        SourceError: MalformedData, or EntityNotFound where a column is not there.
    """
    return threaded(
        _batches(path, session, selection), lambda _: malformed(session, "its data is broken, or ends early")
    )


def _batches(path: Path, session: Session, selection: Selection) -> Iterator[pyarrow.RecordBatch]:
    source = pyarrow.OSFile(str(path))
    path.unlink()  # it stays until it is closed
    with pyarrow.parquet.ParquetFile(
        source, thrift_string_size_limit=_THRIFT, thrift_container_size_limit=_THRIFT, pre_buffer=False
    ) as file:
        wanted, target = _columns(file, session, selection)
        rows = 0
        for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(wanted)), use_threads=False):
            rows += batch.num_rows
            arrays = [plain(batch.column(name), kind) for name, kind in zip(wanted, target.types, strict=True)]
            yield pyarrow.RecordBatch.from_arrays(arrays, schema=target)
        if rows != file.metadata.num_rows:
            raise malformed(session, f"it has {rows} rows where its footer says {file.metadata.num_rows}")
        if not rows:
            yield pyarrow.RecordBatch.from_pylist([], target)


def _columns(
    file: pyarrow.parquet.ParquetFile, session: Session, selection: Selection
) -> tuple[list[str], pyarrow.Schema]:
    """The columns to read, and the schema of the batches that they become."""
    schema = file.schema_arrow
    wanted = [field.name for field in selection.fields]
    crs = None
    if selection.geometry:
        metadata = GeoMetadata.read((file.metadata.metadata or {}).get(b"geo", b"").decode(errors="replace"))
        crs = metadata.crs()
        wanted.append(_geometry_column(metadata, schema, session))
    for name in wanted:
        if name not in schema.names:
            raise no_field(session, name, schema.names)
        if schema.names.count(name) > 1:
            raise malformed(session, f"several columns are named {printable(name, 63)}")
    fields = [(field.name, plain_type(schema.field(field.name).type)) for field in selection.fields]
    if selection.geometry:
        fields.append((GEOMETRY, pyarrow.binary()))
    return wanted, pyarrow.schema(fields, {CRS: crs.encode()} if crs else None)


def _geometry_column(metadata: GeoMetadata, schema: pyarrow.Schema, session: Session) -> str:
    if metadata.primary is None:
        raise no_field(session, GEOMETRY, schema.names)
    if metadata.primary.get("encoding") != "WKB":
        raise malformed(session, "its geometries are not in WKB")
    return metadata.name
