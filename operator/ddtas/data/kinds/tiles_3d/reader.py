"""Reads a tileset of version 1.0 or 1.1: the tileset.json, as a stream.

Of the tiles below the root, of which there may be a hundred thousand, nothing is kept.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ijson

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import http
from ddtas.data.wire.documents import as_object
from ddtas.errors import SourceError, printable

_VERSIONS = ("1.0", "1.1")
_DEPTH = 64  # of nested JSON; each level of tiles takes two


def is_number(value: Any) -> bool:
    """Whether that is a finite number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Tileset:
    """What was read of a tileset.

    Attributes:
        value: all of it, but the tiles below the root.
        url: where it came from: what its links are relative to.
        whole: it was read to its end; otherwise it goes on, and what was read may end anywhere.
        tile: the first link to content of the tiles below the root.
    """

    value: Mapping[str, Any]
    url: str
    whole: bool
    tile: str | None

    @property
    def root(self) -> Mapping[str, Any]:
        return as_object(self.value.get("root"))


class _Builder:
    """Makes values of the events of a JSON parser, without the tiles below the root."""

    def __init__(self) -> None:
        self._builder = ijson.ObjectBuilder()
        self._path: list[str] = []  # the name that each open object is at; "" of an array
        self.tile: str | None = None

    def send(self, what: tuple[str, Any]) -> None:
        """Take the next event.

        Raises:
            ValueError: it is nested too deep.
        """
        event, value = what
        if event in ("end_map", "end_array"):
            self._path.pop()
        elif event == "map_key":
            self._path[-1] = value
        if self._path[:2] != ["root", "children"]:
            self._builder.event(event, value)
        elif event == "string" and self._path[-2:] in (["content", "uri"], ["content", "url"]):
            self.tile = self.tile or value
        if event in ("start_map", "start_array"):
            self._path.append("")
            if len(self._path) > _DEPTH:
                raise ValueError(f"nested more than {_DEPTH} deep")

    @property
    def value(self) -> Any:
        return getattr(self._builder, "value", None)  # there is none before the first event


async def read(client: http.Client) -> Tileset:
    """The tileset, of which no more than one document's bytes are read."""
    session = client.session
    builder = _Builder()
    parser = ijson.basic_parse_coro(builder, use_float=True)  # refuses what no float or 64-bit integer can hold
    async with client.get(accept="application/json") as answer:
        if answer.media_type.endswith(("html", "xml")):
            raise no_tileset(session, printable(answer.media_type, 60))
        start = b""
        try:
            while answer.received <= session.limits.max_document_bytes and (chunk := await answer.read()):
                start = start or chunk.lstrip()[:1]
                if start == b"<":
                    raise no_tileset(session, "HTML or XML")
                parser.send(chunk)
            if answer.complete:
                parser.close()
        except (ijson.JSONError, ValueError, ArithmeticError):
            raise session.error(
                SourceReason.MALFORMED_DATA,
                f"answers with JSON that cannot be read, or is nested more than {_DEPTH} deep: ask the data supplier",
            ) from None
        return Tileset(as_object(builder.value), answer.url, answer.complete, builder.tile)


def check(session: Session, tileset: Tileset) -> None:
    """Refuse what is no tileset, or of a version that is not known, or lacks what it must have."""
    version = as_object(tileset.value.get("asset")).get("version")
    if not isinstance(version, str):
        raise no_tileset(session, "JSON without asset.version")
    if version not in _VERSIONS:
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            f"is a tileset of version {printable(version, 20)}, where {' or '.join(_VERSIONS)} can be read: ask the "
            "data supplier for one of these",
        )
    missing = None
    if not as_object(tileset.root.get("boundingVolume")):
        missing = "root.boundingVolume"
    elif tileset.whole and not _is_error(tileset.value.get("geometricError")):
        missing = "geometricError"
    elif tileset.whole and not _is_error(tileset.root.get("geometricError")):
        missing = "root.geometricError"
    if missing:
        where = "" if tileset.whole else f" in its first {session.limits.max_document_bytes} bytes"
        raise session.error(
            SourceReason.MALFORMED_DATA,
            f"is a tileset without a {missing} that can be read{where}: ask the data supplier",
        )


def _is_error(value: Any) -> bool:
    return is_number(value) and value >= 0


def no_tileset(session: Session, what: str) -> SourceError:
    """The error for what is something else."""
    return session.error(
        SourceReason.UNEXPECTED_CONTENT, f"answers with {what} instead of a tileset: give the URL of its tileset.json"
    )
