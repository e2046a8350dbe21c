"""Probes Datastreams: their Observations are one table of `phenomenonTime` and `result`.

All places are GeoJSON, and so in OGC:CRS84.
"""

from ddtas.data.contract import Extent
from ddtas.data.facts import geo
from ddtas.data.facts.axis import iso
from ddtas.data.kinds.sensorthings.reader import REFUSALS, TIME, Choice, Page, Results, Service
from ddtas.data.kinds.sensorthings.summary import Observations, Places, Streams, moment_of
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError

_SAMPLE = 100  # Observations; as many as most servers give at once
_STREAM = "id,name,unitOfMeasurement,observationType,observedArea"
_MULTI_STREAM = "id,name,unitOfMeasurements,multiObservationDataTypes,observedArea"


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe Datastreams, their newest Observations, their oldest one, and where their Things are.

    `physical_name` is the name of an ObservedProperty, `Datastreams(<id>)` or `MultiDatastreams(<id>)`; without it all
    Datastreams count. Of more than 300 Datastreams the unit and the extent are unknown, as they are where Datastreams
    differ.

    Raises:
        SourceError: with a Reason. EntityNotFound without such Datastreams, ErrorReported for an error document,
            UnexpectedContent for JSON that is something else.
    """
    async with http.client(session) as client:
        service = Service(client)
        chosen = Choice.read(session.target.physical_name)
        streams = await _streams(session, service, chosen)
        table = Observations(session, streams.results)
        newest = await service.some_observations(chosen, _SAMPLE, "desc", by_stream=streams.count != 1)
        for observation in newest.items:
            table.add(observation)
        first, last = await _period(session, service, chosen, newest, table)
        resolution = await _resolution(session, service, table)
        places = await _places(session, service, chosen)
    session.unknown("sizeBytes", "the protocol does not tell it")
    return session.facts(
        SourceFacts(
            fields=table.fields(streams),
            geometry_type=places.type(session),
            crs=_crs(session, streams, places),
            extent=_extent(session, streams, places),
            records=_records(session, newest),
            sampled=table.records.count,
            first=first,
            last=last,
            time_resolution=resolution,
        )
    )


async def _streams(session: ProbeSession, service: Service, chosen: Choice) -> Streams:
    streams = Streams(session.target.contract)
    query = {"$select": _MULTI_STREAM if chosen.several else _STREAM, "$expand": chosen.expand()}
    if chosen.one:
        try:
            stream = await service.entity(chosen.streams, query)
            if chosen.several:
                streams.several(stream, Results.of(stream, chosen))
            else:
                streams.add(stream)
        except answers.NotFoundError:
            raise await service.not_there() from None
    else:
        items, streams.complete = await service.first_pages(chosen.streams, {**query, **chosen.of_streams})
        for stream in items:
            streams.add(stream)
        if not streams.count and session.target.physical_name:
            raise await service.not_there()
    streams.unit = None if chosen.several else streams.common_unit(session)
    return streams


async def _places(session: ProbeSession, service: Service, chosen: Choice) -> Places:
    places = Places()
    try:
        query = {"$select": "location,encodingType", **chosen.of_locations}
        locations, places.complete = await service.first_pages(chosen.locations, query)
        for location in locations:
            places.add(location)
    except SourceError as error:
        if error.reason not in REFUSALS and not isinstance(error, answers.TooLongError):
            raise
    return places


def _crs(session: ProbeSession, streams: Streams, places: Places) -> tuple[str, ...]:
    if streams.areas.types or places.geometries.types:
        return (geo.CRS84,)
    session.unknown("crs", "neither the Datastreams nor the Locations have a geometry in GeoJSON")
    return ()


def _extent(session: ProbeSession, streams: Streams, places: Places) -> Extent | None:
    """The box around what was observed, or else around the Locations; of all of them, or of none."""
    observed = streams.areas.extent(geo.CRS84) if streams.complete and streams.all_have_areas else None
    extent = observed or (places.geometries.extent(geo.CRS84) if places.complete else None)
    if extent is None:
        session.unknown("extent", "the Datastreams have no observedArea, and not all of their Locations could be read")
    return extent


def _records(session: ProbeSession, newest: Page) -> int | None:
    if newest.count is None and newest.more:
        session.unknown("records", "the server does not tell @iot.count")
    return newest.count if newest.count is not None or newest.more else len(newest.items)


async def _period(
    session: ProbeSession, service: Service, chosen: Choice, newest: Page, table: Observations
) -> tuple[str | None, str | None]:
    """The first and the last moment; all Observations were read, or the server sorts them."""
    axis = table.axis
    if axis.first is None:
        for fact in ("first", "last"):
            session.unknown(fact, "no Observation that was read has a phenomenonTime")
        return None, None
    if not newest.more and newest.count in (None, len(newest.items)):
        return iso(axis.first), iso(axis.last)
    if not axis.falling:
        for fact in ("first", "last"):
            session.unknown(fact, "the server does not sort the Observations by phenomenonTime")
        return None, None
    oldest = await service.some_observations(chosen, 1, "asc", by_stream=False)
    first = moment_of(oldest.items[0].get(TIME)) if oldest.items else None
    if first is None or first > axis.first:
        session.unknown("first", "the server does not give its oldest Observation first when asked to")
        first = None
    return iso(first), iso(axis.last)


async def _resolution(session: ProbeSession, service: Service, table: Observations) -> str | None:
    """The step between Observations of one Datastream; what lies between those of two says nothing."""
    steps = {axis.resolution() for axis in table.streams.values()} - {None}
    if not steps and table.newest_stream is not None:
        one = Observations(session, table.results)  # so many Datastreams that each came by once
        for observation in (await service.of_stream(table.newest_stream, _SAMPLE)).items:
            one.add(observation)
        steps = {one.axis.resolution()} - {None}
    if len(steps) != 1:
        session.unknown("timeResolution", "the Observations that were read have no one step between them")
    return next(iter(steps)) if len(steps) == 1 else None
