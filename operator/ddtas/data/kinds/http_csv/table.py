"""Reads CSV over HTTP whole: a file of ours first, in UTF-8, and then batches of texts by pyarrow."""

import codecs
import io
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow
import pyarrow.compute
import pyarrow.csv

from ddtas.data.contract import FieldType
from ddtas.data.delivery.reading import Selection
from ddtas.data.delivery.rows import no_field
from ddtas.data.delivery.streams import threaded
from ddtas.data.kinds.http_csv.dialect import BadHeader, Format, Head
from ddtas.data.kinds.http_csv.reader import ACCEPT, check_media_type, check_start, decoded, malformed
from ddtas.data.kinds.whole import Batches, whole
from ddtas.data.session import Session
from ddtas.data.wire.answers import Answer
from ddtas.data.wire.download import pieces
from ddtas.errors import SourceError, printable

_BLOCK_BYTES = 1024 * 1024
_NO_NUMBER = pyarrow.array(["NaN", "nan", "NAN"])
_NUMBERS = (FieldType.INTEGER, FieldType.NUMBER)


def batches(session: Session, selection: Selection) -> Batches:
    """As ddtas.data.delivery.reading.Reader has it: texts all of them; there is no geometry."""
    return whole(session, selection, ACCEPT, save, read)


async def save(answer: Answer, session: Session, selection: Selection) -> Path:
    """Write the text of an answer into a file, in UTF-8 without byte order mark.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what reading raises.
    """
    check_media_type(answer, session)
    form = Format.of(selection.dialect)
    decoder = codecs.getincrementaldecoder(form.encoding)()
    path = selection.folder / "data.csv"
    begun = False
    with path.open("w", encoding="utf-8", newline="") as file:
        async with aclosing(pieces(session, answer)) as body:
            async for chunk in body:
                text = decoded(decoder, chunk, session)
                begun = begun or check_start(text, session)
                file.write(text)
        file.write(decoded(decoder, b"", session, final=True))
    return path


def read(path: Path, session: Session, selection: Selection) -> Batches:
    """The rows of a file, which is then removed.

    Raises:
        SourceError: MalformedData, or EntityNotFound where a column is not there.
    """
    if selection.geometry:
        raise no_field(session, "geometry", [field.name for field in selection.fields])

    def explain(error: Exception) -> SourceError:
        # What pyarrow says holds a piece of the data; its InvalidRow has the number.
        return malformed(session, invalid[0] if invalid else "its records cannot be read")

    invalid: list[str] = []
    return threaded(_batches(path, session, selection, invalid), explain)


def _batches(path: Path, session: Session, selection: Selection, invalid: list[str]) -> Iterator[pyarrow.RecordBatch]:
    form = Format.of(selection.dialect)
    with path.open("rb") as file:
        path.unlink()  # it stays until it is closed
        names = _names(file, form, session)
        columns = [str(_index(names, field.name, session)) for field in selection.fields]
        if not file.peek(1):
            yield pyarrow.RecordBatch.from_pylist(
                [], pyarrow.schema([(f.name, pyarrow.string()) for f in selection.fields])
            )
            return
        reader = pyarrow.csv.open_csv(
            data := _Data(file, form),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=[str(number) for number in range(len(names))]
            ),
            parse_options=_parse_options(form, invalid),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pyarrow.string()),
                include_columns=list(dict.fromkeys(columns)),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        for batch in reader:
            arrays = [
                _values(batch.column(column), field.type, form)
                for column, field in zip(columns, selection.fields, strict=True)
            ]
            yield pyarrow.RecordBatch.from_arrays(arrays, [field.name for field in selection.fields])
        if data.in_quotes:
            raise malformed(session, "the data ends inside quotes, or a quote in a value is not doubled")


def _parse_options(form: Format, invalid: list[str]) -> pyarrow.csv.ParseOptions:
    def note(row: Any) -> str:
        invalid.append(
            f"record {row.number} has {row.actual_columns} values where there are {row.expected_columns} names"
        )
        return "error"

    return pyarrow.csv.ParseOptions(
        delimiter=form.delimiter, quote_char=form.quote, newlines_in_values=True, invalid_row_handler=note
    )


def _values(column: pyarrow.Array, kind: FieldType, form: Format) -> pyarrow.Array:
    """The values of a column: null where there is none, and where a number is not a number."""
    compute = pyarrow.compute
    if form.trim:
        column = compute.utf8_trim_whitespace(column)
        column = compute.replace_with_mask(column, compute.equal(column, ""), pyarrow.scalar(None, pyarrow.string()))
    if kind in _NUMBERS:
        missing = compute.is_in(column, _NO_NUMBER)
        column = compute.replace_with_mask(column, missing, pyarrow.scalar(None, pyarrow.string()))
    return column


def _names(file: BinaryIO, form: Format, session: Session) -> list[str]:
    """The names of the columns; the file is then where its data begins."""
    head = Head(form, session.target.contract)
    most = session.limits.max_row_characters
    try:
        while head.names is None:
            start = file.tell()
            line = file.readline(most + 1)
            if len(line) > most:
                raise malformed(session, f"its header has more than {most} characters")
            if not line:
                break
            if head.take(line.decode()):
                file.seek(start)
        return head.end()
    except BadHeader as error:
        raise malformed(session, str(error)) from None


def _index(names: list[str], name: str, session: Session) -> int:
    if names.count(name) > 1:
        raise malformed(session, f"several columns are named {printable(name, 63)}")
    if name not in names:
        raise no_field(session, name, names)
    return names.index(name)


class _Data(io.RawIOBase):
    """The rest of a file without comments: lines that begin with a prefix, but not inside of quotes.

    Attributes:
        in_quotes: whether what was read so far ends inside of quotes.
    """

    def __init__(self, file: BinaryIO, form: Format) -> None:
        self._file = file
        self._prefix = form.comment.encode()
        self._quote = form.quote.encode()
        self.in_quotes = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, with comments whole lines, about as many as are asked for; empty at the end."""
        if not self._prefix:
            chunk = self._file.read(size)
            self.in_quotes ^= chunk.count(self._quote) % 2 == 1
            return chunk
        while lines := self._file.readlines(size if size > 0 else _BLOCK_BYTES):
            if kept := b"".join(line for line in lines if self._is_data(line)):
                return kept
        return b""

    def _is_data(self, line: bytes) -> bool:
        if not self.in_quotes and line.startswith(self._prefix):
            return False
        self.in_quotes ^= line.count(self._quote) % 2 == 1
        return True
