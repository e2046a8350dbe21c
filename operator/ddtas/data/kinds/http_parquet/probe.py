"""Probes Parquet over HTTP: the footer alone, in one request, or two where it is longer than 64 KiB."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ddtas.data.contract import FieldType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import NO_OFFSET, iso, timestamp
from ddtas.data.facts.records import MAX_FIELDS, NAME
from ddtas.data.kinds.http_parquet.geo_metadata import GeoMetadata
from ddtas.data.kinds.http_parquet.reader import ACCEPT, Open, footer, malformed
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import http
from ddtas.schema.types import Moment

_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)


async def probe(session: ProbeSession) -> SourceFacts:
    """Read the footer of a Parquet file and tell its facts.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        return session.facts(await facts(lambda headers: client.get(accept=ACCEPT, headers=headers), session))


async def facts(open_: Open, session: ProbeSession) -> SourceFacts:
    """The facts that the footer of a Parquet file tells.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what `open_` and reading raise.
    """
    read = await footer(open_, session)
    return _facts(_described(read.data, session), read.size, session)


class _Column(BaseModel):
    name: str
    type: FieldType | None
    empty: Annotated[int, Field(ge=0)] | None
    first: Moment | None
    last: Moment | None
    local: bool


class _Footer(BaseModel):
    rows: Annotated[int, Field(ge=0, lt=2**63)]
    columns: tuple[_Column, ...]
    geo: str | None


def _described(data: bytes, session: ProbeSession) -> _Footer:
    from ddtas.data.kinds.http_parquet.footer import describe

    try:
        return _Footer.model_validate(describe(data))
    except MemoryError:
        raise
    except Exception:  # whatever it is, the footer is the cause
        raise malformed(session, "its footer cannot be read") from None


def _facts(footer: _Footer, size: int | None, session: ProbeSession) -> SourceFacts:
    spatial = GeoMetadata.read(footer.geo)
    columns = [
        column for column in footer.columns if column.name not in spatial.columns and NAME.fullmatch(column.name)
    ][:MAX_FIELDS]
    promised = {field.name: field.type for field in session.target.contract.fields}
    counted = all(column.empty is not None and column.empty <= footer.rows for column in columns)
    if not counted:
        session.unknown("sampled", "the statistics of the file do not tell the empty values of each column")
    first, last = _period(columns, promised, session)
    session.unknown("timeResolution", "the footer of a Parquet file does not tell it")
    if size is None:
        session.unknown("sizeBytes", "the server does not tell it")
    return SourceFacts(
        fields=tuple(
            MeasuredField(
                name=column.name,
                type=column.type or promised.get(column.name, FieldType.STRING),
                empty=column.empty or 0 if counted else 0,
            )
            for column in columns
        ),
        records=footer.rows,
        sampled=footer.rows if counted else None,
        first=first,
        last=last,
        size_bytes=size,
        **_spatial_facts(spatial, session),
    )


def _period(
    columns: list[_Column], promised: Mapping[str, FieldType], session: ProbeSession
) -> tuple[str | None, str | None]:
    """From when until when, by the column that should hold days or moments and does, else the first that does."""
    times = [column for column in columns if column.type in _TIMES]
    times.sort(key=lambda column: promised.get(column.name) not in _TIMES)  # stable
    if not times:
        why = "no column holds dates or timestamps"
    elif times[0].first is None or times[0].last is None:
        why = f"the statistics of the file do not tell it for {times[0].name}"
    elif times[0].local:
        zone = session.target.contract.time_zone
        ends = [iso(timestamp(end.removesuffix("Z"), zone)) for end in (times[0].first, times[0].last)]
        if None not in ends:
            return ends[0], ends[1]
        why = NO_OFFSET.format(times[0].name)
    else:
        return times[0].first, times[0].last
    for fact in ("first", "last"):
        session.unknown(fact, why)
    return None, None


def _spatial_facts(spatial: GeoMetadata, session: ProbeSession) -> dict[str, Any]:
    """Geometry type, CRS and extent, by their names in SourceFacts."""
    if spatial.primary is None:
        for fact in ("geometryType", "crs", "extent"):
            session.unknown(fact, "the file has no GeoParquet metadata")
        return {}
    crs, kind = spatial.crs(), _type(spatial.primary)
    if crs is None:
        session.unknown("crs", "the GeoParquet metadata names no coordinate reference system that is known")
    if kind is None:
        session.unknown("geometryType", "the GeoParquet metadata does not tell one type of geometry")
    box = spatial.primary.get("bbox")
    box = box if isinstance(box, list) else []
    # [xmin, ymin, xmax, ymax], or [xmin, ymin, zmin, xmax, ymax, zmax]; x is the easting or longitude always
    extent = geo.extent(crs, [*box[0:2], *box[3:5]] if len(box) == 6 else box) if crs else None
    if extent is None:
        why = "has no usable bbox" if crs else "names no known coordinate reference system for its bbox"
        session.unknown("extent", f"the GeoParquet metadata {why}")
    return {"geometry_type": kind, "crs": (crs,) if crs else (), "extent": extent}


def _type(primary: Mapping[str, Any]) -> Any:
    geometries = geo.Geometries()
    kinds = primary.get("geometry_types")
    for kind in kinds if isinstance(kinds, list) else ():
        geometries.add_type(kind.removesuffix(" Z") if isinstance(kind, str) else None)
    return None if geometries.broken else geometries.type()
