"""What is kept from an app in each of its runs, and what the run is scored by. Pure.

Calibration never gets what validation judges by, and validation gets everything but the values that it asks for.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta

from ddtas.api.evidence import HeldOut
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement, RunThreshold
from ddtas.api.targets import Target
from ddtas.data.delivery.order import Withheld
from ddtas.data.delivery.table import Table
from ddtas.data.delivery.withholding import row_keys
from ddtas.plan.revision import RevisionInputs, digest
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


def withheld(inputs: RevisionInputs, requirement: DataRequirement, table: Table, phase: str) -> Withheld | None:
    """What a run does not get of a table; None where it gets all.

    That holds for a table without targets too, where it is made of the same source as one with them.
    """
    if phase not in (CALIBRATE, VALIDATE, MONITOR):
        return None
    own = [t for t in inputs.version.targets if t.requirement == requirement.name]
    others = _made_of_targets(inputs, requirement.name, table)
    if not own and not others:
        return None
    part = Withheld(targets={t.name: t.field for t in own}, fields=tuple(others))
    holdouts = {t.holdout for t in (own or others.values())}
    if len(holdouts) > 1:
        return part  # at all times, since no single rule says when
    (drawn,) = holdouts
    if drawn is not None:
        keys = [drawn.key] if own else _same_columns(inputs, next(iter(others.values())), drawn.key, table)
        draw = {"share_percent": drawn.share_percent, "seed": str(seed(inputs))}
        return part.model_copy(update=draw | {"key": keys[0]}) if keys else part
    period = _withheld_period(inputs, requirement, table, phase)
    return part.model_copy(update={"start": period[0], "end": period[1]}) if period is not None else None


def _made_of_targets(inputs: RevisionInputs, name: str, table: Table) -> dict[str, Target]:
    """The columns of a table that are made of the same field of the same source as a target of another requirement."""
    bound = {b.requirement: b.data_source for b in inputs.bindings}
    return {
        column: target
        for target in inputs.version.targets
        if target.requirement != name and bound.get(target.requirement) == bound.get(name)
        for column in _same_columns(inputs, target, target.field, table)
    }


def _same_columns(inputs: RevisionInputs, target: Target, field: str, table: Table) -> list[str]:
    """The columns of a table that are made of what a column of the target's table is made of."""
    there = next((b.table for b in inputs.bindings if b.requirement == target.requirement), None)
    sources = {c.source for c in there.columns if c.name == field} if there is not None else set()
    return [c.name for c in table.columns if c.source in sources]


def _withheld_period(inputs: RevisionInputs, requirement: DataRequirement, table: Table, phase: str) -> Period | None:
    """The period whose rows are withheld; None where a run gets none of them anyway.

    Calibration gets nothing that is later than its own window, but for data that comes whole: of that all is withheld
    that comes later.
    """
    if table.time is None:
        return None, None
    whole, later = requirement.history is False, inputs.windows.validation.start > inputs.windows.calibration.end
    if phase == CALIBRATE and later and not whole:
        return None
    start, end = judged(inputs, phase if phase == MONITOR else VALIDATE, table.time_zone)
    return start, None if whole and later else end


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
    requirements = {r.name: r for r in inputs.version.data_requirements}
    targets = inputs.version.targets
    scored = [
        _scored(t, table, part)
        for t in targets
        if (table := tables.get(t.requirement)) is not None
        and (part := withheld(inputs, requirements[t.requirement], table, phase)) is not None
    ]
    wanted = [
        WantedMetric(target=target, metric=metric, confidence_percent=threshold.confidence_percent)
        for threshold in thresholds
        for target, metric in [split(threshold.metric, targets)]
    ]
    return ScoreOrder(targets=tuple(scored), wanted=tuple(dict.fromkeys(wanted)), seed=seed(inputs))


def _scored(target: Target, table: Table, part: Withheld) -> ScoredTarget:
    return ScoredTarget(
        name=target.name,
        requirement=target.requirement,
        field=target.field,
        kind=target.kind,
        time=table.time,
        keys=tuple(key for key in row_keys(table, part) if key != table.time),
        time_zone=table.time_zone,
        step=table.step,
        start=part.start,
        end=part.end,
        key=part.key,
        share_percent=part.share_percent,
        seed=part.seed,
    )


def exam(inputs: RevisionInputs, sources: Mapping[str, DataSource]) -> tuple[HeldOut, ...]:
    """What validation is judged on; nothing where the app reports its own metrics.

    Not by the names that a person gives: the same data under another name is the same exam, and so is another share of
    the same key, because what is drawn for the smaller share is drawn for the larger one, too.

    Args:
        inputs: of the revision.
        sources: what its requirements are bound to, as it is now.
    """
    tables = {b.requirement: b.table for b in inputs.bindings if b.table is not None}
    held = {
        _held_out(inputs, target, tables[target.requirement], sources[target.requirement])
        for target in inputs.version.targets
        if target.requirement in tables and target.requirement in sources
    }
    return tuple(sorted(held, key=lambda h: h.holdout))


def _held_out(inputs: RevisionInputs, target: Target, table: Table, source: DataSource) -> HeldOut:
    fields = {c.name: c.source for c in table.columns}
    key = fields.get(target.holdout.key, "") if target.holdout is not None else ""
    parts = [inputs.listing, source.kind, source.endpoint, source.physical_name, fields.get(target.field), key]
    return HeldOut(holdout=digest(parts)[:16], window=None if target.holdout is not None else inputs.windows.validation)


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
