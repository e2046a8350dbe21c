"""What a JSON Schema says of the items of a collection (Part 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.kinds.ogc_api_features.reader import links
from ddtas.data.session import beside
from ddtas.data.wire import answers, http
from ddtas.data.wire.documents import as_object
from ddtas.errors import SourceError, printable

_SHOWN_CHARACTERS = 60
_JSON_SCHEMA = "application/schema+json, application/json;q=0.9"
_SCHEMA_RELS = ("http://www.opengis.net/def/rel/ogc/1.0/schema", "[ogc-rel:schema]")
_QUERYABLES_RELS = ("http://www.opengis.net/def/rel/ogc/1.0/queryables", "[ogc-rel:queryables]")
_GEOMETRY = "geometry-"  # the formats of Part 5: geometry-point, geometry-multipolygon, geometry-any, …
_GEOMETRY_FORMATS = {f"{_GEOMETRY}{kind.value.lower()}": kind for kind in GeometryType if kind is not GeometryType.MESH}
_FORMATS = {"date": FieldType.DATE, "date-time": FieldType.TIMESTAMP}


@dataclass
class Schema:
    """What a JSON Schema of the items says, by the names of their properties."""

    types: dict[str, FieldType] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    geometry: GeometryType | None = None


async def schema_of(client: http.Client, described: answers.Document, *, needed: bool) -> Schema:
    """The schema of the items, or nothing: where there is none, and where it cannot be read.

    Args:
        visit: to the server.
        described: the description of the collection.
        needed: there are no items to see; then the queryables, which need not be all properties, do as well.
    """
    for rels in (_SCHEMA_RELS, _QUERYABLES_RELS) if needed else (_SCHEMA_RELS,):
        address = _link(described.url, described.value, rels)
        if address is None:
            continue
        try:
            return _read_schema(as_object((await client.json(address, accept=_JSON_SCHEMA)).value))
        except SourceError:  # the items were read all the same
            continue
    return Schema()


def _link(base: str, collection: Mapping[str, Any], rels: tuple[str, ...]) -> str | None:
    """Where a link as JSON leads to, if that is on the same server."""
    for link in links(collection):
        href, kind = link.get("href"), link.get("type", "json")
        if link.get("rel") in rels and isinstance(href, str) and isinstance(kind, str) and "json" in kind:
            return beside(base, href)
    return None


def _read_schema(document: Mapping[str, Any]) -> Schema:
    schema = Schema()
    for name, value in as_object(document.get("properties")).items():
        described = as_object(value)
        form = described.get("format")
        if isinstance(form, str) and form.startswith(_GEOMETRY):
            if schema.geometry is None or described.get("x-ogc-role") == "primary-geometry":
                schema.geometry = _GEOMETRY_FORMATS.get(form)
            continue
        kind = described.get("type")
        kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
        if not isinstance(kind, str) or kind not in {one.value for one in FieldType}:
            continue  # a geometry by reference, or a choice of types
        if described.get("x-ogc-role") != "id":  # GeoJSON has it beside the properties
            by_form = _FORMATS.get(form) if isinstance(form, str) and kind == FieldType.STRING else None
            schema.types[name] = by_form or FieldType(kind)
        if isinstance(unit := described.get("x-ogc-unit"), str):
            schema.units[name] = printable(unit, _SHOWN_CHARACTERS)
    return schema
