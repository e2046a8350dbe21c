"""What is kept from an app in each of its runs, and what the run is scored by. Pure.

Calibration never gets what validation judges by, and validation gets everything but the values that it asks for.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from ddtas.api.requirements import RunThreshold
from ddtas.api.targets import Target
from ddtas.data.contract import FieldType
from ddtas.data.delivery.order import Withheld
from ddtas.data.delivery.table import Table
from ddtas.plan.revision import RevisionInputs
from ddtas.plan.runs import schedule
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, VALIDATE
from ddtas.schema.types import Window
from ddtas.scoring.order import ScoredTarget, ScoreOrder, WantedMetric

_SEED_BITS = 31

Period = tuple[datetime | None, datetime | None]
"""The first moment, and the one at which it ends; None for no bound."""


def seed(inputs: RevisionInputs) -> int:
    """What an app, and who scores it, may draw from: the same for each attempt of one app in one municipality."""
    text = f"{inputs.municipality.code}\0{inputs.listing}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> (64 - _SEED_BITS)


def withheld(inputs: RevisionInputs, requirement: str, table: Table, phase: str) -> Withheld | None:
    """What a run does not get of a table; None where it gets all."""
    targets = [t for t in inputs.version.targets if t.requirement == requirement]
    if not targets or phase not in (CALIBRATE, VALIDATE, MONITOR):
        return None
    fields = {t.name: t.field for t in targets}
    drawn = targets[0].holdout
    if drawn is not None:
        return Withheld(targets=fields, key=drawn.key, share_percent=drawn.share_percent, seed=str(seed(inputs)))
    windows = inputs.windows
    if phase == CALIBRATE and windows.validation.start > windows.calibration.end:
        return None  # it gets nothing that is later than its own window
    start, end = judged(inputs, phase if phase == MONITOR else VALIDATE, table.time_zone)
    return Withheld(targets=fields, start=start, end=end)


def judged(inputs: RevisionInputs, phase: str, zone: str | None) -> Period:
    """The period that a run is judged on: the window of validation; of monitoring, all that came after both windows."""
    windows = inputs.windows
    if phase == MONITOR:
        return moment(max(windows.calibration.end, windows.validation.end), 1, zone), None
    return moment(windows.validation.start, 0, zone), moment(windows.validation.end, 1, zone)


def score_order(inputs: RevisionInputs, phase: str, thresholds: Iterable[RunThreshold]) -> ScoreOrder:
    """What a run is scored by.

    A calibration finds parameters; what it predicts of days that it has seen proves nothing.
    """
    if phase == CALIBRATE:
        return ScoreOrder(parameters=True, predictions=False, seed=seed(inputs))
    tables = {b.requirement: b.table for b in inputs.bindings}
    targets = inputs.version.targets
    scored = [_scored(inputs, t, table, phase) for t in targets if (table := tables.get(t.requirement)) is not None]
    wanted = [
        WantedMetric(target=target, metric=metric, confidence_percent=threshold.confidence_percent)
        for threshold in thresholds
        for target, metric in [split(threshold.metric, targets)]
    ]
    return ScoreOrder(targets=tuple(scored), wanted=tuple(dict.fromkeys(wanted)), seed=seed(inputs))


def _scored(inputs: RevisionInputs, target: Target, table: Table, phase: str) -> ScoredTarget:
    start, end = judged(inputs, phase, table.time_zone) if target.holdout is None else (None, None)
    others = {t.field for t in inputs.version.targets if t.requirement == target.requirement}
    keys = [c.name for c in table.columns if c.aggregate is None and c.type is FieldType.STRING]
    keys += [target.holdout.key] if target.holdout is not None else []
    return ScoredTarget(
        name=target.name,
        requirement=target.requirement,
        field=target.field,
        kind=target.kind,
        time=table.time,
        keys=tuple(dict.fromkeys(key for key in keys if key not in others)),
        time_zone=table.time_zone,
        step=table.step,
        start=start,
        end=end,
    )


def split(metric: str, targets: Iterable[Target]) -> tuple[str, str]:
    """Target and metric of the name of a metric: of several targets it is TARGET.METRIC."""
    known = [t.name for t in targets]
    before, _, after = metric.partition(".")
    return (before, after) if before in known and after else (known[0], metric)


def windows(inputs: RevisionInputs, phase: str) -> tuple[Window, ...]:
    """The days that a run is given to learn from, or to be judged on; none where rows are drawn, or go on."""
    if any(t.holdout is not None for t in inputs.version.targets) or phase == MONITOR:
        return ()
    return (inputs.windows.calibration if phase == CALIBRATE else inputs.windows.validation,)


def moment(day: str, days: int, zone: str | None) -> datetime | None:
    """The beginning of a day some days later; None where the calendar ends before."""
    begin = datetime.combine(date.fromisoformat(day), time(), schedule.zone(zone) or UTC)
    try:
        return (begin + timedelta(days=days)).astimezone(UTC)
    except OverflowError:
        return None
