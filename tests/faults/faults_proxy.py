"""A proxy between an operator and an API server, in which anything can be made to go wrong.

It listens on loopback without TLS and passes everything on over TLS, with the caller's own token. Rules say which
requests meet a fault, and which one (`faults_actions.py`). It runs in a thread of its own, with a loop of its own; its
methods are called from the test.
"""

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web

JsonObject = dict[str, Any]

_HEADERS = ("Authorization", "Content-Type", "Accept", "User-Agent")
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "apply", "DELETE": "delete"}


@dataclass(frozen=True)
class Call:
    """One request as the proxy sees it.

    Attributes:
        verb: get, list, watch, create, update, apply, delete.
        kind: the plural, as in the path.
        namespace: empty for what has none, and for all namespaces.
        name: of the object; of one that is created, from its body.
        subresource: such as status; empty for the object itself.
        body: what was sent; empty where that is no JSON object.
        selector: of labels, of a list or a watch.
    """

    verb: str
    kind: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: JsonObject = field(default_factory=dict, compare=False)
    selector: str = ""

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb not in ("get", "list", "watch")

    @classmethod
    def of(cls, method: str, path: str, query: str, data: bytes) -> "Call":
        """From the parts of an HTTP request."""
        parts = path.strip("/").split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = rest[1] if len(rest) > 2 and rest[0] == "namespaces" else ""
        rest = rest[2:] if namespace else rest
        kind, name, subresource = (*rest, "", "", "")[:3]
        try:
            sent = json.loads(data) if data else {}
        except ValueError:
            sent = {}
        body = sent if isinstance(sent, dict) else {}
        asked = parse_qs(query)
        if method == "GET":
            watches = asked.get("watch", [""])[0] in ("true", "1")
            verb = "watch" if watches else "get" if name or not kind else "list"
        else:
            verb = _METHODS[method]
        name = name or str(body.get("metadata", {}).get("name", ""))
        return cls(verb, kind, namespace, name, subresource, body, asked.get("labelSelector", [""])[0])


class Exchange:
    """One request on its way: what an action has in its hands."""

    def __init__(self, call: Call, request: web.Request, data: bytes, proxy: "Proxy") -> None:
        self.call = call
        self.proxy = proxy
        self._request, self._data = request, data
        self._stream: web.StreamResponse | None = None
        self._later: set[asyncio.Task[None]] = set()

    async def forward(self) -> tuple[int, bytes]:
        """Have the API server do it; its answer."""
        async with self._open(aiohttp.ClientTimeout(total=120)) as answer:
            return answer.status, await answer.read()

    def answer(self, status: int, body: bytes, **headers: str) -> web.Response:
        """An answer to the operator."""
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json"} | names)

    def reset(self) -> web.Response:
        """Break the connection."""
        if self._request.transport is not None:
            self._request.transport.abort()
        return web.Response(status=500)

    async def begin(self, status: int = 200, **headers: str) -> None:
        """Send the head of an answer that goes on."""
        names = {key.replace("_", "-"): value for key, value in headers.items()}
        self._stream = web.StreamResponse(status=status, headers={"Content-Type": "application/json"} | names)
        if "Content-Length" not in names:
            self._stream.enable_chunked_encoding()
        await self._stream.prepare(self._request)

    async def send(self, data: bytes) -> None:
        """Send more of it."""
        assert self._stream is not None
        await self._stream.write(data)

    def send_later(self, seconds: float, data: bytes) -> None:
        """Send more of it in a while, and go on with other things."""

        async def work() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(ConnectionError):
                await self.send(data)

        task = asyncio.create_task(work())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def end(self) -> web.StreamResponse:
        """Send the end of it, after what is still to come: late is not lost."""
        assert self._stream is not None
        await asyncio.gather(*self._later)
        await self._stream.write_eof()
        return self._stream

    def _open(self, timeout: aiohttp.ClientTimeout) -> Any:
        headers = {name: self._request.headers[name] for name in _HEADERS if name in self._request.headers}
        return self.proxy.session.request(
            self._request.method,
            self.proxy.server + self._request.raw_path,
            data=self._data or None,
            headers=headers,
            timeout=timeout,
        )

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines of the API server's watch; a refusal is raised as it is."""
        async with self._open(aiohttp.ClientTimeout(total=None)) as answer:
            if answer.status != 200:
                raise _Refused(self.answer(answer.status, await answer.read()))
            await self.begin()
            buffer = b""
            async for chunk in answer.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    yield line + b"\n"


class _Refused(Exception):
    """The API server refused a watch."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__()
        self.answer = answer


Action = Callable[[Exchange], Awaitable[web.StreamResponse]]
LineAction = Callable[[Exchange, bytes], Awaitable[bool]]


@dataclass(eq=False)
class Rule:
    """What goes wrong, and with what.

    Attributes:
        matches: the requests that it is for.
        action: what becomes of such a request; for a watch, of its opening.
        line: what becomes of a line of such a watch; returns whether the watch goes on.
        on: the events (of a watch) that `line` is for.
        skip: so many occurrences are let through first.
        times: so often it happens.
    """

    matches: Callable[[Call], bool]
    action: Action | None = None
    line: LineAction | None = None
    on: Callable[[JsonObject], bool] = lambda event: True
    skip: int = 0
    times: int = 1
    hits: list[tuple[float, Call]] = field(default_factory=list)
    _seen: int = 0

    @property
    def happened(self) -> bool:
        """Whether it went wrong at least once."""
        return bool(self.hits)

    def _takes(self, call: Call) -> bool:
        self._seen += 1
        if self._seen <= self.skip or len(self.hits) >= self.times:
            return False
        self.hits.append((time.monotonic(), call))
        return True

    def takes(self, call: Call) -> bool:
        """Whether this request meets it now."""
        return self.action is not None and self.matches(call) and self._takes(call)

    def takes_event(self, call: Call, event: JsonObject) -> bool:
        """Whether this event of a watch meets it now."""
        return self.line is not None and self.matches(call) and self.on(event) and self._takes(call)


class Proxy:
    """Passes requests on, until a rule says otherwise."""

    def __init__(self, server: str, authority: bytes) -> None:
        """Begin to listen.

        Args:
            server: URL of the API server.
            authority: the certificates to trust it by, PEM.
        """
        self.server = server
        self.calls: list[tuple[Call, int]] = []  # what was asked, and the HTTP status that the API server gave
        self.session: aiohttp.ClientSession
        self.port = 0
        self._tls = ssl.create_default_context(cadata=authority.decode())
        self._rules: list[Rule] = []
        self._transports: dict[asyncio.BaseTransport, Call | None] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start())

    @property
    def url(self) -> str:
        """Where the operator finds it."""
        return f"http://127.0.0.1:{self.port}"

    def add(self, *rules: Rule) -> None:
        """Let these things go wrong from now on."""
        self._rules = [*self._rules, *rules]

    def drop(self, *rules: Rule) -> None:
        """Let these things go wrong no more."""
        self._rules = [rule for rule in self._rules if rule not in rules]

    def calm(self) -> None:
        """Nothing goes wrong any more, from the next request on."""
        self._rules = []

    def break_off(self, matches: Callable[[Call], bool] = lambda call: True) -> None:
        """Break the connections of requests that are under way, watches too."""
        self._do(self._break_off(matches))

    def away(self) -> None:
        """Refuse connections, and break those that there are."""
        self._do(self._away())

    def back(self) -> None:
        """Take connections again."""
        self._do(self._listen())

    def close(self) -> None:
        """End it."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    # ---- in the thread ----

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _start(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        self.session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True, access_log=None))
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _away(self) -> None:
        await self._site.stop()
        for transport in list(self._transports):
            transport.abort()  # type: ignore[attr-defined]

    async def _break_off(self, matches: Callable[[Call], bool]) -> None:
        for transport, call in list(self._transports.items()):
            if call is not None and matches(call):
                transport.abort()  # type: ignore[attr-defined]

    async def _stop(self) -> None:
        for transport in list(self._transports):
            transport.abort()  # type: ignore[attr-defined]
        await self._runner.cleanup()
        await self.session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.BaseRequest)
        transport = request.transport
        data = await request.read()
        call = Call.of(request.method, request.path, request.query_string, data)
        if transport is None:
            return web.Response(status=500)
        self._transports = {t: c for t, c in self._transports.items() if not t.is_closing()} | {transport: call}
        exchange = Exchange(call, request, data, self)  # type: ignore[arg-type]
        try:
            return await self._work(exchange)
        finally:
            if transport in self._transports:
                self._transports[transport] = None

    async def _work(self, exchange: Exchange) -> web.StreamResponse:
        call = exchange.call
        rule = next((rule for rule in self._rules if rule.takes(call)), None)
        try:
            if rule is not None and rule.action is not None:
                return await rule.action(exchange)
            if call.verb == "watch":
                return await self._watch(exchange)
            status, body = await exchange.forward()
            self.calls.append((call, status))
            return exchange.answer(status, body)
        except _Refused as refused:
            return refused.answer
        except (aiohttp.ClientError, ConnectionError):
            return exchange.reset()

    async def _watch(self, exchange: Exchange) -> web.StreamResponse:
        async for line in exchange.lines():
            event = json.loads(line)
            rule = next((rule for rule in self._rules if rule.takes_event(exchange.call, event)), None)
            if rule is None or rule.line is None:
                await exchange.send(line)
            elif not await rule.line(exchange, line):
                break
        return await exchange.end()
