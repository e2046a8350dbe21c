"""Probes a feature type: its capabilities, its schema, some features, their number."""

from ddtas.data.contract import FieldType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, Moment, iso
from ddtas.data.facts.records import NAME, Records
from ddtas.data.kinds.wfs.capabilities import FeatureType, feature_type, sorts
from ddtas.data.kinds.wfs.gml import Feature
from ddtas.data.kinds.wfs.reader import REFUSALS, Page, Service
from ddtas.data.kinds.wfs.schema import Schema
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http
from ddtas.errors import SourceError, printable

_SAMPLE = 50  # features


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe one feature type: its capabilities, its schema, its newest 50 features, their number.

    Without a number in the answer with features, a request asks for it alone; where the server sorts and there are
    more features than those, another one asks for the oldest. `physical_name` is the feature type, with its prefix or
    without.

    Raises:
        SourceError: with a Reason. EntityNotFound when the capabilities do not have the feature type, ErrorReported
            for an exception report (OGC 06-121r3), UnexpectedContent for other services and versions.
    """
    async with http.client(session) as client:
        service = Service(client)
        capabilities = await service.capabilities()
        kind = feature_type(session, capabilities)
        schema = Schema.read(await service.document("DescribeFeatureType", typename=kind.name), kind.name)
        return session.facts(await _facts(session, service, kind, schema, sorted_=sorts(capabilities)))


async def _facts(
    session: ProbeSession, service: Service, kind: FeatureType, schema: Schema, sorted_: bool
) -> SourceFacts:
    time = schema.time_field(session.target.contract) if sorted_ else None
    sample, sorted_by = await _newest(session, service, kind.name, schema, time)
    records = await _matched(session, service, kind.name, sample)
    complete = records == sample.records.count
    axis = sample.records.axis_of(sorted_by) if sorted_by else sample.records.axis()
    first, last = (axis.first, axis.last) if axis else (None, None)
    if axis is None:
        for fact in ("first", "last", "timeResolution"):
            session.unknown(fact, "the features that were read have no field with days or moments")
    elif axis.resolution() is None:
        session.unknown("timeResolution", "the features that were read have no one step between them")
    if axis is not None and not complete:
        oldest = await _oldest(session, service, kind.name, schema, sorted_by) if sorted_by else None
        first, last = _ends(session, axis if sorted_by else None, oldest)
    geometry_type = schema.geometry_type or sample.geometries.type()
    if geometry_type is None:
        session.unknown("geometryType", "neither the schema nor the features that were read tell one type")
    if not kind.crs:
        session.unknown("crs", "the capabilities name no CRS of this feature type")
    if kind.extent is None:
        session.unknown("extent", "the capabilities have no usable WGS84BoundingBox of this feature type")
    session.unknown("sizeBytes", "the protocol does not tell it")
    return SourceFacts(
        fields=sample.fields(schema),
        geometry_type=geometry_type,
        crs=kind.crs,
        extent=kind.extent,
        records=records,
        sampled=sample.records.count,
        first=iso(first),
        last=iso(last),
        time_resolution=axis.resolution() if axis else None,
    )


async def _matched(session: ProbeSession, service: Service, name: str, sample: "_Sample") -> int | None:
    """How many features there are; servers may say "unknown" instead, also when asked for nothing else."""
    matched = sample.matched
    if matched is None:
        matched = await service.hits(name)
    if matched is None:
        session.unknown("records", "the server does not tell numberMatched")
    elif matched < sample.records.count:
        session.unknown("records", "the server gives more features than it says that there are")
        return None
    return matched


def _ends(session: ProbeSession, newest: Axis | None, oldest: Moment | None) -> tuple[Moment | None, Moment | None]:
    """The first and the last moment, where a server that sorts shows them."""
    if newest is None:
        for fact in ("first", "last"):
            session.unknown(fact, f"only {_SAMPLE} features were read, and the server does not sort them by time")
        return None, None
    if not newest.falling or newest.last is None or newest.first is None:
        for fact in ("first", "last"):
            session.unknown(fact, "the server does not sort as its capabilities say")
        return None, None
    if oldest is None or type(oldest) is not type(newest.first) or oldest > newest.first:
        session.unknown("first", "the server does not show its oldest feature first when asked to")
        return None, newest.last
    return oldest, newest.last


class _Sample:
    """What a page of features shows."""

    def __init__(self, session: ProbeSession, page: Page) -> None:
        self.records = Records(session.target.contract)
        self.geometries = geo.Geometries()
        self.matched = page.matched
        self._units: dict[str, set[str]] = {}
        for feature in page.features:
            self.records.add(feature.properties)
            self._note(feature)
        self._note(page.rest)

    def _note(self, feature: Feature) -> None:
        self.geometries.types |= feature.geometry_types
        for name, unit in feature.units.items():
            self._units.setdefault(name, set()).add(unit)

    def fields(self, schema: Schema) -> tuple[MeasuredField, ...]:
        """The fields; the schema gives those of no features, and the type of those without any value."""
        if not self.records.count:
            declared = ((name, kind) for name, kind in schema.fields.items() if NAME.fullmatch(name))
            return tuple(MeasuredField(name=name, type=kind or FieldType.STRING) for name, kind in declared)
        units = {name: printable(next(iter(uoms)), 60) for name, uoms in self._units.items() if len(uoms) == 1}
        return tuple(
            one.model_copy(update={"type": schema.fields.get(one.name) or one.type})
            if one.empty == self.records.count
            else one
            for one in self.records.fields(units)
        )


async def _newest(
    session: ProbeSession, service: Service, name: str, schema: Schema, time: str | None
) -> tuple[_Sample, str | None]:
    """Some features, the newest where the server sorts by a field; and the field that it sorted by, or None."""
    if time is not None:
        try:
            return _Sample(session, await anext(service.pages(name, schema, _SAMPLE, f"{time} DESC"))), time
        except SourceError as error:
            if error.reason not in REFUSALS:
                raise
    return _Sample(session, await anext(service.pages(name, schema, _SAMPLE))), None


async def _oldest(session: ProbeSession, service: Service, name: str, schema: Schema, time: str) -> Moment | None:
    """The time of the oldest feature; None when the server does not give it."""
    try:
        sample = _Sample(session, await anext(service.pages(name, schema, 1, f"{time} ASC")))
    except SourceError as error:
        if error.reason not in REFUSALS:
            raise
        return None
    axis = sample.records.axis_of(time)
    return axis.first if axis else None
