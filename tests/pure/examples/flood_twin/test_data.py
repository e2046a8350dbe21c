"""What the flood twin makes of its table, and what it refuses, with the reason that a person reads."""

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from flood_twin.contract import Window
from flood_twin.data import DataError, Record, load

HEADER = "date,precipitation_mm,potential_evapotranspiration_mm,discharge_m3s\n"
GOOD = HEADER + "2020-02-28,1.5,0.5,0.1\n2020-02-29,0,1,\n2020-03-01,2,1,\n"


def table(folder: Path, content: str) -> Path:
    path = folder / "data.csv"
    path.write_text(content)
    return path


def test_a_good_table(tmp_path: Path) -> None:
    record = load(table(tmp_path, GOOD))
    assert (record.start, record.end) == (date(2020, 2, 28), date(2020, 3, 1))
    assert record.precipitation == [1.5, 0.0, 2.0]
    assert record.evapotranspiration == [0.5, 1.0, 1.0]
    assert record.observed[0] == 0.1
    assert np.isnan(record.observed[1:]).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (HEADER, "no rows"),
        (GOOD + "2020-03-03,1,1,1\n", r"1 day\(s\) missing between 2020-03-01 and 2020-03-03"),
        (GOOD + "2020-04-01,1,1,1\n", r"30 day\(s\) missing"),
        (GOOD + "2020-03-02,,1,1\n", "precipitation_mm of 2020-03-02 is missing"),
        (GOOD + "2020-03-02,1,,1\n", "potential_evapotranspiration_mm of 2020-03-02 is missing"),
    ],
)
def test_what_the_model_cannot_work_with_is_named(content: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        load(table(tmp_path, content))


RECORD = Record(date(2020, 1, 1), [0.0] * 10, [0.0] * 10, np.array([math.nan] * 10))


@pytest.mark.parametrize(
    ("start", "end", "want"),
    [
        (date(2020, 1, 3), date(2020, 1, 5), slice(2, 5)),
        (date(2020, 1, 10), date(2020, 1, 10), slice(9, 10)),
        (date(2019, 6, 1), date(2020, 1, 2), slice(0, 2)),
        (date(2020, 1, 9), date(2021, 1, 1), slice(8, 10)),
    ],
)
def test_a_window_includes_both_its_ends_and_stops_at_the_data(start: date, end: date, want: slice) -> None:
    assert RECORD.slice(Window(start, end)) == want


@pytest.mark.parametrize("day", [date(2019, 12, 31), date(2020, 1, 11)])
def test_a_window_beside_the_data_is_refused(day: date) -> None:
    with pytest.raises(DataError, match="no day of the window"):
        RECORD.slice(Window(day, day))
