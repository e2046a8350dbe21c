"""A small API server on loopback that answers what a test tells it to, and how long the event loop was held."""

import asyncio
import json
import time
from asyncio.events import Handle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from ddtas.cluster.rest.bounds import HOME, Bounds
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import ResourceType
from ddtas.cluster.rest.transport import Gate

THINGS = ResourceType("Thing", "/api/v1", "things")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def thing(name: str, version: str = "1", **more: Any) -> dict[str, Any]:
    """A small object."""
    metadata = {"name": name, "namespace": "city", "uid": f"uid-{name}", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata} | more


def page(*items: Any, version: str = "1", token: str = "") -> dict[str, Any]:
    """An answer to a list."""
    return {"kind": "List", "metadata": {"resourceVersion": version, "continue": token}, "items": list(items)}


def said(body: bytes | Any, status: int = 200, **headers: str) -> Answer:
    """Always the same."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=raw, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def streamed(*lines: bytes | Any, hold: bool = False, status: int = 200) -> Answer:
    """Lines of a watch; then the end, or silence."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for line in lines:
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        if hold:
            await asyncio.sleep(3600)
        return response

    return answer


def endless(chunk: bytes, sent: list[int], status: int = 200) -> Answer:
    """The same again and again, until the client has enough."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while True:
            await response.write(chunk)
            sent.append(len(chunk))

    return answer


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """A server that gives that answer to everything; its address."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await answer(request)
        except (ConnectionError, asyncio.CancelledError):
            return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    try:
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(answer: Answer | str, bounds: Bounds = HOME, **more: Any) -> AsyncIterator[Client]:
    """A client of a server that gives that answer, or of that address."""
    configuration = Configuration(host=answer if isinstance(answer, str) else "")
    configuration.retries = None
    if isinstance(answer, str):
        api = ApiClient(configuration=configuration)
        gate = Gate(lambda _: None, api.rest_client.ssl_context)
        configuration.client_session_kwargs = gate.session()
        api.rest_client.configuration.client_session_kwargs = configuration.client_session_kwargs
        made = Client(api, bounds=bounds, gate=gate, **more)
        try:
            yield made
        finally:
            await made.close()
        return
    async with served(answer) as url, client_of(url, bounds, **more) as made:
        yield made


class Held:
    """How long the event loop was held, at most."""

    seconds = 0.0


@contextmanager
def loop_held() -> Iterator[Held]:
    """Measure processor time of each step of the event loop's thread meanwhile."""
    held, run = Held(), Handle._run

    def measured(self: Handle) -> None:
        began = time.thread_time()
        run(self)
        held.seconds = max(held.seconds, time.thread_time() - began)

    Handle._run = measured  # type: ignore[method-assign]
    try:
        yield held
    finally:
        Handle._run = run  # type: ignore[method-assign]


class Grown:
    """How much memory this process took on top, at most."""

    bytes = 0


@contextmanager
def grown() -> Iterator[Grown]:
    """Measure the peak of the resident memory meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that of now
    before, found = _peak(), Grown()
    yield found
    found.bytes = _peak() - before


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
