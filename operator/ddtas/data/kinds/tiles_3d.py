"""3D Tiles (OGC 22-025r4): a tileset of version 1.0 or 1.1, and one tile of it.

The endpoint is the tileset.json. It is read as a stream: of the tiles below the root, of which there may be a hundred
thousand, nothing is kept. A probe is the tileset, its schema where that is a file of its own, and the first bytes of a
tile: three requests at most.
"""

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ijson
from pydantic import ValidationError

from ddtas.data.contract import Extent, FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.records import MAX_FIELDS
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason, beside
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

if TYPE_CHECKING:
    from pyproj import Transformer

_VERSIONS = ("1.0", "1.1")
_GEOCENTRIC, _GEOGRAPHIC = "EPSG:4978", "EPSG:4979"  # of boxes, spheres and tiles; of regions
_DEPTH = 64  # of nested JSON; each level of tiles takes two
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
# The length of a degree of latitude is that of this sphere to half a percent.
_EARTH_METRES = 6_371_000.0
_MAX_REACH_METRES = 500_000.0  # of a volume: the corners of a bigger one say little about what is between them
_HEIGHTS_METRES = (-15_000.0, 50_000.0)  # of what is on Earth
_IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]

Point = tuple[float, float, float]


async def probe(session: Session) -> SourceFacts:
    """Probe a tileset.

    The extent is that of the root's bounding volume, which may be larger than what is in it.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        tileset = await _read(client)
        _check(session, tileset)
        fields = await _fields(client, tileset)
        kind = await _kind_of_tile(client, tileset)
    if not fields:
        session.not_found("fields", "the tileset has no schema of properties that can be read")
    for fact in ("first", "last", "timeResolution"):
        session.not_found(fact, "3D Tiles have no time")
    session.not_found("records", "a tileset does not tell how many features are in its tiles")
    session.not_found("sizeBytes", "a tileset does not tell the size of its tiles")
    extent, local = _extent(session, tileset.root)
    if local:
        session.not_found("crs", "the root's bounding volume is not on Earth: its coordinates are local ones")
    return session.facts(
        SourceFacts(fields=fields, geometry_type=kind, crs=() if local else (_GEOCENTRIC,), extent=extent)
    )


# --- the tileset


@dataclass(frozen=True)
class _Tileset:
    """What was read of a tileset.

    Attributes:
        value: all of it, but the tiles below the root.
        url: where it came from: what its links are relative to.
        whole: it was read to its end; otherwise it goes on, and what was read may end anywhere.
        tile: the first link to content of the tiles below the root.
    """

    value: Mapping[str, Any]
    url: str
    whole: bool
    tile: str | None

    @property
    def root(self) -> Mapping[str, Any]:
        return _object(self.value.get("root"))


class _Builder:
    """Makes values of the events of a JSON parser, without the tiles below the root."""

    def __init__(self) -> None:
        self._builder = ijson.ObjectBuilder()
        self._path: list[str] = []  # the name that each open object is at; "" of an array
        self.tile: str | None = None

    def send(self, what: tuple[str, Any]) -> None:
        """Take the next event.

        Raises:
            ValueError: it is nested too deep.
        """
        event, value = what
        if event in ("end_map", "end_array"):
            self._path.pop()
        elif event == "map_key":
            self._path[-1] = value
        if self._path[:2] != ["root", "children"]:
            self._builder.event(event, value)
        elif event == "string" and self._path[-2:] in (["content", "uri"], ["content", "url"]):
            self.tile = self.tile or value
        if event in ("start_map", "start_array"):
            self._path.append("")
            if len(self._path) > _DEPTH:
                raise ValueError(f"nested more than {_DEPTH} deep")

    @property
    def value(self) -> Any:
        return getattr(self._builder, "value", None)  # there is none before the first event


async def _read(client: http.Client) -> _Tileset:
    """The tileset, of which no more than one document's bytes are read."""
    session = client.session
    builder = _Builder()
    parser = ijson.basic_parse_coro(builder, use_float=True)  # refuses what no float or 64-bit integer can hold
    async with client.get(accept="application/json") as answer:
        if answer.media_type.endswith(("html", "xml")):
            raise _no_tileset(session, printable(answer.media_type, 60))
        start = b""
        try:
            while answer.received <= session.limits.max_document_bytes and (chunk := await answer.read()):
                start = start or chunk.lstrip()[:1]
                if start == b"<":
                    raise _no_tileset(session, "HTML or XML")
                parser.send(chunk)
            if answer.complete:
                parser.close()
        except (ijson.JSONError, ValueError, ArithmeticError):
            raise session.error(
                SourceReason.MALFORMED_DATA,
                f"answers with JSON that cannot be read, or is nested more than {_DEPTH} deep: ask the data supplier",
            ) from None
        return _Tileset(_object(builder.value), answer.url, answer.complete, builder.tile)


def _check(session: Session, tileset: _Tileset) -> None:
    """Refuse what is no tileset, or of a version that is not known, or lacks what it must have."""
    version = _object(tileset.value.get("asset")).get("version")
    if not isinstance(version, str):
        raise _no_tileset(session, "JSON without asset.version")
    if version not in _VERSIONS:
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            f"is a tileset of version {printable(version, 20)}, where {' or '.join(_VERSIONS)} can be read: ask the "
            "data supplier for one of these",
        )
    missing = None
    if not _object(tileset.root.get("boundingVolume")):
        missing = "root.boundingVolume"
    elif tileset.whole and not _is_error(tileset.value.get("geometricError")):
        missing = "geometricError"
    elif tileset.whole and not _is_error(tileset.root.get("geometricError")):
        missing = "root.geometricError"
    if missing:
        where = "" if tileset.whole else f" in its first {session.limits.max_document_bytes} bytes"
        raise session.error(
            SourceReason.MALFORMED_DATA,
            f"is a tileset without a {missing} that can be read{where}: ask the data supplier",
        )


def _is_error(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _no_tileset(session: Session, what: str) -> SourceError:
    return session.error(
        SourceReason.UNEXPECTED_CONTENT, f"answers with {what} instead of a tileset: give the URL of its tileset.json"
    )


# --- a tile


async def _kind_of_tile(client: http.Client, tileset: _Tileset) -> GeometryType:
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


def _tile(tileset: _Tileset) -> str | None:
    """Where the first tile with content is, or the first subtree of implicit tiles; None where none is known."""
    root = tileset.root
    contents = [root.get("content"), *_array(root.get("contents"))]
    links = [_object(content).get(name) for content in contents for name in ("uri", "url")]
    subtrees = _object(_object(root.get("implicitTiling")).get("subtrees")).get("uri")
    if isinstance(subtrees, str):
        links = [functools.reduce(lambda text, name: text.replace(name, "0"), _TEMPLATE, subtrees)]
    link = next((link for link in links if isinstance(link, str)), tileset.tile)
    return beside(tileset.url, link) if link and "{" not in link else None


# --- properties


async def _fields(client: http.Client, tileset: _Tileset) -> tuple[MeasuredField, ...]:
    """The properties of the features, by the tileset's schema (1.1) or its list of their ranges (1.0)."""
    schema = tileset.value.get("schema")
    link = tileset.value.get("schemaUri")
    address = beside(tileset.url, link) if schema is None and isinstance(link, str) else None
    if address:
        try:
            schema = (await client.json(address)).value
        except SourceError:  # the tileset itself was read all the same
            schema = None
    found: dict[str, FieldType] = {}
    for described in _object(_object(schema).get("classes")).values():
        for name, property_ in _object(_object(described).get("properties")).items():
            if kind := _type(_object(property_)):
                found.setdefault(name, kind)
    for name in _object(tileset.value.get("properties")):
        found.setdefault(name, FieldType.NUMBER)
    return tuple(itertools.islice(_measured(found), MAX_FIELDS))


def _type(described: Mapping[str, Any]) -> FieldType | None:
    kind, component = described.get("type"), described.get("componentType")
    if described.get("array") is True:
        return FieldType.ARRAY
    if kind == "SCALAR":
        return FieldType.INTEGER if isinstance(component, str) and "INT" in component else FieldType.NUMBER
    return _TYPES.get(kind) if isinstance(kind, str) else None


def _measured(found: Mapping[str, FieldType]) -> Iterator[MeasuredField]:
    for name, kind in found.items():
        try:
            yield MeasuredField(name=name, type=kind)
        except ValidationError:  # a name that the API cannot hold
            continue


# --- the place on Earth


@dataclass(frozen=True)
class _Solid:
    """A box or a sphere, in metres from the centre of the Earth.

    Attributes:
        center: of it.
        axes: the three half axes of a box; none of a sphere.
        reach: from the centre to what is farthest of it.
    """

    center: Point
    axes: tuple[Point, ...]
    reach: float


def _extent(session: Session, root: Mapping[str, Any]) -> tuple[Extent | None, bool]:
    """The extent of the root's bounding volume in degrees, and whether it is not on Earth at all."""
    region = _numbers(_object(root.get("boundingVolume")).get("region"))
    solid = None if region else _solid(root)
    degrees: Sequence[float] = ()
    why = "the root's bounding volume is no rectangle in degrees that can be read"
    if region:
        degrees = [math.degrees(angle) for angle in region[:4]]
    elif solid is not None:
        ((longitude, latitude, height),) = _degrees([solid.center])
        if not _HEIGHTS_METRES[0] - solid.reach <= height <= _HEIGHTS_METRES[1] + solid.reach:
            session.not_found("extent", "the root's bounding volume is not on Earth: its coordinates are local ones")
            return None, True
        if solid.reach > _MAX_REACH_METRES:
            why = "the root's bounding volume is too big to tell where it ends"
        elif solid.axes:
            degrees = _around_box(solid)
        else:
            degrees = _around_sphere(longitude, latitude, solid.reach)
    found = geo.extent(geo.CRS84, degrees)
    if found is None:
        session.not_found("extent", why)
    return found, False


def _solid(root: Mapping[str, Any]) -> _Solid | None:
    """The box or sphere of a tile, moved by the tile's transform; None where it cannot be read."""
    volume = _object(root.get("boundingVolume"))
    box, sphere = _numbers(volume.get("box")), _numbers(volume.get("sphere"))
    transform = _numbers(root.get("transform", _IDENTITY))
    if len(transform) != 16 or (len(box) != 12 and (box or len(sphere) != 4)):
        return None
    x, y, z = _turn(transform, (box or sphere)[:3])
    center = (x + transform[12], y + transform[13], z + transform[14])
    if box:
        axes = tuple(_turn(transform, box[start : start + 3]) for start in (3, 6, 9))
        reach = math.hypot(*(part for axis in axes for part in axis))  # of a box with right angles
    else:
        axes = ()
        reach = sphere[3] * max(math.hypot(*transform[start : start + 3]) for start in (0, 4, 8))
    return _Solid(center, axes, reach) if reach >= 0 and all(map(math.isfinite, (*center, reach))) else None


def _around_box(box: _Solid) -> Sequence[float]:
    """West, south, east and north of a box; nothing when it has a pole or the antimeridian in it."""
    corners = [
        [box.center[i] + sum(sign * axis[i] for sign, axis in zip(signs, box.axes, strict=True)) for i in range(3)]
        for signs in itertools.product((-1, 1), repeat=3)
    ]
    longitudes, latitudes, _ = zip(*_degrees(corners), strict=True)
    across = max(longitudes) - min(longitudes) > 180
    return () if across else (min(longitudes), min(latitudes), max(longitudes), max(latitudes))


def _around_sphere(longitude: float, latitude: float, radius: float) -> Sequence[float]:
    """West, south, east and north of a sphere."""
    north = math.degrees(radius / _EARTH_METRES)
    east = north / max(math.cos(math.radians(latitude)), 1e-9)
    return longitude - east, latitude - north, longitude + east, latitude + north


def _degrees(points: Sequence[Sequence[float]]) -> list[Point]:
    """Longitude, latitude and height of geocentric points."""
    x, y, z = zip(*points, strict=True)
    return list(zip(*_transformer().transform(x, y, z), strict=True))


@functools.cache
def _transformer() -> "Transformer":
    from pyproj import Transformer  # it takes 45 MiB, and most sources need it not

    return Transformer.from_crs(_GEOCENTRIC, _GEOGRAPHIC, always_xy=True)


def _turn(transform: Sequence[float], vector: Sequence[float]) -> Point:
    """A vector through a transform, whose 16 numbers come by column, without its translation."""
    x, y, z = (sum(transform[4 * column + row] * vector[column] for column in range(3)) for row in range(3))
    return x, y, z


# --- JSON of which nothing is sure


def _numbers(value: Any) -> list[float]:
    """The numbers of an array; none when there is anything else in it."""
    found = _array(value)
    return [float(number) for number in found] if all(map(_is_number, found)) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _array(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
