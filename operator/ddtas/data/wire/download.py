"""The whole body of an answer: all of it, or an error."""

from collections.abc import AsyncGenerator
from pathlib import Path

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError


async def pieces(session: Session, answer: Answer) -> AsyncGenerator[bytes, None]:
    """The body of an answer, piece by piece, to its end.

    An answer that breaks off is an error of the client that it came by: its length is announced, or it comes in chunks.

    Raises:
        SourceError: ResourceExhausted at the cap of the session; UnexpectedContent where nothing tells the end of the
            body from a connection that breaks off.
    """
    if "Content-Length" not in answer.headers and "chunked" not in answer.headers.get("Transfer-Encoding", "").lower():
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "answers without Content-Length, so nobody can see whether the data is complete: ask who runs the server "
            "to send it, or to send the answer in chunks",
        )
    while chunk := await answer.read():
        yield chunk
    if not answer.complete:
        raise too_big(session)


async def download(session: Session, answer: Answer, path: Path) -> None:
    """Write the body of an answer into a new file.

    Raises:
        SourceError: as `pieces`.
    """
    with path.open("xb") as file:
        async for chunk in pieces(session, answer):
            file.write(chunk)


def too_big(session: Session) -> SourceError:
    """The error for a source that has more bytes than may be fetched."""
    return session.error(
        SourceReason.RESOURCE_EXHAUSTED,
        f"has more than the {session.limits.max_bytes} bytes that may be fetched: ask for a shorter period, or for "
        "fewer fields",
    )
