"""HYMOD: water is neither made nor lost, and each parameter does what it says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flood_twin.model import BOUNDS, Parameters, State, discharge, simulate

PARAMETERS = Parameters(cmax=130.0, bexp=0.3, alpha=0.5, Ks=0.02, Kq=0.5)
ANY_PARAMETERS = st.builds(Parameters, **{name: st.floats(low, high) for name, (low, high) in BOUNDS.items()})
WEATHER = st.lists(st.tuples(st.floats(0, 500), st.floats(0, 20)), min_size=1, max_size=60)


@settings(deadline=None)
@given(weather=WEATHER, parameters=ANY_PARAMETERS)
def test_rain_is_runoff_and_evaporation_and_storage(weather: list[tuple[float, float]], parameters: Parameters) -> None:
    rain, demand = [r for r, _ in weather], [d for _, d in weather]
    run = simulate(rain, demand, parameters)
    assert sum(rain) == pytest.approx(run.runoff.sum() + run.evaporation.sum() + run.state.total, rel=1e-9, abs=1e-6)
    assert (run.runoff >= 0).all()
    assert (run.evaporation <= np.array(demand) + 1e-9).all(), "no more evaporates than the air asks for"
    assert 0 <= run.state.soil <= parameters.cmax / (parameters.bexp + 1) + 1e-9


@settings(deadline=None)
@given(weather=WEATHER, parameters=ANY_PARAMETERS, cut=st.integers(0, 60))
def test_stopping_and_going_on_from_the_state_is_the_same_as_one_run(
    weather: list[tuple[float, float]], parameters: Parameters, cut: int
) -> None:
    """The forecast rests on this."""
    rain, demand = [r for r, _ in weather], [d for _, d in weather]
    whole = simulate(rain, demand, parameters)
    first = simulate(rain[:cut], demand[:cut], parameters)
    second = simulate(rain[cut:], demand[cut:], parameters, first.state)
    assert np.array_equal(np.concatenate([first.runoff, second.runoff]), whole.runoff)
    assert second.state == whole.state


def test_rain_on_a_full_soil_runs_off_whole() -> None:
    """By hand: nothing infiltrates, half of 10 mm goes the slow way and leaves at 2 %, half through 0.5 x 0.5 x 0.5."""
    full = State(soil=PARAMETERS.cmax / (PARAMETERS.bexp + 1))
    run = simulate([10.0], [0.0], PARAMETERS, full)
    assert run.runoff[0] == pytest.approx(5.0 * 0.02 + 5.0 * 0.125)
    assert run.state.soil == pytest.approx(full.soil)


def test_no_rain_and_no_storage_is_no_runoff() -> None:
    run = simulate([0.0] * 10, [3.0] * 10, PARAMETERS)
    assert run.runoff.tolist() == [0.0] * 10
    assert run.state == State()


def test_a_slow_reservoir_alone_falls_by_its_constant() -> None:
    run = simulate([0.0] * 3, [0.0] * 3, PARAMETERS, State(slow=100.0))
    assert run.runoff.tolist() == pytest.approx([2.0, 1.96, 1.9208])


def test_more_quick_flow_makes_a_higher_peak() -> None:
    storm = [0.0] * 5 + [60.0] + [0.0] * 20
    slow, quick = (simulate(storm, [0.0] * 26, replace(PARAMETERS, alpha=a)).runoff.max() for a in (0.2, 0.9))
    assert quick > slow


def test_a_millimetre_over_a_square_kilometre_is_a_thousand_cubic_metres_a_day() -> None:
    assert discharge(np.array([86.4]), 1.783).tolist() == pytest.approx([1.783])


def test_series_of_different_lengths_are_a_fault() -> None:
    with pytest.raises(ValueError, match="2 days of precipitation but 1"):
        simulate([1.0, 2.0], [1.0], PARAMETERS)
