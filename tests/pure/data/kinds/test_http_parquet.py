"""The Parquet probe: files at a real server with ranges, servers that do ranges wrong, and hostile footers."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from probes_kit import LIMITS, LOOPBACK, Answer, look_at, redirect, refusal, response, serving
from probes_kit import target as kit_target

from ddtas.data.contract import DataContract, DataKind, Extent, FieldType, GeometryType
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

CONTRACT = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "measured", "type": "timestamp"}]})
RD = {"type": "ProjectedCRS", "name": "Amersfoort / RD New", "id": {"authority": "EPSG", "code": 28992}}
GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": ["Polygon", "MultiPolygon Z"],
            "crs": RD,
            "bbox": [79000.5, 450000, -2, 84000, 460000.25, 30],
        }
    },
}


def table() -> pa.Table:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int32()),
            "built": [date(1999, 5, 1), None, date(1998, 5, 1)],
            "measured": pa.array([start, start + timedelta(hours=5), None], pa.timestamp("us", "UTC")),
            "level": [0.5, None, None],
            "name": ["a", "b", "c"],
            "open": [True, False, True],
            "tags": [["x"], ["y"], ["z"]],
            "owner": [{"name": "city"}] * 3,
            "nothing": pa.nulls(3),
            "geometry": [b"1", b"2", b"3"],
            "not a name": [1, 2, 3],
        }
    )


def parquet(data: pa.Table, geo: Any = None, **options: Any) -> bytes:
    if geo is not None:
        text = geo if isinstance(geo, bytes) else json.dumps(geo).encode()
        data = data.replace_schema_metadata({**(data.schema.metadata or {}), b"geo": text})
    file = io.BytesIO()
    pq.write_table(data, file, **options)
    return file.getvalue()


def footer_of(file: bytes) -> bytes:
    return file[-8 - int.from_bytes(file[-8:-4], "little") : -8]


def file_of(footer: bytes) -> bytes:
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def look_for(url: str, limits: Limits = LIMITS) -> ProbeSession:
    return ProbeSession(kit_target(url, kind=DataKind.HTTP_PARQUET, contract=CONTRACT), limits, LOOPBACK)


@asynccontextmanager
async def static(folder: Path) -> AsyncIterator[str]:
    """The static files of aiohttp's server, which knows ranges."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def seen(folder: Path, file: bytes, limits: Limits = LIMITS) -> tuple[SourceFacts, ProbeSession]:
    (folder / "data.parquet").write_bytes(file)
    async with static(folder) as url:
        session = look_for(f"{url}/data.parquet", limits)
        return await look_at(session), session


async def error_of(answer: Answer, limits: Limits = LIMITS) -> SourceError:
    async with serving(answer) as server:
        return await refusal(look_for(server.url(path="/data.parquet"), limits), probes=CONFINED)


# --- files at a real server


async def test_tells_all_that_a_footer_tells(tmp_path: Path) -> None:
    file = parquet(table(), GEO)
    facts, session = await seen(tmp_path, file)
    assert facts.fields == (
        MeasuredField(name="id", type=FieldType.INTEGER),
        MeasuredField(name="built", type=FieldType.DATE, empty=1),
        MeasuredField(name="measured", type=FieldType.TIMESTAMP, empty=1),
        MeasuredField(name="level", type=FieldType.NUMBER, empty=2),
        MeasuredField(name="name", type=FieldType.STRING),
        MeasuredField(name="open", type=FieldType.BOOLEAN),
        MeasuredField(name="tags", type=FieldType.ARRAY),
        MeasuredField(name="owner", type=FieldType.OBJECT),
        MeasuredField(name="nothing", type=FieldType.STRING, empty=3),
    )
    assert (facts.records, facts.sampled, facts.size_bytes) == (3, 3, len(file))
    # The contract promises moments in this column, so the days in the one before it do not count.
    assert (facts.first, facts.last) == ("2024-01-01T00:00:00Z", "2024-01-01T05:00:00Z")
    assert (facts.geometry_type, facts.crs) == (GeometryType.MULTI_POLYGON, ("EPSG:28992",))
    assert facts.extent == Extent(crs="EPSG:28992", bbox=("79000.5", "450000", "84000", "460000.25"))
    assert [unknown.fact for unknown in facts.unknown] == ["timeResolution"]
    assert (session.requests, session.received) == (1, len(file))  # shorter than what is asked for


async def test_reads_the_end_of_a_long_file_alone(tmp_path: Path) -> None:
    count = 200_000
    long = pa.table({"day": pa.array(range(count), pa.int32()).cast(pa.date32()), "n": range(count)})
    file = parquet(long, row_group_size=count // 10, compression="none", use_dictionary=False)
    assert len(file) > 1024 * 1024
    facts, session = await seen(tmp_path, file)
    assert (facts.records, facts.sampled, facts.size_bytes) == (count, count, len(file))
    assert (facts.first, facts.last) == ("1970-01-01", "2517-07-31")
    assert (session.requests, session.received) == (1, 64 * 1024)


async def test_asks_once_more_for_a_long_footer(tmp_path: Path) -> None:
    wide = pa.table({f"a_column_with_a_long_name_{number}": [1] for number in range(400)})
    file = parquet(wide, row_group_size=1)
    footer = len(footer_of(file))
    assert footer > 64 * 1024
    facts, session = await seen(tmp_path, file)
    assert (len(facts.fields), facts.records, facts.sampled) == (128, 1, 1)
    assert (session.requests, session.received) == (2, 64 * 1024 + footer + 8)
    with pytest.raises(SourceError, match="its footer has more than 65536 bytes") as caught:
        await seen(tmp_path, file, Limits(max_document_bytes=64 * 1024))
    assert caught.value.reason == "MalformedData"


async def test_does_not_guess_without_statistics(tmp_path: Path) -> None:
    facts, _ = await seen(tmp_path, parquet(table(), write_statistics=False))
    assert (facts.records, facts.sampled, facts.first, facts.last) == (3, None, None, None)
    assert all(field.empty == 0 for field in facts.fields)
    assert facts.why_unknown("sampled") == "the statistics of the file do not tell the empty values of each column"
    assert facts.why_unknown("last") == "the statistics of the file do not tell it for measured"
    assert facts.why_unknown("crs") == facts.why_unknown("extent") == "the file has no GeoParquet metadata"


async def test_takes_a_table_without_rows(tmp_path: Path) -> None:
    facts, _ = await seen(tmp_path, parquet(table().slice(0, 0), GEO))
    assert (facts.records, facts.sampled, facts.first) == (0, 0, None)
    assert len(facts.fields) == 9


@pytest.mark.parametrize(
    ("column", "crs", "kind", "box"),
    [
        ({"geometry_types": ["Point Z"], "bbox": [3, 50, 7, 54]}, "OGC:CRS84", "Point", ("3", "50", "7", "54")),
        ({"geometry_types": [], "crs": None, "bbox": [3, 50, 7, 54]}, None, None, None),
        ({"crs": {"id": {"authority": "OGC", "code": "CRS84"}}}, "OGC:CRS84", None, None),
        ({"crs": {"id": {"authority": "EPSG", "code": "28992"}}, "bbox": []}, "EPSG:28992", None, None),
        ({"crs": {"id": {"authority": "EPSG\n", "code": 1e9}}, "bbox": [1] * 4}, None, None, None),
        ({"crs": {"id": []}, "geometry_types": "Point", "bbox": "3,4"}, None, None, None),
        ({"crs": "EPSG:28992", "geometry_types": ["Point", "Circle"]}, None, None, None),
        ({"geometry_types": ["Point", 7], "bbox": [3, 50, None, 54]}, "OGC:CRS84", None, None),
        ({"geometry_types": ["Point", "Polygon"], "bbox": [170, 50, -170, 54]}, "OGC:CRS84", None, None),
        ({"bbox": [79000, 450000, 84000, 460000]}, "OGC:CRS84", None, None),  # no degrees
        ({"bbox": [{}, [], 0, 0]}, "OGC:CRS84", None, None),
    ],
)
async def test_takes_geo_metadata_for_what_it_is(tmp_path: Path, column: Any, crs: str, kind: str, box: Any) -> None:
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    facts, _ = await seen(tmp_path, parquet(table(), geo))
    assert facts.crs == ((crs,) if crs else ())
    assert facts.geometry_type == kind
    assert (facts.extent.bbox if facts.extent else None) == box
    assert (facts.why_unknown("extent") is None) == (box is not None)
    assert "geometry" not in [field.name for field in facts.fields]


@pytest.mark.parametrize(
    "geo",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"columns": []}',
        b'{"columns": {}, "primary_column": "geometry"}',
        b'{"columns": {"geometry": []}, "primary_column": "geometry"}',
        b'{"columns": {"geometry": {}}, "primary_column": ["geometry"]}',
        b'{"columns": {"geometry": {}}}',
        b"[" * 100_000,
        b"9" * 5000,
        b" " * 300_000 + b"{}",
    ],
)
async def test_takes_no_geo_metadata_for_what_it_is_not(tmp_path: Path, geo: bytes) -> None:
    facts, _ = await seen(tmp_path, parquet(table(), geo))
    assert (facts.crs, facts.geometry_type, facts.extent, facts.records) == ((), None, None, 3)
    assert facts.why_unknown("crs") == "the file has no GeoParquet metadata"


async def test_names_the_file_that_is_not_there(tmp_path: Path) -> None:
    async with static(tmp_path) as url:
        error = await refusal(look_for(f"{url}/data.parquet"))
    assert error.reason == "HttpError"


# --- servers without ranges, and with odd ones

SHORT = parquet(table())
LONG = parquet(pa.table({"n": range(200_000)}), compression="none", use_dictionary=False)


def part(data: bytes, told: str | None, *, status: str = "206 Partial Content") -> bytes:
    return response(data, *([f"Content-Range: {told}"] if told else []), status=status)


async def test_reads_all_of_a_short_file_without_ranges() -> None:
    async with serving(response(LONG)) as server:
        session = look_for(server.url())
        facts = await look_at(session)
    assert (facts.records, facts.size_bytes, session.requests, session.received) == (200_000, len(LONG), 1, len(LONG))
    assert server.header("Range") == "bytes=-65536"


async def test_reads_nothing_of_a_long_file_without_ranges() -> None:
    async with serving(response(LONG)) as server:
        session = look_for(server.url(), Limits(max_bytes=len(LONG) - 1))
        error = await refusal(session)
    assert (error.reason, session.received) == ("UnexpectedContent", 0)
    assert "serve ranges" in error.message


async def test_ends_an_endless_body_at_the_cap() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"PAR1" * 4096)
            await writer.drain()

    limits = Limits(max_bytes=512 * 1024, max_document_bytes=64 * 1024)
    async with serving(endless) as server:
        session = look_for(server.url(), limits)
        error = await refusal(session)
    assert (error.reason, session.received) == ("UnexpectedContent", limits.max_bytes)


@pytest.mark.parametrize("told", [f"bytes 0-{len(SHORT) - 1}/{len(SHORT)}", f"bytes 0-{len(SHORT) - 1}/*"])
async def test_takes_a_part_by_its_content_range(told: str) -> None:
    async with serving(part(SHORT, told)) as server:
        facts = await look_at(look_for(server.url()))
    assert facts.records == 3
    assert facts.size_bytes == (None if told.endswith("*") else len(SHORT))
    assert (facts.why_unknown("sizeBytes") is None) == (facts.size_bytes is not None)


async def test_asks_for_the_same_part_after_a_redirect_to_another_server() -> None:
    async with (
        serving(part(SHORT, f"bytes 0-{len(SHORT) - 1}/{len(SHORT)}")) as other,
        serving(redirect(other.url())) as server,
    ):
        await look_at(look_for(server.url()))
        assert other.header("Range") == server.header("Range") == "bytes=-65536"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (part(SHORT, None), "another part of the file than its end"),
        (part(SHORT, "bytes */99"), "another part of the file than its end"),
        (part(SHORT, "bytes 0-98/100"), "another part of the file than its end"),
        (part(SHORT, f"bytes 0-9/{'9' * 5000}"), "another part of the file than its end"),
        (part(b"x" * 70_000, "bytes 0-69999/70000"), "a longer part of the file than was asked for"),
        (part(b"<html>", "bytes 0-5/6"), "other data instead of Parquet"),
        (response(b""), "other data instead of Parquet"),
        (response(b"PAR1"), "other data instead of Parquet"),
        (response(b"<html>" * 100), "other data instead of Parquet"),
        (response(b"PARE" + b"x" * 8 + b"\x08\0\0\0PARE"), "encrypted"),
    ],
)
async def test_refuses_what_is_no_end_of_a_parquet_file(answer: bytes, shown: str) -> None:
    error = await error_of(answer)
    assert error.reason == "UnexpectedContent"
    assert shown in error.message


# --- hostile footers


def changed(byte: int, to: int) -> bytes:
    footer = bytearray(footer_of(SHORT))
    footer[byte] = to
    return bytes(footer)


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        (b"PAR1" + b"\0\0\0\0PAR1", "does not have the length that it says"),
        (b"PAR1" + b"\xff\xff\xff\xffPAR1", "does not have the length that it says"),
        (b"PAR1" + b"\x40\0\0\0PAR1", "does not have the length that it says"),
        (file_of(b"\0"), "its footer cannot be read"),
        (file_of(b"\xff" * 1000), "its footer cannot be read"),
        (file_of(footer_of(SHORT)[:-100]), "its footer cannot be read"),
        (file_of(footer_of(SHORT)[100:]), "its footer cannot be read"),
        (file_of(b"\x19" * 100_000), "its footer"),  # lists in lists
        (file_of(b"\x1c" * 100_000), "its footer"),  # structures in structures
        # a list of 2**31 - 1 structures
        (file_of(b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07" + b"\0" * 1000), "its footer"),
    ],
)
async def test_refuses_a_footer_that_cannot_be_read(file: bytes, shown: str) -> None:
    error = await error_of(response(file))
    # Some have pyarrow ask for more memory than there is.
    assert error.reason in ("MalformedData", "ResourceExhausted")
    assert shown in error.message or error.reason == "ResourceExhausted"


@pytest.mark.parametrize(("zone", "first"), [("Europe/Amsterdam", "2024-07-01T10:00:00Z"), (None, None)])
async def test_moments_without_a_time_zone_are_of_the_one_of_the_contract(zone: str | None, first: str | None) -> None:
    file = parquet(pa.table({"measured": pa.array([datetime(2024, 7, 1, 12)], pa.timestamp("ms"))}))
    contract = CONTRACT.model_copy(update={"time_zone": zone})
    async with serving(response(file)) as server:
        target = kit_target(server.url(path="/data.parquet"), kind=DataKind.HTTP_PARQUET, contract=contract)
        facts = await look_at(ProbeSession(target, LIMITS, LOOPBACK))
    assert facts.first == first
    assert (facts.why_unknown("first") is None) == (first is not None)
