"""When the data is of: its period, its steps, and how fresh it is."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from ddtas.api.installation import Windows
from ddtas.api.requirements import DataRequirement
from ddtas.data.meaning import periods
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import MET, Comparison, data_gives, needs, verdict_of
from ddtas.schema.types import Window


def needed_days(requirement: DataRequirement, windows: Windows) -> Window:
    """The days that the data must cover: both windows, and the warm-up before the first."""
    start = min(windows.calibration.start, windows.validation.start)
    end = max(windows.calibration.end, windows.validation.end)
    return _days(start, end, requirement.warm_up_days or 0)


@lru_cache(maxsize=1024)
def _days(start: str, end: str, before: int) -> Window:
    earliest = date.fromisoformat(start)
    first = earliest - min(timedelta(days=before), earliest - date.min)
    return Window(start=first.isoformat(), end=end)


def least_records(requirement: DataRequirement, windows: Windows) -> int | None:
    """How many records the windows take at the least, by the step and completeness that are asked for; None where
    that is not told. With fewer there are holes, wherever they are."""
    step = periods.span(requirement.time_resolution) if requirement.time_resolution else None
    percent = requirement.minimum_completeness_percent
    if not step or percent is None:
        return None
    both = [(date.fromisoformat(w.start), date.fromisoformat(w.end)) for w in (windows.calibration, windows.validation)]
    days = max((end - start).days + 1 for start, end in both)
    return int(timedelta(days=days) / step * percent / 100)


def period(days: Window, declared: Window | None, facts: SourceFacts | None, least: int | None = None) -> Comparison:
    """The days from the first to the last that are needed, and that the data is no few records at its two ends.

    Args:
        days: from the first to the last.
        declared: by the contract.
        facts: of the data.
        least: records that they take, as `least_records`.
    """
    first, last = (facts.first, facts.last) if facts else (None, None)
    promised = verdict_of(_covers(declared.start, declared.end, days) if declared else None)
    too_few = facts is not None and facts.records is not None and least is not None and facts.records < least
    measured = verdict_of(False if too_few else _covers(first, last, days) if facts else None)

    def say() -> str:
        by_contract = f"the contract promises {declared}" if declared else "the contract gives no period"
        in_data = None
        if measured is not MET and first is not None:
            in_data = f"the data runs {first[:10]}…{last[:10] if last else '(end not read)'}"
            if too_few and facts is not None:
                in_data += f" with {facts.records} records, where the windows take {least}: it has holes"
        return needs(str(days), by_contract, in_data)

    return Comparison("period", promised, measured, say)


def no_newest_day() -> Comparison:
    """Windows that are counted back from the newest day, of which nobody knows which it is."""
    return Comparison(
        "period",
        verdict_of(None),
        verdict_of(None),
        lambda: "the windows end with the newest day, and neither the contract (temporalExtent) nor the data has one",
    )


def _covers(first: str | None, last: str | None, days: Window) -> bool | None:
    if first is not None and first[:10] > days.start:
        return False
    if last is not None and last[:10] < days.end:
        return False
    return None if first is None or last is None else True


def time_resolution(
    wanted: str,
    declared: str | None,
    facts: SourceFacts | None,
    unaggregated: Sequence[str] | None = None,
    *,
    exact: bool = False,
) -> Comparison:
    """The step between records, at most.

    Args:
        wanted: the step that is asked for.
        declared: by the contract.
        facts: of the data.
        unaggregated: fields of a table that do not say how a shorter step becomes one; None where there is no table, so
            that the app gets shorter steps as they are.
        exact: shorter steps will not do either.
    """
    measured = facts.time_resolution if facts else None

    def fits(step: str | None) -> bool | None:
        if step is None:
            return None
        return periods.same(step, wanted) or (not exact and not unaggregated and periods.divides(wanted, step))

    def say() -> str:
        by_contract = f"the contract says {periods.rhythm(declared) if declared else 'nothing'}"
        if unaggregated and any(step and periods.divides(wanted, step) for step in (declared, measured)):
            by_contract += f", and the listing does not say how {', '.join(unaggregated)} becomes one (aggregate)"
        in_data = data_gives(periods.rhythm(measured) if measured else None, facts, "timeResolution")
        return needs(f"{periods.rhythm(wanted)} values", by_contract, in_data)

    return Comparison("time resolution", verdict_of(fits(declared)), verdict_of(fits(measured)), say)


def freshness(wanted: str, declared: str | None, facts: SourceFacts | None, probed_at: datetime) -> Comparison:
    """The age of the newest record when the data was probed: what came since is not known."""
    most = periods.span(wanted)
    promise = periods.span(declared) if declared else None
    due = expiry(wanted, facts)
    measured = verdict_of(None if due is None else probed_at <= due)
    last = facts.last if facts else None
    return Comparison(
        "freshness",
        verdict_of(None if promise is None or most is None else promise <= most),
        measured,
        lambda: needs(
            f"a newest record of at most {wanted} old",
            f"the contract says {declared or 'nothing'}",
            None if measured is MET else f"the newest is of {last}" if last else data_gives(None, facts, "last"),
        ),
    )


def expiry(wanted: str, facts: SourceFacts | None) -> datetime | None:
    """Until when the newest record is young enough; None where it is not known."""
    newest = periods.end_of(facts.last) if facts and facts.last else None
    most = periods.span(wanted)
    try:
        return newest + most if newest is not None and most is not None else None
    except OverflowError:
        return None
