"""What a data source is: its kind, its contract, the rights and levels it comes with.

Shared by MunicipalityPlatform (which offers sources) and AppListing (which requires them). Names follow the Open Data
Contract Standard v3.1 and DCAT-AP-NL; what those lack, and cities need (CRS, extent, time resolution), is named after
OGC standards.
"""

import math
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.schema.model import LIST_SET, Model, cel, list_map
from ddtas.schema.types import (
    AnyFieldName,
    Concept,
    Crs,
    Decimal,
    Duration,
    FieldName,
    Line,
    SecretName,
    SemVer,
    TimeZone,
    Unit,
    Url,
    Window,
)


class DataKind(StrEnum):
    """How data is fetched. Each kind has one probe."""

    HTTP_CSV = "http-csv"
    HTTP_GEOJSON = "http-geojson"
    HTTP_PARQUET = "http-parquet"
    GEOPACKAGE = "geopackage"
    HTTP_JSON = "http-json"
    OGC_API_FEATURES = "ogc-api-features"
    OGC_EDR = "ogc-edr"
    WFS = "wfs"
    ARCGIS_FEATURE_SERVER = "arcgis-feature-server"
    SENSORTHINGS = "sensorthings"
    NGSI_LD = "ngsi-ld"
    POSTGRESQL = "postgresql"
    MQTT = "mqtt"
    S3 = "s3"
    TILES_3D = "3d-tiles"

    @property
    def tabular(self) -> bool:
        """Whether it can be had as a table; an app that uses another one reads it itself."""
        return self not in (DataKind.MQTT, DataKind.TILES_3D)


class FieldType(StrEnum):
    """Type of a field: `logicalType` of the Open Data Contract Standard v3.1."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    OBJECT = "object"
    ARRAY = "array"


class GeometryType(StrEnum):
    """Geometry types of OGC Simple Features, and the one of 3D Tiles."""

    POINT = "Point"
    LINE_STRING = "LineString"
    POLYGON = "Polygon"
    MULTI_POINT = "MultiPoint"
    MULTI_LINE_STRING = "MultiLineString"
    MULTI_POLYGON = "MultiPolygon"
    GEOMETRY_COLLECTION = "GeometryCollection"
    MESH = "Mesh"


class AccessRights(StrEnum):
    """Access rights of DCAT-AP-NL (EU access-right authority list)."""

    PUBLIC = "public"
    RESTRICTED = "restricted"
    NON_PUBLIC = "non-public"


class SecurityClass(StrEnum):
    """How confidential data is, as Dutch municipalities classify it, the least first: openbaar, bedrijfsvertrouwelijk,
    vertrouwelijk, geheim. (The security baseline BIO2 has no levels of its own any more: no BBN1 to BBN3.)"""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    SECRET = "secret"  # noqa: S105 (a class)


class LegalBasis(StrEnum):
    """Lawful bases for the processing of personal data: article 6(1) of the GDPR, (a) to (f), or none needed."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal-obligation"
    VITAL_INTEREST = "vital-interest"
    PUBLIC_TASK = "public-task"
    LEGITIMATE_INTEREST = "legitimate-interest"
    NO_PERSONAL_DATA = "no-personal-data"


class ServiceLevelProperty(StrEnum):
    """Service levels of the Open Data Contract Standard v3.1, in its meaning: latency is the age of the newest record,
    frequency the time between two updates, retention how long records are kept."""

    AVAILABILITY = "availability"
    ERROR_RATE = "errorRate"
    FREQUENCY = "frequency"
    LATENCY = "latency"
    RETENTION = "retention"
    THROUGHPUT = "throughput"
    TIME_TO_DETECT = "timeToDetect"
    TIME_TO_NOTIFY = "timeToNotify"
    TIME_TO_REPAIR = "timeToRepair"


class Operator(StrEnum):
    """Comparison of a value with a bound; names of the Open Data Contract Standard v3.1."""

    MUST_BE = "mustBe"
    MUST_NOT_BE = "mustNotBe"
    MUST_BE_GREATER_THAN = "mustBeGreaterThan"
    MUST_BE_GREATER_OR_EQUAL_TO = "mustBeGreaterOrEqualTo"
    MUST_BE_LESS_THAN = "mustBeLessThan"
    MUST_BE_LESS_OR_EQUAL_TO = "mustBeLessOrEqualTo"
    MUST_BE_BETWEEN = "mustBeBetween"
    MUST_NOT_BE_BETWEEN = "mustNotBeBetween"

    @property
    def symbol(self) -> str:
        """As in a message: "NSE 0.24, must be > 0.50"."""
        return {
            Operator.MUST_BE: "=",
            Operator.MUST_NOT_BE: "≠",
            Operator.MUST_BE_GREATER_THAN: ">",
            Operator.MUST_BE_GREATER_OR_EQUAL_TO: "≥",
            Operator.MUST_BE_LESS_THAN: "<",
            Operator.MUST_BE_LESS_OR_EQUAL_TO: "≤",
            Operator.MUST_BE_BETWEEN: "between",
            Operator.MUST_NOT_BE_BETWEEN: "not between",
        }[self]

    @property
    def is_range(self) -> bool:
        """Whether it has two bounds, neither of which is part of the range."""
        return self in (Operator.MUST_BE_BETWEEN, Operator.MUST_NOT_BE_BETWEEN)

    def holds(self, value: float, bound: float, upper: float = math.inf) -> bool:
        """Whether `value` satisfies the bound, or of a range both of them."""
        match self:
            case Operator.MUST_BE:
                return value == bound
            case Operator.MUST_NOT_BE:
                return value != bound
            case Operator.MUST_BE_BETWEEN:
                return bound < value < upper
            case Operator.MUST_NOT_BE_BETWEEN:
                return not bound < value < upper
            case Operator.MUST_BE_GREATER_THAN:
                return value > bound
            case Operator.MUST_BE_GREATER_OR_EQUAL_TO:
                return value >= bound
            case Operator.MUST_BE_LESS_THAN:
                return value < bound
            case Operator.MUST_BE_LESS_OR_EQUAL_TO:
                return value <= bound


# Those that compare with one value, as thresholds and service levels do.
OneBound = Literal[
    Operator.MUST_BE,
    Operator.MUST_BE_GREATER_THAN,
    Operator.MUST_BE_GREATER_OR_EQUAL_TO,
    Operator.MUST_BE_LESS_THAN,
    Operator.MUST_BE_LESS_OR_EQUAL_TO,
]
MissingValue = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class Dialect(Model):
    """How text files are written, in the words of CSV on the Web (W3C). What is left out is as RFC 4180 has it."""

    delimiter: Annotated[str, StringConstraints(pattern=r"^[\t !#-/:-@\[-`{-~]$", max_length=1)] | None = None
    """What separates values: one ASCII character. Absent: a comma."""
    quote_char: Annotated[str, StringConstraints(pattern=r"^[\"']$", max_length=1)] | None = None
    """What quotes values. Absent: a double quote."""
    header: bool | None = None
    """False: the first row is data, and the fields of the contract are the columns, in their order. Absent: true."""
    comment_prefix: Annotated[str, StringConstraints(pattern=r"^[#%;!*/-]{1,4}$", max_length=4)] | None = None
    """What lines begin with that are no data; the header may be one of them, the last. Absent: no line is."""
    skip_rows: Annotated[int, Field(ge=0, le=1000)] | None = None
    """How many lines stand before the header. Absent: 0."""
    skip_initial_space: bool | None = None
    """True: spaces around values and names do not count. Absent: false."""
    encoding: Literal["utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16"] | None = None
    """The character encoding. Absent: utf-8."""
    decimal_char: Literal[".", ","] | None = None
    """What stands before the decimals of a number. Absent: a point."""
    group_char: Annotated[str, StringConstraints(pattern=r"^[., '_\xa0]$", max_length=1)] | None = None
    """What stands between thousands. Absent: nothing."""


class ContractField(Model):
    """A field that the data supplier promises; `required` means that no value is missing."""

    name: AnyFieldName
    """The name of the field."""
    type: FieldType
    """The type that all its values have."""
    concept: Concept | None = None
    """What it means: a name or URI that apps and suppliers share, such as discharge. Absent: not said."""
    unit: Unit | None = None
    """The unit of its values. Absent: none, or not said."""
    format: Line | None = None
    """How days and times are written (Unicode TR35, as CSVW has it), such as yyyyMMdd. Absent: ISO 8601."""
    missing_values: Annotated[tuple[MissingValue, ...], Field(max_length=8, json_schema_extra=LIST_SET)] = ()
    """What stands where there is no value, such as -9999. Absent: nothing, or null."""
    minimum: Decimal | None = None
    """The least value that is possible, as a text. Absent: any."""
    maximum: Decimal | None = None
    """The greatest value that is possible, as a text. Absent: any."""
    required: bool | None = None
    """True: no value is missing. Absent: values may be missing."""


class ServiceLevelPromise(Model):
    """A service level that the data supplier promises."""

    property: ServiceLevelProperty
    """The service level."""
    value: Decimal
    """Its value, as a text."""
    unit: Unit
    """The unit of the value, such as percent or s."""


class QualityRule(Model):
    """A bound on the quality of the data: a metric of the Open Data Contract Standard v3.1.

    `rowCount` is about the whole; the others about one field, in rows or in percent of the rows that were read.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("(self.metric != 'rowCount') == has(self.field)", "each metric needs a field, but rowCount has none"),
            ("self.metric != 'rowCount' || self.unit == 'rows'", "rowCount is counted in rows"),
            (
                "(self.operator in ['mustBeBetween', 'mustNotBeBetween']) == has(self.upper)",
                "mustBeBetween and mustNotBeBetween need an upper bound, and no other operator has one",
            ),
            (
                "!has(self.upper) || ![self.value, self.upper].all(d, d.matches('^-?[0-9]+([.][0-9]+)?$'))"
                " || double(self.value) < double(self.upper)",
                "value must be less than upper",
            ),
        )
    )

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
    """The name of the rule, for messages."""
    metric: Literal["rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues"]
    """rowCount: the number of records. nullValues: records with nothing in `field`. missingValues: also those with what
    the contract says stands where there is no value, such as -9999. invalidValues: those out of the contract's minimum
    and maximum. duplicateValues: those whose value an earlier record has; counted where the contract has such a
    rule."""
    field: FieldName | None = None
    """The field to count in. Absent: only for rowCount."""
    operator: Operator
    """How the metric is compared with `value`."""
    value: Decimal
    """The bound, as a text; of a range the lower one, which is not part of it."""
    upper: Decimal | None = None
    """The upper bound of a range, which is not part of it, as a text. Absent: only with the other operators."""
    unit: Literal["rows", "percent"]
    """Whether the bound is a number of rows or a percentage of them."""


class Extent(Model):
    """A rectangle in a coordinate reference system: minimum x, minimum y, maximum x, maximum y.

    x is the easting or the longitude and y the northing or the latitude, in whatever order the CRS itself has its axes.
    """

    crs: Crs
    """The coordinate reference system of the numbers."""
    bbox: Annotated[tuple[Decimal, ...], Field(min_length=4, max_length=4)]
    """Minimum x, minimum y, maximum x, maximum y; x is the easting or longitude."""


class Area(Model):
    """An area: a polygon or multipolygon as well-known text, x before y as in Extent."""

    crs: Crs
    """The coordinate reference system of the numbers."""
    wkt: Annotated[str, StringConstraints(pattern=r"^\s*(MULTI)?POLYGON\s*\(", max_length=16384)]
    """A POLYGON or MULTIPOLYGON as well-known text; x (easting or longitude) comes first."""


class DataContract(Model):
    """What the data supplier promises; its version changes when the promise does."""

    version: SemVer
    """The version of the contract (semver.org). It changes when the promise does."""
    entity: Line | None = None
    """What a record is about, such as WaterLevelObserved; apps and suppliers agree on the word. Absent: not said."""
    fields: Annotated[tuple[ContractField, ...], Field(max_length=128, json_schema_extra=list_map("name"))] = ()
    """The fields that are promised. Absent: none."""
    geometry_type: GeometryType | None = None
    """The type of the geometries. Absent: none, or not said."""
    crs: Crs | None = None
    """The coordinate reference system that the data can be had in. Absent: not said."""
    extent: Extent | None = None
    """The area that the data covers. Absent: not said."""
    time_resolution: Duration | None = None
    """The time from one record to the next, as an ISO 8601 duration. Absent: not said."""
    time_zone: TimeZone | None = None
    """The IANA time zone of times without an offset, such as Europe/Amsterdam. Absent: each time has an offset."""
    dialect: Dialect | None = None
    """How text files are written. Absent: as RFC 4180 has it, in UTF-8."""
    temporal_extent: Window | None = None
    """The days that the data covers. Absent: not said."""
    freshness: Duration | None = None
    """The newest record is never older than this ISO 8601 duration. Absent: not said."""
    records: Annotated[int, Field(ge=0)] | None = None
    """The least number of records. Absent: not said."""
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    """The largest size, in bytes. Absent: not said."""
    quality: Annotated[tuple[QualityRule, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """Bounds on the quality that are promised. Absent: none."""


Scheme = Literal["Basic", "Bearer", "ApiKey", "OAuth2ClientCredentials", "MutualTLS", "SigV4"]

_KEYS: dict[Scheme, tuple[str, ...]] = {
    "Basic": ("username", "password"),
    "Bearer": ("token",),
    "ApiKey": ("api-key",),
    "OAuth2ClientCredentials": ("client-id", "client-secret"),
    "MutualTLS": ("tls.crt", "tls.key"),
    "SigV4": ("access-key-id", "secret-access-key"),
}
# Those whose values are secret; the others tell who somebody is.
CREDENTIAL_KEYS = frozenset({"password", "token", "api-key", "client-secret", "tls.key", "secret-access-key"})


class Credentials(Model):
    """A Secret in the platform's own namespace, labelled `ddtas.nl/credentials`, and how it is used.

    Keys by scheme: Basic `username` and `password`; Bearer `token`; ApiKey `api-key`; OAuth2ClientCredentials
    `client-id` and `client-secret`; MutualTLS `tls.crt` and `tls.key`; SigV4 (S3) `access-key-id` and
    `secret-access-key`. Each Secret may also have `ca.crt`: certificates to trust in place of the public ones.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "(self.scheme == 'OAuth2ClientCredentials') == has(self.tokenUrl)",
                "OAuth2ClientCredentials needs a tokenUrl, and no other scheme has one",
            ),
            ("self.scheme == 'ApiKey' || !has(self.header)", "header belongs to the scheme ApiKey"),
            (
                "self.scheme == 'OAuth2ClientCredentials' || !has(self.scope)",
                "scope belongs to OAuth2ClientCredentials",
            ),
            ("self.scheme == 'SigV4' || !has(self.region)", "region belongs to the scheme SigV4"),
        )
    )

    secret_name: SecretName
    """The name of the Secret."""
    scheme: Scheme
    """How it is used. The scheme says which keys the Secret must have."""
    header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$", max_length=64)] | None = None
    """The HTTP header for an API key. Absent: X-Api-Key."""
    token_url: Url | None = None
    """Where an OAuth 2.0 client gets its token. Absent: only with other schemes."""
    scope: Line | None = None
    """The scope of the OAuth 2.0 token. Absent: none is asked for."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=40)] | None = None
    """The region of S3. Absent: us-east-1."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that the Secret must have."""
        return _KEYS[self.scheme]

    @property
    def optional_keys(self) -> tuple[str, ...]:
        """The keys that the Secret may have besides."""
        return ("ca.crt",)

    @property
    def effective_header(self) -> str | None:
        """The header of an API key; None with other schemes."""
        return (self.header or "X-Api-Key") if self.scheme == "ApiKey" else None

    @property
    def effective_region(self) -> str | None:
        """The region of S3; None with other schemes."""
        return (self.region or "us-east-1") if self.scheme == "SigV4" else None
