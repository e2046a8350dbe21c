"""Score calibrated parameters on a window of the record."""

from __future__ import annotations

import numpy as np

from . import metrics
from .contract import AppError, RunInfo, Settings, Window
from .data import DAY, DataError, Record
from .model import Parameters, Series, discharge, simulate

MIN_SCORED_DAYS = 30
"""A score of fewer days says nothing about a model of seasons."""


def modelled_discharge(record: Record, parameters: Parameters, settings: Settings) -> Series:
    """The model over the whole record [m3/s], shape (days,). What lies before a window is its warm-up."""
    run = simulate(record.precipitation, record.evapotranspiration, parameters)
    return discharge(run.runoff, settings.area_km2)


def evaluate(record: Record, modelled: Series, window: Window) -> tuple[dict[str, float], Window]:
    """The metrics of ``modelled``, shape (days,), in a window, and the window that really had something to score.

    That one goes from the first to the last observed day within the window that was asked for: a record that ends early
    shows. Days without an observation in between are counted in the metric ``missingDays``.

    :raises DataError: if fewer than ``MIN_SCORED_DAYS`` are observed, or the observations do not vary.
    """
    part = record.slice(window)
    seen = np.flatnonzero(~np.isnan(record.observed[part]))
    if seen.size < MIN_SCORED_DAYS:
        raise DataError(
            f"{seen.size} days with a discharge in the window {window}; at least {MIN_SCORED_DAYS} are needed"
        )
    part = slice(part.start + int(seen[0]), part.start + int(seen[-1]) + 1)
    scored = Window(record.start + DAY * part.start, record.start + DAY * (part.stop - 1))
    try:
        return metrics.score(record.observed[part], modelled[part]), scored
    except metrics.NotScorable as error:
        raise DataError(f"window {scored}: {error}") from None


def validate(
    record: Record, run: RunInfo, settings: Settings, parameters: Parameters
) -> tuple[dict[str, float], Window]:
    """Score on the validation window, which calibration must not have seen.

    :raises AppError: if the two windows share a day, or the data allow no score.
    """
    window, seen = run.window("validation"), run.windows.get("calibration")
    if seen and window.start <= seen.end and seen.start <= window.end:
        raise AppError(f"run.json: validation ({window}) overlaps calibration ({seen}); it must use data not yet seen")
    return evaluate(record, modelled_discharge(record, parameters, settings), window)
