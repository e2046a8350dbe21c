"""`follow`: keeps the tables of an app fresh while it serves."""

import asyncio
import logging

from ddtas.data.delivery.order import Delivery, Order
from ddtas.data.meaning import periods
from ddtas.runner import publishing
from ddtas.runner.fetch import FetchError, fetch_one, read_order
from ddtas.runner.settings import Places

_LOG = logging.getLogger(__name__)
_HOUR = 3600.0
_LEAST_SECONDS = 30.0  # between two fetches
_RETRY_SECONDS = 60.0  # after one that failed
_HELD_UP_SECONDS = 60.0  # the app waits for its first data


async def follow(places: Places) -> None:
    """Fetch all tables, and again by their frequency, until cancelled. The last good ones stay.

    Raises:
        FetchError: where what is to be fetched cannot be read.
    """
    order = read_order(places)
    publishing.clear(places.data)
    first = {name: asyncio.Event() for name in order.deliveries}
    async with asyncio.TaskGroup() as group:
        for name in order.deliveries:
            group.create_task(_keep_fresh(places, order, name, first[name]))
        group.create_task(_let_start(places, list(first.values())))


async def _let_start(places: Places, first: list[asyncio.Event]) -> None:
    """Let the app start once all its tables are there; or after a minute, when those that are missing say why."""
    try:
        async with asyncio.timeout(_HELD_UP_SECONDS):
            for event in first:
                await event.wait()
    except TimeoutError:
        _LOG.warning("the app starts without all of its data")
    publishing.started(places.data)


async def _keep_fresh(places: Places, order: Order, name: str, first: asyncio.Event) -> None:
    while True:
        order = _newest(places, order, name)
        delivery = order.deliveries[name]
        try:
            await fetch_one(places, order, name, delivery)
        except FetchError as error:
            _LOG.warning("%s", error)
            publishing.show_nothing(places.data, name, error.fault)
            publishing.say_state(places.data, name, error.fault)
            await asyncio.sleep(min(_RETRY_SECONDS, _pause(delivery)))
        else:
            publishing.say_state(places.data, name, None)
            first.set()
            await asyncio.sleep(_pause(delivery))


def _newest(places: Places, order: Order, name: str) -> Order:
    """The order as it is now: an address may move, and the network change, within a revision. One that cannot be read
    for a moment, or does not have the table, is that of before."""
    try:
        found = read_order(places)
    except FetchError as error:
        _LOG.warning("%s; going on with what was read before", error)
        return order
    return found if name in found.deliveries else order


def _pause(delivery: Delivery) -> float:
    span = periods.span(delivery.refresh) if delivery.refresh is not None else None
    return max(_LEAST_SECONDS, span.total_seconds() if span is not None else _HOUR)
