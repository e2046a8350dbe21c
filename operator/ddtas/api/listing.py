"""AppListing: one app in the store. Cluster-scoped; it holds no secrets."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import Conditions, Recalibration, Resource
from ddtas.api.requirements import DataRequirement, PlatformRequirements, RequiredField
from ddtas.api.targets import Target
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
    """Who made the app: an organisation or a person."""
    website: Url | None = None
    """The builder's website. Absent: none."""
    contact: Line | None = None
    """How to reach the builder, such as an e-mail address. Absent: none is given."""


class MinimumSpecification(Model):
    """What the app needs at least, at the four levels of the product page, in words for a person."""

    app: Text
    """What the app itself needs."""
    platform: Text
    """What the platform needs."""
    devices: Text
    """What the users' devices need."""
    data: Text
    """What data is needed."""


class Service(Model):
    """A service that comes with the app, such as training or support."""

    name: PartName
    """The name of the service."""
    description: Text
    """What it is, in words for a person."""


class ServiceLevel(Model):
    """The service level that the app builder offers."""

    availability_percent: Decimal | None = None
    """The part of the time that the app can be used, in percent. Absent: none is promised."""
    support_hours: Line | None = None
    """When support can be reached, such as "weekdays 9-17". Absent: none is promised."""
    response_time_hours: Annotated[int, Field(ge=1, le=8760)] | None = None
    """Within how many hours support answers. Absent: none is promised."""


class BusinessModel(Model):
    """How the app is paid for."""

    kind: Literal["Free", "OneOff", "Subscription", "UsageBased"]
    """Free, a price once, a price for each period, or a price by use."""
    description: Text | None = None
    """The price, in words for a person. Absent: none is given."""


class Score(Model):
    """A reviewer's score for one criterion, from 0 to 10."""

    criterion: Criterion
    """What was judged. Each criterion is there once."""
    score: Annotated[int, Field(ge=0, le=10)]
    """From 0 to 10. The market master sets the least score of apps that may be installed."""
    reviewed_on: IsoDate
    """The day of the review."""
    remark: Text | None = None
    """What the reviewer says. Absent: nothing."""


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
    """The name of the parameter in parameters.json."""
    type: Literal["string", "integer", "number", "boolean"]
    """The type that its value must have."""
    description: Text
    """What it is, in words for a person."""
    unit: Unit | None = None
    """The unit of its value. Absent: it has none."""
    # The value is written as text, whatever the type, because a structural schema has no "any scalar".
    default: Annotated[str, StringConstraints(max_length=200)] | None = None
    """The value where neither Installation nor city gives one, as a text. Absent: one of them must give it."""
    city_parameter: FieldName | None = None
    """The name of the city's value, in spec.parameters of the platform. Absent: the city has none."""
    minimum: Decimal | None = None
    """The smallest value. Absent: no limit."""
    maximum: Decimal | None = None
    """The largest value. Absent: no limit."""
    options: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)] | None = None
    """The values that may be chosen. Absent: any text."""


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
                "!has(self.kind) || !(self.kind in ['postgresql', 'mqtt', 's3', 'http-json'])",
                "a product is served over HTTP, without credentials, by a standard: it cannot be postgresql, mqtt, s3 "
                "or http-json",
            ),
            ("!has(self.declassified) || has(self.kind)", "declassified belongs to a product with a kind"),
            (
                "!has(self.kind) || has(self.physicalName)"
                " || !(self.kind in ['ogc-api-features', 'ogc-edr', 'wfs', 'ngsi-ld'])",
                "this kind needs a physicalName: the collection, feature type or entity type",
            ),
        )
    )

    name: PartName
    """The name of the product. Its Secret is named INSTALLATION-NAME."""
    title: Line
    """The product in a few words, for a person."""
    description: Text | None = None
    """The product in more words, for a person. Absent: none is given."""
    component: PartName
    """The component that serves it, at its first port."""
    path: Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=200)]
    """Where it is on that port."""
    fields: Annotated[tuple[RequiredField, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """The fields that the data has. Absent: those of the contract."""
    kind: DataKind | None = None
    """How the data is fetched. Absent: the product is for people, and no data source."""
    physical_name: Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)] | None = None
    """The collection, feature type or entity type at the endpoint. Absent: the kind needs none."""
    theme: Line | None = None
    """What the data is about, such as water. Absent: not said."""
    contract: DataContract | None = None
    """What is promised of the data; a new version of it makes a new revision of each consumer. Absent: only where
    `kind` is."""
    access_rights: AccessRights | None = None
    """Who may see the data. Absent: only where `kind` is."""
    security_class: SecurityClass | None = None
    """How confidential the data is. Absent: not said."""
    licence: Line | None = None
    """The licence of the data, such as CC-BY-4.0. Absent: only where `kind` is."""
    purposes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)] | None = None
    """What the data may be used for. Absent: only where `kind` is."""
    legal_basis: LegalBasis | None = None
    """The lawful basis for personal data in it. Absent: not said."""
    declassified: Text | None = None
    """Why the product may have more rights than the data that it is made of, such as that nobody can be found in the
    sums of a district. Absent: access rights, security class, legal basis and purposes are limited to those of the data
    sources that the app is bound to."""
    service_levels: Annotated[
        tuple[ServiceLevelPromise, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    """The service levels that are promised. Absent: none."""


# What the evidence of a version is about.
CONTENT = (
    "components",
    "templates",
    "parameters",
    "dataRequirements",
    "targets",
    "calibration",
    "validation",
    "monitoring",
    "dataProducts",
    "egress",
)
_ALWAYS_THERE = ("components", "dataRequirements", "calibration", "validation")


def _unchanged(field: str) -> str:
    """CEL: a field of a version is what it was."""
    same = f"self.{field} == oldSelf.{field}"
    if field in _ALWAYS_THERE:
        return same
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"


class Version(Model):
    """One version of the app: what is deployed, what it needs, and how it is calibrated and validated."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            *(
                (
                    f"!has(self.targets) && !has(oldSelf.targets) || {_unchanged(field)}",
                    f"{field} of a version that was offered cannot change, as evidence is about it: give the change a"
                    " version number of its own",
                )
                for field in CONTENT
            ),
            (
                "has(self.calibration.window.last) == has(self.validation.window.last)",
                "the windows of calibration and validation must both be days, or both be given by last",
            ),
            (
                "has(self.calibration.window.last) || has(self.validation.window.last)"
                " || self.calibration.window.end < self.validation.window.start"
                " || self.validation.window.end < self.calibration.window.start",
                "the validation window must not share a day with the calibration window",
            ),
            (
                "size(self.validation.thresholds) > 0",
                "validation needs at least one threshold: without one nothing could be refused",
            ),
            (
                " && ".join(
                    f"(!has({run}.reads) || {run}.reads.all(r, self.dataRequirements.exists(d, d.name == r)))"
                    for run in ("self.calibration", "self.validation")
                )
                + " && (!has(self.monitoring) || !has(self.monitoring.reads)"
                " || self.monitoring.reads.all(r, self.dataRequirements.exists(d, d.name == r)))"
                " && self.components.all(c, !has(c.reads)"
                " || c.reads.all(r, self.dataRequirements.exists(d, d.name == r)))",
                "reads must name data requirements of the same version",
            ),
            (
                "!has(self.targets) || self.targets.all(t, self.dataRequirements.exists(d, d.name == t.requirement"
                " && has(d.fields) && d.fields.exists(f, f.name == t.field)))",
                "each target must name a field of a data requirement of the same version",
            ),
            (
                "!has(self.targets) || self.targets.all(t, !has(t.holdout)"
                " || self.dataRequirements.exists(d, d.name == t.requirement"
                " && has(d.fields) && d.fields.exists(f, f.name == t.holdout.key)))",
                "the key of a holdout must be a field of the target's data requirement",
            ),
            (
                "!has(self.targets) || has(self.calibration.command) && has(self.validation.command)"
                " && (!has(self.monitoring) || has(self.monitoring.command))",
                "with targets, each run must give its command: the image's own cannot be started sealed",
            ),
            (
                "!has(self.targets) || self.targets.all(t, "
                + " && ".join(
                    f"(!has({run}.reads) || t.requirement in {run}.reads)"
                    for run in ("self.calibration", "self.validation")
                )
                + " && (!has(self.monitoring) || !has(self.monitoring.reads)"
                " || t.requirement in self.monitoring.reads))",
                "each run must read the data requirements of the targets",
            ),
            (
                "!has(self.targets) || self.targets.all(t, self.targets.all(u, t.requirement != u.requirement"
                " || has(t.holdout) == has(u.holdout) && (!has(t.holdout) || t.holdout.key == u.holdout.key"
                " && t.holdout.sharePercent == u.holdout.sharePercent)))",
                "targets of one data requirement must have the same holdout",
            ),
            (
                "!has(self.targets) || size(self.calibration.thresholds) == 0",
                "with targets, calibration has no thresholds: only what is kept from the app counts",
            ),
            (
                "has(self.targets) || self.validation.thresholds.all(t, !has(t.confidencePercent))"
                " && (!has(self.monitoring) || self.monitoring.thresholds.all(t, !has(t.confidencePercent)))",
                "confidencePercent needs targets: the platform knows how sure only what it computes itself is",
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
    """The number of the version (semver.org). Another one for each change of what runs."""
    state: Literal["Active", "Deprecated", "Withdrawn"] | None = None
    """Active: may be chosen. Deprecated: not chosen for anyone any more. Withdrawn: may only go on where it serves.
    Absent: Active."""
    channels: Annotated[tuple[PartName, ...], Field(min_length=1, max_length=8, json_schema_extra=LIST_SET)] | None = (
        None
    )
    """The channels that it is offered in. Absent: `stable`; of a pre-release, none."""
    data_migration: bool = False
    """True: it changes stored data so that earlier versions cannot read it, and there is no way back to them.
    Absent: false."""
    components: Annotated[tuple[Component, ...], Field(min_length=1, max_length=8, json_schema_extra=list_map("name"))]
    """What serves."""
    templates: Annotated[tuple[Template, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """Further objects, as templates. Absent: none."""
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """The parameters that the app takes. Absent: none."""
    data_requirements: Annotated[
        tuple[DataRequirement, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))
    ]
    """The data that the app needs."""
    platform_requirements: PlatformRequirements | None = None
    """What the app needs of the platform. Absent: nothing in particular."""
    targets: Annotated[tuple[Target, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()
    """What the app predicts, and is judged on by the platform. Absent: its runs report their own metrics, which is no
    evidence (assurance None)."""
    calibration: Run
    """The run that fits the model to the city's data."""
    validation: Run
    """The run that judges the model on other days."""
    monitoring: Monitoring | None = None
    """The run that judges the model on new data while it serves. Absent: none."""
    recalibration: Recalibration | None = None
    """When to calibrate again, for Installations that do not say so themselves. Absent: never by time."""
    data_products: Annotated[tuple[DataProduct, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """The data that the app offers to others. Absent: none."""
    egress: Annotated[tuple[Call, ...], Field(max_length=16, json_schema_extra=list_map("host"))] = ()
    """Public servers that the app calls beside its data sources. A platform permits each. Absent: none."""


class AppListingSpec(Model):
    """One app in the store."""

    title: Line
    """The name of the app, for a person."""
    description: Text
    """What the app does, in words for a person."""
    category: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
    """What the app is about, such as water."""
    builder: Builder
    """Who made the app."""
    minimum_specification: MinimumSpecification
    """What the app needs, in words for a person."""
    services: Annotated[tuple[Service, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Services that come with the app. Absent: none."""
    service_level: ServiceLevel | None = None
    """The service level that is offered. Absent: none."""
    business_model: BusinessModel
    """How the app is paid for."""
    review: Annotated[tuple[Score, ...], Field(max_length=6, json_schema_extra=list_map("criterion"))] = ()
    """The scores of the store's review, one for each criterion. Absent: not reviewed, so it cannot be installed."""
    versions: Annotated[tuple[Version, ...], Field(min_length=1, max_length=20, json_schema_extra=list_map("version"))]
    """The versions of the app."""

    def version(self, number: str) -> Version | None:
        """The version with that number, or None."""
        return next((v for v in self.versions if v.version == number), None)


class OfferedVersion(Model):
    """A version as it was when it was first offered."""

    version: SemVer
    """The number of the version."""
    content: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$", max_length=32)]
    """Digest of what evidence of the version is about."""


class AppListingStatus(Model):
    """What the operator found out about the listing."""

    observed_generation: int | None = None
    """The metadata.generation that this status is about. Absent, or -1: the operator has not seen the object yet."""
    conditions: Conditions = ()
    """Whether the app may be installed. Absent: not decided yet."""
    offered: Annotated[tuple[OfferedVersion, ...], Field(max_length=120, json_schema_extra=list_map("version"))] = ()
    """The versions with targets that the listing has, or had. One that is put back otherwise than it was is not
    installed. Absent: none yet."""


class AppListing(Resource):
    """An app in the Digital Twin Appstore: its product page, its review and its versions."""

    spec: AppListingSpec
    """The product page, the review and the versions."""
    status: AppListingStatus = AppListingStatus()
    """What the operator found. Only the operator writes it."""
