"""Where on Earth a tileset is, by the bounding volume of its root."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.kinds.tiles_3d.reader import is_number
from ddtas.data.probing import ProbeSession
from ddtas.data.wire.documents import as_array, as_object

if TYPE_CHECKING:
    from pyproj import Transformer

GEOCENTRIC, _GEOGRAPHIC = "EPSG:4978", "EPSG:4979"  # of boxes, spheres and tiles; of regions
# The length of a degree of latitude is that of this sphere to half a percent.
_EARTH_METRES = 6_371_000.0
_MAX_REACH_METRES = 500_000.0  # of a volume: the corners of a bigger one say little about what is between them
_HEIGHTS_METRES = (-15_000.0, 50_000.0)  # of what is on Earth
_IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]

Point = tuple[float, float, float]


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


def extent(session: ProbeSession, root: Mapping[str, Any]) -> tuple[Extent | None, bool]:
    """The extent of the root's bounding volume in degrees, and whether it is not on Earth at all."""
    region = _numbers(as_object(root.get("boundingVolume")).get("region"))
    solid = None if region else _solid(root)
    degrees: Sequence[float] = ()
    why = "the root's bounding volume is no rectangle in degrees that can be read"
    if region:
        degrees = [math.degrees(angle) for angle in region[:4]]
    elif solid is not None:
        ((longitude, latitude, height),) = _degrees([solid.center])
        if not _HEIGHTS_METRES[0] - solid.reach <= height <= _HEIGHTS_METRES[1] + solid.reach:
            session.unknown("extent", "the root's bounding volume is not on Earth: its coordinates are local ones")
            return None, True
        if solid.reach > _MAX_REACH_METRES:
            why = "the root's bounding volume is too big to tell where it ends"
        elif solid.axes:
            degrees = _around_box(solid)
        else:
            degrees = _around_sphere(longitude, latitude, solid.reach)
    box = geo.extent(geo.CRS84, degrees)
    if box is None:
        session.unknown("extent", why)
    return box, False


def _solid(root: Mapping[str, Any]) -> _Solid | None:
    """The box or sphere of a tile, moved by the tile's transform; None where it cannot be read."""
    volume = as_object(root.get("boundingVolume"))
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

    return Transformer.from_crs(GEOCENTRIC, _GEOGRAPHIC, always_xy=True)


def _turn(transform: Sequence[float], vector: Sequence[float]) -> Point:
    """A vector through a transform, whose 16 numbers come by column, without its translation."""
    x, y, z = (sum(transform[4 * column + row] * vector[column] for column in range(3)) for row in range(3))
    return x, y, z


def _numbers(value: Any) -> list[float]:
    """The numbers of an array; none when there is anything else in it."""
    items = as_array(value)
    return [float(number) for number in items] if all(map(is_number, items)) else []
