"""The proxy itself: what it passes on, and that each fault is what it says. The server behind it is a small one."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import faults_actions as a
import pytest
from aiohttp import web
from faults_plan import FAULTS
from faults_proxy import Action, Call, LineAction, Proxy, Rule

JOB = "/apis/batch/v1/namespaces/town/jobs/flood-calibrate"
WATCH = "/api/v1/namespaces/town/services?watch=true"
SOON = aiohttp.ClientTimeout(total=1.5)


class Server:
    """Counts what arrives, and has a watch of three events."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, str, str]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.arrived.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        if "watch" not in request.query_string:
            return web.json_response({"kind": "Job", "metadata": {"name": "x" * 200}}, status=201)
        answer = web.StreamResponse()
        await answer.prepare(request)
        for n in range(3):
            await answer.write(json.dumps({"type": "ADDED", "object": {"n": n}}).encode() + b"\n")
            await asyncio.sleep(0.05)
        return answer


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[Server, str, bytes]]:
    """An HTTPS server; itself, its URL, its certificate."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=127.0.0.1"]
    await asyncio.to_thread(
        subprocess.run, [*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    made = Server()
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    yield made, f"https://127.0.0.1:{port}", certificate.read_bytes()
    await runner.cleanup()


@pytest.fixture
async def proxy(server: tuple[Server, str, bytes]) -> AsyncIterator[Proxy]:
    made = await asyncio.to_thread(Proxy, *server[1:])
    yield made
    await asyncio.to_thread(made.close)


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "call"),
    [
        ("GET", "/version", "", b"", Call("get", "")),
        ("GET", "/api/v1/pods", "watch=true", b"", Call("watch", "pods")),
        ("GET", "/api/v1/namespaces/town", "", b"", Call("get", "namespaces", "", "town")),
        ("GET", "/apis/apps/v1/namespaces/town/deployments", "limit=100", b"", Call("list", "deployments", "town")),
        ("GET", JOB, "", b"", Call("get", "jobs", "town", "flood-calibrate")),
        ("PATCH", f"{JOB}/status", "", b"{}", Call("apply", "jobs", "town", "flood-calibrate", "status")),
        ("DELETE", JOB, "", b"not json", Call("delete", "jobs", "town", "flood-calibrate")),
        ("POST", "/api/v1/namespaces/town/events", "", b'{"metadata": {"name": "e"}}',
         Call("create", "events", "town", "e")),
        ("PATCH", "/apis/ddtas.nl/v1alpha1/applistings/store", "", b"[]", Call("apply", "applistings", "", "store")),
    ],
)  # fmt: skip
def test_what_a_request_is(method: str, path: str, query: str, body: bytes, call: Call) -> None:
    assert Call.of(method, path, query, body) == call


async def write(proxy: Proxy) -> tuple[int, bytes]:
    headers = {"Authorization": "Bearer mine"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.patch(proxy.url + JOB, timeout=SOON) as answer,
    ):
        return answer.status, await answer.read()


async def watched(proxy: Proxy, limit: int = 1 << 20) -> bytes:
    """What a watch brings until it ends, breaks, or has been silent for too long."""
    found = b""
    async with aiohttp.ClientSession() as session, session.get(proxy.url + WATCH, timeout=SOON) as answer:
        try:
            async for chunk in answer.content.iter_any():
                found += chunk
                if len(found) > limit:
                    return found
        except aiohttp.ClientError:
            return found + b"BROKEN"
        except TimeoutError:
            return found + b"SILENT"
    return found


async def test_it_passes_on_with_the_callers_token(proxy: Proxy, server: tuple[Server, str, bytes]) -> None:
    status, body = await write(proxy)
    assert (status, json.loads(body)["kind"]) == (201, "Job")
    assert server[0].arrived == [("PATCH", JOB, "Bearer mine")]
    assert proxy.calls == [(Call("apply", "jobs", "town", "flood-calibrate"), 201)]
    assert [json.loads(line)["object"] for line in (await watched(proxy)).splitlines()] == [{"n": n} for n in range(3)]


BROKEN: Any = (aiohttp.ClientError, TimeoutError)
# Whether it arrives, and what becomes of the answer.
SAID: dict[str, tuple[bool, int | None]] = {
    "409": (False, 409), "404": (False, 404), "422": (False, 422), "429": (False, 429), "500": (False, 500),
    "503": (False, 503), "reset": (False, None), "hang": (False, None), "killed before": (False, None),
    "lost": (True, None), "cut": (True, None), "endless": (True, None), "killed after": (True, None),
    "504": (True, 504), "junk": (True, 201), "null": (True, 201), "odd": (True, 201),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_a_write(proxy: Proxy, server: tuple[Server, str, bytes], fault: str) -> None:
    proxy.add(Rule(lambda call: call.kind == "jobs", FAULTS[fault], skip=1))
    assert (await write(proxy))[0] == 201, "the first one is let through"
    arrives, status = SAID[fault]
    if status is None:
        with pytest.raises(BROKEN):
            await write(proxy)
    else:
        assert (await write(proxy))[0] == status
    assert len(server[0].arrived) == 1 + arrives
    assert (await write(proxy))[0] == 201, "it happens once"


def event(n: int) -> bytes:
    return json.dumps({"type": "ADDED", "object": {"n": n}}).encode() + b"\n"


LINES: list[tuple[str, LineAction, bytes]] = [
    ("silent", a.silent, event(0) + b"SILENT"),
    ("cut", a.cut_line, event(0) + event(1)[: len(event(1)) // 2] + b"BROKEN"),
    ("ended", a.end_line, event(0) + event(1)[: len(event(1)) // 2]),
    ("junk", a.before_it(b"{junk\n"), event(0) + b"{junk\n" + event(1) + event(2)),
    ("dropped", a.dropped, event(0) + event(2)),
    ("duplicated", a.duplicated, event(0) + event(1) + event(1) + event(2)),
    ("late", a.delayed(0.03), event(0) + event(2) + event(1)),
]


@pytest.mark.parametrize(("line", "brings"), [pytest.param(*rest, id=name) for name, *rest in LINES])
async def test_each_fault_of_a_watch(proxy: Proxy, line: LineAction, brings: bytes) -> None:
    if line is LINES[-1][1]:
        line = a.delayed(0.075)
    proxy.add(Rule(lambda call: call.verb == "watch", line=line, on=lambda event: event["object"]["n"] == 1))
    assert await watched(proxy) in (brings, brings.replace(event(2) + event(1), event(2) + event(1)))
    assert await watched(proxy) == event(0) + event(1) + event(2), "it happens once"


async def test_an_error_in_a_watch_ends_it(proxy: Proxy) -> None:
    proxy.add(Rule(lambda call: True, line=a.error(410, "Expired")))
    (line,) = (await watched(proxy)).splitlines()
    assert json.loads(line)["object"]["code"] == 410


async def test_a_line_that_does_not_end(proxy: Proxy) -> None:
    proxy.add(Rule(lambda call: True, line=a.endless_line))
    assert b"\n" not in await watched(proxy, 1 << 22)


@pytest.mark.parametrize(
    ("action", "brings"), [(a.mute, b"SILENT"), (a.refuse(410, "Expired"), a.status_of(410, "Expired"))]
)
async def test_faults_of_the_opening(proxy: Proxy, action: Action, brings: bytes) -> None:
    proxy.add(Rule(lambda call: call.verb == "watch", action))
    assert await watched(proxy) == brings


async def test_it_is_away_and_comes_back(proxy: Proxy) -> None:
    url = proxy.url
    proxy.add(Rule(lambda call: call.verb == "watch", line=a.silent))
    waiting = asyncio.create_task(watched(proxy))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(proxy.away)
    with pytest.raises(aiohttp.ClientConnectionError):
        await write(proxy)
    assert (await waiting).endswith(b"BROKEN")
    await asyncio.to_thread(proxy.back)
    assert proxy.url == url
    assert (await write(proxy))[0] == 201


async def test_watches_can_be_broken_off(proxy: Proxy) -> None:
    proxy.add(Rule(lambda call: call.verb == "watch", a.mute))
    waiting = asyncio.create_task(watched(proxy))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(proxy.break_off, lambda call: call.kind == "services")
    assert await waiting == b"BROKEN"
