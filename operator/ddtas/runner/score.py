"""`score`: what an app predicted against what was kept from it; and what is reported of that."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ddtas.names import CONFIG_ROOT, OUTPUT_ROOT, TRUTH_ROOT
from ddtas.runner import ordered
from ddtas.scoring import run
from ddtas.scoring.faults import ScoreReason
from ddtas.scoring.order import FILE, ScoreOrder
from ddtas.scoring.report import ScoreReport

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScorePlaces:
    """Folders and files of the container.

    Attributes:
        order: what is to be scored (a ScoreOrder).
        truth: what was kept from the app.
        output: what the app wrote.
        report: the termination message.
    """

    order: Path
    truth: Path
    output: Path
    report: Path

    @classmethod
    def of_environment(cls) -> "ScorePlaces":
        """Where DDTAS_CONFIG, DDTAS_TRUTH, DDTAS_OUTPUT and DDTAS_RESULT say, or else where they usually are."""
        return cls(
            order=Path(os.environ.get("DDTAS_CONFIG") or CONFIG_ROOT) / FILE,
            truth=Path(os.environ.get("DDTAS_TRUTH") or TRUTH_ROOT),
            output=Path(os.environ.get("DDTAS_OUTPUT") or OUTPUT_ROOT),
            report=Path(os.environ.get("DDTAS_RESULT") or "/dev/termination-log"),
        )


def score_run(places: ScorePlaces) -> bool:
    """Score a run and leave the report.

    Returns:
        True where the run could be judged, a faulty output among that; False where the fault is ours.
    """
    report = _scored(places)
    places.report.write_text(report.sealed(), "utf-8")
    if report.fault is not None:
        _LOG.error("%s: %s", report.fault.reason, report.fault.message)
        return report.fault.reason != ScoreReason.INTERNAL_ERROR
    for score in report.scores:
        _LOG.info("%s %s is %s (%s to %s)", score.target, score.metric, score.value, score.low, score.high)
    return True


def _scored(places: ScorePlaces) -> ScoreReport:
    try:
        order = ScoreOrder.model_validate_json(ordered.read(places.order))
    except ordered.AlteredError as error:
        return run.fault(ScoreReason.ORDER_ALTERED, str(error))
    except (OSError, ValidationError) as error:
        _LOG.error("the order cannot be read: %s", type(error).__name__)
        text = "what is to be scored cannot be read: the versions of operator and runner do not fit each other"
        return run.fault(ScoreReason.INTERNAL_ERROR, text)
    return run.score(order, places.truth, places.output)
