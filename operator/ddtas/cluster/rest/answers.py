"""What an API server answers: bounded before it is parsed, and of the shape that was asked for.

Parsed, JSON takes up to forty times its size, and what takes that much also takes the event loop. So the values in a
text are counted first; the count is that of commas and opening brackets, which is too high where they are in texts.
What is nested too deeply for the parser is treated like what has too many values.
"""

import asyncio
from typing import Any, NamedTuple

from pydantic_core import from_json

from ddtas.errors import Garbled, TooLarge, printable

JsonObject = dict[str, Any]

# Bytes. The API server keeps objects of at most 1.5 MiB; as JSON, a control character or "<" is six times as long.
VERSION_BYTES = ERROR_BYTES = 64 * 1024
PAGE_BYTES = 2 * 1024 * 1024
OBJECT_BYTES = 12 * 1024 * 1024

# In one answer or event. So many take 15 ms to parse and 12 MiB at worst (distinct keys, numbers). The largest platform
# (500 sources) has some 90,000; an object that has more than this is not read.
MOST_VALUES = 100_000
# To take in what has so many takes as long as to parse it: others get a turn in between.
_MANY_VALUES = 10_000
# The API server keeps no object that has more: two bytes are a value at least. It takes a second, in turns.
_MOST_SCANNED = 1_000_000
# Levels of arrays and objects: what the parser takes. Of an object of Kubernetes, some thirty.
MOST_LEVELS = 200
_TOO_DEEP = "recursion limit"  # what the parser says then
# Beside what is left of an object that is not read: why.
FAULT = "ddtas.nl/fault"

_MOST_DIGITS = 64
_CHUNK_BYTES = 16 * 1024
_MOST_KEPT = 256  # texts of an object that is not read
_ITEM = "[]"
_KEPT_LABELS = "ddtas.nl/"
_OBJECTS = ((), ("object",), ("items", _ITEM))  # where an object is: in an answer, an event, a list
_DEEP = 5  # a label of an object in a list


class Identity(NamedTuple):
    """Which object, and in which state."""

    namespace: str
    name: str
    uid: str
    version: str


async def parse(raw: bytes | bytearray, *, outline: bool = True) -> Any:
    """The value of a JSON text.

    Args:
        raw: the text; its size is bounded by whoever read it.
        outline: of a text with too many values, keep the metadata of the (one) object in it, with FAULT beside it.

    Raises:
        Garbled: it is no JSON.
        TooLarge: it has too many values or levels, and `outline` is false.
    """
    values = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    try:
        if values > MOST_VALUES:
            many = f"more than {MOST_VALUES} values"
            if not outline:
                raise TooLarge(0, f"an answer has {many}")
            scan = await _scanned(raw)
            if scan.count > MOST_VALUES:
                return scan.kept(f"it has {many}, which is more than is read")
        value = from_json(raw, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        if _TOO_DEEP not in str(error):
            raise Garbled(0, f"an answer is no JSON ({type(error).__name__})") from None
    else:
        if values > _MANY_VALUES:
            await asyncio.sleep(0)
        return value
    if not outline:
        raise TooLarge(0, f"an answer is nested more than {MOST_LEVELS} levels deep")
    try:
        scan = await _scanned(raw)
    except ValueError:
        raise Garbled(0, "an answer is no JSON") from None
    return scan.kept(f"it is nested more than {MOST_LEVELS} levels deep, which is deeper than is read")


async def _scanned(raw: bytes | bytearray) -> "_Scan":
    """How many values a text has, and what is kept of it; others get a turn meanwhile."""
    import ijson  # late: such a text is rare

    scan = _Scan()
    parser = ijson.basic_parse_coro(scan, use_float=True)
    try:
        for start in range(0, len(raw), _CHUNK_BYTES):
            parser.send(bytes(raw[start : start + _CHUNK_BYTES]))
            if scan.count > (MOST_VALUES if scan.done else _MOST_SCANNED):
                return scan
            await asyncio.sleep(0)
        parser.close()
    except ijson.JSONError as error:
        raise ValueError from error
    return scan


class _Scan:
    """Counts values, and keeps texts of metadata: a parser sends it its events."""

    def __init__(self) -> None:
        self.count = 0
        self.done = False  # nothing that is kept comes any more: of a list, its own metadata may come last
        self._texts: dict[tuple[str, ...], Any] = {}
        self._path: list[str] = []  # the keys of the containers that are open, as deep as anything is kept from
        self._arrays: list[bool] = []
        self._depth = 0
        self._key = ""

    def send(self, event: tuple[str, Any]) -> None:
        """Take in an event."""
        what, value = event
        if what == "map_key":
            self._key = value
        elif what in ("end_map", "end_array"):
            self._depth -= 1
            del self._path[self._depth :], self._arrays[self._depth :]
            self._key = _ITEM if self._arrays and self._arrays[-1] else ""
        elif what in ("start_map", "start_array"):
            self.count += 1
            self._depth += 1
            if self._depth <= _DEEP:
                self._path.append(self._key)
                self._arrays.append(what == "start_array")
            self._key = _ITEM if what == "start_array" else ""
        else:
            self.count += 1
            if self._depth <= _DEEP:
                self._keep((*self._path[1:], self._key), value)

    def _keep(self, path: tuple[str, ...], value: Any) -> None:
        label = path[-3:-1] == ("metadata", "labels") and path[-1].startswith(_KEPT_LABELS)
        kept = path == ("type",) or (path[-2:-1] == ("metadata",) and path[:-2] in _OBJECTS)
        if (kept or (label and path[:-3] in _OBJECTS)) and len(self._texts) < _MOST_KEPT:
            self._texts[path] = value
            self.done |= path[-2:] == ("metadata", "uid") and path[0] != "items"

    def kept(self, fault: str) -> JsonObject:
        """A text like the one that was read, with nothing in it but that, and why."""
        found: JsonObject = {}
        for path, value in self._texts.items():
            *outer, last = path
            place = found
            for step in outer:
                place = place.setdefault(step, {})
            place[last] = value
        if "items" in found:
            return found | {"items": [found["items"].get(_ITEM, {}) | {FAULT: fault}]}
        if "object" in found:
            return found | {"object": found["object"] | {FAULT: fault}}
        return found | {FAULT: fault}


def mapping(value: Any, what: str) -> JsonObject:
    """A JSON object.

    Raises:
        Garbled: it is something else.
    """
    if not isinstance(value, dict):
        raise Garbled(0, f"{what} is no object")
    return value


def identity(body: Any) -> Identity:
    """Which object that is.

    Raises:
        Garbled: it is none of Kubernetes.
    """
    metadata = mapping(mapping(body, "an object").get("metadata"), "an object's metadata")
    found = Identity(
        *(metadata.get(field) for field in ("namespace", "name", "uid", "resourceVersion"))  # type: ignore[arg-type]
    )
    found = found._replace(namespace="") if found.namespace is None else found
    if not all(isinstance(text, str) and len(text) <= 253 for text in found) or not all(found[1:]):
        raise Garbled(0, "an object has no name, uid or resourceVersion that is one")
    return found


def items(page: JsonObject) -> list[Any]:
    """The objects of a list; each of them may still be anything.

    Raises:
        Garbled: it is no list.
    """
    found = page.get("items")
    if found is None and "items" in page:
        return []  # as Go writes an empty list that was never made
    if not isinstance(found, list):
        raise Garbled(0, "a list has no items")
    return found


def number(version: object) -> int:
    """A resourceVersion as the number that it is in Kubernetes; 0 for what is none."""
    text = version if isinstance(version, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def is_newer(version: str, known: str) -> bool:
    """Whether a state of an object replaces another one. Versions that are no numbers differ, and that is all."""
    new, old = number(version), number(known)
    return new > old if new and old else version != known


def message(value: Any, otherwise: str) -> str:
    """What a Status says, on one line."""
    text = value.get("message") if isinstance(value, dict) else None
    return printable(text if isinstance(text, str) and text else otherwise, 500)
