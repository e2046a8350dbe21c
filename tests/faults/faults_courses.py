"""What is tried: each write of each phase of a life, times each fault. Tables only; nothing is done here."""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

PHASES = ("bring-up", "upgrade", "recalibration", "deletion")

# What becomes of a write. The first two are those at which the operator is killed.
BEFORE, AFTER = "killed before", "killed after"
FAULTS = {
    BEFORE: "SIGKILL when the request was sent and did not arrive",
    AFTER: "SIGKILL when it was done and not answered",
    "409": "not done, Conflict",
    "404": "not done, NotFound",
    "422": "not done, Invalid",
    "429": "not done, TooManyRequests with Retry-After: 1",
    "500": "not done, InternalError",
    "503": "not done, ServiceUnavailable",
    "reset": "not done, the connection breaks",
    "hang": "not done, and never answered",
    "lost": "done, and the connection breaks before the answer",
    "504": "done, and answered by Timeout",
    "cut": "done, and the answer ends in its middle",
    "endless": "done, and the answer does not end",
    "junk": "done, and the answer is no JSON",
    "null": "done, and the answer is `null`",
    "odd": "done, and the answer is an object with nothing in it",
}

_RUN = ("apply jobs calibrate", "apply configmaps calibrated", "apply jobs validate", "apply configmaps evidence")
_REVISION = (
    "apply controllerrevisions",
    "apply configmaps config",
    "apply secrets series",
    "apply networkpolicies ingress",
    *_RUN,
    "apply deployments web",
    "apply services web",
)
_STEPS = ("Calibrating", "Validating", "RollingOut")
_TOLD = (*_STEPS, "Provisioned", "Calibrated", "Validated", "Serving")
_PLATFORM = ("Probing", "SourcesReachable", "SourcesConformant")
_STATUSES = tuple(f"apply installations/status {reason}" for reason in ("Provisioning", *_STEPS, "Serving"))
_OLD = (
    "delete configmaps config",
    "delete configmaps calibrated",
    "delete configmaps evidence",
    "delete secrets series",
    "delete networkpolicies ingress",
    "delete jobs calibrate",
    "delete jobs validate",
    "delete deployments web",
)
WRITES: dict[str, tuple[str, ...]] = {
    "bring-up": (
        "apply installations",
        "apply persistentvolumeclaims web.data",
        *_REVISION,
        *_STATUSES,
        "apply municipalityplatforms/status Probing",
        "apply municipalityplatforms/status SourcesReachable",
        *(f"create Event {reason}" for reason in (*_PLATFORM, "Accepted", "VersionPinned", "DataBound", *_TOLD)),
    ),
    "upgrade": (
        *_REVISION,
        "apply persistentvolumeclaims web.data",
        *_STATUSES,
        *_OLD,
        *(f"create Event {reason}" for reason in ("UpToDate", *_TOLD)),
    ),
    "recalibration": (
        *_REVISION,
        *_STATUSES,
        *_OLD,
        *(f"create Event {reason}" for reason in ("Recalibrating", *_TOLD)),
    ),
    "deletion": ("apply installations", "create Event VolumesKept"),
}

# Whether these are made depends on haste: what two statuses would say is written as one where both come at once.
FLEETING = ("status Probing", "status Provisioning", "status RollingOut", "Event Probing", "Event RollingOut")


@dataclass(frozen=True)
class Course:
    """One fault at one write of one phase."""

    phase: str
    write: str
    fault: str

    def __str__(self) -> str:
        return f"{self.phase}: {self.write}: {self.fault}"

    @property
    def fleeting(self) -> bool:
        """Whether the write may not come by at all."""
        return self.write.endswith(FLEETING)

    @property
    def kills(self) -> bool:
        """Whether the operator is killed in it."""
        return self.fault in (BEFORE, AFTER)


NOTHING = "nothing"
ALL = [Course(phase, write, fault) for phase in PHASES for write in WRITES[phase] for fault in FAULTS]

SELECT = "DDTAS_TEST_FAULTS"
SEED = "DDTAS_TEST_FAULTS_SEED"


def everything() -> bool:
    """Whether all is asked for."""
    return os.environ.get(SELECT) == "all"


def seed() -> str:
    """What the selection depends on: the day, unless it is given."""
    return os.environ.get(SEED) or f"{datetime.now(UTC):%Y-%m-%d}"


def chosen(courses: Sequence[Course], few: int) -> list[Course]:
    """All courses, or a few of each phase; those that are named where DDTAS_TEST_FAULTS is a part of their text."""
    wanted = os.environ.get(SELECT, "")
    if everything():
        return list(courses)
    if wanted:
        return [course for course in courses if wanted in str(course)]
    chance = random.Random(seed())
    found = []
    for phase in PHASES:
        mine = [course for course in courses if course.phase == phase]
        found += chance.sample(mine, min(few, len(mine)))
    return found


def lives(courses: Sequence[Course], side_by_side: int) -> Iterator[list[dict[str, Course]]]:
    """Put courses together to lives with one course in each phase, and these to streets; the killing ones apart.

    A phase for which nothing is left is gone through without a fault, if one after it has a course.
    """
    for kills in (True, False):
        mine = [course for course in courses if course.kills is kills]
        by_phase = [[course for course in mine if course.phase == phase] for phase in PHASES]
        rows = list(zip_longest(*by_phase))
        for start in range(0, len(rows), side_by_side):
            yield [_life(row) for row in rows[start : start + side_by_side]]


def _life(row: Sequence[Course | None]) -> dict[str, Course]:
    last = max(n for n, course in enumerate(row) if course is not None)
    return {
        phase: course or Course(phase, NOTHING, NOTHING)
        for n, (phase, course) in enumerate(zip(PHASES, row, strict=True))
        if n <= last
    }
