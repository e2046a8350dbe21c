"""What the calibrated model says of days whose discharge it does not get to see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from .contract import Settings
from .data import DataError, Record
from .model import Parameters, Series, discharge, simulate


def modelled_discharge(record: Record, parameters: Parameters, settings: Settings) -> Series:
    """The model over the whole record [m3/s], shape (days,). What lies before a day is its warm-up."""
    run = simulate(record.precipitation, record.evapotranspiration, parameters)
    return discharge(run.runoff, settings.area_km2)


def predict(record: Record, days: Sequence[date], parameters: Parameters, settings: Settings) -> list[float]:
    """The discharge [m3/s] of each of some days, from the weather up to that day.

    :raises DataError: if the record does not have the weather of a day.
    """
    modelled = modelled_discharge(record, parameters, settings)
    places = [(day - record.start).days for day in days]
    for day, place in zip(days, places, strict=True):
        if not 0 <= place < modelled.size:
            raise DataError(f"{day} is to be predicted, and the data go from {record.start} to {record.end}")
    return [float(modelled[place]) for place in places]
