"""What a probe of a data source found."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.data.contract import Extent, FieldType, GeometryType
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import Crs, FieldName, Moment


class UnknownFact(Model):
    """A fact that could not be found, and why."""

    fact: Annotated[str, StringConstraints(max_length=40)]
    reason: Annotated[str, StringConstraints(max_length=200)]


class MeasuredField(Model):
    """A field found in the data; `type` is the narrowest type that all values that were read fit."""

    name: FieldName
    type: FieldType
    # Records without a value, among those that were read.
    empty: int = 0
    # As the source itself names it, where its protocol has units.
    unit: Annotated[str, StringConstraints(max_length=60)] | None = None


class SourceFacts(Model):
    """What a probe found. A fact that it could not find is absent, counts as Unknown, and `unknown` says why."""

    fields: Annotated[tuple[MeasuredField, ...], Field(max_length=128, json_schema_extra=list_map("name"))] = ()
    geometry_type: GeometryType | None = None
    # That the data can be had in; the first is the one that it is kept in.
    crs: Annotated[tuple[Crs, ...], Field(max_length=16)] = ()
    extent: Extent | None = None
    records: int | None = None
    # Records that were read one by one: what `empty` of a field is a part of.
    sampled: int | None = None
    first: Moment | None = None
    last: Moment | None = None
    time_resolution: Annotated[str, StringConstraints(max_length=32)] | None = None
    size_bytes: int | None = None
    # Until the first byte of the first answer.
    latency_milliseconds: int | None = None
    unknown: Annotated[tuple[UnknownFact, ...], Field(max_length=16, json_schema_extra=list_map("fact"))] = ()

    def why_unknown(self, fact: str) -> str | None:
        """Why a fact (named as in this class, in camelCase) could not be found; None where nothing is said of it."""
        return next((u.reason for u in self.unknown if u.fact == fact), None)
