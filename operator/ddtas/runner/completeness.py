"""Whether enough rows of a period are there. Pure."""

from ddtas.data.delivery.order import Delivery
from ddtas.data.meaning import periods
from ddtas.runner.faults import DeliveryError, DeliveryReason


def check_completeness(delivery: Delivery, rows: int, series: int) -> None:
    """Compare the rows of the period with those that its step would give.

    Args:
        delivery: with the period; without both its ends, or without a step, nothing is asked.
        rows: that are there.
        series: that they belong to.

    Raises:
        DeliveryError: Incomplete.
    """
    table = delivery.table
    if table.completeness is None or table.step is None or delivery.start is None or delivery.end is None:
        return
    step = periods.span(table.step)
    length = delivery.end - delivery.start
    if not step:
        return
    expected = max(1, round(length / step)) * series
    percent = 100 * rows / expected
    if percent < table.completeness:
        period = f"{delivery.start:%Y-%m-%d} to {delivery.end:%Y-%m-%d}"
        raise DeliveryError(
            DeliveryReason.INCOMPLETE,
            f"{rows} of {expected} rows from {period} are there ({percent:.1f} %), and the app needs "
            f"{table.completeness} %: choose other windows, or ask the data supplier for what is missing",
        )
