"""`fetch`: all tables of a run, once; and what is reported of them."""

import asyncio
import logging
import os
import shutil
from pathlib import Path

from pydantic import ValidationError

from ddtas.data.delivery.order import Delivery, Order
from ddtas.data.delivery.report import FetchedTable, FetchFault, FetchReport
from ddtas.data.discretion import sent
from ddtas.data.session import Session, SourceReason
from ddtas.errors import Reasoned, printable, trail
from ddtas.redaction import Redactor
from ddtas.runner import bindings, ordered, publishing, sealing
from ddtas.runner.delivery import Folders, Made, deliver
from ddtas.runner.faults import DeliveryError, DeliveryReason
from ddtas.runner.settings import Places, addresses, limits

_LOG = logging.getLogger(__name__)
_PASSING = frozenset({SourceReason.UNREACHABLE, SourceReason.TOO_SLOW, SourceReason.HTTP_ERROR})
_PAUSES = (2.0, 8.0)  # seconds before another attempt
_SECONDS = 3600.0  # of one attempt
_MOST_MESSAGE = 800


class FetchError(Exception):
    """A requirement has no table.

    Attributes:
        fault: why, without any credential.
    """

    def __init__(self, fault: FetchFault) -> None:
        super().__init__(f"{fault.requirement}: {fault.reason}: {fault.message}")
        self.fault = fault


def read_order(places: Places) -> Order:
    """What is to be fetched.

    Raises:
        FetchError: where the file is not as the operator makes it.
    """
    try:
        return Order.model_validate_json(ordered.read(places.order))
    except ordered.AlteredError as error:
        fault = FetchFault(requirement="all", reason=DeliveryReason.ORDER_ALTERED, message=str(error))
        raise FetchError(fault) from None
    except (OSError, ValidationError) as error:
        _LOG.error("the order cannot be read: %s", type(error).__name__)
        fault = FetchFault(
            requirement="all",
            reason=SourceReason.INTERNAL_ERROR,
            message="what is to be fetched cannot be read: the versions of operator and runner do not fit each other",
        )
        raise FetchError(fault) from None


def empty(places: Places) -> None:
    """Remove what an earlier attempt left, of ours and of the app: a pod whose node restarts runs all over again.

    Raises:
        FetchError: (Leftovers) where something cannot be removed.
    """
    for folder in filter(None, (places.data, places.truth, places.output)):
        try:
            for entry in folder.iterdir() if folder.exists() else ():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
        except (OSError, RecursionError) as error:
            what = error.strerror if isinstance(error, OSError) else "its folders are too deep"
            message = f"{folder} has files of an earlier attempt that cannot be removed ({what}): start another run"
            raise FetchError(FetchFault(requirement="all", reason=DeliveryReason.LEFTOVERS, message=message)) from None


async def fetch_all(places: Places) -> FetchReport:
    """Put `seal` in place, then fetch each table into empty folders; the first that cannot be had ends it."""
    try:
        empty(places)
        _seal(places)
        order = read_order(places)
        tables = []
        for name, delivery in sorted(order.deliveries.items()):
            tables.append(await fetch_one(places, order, name, delivery))
        return FetchReport(tables=tuple(tables))
    except FetchError as error:
        return FetchReport(fault=error.fault)


def _seal(places: Places) -> None:
    if places.seal is None:
        return
    try:
        sealing.install(places.binary, places.seal)
    except DeliveryError as error:
        _LOG.error("%s: %s", error.reason, error.message)
        raise FetchError(FetchFault(requirement="all", reason=error.reason, message=error.message)) from None


async def fetch_one(places: Places, order: Order, name: str, delivery: Delivery) -> FetchedTable:
    """Fetch a table and show it to the app; what may pass is tried again.

    Raises:
        FetchError: where it cannot be had.
    """
    for pause in (*_PAUSES, None):
        try:
            made = await _attempt(places, order, name, delivery)
        except FetchError as error:
            if pause is None or error.fault.reason not in _PASSING:
                raise
            _LOG.warning("%s; trying again in %g s", error, pause)
            await asyncio.sleep(pause)
        else:
            if made.truth is not None and places.truth is not None:
                os.replace(made.truth, places.truth / name)
            publishing.show(places.data, name, made.folder)
            _LOG.info("%s: %d rows, %d bytes", name, made.fetched.rows, made.fetched.bytes)
            return made.fetched
    raise AssertionError("the last attempt returns or raises")


async def _attempt(places: Places, order: Order, name: str, delivery: Delivery) -> Made:
    redactor, session = Redactor(), None
    try:
        target = bindings.target(places.bindings / name, delivery, order.namespace)
        policy = addresses(order.network).reaching([order.namespace] if order.namespace else [])
        session = Session(target, limits(delivery.table.maximum_bytes, _SECONDS), policy)
        async with asyncio.timeout(_SECONDS):
            truth = publishing.tables(places.truth) if places.truth is not None else None
            return await deliver(session, name, delivery, Folders(publishing.tables(places.data), truth))
    except Reasoned as error:
        reason, message = error.reason, error.message
    except TimeoutError:
        reason, message = SourceReason.TOO_SLOW, f"did not deliver all of it within {_SECONDS:g} s"
    except MemoryError:
        reason, message = DeliveryReason.OUT_OF_MEMORY, "takes more memory than there is: ask for fewer fields or days"
    except OSError as error:
        reason, message = DeliveryReason.STORAGE_FULL, f"cannot be written ({error.strerror}): ask for less data"
    except Exception as error:
        # What it says may have anything in it, a credential among that.
        _LOG.error("%s: %s at %s", name, type(error).__name__, trail(error))
        reason, message = SourceReason.INTERNAL_ERROR, f"fault of the runner ({type(error).__name__}); see its log"
    if session is not None:
        redactor.put("", "", sent(session))
    shown = printable(redactor.hide(message), _MOST_MESSAGE)
    raise FetchError(FetchFault(requirement=name, reason=str(reason), message=shown)) from None


def write_report(path: Path, report: FetchReport) -> None:
    """Leave a report where the kubelet takes it from."""
    path.write_text(report.model_dump_json(by_alias=True, exclude_defaults=True), "utf-8")
