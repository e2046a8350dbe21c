"""Bounded HTTP: one visit to a server, of a few requests.

What bounds a visit: one deadline, a cap on the bytes of all bodies together, on headers, redirects and the number of
requests. The address policy is asked about the address of each socket, after DNS: a rebinding name, a decimal or
hexadecimal host and an IPv4 address inside an IPv6 one all come by there, at every hop. Credentials go to the origin
(scheme, host and port) of the endpoint, and nowhere else.
"""

import asyncio
import functools
import http
import json
import math
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from yarl import URL

from ddtas import __version__
from ddtas.data.addresses import AddressPolicy
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import credentials
from ddtas.errors import SourceError, printable

_CHUNK_BYTES = 16 * 1024  # small enough that working through one does not hold up the event loop
_HEADER_BYTES = 8 * 1024  # of one header; aiohttp itself bounds their number
_URL_CHARACTERS = 4 * 1024  # of a link or redirect
_DEPTH = 64  # of nested JSON or XML; the JSON parser itself is recursive
_DIGITS = 300  # of an integer in JSON: a float can hold it
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # half a character, if the other half does not stand beside it
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = f"ddtas-operator/{__version__} (+data source probe)"
_HEADERS = {
    "User-Agent": USER_AGENT,
    # A few compressed kilobytes can hold gigabytes, so compression is neither asked for nor undone.
    "Accept-Encoding": "identity",
}

_OTHER_TYPES = ("image/", "audio/", "video/", "multipart/")
# A host that does not answer is given up well before the whole deadline: it holds a slot that others wait for.
_LOOKUP_SECONDS = 5.0
CONNECT_SECONDS = 5.0
NO_CONNECTION = (
    f"takes no connection within {CONNECT_SECONDS:g} seconds: is the server up, and does a firewall or NetworkPolicy "
    "let the operator out?"
)
# One thread: a probe's process can start no other once its limits are set.
_LOOKUPS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="probe-dns")


class Answer:
    """A successful answer (HTTP 200, or 206 where a range was asked for), its body not yet read.

    Attributes:
        status: 200 or 206.
        url: where it came from, after redirects.
        headers: of the answer; hostile input.
        media_type: `Content-Type` without parameters, in lower case; empty when there is none.
        received: bytes of the body so far.
        complete: the body was read to its end; False while reading, and when the cap ended it.
    """

    def __init__(self, response: aiohttp.ClientResponse, session: Session) -> None:
        self.status = response.status
        self.url = str(response.url)
        self.headers = response.headers
        self.media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.received = 0
        self.complete = False
        self._content = response.content
        self._session = session

    def is_other(self, words: Iterable[str]) -> bool:
        """Whether the media type is surely something else: pictures and the like, or a subtype with one of these words.

        Servers name data in many ways (text/plain, application/octet-stream, or not at all).
        """
        subtype = self.media_type.partition("/")[2]
        return self.media_type.startswith(_OTHER_TYPES) or any(word in subtype for word in words)

    async def read(self) -> bytes:
        """The next piece of the body, at most 16 KiB; empty at its end, and at the cap."""
        # Pieces that are in the buffer already would otherwise come without giving the event loop a turn.
        await asyncio.sleep(0)
        room = self._session.limits.max_bytes - self._session.received
        chunk = await self._content.read(min(room, _CHUNK_BYTES) or 1)  # at the cap: is there more?
        self.complete = not chunk
        if not room:
            return b""
        self.received += len(chunk)
        self._session.received += len(chunk)
        return chunk


@dataclass(frozen=True)
class Document:
    """A document that was read whole.

    Attributes:
        value: JSON as Python values; of XML the root element.
        url: where it came from, after redirects: what its relative links are relative to.
        headers: of the answer; hostile input, like everything here.
    """

    value: Any = field(repr=False)
    url: str = field(repr=False)  # its query may be secret
    headers: Mapping[str, str] = field(repr=False)


class Visit:
    """A visit to the server of a source."""

    def __init__(
        self,
        session: Session,
        connections: aiohttp.ClientSession,
        authorization: Mapping[str, str],
        tls: ssl.SSLContext | Literal[True],
    ) -> None:
        """Begin a visit.

        Args:
            session: it is part of.
            session: speaks TLS without a client's certificate.
            authorization: headers for the endpoint's origin alone.
            tls: how TLS is spoken with the endpoint's origin alone.
        """
        self.session = session
        self._connections = connections
        self._authorization = authorization
        self._tls = tls

    @asynccontextmanager
    async def get(
        self,
        url: str | None = None,
        *,
        accept: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Answer]:
        """GET a URL: the endpoint where none is given, or one relative to it.

        Args:
            url: absolute, or relative to the endpoint as a directory ("collections" is below it).
            accept: media types, for the `Accept` header.
            query: is added to the query that the URL has.
            headers: besides; they go where the credentials go, as signatures do. `Range` goes everywhere.

        Raises:
            SourceError: with every reason but MalformedData, EntityNotFound, InternalError and Reachable. A status
                other than 200 (or 206) is HttpError, or Unauthorized; `NotFoundError` for 404 and 410.
        """
        session = self.session
        session.count_request()
        start = self.resolve(url).update_query(query or {})
        asked = asyncio.get_running_loop().time()
        response = await self._follow(start, accept, headers or {})
        if session.latency_milliseconds is None:
            session.latency_milliseconds = round(1000 * (asyncio.get_running_loop().time() - asked))
        try:
            self._check(response, partial="Range" in (headers or {}))
            yield Answer(response, session)
        finally:
            response.close()  # not release(): that would read on

    async def json(
        self,
        url: str | None = None,
        *,
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        """GET a JSON document of at most `max_document_bytes`: UTF-8, numbers finite, nested at most 64 deep.

        Of a name that an object has twice, the last value counts. Each text can be encoded in UTF-8.

        Raises:
            SourceError: as `get`; UnexpectedContent where it is not JSON, MalformedData where it is broken;
                `TooLongError`.
        """
        async with self.get(url, accept=accept, query=query, headers=headers) as answer:
            if answer.media_type.endswith(("html", "xml")):
                raise self._unexpected(f"{printable(answer.media_type, 60)} instead of JSON")
            body = await self._whole(answer)
            if body.lstrip()[:1] == b"<":
                raise self._unexpected("HTML or XML instead of JSON")
            try:
                value = parse_json(body)
            except (ValueError, RecursionError):
                raise self.session.error(
                    SourceReason.MALFORMED_DATA, "answers with JSON that cannot be read: ask the data supplier"
                ) from None
            if _deeper_than([value], _DEPTH, _held):
                raise self.session.error(
                    SourceReason.MALFORMED_DATA,
                    f"answers with JSON nested more than {_DEPTH} deep: ask the data supplier",
                )
            return Document(value, answer.url, answer.headers)

    async def xml(
        self,
        url: str | None = None,
        *,
        accept: str = "application/xml, text/xml;q=0.9",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document:
        """GET an XML document of at most `max_document_bytes`, nested at most 64 deep, without a DTD or entities.

        Raises:
            SourceError: as `get`; UnexpectedContent where it is not XML, MalformedData where it is broken, or has what
                it may not have; `TooLongError`.
        """
        async with self.get(url, accept=accept, query=query, headers=headers) as answer:
            if answer.media_type.endswith(("html", "json")):
                raise self._unexpected(f"{printable(answer.media_type, 60)} instead of XML")
            body = await self._whole(answer)
            try:
                root: Element = ElementTree.fromstring(body, forbid_dtd=True)
            except DefusedXmlException:
                raise self.session.error(
                    SourceReason.MALFORMED_DATA, "answers with XML that has a DTD or entities, which are refused"
                ) from None
            except (ParseError, ValueError, LookupError):
                raise self.session.error(
                    SourceReason.MALFORMED_DATA, "answers with XML that cannot be read: ask the data supplier"
                ) from None
            if _deeper_than([root], _DEPTH, list):
                raise self.session.error(
                    SourceReason.MALFORMED_DATA,
                    f"answers with XML nested more than {_DEPTH} deep: ask the data supplier",
                )
            return Document(root, answer.url, answer.headers)

    def resolve(self, url: str | None) -> URL:
        """The absolute form of a URL that may be relative to the endpoint as a directory.

        Raises:
            SourceError: AddressForbidden when it is no http(s) URL.
        """
        endpoint = self._parse(self.session.target.endpoint)
        if url is None:
            return endpoint
        below = endpoint if endpoint.path.endswith("/") else endpoint.with_path(endpoint.path + "/", keep_query=True)
        return self._parse(url, below)

    async def _whole(self, answer: Answer) -> bytes:
        most = self.session.limits.max_document_bytes
        body = bytearray()
        while chunk := await answer.read():
            body += chunk
            if len(body) > most:
                break
        if not answer.complete:
            raise TooLongError(
                SourceReason.MALFORMED_DATA,
                f"{self.session.target.place} answers with a document of more than "
                f"{min(most, self.session.limits.max_bytes)} bytes where a short one was expected: ask the data "
                "supplier",
            )
        return bytes(body)

    async def _follow(self, url: URL, accept: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The first answer that is no redirect.

        Redirects are followed by hand: aiohttp would send credentials on in cases where we do not.
        """
        origin = self._parse(self.session.target.endpoint).origin()
        trusted = url.origin() == origin
        most = self.session.limits.max_redirects
        for _ in range(most + 1):
            sent = {"Accept": accept} | ({**self._authorization, **headers} if trusted else {})
            if "Range" in headers:  # says nothing about us, and keeps the answer of any server short
                sent["Range"] = headers["Range"]
            # A client's certificate tells who we are, so it is for the origin alone too.
            tls = self._tls if trusted else True  # the session's own way
            response = await self._connections.get(url, headers=sent, allow_redirects=False, ssl=tls)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            url = self._parse(response.headers.get("Location", ""), url, redirect=True)
            trusted = trusted and url.origin() == origin  # for good: a redirect back is another server's choice of path
        raise self.session.error(
            SourceReason.TOO_MANY_REDIRECTS, f"redirects more than {most} times: give the URL of the data itself"
        )

    def _parse(self, text: str, base: URL | None = None, *, redirect: bool = False) -> URL:
        """An absolute http(s) URL without user info, which aiohttp would send as credentials."""
        try:
            # Host names are encoded in quadratic time, and a link goes into a request.
            url = base.join(URL(text[:_URL_CHARACTERS])) if base else URL(text)
            if url.scheme in ("http", "https") and url.host and 0 < len(text) <= _URL_CHARACTERS:
                return url.with_user(None)
        except (ValueError, TypeError):  # no URL at all; its text says too much about a secret or a payload to show
            pass
        culprit = "redirects to what is" if redirect else "links to what is" if base else "is"
        raise self.session.error(
            SourceReason.ADDRESS_FORBIDDEN, f"{culprit} not a http or https URL: give the URL of the data itself"
        )

    def _check(self, response: aiohttp.ClientResponse, *, partial: bool) -> None:
        """Refuse every answer but 200 (where a range was asked for: or 206) without compression."""
        if response.status in (401, 403):
            advice = (
                "correct the Secret named in credentials (they are not sent on when a redirect leaves the server)"
                if self.session.target.auth
                else "name a Secret in credentials"
            )
            raise self.session.error(SourceReason.UNAUTHORIZED, f"answers {_status(response.status)}: {advice}")
        if response.status in (404, 410):
            raise NotFoundError(
                SourceReason.HTTP_ERROR,
                f"{self.session.target.place} answers {_status(response.status)}: correct the endpoint, or ask the "
                "data supplier",
            )
        if response.status != http.HTTPStatus.OK and not (
            partial and response.status == http.HTTPStatus.PARTIAL_CONTENT
        ):
            error = self.session.error(
                SourceReason.HTTP_ERROR,
                f"answers {_status(response.status)}: correct the endpoint, or ask the data supplier",
            )
            if response.status == http.HTTPStatus.BAD_REQUEST:
                raise BadRequestError(error.reason, error.message)
            raise error
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise self._unexpected(
                f"compressed data ({printable(encoding, 20)}), which was not asked for: serve it uncompressed to "
                "clients that ask for Accept-Encoding identity"
            )

    def _unexpected(self, what: str) -> SourceError:
        return self.session.error(SourceReason.UNEXPECTED_CONTENT, f"answers with {what}")


class NotFoundError(SourceError):
    """HTTP 404 or 410: a probe may know better than `HttpError` what is not there."""


class BadRequestError(SourceError):
    """HTTP 400: a probe may know better what in its request is wrong."""


class TooLongError(SourceError):
    """A document is longer than one may be: a probe may ask for less."""


@asynccontextmanager
async def visit(session: Session) -> AsyncIterator[Visit]:
    """Visit the server of a source; the deadline runs until the context is left.

    Raises:
        SourceError: with every reason but InternalError and Reachable.
    """
    gate = _Gate(session.policy)
    seconds = session.limits.deadline_seconds
    try:
        tls: ssl.SSLContext | Literal[True] = credentials.tls(session) or True
        async with asyncio.timeout(seconds), _connections(gate, credentials.tls(session, client=False)) as connections:
            visiting = Visit(session, connections, credentials.headers(session), tls)
            if session.target.auth is not None and session.target.auth.scheme == "OAuth2ClientCredentials":
                visiting = Visit(session, connections, await _token(visiting, gate), tls)
            yield visiting
    except aiohttp.ConnectionTimeoutError:
        raise session.error(SourceReason.UNREACHABLE, NO_CONNECTION) from None
    except TimeoutError:
        raise session.error(
            SourceReason.TOO_SLOW,
            f"was not read within {seconds:g} seconds: ask its supplier for a faster server, or for a smaller extract",
        ) from None
    except (aiohttp.ClientError, ConnectionError) as error:
        # `from None`: what aiohttp says can hold the query, or bytes that the server sent.
        raise _explain(error, gate, session) from None


async def _token(visiting: Visit, gate: "_Gate") -> dict[str, str]:
    """An access token by the OAuth 2.0 client credentials grant (RFC 6749, section 4.4), for this visit alone.

    The client's id and secret go by HTTP Basic to the token URL, which the platform team has named, and nowhere else:
    a redirect is not followed.

    Raises:
        SourceError: Unauthorized when there is no token; Unreachable or AddressForbidden about the token URL.
    """
    session = visiting.session
    assert session.target.auth is not None  # noqa: S101 - the caller checked
    session.count_request()
    url = visiting._parse(session.target.auth.token_url or "")
    form = {"grant_type": "client_credentials"}
    if session.target.auth.scope:
        form["scope"] = session.target.auth.scope
    headers = {"Accept": "application/json", **credentials.client(session)}
    refused = session.error(
        SourceReason.UNAUTHORIZED,
        "could not be read: the token URL gives no access token: correct the Secret, tokenUrl and scope in credentials",
    )
    try:
        async with visiting._connections.post(url, data=form, headers=headers, allow_redirects=False) as response:
            if response.status != http.HTTPStatus.OK:
                raise refused
            answer = parse_json(await visiting._whole(Answer(response, session)))
    except aiohttp.InvalidURL:
        raise session.error(
            SourceReason.ADDRESS_FORBIDDEN,
            "has a tokenUrl whose host is no valid name or address: correct the tokenUrl",
        ) from None
    except (aiohttp.ClientError, ConnectionError):  # a connection that takes too long among them
        if gate.refusals:
            raise forbidden(session, gate.refusals, "tokenUrl") from None
        raise session.error(
            SourceReason.UNREACHABLE,
            "could not be read: the token URL does not answer with valid HTTP, or has no TLS certificate that can "
            "be trusted: correct tokenUrl in credentials",
        ) from None
    except (ValueError, RecursionError, TooLongError):
        raise refused from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise refused
    session.confided.append(token)
    return {"Authorization": f"Bearer {token}"}


class _Gate:
    """Makes the sockets of one session, and no socket for an address that the policy refuses."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._hosts: dict[str, str] = {}  # by address, the name that led to it
        self.refusals: set[str] = set()

    def enter(self, host: str) -> None:
        """A host is about to be looked up.

        Raises:
            PermissionError: it may not be connected to, whatever its address.
        """
        if refusal := self._policy.name_refusal(host):
            self.refusals.add(f"{host} ({refusal})")
            raise PermissionError(refusal)

    def found(self, host: str, address: str) -> None:
        """A host has that address."""
        self._hosts[address] = host

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if refusal := self._policy.refusal(address, self._hosts.get(address, "")):
            self.refusals.add(f"{address} ({refusal})")
            raise PermissionError(refusal)  # an OSError makes aiohttp try the next address of the name
        return socket.socket(family, kind, protocol)


def start_lookups() -> None:
    """Start the thread that looks names up."""
    _LOOKUPS.submit(int).result()


async def lookup(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[tuple[Any, ...]]:
    """The addresses of a host, as `socket.getaddrinfo` gives them, in a thread of the probes' own.

    Raises:
        OSError: the name is not in DNS, or no name at all, or DNS does not answer within five seconds.
    """
    ask = functools.partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(_LOOKUPS, ask)
    except UnicodeError:
        raise OSError(None, "not a host name") from None
    except TimeoutError:
        raise OSError(None, "no answer from DNS") from None


async def permitted(session: Session, host: str, port: int) -> str:
    """The first address of a host that may be connected to, for clients that make sockets of their own.

    They must connect to this address and not look the name up again: the answer may be another by then.

    Raises:
        SourceError: Unreachable when the host is not in DNS, AddressForbidden when no address may be connected to.
    """
    if refusal := session.policy.name_refusal(host):
        raise forbidden(session, {f"{host} ({refusal})"})
    try:
        found = [str(info[4][0]) for info in await lookup(host, port)]
    except OSError:
        raise session.error(
            SourceReason.UNREACHABLE, "has a host that is not in DNS, or DNS does not answer: correct the endpoint"
        ) from None
    refusals = {address: session.policy.refusal(address, host) for address in found}
    allowed = next((address for address, refusal in refusals.items() if refusal is None), None)
    if allowed is None:
        raise forbidden(session, {f"{address} ({refusal})" for address, refusal in refusals.items()})
    return allowed


def forbidden(session: Session, refusals: set[str], culprit: str = "endpoint") -> SourceError:
    """The error for addresses, each with its refusal, that may not be connected to."""
    verb = "leads to" if culprit == "endpoint" else f"has a {culprit} that leads to"
    return session.error(
        SourceReason.ADDRESS_FORBIDDEN,
        f"{verb} {', '.join(sorted(refusals)[:4])}, where probes may not connect to: correct the {culprit}, or ask "
        "whoever runs the operator to allow it (docs/operations.md, Network)",
    )


class _Resolver(AbstractResolver):
    def __init__(self, gate: _Gate) -> None:
        self._gate = gate

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self._gate.enter(host)
        found = await lookup(host, port, family)
        for *_, address in found:
            self._gate.found(host, str(address[0]))
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=of, proto=protocol, flags=0)
            for of, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing to close: the threads are shared."""


def _connections(gate: _Gate, tls: Any) -> aiohttp.ClientSession:
    """A session for one session, so that nothing (connections, cookies, DNS answers) goes over to another source."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=gate.socket, resolver=_Resolver(gate), use_dns_cache=False, force_close=True, ssl=tls or True
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        # The one deadline is around everything.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=False,
        auto_decompress=False,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
    )


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259, stricter where Python is not strict.

    Raises:
        ValueError: it is not JSON in UTF-8, or has what nobody can work with: a number that is not finite, an integer
            of more than 300 digits, half of a surrogate pair.
        RecursionError: it is nested too deep for the parser.
    """
    # json.loads of bytes would take UTF-16 and UTF-32 too, and let surrogates pass.
    value = json.loads(body.decode("utf-8-sig"), parse_constant=_finite, parse_float=_finite, parse_int=_integer)
    if _SURROGATE.search(body):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _finite(text: str) -> float:
    number = float(text)  # 1e999 is inf; NaN and Infinity come by here too
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _held(value: Any) -> Iterable[Any]:
    """The objects and arrays that one holds."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _deeper_than(level: Sequence[Any], depth: int, held: Callable[[Any], Iterable[Any]]) -> bool:
    for _ in range(depth):
        level = [inner for outer in level for inner in held(outer)]
        if not level:
            return False
    return True


def _status(status: int) -> str:
    """Status with its standard phrase; the server's own is the server's word, and not shown."""
    try:
        return f"HTTP {status} ({http.HTTPStatus(status).phrase})"
    except ValueError:
        return f"HTTP {status}"


def _mutual(session: Session) -> bool:
    return session.target.auth is not None and session.target.auth.scheme == "MutualTLS"


def _refused_certificate(error: Exception, session: Session) -> bool:
    """Whether the server ended the handshake because of the client's certificate.

    From TLS 1.3 on it says so when the handshake is over for the client, and the end of the connection may overtake
    the alert. So with MutualTLS a connection that ends before the first answer counts too.
    """
    causes = (getattr(error, "os_error", None), error.__cause__)
    alert = next((cause.reason or "" for cause in causes if isinstance(cause, ssl.SSLError)), "")
    if "ALERT" in alert:
        return _mutual(session) or any(word in alert for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED"))
    ended = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientResponseError | aiohttp.InvalidURL)
    return _mutual(session) and ended and session.latency_milliseconds is None


def _explain(error: Exception, gate: _Gate, session: Session) -> SourceError:
    """What an aiohttp error means. Nothing in it varies from probe to probe, or the status would change each time."""
    where = session.target.place
    if _refused_certificate(error, session):
        return SourceError(
            SourceReason.UNAUTHORIZED,
            f"{where} breaks off before it answers, as servers do that want another client's certificate: correct "
            "tls.crt and tls.key in the Secret named in credentials"
            if _mutual(session)
            else f"{where} wants a client's certificate: name a Secret in credentials, with the scheme MutualTLS",
        )
    if isinstance(error, aiohttp.InvalidURL):
        return SourceError(
            SourceReason.ADDRESS_FORBIDDEN,
            f"{where} leads to a host that is no valid name or address: correct the endpoint",
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return SourceError(
            SourceReason.UNREACHABLE,
            f"{where} has no TLS certificate that can be trusted: ask the data supplier for a valid one",
        )
    if isinstance(error, aiohttp.ClientConnectorError) and gate.refusals:
        return forbidden(session, gate.refusals)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return SourceError(
            SourceReason.UNREACHABLE, f"the host of {where} is not in DNS, or DNS does not answer: correct the endpoint"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return SourceError(
            SourceReason.UNREACHABLE,
            f"no connection to {where}: is the server up, and does a firewall or NetworkPolicy let the operator out?",
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return SourceError(SourceReason.HTTP_ERROR, f"{where} does not answer with valid HTTP: ask the data supplier")
    return SourceError(
        SourceReason.UNREACHABLE, f"{where} broke off before the data was complete: ask the data supplier"
    )
