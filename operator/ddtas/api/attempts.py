"""The exams that apps took on a platform. A retry is not a new exam, whatever it is called."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.api.evidence import Digest, ExamContent, RevisionId
from ddtas.schema.model import Model
from ddtas.schema.types import Name, Timestamp, Window

MAX_ATTEMPTS = 100  # that are listed one by one
MAX_HOLDOUTS = 200  # whose earlier failures are counted


class AttemptOutcome(StrEnum):
    """How an attempt ended.

    Passed, Failed: the thresholds were met, or not. Void: it ended before anything was scored, and does not count.
    Abandoned: its Installation or revision went before its result was read, which may have been seen: it counts as
    failed.
    """

    PASSED = "Passed"
    FAILED = "Failed"
    VOID = "Void"
    ABANDONED = "Abandoned"


class ExamAttempt(Model):
    """One attempt at an exam. It is written before the run is started."""

    installation: Name
    """The name of the Installation, in the namespace of the platform."""
    uid: Annotated[str, StringConstraints(max_length=64)]
    """Its UID: one of the same name that came later is another one."""
    revision: RevisionId
    """The revision that is validated."""
    listing: Name
    """The AppListing of the app."""
    exam: ExamContent
    """What it is judged on."""
    number: Annotated[int, Field(ge=1)]
    """How many times that exam was taken here, this time included, as far as the attempts are listed or failed."""
    started: Timestamp
    """When it was written down; its run is started after that."""
    outcome: AttemptOutcome | None = None
    """How it ended. Absent: it goes on."""
    reason: Annotated[str, StringConstraints(max_length=60)] | None = None
    """Why, in one word of docs/reference/reasons.md. Absent: it goes on, or was abandoned."""
    truths: Annotated[tuple[Digest, ...], Field(max_length=8)] = ()
    """SHA-256 of the values that it was judged on: the same ones at another address are the same exam. Absent: nothing
    was scored."""


class EarlierFailures(Model):
    """Attempts that failed, and are counted only, because there were many since."""

    holdout: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", max_length=16)]
    """What they were judged on, as in `attempts[].exam[].holdout`."""
    window: Window | None = None
    """From the first to the last day that any of them was judged on. Absent: all days."""
    failed: Annotated[int, Field(ge=1)]
    """How many failed, or were abandoned."""
