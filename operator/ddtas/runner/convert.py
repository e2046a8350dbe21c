"""A source's columns to those of a table: types, units, times, what is missing, coordinates. Pure; batch by batch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow
import pyarrow.compute as pc

from ddtas.data.contract import FieldType
from ddtas.data.delivery.table import GEOMETRY, Column, Table, series_keys
from ddtas.errors import printable
from ddtas.runner import times
from ddtas.runner.coordinates import Transformation
from ddtas.runner.faults import DeliveryError, DeliveryReason

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_TRUE, _FALSE = ("true", "True", "TRUE", "1", "t", "yes"), ("false", "False", "FALSE", "0", "f", "no")
_ARROW = {
    FieldType.STRING: pyarrow.string(),
    FieldType.OBJECT: pyarrow.string(),
    FieldType.ARRAY: pyarrow.string(),
    FieldType.INTEGER: pyarrow.int64(),
    FieldType.NUMBER: pyarrow.float64(),
    FieldType.BOOLEAN: pyarrow.bool_(),
    FieldType.DATE: times.DAY,
    FieldType.TIMESTAMP: times.MOMENT,
}
_WHOLE = r"^[+-]?\d{1,18}$"
_LARGEST_EXACT = 2**53  # of numbers with decimals or an exponent


@dataclass
class Counts:
    """What became of the values of one column.

    Attributes:
        missing: that are not there, or are among those that stand for it.
        out_of_range: that the contract says are impossible; they count as missing.
    """

    missing: int = 0
    out_of_range: int = 0


def schema(table: Table) -> Any:
    """The Arrow schema of converted batches: times in UTC, days, numbers, texts; the geometry last."""
    fields = [pyarrow.field(column.name, _ARROW[column.type]) for column in table.columns]
    if table.geometry is not None:
        fields.append(pyarrow.field(GEOMETRY, pyarrow.binary()))
    return pyarrow.schema(fields)


@dataclass
class Conversion:
    """Converts the batches of one source, one after another.

    Attributes:
        table: what comes of it.
        rows: that came by.
        counts: by column.
    """

    table: Table
    rows: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._schema = schema(self.table)
        self._passed = {column.name: times.Passed() for column in self.table.columns}
        self.counts = {column.name: Counts() for column in self.table.columns}
        geometry = self.table.geometry
        self._transformation = Transformation.of(geometry) if geometry is not None else None

    def batch(self, source: Any) -> Any:
        """One batch of the source, as one of the table.

        Raises:
            DeliveryError: UnreadableValue, TimeZoneUnknown, TimeDoesNotExist, CoordinatesElsewhere.
        """
        told = [source.column(key.source) for key in series_keys(self.table)]
        for passed in self._passed.values():
            passed.series = lambda row: tuple(str(values[row]) for values in told)
        arrays = [self._column(column, source.column(column.source)) for column in self.table.columns]
        if self._transformation is not None:
            arrays.append(self._transformation.apply(source.column(GEOMETRY), source.schema.metadata or {}))
        self.rows += source.num_rows
        return pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _column(self, column: Column, values: Any) -> Any:
        values = _without(_plain(values), column.missing)
        there = values.null_count
        found = self._typed(column, values)
        if found.null_count > there:
            self._refuse(column, values, found)
        if column.type in (FieldType.NUMBER, FieldType.INTEGER):
            found = self._in_range(column, found)
        return found.cast(_ARROW[column.type])

    def check(self, batch: Any) -> None:
        """Count what is missing in the rows of the period.

        Raises:
            DeliveryError: ValueMissing.
        """
        for column in self.table.columns:
            missing = batch.column(column.name).null_count
            self.counts[column.name].missing += missing
            if column.required and missing:
                raise DeliveryError(
                    DeliveryReason.VALUE_MISSING,
                    f"{column.source} has no value in {missing} of {batch.num_rows} rows, and its contract says that "
                    "it always has one: correct the contract, or ask the data supplier",
                )

    def _typed(self, column: Column, values: Any) -> Any:
        match column.type:
            case FieldType.NUMBER | FieldType.INTEGER:
                return self._number(column, values)
            case FieldType.BOOLEAN:
                return _boolean(values)
            case FieldType.DATE:
                return self._day(column, values)
            case FieldType.TIMESTAMP:
                return times.moments(
                    values, self.table.source_time_zone, column.format, column.source, self._passed[column.name]
                )
            case _:
                return values.cast(pyarrow.string())

    def _number(self, column: Column, values: Any) -> Any:
        exact = _exact(column, values)
        if exact is not None:
            return exact
        if pyarrow.types.is_string(values.type):
            values = self._read_numbers(values)
        found = values.cast(pyarrow.float64(), safe=False)
        # What is no finite number is no value.
        found = pc.if_else(pc.is_finite(found), found, None)
        if column.scale is not None:
            found = pc.multiply(found, float(column.scale))
        if column.offset is not None:
            found = pc.add(found, float(column.offset))
        if column.type is FieldType.INTEGER:
            whole = pc.and_(pc.equal(pc.round(found), found), pc.less_equal(pc.abs(found), _LARGEST_EXACT))
            found = pc.if_else(whole, found, None)
        return found

    def _read_numbers(self, texts: Any) -> Any:
        dialect = self.table.dialect
        if dialect is not None and dialect.group_char:
            texts = pc.replace_substring(texts, dialect.group_char, "")
        if dialect is not None and dialect.decimal_char == ",":
            texts = pc.replace_substring(texts, ",", ".")
        try:
            return texts.cast(pyarrow.float64())
        except pyarrow.ArrowInvalid:
            return pc.if_else(pc.match_substring_regex(texts, _NUMBER), texts, None).cast(pyarrow.float64())

    def _day(self, column: Column, values: Any) -> Any:
        """Days; of a field with moments, their days in the time zone of the table."""
        if column.source_type is FieldType.TIMESTAMP:
            passed = self._passed[column.name]
            values = times.moments(values, self.table.source_time_zone, column.format, column.source, passed)
            return times.days(values, self.table.time_zone, None)
        return times.days(values, self.table.time_zone, column.format)

    def _in_range(self, column: Column, found: Any) -> Any:
        if column.minimum is None and column.maximum is None:
            return found
        outside = pc.or_kleene(
            pc.less(found, float(column.minimum)) if column.minimum is not None else pyarrow.scalar(False),
            pc.greater(found, float(column.maximum)) if column.maximum is not None else pyarrow.scalar(False),
        )
        self.counts[column.name].out_of_range += pc.sum(outside.cast(pyarrow.int64())).as_py() or 0
        return pc.if_else(outside, None, found)

    def _refuse(self, column: Column, values: Any, found: Any) -> None:
        index = _index(pc.and_(pc.is_null(found), pc.is_valid(values)))
        value = printable(str(values[index]), 40)
        if column.type is FieldType.INTEGER and _is_number(values[index]):
            raise DeliveryError(
                DeliveryReason.UNREADABLE_VALUE,
                f"{column.source} is {value!r} in row {self.rows + index + 1}, which is a number, and no integer of at "
                f"most 18 digits: have the listing ask for {column.name} as a number or, if it is a name, as a string",
            )
        like = f" as {column.format}" if column.format else ""
        raise DeliveryError(
            DeliveryReason.UNREADABLE_VALUE,
            f"{column.source} is {value!r} in row {self.rows + index + 1}, which is no {column.type}{like}: say in the "
            "contract how it is written (dialect, format), or that it stands for no value (missingValues)",
        )


def _exact(column: Column, values: Any) -> Any | None:
    """Integers as they are, also those that no floating-point number holds; None where they are to be worked out."""
    if column.type is not FieldType.INTEGER or column.scale is not None or column.offset is not None:
        return None
    if pyarrow.types.is_string(values.type):
        whole = pc.match_substring_regex(values, _WHOLE)
        if pc.all(whole, skip_nulls=True).as_py() is False:
            return None
        return pc.replace_substring_regex(values, r"^\+", "").cast(pyarrow.int64())
    if not pyarrow.types.is_integer(values.type):
        return None
    if pyarrow.types.is_uint64(values.type):
        values = pc.if_else(pc.less_equal(values, pyarrow.scalar(2**63 - 1, pyarrow.uint64())), values, None)
    return values.cast(pyarrow.int64())


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def _plain(values: Any) -> Any:
    """Without dictionaries; null where a number is none, or where nothing is left of a text without its spaces."""
    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pyarrow.types.is_floating(values.type):
        return pc.if_else(pc.is_nan(values), None, values)
    if not (pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type)):
        return values
    trimmed = pc.utf8_trim_whitespace(values.cast(pyarrow.string()))
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def _without(values: Any, missing: Iterable[str]) -> Any:
    """Null where a value is one of those that stand for none; numbers are compared as numbers."""
    listed = list(missing)
    if not listed:
        return values
    if pyarrow.types.is_string(values.type):
        gone = pc.is_in(values, pyarrow.array(listed))
    elif pyarrow.types.is_floating(values.type) or pyarrow.types.is_integer(values.type):
        numbers = [float(text) for text in listed if pc.match_substring_regex(text, _NUMBER).as_py()]
        gone = pc.is_in(values.cast(pyarrow.float64(), safe=False), pyarrow.array(numbers, pyarrow.float64()))
    else:
        return values
    return pc.if_else(gone, None, values)


def _boolean(values: Any) -> Any:
    if pyarrow.types.is_boolean(values.type):
        return values
    texts = values.cast(pyarrow.string())
    yes, no = pc.is_in(texts, pyarrow.array(_TRUE)), pc.is_in(texts, pyarrow.array(_FALSE))
    return pc.if_else(yes, True, pc.if_else(no, False, None))


def _index(flags: Any) -> int:
    return int(pc.index(flags, True).as_py())
