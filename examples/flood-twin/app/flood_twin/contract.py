"""What goes in and out of this app's containers: the files and variables that the platform lays, and what a run leaves.

In: ``$DDTAS_CONFIG`` (default ``/etc/ddtas``) with ``run.json``, ``parameters.json`` and, from the phase on that needs
them, ``calibrated.json`` and ``evidence.json``; ``$DDTAS_DATA`` (default ``/data``) with a folder for each data
requirement, which has its table and, where the app is judged, the rows that it is to predict.
Out: files in ``$DDTAS_OUTPUT`` (default ``/output``): ``parameters.json`` of a calibration, ``<target>.csv`` of a
validation. How good they are is for the platform to say: it has the values that this app does not get.
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .model import BOUNDS, Parameters

CONFIG_FILE_BYTES = 1 << 20
REQUIREMENT = "discharge-series"
TARGET = "discharge"
"""What the app predicts, by its name in the listing."""


class AppError(Exception):
    """This run cannot be made. The text says what is wrong, where, and what to do; it is shown to the municipality."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of days, both ends included."""

    start: date
    end: date

    def as_json(self) -> dict[str, str]:
        """The form of the contract: ISO dates."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The app's own parameters, effective for this installation (``parameters.json``)."""

    objective: str
    """What calibration maximises: ``NSE`` or ``KGE``."""
    repetitions: int
    """Model runs that calibration may spend."""
    area_km2: float
    """Area of the catchment above the gauge [km2]."""
    horizon_days: int
    """Days that the forecast looks ahead."""

    def as_json(self) -> dict[str, str | int | float]:
        """The same names as in ``parameters.json``."""
        return {
            "objective": self.objective,
            "repetitions": self.repetitions,
            "areaKm2": self.area_km2,
            "horizonDays": self.horizon_days,
        }


@dataclass(frozen=True, slots=True)
class Threshold:
    """A metric's bound, for display: judging is not the app's part."""

    metric: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class RunInfo:
    """For whom, for which revision and over which windows this container runs (``run.json``)."""

    installation: str
    namespace: str
    municipality: str
    municipality_code: str
    revision: str
    seed: int
    """Of all that is drawn by chance. The platform's: it is the same for each attempt of a city."""
    windows: Mapping[str, Window]
    thresholds: Mapping[str, Sequence[Threshold]]

    def window(self, phase: str) -> Window:
        """The window of ``calibration`` or ``validation``.

        :raises AppError: if ``run.json`` has none.
        """
        if phase not in self.windows:
            raise AppError(f"run.json: windows.{phase} is missing; the app's listing must declare a window for {phase}")
        return self.windows[phase]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a calibration or validation run of this revision found (``evidence.json``)."""

    metrics: Mapping[str, float]
    windows: Sequence[Window]

    def as_json(self) -> dict[str, object]:
        """The form of the contract."""
        return {"metrics": dict(self.metrics), "windows": [window.as_json() for window in self.windows]}


class Config:
    """The folders of this container. Each method reads or writes its own file: a phase needs only some of them.

    :param environ: usually ``os.environ``.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._folder = Path(environ.get("DDTAS_CONFIG") or "/etc/ddtas")
        self._data = Path(environ.get("DDTAS_DATA") or "/data")
        self._output = Path(environ.get("DDTAS_OUTPUT") or "/output")

    def settings(self) -> Settings:
        """``parameters.json``. Names that this app does not know are left alone.

        :raises AppError: if a value is missing or out of range.
        """
        name, found = "parameters.json", self._object("parameters.json")
        objective = found.get("objective", "NSE")
        if objective not in ("NSE", "KGE"):
            raise AppError(f"{name}: objective is {_short(objective)}; it must be NSE or KGE")
        return Settings(
            objective=objective,
            repetitions=_whole(name, found, "repetitions", 300, 100_000, default=7500),
            area_km2=_number(name, found, "areaKm2", 0.01, 1e6),
            horizon_days=_whole(name, found, "horizonDays", 1, 60, default=14),
        )

    def run(self) -> RunInfo:
        """``run.json``.

        :raises AppError: if it is not there or not as agreed.
        """
        name, found = "run.json", self._object("run.json")
        municipality = _mapping(name, found, "municipality")
        thresholds = {
            phase: [
                Threshold(str(t.get("metric", "")), str(t.get("operator", "")), _bound(t.get("value", "")))
                for t in listed or ()
                if isinstance(t, dict)
            ]
            for phase, listed in _mapping(name, found, "thresholds").items()
        }
        windows = {phase: _window(name, f"windows.{phase}", w) for phase, w in _mapping(name, found, "windows").items()}
        return RunInfo(
            installation=str(found.get("installation", "")),
            namespace=str(found.get("namespace", "")),
            municipality=str(municipality.get("name", "")),
            municipality_code=str(municipality.get("code", "")),
            revision=str(found.get("revision", "")),
            seed=_whole(name, found, "seed", 0, 2**53 - 1, default=0),
            windows=windows,
            thresholds=thresholds,
        )

    def calibrated(self) -> Parameters:
        """``calibrated.json``: the model parameters that this revision's calibration returned.

        :raises AppError: if one is missing, not a number, or outside the range in which calibration looks.
        """
        name, found = "calibrated.json", self._object("calibrated.json")
        return Parameters(**{p: _number(name, found, p, low, high) for p, (low, high) in BOUNDS.items()})

    def values(self, names: Sequence[str]) -> dict[str, float]:
        """``calibrated.json`` of an app that has other parameters than the flood twin.

        :raises AppError: if one is missing or not a number.
        """
        name, found = "calibrated.json", self._object("calibrated.json")
        return {p: _number(name, found, p, -math.inf, math.inf) for p in names}

    def evidence(self) -> dict[str, Evidence]:
        """``evidence.json``: by phase (``calibration``, ``validation``), what was found.

        :raises AppError: if it is not there or not as agreed.
        """
        name, evidence = "evidence.json", {}
        for phase, item in self._object(name).items():
            item = _mapping(name, {phase: item}, phase)
            listed = item.get("windows") or []
            evidence[phase] = Evidence(
                {m: float(v) for m, v in _mapping(name, item, "metrics").items() if isinstance(v, (int, float))},
                [_window(name, f"{phase}.windows", w) for w in (listed if isinstance(listed, list) else [])],
            )
        return evidence

    def table(self, requirement: str = REQUIREMENT) -> Path:
        """The table of a data requirement: a CSV, which is replaced as a whole while the app serves.

        :raises AppError: if there is none yet.
        """
        table = self._data / requirement / "data.csv"
        if not table.is_file():
            raise AppError(f"{table} is not there: the data of {requirement} have not come yet; see its about.json")
        return table

    def days_to_predict(self, target: str = TARGET, requirement: str = REQUIREMENT) -> list[date]:
        """The days of which the app is to say what a target is; their true values are not in the table.

        :raises AppError: if the file is not there or not as agreed.
        """
        path = self._data / requirement / "predict" / f"{target}.csv"
        try:
            with path.open(encoding="utf-8", newline="") as file:
                return [date.fromisoformat(row["date"]) for row in csv.DictReader(file)]
        except FileNotFoundError:
            raise AppError(f"{path} is not there; the listing must declare the target {target}") from None
        except (KeyError, ValueError) as error:
            raise AppError(f"{path} must have a column date, as YYYY-MM-DD: {_short(error)}") from None

    def leave_parameters(self, parameters: Mapping[str, float]) -> None:
        """Leave what calibration found: ``parameters.json``, which comes back as ``calibrated.json``.

        :raises AppError: if a number is not finite (JSON has no NaN), or the file cannot be written.
        """
        for name, value in parameters.items():
            if not math.isfinite(value):
                raise AppError(f"{name} came out as {value}; check the data of the calibration window")
        self._leave("parameters.json", json.dumps(dict(parameters)))

    def leave_predictions(
        self, days: Sequence[date], columns: Mapping[str, Sequence[float]], target: str = TARGET
    ) -> None:
        """Leave what was predicted of a target: ``<target>.csv``, one row for each day that was to be predicted.

        :param columns: ``value``, and perhaps ``lower`` and ``upper`` of a band of 90 %: one number for each day.
        :raises AppError: if the file cannot be written.
        """
        rows = zip(days, *columns.values(), strict=True)
        lines = [",".join(["date", *columns]), *(",".join(map(str, row)) for row in rows)]
        self._leave(f"{target}.csv", "\n".join(lines) + "\n")

    def _leave(self, name: str, text: str) -> None:
        path = self._output / name
        try:
            path.write_text(text, "utf-8")
        except OSError as error:
            raise AppError(
                f"{path} cannot be written: {error.strerror}; set DDTAS_OUTPUT to a writable folder"
            ) from None

    def _object(self, name: str) -> dict[str, Any]:
        path = self._folder / name
        try:
            found = json.loads(self._text(path))
        except FileNotFoundError:
            raise AppError(f"{path} is not there; it is part of what the platform mounts for this phase") from None
        except (ValueError, RecursionError) as error:
            raise AppError(f"{path} is not JSON: {_short(error)}") from None
        if not isinstance(found, dict):
            raise AppError(f"{path} must hold a JSON object, not a {type(found).__name__}")
        return found

    @staticmethod
    def _text(path: Path) -> str:
        if path.stat().st_size > CONFIG_FILE_BYTES:
            raise AppError(f"{path} is larger than {CONFIG_FILE_BYTES} bytes")
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AppError(f"{path} cannot be read: {_short(error)}") from None


def environment() -> Mapping[str, str]:
    """The process's environment; here so that no other module reads it."""
    return os.environ


def _short(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return repr(text[:60] + ("…" if len(text) > 60 else ""))


def _bound(value: object) -> str:
    return " and ".join(str(v) for v in value) if isinstance(value, list) else str(value)


def _mapping(file: str, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AppError(f"{file}: {name} must be an object, not {_short(value)}")
    return value


def _number(file: str, found: Mapping[str, Any], name: str, low: float, high: float) -> float:
    """A number, or a string of one: bounds and areas may travel as decimal strings so that no digit is lost."""
    value = found.get(name)
    if value is None:
        raise AppError(f"{file}: {name} is missing; it must be a number from {low:g} to {high:g}")
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not low <= number <= high:
        raise AppError(f"{file}: {name} is {_short(value)}; it must be a number from {low:g} to {high:g}")
    return number


def _whole(file: str, found: Mapping[str, Any], name: str, low: int, high: int, default: int) -> int:
    number = _number(file, {name: default, **found}, name, low, high)
    if not number.is_integer():
        raise AppError(f"{file}: {name} is {number:g}; it must be a whole number")
    return int(number)


def _window(file: str, name: str, value: object) -> Window:
    try:
        window = Window(date.fromisoformat(value["start"]), date.fromisoformat(value["end"]))  # type: ignore[index]
    except (TypeError, KeyError, ValueError, IndexError):
        raise AppError(f"{file}: {name} is {_short(value)}; it must have start and end, both as YYYY-MM-DD") from None
    if window.start > window.end:
        raise AppError(f"{file}: {name} starts on {window.start}, after its end {window.end}")
    return window
