"""Reads the temporal evolution of an entity (clause 6.18): all values of a period, with when each was observed."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ddtas.data.facts.axis import local_or_absolute
from ddtas.data.kinds.ngsi_ld.reader import LOCATION, OBSERVED_AT, attributes, default_instances, value_of
from ddtas.data.session import SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError

# date-time <start>-<end>/<size> (clause 6.3.10); the end is where the next page begins.
_RANGE = re.compile(r"date-time [^/]{10,40}-(\d{4}-\d{2}-\d{2}T[0-9:.]{4,15}Z?)/\S+")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _SHORTEST = timedelta(seconds=1), timedelta(minutes=1)


@dataclass
class Observation:
    """What was observed of an entity at one moment.

    Attributes:
        time: as the broker writes it.
        record: values by the short names of attributes.
        location: GeoJSON geometry, not checked; None where it was not observed then.
    """

    time: str
    record: dict[str, Any] = field(default_factory=dict)
    location: Any = None


@dataclass(frozen=True)
class _Stretch:
    """A part of a period: after a moment, until another that is part of it."""

    after: datetime | None
    until: datetime | None

    def halves(self) -> "tuple[_Stretch, _Stretch] | None":
        """Two parts of the same length; None where it is short, or has no end."""
        if self.after is None or self.until is None or self.until - self.after < _SHORTEST:
            return None
        middle = self.after + (self.until - self.after) / 2
        return _Stretch(self.after, middle), _Stretch(middle, self.until)


class NoHistoryError(SourceError):
    """The broker has no temporal API."""


class History:
    """The temporal API of the broker that the target of a session is."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet."""
        self._client = client
        self._session = client.session

    async def newest(self, id: str, most: int) -> list[Observation]:
        """Some of the newest observations of an entity, of each attribute at most so many; the oldest first.

        Raises:
            SourceError: as `observations`.
        """
        document = await self._ask(id, _Stretch(None, datetime.now(UTC) + timedelta(days=1)), {"lastN": str(most)})
        return [one for _, one in sorted(self._observed(document, id), key=lambda pair: pair[0])]

    async def observations(
        self, id: str, start: datetime | None, end: datetime | None
    ) -> AsyncIterator[list[Observation]]:
        """The observations of an entity, part by part, in the order of their times.

        A broker that gives not all at once (206) is asked again from where it ended.

        Args:
            id: of the entity.
            start: of the period; None for all there is. The broker may give a second more on each side.
            end: of the period; None for none.

        Raises:
            SourceError: MalformedData where it gives something else, or does not come to an end;
                `NoHistoryError` where it has no temporal API.
        """
        stretches = [_Stretch(start - _SECOND if start else None, end + _SECOND if end else None)]
        while stretches:
            stretch = stretches.pop()
            try:
                document = await self._ask(id, stretch, {})
            except answers.TooLongError:
                halves = stretch.halves()
                if halves is None:
                    raise
                stretches += reversed(halves)
                continue
            came = sorted(self._observed(document, id), key=lambda pair: pair[0])
            until = self._until(document, stretch, came[0][0] if came else None)
            yield [
                one
                for moment, one in came
                if (stretch.after is None or moment > stretch.after) and (until is None or moment <= until)
            ]
            if until is not None and until != stretch.until:
                stretches.append(_Stretch(until, stretch.until))

    async def _ask(self, id: str, stretch: _Stretch, query: Mapping[str, str]) -> answers.Document:
        if "," in id:  # which is what ids are separated by
            raise self._malformed("an entity whose id has a comma, so that nobody can ask for its history")
        type = self._session.target.physical_name or ""
        try:
            return await self._client.json(
                "temporal/entities", query={"type": type, "id": id, **_window(stretch), **query}, partial=True
            )
        except (answers.NotFoundError, answers.NotOfferedError) as error:
            raise NoHistoryError(error.reason, error.message) from None

    def _until(self, document: answers.Document, stretch: _Stretch, first: datetime | None) -> datetime | None:
        """Until when an answer has all; of one that is all, the end of what was asked for.

        Args:
            document: the answer.
            stretch: that was asked for.
            first: moment that the answer has; None where it has none.

        Raises:
            SourceError: MalformedData where it does not say it, or does not go on.
        """
        if not document.partial:
            return stretch.until
        match = _RANGE.fullmatch(document.headers.get("Content-Range", "").strip())
        moment = _moment(match[1]) if match else None
        if moment is None:
            raise self._malformed("a part of a history that does not say where it ends (Content-Range)")
        if stretch.after is not None and moment <= stretch.after:
            if first is not None and first < stretch.after:
                raise self._malformed("the same part of a history again and again")
            return stretch.until  # nothing is left
        return moment if stretch.until is None else min(moment, stretch.until)

    def _observed(self, document: answers.Document, id: str) -> Iterator[tuple[datetime, Observation]]:
        """What an answer holds. Two values of an attribute at one moment are two observations, unless they are the
        same."""
        found = document.value if isinstance(document.value, list) else [document.value]
        if not all(isinstance(one, dict) and one.get("id") == id for one in found) or len(found) > 1:
            raise self._malformed("something else than the history of the entity that was asked for")
        observed: dict[datetime, list[Observation]] = {}
        for name, instances in attributes(self._session, found[0]) if found else ():
            for instance in default_instances(instances):
                text = instance.get(OBSERVED_AT)
                if isinstance(text, str) and (moment := _moment(text)):
                    _add(observed.setdefault(moment, []), text, name, instance)
        for moment, those in observed.items():
            yield from ((moment, one) for one in those)

    def _malformed(self, what: str) -> SourceError:
        return self._session.error(SourceReason.MALFORMED_DATA, f"answers with {what}: ask the data supplier")


def _add(those: list[Observation], text: str, name: str, instance: Mapping[str, Any]) -> None:
    if name == LOCATION and instance.get("type") == "GeoProperty":
        place = instance.get("value")
        if not those:
            those.append(Observation(text))
        for one in those:
            one.location = one.location or place
        return
    value = value_of(instance)
    for one in those:
        if name not in one.record:
            one.record[name] = value
            return
        if one.record[name] == value:
            return
    those.append(Observation(text, {name: value}, those[0].location if those else None))


def _window(stretch: _Stretch) -> dict[str, str]:
    """The parameters of a period (clause 4.11). Brokers differ in whether they mean its ends to be in it."""
    after, until = stretch.after, stretch.until
    if after is not None and until is not None:
        return {"timerel": "between", "timeAt": _text(after), "endTimeAt": _text(until)}
    if until is not None:
        return {"timerel": "before", "timeAt": _text(until)}
    return {"timerel": "after", "timeAt": _text(after or _EARLIEST)}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="auto").replace("+00:00", "Z")


def _moment(text: str) -> datetime | None:
    """A time of NGSI-LD, which is in UTC (clause 4.6.3); None for what is none."""
    found = local_or_absolute(text)
    try:
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return None
