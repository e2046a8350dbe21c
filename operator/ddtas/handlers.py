"""Where kopf comes in: the process's life, from its start to a signal. Thin: it passes on.

Not used of kopf, and why (docs/decisions/0002-kopf.md, 0070-own-informers-for-all-kinds.md): its watches, handlers of
objects, timers, daemons, indices and Events. Its own look at the API server, which begins when its start-up activity
has ended, may end the process; so the operator lives inside that activity.
"""

import asyncio
import contextlib
import logging
import os
import sys
from typing import Any

import kopf
from pythonjsonlogger.json import JsonFormatter

from ddtas import __version__, garbage, redaction
from ddtas.runtime import Operator
from ddtas.settings import Settings

log = logging.getLogger(__name__)


class _Discreet(JsonFormatter):
    """What somebody else said may hold what he was told in confidence."""

    def format(self, record: logging.LogRecord) -> str:
        return redaction.known.hide(super().format(record))


def _configure_logging(level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        _Discreet(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # That its start-up ended with a signal is no news: see `registry`.
    logging.getLogger("kopf").setLevel(logging.ERROR)


def registry(settings: Settings) -> kopf.OperatorRegistry:
    """All handlers of this operator: one, which runs it until kopf cancels it."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers, param=settings, errors=kopf.ErrorsMode.PERMANENT)
    async def live(*, param: Any = None, **_: Any) -> None:
        operator = await Operator.create(param)
        watchdog = asyncio.create_task(_end_when_failed(operator))
        try:
            await operator.start()
            await asyncio.Event().wait()
        finally:
            watchdog.cancel()
            await operator.stop()

    return handlers


async def _end_when_failed(operator: Operator) -> None:
    """A process that lost the Lease must not do one thing more: another one may have it. Kubernetes starts it again."""
    await operator.failed()
    log.error("ending this process")
    logging.shutdown()
    os._exit(1)


def run() -> int:
    """Run the operator until it is told to stop; returns the exit code."""
    settings = Settings()
    _configure_logging(settings.log_level)
    log.info("DDTAs operator", extra={"version": __version__})
    garbage.keep_collections_short()
    with contextlib.suppress(KeyboardInterrupt):
        kopf.run(
            registry=registry(settings),
            # Not used, as this operator has a Lease instead of peering; but kopf would derive it from a user name,
            # and the container's user has none.
            identity=settings.identity,  # type: ignore[arg-type]
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=list(settings.namespaces),
        )
    return 0
