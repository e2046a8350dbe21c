"""The operator's own HTTP port: /metrics, /healthz (restart me if not) and /readyz (the caches are filled)."""

from collections.abc import Callable

from aiohttp import web

from ddtas import metrics


class HttpServer:
    """Serves until it is stopped."""

    def __init__(self, host: str, port: int, healthy: Callable[[], bool], ready: Callable[[], bool]) -> None:
        self._host, self._port = host, port
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._check(healthy))
        application.router.add_get("/readyz", self._check(ready))
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the port is taken.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})

    @staticmethod
    def _check(holds: Callable[[], bool]) -> Callable[[web.Request], "web.types.Handler"]:  # type: ignore[name-defined]
        async def handle(_: web.Request) -> web.Response:
            return web.Response(text="ok\n") if holds() else web.Response(status=503, text="not yet\n")

        return handle
