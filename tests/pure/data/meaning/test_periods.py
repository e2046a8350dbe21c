"""Steps that are made of shorter ones."""

import pytest

from ddtas.data.meaning import periods


@pytest.mark.parametrize(
    ("step", "finer", "expected"),
    [
        ("PT1H", "PT10M", True),
        ("PT1H", "PT60M", True),
        ("PT1H", "PT25M", False),
        ("PT10M", "PT1H", False),
        ("P1D", "PT1H", True),
        ("P1D", "PT5H", False),
        ("P1W", "P1D", True),
        ("P1M", "P1D", True),
        ("P1M", "PT15M", True),
        ("P1M", "P1W", False),
        ("P1M", "P2D", False),
        ("P1Y", "P1M", True),
        ("P1Y", "P5M", False),
        ("P1M", "P1M", True),
        ("P1D", "P1M", False),
        ("P1D", "PT0S", False),
        ("PT0S", "PT0S", False),
        ("P1D", "daily", False),
    ],
)
def test_a_step_is_made_of_whole_finer_ones(step: str, finer: str, expected: bool) -> None:
    assert periods.divides(step, finer) is expected
