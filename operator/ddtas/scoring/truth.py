"""The truth of a target: what was withheld from the app, and what came before it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from ddtas.scoring import keys
from ddtas.scoring.draw import is_withheld
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.order import ScoredTarget, TargetKind

VALUE = "\0value"  # no column of a table has this name
_FILE = "data.parquet"
_MOST_ROWS = 5_000_000
MOST_ASKED = 1_000_000


@dataclass(frozen=True)
class Truth:
    """The rows of one target that have a value, ordered by time, then by the other keys.

    Attributes:
        rows: an Arrow table of the keys (a day, or a moment in UTC; texts) and of VALUE (a number, or a text).
        asked: which of them the app is to predict: indices into `rows`, rising.
    """

    rows: Any
    asked: Any

    @property
    def withheld(self) -> Any:
        """The rows that the app is to predict."""
        return self.rows.take(pyarrow.array(self.asked))

    def digest(self) -> str:
        """SHA-256 of the keys and values of the rows that are to be predicted, whatever their columns are called."""
        content = hashlib.sha256()
        for column in self.withheld.itercolumns():
            for part in _canonical(column.combine_chunks()):
                content.update(part)
        return f"sha256:{content.hexdigest()}"


def _canonical(values: Any) -> Iterator[bytes]:
    """Numbers as 64 bits, little-endian; texts as UTF-8, their lengths before them."""
    if pyarrow.types.is_string(values.type):
        yield numpy.asarray(pc.binary_length(values), "<i8").tobytes()
        yield "".join(values.to_pylist()).encode()
        return
    if pyarrow.types.is_floating(values.type):
        yield (numpy.asarray(values, "<f8") + 0.0).tobytes()  # there is one zero
        return
    if pyarrow.types.is_date(values.type):
        values = values.cast(pyarrow.timestamp("us"))
    yield numpy.asarray(values.cast(pyarrow.int64()), "<i8").tobytes()


def read_truth(folder: Path, target: ScoredTarget) -> Truth:
    """The truth of a target.

    Args:
        folder: of all truth.
        target: which one.

    Raises:
        ScoreError: HoldoutEmpty, TruthMalformed.
    """
    if not keys.names(target):
        text = f"the rows of {target.requirement} have neither a time nor a key: give the target a holdout by key"
        raise ScoreError(ScoreReason.TRUTH_MALFORMED, text)
    rows = _rows(folder / target.requirement / _FILE, target)
    asked = numpy.flatnonzero(_asked(rows, target))
    if not len(asked):
        raise ScoreError(
            ScoreReason.HOLDOUT_EMPTY,
            f"{target.requirement} has no value of {target.field} {_where(target)}: choose another period, or ask the "
            "data supplier",
        )
    if len(asked) > MOST_ASKED:
        text = f"{len(asked)} rows of {target.requirement} are withheld, of at most {MOST_ASKED}: choose fewer"
        raise ScoreError(ScoreReason.TRUTH_MALFORMED, text)
    return Truth(rows, asked)


def _where(target: ScoredTarget) -> str:
    if target.key is not None:
        return f"in the {target.share_percent} % of {target.key} that are withheld"
    ends = [f"{word} {time.isoformat()}" for word, time in (("from", target.start), ("to", target.end)) if time]
    return " ".join(ends) or "at all"


def _rows(path: Path, target: ScoredTarget) -> Any:
    columns = [*keys.names(target), target.field]
    with pyarrow.parquet.ParquetFile(path, memory_map=False) as file:
        if file.metadata.num_rows > _MOST_ROWS:
            text = f"{target.requirement} has more than {_MOST_ROWS} rows: ask for a shorter period or a longer step"
            raise ScoreError(ScoreReason.TRUTH_MALFORMED, text)
        table = file.read(columns=columns, use_threads=False).combine_chunks()
    arrays = [_key(table.column(name).combine_chunks(), name == target.time) for name in columns[:-1]]
    values = _values(table.column(target.field).combine_chunks(), target)
    there = pc.is_valid(values)
    if target.time is not None:
        there = pc.and_(there, pc.is_valid(arrays[0]))  # without a time a row is of no period
    rows = pyarrow.table([*arrays, values], [*columns[:-1], VALUE]).filter(there)
    return rows.sort_by([(name, "ascending") for name in columns[:-1]])


def _key(values: Any, time: bool) -> Any:
    if time and pyarrow.types.is_timestamp(values.type):
        return values.cast(keys.MOMENT)
    if time:
        return values.cast(pyarrow.date32())
    return values.cast(pyarrow.string()).fill_null("")  # as CSV has it


def _values(values: Any, target: ScoredTarget) -> Any:
    if target.kind is TargetKind.CLASSES:
        return values.cast(pyarrow.string())
    numbers = values.cast(pyarrow.float64(), safe=False)
    if not pc.all(pc.is_finite(numbers)).as_py():
        text = f"{target.field} of {target.requirement} has values that are no finite numbers: this is a fault of fetch"
        raise ScoreError(ScoreReason.TRUTH_MALFORMED, text)
    if target.kind is TargetKind.BINARY and not pc.all(pc.is_in(numbers, pyarrow.array([0.0, 1.0, None]))).as_py():
        raise ScoreError(
            ScoreReason.TRUTH_MALFORMED,
            f"{target.field} of {target.requirement} is no event: it has other values than 0 and 1, or true and false",
        )
    return numbers


def _asked(rows: Any, target: ScoredTarget) -> Any:
    """Which rows are to be predicted: those of the period, or of the keys that were drawn."""
    chosen = numpy.ones(len(rows), bool)
    if target.time is not None:
        times = rows.column(target.time)
        if target.start is not None:
            chosen &= numpy.asarray(pc.greater_equal(times, _bound(times.type, target.start, target.time_zone)))
        if target.end is not None:
            chosen &= numpy.asarray(pc.less(times, _bound(times.type, target.end, target.time_zone)))
    if target.key is not None:
        chosen &= numpy.asarray(_drawn(rows.column(target.key), target))
    return chosen


def _bound(kind: Any, moment: datetime, zone: str | None) -> Any:
    """A moment as what is compared with times of a table, as fetch does: a moment, or its day in a zone."""
    if not pyarrow.types.is_date(kind):
        return pyarrow.scalar(moment, keys.MOMENT)
    local = pc.local_timestamp(pyarrow.scalar(moment, keys.MOMENT).cast(pyarrow.timestamp("us", tz=zone or "UTC")))
    return pc.floor_temporal(local, unit="day").cast(pyarrow.date32())


def _drawn(values: Any, target: ScoredTarget) -> Any:
    percent = target.share_percent or 0
    distinct = values.unique()
    drawn = pyarrow.array([is_withheld(value.as_py(), percent, target.seed) for value in distinct], pyarrow.bool_())
    return drawn.take(pc.index_in(values.combine_chunks(), distinct))
