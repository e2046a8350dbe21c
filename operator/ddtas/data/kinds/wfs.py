"""OGC Web Feature Service 2.0 (OGC 09-025r2, also ISO 19142): requests as key-value pairs, answers in GML 3.2.

Every request goes to the endpoint itself, never to the addresses in the capabilities: behind a proxy those are often
those of another machine. Features are read as a stream: how big a geometry is does not matter.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ddtas.data.contract import DataContract, Extent, FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, Moment, iso
from ddtas.data.facts.records import MAX_FIELDS, NAME, Records
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError, printable

_SAMPLE = 50  # features
_DEPTH = 64  # of nested elements around and in a feature
_TEXT = 200  # characters of a value, which are enough to tell its type
_MAX_CRS = 16  # what the facts can hold
_SHOWN = 5  # names in a message
_NAME_LENGTH = 200

_ACCEPT = "application/gml+xml, application/xml, text/xml;q=0.9"
_VERSION = re.compile(r"2\.0\.[0-9]")
_COUNT = re.compile(r"[0-9]{1,15}")
# What we say ourselves; people give the URL of the capabilities as the endpoint.
_OURS = frozenset(
    ("service", "version", "acceptversions", "request", "typename", "typenames", "count", "resulttype", "sortby")
)
_REFUSALS = (
    SourceReason.HTTP_ERROR,
    SourceReason.ERROR_REPORTED,
)  # a server that does not do what its capabilities say

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_GML_OWN = frozenset({"boundedBy", "location", "metaDataProperty", "identifier", "descriptionReference"})
_MEMBERS = frozenset({"member", "featureMember", "featureMembers"})

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
_GEOMETRIES: Mapping[str, GeometryType] = {
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

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY_WITH_ZONE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})")  # xs:date may have one
_NO_NUMBER = frozenset({"NaN", "INF", "-INF"})


async def probe(session: Session) -> SourceFacts:
    """Probe one feature type: its capabilities, its schema, its newest 50 features, their number.

    Without a number in the answer with features, a request asks for it alone; where the server sorts and there are
    more features than those, another one asks for the oldest. `physical_name` is the feature type, with its prefix or
    without.

    Raises:
        SourceError: with a Reason. EntityNotFound when the capabilities do not have the feature type, ErrorReported
            for an exception report (OGC 06-121r3), UnexpectedContent for other services and versions.
    """
    async with http.client(session) as client:
        service = _Service(client)
        capabilities = await service.capabilities()
        kind = _feature_type(session, capabilities)
        schema = _Schema.read(await service.document("DescribeFeatureType", typename=kind.name), kind.name)
        return session.facts(await _facts(session, service, kind, schema, sorts=_sorts(capabilities)))


async def _facts(
    session: Session, service: "_Service", kind: "_FeatureType", schema: "_Schema", sorts: bool
) -> SourceFacts:
    time = schema.time_field(session.target.contract) if sorts else None
    sample, sorted_by = await service.newest(kind.name, schema, time)
    records = await _matched(session, service, kind.name, sample)
    complete = records == sample.records.count
    axis = sample.records.axis_of(sorted_by) if sorted_by else sample.records.axis()
    first, last = (axis.first, axis.last) if axis else (None, None)
    if axis is None:
        for fact in ("first", "last", "timeResolution"):
            session.not_found(fact, "the features that were read have no field with days or moments")
    elif axis.resolution() is None:
        session.not_found("timeResolution", "the features that were read have no one step between them")
    if axis is not None and not complete:
        oldest = await service.oldest(kind.name, schema, sorted_by) if sorted_by else None
        first, last = _ends(session, axis if sorted_by else None, oldest)
    geometry_type = schema.geometry_type or sample.geometries.type()
    if geometry_type is None:
        session.not_found("geometryType", "neither the schema nor the features that were read tell one type")
    if not kind.crs:
        session.not_found("crs", "the capabilities name no CRS of this feature type")
    if kind.extent is None:
        session.not_found("extent", "the capabilities have no usable WGS84BoundingBox of this feature type")
    session.not_found("sizeBytes", "the protocol does not tell it")
    return SourceFacts(
        fields=sample.fields(schema),
        geometry_type=geometry_type,
        crs=kind.crs,
        extent=kind.extent,
        records=records,
        sampled=sample.records.count,
        first=iso(first),
        last=iso(last),
        time_resolution=axis.resolution() if axis else None,
    )


async def _matched(session: Session, service: "_Service", name: str, sample: "_Sample") -> int | None:
    """How many features there are; servers may say "unknown" instead, also when asked for nothing else."""
    matched = _count(sample.number_matched)
    if matched is None:
        matched = await service.hits(name)
    if matched is None:
        session.not_found("records", "the server does not tell numberMatched")
    elif matched < sample.records.count:
        session.not_found("records", "the server gives more features than it says that there are")
        return None
    return matched


def _ends(session: Session, newest: Axis | None, oldest: Moment | None) -> tuple[Moment | None, Moment | None]:
    """The first and the last moment, where a server that sorts shows them."""
    if newest is None:
        for fact in ("first", "last"):
            session.not_found(fact, f"only {_SAMPLE} features were read, and the server does not sort them by time")
        return None, None
    if not newest.falling or newest.last is None or newest.first is None:
        for fact in ("first", "last"):
            session.not_found(fact, "the server does not sort as its capabilities say")
        return None, None
    if oldest is None or type(oldest) is not type(newest.first) or oldest > newest.first:
        session.not_found("first", "the server does not show its oldest feature first when asked to")
        return None, newest.last
    return oldest, newest.last


class _Service:
    """The requests to one service."""

    def __init__(self, client: http.Client) -> None:
        endpoint = client.resolve(None)
        kept = [(key, value) for key, value in endpoint.query.items() if key.lower() not in _OURS]
        self._url = str(endpoint.with_query(kept))
        self._visit = client
        self._session = client.session
        self._version = "2.0.0"

    async def capabilities(self) -> Element:
        """The capabilities, of version 2.0."""
        root = await self.document("GetCapabilities", acceptversions="2.0.2,2.0.0")
        if (found := _local(root.tag)) != "WFS_Capabilities":
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"answers with '{printable(found, 60)}' instead of WFS capabilities: give the endpoint of a WFS",
            )
        version = root.get("version", "")
        if not _VERSION.fullmatch(version):
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"is a WFS of version '{printable(version, 20)}', where 2.0 is needed: ask the data supplier for the "
                "endpoint of version 2.0",
            )
        self._version = version
        return root

    async def document(self, request: str, **parameters: str) -> Element:
        """The root of an answer that is read whole.

        Raises:
            SourceError: as `Client.xml`; ErrorReported for an exception report.
        """
        root: Element = (await self._visit.xml(self._url, query=self._query(request, parameters))).value
        if _local(root.tag) in ("ExceptionReport", "ServiceExceptionReport"):
            codes = [e.get("exceptionCode") or e.get("code") or "" for e in root.iter() if "Exception" in _local(e.tag)]
            raise self._reported(request, next(filter(None, codes), ""))
        return root

    async def hits(self, name: str) -> int | None:
        """The number of features; None when the server does not tell."""
        try:
            root = await self.document("GetFeature", typenames=name, resulttype="hits")
        except SourceError as error:
            if error.reason not in _REFUSALS:
                raise
            return None
        return _count(root.get("numberMatched"))

    async def newest(self, name: str, schema: "_Schema", time: str | None) -> tuple["_Sample", str | None]:
        """Some features, the newest where the server sorts by a field; and the field that it sorted by, or None."""
        if time is not None:
            try:
                return await self._features(name, schema, count=str(_SAMPLE), sortby=f"{time} DESC"), time
            except SourceError as error:
                if error.reason not in _REFUSALS:
                    raise
        return await self._features(name, schema, count=str(_SAMPLE)), None

    async def oldest(self, name: str, schema: "_Schema", time: str) -> Moment | None:
        """The time of the oldest feature; None when the server does not give it."""
        try:
            sample = await self._features(name, schema, count="1", sortby=f"{time} ASC")
        except SourceError as error:
            if error.reason not in _REFUSALS:
                raise
            return None
        axis = sample.records.axis_of(time)
        return axis.first if axis else None

    async def _features(self, name: str, schema: "_Schema", **parameters: str) -> "_Sample":
        """The features of an answer, up to the first that would make it too long a document."""
        session = self._session
        sample = _Sample(session.target.contract, schema)
        parser = DefusedXMLParser(target=sample, forbid_dtd=True)
        query = self._query("GetFeature", {"typenames": name, **parameters})
        try:
            async with self._visit.get(self._url, accept=_ACCEPT, query=query) as answer:
                if answer.media_type.endswith(("html", "json")):
                    raise session.error(
                        SourceReason.UNEXPECTED_CONTENT,
                        f"answers with {printable(answer.media_type, 60)} instead of GML: ask the data supplier",
                    )
                while (chunk := await answer.read()) and answer.received <= session.limits.max_document_bytes:
                    parser.feed(chunk)
                    if sample.records.count >= 2 * _SAMPLE:  # it takes no notice of `count`
                        break
                if answer.complete:
                    parser.close()
        except DefusedXmlException:
            raise session.error(
                SourceReason.MALFORMED_DATA, "answers with XML that has a DTD or entities, which are refused"
            ) from None
        except (ParseError, ValueError, LookupError):
            raise session.error(
                SourceReason.MALFORMED_DATA, "answers with XML that cannot be read: ask the data supplier"
            ) from None
        if sample.exception is not None:
            raise self._reported("GetFeature", sample.exception)
        if sample.root not in ("FeatureCollection", ""):  # "": the cap left no room
            raise session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"answers with '{printable(sample.root, 60)}' instead of features: ask the data supplier",
            )
        return sample

    def _query(self, request: str, parameters: Mapping[str, str]) -> dict[str, str]:
        return {"service": "WFS", "version": self._version, "request": request, **parameters}

    def _reported(self, request: str, code: str) -> SourceError:
        # Its text may hold anything; its code is from a list of the standard.
        return self._session.error(
            SourceReason.ERROR_REPORTED,
            f"answers {request} with an exception report ({printable(code, 60) or 'without a code'}): correct the "
            "endpoint, or ask the data supplier",
        )


@dataclass(frozen=True)
class _FeatureType:
    """A feature type as the capabilities have it."""

    name: str
    crs: tuple[str, ...]
    extent: Extent | None


def _feature_type(session: Session, capabilities: Element) -> _FeatureType:
    """The feature type that the target names: by its full name, or by its local name where only one has it."""
    wanted = session.target.physical_name or ""
    offered: dict[str, Element] = {}
    for element in capabilities.iter():
        name = _text(_child(element, "Name")) if _local(element.tag) == "FeatureType" else ""
        if 0 < len(name) <= _NAME_LENGTH:
            offered.setdefault(name, element)
    fitting = [wanted] if wanted in offered else [n for n in offered if n.rpartition(":")[2] == wanted]
    if len(fitting) == 1:
        element = offered[fitting[0]]
        return _FeatureType(fitting[0], _crs(element), _extent(element))
    shown = ", ".join(printable(name, 40) for name in (fitting or list(offered))[:_SHOWN])
    raise session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has {len(fitting) or 'no'} feature types '{printable(wanted, 60)}': set physicalName to one that it has"
        f"{f', such as {shown}' if shown else ''}",
    )


def _crs(feature_type: Element) -> tuple[str, ...]:
    texts = [
        _text(element) for tag in ("DefaultCRS", "OtherCRS") for element in feature_type if _local(element.tag) == tag
    ]
    return tuple(dict.fromkeys(filter(None, map(geo.crs_name, texts))))[:_MAX_CRS]


def _extent(feature_type: Element) -> Extent | None:
    """WGS84BoundingBox, which has the longitude first, whatever axes EPSG:4326 has (OGC 06-121r3, 10.2.2)."""
    box = _child(feature_type, "WGS84BoundingBox")
    corners = [_text(_child(box, name)) for name in ("LowerCorner", "UpperCorner")] if box is not None else []
    try:
        numbers = [float(number) for corner in corners for number in corner.split()]
    except ValueError:
        return None
    return geo.extent(geo.CRS84, numbers)


def _sorts(capabilities: Element) -> bool:
    """Whether the service says that it sorts (OGC 09-026r2, conformance class Sorting)."""
    for element in capabilities.iter():
        if _local(element.tag) == "Constraint" and element.get("name") == "ImplementsSorting":
            return _text(_child(element, "DefaultValue")).upper() == "TRUE"
    return False


@dataclass
class _Schema:
    """The properties of a feature type by XML Schema; without what other documents would have to tell.

    Attributes:
        fields: by name; None where only the values can tell the type.
        geometry_type: of the first property with a geometry, if its type is one.
    """

    fields: dict[str, FieldType | None] = field(default_factory=dict)
    geometry_type: GeometryType | None = None

    @classmethod
    def read(cls, root: Element, feature_type: str) -> "_Schema":
        """From the answer to DescribeFeatureType; without fields where that does not tell them."""
        schema = cls()
        name = feature_type.rpartition(":")[2]
        types = {(_local(e.tag), e.get("name", "")): e for e in root}
        declared = types.get(("element", name))
        if declared is None:
            return schema
        inner = _child(declared, "complexType")
        outer = types.get(("complexType", _reference(declared, "type")))
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
        name, kind = element.get("name", ""), _reference(element, "type")
        geometry = kind.removesuffix("PropertyType")
        if geometry != kind and (geometry in _GEOMETRIES or geometry in _ANY_GEOMETRY):
            self.geometry_type = self.geometry_type or _GEOMETRIES.get(geometry)
        elif name and len(self.fields) < MAX_FIELDS:
            many = element.get("maxOccurs", "1") not in ("0", "1")
            self.fields[name] = FieldType.ARRAY if many else _type(element, types)


def _elements(start: Element, types: Mapping[tuple[str, str], Element]) -> Iterator[Element]:
    """The properties that a complex type declares, those of the types that it extends first."""
    pending, seen = [start], {start}
    while pending:
        one = pending.pop()
        kind = _local(one.tag)
        if kind == "element":
            yield one
            continue
        inside = [e for e in one if _local(e.tag) in ("complexContent", "extension", "sequence", "choice", "all")]
        pending.extend(reversed([*inside, *(e for e in one if _local(e.tag) == "element")]))
        base = types.get(("complexType", _reference(one, "base"))) if kind == "extension" else None
        if base is not None and base not in seen:
            seen.add(base)
            pending.append(base)


def _type(element: Element, types: Mapping[tuple[str, str], Element]) -> FieldType | None:
    """The type of a property; None for what this document does not tell."""
    for _ in range(4):  # a type that restricts a type that restricts …
        name = _reference(element, "type") or _reference(element, "base")
        if name in _TYPES:
            return _TYPES[name]
        inner = next(
            (e for e in element if _local(e.tag) in ("simpleType", "restriction", "simpleContent", "extension")), None
        )
        if inner is None and _child(element, "complexType") is not None:
            return FieldType.OBJECT
        following = inner if inner is not None else types.get(("simpleType", name))
        if following is None:
            return None
        element = following
    return None


class _Sample:
    """What an XML parser tells its events to: takes the features of a collection one by one, and keeps none.

    Attributes:
        root: local name of the root element.
        number_matched: as the root has it; hostile.
        exception: the code in an exception report, possibly empty; None where it is no such report.
        records: the facts about the features' properties.
        geometries: the types of their geometries.
    """

    def __init__(self, contract: DataContract, schema: _Schema) -> None:
        self.root = ""
        self.number_matched: str | None = None
        self.exception: str | None = None
        self.records = Records(contract)
        self.geometries = geo.Geometries()
        self._schema = schema
        self._units: dict[str, set[str]] = {}
        self._path: list[str] = []
        self._record: dict[str, Any] = {}
        self._text = ""
        self._holds = ""  # what the property holds, besides text: "geometry", "object"

    def fields(self, schema: _Schema) -> tuple[MeasuredField, ...]:
        """The fields; the schema gives those of no features, and the type of those without any value."""
        if not self.records.count:
            known = ((name, kind) for name, kind in schema.fields.items() if NAME.fullmatch(name))
            return tuple(MeasuredField(name=name, type=kind or FieldType.STRING) for name, kind in known)
        units = {name: printable(next(iter(found)), 60) for name, found in self._units.items() if len(found) == 1}
        return tuple(
            one.model_copy(update={"type": schema.fields.get(one.name) or one.type})
            if one.empty == self.records.count
            else one
            for one in self.records.fields(units)
        )

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        name = _local(tag)
        self._path.append(name)
        depth = len(self._path)
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        if depth == 1:
            self.root = name
            self.number_matched = attributes.get("numberMatched")
        elif depth == 3 and self._path[1] in _MEMBERS:
            self._record = dict.fromkeys(self._schema.fields)
        elif depth == 4:
            self._text = ""
            self._holds = "nothing" if attributes.get(_NIL) in ("true", "1") else ""
            if (unit := attributes.get("uom")) and len(self._units) < MAX_FIELDS:
                self._units.setdefault(name, set()).add(unit[:_TEXT])
        elif depth == 5 and name in _GEOMETRIES and self._path[3] not in _GML_OWN:
            self._holds = "geometry"
            self.geometries.types.add(_GEOMETRIES[name])
        elif depth == 5 and name not in ("timePosition", "TimeInstant"):
            self._holds = self._holds or "object"
        if self.root.endswith("ExceptionReport"):
            self.exception = self.exception or attributes.get("exceptionCode") or attributes.get("code") or ""

    def data(self, text: str) -> None:
        """Text, in pieces."""
        if len(self._path) >= 4 and not self._holds:
            self._text += text[: _TEXT - len(self._text)]

    def end(self, _: str) -> None:
        """An element ends."""
        depth = len(self._path)
        if depth == 4 and self._path[1] in _MEMBERS:
            self._end_property(self._path[3])
        elif depth == 3 and self._path[1] in _MEMBERS:
            self.records.add(self._record)
        self._path.pop()

    def close(self) -> None:
        """The document ends."""

    def _end_property(self, name: str) -> None:
        known = name in self._schema.fields
        if self._holds == "geometry" or (name in _GML_OWN and not known):
            return
        kind = self._schema.fields.get(name)
        value: Any = {} if self._holds == "object" else _value(self._text, kind) if not self._holds else None
        again = self._record.get(name) is not None
        self._record[name] = [] if again or (kind is FieldType.ARRAY and value is not None) else value


def _value(text: str, kind: FieldType | None) -> Any:
    """A text as JSON would have it, as far as its type goes: the number itself is not wanted."""
    text = text.strip()
    if kind is FieldType.STRING:
        return text
    if kind is FieldType.BOOLEAN and text in ("true", "false", "1", "0"):
        return True
    if kind is FieldType.DATE and (match := _DAY_WITH_ZONE.fullmatch(text)):
        return match[1]
    if kind in (FieldType.INTEGER, FieldType.NUMBER, None):
        if text in _NO_NUMBER:
            return None
        if _INTEGER.fullmatch(text):
            return 0.0 if kind is FieldType.NUMBER else 0
        if _NUMBER.fullmatch(text):
            return 0.0 if math.isfinite(float(text)) else None
    return text


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and _COUNT.fullmatch(text) else None


def _local(tag: str) -> str:
    """A name without its namespace: prefixes, and the namespaces of versions, differ from server to server."""
    return tag.rpartition("}")[2]


def _child(element: Element, name: str) -> Element | None:
    return next((e for e in element if _local(e.tag) == name), None)


def _text(element: Element | None) -> str:
    return (element.text or "").strip() if element is not None else ""


def _reference(element: Element, attribute: str) -> str:
    """The local name of what an attribute of XML Schema refers to."""
    return element.get(attribute, "").rpartition(":")[2]
