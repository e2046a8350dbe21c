"""The probe of OGC API - Features against pygeoapi: facts as they truly are, and few requests."""

from ipaddress import ip_network

import pytest
from servers import dataset
from servers import pygeoapi as features
from servers.pygeoapi import PygeoapiServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))


def look_at(server: PygeoapiServer, collection: str, path: str = "") -> ProbeSession:
    target = Target(
        kind=DataKind.OGC_API_FEATURES,
        endpoint=f"{server.url}{path}",
        contract=DataContract(version="1.0.0"),
        physical_name=collection,
    )
    return ProbeSession(target, Limits(), LOOPBACK)


async def test_a_collection_of_more_than_one_page(pygeoapi: PygeoapiServer) -> None:
    session = look_at(pygeoapi, features.LEVELS)
    facts = await CONFINED[session.target.kind](session)
    rows = dataset.rows(pygeoapi.newest)
    seen = rows[: features.MAX_ITEMS]
    assert {(f.name, f.type, f.empty) for f in facts.fields} == {
        ("id", "integer", 0),
        ("name", "string", 0),
        ("level", "number", sum(row.level is None for row in seen)),
        ("measured_at", "timestamp", 0),
        ("inspected_on", "date", 0),
    }
    assert (facts.records, facts.sampled) == (dataset.ROWS, features.MAX_ITEMS)
    assert (facts.first, facts.last) == (dataset.iso(rows[0].measured_at), dataset.iso(pygeoapi.newest))
    assert (facts.time_resolution, facts.geometry_type) == ("PT1H", "Point")
    assert facts.crs == ("EPSG:28992", "OGC:CRS84", "EPSG:4326")
    assert facts.extent is not None
    assert facts.extent.crs == "OGC:CRS84"
    assert [float(number) for number in facts.extent.bbox] == list(dataset.bounds(rows))
    assert facts.latency_milliseconds is not None
    assert {unknown.fact for unknown in facts.unknown} == {"sizeBytes"}
    print(f"pygeoapi, {features.LEVELS}: {session.requests} requests, {session.received} bytes")
    assert session.requests == 3
    assert session.received < 64_000


async def test_a_collection_of_one_page(pygeoapi: PygeoapiServer) -> None:
    session = look_at(pygeoapi, features.STATIONS, "/")
    facts = await CONFINED[session.target.kind](session)
    assert (facts.records, facts.sampled) == (dataset.STATIONS, dataset.STATIONS)
    assert facts.crs[0] == "OGC:CRS84"
    assert set(facts.crs) == {"OGC:CRS84", "EPSG:4326", "EPSG:28992"}
    # It declares no period; all items were seen, and are all of the same moment.
    assert (facts.first, facts.last) == (dataset.iso(pygeoapi.newest), dataset.iso(pygeoapi.newest))
    assert {unknown.fact for unknown in facts.unknown} == {"sizeBytes", "timeResolution"}
    print(f"pygeoapi, {features.STATIONS}: {session.requests} requests, {session.received} bytes")
    assert session.requests == 3


async def test_a_wrong_name_is_told_with_the_right_ones(pygeoapi: PygeoapiServer) -> None:
    session = look_at(pygeoapi, "level")
    with pytest.raises(SourceError) as caught:
        await CONFINED[session.target.kind](session)
    assert caught.value.reason == "EntityNotFound"
    assert f"there are {features.GRID}, {features.LEVELS}, {features.STATIONS}" in caught.value.message
    assert session.requests == 2


@pytest.mark.parametrize("path", [f"/collections/{features.LEVELS}", "/collections", "/no-such-path"])
async def test_another_address_than_the_landing_page_is_told(pygeoapi: PygeoapiServer, path: str) -> None:
    session = look_at(pygeoapi, features.LEVELS, path)
    with pytest.raises(SourceError) as caught:
        await CONFINED[session.target.kind](session)
    assert caught.value.reason == "HttpError"
    assert "landing page" in caught.value.message
