"""The WFS probe against MapServer: facts as they truly are, and few requests."""

import base64
from collections.abc import Iterator
from email.message import Message
from ipaddress import ip_network

import pytest
from servers import dataset, mapserver
from servers.mapserver import MapServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
SHOWN = base64.b64encode(b"city:right").decode()


def guard(headers: Message) -> tuple[int, dict[str, str]] | None:
    if headers.get("Authorization") == f"Basic {SHOWN}":
        return None
    return 401, {"WWW-Authenticate": 'Basic realm="wfs"'}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MapServer]:
    with mapserver.mapserver(tmp_path_factory.mktemp("guarded"), guard=guard) as server:
        yield server


def look_at(server: MapServer, feature_type: str, query: str = "", password: str | None = None) -> ProbeSession:
    auth = Credentials.model_validate({"secretName": "wfs", "scheme": "Basic"}) if password else None
    target = Target(
        kind=DataKind.WFS,
        endpoint=f"{server.url}{query}",
        contract=DataContract(version="1.0.0"),
        physical_name=feature_type,
        auth=auth,
        secret={"username": "city", "password": password} if password else None,
    )
    return ProbeSession(target, Limits(), LOOPBACK)


async def test_more_features_than_are_looked_at(mapserver: MapServer) -> None:
    session = look_at(mapserver, "ms:levels")
    facts = await CONFINED[session.target.kind](session)
    rows = dataset.rows(mapserver.newest)
    # The newest 50, four hours and a bit: of the stations of the fifth hour, MapServer chooses.
    assert {(f.name, f.type.value) for f in facts.fields} == {
        ("id", "integer"),
        ("name", "string"),
        ("level", "number"),
        ("measured_at", "timestamp"),
        ("inspected_on", "date"),
    }
    empty = {f.name: f.empty for f in facts.fields}
    sure = sum(row.level is None for row in rows[-48:])
    assert sure <= empty.pop("level") <= sure + 2
    assert set(empty.values()) == {0}
    assert (facts.records, facts.sampled) == (dataset.ROWS, 50)
    assert (facts.first, facts.last) == (dataset.iso(rows[0].measured_at), dataset.iso(mapserver.newest))
    assert (facts.time_resolution, facts.geometry_type) == ("PT1H", "Point")
    assert facts.crs == ("EPSG:28992", "EPSG:4326", "EPSG:4258")
    assert facts.extent is not None
    assert facts.extent.crs == "OGC:CRS84"
    # MapServer takes RD by its plain definition, without the shift of datum: some hundred metres off.
    assert [float(number) for number in facts.extent.bbox] == pytest.approx(dataset.bounds(rows), abs=0.002)
    assert facts.latency_milliseconds is not None
    assert {unknown.fact for unknown in facts.unknown} == {"sizeBytes"}
    print(f"MapServer, ms:levels: {session.requests} requests, {session.received} bytes")
    assert session.requests == 5  # it says how many features there are only when asked for nothing else
    assert session.received < 100_000


async def test_all_features_in_one_answer(mapserver: MapServer) -> None:
    session = look_at(mapserver, "stations", "?service=WFS&REQUEST=GetCapabilities&version=1.1.0")
    facts = await CONFINED[session.target.kind](session)
    rows = dataset.stations(dataset.rows(mapserver.newest))
    assert (facts.records, facts.sampled) == (dataset.STATIONS, dataset.STATIONS)
    assert (facts.first, facts.last) == (dataset.iso(mapserver.newest), dataset.iso(mapserver.newest))
    assert facts.time_resolution is None
    assert {f.name: f.empty for f in facts.fields}["level"] == sum(row.level is None for row in rows)
    assert facts.extent is not None
    west, south, east, north = map(float, facts.extent.bbox)
    assert 4 < west <= east < 5  # the longitude comes first, although EPSG:4326 has the latitude first
    assert 51 < south <= north < 53
    print(f"MapServer, ms:stations: {session.requests} requests, {session.received} bytes")
    assert session.requests <= 4


async def test_a_feature_type_that_is_not_there(mapserver: MapServer) -> None:
    session = look_at(mapserver, "ms:nothing")
    with pytest.raises(SourceError, match="ms:levels, ms:stations") as caught:
        await CONFINED[session.target.kind](session)
    assert caught.value.reason == "EntityNotFound"
    assert session.requests == 1


async def test_a_map_that_is_not_there(mapserver: MapServer) -> None:
    session = look_at(mapserver, "ms:levels", "?map=/no/such.map")
    with pytest.raises(SourceError) as caught:
        await CONFINED[session.target.kind](session)
    assert caught.value.reason in ("ErrorReported", "UnexpectedContent", "HttpError")


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_wrong_credentials(guarded: MapServer, password: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        await CONFINED[DataKind.WFS](look_at(guarded, "ms:levels", password=password))
    assert caught.value.reason == "Unauthorized"


async def test_right_credentials_are_sent_with_each_request(guarded: MapServer) -> None:
    session = look_at(guarded, "ms:levels", password="right")
    assert (await CONFINED[session.target.kind](session)).records == dataset.ROWS
