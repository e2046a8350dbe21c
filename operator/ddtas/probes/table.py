"""Facts about a table, from its rows as they come by. Pure, and in constant memory: no row is kept."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from ddtas.api.datasource import DataContract, FieldType
from ddtas.api.platform import MeasuredField, SourceFacts
from ddtas.errors import ProbeError
from ddtas.probes.base import Reason, printable

MAX_COLUMNS = 128  # what the status of a source can hold
_MAX_STEPS = 64  # different steps between dates that are counted; a regular series has few
_SHOWN_CHARACTERS = 40

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")  # FieldName of the API
_PATTERNS = {  # the narrowest first
    FieldType.INTEGER: re.compile(r"[+-]?[0-9]+"),
    FieldType.NUMBER: re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"),
}
_WIDER = {
    FieldType.INTEGER: FieldType.NUMBER,
    FieldType.NUMBER: FieldType.STRING,
    FieldType.DATE: FieldType.STRING,
}
_NAN = frozenset({"NaN", "nan", "NAN"})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Table:
    """Takes the rows of a table one by one, and knows the facts about what came by."""

    def __init__(self, names: Sequence[str], contract: DataContract, place: str) -> None:
        """Start with the header.

        Args:
            names: of the columns; hostile input, like every value.
            contract: names the date column, and gives the type of columns that hold no value at all.
            place: where the table is, for messages.

        Raises:
            ProbeError: MalformedData when the names are not those of a usable table.
        """
        self._place = place
        self._check(names)
        self._columns = [_Column(name) for name in names]
        self._contract = contract
        self._records = 0

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """Look at some rows. Many at once go faster than one by one: a column at a time.

        Raises:
            ProbeError: MalformedData when a row has more or fewer values than the header has names.
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
        dates = self._dates()
        return SourceFacts(
            fields=tuple(
                MeasuredField(name=column.name, type=self._type(column), empty=column.empty) for column in self._columns
            ),
            records=self._records if complete else None,
            first=_iso(dates.first) if dates and (complete or dates.rising) else None,
            last=_iso(dates.last) if dates and (complete or dates.falling) else None,
            time_resolution=dates.resolution() if dates else None,
            size_bytes=size_bytes,
        )

    def _check(self, names: Sequence[str]) -> None:
        if len(names) > MAX_COLUMNS:
            raise self._malformed(f"the header has {len(names)} columns, where at most {MAX_COLUMNS} are allowed")
        seen: set[str] = set()
        for number, name in enumerate(names, 1):
            shown = f"column {number} of the header, '{printable(name, _SHOWN_CHARACTERS)}',"
            if not _NAME.fullmatch(name):
                hint = " (are the columns separated by commas?)" if ";" in name or "\t" in name else ""
                raise self._malformed(
                    f"{shown} is not a field name: 1 to 63 letters, digits, '_', '.' or '-', not starting with a "
                    f"digit{hint}"
                )
            if name in seen:
                raise self._malformed(f"{shown} has the name of an earlier column")
            seen.add(name)

    def _malformed(self, what: str) -> ProbeError:
        return ProbeError(Reason.MALFORMED_DATA, f"{self._place}: {what}: ask the data supplier to correct the data")

    def _type(self, column: "_Column") -> FieldType:
        """Type of a column. One without values fits every type, so also the one in the contract."""
        promised = (field.type for field in self._contract.fields if field.name == column.name)
        return column.type or next(promised, FieldType.STRING)

    def _dates(self) -> "_Dates | None":
        """The time axis: the first column that should hold dates, else the first that does."""
        promised = {field.name for field in self._contract.fields if field.type == FieldType.DATE}
        candidates = [column for column in self._columns if column.name in promised] or [
            column for column in self._columns if column.type == FieldType.DATE
        ]
        return candidates[0].dates if candidates and candidates[0].type == FieldType.DATE else None


class _Column:
    """One column: its narrowest type so far, and its empty values."""

    __slots__ = ("dates", "empty", "name", "type")

    def __init__(self, name: str) -> None:
        self.name = name
        self.empty = 0
        self.type: FieldType | None = None
        self.dates = _Dates()

    def add(self, values: Sequence[str]) -> None:
        filled = [value for value in values if value and value not in _NAN]
        self.empty += len(values) - len(filled)
        if not filled:
            return
        if self.type is None:
            self.type = _narrowest(filled[0])
        while not self._fits(filled):
            self.type = _WIDER[self.type]

    def _fits(self, values: Sequence[str]) -> bool:
        if self.type is FieldType.DATE:
            days = [day for day in map(_day, values) if day]
            self.dates.add(days)
            return len(days) == len(values)
        pattern = _PATTERNS.get(self.type) if self.type else None
        return pattern is None or all(map(pattern.fullmatch, values))


def _narrowest(value: str) -> FieldType:
    if _day(value):
        return FieldType.DATE
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.fullmatch(value)), FieldType.STRING)


class _Dates:
    """The dates of a column in their order: the extremes, the direction, and how often each step occurs."""

    __slots__ = ("_previous", "_steps", "falling", "first", "last", "rising")

    def __init__(self) -> None:
        self.first: date | None = None
        self.last: date | None = None
        self.rising = True
        self.falling = True
        self._previous: date | None = None
        self._steps: Counter[str] = Counter()

    def add(self, days: Sequence[date]) -> None:
        if not days:
            return
        self.first = min(days) if self.first is None else min(self.first, *days)
        self.last = max(days) if self.last is None else max(self.last, *days)
        previous = self._previous or days[0]
        for day in days:
            if day > previous:
                self.falling = False
                self._count(_step(previous, day))
            elif day < previous:
                self.rising = False
                self._count(_step(day, previous))
            previous = day  # the same day once more is another record of it, and no step
        self._previous = previous

    def _count(self, step: str) -> None:
        self._steps[step if step in self._steps or len(self._steps) < _MAX_STEPS else "other"] += 1

    def resolution(self) -> str | None:
        """The step that most steps are, as an ISO 8601 duration; None when there is no such step."""
        if not self._steps:
            return None
        step, times = self._steps.most_common(1)[0]
        return step if step != "other" and 2 * times > self._steps.total() else None


def _day(value: str) -> date | None:
    # fromisoformat alone takes other forms of ISO 8601 too (2024-W01-1, 20240101).
    if not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _step(earlier: date, later: date) -> str:
    """The step between two different days: P1M and P1Y by the calendar, all others in days."""
    months = 12 * (later.year - earlier.year) + later.month - earlier.month
    same_place = earlier.day == later.day or (_ends_month(earlier) and _ends_month(later))
    if same_place and months in (1, 12):
        return "P1M" if months == 1 else "P1Y"
    return f"P{(later - earlier).days}D"


def _ends_month(day: date) -> bool:
    return day == date.max or (day + timedelta(days=1)).month != day.month


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
