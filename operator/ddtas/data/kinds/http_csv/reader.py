"""Reads CSV (RFC 4180, UTF-8 with or without byte order mark) as a stream: what is kept is one piece of it."""

import codecs
import csv
import io
from collections.abc import AsyncIterator

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError, printable

ACCEPT = "text/csv, */*;q=0.1"

_OTHER_WORDS = ("html", "json", "xml", "zip", "pdf")
_OTHER_STARTS = {"<": "HTML or XML", "{": "JSON", "[": "JSON"}


async def rows(answer: Answer, session: Session) -> AsyncIterator[list[list[str]]]:
    """The rows of an answer, some at a time, to its end or to the cap; the very first is the header.

    Blank lines are left out. Rows may have more or fewer values than the header.

    Raises:
        SourceError: UnexpectedContent, or MalformedData where it is not CSV or has no header; or what reading raises.
    """
    check_media_type(answer, session)
    splitter = _Splitter(session)
    header = False
    while chunk := await answer.read():
        if batch := splitter.feed(chunk):
            header = True
            yield batch
    if answer.complete and (batch := splitter.finish()):
        header = True
        yield batch
    if not header:
        raise malformed(session, "there is no header")


class _Splitter:
    """Bytes to rows, piece by piece."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._max_row = session.limits.max_row_characters
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._started = False
        self._pending: list[str] = []  # pieces of the record that is not complete yet
        self._pending_characters = 0
        self._in_quotes = False

    def feed(self, chunk: bytes) -> list[list[str]]:
        """The rows that are complete after the next piece of the body.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        if b"\0" in chunk:
            raise unexpected(self._session, "binary data")
        return self._feed_text(self._decode(chunk))

    def finish(self) -> list[list[str]]:
        """The rows that are left when there is no more: the last one may come without a line end.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        rows = self._feed_text(self._decode(b"", final=True))
        if self._in_quotes:
            raise malformed(self._session, "the data ends inside quotes")
        return rows + self._rows(["".join(self._pending)])

    def _decode(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise malformed(self._session, "it is not text in UTF-8") from None

    def _feed_text(self, text: str) -> list[list[str]]:
        self._started = self._started or check_start(text, self._session)
        records: list[str] = []
        for piece in io.StringIO(text, newline="\n"):  # up to and with "\n"; splitlines() splits on more than that
            self._pending.append(piece)
            self._pending_characters += len(piece)
            if self._pending_characters > self._max_row:
                raise malformed(
                    self._session, f"a record has more than {self._max_row} characters (is a quote not closed?)"
                )
            # A line end inside quotes ends no record. Quotes inside quotes are doubled, so counting them is enough.
            self._in_quotes ^= piece.count('"') % 2 == 1
            if piece.endswith("\n") and not self._in_quotes:
                records.append("".join(self._pending))
                self._pending.clear()
                self._pending_characters = 0
        return self._rows(records)

    def _rows(self, records: list[str]) -> list[list[str]]:
        try:
            return [row for row in csv.reader(records, strict=True) if row]  # without blank lines, mostly at the end
        except csv.Error:
            raise malformed(self._session, "the quotes or line ends of a record are not as RFC 4180 has them") from None


def check_media_type(answer: Answer, session: Session) -> None:
    """Refuse what its media type says is no CSV.

    Raises:
        SourceError: UnexpectedContent.
    """
    if answer.is_other(_OTHER_WORDS):
        raise unexpected(session, printable(answer.media_type, 60))


def check_start(text: str, session: Session) -> bool:
    """Refuse what starts like a web page or JSON: no CSV that fits a contract does, whatever its media type says.

    Returns:
        Whether the text has begun: before, it is nothing but white space.

    Raises:
        SourceError: UnexpectedContent.
    """
    start = text.lstrip()[:1]
    if start in _OTHER_STARTS:
        raise unexpected(session, _OTHER_STARTS[start])
    return bool(start)


def malformed(session: Session, what: str) -> SourceError:
    """The error for what is not CSV."""
    return session.error(SourceReason.MALFORMED_DATA, f"is not CSV: {what}: ask the data supplier to correct the data")


def unexpected(session: Session, what: str) -> SourceError:
    """The error for an answer that is something else."""
    return session.error(
        SourceReason.UNEXPECTED_CONTENT,
        f"answers with {what} instead of CSV: give the URL of the data itself, not of a page about it",
    )
