"""Whether exactly what was asked for was predicted: each row once, and no other."""

from typing import Any

import numpy
import pyarrow.compute as pc

from ddtas.errors import printable
from ddtas.scoring import keys
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.predictions import Predictions


def agree(predictions: Predictions, withheld: Any, names: tuple[str, ...]) -> Any:
    """The row of the predictions that each withheld row has.

    Args:
        predictions: of the app.
        withheld: an Arrow table of the rows that were asked for.
        names: the columns that tell rows apart.

    Returns:
        (n,) integers: indices into the predictions, in the order of `withheld`.

    Raises:
        ScoreError: PredictionsIncomplete, TruthMalformed.
    """
    expected, given = _numbered(withheld, predictions.rows, names)
    count = len(expected)
    if len(numpy.unique(expected)) < count:
        text = "the data has several rows with the same keys: have the listing ask for the field that tells them apart"
        raise ScoreError(ScoreReason.TRUTH_MALFORMED, text)
    known = given >= 0
    times = numpy.bincount(given[known], minlength=count)
    found = [
        (numpy.flatnonzero(times[expected] == 0), "{} missing", withheld),
        (_repeated(given, times), "{} there twice", predictions.rows),
        (numpy.flatnonzero(~known), "{} not asked for", predictions.rows),
    ]
    faults = [
        f"{text.format(len(rows))} (first: {_written(table, names, int(rows[0]))})"
        for rows, text, table in found
        if len(rows)
    ]
    if faults:
        raise ScoreError(
            ScoreReason.PREDICTIONS_INCOMPLETE,
            f"{predictions.file} has {len(given)} rows, and {count} were asked for: {'; '.join(faults)}. Write "
            f"each row of predict/{predictions.file} once, and no other",
        )
    place = numpy.empty(count, numpy.int64)
    place[given] = numpy.arange(count)
    return place[expected]


def _repeated(given: Any, times: Any) -> Any:
    """The rows that are there again: all but the first of each key."""
    rows = numpy.flatnonzero((given >= 0) & (times[given] > 1))
    _, first = numpy.unique(given[rows], return_index=True)
    return numpy.delete(rows, first)


def _numbered(expected: Any, given: Any, names: tuple[str, ...]) -> tuple[Any, Any]:
    """One number for each row of keys, the same in both tables; -1 of a given row whose keys are not expected."""
    here = numpy.zeros(len(expected), numpy.int64)
    there = numpy.zeros(len(given), numpy.int64)
    for name in names:
        distinct = expected.column(name).unique()
        left = numpy.asarray(pc.index_in(expected.column(name), distinct).combine_chunks(), numpy.int64)
        right = numpy.asarray(pc.fill_null(pc.index_in(given.column(name), distinct), -1).combine_chunks(), numpy.int64)
        there = numpy.where((there >= 0) & (right >= 0), there * len(distinct) + right, -1)
        codes, here = numpy.unique(here * len(distinct) + left, return_inverse=True)
        place = numpy.minimum(numpy.searchsorted(codes, there), len(codes) - 1)
        there = numpy.where((there >= 0) & (codes[place] == there), place, -1)
    return here, there


def _written(table: Any, names: tuple[str, ...], row: int) -> str:
    return printable(keys.written(table.select(list(names)).slice(row, 1).to_pylist()[0]), 120)
