"""OGC API - EDR against pygeoapi (a grid), and against what answers as a service with locations does (a stand-in)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
import shapely
from servers import dataset, ogc_edr_stand_in
from servers.pygeoapi import GRID_X, GRID_Y, PygeoapiServer
from test_tables import LIMITS, LOOPBACK

from ddtas.data.contract import Credentials, DataContract, DataKind, FieldType
from ddtas.data.delivery.order import Delivery
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.delivery.table import Column, Table
from ddtas.data.probing import ProbeSession
from ddtas.data.readers import READERS
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED
from ddtas.runner.delivery import Folders, deliver

KIND = DataKind.OGC_EDR
NEWEST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
ROWS = dataset.rows(NEWEST)
TIME = SourceField("time", FieldType.TIMESTAMP)
X, Y = GRID_X[1], GRID_Y[2]
ALL = ogc_edr_stand_in.COLLECTION


def target(endpoint: str, name: str, key: str | None = None, **contract: Any) -> Target:
    auth = Credentials.model_validate({"secretName": "k", "scheme": "ApiKey", "header": "Authorization"})
    promised = DataContract.model_validate({"version": "1.0.0", **contract})
    return Target(KIND, endpoint, promised, name, auth if key else None, {"api-key": key} if key else None)


async def table(to: Target, folder: Path, *names: str, limits: Limits = LIMITS, **options: Any) -> pa.Table:
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    read = READERS[KIND](Session(to, limits, LOOPBACK), Selection(fields, folder, time=TIME, **options))
    return pa.Table.from_batches([batch async for batch in read])


# --- locations


async def test_the_facts_of_a_collection_with_locations() -> None:
    async with ogc_edr_stand_in.ogc_edr(ROWS) as url:
        session = ProbeSession(target(url, ALL, ogc_edr_stand_in.KEY), Limits(), LOOPBACK)
        facts = await CONFINED[KIND](session)
    assert {one.name: (one.type, one.unit) for one in facts.fields} == {
        "time": ("timestamp", None),
        "location": ("string", None),
        "locationName": ("string", None),
        "level": ("number", "m"),
        "depth": ("number", "m"),
        "x": ("number", None),
        "y": ("number", None),
    }
    assert facts.first == dataset.iso(NEWEST - timedelta(hours=dataset.HOURS - 1))
    assert facts.last == dataset.iso(NEWEST)
    assert (facts.geometry_type, facts.crs[0], facts.time_resolution) == ("Point", "EPSG:4326", "PT1H")
    assert facts.extent is not None
    assert {one.fact for one in facts.unknown} == {"records", "sizeBytes"}
    assert session.requests == 3


async def test_all_locations_whatever_fits_an_answer(tmp_path: Path) -> None:
    rows = dataset.rows(NEWEST)
    async with ogc_edr_stand_in.ogc_edr(rows) as url:
        to = target(url, ALL, ogc_edr_stand_in.KEY, crs="OGC:CRS84")
        read = await table(to, tmp_path, "time", "level", "location", "locationName", geometry=True)
    found = {(row["locationName"], row["time"]): row for row in read.to_pylist()}
    assert len(found) == read.num_rows == len(rows)
    assert read.schema.metadata[CRS] == b"OGC:CRS84"
    for row in rows:
        one = found[row.name, dataset.iso(row.measured_at)]
        assert (one["level"] and float(one["level"])) == row.level
        assert one["location"] == ogc_edr_stand_in.location_id(row)
        point = shapely.from_wkb(one["geometry"])
        assert (point.x, point.y) == pytest.approx((row.longitude, row.latitude))


async def test_a_period_that_has_too_many_values_comes_in_parts(tmp_path: Path) -> None:
    west, south, east, north = dataset.bounds(ROWS)
    async with ogc_edr_stand_in.ogc_edr(ROWS) as url:
        name = f"{ALL}/cube?bbox={west},{south},{east},{north}"
        read = await table(target(url, name, ogc_edr_stand_in.KEY), tmp_path, "time", "location", "level")
    pairs = [(row["location"], row["time"]) for row in read.to_pylist()]
    assert len(set(pairs)) == len(pairs) == len(ROWS)


async def test_a_period_of_one_location(tmp_path: Path) -> None:
    start, end = NEWEST - timedelta(hours=5), NEWEST - timedelta(hours=1)
    async with ogc_edr_stand_in.ogc_edr(ROWS) as url:
        to = target(url, f"{ALL}/locations/0-528-1-03", ogc_edr_stand_in.KEY)
        read = await table(to, tmp_path, "time", "level", start=start, end=end)
        assert set(read["time"].to_pylist()) == {dataset.iso(NEWEST - timedelta(hours=hour)) for hour in range(1, 6)}
        long_ago = start - timedelta(days=900)
        assert (await table(to, tmp_path, "time", start=long_ago, end=long_ago + timedelta(days=1))).num_rows == 0


@pytest.mark.parametrize(
    ("name", "key", "field", "reason", "text"),
    [
        (f"{ALL}/locations/0-528-1-99", ogc_edr_stand_in.KEY, "level", SourceReason.ENTITY_NOT_FOUND, "0-528-1-01"),
        (f"{ALL}/area?coords=x", ogc_edr_stand_in.KEY, "level", SourceReason.ENTITY_NOT_FOUND, "locations, cube"),
        ("other", ogc_edr_stand_in.KEY, "level", SourceReason.ENTITY_NOT_FOUND, ALL),
        (ALL, ogc_edr_stand_in.KEY, "rain", SourceReason.ENTITY_NOT_FOUND, "level"),
        (ALL, "another", "level", SourceReason.UNAUTHORIZED, "403"),
        (ALL, None, "level", SourceReason.UNAUTHORIZED, "403"),
    ],
)
async def test_what_is_not_there(
    name: str, key: str | None, field: str, reason: SourceReason, text: str, tmp_path: Path
) -> None:
    async with ogc_edr_stand_in.ogc_edr(ROWS) as url:
        with pytest.raises(SourceError) as caught:
            await table(target(url, name, key), tmp_path, field)
    assert (caught.value.reason, text in caught.value.message) == (reason, True)


# --- a grid


async def test_the_facts_of_a_grid(pygeoapi: PygeoapiServer) -> None:
    session = ProbeSession(
        target(pygeoapi.url, f"grid/position?coords=POINT({X} {Y})", timeZone="UTC"), Limits(), LOOPBACK
    )
    facts = await CONFINED[KIND](session)
    assert {"level", "rain", "time", "x", "y"} <= {one.name for one in facts.fields}
    assert next(one.unit for one in facts.fields if one.name == "rain") == "mm"
    assert facts.last == dataset.iso(pygeoapi.newest)
    assert (facts.geometry_type, facts.crs, facts.time_resolution) == ("Point", ("OGC:CRS84",), "PT1H")
    assert session.requests == 2


async def test_a_place_in_a_grid(pygeoapi: PygeoapiServer, tmp_path: Path) -> None:
    end = pygeoapi.newest - timedelta(hours=2)
    to = target(pygeoapi.url, f"grid/position?coords=POINT({X} {Y})", timeZone="UTC", crs="OGC:CRS84")
    read = await table(to, tmp_path, "time", "level", "rain", geometry=True, start=end - timedelta(hours=3), end=end)
    hours = sorted(read["time"].to_pylist())
    assert f"{end - timedelta(hours=3):%Y-%m-%dT%H:%M:%S}" in hours
    assert len(set(hours)) == len(hours) == 4
    for row in read.to_pylist():
        assert float(row["rain"]) == pytest.approx(2 * float(row["level"]))
        assert shapely.from_wkb(row["geometry"]).wkt == f"POINT ({X} {Y})"


async def test_a_cube_of_a_grid(pygeoapi: PygeoapiServer, tmp_path: Path) -> None:
    west, east, south, north = min(GRID_X), max(GRID_X), min(GRID_Y), max(GRID_Y)
    to = target(pygeoapi.url, f"grid/cube?bbox={west},{south},{east},{north}")
    read = await table(to, tmp_path, "time", "x", "y", "level")
    cells = {(row["time"], row["x"], row["y"]) for row in read.to_pylist()}
    assert len(cells) == read.num_rows == dataset.HOURS * len(GRID_X) * len(GRID_Y)


async def test_a_period_that_a_grid_does_not_have(pygeoapi: PygeoapiServer, tmp_path: Path) -> None:
    to = target(pygeoapi.url, f"grid/position?coords=POINT({X} {Y})")
    start = datetime(2001, 1, 1, tzinfo=UTC)
    assert (await table(to, tmp_path, "level", start=start, end=start + timedelta(days=1))).num_rows == 0
    read = await table(to, tmp_path, "level", start=start, end=pygeoapi.newest + timedelta(days=1))
    assert read.num_rows == dataset.HOURS


async def test_the_table_of_an_app(pygeoapi: PygeoapiServer, tmp_path: Path) -> None:
    to = target(pygeoapi.url, f"grid/position?coords=POINT({X} {Y})", timeZone="UTC")
    columns = (
        Column(name="time", type=FieldType.TIMESTAMP, source="time"),
        Column(name="rain", type=FieldType.NUMBER, source="rain"),
    )
    table = Table(columns=columns, time="time", source_time_zone="UTC")
    start, end = pygeoapi.newest - timedelta(hours=4), pygeoapi.newest - timedelta(hours=1)
    period = {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    delivery = Delivery(table=table, contract=to.contract, **period)
    made = await deliver(Session(to, LIMITS, LOOPBACK), "rain", delivery, Folders(tmp_path))
    rows = pyarrow.parquet.read_table(made.folder / "data.parquet").to_pylist()
    assert [row["time"] for row in rows] == [start + timedelta(hours=hour) for hour in range(3)]
    cells = len(GRID_X) * len(GRID_Y)
    first = (dataset.HOURS - 5) * cells + GRID_Y.index(Y) * len(GRID_X) + GRID_X.index(X)
    assert [row["rain"] for row in rows] == pytest.approx([2 * (first + hour * cells) / 100 for hour in range(3)])
