"""Reads GeoJSON over HTTP whole: a file of ours first, and then its features, one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson
import pyarrow

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows
from ddtas.data.delivery.streams import threaded
from ddtas.data.facts.geo import Geometries
from ddtas.data.kinds.http_geojson.reader import ACCEPT, MARK, FeatureCollection, check_media_type
from ddtas.data.kinds.whole import Batches, whole
from ddtas.data.session import Session
from ddtas.data.wire.answers import Answer
from ddtas.data.wire.download import download

_CHUNK = 64 * 1024


def batches(session: Session, selection: Selection) -> Batches:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    return whole(session, selection, ACCEPT, save, read)


async def save(answer: Answer, session: Session, selection: Selection) -> Path:
    """Write an answer into a file.

    Raises:
        SourceError: what reading raises.
    """
    check_media_type(answer, session)
    path = selection.folder / "data.geojson"
    await download(session, answer, path)
    return path


def read(path: Path, session: Session, selection: Selection) -> Batches:
    """The features of a file, which is then removed.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or EntityNotFound where no feature has a property.
    """
    collection = FeatureCollection(session, Geometries())
    return threaded(_batches(path, session, selection, collection), lambda _: collection.broken())


def _batches(
    path: Path, session: Session, selection: Selection, collection: FeatureCollection
) -> Iterator[pyarrow.RecordBatch]:
    features: list[Any] = []
    rows = Rows(session, selection)
    parser = ijson.items_coro(_Sink(features), "features.item", use_float=True)
    with path.open("rb") as file:
        path.unlink()  # it stays until it is closed
        if file.peek(len(MARK)).startswith(MARK):
            file.seek(len(MARK))
        while chunk := file.read(_CHUNK):
            if not collection.begun:
                collection.feed(chunk)
            parser.send(chunk)
            for feature in features:
                _add(rows, feature, collection, selection.geometry)
            features.clear()
            yield from (_with_crs(batch, selection, collection) for batch in rows.full())
        if not collection.begun:
            collection.finish()
        parser.close()
    yield from (_with_crs(batch, selection, collection) for batch in rows.rest())


class _Sink:
    """Takes what a coroutine of ijson makes."""

    def __init__(self, items: list[Any]) -> None:
        self.send = items.append


def _add(rows: Rows, feature: Any, collection: FeatureCollection, geometry: bool) -> None:
    match feature:
        case {"type": "Feature", "properties": dict(properties)}:
            pass
        case {"type": "Feature"}:
            properties = {}
        case _:
            raise collection.malformed("among its features is what is none")
    try:
        rows.add(properties, wkb(feature.get("geometry")) if geometry else None)
    except ValueError as error:
        raise collection.malformed(str(error)) from None


def _with_crs(batch: pyarrow.RecordBatch, selection: Selection, collection: FeatureCollection) -> pyarrow.RecordBatch:
    """The batch with its CRS, where the document names one before its features."""
    crs = collection.crs_name() if selection.geometry and collection.crs is not ... else None
    return batch.replace_schema_metadata({CRS: crs.encode()}) if crs else batch
