"""What the runs of a revision showed, and what became of the revision."""

import math
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from ddtas.api.base import Verdict
from ddtas.names import REVISION_ID, REVISION_ID_LENGTH
from ddtas.schema.model import Model, list_map
from ddtas.schema.types import FieldName, Name, PartName, SemVer, Timestamp, Window

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


class Feed(Model):
    """A data source of a revision that is the product of another Installation."""

    requirement: PartName
    data_source: Name
    installation: Name
    namespace: Name | None = None
    product: PartName


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
