"""Bounded types: every string, list and map has a bound.

The API server estimates the cost of each CEL rule from them, and refuses a CRD that it cannot estimate.
"""

from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from ddtas.schema.model import Model, cel, says


def _valid_date(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a day that there is, such as 2026-01-31") from None
    return value


Name = Annotated[
    str,
    says("must be lower-case letters, digits and hyphens, such as flood-twin"),
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63),
]
SecretName = Annotated[
    str,
    says("must be the name of a Secret: lower-case letters, digits, hyphens and dots"),
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253),
]
PartName = Annotated[
    str,
    says("must be lower-case letters, digits and hyphens, and begin with a letter, such as web-2"),
    StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=20),
]
# Without what to say: a rule for each field of each data source would cost more than the API server allows.
AnyFieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", min_length=1, max_length=63)]
FieldName = Annotated[
    AnyFieldName,
    says("must be letters, digits, dots, hyphens and underscores, and begin with a letter, such as discharge_m3s"),
]
# A word or a URI that says what a field means, such as discharge or http://vocab.nerc.ac.uk/...: the same in a listing
# and in a contract. Without what to say: there is one for each field, too.
Concept = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][^\s\x22\x27<>\\^`{|}]*$", min_length=1, max_length=200)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Unit = Annotated[
    str,
    says("must be a unit without spaces, such as m3/s"),
    StringConstraints(pattern=r"^\S+$", min_length=1, max_length=40),
]
Url = Annotated[
    str,
    says("must be an http:// or https:// address without spaces"),
    StringConstraints(pattern=r"^https?://[^\s]+$", max_length=1024),
]
Endpoint = Annotated[
    str,
    says(
        "must be an http, https, postgresql, mqtt or mqtts address without spaces, such as https://data.example/series.csv"
    ),
    StringConstraints(pattern=r"^(https?|postgresql|mqtts?)://[^\s]+$", max_length=1024),
]
# A coordinate reference system: EPSG:28992, OGC:CRS84, or its URI or URN at opengis.net, a compound one too.
Crs = Annotated[
    str,
    says("must be a coordinate reference system such as EPSG:28992, OGC:CRS84 or its URI"),
    StringConstraints(
        pattern=r"^(EPSG:\d{4,6}|OGC:CRS84h?|https?://www\.opengis\.net/def/crs/\S+|urn:ogc:def:crs[:,]\S+)$",
        max_length=120,
    ),
]
SemVer = Annotated[
    str,
    says("must be a version of three numbers (semver.org), such as 1.2.0 or 1.2.0-rc.1"),
    StringConstraints(
        pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$", max_length=64
    ),
]
# Comparators that must all hold, such as ">=1.2.0 <2.0.0".
VersionRange = Annotated[
    str,
    says("must be bounds on versions of three numbers, such as >=1.2.0 <2.0.0"),
    StringConstraints(pattern=r"^(>=|<=|>|<|=)?\d+\.\d+\.\d+\S*( +(>=|<=|>|<|=)?\d+\.\d+\.\d+\S*)*$", max_length=120),
]
Decimal = Annotated[
    str,
    says('must be a decimal number written as a text, such as "0.5"'),
    StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$", max_length=32),
]
Duration = Annotated[
    str,
    says("must be an ISO 8601 duration, such as PT1H or P1D"),
    StringConstraints(pattern=r"^P(\d+[YMWD])*(T(\d+[HMS])+)?$", min_length=3, max_length=32),
]  # ISO 8601
# Five fields of cron: minute, hour, day of the month, month, day of the week. What they say is checked by a rule.
Cron = Annotated[
    str,
    says("must be five fields (minute, hour, day, month, day of the week) with one space between, such as 0 4 * * 1"),
    StringConstraints(pattern=r"^\S+( \S+){4}$", max_length=100),
]
TimeZone = Annotated[
    str,
    says("must be the name of a time zone, such as Europe/Amsterdam"),
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$", max_length=60),
]  # IANA
IsoDate = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$", min_length=10, max_length=10),
    AfterValidator(_valid_date),
    WithJsonSchema({"type": "string", "format": "date", "maxLength": 10}),
]
Moment = Annotated[
    str,
    says("must be a day or a second in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z"),
    StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$", max_length=20),
]  # a day, or a second in UTC
Timestamp = Annotated[datetime, WithJsonSchema({"type": "string", "format": "date-time"})]
Quantity = Annotated[
    str,
    says("must be an amount without a sign or spaces, such as 500m, 2 or 1Gi"),
    StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=20),
]
# Of storage: whole bytes, and some.
StorageSize = Annotated[
    str,
    says("must be a number of bytes above zero, such as 500Mi or 2Gi"),
    StringConstraints(pattern=r"^[1-9][0-9]*(k|M|G|T|Ki|Mi|Gi|Ti)?$", max_length=20),
]
Image = Annotated[
    str,
    says(
        "must be an image reference such as registry.example/app:1.0, perhaps with @sha256: and 64 hexadecimal digits"
    ),
    StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[a-f0-9]{64})?$", min_length=1, max_length=512),
]

# Parameter values are the city's and the user's: a flat map of scalars, whose types the listing's own parameter
# declarations check. Structural schemas have no "any scalar", so the API server keeps the map as it is.
Scalar = str | int | float | bool


def _scalar(value: object) -> object:
    if not isinstance(value, Scalar):
        raise PydanticCustomError("scalar", "must be a text, a number, or true or false")
    return value


Parameters = Annotated[
    dict[str, Annotated[Scalar, BeforeValidator(_scalar)]],
    Field(max_length=64),
    WithJsonSchema({"type": "object", "maxProperties": 64, "x-kubernetes-preserve-unknown-fields": True}),
]


class Window(Model):
    """A period of days, both ends included."""

    model_config = ConfigDict(json_schema_extra=cel(("self.start <= self.end", "start must not be after end")))

    start: IsoDate
    """The first day."""
    end: IsoDate
    """The last day, which is part of the period."""

    def overlaps(self, other: Self) -> bool:
        """True when the two share at least one day."""
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.start}…{self.end}"
