"""Reads a layer of a GeoPackage over HTTP whole: a file of ours first, and then its rows by GDAL, confined."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pyarrow

from ddtas.data.delivery import gdal
from ddtas.data.delivery.plain import plain, plain_type
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import no_field
from ddtas.data.delivery.table import GEOMETRY
from ddtas.data.facts import geo
from ddtas.data.kinds.geopackage.reader import ACCEPT, HEADER_BYTES, check_header, layer_of, malformed
from ddtas.data.session import Session
from ddtas.data.wire import http
from ddtas.data.wire.download import download


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it; times are texts."""
    path = selection.folder / "data.gpkg"
    async with http.client(session) as client, client.get(accept=ACCEPT) as answer:
        await download(session, answer, path)
    try:
        async with aclosing(_rows(path, session, selection)) as found:
            async for batch in found:
                yield batch
    except gdal.UnreadableError:
        raise malformed(session, "GDAL does not take it, or it takes too much memory or time") from None
    finally:
        path.unlink()


async def _rows(path: Path, session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    with path.open("rb") as file:
        check_header(file.read(HEADER_BYTES), session)
    layers = {layer.name: layer for layer in await gdal.layers(path, "GPKG")}
    layer = layers[layer_of(session, layers)]
    has = [*layer.fields, *([layer.fid] if layer.fid else [])]
    columns = [field.name for field in selection.fields]
    missing = [name for name in columns if name not in has]
    if missing or (selection.geometry and not layer.geometry):
        raise no_field(session, missing[0] if missing else GEOMETRY, has)
    crs = geo.crs_name(layer.crs) if selection.geometry and layer.crs else None
    metadata = {CRS: crs.encode()} if crs and crs.startswith("EPSG:") else None
    count = 0
    async with aclosing(gdal.rows(path, "GPKG", layer, columns, geometry=selection.geometry)) as found:
        async for batch in found:
            count += batch.num_rows
            yield _plain(batch, geometry=selection.geometry).replace_schema_metadata(metadata)
    if layer.features is not None and count != layer.features:
        raise malformed(session, f"it has {count} rows where it says that there are {layer.features}")


def _plain(batch: pyarrow.RecordBatch, *, geometry: bool) -> pyarrow.RecordBatch:
    kinds = [plain_type(kind) for kind in batch.schema.types]
    if geometry:
        kinds[-1] = pyarrow.binary()
    arrays = [plain(array, kind) for array, kind in zip(batch.columns, kinds, strict=True)]
    return pyarrow.RecordBatch.from_arrays(arrays, batch.schema.names)
