"""What a layer says of itself: its fields, its CRS, and how the values of its fields are to be read. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.wire.documents import as_array, as_object

_FIELDS = 1024  # of a layer
_NAME_CHARACTERS = 128
_EPSG = range(1024, 32767)  # codes that EPSG has given out; those of Esri's own begin at 37000
_WGS84 = 4326
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE, _ID = "esriFieldTypeDate", "esriFieldTypeOID"
_TYPES: Mapping[str, FieldType] = {
    **dict.fromkeys((_ID, "esriFieldTypeSmallInteger", "esriFieldTypeInteger"), FieldType.INTEGER),
    "esriFieldTypeBigInteger": FieldType.INTEGER,
    **dict.fromkeys(("esriFieldTypeSingle", "esriFieldTypeDouble"), FieldType.NUMBER),
    **dict.fromkeys((_DATE, "esriFieldTypeTimestampOffset"), FieldType.TIMESTAMP),
    "esriFieldTypeDateOnly": FieldType.DATE,
    **dict.fromkeys(("esriFieldTypeString", "esriFieldTypeTimeOnly", "esriFieldTypeXML"), FieldType.STRING),
    **dict.fromkeys(("esriFieldTypeGUID", "esriFieldTypeGlobalID"), FieldType.STRING),
}
_GEOMETRIES = {"esriGeometryPoint": GeometryType.POINT, "esriGeometryMultipoint": GeometryType.MULTI_POINT}


@dataclass(frozen=True)
class Layer:
    """A layer or table, as it describes itself; hostile.

    Attributes:
        key: the field with the object id, by which rows are in order; None where it has none.
        fields: types by name, of those that are values: no shapes, no pictures.
        moments: names of the fields whose values are milliseconds, the one that the layer is about in time first.
        local: the milliseconds are those of a clock in a time zone that the layer does not know.
        spatial: whether its rows have geometries.
        geometry_type: of them; None where the layer leaves open whether they have several parts.
        crs: that it is kept in; None where it has no name that can be read.
        box: minimum x, minimum y, maximum x, maximum y, or nothing.
        box_crs: of the box.
    """

    key: str | None
    fields: Mapping[str, FieldType]
    moments: tuple[str, ...]
    local: bool
    spatial: bool
    geometry_type: GeometryType | None
    crs: str | None
    box: tuple[Any, ...]
    box_crs: str | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "Layer":
        """What a description says; what cannot be understood in it is not there."""
        types = {
            field["name"]: field["type"]
            for field in as_array(body.get("fields"))[:_FIELDS]
            if isinstance(field, dict) and isinstance(field.get("type"), str) and _is_name(field.get("name"))
        }
        about = as_object(body.get("timeInfo")).get("startTimeField")
        moments = [name for name, kind in types.items() if kind == _DATE]
        keys = [name for name, kind in types.items() if kind == _ID]
        key = body.get("objectIdField")
        extent = as_object(body.get("extent"))
        shape = body.get("geometryType")
        box_crs = crs_of(extent.get("spatialReference"))
        return cls(
            key=key if isinstance(key, str) and key in types else next(iter(keys), None),
            fields={name: _TYPES[kind] for name, kind in types.items() if kind in _TYPES},
            moments=tuple(sorted(moments, key=lambda name: name != about)),
            local=body.get("datesInUnknownTimezone") is True,
            spatial=isinstance(shape, str),
            geometry_type=_GEOMETRIES.get(shape) if isinstance(shape, str) else None,
            crs=crs_of(body.get("sourceSpatialReference")) or box_crs,
            box=tuple(extent.get(side) for side in ("xmin", "ymin", "xmax", "ymax")),
            box_crs=box_crs,
        )

    def record(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a row, with moments as texts (ISO 8601) in place of milliseconds; all else as it came."""
        moments = {name: self.moment(attributes[name]) for name in self.moments if name in attributes}
        return {**attributes, **moments}

    def moment(self, value: Any) -> Any:
        """Milliseconds as a moment in UTC, or without an offset where the zone is unknown; anything else as it is."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return value
        try:
            moment = _EPOCH + timedelta(milliseconds=value)
        except OverflowError:
            return value
        text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
        return text if self.local else f"{text}Z"


def crs_of(reference: Any) -> str | None:
    """The name of a spatial reference: the code of today, where Esri's own is older; None where it has no known one.

    Coordinates have x before y, whatever the CRS says: in degrees that is OGC:CRS84.
    """
    codes = [as_object(reference).get(name) for name in ("latestWkid", "wkid")]
    code = next((one for one in codes if isinstance(one, int) and one in _EPSG), None)
    return None if code is None else geo.CRS84 if code == _WGS84 else f"EPSG:{code}"


def wkid(crs: str | None) -> str | None:
    """The code by which a server knows a CRS; None where it has none."""
    name = geo.crs_name(crs)
    if name in (geo.CRS84, f"EPSG:{_WGS84}"):
        return str(_WGS84)
    authority, _, code = (name or "").partition(":")
    return code if authority == "EPSG" else None


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_CHARACTERS and value.isprintable()
