"""The SensorThings probe against FROST-Server: facts as they truly are, and few requests."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from servers import dataset
from servers import sensorthings as servers
from servers.postgresql import PostgreSQLServer
from servers.sensorthings import Basic, SensorThingsServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer) -> Iterator[SensorThingsServer]:
    directory, right = tmp_path_factory.mktemp("guarded"), Basic("city", "right")
    with servers.sensorthings(directory, postgresql.new_database(), right) as server:
        yield server


def look_at(server: SensorThingsServer, name: str | None, password: str | None = None) -> ProbeSession:
    auth = Credentials.model_validate({"secretName": "data", "scheme": "Basic"}) if password else None
    target = Target(
        kind=DataKind.SENSORTHINGS,
        endpoint=server.api,
        contract=DataContract(version="1.0.0"),
        physical_name=name,
        auth=auth,
        secret={"username": "city", "password": password} if password else None,
    )
    return ProbeSession(target, Limits(), LOOPBACK)


async def facts(session: ProbeSession) -> SourceFacts:
    found = await CONFINED[session.target.kind](session)
    print(f"FROST-Server, {session.target.physical_name}: {session.requests} requests, {session.received} bytes")
    return found


async def refusal(session: ProbeSession) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await facts(session)
    return caught.value


@pytest.mark.parametrize("name", [None, "water level"])
async def test_all_datastreams_of_a_property(sensorthings: SensorThingsServer, name: str | None) -> None:
    session = look_at(sensorthings, name)
    found = await facts(session)
    oldest = sensorthings.newest - timedelta(hours=sensorthings.hours - 1)
    longitudes, latitudes = [place[1] for place in servers.PLACES], [place[2] for place in servers.PLACES]
    assert [(f.name, f.type.value, f.unit, f.empty) for f in found.fields] == [
        ("phenomenonTime", "timestamp", None, 0),
        ("result", "number", "m", 0),
        ("datastream", "integer", None, 0),
        ("datastreamName", "string", None, 0),
        ("thing", "integer", None, 0),
        ("thingName", "string", None, 0),
    ]
    assert (found.records, found.sampled) == (sensorthings.observations, 100)
    assert (found.first, found.last) == (dataset.iso(oldest), dataset.iso(sensorthings.newest))
    assert (found.time_resolution, found.geometry_type, found.crs) == ("PT1H", "Point", ("OGC:CRS84",))
    assert found.extent is not None
    assert found.extent.crs == "OGC:CRS84"
    assert [float(number) for number in found.extent.bbox] == [
        min(longitudes),
        min(latitudes),
        max(longitudes),
        max(latitudes),
    ]
    assert found.latency_milliseconds is not None
    assert {unknown.fact for unknown in found.unknown} == {"sizeBytes"}
    assert session.requests == 4
    assert session.received < 32_000


async def test_one_datastream(sensorthings: SensorThingsServer) -> None:
    session = look_at(sensorthings, "Datastreams(2)")
    found = await facts(session)
    _, longitude, latitude = servers.PLACES[1]
    assert (found.records, found.sampled, found.time_resolution) == (sensorthings.hours, 100, "PT1H")
    assert found.extent is not None
    assert [float(number) for number in found.extent.bbox] == [longitude, latitude] * 2
    assert session.requests == 4
    assert session.received < 16_000


@pytest.mark.parametrize(
    "name", ["Datastreams(99)", "Datastreams('x')", "no such", "it's", "x' or true or 'x", "Water level"]
)
async def test_datastreams_that_are_not_there(sensorthings: SensorThingsServer, name: str) -> None:
    session = look_at(sensorthings, name)
    error = await refusal(session)
    assert error.reason == "EntityNotFound"
    assert "such as water level" in error.message
    assert session.requests == 2


async def test_the_root_of_something_else(sensorthings: SensorThingsServer) -> None:
    session = look_at(sensorthings, None)
    target = Target(kind=session.target.kind, endpoint=f"{sensorthings.url}/v9", contract=session.target.contract)
    assert (await refusal(ProbeSession(target, Limits(), LOOPBACK))).reason == "HttpError"


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_wrong_credentials(guarded: SensorThingsServer, password: str | None) -> None:
    assert (await refusal(look_at(guarded, None, password))).reason == "Unauthorized"


async def test_right_credentials_are_sent_with_each_request(guarded: SensorThingsServer) -> None:
    assert (await facts(look_at(guarded, None, "right"))).records == guarded.observations
