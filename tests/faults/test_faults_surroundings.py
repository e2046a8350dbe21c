"""What is around an operator goes wrong while Installations are on their way; then all is well again."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faults_courses as courses
import pytest
from cluster_kit import ApiServer
from cluster_supplier import Supplier
from faults_courses import AROUND
from faults_judge import Judge
from faults_street import Street
from faults_surroundings import HAPPENS, NAMES, PATIENCE_SECONDS, ready
from faults_table import Result

FEW = 3
CHOSEN = courses.chosen_surroundings(FEW)
assert {(what, how) for what, hows in courses.SURROUNDINGS.items() for how in hows} == HAPPENS.keys()


@pytest.fixture
def street(
    cluster: ApiServer, store: None, data: Supplier, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Street]:
    made = Street(cluster, data, tmp_path, f"s{CHOSEN.index(request.node.callspec.params['case'])}")
    yield made
    made.end()


@pytest.mark.parametrize("case", [pytest.param(case, id=": ".join(case)) for case in CHOSEN])
def test_it_is_well_again(street: Street, came_of_it: Callable[[Result], None], case: tuple[str, str]) -> None:
    result = Result(AROUND, ": ".join(case), "recovery")
    try:
        HAPPENS[case](street)
        result.reached = True
        began = time.monotonic()
        if street.until(lambda: ready(street), PATIENCE_SECONDS):
            result.seconds = round(time.monotonic() - began, 1)
        else:
            result.violations += [f"not well after {PATIENCE_SECONDS:.0f} s: {street.says(n)}" for n in NAMES]
        Judge(street).look(dict.fromkeys(NAMES, result))
    except AssertionError as error:
        result.violations.append(str(error))
    finally:
        came_of_it(result)
    assert result.violations == [], "\n".join(result.violations)
