"""OGC SensorThings API 1.1, part 1: sensing (OGC 18-088): Observations as one table of `phenomenonTime` and `result`.

All places are GeoJSON, and so in OGC:CRS84. Pages are asked for by number at the endpoint; the links to them that a
server gives are not followed: behind a proxy those are often of another machine.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ddtas.data.contract import Extent, FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, iso, timestamp
from ddtas.data.facts.records import Records
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

TIME, RESULT = "phenomenonTime", "result"

_SAMPLE = 100  # Observations; as many as most servers give at once
_PAGE = 100  # Datastreams, or Locations
_PAGES = 3  # of each
_MAX_COUNT = 10**15
_SHOWN = 5  # names or units in a message
_REFUSALS = (SourceReason.HTTP_ERROR, SourceReason.ERROR_REPORTED)

_DATASTREAM = re.compile(r"Datastreams\(([0-9]{1,20}|'(?:[^']|''){1,150}')\)")
_OBSERVATION_TYPES = {  # the last part of observationType, a URI (OGC 18-088, table 12)
    "OM_Measurement": FieldType.NUMBER,
    "OM_CountObservation": FieldType.INTEGER,
    "OM_TruthObservation": FieldType.BOOLEAN,
    "OM_CategoryObservation": FieldType.STRING,
}
_STREAM = "unitOfMeasurement,observationType,observedArea"

Query = Mapping[str, str]


async def probe(session: Session) -> SourceFacts:
    """Probe Datastreams, their newest Observations, their oldest one, and where their Things are.

    `physical_name` is the name of an ObservedProperty, or `Datastreams(<id>)`; without it all Datastreams count. Of
    more than 300 Datastreams the unit and the extent are unknown, as they are where Datastreams differ.

    Raises:
        SourceError: with a Reason. EntityNotFound without such Datastreams, ErrorReported for an error document,
            UnexpectedContent for JSON that is something else.
    """
    async with http.client(session) as client:
        service = _Service(client)
        chosen = _Choice.read(session.target.physical_name)
        streams = await _streams(session, service, chosen)
        newest = await service.observations(chosen, _SAMPLE, "desc", by_stream=streams.count != 1)
        table = _Table(session)
        for observation in newest.items:
            table.add(observation)
        first, last = await _period(session, service, chosen, newest, table)
        resolution = await _resolution(session, service, table)
        places = await _places(session, service, chosen)
    session.not_found("sizeBytes", "the protocol does not tell it")
    return session.facts(
        SourceFacts(
            fields=table.fields(streams),
            geometry_type=places.type(session),
            crs=_crs(session, streams, places),
            extent=_extent(session, streams, places),
            records=_records(session, newest),
            sampled=table.records.count,
            first=first,
            last=last,
            time_resolution=resolution,
        )
    )


async def _streams(session: Session, service: "_Service", chosen: "_Choice") -> "_Streams":
    streams = _Streams()
    if chosen.one:
        try:
            streams.add(await service.entity(chosen.streams, {"$select": _STREAM}))
        except answers.NotFoundError:
            raise await service.not_there() from None
    else:
        streams.complete = await service.walk(chosen.streams, {"$select": _STREAM, **chosen.of_streams}, streams.add)
        if not streams.count and session.target.physical_name:
            raise await service.not_there()
    streams.unit = streams.common_unit(session)
    return streams


async def _places(session: Session, service: "_Service", chosen: "_Choice") -> "_Places":
    places = _Places()
    try:
        query = {"$select": "location,encodingType", **chosen.of_locations}
        places.complete = await service.walk(chosen.locations, query, places.add)
    except SourceError as error:
        if error.reason not in _REFUSALS and not isinstance(error, answers.TooLongError):
            raise
    return places


def _crs(session: Session, streams: "_Streams", places: "_Places") -> tuple[str, ...]:
    if streams.areas.types or places.geometries.types:
        return (geo.CRS84,)
    session.not_found("crs", "neither the Datastreams nor the Locations have a geometry in GeoJSON")
    return ()


def _extent(session: Session, streams: "_Streams", places: "_Places") -> Extent | None:
    """The box around what was observed, or else around the Locations; of all of them, or of none."""
    observed = streams.areas.extent(geo.CRS84) if streams.complete and streams.all_have_areas else None
    found = observed or (places.geometries.extent(geo.CRS84) if places.complete else None)
    if found is None:
        session.not_found(
            "extent", "the Datastreams have no observedArea, and not all of their Locations could be read"
        )
    return found


def _records(session: Session, newest: "_Page") -> int | None:
    if newest.count is None and newest.more:
        session.not_found("records", "the server does not tell @iot.count")
    return newest.count if newest.count is not None or newest.more else len(newest.items)


async def _period(
    session: Session, service: "_Service", chosen: "_Choice", newest: "_Page", table: "_Table"
) -> tuple[str | None, str | None]:
    """The first and the last moment; all Observations were read, or the server sorts them."""
    axis = table.axis
    if axis.first is None:
        for fact in ("first", "last"):
            session.not_found(fact, "no Observation that was read has a phenomenonTime")
        return None, None
    if not newest.more and newest.count in (None, len(newest.items)):
        return iso(axis.first), iso(axis.last)
    if not axis.falling:
        for fact in ("first", "last"):
            session.not_found(fact, "the server does not sort the Observations by phenomenonTime")
        return None, None
    oldest = await service.observations(chosen, 1, "asc", by_stream=False)
    first = _moment(oldest.items[0].get(TIME)) if oldest.items else None
    if first is None or first > axis.first:
        session.not_found("first", "the server does not give its oldest Observation first when asked to")
        first = None
    return iso(first), iso(axis.last)


async def _resolution(session: Session, service: "_Service", table: "_Table") -> str | None:
    """The step between Observations of one Datastream; what lies between those of two says nothing."""
    found = {axis.resolution() for axis in table.streams.values()} - {None}
    if not found and table.newest_stream is not None:
        one = _Table(session)  # so many Datastreams that each came by once
        for observation in (await service.of_stream(table.newest_stream)).items:
            one.add(observation)
        found = {one.axis.resolution()} - {None}
    if len(found) != 1:
        session.not_found("timeResolution", "the Observations that were read have no one step between them")
    return next(iter(found)) if len(found) == 1 else None


@dataclass(frozen=True)
class _Choice:
    """Which Datastreams, as paths below the endpoint, and as queries.

    Attributes:
        one: `streams` is the path of a single Datastream.
    """

    streams: str = "Datastreams"
    observations: str = "Observations"
    locations: str = "Locations"
    of_streams: Query = field(default_factory=dict)
    of_observations: Query = field(default_factory=dict)
    of_locations: Query = field(default_factory=dict)
    one: bool = False

    @classmethod
    def read(cls, physical_name: str | None) -> "_Choice":
        if physical_name is None:
            return cls()
        if match := _DATASTREAM.fullmatch(physical_name):
            path = _stream_path(match[1])
            return cls(streams=path, observations=f"{path}/Observations", locations=f"{path}/Thing/Locations", one=True)
        name = f"ObservedProperty/name eq {_quoted(physical_name)}"
        return cls(
            of_streams={"$filter": name},
            of_observations={"$filter": f"Datastream/{name}"},
            of_locations={"$filter": f"Things/Datastreams/{name}"},
        )


@dataclass(frozen=True)
class _Page:
    """Some entities of a collection; how many there are, where the server tells; and whether there are more."""

    items: list[Mapping[str, Any]]
    count: int | None
    more: bool


class _Service:
    """The requests to one service."""

    def __init__(self, client: http.Client) -> None:
        self._visit = client
        self._session = client.session

    async def entity(self, path: str, query: Query) -> Mapping[str, Any]:
        """A JSON object.

        Raises:
            SourceError: as `Client.json`; ErrorReported for an error document.
        """
        value = (await self._visit.json(path, query=query)).value
        if not isinstance(value, dict):
            raise self._unexpected()
        if value.get("type") == "error" or "error" in value or ("code" in value and "message" in value):
            # Its message may hold anything.
            raise self._session.error(
                SourceReason.ERROR_REPORTED,
                "answers with an error document: correct the endpoint, or ask the data supplier",
            )
        return value

    async def page(self, path: str, query: Query) -> _Page:
        """A page of a collection."""
        body = await self.entity(path, query)
        items: Any = body.get("value")
        count: Any = body.get("@iot.count")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._unexpected()
        told = isinstance(count, int) and not isinstance(count, bool) and len(items) <= count < _MAX_COUNT
        return _Page(items, count if told else None, "@iot.nextLink" in body)

    async def walk(self, path: str, query: Query, take: Callable[[Mapping[str, Any]], None]) -> bool:
        """Take the entities of a collection, some pages of them; whether these were all."""
        seen = 0
        for _ in range(_PAGES):
            paging = {"$top": str(_PAGE), "$count": "true", **({"$skip": str(seen)} if seen else {})}
            page = await self.page(path, {**query, **paging})
            for item in page.items:
                take(item)
            seen += len(page.items)
            if not page.more or not page.items:
                return not page.more and (page.count is None or page.count == seen)
        return False

    async def observations(self, chosen: _Choice, most: int, order: str, *, by_stream: bool) -> _Page:
        """The newest ("desc") or oldest ("asc") Observations, with their Datastream where they may be of several."""
        query = {"$select": f"{TIME},{RESULT}", "$orderby": f"{TIME} {order}", "$top": str(most)}
        if order == "desc":
            query["$count"] = "true"
        if by_stream:
            query["$expand"] = "Datastream($select=id)"
        return await self.page(chosen.observations, {**query, **chosen.of_observations})

    async def of_stream(self, id: int | str) -> _Page:
        """The newest Observations of one Datastream."""
        text = str(id) if isinstance(id, int) else _quoted(id)
        one = _Choice(observations=f"{_stream_path(text)}/Observations")
        try:
            return await self.observations(one, _SAMPLE, "desc", by_stream=False)
        except SourceError as error:
            if error.reason not in _REFUSALS:
                raise
            return _Page([], None, False)

    async def not_there(self) -> SourceError:
        """The error for a name that no Datastream fits, with what the server has instead."""
        wanted = printable(self._session.target.physical_name or "", 60)
        try:
            found = (await self.page("ObservedProperties", {"$select": "name", "$top": str(_SHOWN)})).items
        except SourceError as error:
            if error.reason not in _REFUSALS:
                raise
            found = []
        names = ", ".join(printable(one["name"], 40) for one in found[:_SHOWN] if isinstance(one.get("name"), str))
        return self._session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no Datastreams for '{wanted}': set physicalName to Datastreams(<id>), or to the name of an "
            f"ObservedProperty{f', such as {names}' if names else ''}",
        )

    def _unexpected(self) -> SourceError:
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "answers with JSON that is not of SensorThings: give the root of the service, which ends in /v1.1",
        )


class _Streams:
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

    def common_unit(self, session: Session) -> str | None:
        """The one unit of all Datastreams; says why where there is none."""
        if not self.complete:
            session.not_found("unit", f"only {self.count} Datastreams were read")
        elif len(self._units) > 1:
            shown = ", ".join(sorted(unit[:20] or "none" for unit in self._units)[:_SHOWN])
            session.not_found("unit", f"the Datastreams have different units: {shown}")
        elif self._units <= {""}:
            session.not_found("unit", "the Datastreams have no unitOfMeasurement with a symbol")
        else:
            return next(iter(self._units))
        return None


class _Places:
    """Where Things are."""

    def __init__(self) -> None:
        self.geometries = geo.Geometries()
        self.complete = False

    def add(self, location: Mapping[str, Any]) -> None:
        """Take one Location."""
        self.geometries.add(_geometry(location.get("location")))

    def type(self, session: Session) -> GeometryType | None:
        """The type of all geometries; says why where there is none."""
        found = None if self.geometries.broken else self.geometries.type()
        if found is None:
            session.not_found("geometryType", "the Locations could not be read, or have no type in common")
        return found


class _Table:
    """What Observations tell, as a table and on the axis of time: of all of them, and of each Datastream."""

    def __init__(self, session: Session) -> None:
        self.records = Records(session.target.contract)
        self.axis = Axis()
        self.streams: dict[int | str | None, Axis] = {}
        self.newest_stream: int | str | None = None

    def add(self, observation: Mapping[str, Any]) -> None:
        """Take one Observation."""
        time = _end(observation.get(TIME))
        self.records.add({TIME: time, RESULT: observation.get(RESULT)})
        id = _id(observation.get("Datastream"))
        if self.newest_stream is None:
            self.newest_stream = id
        if moment := _moment(time):
            self.axis.add([moment])
            self.streams.setdefault(id, Axis()).add([moment])

    def fields(self, streams: _Streams) -> tuple[MeasuredField, ...]:
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


def _quoted(text: str) -> str:
    """A string of OData (version 4.01, part 2): nothing but a single quote ends it, and that is doubled."""
    return "'" + text.replace("'", "''") + "'"


def _stream_path(id: str) -> str:
    quoted = quote(id, safe="'")
    return f"Datastreams({quoted})"


def _geometry(value: Any) -> Any:
    """The geometry of a Feature, too: a Location may be one."""
    return value.get("geometry") if isinstance(value, dict) and value.get("type") == "Feature" else value


def _end(time: Any) -> Any:
    """Of an interval the end (ISO 8601: start/end); everything else as it is."""
    return time.rpartition("/")[2] if isinstance(time, str) else time


def _moment(time: Any) -> datetime | None:
    end = _end(time)
    return timestamp(end) if isinstance(end, str) else None
