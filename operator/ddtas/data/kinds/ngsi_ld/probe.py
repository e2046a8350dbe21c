"""Probes the entities of one type: their number, the attributes, units, times and places of a sample; and the newest
observations of one of them, where the broker keeps a history."""

from typing import Any

from ddtas.data.facts import geo, unece
from ddtas.data.facts.axis import Axis, timestamp
from ddtas.data.facts.records import Records
from ddtas.data.kinds.ngsi_ld.history import History, Observation
from ddtas.data.kinds.ngsi_ld.reader import Broker, Page
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError

_SAMPLE = 100  # observations of an entity
_UNKNOWN_OF_A_HISTORY = {
    "records": "a broker does not count its observations",
    "first": "a broker does not tell how far its history goes back",
    "timeResolution": "the observations that were read have no one step between them",
}


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe the entities of one type.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        page = await anext(Broker(client).pages())
        newest = await _newest(client, page)
    if not newest:
        return session.facts(_facts(session, page))
    for fact, why in _UNKNOWN_OF_A_HISTORY.items():
        session.unknown(fact, why)
    return session.facts(_with_history(_facts(session, page), newest))


async def _newest(client: http.Client, page: Page) -> list[Observation]:
    """The newest observations of one entity; none where the broker keeps no history that can be read."""
    entity = next((one for one in page.entities if one.observed and one.id), None)
    if entity is None:
        return []
    try:
        return await History(client).newest(entity.id or "", _SAMPLE)
    except SourceError as error:
        if error.reason in (SourceReason.TOO_SLOW, SourceReason.TOO_MANY_REQUESTS):
            raise
        return []


def _with_history(facts: SourceFacts, newest: list[Observation]) -> SourceFacts:
    """The facts of entities that have a history: a row is an observation, and not an entity."""
    axis = Axis()
    axis.add([moment for one in newest if (moment := timestamp(one.time))])
    return facts.model_copy(update={"records": None, "first": None, "time_resolution": axis.resolution()})


def _facts(session: ProbeSession, page: Page) -> SourceFacts:
    records, places, units = Records(session.target.contract), geo.Geometries(), _Units()
    for entity in page.entities:
        records.add({"id": entity.id, **entity.record})
        places.add(entity.location)
        for name, code in entity.codes.items():
            units.add(name, code)
    count, seen = page.count, len(page.entities)
    complete = count == seen
    if count is None:
        session.unknown("records", "the broker does not tell NGSILD-Results-Count")
    elif count < seen:
        session.unknown("records", "the broker counts fewer entities than it gives")
        count = None
    part = f"{seen} of {count if count is not None else 'an unknown number of'} entities were read"
    facts = records.facts(complete=complete, units=units.common).model_copy(
        update={
            "records": count,
            # The step from one entity to the next says nothing about how often each is observed.
            "time_resolution": None,
            "geometry_type": places.type(),
            "crs": (geo.CRS84,) if places.types else (),
            "extent": places.extent(geo.CRS84) if complete else None,
        }
    )
    session.unknown("timeResolution", "a broker gives the newest value of an attribute alone")
    session.unknown("sizeBytes", "a broker does not tell how much data it has")
    no_place = "no location" if not places.types else None
    for fact, value, why in (
        ("geometryType", facts.geometry_type, no_place or "the geometries have no type in common"),
        ("crs", facts.crs, no_place),
        ("extent", facts.extent, no_place or (part if not complete else "a geometry is broken")),
        ("first", facts.first, part if not complete else "no attribute has a date or time"),
        ("last", facts.last, part if not complete else "no attribute has a date or time"),
    ):
        if not value and why:
            session.unknown(fact, why)
    return facts


class _Units:
    """The unit of each field; none where one entity has another unit than the next, or has none."""

    def __init__(self) -> None:
        self._seen: dict[str, str | None] = {}

    def add(self, name: str, code: Any) -> None:
        unit = unece.unit(code)
        if self._seen.setdefault(name, unit) != unit:
            self._seen[name] = None

    @property
    def common(self) -> dict[str, str]:
        """By the name of the field."""
        return {name: unit for name, unit in self._seen.items() if unit}
