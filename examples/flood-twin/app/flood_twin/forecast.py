"""What the stream may do in the coming days: ensemble streamflow prediction from past weather.

The model goes on from its state at the end of the record, once for each earlier year, with the rain and
evapotranspiration of the same calendar days of that year (Day, 1985, J. Water Resour. Plann. Manage. 111, 157-170).
The spread says how much the weather can still do, given how wet the catchment is now. No weather forecast is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from .contract import Settings
from .data import DAY, DataError, Record
from .model import Parameters, Series, discharge, simulate


@dataclass(frozen=True, slots=True)
class Forecast:
    """Discharge [m3/s] of the days after the record; the three series have shape (horizon,)."""

    start: date
    years: list[int]
    """The years whose weather was used, one ensemble member each."""
    low: Series
    """The lowest member of each day."""
    median: Series
    high: Series
    """The highest member of each day."""

    @property
    def dates(self) -> list[date]:
        """The forecast days."""
        return [self.start + DAY * i for i in range(self.low.size)]


def forecast(record: Record, parameters: Parameters, settings: Settings) -> Forecast:
    """The forecast for the ``settings.horizon_days`` after the last day of the record.

    :raises DataError: if no earlier year has the weather of those days.
    """
    start, horizon = record.end + DAY, settings.horizon_days
    now = simulate(record.precipitation, record.evapotranspiration, parameters).state
    years, members = [], []
    for year in range(record.start.year, start.year):
        first = (_same_day(start, year) - record.start).days
        if first < 0 or first + horizon > len(record.precipitation):
            continue
        days = slice(first, first + horizon)
        run = simulate(record.precipitation[days], record.evapotranspiration[days], parameters, now)
        years.append(year)
        members.append(discharge(run.runoff, settings.area_km2))
    if not members:
        raise DataError(
            f"the data ({record.start} to {record.end}) have no earlier year with the {horizon} days from "
            f"{start:%d %B} on; the forecast needs at least one"
        )
    stacked = np.stack(members)
    return Forecast(start, years, stacked.min(axis=0), np.median(stacked, axis=0), stacked.max(axis=0))


def _same_day(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February of a year that has none
        return date(year, 3, 1)
