"""Installation: one app on one city's platform."""

import math
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from ddtas.api.base import Conditions, Recalibration, Resource, Verdict
from ddtas.api.platform import DataSource
from ddtas.names import MAX_INSTALLATION_NAME, REVISION_ID, REVISION_ID_LENGTH
from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import FieldName, Line, Name, PartName, SemVer, Text, Timestamp, VersionRange, Window
from ddtas.schema.types import Parameters as ParameterValues

RevisionId = Annotated[str, StringConstraints(pattern=f"^{REVISION_ID.pattern}$", max_length=REVISION_ID_LENGTH)]


def _finite(text: str) -> str:
    if not math.isfinite(float(text)):
        raise ValueError("must be a finite number")
    return text


Number = Annotated[  # as a text: no float in a status
    str,
    StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$", max_length=40),
    AfterValidator(_finite),
]


class BindingChoice(Model):
    """An explicit choice of the data source that meets a requirement."""

    requirement: PartName
    data_source: Name


class Windows(Model):
    """The city's own periods, where the listing's do not fit its data."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.calibration.end < self.validation.start || self.validation.end < self.calibration.start",
                "the validation window must not share a day with the calibration window",
            )
        )
    )

    calibration: Window
    validation: Window


class Recipient(Model):
    """A platform that a product is offered to; it must accept."""

    namespace: Name
    platform: Name


class Offer(Model):
    """A data product that other platforms than this Installation's own may use."""

    product: PartName
    to: Annotated[
        tuple[Recipient, ...],
        Field(min_length=1, max_length=32, json_schema_extra=list_map("namespace", "platform")),
    ]


class Removal(StrEnum):
    """What happens when an Installation is deleted whose products others use.

    Warn: it goes, and they say what they lost. Wait: it stays until none of them uses its products any more.
    """

    WARN = "Warn"
    WAIT = "Wait"


class VolumePolicy(StrEnum):
    """What becomes of an Installation's volumes, and the data on them, when it is deleted.

    Retain: they stay, and an Installation of the same name and listing takes them over. Delete: they go with it.
    """

    RETAIN = "Retain"
    DELETE = "Delete"


_ONE_WAY_TO_CHOOSE = "give either version, or versionRange or channel or both"


class InstallationSpec(Model):
    """Which app, which version, on which platform, with which values."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.listing == oldSelf.listing && self.platform == oldSelf.platform",
                "listing and platform cannot change: delete this Installation and create another",
            ),
            ("has(self.version) != (has(self.versionRange) || has(self.channel))", _ONE_WAY_TO_CHOOSE),
            (
                "!has(self.version) || !has(self.upgradePolicy) && !has(self.approvedVersion)",
                "upgradePolicy and approvedVersion need a versionRange or a channel: version leaves nothing to choose",
            ),
        )
    )

    listing: Name
    version: SemVer | None = None
    """This very version."""
    version_range: VersionRange | None = None
    """Any version that meets all comparators, such as ">=1.2.0 <2.0.0"."""
    channel: PartName | None = None
    """The versions that the listing offers there; `stable` for a versionRange without a channel."""
    upgrade_policy: Literal["Automatic", "Manual"] | None = None
    """Automatic (as when absent): the newest of these as soon as it is listed. Manual: stay, until one is approved."""
    approved_version: SemVer | None = None
    """Approves this version where upgradePolicy is Manual, as the annotation ddtas.nl/approve does."""
    rollback_to: RevisionId | None = None
    """Serve this revision of status.revisions, with the evidence that it has, whatever version the spec asks for."""
    platform: Name
    parameters: ParameterValues = Field(default_factory=dict)
    bindings: Annotated[tuple[BindingChoice, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    windows: Windows | None = None
    # Instead of the version's; an empty one means never by time.
    recalibration: Recalibration | None = None
    # Plan: nothing is done, and status.plan says what would be. Apply is what happens without it.
    mode: Literal["Apply", "Plan"] | None = None
    # Objects that somebody edited or deleted by hand: put right (Correct, also without it), or only reported.
    drift: Literal["Correct", "Report"] | None = None
    suspend: bool = False
    offers: Annotated[tuple[Offer, ...], Field(max_length=8, json_schema_extra=list_map("product"))] = ()
    # Warn where it is left out.
    removal: Removal | None = None
    # Retain where it is left out.
    volumes: VolumePolicy | None = None

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if (self.version is None) == (self.version_range is None and self.channel is None):
            raise ValueError(_ONE_WAY_TO_CHOOSE)
        return self

    def choice(self, requirement: str) -> str | None:
        """The data source chosen for a requirement, or None where the choice is left to the match."""
        return next((b.data_source for b in self.bindings if b.requirement == requirement), None)


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


class Feed(Model):
    """A data source of a revision that is the product of another Installation."""

    requirement: PartName
    data_source: Name
    installation: Name
    namespace: Name | None = None
    product: PartName


class Binding(Model):
    """Which source meets a requirement, with the verdict of every check."""

    requirement: PartName
    verdict: Verdict
    data_source: Name | None = None
    contract_version: Annotated[str, StringConstraints(max_length=64)] | None = None
    upstream: Upstream | None = None
    checks: Annotated[tuple[Check, ...], Field(max_length=160, json_schema_extra=list_map("name"))] = ()
    near_misses: Annotated[tuple[NearMiss, ...], Field(max_length=5, json_schema_extra=list_map("dataSource"))] = ()


class Outcome(StrEnum):
    """How a run ended. Inconclusive: it says nothing about the model (a crash, NaN, an image that is not there)."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


class MetricResult(Model):
    """A metric that the run reported, against its threshold where it has one."""

    name: FieldName
    value: Number
    threshold: Annotated[str, StringConstraints(max_length=60)] | None = None
    verdict: Verdict | None = None


class CalibratedParameter(Model):
    """A parameter value that calibration found for this city."""

    name: FieldName
    value: Number


class Evidence(Model):
    """What a run of one revision showed. It belongs to that revision alone."""

    outcome: Outcome
    reason: Annotated[str, StringConstraints(max_length=60)]
    message: Annotated[str, StringConstraints(max_length=1000)]
    job: Annotated[str, StringConstraints(max_length=63)]
    parameters: Annotated[
        tuple[CalibratedParameter, ...], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = ()
    metrics: Annotated[tuple[MetricResult, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    windows: Annotated[tuple[Window, ...], Field(max_length=16)] = ()
    completed_at: Timestamp | None = None


class RevisionState(StrEnum):
    """What became of a revision. Superseded: its runs have passed, and another one was asked for since."""

    CANDIDATE = "Candidate"
    SERVING = "Serving"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


MAX_REVISIONS = 10  # that are remembered, the one that serves and the one that is asked for among them


class RevisionStatus(Model):
    """One attempt to serve, with its evidence."""

    id: RevisionId
    version: SemVer
    state: RevisionState
    calibration: Evidence | None = None
    validation: Evidence | None = None
    # The newest monitoring run.
    monitoring: Evidence | None = None
    # Digest of the fields that were measured in the data that it was calibrated on.
    measured: Annotated[str, StringConstraints(max_length=16)] | None = None
    upstreams: Annotated[tuple[Feed, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()

    @property
    def passed(self) -> bool:
        """Both runs have passed: this revision may serve."""
        return all(run is not None and run.outcome is Outcome.PASSED for run in (self.calibration, self.validation))


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


class RefusedGrowth(Model):
    """That a volume was to become larger, and the API server refused."""

    size: Annotated[str, StringConstraints(max_length=20)]
    message: Annotated[str, StringConstraints(max_length=500)]
    at: Timestamp


class VolumeStatus(Model):
    """A volume of the Installation, and the PersistentVolumeClaim that it is."""

    claim: Annotated[str, StringConstraints(max_length=253)]
    component: PartName
    name: PartName
    phase: Literal["Pending", "Bound", "Lost", "Terminating"]
    # What it has, or what is asked for while it has none.
    size: Annotated[str, StringConstraints(max_length=20)]
    storage_class: Annotated[str, StringConstraints(max_length=253)] | None = None
    # What becomes of it when the Installation is deleted; another spec.volumes shows once it holds.
    on_deletion: VolumePolicy
    # True where neither the revision that is asked for nor the one that serves has it. It is kept all the same.
    unused: bool = False
    message: Annotated[str, StringConstraints(max_length=1000)] | None = None
    refused: RefusedGrowth | None = None


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


class Installation(Resource):
    """One app of the store on one city's platform, calibrated and validated on that city's own data."""

    longest_name: ClassVar[int] = MAX_INSTALLATION_NAME
    named_after_it: ClassVar[str] = "the names of its Jobs and Services begin with it"

    spec: InstallationSpec
    status: InstallationStatus = InstallationStatus()


__all__ = ["Binding", "Check", "Evidence", "Installation", "InstallationStatus", "Line", "Outcome", "Text"]
