"""What an app needs: of a city's data, and of the platform."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.capabilities import AccessMode, Architecture, Exposure, PodSecurityLevel
from ddtas.data.contract import (
    AccessRights,
    DataKind,
    Extent,
    FieldType,
    GeometryType,
    LegalBasis,
    OneBound,
    QualityRule,
    SecurityClass,
    ServiceLevelProperty,
)
from ddtas.data.delivery.table import Aggregation
from ddtas.schema.model import LIST_SET, Model, cel, list_map
from ddtas.schema.types import (
    Concept,
    Crs,
    Decimal,
    Duration,
    FieldName,
    Line,
    PartName,
    Text,
    TimeZone,
    Unit,
    VersionRange,
)


class RequiredField(Model):
    """A field that the app gets."""

    name: FieldName
    """The name of the field: in the app's table, or with delivery Direct in the data itself."""
    type: FieldType
    """The type that all its values have."""
    concept: Concept | None = None
    """What it means: a name or URI that apps and suppliers share. A field of the source is found by it first, then by
    its name. Absent: by its name alone."""
    unit: Unit | None = None
    """The unit of its values; what the source has is converted to it. Absent: any unit."""
    aggregate: Aggregation | None = None
    """How the values of a source with a shorter step become one. Absent: it tells series apart, such as a station, or
    such a source is not met."""


class RequiredServiceLevel(Model):
    """A bound on a service level that the data source declares."""

    property: ServiceLevelProperty
    """The service level."""
    operator: OneBound
    """How it is compared with `value`."""
    value: Decimal
    """The bound, as a text."""
    unit: Unit
    """The unit of the bound, such as percent or s."""


class Coverage(Model):
    """The part of an area that the data must cover: the municipality's own, unless an extent is given."""

    minimum_percent: Annotated[int, Field(ge=1, le=100)]
    """How much of the area must be covered, in percent."""
    extent: Extent | None = None
    """The area that must be covered. Absent: that of the municipality."""


class Threshold(Model):
    """A bound on a metric that the run reports."""

    metric: FieldName
    """The metric, as the run names it."""
    operator: OneBound
    """How the metric is compared with `value`."""
    value: Decimal
    """The bound, as a text."""


class RunThreshold(Threshold):
    """A bound on a metric of a run."""

    metric: FieldName
    """The metric: of several targets, TARGET.METRIC, such as level.NSE. Where the version has targets, one that the
    platform computes (docs/evidence.md); else as the run names it."""
    confidence_percent: Annotated[int, Field(ge=50, le=99)] | None = None
    """How sure it must be that the metric meets the bound: then a bound of its interval counts. Absent: the metric
    itself counts, and its interval is only shown."""


class DataRequirement(Model):
    """What the app needs of a city's data: the same for each city. What is left out is not asked for."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.delivery) || self.delivery == 'Files' || has(self.kinds)",
                "with delivery Direct the app must say which kinds it can read",
            ),
            (
                "!has(self.delivery) || self.delivery == 'Direct' || !has(self.kinds)"
                " || !self.kinds.exists(k, k in ['mqtt', '3d-tiles'])",
                "mqtt and 3d-tiles are no tables: they need delivery Direct",
            ),
        )
    )

    name: PartName
    """The name of the requirement: the app finds its data in a folder of this name."""
    description: Text
    """What the data is for, in words for a person."""
    theme: Line | None = None
    """The theme that the source must have. Absent: any."""
    entity: Line | None = None
    """What a record must be about, such as WaterLevelObserved. Absent: anything."""
    delivery: Literal["Files", "Direct"] | None = None
    """Files: the app finds the data as a table, whatever the source. Direct: the app gets the address and the
    credentials of the source, and reads it itself. Absent: Files, unless a kind is listed that is no table."""
    kinds: Annotated[tuple[DataKind, ...], Field(min_length=1, max_length=16, json_schema_extra=LIST_SET)] | None = None
    """The kinds of source that will do. One of these is enough. Absent: each that can be had as a table."""
    contract_version: VersionRange | None = None
    """The versions of the source's contract that will do, such as ">=1.2.0 <2.0.0". Absent: any."""
    fields: Annotated[tuple[RequiredField, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """The fields that the data must have. Absent: any."""
    geometry_types: (
        Annotated[tuple[GeometryType, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    """The geometry types that the app can handle. One of these is enough. Absent: any, or none."""
    crs: Annotated[tuple[Crs, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None = None
    """The coordinate reference systems that the app can handle. One of these is enough; a table is converted to the
    first. Absent: any."""
    coverage: Coverage | None = None
    """The area that the data must cover. Absent: any."""
    time_resolution: Duration | None = None
    """The time from one record to the next, at most, as an ISO 8601 duration; a table has exactly this step. Absent:
    any."""
    time_zone: TimeZone | None = None
    """The IANA time zone of the times in a table, and of the days in it, such as Europe/Amsterdam. Absent: UTC."""
    minimum_completeness_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """How many of the rows of each window must be there, in percent. Absent: any."""
    minimum_records: Annotated[int, Field(ge=1)] | None = None
    """The least number of records. Absent: any."""
    maximum_size_bytes: Annotated[int, Field(ge=1)] | None = None
    """The largest size, in bytes. Absent: any."""
    freshness: Duration | None = None
    """The greatest age of the newest record, as an ISO 8601 duration. Absent: any."""
    warm_up_days: Annotated[int, Field(ge=0, le=36600)] | None = None
    """How many days before the calibration window the data must begin. Absent: 0."""
    history: bool | None = None
    """False: the data has no history, such as a map or the state of now, and need not cover the windows. Absent:
    true."""
    quality: Annotated[tuple[QualityRule, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """Bounds on the quality of the data. Absent: none."""
    purpose: Line | None = None
    """What the data is used for: one of the purposes of the source. Absent: only public
    data will do, for any purpose."""
    legal_bases: (
        Annotated[tuple[LegalBasis, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    """The lawful bases that will do. One of these is enough. Absent: only data without one."""
    access_rights: (
        Annotated[tuple[AccessRights, ...], Field(min_length=1, max_length=3, json_schema_extra=LIST_SET)] | None
    ) = None
    """The access rights that the app can handle. One of these is enough. Absent: public."""
    maximum_security_class: SecurityClass | None = None
    """The most confidential data that the app is fit for. Absent: public, or not classified."""
    licences: Annotated[tuple[Line, ...], Field(min_length=1, max_length=16, json_schema_extra=LIST_SET)] | None = None
    """The licences that will do. One of these is enough. Absent: any."""
    provenance: bool | None = None
    """True: the origin of the data must be on record. Absent: false."""
    service_levels: Annotated[
        tuple[RequiredServiceLevel, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    """Bounds on the service levels of the source. Absent: none."""
    upstream_metrics: Annotated[tuple[Threshold, ...], Field(max_length=16, json_schema_extra=list_map("metric"))] = ()
    """Bounds on the validation of the twin that the data is a product of. Absent: none."""

    @property
    def files(self) -> bool:
        """Whether the app gets a table."""
        if self.delivery is not None:
            return self.delivery == "Files"
        return all(kind.tabular for kind in self.kinds or ())


class PlatformRequirements(Model):
    """What the app needs of the platform. What is left out is not asked for.

    The devices that it needs are those of its containers; the quota that it needs follows from their resources.
    """

    minimum_kubernetes_version: Annotated[str, StringConstraints(pattern=r"^1\.\d{1,3}$", max_length=5)] | None = None
    """The oldest version of Kubernetes that will do, such as 1.31. Absent: any."""
    architectures: (
        Annotated[tuple[Architecture, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None
    ) = None
    """The processor architectures that the images are built for. One of these is enough, and pods go to no other
    node. Absent: any."""
    storage: Annotated[tuple[AccessMode, ...], Field(min_length=1, max_length=4, json_schema_extra=LIST_SET)] | None = (
        None
    )
    """The access modes that volumes must be able to have, all of them. Absent: none in particular."""
    exposure: Annotated[tuple[Exposure, ...], Field(min_length=1, max_length=2, json_schema_extra=LIST_SET)] | None = (
        None
    )
    """How people can reach the app from outside. One of these is enough. Absent: not needed."""
    pod_security: Literal[PodSecurityLevel.BASELINE, PodSecurityLevel.RESTRICTED] | None = None
    """The least strict Pod Security level that the namespace may enforce. Absent: any."""
