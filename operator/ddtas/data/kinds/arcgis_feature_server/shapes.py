"""Geometries as ArcGIS has them, to those of GeoJSON. Pure.

A polygon is a list of rings there: those that go clockwise are outlines, the others holes, in any order.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

Ring = list[list[float]]
Nest = Callable[[list[Ring], list[Ring]], list[list[Ring]]]
"""Outlines and holes to polygons, each an outline and its own holes."""

_LEAST = 4  # positions of a ring, the first once more at its end


def geojson(geometry: Any, nest: Nest) -> dict[str, Any] | None:
    """A geometry of ArcGIS as one of GeoJSON; None for null, and for one without coordinates.

    Coordinates are not checked, but those of rings.

    Raises:
        ValueError: it is none: a curve, for example.
    """
    match geometry:
        case None | {"x": None | "NaN"}:
            return None
        case {"x": x, "y": y}:
            return {"type": "Point", "coordinates": [x, y]}
        case {"points": list() as points}:
            return {"type": "MultiPoint", "coordinates": points}
        case {"paths": list() as paths}:
            return _one_or_more("LineString", [path for path in paths if path])
        case {"rings": list() as rings}:
            return _one_or_more("Polygon", _polygons(rings, nest))
    raise ValueError("a geometry is no point, multipoint, polyline or polygon")


def _one_or_more(kind: str, parts: list[Any]) -> dict[str, Any] | None:
    if not parts:
        return None
    one = len(parts) == 1
    return {"type": kind if one else f"Multi{kind}", "coordinates": parts[0] if one else parts}


def _polygons(rings: list[Any], nest: Nest) -> list[list[Ring]]:
    outlines: list[Ring] = []
    holes: list[Ring] = []
    for ring in rings:
        closed = _closed(ring)
        if len(closed) >= _LEAST:  # fewer enclose nothing
            (outlines if _clockwise(closed) else holes).append(closed)
    if not outlines:  # some servers turn them all
        outlines, holes = holes, []
    return nest(outlines, holes) if holes else [[outline] for outline in outlines]


def _closed(ring: Any) -> Ring:
    if not isinstance(ring, list) or not all(map(_is_position, ring)):
        raise ValueError("a ring has what is no position")
    return ring if not ring or ring[0] == ring[-1] else [*ring, ring[0]]


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(isinstance(one, int | float) for one in value[:2])


def _clockwise(ring: Ring) -> bool:
    y0 = ring[0][1]  # heights count from there: those of a CRS are large, and differences would get lost
    return sum((b[0] - a[0]) * (b[1] + a[1] - 2 * y0) for a, b in pairwise(ring)) >= 0


def together(outlines: list[Ring], holes: list[Ring]) -> list[list[Ring]]:
    """All holes with the first outline: enough for who wants to know the type and the box."""
    return [[outlines[0], *holes], *([outline] for outline in outlines[1:])]
