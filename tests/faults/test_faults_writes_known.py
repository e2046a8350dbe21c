"""The tables have each write that an operator makes in a life without faults: a new one needs courses of its own."""

from pathlib import Path

from cluster_kit import ApiServer
from cluster_supplier import Supplier
from faults_courses import NOTHING, PHASES, WRITES, Course
from faults_street import Street, is_of, write_of
from faults_walk import walk


def test_the_tables_have_each_write(cluster: ApiServer, store: None, data: Supplier, tmp_path: Path) -> None:
    street = Street(cluster, data, tmp_path, "known")
    written: dict[str, set[str]] = {}

    def heard(text: str) -> None:
        if len(written) == len(PHASES) or not text.startswith(street.namespace):
            return
        calls = [call for call, _ in street.proxy.calls if call.writes and is_of(call, "c00")]
        street.proxy.calls.clear()
        written[PHASES[len(written)]] = {write_of(call, "c00") for call in calls}

    try:
        street.start()
        results = walk(street, [{phase: Course(phase, NOTHING, NOTHING) for phase in PHASES}], heard)
    finally:
        street.end()
    assert [f"{result}: {text}" for result in results for text in result.violations] == []
    for phase in PHASES:
        assert written[phase] <= set(WRITES[phase]), phase
