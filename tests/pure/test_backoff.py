"""Pauses after failures."""

import pytest

from ddtas.backoff import backoff


@pytest.mark.parametrize(
    ("failures", "seconds"), [(-3, 0.5), (0, 0.5), (1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (2000, 60), (10**9, 60)]
)
def test_a_pause_doubles_up_to_the_longest(failures: int, seconds: float) -> None:
    assert backoff(failures, 0.5, 60) == seconds


def test_the_first_pause_is_no_longer_than_the_longest() -> None:
    assert backoff(1, 5, 2) == 2
