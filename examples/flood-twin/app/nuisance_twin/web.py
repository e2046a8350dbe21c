"""The service: what this level makes of the newest word of the level below, as CSV.

Should the level below not answer, its last word stays, and the page says so: whoever is fed here keeps something.
"""

from __future__ import annotations

import asyncio
import csv
import html
import io
from collections.abc import AsyncIterator

from aiohttp import web

from flood_twin.contract import AppError, Config

from .levels import Level, rows

PORT = 8080
REFRESH_SECONDS, RETRY_SECONDS = 60.0, 5.0


class Service:
    """One level, and what it last made."""

    def __init__(self, config: Config, level: Level) -> None:
        self._config, self._level = config, level
        self._found = config.values(level.parameters)
        self.title = f"{config.run().municipality}: {level.path[1:-4]}"
        self.made: str | None = None
        self.problem: str | None = "nothing was read yet"

    def refresh(self) -> bool:
        """Read what the level below says, and make the product again. Returns whether that worked."""
        try:
            below = rows(self._config.table(self._level.upstream))
            header, made = self._level.product(below, self._found)
        except AppError as error:
            self.problem = str(error)
            print(f"refresh failed: {error}", flush=True)
            return False
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([header, *made])
        self.made, self.problem = text.getvalue(), None
        return True

    async def keep_fresh(self) -> None:
        """Refresh for ever."""
        while True:
            pause = REFRESH_SECONDS if self.refresh() else RETRY_SECONDS
            await asyncio.sleep(pause)

    def application(self) -> web.Application:
        """The routes, and the refreshing that lives as long as the application."""

        def current() -> str:
            if self.made is None:
                raise web.HTTPServiceUnavailable(text=f"not ready: {self.problem}\n")
            return self.made

        async def healthz(_: web.Request) -> web.Response:
            current()
            return web.Response(text="ok\n")

        async def product(_: web.Request) -> web.Response:
            return web.Response(text=current(), content_type="text/csv")

        async def page(_: web.Request) -> web.Response:
            said = f"<p>{html.escape(self.problem)}</p>" if self.problem else ""
            body = f"<!DOCTYPE html><title>{html.escape(self.title)}</title><h1>{html.escape(self.title)}</h1>"
            text = f"{body}{said}<pre>{html.escape(current())}</pre>"
            return web.Response(text=text, content_type="text/html")

        async def refreshing(_: web.Application) -> AsyncIterator[None]:
            task = asyncio.create_task(self.keep_fresh())
            yield
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        app = web.Application()
        app.add_routes([web.get("/healthz", healthz), web.get(self._level.path, product), web.get("/", page)])
        app.cleanup_ctx.append(refreshing)
        return app


def serve(config: Config, level: Level) -> None:
    """Serve on port ``PORT`` until SIGTERM.

    :raises AppError: if the configuration is missing or wrong.
    """
    service = Service(config, level)
    web.run_app(service.application(), port=PORT, access_log=None, shutdown_timeout=5.0, print=None)
