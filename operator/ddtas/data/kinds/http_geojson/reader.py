"""Reads GeoJSON as a stream of JSON events: a FeatureCollection by RFC 7946, or by the older GeoJSON 2008.

What is kept is the properties of some features, and one position.
"""

from collections.abc import AsyncIterator, Generator
from typing import Any, Protocol

import ijson

from ddtas.data.facts import geo
from ddtas.data.facts.records import NAME
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError, printable

ACCEPT = "application/geo+json, application/json;q=0.9, */*;q=0.1"

_OTHER_WORDS = ("html", "xml", "zip", "pdf", "csv")
MARK = b"\xef\xbb\xbf"  # RFC 8259 lets a reader ignore a byte order mark
_DEPTH = 64  # of anything
_COORDINATES_DEPTH = 4  # of a MultiPolygon, the deepest
_COLLECTIONS_DEPTH = 8  # of a GeometryCollection in another
_POSITION = 3  # numbers of a position that are kept; RFC 7946 gives no meaning to more
_PROPERTIES = 1024  # of one feature
_ENDS = {"start_map": "end_map", "start_array": "end_array"}

_Event = tuple[str, Any]
_Steps = Generator[None, _Event, None]


class Shapes(Protocol):
    """Takes the geometries of features as they come by.

    Attributes:
        broken: one of them is none, which whoever reads may find out too.
    """

    broken: bool

    def add_type(self, kind: Any) -> object:
        """The type of the next geometry; hostile."""

    def add_position(self, position: list[Any]) -> object:
        """The next position of a geometry; hostile."""


class FeatureCollection:
    """Reads a FeatureCollection. Each method that is a generator takes the events of one JSON value.

    Attributes:
        crs: the member `crs`; Ellipsis where there is none.
        box: the member `bbox`, of which at most 7 items are kept; hostile.
        begun: the member `features` was there.
    """

    def __init__(self, session: Session, shapes: Shapes) -> None:
        """Read nothing yet.

        Args:
            session: whose limits hold.
            shapes: takes the geometries, position by position: one may be as big as the file.
        """
        self._session = session
        self._shapes = shapes
        self._batch: list[dict[str, Any]] = []  # properties of the features that were not handed on yet
        self._type: Any = None
        self.crs: Any = ...
        self.box: list[Any] = []
        self.begun = False
        self._silent = 0  # bytes since the last event
        self._events = 0
        self._start: bytes | None = b""  # until it is clear whether there is a byte order mark
        steps = self._document()
        next(steps)
        # Floats, as decimals of any length would be slow; and the C parser breaks on an integer of 4,300 digits when it
        # makes Python's. With floats it refuses what is not finite, and integers that need more than 64 bits.
        self._parser = ijson.basic_parse_coro(_Counting(self, steps), use_float=True)

    async def batches(self, answer: Answer) -> AsyncIterator[list[dict[str, Any]]]:
        """The properties of the features of an answer, some at a time, to its end or to the cap.

        Of objects and arrays among them it counts that they are there.

        Raises:
            SourceError: UnexpectedContent or MalformedData, or what reading raises.
        """
        check_media_type(answer, self._session)
        while chunk := await answer.read():
            self.feed(chunk)
            if self._batch:
                yield self._batch
                self._batch = []
        if answer.complete:
            self.finish()

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        if self._start is not None:
            self._start += chunk
            if len(self._start) < len(MARK) and MARK.startswith(self._start):
                return
            chunk, self._start = self._start.removeprefix(MARK), None
        before = self._events
        self._parse(chunk)
        self._silent = self._silent + len(chunk) if before == self._events else 0
        most = self._session.limits.max_row_characters
        if self._silent > most:
            raise self.malformed(f"a value has more than {most} characters")

    def finish(self) -> None:
        """There is no more.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        if self._start is not None:
            raise unexpected(self._session, "nothing")
        self._parse(b"")
        if not isinstance(self._type, str) or self._type != "FeatureCollection":
            raise unexpected(self._session, "JSON that is no FeatureCollection")
        if not self.begun:
            raise self.malformed("a FeatureCollection has no features member")

    def _parse(self, chunk: bytes) -> None:
        try:
            if chunk:
                self._parser.send(chunk)
            else:
                self._parser.close()
        except (ijson.JSONError, ValueError):
            # What the parser says holds a piece of the data.
            if not self._events:
                raise unexpected(self._session, "what is not JSON") from None
            raise self.broken() from None

    def crs_name(self) -> str | None:
        """That of RFC 7946, or of the member `crs` of GeoJSON 2008; None where that names none that is known."""
        if self.crs is ...:
            return geo.CRS84
        match self.crs:
            case {"type": "name", "properties": {"name": name}}:
                return geo.crs_name(name)
        return None

    def broken(self) -> SourceError:
        """The error for JSON that ends early, or cannot be read."""
        return self.malformed("it is broken, or has a number that is not finite or needs more than 64 bits")

    def _document(self) -> _Steps:
        event, _ = yield
        if event != "start_map":
            raise unexpected(self._session, "JSON that is no FeatureCollection")
        while True:
            event, name = yield
            if event == "end_map":
                break
            event, value = yield
            if name == "features":
                yield from self._collection(event)
            elif name == "crs":
                self.crs = yield from self._small(event, value, 1)
            elif name == "bbox" and event == "start_array":
                box = yield from self._small(event, value, 1)
                self.box = box if isinstance(box, list) else []
            elif name == "type":
                self._type = value
                if value != "FeatureCollection":
                    what = f"a {printable(value, 40)}" if isinstance(value, str) else "JSON"
                    raise unexpected(self._session, f"{what} that is no FeatureCollection")
            else:
                yield from self._skip(event, 1)
        yield  # there is no event after this one

    def _collection(self, event: str) -> _Steps:
        if event != "start_array":
            raise self.malformed("its features are no array")
        self.begun = True
        while True:
            event, _ = yield
            if event == "end_array":
                return
            if event != "start_map":
                raise self.malformed("among its features is what is none")
            yield from self._feature()

    def _feature(self) -> _Steps:
        properties: dict[str, Any] = {}
        kind = None
        while True:
            event, name = yield
            if event == "end_map":
                break
            event, value = yield
            if name == "type":
                kind = value
                yield from self._skip(event, 3)
            elif name == "properties":
                yield from self._properties(event, properties)
            elif name == "geometry":
                yield from self._geometry(event, 0)
            else:
                yield from self._skip(event, 3)
        if kind != "Feature":
            raise self.malformed("among its features is what is none")
        self._batch.append(properties)

    def _properties(self, event: str, properties: dict[str, Any]) -> _Steps:
        if event == "null":
            return
        if event != "start_map":
            raise self.malformed("the properties of a feature are no object")
        while True:
            event, name = yield
            if event == "end_map":
                return
            event, value = yield
            # Of objects and arrays it counts that they are there; of a text, whether it is a date.
            kept: Any = {"start_map": {}, "start_array": []}.get(event, value)
            yield from self._skip(event, 4)
            if NAME.fullmatch(name):
                properties[name] = kept[: self._session.limits.max_value_characters] if isinstance(kept, str) else kept
            if len(properties) > _PROPERTIES:
                raise self.malformed(f"a feature has more than {_PROPERTIES} properties")

    def _geometry(self, event: str, depth: int) -> _Steps:
        if event == "null" and depth == 0:
            return
        if event != "start_map":
            raise self.malformed("a geometry is no object")
        if depth > _COLLECTIONS_DEPTH:
            raise self.malformed(f"geometries are nested more than {_COLLECTIONS_DEPTH} deep")
        kind = None
        while True:
            event, name = yield
            if event == "end_map":
                break
            event, value = yield
            if name == "coordinates" and event == "start_array":
                yield from self._coordinates()
            elif name == "geometries" and event == "start_array":
                while (event := (yield)[0]) != "end_array":
                    yield from self._geometry(event, depth + 1)
            else:
                if name == "type":
                    kind = value
                yield from self._skip(event, 4 + 2 * depth)
        if depth == 0:  # the type of a GeometryCollection is its own
            self._shapes.add_type(kind)

    def _coordinates(self) -> _Steps:
        """Positions in arrays, in arrays, as deep as the type of the geometry has it."""
        depth = 1
        position: list[Any] = []
        while depth:
            event, value = yield
            if event == "start_array":
                depth += 1
                self._shapes.broken |= bool(position)  # numbers and arrays in one array
                position = []
                if depth > _COORDINATES_DEPTH:
                    raise self.malformed(f"coordinates are nested more than {_COORDINATES_DEPTH} deep")
            elif event == "end_array":
                depth -= 1
                if position:
                    self._shapes.add_position(position)
                position = []
            elif event == "start_map":
                raise self.malformed("coordinates hold an object")
            elif len(position) < _POSITION:
                position.append(value)

    def _skip(self, event: str, depth: int) -> _Steps:
        """Pass by the rest of a value that began with this event, so deep in the document."""
        opened = 1 if event in _ENDS else 0
        while opened:
            event, _ = yield
            if event in _ENDS:
                opened += 1
                self._bound(depth + opened)
            elif event in _ENDS.values():
                opened -= 1

    def _small(self, event: str, value: Any, depth: int) -> Generator[None, _Event, Any]:
        """A value that began with this event, as Python has it: of arrays the first items, of texts the beginning."""
        self._bound(depth)
        if event == "start_array":
            items: list[Any] = []
            while (following := (yield))[0] != "end_array":
                item = yield from self._small(*following, depth + 1)
                if len(items) <= 6:
                    items.append(item)
            return items
        if event == "start_map":
            members: dict[str, Any] = {}
            while (following := (yield))[0] != "end_map":
                name = following[1]
                item = yield from self._small(*(yield), depth + 1)
                if name in ("type", "properties", "name"):
                    members[name] = item
            return members
        return value

    def _bound(self, depth: int) -> None:
        if depth > _DEPTH:
            raise self.malformed(f"it is nested more than {_DEPTH} deep")

    def malformed(self, what: str) -> SourceError:
        """The error for what is not GeoJSON."""
        return self._session.error(
            SourceReason.MALFORMED_DATA,
            f"is not GeoJSON as RFC 7946 has it: {what}: ask the data supplier to correct it",
        )


class _Counting:
    """Hands events on, and counts them."""

    def __init__(self, reader: FeatureCollection, steps: _Steps) -> None:
        self._reader = reader
        self._send = steps.send

    def send(self, event: _Event) -> None:
        self._reader._events += 1
        self._send(event)


def check_media_type(answer: Answer, session: Session) -> None:
    """Refuse what its media type says is no GeoJSON.

    Raises:
        SourceError: UnexpectedContent.
    """
    if answer.is_other(_OTHER_WORDS):
        raise unexpected(session, printable(answer.media_type, 60))


def unexpected(session: Session, what: str) -> SourceError:
    """The error for an answer that is something else."""
    return session.error(
        SourceReason.UNEXPECTED_CONTENT,
        f"answers with {what} instead of a GeoJSON FeatureCollection: give the URL of the data itself",
    )
