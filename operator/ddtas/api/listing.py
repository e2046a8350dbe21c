"""AppListing: one app in the store. Cluster-scoped; it holds no secrets."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import Conditions, Recalibration, Resource, Verdict
from ddtas.api.capabilities import AccessMode, Architecture, Device, Exposure, PodSecurityLevel
from ddtas.api.traffic import Call
from ddtas.data.contract import (
    AccessRights,
    DataContract,
    DataKind,
    Extent,
    FieldType,
    GeometryType,
    LegalBasis,
    Operator,
    QualityRule,
    SecurityClass,
    ServiceLevelPromise,
    ServiceLevelProperty,
)
from ddtas.schema.model import LIST_SET, Model, cel, list_map
from ddtas.schema.types import (
    Cron,
    Crs,
    Decimal,
    Duration,
    FieldName,
    Image,
    IsoDate,
    Line,
    Name,
    PartName,
    Quantity,
    Scalar,
    SemVer,
    StorageSize,
    Text,
    TimeZone,
    Unit,
    Url,
    VersionRange,
    Window,
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


class ResourceList(Model):
    """Amounts of processor (cores) and memory (bytes), as Kubernetes quantities."""

    cpu: Quantity
    memory: Quantity


class Resources(Model):
    """Requests and limits, as in a container."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "![self.requests.cpu, self.requests.memory, self.limits.cpu, self.limits.memory].all(q, isQuantity(q))"
                " || quantity(self.requests.cpu).compareTo(quantity(self.limits.cpu)) <= 0"
                " && quantity(self.requests.memory).compareTo(quantity(self.limits.memory)) <= 0",
                "requests must not be more than limits",
            )
        )
    )

    requests: ResourceList
    limits: ResourceList


class EnvVar(Model):
    """An environment variable with a literal value."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
    value: Annotated[str, StringConstraints(max_length=2000)]


Arguments = Annotated[tuple[Annotated[str, StringConstraints(max_length=4000)], ...], Field(max_length=32)]


class Container(Model):
    """A container of the app. It runs under Pod Security "restricted", with a read-only root and a writable /tmp."""

    image: Image
    command: Arguments | None = None
    args: Arguments | None = None
    env: Annotated[tuple[EnvVar, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    resources: Resources
    devices: Annotated[tuple[Device, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()


class Port(Model):
    """A port on which the component listens."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=15)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Readiness(Model):
    """An HTTP GET that succeeds when the component can serve."""

    path: Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=200)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Volume(Model):
    """Storage that a component keeps over restarts, revisions and versions: a PersistentVolumeClaim.

    Its size and access mode are no inputs of a revision: a larger size needs no new calibration.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!['/tmp', '/bindings', '/etc/ddtas', '/dev', '/proc', '/sys'].exists(p,"
                " (self.mountPath + '/').startsWith(p + '/') || (p + '/').startsWith(self.mountPath + '/'))",
                "mountPath must be neither inside nor above /tmp, /bindings, /etc/ddtas, /dev, /proc and /sys",
            )
        )
    )

    name: PartName
    mount_path: Annotated[
        str, StringConstraints(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$", min_length=2, max_length=100)
    ]
    size: StorageSize
    # ReadWriteOnce where it is left out: all pods that have it run on one node.
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] | None = None

    @property
    def modes(self) -> tuple[str, ...]:
        """Its access modes, as a claim has them."""
        return (self.access_mode or "ReadWriteOnce",)

    @property
    def shared(self) -> bool:
        """Whether pods on several nodes may have it at once."""
        return self.access_mode == "ReadWriteMany"


class Component(Container):
    """A part of the app that serves: a Deployment, and a Service where it has ports.

    The first component with a port is the app's front: `status.url` points to it.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.ports) || self.ports.all(p, self.ports.exists_one(q, q.port == p.port))",
                "two ports must not have the same number",
            ),
            (
                "!has(self.volumes) || self.volumes.all(v, self.volumes.all(w, v.name == w.name"
                " || !(w.mountPath + '/').startsWith(v.mountPath + '/')))",
                "no mountPath may be that of another volume, or inside it",
            ),
            (
                "!has(self.volumes) || !has(self.replicas) || self.replicas == 1"
                " || self.volumes.all(v, has(v.accessMode) && v.accessMode == 'ReadWriteMany')",
                "volumes of a component with several replicas need accessMode ReadWriteMany",
            ),
        )
    )

    name: PartName
    ports: Annotated[tuple[Port, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    readiness: Readiness | None = None
    replicas: Annotated[int, Field(ge=1, le=10)] | None = None
    volumes: Annotated[tuple[Volume, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()


class Template(Model):
    """A Jinja2 template of one or more Kubernetes objects (YAML) that come with a revision.

    Allowed kinds: ConfigMap, Service, Deployment. Every name must begin with `{{ prefix }}`.
    """

    name: PartName
    manifest: Annotated[str, StringConstraints(min_length=1, max_length=16384)]


class Task(Container):
    """A container that runs to its end as a Job, and reports its result in its termination message."""

    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=32, json_schema_extra=list_map("metric", "operator"))]
    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    # How often a crashed pod is tried again within the same run. Evictions never count.
    retries: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def effective_timeout_seconds(self) -> int:
        """One hour unless the listing says otherwise."""
        return self.timeout_seconds or 3600


class Run(Task):
    """A calibration or validation run."""

    window: Window


class Monitoring(Task):
    """A run that looks at new data time and again, while the app serves: a threshold that is not met is drift."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("size(self.thresholds) > 0", "monitoring needs at least one threshold: without one nothing could drift")
        )
    )

    schedule: Cron
    time_zone: TimeZone | None = None
    jitter: Duration | None = None


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


__all__ = ["AppListing", "AppListingSpec", "AppListingStatus", "Name", "Operator", "Scalar", "Verdict", "Version"]
