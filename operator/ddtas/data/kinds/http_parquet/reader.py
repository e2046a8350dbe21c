"""Reads the footer of a Parquet file, by HTTP ranges (RFC 9110, section 14)."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError

ACCEPT = "application/vnd.apache.parquet, */*;q=0.1"

Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Answer]]
"""Asks for the file, with these headers besides."""

_FIRST_BYTES = 64 * 1024  # a footer is mostly shorter; then one request is enough
_END_BYTES = 8  # the footer's length and the magic
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.ASCII)


@dataclass(frozen=True)
class Footer:
    """The footer of a file, without the eight bytes after it; and the file's size in bytes, where it is known."""

    data: bytes
    size: int | None


async def footer(open_: Open, session: Session) -> Footer:
    """Read the footer of a Parquet file: one request, or two where it is longer than 64 KiB.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what `open_` and reading raise.
    """
    tail = await _tail(open_, session, _FIRST_BYTES)
    needed = _needed(tail, session)
    if needed > len(tail.data):
        tail = await _tail(open_, session, needed)
        if _needed(tail, session) > len(tail.data):
            raise malformed(session, "it changed while it was read, or is shorter than it says")
    return Footer(tail.data[-needed:-_END_BYTES], tail.size)


@dataclass(frozen=True)
class _Tail:
    """The last bytes of a file; its size in bytes, where it is known; whether there are bytes before these."""

    data: bytes
    size: int | None
    whole: bool


async def _tail(open_: Open, session: Session, wanted: int) -> _Tail:
    async with open_({"Range": f"bytes=-{wanted}"}) as answer:
        if answer.status == 206:
            return await _part(answer, session, wanted)
        return await _all(answer, session)


async def _part(answer: Answer, session: Session, wanted: int) -> _Tail:
    sent = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    size = int(sent[3]) if sent and sent[3] != "*" else None
    if sent is None or (size is not None and int(sent[2]) != size - 1):
        raise _unexpected(session, "another part of the file than its end")
    data = bytearray()
    while (chunk := await answer.read()) and len(data) <= wanted:
        data += chunk
    if not answer.complete or len(data) > wanted:
        raise _unexpected(session, "a longer part of the file than was asked for")
    return _Tail(bytes(data), size, whole=int(sent[1]) == 0)


async def _all(answer: Answer, session: Session) -> _Tail:
    """The end of a file that comes as a whole, since the server knows no ranges."""
    most = session.limits.max_document_bytes
    length = answer.headers.get("Content-Length", "")
    announced = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else 0
    data = bytearray()
    if announced <= session.limits.max_bytes - session.received:
        while chunk := await answer.read():
            data += chunk
            del data[:-most]
    if not answer.complete:
        raise _unexpected(
            session,
            "the whole of a long file where its end was asked for",
            "serve ranges (RFC 9110), so that the footer can be read alone",
        )
    return _Tail(bytes(data), answer.received, whole=answer.received <= most)


def _needed(tail: _Tail, session: Session) -> int:
    """The length of the footer, with the eight bytes after it."""
    magic = tail.data[-4:]
    if magic == b"PARE":
        raise _unexpected(session, "a Parquet file whose footer is encrypted", "serve it with a plain footer")
    if magic != b"PAR1" or len(tail.data) < _END_BYTES:
        raise _unexpected(session, "other data instead of Parquet")
    needed = int.from_bytes(tail.data[-8:-4], "little") + _END_BYTES
    if needed == _END_BYTES or (tail.whole and needed > len(tail.data)) or (tail.size and needed > tail.size):
        raise malformed(session, "its footer does not have the length that it says")
    if needed > session.limits.max_document_bytes:
        raise malformed(
            session,
            f"its footer has more than {session.limits.max_document_bytes} bytes (are its row groups too small?)",
        )
    return needed


def malformed(session: Session, what: str) -> SourceError:
    """The error for a file that is broken."""
    return session.error(
        SourceReason.MALFORMED_DATA,
        f"is not Parquet that can be read: {what}: ask the data supplier to correct the data",
    )


def _unexpected(
    session: Session, what: str, advice: str = "give the URL of the data itself, at a server with ranges"
) -> SourceError:
    return session.error(SourceReason.UNEXPECTED_CONTENT, f"answers with {what}: {advice}")
