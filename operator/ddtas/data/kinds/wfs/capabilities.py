"""What the capabilities of a service say."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.kinds.wfs.elements import child, local_name, text_of
from ddtas.data.session import Session, SourceReason
from ddtas.errors import printable

_MAX_CRS = 16  # what the facts can hold
_SHOWN = 5  # names in a message
_NAME_LENGTH = 200


@dataclass(frozen=True)
class FeatureType:
    """A feature type as the capabilities have it."""

    name: str
    crs: tuple[str, ...]
    extent: Extent | None


def feature_type(session: Session, capabilities: Element) -> FeatureType:
    """The feature type that the target names: by its full name, or by its local name where only one has it.

    Raises:
        SourceError: EntityNotFound where there is none, or several.
    """
    wanted = session.target.physical_name or ""
    offered: dict[str, Element] = {}
    for element in capabilities.iter():
        name = text_of(child(element, "Name")) if local_name(element.tag) == "FeatureType" else ""
        if 0 < len(name) <= _NAME_LENGTH:
            offered.setdefault(name, element)
    fitting = [wanted] if wanted in offered else [n for n in offered if n.rpartition(":")[2] == wanted]
    if len(fitting) == 1:
        element = offered[fitting[0]]
        return FeatureType(fitting[0], _crs(element), _extent(element))
    names = ", ".join(printable(name, 40) for name in (fitting or list(offered))[:_SHOWN])
    raise session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has {len(fitting) or 'no'} feature types '{printable(wanted, 60)}': set physicalName to one that it has"
        f"{f', such as {names}' if names else ''}",
    )


def _crs(element: Element) -> tuple[str, ...]:
    texts = [text_of(one) for tag in ("DefaultCRS", "OtherCRS") for one in element if local_name(one.tag) == tag]
    return tuple(dict.fromkeys(filter(None, map(geo.crs_name, texts))))[:_MAX_CRS]


def _extent(element: Element) -> Extent | None:
    """WGS84BoundingBox, which has the longitude first, whatever axes EPSG:4326 has (OGC 06-121r3, 10.2.2)."""
    box = child(element, "WGS84BoundingBox")
    corners = [text_of(child(box, name)) for name in ("LowerCorner", "UpperCorner")] if box is not None else []
    try:
        numbers = [float(number) for corner in corners for number in corner.split()]
    except ValueError:
        return None
    return geo.extent(geo.CRS84, numbers)


def sorts(capabilities: Element) -> bool:
    """Whether the service says that it sorts (OGC 09-026r2, conformance class Sorting)."""
    for element in capabilities.iter():
        if local_name(element.tag) == "Constraint" and element.get("name") == "ImplementsSorting":
            return text_of(child(element, "DefaultValue")).upper() == "TRUE"
    return False
