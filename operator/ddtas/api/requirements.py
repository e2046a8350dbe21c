"""What an app needs: of a city's data, and of the platform."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ddtas.api.capabilities import AccessMode, Architecture, Exposure, PodSecurityLevel
from ddtas.data.contract import (
    AccessRights,
    DataKind,
    Extent,
    FieldType,
    GeometryType,
    LegalBasis,
    Operator,
    QualityRule,
    SecurityClass,
    ServiceLevelProperty,
)
from ddtas.schema.model import LIST_SET, Model, list_map
from ddtas.schema.types import (
    Crs,
    Decimal,
    Duration,
    FieldName,
    Line,
    PartName,
    Text,
    Unit,
    VersionRange,
)


class RequiredField(Model):
    """A field that the data must have."""

    name: FieldName
    type: FieldType
    unit: Unit | None = None


class RequiredServiceLevel(Model):
    """A bound on a service level that the data source declares."""

    property: ServiceLevelProperty
    operator: Operator
    value: Decimal
    unit: Unit


class Coverage(Model):
    """The part of an area that the data must cover: the municipality's own, unless an extent is given."""

    minimum_percent: Annotated[int, Field(ge=1, le=100)]
    extent: Extent | None = None


class Threshold(Model):
    """A bound on a metric that the run reports."""

    metric: FieldName
    operator: Operator
    value: Decimal


class DataRequirement(Model):
    """What the app needs of a city's data: the same for each city. What is left out is not asked for."""

    name: PartName
    description: Text
    theme: Line | None = None
    entity: Line | None = None
    kinds: Annotated[tuple[DataKind, ...], Field(min_length=1, max_length=16, json_schema_extra=LIST_SET)]
    contract_version: VersionRange | None = None
    fields: Annotated[tuple[RequiredField, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    geometry_types: (
        Annotated[tuple[GeometryType, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    # One of these is enough.
    crs: Annotated[tuple[Crs, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None = None
    coverage: Coverage | None = None
    time_resolution: Duration | None = None
    minimum_records: Annotated[int, Field(ge=1)] | None = None
    maximum_size_bytes: Annotated[int, Field(ge=1)] | None = None
    # The newest record may be at most this old.
    freshness: Duration | None = None
    # The days that the data must cover run from the calibration window's start, less this, to the validation's end.
    warm_up_days: Annotated[int, Field(ge=0, le=36600)] | None = None
    # False for data without a history, such as a map or the state of now: it need not cover the windows.
    history: bool | None = None
    quality: Annotated[tuple[QualityRule, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    purpose: Line | None = None
    legal_bases: (
        Annotated[tuple[LegalBasis, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    access_rights: (
        Annotated[tuple[AccessRights, ...], Field(min_length=1, max_length=3, json_schema_extra=LIST_SET)] | None
    ) = None
    # The heaviest class that the app is fit to handle.
    maximum_security_class: SecurityClass | None = None
    licences: Annotated[tuple[Line, ...], Field(min_length=1, max_length=16, json_schema_extra=LIST_SET)] | None = None
    # True where the origin of the data must be on record.
    provenance: bool | None = None
    service_levels: Annotated[
        tuple[RequiredServiceLevel, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    # Bounds on what validation showed of the twin that the data is a product of.
    upstream_metrics: Annotated[tuple[Threshold, ...], Field(max_length=16, json_schema_extra=list_map("metric"))] = ()


class PlatformRequirements(Model):
    """What the app needs of the platform. What is left out is not asked for.

    The devices that it needs are those of its containers; the quota that it needs follows from their resources.
    """

    minimum_kubernetes_version: Annotated[str, StringConstraints(pattern=r"^1\.\d{1,3}$", max_length=5)] | None = None
    # That the images are built for: one is enough, and pods go to no other node.
    architectures: (
        Annotated[tuple[Architecture, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    # Volumes that can be mounted in each of these ways.
    storage: Annotated[tuple[AccessMode, ...], Field(min_length=1, max_length=4, json_schema_extra=LIST_SET)] | None = (
        None
    )
    # How the app is to be let in from outside: one is enough.
    exposure: Annotated[tuple[Exposure, ...], Field(min_length=1, max_length=2, json_schema_extra=LIST_SET)] | None = (
        None
    )
    # The least that the namespace must enforce.
    pod_security: Literal[PodSecurityLevel.BASELINE, PodSecurityLevel.RESTRICTED] | None = None
