"""What the models of all three kinds share: conditions, verdicts, recalibration and object metadata."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from ddtas.errors import InvalidObject, printable
from ddtas.schema.faults import words
from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import Cron, Duration, Timestamp, TimeZone

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


class Verdict(StrEnum):
    """The outcome of one check. Unknown means that there is no answer; it is neither a pass nor a fail."""

    MET = "Met"
    NOT_MET = "NotMet"
    UNKNOWN = "Unknown"


_AN_HOUR = "maximumAge must be an hour or more, given in days or hours, such as P90D or PT6H"


class Recalibration(Model):
    """When the evidence of what serves expires, so that it is calibrated and validated again. UTC unless `timeZone`.

    What is due begins later by a part of `jitter` (one hour unless given; of an age, at most a tenth of it) that is the
    Installation's own: cities that share a schedule do not all begin at once. From the beginning of one recalibration
    to the next, ten minutes pass at least.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("!has(self.maximumAge) || self.maximumAge.matches('^P[0-9YMWD]*[1-9]|T[0-9]*[1-9][0-9]*H')", _AN_HOUR),
        )
    )

    schedule: Cron | None = None
    """When to calibrate again, as five fields of cron: minute, hour, day of the month, month, day of the week.
    Absent: not by schedule."""
    time_zone: TimeZone | None = None
    """The IANA time zone of `schedule`, such as Europe/Amsterdam. Absent: UTC."""
    jitter: Duration | None = None
    """At most how much later a recalibration begins, as an ISO 8601 duration. Absent: one hour."""
    maximum_age: Duration | None = None
    """How long after the last attempt the evidence expires, as an ISO 8601 duration of an hour or more. Absent: it
    does not expire by age."""


class Condition(Model):
    """A condition as in k8s.io/apimachinery metav1.Condition."""

    type: Annotated[str, StringConstraints(max_length=40)]
    """The name of the condition, such as Ready."""
    status: Literal["True", "False", "Unknown"]
    """True, False, or Unknown."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+$", max_length=60)]
    """Why it has this status: one word of docs/reference/reasons.md."""
    message: Annotated[str, StringConstraints(max_length=2000)]
    """What is the case, where, and what to do next, in words for a person."""
    observed_generation: int
    """The metadata.generation that the condition is about."""
    last_transition_time: Timestamp
    """When `status` changed last."""


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=list_map("type"))]


class Metadata(Model):
    """The part of an object's metadata that the operator uses."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deletion_timestamp: datetime | None = None


class Resource(Model):
    """A custom resource: metadata, and in the subclasses spec and status."""

    # Its name becomes the value of labels, a part of other names, or a reference elsewhere: a DNS label of this length.
    longest_name: ClassVar[int] = 63
    named_after_it: ClassVar[str] = "labels and references hold it"

    metadata: Metadata

    @classmethod
    def about_names(cls) -> str:
        """What the name of such an object must be, for a person."""
        return f"metadata.name must have at most {cls.longest_name} characters and no dot: {cls.named_after_it}"

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Make a model of what the API server sent.

        Raises:
            InvalidObject: with the first three faults, each with the path of its field.
        """
        try:
            parsed = cls.model_validate(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[:3]
            faults = [printable(f"{'.'.join(map(str, e['loc']))}: {words(e)}") for e in first]
            raise InvalidObject("; ".join(faults)) from None
        # Admission asks for it too, but those that were there before it did have stayed.
        if len(parsed.metadata.name) > cls.longest_name or not _DNS_LABEL.fullmatch(parsed.metadata.name):
            raise InvalidObject(cls.about_names())
        return parsed
