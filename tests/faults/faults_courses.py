"""What is tried: each write of each phase of a life, times each fault. Tables only; nothing is done here."""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

PHASES = ("Bring-up", "Upgrade", "Recalibration", "Deletion")

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
    "apply networkpolicies network",
    *_RUN,
    "apply deployments web",
    "apply services web",
)
_STEPS = ("Calibrating", "Validating", "RollingOut")
_TOLD = ("Calibrating", "Calibrated", "Serving")
_STATUSES = tuple(f"apply installations/status {reason}" for reason in (*_STEPS, "Serving"))
_OLD = (
    "delete configmaps config",
    "delete configmaps calibrated",
    "delete configmaps evidence",
    "delete secrets series",
    "delete networkpolicies network",
    "delete jobs calibrate",
    "delete jobs validate",
    "delete deployments web",
)
WRITES: dict[str, tuple[str, ...]] = {
    "Bring-up": (
        "apply installations",
        "apply persistentvolumeclaims web.data",
        *_REVISION,
        *_STATUSES,
        "apply municipalityplatforms/status SourcesReachable",
        *(f"create Event {reason}" for reason in ("VersionPinned", *_TOLD)),
    ),
    "Upgrade": (
        *_REVISION,
        "apply persistentvolumeclaims web.data",
        *_STATUSES,
        *_OLD,
        *(f"create Event {reason}" for reason in ("UpToDate", *_TOLD)),
    ),
    "Recalibration": (
        *_REVISION,
        *_STATUSES,
        *_OLD,
        *(f"create Event {reason}" for reason in ("Recalibrating", *_TOLD)),
    ),
    "Deletion": (
        "apply installations",
        "create Event VolumesKept",
        "apply municipalityplatforms/status SourcesReachable",
    ),
}

# Whether these are made depends on haste: what two statuses would say is written as one where both come at once.
FLEETING = (
    "Event UpToDate",
    "status RollingOut",
)


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


# ---- watches ----

WATCHES = (
    "installations",
    "municipalityplatforms",
    "applistings",
    "configmaps",
    "secrets",
    "services",
    "pods",
    "controllerrevisions",
    "deployments",
    "jobs",
    "networkpolicies",
    "persistentvolumeclaims",
    "credentials",
)
# What becomes of the event that says what happened.
LINES = {
    "half-open": "nothing more comes, and the connection stays",
    "mute": "the watch was opened anew, and never says anything",
    "cut": "the connection breaks in its middle",
    "ended": "the stream ends in its middle, as if nothing were wrong",
    "junk line": "a line that is no JSON comes before it",
    "null line": "a line `null` comes before it",
    "blank line": "an empty line comes before it",
    "odd line": "a line that is no event comes before it",
    "odd object": "an event without an object's metadata comes before it",
    "endless line": "a line that does not end comes instead",
    "ERROR 410": "an ERROR event comes instead: 410",
    "ERROR 500": "an ERROR event comes instead: 500",
    "ERROR 429": "an ERROR event comes instead: 429",
    "410, then 503": "an ERROR event 410, and the list is answered by 503",
    "refused": "the watch was broken off, and is refused with 403, 500 and 503 when it is opened anew",
    "dropped": "it does not come; the watch ends with 410 a little later",
    "duplicated": "it comes twice",
    "late": "it comes after those that followed it",
}
WATCH_GROUP = "Watches"


def chosen_lines(few: int) -> list[str]:
    """All faults of watches, or a few; those that are named where DDTAS_TEST_FAULTS is a part of their text."""
    wanted = os.environ.get(SELECT, "")
    if everything():
        return list(LINES)
    if wanted:
        return [line for line in LINES if wanted in f"{WATCH_GROUP}: {line}"]
    return random.Random(seed()).sample(list(LINES), few)


# ---- what is around an operator ----

AROUND = "Surroundings"
SURROUNDINGS = {
    "API server": {
        "away for 3 s": "while Installations are brought up",
        "away for 40 s": "the same, with a Lease that is lost meanwhile",
        "away as it starts": "for 5 s",
    },
    "leader": {
        "stopped and continued": "SIGSTOP for 20 s while another one stands by, which takes over; then SIGCONT",
        "killed": "while another one stands by",
        "its Lease refused": "each renewal answered by 409 for 15 s",
    },
    "clock": {
        "an hour ahead": "while Installations are brought up",
        "an hour back": "the same",
        "ahead and back": "a scheduled recalibration came early; the next one comes as well",
    },
    "CustomResourceDefinition": {
        "installations": "removed and made anew, with its objects",
        "municipalityplatforms": "the same",
        "applistings": "the same",
    },
    "ResourceQuota": {
        "no Jobs": "none may be made, then they may",
        "no pods": "the same",
        "no ConfigMaps": "the same",
    },
    "right withdrawn": dict.fromkeys(
        ("jobs", "events", "secrets", "services", "installations", "installations/status"),
        "from the Role, watches broken off; then given back",
    ),
    "namespace": {"ending": "one of two is deleted, and stays Terminating for a while; it is made anew"},
}


def chosen_surroundings(few: int) -> list[tuple[str, str]]:
    """All of them, or a few; those that are named where DDTAS_TEST_FAULTS is a part of their text."""
    mine = [(what, how) for what, hows in SURROUNDINGS.items() for how in hows]
    wanted = os.environ.get(SELECT, "")
    if everything():
        return mine
    if wanted:
        return [(what, how) for what, how in mine if wanted in f"{AROUND}: {what}: {how}"]
    return random.Random(seed()).sample(mine, few)


def grids() -> dict[str, tuple[list[str], list[str]]]:
    """Rows and columns of the table of each group, by its title."""
    found = {phase: (list(WRITES[phase]), list(FAULTS)) for phase in PHASES}
    found[WATCH_GROUP] = (list(WATCHES), list(LINES))
    found[AROUND] = ([f"{what}: {how}" for what, hows in SURROUNDINGS.items() for how in hows], ["recovery"])
    return found


HOW_MANY = len(ALL) + len(WATCHES) * len(LINES) + sum(map(len, SURROUNDINGS.values()))
