"""What each level learns from the city's own series, and what it makes of the level below it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from flood_twin.contract import Window
from flood_twin.data import DataError, Record
from flood_twin.model import Series

NUISANCE_QUANTILE = 0.9
"""A day is one of nuisance when the discharge is above what nine days out of ten have."""
MIN_DAYS = 180
MAX_ROWS = 1000

Numbers = Mapping[str, float]
Rows = list[dict[str, str]]


class Level(Protocol):
    """One level of the system, as it serves."""

    upstream: str
    """The data requirement that the level below meets."""
    path: str
    """Where its own product is."""
    parameters: Sequence[str]
    """What calibration finds."""

    def product(self, below: Rows, found: Numbers) -> tuple[Sequence[str], list[list[str]]]:
        """Header and rows of what it offers, from what the level below offers."""


class District:
    """On which days will there be nuisance? Learns from which discharge on there is.

    Nine days out of ten are to stay below that limit, and so its band of 90 %, of each day, goes from nothing up to it:
    the platform counts how many of the days that the app does not get to see lie within.
    """

    upstream = "stream-forecast"
    path = "/nuisance.csv"
    parameters: Sequence[str] = ("medianM3s", "nuisanceM3s")

    def calibrate(self, observed: Series) -> dict[str, float]:
        """The median and the limit [m3/s] of the discharge of a window, shape (days,)."""
        median, limit = np.quantile(observed, (0.5, NUISANCE_QUANTILE))
        return {"medianM3s": float(median), "nuisanceM3s": float(limit)}

    def band(self, found: Numbers) -> dict[str, float]:
        """What it predicts of the discharge [m3/s] of any day."""
        return {"value": found["medianM3s"], "lower": 0.0, "upper": found["nuisanceM3s"]}

    def product(self, below: Rows, found: Numbers) -> tuple[Sequence[str], list[list[str]]]:
        limit = found["nuisanceM3s"]
        rows = [
            [row["date"], str(int(number(row, "median_m3s") > limit)), str(int(number(row, "high_m3s") > limit))]
            for row in below
        ]
        return ("date", "expected", "possible"), rows


class City:
    """Will crews be needed? Learns how nuisance lasts from day to day.

    A chain with two states, wet and dry. It says of a day how likely nuisance is, given the day before: where the
    discharge of all days is kept from it, it has nothing to go by. So no platform can judge it yet, and its Brier skill
    (Brier, 1950, Mon. Weather Rev. 78), against the share of wet days, is its own word.
    """

    upstream = "district-nuisance"
    path = "/crews.csv"
    parameters: Sequence[str] = ("stays", "begins")

    def calibrate(self, observed: Series) -> dict[str, float]:
        """How likely nuisance is to stay, and to begin, from the discharge [m3/s] of a window, shape (days,)."""
        wet = observed > np.quantile(observed, NUISANCE_QUANTILE)
        today, tomorrow = wet[:-1], wet[1:]
        return {"stays": float(np.mean(tomorrow[today])), "begins": float(np.mean(tomorrow[~today]))}

    def skill(self, observed: Series, seen: Series, found: Numbers) -> dict[str, float]:
        """Metrics of parameters on a window, given also the one that they were found on."""
        limit = np.quantile(seen, NUISANCE_QUANTILE)
        wet, share = observed > limit, float(np.mean(seen > limit))
        said = np.where(wet[:-1], found["stays"], found["begins"])
        brier, plain = (float(np.mean((guess - wet[1:]) ** 2)) for guess in (said, np.full(len(said), share)))
        return {"brier": brier, "brierSkill": 1 - brier / plain}

    def product(self, below: Rows, found: Numbers) -> tuple[Sequence[str], list[list[str]]]:
        chance, rows = 0.0, []
        for row in below:
            chance = found["stays"] * chance + found["begins"] * (1 - chance)
            if number(row, "expected"):
                chance = max(chance, found["stays"])
            elif not number(row, "possible"):
                chance = min(chance, found["begins"])
            rows.append([row["date"], f"{chance:.3f}"])
        return ("date", "chance"), rows


LEVELS: Mapping[str, District | City] = {"district": District(), "city": City()}


def observed(record: Record, window: Window) -> tuple[Series, Window]:
    """The days of a window that have a discharge, and from when to when they go.

    :raises DataError: if there are too few of them, or they are all alike.
    """
    part = record.slice(window)
    there = np.flatnonzero(~np.isnan(record.observed[part]))
    if there.size < MIN_DAYS or np.ptp(record.observed[part][there]) == 0:
        raise DataError(f"{there.size} days with a discharge in {window}; {MIN_DAYS} that differ are needed")
    dates = record.dates
    return record.observed[part][there], Window(dates[part.start + there[0]], dates[part.start + there[-1]])


def number(row: Mapping[str, str], column: str) -> float:
    """A number of the level below.

    :raises DataError: if it is none.
    """
    try:
        value = float(row[column])
    except ValueError:
        raise DataError(f"{column} of {row['date'][:10]} is no number") from None
    if not np.isfinite(value):
        raise DataError(f"{column} of {row['date'][:10]} is not finite")
    return value


def rows(table: Path) -> Rows:
    """The rows of what the level below serves.

    :raises DataError: if there are none.
    """
    with table.open(encoding="utf-8", newline="") as file:
        found = [row for _, row in zip(range(MAX_ROWS), csv.DictReader(file), strict=False)]
    if not found:
        raise DataError(f"{table} has no rows; its about.json says why")
    return found
