"""What the runs of a revision showed, and what became of the revision."""

import math
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints

from ddtas.api.base import Verdict
from ddtas.data.delivery.report import FetchedTable
from ddtas.names import REVISION_ID, REVISION_ID_LENGTH
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import FieldName, Line, Name, PartName, SemVer, Timestamp, Window

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


Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]


class Outcome(StrEnum):
    """How a run ended. Inconclusive: it says nothing about the model (a crash, NaN, an image that is not there)."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


class Assurance(StrEnum):
    """How far a result can be believed.

    Sealed: computed by the platform, on data that the app could not get at. Scored: computed by the platform; the app
    had a network. None: the app's own word.
    """

    SEALED = "Sealed"
    SCORED = "Scored"
    NONE = "None"

    def reaches(self, least: "Assurance") -> bool:
        """Whether it is at least that."""
        order = list(Assurance)
        return order.index(self) <= order.index(least)


class MetricResult(Model):
    """A metric of a run, against its threshold where it has one."""

    name: FieldName
    """The metric: of several targets, TARGET.METRIC."""
    value: Number
    """Its value, as a text."""
    low: Number | None = None
    """What it is at least, with the threshold's confidence, or 95 %. Absent: there is no interval."""
    high: Number | None = None
    """What it is at most, with that confidence. Absent: there is no interval."""
    threshold: Annotated[str, StringConstraints(max_length=60)] | None = None
    """The bound that it was compared with. Absent: the listing has no threshold for it."""
    verdict: Verdict | None = None
    """Whether the value meets the threshold. Absent: there is no threshold."""


class CalibratedParameter(Model):
    """A parameter value that calibration found for this city."""

    name: FieldName
    """The parameter, as the run names it."""
    value: Number
    """Its value, as a text."""


class Prediction(Model):
    """What a run predicted of one target: all that it was asked for."""

    target: PartName
    """The target, by its name in the listing."""
    rows: Annotated[int, Field(ge=0)]
    """The rows that were kept from the app, and that it predicted."""
    start: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the first of them. Absent: the data has no time."""
    end: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the last of them. Absent: the data has no time."""
    digest: Digest
    """SHA-256 of the predictions."""
    truth: Digest
    """SHA-256 of the rows and their true values: the same exam has the same one."""


class HeldOut(Model):
    """What one target is judged on: two exams that share it, and a day of it, are the same exam."""

    holdout: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", max_length=16)]
    """Digest of the listing, the address and name of the data, and the field that is kept from the app."""
    window: Window | None = None
    """The days that are kept from it. Absent: all; rows are drawn by a key."""

    def meets(self, other: Self) -> bool:
        """Whether both keep the same values from the app, or some of them."""
        if self.holdout != other.holdout:
            return False
        return self.window is None or other.window is None or self.window.overlaps(other.window)


ExamContent = Annotated[tuple[HeldOut, ...], Field(max_length=8)]


class Evidence(Model):
    """What a run of one revision showed. It belongs to that revision alone."""

    outcome: Outcome
    """How the run ended."""
    reason: Annotated[str, StringConstraints(max_length=60)]
    """Why, in one word of docs/reference/reasons.md."""
    message: Annotated[str, StringConstraints(max_length=1000)]
    """Why, in words for a person."""
    job: Annotated[str, StringConstraints(max_length=63)]
    """The name of the Job that ran."""
    assurance: Assurance | None = None
    """How far it can be believed. Absent: None, the app's own word."""
    predictions: Annotated[tuple[Prediction, ...], Field(max_length=8, json_schema_extra=list_map("target"))] = ()
    """What was predicted, and scored. Absent: nothing was."""
    parameters: Annotated[
        tuple[CalibratedParameter, ...], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = ()
    """What calibration found. Absent: the run reported none."""
    metrics: Annotated[tuple[MetricResult, ...], Field(max_length=64, json_schema_extra=list_map("name"))] = ()
    """The metrics, each with its threshold. Absent: there are none."""
    windows: Annotated[tuple[Window, ...], Field(max_length=16)] = ()
    """The days that the run used: as it reported them, or where the platform scored it, those that it was given.
    Absent: not known."""
    tables: Annotated[tuple[FetchedTable, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    """The data that was fetched for the run. Absent: none was."""
    attempt: Annotated[int, Field(ge=1)] | None = None
    """Which attempt at its exam it was on this platform, whoever made those before. Absent: it is no exam."""
    completed_at: Timestamp | None = None
    """When the run ended. Absent: not known."""


class RevisionState(StrEnum):
    """What became of a revision. Superseded: its runs have passed, and another one was asked for since."""

    CANDIDATE = "Candidate"
    SERVING = "Serving"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


MAX_REVISIONS = 10  # that are remembered, the one that serves and the one that is asked for among them


class UsedProduct(Model):
    """A data source of a revision that is the product of another Installation."""

    requirement: PartName
    """The data requirement that the product meets."""
    data_source: Name
    """The name of the product among the data sources of the platform."""
    installation: Name
    """The Installation that serves the product."""
    namespace: Name | None = None
    """The namespace of that Installation. Absent: that of this one."""
    product: PartName
    """The name of the product in its listing."""


class UsedSource(Model):
    """A data source of a revision, and what it is used for."""

    requirement: PartName
    """The data requirement that it meets."""
    data_source: Name
    """The name of the data source on the platform."""
    purpose: Line | None = None
    """What the app uses it for, as its listing says. Absent: not said, which only public data allows."""


class RevisionStatus(Model):
    """One attempt to serve, with its evidence."""

    id: RevisionId
    """The digest of its inputs, which is part of the names of its objects."""
    version: SemVer
    """The version of the app that it runs."""
    state: RevisionState
    """What became of it."""
    calibration: Evidence | None = None
    """What calibration showed. Absent: it has not ended."""
    validation: Evidence | None = None
    """What validation showed. Absent: it has not ended."""
    monitoring: Evidence | None = None
    """What the newest monitoring run showed. Absent: none has ended."""
    exam: ExamContent = ()
    """What its validation is judged on, for each target: it is started once the platform's status.attempts has it.
    Absent: not calibrated yet, or its runs report their own metrics."""
    measured: Annotated[str, StringConstraints(max_length=16)] | None = None
    """Digest of the fields that were measured in the data it was calibrated on. Absent: not measured then."""
    upstreams: Annotated[tuple[UsedProduct, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    """Products of other Installations among its data sources. Absent: none."""
    sources: Annotated[tuple[UsedSource, ...], Field(max_length=16, json_schema_extra=list_map("requirement"))] = ()
    """Its data sources, each with what for. Absent: an earlier version of the operator did not say."""

    @property
    def passed(self) -> bool:
        """Both runs have passed: this revision may serve."""
        return all(run is not None and run.outcome is Outcome.PASSED for run in (self.calibration, self.validation))
