"""Calibrate, validate and forecast on small made-up records whose right answer is known."""

import json
import math
import subprocess
import sys
from dataclasses import astuple
from datetime import date, timedelta
from importlib.resources import files
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from flood_twin.calibrate import calibrate
from flood_twin.contract import AppError, RunInfo, Settings, Window
from flood_twin.data import DataError, Record, load
from flood_twin.forecast import forecast
from flood_twin.model import BOUNDS, Parameters, discharge, simulate
from flood_twin.validate import evaluate, modelled_discharge, validate

APP = Path(__file__).parents[4] / "examples" / "flood-twin"
sys.path.append(str(APP / "data-server"))
from discharge_csv import MEMBER, convert  # type: ignore[import-not-found]  # noqa: E402

TRUE = Parameters(cmax=150.0, bexp=0.4, alpha=0.6, Ks=0.03, Kq=0.4)
START = date(2019, 1, 1)


def settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "objective": "NSE", "repetitions": 900, "seed": 1, "area_km2": 2.0, "horizon_days": 5,
    }  # fmt: skip
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


def record(days: int, start: date = START) -> Record:
    """Weather of a fixed seed, and the discharge that the model with ``TRUE`` makes of it."""
    chance = np.random.default_rng(7)
    rain = (chance.random(days) < 0.4) * chance.gamma(0.8, 8.0, days)
    demand = 1.6 - 1.4 * np.cos(2 * math.pi * np.arange(days) / 365.25)
    run = simulate(rain.tolist(), demand.tolist(), TRUE)
    return Record(start, rain.tolist(), demand.tolist(), discharge(run.runoff, 2.0))


def run_info(calibration: tuple[date, date], validation: tuple[date, date]) -> RunInfo:
    return RunInfo(
        "i", "n", "m", "GM", "r", {"calibration": Window(*calibration), "validation": Window(*validation)}, {}
    )


def quiet(_: str) -> None: ...


def test_calibration_finds_the_parameters_that_made_the_data() -> None:
    made = record(700)
    window = Window(date(2019, 9, 1), date(2020, 9, 30))
    found, metrics, scored = calibrate(made, window, settings(), quiet)
    assert metrics["NSE"] > 0.97
    assert found.cmax == pytest.approx(TRUE.cmax, rel=0.35)
    assert scored == window
    assert metrics["scoredDays"] == 396
    assert all(low <= value <= high for value, (low, high) in zip(astuple(found), BOUNDS.values(), strict=True))


def test_calibration_is_the_same_for_a_seed_and_looks_elsewhere_for_another() -> None:
    made, window = record(500), Window(date(2019, 9, 1), date(2020, 4, 30))
    first, again, other = (calibrate(made, window, settings(seed=s, repetitions=300), quiet) for s in (1, 1, 2))
    assert first == again
    assert first[0] != other[0]


def test_calibration_sees_nothing_after_its_window() -> None:
    """Validation would be worth nothing otherwise."""
    made, window = record(600), Window(date(2019, 9, 1), date(2020, 4, 30))
    cut = (window.end - made.start).days + 1
    blind = Record(made.start, made.precipitation, made.evapotranspiration, made.observed.copy())
    blind.observed[cut:] = 999.0
    fast = settings(repetitions=300)
    assert calibrate(made, window, fast, quiet) == calibrate(blind, window, fast, quiet)


def test_progress_is_said_every_few_seconds_and_spotpy_stays_silent(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, lines = count(), list[str]()
    calibrate(record(500), Window(date(2019, 9, 1), date(2020, 4, 30)), settings(repetitions=300), lines.append,
              lambda: float(next(seconds)))  # fmt: skip
    assert lines[0].startswith("calibrating on 2019-09-01 to 2020-04-30 (NSE, seed 1), warm-up of 243 days")
    assert any("model runs of about 300, best NSE" in line for line in lines)
    assert capsys.readouterr().out == ""


def test_a_window_without_warm_up_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"31 days before the calibration window .* start the window later"):
        calibrate(record(500), Window(date(2019, 2, 1), date(2020, 4, 30)), settings(), quiet)


def test_the_window_reported_is_the_one_that_was_scored_and_not_the_one_asked_for() -> None:
    made = record(400)
    made.observed[:210] = math.nan
    made.observed[300:303] = math.nan
    metrics, scored = evaluate(made, made.observed.copy(), Window(date(2019, 7, 1), date(2025, 1, 1)))
    assert scored == Window(START + timedelta(days=210), made.end)
    assert (metrics["scoredDays"], metrics["missingDays"]) == (187, 3)


@pytest.mark.parametrize("reason", ["29 days with a discharge", "is 1 on all"])
def test_observations_that_allow_no_score_are_refused(reason: str) -> None:
    made = record(400)
    made.observed[:] = 1.0 if "all" in reason else math.nan
    made.observed[:29] = 1.0
    with pytest.raises(DataError, match=reason):
        evaluate(made, np.ones(400), Window(START, made.end))


def test_validation_scores_the_given_parameters_on_its_own_window() -> None:
    run = run_info((date(2019, 9, 1), date(2019, 12, 31)), (date(2020, 1, 1), date(2020, 6, 30)))
    metrics, scored = validate(record(600), run, settings(), TRUE)
    assert metrics["NSE"] == pytest.approx(1.0)
    assert scored == run.window("validation")


@pytest.mark.parametrize("start", [date(2019, 9, 1), date(2019, 12, 31)])
def test_validation_on_days_that_calibration_saw_is_refused(start: date) -> None:
    run = run_info((date(2019, 9, 1), date(2019, 12, 31)), (start, date(2020, 6, 30)))
    with pytest.raises(AppError, match="overlaps calibration"):
        validate(record(600), run, settings(), TRUE)


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
    wheel = files("spotpy").joinpath(*MEMBER.split("/")[1:])
    table = tmp_path_factory.mktemp("real") / "data.csv"
    table.write_text(convert(wheel.read_text("ascii")))
    return load(table)


@pytest.mark.parametrize(
    ("objective", "calibrated", "nse", "rsr", "bias", "may_serve"),
    [
        ("NSE", Parameters(136.4, 0.0636, 0.5398, 0.0199, 0.5287), 0.539, 0.679, -16.0, True),
        ("KGE", Parameters(124.48, 0.0949, 0.703, 0.0281, 0.5275), 0.284, 0.846, -20.9, False),
    ],
)
def test_on_real_data_one_objective_passes_and_the_other_must_be_refused(
    real: Record, objective: str, calibrated: Parameters, nse: float, rsr: float, bias: float, may_serve: bool
) -> None:
    """The parameters are those of a full calibration, which takes too long here (every seed ends in them)."""
    run = run_info((date(2013, 1, 1), date(2014, 12, 31)), (date(2015, 1, 1), date(2016, 12, 31)))
    metrics, _ = validate(real, run, settings(objective=objective, area_km2=1.783), calibrated)
    assert (metrics["NSE"], metrics["RSR"]) == pytest.approx((nse, rsr), abs=0.002)
    assert metrics["PBIAS"] == pytest.approx(bias, abs=0.2)
    assert (metrics["NSE"] > 0.50 and metrics["RSR"] < 0.70 and metrics["absPBIAS"] < 25) is may_serve


def test_the_real_series_is_what_the_listing_says(real: Record) -> None:
    assert (real.start, real.end) == (date(2012, 1, 1), date(2016, 12, 31))
    assert np.isnan(real.observed[:366]).all()
    assert not np.isnan(real.observed[366:]).any()
    assert real.observed[366] == 0.024418331, "24.418331 l/s in the wheel"


def test_the_conversion_refuses_other_units() -> None:
    with pytest.raises(ValueError, match="check the units again"):
        convert("Date;rainfall[mm];TURC [mm d-1];Discharge[m3s-1]\n")
    with pytest.raises(ValueError, match="line 2"):
        convert("Date;rainfall[mm];TURC [mm d-1];Discharge[ls-1]\n2012-01-01;1;1;1\n")


def flood_twin(phase: str, folder: Path) -> tuple[int, dict[str, object], str]:
    """Run the app as its container does. Returns exit code, result and standard error."""
    out = folder / "result"
    environ = {"PYTHONPATH": str(APP / "app"), "DDTAS_CONFIG": str(folder), "DDTAS_RESULT": str(out)}
    done = subprocess.run([sys.executable, "-m", "flood_twin", phase], env=environ, capture_output=True, text=True)
    return done.returncode, json.loads(out.read_bytes()), done.stderr


@pytest.mark.parametrize("phase", ["calibrate", "validate"])
def test_a_run_that_cannot_be_made_says_why_in_its_result_and_ends_with_an_error(phase: str, tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text('{"objective":"NSE"}')
    code, result, stderr = flood_twin(phase, tmp_path)
    assert code == 1
    assert result == {"error": "parameters.json: areaKm2 is missing; it must be a number from 0.01 to 1e+06"}
    assert stderr == f"error: {result['error']}\n"


def test_modelled_discharge_covers_the_whole_record() -> None:
    made = record(50)
    assert np.allclose(modelled_discharge(made, TRUE, settings()), made.observed)
