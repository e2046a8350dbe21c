"""What a data source is: its kind, its contract, the rights and levels it comes with.

Shared by MunicipalityPlatform (which offers sources) and AppListing (which requires them).
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from ddtas.api.base import Decimal, Duration, FieldName, Model, SemVer, Unit, Window, list_map


class DataKind(StrEnum):
    """How data is fetched. Each kind has one probe."""

    HTTP_CSV = "http-csv"


class FieldType(StrEnum):
    """Type of a field: `logicalType` of the Open Data Contract Standard v3.1, as far as a CSV can hold it."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"


class AccessRights(StrEnum):
    """Access rights of DCAT-AP-NL (EU access-right authority list)."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    NON_PUBLIC = "non-public"


class ServiceLevelProperty(StrEnum):
    """Service levels of the Open Data Contract Standard v3.1."""

    LATENCY = "latency"
    FREQUENCY = "frequency"
    AVAILABILITY = "availability"
    RETENTION = "retention"
    THROUGHPUT = "throughput"


class ContractField(Model):
    """A field that the data supplier promises."""

    name: FieldName
    type: FieldType
    unit: Unit | None = None


class ServiceLevelPromise(Model):
    """A service level that the data supplier promises."""

    property: ServiceLevelProperty
    value: Decimal
    unit: Unit


class DataContract(Model):
    """What the data supplier promises; its version changes when the promise does."""

    version: SemVer
    fields: Annotated[
        tuple[ContractField, ...], Field(min_length=1, max_length=128, json_schema_extra=list_map("name"))
    ]
    time_resolution: Duration | None = None
    temporal_extent: Window | None = None
    records: Annotated[int, Field(ge=0)] | None = None


class Credentials(Model):
    """A Secret in the platform's own namespace, labelled `ddtas.nl/credentials`.

    Basic needs the keys `username` and `password`, Bearer the key `token`.
    """

    secret_name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    scheme: Literal["Basic", "Bearer"]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the Secret must have."""
        return ("username", "password") if self.scheme == "Basic" else ("token",)
