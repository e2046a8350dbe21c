"""Makes what an app gets of a table of which a part is withheld, from the whole table, which it does not get.

In a row that is withheld the hidden columns have no value; where nothing is left beside its keys, the row is left out.
What the app is to predict are the rows of the period, of the keys that were drawn, in which a target has a value.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet

from ddtas.data.contract import FieldType
from ddtas.data.delivery.order import Withheld
from ddtas.data.delivery.table import Table
from ddtas.data.delivery.withholding import hidden, row_keys
from ddtas.data.meaning import periods
from ddtas.runner import times
from ddtas.runner.faults import DeliveryError, DeliveryReason
from ddtas.runner.writing import CsvFile, Writer
from ddtas.scoring.draw import is_withheld
from ddtas.scoring.order import PREDICT

_ROWS = 50_000  # of a batch
_DRAWN_TYPES = (FieldType.STRING, FieldType.INTEGER, FieldType.DATE)
_DAY = "P1D"


def check(table: Table, withheld: Withheld, truth: Path | None) -> Path:
    """Where the whole table goes, if the part can be withheld.

    Raises:
        DeliveryError: CannotWithhold.
    """
    if truth is None:
        raise _cannot("there is no folder that the app does not see: this is a fault of the operator")
    columns = {column.name: column for column in table.columns}
    hides = hidden(table, withheld)
    for name in (*withheld.targets.values(), *withheld.fields, *([withheld.key] if withheld.key is not None else [])):
        if name not in columns:
            raise _cannot(f"{name} is no column of the table: name a field of the data requirement")
    for key in (table.time, withheld.key):
        if key is not None and key in hides:
            raise _cannot(f"{key} tells rows apart and is a target, or made of the field of one: choose another field")
    if withheld.key is not None and (kind := columns[withheld.key].type) not in _DRAWN_TYPES:
        raise _cannot(f"the key {withheld.key} is a {kind}: have it as a string, an integer or a date")
    if table.time is None and (withheld.key is None or withheld.start is not None or withheld.end is not None):
        raise _cannot(f"the table has no time, so that {', '.join(hides)} can be withheld by a key of it alone")
    if table.source_step is not None:
        for name in hides:
            if columns[name].aggregate is None:
                raise _cannot(f"{name} has no aggregate, and its source has a shorter step: say how values become one")
    return truth


def give(whole: Path, table: Table, withheld: Withheld, folder: Path) -> tuple[Writer, dict[str, int]]:
    """Write what the app gets of a table into a folder: its files, and the rows that it is to predict.

    Args:
        whole: the Parquet file of the whole table.
        table: what is in it.
        withheld: what the app does not get of it.
        folder: where the files go.

    Returns:
        The writer of the table, closed, and the missing values of each column in what was not withheld.

    Raises:
        DeliveryError: ValueMissing where a row has no key.
    """
    mask = Mask(table, withheld)
    missing = dict.fromkeys((c.name for c in table.columns), 0)
    (folder / PREDICT).mkdir()
    keys = _keys_alone(table, withheld)
    with ExitStack() as stack:
        writer = stack.enter_context(Writer(folder, table))
        files = {t: stack.enter_context(CsvFile(folder / PREDICT / f"{t}.csv", keys)) for t in withheld.targets}
        for batch in _batches(whole):
            for target, file in files.items():
                file.write(mask.predicted(batch, withheld.targets[target]))
            given, withholds = mask.given(batch)
            writer.write(given)
            for name in missing:
                values = given.column(name)
                values = values.filter(pc.invert(withholds)) if name in mask.hides else values
                missing[name] += values.null_count
    return writer, missing


class Mask:
    """Which values of a table are withheld, by batch."""

    def __init__(self, table: Table, withheld: Withheld) -> None:
        self.hides = frozenset(hidden(table, withheld))
        self._keys = frozenset(row_keys(table, withheld))
        self._time, self._zone = table.time, table.time_zone or "UTC"
        self._withheld = withheld
        self._first = _first_hidden(table, withheld.start)

    def given(self, batch: Any) -> tuple[Any, Any]:
        """The rows that the app gets, and for each of them whether it is withheld."""
        withholds = self._withholds(batch)
        columns = [
            pc.if_else(withholds, pyarrow.scalar(None, column.type), column) if name in self.hides else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        masked = pyarrow.RecordBatch.from_arrays(columns, schema=batch.schema)
        stays = pc.invert(withholds)
        for name in batch.schema.names:
            if name not in self._keys:
                stays = pc.or_(stays, pc.is_valid(masked.column(name)))
        return masked.filter(stays), withholds.filter(stays)

    def predicted(self, batch: Any, field: str) -> Any:
        """The rows whose value of a field is to be predicted."""
        return batch.filter(pc.and_(self._asks(batch), pc.is_valid(batch.column(field))))

    def _withholds(self, batch: Any) -> Any:
        """The rows that are asked for, and others that say something of the period, such as means of longer."""
        if self._time is None:
            return self._asks(batch)
        values = times.beginnings(batch.column(self._time), self._zone)
        reaches = self._within(values, self._first, self._withheld.end)
        return pc.or_(self._asks(batch), self._drawn(batch, reaches))

    def _asks(self, batch: Any) -> Any:
        """The rows that lie in the period, and whose key was drawn."""
        if self._time is None:
            return self._drawn(batch, pyarrow.repeat(pyarrow.scalar(True), batch.num_rows))
        values = batch.column(self._time)
        return self._drawn(batch, self._within(values, self._withheld.start, self._withheld.end))

    def _within(self, values: Any, first: datetime | None, last: datetime | None) -> Any:
        within = pyarrow.repeat(pyarrow.scalar(True), len(values))
        if first is not None:
            within = pc.and_(within, pc.greater_equal(values, times.bound(values.type, first, self._zone)))
        if last is not None:
            within = pc.and_(within, pc.less(values, times.bound(values.type, last, self._zone)))
        return within

    def _drawn(self, batch: Any, within: Any) -> Any:
        """Those of the rows whose key was drawn."""
        key, share = self._withheld.key, self._withheld.share_percent
        if key is None or share is None:
            return within
        values = batch.column(key)
        if values.null_count:
            raise DeliveryError(
                DeliveryReason.VALUE_MISSING,
                f"{key} has no value in {values.null_count} of {batch.num_rows} rows, and says which rows the app is "
                "judged by: choose a key that each row has, or ask the data supplier",
            )
        encoded = values.cast(pyarrow.string()).dictionary_encode()
        flags = [is_withheld(text, share, self._withheld.seed) for text in encoded.dictionary.to_pylist()]
        return pc.and_(within, pyarrow.array(flags, pyarrow.bool_()).take(encoded.indices))


def _first_hidden(table: Table, start: datetime | None) -> datetime | None:
    """The first moment at which a row may begin that says something of what comes from `start` on; None for any.

    A row stands for the whole step, or the whole day, that begins with it.
    """
    types = {column.name: column.type for column in table.columns}
    step = table.step or (_DAY if types.get(table.time or "") is FieldType.DATE else None)
    if start is None or step is None:
        return start
    before = periods.earlier(start, step, ZoneInfo(table.time_zone or "UTC"))
    return before + datetime.resolution if before is not None else None


def _batches(whole: Path) -> Iterator[Any]:
    with pyarrow.parquet.ParquetFile(whole) as file:
        yield from file.iter_batches(_ROWS)


def _keys_alone(table: Table, withheld: Withheld) -> Table:
    columns = {column.name: column for column in table.columns}
    return table.model_copy(update={"columns": tuple(columns[k] for k in row_keys(table, withheld)), "geometry": None})


def _cannot(why: str) -> DeliveryError:
    return DeliveryError(DeliveryReason.CANNOT_WITHHOLD, why)
