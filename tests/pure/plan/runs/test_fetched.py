"""What the runner's termination message comes to, as hostile as it may be."""

import json
from typing import Any

import pytest

from ddtas.plan.runs import fetched
from ddtas.plan.runs.last_words import Hidden
from ddtas.plan.snapshot import ContainerFacts, PodFacts

TABLE = {
    "requirement": "rain",
    "rows": 8760,
    "bytes": 2_100_000,
    "start": "2015-01-01T00:00:00+01:00",
    "end": "2015-12-31T23:00:00+01:00",
    "digest": f"sha256:{'0' * 64}",
}
FAULT = {"requirement": "rain", "reason": "EntityNotFound", "message": "has no field debiet; it has dag: correct it"}
NOTHING = Hidden(())


def pod(message: str, code: int | None = 0, **more: Any) -> PodFacts:
    return PodFacts("Pending", runner=ContainerFacts(exit_code=code, ended_message=message, **more))


def report(*tables: dict[str, Any], **more: Any) -> str:
    return json.dumps({"tables": list(tables)} | more)


def test_what_was_fetched_is_taken_over_and_said() -> None:
    (table,) = fetched.tables(pod(report(TABLE)))
    assert table.dump() == TABLE
    assert fetched.summary([table]) == "rain: 8760 rows of 2015-01-01 to 2015-12-31, 2.1 MB"
    timeless = table.model_copy(update={"requirement": "map", "start": None, "end": None, "bytes": 12})
    assert fetched.summary([table, timeless]).endswith("; map: 8760 rows, 12 bytes")


HOSTILE = {
    "nothing": "",
    "no JSON": "[",
    "no object": "[]",
    "null": "null",
    "deep": "[" * 4000,
    "cut": report(TABLE, TABLE | {"requirement": "x" * 4000}),
    "twice the same": report(TABLE, TABLE),
    "too many": report(*(TABLE | {"requirement": f"r{n}"} for n in range(17))),
    "a number that is none": report(TABLE | {"rows": "many"}),
    "a number that no API server reads": report(TABLE | {"rows": 2**80}),
    "less than none": report(TABLE | {"bytes": -1}),
    "no digest": report(TABLE | {"digest": "sha256:x"}),
    "no name": report(TABLE | {"requirement": "../etc"}),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_read_is_no_table(message: str) -> None:
    assert fetched.tables(pod(message)) == ()


def test_a_pod_that_fetches_nothing_has_no_tables() -> None:
    assert fetched.tables(PodFacts("Running", ended_message=report(TABLE))) == ()
    assert fetched.failure(PodFacts("Running", exit_code=1), NOTHING) is None
    assert not fetched.is_fetching([PodFacts("Running")])
    assert not fetched.is_fetching([])


def test_data_is_fetched_until_that_has_ended() -> None:
    assert fetched.is_fetching([pod("", None, running=True)])
    assert fetched.is_fetching([pod("", None, waiting_reason="PodInitializing")])
    assert not fetched.is_fetching([pod(report(TABLE))])
    assert not fetched.is_fetching([pod("", 1)])
    assert fetched.is_fetching([pod("", 1), pod("", None)]), "the newest pod counts"


FAILURES = {
    "a fault": (pod(report(fault=FAULT), 1), "rain: EntityNotFound: has no field debiet; it has dag: correct it"),
    "a log": (
        pod("Traceback\nKeyError: 'x'", 1),
        "fetching the data ended with exit code 1: Traceback | KeyError: 'x'",
    ),
    "nothing": (pod("", 2), "fetching the data ended with exit code 2: no message"),
    "a report without a fault": (pod("{}", 1), "fetching the data ended with exit code 1: {}"),
}


@pytest.mark.parametrize(("ended", "words"), FAILURES.values(), ids=FAILURES)
def test_why_data_could_not_be_fetched(ended: PodFacts, words: str) -> None:
    assert fetched.failure(ended, NOTHING) == words


def test_too_much_memory_is_named() -> None:
    assert "OOMKilled" in (fetched.failure(pod("", 137, ended_reason="OOMKilled"), NOTHING) or "")


def test_no_message_shows_a_secret_or_a_control_character() -> None:
    fault = FAULT | {"message": "401 for https://x/?key=s3cret-of-ours\x1b[31m"}
    for message in (report(fault=fault), "failed with s3cret-of-ours"):
        words = fetched.failure(pod(message, 1), Hidden(["s3cret-of-ours"])) or ""
        assert words
        assert "s3cret" not in words
        assert "\x1b" not in words


def test_what_goes_on_or_went_well_is_no_failure() -> None:
    for code in (None, 0):
        assert fetched.failure(pod("x", code), NOTHING) is None
