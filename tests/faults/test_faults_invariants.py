"""That what must hold is missed where it does not: on a life that was made up, with one thing wrong each time."""

from copy import deepcopy
from typing import Any

import faults_courses as courses
import pytest
from cluster_kit import JsonObject
from cluster_witness import ADDED, MODIFIED, Event
from faults_invariants import orphans, violations
from faults_table import Result, cells, page

REVISION = "0123456789"
LABELS = {"ddtas.nl/installation": "flood", "ddtas.nl/revision": REVISION, "ddtas.nl/phase": "calibrate"}
DONE = {"outcome": "Passed", "completedAt": "2026-01-01T00:00:00Z"}


def state(generation: int, at: str, status: str, evidence: JsonObject) -> JsonObject:
    condition = {"type": "Calibrated", "status": status, "reason": "Passed" if status == "True" else "Calibrating"}
    condition |= {"message": f"it is {status}", "lastTransitionTime": at, "observedGeneration": generation}  # type: ignore[dict-item]
    revisions = [{"id": REVISION} | ({"calibration": evidence} if evidence else {})]
    return {
        "metadata": {"name": "flood", "uid": "u", "generation": generation},
        "spec": {},
        "status": {"observedGeneration": generation, "conditions": [condition], "revisions": revisions},
    }


def job(uid: str) -> JsonObject:
    return {"metadata": {"name": "flood-calibrate", "uid": uid, "labels": LABELS}, "status": {}}


def told(reason: str, message: str) -> JsonObject:
    return {"reason": reason, "message": message, "involvedObject": {"uid": "u"}}


LIFE = [
    ("Installation", state(1, "2026-01-01T00:00:00Z", "Unknown", {})),
    ("Job", job("j")),
    ("Installation", state(2, "2026-01-01T00:00:01Z", "True", DONE)),
    ("Installation", state(2, "2026-01-01T00:00:01Z", "True", DONE)),
]
EVENTS = [told("Calibrating", "it is Unknown"), told("Calibrated", "it is True")]


def seen(life: list[tuple[str, JsonObject]]) -> list[Event]:
    return [Event(n, ADDED if kind == "Job" else MODIFIED, kind, body) for n, (kind, body) in enumerate(life)]


def found(life: list[tuple[str, JsonObject]], events: list[JsonObject]) -> list[str]:
    return violations("flood", seen(life), events, frozenset(), meddled=True, shifts=False)


def test_a_good_life() -> None:
    assert found(LIFE, EVENTS) == []


@pytest.mark.parametrize(
    ("at", "change", "says"),
    [
        (3, ("Job", job("another")), "2 Jobs for"),
        (3, ("Installation", state(1, "2026-01-01T00:00:01Z", "True", DONE)), "observedGeneration fell from 2 to 1"),
        (3, ("Installation", state(2, "2026-01-01T00:00:00Z", "True", DONE)), "Calibrated went back in time"),
        (3, ("Installation", state(2, "2026-01-01T00:00:01Z", "True", DONE | {"completedAt": "2026-01-02"})),
         "was written again"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(at: int, change: tuple[str, JsonObject], says: str) -> None:
    assert any(says in text for text in found([*LIFE[:at], change, *LIFE[at + 1 :]], EVENTS))


@pytest.mark.parametrize("left", [0, 1])
def test_what_nobody_was_told_is_found(left: int) -> None:
    (text,) = found(LIFE, [event for n, event in enumerate(EVENTS) if n != left])
    assert text.startswith("nobody was told Calibrat")


def child(name: str, uid: str) -> tuple[str, JsonObject]:
    owners = [{"uid": uid}]
    return "ConfigMap", {"metadata": {"name": name, "labels": LABELS, "ownerReferences": owners}}


@pytest.mark.parametrize(
    ("child", "says"),
    [
        (child("flood-config", "u"), []),
        (child("flood-config", "old"), ["ConfigMap flood-config has no living owner"]),
        (child("flood-more", "u"), ["ConfigMap flood-more is in no plan"]),
    ],
)
def test_orphans_are_found(child: tuple[str, JsonObject], says: list[str]) -> None:
    body: dict[str, Any] = deepcopy(LIFE[0][1])
    body["status"]["inventory"] = [{"kind": "ConfigMap", "name": "flood-config"}]
    assert orphans("flood", body, [child]) == says
    assert bool(orphans("flood", None, [child])), "it is gone, and this is left"


def test_the_page_has_a_cell_for_each_course() -> None:
    broken = Result(courses.PHASES[0], "apply jobs calibrate", "503", reached=True, seconds=2.0, violations=["x"])
    text = page([broken])
    assert cells(text) == courses.grids()
    assert "| 2.0 ✗ |" in text
    assert f"| {courses.PHASES[0]} | 503 | 1 | 1 | 2.0 |" in text


@pytest.mark.parametrize("side_by_side", [1, 7, 1000])
def test_each_course_is_in_one_life(side_by_side: int) -> None:
    lives = [life for street in courses.lives(courses.ALL, side_by_side) for life in street]
    walked = [course for life in lives for course in life.values() if course.fault != courses.NOTHING]
    assert sorted(map(str, walked)) == sorted(map(str, courses.ALL))
    assert all(
        len({course.kills for course in life.values() if course.fault != courses.NOTHING}) == 1 for life in lives
    )
