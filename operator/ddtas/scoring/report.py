"""What `score` says at its end, in its termination message: at most 2.5 KiB of JSON, read as hostile.

The kubelet shares 12 KiB among the containers of a pod, so that one more of them cuts each message shorter.
"""

import hashlib
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from ddtas.schema.model import Model
from ddtas.schema.types import FieldName, PartName

MOST_BYTES = 2560

_Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
_Number = Annotated[str, StringConstraints(pattern=r"^-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$", max_length=24)]
_Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]


class Score(Model):
    """A metric of one target, with its interval. Finite numbers, as texts."""

    target: PartName
    """The target."""
    metric: FieldName
    """The metric, such as NSE."""
    value: _Number
    """Its value over all that was predicted."""
    low: _Number | None = None
    """What it is at least, with the confidence that was asked for. Absent: there is no interval."""
    high: _Number | None = None
    """What it is at most, with that confidence. Absent: there is no interval."""


class Predicted(Model):
    """What was predicted of one target."""

    target: PartName
    """The target."""
    rows: _Count
    """The rows that were predicted, which are all that were asked for."""
    start: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the first of them (ISO 8601). Absent: the data has no time."""
    end: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the last of them. Absent: the data has no time."""
    digest: _Digest
    """SHA-256 of the file."""
    truth: _Digest
    """SHA-256 of the rows' keys and true values: the same exam has the same one, whatever it is called."""


class FoundParameter(Model):
    """A parameter that calibration found."""

    name: FieldName
    """The parameter."""
    value: _Number
    """Its value, a finite number."""


class ScoreFault(Model):
    """Why there is no score: the output is not what was asked for."""

    reason: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{0,59}$", max_length=60)]
    """Why, in one word."""
    message: Annotated[str, StringConstraints(max_length=1000)]
    """Why, in words for a person: what is wrong, where, and what to do next."""


class ScoreReport(Model):
    """The whole report. It is from our own code, but what it quotes is the app's."""

    predicted: Annotated[tuple[Predicted, ...], Field(max_length=8)] = ()
    """What was predicted."""
    scores: Annotated[tuple[Score, ...], Field(max_length=64)] = ()
    """How good that is."""
    parameters: Annotated[tuple[FoundParameter, ...], Field(max_length=64)] = ()
    """What calibration found."""
    fault: ScoreFault | None = None
    """Why there is no score. Absent: there is one."""
    left_out: _Count = 0
    """Metrics for which there was no room. None of those that are bounded."""

    def sealed(self) -> str:
        """The termination message: a digest, a newline, and the report as JSON."""
        text = self.model_dump_json(by_alias=True, exclude_defaults=True)
        return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"

    @classmethod
    def unsealed(cls, message: str) -> Self:
        """Read a termination message.

        Raises:
            ValueError: it is none, or was cut.
        """
        digest, _, text = message.partition("\n")
        if hashlib.sha256(text.encode(errors="replace")).hexdigest() != digest:
            raise ValueError("the report is not whole: something else wrote into it, or it was cut")
        return cls.model_validate_json(text)
