"""The daily series of the city: a table that the platform lays, the same in every city.

Protocols, names, units and steps are the platform's. What is left to check is what this model needs: every day of rain.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from .contract import AppError, Window
from .model import Series

DAY = timedelta(days=1)


class DataError(AppError):
    """The data are not what this model can work with."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row a day without gaps, from ``start`` on; all series have shape (days,)."""

    start: date
    precipitation: list[float]
    """[mm/d]; complete, as the model needs every day."""
    evapotranspiration: list[float]
    """Potential evapotranspiration [mm/d]; complete too."""
    observed: Series
    """Discharge [m3/s]; NaN where the gauge has none."""

    @property
    def end(self) -> date:
        """The last day."""
        return self.start + DAY * (len(self.precipitation) - 1)

    @property
    def dates(self) -> list[date]:
        """All days."""
        return [self.start + DAY * i for i in range(len(self.precipitation))]

    @property
    def span(self) -> Window:
        """First to last day."""
        return Window(self.start, self.end)

    def slice(self, window: Window) -> slice:
        """The part of the series in ``window``, which may reach over the ends of the record.

        :raises DataError: if no day of the window is in the record.
        """
        first, last = (window.start - self.start).days, (window.end - self.start).days
        if last < 0 or first >= len(self.precipitation):
            raise DataError(f"the data go from {self.start} to {self.end}; no day of the window {window} is in them")
        return slice(max(first, 0), min(last + 1, len(self.precipitation)))


def load(table: Path) -> Record:
    """Read the table of the data requirement.

    :raises DataError: if a day is left out, or has no rain or evapotranspiration; only discharge may be missing.
    """
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{table} has no rows; its about.json says why")
    days = [date.fromisoformat(row["date"]) for row in rows]
    for before, day in pairwise(days):
        if day != before + DAY:
            raise DataError(
                f"{table}: {(day - before).days - 1} day(s) missing between {before} and {day}; the model needs rain "
                "and evapotranspiration of every day (only discharge may be missing)"
            )
    rain, evapotranspiration, discharge = (
        [float(row[name] or "nan") for row in rows]
        for name in ("precipitation_mm", "potential_evapotranspiration_mm", "discharge_m3s")
    )
    for name, values in (("precipitation_mm", rain), ("potential_evapotranspiration_mm", evapotranspiration)):
        if missing := [day for day, value in zip(days, values, strict=True) if math.isnan(value)]:
            raise DataError(f"{table}: {name} of {missing[0]} is missing; the model needs it every day")
    return Record(days[0], rain, evapotranspiration, np.array(discharge))
