"""The status of an Installation: how far it is, and why."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ddtas.api.base import Conditions, Verdict
from ddtas.api.evidence import MAX_REVISIONS, RevisionId, RevisionStatus
from ddtas.api.platform import DataSource
from ddtas.api.volumes import VolumeStatus
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import Name, PartName, SemVer, Timestamp


class Check(Model):
    """One check of a requirement against a source, by the contract and by the data itself."""

    name: Annotated[str, StringConstraints(max_length=80)]
    declared: Verdict
    measured: Verdict
    message: Annotated[str, StringConstraints(max_length=500)]


class NearMiss(Model):
    """A source that does not fit, with what it would take."""

    data_source: Name
    missing: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)]


class Upstream(Model):
    """The Installation whose product feeds, or would feed, a requirement."""

    installation: Name
    # Where it is not this Installation's own.
    namespace: Name | None = None
    product: PartName
    # Serving: it feeds. NotServing: waited for. Leaving: deleted, and held by its consumers. Gone: there no more.
    state: Literal["Serving", "NotServing", "Leaving", "Gone"]
    # What serves there; it may change without a new revision here.
    revision: RevisionId | None = None
    version: SemVer | None = None


class Binding(Model):
    """Which source meets a requirement, with the verdict of every check."""

    requirement: PartName
    verdict: Verdict
    data_source: Name | None = None
    contract_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    upstream: Upstream | None = None
    checks: Annotated[tuple[Check, ...], Field(max_length=160, json_schema_extra=list_map("name"))] = ()
    near_misses: Annotated[tuple[NearMiss, ...], Field(max_length=5, json_schema_extra=list_map("dataSource"))] = ()


class Trigger(StrEnum):
    """Why an app is calibrated anew."""

    SCHEDULE = "Schedule"
    AGE = "Age"
    SCHEMA = "Schema"
    DRIFT = "Drift"
    REQUEST = "Request"
    DATA_CONTRACT = "DataContract"
    CITY_PARAMETER = "CityParameter"


class RecalibrationStatus(Model):
    """The newest recalibration, and the next one that time will bring."""

    trigger: Trigger | None = None
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None
    # When it began.
    since: Timestamp | None = None
    # What time, schema or drift called for last: an input of the revision, which makes it another one.
    round: Annotated[str, StringConstraints(max_length=80)] | None = None
    next: Timestamp | None = None


class ServiceBinding(Model):
    """Where a servicebinding.io client finds out how to reach this Installation (Provisioned Service)."""

    name: Name


class ProductStatus(Model):
    """A data product that can be had now."""

    name: PartName
    # A Secret of type servicebinding.io/<kind> beside the Installation.
    secret_name: Name
    # As it is among the data sources of its platform.
    source: DataSource


class Consumer(Model):
    """An Installation that uses a product of this one."""

    namespace: Name
    installation: Name


class ObjectName(Model):
    """An object in the namespace of the Installation's workloads."""

    kind: Annotated[str, StringConstraints(max_length=63)]
    name: Annotated[str, StringConstraints(max_length=253)]


class InventoryItem(ObjectName):
    """An object that the operator made for this Installation."""

    uid: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None, description="By it the operator knows again what it made, whatever its labels and owners say."
    )


class DriftedItem(ObjectName):
    """An object that somebody changed by hand, and that is left so."""

    found: Literal["Edited", "Missing"]


class PlannedItem(InventoryItem):
    """An object that would be created, changed or removed."""

    action: Literal["Create", "Change", "Remove"]


class PlanStatus(Model):
    """What would be done, if something were done: until the app serves, each run taken to pass."""

    message: Annotated[str, StringConstraints(max_length=200)]
    """The plan in a few words, or why it is not known."""
    calibrates: bool = False
    """Whether the app would be calibrated."""
    validates: bool = False
    """Whether it would be validated."""
    items: Annotated[tuple[PlannedItem, ...], Field(max_length=200)] | None = None
    """All objects that would be created, changed or removed: an empty list where none would, and absent while that is
    not known."""


class InstallationStatus(Model):
    """The whole story of an Installation, as far as it is known."""

    observed_generation: int | None = None
    conditions: Conditions = ()
    progress: Annotated[str, StringConstraints(max_length=20)] | None = None
    url: Annotated[str, StringConstraints(max_length=300)] | None = None
    revision: RevisionId | None = None
    # The version that the spec leads to now.
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    # The newest one of the channel, where that is newer; the condition UpToDate says why it is not taken.
    available_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    serving_revision: RevisionId | None = None
    serving_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    last_retry: Annotated[str, StringConstraints(max_length=64)] | None = None
    # The Secret of the first product.
    binding: ServiceBinding | None = None
    products: Annotated[tuple[ProductStatus, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    consumers: Annotated[
        tuple[Consumer, ...], Field(max_length=100, json_schema_extra=list_map("namespace", "installation"))
    ] = ()
    bindings: Annotated[tuple[Binding, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    # The one that the spec asks for, the one that serves, then the others, the latest first.
    revisions: Annotated[
        tuple[RevisionStatus, ...], Field(max_length=MAX_REVISIONS, json_schema_extra=list_map("id"))
    ] = ()
    inventory: Annotated[
        tuple[InventoryItem, ...], Field(max_length=200, json_schema_extra=list_map("kind", "name"))
    ] = ()
    recalibration: RecalibrationStatus | None = None
    volumes: Annotated[tuple[VolumeStatus, ...], Field(max_length=64, json_schema_extra=list_map("claim"))] = ()
    plan: PlanStatus | None = None
    drift: Annotated[tuple[DriftedItem, ...], Field(max_length=200, json_schema_extra=list_map("kind", "name"))] = ()

    def evidence(self, revision: str) -> RevisionStatus | None:
        """What is known of a revision, or None."""
        return next((r for r in self.revisions if r.id == revision), None)
