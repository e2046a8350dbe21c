"""Which changes of conditions are worth an Event: what a person waits for, and nothing on the way there."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ddtas.api.base import Condition
from ddtas.plan.status.transitions import announced

THEN = datetime(2026, 1, 1, tzinfo=UTC)
Said = tuple[str, str, str]  # type, status, reason

BOUND = [("Accepted", "True", "Accepted"), ("DataBound", "True", "Bound"), ("Provisioned", "True", "Provisioned")]
RUNS = [*BOUND, ("Calibrated", "Unknown", "Calibrating"), ("Validated", "Unknown", "Waiting")]
WAITS = ("Serving", "False", "NotServing")
PASSED = [*BOUND, ("Calibrated", "True", "Passed")]
VALIDATED = [*PASSED, ("Validated", "True", "Passed")]


def conditions(*said: Said) -> list[Condition]:
    return [
        Condition(
            type=type_,
            status=status,
            reason=reason,
            message=f"{type_} says",
            observed_generation=1,
            last_transition_time=THEN,
        )
        for type_, status, reason in said
    ]


def reasons(old: list[Said], new: list[Said]) -> list[Said]:
    found = announced(conditions(*old), conditions(*new))
    return [(c.type, c.status, c.reason) for _, c, _ in found]


def test_a_bring_up_is_three_events() -> None:
    states: list[list[Said]] = [
        [],
        [*BOUND[:1], ("DataBound", "Unknown", "Probing")],
        [*RUNS, WAITS],
        [*PASSED, ("Validated", "Unknown", "Validating"), WAITS],
        [*VALIDATED, ("Serving", "Unknown", "RollingOut")],
        [
            *VALIDATED,
            ("Serving", "True", "Serving"),
            ("Ready", "True", "Serving"),
            ("UpToDate", "True", "NewestVersion"),
        ],
    ]
    told = [reasons(old, new) for old, new in pairwise(states)]
    assert told == [
        [],
        [("Calibrated", "Unknown", "Calibrating")],
        [("Calibrated", "True", "Passed")],
        [],
        [("Serving", "True", "Serving")],
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, ("Accepted", "False", "ListingNotFound")),
        (None, ("DataBound", "False", "RequirementNotMet")),
        (("DataBound", "True", "Bound"), ("DataBound", "False", "CredentialsMissing")),
        (("DataBound", "False", "CredentialsMissing"), ("DataBound", "False", "RequirementNotMet")),
        (("DataBound", "False", "CredentialsMissing"), ("DataBound", "True", "Bound")),
        (("DataBound", "True", "Bound"), ("DataBound", "Unknown", "Probing")),
        (("Calibrated", "Unknown", "Calibrating"), ("Calibrated", "False", "RunCrashed")),
        (("Calibrated", "True", "Passed"), ("Calibrated", "Unknown", "Calibrating")),
        (("Validated", "Unknown", "Validating"), ("Validated", "False", "ThresholdNotMet")),
        (("Serving", "True", "Serving"), ("Serving", "Unknown", "RollingOut")),
        (("Serving", "Unknown", "RollingOut"), ("Serving", "False", "RolloutFailed")),
        (("Serving", "True", "KeepsServing"), ("Serving", "True", "Serving")),
        (("Serving", "False", "RolloutFailed"), ("Serving", "True", "KeepsServing")),
        (("UpToDate", "True", "NewestVersion"), ("UpToDate", "False", "VersionPinned")),
        (("UpToDate", "False", "VersionPinned"), ("UpToDate", "True", "NewestVersion")),
        (("SourcesReachable", "True", "SourcesReachable"), ("SourcesReachable", "False", "SourcesUnreachable")),
    ],
)
def test_what_is_told(old: Said | None, new: Said) -> None:
    assert reasons([old] if old else [], [new]) == [new]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, ("Accepted", "True", "Accepted")),
        (None, ("SourcesReachable", "Unknown", "Probing")),
        (None, ("SourcesReachable", "True", "SourcesReachable")),
        (("Accepted", "False", "ListingNotFound"), ("Accepted", "False", "ListingNotFound")),
        (("Serving", "True", "Serving"), ("Serving", "True", "KeepsServing")),
        (("Serving", "True", "Serving"), ("Serving", "False", "NotServing")),
        (("Ready", "True", "Serving"), ("Ready", "False", "RunCrashed")),
        (("Validated", "True", "Passed"), ("Validated", "Unknown", "Waiting")),
        (("UpToDate", "Unknown", "Waiting"), ("UpToDate", "True", "NewestVersion")),
        (("UpToDate", "Unknown", "Waiting"), ("UpToDate", "False", "VersionFailed")),
    ],
)
def test_what_is_not(old: Said | None, new: Said) -> None:
    assert reasons([old] if old else [], [new]) == []


def test_that_it_serves_is_told_with_what_validation_showed() -> None:
    (found,) = announced(conditions(*VALIDATED), conditions(*VALIDATED, ("Serving", "True", "Serving")))
    assert found[1].message == "Serving says; Validated says"
