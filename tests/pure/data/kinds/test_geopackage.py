"""GeoPackage over HTTP: its facts by SQLite, its rows by GDAL, and what is broken or hostile in both."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, look_at, refusal, response, serving, target
from pyogrio.raw import write_arrow

from ddtas.data.contract import DataKind, Extent, FieldType
from ddtas.data.delivery import gdal
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.geopackage.table import batches
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Limits, Session, SourceReason
from ddtas.errors import SourceError

ROWS = 40


def geopackage(folder: Path, change: str = "", layers: tuple[str, ...] = ("levels",)) -> bytes:
    """A file with a level an hour, after SQL has changed it."""
    path = folder / "made.gpkg"
    columns: dict[str, Any] = {
        "measured_at": [f"2025-03-{1 + n // 24:02d}T{n % 24:02d}:00:00Z" for n in range(ROWS)],
        "level": [None if n == 7 else n / 10 for n in range(ROWS)],
        "wet": [n % 2 == 0 for n in range(ROWS)],
        "geom": shapely.to_wkb([shapely.Point(80_000 + n, 450_000) for n in range(ROWS)]),
    }
    columns["measured_at"] = pa.array(columns["measured_at"]).cast(pa.timestamp("ms", "UTC"))
    for number, layer in enumerate(layers):
        write_arrow(
            pa.table(columns), path, layer=layer, driver="GPKG", append=number > 0, geometry_name="geom",
            geometry_type="Point", crs="EPSG:28992",
        )  # fmt: skip
    if change:
        with sqlite3.connect(path) as database:
            database.executescript(change)
        database.close()
    body = path.read_bytes()
    path.unlink()
    return body


async def facts_of(body: bytes, name: str | None = None, limits: Limits = LIMITS) -> SourceFacts:
    async with serving(response(body)) as server:
        return await look_at(target(server.url(), kind=DataKind.GEOPACKAGE, physical_name=name), limits)


async def rows_of(body: bytes, folder: Path, *names: str, name: str | None = None) -> list[tuple[Any, ...]]:
    fields = tuple(SourceField(column, FieldType.STRING) for column in names)
    work = folder / "work"
    os.makedirs(work, exist_ok=True)
    async with serving(response(body)) as server:
        to = target(server.url(), kind=DataKind.GEOPACKAGE, physical_name=name)
        try:
            found = [batch async for batch in batches(Session(to, LIMITS, LOOPBACK), Selection(fields, work))]
        finally:
            assert not os.listdir(work)
    return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


async def test_facts(tmp_path: Path) -> None:
    body = geopackage(tmp_path)
    facts = await facts_of(body)
    assert facts == SourceFacts(
        fields=(
            MeasuredField(name="fid", type=FieldType.INTEGER),
            MeasuredField(name="measured_at", type=FieldType.TIMESTAMP),
            MeasuredField(name="level", type=FieldType.NUMBER, empty=1),
            MeasuredField(name="wet", type=FieldType.BOOLEAN),
        ),
        geometry_type="Point",
        crs=("EPSG:28992",),
        extent=Extent(crs="EPSG:28992", bbox=("80000", "450000", "80039", "450000")),
        records=ROWS,
        sampled=ROWS,
        first="2025-03-01T00:00:00Z",
        last="2025-03-02T15:00:00Z",
        time_resolution="PT1H",
        size_bytes=len(body),
        latency_milliseconds=facts.latency_milliseconds,
    )


async def test_of_a_long_file_nothing_is_known(tmp_path: Path) -> None:
    facts = await facts_of(geopackage(tmp_path), limits=replace(LIMITS, max_bytes=50_000))
    assert (facts.fields, facts.records, facts.size_bytes) == ((), None, None)
    assert facts.why_unknown("fields") == "the file has more than the 50000 bytes that a probe reads"


async def test_rows_with_the_number_of_a_row(tmp_path: Path) -> None:
    rows = await rows_of(geopackage(tmp_path), tmp_path, "level", "fid", "measured_at", "wet")
    assert rows[6:8] == [(0.6, 7, "2025-03-01T06:00:00Z", True), (None, 8, "2025-03-01T07:00:00Z", False)]
    assert len(rows) == ROWS


async def test_a_layer_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    body = geopackage(tmp_path, layers=("levels", "pumps"))
    for name in (None, "weirs"):
        async with serving(response(body)) as server:
            error = await refusal(target(server.url(), kind=DataKind.GEOPACKAGE, physical_name=name))
        assert error.reason == SourceReason.ENTITY_NOT_FOUND
        assert "set physicalName to one of levels, pumps" in error.message
        with pytest.raises(SourceError) as caught:
            await rows_of(body, tmp_path, "level", name=name)
        assert caught.value.message == error.message.replace(error.message.split()[0], caught.value.message.split()[0])
    assert (await facts_of(body, "pumps")).records == ROWS
    assert len(await rows_of(body, tmp_path, "level", name="pumps")) == ROWS


HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "a web page": lambda _: b"<html>",
    "an SQLite file of something else": lambda folder: geopackage(folder, "PRAGMA application_id = 1"),
    "cut off": lambda folder: geopackage(folder)[:50_000],
    "noise": lambda folder: geopackage(folder)[:4096] + b"\xa5" * 90_000,
    "no tables": lambda folder: geopackage(folder)[:100] + bytes(8092),
    "a table that is not there": lambda folder: geopackage(folder, "DROP TABLE levels"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile(name: str, tmp_path: Path) -> None:
    body = HOSTILE[name](tmp_path)
    reasons = (SourceReason.UNEXPECTED_CONTENT, SourceReason.MALFORMED_DATA, SourceReason.ENTITY_NOT_FOUND)
    async with serving(response(body)) as server:
        assert (await refusal(target(server.url(), kind=DataKind.GEOPACKAGE))).reason in reasons
    with pytest.raises(SourceError) as caught:
        await rows_of(body, tmp_path, "level")
    assert caught.value.reason in reasons


@pytest.mark.parametrize(
    "text",
    [
        '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>{other}</SrcDataSource></OGRVRTLayer>'
        "</OGRVRTDataSource>",
        '{{"type": "FeatureCollection", "features": []}}',
        "a,b\n1,2\n",
    ],
)
async def test_gdal_takes_no_driver_that_is_not_named(text: str, tmp_path: Path) -> None:
    other = tmp_path / "other.geojson"
    other.write_text('{"type": "FeatureCollection", "features": []}')
    drivers: tuple[gdal.Driver, ...] = ("GPKG", "GML")
    for driver in drivers:
        path = tmp_path / f"data.{driver.lower()}"
        path.write_text(text.format(other=other))
        with pytest.raises(gdal.UnreadableError):
            await gdal.layers(path, driver)


async def test_gdal_has_little_memory_and_writes_no_files(tmp_path: Path) -> None:
    path = tmp_path / "data.gpkg"
    path.write_bytes(geopackage(tmp_path))
    (layer,) = await gdal.layers(path, "GPKG")
    assert os.listdir(tmp_path) == ["data.gpkg"]
    request = gdal.Request(path=str(path), driver="GPKG", layer=layer.name, columns=("level",), memory_bytes=2**20)
    with pytest.raises(gdal.UnreadableError):
        [frame async for frame in gdal._frames(request)]


async def test_gdal_runs_where_our_modules_are_on_no_path(tmp_path: Path) -> None:
    """As in the runner's image, where PYTHONPATH leads to them, of which an isolated process takes no notice."""
    path = tmp_path / "data.gpkg"
    path.write_bytes(geopackage(tmp_path))
    request = gdal.Request(path=str(path), driver="GPKG").model_dump_json()
    # -S: without the development environment's own path to the modules; only the libraries are added again.
    libraries = str(Path(pa.__file__).parents[1])
    code = f"import runpy, sys; sys.path.append({libraries!r}); sys.argv[0] = {str(gdal._CHILD)!r}; "
    code += "assert 'ddtas' not in sys.modules; import os; os.environ['OGR_SKIP'] = ''; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", code, request, stdout=asyncio.subprocess.PIPE, env={}
    )
    answer, _ = await process.communicate()
    assert process.returncode == 0
    assert b'"levels"' in answer
