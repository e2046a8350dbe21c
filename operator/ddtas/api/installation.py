"""Installation: one app on one city's platform."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ddtas.api.base import Recalibration, Resource
from ddtas.api.evidence import RevisionId
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.volumes import VolumePolicy
from ddtas.names import MAX_INSTALLATION_NAME
from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import Name, PartName, SemVer, VersionRange, Window
from ddtas.schema.types import Parameters as ParameterValues


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


class Installation(Resource):
    """One app of the store on one city's platform, calibrated and validated on that city's own data."""

    longest_name: ClassVar[int] = MAX_INSTALLATION_NAME
    named_after_it: ClassVar[str] = "the names of its Jobs and Services begin with it"

    spec: InstallationSpec
    status: InstallationStatus = InstallationStatus()
