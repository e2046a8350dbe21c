"""Where kopf comes in: it watches the three kinds, handles signals and the process's life. Thin: it passes on.

Not used of kopf, and why (docs/decisions/0002-kopf.md): its create/update/delete handlers, which write progress and
the last-handled spec into annotations; its timers, daemons and indices; its Events.
"""

import asyncio
import contextlib
import logging
import os
import sys
from typing import Any

import kopf
from kopf._core.engines.peering import Identity
from pythonjsonlogger.json import JsonFormatter

from ddtas import __version__, redaction
from ddtas.api.crd import KINDS
from ddtas.cluster.client import PAGE_SIZE
from ddtas.names import GROUP, VERSION
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
    # kopf logs each object that it handles, and the objects' names would drown what happened.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLogger().level))


def registry(settings: Settings) -> kopf.OperatorRegistry:
    """All handlers of this operator."""
    handlers = kopf.OperatorRegistry()
    running: list[Operator] = []
    watchdogs: list[asyncio.Task[None]] = []

    @kopf.on.login(registry=handlers)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.startup(registry=handlers, param=settings, errors=kopf.ErrorsMode.PERMANENT)
    async def start(*, settings: kopf.OperatorSettings, param: Any = None, **_: Any) -> None:
        settings.posting.enabled = False
        settings.queueing.worker_limit = None
        settings.scanning.disabled = True
        settings.watching.server_timeout = 300
        # Whole objects are large: a hundred at a time, and each let go as soon as it was passed on.
        settings.watching.chunk_size = PAGE_SIZE
        settings.queueing.idle_timeout = 0.05
        operator = await Operator.create(param)
        running.append(operator)
        await operator.start()
        watchdogs.append(asyncio.create_task(_end_when_failed(operator)))

    @kopf.on.cleanup(registry=handlers)
    async def stop(**_: Any) -> None:
        for task in watchdogs:
            task.cancel()
        for operator in running:
            await operator.stop()

    async def pass_on(*, type: str, body: kopf.Body, param: Any = None, **_: Any) -> None:
        for operator in running:
            operator.on_object(param, type, dict(body))

    for kind in KINDS:
        kopf.on.event(GROUP, VERSION, kind.plural, registry=handlers, param=kind.name, id=kind.plural)(pass_on)
    return handlers


async def _end_when_failed(operator: Operator) -> None:
    """A process that lost the Lease must not do one thing more: another one may have it. Kubernetes starts it anew."""
    await operator.failed()
    log.error("ending this process")
    logging.shutdown()
    os._exit(1)


def run() -> int:
    """Run the operator until it is told to stop; returns the exit code."""
    settings = Settings()
    _configure_logging(settings.log_level)
    log.info("DDTAs operator", extra={"version": __version__})
    with contextlib.suppress(KeyboardInterrupt):
        kopf.run(
            registry=registry(settings),
            # Not used, as this operator has a Lease instead of peering; but kopf would derive it from a user name,
            # and the container's user has none.
            identity=Identity(settings.identity),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=list(settings.namespaces),
        )
    return 0
