"""The probe of ArcGIS layers against Koop's FeatureServer, Esri's own implementation of the specification."""

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
import shapely
from servers import dataset
from servers.feature_server import SHAPES, FeatureServer
from test_tables import LIMITS, LOOPBACK

from ddtas.data.contract import Credentials, DataContract, DataKind, Extent, FieldType
from ddtas.data.delivery.order import Delivery
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.delivery.table import Column, Geometry, Table
from ddtas.data.probing import ProbeSession
from ddtas.data.readers import READERS
from ddtas.data.session import Limits, SourceReason, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED
from ddtas.runner.delivery import Folders, deliver

KIND = DataKind.ARCGIS_FEATURE_SERVER


def session(endpoint: str, token: str | None, limits: Limits = LIMITS, **contract: object) -> ProbeSession:
    auth = Credentials.model_validate({"secretName": "gis", "scheme": "Bearer"}) if token else None
    promised = DataContract.model_validate({"version": "1.0.0", **contract})
    target = Target(KIND, endpoint, promised, auth=auth, secret={"token": token} if token else None)
    return ProbeSession(target, limits, LOOPBACK)


async def test_the_facts_of_a_layer(feature_server: FeatureServer) -> None:
    asked = session(feature_server.layer, feature_server.token, Limits(), crs="EPSG:28992")
    facts = await CONFINED[KIND](asked)
    assert {field.name: field.type for field in facts.fields} == {
        "id": "integer",
        "name": "string",
        "level": "number",
        "measured_at": "timestamp",
        "inspected_on": "date",
    }
    assert (facts.records, facts.sampled) == (dataset.ROWS, 100)
    assert facts.first == dataset.iso(feature_server.newest - timedelta(hours=dataset.HOURS - 1))
    assert facts.last == dataset.iso(feature_server.newest)
    assert (facts.geometry_type, facts.crs) == ("Point", ("OGC:CRS84", "EPSG:28992"))
    west, south, east, north = dataset.bounds(dataset.rows(feature_server.newest))
    assert facts.extent == Extent(crs="OGC:CRS84", bbox=tuple(f"{side:.7f}" for side in (west, south, east, north)))
    assert facts.latency_milliseconds is not None
    print(f"{asked.requests} requests, {asked.received} bytes")
    assert asked.requests == 5


@pytest.mark.parametrize("token", [None, "another"])
async def test_who_shows_no_token_or_a_wrong_one(feature_server: FeatureServer, token: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        await CONFINED[KIND](session(feature_server.layer, token))
    assert caught.value.reason == SourceReason.UNAUTHORIZED
    assert ("498" if token else "499") in caught.value.message


async def test_a_service_is_no_layer(feature_server: FeatureServer) -> None:
    with pytest.raises(SourceError) as caught:
        await CONFINED[KIND](session(feature_server.service, feature_server.token))
    assert caught.value.reason == SourceReason.UNEXPECTED_CONTENT
    assert "it has 0" in caught.value.message


async def test_a_service_that_is_not_there(feature_server: FeatureServer) -> None:
    with pytest.raises(SourceError) as caught:
        await CONFINED[KIND](session(feature_server.layer.replace("levels", "other"), feature_server.token))
    assert caught.value.reason == SourceReason.ERROR_REPORTED
    assert "404" in caught.value.message


async def test_areas_with_holes_and_islands(feature_server: FeatureServer, tmp_path: Path) -> None:
    selection = Selection((SourceField("id", FieldType.INTEGER),), tmp_path, geometry=True)
    reading = session(feature_server.areas, feature_server.token)
    rows = [row async for batch in READERS[KIND](reading, selection) for row in batch.to_pylist()]
    assert [int(row["id"]) for row in rows] == list(SHAPES)
    for row in rows:
        shape = SHAPES[int(row["id"])]
        assert (row["geometry"] is None) == (shape is None)
        if shape is not None:
            read = shapely.from_wkb(row["geometry"])
            assert read.geom_type == shape["type"]
            assert read.is_valid
            assert shapely.equals(read, shapely.geometry.shape(shape))


async def test_the_table_of_an_app_in_its_own_crs(feature_server: FeatureServer, tmp_path: Path) -> None:
    columns = (
        Column(name="time", type=FieldType.TIMESTAMP, source="measured_at"),
        Column(name="station", type=FieldType.STRING, source="name"),
        Column(name="level_cm", type=FieldType.NUMBER, source="level", scale="100"),
    )
    geometry = Geometry(crs="EPSG:28992", source_crs="EPSG:4326")
    reading = session(feature_server.layer, feature_server.token, crs="EPSG:4326")
    start = feature_server.newest - timedelta(hours=5)
    delivery = Delivery(
        table=Table(columns=columns, time="time", geometry=geometry),
        contract=reading.target.contract,
        start=f"{start:%Y-%m-%dT%H:%M:%SZ}",
    )
    made = await deliver(reading, "levels", delivery, Folders(tmp_path))
    rows = pyarrow.parquet.read_table(made.folder / "data.parquet").to_pylist()
    expected = [row for row in dataset.rows(feature_server.newest) if row.measured_at >= start]
    assert [(row["time"], row["station"]) for row in rows] == [(row.measured_at, row.name) for row in expected]
    for row, one in zip(rows, expected, strict=True):
        assert row["level_cm"] == (None if one.level is None else pytest.approx(100 * one.level))
        place = shapely.from_wkb(row["geometry"])
        assert (place.x, place.y) == pytest.approx((one.x, one.y), abs=0.05)
