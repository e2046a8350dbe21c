"""The data that the servers of this folder hold: water levels at twelve stations near The Hague, made by a formula.

One row is one measurement: twelve stations times twenty-five hours. The newest hour is when the server started.
"""

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyproj

STATIONS = 12
HOURS = 25
ROWS = STATIONS * HOURS
NULL_EVERY = 20  # of `level`, the first row is not null
NULLS = ROWS // NULL_EVERY
RD, WGS84 = 28992, 4326
# The names of the columns beside the point, in this order everywhere.
COLUMNS = ("id", "name", "level", "measured_at", "inspected_on")
_X0, _Y0, _STEP = 78_000.0, 452_000.0, 1_500.0


@dataclass(frozen=True)
class Row:
    """A measurement: level in m above NAP, place in metres (EPSG:28992) and in degrees (CRS84: east, north)."""

    id: int
    name: str
    level: float | None
    measured_at: datetime
    inspected_on: date
    x: float
    y: float
    longitude: float
    latitude: float

    def properties(self) -> dict[str, Any]:
        """The columns as JSON values; times in UTC, with a Z."""
        return {
            "id": self.id,
            "name": self.name,
            "level": self.level,
            "measured_at": iso(self.measured_at),
            "inspected_on": self.inspected_on.isoformat(),
        }

    def feature(self, epsg: int) -> dict[str, Any]:
        """The row as a GeoJSON feature in RD or WGS84."""
        place = [self.x, self.y] if epsg == RD else [self.longitude, self.latitude]
        return {
            "type": "Feature",
            "id": self.id,
            "properties": self.properties(),
            "geometry": {"type": "Point", "coordinates": place},
        }


def newest_hour(start: datetime | None = None) -> datetime:
    """The given time, or now, without fractions of a second."""
    return (start or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)


def rows(newest: datetime) -> list[Row]:
    """All measurements, oldest first; ids from 1."""
    made = []
    for number in range(ROWS):
        hour, station = divmod(number, STATIONS)
        x, y = _X0 + station % 4 * _STEP, _Y0 + station // 4 * _STEP
        longitude, latitude = _to_degrees(x, y)
        made.append(
            Row(
                id=number + 1,
                name=f"peilbuis-{station + 1:02d}",
                level=None if number % NULL_EVERY == NULL_EVERY - 1 else round(-0.4 + station * 0.05 + hour * 0.01, 2),
                measured_at=newest - timedelta(hours=HOURS - 1 - hour),
                inspected_on=date(2024, 1, 1) + timedelta(days=30 * station),
                x=x,
                y=y,
                longitude=longitude,
                latitude=latitude,
            )
        )
    return made


def stations(measurements: Sequence[Row]) -> list[Row]:
    """The newest measurement of each station."""
    return list(measurements[-STATIONS:])


def geojson(measurements: Iterable[Row], epsg: int) -> str:
    """A FeatureCollection; one that is not in degrees names its CRS, as GeoJSON of 2008 did and OGR still reads."""
    found: dict[str, Any] = {"type": "FeatureCollection", "features": [row.feature(epsg) for row in measurements]}
    if epsg != WGS84:
        found["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
    return json.dumps(found)


def bounds(measurements: Sequence[Row]) -> tuple[float, float, float, float]:
    """West, south, east and north, in degrees."""
    east_west = [row.longitude for row in measurements]
    north_south = [row.latitude for row in measurements]
    return min(east_west), min(north_south), max(east_west), max(north_south)


def iso(moment: datetime) -> str:
    """A time in UTC as the servers write it.

    >>> iso(datetime(2025, 3, 1, 12, tzinfo=UTC))
    '2025-03-01T12:00:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def _transformer() -> pyproj.Transformer:
    # Without grids from the network, so that every machine gets the same numbers: right to a metre or so.
    pyproj.network.set_network_enabled(False)  # type: ignore[attr-defined]
    return pyproj.Transformer.from_crs(RD, WGS84, always_xy=True)


def _to_degrees(x: float, y: float) -> tuple[float, float]:
    longitude, latitude = _transformer().transform(x, y)
    return round(longitude, 7), round(latitude, 7)
