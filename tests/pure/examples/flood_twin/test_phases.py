"""Calibrate, predict and forecast: on small made-up records whose right answer is known, and on the real one."""

import math
from dataclasses import asdict, astuple, replace
from datetime import date
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from examples_kit import Runs, example_inputs, series

from ddtas.api.evidence import Evidence, Outcome
from ddtas.plan.runs.evidence import VALIDATE
from flood_twin.calibrate import calibrate
from flood_twin.contract import RunInfo, Settings, Window
from flood_twin.data import DataError, Record, load
from flood_twin.forecast import forecast
from flood_twin.metrics import nse
from flood_twin.model import BOUNDS, Parameters, discharge, simulate
from flood_twin.predict import modelled_discharge, predict

TRUE = Parameters(cmax=150.0, bexp=0.4, alpha=0.6, Ks=0.03, Kq=0.4)
START = date(2019, 1, 1)


def settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "objective": "NSE", "repetitions": 900, "area_km2": 2.0, "horizon_days": 5,
    }  # fmt: skip
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def record(days: int, start: date = START) -> Record:
    """Weather of a fixed seed, and the discharge that the model with ``TRUE`` makes of it."""
    chance = np.random.default_rng(7)
    rain = (chance.random(days) < 0.4) * chance.gamma(0.8, 8.0, days)
    demand = 1.6 - 1.4 * np.cos(2 * math.pi * np.arange(days) / 365.25)
    run = simulate(rain.tolist(), demand.tolist(), TRUE)
    return Record(start, rain.tolist(), demand.tolist(), discharge(run.runoff, 2.0))


def run_info(start: date, end: date, seed: int = 1) -> RunInfo:
    return RunInfo("i", "n", "m", "GM", "r", seed, {"calibration": Window(start, end)}, {})


SOME = run_info(date(2019, 9, 1), date(2020, 4, 30))


def quiet(_: str) -> None: ...


def test_calibration_finds_the_parameters_that_made_the_data() -> None:
    made = record(700)
    run = run_info(date(2019, 9, 1), date(2020, 9, 30))
    found = calibrate(made, run, settings(), quiet)
    days = made.slice(run.window("calibration"))
    assert nse(made.observed[days], modelled_discharge(made, found, settings())[days]) > 0.97
    assert found.cmax == pytest.approx(TRUE.cmax, rel=0.35)
    assert all(low <= value <= high for value, (low, high) in zip(astuple(found), BOUNDS.values(), strict=True))


def test_calibration_is_the_same_for_a_seed_and_looks_elsewhere_for_another() -> None:
    made, runs = record(500), (replace(SOME, seed=seed) for seed in (1, 1, 2))
    first, again, other = (calibrate(made, run, settings(repetitions=300), quiet) for run in runs)
    assert first == again
    assert first != other


def test_calibration_sees_nothing_after_its_window() -> None:
    """Validation would be worth nothing otherwise."""
    made = record(600)
    cut = (SOME.window("calibration").end - made.start).days + 1
    blind = Record(made.start, made.precipitation, made.evapotranspiration, made.observed.copy())
    blind.observed[cut:] = 999.0
    fast = settings(repetitions=300)
    assert calibrate(made, SOME, fast, quiet) == calibrate(blind, SOME, fast, quiet)


def test_progress_is_said_every_few_seconds_and_spotpy_stays_silent(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, lines = count(), list[str]()
    calibrate(record(500), SOME, settings(repetitions=300), lines.append, lambda: float(next(seconds)))
    assert lines[0].startswith("calibrating on 2019-09-01 to 2020-04-30 (NSE, seed 1), warm-up of 243 days")
    assert any("model runs of about 300, best NSE" in line for line in lines)
    assert capsys.readouterr().out == ""


def test_a_window_without_warm_up_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"31 days before the calibration window .* start the window later"):
        calibrate(record(500), run_info(date(2019, 2, 1), date(2020, 4, 30)), settings(), quiet)


@pytest.mark.parametrize("reason", ["29 days with a discharge", "is 1 on all"])
def test_observations_that_nothing_can_be_fitted_to_are_refused(reason: str) -> None:
    made = record(500)
    made.observed[:] = 1.0 if "all" in reason else math.nan
    made.observed[243 : 243 + 29] = 1.0
    with pytest.raises(DataError, match=reason):
        calibrate(made, SOME, settings(), quiet)


def test_each_day_that_is_to_be_predicted_is_in_its_order() -> None:
    made = record(600)
    days = [date(2020, 5, 2), date(2020, 1, 1)]
    places = [(day - START).days for day in days]
    assert predict(made, days, TRUE, settings()) == pytest.approx(made.observed[places].tolist())


def test_a_prediction_needs_no_discharge() -> None:
    made = record(600)
    blind = Record(made.start, made.precipitation, made.evapotranspiration, np.full(600, math.nan))
    days = [date(2020, 5, 2)]
    assert predict(blind, days, TRUE, settings()) == predict(made, days, TRUE, settings())


@pytest.mark.parametrize("day", [date(2018, 12, 31), date(2020, 8, 23)])
def test_a_day_without_weather_cannot_be_predicted(day: date) -> None:
    with pytest.raises(DataError, match=f"{day} is to be predicted, and the data go from 2019-01-01 to 2020-08-22"):
        predict(record(600), [day], TRUE, settings())


def test_the_forecast_has_one_member_for_each_year_with_that_weather() -> None:
    made = record(365 * 3 + 1)  # 2019, 2020 (a leap year) and 2021
    found = forecast(made, TRUE, settings())
    assert found.dates == [date(2022, 1, day) for day in range(1, 6)]
    assert found.years == [2019, 2020, 2021]
    now = simulate(made.precipitation, made.evapotranspiration, TRUE).state
    # By hand for one member: the first days of 2020 lie 365 days after the start.
    member = simulate(made.precipitation[365:370], made.evapotranspiration[365:370], TRUE, now)
    flow = discharge(member.runoff, 2.0)
    assert (found.low <= flow + 1e-12).all()
    assert (flow <= found.high + 1e-12).all()
    assert (found.low <= found.median).all()
    assert (found.median <= found.high).all()


def test_a_forecast_from_29_february_takes_1_march_of_other_years() -> None:
    made = record(365 + 365 * 4 + 59 + 1, date(2019, 1, 1))
    made = Record(date(2023, 1, 1), made.precipitation[: 365 + 59], made.evapotranspiration[: 365 + 59], made.observed)
    found = forecast(made, TRUE, settings())
    assert (found.start, found.years) == (date(2024, 2, 29), [2023])
    now = simulate(made.precipitation, made.evapotranspiration, TRUE).state
    march = slice(59, 64)
    want = discharge(simulate(made.precipitation[march], made.evapotranspiration[march], TRUE, now).runoff, 2.0)
    assert np.array_equal(found.median, want)


def test_a_record_of_less_than_a_year_has_no_forecast() -> None:
    with pytest.raises(DataError, match="no earlier year with the 5 days from 28 October on"):
        forecast(record(300), TRUE, settings())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The series that the data server of this example serves."""
    table = tmp_path_factory.mktemp("real") / "data.csv"
    table.write_text(series())
    return load(table)


# Of a full calibration with the seed of the example's city, which takes too long here.
CALIBRATED = {
    "NSE": Parameters(136.4, 0.0636, 0.5398, 0.0199, 0.5287),
    "KGE": Parameters(124.48, 0.0949, 0.703, 0.0281, 0.5275),
}


async def validated(folder: Path, objective: str, confidence: int | None = None) -> Evidence:
    """What the operator makes of a validation of the example."""
    of = example_inputs("listing.yaml", objective=objective)
    bounds = tuple(t.model_copy(update={"confidence_percent": confidence}) for t in of.version.validation.thresholds)
    validation = of.version.validation.model_copy(update={"thresholds": bounds})
    version = of.version.model_copy(update={"validation": validation})
    runs = Runs(folder, of.model_copy(update={"version": version}))
    return runs.judged(VALIDATE, await runs.run(VALIDATE, asdict(CALIBRATED[objective])))


@pytest.mark.parametrize(
    ("objective", "nse", "rsr", "bias", "outcome"),
    [("NSE", 0.539, 0.679, -16.0, Outcome.PASSED), ("KGE", 0.284, 0.846, -20.9, Outcome.FAILED)],
)
async def test_on_real_data_one_objective_passes_and_the_other_must_be_refused(
    objective: str, nse: float, rsr: float, bias: float, outcome: Outcome, tmp_path: Path
) -> None:
    """Fetched without what it is judged by, run as its container is, and scored by the platform."""
    evidence = await validated(tmp_path, objective)
    metrics = {m.name: float(m.value) for m in evidence.metrics}
    assert (metrics["NSE"], metrics["RSR"]) == pytest.approx((nse, rsr), abs=0.002)
    assert metrics["PBIAS"] == pytest.approx(bias, abs=0.2)
    assert evidence.outcome is outcome
    (predicted,) = evidence.predictions
    assert (predicted.rows, predicted.start, predicted.end) == (731, "2015-01-01", "2016-12-31")


async def test_two_years_are_too_few_to_be_sure(tmp_path: Path) -> None:
    """As the README says: the example passes by the value alone."""
    evidence = await validated(tmp_path, "NSE", confidence=80)
    assert evidence.reason == "TooUncertain"
    assert "NSE" in evidence.message


async def test_what_it_is_judged_by_is_not_in_what_it_gets(tmp_path: Path) -> None:
    runs = Runs(tmp_path, example_inputs("listing.yaml", repetitions=300))
    calibration = await runs.run("calibrate")
    assert calibration.code == 0, calibration.log
    seen = load(runs.folder("calibrate", "data") / "discharge-series" / "data.csv")
    assert (seen.start, seen.end) == (date(2012, 1, 2), date(2014, 12, 31))
    await runs.run(VALIDATE, {p.name: float(p.value) for p in runs.judged("calibrate", calibration).parameters})
    seen = load(runs.folder(VALIDATE, "data") / "discharge-series" / "data.csv")
    window = seen.slice(Window(date(2015, 1, 1), date(2016, 12, 31)))
    assert np.isnan(seen.observed[window]).all()
    assert not np.isnan(seen.observed[365 : window.start]).any()


def test_the_real_series_is_what_the_listing_says(real: Record) -> None:
    assert (real.start, real.end) == (date(2012, 1, 1), date(2016, 12, 31))
    assert np.isnan(real.observed[:366]).all()
    assert not np.isnan(real.observed[366:]).any()
    assert real.observed[366] == 0.024418331, "24.418331 l/s in the wheel"


@pytest.mark.parametrize("phase", ["calibrate", "validate"])
async def test_a_run_that_cannot_be_made_says_why_at_the_end_of_its_log(phase: str, tmp_path: Path) -> None:
    ended = await Runs(tmp_path, example_inputs("listing.yaml", areaKm2=0)).run(phase)
    assert ended.code == 1
    assert ended.log == "error: parameters.json: areaKm2 is '0'; it must be a number from 0.01 to 1e+06\n"
    assert not list((tmp_path / phase / "output").iterdir())


def test_modelled_discharge_covers_the_whole_record() -> None:
    made = record(50)
    assert np.allclose(modelled_discharge(made, TRUE, settings()), made.observed)
