"""Reads Datastreams, Locations and Observations, page by page.

Pages are asked for by number at the endpoint; the links to them that a server gives are not followed: behind a proxy
those are often of another machine.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from ddtas.data.session import SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError, printable

TIME, RESULT = "phenomenonTime", "result"
# Of a server that does not do all that the standard has.
REFUSALS = (SourceReason.HTTP_ERROR, SourceReason.ERROR_REPORTED)

_PAGE = 100  # Datastreams, or Locations
_PAGES = 3  # of each
_MAX_COUNT = 10**15
_SHOWN = 5  # names or units in a message
_DATASTREAM = re.compile(r"Datastreams\(([0-9]{1,20}|'(?:[^']|''){1,150}')\)")

Query = Mapping[str, str]
Order = Literal["asc", "desc"]


@dataclass(frozen=True)
class Choice:
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
    def read(cls, physical_name: str | None) -> "Choice":
        """What a physical name chooses."""
        if physical_name is None:
            return cls()
        if match := _DATASTREAM.fullmatch(physical_name):
            path = _path(match[1])
            return cls(streams=path, observations=f"{path}/Observations", locations=f"{path}/Thing/Locations", one=True)
        name = f"ObservedProperty/name eq {quoted(physical_name)}"
        return cls(
            of_streams={"$filter": name},
            of_observations={"$filter": f"Datastream/{name}"},
            of_locations={"$filter": f"Things/Datastreams/{name}"},
        )


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
            f"has no Datastreams for '{wanted}': set physicalName to Datastreams(<id>), or to the name of an "
            f"ObservedProperty{f', such as {names}' if names else ''}",
        )

    def _unexpected(self) -> SourceError:
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "answers with JSON that is not of SensorThings: give the root of the service, which ends in /v1.1",
        )


def quoted(text: str) -> str:
    """A string of OData (version 4.01, part 2): nothing but a single quote ends it, and that is doubled."""
    return "'" + text.replace("'", "''") + "'"


def stream_path(id: int | str) -> str:
    """The path of the Datastream of an id, below the endpoint."""
    return _path(str(id) if isinstance(id, int) else quoted(id))


def _path(id: str) -> str:
    escaped = quote(id, safe="'")
    return f"Datastreams({escaped})"
