"""What a probe of a data source found."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.data.contract import Extent, FieldType, GeometryType
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import Crs, FieldName, Moment


class UnknownFact(Model):
    """A fact that could not be found, and why."""

    fact: Annotated[str, StringConstraints(max_length=40)]
    """The name of the fact."""
    reason: Annotated[str, StringConstraints(max_length=200)]
    """Why it is not known, in words for a person."""


class MeasuredField(Model):
    """A field found in the data; `type` is the narrowest type that all values that were read fit."""

    name: FieldName
    """The name of the field in the data."""
    type: FieldType
    """The narrowest type that all values fit that were read."""
    empty: int = 0
    """Records without a value, among those that were read (`sampled`). Absent: 0."""
    invalid: int | None = None
    """Records with a value that is out of the contract's minimum and maximum, among those that were read. Absent: the
    contract has neither, or they were not counted."""
    duplicates: int | None = None
    """Records with a value that an earlier one has, among those that were read. Absent: the contract has no rule on
    duplicateValues of the field, or they were not counted."""
    unit: Annotated[str, StringConstraints(max_length=60)] | None = None
    """The unit, as the source names it. Absent: its protocol has no units."""


class SourceFacts(Model):
    """What a probe found. A fact that it could not find is absent, counts as Unknown, and `unknown` says why."""

    fields: Annotated[tuple[MeasuredField, ...], Field(max_length=128, json_schema_extra=list_map("name"))] = ()
    """The fields of the data. Absent: none, or not known."""
    geometry_type: GeometryType | None = None
    """The type of the geometries. Absent: none, or not known."""
    crs: Annotated[tuple[Crs, ...], Field(max_length=16)] = ()
    """The coordinate reference systems that the data can be had in; the first is the one that it is kept in.
    Absent: none, or not known."""
    extent: Extent | None = None
    """The area that the data covers. Absent: not known."""
    records: int | None = None
    """The number of records. Absent: not known."""
    sampled: int | None = None
    """The number of records that were read one by one; `empty` of a field is a part of it. Absent: not known."""
    first: Moment | None = None
    """The time of the first record. Absent: not known."""
    last: Moment | None = None
    """The time of the newest record. Absent: not known."""
    time_resolution: Annotated[str, StringConstraints(max_length=32)] | None = None
    """The time that most records are apart, as an ISO 8601 duration. Absent: not known."""
    size_bytes: int | None = None
    """The size of the data, in bytes. Absent: not known."""
    latency_milliseconds: int | None = None
    """The time until the first byte of the first answer. Absent: not known."""
    unknown: Annotated[tuple[UnknownFact, ...], Field(max_length=16, json_schema_extra=list_map("fact"))] = ()
    """Facts that could not be measured, and why. Absent: none."""

    def why_unknown(self, fact: str) -> str | None:
        """Why a fact (named as in this class, in camelCase) could not be found; None where nothing is said of it."""
        return next((u.reason for u in self.unknown if u.fact == fact), None)
