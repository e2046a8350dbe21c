"""Bounded HTTP: a client for one session.

What bounds a session: one deadline, a cap on the bytes of all bodies together, on headers, redirects and the number of
requests. Each socket, at every hop, comes through the gate of `sockets`. Credentials go to the origin (scheme, host and
port) of the endpoint, and nowhere else.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Literal

import aiohttp
from yarl import URL

from ddtas import __version__
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import credentials
from ddtas.data.wire.answers import Answer, Document, check, unexpected, whole
from ddtas.data.wire.documents import BadDocument, json_document, xml_document
from ddtas.data.wire.http_errors import explain
from ddtas.data.wire.oauth import token
from ddtas.data.wire.sockets import CONNECT_SECONDS, NO_CONNECTION, Gate, Resolver
from ddtas.data.wire.tls import context
from ddtas.data.wire.urls import absolute, resolve
from ddtas.errors import printable

_HEADER_BYTES = 8 * 1024  # of one header; aiohttp itself bounds their number
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_OF_A_POST = frozenset({307, 308})  # the others make a GET of it
USER_AGENT = f"ddtas-operator/{__version__} (+data source probe)"
_HEADERS = {
    "User-Agent": USER_AGENT,
    # A few compressed kilobytes can hold gigabytes, so compression is neither asked for nor undone.
    "Accept-Encoding": "identity",
}


class Client:
    """Asks the server of a source."""

    def __init__(
        self,
        session: Session,
        connections: aiohttp.ClientSession,
        authorization: Mapping[str, str],
        tls: ssl.SSLContext | Literal[True],
    ) -> None:
        """Ask nothing yet.

        Args:
            session: whose limits hold.
            connections: speak TLS without a client's certificate.
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
        partial = "Range" in (headers or {})
        async with self._request(url, accept, query, headers, None, partial=partial) as answer:
            yield answer

    @asynccontextmanager
    async def _request(
        self,
        url: str | None,
        accept: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        *,
        partial: bool,
    ) -> AsyncIterator[Answer]:
        """GET, or POST where there is a body (JSON); `partial` answers (206) may come."""
        session = self.session
        session.count_request()
        start = resolve(self.session, url).update_query(query or {})
        started = asyncio.get_running_loop().time()
        response = await self._follow(start, accept, headers or {}, body)
        if session.latency_milliseconds is None:
            session.latency_milliseconds = round(1000 * (asyncio.get_running_loop().time() - started))
        try:
            check(session, response, partial=partial)
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
        body: Mapping[str, Any] | None = None,
        partial: bool = False,
    ) -> Document:
        """GET a JSON document of at most `max_document_bytes`: UTF-8, numbers finite, nested at most 64 deep.

        With a `body` it is a POST, and a redirect must keep it one. A `partial` answer may be one of several (206).
        Of a name that an object has twice, the last value counts. Each text can be encoded in UTF-8.

        Raises:
            SourceError: as `get`; UnexpectedContent where it is not JSON, MalformedData where it is broken;
                `TooLongError`.
        """
        sent = None if body is None else json.dumps(body).encode()
        async with self._request(url, accept, query, headers, sent, partial=partial) as answer:
            if answer.media_type.endswith(("html", "xml")):
                raise unexpected(self.session, f"{printable(answer.media_type, 60)} instead of JSON")
            text = await whole(self.session, answer)
            if text.lstrip()[:1] == b"<":
                raise unexpected(self.session, "HTML or XML instead of JSON")
            try:
                value = json_document(text)
            except BadDocument as error:
                raise self.session.error(SourceReason.MALFORMED_DATA, f"answers with {error}") from None
            return Document(value, answer.url, answer.headers, answer.status == HTTPStatus.PARTIAL_CONTENT)

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
                raise unexpected(self.session, f"{printable(answer.media_type, 60)} instead of XML")
            body = await whole(self.session, answer)
            try:
                root = xml_document(body)
            except BadDocument as error:
                raise self.session.error(SourceReason.MALFORMED_DATA, f"answers with {error}") from None
            return Document(root, answer.url, answer.headers)

    def resolve(self, url: str | None) -> URL:
        """The absolute form of a URL that may be relative to the endpoint as a directory.

        Raises:
            SourceError: AddressForbidden when it is no http(s) URL.
        """
        return resolve(self.session, url)

    async def _follow(
        self, url: URL, accept: str, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        """The first answer that is no redirect.

        Redirects are followed by hand: aiohttp would send credentials on in cases where we do not.
        """
        origin = absolute(self.session, self.session.target.endpoint).origin()
        trusted = url.origin() == origin
        most = self.session.limits.max_redirects
        for _ in range(most + 1):
            sent = {"Accept": accept} | ({**self._authorization, **headers} if trusted else {})
            if "Range" in headers:  # says nothing about us, and keeps the answer of any server short
                sent["Range"] = headers["Range"]
            # A client's certificate tells who we are, so it is for the origin alone too.
            tls = self._tls if trusted else True  # the session's own way
            if body is None:
                response = await self._connections.get(url, headers=sent, allow_redirects=False, ssl=tls)
            else:
                sent["Content-Type"] = "application/json"
                response = await self._connections.post(url, data=body, headers=sent, allow_redirects=False, ssl=tls)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            if body is not None and response.status not in _REDIRECTS_OF_A_POST:
                raise self.session.error(
                    SourceReason.HTTP_ERROR,
                    "redirects a POST to what is to be a GET: give the URL of the service itself",
                )
            url = absolute(self.session, response.headers.get("Location", ""), url, redirect=True)
            trusted = trusted and url.origin() == origin  # for good: a redirect back is another server's choice of path
        raise self.session.error(
            SourceReason.TOO_MANY_REDIRECTS, f"redirects more than {most} times: give the URL of the data itself"
        )


@asynccontextmanager
async def client(session: Session) -> AsyncIterator[Client]:
    """A client of the server of a source; the deadline runs until the context is left.

    Raises:
        SourceError: with every reason but InternalError and Reachable.
    """
    gate = Gate(session.policy)
    seconds = session.limits.deadline_seconds
    try:
        tls: ssl.SSLContext | Literal[True] = context(session) or True
        async with asyncio.timeout(seconds), _connections(gate, context(session, client=False)) as connections:
            authorization = credentials.headers(session)
            if session.target.auth is not None and session.target.auth.scheme == "OAuth2ClientCredentials":
                authorization = await token(session, connections, gate)
            yield Client(session, connections, authorization, tls)
    except aiohttp.ConnectionTimeoutError:
        raise session.error(SourceReason.UNREACHABLE, NO_CONNECTION) from None
    except TimeoutError:
        raise session.error(
            SourceReason.TOO_SLOW,
            f"was not read within {seconds:g} seconds: ask its supplier for a faster server, or for a smaller extract",
        ) from None
    except (aiohttp.ClientError, ConnectionError) as error:
        # `from None`: what aiohttp says can hold the query, or bytes that the server sent.
        raise explain(error, gate, session) from None


def _connections(gate: Gate, tls: Any) -> aiohttp.ClientSession:
    """A session for one session, so that nothing (connections, cookies, DNS answers) goes over to another source."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            socket_factory=gate.socket, resolver=Resolver(gate), use_dns_cache=False, force_close=True, ssl=tls or True
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
