"""The flood twin's side of the contract: what it reads, and what it leaves."""

import json
import math
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flood_twin import contract
from flood_twin.contract import AppError, Config, Window
from flood_twin.model import Parameters

PARAMETERS = {"objective": "NSE", "repetitions": 1500, "areaKm2": 1.783, "horizonDays": 14}
RUN = {
    "phase": "validate",
    "installation": "flood-twin",
    "namespace": "gouda",
    "municipality": {"name": "Gouda", "code": "GM0513"},
    "revision": "3f2a91",
    "seed": 1234567890,
    "windows": {
        "calibration": {"start": "2013-01-01", "end": "2014-12-31"},
        "validation": {"start": "2015-01-01", "end": "2016-12-31"},
    },
    "thresholds": {
        "validation": [
            {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.50"},
            {"metric": "PBIAS", "operator": "mustBeBetween", "value": ["-25", "25"]},
        ]
    },
}
CALIBRATED = {"cmax": 133.4, "bexp": 0.067, "alpha": 0.54, "Ks": 0.02, "Kq": 0.52}
WINDOW = Window(date(2015, 1, 1), date(2016, 12, 31))


def config(folder: Path, **files: Any) -> Config:
    """A configuration folder; ``bytes`` are written as they are, all else as JSON."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / f"{name}.json").write_bytes(data)
    places = {"DDTAS_CONFIG": folder, "DDTAS_DATA": folder / "data", "DDTAS_OUTPUT": folder / "output"}
    return Config({name: str(place) for name, place in places.items()})


def test_the_contract_s_own_example_is_read(tmp_path: Path) -> None:
    found = config(tmp_path, parameters=PARAMETERS, run=RUN, calibrated=CALIBRATED)
    settings, run = found.settings(), found.run()
    assert settings.as_json() == PARAMETERS
    assert (run.municipality, run.municipality_code, run.namespace) == ("Gouda", "GM0513", "gouda")
    assert run.window("validation") == WINDOW
    assert run.seed == 1234567890
    assert [t.value for t in run.thresholds["validation"]] == ["0.50", "-25 and 25"]
    assert found.calibrated() == Parameters(**CALIBRATED)


def test_only_the_area_has_no_default(tmp_path: Path) -> None:
    settings = config(tmp_path, parameters={"areaKm2": "1.783", "somethingNew": True}).settings()
    assert (settings.objective, settings.horizon_days, settings.area_km2) == ("NSE", 14, 1.783)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"objective": "RMSE"}, "objective is 'RMSE'; it must be NSE or KGE"),
        ({"repetitions": 0}, "repetitions is '0'; it must be a number from 300"),
        ({"repetitions": 400.5}, "repetitions is 400.5; it must be a whole number"),
        ({"repetitions": True}, "repetitions is 'True'"),
        ({"areaKm2": None}, "areaKm2 is missing"),
        ({"areaKm2": "NaN"}, "areaKm2 is 'NaN'"),
        ({"areaKm2": [1]}, "areaKm2 is"),
        ({"horizonDays": 1e300}, "horizonDays is"),
        ({"horizonDays": "x" * 10_000}, "it must be a number from 1 to 60"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_range(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(AppError, match=reason) as caught:
        config(tmp_path, parameters={**PARAMETERS, **change}).settings()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "run.json is not JSON"),
        (b"[" * 200_000, "run.json is not JSON"),
        (b"\xff", "run.json cannot be read"),
        (b"[]", "run.json must hold a JSON object, not a list"),
        ({"windows": 3}, "windows must be an object"),
        ({"windows": {"validation": {"start": "2015-01-01"}}}, "windows.validation is .* it must have start and end"),
        ({"windows": {"validation": {"start": "2015-02-01", "end": "2015-01-01"}}}, "after its end"),
        (b" " * (2 << 20), "larger than"),
    ],
)
def test_a_wrong_run_file_is_refused(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(AppError, match=reason):
        config(tmp_path, run=content).run()


def test_a_missing_file_or_window_says_who_must_give_it(tmp_path: Path) -> None:
    with pytest.raises(AppError, match=r"run.json is not there; it is part of what the platform mounts"):
        config(tmp_path).run()
    with pytest.raises(AppError, match="listing must declare a window for validation"):
        config(tmp_path, run={}).run().window("validation")


@pytest.mark.parametrize("bad", [{"cmax": 1e9}, {"Kq": None}, {"alpha": "high"}, {"bexp": -1}])
def test_calibrated_parameters_outside_of_what_calibration_can_return_are_refused(
    tmp_path: Path, bad: dict[str, object]
) -> None:
    with pytest.raises(AppError, match=next(iter(bad))):
        config(tmp_path, calibrated={**CALIBRATED, **bad}).calibrated()


def test_evidence_is_read(tmp_path: Path) -> None:
    evidence = {"validation": {"metrics": {"NSE": 0.54}, "windows": [WINDOW.as_json()]}}
    found = config(tmp_path, evidence=evidence).evidence()
    assert {phase: item.as_json() for phase, item in found.items()} == evidence


def test_a_table_that_is_not_there_yet_is_named(tmp_path: Path) -> None:
    found = config(tmp_path)
    with pytest.raises(AppError, match="the data of discharge-series have not come yet"):
        found.table()
    folder = tmp_path / "data" / "discharge-series"
    folder.mkdir(parents=True)
    (folder / "data.csv").write_text("date\n")
    assert found.table() == folder / "data.csv"


def test_the_days_to_predict_are_those_of_the_platform(tmp_path: Path) -> None:
    found = config(tmp_path)
    with pytest.raises(AppError, match=r"discharge.csv is not there; the listing must declare the target discharge"):
        found.days_to_predict()
    folder = tmp_path / "data" / "discharge-series" / "predict"
    folder.mkdir(parents=True)
    (folder / "discharge.csv").write_text("date\n2015-01-01\n2015-01-03\n")
    assert found.days_to_predict() == [date(2015, 1, 1), date(2015, 1, 3)]


@pytest.mark.parametrize("text", ["day\n2015-01-01\n", "date\n01-01-2015\n"])
def test_days_that_cannot_be_read_are_named(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "discharge-series" / "predict"
    folder.mkdir(parents=True)
    (folder / "discharge.csv").write_text(text)
    with pytest.raises(AppError, match="must have a column date, as YYYY-MM-DD"):
        config(tmp_path).days_to_predict()


def test_what_a_run_leaves_is_as_the_contract_says(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    found = config(tmp_path)
    found.leave_parameters(CALIBRATED)
    found.leave_predictions([date(2015, 1, 1), date(2015, 1, 3)], {"value": [0.1, 2e-9], "upper": [1.0, 2.0]})
    assert json.loads((tmp_path / "output" / "parameters.json").read_text()) == CALIBRATED
    text = (tmp_path / "output" / "discharge.csv").read_text()
    assert text == "date,value,upper\n2015-01-01,0.1,1.0\n2015-01-03,2e-09,2.0\n"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_parameter_that_is_no_number_is_a_failure(value: float, tmp_path: Path) -> None:
    with pytest.raises(AppError, match="cmax came out as"):
        config(tmp_path).leave_parameters({"cmax": value})


def test_what_cannot_be_left_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(AppError, match="set DDTAS_OUTPUT to a writable folder"):
        config(tmp_path).leave_parameters(CALIBRATED)
    assert contract.environment() is os.environ
