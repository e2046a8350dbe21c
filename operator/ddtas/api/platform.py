"""MunicipalityPlatform: one city's Open Urban Platform, in the municipality's own namespace."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import (
    LIST_SET,
    Conditions,
    FieldName,
    IsoDate,
    Line,
    Model,
    Name,
    Quantity,
    Resource,
    Text,
    Timestamp,
    Url,
    cel,
    list_map,
)
from ddtas.api.base import Parameters as ParameterValues
from ddtas.api.datasource import AccessRights, Credentials, DataContract, DataKind, FieldType, ServiceLevelPromise


class Municipality(Model):
    """The municipality, with its code in the Dutch register (CBS), such as GM0344."""

    name: Line
    code: Annotated[str, StringConstraints(pattern=r"^GM\d{4}$", max_length=6)]


class DataSource(Model):
    """Data that the city offers to apps."""

    name: Name
    title: Line
    theme: Line | None = None
    kind: DataKind
    endpoint: Url
    supplier: Line | None = None
    contract: DataContract
    access_rights: AccessRights
    licence: Line
    # What the data may be used for (purpose limitation); a requirement's purpose must be one of these.
    purposes: Annotated[tuple[Line, ...], Field(min_length=1, max_length=32, json_schema_extra=LIST_SET)]
    service_levels: Annotated[
        tuple[ServiceLevelPromise, ...], Field(max_length=8, json_schema_extra=list_map("property"))
    ] = ()
    credentials: Credentials | None = None


class Limits(Model):
    """The most that one Installation may request: its components together, and each of its runs."""

    cpu: Quantity
    memory: Quantity


class MunicipalityPlatformSpec(Model):
    """One city's platform: where workloads go, what data there is, what is true for the whole city."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.dataSources) || self.dataSources.all(s, !s.endpoint.matches('^https?://[^/?#]*@'))",
                "an endpoint must not hold a user name or password: name a Secret in credentials",
            )
        )
    )

    municipality: Municipality
    # Local platforms run their workloads beside themselves, so this must be the platform's own namespace.
    workload_namespace: Name | None = None
    data_sources: Annotated[tuple[DataSource, ...], Field(max_length=100, json_schema_extra=list_map("name"))] = ()
    parameters: ParameterValues = Field(default_factory=dict)
    limits: Limits | None = None

    def source(self, name: str) -> DataSource | None:
        """The data source with that name, or None."""
        return next((s for s in self.data_sources if s.name == name), None)


class MeasuredField(Model):
    """A field found in the data; `type` is the narrowest type that all looked-at values fit."""

    name: FieldName
    type: FieldType
    empty: int = 0


class SourceFacts(Model):
    """What a probe found. A fact that it could not find is absent, and counts as Unknown."""

    fields: Annotated[tuple[MeasuredField, ...], Field(max_length=128, json_schema_extra=list_map("name"))] = ()
    records: int | None = None
    first: IsoDate | None = None
    last: IsoDate | None = None
    time_resolution: Annotated[str, StringConstraints(max_length=32)] | None = None
    size_bytes: int | None = None


class DataSourceStatus(Model):
    """The last word on one data source."""

    name: Name
    # Digest of the parts of the spec that the probe used; facts under another digest are stale.
    probe: Annotated[str, StringConstraints(max_length=20)] | None = None
    state: Literal["Reachable", "Unreachable", "Unknown"]
    reason: Annotated[str, StringConstraints(max_length=60)]
    message: Text | None = None
    since: Timestamp
    facts: SourceFacts | None = None


class MunicipalityPlatformStatus(Model):
    """What the operator found out about the platform."""

    observed_generation: int | None = None
    conditions: Conditions = ()
    data_sources: Annotated[
        tuple[DataSourceStatus, ...], Field(max_length=100, json_schema_extra=list_map("name"))
    ] = ()
    sources: Annotated[str, StringConstraints(max_length=20)] | None = None


class MunicipalityPlatform(Resource):
    """A municipality's Open Urban Platform: the socket that every app plugs into."""

    spec: MunicipalityPlatformSpec
    status: MunicipalityPlatformStatus = MunicipalityPlatformStatus()
