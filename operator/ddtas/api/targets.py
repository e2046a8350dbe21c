"""What an app is judged on: which values it predicts, and which it does not get to see."""

from typing import Annotated

from pydantic import Field

from ddtas.schema.model import Model
from ddtas.schema.types import FieldName, PartName
from ddtas.scoring.order import TargetKind


class Holdout(Model):
    """Some of the values of a key, whose rows are kept from the app in all its runs.

    For a model of places instead of days: trees, houses, road sections. Which they are is drawn by the platform, and is
    the same for each attempt.
    """

    key: FieldName
    """The field whose values are drawn."""
    share_percent: Annotated[int, Field(ge=1, le=90)]
    """How many of the values are kept from the app, in percent."""


class Target(Model):
    """A field that the app predicts. It is kept from the app where the app is judged on it."""

    name: PartName
    """The name of the target: of its file of predictions, and in the names of its metrics."""
    requirement: PartName
    """The data requirement that has it, with delivery Files. Each run must read it."""
    field: FieldName
    """The field of that requirement."""
    kind: TargetKind
    """What is predicted: Continuous, a number; Ensemble, a number as equally likely members; Binary, the probability
    of an event; Classes, a name."""
    holdout: Holdout | None = None
    """Which rows are kept from the app. Absent: those of the validation window."""
