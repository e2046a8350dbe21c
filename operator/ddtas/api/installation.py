"""Installation: one app on one city's platform."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.base import (
    Conditions,
    FieldName,
    Line,
    Model,
    Name,
    PartName,
    Resource,
    SemVer,
    Text,
    Timestamp,
    Verdict,
    Window,
    cel,
    list_map,
)
from ddtas.api.base import Parameters as ParameterValues
from ddtas.api.platform import DataSource

RevisionId = Annotated[str, StringConstraints(pattern=r"^[a-f0-9]{10}$", max_length=10)]
Number = Annotated[str, StringConstraints(max_length=40)]  # shown, not computed with: no float in a status


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


class InstallationSpec(Model):
    """Which app, which version, on which platform, with which values."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "self.listing == oldSelf.listing && self.platform == oldSelf.platform",
                "listing and platform cannot change: delete this Installation and create another",
            )
        )
    )

    listing: Name
    version: SemVer
    platform: Name
    parameters: ParameterValues = Field(default_factory=dict)
    bindings: Annotated[tuple[BindingChoice, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    windows: Windows | None = None
    suspend: bool = False
    offers: Annotated[tuple[Offer, ...], Field(max_length=8, json_schema_extra=list_map("product"))] = ()
    # Warn where it is left out.
    removal: Removal | None = None

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
    checks: Annotated[tuple[Check, ...], Field(max_length=100, json_schema_extra=list_map("name"))] = ()
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


class RevisionStatus(Model):
    """One attempt to serve, with its evidence."""

    id: RevisionId
    version: SemVer
    state: Literal["Candidate", "Serving"]
    calibration: Evidence | None = None
    validation: Evidence | None = None
    upstreams: Annotated[tuple[Feed, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()


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


class InventoryItem(Model):
    """An object that the operator made for this Installation."""

    kind: Annotated[str, StringConstraints(max_length=63)]
    name: Annotated[str, StringConstraints(max_length=253)]


class InstallationStatus(Model):
    """The whole story of an Installation, as far as it is known."""

    observed_generation: int | None = None
    conditions: Conditions = ()
    progress: Annotated[str, StringConstraints(max_length=20)] | None = None
    url: Annotated[str, StringConstraints(max_length=300)] | None = None
    revision: RevisionId | None = None
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
    revisions: Annotated[tuple[RevisionStatus, ...], Field(max_length=10, json_schema_extra=list_map("id"))] = ()
    inventory: Annotated[
        tuple[InventoryItem, ...], Field(max_length=200, json_schema_extra=list_map("kind", "name"))
    ] = ()

    def evidence(self, revision: str) -> RevisionStatus | None:
        """What is known of a revision, or None."""
        return next((r for r in self.revisions if r.id == revision), None)


class Installation(Resource):
    """One app of the store on one city's platform, calibrated and validated on that city's own data."""

    spec: InstallationSpec
    status: InstallationStatus = InstallationStatus()


__all__ = ["Binding", "Check", "Evidence", "Installation", "InstallationStatus", "Line", "Outcome", "Text"]
