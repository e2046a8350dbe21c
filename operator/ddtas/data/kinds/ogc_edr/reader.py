"""Asks a service: what a collection has, its locations, and the data of a period, one document after another.

The endpoint is the landing page. A period that is refused, or too long a document, is asked for in halves.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ddtas.data.facts.axis import day, timestamp
from ddtas.data.kinds.extents import interval_of
from ddtas.data.kinds.ogc_edr.choice import LOCATIONS, Choice
from ddtas.data.kinds.ogc_edr.coverage import TIME
from ddtas.data.session import SourceReason, beside
from ddtas.data.wire import answers, http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError, printable

_COVERAGE_JSON = "application/prs.coverage+json, application/vnd.cov+json;q=0.9, application/json;q=0.6"
_GEOJSON = "application/geo+json, application/json;q=0.9"
_NAMES = ("coveragejson", "covjson")  # of the format, in capitals or not
_DAY = timedelta(days=1)
_SHORTEST = timedelta(minutes=1)  # that a period is halved to
_MOST_LOCATIONS = 100_000
_SHOWN = 5  # collections, locations or queries in a message
_ZEROS = re.compile(r"(\.[0-9]*?)0+(?=$|Z|[+-])")


@dataclass(frozen=True)
class Collection:
    """A collection, as it describes itself; hostile.

    Attributes:
        described: the description, a JSON object.
        parameters: names of what it measures, with what it says of each.
        queries: that it has, with what it says of each.
        first: of its period; None where it is open, or not told.
        last: of its period.
    """

    described: Mapping[str, Any]
    parameters: Mapping[str, Any]
    queries: Mapping[str, Any]
    first: datetime | None
    last: datetime | None

    def format_of(self, kind: str) -> str | None:
        """The name that CoverageJSON has for `f`; None where the service leaves it to the header Accept."""
        link = as_object(as_object(self.queries.get(kind)).get("link"))
        listed = [*as_array(as_object(link.get("variables")).get("output_formats")), *_outputs(self.described)]
        return next((one for one in listed if isinstance(one, str) and one.lower() in _NAMES), None)


@dataclass(frozen=True)
class Location:
    """A place that data is kept of."""

    id: str
    name: str | None


@dataclass(frozen=True)
class Interval:
    """A period, both ends included; None is open."""

    start: datetime | None
    end: datetime | None

    @property
    def text(self) -> str:
        """As the parameter `datetime` has it."""
        start, end = (f"{one.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if one else ".." for one in (self.start, self.end))
        return f"{start}/{end}"

    def within(self, collection: Collection) -> "Interval | None":
        """What of it is in the period that a collection says it has; None where that is nothing."""
        starts = [one for one in (self.start, collection.first) if one is not None]
        ends = [one for one in (self.end, collection.last) if one is not None]
        interval = Interval(max(starts, default=None), min(ends, default=None))
        return None if interval.start and interval.end and interval.start > interval.end else interval

    def middle(self, now: datetime) -> datetime | None:
        """Where to halve it; None where it is too short for that, or has no beginning."""
        end = self.end or now
        if self.start is None or end - self.start < 2 * _SHORTEST:
            return None
        middle = (self.start + (end - self.start) / 2).astimezone(UTC).replace(microsecond=0)
        # At midnight a day, as daily data has it, is on one side.
        return middle.replace(hour=0, minute=0, second=0) if end - self.start > 2 * _DAY else middle


@dataclass(frozen=True)
class Answer:
    """A document with data of a period.

    Attributes:
        body: CoverageJSON or GeoJSON, a JSON object.
        before: what has this time or a later one comes with the next answer; None where nothing follows.
    """

    body: Mapping[str, Any]
    before: datetime | None

    def repeated(self, time: Any, zone: str | None) -> bool:
        """Whether a row of that time comes again with the next answer."""
        if self.before is None or not isinstance(time, str):
            return False
        date = day(time)
        moment = _midnight(date) if date else timestamp(time, zone)
        return moment is not None and moment >= self.before


class Service:
    """The requests to one collection."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet.

        Raises:
            SourceError: EntityNotFound where physicalName names no query.
        """
        self._client = client
        self._session = client.session
        name = self._session.target.physical_name or ""
        try:
            self.choice = Choice.read(name)
        except ValueError:
            raise self._session.error(
                SourceReason.ENTITY_NOT_FOUND,
                f"has no query '{printable(name, 60)}': set physicalName to COLLECTION, COLLECTION/locations/ID, "
                "COLLECTION/position?coords=POINT(x y) or COLLECTION/cube?bbox=x,y,x,y",
            ) from None

    async def collection(self) -> Collection:
        """The collection, as it describes itself.

        Raises:
            SourceError: EntityNotFound where there is none of that name, or it does not have the query.
        """
        try:
            described = as_object((await self._client.json(self.choice.collection)).value)
        except answers.NotFoundError:
            raise await self._missing() from None
        queries = as_object(described.get("data_queries"))
        if not queries or not isinstance(described.get("id"), str):
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                "answers with JSON that is no collection of OGC API - EDR: give its landing page as the endpoint",
            )
        if self.choice.kind not in queries:
            there = ", ".join(printable(name, 40) for name in list(queries)[:_SHOWN])
            raise self._session.error(
                SourceReason.ENTITY_NOT_FOUND,
                f"has no query {self.choice.kind} of this collection; it has {there}: correct physicalName",
            )
        first, last = _interval(described)
        return Collection(described, as_object(described.get("parameter_names")), queries, first, last)

    async def locations(self) -> list[Location]:
        """The locations of the collection: the one that is chosen, or all, each once."""
        if self.choice.location is not None:
            return [Location(self.choice.location, None)]
        return await self._all_locations()

    async def _all_locations(self) -> list[Location]:
        locations: dict[str, Location] = {}
        async for body in self._documents(f"{self.choice.collection}/{LOCATIONS}", self.choice.parameters, _GEOJSON):
            if not isinstance(body.get("features"), list):
                raise self.malformed("with locations that are no GeoJSON")
            for feature in map(as_object, body["features"]):
                id, name = feature.get("id"), as_object(feature.get("properties")).get("name")
                text = str(id) if isinstance(id, int) and not isinstance(id, bool) else id
                if not isinstance(text, str) or not text or text in (".", ".."):
                    raise self.malformed("with a location without an id")
                locations[text] = Location(text, name if isinstance(name, str) else None)
            if len(locations) > _MOST_LOCATIONS:
                raise self.malformed(f"with more than {_MOST_LOCATIONS} locations")
        return list(locations.values())

    async def data(
        self, collection: Collection, location: Location | None, names: list[str], interval: Interval | None
    ) -> AsyncIterator[Answer]:
        """The data of a period, earlier documents first.

        Args:
            collection: as it describes itself.
            location: whose; None for a query that is about no location.
            names: of parameters; without any all come.
            interval: the period; None where the collection tells of no time.

        Raises:
            SourceError: EntityNotFound for a location that is not there.
        """
        query = dict(self.choice.parameters)
        if names:
            query["parameter-name"] = ",".join(names)
        if output := collection.format_of(self.choice.kind):
            query["f"] = output
        path = self.choice.path if location is None else self.choice.path_of(location.id)
        pending: list[tuple[Interval | None, datetime | None]] = [(interval, None)]  # the next one last
        while pending:
            part, before = pending.pop()
            timed = {**query, "datetime": part.text} if part is not None else query
            any_came = False
            try:
                async for body in self._documents(path, timed, _COVERAGE_JSON):
                    any_came = True
                    yield Answer(body, before)
            except answers.NoContentError:
                continue
            except answers.NotFoundError:
                if location is not None and location.id == self.choice.location:
                    await self._check_location(location)
            except (answers.BadRequestError, answers.TooLongError):
                parts = self._parts(part, collection)
                if parts is None or any_came:
                    raise
                pending += [(one, one.end if number else before) for number, one in enumerate(parts)]

    def _parts(self, interval: Interval | None, collection: Collection) -> list[Interval] | None:
        """What to ask for in place of a period that was refused, the last first; None where there is nothing else."""
        if interval is None or self._session.received >= self._session.limits.max_bytes:
            return None
        narrower = interval.within(collection)
        if narrower != interval:
            return [narrower] if narrower is not None else []
        middle = interval.middle(datetime.now(UTC))
        return None if middle is None else [replace(interval, start=middle), replace(interval, end=middle)]

    async def _check_location(self, location: Location) -> None:
        """A location that there is may have no data of a period.

        Raises:
            SourceError: EntityNotFound where there is none of that id.
        """
        ids = [one.id for one in await self._all_locations()]
        if location.id not in ids:
            there = ", ".join(printable(id, 60) for id in ids[:_SHOWN]) or "none"
            raise self._session.error(
                SourceReason.ENTITY_NOT_FOUND,
                f"has no location {printable(location.id, 60)}; there are {there}: correct physicalName",
            )

    async def _documents(self, path: str, query: Mapping[str, str], accept: str) -> AsyncIterator[Mapping[str, Any]]:
        """A document and those that follow it by links to a next page, on the same server."""
        address: str | None = path
        seen: set[str] = set()
        while address is not None:
            document = await self._client.json(address, accept=accept, query=query)
            if not isinstance(document.value, dict):
                raise self.malformed("with JSON that is no object")
            yield document.value
            seen.add(address)
            links = [as_object(one) for one in as_array(document.value.get("links"))]
            following = next((str(one.get("href")) for one in links if one.get("rel") == "next"), None)
            address, query = beside(document.url, following) if following is not None else None, {}
            if following is not None and (address is None or address in seen):
                raise self.malformed("with a next page that is on another server, or leads back to itself")

    async def _missing(self) -> SourceError:
        try:
            listed = as_object((await self._client.json("collections")).value)
        except SourceError:  # it is only for the message
            listed = {}
        ids = [as_object(one).get("id") for one in as_array(listed.get("collections"))]
        names = ", ".join(printable(id, 60) for id in ids[:_SHOWN] if isinstance(id, str))
        return self._session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no collection of that name{f'; there are {names}' if names else ''}: correct physicalName, or give "
            "the landing page of OGC API - EDR as the endpoint",
        )

    def malformed(self, what: str) -> SourceError:
        """The error for an answer that breaks the specification."""
        return self._session.error(SourceReason.MALFORMED_DATA, f"answers {what}: ask the data supplier")


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    """Take the zeros at the end of the fraction of a row's time: some servers write nanoseconds, and have none."""
    time = row.get(TIME)
    if isinstance(time, str) and "." in time:
        row[TIME] = _ZEROS.sub(_point, time)
    return row


def _point(match: re.Match[str]) -> str:
    return match[1] if len(match[1]) > 1 else ""


def _outputs(described: Mapping[str, Any]) -> list[Any]:
    return as_array(described.get("output_formats"))


def _interval(described: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The period that a collection declares; of a day that is the last one, to its end."""
    first, last = interval_of(described)
    end = last if last is None or isinstance(last, datetime) else _midnight(last) + _DAY
    return first if first is None or isinstance(first, datetime) else _midnight(first), end


def _midnight(when: date) -> datetime:
    return datetime(when.year, when.month, when.day, tzinfo=UTC)
