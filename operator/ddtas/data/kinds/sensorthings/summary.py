"""What Datastreams, Locations and Observations have in common, and what they show of the data."""

from collections.abc import Mapping
from datetime import datetime
from itertools import zip_longest
from typing import Any

from ddtas.data.contract import DataContract, FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, timestamp
from ddtas.data.facts.records import Records
from ddtas.data.kinds.sensorthings.reader import TIME, Results, end_of, series_of
from ddtas.data.measured import MeasuredField
from ddtas.data.probing import ProbeSession
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import printable

_OBSERVATION_TYPES = {  # the last part of observationType, a URI (OGC 18-088, table 12)
    "OM_Measurement": FieldType.NUMBER,
    "OM_CountObservation": FieldType.INTEGER,
    "OM_TruthObservation": FieldType.BOOLEAN,
    "OM_CategoryObservation": FieldType.STRING,
}
_SHOWN = 5  # units in a message


class Streams:
    """What Datastreams have in common."""

    def __init__(self, contract: DataContract) -> None:
        self._series = Records(contract)
        self.count = 0
        self.complete = True
        self.areas = geo.Geometries()
        self.all_have_areas = True
        self.unit: str | None = None
        self.results = Results()
        self._units: set[str] = set()
        self._types: set[FieldType | None] = set()
        self._several: dict[str, tuple[FieldType | None, str]] = {}

    def add(self, stream: Mapping[str, Any]) -> None:
        """Take one Datastream."""
        self.count += 1
        self._series.add(series_of(stream))
        unit, kind = stream.get("unitOfMeasurement"), stream.get("observationType")
        symbol = unit.get("symbol") if isinstance(unit, dict) else None
        if len(self._units) <= _SHOWN:
            self._units.add(printable(symbol, 60) if isinstance(symbol, str) else "")
        self._types.add(_OBSERVATION_TYPES.get(kind.rpartition("/")[2]) if isinstance(kind, str) else None)
        area = stream.get("observedArea")
        self.areas.add(_geometry(area))
        self.all_have_areas = self.all_have_areas and area is not None

    def several(self, stream: Mapping[str, Any], results: Results) -> None:
        """Take the one MultiDatastream."""
        self.add(stream)
        self.results = results
        units, types = as_array(stream.get("unitOfMeasurements")), as_array(stream.get("multiObservationDataTypes"))
        for name, unit, kind in zip_longest(results.names, units[: len(results.names)], types[: len(results.names)]):
            symbol = as_object(unit).get("symbol")
            type_ = _OBSERVATION_TYPES.get(kind.rpartition("/")[2]) if isinstance(kind, str) else None
            self._several[name] = type_, printable(symbol, 60) if isinstance(symbol, str) else ""

    def described(self, name: str) -> tuple[FieldType | None, str | None]:
        """The type that the Datastreams say a result has, and its unit."""
        if not self.results.several:
            return self.type, self.unit
        kind, unit = self._several[name]
        return kind, unit or None

    @property
    def series(self) -> tuple[MeasuredField, ...]:
        """The fields that tell their series apart; of how many Observations one is missing is not counted."""
        filled = (field for field in self._series.fields() if field.empty < self.count)
        return tuple(field.model_copy(update={"empty": 0}) for field in filled)

    @property
    def type(self) -> FieldType | None:
        """The type that all Datastreams say their results have."""
        return next(iter(self._types)) if len(self._types) == 1 else None

    def common_unit(self, session: ProbeSession) -> str | None:
        """The one unit of all Datastreams; says why where there is none."""
        if not self.complete:
            session.unknown("unit", f"only {self.count} Datastreams were read")
        elif len(self._units) > 1:
            units = ", ".join(sorted(unit[:20] or "none" for unit in self._units)[:_SHOWN])
            session.unknown("unit", f"the Datastreams have different units: {units}")
        elif self._units <= {""}:
            session.unknown("unit", "the Datastreams have no unitOfMeasurement with a symbol")
        else:
            return next(iter(self._units))
        return None


class Places:
    """Where Things are."""

    def __init__(self) -> None:
        self.geometries = geo.Geometries()
        self.complete = False

    def add(self, location: Mapping[str, Any]) -> None:
        """Take one Location."""
        self.geometries.add(_geometry(location.get("location")))

    def type(self, session: ProbeSession) -> GeometryType | None:
        """The type of all geometries; says why where there is none."""
        kind = None if self.geometries.broken else self.geometries.type()
        if kind is None:
            session.unknown("geometryType", "the Locations could not be read, or have no type in common")
        return kind


class Observations:
    """What Observations tell, as a table and on the axis of time: of all of them, and of each Datastream."""

    def __init__(self, session: ProbeSession, results: Results) -> None:
        self._session = session
        self.results = results
        self.records = Records(session.target.contract)
        self.axis = Axis()
        self.streams: dict[int | str | None, Axis] = {}
        self.newest_stream: int | str | None = None

    def add(self, observation: Mapping[str, Any]) -> None:
        """Take one Observation."""
        record = self.results.record(self._session, observation)
        self.records.add(record)
        id = _id(observation.get("Datastream"))
        if self.newest_stream is None:
            self.newest_stream = id
        if moment := moment_of(record[TIME]):
            self.axis.add([moment])
            self.streams.setdefault(id, Axis()).add([moment])

    def fields(self, streams: Streams) -> tuple[MeasuredField, ...]:
        """The fields; the Datastreams tell the type of a result that is nowhere, and that 1 is a measurement."""
        if not self.records.count:
            results = [
                MeasuredField(name=name, type=kind or FieldType.STRING, unit=unit)
                for name in streams.results.names
                for kind, unit in [streams.described(name)]
            ]
            return MeasuredField(name=TIME, type=FieldType.TIMESTAMP), *results, *streams.series
        time, *found = self.records.fields()
        return time, *(self._described(field, streams) for field in found), *streams.series

    def _described(self, field: MeasuredField, streams: Streams) -> MeasuredField:
        kind, unit = streams.described(field.name)
        nowhere = field.empty == self.records.count
        certain = kind if kind and (nowhere or (field.type, kind) == (FieldType.INTEGER, FieldType.NUMBER)) else None
        return field.model_copy(update={"unit": unit, "type": certain or field.type})


def _id(stream: Any) -> int | str | None:
    """The id of an expanded Datastream: a number or a text, by the choice of the server."""
    value = stream.get("@iot.id") if isinstance(stream, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**20:
        return value
    return value if isinstance(value, str) and 0 < len(value) <= 150 else None


def _geometry(value: Any) -> Any:
    """The geometry of a Feature, too: a Location may be one."""
    return value.get("geometry") if isinstance(value, dict) and value.get("type") == "Feature" else value


def moment_of(time: Any) -> datetime | None:
    end = end_of(time)
    return timestamp(end) if isinstance(end, str) else None
