"""Apache Parquet over HTTP, with GeoParquet 1.1 metadata: the footer alone, by HTTP ranges (RFC 9110, section 14)."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ddtas.data.contract import FieldType
from ddtas.data.facts import geo
from ddtas.data.facts.records import MAX_FIELDS, NAME
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError
from ddtas.schema.types import Moment

ACCEPT = "application/vnd.apache.parquet, */*;q=0.1"

Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[answers.Answer]]
"""Asks for the file, with these headers besides."""

_FIRST_BYTES = 64 * 1024  # a footer is mostly shorter; then one request is enough
_END_BYTES = 8  # the footer's length and the magic
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", re.ASCII)
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)


async def probe(session: Session) -> SourceFacts:
    """Read the footer of a Parquet file and tell its facts.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        return session.facts(await read(lambda headers: client.get(accept=ACCEPT, headers=headers), session))


async def read(open_: Open, session: Session) -> SourceFacts:
    """Read the footer of a Parquet file: one request, or two where it is longer than 64 KiB.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what `open_` and reading raise.
    """
    tail = await _tail(open_, session, _FIRST_BYTES)
    needed = _needed(tail, session)
    if needed > len(tail.data):
        tail = await _tail(open_, session, needed)
        if _needed(tail, session) > len(tail.data):
            raise _malformed(session, "it changed while it was read, or is shorter than it says")
    footer = tail.data[-needed:-_END_BYTES]
    return _facts(_described(footer, session), tail.size, session)


# ---- bytes ----


@dataclass(frozen=True)
class _Tail:
    """The last bytes of a file; its size in bytes, where it is known; whether there are bytes before these."""

    data: bytes
    size: int | None
    whole: bool


async def _tail(open_: Open, session: Session, wanted: int) -> _Tail:
    async with open_({"Range": f"bytes=-{wanted}"}) as answer:
        if answer.status == 206:
            return await _part(answer, session, wanted)
        return await _all(answer, session)


async def _part(answer: answers.Answer, session: Session, wanted: int) -> _Tail:
    told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    size = int(told[3]) if told and told[3] != "*" else None
    if told is None or (size is not None and int(told[2]) != size - 1):
        raise _unexpected(session, "another part of the file than its end")
    data = bytearray()
    while (chunk := await answer.read()) and len(data) <= wanted:
        data += chunk
    if not answer.complete or len(data) > wanted:
        raise _unexpected(session, "a longer part of the file than was asked for")
    return _Tail(bytes(data), size, whole=int(told[1]) == 0)


async def _all(answer: answers.Answer, session: Session) -> _Tail:
    """The end of a file that comes as a whole, since the server knows no ranges."""
    most = session.limits.max_document_bytes
    length = answer.headers.get("Content-Length", "")
    told = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else 0
    data = bytearray()
    if told <= session.limits.max_bytes - session.received:
        while chunk := await answer.read():
            data += chunk
            del data[:-most]
    if not answer.complete:
        raise _unexpected(
            session,
            "the whole of a long file where its end was asked for",
            "serve ranges (RFC 9110), so that the footer can be read alone",
        )
    return _Tail(bytes(data), answer.received, whole=answer.received <= most)


def _needed(tail: _Tail, session: Session) -> int:
    """The length of the footer, with the eight bytes after it."""
    magic = tail.data[-4:]
    if magic == b"PARE":
        raise _unexpected(session, "a Parquet file whose footer is encrypted", "serve it with a plain footer")
    if magic != b"PAR1" or len(tail.data) < _END_BYTES:
        raise _unexpected(session, "other data instead of Parquet")
    needed = int.from_bytes(tail.data[-8:-4], "little") + _END_BYTES
    if needed == _END_BYTES or (tail.whole and needed > len(tail.data)) or (tail.size and needed > tail.size):
        raise _malformed(session, "its footer does not have the length that it says")
    if needed > session.limits.max_document_bytes:
        raise _malformed(
            session,
            f"its footer has more than {session.limits.max_document_bytes} bytes (are its row groups too small?)",
        )
    return needed


# ---- what the footer says ----


class _Column(BaseModel):
    name: str
    type: FieldType | None
    empty: Annotated[int, Field(ge=0)] | None
    first: Moment | None
    last: Moment | None


class _Footer(BaseModel):
    rows: Annotated[int, Field(ge=0, lt=2**63)]
    columns: tuple[_Column, ...]
    geo: str | None


def _described(footer: bytes, session: Session) -> _Footer:
    from ddtas.data.kinds.parquet_footer import describe

    try:
        return _Footer.model_validate(describe(footer))
    except MemoryError:
        raise
    except Exception:  # whatever it is, the footer is the cause
        raise _malformed(session, "its footer cannot be read") from None


# ---- facts ----


def _facts(footer: _Footer, size: int | None, session: Session) -> SourceFacts:
    spatial = _geo(footer.geo)
    columns = [
        column for column in footer.columns if column.name not in spatial.columns and NAME.fullmatch(column.name)
    ][:MAX_FIELDS]
    promised = {field.name: field.type for field in session.target.contract.fields}
    told = all(column.empty is not None and column.empty <= footer.rows for column in columns)
    if not told:
        session.not_found("sampled", "the statistics of the file do not tell the empty values of each column")
    first, last = _period(columns, promised, session)
    session.not_found("timeResolution", "the footer of a Parquet file does not tell it")
    if size is None:
        session.not_found("sizeBytes", "the server does not tell it")
    return SourceFacts(
        fields=tuple(
            MeasuredField(
                name=column.name,
                type=column.type or promised.get(column.name, FieldType.STRING),
                empty=column.empty or 0 if told else 0,
            )
            for column in columns
        ),
        records=footer.rows,
        sampled=footer.rows if told else None,
        first=first,
        last=last,
        size_bytes=size,
        **spatial.facts(session),
    )


def _period(
    columns: list[_Column], promised: Mapping[str, FieldType], session: Session
) -> tuple[str | None, str | None]:
    """From when until when, by the column that should hold days or moments and does, else the first that does."""
    times = [column for column in columns if column.type in _TIMES]
    times.sort(key=lambda column: promised.get(column.name) not in _TIMES)  # stable
    if not times:
        why = "no column holds dates or timestamps"
    elif times[0].first is None or times[0].last is None:
        why = f"the statistics of the file do not tell it for {times[0].name}"
    else:
        return times[0].first, times[0].last
    for fact in ("first", "last"):
        session.not_found(fact, why)
    return None, None


@dataclass(frozen=True)
class _Spatial:
    """GeoParquet metadata (https://geoparquet.org/releases/v1.1.0/): the geometry columns, and the primary one."""

    columns: frozenset[str]
    primary: Mapping[str, Any] | None

    def facts(self, session: Session) -> dict[str, Any]:
        """Geometry type, CRS and extent, by their names in SourceFacts."""
        if self.primary is None:
            for fact in ("geometryType", "crs", "extent"):
                session.not_found(fact, "the file has no GeoParquet metadata")
            return {}
        crs, kind = self._crs(), self._type()
        if crs is None:
            session.not_found("crs", "the GeoParquet metadata names no coordinate reference system that is known")
        if kind is None:
            session.not_found("geometryType", "the GeoParquet metadata does not tell one type of geometry")
        box = self.primary.get("bbox")
        box = box if isinstance(box, list) else []
        # [xmin, ymin, xmax, ymax], or [xmin, ymin, zmin, xmax, ymax, zmax]; x is the easting or longitude always
        extent = geo.extent(crs, [*box[0:2], *box[3:5]] if len(box) == 6 else box) if crs else None
        if extent is None:
            why = "has no usable bbox" if crs else "names no known coordinate reference system for its bbox"
            session.not_found("extent", f"the GeoParquet metadata {why}")
        return {"geometry_type": kind, "crs": (crs,) if crs else (), "extent": extent}

    def _crs(self) -> str | None:
        """Left out, it is OGC:CRS84; null, it is not known; else PROJJSON."""
        assert self.primary is not None  # noqa: S101 - the caller checked
        if "crs" not in self.primary:
            return geo.CRS84
        match self.primary["crs"]:
            case {"id": {"authority": str(authority), "code": int(code) | str(code)}}:
                return geo.crs_name(f"{authority}:{code}"[:200])
        return None

    def _type(self) -> Any:
        assert self.primary is not None  # noqa: S101 - the caller checked
        found = geo.Geometries()
        kinds = self.primary.get("geometry_types")
        for kind in kinds if isinstance(kinds, list) else ():
            found.add_type(kind.removesuffix(" Z") if isinstance(kind, str) else None)
        return None if found.broken else found.type()


def _geo(text: str | None) -> _Spatial:
    """The value of the key `geo` in the footer; without usable columns when it is not what GeoParquet has there."""
    with suppress(ValueError, RecursionError):
        match json.loads(text or "null"):
            case {"columns": dict(columns), "primary_column": str(name)}:
                primary = columns.get(name)
                return _Spatial(frozenset(columns), primary if isinstance(primary, dict) else None)
    return _Spatial(frozenset(), None)


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(
        SourceReason.MALFORMED_DATA,
        f"is not Parquet that can be read: {what}: ask the data supplier to correct the data",
    )


def _unexpected(
    session: Session, what: str, advice: str = "give the URL of the data itself, at a server with ranges"
) -> SourceError:
    return session.error(SourceReason.UNEXPECTED_CONTENT, f"answers with {what}: {advice}")
