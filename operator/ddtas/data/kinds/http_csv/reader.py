"""Reads CSV (RFC 4180 in UTF-8, or as a dialect says) as a stream: what is kept is one piece of it."""

import codecs
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace

from ddtas.data.kinds.http_csv.dialect import BadHeader, Format, Head
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError, printable

ACCEPT = "text/csv, */*;q=0.1"

_OTHER_WORDS = ("html", "json", "xml", "zip", "pdf")
_OTHER_STARTS = {"<": "HTML or XML", "{": "JSON", "[": "JSON"}


async def rows(answer: Answer, session: Session, form: Format = Format()) -> AsyncIterator[list[list[str]]]:  # noqa: B008
    """The rows of an answer, some at a time, to its end or to the cap; the very first is the header.

    Blank lines and comments are left out. Rows may have more or fewer values than the header.

    Raises:
        SourceError: UnexpectedContent, or MalformedData where it is not CSV or has no header; or what reading raises.
    """
    check_media_type(answer, session)
    splitter = _Splitter(session, form)
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

    def __init__(self, session: Session, form: Format) -> None:
        self._session = session
        self._max_row = session.limits.max_row_characters
        self._format = form
        self._head = Head(replace(form, skip=0), session.target.contract)
        self._skip = form.skip  # lines before all others that are still to come
        self._decoder = codecs.getincrementaldecoder(form.encoding)()
        self._started = False
        self._line: list[str] = []  # pieces of the line that is not complete yet
        self._record: list[str] = []  # lines of the record that is not complete yet
        self._characters = 0  # of both
        self._in_quotes = False

    def feed(self, chunk: bytes) -> list[list[str]]:
        """The rows that are complete after the next piece of the body.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        return self._feed_text(decoded(self._decoder, chunk, self._session))

    def finish(self) -> list[list[str]]:
        """The rows that are left when there is no more: the last one may come without a line end.

        Raises:
            SourceError: UnexpectedContent or MalformedData.
        """
        rows = self._feed_text(decoded(self._decoder, b"", self._session, final=True))
        last: list[str] = []
        if self._line:
            self._end_line(last)
        if self._in_quotes:
            raise malformed(self._session, "the data ends inside quotes")
        return rows + self._rows(last) + self._header_alone()

    def _header_alone(self) -> list[list[str]]:
        """The names of the columns, where there is nothing else."""
        if self._head.names is not None:
            return []
        try:
            return [self._head.end()]
        except BadHeader as error:
            raise malformed(self._session, str(error)) from None

    def _feed_text(self, text: str) -> list[list[str]]:
        self._started = self._started or check_start(text, self._session)
        records: list[str] = []
        for piece in io.StringIO(text, newline="\n"):  # up to and with "\n"; splitlines() splits on more than that
            self._line.append(piece)
            self._characters += len(piece)
            if self._characters > self._max_row:
                raise malformed(
                    self._session, f"a record has more than {self._max_row} characters (is a quote not closed?)"
                )
            if piece.endswith("\n"):
                self._end_line(records)
        return self._rows(records)

    def _end_line(self, records: list[str]) -> None:
        """A line is complete, and maybe a record with it."""
        line = "".join(self._line)
        self._line.clear()
        if self._skip:
            self._skip -= 1
        else:
            self._record.append(line)
            # A line end inside quotes ends no record. Quotes inside quotes are doubled, so counting them is enough.
            if self._in_quotes or not self._format.is_comment(line):
                self._in_quotes ^= line.count(self._format.quote) % 2 == 1
        if not self._in_quotes:
            if self._record:
                records.append("".join(self._record))
            self._record.clear()
            self._characters = 0

    def _rows(self, records: list[str]) -> list[list[str]]:
        rows: list[list[str]] = []
        try:
            if self._head.names is None:
                records, rows = self._after_header(records)
            data = self._format.records(record for record in records if not self._format.is_comment(record))
            rows += [row for row in data if row]  # without blank lines, mostly at the end
        except BadHeader as error:
            raise malformed(self._session, str(error)) from None
        except csv.Error:
            raise malformed(self._session, "the quotes or line ends of a record are not as RFC 4180 has them") from None
        return [[value.strip() for value in row] for row in rows] if self._format.trim else rows

    def _after_header(self, records: list[str]) -> tuple[list[str], list[list[str]]]:
        """The records that are left after the header, and the header as a row, where it is among them."""
        for number, record in enumerate(records):
            is_data = self._head.take(record)
            if self._head.names is not None:
                return records[number if is_data else number + 1 :], [self._head.names]
        return [], []


def decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, session: Session, *, final: bool = False) -> str:
    """The text of the next piece of a body.

    Raises:
        SourceError: MalformedData where it is in another encoding; UnexpectedContent where it is no text.
    """
    try:
        text = decoder.decode(chunk, final)
    except UnicodeDecodeError:
        raise malformed(session, "it is not text in UTF-8, or in the encoding of its dialect") from None
    if "\0" in text:
        raise unexpected(session, "binary data")
    return text


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
