"""Reads features in GML 3.2 as they come by: how big a geometry is does not matter."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts.records import MAX_FIELDS
from ddtas.data.kinds.wfs.elements import local_name
from ddtas.data.kinds.wfs.schema import GEOMETRIES, Schema

_DEPTH = 64  # of nested elements around and in a feature
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_GML_OWN = frozenset({"boundedBy", "location", "metaDataProperty", "identifier", "descriptionReference"})
_MEMBERS = frozenset({"member", "featureMember", "featureMembers"})

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY_WITH_ZONE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})")  # xs:date may have one
_NO_NUMBER = frozenset({"NaN", "INF", "-INF"})


@dataclass
class Feature:
    """A feature.

    Attributes:
        properties: as JSON would have them; of objects and arrays it counts that they are there. None where the schema
            has a property that the feature has not.
        units: `uom` of a property.
        geometry_types: of its geometries; the geometries themselves are not kept.
    """

    properties: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    geometry_types: set[GeometryType] = field(default_factory=set)


class FeatureParser:
    """What an XML parser tells its events to: takes the features of a collection one by one.

    Attributes:
        root: local name of the root element.
        number_matched: as the root has it; hostile.
        exception: the code in an exception report, possibly empty; None where it is no such report.
        features: those that are complete.
    """

    def __init__(self, schema: Schema, most: int) -> None:
        """Expect a document.

        Args:
            schema: of its features.
            most: characters of a value that are kept.
        """
        self.root = ""
        self.number_matched: str | None = None
        self.exception: str | None = None
        self.features: list[Feature] = []
        self._schema = schema
        self._most = most
        self._path: list[str] = []
        self._feature = Feature()
        self._text = ""
        self._holds = ""  # what the property holds, besides text: "geometry", "object"

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        name = local_name(tag)
        self._path.append(name)
        depth = len(self._path)
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        if depth == 1:
            self.root = name
            self.number_matched = attributes.get("numberMatched")
        elif depth == 3 and self._path[1] in _MEMBERS:
            self._feature = Feature(dict.fromkeys(self._schema.fields))
        elif depth == 4:
            self._text = ""
            self._holds = "nothing" if attributes.get(_NIL) in ("true", "1") else ""
            if (unit := attributes.get("uom")) and len(self._feature.units) < MAX_FIELDS:
                self._feature.units[name] = unit[: self._most]
        elif depth == 5 and name in GEOMETRIES and self._path[3] not in _GML_OWN:
            self._holds = "geometry"
            self._feature.geometry_types.add(GEOMETRIES[name])
        elif depth == 5 and name not in ("timePosition", "TimeInstant"):
            self._holds = self._holds or "object"
        if self.root.endswith("ExceptionReport"):
            self.exception = self.exception or attributes.get("exceptionCode") or attributes.get("code") or ""

    def data(self, text: str) -> None:
        """Text, in pieces."""
        if len(self._path) >= 4 and not self._holds:
            self._text += text[: self._most - len(self._text)]

    def end(self, _: str) -> None:
        """An element ends."""
        depth = len(self._path)
        if depth == 4 and self._path[1] in _MEMBERS:
            self._end_property(self._path[3])
        elif depth == 3 and self._path[1] in _MEMBERS:
            self.features.append(self._feature)
            self._feature = Feature()
        self._path.pop()

    def close(self) -> None:
        """The document ends."""

    def rest(self) -> Feature:
        """The beginning of a feature that is not complete; an empty one where there is none."""
        return self._feature

    def _end_property(self, name: str) -> None:
        declared = name in self._schema.fields
        if self._holds == "geometry" or (name in _GML_OWN and not declared):
            return
        kind = self._schema.fields.get(name)
        value: Any = {} if self._holds == "object" else _value(self._text, kind) if not self._holds else None
        again = self._feature.properties.get(name) is not None
        self._feature.properties[name] = [] if again or (kind is FieldType.ARRAY and value is not None) else value


def _value(text: str, kind: FieldType | None) -> Any:
    """A text as JSON would have it, by the type in the schema, or else by what it looks like."""
    text = text.strip()
    if kind is FieldType.STRING:
        return text
    if not text and kind not in (FieldType.ARRAY, FieldType.OBJECT):
        return None
    if kind is FieldType.BOOLEAN and text in ("true", "false", "1", "0"):
        return True
    if kind is FieldType.DATE and (match := _DAY_WITH_ZONE.fullmatch(text)):
        return match[1]
    if kind in (FieldType.INTEGER, FieldType.NUMBER, None):
        if text in _NO_NUMBER:
            return None
        if _INTEGER.fullmatch(text):
            return float(text) if kind is FieldType.NUMBER else int(text)
        if _NUMBER.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else None
    return text
