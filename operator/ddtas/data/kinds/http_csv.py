"""CSV over HTTP: RFC 4180, UTF-8 with or without byte order mark, with a header.

The body is read as a stream; what is kept is the record that is being read, and the facts.
"""

import codecs
import csv
import io

from ddtas.data.facts.table import Table
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

ACCEPT = "text/csv, */*;q=0.1"

_OTHER_WORDS = ("html", "json", "xml", "zip", "pdf")
_OTHER_STARTS = {"<": "HTML or XML", "{": "JSON", "[": "JSON"}


async def probe(session: Session) -> SourceFacts:
    """Read a CSV once and tell its facts.

    When the byte cap ends the reading, `records`, `size_bytes` and the last date (of a table that starts with its
    newest record: the first date) are absent; the other facts are those of the part that was read.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client, client.get(accept=ACCEPT) as answer:
        return session.facts(await read(answer, session))


async def read(answer: answers.Answer, session: Session) -> SourceFacts:
    """Read a CSV from an answer, to its end or to the cap.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what reading raises.
    """
    if answer.is_other(_OTHER_WORDS):
        raise _unexpected(session.target, printable(answer.media_type, 60))
    reader = _Reader(session.target, session.limits)
    while chunk := await answer.read():
        reader.feed(chunk)
    if answer.complete:
        reader.finish()
    else:
        for fact in ("records", "sizeBytes", "last"):
            session.not_found(fact, f"only the first {session.limits.max_bytes} bytes were read")
    return reader.facts(answer.received if answer.complete else None)


class _Reader:
    """Bytes to records to facts, piece by piece."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self._target = target
        self._max_row = limits.max_row_characters
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._started = False
        self._pending: list[str] = []  # pieces of the record that is not complete yet
        self._pending_characters = 0
        self._in_quotes = False
        self._table: Table | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        if b"\0" in chunk:
            raise _unexpected(self._target, "binary data")
        self._feed_text(self._decode(chunk))

    def finish(self) -> None:
        """There is no more: the last record may come without a line end.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        self._feed_text(self._decode(b"", final=True))
        if self._in_quotes:
            raise self._malformed("the data ends inside quotes")
        self._add_records(["".join(self._pending)])

    def facts(self, size_bytes: int | None) -> SourceFacts:
        """The facts so far; `size_bytes` is None when the data goes on.

        Raises:
            SourceError: MalformedData when there is not even a header.
        """
        if self._table is None:
            raise self._malformed("there is no header")
        return self._table.facts(size_bytes)

    def _decode(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise self._malformed("it is not text in UTF-8") from None

    def _feed_text(self, text: str) -> None:
        if not self._started:
            self._check_start(text)
        records: list[str] = []
        for piece in io.StringIO(text, newline="\n"):  # up to and with "\n"; splitlines() splits on more than that
            self._pending.append(piece)
            self._pending_characters += len(piece)
            if self._pending_characters > self._max_row:
                raise self._malformed(f"a record has more than {self._max_row} characters (is a quote not closed?)")
            # A line end inside quotes ends no record. Quotes inside quotes are doubled, so counting them is enough.
            self._in_quotes ^= piece.count('"') % 2 == 1
            if piece.endswith("\n") and not self._in_quotes:
                records.append("".join(self._pending))
                self._pending.clear()
                self._pending_characters = 0
        self._add_records(records)

    def _check_start(self, text: str) -> None:
        """No CSV that fits a contract starts like a web page or JSON, whatever its media type says."""
        start = text.lstrip()[:1]
        if start in _OTHER_STARTS:
            raise _unexpected(self._target, _OTHER_STARTS[start])
        self._started = bool(start)

    def _add_records(self, records: list[str]) -> None:
        try:
            rows = [row for row in csv.reader(records, strict=True) if row]  # without blank lines, mostly at the end
        except csv.Error:
            raise self._malformed("the quotes or line ends of a record are not as RFC 4180 has them") from None
        if rows and self._table is None:
            self._table = Table(rows.pop(0), self._target.contract, self._target.place)
        if self._table is not None:
            self._table.add(rows)

    def _malformed(self, what: str) -> SourceError:
        return SourceError(
            SourceReason.MALFORMED_DATA,
            f"{self._target.place} is not CSV: {what}: ask the data supplier to correct the data",
        )


def _unexpected(target: Target, what: str) -> SourceError:
    return SourceError(
        SourceReason.UNEXPECTED_CONTENT,
        f"{target.place} answers with {what} instead of CSV: give the URL of the data itself, not of a page about it",
    )
