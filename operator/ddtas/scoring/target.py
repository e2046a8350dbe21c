"""One target, from its files to its scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy

from ddtas.scoring import intervals, keys, sample
from ddtas.scoring.agreement import agree
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.metrics import binary, classes, continuous, ensemble
from ddtas.scoring.metrics.means import Means
from ddtas.scoring.order import METRICS, ScoredTarget, TargetKind
from ddtas.scoring.predictions import read_predictions
from ddtas.scoring.report import Predicted, Score
from ddtas.scoring.truth import read_truth

_KINDS = {
    TargetKind.CONTINUOUS: continuous,
    TargetKind.ENSEMBLE: ensemble,
    TargetKind.BINARY: binary,
    TargetKind.CLASSES: classes,
}
# The columns whose likeness from one unit to the next makes blocks long.
_ALIKE = {
    TargetKind.CONTINUOUS: ("a", "error"),
    TargetKind.ENSEMBLE: ("a", "error"),
    TargetKind.BINARY: ("brier",),
    TargetKind.CLASSES: ("correct",),
}
_CONFIDENCE = 95


@dataclass(frozen=True)
class Scored:
    """A target that was scored.

    Attributes:
        predicted: what was predicted.
        scores: by metric; those that are defined, in the order in which they are reported.
    """

    predicted: Predicted
    scores: Mapping[str, Score]


def score_target(target: ScoredTarget, truth: Path, output: Path, confidence: Mapping[str, int], seed: int) -> Scored:
    """Score one target.

    Args:
        target: which one.
        truth: the folder of all truth.
        output: that of the app's output.
        confidence: of intervals, in percent, by metric, where it is not 95.
        seed: of what is drawn.

    Raises:
        ScoreError: what is wrong with the output, or with the truth.
    """
    exam = read_truth(truth, target)
    withheld = exam.withheld
    times = withheld.schema.field(target.time).type if target.time is not None else None
    predictions = read_predictions(output, target, times)
    place = agree(predictions, withheld, keys.names(target))
    start, end = sample.period(target, withheld)
    predicted = Predicted(
        target=target.name,
        rows=len(withheld),
        start=start,
        end=end,
        digest=predictions.digest,
        truth=exam.digest(),
    )
    rows = sample.sample(target, exam, predictions, place)
    with numpy.errstate(all="ignore"):  # what is not finite is undefined
        units = sample.units(target, withheld)
        sums = intervals.Sums(_KINDS[target.kind].columns(rows), units.of_row)
        draws = _draws(target, sums, units.per_day, seed)
        scores = {score.metric: score for score in _scores(target, sums.means(), draws, confidence)}
    return Scored(predicted, scores)


@dataclass(frozen=True)
class _Draws:
    """The means of rows that were drawn, and of how many blocks each draw has."""

    means: Means
    blocks: int


def _draws(target: ScoredTarget, sums: intervals.Sums, per_day: int | None, seed: int) -> _Draws | None:
    """What intervals are made of; None where there is too little to draw from."""
    if len(sums.per_unit) < intervals.FEWEST:
        return None
    length = 1
    if per_day is not None:
        length = intervals.block_length([sums.series(name) for name in _ALIKE[target.kind]], per_day)
    drawn = sums.draw(length, seed)
    return _Draws(sums.means(drawn.sums), drawn.blocks)


def _scores(target: ScoredTarget, means: Means, draws: _Draws | None, confidence: Mapping[str, int]) -> Iterator[Score]:
    metrics = _KINDS[target.kind].METRICS
    for name in METRICS[target.kind]:
        try:
            value = float(metrics[name](means)[0])
        except KeyError:  # a column that this sample has not, such as those of a band
            continue
        if not numpy.isfinite(value):
            continue
        low = high = None
        if draws is not None:
            low, high = intervals.bounds(metrics[name](draws.means), confidence.get(name, _CONFIDENCE), draws.blocks)
        yield Score(target=target.name, metric=name, value=_text(value, 7), low=_bound(low), high=_bound(high))


def _bound(value: float | None) -> str | None:
    return None if value is None else _text(value, 5)


def _text(value: float, digits: int) -> str:
    return f"{value + 0.0:.{digits}g}"


def undefined(target: str, metric: str) -> ScoreError:
    """The fault of a metric that is bounded and cannot be computed."""
    why = {
        "coverage90": "the app writes no band (lower and upper)",
        "skillPersistence": "there is no observation before each one",
        "skillClimatology": "there are too few observations of this time of the year outside of the period",
        "AUC": "the event always happens, or never",
    }.get(metric, "observations or predictions are all the same, sum to zero, or are too large for it")
    return ScoreError(
        ScoreReason.METRIC_UNDEFINED,
        f"{metric} of {target} cannot be computed: {why}. Choose another period, or have the listing bound another "
        "metric",
    )
