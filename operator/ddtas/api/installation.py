"""Installation: one app on one city's platform."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ddtas.api.base import Recalibration, Resource
from ddtas.api.evidence import RevisionId
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.volumes import VolumePolicy
from ddtas.api.workload import RunWindow
from ddtas.names import MAX_INSTALLATION_NAME
from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import AnyFieldName, FieldName, Name, PartName, SemVer, Unit, VersionRange, Window
from ddtas.schema.types import Parameters as ParameterValues


class FieldMapping(Model):
    """A field of the source that a city says meets a field of the requirement."""

    field: FieldName
    """The field, by its name in the listing."""
    source: Annotated[AnyFieldName, Field(alias="from")]
    """The name of the field in the source."""
    unit: Unit | None = None
    """The unit of its values in the source. Absent: as the contract or the source says."""


class BindingChoice(Model):
    """An explicit choice of the data source that meets a requirement."""

    requirement: PartName
    """The data requirement, by its name in the listing."""
    data_source: Name
    """The data source of the platform that is to meet it."""
    fields: Annotated[tuple[FieldMapping, ...], Field(max_length=64, json_schema_extra=list_map("field"))] = ()
    """Which field of the source meets which field of the requirement. Absent: found by concept, then by name."""


class Windows(Model):
    """The periods of calibration and validation, as days."""

    calibration: Window
    """The days to calibrate on."""
    validation: Window
    """The days to validate on."""


class ChosenWindows(Model):
    """The city's own periods, where the listing's do not fit its data."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "has(self.calibration.last) == has(self.validation.last)",
                "calibration and validation must both be days, or both be given by last",
            ),
            (
                "has(self.calibration.last) || has(self.validation.last)"
                " || self.calibration.end < self.validation.start || self.validation.end < self.calibration.start",
                "the validation window must not share a day with the calibration window",
            ),
        )
    )

    calibration: RunWindow
    """The days to calibrate on."""
    validation: RunWindow
    """The days to validate on."""


class Recipient(Model):
    """A platform that a product is offered to; it must accept."""

    namespace: Name
    """The namespace of the platform."""
    platform: Name
    """The name of the platform."""


class Offer(Model):
    """A data product that other platforms than this Installation's own may use."""

    product: PartName
    """The data product, by its name in the listing."""
    to: Annotated[
        tuple[Recipient, ...],
        Field(min_length=1, max_length=32, json_schema_extra=list_map("namespace", "platform")),
    ]
    """The platforms that may use it."""


class Removal(StrEnum):
    """What happens when an Installation is deleted whose products others use.

    Warn: it goes, and they say what they lost. Wait: it stays until none of them uses its products any more.
    """

    WARN = "Warn"
    WAIT = "Wait"


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
    """The AppListing of the app. It cannot be changed."""
    version: SemVer | None = None
    """The one version to serve. Absent: `versionRange` or `channel` chooses it."""
    version_range: VersionRange | None = None
    """Comparators that the version must meet, all of them, such as ">=1.2.0 <2.0.0". Absent: any version of the
    channel."""
    channel: PartName | None = None
    """The channel of the listing to take versions from. Absent: `stable`, where versionRange is given."""
    upgrade_policy: Literal["Automatic", "Manual"] | None = None
    """Automatic: serve the newest of these versions as soon as it is listed. Manual: keep the version until another
    one is approved. Absent: Automatic."""
    approved_version: SemVer | None = None
    """With upgradePolicy Manual, approves this version, as the annotation ddtas.nl/approve does. Absent: approves
    none."""
    rollback_to: RevisionId | None = None
    """Serve this revision of status.revisions, with its evidence, whatever version the spec asks for. Absent: no
    rollback."""
    platform: Name
    """The MunicipalityPlatform, in the same namespace. It cannot be changed."""
    parameters: ParameterValues = Field(default_factory=dict)
    """Values of the app's parameters by name: texts, numbers, true or false. Absent: the city's values, then the
    listing's."""
    bindings: Annotated[tuple[BindingChoice, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    """Which data source meets a requirement, where several fit. Absent: the one that fits."""
    windows: ChosenWindows | None = None
    """The city's own periods for calibration and validation. Absent: those of the listing."""
    recalibration: Recalibration | None = None
    """When to calibrate again, in place of what the version says; an empty object means never by time. Absent: as
    the version says."""
    mode: Literal["Apply", "Plan"] | None = None
    """Apply: do what the spec asks for. Plan: do nothing, and show in status.plan what would be done. Absent: Apply."""
    drift: Literal["Correct", "Report"] | None = None
    """What happens to objects that somebody edited or deleted by hand. Correct: they are put right. Report:
    status.drift lists them. Absent: Correct."""
    suspend: bool = False
    """True: what is there stays, and nothing new is done. Absent: false."""
    offers: Annotated[tuple[Offer, ...], Field(max_length=8, json_schema_extra=list_map("product"))] = ()
    """Data products that other platforms may use. Absent: none."""
    removal: Removal | None = None
    """What happens on deletion while others use its products. Warn: it goes. Wait: it stays until nobody uses them.
    Absent: Warn."""
    volumes: VolumePolicy | None = None
    """What happens on deletion to its volumes. Retain: they stay, with their data. Delete: they go. Absent: Retain."""

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if (self.version is None) == (self.version_range is None and self.channel is None):
            raise ValueError(_ONE_WAY_TO_CHOOSE)
        return self

    def choice(self, requirement: str) -> str | None:
        """The data source chosen for a requirement, or None where the choice is left to the match."""
        return next((b.data_source for b in self.bindings if b.requirement == requirement), None)


class Installation(Resource):
    """One app of the store on one city's platform, calibrated and validated on that city's own data."""

    longest_name: ClassVar[int] = MAX_INSTALLATION_NAME
    named_after_it: ClassVar[str] = "the names of its Jobs and Services begin with it"

    spec: InstallationSpec
    """What is asked for."""
    status: InstallationStatus = InstallationStatus()
    """What the operator found and did. Only the operator writes it."""
