"""MunicipalityPlatform: one city's Open Urban Platform, in the municipality's own namespace."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import Conditions, Resource, Verdict
from ddtas.api.capabilities import MeasuredOffers, Offers
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
    code: Annotated[
        str, says("must be GM and four digits, such as GM0344"), StringConstraints(pattern=r"^GM\d{4}$", max_length=6)
    ]
    # What data must cover where an app asks for coverage.
    area: Area | None = None


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
                " || !(self.kind in ['ogc-api-features', 'wfs', 'ngsi-ld', 'postgresql', 'mqtt'])",
                "this kind needs a physicalName: the collection, feature type, entity type, schema.table or topic",
            ),
        )
    )

    name: Name
    title: Line
    theme: Line | None = None
    kind: DataKind
    endpoint: Endpoint
    # What the data is called where it is kept: collection, feature type, entity type, schema.table, topic filter.
    physical_name: Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$", max_length=200)] | None = None
    supplier: Line | None = None
    # Where the data comes from, as a text or a reference (dct:provenance).
    provenance: Line | None = None
    contract: DataContract
    access_rights: AccessRights
    security_class: SecurityClass | None = None
    licence: Line
    # What the data may be used for (purpose limitation); a requirement's purpose must be one of these.
    purposes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)]
    legal_basis: LegalBasis | None = None
    # Reference of the processing activity in the municipality's register.
    processing_activity: Line | None = None
    service_levels: Annotated[
        tuple[ServiceLevelPromise, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    credentials: Credentials | None = None


class Limits(Model):
    """The most that one Installation may request: its components together, and each of its runs."""

    cpu: Quantity
    memory: Quantity
    # Of the volumes of its components; any amount where it is left out.
    storage: StorageSize | None = None


class KubeconfigSecret(Model):
    """A Secret in the platform's own namespace, labelled `ddtas.nl/credentials`, that holds a kubeconfig.

    It may hold an https server, the certificates of its authority, and a token or a client certificate, all inline.
    Its current context names the one namespace that workloads go to.
    """

    name: SecretName
    # The entry of the Secret; `kubeconfig` where it is left out.
    key: Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)] | None = None


class RemoteCluster(Model):
    """The city's own cluster."""

    kubeconfig_secret: KubeconfigSecret


class Acceptance(Model):
    """A data product of an Installation elsewhere, as a data source of this platform. It must be offered to it."""

    # What it is called here, beside the platform's own data sources.
    name: Name
    namespace: Name
    installation: Name
    product: PartName


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
    # Local platforms run their workloads beside themselves, so this must be the platform's own namespace.
    workload_namespace: Name | None = None
    # Where workloads go when that is not beside the platform.
    cluster: RemoteCluster | None = None
    data_sources: Annotated[tuple[DataSource, ...], Field(max_length=500, json_schema_extra=list_map("name"))] = ()
    # What other Installations offer to this platform, and it wants.
    accepts: Annotated[tuple[Acceptance, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    parameters: ParameterValues = Field(default_factory=dict)
    limits: Limits | None = None
    # Of new volumes; the cluster's default class where it is left out.
    storage_class_name: SecretName | None = None
    # What the cluster offers to apps.
    offers: Offers | None = None
    egress: Annotated[tuple[PermittedCall, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """Where apps may connect to beside their data sources; public servers by name, private ranges by address."""
    ingress: Annotated[tuple[Caller, ...], Field(max_length=16, json_schema_extra=list_map("name"))] = ()
    """Who may reach the apps beside the pods of their own namespace, such as an ingress controller."""
    name_servers: Annotated[tuple[IpAddress, ...], Field(max_length=8, json_schema_extra=LIST_SET)] = ()
    """Name servers of the apps' cluster that are no pods of kube-dns, such as a node-local cache."""
    # Freezes all Installations on the platform, as their own spec.suspend does.
    suspend: bool = False

    def secret_names(self) -> set[str]:
        """All Secrets that the platform names."""
        named = {s.credentials.secret_name for s in self.data_sources if s.credentials is not None}
        return named if self.cluster is None else named | {self.cluster.kubeconfig_secret.name}

    def source(self, name: str) -> DataSource | None:
        """The data source with that name, or None."""
        return next((s for s in self.data_sources if s.name == name), None)


class DataSourceStatus(Model):
    """The last word on one data source."""

    name: Name
    # Whose product it is, as namespace/Installation; absent for a source of the platform itself.
    upstream: Annotated[str, StringConstraints(max_length=130)] | None = None
    # Digest of the parts of the spec that the probe used; facts under another digest are stale.
    probe: Annotated[str, StringConstraints(max_length=20)] | None = None
    state: Literal["Reachable", "Unreachable", "Unknown"]
    reason: Annotated[str, StringConstraints(max_length=60)]
    message: Text | None = None
    since: Timestamp
    # When the facts were found. Facts that only moved on with time are renewed at most once an hour.
    looked_at: Timestamp | None = None
    # Whether the data is what its contract promises, and where it is not.
    conformant: Verdict | None = None
    faults: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)] = ()
    facts: SourceFacts | None = None


class ListingFit(Model):
    """Whether an app of the store could run here, by its newest version that may be installed."""

    name: Name
    version: SemVer
    verdict: Verdict
    # One line a requirement or platform property that stands in the way, or is not known yet.
    missing: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)] = ()


class ClusterStatus(Model):
    """The city's own cluster, as it was when it was last reached."""

    # UID of kube-system (or of the namespace, where that cannot be read) and the namespace: UID/NAMESPACE. While the
    # kubeconfig leads to another one, nothing is done there.
    identity: Annotated[str, StringConstraints(max_length=130)]
    kubernetes_version: Annotated[str, StringConstraints(max_length=20)]


class MunicipalityPlatformStatus(Model):
    """What the operator found out about the platform."""

    observed_generation: int | None = None
    conditions: Conditions = ()
    cluster: ClusterStatus | None = None
    offers: MeasuredOffers | None = None
    data_sources: Annotated[
        tuple[DataSourceStatus, ...], Field(max_length=700, json_schema_extra=list_map("name"))
    ] = ()
    sources: Annotated[str, StringConstraints(max_length=20)] | None = None
    conformant: Annotated[str, StringConstraints(max_length=20)] | None = None
    listings: Annotated[tuple[ListingFit, ...], Field(max_length=200, json_schema_extra=list_map("name"))] = ()
    apps: Annotated[str, StringConstraints(max_length=20)] | None = None


class MunicipalityPlatform(Resource):
    """A municipality's Open Urban Platform: the socket that every app plugs into."""

    spec: MunicipalityPlatformSpec
    status: MunicipalityPlatformStatus = MunicipalityPlatformStatus()
