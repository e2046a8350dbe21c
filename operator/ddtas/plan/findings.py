"""What is found true of an object: the stages of an Installation, and the findings that become its conditions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ddtas.plan.reasons import Course, Reason


class Stage(StrEnum):
    """How far a revision is, in this order; each stage is a condition of that name."""

    ACCEPTED = "Accepted"
    DATA_BOUND = "DataBound"
    PROVISIONED = "Provisioned"
    CALIBRATED = "Calibrated"
    VALIDATED = "Validated"
    SERVING = "Serving"


STAGES = tuple(Stage)

# Conditions beside the stages: they do not count for Ready.
UP_TO_DATE = "UpToDate"
OFFERS_REACHABLE = "OffersReachable"
CREDENTIALS_PASSED_ON = "CredentialsPassedOn"
PRODUCTS_PUBLISHED = "ProductsPublished"

Status = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true of one condition: a stage of an Installation, or another type of condition."""

    condition: str
    status: Status
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        """Whether the condition is True."""
        return self.status == "True"


def true(condition: str, reason: Reason, message: str) -> Finding:
    """A condition that holds."""
    return Finding(condition, "True", reason, message)


def not_yet(condition: str, reason: Reason, message: str) -> Finding:
    """A condition that does not hold: False where something is wrong, Unknown where it is only under way."""
    return Finding(condition, "Unknown" if reason.course is Course.WORKING else "False", reason, message)
