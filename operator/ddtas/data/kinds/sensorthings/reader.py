"""Reads Datastreams, Locations and Observations, page by page.

Pages are asked for by number at the endpoint; the links to them that a server gives are not followed: behind a proxy
those are often of another machine.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from ddtas.data.facts.records import NAME
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError, printable

TIME, RESULT = "phenomenonTime", "result"
# Of a server that does not do all that the standard has.
REFUSALS = (SourceReason.HTTP_ERROR, SourceReason.ERROR_REPORTED)

_PAGE = 100  # Datastreams, or Locations
_PAGES = 3  # of each
_MAX_COUNT = 10**15
_SHOWN = 5  # names or units in a message
_STREAM = re.compile(r"((?:Multi)?Datastreams)\(([0-9]{1,20}|'(?:[^']|''){1,150}')\)")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_SERIES = ("datastream", "datastreamName", "thing", "thingName")

Query = Mapping[str, str]
Order = Literal["asc", "desc"]


@dataclass(frozen=True)
class Choice:
    """Which Datastreams, as paths below the endpoint, and as queries.

    Attributes:
        one: `streams` is the path of a single Datastream.
        several: that is a MultiDatastream, whose results are lists.
    """

    streams: str = "Datastreams"
    observations: str = "Observations"
    locations: str = "Locations"
    of_streams: Query = field(default_factory=dict)
    of_observations: Query = field(default_factory=dict)
    of_locations: Query = field(default_factory=dict)
    one: bool = False
    several: bool = False

    def expand(self, *, places: bool = False) -> str:
        """What is read with a Datastream: its Thing, perhaps with places, and what a MultiDatastream observes."""
        where = ";$expand=Locations($select=location)" if places else ""
        observed = ",ObservedProperties($select=name)" if self.several else ""
        return f"Thing($select=id,name{where}){observed}"

    @classmethod
    def read(cls, physical_name: str | None) -> "Choice":
        """What a physical name chooses."""
        if physical_name is None:
            return cls()
        if match := _STREAM.fullmatch(physical_name):
            path = _path(match[2], match[1])
            return cls(
                streams=path,
                observations=f"{path}/Observations",
                locations=f"{path}/Thing/Locations",
                one=True,
                several=match[1] != "Datastreams",
            )
        name = f"ObservedProperty/name eq {quoted(physical_name)}"
        return cls(
            of_streams={"$filter": name},
            of_observations={"$filter": f"Datastream/{name}"},
            of_locations={"$filter": f"Things/Datastreams/{name}"},
        )


@dataclass(frozen=True)
class Results:
    """The fields of results: one, or of a MultiDatastream one for each thing that it observes, in its order."""

    names: tuple[str, ...] = (RESULT,)
    several: bool = False

    @classmethod
    def of(cls, stream: Mapping[str, Any], chosen: Choice) -> "Results":
        """Those of a Datastream. What it observes names them, with `_` for what no field has in its name."""
        if not chosen.several:
            return cls()
        observed, units = as_array(stream.get("ObservedProperties")), as_array(stream.get("unitOfMeasurements"))
        names: list[str] = []
        for number in range(1, max(len(observed), len(units)) + 1):
            name = as_object(observed[number - 1]).get("name") if len(observed) >= number else None
            usable = _NOT_IN_NAMES.sub("_", name)[:63] if isinstance(name, str) else ""
            taken = usable in (*names, TIME, *_SERIES) or not NAME.fullmatch(usable)
            names.append(f"{RESULT}{number}" if taken else usable)
        return cls(tuple(names), several=True)

    def record(self, session: Session, observation: Mapping[str, Any]) -> dict[str, Any]:
        """The time of an Observation (of an interval the end), and its results.

        Raises:
            SourceError: MalformedData where a MultiDatastream has more or fewer of them than it says.
        """
        result = observation.get(RESULT)
        values = as_array(result) if self.several else [result]
        if len(values) != len(self.names):
            raise session.error(
                SourceReason.MALFORMED_DATA,
                "answers with an Observation that has not one result for each unit of its MultiDatastream: ask the "
                "data supplier",
            )
        return {TIME: end_of(observation.get(TIME)), **dict(zip(self.names, values, strict=True))}


@dataclass(frozen=True)
class Page:
    """Some entities of a collection; how many there are, where the server tells; and whether there are more."""

    items: list[Mapping[str, Any]]
    count: int | None
    more: bool


class Service:
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

    async def page(self, path: str, query: Query) -> Page:
        """A page of a collection."""
        body = await self.entity(path, query)
        items: Any = body.get("value")
        count: Any = body.get("@iot.count")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._unexpected()
        usable = isinstance(count, int) and not isinstance(count, bool) and len(items) <= count < _MAX_COUNT
        return Page(items, count if usable else None, "@iot.nextLink" in body)

    async def pages(self, path: str, query: Query, size: int) -> AsyncIterator[Page]:
        """A collection, as it is asked for: whoever stops after a page sends no request for the next.

        Args:
            path: of the collection, below the endpoint.
            query: of OData, besides the paging.
            size: entities a page; a server may give fewer.

        Raises:
            SourceError: as `page`; TooManyRequests at the bound of the session.
        """
        seen = 0
        while True:
            paging = {"$top": str(size), "$count": "true", **({"$skip": str(seen)} if seen else {})}
            page = await self.page(path, {**query, **paging})
            yield page
            seen += len(page.items)
            if not page.more or not page.items:
                return

    async def first_pages(self, path: str, query: Query) -> tuple[list[Mapping[str, Any]], bool]:
        """The entities of the first pages of a collection; and whether these were all."""
        items: list[Mapping[str, Any]] = []
        number = 0
        async for page in self.pages(path, query, _PAGE):
            items += page.items
            number += 1
            if not page.more or not page.items:
                return items, not page.more and page.count in (None, len(items))
            if number == _PAGES:
                break
        return items, False

    def observations(self, chosen: Choice, size: int, order: Order = "asc") -> AsyncIterator[Page]:
        """The Observations by their time, page by page, each with its Datastream where they may be of several."""
        query = {"$select": f"{TIME},{RESULT}", "$orderby": f"{TIME} {order}", **chosen.of_observations}
        if not chosen.one:
            query["$expand"] = "Datastream($select=id)"
        return self.pages(chosen.observations, query, size)

    async def some_observations(self, chosen: Choice, most: int, order: Order, *, by_stream: bool) -> Page:
        """The newest ("desc") or oldest ("asc") Observations, with their Datastream where they may be of several."""
        query = {"$select": f"{TIME},{RESULT}", "$orderby": f"{TIME} {order}", "$top": str(most)}
        if order == "desc":
            query["$count"] = "true"
        if by_stream:
            query["$expand"] = "Datastream($select=id)"
        return await self.page(chosen.observations, {**query, **chosen.of_observations})

    async def of_stream(self, id: int | str, most: int) -> Page:
        """The newest Observations of one Datastream; none where the server refuses."""
        one = Choice(observations=f"{stream_path(id)}/Observations")
        try:
            return await self.some_observations(one, most, "desc", by_stream=False)
        except SourceError as error:
            if error.reason not in REFUSALS:
                raise
            return Page([], None, False)

    async def not_there(self) -> SourceError:
        """The error for a name that no Datastream fits, with what the server has instead."""
        wanted = printable(self._session.target.physical_name or "", 60)
        try:
            properties = (await self.page("ObservedProperties", {"$select": "name", "$top": str(_SHOWN)})).items
        except SourceError as error:
            if error.reason not in REFUSALS:
                raise
            properties = []
        names = ", ".join(printable(one["name"], 40) for one in properties[:_SHOWN] if isinstance(one.get("name"), str))
        return self._session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no Datastreams for '{wanted}': set physicalName to Datastreams(<id>) or MultiDatastreams(<id>), or "
            f"to the name of an ObservedProperty{f', such as {names}' if names else ''}",
        )

    def _unexpected(self) -> SourceError:
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "answers with JSON that is not of SensorThings: give the root of the service, which ends in /v1.1",
        )


def series_of(stream: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that tell the series of a Datastream, read with its Thing, from others."""
    thing = stream.get("Thing")
    thing = thing if isinstance(thing, dict) else {}
    values = (stream.get("@iot.id"), stream.get("name"), thing.get("@iot.id"), thing.get("name"))
    return dict(zip(_SERIES, values, strict=True))


def end_of(time: Any) -> Any:
    """Of an interval the end (ISO 8601: start/end); everything else as it is."""
    return time.rpartition("/")[2] if isinstance(time, str) else time


def quoted(text: str) -> str:
    """A string of OData (version 4.01, part 2): nothing but a single quote ends it, and that is doubled."""
    return "'" + text.replace("'", "''") + "'"


def stream_path(id: int | str) -> str:
    """The path of the Datastream of an id, below the endpoint."""
    return _path(str(id) if isinstance(id, int) else quoted(id), "Datastreams")


def _path(id: str, collection: str) -> str:
    escaped = quote(id, safe="'")
    return f"{collection}({escaped})"
