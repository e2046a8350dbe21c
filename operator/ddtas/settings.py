"""Settings of one operator process, from environment variables DDTAS_*; frozen once read.

The store policy (what a listing needs before it may be installed) is the market master's, and comes from the same
place: `DDTAS_MINIMUM_REVIEW_SCORE`, `DDTAS_REQUIRE_IMAGE_DIGESTS`.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class StorePolicy(BaseModel):
    """What the market master asks of a listing."""

    model_config = ConfigDict(frozen=True)

    minimum_review_score: int = 6
    require_image_digests: bool = False


class Settings(BaseSettings):
    """All settings. Lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="DDTAS_", frozen=True)

    # Namespaces to watch; none means all of them (and needs cluster-wide rights).
    namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    # Where the Lease lives. The chart sets both from the pod itself.
    lease_namespace: str = "default"
    identity: str = "ddtas-operator"
    leader_election: bool = True

    http_host: str = "0.0.0.0"  # noqa: S104 - metrics and probes are for the kubelet and Prometheus
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: str = "INFO"
    workers: Annotated[int, Field(ge=1, le=64)] = 8

    minimum_review_score: Annotated[int, Field(ge=0, le=10)] = 6
    require_image_digests: bool = False

    probe_interval_seconds: Annotated[int, Field(ge=5)] = 300
    probe_deadline_seconds: Annotated[float, Field(gt=0)] = 20
    probe_max_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    # Address ranges that probes may reach although they are forbidden by default, such as 127.0.0.0/8.
    probe_allowed_ranges: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()

    # What the cluster's network is, where it cannot be read or is to be narrower: ranges that neither probes, nor
    # connections to cities' clusters, nor apps may reach; ranges of Services and pods; name servers that are no pods of
    # kube-dns; namespaces whose Services any platform may have as data sources.
    denied_ranges: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    cluster_ranges: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    dns_addresses: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    shared_namespaces: Annotated[tuple[str, ...], NoDecode] = ()
    cluster_domain: str = "cluster.local"

    # Between two looks at a city's own cluster, and ranges that such a cluster may be in although they are forbidden.
    cluster_interval_seconds: Annotated[float, Field(ge=1)] = 30
    cluster_allowed_ranges: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()

    # Between two looks at the capabilities of a cluster, where a listing asks for something.
    capabilities_interval_seconds: Annotated[float, Field(ge=1)] = 300

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
    def policy(self) -> StorePolicy:
        """The store policy alone, for the decision."""
        return StorePolicy(
            minimum_review_score=self.minimum_review_score, require_image_digests=self.require_image_digests
        )
