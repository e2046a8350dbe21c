"""What each fault of the tables is on the wire."""

import faults_actions as a
import faults_courses as courses
from faults_proxy import Action

FAULTS: dict[str, Action] = {
    courses.BEFORE: a.hang,
    courses.AFTER: a.hold_after,
    "409": a.refuse(409, "Conflict"),
    "404": a.refuse(404, "NotFound"),
    "422": a.refuse(422, "Invalid"),
    "429": a.refuse(429, "TooManyRequests", Retry_After="1"),
    "500": a.refuse(500, "InternalError"),
    "503": a.refuse(503, "ServiceUnavailable"),
    "reset": a.reset,
    "hang": a.hang,
    "lost": a.lose,
    "504": a.late,
    "cut": a.cut,
    "endless": a.endless(),
    "junk": a.instead(b'{"kind": ]'),
    "null": a.instead(b"null"),
    "odd": a.instead(b"{}"),
}
assert FAULTS.keys() == courses.FAULTS.keys()
