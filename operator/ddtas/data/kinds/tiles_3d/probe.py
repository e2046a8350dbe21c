"""Probes a tileset: the tileset.json, its schema where that is a file of its own, and the first bytes of a tile.

Three requests at most. The endpoint is the tileset.json.
"""

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts.records import MAX_FIELDS
from ddtas.data.kinds.tiles_3d import place
from ddtas.data.kinds.tiles_3d.reader import Tileset, check, read
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import SourceReason, beside
from ddtas.data.wire import answers, http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError

_HEAD_BYTES = 64  # of a tile
_KINDS = {
    b"b3dm": GeometryType.MESH,
    b"i3dm": GeometryType.MESH,
    b"cmpt": GeometryType.MESH,
    b"glTF": GeometryType.MESH,
    b"pnts": GeometryType.POINT,
    b"subt": GeometryType.MESH,  # a subtree of implicit tiles
}
_TYPES = {  # of the 3D Metadata Specification, but for scalars
    "STRING": FieldType.STRING,
    "ENUM": FieldType.STRING,
    "BOOLEAN": FieldType.BOOLEAN,
    **{f"{shape}{size}": FieldType.ARRAY for shape in ("VEC", "MAT") for size in (2, 3, 4)},
}
_TEMPLATE = ("{level}", "{x}", "{y}", "{z}")  # of the addresses of implicit tiles; all are 0 of the first one


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe a tileset.

    The extent is that of the root's bounding volume, which may be larger than what is in it.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        tileset = await read(client)
        check(session, tileset)
        fields = await _fields(client, tileset)
        kind = await _kind_of_tile(client, tileset)
    if not fields:
        session.unknown("fields", "the tileset has no schema of properties that can be read")
    for fact in ("first", "last", "timeResolution"):
        session.unknown(fact, "3D Tiles have no time")
    session.unknown("records", "a tileset does not tell how many features are in its tiles")
    session.unknown("sizeBytes", "a tileset does not tell the size of its tiles")
    extent, local = place.extent(session, tileset.root)
    if local:
        session.unknown("crs", "the root's bounding volume is not on Earth: its coordinates are local ones")
    return session.facts(
        SourceFacts(fields=fields, geometry_type=kind, crs=() if local else (place.GEOCENTRIC,), extent=extent)
    )


async def _kind_of_tile(client: http.Client, tileset: Tileset) -> GeometryType:
    """Check that there is a tile where the tileset says there is one, and what it holds.

    Raises:
        SourceError: it is not there, or no tile.
    """
    session = client.session
    address = _tile(tileset)
    if address is None:
        return GeometryType.MESH
    head = b""
    try:
        async with client.get(address, accept="*/*", headers={"Range": f"bytes=0-{_HEAD_BYTES - 1}"}) as answer:
            while len(head) < _HEAD_BYTES and (chunk := await answer.read()):
                head += chunk
    except answers.NotFoundError:
        raise session.error(
            SourceReason.MALFORMED_DATA, "is a tileset with a link to a tile that is not there: ask the data supplier"
        ) from None
    except SourceError as error:
        if error.reason == SourceReason.UNEXPECTED_CONTENT:  # compressed whatever one asks, as many tiles are kept
            return GeometryType.MESH
        raise
    kind = GeometryType.MESH if head.lstrip()[:1] == b"{" else _KINDS.get(head[:4])  # glTF as JSON; another tileset
    if kind is None:
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "is a tileset with a link to what is no tile (b3dm, i3dm, pnts, cmpt or glTF): ask the data supplier",
        )
    return kind


def _tile(tileset: Tileset) -> str | None:
    """Where the first tile with content is, or the first subtree of implicit tiles; None where none is known."""
    root = tileset.root
    contents = [root.get("content"), *as_array(root.get("contents"))]
    links = [as_object(content).get(name) for content in contents for name in ("uri", "url")]
    subtrees = as_object(as_object(root.get("implicitTiling")).get("subtrees")).get("uri")
    if isinstance(subtrees, str):
        links = [functools.reduce(lambda text, name: text.replace(name, "0"), _TEMPLATE, subtrees)]
    link = next((link for link in links if isinstance(link, str)), tileset.tile)
    return beside(tileset.url, link) if link and "{" not in link else None


async def _fields(client: http.Client, tileset: Tileset) -> tuple[MeasuredField, ...]:
    """The properties of the features, by the tileset's schema (1.1) or its list of their ranges (1.0)."""
    schema = tileset.value.get("schema")
    link = tileset.value.get("schemaUri")
    address = beside(tileset.url, link) if schema is None and isinstance(link, str) else None
    if address:
        try:
            schema = (await client.json(address)).value
        except SourceError:  # the tileset itself was read all the same
            schema = None
    types: dict[str, FieldType] = {}
    for described in as_object(as_object(schema).get("classes")).values():
        for name, property_ in as_object(as_object(described).get("properties")).items():
            if kind := _type(as_object(property_)):
                types.setdefault(name, kind)
    for name in as_object(tileset.value.get("properties")):
        types.setdefault(name, FieldType.NUMBER)
    return tuple(itertools.islice(_measured(types), MAX_FIELDS))


def _type(described: Mapping[str, Any]) -> FieldType | None:
    kind, component = described.get("type"), described.get("componentType")
    if described.get("array") is True:
        return FieldType.ARRAY
    if kind == "SCALAR":
        return FieldType.INTEGER if isinstance(component, str) and "INT" in component else FieldType.NUMBER
    return _TYPES.get(kind) if isinstance(kind, str) else None


def _measured(types: Mapping[str, FieldType]) -> Iterator[MeasuredField]:
    for name, kind in types.items():
        try:
            yield MeasuredField(name=name, type=kind)
        except ValidationError:  # a name that the API cannot hold
            continue
