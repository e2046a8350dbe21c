"""Answers of HTTP servers: what is refused, and how much is read of the rest."""

import asyncio
import http
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError, printable

_CHUNK_BYTES = 16 * 1024  # small enough that working through one does not hold up the event loop
_OTHER_TYPES = ("image/", "audio/", "video/", "multipart/")


class NotFoundError(SourceError):
    """HTTP 404 or 410: a probe may know better than `HttpError` what is not there."""


class BadRequestError(SourceError):
    """HTTP 400: a probe may know better what in its request is wrong."""


class NotOfferedError(SourceError):
    """HTTP 405 or 501: the server does not have this part of its protocol."""


class NoContentError(SourceError):
    """HTTP 204: for some services this says that there is no data of that period."""


class TooLongError(SourceError):
    """A document is longer than one may be: a probe may ask for less."""


_MEANING: Mapping[int, type[SourceError]] = {
    http.HTTPStatus.NO_CONTENT: NoContentError,
    http.HTTPStatus.BAD_REQUEST: BadRequestError,
    http.HTTPStatus.METHOD_NOT_ALLOWED: NotOfferedError,
    http.HTTPStatus.NOT_IMPLEMENTED: NotOfferedError,
    http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLongError,  # services say it of what was asked for
}


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
        partial: the server says that this is a part of it (206).
    """

    value: Any = field(repr=False)
    url: str = field(repr=False)  # its query may be secret
    headers: Mapping[str, str] = field(repr=False)
    partial: bool = False


async def whole(session: Session, answer: Answer) -> bytes:
    """The body of a document of at most `max_document_bytes`.

    Raises:
        TooLongError: it has more bytes.
    """
    most = session.limits.max_document_bytes
    body = bytearray()
    while chunk := await answer.read():
        body += chunk
        if len(body) > most:
            break
    if not answer.complete:
        raise TooLongError(
            SourceReason.MALFORMED_DATA,
            f"{session.target.place} answers with a document of more than "
            f"{min(most, session.limits.max_bytes)} bytes where a short one was expected: ask the data "
            "supplier",
        )
    return bytes(body)


def check(session: Session, response: aiohttp.ClientResponse, *, partial: bool) -> None:
    """Refuse every answer but 200 (where a range was asked for: or 206) without compression."""
    if response.status in (401, 403):
        advice = (
            "correct the Secret named in credentials (they are not sent on when a redirect leaves the server)"
            if session.target.auth
            else "name a Secret in credentials"
        )
        raise session.error(SourceReason.UNAUTHORIZED, f"answers {_status(response.status)}: {advice}")
    if response.status in (404, 410):
        raise NotFoundError(
            SourceReason.HTTP_ERROR,
            f"{session.target.place} answers {_status(response.status)}: correct the endpoint, or ask the "
            "data supplier",
        )
    if response.status != http.HTTPStatus.OK and not (partial and response.status == http.HTTPStatus.PARTIAL_CONTENT):
        error = session.error(
            SourceReason.HTTP_ERROR,
            f"answers {_status(response.status)}: correct the endpoint, or ask the data supplier",
        )
        raise _MEANING.get(response.status, SourceError)(error.reason, error.message)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise unexpected(
            session,
            f"compressed data ({printable(encoding, 20)}), which was not asked for: serve it uncompressed to "
            "clients that ask for Accept-Encoding identity",
        )


def unexpected(session: Session, what: str) -> SourceError:
    """The error for an answer that is something else."""
    return session.error(SourceReason.UNEXPECTED_CONTENT, f"answers with {what}")


def _status(status: int) -> str:
    """Status with its standard phrase; the server's own is the server's word, and not shown."""
    try:
        return f"HTTP {status} ({http.HTTPStatus(status).phrase})"
    except ValueError:
        return f"HTTP {status}"
