"""The status of an Installation: how far it is, and why."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ddtas.api.base import Conditions, Verdict
from ddtas.api.evidence import MAX_REVISIONS, RevisionId, RevisionStatus
from ddtas.api.platform import DataSource
from ddtas.api.volumes import VolumeStatus
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import AnyFieldName, FieldName, Name, PartName, SemVer, Text, Timestamp


class Check(Model):
    """One check of a requirement against a source, by the contract and by the data itself."""

    name: Annotated[str, StringConstraints(max_length=80)]
    """What is compared, such as crs or fields.rain_mm."""
    declared: Verdict
    """Whether the supplier's contract says that it fits."""
    measured: Verdict
    """Whether the data itself showed that it fits."""
    message: Annotated[str, StringConstraints(max_length=500)]
    """What is needed and what is there, in words for a person."""


class NearMiss(Model):
    """A source that does not fit, with what it would take."""

    data_source: Name
    """The data source of the platform."""
    missing: Annotated[tuple[Annotated[str, StringConstraints(max_length=500)], ...], Field(max_length=16)]
    """What it lacks, one line for each check."""


class FieldBinding(Model):
    """Where a field of the app's table comes from."""

    field: FieldName
    """The field, by its name in the listing."""
    source: Annotated[AnyFieldName, Field(alias="from")]
    """The field of the source that it is made of."""
    conversion: Annotated[str, StringConstraints(max_length=200)] | None = None
    """What is done with its values, such as "m3/h to m3/s; mean of PT10M". Absent: nothing."""


class Upstream(Model):
    """The Installation whose product meets, or would meet, a requirement."""

    installation: Name
    """The Installation that serves the product, or would."""
    namespace: Name | None = None
    """The namespace of that Installation. Absent: that of this one."""
    product: PartName
    """The name of the product in its listing."""
    state: Literal["Serving", "NotServing", "Leaving", "Gone"]
    """Serving: the product can be used. NotServing: it is waited for. Leaving: it is being deleted, and waits for
    its consumers. Gone: it is not there any more."""
    revision: RevisionId | None = None
    """The revision that serves there. Absent: none does."""
    version: SemVer | None = None
    """The version that serves there. Absent: none does."""


class Binding(Model):
    """Which source meets a requirement, with the verdict of every check."""

    requirement: PartName
    """The data requirement, by its name in the listing."""
    verdict: Verdict
    """Whether a source meets it."""
    data_source: Name | None = None
    """The source that meets it, or that was chosen. Absent: none."""
    contract_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The version of that source's contract. Absent: no source."""
    upstream: Upstream | None = None
    """The Installation that the source is a product of. Absent: the source is the platform's own."""
    checks: Annotated[tuple[Check, ...], Field(max_length=160, json_schema_extra=list_map("name"))] = ()
    """Every check of the requirement against the source. Absent: no source."""
    fields: Annotated[tuple[FieldBinding, ...], Field(max_length=64, json_schema_extra=list_map("field"))] = ()
    """For each field of the app's table, where it comes from. Absent: no source, or delivery Direct."""
    near_misses: Annotated[tuple[NearMiss, ...], Field(max_length=5, json_schema_extra=list_map("dataSource"))] = ()
    """Sources that do not fit, the nearest first. Absent: none."""


class Trigger(StrEnum):
    """Why an app is calibrated again."""

    SCHEDULE = "Schedule"
    AGE = "Age"
    SCHEMA = "Schema"
    MODEL_DRIFT = "ModelDrift"
    REQUEST = "Request"
    DATA_CONTRACT = "DataContract"
    CITY_PARAMETER = "CityParameter"


class RecalibrationStatus(Model):
    """The newest recalibration, and the next one that time will bring."""

    trigger: Trigger | None = None
    """Why the newest recalibration began. Absent: there was none."""
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None
    """The same in words for a person. Absent: there was none."""
    since: Timestamp | None = None
    """When it began. Absent: there was none."""
    round: Annotated[str, StringConstraints(max_length=80)] | None = None
    """What time, schema or drift called for last. It is an input of the revision. Absent: nothing yet."""
    next: Timestamp | None = None
    """When time will call for the next one. Absent: time calls for none."""


class ServiceBinding(Model):
    """Where a servicebinding.io client finds out how to reach this Installation (Provisioned Service)."""

    name: Name
    """The name of the Secret."""


class ProductStatus(Model):
    """A data product that can be had now."""

    name: PartName
    """The name of the product in its listing."""
    secret_name: Name
    """The Secret that says where the product is, of type servicebinding.io/KIND."""
    source: DataSource
    """The product as a data source of the platform, with no more rights than the data that it is made of."""
    limited_by: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    """The data sources that give it fewer rights than its listing does. Absent: none."""
    declassified: Text | None = None
    """Why it may have more rights than the data that it is made of, as its listing says. Absent: it has no more."""


class Consumer(Model):
    """An Installation that uses a product of this one."""

    namespace: Name
    """The namespace of the Installation."""
    installation: Name
    """The name of the Installation."""


class ObjectName(Model):
    """An object in the namespace of the Installation's workloads."""

    kind: Annotated[str, StringConstraints(max_length=63)]
    """The kind of the object."""
    name: Annotated[str, StringConstraints(max_length=253)]
    """The name of the object."""


class InventoryItem(ObjectName):
    """An object that the operator made for this Installation."""

    uid: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The UID of the object, by which the operator recognises what it made. Absent: not known."""


class DriftedItem(ObjectName):
    """An object that somebody changed by hand, and that is left so."""

    change: Literal["Edited", "Missing"]
    """Edited: fields differ. Missing: the object was deleted."""


class PlannedItem(InventoryItem):
    """An object that would be created, changed or removed."""

    action: Literal["Create", "Change", "Remove"]
    """What would be done with the object."""


class PlanStatus(Model):
    """What would be done, if something were done: until the app serves, each run taken to pass."""

    message: Annotated[str, StringConstraints(max_length=200)]
    """The plan in a few words, or why it is not known."""
    calibrates: bool = False
    """Whether the app would be calibrated. Absent: no."""
    validates: bool = False
    """Whether the app would be validated. Absent: no."""
    items: Annotated[tuple[PlannedItem, ...], Field(max_length=200)] | None = None
    """All objects that would be created, changed or removed; empty where none would. Absent: not known yet."""


class InstallationStatus(Model):
    """The whole story of an Installation, as far as it is known."""

    observed_generation: int | None = None
    """The metadata.generation that this status is about. Absent, or -1: the operator has not seen the object yet."""
    conditions: Conditions = ()
    """How far the Installation is: Ready, and the six steps before it. Absent: not decided yet."""
    progress: Annotated[str, StringConstraints(max_length=20)] | None = None
    """How many of the six steps hold, such as 3/6. Absent: not decided yet."""
    url: Annotated[str, StringConstraints(max_length=300)] | None = None
    """The address of the app inside the cluster. Absent: nothing serves, or no component has a port."""
    revision: RevisionId | None = None
    """The revision that the spec asks for. Absent: the spec leads to none yet."""
    version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The version that the spec leads to. Absent: it leads to none."""
    available_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The newest version of the channel, where it is newer; the condition UpToDate says why it is not used. Absent:
    there is none."""
    serving_revision: RevisionId | None = None
    """The revision that serves. Absent: none does."""
    serving_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The version that serves. Absent: none does."""
    last_retry: Annotated[str, StringConstraints(max_length=64)] | None = None
    """The value of the annotation ddtas.nl/retry that was carried out last. Absent: none was."""
    binding: ServiceBinding | None = None
    """The Secret of the first product, for clients of servicebinding.io. Absent: no product is served."""
    products: Annotated[tuple[ProductStatus, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """Data products that can be used now. Absent: none."""
    consumers: Annotated[
        tuple[Consumer, ...], Field(max_length=100, json_schema_extra=list_map("namespace", "installation"))
    ] = ()
    """Installations that use products of this one. Absent: none."""
    bindings: Annotated[tuple[Binding, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    """Which source meets which data requirement, and why. Absent: not compared yet."""
    revisions: Annotated[
        tuple[RevisionStatus, ...], Field(max_length=MAX_REVISIONS, json_schema_extra=list_map("id"))
    ] = ()
    """The revisions that are remembered: first the one that is asked for, then the one that serves, then the
    latest. Absent: none."""
    inventory: Annotated[
        tuple[InventoryItem, ...], Field(max_length=200, json_schema_extra=list_map("kind", "name"))
    ] = ()
    """All objects that the operator made for this Installation. Absent: none."""
    recalibration: RecalibrationStatus | None = None
    """The newest recalibration, and when the next one is due. Absent: there was none, and none is planned."""
    volumes: Annotated[tuple[VolumeStatus, ...], Field(max_length=64, json_schema_extra=list_map("claim"))] = ()
    """The volumes of the Installation. Absent: none."""
    plan: PlanStatus | None = None
    """What would be done, while spec.mode is Plan or the Installation is suspended. Absent: nothing holds the work
    back."""
    drift: Annotated[tuple[DriftedItem, ...], Field(max_length=200, json_schema_extra=list_map("kind", "name"))] = ()
    """Objects that somebody changed by hand, while spec.drift is Report. Absent: none."""

    def evidence(self, revision: str) -> RevisionStatus | None:
        """What is known of a revision, or None."""
        return next((r for r in self.revisions if r.id == revision), None)
