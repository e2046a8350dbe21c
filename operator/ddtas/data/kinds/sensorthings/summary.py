"""What Datastreams, Locations and Observations have in common, and what they show of the data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, timestamp
from ddtas.data.facts.records import Records
from ddtas.data.kinds.sensorthings.reader import RESULT, TIME
from ddtas.data.measured import MeasuredField
from ddtas.data.probing import ProbeSession
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

    def __init__(self) -> None:
        self.count = 0
        self.complete = True
        self.areas = geo.Geometries()
        self.all_have_areas = True
        self.unit: str | None = None
        self._units: set[str] = set()
        self._types: set[FieldType | None] = set()

    def add(self, stream: Mapping[str, Any]) -> None:
        """Take one Datastream."""
        self.count += 1
        unit, kind = stream.get("unitOfMeasurement"), stream.get("observationType")
        symbol = unit.get("symbol") if isinstance(unit, dict) else None
        if len(self._units) <= _SHOWN:
            self._units.add(printable(symbol, 60) if isinstance(symbol, str) else "")
        self._types.add(_OBSERVATION_TYPES.get(kind.rpartition("/")[2]) if isinstance(kind, str) else None)
        area = stream.get("observedArea")
        self.areas.add(_geometry(area))
        self.all_have_areas = self.all_have_areas and area is not None

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

    def __init__(self, session: ProbeSession) -> None:
        self.records = Records(session.target.contract)
        self.axis = Axis()
        self.streams: dict[int | str | None, Axis] = {}
        self.newest_stream: int | str | None = None

    def add(self, observation: Mapping[str, Any]) -> None:
        """Take one Observation."""
        time = end_of(observation.get(TIME))
        self.records.add({TIME: time, RESULT: observation.get(RESULT)})
        id = _id(observation.get("Datastream"))
        if self.newest_stream is None:
            self.newest_stream = id
        if moment := moment_of(time):
            self.axis.add([moment])
            self.streams.setdefault(id, Axis()).add([moment])

    def fields(self, streams: Streams) -> tuple[MeasuredField, ...]:
        """The two fields; the Datastreams tell the type of a result that is nowhere, and that 1 is a measurement."""
        if not self.records.count:
            time = MeasuredField(name=TIME, type=FieldType.TIMESTAMP)
            return time, MeasuredField(name=RESULT, type=streams.type or FieldType.STRING, unit=streams.unit)
        time, result = self.records.fields({RESULT: streams.unit} if streams.unit else {})
        if streams.type and (
            result.empty == self.records.count or (result.type, streams.type) == (FieldType.INTEGER, FieldType.NUMBER)
        ):
            result = result.model_copy(update={"type": streams.type})
        return time, result


def _id(stream: Any) -> int | str | None:
    """The id of an expanded Datastream: a number or a text, by the choice of the server."""
    value = stream.get("@iot.id") if isinstance(stream, dict) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**20:
        return value
    return value if isinstance(value, str) and 0 < len(value) <= 150 else None


def _geometry(value: Any) -> Any:
    """The geometry of a Feature, too: a Location may be one."""
    return value.get("geometry") if isinstance(value, dict) and value.get("type") == "Feature" else value


def end_of(time: Any) -> Any:
    """Of an interval the end (ISO 8601: start/end); everything else as it is."""
    return time.rpartition("/")[2] if isinstance(time, str) else time


def moment_of(time: Any) -> datetime | None:
    end = end_of(time)
    return timestamp(end) if isinstance(end, str) else None
