"""Probes a plain JSON service: its newest rows, where it is asked for a period, else its first ones."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ddtas.data.facts.axis import iso
from ddtas.data.facts.geo import Geometries
from ddtas.data.facts.records import Records
from ddtas.data.kinds.http_csv.values import Values
from ddtas.data.kinds.http_json.periods import Period, longest, promised
from ddtas.data.kinds.http_json.reader import Service, described
from ddtas.data.meaning import periods
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http

_PAGES = 3
_STEPS = 10  # of the promised resolution, where those are more than a day
_DAY = timedelta(days=1)


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe some pages: a day of the newest rows, or ten steps of the contract's resolution where that is longer.

    Raises:
        SourceError: with a Reason.
    """
    records, places = Records(session.target.contract), Geometries()
    period, pages, last, total, crs = _newest(session), 0, False, None, None
    async with http.client(session) as client:
        async for page in Service(client).pages(period):
            pages, last, total, crs = pages + 1, page.last, page.total, crs or page.crs
            for row in page.rows:
                records.add(_read(row.record, session))
                if row.geometry is not None:
                    places.add(row.geometry)
            if last or pages == _PAGES:
                break
    facts = _facts(session, records, windowed=period is not None, complete=last, total=total)
    return session.facts(_placed(session, facts, places, crs, complete=last and period is None))


def _read(record: Mapping[str, Any], session: ProbeSession) -> Mapping[str, Any]:
    """A record whose texts are written as facts have them, where the contract says how the service writes them."""
    texts = {name: value for name, value in record.items() if isinstance(value, str)}
    values = list(texts.values())
    Values(tuple(texts), session.target.contract).rewrite([values])
    return {**record, **dict(zip(texts, values, strict=True))}


def _newest(session: ProbeSession) -> Period | None:
    service, contract = described(session), session.target.contract
    if not service.windowed:
        return None
    days = promised(contract)
    now = datetime.now(UTC)
    end = min(now, days.end) if days else now
    step = periods.span(contract.time_resolution) if contract.time_resolution else None
    width = max(_DAY, _STEPS * min(step, 3660 * _DAY)) if step else _DAY
    most = longest(service)
    return Period(end - min(width, most or width), end)


def _facts(
    session: ProbeSession, records: Records, *, windowed: bool, complete: bool, total: int | None
) -> SourceFacts:
    nested = len(described(session).rows) > 1
    whole = complete and not windowed
    facts = records.facts(complete=whole)
    axis = records.axis()
    counted = {"records": total} if total is not None and not windowed and not nested and not whole else {}
    newest = {"last": iso(axis.last)} if axis and windowed and complete else {}
    why = "only the newest rows were asked for" if windowed else "only the first pages were read"
    for fact in ("records", "first", "last") if not whole else ():
        session.unknown(fact, why)
    if axis is None:
        for fact in ("first", "last", "timeResolution"):
            session.unknown(fact, "no field holds dates or timestamps")
    session.unknown("sizeBytes", "the service does not tell it")
    if not records.count:
        session.unknown("fields", "no rows came")
    return facts.model_copy(update={**counted, **newest})


def _placed(
    session: ProbeSession, facts: SourceFacts, places: Geometries, crs: str | None, *, complete: bool
) -> SourceFacts:
    """The facts with those about places."""
    session.unknown(
        "geometryType", "there are geometries of several types" if places.types else "no row has a geometry"
    )
    session.unknown("crs", "the service does not tell it (Content-Crs)")
    session.unknown("extent", "not all rows were read" if crs else "the coordinate reference system is not known")
    return facts.model_copy(
        update={
            "geometry_type": places.type(),
            "crs": (crs,) if crs and places.types else (),
            "extent": places.extent(crs) if crs and complete else None,
        }
    )
