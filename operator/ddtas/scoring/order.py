"""What is scored: a file that `score` finds in its configuration.

For each target, `fetch` leaves the truth in TRUTH/<requirement>/data.parquet: the whole table, as it would have been
delivered, and in the app's DATA/<requirement>/predict/<target>.csv the rows that the app is to predict: the time and
the columns that tell series apart (or the key), of each row that is withheld and has a value. The app writes
OUTPUT/<target>.csv: the same columns, and what it predicts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.schema.model import Model
from ddtas.schema.types import Duration, FieldName, PartName, Timestamp, TimeZone

FILE = "score.json"
PREDICT = "predict"
"""The folder, in that of a requirement, of the rows that are to be predicted."""
PARAMETERS = "parameters.json"
"""What calibration finds, in OUTPUT: numbers by name."""


class TargetKind(StrEnum):
    """What is predicted, and so which metrics there are.

    Continuous: a number; the app writes `value`, and may write `lower` and `upper` of its band of 90 %.
    Ensemble: a number; the app writes `member_1` to `member_N`, all equally likely.
    Binary: whether an event happens; the app writes `value`, a probability from 0 to 1.
    Classes: one of some names; the app writes `value`.
    """

    CONTINUOUS = "Continuous"
    ENSEMBLE = "Ensemble"
    BINARY = "Binary"
    CLASSES = "Classes"


_SKILL = ("skillPersistence", "skillClimatology")
_CONTINUOUS = ("NSE", "KGE", "KGE2012", "RSR", "R2", "PBIAS", "absPBIAS", "RMSE", "MAE", "bias")
METRICS: Mapping[TargetKind, tuple[str, ...]] = {
    TargetKind.CONTINUOUS: (*_CONTINUOUS, *_SKILL, "coverage90"),
    TargetKind.ENSEMBLE: ("CRPS", *_SKILL, "coverage90", *_CONTINUOUS),
    TargetKind.BINARY: ("Brier", "AUC", "POD", "FAR", "CSI", "F1", "accuracy", *_SKILL),
    TargetKind.CLASSES: ("accuracy", "macroF1"),
}
"""The metrics of each kind, those first that are reported first. docs/evidence.md has their formulas."""


class ScoredTarget(Model):
    """One target of a run."""

    name: PartName
    """The name of the target."""
    requirement: PartName
    """The data requirement whose table has it."""
    field: FieldName
    """The column of the table that is predicted."""
    kind: TargetKind
    """What is predicted."""
    time: FieldName | None = None
    """The column of the time of a row. Absent: the data has no time."""
    keys: Annotated[tuple[FieldName, ...], Field(max_length=16)] = ()
    """The columns that tell rows of one time apart. Absent: none do."""
    time_zone: TimeZone | None = None
    """The zone of the times. Absent: UTC."""
    step: Duration | None = None
    """The time from one row of a series to the next. Absent: not known."""
    start: Timestamp | None = None
    """The first moment of the period that is scored. Absent: it has no first one."""
    end: Timestamp | None = None
    """The moment at which that period ends (not part of it). Absent: it has no end."""
    key: FieldName | None = None
    """One of `keys`, whose values are drawn. Absent: all rows of the period are predicted."""
    share_percent: Annotated[int, Field(ge=1, le=90)] | None = None
    """How many of the values of `key` are predicted, in percent. Absent: only where `key` is."""
    seed: Annotated[str, StringConstraints(max_length=64)] = ""
    """What the draw depends on: as the data was withheld (`Withheld`)."""


class WantedMetric(Model):
    """A metric that must be in the report, and how sure its interval has to be."""

    target: PartName
    """The target that it is of."""
    metric: FieldName
    """The metric."""
    confidence_percent: Annotated[int, Field(ge=50, le=99)] | None = None
    """The probability that the metric is at least `low`, and that it is at most `high`. Absent: 95 %."""


class ScoreOrder(Model):
    """All that one run is scored by."""

    targets: Annotated[tuple[ScoredTarget, ...], Field(max_length=8)] = ()
    """What is predicted. Absent: nothing; a calibration may find parameters alone."""
    wanted: Annotated[tuple[WantedMetric, ...], Field(max_length=32)] = ()
    """The metrics that are bounded. The others are reported as far as there is room."""
    predictions: bool = True
    """Whether each target must be predicted. False: where a file of predictions is there, it is scored."""
    parameters: bool = False
    """Whether the run must find parameters. Absent: it must not write any."""
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """Of what is drawn to get at intervals: the same for each attempt."""
