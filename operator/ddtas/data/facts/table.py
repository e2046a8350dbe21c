"""Facts about a table, from its rows as they come by. Pure, and in constant memory: no row is kept."""

import re
from collections.abc import Sequence

from ddtas.data.contract import DataContract, FieldType
from ddtas.data.facts.axis import NO_OFFSET, Axis, day, iso, local_or_absolute, timestamp
from ddtas.data.facts.checks import Checks, ValueCheck
from ddtas.data.measured import MeasuredField, SourceFacts, UnknownFact
from ddtas.data.session import SourceReason
from ddtas.errors import SourceError, printable

MAX_COLUMNS = 128  # what the status of a source can hold
_SHOWN_CHARACTERS = 40

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")  # FieldName of the API
_PATTERNS = {  # the narrowest first
    FieldType.INTEGER: re.compile(r"[+-]?[0-9]+"),
    FieldType.NUMBER: re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"),
    FieldType.BOOLEAN: re.compile(r"true|false", re.IGNORECASE),
}
_WIDER = {
    FieldType.INTEGER: FieldType.NUMBER,
    FieldType.NUMBER: FieldType.STRING,
    FieldType.BOOLEAN: FieldType.STRING,
    FieldType.DATE: FieldType.STRING,
    FieldType.TIMESTAMP: FieldType.STRING,
}
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)
_NAN = frozenset({"NaN", "nan", "NAN"})


class Table:
    """Takes the rows of a table one by one, and knows the facts about what came by."""

    def __init__(self, names: Sequence[str], contract: DataContract, place: str) -> None:
        """Start with the header.

        Args:
            names: of the columns; hostile input, like every value.
            contract: names the date column, and gives the type of columns that hold no value at all.
            place: where the table is, for messages.

        Raises:
            SourceError: MalformedData when the names are not those of a usable table.
        """
        self._place = place
        self._check(names)
        checks = Checks(contract)
        self._columns = [_Column(name, contract.time_zone, checks.of(name)) for name in names]
        self._contract = contract
        self._records = 0

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Take some rows. Many at once go faster than one by one: a column at a time.

        Raises:
            SourceError: MalformedData when a row has more or fewer values than the header has names.
        """
        for row in rows:
            self._records += 1
            if len(row) != len(self._columns):
                raise self._malformed(
                    f"record {self._records} has {len(row)} values where the header names {len(self._columns)}"
                )
        for column, values in zip(self._columns, zip(*rows, strict=True), strict=bool(rows)):
            column.add(values)

    def facts(self, size_bytes: int | None) -> SourceFacts:
        """The facts so far.

        Args:
            size_bytes: of the whole table; None when it goes on after the last row that came by, and all facts that
                depend on its end are unknown.
        """
        complete = size_bytes is not None
        column = self._time()
        axis = column.axis if column and not column.unplaced else None
        return SourceFacts(
            fields=tuple(
                MeasuredField(
                    name=column.name,
                    type=self._type(column),
                    empty=column.empty,
                    invalid=column.check.invalid if column.check else None,
                    duplicates=column.check.duplicates if column.check else None,
                )
                for column in self._columns
            ),
            records=self._records if complete else None,
            sampled=self._records,
            first=iso(axis.first) if axis and (complete or axis.rising) else None,
            last=iso(axis.last) if axis and (complete or axis.falling) else None,
            time_resolution=axis.resolution() if axis else None,
            size_bytes=size_bytes,
            unknown=unplaced(column.name) if column and column.unplaced else (),
        )

    def _check(self, names: Sequence[str]) -> None:
        if len(names) > MAX_COLUMNS:
            raise self._malformed(f"the header has {len(names)} columns, where at most {MAX_COLUMNS} are allowed")
        seen: set[str] = set()
        for number, name in enumerate(names, 1):
            column = f"column {number} of the header, '{printable(name, _SHOWN_CHARACTERS)}',"
            if not _NAME.fullmatch(name):
                hint = " (are the columns separated by commas?)" if ";" in name or "\t" in name else ""
                raise self._malformed(
                    f"{column} is not a field name: 1 to 63 letters, digits, '_', '.' or '-', not starting with a "
                    f"digit{hint}"
                )
            if name in seen:
                raise self._malformed(f"{column} has the name of an earlier column")
            seen.add(name)

    def _malformed(self, what: str) -> SourceError:
        return SourceError(
            SourceReason.MALFORMED_DATA, f"{self._place}: {what}: ask the data supplier to correct the data"
        )

    def _type(self, column: "_Column") -> FieldType:
        """Type of a column. One without values fits every type, so also the one in the contract."""
        promised = (field.type for field in self._contract.fields if field.name == column.name)
        return column.type or next(promised, FieldType.STRING)

    def _time(self) -> "_Column | None":
        """The time axis: the first column that should hold days or moments, else the first that does."""
        promised = {field.name for field in self._contract.fields if field.type in _TIMES}
        candidates = [column for column in self._columns if column.name in promised] or [
            column for column in self._columns if column.type in _TIMES
        ]
        return candidates[0] if candidates and candidates[0].type in _TIMES else None


def unplaced(field: str) -> tuple[UnknownFact, ...]:
    """What is not known where a field has times without an offset, and nothing says of which zone."""
    return tuple(UnknownFact(fact=fact, reason=NO_OFFSET.format(field)) for fact in ("first", "last", "timeResolution"))


class _Column:
    """One column: its narrowest type so far, its empty values, and whether some times are of no known zone."""

    __slots__ = ("_zone", "axis", "check", "empty", "name", "type", "unplaced")

    def __init__(self, name: str, zone: str | None, check: ValueCheck | None) -> None:
        self.name = name
        self.check = check
        self.unplaced = False
        self._zone = zone
        self.empty = 0
        self.type: FieldType | None = None
        self.axis = Axis()

    def add(self, values: Sequence[str]) -> None:
        filled = [value for value in values if value and value not in _NAN]
        self.empty += len(values) - len(filled)
        if not filled:
            return
        if self.check is not None:
            self.check.add(filled)
        if self.type is None:
            self.type = _narrowest(filled[0])
        while not self._fits(filled):
            self.type = _WIDER[self.type]

    def _fits(self, values: Sequence[str]) -> bool:
        if self.type is FieldType.DATE:
            days = [one for one in map(day, values) if one]
            self.axis.add(days)
            return len(days) == len(values)
        if self.type is FieldType.TIMESTAMP:
            moments = [moment for value in values if (moment := timestamp(value, self._zone))]
            self.axis.add(moments)
            if len(moments) == len(values):
                return True
            self.unplaced = True
            return all(map(local_or_absolute, values))
        pattern = _PATTERNS.get(self.type) if self.type else None
        return pattern is None or all(map(pattern.fullmatch, values))


def _narrowest(value: str) -> FieldType:
    if day(value):
        return FieldType.DATE
    if local_or_absolute(value):
        return FieldType.TIMESTAMP
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(value)), FieldType.STRING)
