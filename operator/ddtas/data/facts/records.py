"""Facts about records as JSON has them (a feature's properties, an entity, a message). Pure; no record is kept."""

import re
from collections.abc import Mapping
from typing import Any

from ddtas.data.contract import DataContract, FieldType
from ddtas.data.facts.axis import Axis, day, iso, local_or_absolute, timestamp
from ddtas.data.facts.checks import Checks, ValueCheck
from ddtas.data.facts.table import unplaced
from ddtas.data.measured import MeasuredField, SourceFacts, UnknownFact

MAX_FIELDS = 128  # what the status of a source can hold

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")  # FieldName of the API
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)


class Records:
    """Takes records one by one, and knows the facts about what came by.

    A field whose name the API cannot hold is left out, and so is each one after the first 128.
    """

    def __init__(self, contract: DataContract) -> None:
        self._contract = contract
        self._fields: dict[str, _Field] = {}
        self._checks = Checks(contract)
        self._missing = {f.name: frozenset(f.missing_values) for f in contract.fields if f.missing_values}
        self.count = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record: names to JSON values (None, "" and what the contract says count as no value)."""
        for name, value in record.items():
            field = self._fields.get(name)
            if field is None and len(self._fields) < MAX_FIELDS and isinstance(name, str) and NAME.fullmatch(name):
                missing, check = self._missing.get(name, frozenset()), self._checks.of(name)
                field = self._fields[name] = _Field(self._contract.time_zone, missing, check)
            if field is not None:
                field.add(value)
        self.count += 1

    def fields(self, units: Mapping[str, str] | None = None) -> tuple[MeasuredField, ...]:
        """The fields that were found, in their order; with units by field name, where the source tells them."""
        return tuple(
            MeasuredField(
                name=name,
                type=field.type or self._promised(name) or FieldType.STRING,
                empty=self.count - field.filled,
                invalid=field.check.invalid if field.check else None,
                duplicates=field.check.duplicates if field.check else None,
                unit=(units or {}).get(name, "")[:60] or None,
            )
            for name, field in self._fields.items()
        )

    def axis(self) -> Axis | None:
        """The time axis: the first field that should hold days or moments and does, else the first that does.

        None also where nothing says of which time zone its times are.
        """
        name = self._time()
        return self.axis_of(name) if name is not None else None

    def axis_of(self, name: str) -> Axis | None:
        """The time axis of one field; None where it does not hold days or moments."""
        field = self._fields.get(name)
        return field.axis if field is not None and field.type in _TIMES and not field.unplaced else None

    def unplaced(self) -> tuple[UnknownFact, ...]:
        """What is not known, as nothing says of which time zone its times are."""
        name = self._time()
        return unplaced(name) if name is not None and self._fields[name].unplaced else ()

    def _time(self) -> str | None:
        promised = {f.name for f in self._contract.fields if f.type in _TIMES}
        times = [name for name, field in self._fields.items() if field.type in _TIMES]
        return next((name for name in times if name in promised), None) or next(iter(times), None)

    def facts(self, *, complete: bool, units: Mapping[str, str] | None = None) -> SourceFacts:
        """The facts so far.

        Args:
            complete: these were all records; otherwise their number and period are unknown, and only the fields, the
                step between records and `sampled` are told.
            units: by field name, where the source tells them.
        """
        axis = self.axis()
        return SourceFacts(
            fields=self.fields(units),
            records=self.count if complete else None,
            sampled=self.count,
            first=iso(axis.first) if axis and complete else None,
            last=iso(axis.last) if axis and complete else None,
            time_resolution=axis.resolution() if axis else None,
            unknown=self.unplaced(),
        )

    def _promised(self, name: str) -> FieldType | None:
        return next((f.type for f in self._contract.fields if f.name == name), None)


class _Field:
    """One field: its narrowest type so far, how many records have a value, its time axis, and whether some times are
    of no known zone."""

    __slots__ = ("_missing", "_zone", "axis", "check", "filled", "type", "unplaced")

    def __init__(self, zone: str | None, missing: frozenset[str], check: ValueCheck | None) -> None:
        self.check = check
        self._zone = zone
        self._missing = missing
        self.unplaced = False
        self.type: FieldType | None = None
        self.filled = 0
        self.axis = Axis()

    def add(self, value: Any) -> None:
        if value is None or value == "" or (self._missing and _text(value) in self._missing):
            return
        self.filled += 1
        if self.check is not None:
            self.check.add((value,))
        found = type_of(value)
        if self.type is None:
            self.type = found
        elif self.type is not found:
            numbers = {FieldType.INTEGER, FieldType.NUMBER}
            self.type = FieldType.NUMBER if {self.type, found} == numbers else FieldType.STRING
        if self.type in _TIMES:
            moment = day(value) or timestamp(value, self._zone)
            self.unplaced = self.unplaced or moment is None
            self.axis.add([moment] if moment else [])


def _text(value: Any) -> str:
    """As a contract writes it: -9999 is also -9999.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def type_of(value: Any) -> FieldType:
    """The narrowest type that a JSON value fits; a text may hold a date or a timestamp."""
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int):
        return FieldType.INTEGER
    if isinstance(value, float):
        return FieldType.NUMBER
    if isinstance(value, Mapping):
        return FieldType.OBJECT
    if isinstance(value, list):
        return FieldType.ARRAY
    if day(str(value)):
        return FieldType.DATE
    return FieldType.TIMESTAMP if local_or_absolute(str(value)) else FieldType.STRING
