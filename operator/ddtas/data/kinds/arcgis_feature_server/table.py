"""Reads all rows of a layer, or those of a period, in the CRS that the contract promises.

The layer's own is the best to promise: some servers transform to others by tens of metres wrong.
"""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, timedelta

import pyarrow
import shapely

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows, no_field
from ddtas.data.facts import geo
from ddtas.data.kinds.arcgis_feature_server.layer import Layer
from ddtas.data.kinds.arcgis_feature_server.reader import REFUSALS, Choice, Page, Service
from ddtas.data.kinds.arcgis_feature_server.shapes import Ring, geojson
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError

_PAGE = 2000  # rows; most servers give as many
_MOST_BYTES = 8 * 1024 * 1024  # of a page, which is in memory whole; fewer rows are asked for then
_MARGIN = timedelta(days=1)  # a server may read times in a condition as those of a zone of its own


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    session.limits = replace(session.limits, max_document_bytes=min(session.limits.max_document_bytes, _MOST_BYTES))
    rows, seen, crs = Rows(session, selection), 0, None
    async with http.client(session) as client:
        service = Service(client)
        layer = await service.layer()
        _check(session, layer, selection)
        where, count = await _count(service, _window(layer, selection))
        choice = _choice(session, selection, where)
        async for page in service.pages(layer, choice, _PAGE):
            if page.crs is not None and crs not in (None, page.crs):
                raise service.malformed("with rows in several coordinate reference systems")
            crs = page.crs or crs
            seen += len(page.rows)
            _add(service, rows, layer, page, geometry=selection.geometry)
            for batch in rows.full():
                yield _with_crs(batch, geo.same_plane(crs, choice.crs), selection)
        # Rows that were removed meanwhile are no fault; so many fewer that a page must be missing are.
        if seen < count and seen < await service.count(where):
            raise service.malformed(f"with pages that end after {seen} of {count} rows")
    for batch in rows.rest():
        yield _with_crs(batch, geo.same_plane(crs, choice.crs), selection)


def _check(session: Session, layer: Layer, selection: Selection) -> None:
    """Refuse what the layer does not have, before anything is read."""
    for field in selection.fields:
        if field.name not in layer.fields:
            raise no_field(session, field.name, list(layer.fields))
    if selection.geometry and not layer.spatial:
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND,
            "is a table without geometries: take geometryType and crs out of its contract, or give the URL of a layer",
        )


def _choice(session: Session, selection: Selection, where: str | None) -> Choice:
    names = tuple(field.name for field in selection.fields)
    return Choice(names, selection.geometry, session.target.contract.crs, where)


def _window(layer: Layer, selection: Selection) -> str | None:
    """The condition for a period, where it is about a field that certainly has moments."""
    if selection.time is None or selection.time.name not in layer.moments:
        return None
    name, bounds = selection.time.name, []
    if selection.start is not None:
        bounds.append(f"{name} >= TIMESTAMP '{(selection.start - _MARGIN).astimezone(UTC):%Y-%m-%d %H:%M:%S}'")
    if selection.end is not None:
        bounds.append(f"{name} < TIMESTAMP '{(selection.end + _MARGIN).astimezone(UTC):%Y-%m-%d %H:%M:%S}'")
    return " AND ".join(bounds) or None


async def _count(service: Service, where: str | None) -> tuple[str | None, int]:
    """How many rows there are of a period; of all where the server refuses the condition, and then without it."""
    try:
        return where, await service.count(where)
    except SourceError as error:
        if where is None or error.reason not in REFUSALS:
            raise
    return None, await service.count()


def _add(service: Service, rows: Rows, layer: Layer, page: Page, *, geometry: bool) -> None:
    for row in page.rows:
        try:
            place = wkb(geojson(row.geometry, _nested)) if geometry else None
        except ValueError as error:
            raise service.malformed(f"with a row that cannot be used ({error})") from None
        rows.add(layer.record(row.attributes), place)


def _nested(outlines: list[Ring], holes: list[Ring]) -> list[list[Ring]]:
    """Each hole with the smallest outline around it; one without any is an outline itself."""
    if len(outlines) == 1:
        return [[outlines[0], *holes]]
    try:
        areas, inner = ([shapely.Polygon(ring) for ring in rings] for rings in (outlines, holes))
        pairs = shapely.STRtree(areas).query(inner, predicate="covered_by")
    except shapely.errors.GEOSException:
        raise ValueError("a ring cannot be read") from None
    around: dict[int, int] = {}
    for hole, outline in pairs.T.tolist():
        if hole not in around or areas[outline].area < areas[around[hole]].area:
            around[hole] = outline
    polygons = [[outline] for outline in outlines]
    for number, hole in enumerate(holes):
        if number in around:
            polygons[around[number]].append(hole)
        else:
            polygons.append([hole])
    return polygons


def _with_crs(batch: pyarrow.RecordBatch, crs: str | None, selection: Selection) -> pyarrow.RecordBatch:
    return batch.replace_schema_metadata({CRS: crs.encode()}) if crs and selection.geometry else batch
