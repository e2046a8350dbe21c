"""One bounded HTTP GET.

What bounds it: a total deadline, a cap on the bytes of the body, on the headers and on the redirects. The address
policy is asked about the address of each socket, after DNS: a rebinding name, a decimal or hexadecimal host and an
IPv4 address inside an IPv6 one all come by there, at every hop.
"""

import asyncio
import base64
import functools
import http
import socket
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ddtas import __version__
from ddtas.errors import ProbeError
from ddtas.probes.addresses import AddressPolicy
from ddtas.probes.base import Limits, Reason, Target, printable

_CHUNK_BYTES = 16 * 1024  # small enough that working through one does not hold up the event loop
_HEADER_BYTES = 8 * 1024  # of one header; aiohttp itself bounds their number
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {
    "User-Agent": f"ddtas-operator/{__version__} (+data source probe)",
    # A few compressed kilobytes can hold gigabytes, so compression is neither asked for nor undone.
    "Accept-Encoding": "identity",
}

# Threads of their own: a name server that never answers must not use up those of the rest of the operator.
_LOOKUPS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="probe-dns")


class Answer:
    """A successful answer, its body not yet read.

    Attributes:
        media_type: `Content-Type` without parameters, in lower case; empty when there is none.
        received: bytes of the body so far.
        complete: the body was read to its end; False while reading, and when the cap ended it.
    """

    def __init__(self, response: aiohttp.ClientResponse, max_bytes: int) -> None:
        self.media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.received = 0
        self.complete = False
        self._content = response.content
        self._max_bytes = max_bytes

    async def read(self) -> bytes:
        """The next piece of the body, at most 16 KiB; empty at its end, and at the cap."""
        # Pieces that are in the buffer already would otherwise come without giving the event loop a turn.
        await asyncio.sleep(0)
        room = self._max_bytes - self.received
        chunk = await self._content.read(min(room, _CHUNK_BYTES) or 1)  # at the cap: is there more?
        self.complete = not chunk
        if not room:
            return b""
        self.received += len(chunk)
        return chunk


@asynccontextmanager
async def get(target: Target, limits: Limits, policy: AddressPolicy, accept: str) -> AsyncIterator[Answer]:
    """GET the endpoint; the deadline runs until the context is left.

    Args:
        target: endpoint and credentials.
        limits: deadline, cap and number of redirects.
        policy: which addresses may be connected to.
        accept: media types, for the `Accept` header.

    Raises:
        ProbeError: with every reason but MalformedData, InternalError and Reachable.
    """
    gate = _Gate(policy)
    authorization = _authorization(target)
    try:
        async with asyncio.timeout(limits.deadline_seconds), _session(gate, accept) as session:
            response = await _follow(session, target, authorization, limits.max_redirects)
            try:
                _check(response, target, authorization)
                yield Answer(response, limits.max_bytes)
            finally:
                response.close()  # not release(): that would read on
    except TimeoutError:
        raise ProbeError(
            Reason.TOO_SLOW,
            f"{target.place} was not read within {limits.deadline_seconds:g} seconds: ask its supplier for a faster "
            "server, or for a smaller extract",
        ) from None
    except (aiohttp.ClientError, ConnectionError) as error:
        # `from None`: what aiohttp says can hold the query, or bytes that the server sent.
        raise _explain(error, gate, target) from None


class _Gate:
    """Makes the sockets of one look, and no socket for an address that the policy refuses."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self.refusals: set[str] = set()

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if refusal := self._policy.refusal(address):
            self.refusals.add(f"{address} ({refusal})")
            raise PermissionError(refusal)  # an OSError makes aiohttp try the next address of the name
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        lookup = functools.partial(
            socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, lookup)
        except UnicodeError:
            raise OSError(None, "not a host name") from None
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=of, proto=protocol, flags=0)
            for of, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing to close: the threads are shared."""


def _session(gate: _Gate, accept: str) -> aiohttp.ClientSession:
    """A session for one look, so that nothing (connections, cookies, DNS answers) goes over to another source."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=gate.socket, resolver=_Resolver(), use_dns_cache=False, force_close=True
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={**_HEADERS, "Accept": accept},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the one deadline is around everything
        trust_env=False,
        auto_decompress=False,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )


async def _follow(
    session: aiohttp.ClientSession, target: Target, authorization: str | None, max_redirects: int
) -> aiohttp.ClientResponse:
    """The first answer that is no redirect.

    Redirects are followed by hand: aiohttp would send credentials on in cases where we do not.
    """
    url = _parse(target.endpoint, target)
    origin = url.origin()
    for _ in range(max_redirects + 1):
        if url.origin() != origin:
            authorization = None  # for good: a redirect back is another server's choice of path
        headers = {"Authorization": authorization} if authorization else {}
        response = await session.get(url, headers=headers, allow_redirects=False)
        if response.status not in _REDIRECTS:
            return response
        response.close()
        url = _parse(response.headers.get("Location", ""), target, url)
    raise ProbeError(
        Reason.TOO_MANY_REDIRECTS,
        f"{target.place} redirects more than {max_redirects} times: give the URL of the data itself",
    )


def _parse(text: str, target: Target, base: URL | None = None) -> URL:
    """An absolute http(s) URL without user info, which aiohttp would send as credentials."""
    try:
        url = base.join(URL(text)) if base else URL(text)
        if url.scheme in ("http", "https") and url.host and text:
            return url.with_user(None)
    except ValueError:  # no URL at all; its text says too much about a secret or a payload to show
        pass
    culprit = f"{target.place} redirects to what" if base else target.place
    raise ProbeError(Reason.ADDRESS_FORBIDDEN, f"{culprit} is not a http or https URL: give the URL of the data itself")


def _authorization(target: Target) -> str | None:
    """The value of the Authorization header, or None without credentials."""
    if target.scheme is None:
        return None
    given = target.credentials or {}
    needed = ("username", "password") if target.scheme == "Basic" else ("token",)
    # A newline at the end of a Secret's value is a common slip. It must not get into a header.
    bad = [name for name in needed if not given.get(name, "").isprintable() or not given.get(name)]
    if target.scheme == "Basic" and ":" in given.get("username", ""):
        bad.append("username")
    if target.scheme == "Bearer" and not given.get("token", "").isascii():
        bad.append("token")
    if bad:
        raise ProbeError(
            Reason.UNAUTHORIZED,
            f"the credentials for {target.place} cannot be sent: {bad[0]} is missing, or has characters that it may "
            "not have (a newline at the end?): correct the Secret",
        )
    if target.scheme == "Bearer":
        return f"Bearer {given['token']}"
    return f"Basic {base64.b64encode('{username}:{password}'.format_map(given).encode()).decode()}"


def _check(response: aiohttp.ClientResponse, target: Target, authorization: str | None) -> None:
    """Refuse every answer but 200 without compression."""
    if response.status in (401, 403):
        advice = (
            "correct the Secret named in credentials (they are not sent on when a redirect leaves the server)"
            if authorization
            else "name a Secret in credentials"
        )
        raise ProbeError(Reason.UNAUTHORIZED, f"{target.place} answers {_status(response.status)}: {advice}")
    if response.status != http.HTTPStatus.OK:
        raise ProbeError(
            Reason.HTTP_ERROR,
            f"{target.place} answers {_status(response.status)}: correct the endpoint, or ask the data supplier",
        )
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ProbeError(
            Reason.UNEXPECTED_CONTENT,
            f"{target.place} answers with compressed data ({printable(encoding, 20)}), which was not asked for: "
            "serve it uncompressed to clients that ask for Accept-Encoding identity",
        )


def _status(status: int) -> str:
    """Status with its standard phrase; the server's own is the server's word, and not shown."""
    try:
        return f"HTTP {status} ({http.HTTPStatus(status).phrase})"
    except ValueError:
        return f"HTTP {status}"


def _explain(error: Exception, gate: _Gate, target: Target) -> ProbeError:
    """What an aiohttp error means. Nothing in it varies from look to look, or the status would change each time."""
    where = target.place
    if isinstance(error, aiohttp.ClientConnectorError) and gate.refusals:
        return ProbeError(
            Reason.ADDRESS_FORBIDDEN,
            f"{where} leads to {', '.join(sorted(gate.refusals)[:4])}, where probes may not connect to: correct the "
            "endpoint, or ask the platform team to allow that range",
        )
    if isinstance(error, aiohttp.InvalidURL):
        return ProbeError(
            Reason.ADDRESS_FORBIDDEN, f"{where} leads to a host that is no valid name or address: correct the endpoint"
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return ProbeError(
            Reason.UNREACHABLE,
            f"{where} has no TLS certificate that can be trusted: ask the data supplier for a valid one",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ProbeError(Reason.UNREACHABLE, f"the host of {where} is not in DNS: correct the endpoint")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ProbeError(
            Reason.UNREACHABLE,
            f"no connection to {where}: is the server up, and does a firewall or NetworkPolicy let the operator out?",
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return ProbeError(Reason.HTTP_ERROR, f"{where} does not answer with valid HTTP: ask the data supplier")
    return ProbeError(Reason.UNREACHABLE, f"{where} broke off before the data was complete: ask the data supplier")
