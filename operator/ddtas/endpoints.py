"""The operator's own HTTP port: /metrics, /healthz (restart me if not) and /readyz (what is known is up to date)."""

from collections.abc import Callable, Sequence

from aiohttp import web

from ddtas import metrics


class HttpServer:
    """Serves until it is stopped."""

    def __init__(
        self, host: str, port: int, unhealthy: Callable[[], Sequence[str]], waiting: Callable[[], Sequence[str]]
    ) -> None:
        """Listen to nothing yet.

        Args:
            host: address to listen at.
            port: its port.
            unhealthy: what is wrong, a line each; nothing while this process works.
            waiting: what this process waits for, a line each; nothing while what it knows is kept up to date.
        """
        self._host, self._port = host, port
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._check(unhealthy))
        application.router.add_get("/readyz", self._check(waiting))
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
    def _check(wrong: Callable[[], Sequence[str]]) -> "web.types.Handler":  # type: ignore[name-defined]
        async def handle(_: web.Request) -> web.Response:
            lines = wrong()
            return web.Response(status=503, text="\n".join((*lines, ""))) if lines else web.Response(text="ok\n")

        return handle
