"""Reads a feature type whole: pages of GML, each a file of ours first, and then its features by GDAL, confined."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError, tostring

import pyarrow
import pyarrow.compute
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ddtas.data.contract import FieldType
from ddtas.data.delivery import gdal
from ddtas.data.delivery.plain import plain
from ddtas.data.delivery.reading import CRS, Selection
from ddtas.data.delivery.rows import no_field
from ddtas.data.facts import geo
from ddtas.data.kinds.wfs.capabilities import FeatureType, feature_type
from ddtas.data.kinds.wfs.gml import FeatureParser
from ddtas.data.kinds.wfs.reader import Service, count
from ddtas.data.kinds.wfs.schema import Schema
from ddtas.data.kinds.wfs.window import window
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError

_SIZE = 5000  # features a page
_HEAD_BYTES = 64 * 1024
_ID = "gml_id"  # as GDAL names the attribute
_MIDNIGHT = r"T00:00:00(\.0+)?$"  # that GDAL gives some days


async def batches(session: Session, selection: Selection) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them."""
    async with http.client(session) as client:
        service = Service(client)
        kind = feature_type(session, await service.capabilities())
        description = await service.document("DescribeFeatureType", typename=kind.name)
        schema = Schema.read(description, kind.name)
        period = await window(service, kind.name, schema, selection)
        pages = _Pages(session, selection, service, kind, schema, period)
        pages.describe(tostring(description))
        try:
            async with aclosing(pages.batches()) as found:
                async for batch in found:
                    yield batch
        except gdal.UnreadableError:
            raise pages.malformed("GDAL does not take it, or it takes too much memory or time") from None
        finally:
            pages.remove()


@dataclass(frozen=True)
class _Head:
    """What the beginning of a page says: features in all, None where it does not; and whether it has none itself."""

    matched: int | None
    empty: bool


@dataclass
class _Pages:
    """The pages of one feature type."""

    session: Session
    selection: Selection
    service: Service
    kind: FeatureType
    schema: Schema
    period: Mapping[str, str]
    _first_ids: set[str] = field(default_factory=set)  # of the first feature of each page
    _fields: set[str] = field(default_factory=set)  # that were seen in any page

    def describe(self, schema: bytes) -> None:
        """Put the schema where GDAL finds it: it would guess types otherwise, and leading zeros would go."""
        self._path.with_suffix(".xsd").write_bytes(schema)

    def remove(self) -> None:
        """Remove our files."""
        self._remove_page()
        self._path.with_suffix(".xsd").unlink(missing_ok=True)

    def _remove_page(self) -> None:
        self._path.unlink(missing_ok=True)

    def malformed(self, what: str) -> SourceError:
        """The error for pages that are broken."""
        return self.session.error(SourceReason.MALFORMED_DATA, f"answers with GML that cannot be used: {what}")

    async def batches(self) -> AsyncGenerator[pyarrow.RecordBatch, None]:
        """All features."""
        columns = [one.name for one in self.selection.fields]
        if missing := [name for name in columns if self.schema.fields and name not in self.schema.fields]:
            raise no_field(self.session, missing[0], list(self.schema.fields))
        seen = 0
        while True:
            head = await self._fetch(seen)
            before = seen
            if not head.empty:
                async with aclosing(self._rows(columns)) as found:
                    async for batch in found:
                        seen += batch.num_rows
                        yield batch
            if head.matched is not None and seen >= head.matched:
                break
            if seen == before:
                if head.matched is not None:
                    raise self.malformed(f"its pages end after {seen} of {head.matched} features")
                break
        if seen and not self.schema.fields and (missing := [name for name in columns if name not in self._fields]):
            raise no_field(self.session, missing[0], sorted(self._fields))
        if not seen:
            names = [*columns, *(["geometry"] if self.selection.geometry else [])]
            kinds = [pyarrow.string()] * len(columns) + [pyarrow.binary()] * self.selection.geometry
            yield pyarrow.RecordBatch.from_pylist([], pyarrow.schema(list(zip(names, kinds, strict=True))))

    @property
    def _path(self) -> Path:
        return self.selection.folder / "data.gml"

    async def _fetch(self, start: int) -> _Head:
        """Fetch a page, over what is there."""
        asked = {"count": str(_SIZE), **({"startindex": str(start)} if start else {}), **self._srs(), **self.period}
        self._remove_page()
        await self.service.save(self.kind.name, asked, self._path)
        return self._head()

    def _srs(self) -> dict[str, str]:
        """The CRS that the contract promises, where it is another than the server's own."""
        wanted = self.session.target.contract.crs
        if wanted is None or wanted not in self.kind.crs[1:] or not wanted.startswith("EPSG:"):
            return {}
        return {"srsname": f"urn:ogc:def:crs:EPSG::{wanted.removeprefix('EPSG:')}"}

    def _head(self) -> _Head:
        """What a page begins with: an exception report may come with a status that says all is well."""
        features = FeatureParser(self.schema, 0)
        parser = DefusedXMLParser(target=features, forbid_dtd=True)
        with self._path.open("rb") as file:
            try:
                parser.feed(file.read(_HEAD_BYTES))
                if whole := not file.peek(1):
                    parser.close()
            except (DefusedXmlException, ParseError, ValueError, LookupError):
                raise self.malformed("it is no XML, or has what XML of a stranger may not have") from None
        if features.exception is not None:
            raise self.service.reported("GetFeature", features.exception)
        if features.root != "FeatureCollection":
            raise self.malformed("it is no FeatureCollection")
        return _Head(count(features.number_matched), whole and not features.features)

    async def _rows(self, columns: list[str]) -> AsyncGenerator[pyarrow.RecordBatch, None]:
        """The features of the page that was fetched."""
        layers = await gdal.layers(self._path, "GML")
        local = self.kind.name.rpartition(":")[2]
        layer = next((one for one in layers if one.name in (local, self.kind.name)), layers[0] if layers else None)
        if layer is None:
            raise self.malformed("GDAL sees no features in it")
        self._fields |= set(layer.fields)
        has = [name for name in (*columns, _ID) if name in layer.fields]
        geometry = self.selection.geometry and layer.geometry
        first = True
        async with aclosing(gdal.rows(self._path, "GML", layer, has, geometry=geometry)) as found:
            async for batch in found:
                if first and _ID in has and batch.num_rows:
                    self._note(str(batch.column(_ID)[0]))
                first = False
                yield self._texts(batch, columns, layer.crs)

    def _note(self, first: str) -> None:
        """A server that takes no notice of startindex gives its first page for ever."""
        if first in self._first_ids:
            raise self.malformed("it gives the same page again, whatever startindex says")
        self._first_ids.add(first)

    def _texts(self, batch: pyarrow.RecordBatch, columns: list[str], crs: str | None) -> pyarrow.RecordBatch:
        has = dict(zip(batch.schema.names, batch.columns, strict=True))
        nothing = pyarrow.nulls(batch.num_rows, pyarrow.string())
        arrays = [self._text(has[one.name], one.type) if one.name in has else nothing for one in self.selection.fields]
        if not self.selection.geometry:
            return pyarrow.RecordBatch.from_arrays(arrays, columns)
        arrays.append(plain(has.get("geometry", nothing), pyarrow.binary()))
        name = geo.crs_name(crs) if crs else None
        metadata = {CRS: name.encode()} if name and name.startswith("EPSG:") else None
        fields = [(one, pyarrow.string()) for one in columns] + [("geometry", pyarrow.binary())]
        return pyarrow.RecordBatch.from_arrays(arrays, schema=pyarrow.schema(fields, metadata))

    def _text(self, array: pyarrow.Array, kind: FieldType) -> pyarrow.Array:
        text = plain(array, pyarrow.string())
        return pyarrow.compute.replace_substring_regex(text, _MIDNIGHT, "") if kind is FieldType.DATE else text
