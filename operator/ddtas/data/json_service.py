"""How a plain JSON service is asked, and where its rows are: what there is no standard for."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import AnyFieldName

START, END, PAGE, OFFSET = "{start}", "{end}", "{page}", "{offset}"
_BODY_CHARACTERS = 8000


def _bounded(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The API server bounds no body of which nothing is known."""
    try:
        length = len(json.dumps(body, allow_nan=False))
    except RecursionError:
        length = _BODY_CHARACTERS + 1
    if length > _BODY_CHARACTERS:
        raise ValueError(f"must be at most {_BODY_CHARACTERS} characters of JSON, and not nested without end")
    return body


# RFC 6901. No rule says what it must be: there is one for each field of each source, and rules cost.
Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^/~]|~[01])*)*$", max_length=200)]
# With a number in front as Relative JSON Pointers have it: from that many levels above the row.
RowPointer = Annotated[str, StringConstraints(pattern=r"^([0-9]{1,2})?(/([^/~]|~[01])*)*$", max_length=200)]
Body = Annotated[
    dict[str, Any],
    AfterValidator(_bounded),
    WithJsonSchema({"type": "object", "maxProperties": 64, "x-kubernetes-preserve-unknown-fields": True}),
]


class JsonParameter(Model):
    """A parameter of the query."""

    name: Annotated[str, StringConstraints(pattern=r"^[^\s&=#?]+$", max_length=100)]
    """The name of the parameter."""
    value: Annotated[str, StringConstraints(max_length=400)]
    """Its value. {start}, {end}, {page} and {offset} stand for what is asked for."""


class JsonField(Model):
    """Where a field of the contract is."""

    name: AnyFieldName
    """The field of the contract."""
    pointer: RowPointer
    """Where its value is in a row: a JSON Pointer (RFC 6901), such as /value/numeric. With a number in front it begins
    that many levels above the row (a list is a level too): 2/location/code is in what holds the list of the row."""


class JsonGeometry(Model):
    """Where the geometry of a row is. Its CRS is the one of the contract."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.pointer) ? !has(self.easting) && !has(self.northing)"
                " : has(self.easting) && has(self.northing)",
                "give pointer, or both easting and northing",
            ),
        )
    )

    pointer: RowPointer | None = None
    """Where a GeoJSON geometry is, as the pointer of a field. Absent: easting and northing are given."""
    easting: RowPointer | None = None
    """Where the easting or longitude of a point is, as the pointer of a field. Absent: there is a GeoJSON geometry."""
    northing: RowPointer | None = None
    """Where the northing or latitude of a point is, as the pointer of a field. Absent: there is a GeoJSON geometry."""


class JsonPaging(Model):
    """How pages follow each other: by links to the next one, else by {page} or {offset} in the query or body."""

    next: Pointer | None = None
    """Where the link to the next page is in an answer (JSON Pointer); it must lead to the same server, and the last
    page has none, or null. Absent: there are no links."""
    first_page: Annotated[int, Field(ge=0, le=1)] | None = None
    """The number of the first page. Absent: 1."""
    last_page: Pointer | None = None
    """Where the number of the last page is in an answer (JSON Pointer). Absent: a page without rows comes after the
    last one."""
    total: Pointer | None = None
    """Where the number of all items of the first list is in an answer (JSON Pointer); fewer are an error. Absent: the
    service does not tell it."""


class JsonWindow(Model):
    """How a period is asked for, with {start} and {end} in the query or body."""

    field: AnyFieldName | None = None
    """The field that the period is about. Absent: the first one in the contract of type date or timestamp."""
    format: (
        Annotated[
            str, StringConstraints(pattern=r"^(epoch-seconds|epoch-milliseconds|[yMdHmsSxXT' :./_-]+)$", max_length=40)
        ]
        | None
    ) = None
    """How {start} and {end} are written: a pattern of Unicode TR35 such as yyyy-MM-dd'T'HH:mm:ss.SSSxxx in the time
    zone of the contract (without one, UTC), or epoch-seconds or epoch-milliseconds. Absent: ISO 8601 in UTC, such as
    2026-01-31T12:00:00Z."""
    longest: (
        Annotated[str, StringConstraints(pattern=r"^P([1-9][0-9]{0,3}[DW]|T[1-9][0-9]{0,3}[HM])$", max_length=7)] | None
    ) = None
    """The longest period that one request may ask for (ISO 8601), such as P7D; a longer one is asked for in parts.
    Absent: any."""


class JsonService(Model):
    """How a plain JSON service is asked (kind http-json), and where its rows are.

    The query and the body may have {start} and {end} (the period), {page} (the number of a page) and {offset} (the
    number of items before it). A text of the body that is nothing but {page} or {offset} becomes a number, and so does
    {start} or {end} in a format that is a number.
    """

    query: Annotated[tuple[JsonParameter, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Parameters of the query, besides those of the endpoint. No credentials. Absent: none."""
    body: Body | None = None
    """The JSON body of a POST. No credentials. Absent: the service is asked by GET."""
    rows: Annotated[tuple[Pointer, ...], Field(max_length=4)] = ()
    """Where the list of rows is in an answer: a JSON Pointer (RFC 6901), such as /data. With several, each leads on
    from an item of the list before it, and the last one to the rows. Absent: the answer is the list."""
    rows_required: bool | None = None
    """False: an answer, or an item, without the list has no rows. Absent: that is an error."""
    fields: Annotated[tuple[JsonField, ...], Field(max_length=128, json_schema_extra=list_map("name"))] = ()
    """Where fields of the contract are. Absent: each is a member of the row, of the same name."""
    geometry: JsonGeometry | None = None
    """Where the geometry of a row is. Absent: there is none."""
    paging: JsonPaging | None = None
    """How pages follow each other. Absent: by {page} or {offset} until one has no rows; without those all comes at
    once."""
    window: JsonWindow | None = None
    """How {start} and {end} are written. Absent: ISO 8601 in UTC, and as long as it takes."""

    @property
    def windowed(self) -> bool:
        """Whether it is asked for a period."""
        return self._has(START) or self._has(END)

    @property
    def numbered(self) -> bool:
        """Whether it is asked for pages by their number, or by what is before them."""
        return self._has(PAGE) or self._has(OFFSET)

    def _has(self, placeholder: str) -> bool:
        return any(placeholder in p.value for p in self.query) or placeholder in json.dumps(self.body)
