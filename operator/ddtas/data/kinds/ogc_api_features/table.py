"""Reads all items of a collection, page by page, in the CRS that the contract promises where the server has it.

The server picks the time that `datetime` is about, and need not say which, so no window is asked of it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pyarrow
import shapely

from ddtas.data.delivery.geometry import wkb
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import Rows
from ddtas.data.facts import geo
from ddtas.data.kinds.ogc_api_features.reader import Collection, Page
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.data.wire.documents import as_array
from ddtas.errors import SourceError, printable

_PAGE = 1000  # items; a server may give fewer


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    rows, read, matched, crs = Rows(session, selection), 0, None, None
    async with http.client(session) as client:
        collection = Collection(client)
        described = (await collection.describe()).value
        async for page in collection.pages(_PAGE, _in_crs(session, described) if selection.geometry else {}):
            if crs not in (None, page.crs):
                raise _malformed(session, "in several coordinate reference systems")
            crs, matched = page.crs, matched if page.matched is None else page.matched
            read += len(page.features)
            _add(session, rows, page, geometry=selection.geometry)
            for batch in rows.full():
                yield _with_crs(batch, crs, selection)
    if matched is not None and read < matched:
        raise _malformed(session, f"that end after {read} of {matched}")
    for batch in rows.rest():
        yield _with_crs(batch, crs, selection)


def _in_crs(session: Session, described: Mapping[str, Any]) -> Mapping[str, str]:
    """The parameter that asks for the promised CRS (Part 2), where the collection lists it; else CRS84 comes."""
    promised = session.target.contract.crs
    for uri in as_array(described.get("crs")):
        if promised and promised != geo.CRS84 and isinstance(uri, str) and geo.crs_name(uri) == promised:
            return {"crs": uri}
    return {}


def _add(session: Session, rows: Rows, page: Page, *, geometry: bool) -> None:
    name = geo.crs_name(page.crs) if geometry else None
    swapped = bool(name and geo.northing_first(name))
    for feature in page.features:
        try:
            place = wkb(feature.get("geometry")) if geometry else None
        except ValueError as error:
            raise _malformed(session, f"of which one cannot be read ({error})") from None
        rows.add(feature.get("properties") or {}, _turned(place) if place and swapped else place)


def _turned(place: bytes) -> bytes:
    """The WKB of a geometry whose coordinates have the northing first (Part 2: the axes are those of the CRS)."""
    return bytes(shapely.to_wkb(shapely.transform(shapely.from_wkb(place), lambda xy: xy[:, ::-1]), byte_order=1))


def _with_crs(batch: pyarrow.RecordBatch, crs: str | None, selection: Selection) -> pyarrow.RecordBatch:
    name = geo.crs_name(crs) if crs and selection.geometry else None
    return batch.replace_schema_metadata({CRS: name.encode()}) if name else batch


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(
        SourceReason.MALFORMED_DATA, f"answers with items {printable(what, 200)}: ask the data supplier"
    )
