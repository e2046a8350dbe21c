"""What the description of a collection of an OGC API says: where its data is, and of when. Pure."""

from collections.abc import Mapping
from typing import Any

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Moment, day, iso, timestamp
from ddtas.data.wire.documents import as_array, as_object


def has_box(collection: Mapping[str, Any]) -> bool:
    """Whether it says anything of where its data is."""
    return bool(as_array(_spatial(collection).get("bbox")))


def extent_of(collection: Mapping[str, Any]) -> Extent | None:
    """The extent that it declares; None where that is no rectangle in a CRS that can be read."""
    spatial = _spatial(collection)
    boxes = as_array(spatial.get("bbox"))
    box = as_array(boxes[0]) if boxes else []  # the first one is the whole
    plane = [box[0], box[1], box[3], box[4]] if len(box) == 6 else box  # without heights
    crs = geo.crs_name(spatial.get("crs", geo.CRS84))
    crs = geo.CRS84 if crs and crs.startswith(geo.CRS84) else crs
    swapped = geo.northing_first(crs) if crs else None
    if swapped and len(plane) == 4:
        plane = [plane[1], plane[0], plane[3], plane[2]]
    return geo.extent(crs, plane) if crs and swapped is not None else None


def interval_of(collection: Mapping[str, Any]) -> tuple[Moment | None, Moment | None]:
    """From when until when it has data, as it declares; None for an end that is open or cannot be read."""
    intervals = as_array(as_object(as_object(collection.get("extent")).get("temporal")).get("interval"))
    ends = as_array(intervals[0]) if intervals else []  # the first one is the whole
    moments = [day(end) or timestamp(end) if isinstance(end, str) else None for end in ends]
    first, last = moments if len(moments) == 2 else (None, None)
    if (earliest := iso(first)) and (newest := iso(last)) and earliest[:10] > newest[:10]:
        return None, None
    return first, last


def _spatial(collection: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_object(as_object(collection.get("extent")).get("spatial"))
