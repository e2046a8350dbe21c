"""Facts about where data is: the names of coordinate reference systems, extents, and geometries as GeoJSON has them.

x is the easting or longitude and y the northing or latitude everywhere, as in the API. Pure; no geometry is kept.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ddtas.data.contract import Extent, GeometryType
from ddtas.schema.types import Crs

CRS84 = "OGC:CRS84"

_DEGREES = frozenset({CRS84, "OGC:CRS84h", "EPSG:4326"})
_CRS = TypeAdapter(Crs)
_MAX_DECIMALS = 7  # of a degree: about a centimetre
_MAX_SIZE = 1e12  # no coordinate on Earth is bigger, in any unit that is in use
_LENGTH = 120  # of a CRS in the API
# http://www.opengis.net/def/crs/EPSG/0/28992, urn:ogc:def:crs:EPSG::28992, http://www.opengis.net/gml/srs/epsg.xml#28992,
# and EPSG:28992, also as a safe CURIE: [EPSG:28992].
_EPSG = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/EPSG/[0-9.]*/|urn:(?:ogc|x-ogc):def:crs:EPSG:[0-9.]*:"
    r"|https?://www\.opengis\.net/gml/srs/epsg\.xml#|\[?EPSG:)([0-9]{4,6})\]?",
    re.IGNORECASE,
)
_OGC = re.compile(
    r"(?:https?://www\.opengis\.net/def/crs/OGC/[0-9.]*/|urn:(?:ogc|x-ogc):def:crs:OGC:[0-9.]*:|\[?OGC:|)CRS84(h?)\]?",
    re.IGNORECASE,
)
_TYPES = {kind.value: kind for kind in GeometryType if kind is not GeometryType.MESH}
_MULTI = {
    GeometryType.POINT: GeometryType.MULTI_POINT,
    GeometryType.LINE_STRING: GeometryType.MULTI_LINE_STRING,
    GeometryType.POLYGON: GeometryType.MULTI_POLYGON,
}


def crs_name(text: Any) -> str | None:
    """The name of a CRS as the API has it: EPSG:28992 or OGC:CRS84 where it is one, else its URI or URN at OGC.

    Returns:
        None when the API cannot hold it, or it is no text.
    """
    if not isinstance(text, str) or len(text) > _LENGTH:
        return None
    if match := _EPSG.fullmatch(text):
        return f"EPSG:{match[1]}"
    if match := _OGC.fullmatch(text):
        return f"OGC:CRS84{match[1].lower()}"
    try:
        return _CRS.validate_python(text)
    except ValidationError:
        return None


def same_plane(name: str | None, promised: str | None) -> str | None:
    """The name that a contract has for a CRS, where both mean the same one but for the order of its axes.

    Args:
        name: as a source has it; None where it does not tell.
        promised: as the contract has it.
    """
    degrees = {CRS84, "EPSG:4326"}
    same = name is not None and (name == crs_name(promised) or {name, crs_name(promised)} <= degrees)
    return promised if same else name


def decimal(number: Any) -> str | None:
    """A JSON number in plain notation, at most 7 decimals; None when it is no number, or no coordinate on Earth."""
    if not _is_coordinate(number):
        return None
    text = f"{number:.{_MAX_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def extent(crs: str, box: Sequence[Any]) -> Extent | None:
    """An extent from minimum x, minimum y, maximum x, maximum y; None when that is no rectangle.

    A box in degrees that crosses the antimeridian (its west is east of its east) is no rectangle either, and one with
    a longitude or latitude that cannot be: metres, mostly, under the wrong name.
    """
    corners = [decimal(number) for number in box]
    if len(corners) != 4 or None in corners or not (box[0] <= box[2] and box[1] <= box[3]):
        return None
    if crs in _DEGREES and not (box[0] >= -180 and box[2] <= 180 and box[1] >= -90 and box[3] <= 90):
        return None
    return Extent.model_validate({"crs": crs, "bbox": corners})


def northing_first(crs: str) -> bool | None:
    """Whether a CRS has its northing or latitude before its easting or longitude; None when it is not known."""
    if crs.startswith(CRS84):
        return False
    from pyproj import CRS  # it takes 45 MiB, and most sources need it not
    from pyproj.exceptions import CRSError

    try:
        axes = CRS.from_user_input(crs).axis_info
    except CRSError:
        return None
    return bool(axes) and axes[0].direction in ("north", "south")


class Geometries:
    """Takes geometries one by one, as GeoJSON (RFC 7946) has them, and knows their type and the box around them."""

    def __init__(self) -> None:
        self.types: set[GeometryType] = set()
        self.box: tuple[float, float, float, float] | None = None
        self.broken = False

    def add(self, geometry: Any) -> None:
        """Take one geometry; None is a feature without one. One that is no geometry makes the box unknown."""
        if geometry is None:
            return
        if not self.add_type(geometry.get("type") if isinstance(geometry, dict) else None):
            return
        pending = [geometry]
        while pending:
            one = pending.pop()
            if isinstance(one, dict) and isinstance(one.get("geometries"), list):
                pending.extend(one["geometries"])
            elif isinstance(one, dict):
                pending.append(one.get("coordinates"))
            elif isinstance(one, list) and one and not isinstance(one[0], list | dict):
                self.add_position(one)
            elif isinstance(one, list):
                pending.extend(one)
            else:
                self.broken = True

    def add_type(self, kind: Any) -> bool:
        """Take the type of a geometry alone; False, and the box unknown, when it is none."""
        is_type = isinstance(kind, str) and kind in _TYPES
        if is_type:
            self.types.add(_TYPES[kind])
        else:
            self.broken = True
        return is_type

    def type(self) -> GeometryType | None:
        """The type of all geometries; the Multi type when some are single; None when they have no type in common."""
        if len(self.types) == 1:
            return next(iter(self.types))
        widened = {_MULTI.get(kind, kind) for kind in self.types}
        return widened.pop() if len(widened) == 1 else None

    def extent(self, crs: str, *, swapped: bool = False) -> Extent | None:
        """The box around all geometries; `swapped` when the coordinates come with the northing first."""
        if self.box is None or self.broken:
            return None
        west, south, east, north = self.box
        return extent(crs, (south, west, north, east) if swapped else self.box)

    def add_position(self, position: list[Any]) -> None:
        """Take one position alone; one that is none makes the box unknown."""
        if len(position) < 2 or not all(map(_is_coordinate, position[:2])):
            self.broken = True
            return
        x, y = position[:2]
        west, south, east, north = self.box or (x, y, x, y)
        self.box = (min(west, x), min(south, y), max(east, x), max(north, y))


def _is_coordinate(number: Any) -> bool:
    # The comparison also refuses what is not a number, and takes integers that no float can hold.
    return isinstance(number, int | float) and not isinstance(number, bool) and -_MAX_SIZE <= number <= _MAX_SIZE
