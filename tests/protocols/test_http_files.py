"""The GeoJSON and Parquet probes against a real server of files: aiohttp's, with ranges and a password."""

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp import encode_basic_auth, web
from servers.loopback import on_loopback

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind, Extent, FieldType, GeometryType
from ddtas.data.measured import MeasuredField
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
CONTRACT = DataContract.model_validate({"version": "1.0.0"})
USER, PASSWORD = "reader", "a-password"
RD = {"type": "ProjectedCRS", "name": "Amersfoort / RD New", "id": {"authority": "EPSG", "code": 28992}}
DAYS = 50_000


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[str]:
    @web.middleware
    async def ask_for_password(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.headers.get("Authorization") != encode_basic_auth(USER, PASSWORD):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="data"'})
        return await handler(request)

    app = web.Application(middlewares=[ask_for_password])
    app.router.add_static("/", folder)
    async with on_loopback(app) as address:
        yield address


def look_for(kind: DataKind, url: str, password: str = PASSWORD, limits: Limits | None = None) -> ProbeSession:
    auth = Credentials.model_validate({"secretName": "files", "scheme": "Basic"})
    secret = {"username": USER, "password": password}
    return ProbeSession(
        Target(kind=kind, endpoint=url, contract=CONTRACT, auth=auth, secret=secret), limits or Limits(), LOOPBACK
    )


def geojson() -> bytes:
    """A pump a day, on a line to the north-east, as GeoJSON 2008 in RD."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [80_000 + number, 450_000.5 + number]},
            "properties": {"placed": f"{date(2020, 1, 1) + timedelta(number)}", "power": 1.5, "note": None},
        }
        for number in range(1000)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::28992"}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}).encode()


def parquet() -> bytes:
    """A level a day, in ten row groups."""
    column = {"geometry_types": ["Point"], "crs": RD, "bbox": [80_000, 450_000.5, 80_999, 451_000]}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", **column}}}
    data = pa.table(
        {
            "day": pa.array(range(DAYS), pa.int32()).cast(pa.date32()),
            "level": [None if number % 100 == 0 else number / 7 for number in range(DAYS)],
            "geometry": [b"\x01"] * DAYS,
        },
        metadata={"geo": json.dumps(geo)},
    )
    file = io.BytesIO()
    pq.write_table(data, file, row_group_size=DAYS // 10)
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    (made / "pumps.geojson").write_bytes(geojson())
    (made / "levels.parquet").write_bytes(parquet())
    return made


async def test_reads_geojson(folder: Path) -> None:
    async with files(folder) as url:
        session = look_for(DataKind.HTTP_GEOJSON, f"{url}/pumps.geojson")
        facts = await CONFINED[session.target.kind](session)
    assert facts.fields == (
        MeasuredField(name="placed", type=FieldType.DATE),
        MeasuredField(name="power", type=FieldType.NUMBER),
        MeasuredField(name="note", type=FieldType.STRING, empty=1000),
    )
    assert (facts.records, facts.sampled, facts.geometry_type) == (1000, 1000, GeometryType.POINT)
    assert (facts.first, facts.last, facts.time_resolution) == ("2020-01-01", "2022-09-26", "P1D")
    assert facts.extent == Extent(crs="EPSG:28992", bbox=("80000", "450000.5", "80999", "450999.5"))
    assert facts.crs == ("EPSG:28992",)
    assert facts.unknown == ()
    assert (session.requests, session.received, facts.size_bytes) == (1, len(geojson()), len(geojson()))


async def test_reads_a_part_of_geojson(folder: Path) -> None:
    async with files(folder) as url:
        limits = Limits(max_bytes=32 * 1024)
        session = look_for(DataKind.HTTP_GEOJSON, f"{url}/pumps.geojson", limits=limits)
        facts = await CONFINED[session.target.kind](session)
    assert (session.requests, session.received, facts.size_bytes) == (1, limits.max_bytes, len(geojson()))
    assert {unknown.fact for unknown in facts.unknown} == {"extent", "first", "last", "records"}


async def test_reads_the_footer_of_parquet(folder: Path) -> None:
    async with files(folder) as url:
        session = look_for(DataKind.HTTP_PARQUET, f"{url}/levels.parquet")
        facts = await CONFINED[session.target.kind](session)
    size = (folder / "levels.parquet").stat().st_size
    assert size > 256 * 1024
    assert facts.fields == (
        MeasuredField(name="day", type=FieldType.DATE),
        MeasuredField(name="level", type=FieldType.NUMBER, empty=DAYS // 100),
    )
    assert (facts.records, facts.sampled, facts.size_bytes) == (DAYS, DAYS, size)
    assert (facts.first, facts.last) == ("1970-01-01", f"{date(1970, 1, 1) + timedelta(DAYS - 1)}")
    assert (facts.crs, facts.geometry_type) == (("EPSG:28992",), GeometryType.POINT)
    assert facts.extent == Extent(crs="EPSG:28992", bbox=("80000", "450000.5", "80999", "451000"))
    assert {unknown.fact for unknown in facts.unknown} == {"timeResolution"}
    assert (session.requests, session.received) == (1, 64 * 1024)


@pytest.mark.parametrize("kind", [DataKind.HTTP_GEOJSON, DataKind.HTTP_PARQUET])
@pytest.mark.parametrize(
    ("file", "password", "reason"),
    [
        ("pumps.geojson", "another", "Unauthorized"),
        ("nothing", PASSWORD, "HttpError"),
        ("page.html", PASSWORD, "UnexpectedContent"),
        ("empty", PASSWORD, ("UnexpectedContent", "HttpError")),  # no range of nothing can be had: HTTP 416
    ],
)
async def test_tells_what_is_wrong(folder: Path, kind: DataKind, file: str, password: str, reason: Any) -> None:
    (folder / "page.html").write_text("<html>")
    (folder / "empty").touch()
    async with files(folder) as url:
        session = look_for(kind, f"{url}/{file}", password)
        with pytest.raises(SourceError) as caught:
            await CONFINED[kind](session)
    assert caught.value.reason in reason
    assert session.requests == 1
