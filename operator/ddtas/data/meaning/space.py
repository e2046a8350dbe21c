"""Coordinate reference systems and extents, compared as places and not as texts. By pyproj and shapely.

x is the easting or longitude and y the northing or latitude everywhere, whatever order a CRS has its own axes in.

Worked out in another process, see `ddtas.data.meaning.questions`.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddtas.data.contract import Area, Extent
from ddtas.data.meaning.questions import ask

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

# pyproj and shapely are imported when first needed: most comparisons are of equal texts, and they take 45 MiB.
MOST_POINTS = 1000  # of an area: the borders of a municipality, simplified
_EDGE_POINTS = 16  # a straight edge in one CRS is a curve in another
_CACHED = 512


@dataclass(frozen=True)
class MeetsCrs:
    """Are coordinates in one CRS also coordinates in another, heights aside that nobody wants?"""

    offered: str
    wanted: str

    def answer(self) -> bool | None:
        """None where one of them is not known."""
        return _meets_crs(self.offered, self.wanted)


@dataclass(frozen=True)
class Transformable:
    """Can coordinates in one CRS be transformed into another?"""

    source: str
    target: str

    def answer(self) -> bool | None:
        """None where one of them is not known."""
        return _transformable(self.source, self.target)


@dataclass(frozen=True)
class Covered:
    """How much of an area lies within an extent?"""

    area: Area | Extent
    extent: Extent

    def answer(self) -> float | None:
        """In percent; None where it cannot be told."""
        return _covered_percent(self.area, self.extent)


@dataclass(frozen=True)
class Fault:
    """What is wrong with an area?"""

    area: Area

    def answer(self) -> str | None:
        """None where nothing is."""
        return _fault(self.area)


# An authority and its code. Whatever else there is in a name is looked for in all that PROJ knows, which takes long.
_CODE = "[A-Za-z][A-Za-z0-9_]{0,15}%s[A-Za-z0-9.]{0,10}%s[A-Za-z0-9]{1,15}"
_CODED = re.compile(
    f"EPSG:[0-9]{{4,6}}|OGC:CRS84h?|https?://www.opengis.net/def/crs/{_CODE % ('/', '/')}"
    f"|urn:ogc:def:crs:{_CODE % (':', ':')}|urn:ogc:def:crs,crs:{_CODE % (':', ':')},crs:{_CODE % (':', ':')}"
)


@lru_cache(maxsize=_CACHED)
def _crs(name: str) -> "CRS | None":
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if not _CODED.fullmatch(name):  # a compound URN has a horizontal and a vertical CRS
        return None
    try:
        return CRS.from_user_input(name)
    except CRSError:
        return None


def warm() -> None:
    """Have shapely and PROJ open all that they need to work anything out."""
    box = Extent(crs="OGC:CRS84", bbox=("4", "51", "5", "52"))
    _covered_percent(Area(crs="EPSG:28992", wkt="POLYGON((80000 450000,90000 450000,90000 460000,80000 450000))"), box)
    _fault(Area(crs="EPSG:28992", wkt="POLYGON((0 0,1 1,1 0,0 1,0 0))"))


def meets_crs(offered: str, wanted: str) -> bool | None:
    """Whether coordinates in one CRS are coordinates in another, the order of axes aside (protocols have rules of
    their own for that). Heights may come besides (EPSG:7415 meets EPSG:28992); wanted ones must be of the same datum.

    Returns:
        None when one of them is not known.
    """
    answer = True if offered == wanted else ask(MeetsCrs(offered, wanted))
    return answer if isinstance(answer, bool) else None


def transformable(source: str, target: str) -> bool | None:
    """Whether x and y in one CRS can be transformed into another, which wants no heights that are not there.

    Returns:
        None when one of them is not known.
    """
    answer = True if source == target else ask(Transformable(source, target))
    return answer if isinstance(answer, bool) else None


def covered_percent(area: Area | Extent, extent: Extent) -> float | None:
    """How much of an area lies within an extent, in percent of the area as its own CRS measures it.

    Returns:
        None when it cannot be told: an unknown CRS, an area with a fault or without a size, or an extent that has no
        place in the area's CRS.
    """
    found = ask(Covered(area, extent))
    return found if isinstance(found, float) else None


def fault(area: Area) -> str | None:
    """What is wrong with an area, after "spec.municipality.area"; None where nothing is."""
    found = ask(Fault(area))
    return found if isinstance(found, str) else None


def _meets_crs(offered: str, wanted: str) -> bool | None:
    left, right = _crs(offered), _crs(wanted)
    if left is None or right is None:
        return None
    if left.equals(right, ignore_axis_order=True):
        return True
    heights = _vertical(right)
    if heights is not None and not ((own := _vertical(left)) is not None and own.equals(heights)):
        return False
    if heights is None and len(_horizontal(right).axis_info) > 2:
        return False  # ellipsoidal heights, which are part of the CRS itself
    return bool(_horizontal(left).to_2d().equals(_horizontal(right), ignore_axis_order=True))


def _horizontal(crs: "CRS") -> "CRS":
    return crs.sub_crs_list[0] if crs.is_compound else crs


def _vertical(crs: "CRS") -> "CRS | None":
    return crs.sub_crs_list[1] if crs.is_compound else None


@lru_cache(maxsize=_CACHED)
def _transformer(source: str, target: str) -> "Transformer":
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _transformable(source: str, target: str) -> bool | None:
    from pyproj.exceptions import ProjError

    left, right = _crs(source), _crs(target)
    if left is None or right is None:
        return None
    place = left.area_of_use
    try:
        if place is None or not all(crs.is_geographic or crs.is_projected for crs in (left, right)):
            return False  # of a building, or heights alone
        if _vertical(right) is not None and _vertical(left) is None:
            return False
        middle = ((place.west + place.east) / 2, (place.south + place.north) / 2)
        there = _transformer(source, target).transform(*_transformer("OGC:CRS84", source).transform(*middle))
        return all(map(math.isfinite, there))
    except ProjError:
        return False  # of another planet


def _box(extent: Extent) -> Any:
    import shapely

    west, south, east, north = map(float, extent.bbox)
    return shapely.box(west, south, east, north)


def _fault(area: Area) -> str | None:
    import shapely

    if area.wkt.count(",") >= MOST_POINTS:
        return f".wkt has more than {MOST_POINTS} points: simplify it"
    if _crs(area.crs) is None:
        return ".crs is not known: give one such as EPSG:28992"
    try:
        shape = shapely.from_wkt(area.wkt)
    except shapely.errors.ShapelyError:
        return ".wkt cannot be read: write POLYGON((x y, x y, …)), the last point like the first"
    if not all(map(math.isfinite, shape.bounds)):
        return ".wkt encloses nothing: correct its coordinates"
    if not shapely.is_valid(shape):
        why = str(shapely.is_valid_reason(shape))[:80]
        return f".wkt is no valid polygon ({why}): correct it; a ring must not cross or touch itself"
    return None if shape.area > 0 else ".wkt encloses nothing: correct its coordinates"


def _shape(area: Area | Extent) -> Any | None:
    import shapely

    if isinstance(area, Extent):
        return _box(area)
    # Not made valid: that takes half a minute where a thousand lines cross each other.
    return None if _fault(area) else shapely.from_wkt(area.wkt)


def _to(shape: Any, source: str, target: str) -> Any | None:
    import shapely

    if source == target:
        return shape
    if _crs(source) is None or _crs(target) is None:
        return None
    length = math.hypot(shape.bounds[2] - shape.bounds[0], shape.bounds[3] - shape.bounds[1])
    if length > 0:
        shape = shapely.segmentize(shape, length / _EDGE_POINTS)
    transform = _transformer(source, target).transform
    moved = shapely.transform(shape, transform, interleaved=False)
    return shapely.make_valid(moved) if all(map(math.isfinite, moved.bounds)) else None


def _covered_percent(area: Area | Extent, extent: Extent) -> float | None:
    import shapely
    from pyproj.exceptions import ProjError

    try:
        wanted = _shape(area)
        if wanted is None or wanted.is_empty or not wanted.area > 0:
            return None
        offered = _to(_box(extent), extent.crs, area.crs)
        if offered is None:
            return None
        return float(100 * wanted.intersection(offered).area / wanted.area)
    except (ValueError, OverflowError, ProjError, shapely.errors.ShapelyError):
        return None  # no way from here to there (another planet, say), or coordinates beyond all measure
