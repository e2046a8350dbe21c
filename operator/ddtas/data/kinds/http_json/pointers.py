"""JSON Pointers (RFC 6901), and what they lead to in rows: the lists on the way, and what is above a row. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ddtas.data.json_service import JsonGeometry, JsonService

_POINTER = re.compile(r"([0-9]*)((?:/.*)?)", re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

ABSENT: Any = object()
"""What a pointer leads to that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer: how many levels up it begins, and the members and indices on the way down from there."""

    levels: int
    steps: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "Pointer":
        """A pointer as the API has it."""
        match = _POINTER.fullmatch(text)
        levels, path = match.groups() if match else ("", "")
        steps = (step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:])
        return cls(int(levels or 0), tuple(steps))

    def of(self, trail: Sequence[Any]) -> Any:
        """What it leads to, from the last of some values, each of which is held by the one before it; or ABSENT."""
        if self.levels >= len(trail):
            return ABSENT
        value = trail[-1 - self.levels]
        for step in self.steps:
            if isinstance(value, dict):
                value = value.get(step, ABSENT)
            elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
                value = value[int(step)]
            else:
                return ABSENT
        return value


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its members, and the fields that have pointers; and its geometry, as GeoJSON, not checked."""

    record: dict[str, Any]
    geometry: Any


class Layout:
    """Where rows, fields and geometries are in the answers of a service."""

    def __init__(self, service: JsonService) -> None:
        self._lists = [Pointer.read(text) for text in service.rows or ("",)]
        self._fields = [(field.name, Pointer.read(field.pointer)) for field in service.fields]
        self._optional = service.rows_required is False
        place = service.geometry
        self._geometry = Pointer.read(place.pointer) if place and place.pointer is not None else None
        self._point = _point(place)

    def items(self, answer: Any) -> list[Any]:
        """What the first list of an answer holds.

        Raises:
            ValueError: there is no list.
        """
        return self._list([answer], self._lists[0])

    def rows(self, answer: Any) -> Iterator[Row]:
        """The rows of an answer.

        Raises:
            ValueError: there is no list where one should be.
        """
        for trail in self._trails([answer], self._lists):
            yield self._row(trail)

    def _trails(self, trail: list[Any], lists: Sequence[Pointer]) -> Iterator[list[Any]]:
        if not lists:
            yield trail
            return
        held = self._held(trail, lists[0])
        for item in self._list(trail, lists[0]):
            yield from self._trails([*held, item], lists[1:])

    def _held(self, trail: list[Any], pointer: Pointer) -> list[Any]:
        """The trail to a list, with all that is on the way."""
        held = list(trail)
        for step in pointer.steps:
            held.append(Pointer(0, (step,)).of(held))
        return held

    def _list(self, trail: list[Any], pointer: Pointer) -> list[Any]:
        found = pointer.of(trail)
        if isinstance(found, list):
            return found
        if self._optional and (found is ABSENT or found is None):
            return []
        raise ValueError("".join(f"/{step}" for step in pointer.steps))

    def _row(self, trail: list[Any]) -> Row:
        row = trail[-1]
        record = dict(row) if isinstance(row, dict) else {}
        for name, pointer in self._fields:
            value = pointer.of(trail)
            if value is not ABSENT:
                record[name] = value
            else:
                record.pop(name, None)
        return Row(record, self._place(trail))

    def _place(self, trail: list[Any]) -> Any:
        if self._geometry is not None:
            found = self._geometry.of(trail)
            return None if found is ABSENT else found
        if self._point is None:
            return None
        x, y = (pointer.of(trail) for pointer in self._point)
        if x in (ABSENT, None) or y in (ABSENT, None):
            return None
        return {"type": "Point", "coordinates": [_number(x), _number(y)]}


def _point(place: JsonGeometry | None) -> tuple[Pointer, Pointer] | None:
    if place is None or place.easting is None or place.northing is None:
        return None
    return Pointer.read(place.easting), Pointer.read(place.northing)


def _number(value: Any) -> Any:
    """A coordinate; some services write them as texts."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
