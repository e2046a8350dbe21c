"""The probe of 3D Tiles against a server of files: facts as they truly are, and few bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network

import pyproj
import pytest
from servers import dataset, tiles_3d
from servers.process import Server

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind
from ddtas.data.kinds.tiles_3d.probe import probe
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tiles_3d.tiles_3d(tmp_path_factory.mktemp("tiles")) as running:
        yield running


def look_at(server: Server, path: str) -> ProbeSession:
    contract = DataContract(version="1.0.0")
    return ProbeSession(
        Target(kind=DataKind.TILES_3D, endpoint=server.url + path, contract=contract), Limits(), LOOPBACK
    )


async def test_a_tileset_with_a_region_a_schema_and_gltf(server: Server) -> None:
    session = look_at(server, tiles_3d.REGION)
    facts = await probe(session)
    assert [(f.name, f.type) for f in facts.fields] == [("height", "number"), ("floors", "integer"), ("use", "string")]
    assert (facts.geometry_type, facts.crs) == ("Mesh", ("EPSG:4978",))
    assert facts.extent is not None
    assert facts.extent.crs == "OGC:CRS84"
    bounds = dataset.bounds(dataset.rows(datetime(2025, 1, 1, tzinfo=UTC)))
    assert [float(number) for number in facts.extent.bbox] == pytest.approx(bounds, abs=1e-6)
    assert {unknown.fact for unknown in facts.unknown} == {"first", "last", "records", "sizeBytes", "timeResolution"}
    assert facts.latency_milliseconds is not None
    print(f"http.server, 3D Tiles 1.1: {session.requests} requests, {session.received} bytes")
    assert session.requests == 3
    assert session.received < 20_000


async def test_a_tileset_with_a_box_and_b3dm(server: Server) -> None:
    session = look_at(server, tiles_3d.BOX)
    facts = await probe(session)
    assert [(f.name, f.type) for f in facts.fields] == [("Height", "number")]
    assert (facts.geometry_type, facts.crs) == ("Mesh", ("EPSG:4978",))
    assert facts.extent is not None
    west, south, east, north = map(float, facts.extent.bbox)
    place = dataset.rows(datetime(2025, 1, 1, tzinfo=UTC))[0]
    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((place.longitude, place.latitude), abs=1e-4)
    earth = pyproj.Geod(ellps="WGS84")
    *_, width = earth.inv(west, place.latitude, east, place.latitude)
    *_, height = earth.inv(place.longitude, south, place.longitude, north)
    assert (width, height) == pytest.approx((2 * tiles_3d.HALF_SIZE_METRES,) * 2, rel=0.01)
    print(f"http.server, 3D Tiles 1.0: {session.requests} requests, {session.received} bytes")
    assert session.requests == 2
    assert session.received < 20_000


async def test_a_tile_that_is_not_there_is_told(server: Server) -> None:
    with pytest.raises(SourceError) as caught:
        await probe(look_at(server, tiles_3d.BROKEN))
    assert caught.value.reason == "MalformedData"
    assert "a tile that is not there" in caught.value.message


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/region/", "UnexpectedContent"), ("/region/schema.json", "UnexpectedContent"), ("/region/nothing", "HttpError")],
)
async def test_another_address_than_the_tileset_is_told(server: Server, path: str, reason: str) -> None:
    with pytest.raises(SourceError) as caught:
        await probe(look_at(server, path))
    assert caught.value.reason == reason
