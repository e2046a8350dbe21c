"""Whether enough rows of each window are there. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from ddtas.data.delivery.order import Delivery
from ddtas.data.meaning import periods
from ddtas.runner import times
from ddtas.runner.faults import DeliveryError, DeliveryReason


@dataclass
class Completeness:
    """Counts the rows of a table as they come by, window by window.

    Attributes:
        delivery: with the windows, or the period; without both ends of it, or without a step, nothing is asked.
        rows: that came by, of each window.
    """

    delivery: Delivery
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._windows = _windows(self.delivery)
        self.rows = [0] * len(self._windows)

    def count(self, batch: Any) -> None:
        """Take some rows of the table."""
        time, zone = self.delivery.table.time, self.delivery.table.time_zone
        if not self._windows or time is None:
            return
        values = batch.column(time)
        for index, (start, end) in enumerate(self._windows):
            from_start = pc.greater_equal(values, times.bound(values.type, start, zone))
            within = pc.and_(from_start, pc.less(values, times.bound(values.type, end, zone)))
            self.rows[index] += pc.sum(within.cast("int64")).as_py() or 0

    def check(self, series: int) -> None:
        """Compare the rows of each window with those that the step would give.

        Args:
            series: that the rows belong to.

        Raises:
            DeliveryError: Incomplete.
        """
        table = self.delivery.table
        step = periods.span(table.step) if table.step is not None else None
        if table.completeness is None or not step:
            return
        for rows, (start, end) in zip(self.rows, self._windows, strict=True):
            expected = max(1, round((end - start) / step)) * series
            percent = 100 * rows / expected
            if percent < table.completeness:
                raise DeliveryError(
                    DeliveryReason.INCOMPLETE,
                    f"{rows} of {expected} rows from {start:%Y-%m-%d} to {end:%Y-%m-%d} are there ({percent:.1f} %), "
                    f"and the app needs {table.completeness} %: choose other windows, or ask the data supplier for "
                    "what is missing",
                )


def _windows(delivery: Delivery) -> list[tuple[datetime, datetime]]:
    if delivery.table.completeness is None or delivery.table.step is None:
        return []
    if delivery.windows:
        return [(window.start, window.end) for window in delivery.windows]
    return [(delivery.start, delivery.end)] if delivery.start is not None and delivery.end is not None else []
