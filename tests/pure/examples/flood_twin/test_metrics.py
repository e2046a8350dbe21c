"""What the flood twin's calibration may maximise, against tables worked out by hand."""

import math

import numpy as np
import pytest

from flood_twin.metrics import NotScorable, kge, nse

NAN = math.nan

# observed, modelled, NSE, KGE
TABLE = [
    # Perfect.
    ([1, 2, 3, 4], [1, 2, 3, 4], 1.0, 1.0),
    # The mean of the observations: squared errors 2.25+.25+.25+2.25 over the same; no variation, so r and alpha are 0.
    ([1, 2, 3, 4], [2.5, 2.5, 2.5, 2.5], 0.0, 1 - math.sqrt(2)),
    # Half of everything: errors .5 1 1.5 2, squared sum 7.5 over 5; r 1, alpha 1/2, beta 1/2.
    ([1, 2, 3, 4], [0.5, 1, 1.5, 2], -0.5, 1 - math.sqrt(0.5)),
    # One too much everywhere: squared sum 4 over 5; r 1, alpha 1, beta 3.5/2.5.
    ([1, 2, 3, 4], [2, 3, 4, 5], 0.2, 0.6),
    # Upside down: errors -3 -1 1 3, squared sum 20 over 5; r -1, alpha 1, beta 1.
    ([1, 2, 3, 4], [4, 3, 2, 1], -3.0, -1.0),
]


@pytest.mark.parametrize(("observed", "modelled", "want_nse", "want_kge"), TABLE)
def test_metrics_by_hand(observed: list[float], modelled: list[float], want_nse: float, want_kge: float) -> None:
    obs, mod = np.array(observed, float), np.array(modelled, float)
    assert nse(obs, mod) == pytest.approx(want_nse)
    assert kge(obs, mod) == pytest.approx(want_kge)


def test_days_without_an_observation_do_not_count() -> None:
    seen = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 3.0, 4.0, 5.0])
    gaps = np.array([1.0, NAN, 2.0, 3.0, NAN, 4.0]), np.array([2.0, 99.0, 3.0, 4.0, 0.0, 5.0])
    assert (nse(*gaps), kge(*gaps)) == (nse(*seen), kge(*seen))


@pytest.mark.parametrize("observed", [[NAN, NAN, NAN], [1.0, NAN, NAN], [2.0, 2.0, 2.0]])
def test_what_cannot_be_scored_is_refused_and_not_nan(observed: list[float]) -> None:
    with pytest.raises(NotScorable, match="score needs"):
        nse(np.array(observed), np.ones(3))


def test_a_dry_stream_that_never_flowed_is_refused_before_a_division_by_zero() -> None:
    with pytest.raises(NotScorable, match="on all 3 days"):
        kge(np.zeros(3), np.ones(3))


def test_series_of_different_lengths_are_a_fault() -> None:
    with pytest.raises(ValueError, match="shape"):
        nse(np.ones(3), np.ones(4))
