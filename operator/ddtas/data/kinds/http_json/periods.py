"""The period that a service is asked for: in parts, and written as it wants it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ddtas.data.contract import DataContract, FieldType
from ddtas.data.json_service import END, OFFSET, PAGE, START, JsonService
from ddtas.data.meaning import periods
from ddtas.data.meaning.patterns import written

_ISO = "yyyy-MM-dd'T'HH:mm:ssXXX"
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)
_SECOND: dict[str, int] = {"microsecond": 0}
_MINUTE = {**_SECOND, "second": 0}
_HOUR = {**_MINUTE, "minute": 0}
_DAY = {**_HOUR, "hour": 0}
# The least that a pattern can write, the shortest first: its letter, what is then zero, and how long one is.
_UNITS: tuple[tuple[str, Mapping[str, int], timedelta], ...] = (
    ("s", _SECOND, timedelta(seconds=1)),
    ("m", _MINUTE, timedelta(minutes=1)),
    ("H", _HOUR, timedelta(hours=1)),
    ("d", _DAY, timedelta(days=1)),
    ("M", {**_DAY, "day": 1}, timedelta(days=31)),
    ("y", {**_DAY, "day": 1, "month": 1}, timedelta(days=366)),
)


@dataclass(frozen=True)
class Period:
    """From a moment (part of it) until another (not part of it)."""

    start: datetime
    end: datetime

    def parts(self, longest: timedelta | None) -> Iterator["Period"]:
        """Itself, or the parts of it that are no longer than allowed."""
        start = self.start
        while start < self.end:
            left = self.end - start
            width = left if longest is None or left < longest else longest
            yield Period(start, start + width)
            start += width


def field_of(service: JsonService, contract: DataContract) -> str | None:
    """The field that a period is about."""
    if service.window is not None and service.window.field is not None:
        return service.window.field
    return next((field.name for field in contract.fields if field.type in _TIMES), None)


def longest(service: JsonService) -> timedelta | None:
    """The longest period of one request; None for any."""
    return periods.span(service.window.longest) if service.window and service.window.longest else None


def promised(contract: DataContract) -> Period | None:
    """The days that a contract promises; None where it promises none."""
    if contract.temporal_extent is None:
        return None
    zone = _zone(contract)
    first, last = (
        datetime.fromisoformat(day).replace(tzinfo=zone)
        for day in (contract.temporal_extent.start, contract.temporal_extent.end)
    )
    try:
        return Period(first.astimezone(UTC), (last + timedelta(days=1)).astimezone(UTC))
    except OverflowError:
        return None


class Values:
    """What stands for the placeholders in the requests of one period."""

    def __init__(self, service: JsonService, contract: DataContract, period: Period | None) -> None:
        self._form = (service.window.format if service.window else None) or _ISO
        self._zone = _zone(contract)
        self._values: dict[str, str | int] = {}
        if period is not None:
            self._values = {START: self._written(period.start), END: self._written(self._rounded(period.end))}

    def page(self, number: int, offset: int) -> None:
        """Go to a page: its number, and the number of items before it."""
        self._values |= {PAGE: number, OFFSET: offset}

    def text(self, text: str) -> str:
        """A text of the query."""
        for placeholder, value in self._values.items():
            text = text.replace(placeholder, str(value))
        return text

    def body(self, value: Any) -> Any:
        """A value of the body. Numbers stay numbers where they are all of a text."""
        if isinstance(value, str):
            return self._values.get(value, self.text(value))
        if isinstance(value, Mapping):
            return {name: self.body(inner) for name, inner in value.items()}
        return [self.body(inner) for inner in value] if isinstance(value, list) else value

    def _written(self, moment: datetime) -> str | int:
        match self._form:
            case "epoch-seconds":
                return int(moment.timestamp())
            case "epoch-milliseconds":
                return int(moment.timestamp()) * 1000
            case form if form == _ISO:
                return written(form, moment.astimezone(UTC))
            case form:
                return written(form, moment.astimezone(self._zone))

    def _rounded(self, moment: datetime) -> datetime:
        """An end that the format can write, and that is not before the moment: of a day the next midnight."""
        local = moment.astimezone(self._zone)
        for letter, zero, unit in _UNITS:
            whole = local.replace(**zero)  # type: ignore[arg-type] # which are all numbers
            if letter in self._form:  # "epoch-seconds" has the first
                return whole if whole == local else whole + unit
        return local


def _zone(contract: DataContract) -> tzinfo:
    try:
        return ZoneInfo(contract.time_zone) if contract.time_zone else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of them, such as Europe
        return UTC
