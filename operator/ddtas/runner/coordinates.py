"""Geometries from the CRS of a source to that of a table: WKB in and out, x (easting, longitude) before y."""

from dataclasses import dataclass
from typing import Any

import numpy
import pyarrow
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from ddtas.data.delivery.reading import CRS as CRS_KEY
from ddtas.data.delivery.table import Geometry
from ddtas.errors import printable
from ddtas.runner.faults import DeliveryError, DeliveryReason

_BEYOND = 0.5  # of the size of the area of use: so far coordinates may lie outside


@dataclass(frozen=True)
class Transformation:
    """From one CRS to another.

    Attributes:
        source: of the source, by its contract.
        target: of the table.
        transformer: None where both are the same.
        bounds: where coordinates of the source may lie: minimum x, minimum y, maximum x, maximum y; None for anywhere.
    """

    source: str
    target: str
    transformer: Transformer | None
    bounds: tuple[float, float, float, float] | None

    @classmethod
    def of(cls, geometry: Geometry) -> "Transformation":
        """That of a table."""
        source, target = CRS.from_user_input(geometry.source_crs), CRS.from_user_input(geometry.crs)
        transformer = None if source == target else Transformer.from_crs(source, target, always_xy=True)
        return cls(geometry.source_crs, geometry.crs, transformer, _bounds(source))

    def apply(self, values: Any, metadata: dict[bytes, bytes]) -> Any:
        """An array of WKB in the CRS of the table.

        Raises:
            DeliveryError: CoordinatesElsewhere.
        """
        stated = metadata.get(CRS_KEY)
        if stated is not None and CRS.from_user_input(stated.decode()) != CRS.from_user_input(self.source):
            raise self._elsewhere(f"are in {printable(stated.decode(), 60)}, as the data says")
        try:
            shapes = shapely.from_wkb(values.to_numpy(zero_copy_only=False))
        except shapely.errors.GEOSException:
            raise self._elsewhere("cannot be read") from None
        self._check(shapes)
        if self.transformer is None:
            return values.cast(pyarrow.binary())
        try:
            shapes = shapely.transform(shapes, self._moved, include_z=False)
        except ProjError:
            raise self._elsewhere("cannot be transformed") from None
        return pyarrow.array(shapely.to_wkb(shapes), pyarrow.binary())

    def _moved(self, points: Any) -> Any:
        assert self.transformer is not None  # noqa: S101 - asked for where there is one
        x, y = self.transformer.transform(points[:, 0], points[:, 1])
        if not (numpy.isfinite(x).all() and numpy.isfinite(y).all()):
            raise self._elsewhere("cannot be transformed")
        return numpy.column_stack((x, y))

    def _check(self, shapes: Any) -> None:
        if self.bounds is None or not len(shapes):
            return
        left, low, right, high = shapely.total_bounds(shapes)
        if numpy.isnan(left):
            return
        if left < self.bounds[0] or low < self.bounds[1] or right > self.bounds[2] or high > self.bounds[3]:
            raise self._elsewhere(f"reach from {left:.6g}, {low:.6g} to {right:.6g}, {high:.6g}")

    def _elsewhere(self, what: str) -> DeliveryError:
        return DeliveryError(
            DeliveryReason.COORDINATES_ELSEWHERE,
            f"its coordinates {what}; the contract says {self.source}, and the table is to be in {self.target}: "
            "correct crs in the contract, or the data",
        )


def _bounds(crs: CRS) -> tuple[float, float, float, float] | None:
    """The area of use in its own coordinates, with a margin."""
    area = crs.area_of_use
    if area is None:
        return None
    try:
        left, low, right, high = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform_bounds(
            area.west, area.south, area.east, area.north
        )
    except ProjError:
        return None
    if not all(numpy.isfinite((left, low, right, high))):
        return None
    across, up = _BEYOND * (right - left), _BEYOND * (high - low)
    return left - across, low - up, right + across, high + up
