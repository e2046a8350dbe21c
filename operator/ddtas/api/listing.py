"""AppListing: one app in the store. Cluster-scoped; it holds no secrets."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import Conditions, Recalibration, Resource
from ddtas.api.requirements import DataRequirement, PlatformRequirements, RequiredField
from ddtas.api.traffic import Call
from ddtas.api.workload import Component, Monitoring, Run, Template
from ddtas.data.contract import (
    AccessRights,
    DataContract,
    DataKind,
    LegalBasis,
    SecurityClass,
    ServiceLevelPromise,
)
from ddtas.schema.model import LIST_SET, Model, cel, list_map
from ddtas.schema.types import (
    Decimal,
    FieldName,
    IsoDate,
    Line,
    PartName,
    SemVer,
    Text,
    Unit,
    Url,
)


class Criterion(StrEnum):
    """The criteria of the store's review."""

    ETHICAL = "Ethical"
    LEGAL = "Legal"
    SOCIAL = "Social"
    ECONOMIC = "Economic"
    TECHNICAL = "Technical"
    MANAGEMENT = "Management"


class Builder(Model):
    """The app builder: who made the app and answers for it."""

    name: Line
    website: Url | None = None
    contact: Line | None = None


class MinimumSpecification(Model):
    """What the app needs at least, at the four levels of the product page, in words for a person."""

    app: Text
    platform: Text
    devices: Text
    data: Text


class Service(Model):
    """A service that comes with the app, such as training or support."""

    name: PartName
    description: Text


class ServiceLevel(Model):
    """The service level that the app builder offers."""

    availability_percent: Decimal | None = None
    support_hours: Line | None = None
    response_time_hours: Annotated[int, Field(ge=1, le=8760)] | None = None


class BusinessModel(Model):
    """How the app is paid for."""

    kind: Literal["Free", "OneOff", "Subscription", "UsageBased"]
    description: Text | None = None


class Score(Model):
    """A reviewer's score for one criterion, from 0 to 10."""

    criterion: Criterion
    score: Annotated[int, Field(ge=0, le=10)]
    reviewed_on: IsoDate
    remark: Text | None = None


class Parameter(Model):
    """One parameter of the app: its type, its bounds, and where its value comes from when the Installation has none.

    Order: `Installation.spec.parameters`, then the city parameter named by `cityParameter`, then `default`.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.minimum) && !has(self.maximum) || self.type in ['integer', 'number']",
                "minimum and maximum need type integer or number",
            ),
            (
                "!has(self.minimum) || !has(self.maximum)"
                " || ![self.minimum, self.maximum].all(d, d.matches('^-?[0-9]+([.][0-9]+)?$'))"
                " || double(self.minimum) <= double(self.maximum)",
                "minimum must not be more than maximum",
            ),
            ("!has(self.options) || self.type == 'string'", "options need type string"),
            (
                "!has(self.options) || !has(self.default) || self.default in self.options",
                "default must be one of the options",
            ),
        )
    )

    name: FieldName
    type: Literal["string", "integer", "number", "boolean"]
    description: Text
    unit: Unit | None = None
    # The value is written as text, whatever the type, because a structural schema has no "any scalar".
    default: Annotated[str, StringConstraints(max_length=200)] | None = None
    city_parameter: FieldName | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    options: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)] | None = None


class DataProduct(Model):
    """Data that an Installation of this app offers to other twins, at the first port of one of its components.

    With a `kind` it is a data source of the platform for as long as the Installation serves, and says of itself what
    the platform team says of any other source. Without one it is for people.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.kind) ? has(self.contract) && has(self.accessRights) && has(self.licence)"
                " && has(self.purposes) : true",
                "a product with a kind is a data source: it needs contract, accessRights, licence and purposes",
            ),
            (
                "!has(self.kind) || !(self.kind in ['postgresql', 'mqtt', 's3'])",
                "a product is served over HTTP, without credentials: it cannot be postgresql, mqtt or s3",
            ),
            (
                "!has(self.kind) || has(self.physicalName) || !(self.kind in ['ogc-api-features', 'wfs', 'ngsi-ld'])",
                "this kind needs a physicalName: the collection, feature type or entity type",
            ),
        )
    )

    name: PartName
    title: Line
    description: Text | None = None
    component: PartName
    path: Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=200)]
    # Those of the contract, where that names none.
    fields: Annotated[tuple[RequiredField, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    kind: DataKind | None = None
    physical_name: Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)] | None = None
    theme: Line | None = None
    # A new version of it makes a new revision of each twin that uses the product; a new revision of this one does not.
    contract: DataContract | None = None
    access_rights: AccessRights | None = None
    security_class: SecurityClass | None = None
    licence: Line | None = None
    purposes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)] | None = None
    legal_basis: LegalBasis | None = None
    service_levels: Annotated[
        tuple[ServiceLevelPromise, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()


class Version(Model):
    """One version of the app: what is deployed, what it needs, and how it is calibrated and validated."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.calibration.window.end < self.validation.window.start"
                " || self.validation.window.end < self.calibration.window.start",
                "the validation window must not share a day with the calibration window",
            ),
            (
                "size(self.validation.thresholds) > 0",
                "validation needs at least one threshold: without one nothing could be refused",
            ),
            (
                "!has(self.dataProducts) || self.dataProducts.all(p, self.components.exists(c, c.name == p.component))",
                "each data product must name a component of the same version",
            ),
            (
                "!has(self.dataProducts) || self.dataProducts.all(p, !has(p.kind)"
                " || self.components.exists(c, c.name == p.component && has(c.ports) && size(c.ports) > 0))",
                "the component of a data product with a kind must have a port",
            ),
        )
    )

    version: SemVer
    # Deprecated: not chosen for anyone any more, only kept, named or approved. Withdrawn: kept where it serves.
    state: Literal["Active", "Deprecated", "Withdrawn"] | None = None
    # Where it is offered. One that names none is in `stable`; a pre-release that names none is in no channel.
    channels: Annotated[tuple[PartName, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None = (
        None
    )
    # True where it changes stored data so that earlier versions cannot read them: from it there is no way back.
    data_migration: bool = False
    components: Annotated[tuple[Component, ...], Field(min_length=1, max_length=8, json_schema_extra=list_map("name"))]
    templates: Annotated[tuple[Template, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    data_requirements: Annotated[
        tuple[DataRequirement, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))
    ]
    platform_requirements: PlatformRequirements | None = None
    calibration: Run
    validation: Run
    monitoring: Monitoring | None = None
    # For Installations that have none of their own.
    recalibration: Recalibration | None = None
    data_products: Annotated[tuple[DataProduct, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    egress: Annotated[tuple[Call, ...], Field(max_length=16, json_schema_extra=list_map("host"))] = ()
    """Public servers that the app calls beside its data sources; none where it is left out. A platform permits each."""


class AppListingSpec(Model):
    """One app in the store."""

    title: Line
    description: Text
    category: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
    builder: Builder
    minimum_specification: MinimumSpecification
    services: Annotated[tuple[Service, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    service_level: ServiceLevel | None = None
    business_model: BusinessModel
    review: Annotated[tuple[Score, ...], Field(max_length=6, json_schema_extra=list_map("criterion"))] = ()
    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=20, json_schema_extra=list_map("version"))]

    def version(self, number: str) -> Version | None:
        """The version with that number, or None."""
        return next((v for v in self.versions if v.version == number), None)


class AppListingStatus(Model):
    """What the operator found out about the listing."""

    observed_generation: int | None = None
    conditions: Conditions = ()


class AppListing(Resource):
    """An app in the Digital Twin Appstore: its product page, its review and its versions."""

    spec: AppListingSpec
    status: AppListingStatus = AppListingStatus()
