"""Durations and moments as texts (ISO 8601): how long, how old, and how to say it."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

_DURATION = re.compile(
    r"P(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?"
    r"(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?"
)
_WORDS = {
    "P1Y": "yearly",
    "P1M": "monthly",
    "P7D": "weekly",
    "P1W": "weekly",
    "P1D": "daily",
    "PT24H": "daily",
    "PT1H": "hourly",
    "PT1M": "once a minute",
}
_DAY_SECONDS = 86400
_DAYS_A_MONTH = 30.436875  # the mean of the Gregorian calendar


@lru_cache(maxsize=1024)
def parts(duration: str) -> tuple[int, int] | None:
    """A duration as (months, seconds), which do not convert into each other; None for what is no duration."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return None
    n = {unit: int(value or 0) for unit, value in match.groupdict().items()}
    seconds = _DAY_SECONDS * (7 * n["W"] + n["D"]) + 3600 * n["h"] + 60 * n["m"] + n["s"]
    return 12 * n["Y"] + n["M"], seconds


def same(duration: str, other: str) -> bool:
    """Whether two durations are one: P1D and PT24H are."""
    return duration == other or (parts(duration) is not None and parts(duration) == parts(other))


def divides(step: str, finer: str) -> bool:
    """Whether a step is made of whole finer steps, whatever day it begins on: PT1H of PT10M, and P1M of P1D.

    One of the same length divides too; what is no duration, or has no length, does not.
    """
    long, short = parts(step), parts(finer)
    if long is None or short is None or not any(short) or not any(long):
        return False
    if long == short:
        return True
    if short[0]:  # months: their days and hours are never the same number
        return short[1] == 0 and long[1] == 0 and long[0] % short[0] == 0
    # A month has whole days, and any number of them.
    return long[1] % short[1] == 0 and (long[0] == 0 or _DAY_SECONDS % short[1] == 0)


@lru_cache(maxsize=1024)
def span(duration: str) -> timedelta | None:
    """A duration as a length of time, a month at its mean length; None for what is none, or is beyond all measure."""
    found = parts(duration)
    if found is None:
        return None
    try:
        return timedelta(days=found[0] * _DAYS_A_MONTH, seconds=found[1])
    except OverflowError:
        return None


def earlier(moment: datetime, duration: str, zone: tzinfo) -> datetime | None:
    """The moment a duration before another one; None where the calendar ends before, or it is no duration.

    Months and days are those of the clock in a zone. Hours and shorter ones are lengths of time, or those of the clock
    where that gives an earlier moment, because it was put back or forward between.
    """
    months, seconds = parts(duration) or (0, 0)
    days, rest = divmod(seconds, _DAY_SECONDS)
    if not (months or seconds):
        return None
    try:
        local = moment.astimezone(zone)
        year, month = divmod(12 * local.year + local.month - 1 - months, 12)
        day = min(local.day, monthrange(year, month + 1)[1])
        clock = local.replace(year=year, month=month + 1, day=day, fold=0) - timedelta(days=days)
        return min(clock.astimezone(UTC) - timedelta(seconds=rest), (clock - timedelta(seconds=rest)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def rhythm(duration: str) -> str:
    """A duration between records, for a person: "hourly (PT1H)"."""
    word = _WORDS.get(duration)
    return f"{word} ({duration})" if word else f"every {duration}"


def end_of(moment: str) -> datetime | None:
    """The end of a moment (a day or a second); None for what is none."""
    try:
        if "T" in moment:
            return datetime.fromisoformat(moment).astimezone(UTC)
        day = date.fromisoformat(moment)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
