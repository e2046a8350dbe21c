"""Settings of one operator process, from environment variables DDTAS_*; frozen once read.

The store policy (what a listing needs before it may be installed) is the market master's, and comes from the same
place: `DDTAS_MINIMUM_REVIEW_SCORE`, `DDTAS_REQUIRE_IMAGE_DIGESTS`.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Assurance = Literal["Sealed", "Scored", "None"]


class StorePolicy(BaseModel):
    """What the market master asks of a listing."""

    model_config = ConfigDict(frozen=True)

    minimum_review_score: int = 6
    require_image_digests: bool = False
    minimum_assurance: Assurance = "None"
    maximum_attempts: int = 5


class Runner(BaseModel):
    """The operator's own containers in the pods of apps, which fetch the data."""

    model_config = ConfigDict(frozen=True)

    image: str = ""
    """"" where none is set, so that no app can get its data as files."""
    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    """Ranges that may be connected to although they are forbidden by default."""


CHART_VALUE = "x-chart-value"


def _chart(value: str) -> Any:
    """The value of the Helm chart that sets this one."""
    return Field(json_schema_extra={CHART_VALUE: value})


Ranges = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]
Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings. Lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="DDTAS_", frozen=True, use_attribute_docstrings=True)

    namespaces: Annotated[Names, _chart("namespaces")] = ()
    """Namespaces to serve; none means all, which takes cluster-wide rights."""
    lease_namespace: str = "default"
    """Where the Lease `ddtas-operator` and the Secret `ddtas-operator-seal` are. The chart sets its own namespace."""
    identity: str = "ddtas-operator"
    """The name of this replica in the Lease; each replica needs another one. The chart sets the name of the pod."""
    leader_election: bool = True
    """`false` for a single process on a developer's machine."""

    http_host: str = "0.0.0.0"  # noqa: S104 - metrics and probes are for the kubelet and Prometheus
    """Address of the HTTP port, which serves `/metrics`, `/readyz` and `/healthz`."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Number of the HTTP port."""
    log_level: Annotated[str, _chart("logLevel")] = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """How many objects are reconciled at once."""

    minimum_review_score: Annotated[int, Field(ge=0, le=10), _chart("minimumReviewScore")] = 6
    """The least score for each of the six criteria of the review."""
    require_image_digests: Annotated[bool, _chart("requireImageDigests")] = False
    """Whether images without `@sha256:` are refused."""

    minimum_assurance: Annotated[Assurance, _chart("minimumAssurance")] = "None"
    """The least that the evidence of an app must be to serve: `Sealed`, `Scored` or `None` (docs/evidence.md)."""

    maximum_attempts: Annotated[int, Field(ge=1, le=100), _chart("maximumAttempts")] = 5
    """How many attempts at one exam may fail on a platform, before only newer data opens another one."""

    runner_image: Annotated[str, _chart("runner.image")] = ""
    """The image of the containers that fetch the data of apps; none means that no app gets its data as files."""

    probe_interval_seconds: Annotated[int, Field(ge=5), _chart("probes.intervalSeconds")] = 300
    """Time between two probes of a data source."""
    probe_deadline_seconds: Annotated[float, Field(gt=0)] = 20
    """The longest time that one probe may take."""
    probe_max_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    """The most bytes that one probe reads; facts that need the rest are unknown."""
    probe_allowed_ranges: Annotated[Ranges, _chart("probes.allowedRanges")] = ()
    """Ranges that probes may connect to although they are forbidden by default, such as 127.0.0.0/8."""

    denied_ranges: Annotated[Ranges, _chart("network.deniedRanges")] = ()
    """Ranges that neither probes, nor connections to cities' clusters, nor apps may reach."""
    cluster_ranges: Annotated[Ranges, _chart("network.clusterRanges")] = ()
    """Ranges of Services and pods, beside those that can be read from the cluster."""
    dns_addresses: Annotated[Ranges, _chart("network.dnsAddresses")] = ()
    """Name servers that are no pods of kube-dns, and that apps may use as well."""
    shared_namespaces: Annotated[Names, _chart("network.sharedNamespaces")] = ()
    """Namespaces whose Services any platform may list as data sources."""
    cluster_domain: Annotated[str, _chart("network.clusterDomain")] = "cluster.local"
    """What the full names of Services end in."""

    cluster_interval_seconds: Annotated[float, Field(ge=1)] = 30
    """Time between two checks of a city's own cluster."""
    cluster_allowed_ranges: Annotated[Ranges, _chart("clusters.allowedRanges")] = ()
    """Ranges that a city's own cluster may be in although they are forbidden by default."""

    capabilities_interval_seconds: Annotated[float, Field(ge=1), _chart("capabilities.intervalSeconds")] = 300
    """Time between two surveys of the capabilities of a cluster, where a listing asks for something."""

    @field_validator("namespaces", "shared_namespaces", mode="before")
    @classmethod
    def _namespaces(cls, value: object) -> object:
        return _split(value)

    @field_validator(
        "probe_allowed_ranges",
        "cluster_allowed_ranges",
        "denied_ranges",
        "cluster_ranges",
        "dns_addresses",
        mode="before",
    )
    @classmethod
    def _ranges(cls, value: object) -> object:
        parts = _split(value)
        return tuple(ip_network(str(part)) for part in parts) if isinstance(parts, list) else parts

    @property
    def runner(self) -> Runner:
        """What fetches the data of apps, for the decision."""
        return Runner(image=self.runner_image, allowed=self.probe_allowed_ranges)

    @property
    def policy(self) -> StorePolicy:
        """The store policy alone, for the decision."""
        return StorePolicy(
            minimum_review_score=self.minimum_review_score,
            require_image_digests=self.require_image_digests,
            minimum_assurance=self.minimum_assurance,
            maximum_attempts=self.maximum_attempts,
        )
