"""What goes in and out of this app's containers: the files and variables that the platform lays, and the result.

In: ``$DDTAS_CONFIG`` (default ``/etc/ddtas``) with ``run.json``, ``parameters.json`` and, from the phase on that needs
them, ``calibrated.json`` and ``evidence.json``; ``$DDTAS_DATA`` (default ``/data``) with a folder for each data
requirement, which has its table.
Out: one compact JSON object of at most 4,096 bytes in the container's termination message. Kubernetes cuts off what is
longer (kubernetes.io, "Determine the Reason for Pod Failure"), so longer is an error here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .model import BOUNDS, Parameters

RESULT_BYTES = 4096
CONFIG_FILE_BYTES = 1 << 20
REQUIREMENT = "discharge-series"


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
    seed: int
    """Same seed, same data: same result."""
    area_km2: float
    """Area of the catchment above the gauge [km2]."""
    horizon_days: int
    """Days that the forecast looks ahead."""

    def as_json(self) -> dict[str, str | int | float]:
        """The same names as in ``parameters.json``."""
        return {
            "objective": self.objective,
            "repetitions": self.repetitions,
            "seed": self.seed,
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
    """Reader of the configuration directory. Each method reads its own file: a phase asks only for what it needs.

    :param environ: usually ``os.environ``.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._folder = Path(environ.get("DDTAS_CONFIG") or "/etc/ddtas")
        self._data = Path(environ.get("DDTAS_DATA") or "/data")

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
            seed=_whole(name, found, "seed", 0, 2**31 - 1, default=1),
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


def result_path(environ: Mapping[str, str]) -> Path:
    """Where the result goes: ``$DDTAS_RESULT``, else Kubernetes's default termination message path."""
    return Path(environ.get("DDTAS_RESULT") or "/dev/termination-log")


def result(
    metrics: Mapping[str, float], windows: Sequence[Window], message: str, parameters: Mapping[str, float] | None = None
) -> bytes:
    """The result of a run that was made, whatever its metrics are.

    :param windows: the days that were really scored.
    :param parameters: calibrated ones; only calibration has them.
    :raises AppError: if it does not fit in ``RESULT_BYTES`` or a number is not finite (JSON has no NaN).
    """
    found: dict[str, object] = {} if parameters is None else {"parameters": dict(parameters)}
    for name, value in {**metrics, **(parameters or {})}.items():
        if not math.isfinite(value):
            raise AppError(
                f"{name} came out as {value}, which no threshold can judge; check the data of the windows used"
            )
    found["metrics"] = {name: round(value, 6) for name, value in metrics.items()}
    found["windows"] = [window.as_json() for window in windows]
    found["message"] = " ".join(message.split())
    encoded = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    if len(encoded) > RESULT_BYTES:
        raise AppError(f"the result has {len(encoded)} bytes; a termination message holds {RESULT_BYTES}")
    return encoded


def failure(message: str) -> bytes:
    """The result of a run that could not be made; a long message is shortened to fit."""
    text = " ".join(message.split())[:RESULT_BYTES]
    while (
        len(encoded := json.dumps({"error": text}, separators=(",", ":"), ensure_ascii=False).encode()) > RESULT_BYTES
    ):
        text = text[: len(text) * 9 // 10] + "…"
    return encoded


def write_result(encoded: bytes, path: Path) -> None:
    """Write a result over what is there (the kubelet makes the file beforehand; only its content is ours).

    :raises AppError: if it cannot be written.
    """
    try:
        path.write_bytes(encoded)
    except OSError as error:
        raise AppError(
            f"the result cannot be written to {path}: {error.strerror}; set DDTAS_RESULT to a writable path"
        ) from None


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
