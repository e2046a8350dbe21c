"""What tells the rows of a target apart, as text of an app and as a column of the truth. Arrays in and out."""

from collections.abc import Mapping
from typing import Any

import pyarrow
import pyarrow.compute as pc

from ddtas.scoring.order import ScoredTarget

MOMENT = pyarrow.timestamp("us", tz="UTC")
_LOCAL = pyarrow.timestamp("us")
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
_TIME = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?$"


def names(target: ScoredTarget) -> tuple[str, ...]:
    """The columns that tell rows apart: the time first, where there is one."""
    return (*([target.time] if target.time is not None else []), *target.keys)


def moments(texts: Any, zone: str | None) -> Any:
    """Texts in ISO 8601 as moments in UTC; null where one is none, or could be two.

    Args:
        texts: an array.
        zone: IANA zone of those without an offset; None for UTC.
    """
    trimmed = pc.replace_substring_regex(texts, r"(\.\d{6})0+", r"\1")  # pandas writes nanoseconds
    valid = pc.if_else(pc.match_substring_regex(trimmed, _TIME), trimmed, None)
    absolute = pc.match_substring_regex(valid, _OFFSET)
    placed = _placed(_cast(pc.if_else(absolute, None, valid), _LOCAL), zone or "UTC")
    return pc.coalesce(_cast(pc.if_else(absolute, valid, None), MOMENT), placed)


def days(texts: Any) -> Any:
    """Texts such as 2024-01-31 as days; null where one is none."""
    return _cast(pc.if_else(pc.match_substring_regex(texts, _DAY), texts, None), pyarrow.date32())


def _placed(local: Any, zone: str) -> Any:
    """Local times as moments; not those of the hour that comes twice, or never."""
    early = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="earliest").cast(MOMENT)
    late = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="latest").cast(MOMENT)
    return pc.if_else(pc.equal(early, late), early, None)


def _cast(texts: Any, kind: Any) -> Any:
    if texts.null_count == len(texts):
        return pyarrow.nulls(len(texts), kind)
    try:
        return texts.cast(kind)
    except pyarrow.ArrowInvalid:  # one of them has no such day or hour: one by one, and slowly
        return pyarrow.array([_one(text, kind) for text in texts], kind)


def _one(text: Any, kind: Any) -> Any:
    try:
        return text.cast(kind).as_py()
    except pyarrow.ArrowInvalid:
        return None


def written(row: Mapping[str, Any]) -> str:
    """The keys of a row, for a message."""
    return ", ".join(f"{name} {_text(value)}" for name, value in row.items()) or "the only row"


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
