"""Each write of a life (bring-up, upgrade, recalibration, deletion) meets each fault, the operator's death included.

Many Installations live side by side, each with a fault of its own in each phase; what came of each course is a test.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import faults_courses as courses
import pytest
from cluster_kit import ApiServer
from cluster_supplier import Supplier
from faults_courses import Course
from faults_street import Street
from faults_table import Result
from faults_walk import walk

SIDE_BY_SIDE = 40
STREETS = 2  # at once
ATTEMPTS = 3  # what a write is may depend on haste: where a status is written with the next one, it never comes by
FEW = 10  # of each phase, in each run
_NUMBERS = count()

CHOSEN = courses.chosen(courses.ALL, FEW)


class Walks:
    """All courses that are asked for."""

    def __init__(self, cluster: ApiServer, data: Supplier, folder: Path) -> None:
        self._cluster, self._data, self._folder = cluster, data, folder

    def all(self, wanted: Sequence[Course]) -> dict[Course, Result]:
        """Walk them; those whose fault did not happen again, a few times."""
        found: dict[Course, Result] = {}
        for attempt in range(ATTEMPTS):
            left = [course for course in wanted if course not in found or not found[course].reached]
            left = [course for course in left if not attempt or not course.fleeting]
            with ThreadPoolExecutor(STREETS) as pool:
                for results in pool.map(self._street, courses.lives(left, SIDE_BY_SIDE)):
                    found |= {Course(r.group, r.row, r.fault): r for r in results}
        return {course: found[course] for course in wanted if course in found}

    def _street(self, lives: Sequence[dict[str, Course]]) -> list[Result]:
        number = next(_NUMBERS)
        folder = self._folder / str(number)
        folder.mkdir()
        street = Street(self._cluster, self._data, folder, f"w{number}")
        try:
            street.start(workers="64" if any(c.kills for life in lives for c in life.values()) else "8")
            return walk(street, lives, lambda text: print(text, flush=True))
        finally:
            street.end()


@pytest.fixture(scope="session")
def walked(
    cluster: ApiServer, store: None, data: Supplier, tmp_path_factory: pytest.TempPathFactory
) -> dict[Course, Result]:
    return Walks(cluster, data, tmp_path_factory.mktemp("walks")).all(CHOSEN)


@pytest.mark.parametrize("course", [pytest.param(course, id=str(course)) for course in CHOSEN])
def test_it_is_well_again(walked: dict[Course, Result], came_of_it: Callable[[Result], None], course: Course) -> None:
    assert course in walked, "a phase before it failed"
    result = walked[course]
    came_of_it(result)
    assert result.violations == [], "\n".join(result.violations)
    assert result.reached or course.fleeting, "the write did not come by"
