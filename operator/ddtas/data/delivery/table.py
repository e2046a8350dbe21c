"""How the data of one source becomes the table that a requirement asks for.

Made once, by who compares a requirement with a source; an input of the revision. Who fetches does what it says and
nothing else, so the same source always gives the same table.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from ddtas.data.contract import Dialect, FieldType, GeometryType, MissingValue
from ddtas.schema.model import Model
from ddtas.schema.types import AnyFieldName, Concept, Crs, Decimal, Duration, FieldName, Line, TimeZone, Unit

GEOMETRY = "geometry"
"""The name of the geometry column: WKB with GeoParquet's metadata in data.parquet, WKT in data.csv."""


class Aggregation(StrEnum):
    """What a value of a longer step is made of, from the values of the shorter ones in it."""

    SUM = "sum"
    MEAN = "mean"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    FIRST = "first"
    LAST = "last"


class Column(Model):
    """One column of the table, and the field of the source that it is made of.

    A value v of the source becomes v × scale + offset.
    """

    name: FieldName
    """The name in the table."""
    type: FieldType
    """The type in the table."""
    unit: Unit | None = None
    """The unit in the table. Absent: none."""
    concept: Concept | None = None
    """What it means. Absent: not said."""
    source: Annotated[AnyFieldName, Field(alias="from")]
    """The name of the field in the source."""
    source_type: FieldType | None = None
    """The type in the source, by its contract. Absent: as `type`."""
    source_unit: Unit | None = None
    """The unit in the source. Absent: not said, or none."""
    scale: Decimal | None = None
    """Factor of the conversion of units. Absent: 1."""
    offset: Decimal | None = None
    """Added after `scale`. Absent: 0."""
    format: Line | None = None
    """How the source writes days and times (Unicode TR35, as CSVW has it), such as yyyyMMdd. Absent: ISO 8601."""
    missing: tuple[MissingValue, ...] = ()
    """What the source writes where there is no value, besides nothing at all."""
    required: bool | None = None
    """True: a row without a value is a fault of the data. Absent: values may be missing."""
    minimum: Decimal | None = None
    """The least value that is possible, in the unit of the table. Absent: any."""
    maximum: Decimal | None = None
    """The greatest value that is possible, in the unit of the table. Absent: any."""
    aggregate: Aggregation | None = None
    """How values of a shorter step become one. Absent: the column tells series apart, or is the time."""


class Geometry(Model):
    """The geometry column, named `geometry`."""

    types: tuple[GeometryType, ...] = ()
    """The types that the app can handle. Absent: any."""
    crs: Crs
    """The coordinate reference system of the table."""
    source_crs: Crs
    """That of the source, by its contract."""


class Table(Model):
    """The table of one requirement."""

    columns: tuple[Column, ...]
    """In their order; none has the name of the geometry."""
    time: FieldName | None = None
    """The column, of type date or timestamp, that rows are ordered by, and that windows and steps are about. Absent:
    the data has no time."""
    step: Duration | None = None
    """The time from one row of a series to the next. Absent: whatever the source has."""
    source_step: Duration | None = None
    """The same of the source, where it is shorter and values are aggregated. Absent: nothing is aggregated."""
    time_zone: TimeZone | None = None
    """The zone of timestamps in the table, and of the days that steps begin with. Absent: UTC."""
    source_time_zone: TimeZone | None = None
    """The zone of the source's times that have no offset. Absent: each has an offset, or is a day."""
    completeness: Annotated[int, Field(ge=1, le=100)] | None = None
    """How many of the rows of a window must be there, in percent. Absent: any."""
    geometry: Geometry | None = None
    """The geometry. Absent: the table has none."""
    dialect: Dialect | None = None
    """How the source writes its text files. Absent: RFC 4180."""
    maximum_bytes: Annotated[int, Field(ge=1)] | None = None
    """The most bytes that are fetched. Absent: as the runner is set."""


def series_keys(table: Table) -> list[Column]:
    """The columns that tell series apart: texts without an aggregation. A number may be a count as well as a name."""
    return [c for c in table.columns if c.aggregate is None and c.type is FieldType.STRING]
