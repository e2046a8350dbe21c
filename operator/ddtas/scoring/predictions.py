"""What an app predicted: a CSV file in its output, read as hostile."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.compute as pc
import pyarrow.csv

from ddtas.errors import printable
from ddtas.scoring import keys
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.files import OutputFile, opened
from ddtas.scoring.order import ScoredTarget, TargetKind

MOST_BYTES = 256 * 1024 * 1024
MOST_MEMBERS = 200
_MOST_NUMBERS = 20_000_000
_HEADER_BYTES = 16 * 1024
_BLOCK = 1 << 20  # bytes; also the longest line
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NOT_FINITE = r"(?i)^([+-]?(nan|inf|infinity)|null|na|n/a|none)?$"
_BAND = ("lower", "upper")


@dataclass(frozen=True)
class Predictions:
    """What was predicted of one target, row by row as it was written.

    Attributes:
        file: the name of the file.
        rows: an Arrow table of the keys: days or moments, and texts.
        values: of each row what its kind has: (n, 1) of numbers, (n, 3) with a band, or (n, N) of members; for classes
            an Arrow array of texts.
        digest: SHA-256 of the file.
    """

    file: str
    rows: Any
    values: Any
    digest: str


def file_name(target: ScoredTarget) -> str:
    """The file of the predictions of a target, in the folder of the app's output."""
    return f"{target.name}.csv"


def read_predictions(output: Path, target: ScoredTarget, times: Any) -> Predictions:
    """The predictions of a target.

    Args:
        output: the folder of the app's output.
        target: what is predicted.
        times: the Arrow type of the time in the truth; None where it has none.

    Raises:
        ScoreError: OutputMissing, OutputUnreadable, OutputTooLarge, OutputMalformed, PredictionsNotFinite.
    """
    with opened(output, file_name(target), MOST_BYTES) as file:
        if file is None:
            text = f"there is no {file_name(target)}: write the predictions of the target {target.name} there"
            raise ScoreError(ScoreReason.OUTPUT_MISSING, text)
        parser = _Parser(file.name, target, _value_columns(file, target), times)
        try:
            parsed = [parser.batch(batch) for batch in _batches(file, parser.columns)]
        except pyarrow.ArrowInvalid as error:
            raise _malformed(file.name, f"is no CSV ({printable(str(error), 150)})", target) from None
        parser.check()
        digest = file.digest()
    rows = pyarrow.concat_tables([rows for rows, _ in parsed])
    values = [part for _, part in parsed]
    joined = pyarrow.chunked_array(values) if target.kind is TargetKind.CLASSES else numpy.concatenate(values)
    return Predictions(file_name(target), rows, joined, digest)


def _value_columns(file: OutputFile, target: ScoredTarget) -> tuple[str, ...]:
    """The columns of values, in the order of their meaning. The header is checked before columns are made of it."""
    line, newline, rest = file.beginning(_HEADER_BYTES).partition(b"\n")
    try:
        (header,) = csv.reader([line.decode("utf-8-sig").rstrip("\r")], strict=True)
    except (ValueError, csv.Error):
        raise _malformed(file.name, "has no header in UTF-8", target) from None
    if not newline or not rest.strip():
        raise _malformed(file.name, f"has no rows, or a header of more than {_HEADER_BYTES} bytes", target)
    given = [name for name in header if name not in keys.names(target)]
    for columns in _allowed(target, len(given)):
        if sorted(header) == sorted((*keys.names(target), *columns)):
            return columns
    raise _malformed(file.name, f"has the columns {printable(', '.join(header), 200)}", target)


def _allowed(target: ScoredTarget, count: int) -> Iterator[tuple[str, ...]]:
    if target.kind is TargetKind.ENSEMBLE:
        if 2 <= count <= MOST_MEMBERS:
            yield tuple(f"member_{i}" for i in range(1, count + 1))
        return
    yield ("value",)
    if target.kind is TargetKind.CONTINUOUS:
        yield ("value", *_BAND)


def _malformed(name: str, what: str, target: ScoredTarget) -> ScoreError:
    values = {
        TargetKind.ENSEMBLE: f"member_1 to member_N (N from 2 to {MOST_MEMBERS})",
        TargetKind.CONTINUOUS: "value, and perhaps lower and upper",
    }.get(target.kind, "value")
    return ScoreError(
        ScoreReason.OUTPUT_MALFORMED,
        f"{name} {what}: write a CSV file in UTF-8 with commas and the columns {', '.join(keys.names(target))}, then "
        f"{values}",
    )


def _batches(file: OutputFile, columns: Sequence[str]) -> Iterator[Any]:
    """The rows as texts, a megabyte at a time."""
    convert = pyarrow.csv.ConvertOptions(
        column_types={name: pyarrow.string() for name in columns}, include_columns=columns, strings_can_be_null=False
    )
    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK)
    stream = pyarrow.PythonFile(file, mode="r")
    yield from pyarrow.csv.open_csv(stream, read_options=read, convert_options=convert)


@dataclass
class _Faulty:
    """Rows with a value that cannot be used."""

    rows: int = 0
    first: str = ""

    def note(self, wrong: Any, done: int, what: Callable[[int], str]) -> None:
        if not wrong.any():
            return
        index = int(numpy.argmax(wrong))
        self.first = self.first or f"{what(index)} in row {done + index + 1}"
        self.rows += int(wrong.sum())


@dataclass
class _Parser:
    """Texts into keys and values, batch by batch."""

    file: str
    target: ScoredTarget
    names: tuple[str, ...]
    times: Any
    _done: int = 0
    _infinite: _Faulty = field(default_factory=_Faulty)
    _wrong: _Faulty = field(default_factory=_Faulty)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the file has."""
        return (*keys.names(self.target), *self.names)

    def batch(self, batch: Any) -> tuple[Any, Any]:
        """The keys and the values of a batch."""
        names = keys.names(self.target)
        rows = pyarrow.Table.from_arrays([self._key(batch, name) for name in names], list(names))
        if self.target.kind is TargetKind.CLASSES:
            values = pc.utf8_trim_whitespace(batch.column("value"))
        else:
            values = self._numbers(batch)
        self._done += batch.num_rows
        if self._done * len(self.names) > _MOST_NUMBERS:
            text = f"{self.file} has more than {_MOST_NUMBERS} values: write only what was asked for, and fewer members"
            raise ScoreError(ScoreReason.OUTPUT_TOO_LARGE, text)
        return rows, values

    def check(self) -> None:
        """What was wrong in any of the batches.

        Raises:
            ScoreError: PredictionsNotFinite, OutputMalformed.
        """
        for faulty, reason in (
            (self._wrong, ScoreReason.OUTPUT_MALFORMED),
            (self._infinite, ScoreReason.PREDICTIONS_NOT_FINITE),
        ):
            if faulty.rows:
                text = f"{self.file} has {faulty.first} ({faulty.rows} such rows): write what was asked for in each row"
                raise ScoreError(reason, text)

    def _key(self, batch: Any, name: str) -> Any:
        texts = batch.column(name)
        if name != self.target.time:
            return texts
        day = pyarrow.types.is_date(self.times)
        values = keys.days(texts) if day else keys.moments(texts, self.target.time_zone)
        like = "a day such as 2026-01-31" if day else "a time such as 2026-01-31T12:00:00+01:00"
        self._note(self._wrong, numpy.asarray(pc.is_null(values)), texts, f"as {name}, which is not {like},")
        return values

    def _numbers(self, batch: Any) -> Any:
        """Values as (n, names) of finite numbers; NaN where they are noted as none."""
        columns = []
        for name in self.names:
            texts = pc.utf8_trim_whitespace(batch.column(name))
            valid = pc.match_substring_regex(texts, _NUMBER)
            numbers = numpy.asarray(pc.if_else(valid, texts, None).cast(pyarrow.float64()).fill_null(numpy.nan))
            none = ~numpy.isfinite(numbers)
            # A number that is larger than 64 bits hold is infinite, too.
            infinite = none & numpy.asarray(pc.or_(valid, pc.match_substring_regex(texts, _NOT_FINITE)))
            self._note(self._infinite, infinite, texts, f"as {name}, which is no finite number,")
            self._note(self._wrong, none & ~infinite, texts, f"as {name}, which is no number,")
            columns.append(numbers)
        values = numpy.column_stack(columns)
        if self.target.kind is TargetKind.BINARY:
            outside = (values[:, 0] < 0) | (values[:, 0] > 1)
            self._note(self._wrong, outside, batch.column("value"), "as value, which is no probability from 0 to 1,")
        if _BAND[0] in self.names:
            upside = values[:, 1] > values[:, 2]
            self._note(self._wrong, upside, batch.column("lower"), "as lower, which is above its upper,")
        return values

    def _note(self, faulty: _Faulty, wrong: Any, texts: Any, what: str) -> None:
        faulty.note(wrong, self._done, lambda index: f"{printable(str(texts[index]), 40)!r} {what}")
