"""MunicipalityPlatform: one city's Open Urban Platform, in the municipality's own namespace."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.attempts import MAX_ATTEMPTS, MAX_HOLDOUTS, EarlierFailures, ExamAttempt
from ddtas.api.base import Conditions, Resource, Verdict
from ddtas.api.capabilities import Capabilities, ClassName, MeasuredCapabilities
from ddtas.api.evidence import Assurance
from ddtas.api.traffic import Caller, IpAddress, PermittedCall
from ddtas.data.contract import (
    AccessRights,
    Area,
    Credentials,
    DataContract,
    DataKind,
    LegalBasis,
    SecurityClass,
    ServiceLevelPromise,
)
from ddtas.data.json_service import JsonService
from ddtas.data.measured import SourceFacts
from ddtas.schema.model import LIST_SET, Model, cel, list_map, says
from ddtas.schema.types import (
    Endpoint,
    Line,
    Name,
    PartName,
    Quantity,
    SecretName,
    SemVer,
    StorageSize,
    Text,
    Timestamp,
)
from ddtas.schema.types import Parameters as ParameterValues


class Municipality(Model):
    """The municipality, with its code in the Dutch register (CBS), such as GM0344."""

    name: Line
    """The name of the municipality."""
    code: Annotated[
        str, says("must be GM and four digits, such as GM0344"), StringConstraints(pattern=r"^GM\d{4}$", max_length=6)
    ]
    """Its code in the Dutch register (CBS): GM and four digits, such as GM0344."""
    area: Area | None = None
    """The area that data must cover where an app asks for coverage. Absent: such a requirement is not met by any
    source."""


class DataSource(Model):
    """Data that the city offers to apps."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.kind == 'postgresql' ? self.endpoint.startsWith('postgresql://')"
                " : self.kind == 'mqtt' ? self.endpoint.startsWith('mqtt') : self.endpoint.startsWith('http')",
                "the endpoint must be a postgresql:// URL for kind postgresql, mqtt:// or mqtts:// for kind mqtt, and "
                "http:// or https:// for all others",
            ),
            (
                "has(self.physicalName)"
                " || !(self.kind in ['ogc-api-features', 'ogc-edr', 'wfs', 'ngsi-ld', 'postgresql', 'mqtt'])",
                "this kind needs a physicalName: the collection, feature type, entity type, schema.table or topic",
            ),
            (
                "(self.kind == 'http-json') == has(self.jsonService)",
                "kind http-json needs a jsonService, and no other kind has one",
            ),
        )
    )

    name: Name
    """The name of the source on this platform."""
    title: Line
    """The source in a few words, for a person."""
    theme: Line | None = None
    """What the data is about, such as water. Absent: not said; requirements with a theme are not met."""
    kind: DataKind
    """How the data is fetched."""
    endpoint: Endpoint
    """The address, without a user name or password. Which address it is depends on the kind."""
    physical_name: Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)] | None = None
    """The collection, feature type, entity type, schema.table, topic filter or object key at the endpoint. Absent:
    the kind needs none."""
    json_service: JsonService | None = None
    """How the service is asked, and where its rows are. Absent: the kind is not http-json."""
    supplier: Line | None = None
    """Who supplies the data. Absent: not said."""
    provenance: Line | None = None
    """Where the data comes from, as a text or a reference (dct:provenance). Absent: not on record."""
    contract: DataContract
    """What the supplier promises of the data."""
    access_rights: AccessRights
    """Who may see the data."""
    security_class: SecurityClass | None = None
    """How confidential the data is. Absent: not said."""
    licence: Line
    """The licence of the data, such as CC-BY-4.0."""
    purposes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)]
    """What the data may be used for. The purpose of a requirement must be one of these."""
    legal_basis: LegalBasis | None = None
    """The lawful basis for personal data in it. Absent: not said."""
    processing_activity: Line | None = None
    """Reference of the processing activity in the municipality's register. Absent: none."""
    service_levels: Annotated[
        tuple[ServiceLevelPromise, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    """The service levels that the supplier promises. Absent: none."""
    credentials: Credentials | None = None
    """The Secret to use at the endpoint. Absent: the source is open."""


class Limits(Model):
    """The most that one Installation may request: its components together, and each of its runs."""

    cpu: Quantity
    """Processor cores."""
    memory: Quantity
    """Memory, in bytes."""
    storage: StorageSize | None = None
    """The volumes of its components together, in bytes. Absent: no limit."""


class KubeconfigSecret(Model):
    """A Secret in the platform's own namespace, labelled `ddtas.nl/credentials`, that holds a kubeconfig.

    It may hold an https server, the certificates of its authority, and a token or a client certificate, all inline.
    Its current context names the one namespace that workloads go to.
    """

    name: SecretName
    """The name of the Secret."""
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)] | None = None
    """The key in the Secret that holds the kubeconfig. Absent: `kubeconfig`."""


class RemoteCluster(Model):
    """The city's own cluster."""

    kubeconfig_secret: KubeconfigSecret
    """The Secret with the kubeconfig."""


class Acceptance(Model):
    """A data product of an Installation elsewhere, as a data source of this platform. It must be offered to it."""

    name: Name
    """The name that the product has as a data source of this platform."""
    namespace: Name
    """The namespace of the Installation that offers it."""
    installation: Name
    """The Installation that offers it."""
    product: PartName
    """The product, by its name in the listing of that Installation."""


class MunicipalityPlatformSpec(Model):
    """One city's platform: where workloads go, what data there is, what is true for the whole city."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.cluster) == has(oldSelf.cluster)",
                "workloads do not move between this cluster and the city's own: make another platform",
            ),
            (
                "!has(self.cluster) || !has(self.workloadNamespace)",
                "the kubeconfig's context names the namespace of a cluster: leave workloadNamespace out",
            ),
            (
                "!has(self.dataSources) || self.dataSources.all(s, !s.endpoint.matches('^[a-z]+://[^/?#]*@'))",
                "an endpoint must not hold a user name or password: name a Secret in credentials",
            ),
            ("!has(self.nameServers) || self.nameServers.all(a, isIP(a))", "nameServers must be IP addresses"),
            (
                "!has(self.accepts) || !has(self.dataSources)"
                " || self.accepts.all(a, !self.dataSources.exists(s, s.name == a.name))",
                "a name in accepts must not be that of a data source",
            ),
        )
    )

    municipality: Municipality
    """Which municipality it is."""
    workload_namespace: Name | None = None
    """The namespace of the workloads, which must be the platform's own. Absent: the same."""
    cluster: RemoteCluster | None = None
    """The city's own cluster, where the workloads go. Absent: they go beside the platform."""
    data_sources: Annotated[tuple[DataSource, ...], Field(max_length=500, json_schema_extra=list_map("name"))] = ()
    """The data that the city offers to apps. Absent: none."""
    accepts: Annotated[tuple[Acceptance, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """Data products of other Installations that the platform wants to use. Absent: none."""
    parameters: ParameterValues = Field(default_factory=dict)
    """Values that are true for the whole city, by the name that listings use in cityParameter. Absent: none."""
    limits: Limits | None = None
    """The most that one Installation may request. Absent: no limit."""
    storage_class_name: ClassName | None = None
    """The StorageClass of new volumes. Absent: the default class of the cluster."""
    capabilities: Capabilities | None = None
    """What the cluster has for apps. Absent: nothing is said; what can be read counts."""
    egress: Annotated[tuple[PermittedCall, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """Where apps may connect to beside their data sources: public servers by name, private ranges by address.
    Absent: nowhere."""
    ingress: Annotated[tuple[Caller, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Who may reach the apps beside the pods of their own namespace, such as an ingress controller. Absent: nobody."""
    name_servers: Annotated[tuple[IpAddress, ...], Field(max_length=8, json_schema_extra=LIST_SET)] = ()
    """Name servers of the apps' cluster that are no pods of kube-dns, such as a node-local cache. Absent: none."""
    minimum_assurance: Assurance | None = None
    """The least that the evidence of an app must be to serve here, where that is more than the store asks for. Absent:
    as the store asks."""
    open_runs: bool = False
    """True: runs keep their network, where the nodes cannot take it from them: their evidence is Scored, and not
    Sealed. Absent: false."""
    suspend: bool = False
    """True: freezes all Installations on the platform, as their own spec.suspend does. Absent: false."""

    def secret_names(self) -> set[str]:
        """All Secrets that the platform names."""
        named = {s.credentials.secret_name for s in self.data_sources if s.credentials is not None}
        return named if self.cluster is None else named | {self.cluster.kubeconfig_secret.name}

    def source(self, name: str) -> DataSource | None:
        """The data source with that name, or None."""
        return next((s for s in self.data_sources if s.name == name), None)


class DataUse(Model):
    """Who uses a data source, and what for."""

    installation: Name
    """The Installation, in the platform's namespace."""
    requirement: PartName
    """The data requirement of its app that the source meets."""
    purpose: Line | None = None
    """What the app uses it for, as its listing says. Absent: not said, which only public data allows."""


class DataSourceStatus(Model):
    """The last word on one data source."""

    name: Name
    """The name of the source on this platform."""
    upstream: Annotated[str, StringConstraints(max_length=130)] | None = None
    """The Installation whose product it is, as NAMESPACE/NAME. Absent: the source is the platform's own."""
    probe: Annotated[str, StringConstraints(max_length=20)] | None = None
    """Digest of the parts of the spec that the probe used; facts under another digest are stale. Absent: not probed
    yet."""
    state: Literal["Reachable", "Unreachable", "Unknown"]
    """Whether it can be read. Unknown: not probed yet, or the probe itself failed."""
    reason: Annotated[str, StringConstraints(max_length=60)]
    """Why, in one word of docs/reference/reasons.md."""
    message: Text | None = None
    """Why, in words for a person. Absent: there is nothing to say."""
    since: Timestamp
    """Since when `state` is what it is."""
    probed_at: Timestamp | None = None
    """When the facts were measured; facts that change with each record are renewed at most once an hour. Absent:
    not measured yet."""
    conformant: Verdict | None = None
    """Whether the data is what its contract promises. Absent: not compared yet."""
    faults: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)] = ()
    """Where the data differs from its contract. Absent: nowhere, as far as is known."""
    facts: SourceFacts | None = None
    """What the probe measured. Absent: nothing yet."""
    used_by: Annotated[tuple[DataUse, ...], Field(max_length=32)] = ()
    """Who uses it, by name: what serves, and what is to. Absent: nobody. Of more than 32, or than 500 of all sources
    together, the first ones are here."""
    uses: Annotated[int, Field(ge=0)] = 0
    """How many uses there are. Absent: none."""


class ListingFit(Model):
    """Whether an app of the store could run here, by its newest version that may be installed."""

    name: Name
    """The name of the AppListing."""
    version: SemVer
    """Its newest version that may be installed."""
    verdict: Verdict
    """Whether the app could run here."""
    missing: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)] = ()
    """What stands in the way or is not known yet, one line each. Absent: nothing."""


class ClusterStatus(Model):
    """The city's own cluster, as it was when it was last reached."""

    identity: Annotated[str, StringConstraints(max_length=130)]
    """UID of kube-system (or of the namespace, where that cannot be read) and the namespace, as UID/NAMESPACE.
    While the kubeconfig leads to another one, nothing is done there."""
    kubernetes_version: Annotated[str, StringConstraints(max_length=20)]
    """Its version of Kubernetes."""


class MunicipalityPlatformStatus(Model):
    """What the operator found out about the platform."""

    observed_generation: int | None = None
    """The metadata.generation that this status is about. Absent, or -1: the operator has not seen the object yet."""
    conditions: Conditions = ()
    """Whether the platform is ready, and what it lacks. Absent: not decided yet."""
    cluster: ClusterStatus | None = None
    """The city's own cluster. Absent: there is none, or it has not answered yet."""
    capabilities: MeasuredCapabilities | None = None
    """What the cluster was found to have. Absent: not read, or no listing asks for anything."""
    data_sources: Annotated[
        tuple[DataSourceStatus, ...], Field(max_length=700, json_schema_extra=list_map("name"))
    ] = ()
    """What is known of each data source. Absent: there is none."""
    sources: Annotated[str, StringConstraints(max_length=20)] | None = None
    """How many data sources can be read, of how many, such as 3/4. Absent: not counted yet."""
    conformant: Annotated[str, StringConstraints(max_length=20)] | None = None
    """How many data sources are what their contracts promise, of how many. Absent: not counted yet."""
    listings: Annotated[tuple[ListingFit, ...], Field(max_length=200, json_schema_extra=list_map("name"))] = ()
    """Which apps of the store could run here. Absent: none is known."""
    apps: Annotated[str, StringConstraints(max_length=20)] | None = None
    """How many apps of the store could run here, of how many. Absent: not counted yet."""
    attempts: Annotated[tuple[ExamAttempt, ...], Field(max_length=MAX_ATTEMPTS)] = ()
    """The exams that apps took here, the oldest first. Deleting an Installation forgets none. Absent: none."""
    earlier_failures: Annotated[
        tuple[EarlierFailures, ...], Field(max_length=MAX_HOLDOUTS, json_schema_extra=list_map("holdout"))
    ] = ()
    """Attempts that failed, and are not listed any more. Absent: none."""


class MunicipalityPlatform(Resource):
    """A municipality's Open Urban Platform: the socket that every app plugs into."""

    spec: MunicipalityPlatformSpec
    """The city, its data and its limits."""
    status: MunicipalityPlatformStatus = MunicipalityPlatformStatus()
    """What the operator found. Only the operator writes it."""
