"""What the models of all three kinds share: the base class, bounded types, conditions and object metadata.

Every string, list and map has a bound: the API server estimates the cost of each CEL rule from them, and refuses a
CRD that it cannot estimate. No field of a CRD has a default: a default that the API server fills in shows up as
drift in GitOps tools, so absent values get their meaning here, in memory.
"""

import re
from datetime import date, datetime
from enum import StrEnum
from sys import intern
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from ddtas.api.faults import words
from ddtas.errors import InvalidObject, printable

_FIELDS_GIVEN: set[str] = set()
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


SAYS = "x-says"


class Model(BaseModel):
    """Base of all models: frozen, camelCase outside, unknown fields ignored (a newer CRD may have more)."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    def model_post_init(self, _: Any, /) -> None:
        """Thousands of objects are held, and most of a status is the same in all of them: keep each text once.

        And of no model which fields were given: nobody asks, and a set of their names is larger than the fields.
        """
        fields = self.__dict__
        for name, value in fields.items():
            if type(value) is str:
                fields[name] = intern(value)
        object.__setattr__(self, "__pydantic_fields_set__", _FIELDS_GIVEN)

    def dump(self) -> dict[str, Any]:
        """The JSON form as Kubernetes has it: camelCase, without what is not set or empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _valid_date(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a day that there is, such as 2026-01-31") from None
    return value


def says(what: str) -> Any:
    """What a text must be, for the person whose text does not match the pattern: the pattern itself says little."""
    return Field(json_schema_extra={SAYS: what})


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
# A coordinate reference system: EPSG:28992, OGC:CRS84, or its URI or URN at opengis.net.
Crs = Annotated[
    str,
    says("must be a coordinate reference system such as EPSG:28992, OGC:CRS84 or its URI"),
    StringConstraints(
        pattern=r"^(EPSG:\d{4,6}|OGC:CRS84h?|https?://www\.opengis\.net/def/crs/\S+|urn:ogc:def:crs:\S+)$",
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


def list_map(*keys: str) -> dict[str, Any]:
    """Schema extension: a list whose items are told apart by `keys`, so that appliers can own items each."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LIST_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """Schema extension: CEL rules as (rule, message)."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


class Verdict(StrEnum):
    """The outcome of one check. Unknown means that it could not be told; it is neither a pass nor a fail."""

    MET = "Met"
    NOT_MET = "NotMet"
    UNKNOWN = "Unknown"


class UnknownFact(Model):
    """A fact that could not be found, and why."""

    fact: Annotated[str, StringConstraints(max_length=40)]
    reason: Annotated[str, StringConstraints(max_length=200)]


class Window(Model):
    """A period of days, both ends included."""

    model_config = ConfigDict(json_schema_extra=cel(("self.start <= self.end", "start must not be after end")))

    start: IsoDate
    end: IsoDate

    def overlaps(self, other: Self) -> bool:
        """True when the two share at least one day."""
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.start}…{self.end}"


_AN_HOUR = "maximumAge must be an hour or more, given in days or hours, such as P90D or PT6H"


class Recalibration(Model):
    """When the evidence of what serves expires, so that it is calibrated and validated anew. UTC unless `timeZone`.

    What is due begins later by a part of `jitter` (one hour unless given; of an age, at most a tenth of it) that is the
    Installation's own: cities that share a schedule do not all begin at once. From the beginning of one recalibration
    to the next, ten minutes pass at least.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("!has(self.maximumAge) || self.maximumAge.matches('^P[0-9YMWD]*[1-9]|T[0-9]*[1-9][0-9]*H')", _AN_HOUR),
        )
    )

    schedule: Cron | None = None
    """When, as five fields of cron: minute, hour, day of the month, month, day of the week."""
    time_zone: TimeZone | None = None
    """The time zone of `schedule`; UTC without it."""
    jitter: Duration | None = None
    """At most how much later what is due begins, as an ISO 8601 duration."""
    maximum_age: Duration | None = None
    """How long after the last attempt ended, as an ISO 8601 duration of an hour or more."""


class Condition(Model):
    """A condition as in k8s.io/apimachinery metav1.Condition."""

    type: Annotated[str, StringConstraints(max_length=40)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+$", max_length=60)]
    message: Annotated[str, StringConstraints(max_length=2000)]
    observed_generation: int
    last_transition_time: Timestamp


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))]


class Metadata(Model):
    """The part of an object's metadata that the operator looks at."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: datetime | None = None


class Resource(Model):
    """A custom resource: metadata, and in the subclasses spec and status."""

    # Its name becomes the value of labels, a part of other names, or a reference elsewhere: a DNS label of this length.
    longest_name: ClassVar[int] = 63
    named_after_it: ClassVar[str] = "labels and references hold it"

    metadata: Metadata

    @classmethod
    def about_names(cls) -> str:
        """What the name of such an object must be, for a person."""
        return f"metadata.name must have at most {cls.longest_name} characters and no dot: {cls.named_after_it}"

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Make a model of what the API server sent.

        Raises:
            InvalidObject: with the first three faults, each with the path of its field.
        """
        try:
            found = cls.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[:3]
            faults = [printable(f"{'.'.join(map(str, e['loc']))}: {words(e)}") for e in first]
            raise InvalidObject("; ".join(faults)) from None
        # Admission asks for it too, but does not make those anew that were there before it did.
        if len(found.metadata.name) > cls.longest_name or not _DNS_LABEL.fullmatch(found.metadata.name):
            raise InvalidObject(cls.about_names())
        return found
