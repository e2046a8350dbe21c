"""Servers on loopback that say whatever a test wants, and looks at them."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import Probe, ProbeSession
from ddtas.data.registry import REGISTRY
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
LIMITS = Limits(deadline_seconds=60)  # for a busy machine: no test waits for it
HASTE = Limits(deadline_seconds=0.3)
CONTRACT = DataContract.model_validate({"version": "1.0.0"})
# In this process, which is quick and can be looked into; or each in a process of its own, as the operator has them.
PROBES = CONFINED if os.environ.get("DDTAS_TEST_CONFINED") else REGISTRY
SECRET = "s3cr3t-v4lue"  # must never be in a message
_HANDSHAKE_SECONDS = 5

Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]
Answer = bytes | Handler


@dataclass
class Server:
    """A server that remembers what it was asked.

    Attributes:
        requests: each with its request line and headers, as text.
        bodies: of the same requests; empty for one without.
    """

    port: int = 0
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def url(self, host: str = "127.0.0.1", path: str = "/data.csv", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def header(self, name: str, request: int = -1) -> str | None:
        for line in self.requests[request].split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    @property
    def targets(self) -> list[str]:
        """Path and query of each request."""
        return [request.split(" ", 2)[1] for request in self.requests]


@asynccontextmanager
async def serving(answer: Answer | Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that gives one answer to each connection, and closes it.

    Args:
        answer: what to say: bytes with everything from the status line on; a function that writes them; or either by
            the request's target: path with query, else the path alone, else 404.
        tls: how TLS is spoken; plain HTTP without it.
    """
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            server.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            server.bodies.append(await reader.readexactly(int(server.header("Content-Length") or 0)))
            chosen = _choose(answer, server.targets[-1]) if isinstance(answer, Mapping) else answer
            if isinstance(chosen, bytes):
                writer.write(chosen)
                await writer.drain()
            else:
                await chosen(writer)
        writer.close()

    patience = {"ssl_handshake_timeout": _HANDSHAKE_SECONDS} if tls else {}
    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls, **patience) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


def _choose(routes: Mapping[str, Answer], asked: str) -> Answer:
    return routes.get(asked) or routes.get(asked.partition("?")[0]) or response(b"", status="404 Not Found")


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with that body."""
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body


def json_response(value: Any, *headers: str, status: str = "200 OK", media_type: str = "application/json") -> bytes:
    """A whole answer with a value as JSON; bytes and text are sent as they are (JSON that Python does not write)."""
    body = value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    return response(body, f"Content-Type: {media_type}", *headers, status=status)


def redirect(location: str, status: str = "302 Found") -> bytes:
    return response(b"", f"Location: {location}", status=status)


def target(
    endpoint: str,
    scheme: str | None = None,
    credentials: Mapping[str, str] | None = None,
    *,
    kind: DataKind = DataKind.HTTP_CSV,
    physical_name: str | None = None,
    contract: DataContract = CONTRACT,
    **auth: Any,
) -> Target:
    """What to look at: `auth` are the other fields of Credentials in camelCase, such as tokenUrl."""
    how = Credentials.model_validate({"secretName": "data", "scheme": scheme, **auth}) if scheme else None
    return Target(
        kind=kind,
        endpoint=endpoint,
        contract=contract,
        physical_name=physical_name,
        auth=how,
        secret=credentials,
    )


async def look_at(
    to: Target | ProbeSession,
    limits: Limits = LIMITS,
    policy: AddressPolicy = LOOPBACK,
    probes: Mapping[DataKind, Probe] = PROBES,
) -> SourceFacts:
    """The facts that the probe of that kind finds. A Look may be given, to see afterwards what it cost."""
    session = to if isinstance(to, ProbeSession) else ProbeSession(to, limits, policy)
    # The outer time-out only keeps a broken probe from hanging the suite.
    async with asyncio.timeout(30):
        return await probes[session.target.kind](session)


async def refusal(
    to: Target | ProbeSession,
    limits: Limits = LIMITS,
    policy: AddressPolicy = LOOPBACK,
    probes: Mapping[DataKind, Probe] = PROBES,
) -> SourceError:
    """The error that the probe of that kind ends with; its message is one line, of bounded length, with no secret."""
    with pytest.raises(SourceError) as caught:
        await look_at(to, limits, policy, probes)
    assert SECRET not in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600
    return caught.value
