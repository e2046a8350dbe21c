"""Keys of several columns against the truth: each row once, and no other."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import numpy
import pyarrow
import pytest
from scoring_kit import START

from ddtas.scoring.agreement import agree
from ddtas.scoring.faults import ScoreError
from ddtas.scoring.predictions import Predictions

NAMES = ("time", "station", "depth")
Row = tuple[int, str, str]


def table(rows: list[Row]) -> Any:
    times = pyarrow.array([START + timedelta(days=day) for day, _, _ in rows], pyarrow.timestamp("us", tz="UTC"))
    texts = [pyarrow.array([row[i] for row in rows], pyarrow.string()) for i in (1, 2)]
    return pyarrow.table([times, *texts], list(NAMES))


def place(given: list[Row], asked: list[Row]) -> list[int]:
    values = numpy.zeros((len(given), 1))
    found: list[int] = agree(Predictions("flow.csv", table(given), values, ""), table(asked), NAMES).tolist()
    return found


def refused(given: list[Row], asked: list[Row]) -> str:
    with pytest.raises(ScoreError) as caught:
        place(given, asked)
    assert caught.value.reason == "PredictionsIncomplete"
    return caught.value.message


def test_keys_that_are_known_alone_are_not_known_together() -> None:
    asked = [(0, "a", "1"), (0, "b", "2"), (1, "a", "2")]
    for extra in ((1, "b", "2"), (1, "b", "1"), (0, "a", "2"), (0, "b", "1"), (1, "a", "1")):
        day = f"2020-01-0{extra[0] + 1}T00:00:00+00:00"
        text = f"1 not asked for (first: time {day}, station {extra[1]}, depth {extra[2]})"
        assert text in refused([*asked, extra], asked)
    assert "1 missing (first: time 2020-01-01T00:00:00+00:00, station b, depth 2)" in refused(
        [asked[0], asked[2]], asked
    )


def test_texts_are_compared_as_they_are() -> None:
    asked = [(0, "a", "1")]
    for station in ("A", " a", "a ", "\u0430", "a\u0301", "", "a\0"):
        assert "1 missing" in refused([(0, station, "1")], asked)


@pytest.mark.parametrize("seed", range(30))
def test_any_rows_are_counted_as_one_would_by_hand(seed: int) -> None:
    generator = random.Random(seed)
    every = [(day, station, depth) for day in range(4) for station in "abc" for depth in "12"]
    asked = sorted(generator.sample(every, generator.randint(1, len(every))))
    given = list(asked)
    generator.shuffle(given)
    assert [given[i] for i in place(given, asked)] == asked
    for _ in range(generator.randint(1, 4)):
        if generator.random() < 0.4 and len(given) > 1:
            given.pop()
        else:
            given.insert(generator.randrange(len(given) + 1), generator.choice(every))
    counts = Counter(given)
    faults = {
        "missing": sum(counts[row] == 0 for row in asked),
        "there twice": sum(counts[row] - 1 for row in asked if counts[row]),
        "not asked for": sum(count for row, count in counts.items() if row not in asked),
    }
    if not any(faults.values()):
        assert [given[i] for i in place(given, asked)] == asked
        return
    message = refused(given, asked)
    for text, count in faults.items():
        assert (f"{count} {text} (first: " in message) == (count > 0)
