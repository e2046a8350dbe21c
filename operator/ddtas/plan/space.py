"""Coordinate reference systems and extents, compared as places and not as texts. By pyproj and shapely.

x is the easting or longitude and y the northing or latitude everywhere, whatever order a CRS has its own axes in.
"""

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ddtas.api.datasource import Area, Extent

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

# pyproj and shapely are imported when first needed: most comparisons are of equal texts, and they take 45 MiB.
_EDGE_POINTS = 16  # a straight edge in one CRS is a curve in another
_CACHED = 512
# An authority and its code. Whatever else there is in a name is looked for in all that PROJ knows, which takes long.
_CODE = "[A-Za-z][A-Za-z0-9_]{0,15}%s[A-Za-z0-9.]{0,10}%s[A-Za-z0-9]{1,15}"
_CODED = re.compile(
    f"EPSG:[0-9]{{4,6}}|OGC:CRS84h?|https?://www.opengis.net/def/crs/{_CODE % ('/', '/')}"
    f"|urn:ogc:def:crs:{_CODE % (':', ':')}"
)


@lru_cache(maxsize=_CACHED)
def _crs(name: str) -> "CRS | None":
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if not _CODED.fullmatch(name):
        return None
    try:
        return CRS.from_user_input(name)
    except CRSError:
        return None


@lru_cache(maxsize=_CACHED)
def same_crs(name: str, other: str) -> bool | None:
    """Whether two names are of one CRS, the order of its axes aside (protocols have rules of their own for that).

    Returns:
        None when one of them is not known.
    """
    if name == other:
        return True
    left, right = _crs(name), _crs(other)
    if left is None or right is None:
        return None
    return bool(left.equals(right, ignore_axis_order=True))


@lru_cache(maxsize=_CACHED)
def _transformer(source: str, target: str) -> "Transformer":
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _box(extent: Extent) -> Any:
    import shapely

    west, south, east, north = map(float, extent.bbox)
    return shapely.box(west, south, east, north)


def _shape(area: Area | Extent) -> Any | None:
    import shapely

    if isinstance(area, Extent):
        return _box(area)
    try:
        return shapely.make_valid(shapely.from_wkt(area.wkt))
    except shapely.errors.ShapelyError:
        return None


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


@lru_cache(maxsize=_CACHED)
def covered_percent(area: Area | Extent, extent: Extent) -> float | None:
    """How much of an area lies within an extent, in percent of the area as its own CRS measures it.

    Returns:
        None when it cannot be told: an unknown CRS, an area that is no polygon or has no size, or an extent that has
        no place in the area's CRS.
    """
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
