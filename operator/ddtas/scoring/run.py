"""The score of one run: what was ordered, against what the app wrote."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ddtas.errors import printable, trail
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.order import ScoredTarget, ScoreOrder
from ddtas.scoring.parameters import read_parameters
from ddtas.scoring.predictions import file_name
from ddtas.scoring.report import MOST_BYTES, FoundParameter, Score, ScoreFault, ScoreReport
from ddtas.scoring.target import Scored, score_target, undefined

_LOG = logging.getLogger(__name__)
_MOST_MESSAGE = 1000
_MOST_SCORES = 64
_CONFIDENCE = 95


def score(order: ScoreOrder, truth: Path, output: Path) -> ScoreReport:
    """Score a run. Whatever is wrong becomes the fault of the report.

    Args:
        order: what is scored.
        truth: the folder of what was kept from the app.
        output: the folder of what the app wrote.
    """
    try:
        parameters = read_parameters(output, order.parameters)
        scored = list(_targets(order, truth, output))
        return _report(order, scored, parameters)
    except ScoreError as error:
        return fault(error.reason, error.message)
    except MemoryError:
        return fault(
            ScoreReason.OUTPUT_TOO_LARGE, "the predictions take more memory than there is: write fewer members"
        )
    except Exception as error:
        _LOG.error("%s at %s", type(error).__name__, trail(error))
        return fault(ScoreReason.INTERNAL_ERROR, f"fault of the scorer ({type(error).__name__}); see its log")


def fault(reason: str, message: str) -> ScoreReport:
    """A report that says why there is no score."""
    return ScoreReport(fault=ScoreFault(reason=reason, message=printable(message, _MOST_MESSAGE)))


def _targets(order: ScoreOrder, truth: Path, output: Path) -> Iterator[Scored]:
    for target in order.targets:
        if order.predictions or os.path.lexists(output / file_name(target)):
            yield score_target(target, truth, output, _confidence(order, target), order.seed)


def _confidence(order: ScoreOrder, target: ScoredTarget) -> dict[str, int]:
    """The highest confidence that is wanted, by metric."""
    wanted = [(w.metric, w.confidence_percent or _CONFIDENCE) for w in order.wanted if w.target == target.name]
    return {metric: max(percent for name, percent in wanted if name == metric) for metric, _ in wanted}


def _report(order: ScoreOrder, scored: Sequence[Scored], parameters: tuple[FoundParameter, ...]) -> ScoreReport:
    """The report: the metrics that are bounded, and as many others as there is room for."""
    by_target = {s.predicted.target: s for s in scored}
    wanted = list(_wanted(order, by_target))
    others = [score for s in scored for score in s.scores.values() if score not in wanted]
    others.sort(key=lambda s: list(by_target[s.target].scores).index(s.metric))  # the first ones of each target first
    predicted = tuple(s.predicted for s in scored)
    for count in range(min(len(others), _MOST_SCORES - len(wanted)), -1, -1):
        report = ScoreReport(
            predicted=predicted,
            scores=(*wanted, *others[:count]),
            parameters=parameters,
            left_out=len(others) - count,
        )
        if len(report.sealed().encode()) <= MOST_BYTES:
            return report
    raise ScoreError(
        ScoreReason.OUTPUT_TOO_LARGE,
        f"what is to be reported takes more than {MOST_BYTES} bytes: have fewer targets, bounded metrics or parameters",
    )


def _wanted(order: ScoreOrder, scored: dict[str, Scored]) -> Iterator[Score]:
    """The scores that are bounded.

    Raises:
        ScoreError: MetricUndefined.
    """
    for target, metric in dict.fromkeys((w.target, w.metric) for w in order.wanted):
        if target not in scored and not order.predictions:
            continue
        found = scored[target].scores.get(metric) if target in scored else None
        if found is None:
            raise undefined(target, metric)
        yield found
