"""The service: forecast, plot and page of a validated revision.

The table is read again every ``REFRESH_SECONDS``. What is served was computed before the request came, so a request
costs nothing. Should a refresh fail, the last good result stays and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass

from aiohttp import web

from . import page, plot
from .contract import AppError, Config, Window
from .data import load
from .forecast import Forecast, forecast
from .predict import modelled_discharge

PORT = 8080
REFRESH_SECONDS = 600.0
FIRST_RETRY_SECONDS = 2.0
LAST_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that was computed from one reading of the data."""

    span: Window
    forecast: Forecast
    plot: bytes


class Twin:
    """The configured twin and its newest results.

    :raises AppError: if a file of the configuration is missing or wrong; a container that cannot ever serve should end.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.run, self.settings = config.run(), config.settings()
        self.parameters, self.evidence = config.calibrated(), config.evidence()
        self.snapshot: Snapshot | None = None
        self.problem: str | None = "the data have not been read yet"
        """Why the newest refresh failed; none if it did not."""

    async def refresh(self) -> bool:
        """Read the data and compute everything again. Returns whether that worked; if not, ``problem`` says why."""
        try:
            # Off the event loop: drawing takes a second or more, and the probes must be answered meanwhile.
            self.snapshot = await asyncio.to_thread(self._compute)
        except AppError as error:
            self.problem = str(error)
            print(f"refresh failed: {error}", flush=True)
            return False
        self.problem = None
        print(f"serving data from {self.snapshot.span}, forecast from {self.snapshot.forecast.start}", flush=True)
        return True

    async def keep_fresh(self) -> None:
        """Refresh for ever: every ``REFRESH_SECONDS``, sooner after a failure."""
        retry = FIRST_RETRY_SECONDS
        while True:
            if await self.refresh():
                retry, pause = FIRST_RETRY_SECONDS, REFRESH_SECONDS
            else:
                retry, pause = min(retry * 2, LAST_RETRY_SECONDS), retry
            await asyncio.sleep(pause)

    def _compute(self) -> Snapshot:
        record = load(self._config.table())
        ahead = forecast(record, self.parameters, self.settings)
        modelled = modelled_discharge(record, self.parameters, self.settings)
        title = f"{self.run.municipality}: discharge, observed and modelled"
        return Snapshot(record.span, ahead, plot.render(record, modelled, title, self.run.windows, self.evidence))

    def forecast_json(self, snapshot: Snapshot) -> dict[str, object]:
        """What ``/forecast`` answers."""
        ahead = snapshot.forecast
        return {
            "municipality": {"name": self.run.municipality, "code": self.run.municipality_code},
            "installation": self.run.installation,
            "namespace": self.run.namespace,
            "revision": self.run.revision,
            "method": "ensemble streamflow prediction with the weather of the same days of past years",
            "unit": "m3/s",
            "dataWindow": snapshot.span.as_json(),
            "years": ahead.years,
            "days": [
                {"date": day.isoformat(), "low": round(low, 9), "median": round(median, 9), "high": round(high, 9)}
                for day, low, median, high in zip(
                    ahead.dates, ahead.low.tolist(), ahead.median.tolist(), ahead.high.tolist(), strict=True
                )
            ],
            "parameters": self.settings.as_json(),
            "calibrated": asdict(self.parameters),
            "evidence": {phase: found.as_json() for phase, found in self.evidence.items()},
            "problem": self.problem,
        }

    def forecast_csv(self, snapshot: Snapshot) -> str:
        """What ``/forecast.csv`` answers: the forecast as a data product, for other twins."""
        ahead = snapshot.forecast
        days = zip(ahead.dates, ahead.low.tolist(), ahead.median.tolist(), ahead.high.tolist(), strict=True)
        rows = [f"{day.isoformat()},{low:.9f},{median:.9f},{high:.9f}" for day, low, median, high in days]
        return "\n".join(["date,low_m3s,median_m3s,high_m3s", *rows]) + "\n"


def application(twin: Twin) -> web.Application:
    """The routes, and the refreshing that lives as long as the application."""

    def current() -> Snapshot:
        if twin.snapshot is None:
            raise web.HTTPServiceUnavailable(text=f"not ready: {twin.problem}\n", headers={"Retry-After": "5"})
        return twin.snapshot

    async def healthz(_: web.Request) -> web.Response:
        current()
        return web.Response(text="ok\n")

    async def forecast_(_: web.Request) -> web.Response:
        return web.json_response(twin.forecast_json(current()))

    async def forecast_csv(_: web.Request) -> web.Response:
        return web.Response(text=twin.forecast_csv(current()), content_type="text/csv")

    async def plot_(_: web.Request) -> web.Response:
        return web.Response(body=current().plot, content_type="image/png")

    async def index(_: web.Request) -> web.Response:
        now = current()
        html = page.render(
            twin.run, twin.settings, twin.parameters, twin.evidence, now.span, now.forecast, twin.problem
        )
        return web.Response(text=html, content_type="text/html")

    async def headers(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = page.CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-cache"

    async def refreshing(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(twin.keep_fresh())
        # A fault that ends the task ends the process: a twin that silently never refreshes again would be worse.
        task.add_done_callback(_end_on_fault)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/forecast", forecast_),
            web.get("/forecast.csv", forecast_csv),
            web.get("/plot.png", plot_),
            web.get("/", index),
        ]
    )
    app.on_response_prepare.append(headers)
    app.cleanup_ctx.append(refreshing)
    return app


def serve(config: Config) -> None:
    """Serve on port ``PORT`` until SIGTERM.

    :raises AppError: if the configuration is missing or wrong.
    """
    twin = Twin(config)
    # No access log: probes every few seconds would drown the lines that matter.
    web.run_app(application(twin), port=PORT, access_log=None, shutdown_timeout=5.0, print=None)


def _end_on_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        raise SystemExit(f"fault in the app: {type(error).__name__}: {error}")
