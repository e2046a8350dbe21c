"""The properties of a feature type by XML Schema, and what is a geometry in GML 3.2."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ddtas.data.contract import DataContract, FieldType, GeometryType
from ddtas.data.facts.records import MAX_FIELDS
from ddtas.data.kinds.wfs.elements import child, local_name, reference

_INTEGERS = """integer int long short byte nonNegativeInteger positiveInteger nonPositiveInteger negativeInteger
unsignedLong unsignedInt unsignedShort unsignedByte"""
_STRINGS = """string normalizedString token language Name NCName ID anyURI time duration gYear gYearMonth CodeType
CodeWithAuthorityType"""
_TYPES: Mapping[str, FieldType] = {
    **dict.fromkeys(_INTEGERS.split(), FieldType.INTEGER),
    **dict.fromkeys(("double", "float", "decimal", "MeasureType", "LengthType"), FieldType.NUMBER),
    **dict.fromkeys(_STRINGS.split(), FieldType.STRING),
    "boolean": FieldType.BOOLEAN,
    "date": FieldType.DATE,
    "dateTime": FieldType.TIMESTAMP,
    # Days as well as moments: the values tell.
    **dict.fromkeys(("TimeInstantType", "TimeInstantPropertyType", "TimePositionType"), FieldType.TIMESTAMP),
}
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)

# GML 3.2 knows curves and surfaces, of which lines and polygons are the simple kinds.
GEOMETRIES: Mapping[str, GeometryType] = {
    "Point": GeometryType.POINT,
    "LineString": GeometryType.LINE_STRING,
    "Curve": GeometryType.LINE_STRING,
    "Polygon": GeometryType.POLYGON,
    "Surface": GeometryType.POLYGON,
    "MultiPoint": GeometryType.MULTI_POINT,
    "MultiLineString": GeometryType.MULTI_LINE_STRING,
    "MultiCurve": GeometryType.MULTI_LINE_STRING,
    "MultiPolygon": GeometryType.MULTI_POLYGON,
    "MultiSurface": GeometryType.MULTI_POLYGON,
    "MultiGeometry": GeometryType.GEOMETRY_COLLECTION,
}
_ANY_GEOMETRY = frozenset({"Geometry", "AbstractGeometry", "GeometricPrimitive"})


@dataclass
class Schema:
    """The properties of a feature type by XML Schema; without what other documents would have to tell.

    Attributes:
        fields: by name; None where only the values can tell the type.
        geometry_type: of the first property with a geometry, if its type is one.
    """

    fields: dict[str, FieldType | None] = field(default_factory=dict)
    geometry_type: GeometryType | None = None

    @classmethod
    def read(cls, root: Element, feature_type: str) -> "Schema":
        """From the answer to DescribeFeatureType; without fields where that does not tell them."""
        schema = cls()
        name = feature_type.rpartition(":")[2]
        types = {(local_name(e.tag), e.get("name", "")): e for e in root}
        declared = types.get(("element", name))
        if declared is None:
            return schema
        inner = child(declared, "complexType")
        outer = types.get(("complexType", reference(declared, "type")))
        start = inner if inner is not None else outer
        for element in _elements(start, types) if start is not None else ():
            schema._add(element, types)
        return schema

    def time_field(self, contract: DataContract) -> str | None:
        """The field of the time axis: the first that should hold days or moments, else the first that says so."""
        promised = {f.name for f in contract.fields if f.type in _TIMES}
        fitting = [name for name in self.fields if name in promised]
        return next(iter(fitting + [name for name, kind in self.fields.items() if kind in _TIMES]), None)

    def _add(self, element: Element, types: Mapping[tuple[str, str], Element]) -> None:
        name, kind = element.get("name", ""), reference(element, "type")
        geometry = kind.removesuffix("PropertyType")
        if geometry != kind and (geometry in GEOMETRIES or geometry in _ANY_GEOMETRY):
            self.geometry_type = self.geometry_type or GEOMETRIES.get(geometry)
        elif name and len(self.fields) < MAX_FIELDS:
            many = element.get("maxOccurs", "1") not in ("0", "1")
            self.fields[name] = FieldType.ARRAY if many else _type(element, types)


def _elements(start: Element, types: Mapping[tuple[str, str], Element]) -> Iterator[Element]:
    """The properties that a complex type declares, those of the types that it extends first."""
    pending, seen = [start], {start}
    while pending:
        one = pending.pop()
        kind = local_name(one.tag)
        if kind == "element":
            yield one
            continue
        inside = [e for e in one if local_name(e.tag) in ("complexContent", "extension", "sequence", "choice", "all")]
        pending.extend(reversed([*inside, *(e for e in one if local_name(e.tag) == "element")]))
        base = types.get(("complexType", reference(one, "base"))) if kind == "extension" else None
        if base is not None and base not in seen:
            seen.add(base)
            pending.append(base)


def _type(element: Element, types: Mapping[tuple[str, str], Element]) -> FieldType | None:
    """The type of a property; None for what this document does not tell."""
    for _ in range(4):  # a type that restricts a type that restricts …
        name = reference(element, "type") or reference(element, "base")
        if name in _TYPES:
            return _TYPES[name]
        inner = next(
            (e for e in element if local_name(e.tag) in ("simpleType", "restriction", "simpleContent", "extension")),
            None,
        )
        if inner is None and child(element, "complexType") is not None:
            return FieldType.OBJECT
        following = inner if inner is not None else types.get(("simpleType", name))
        if following is None:
            return None
        element = following
    return None
