"""Findings as conditions, and the status of an object that nothing can be done about but to say so.

A condition keeps its time of transition while its status stays the same; nothing else of the old status matters.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from ddtas.api.base import Condition
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.listing import AppListingStatus
from ddtas.api.platform import (
    MunicipalityPlatformStatus,
)
from ddtas.plan.findings import Finding, Stage
from ddtas.plan.reasons import Course, Reason

Status = AppListingStatus | MunicipalityPlatformStatus | InstallationStatus


# The condition by which an object gets in, where its kind has one.
_GATES = {InstallationStatus: Stage.ACCEPTED, AppListingStatus: "Listed"}


def conditions(
    findings: Iterable[Finding], old: Sequence[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Findings as conditions; the time of transition stays where the status did."""
    before = {c.type: c for c in old}
    result = []
    for finding in findings:
        was = before.get(finding.condition)
        result.append(
            Condition(
                type=finding.condition,
                status=finding.status,
                reason=finding.reason,
                message=finding.message[:2000],
                observed_generation=generation,
                last_transition_time=was.last_transition_time
                if was is not None and was.status == finding.status
                else now.replace(microsecond=0),
            )
        )
    return tuple(result)


def stage_of(present: Iterable[Condition]) -> Stage:
    """The stage that an Installation is at, by its conditions: the first that does not hold, or Serving."""
    holding = {c.type for c in present if c.status == "True"}
    return next((stage for stage in Stage if stage not in holding), Stage.SERVING)


def kstatus(main: Finding) -> tuple[Finding, ...]:
    """Ready, Reconciling and Stalled (kstatus) from the finding that matters most."""
    course = main.reason.course
    working: Literal["True", "False"] = "False"
    stalled: Literal["True", "False"] = "False"
    if main.status != "True":
        working = "True" if course in (Course.WORKING, Course.WAITING) else "False"
        stalled = "True" if course is Course.STALLED else "False"
    # Whoever waits for the object shows the message of the one that is True, and no other.
    return (
        Finding("Ready", main.status, main.reason, main.message),
        Finding("Reconciling", working, main.reason, main.message if working == "True" else course.value),
        Finding("Stalled", stalled, main.reason, main.message if stalled == "True" else course.value),
    )


def refused_status(old: Status, generation: int, message: str, now: datetime) -> Status:
    """The status of an object that the operator cannot read: everything else stays as it was."""
    return _said(old, Finding(_GATES.get(type(old), "Ready"), "False", Reason.SPEC_INVALID, message), generation, now)


def broken_status(old: Status, generation: int, message: str, now: datetime) -> Status:
    """The status of an object that the operator fails to work on: everything else stays as it was."""
    return _said(old, Finding("Ready", "False", Reason.OPERATOR_ERROR, message), generation, now)


def _said(old: Status, main: Finding, generation: int, now: datetime) -> Status:
    """A status with one finding for Ready, and for the step that it is about."""
    findings = {f.condition: f for f in (main, *kstatus(main))}
    new = {c.type: c for c in conditions(findings.values(), old.conditions, generation, now)}
    merged = {c.type: c for c in old.conditions} | new
    ordered = tuple(merged[kind] for kind in dict.fromkeys([main.condition, *merged]))
    return old.model_copy(update={"observed_generation": generation, "conditions": ordered})
