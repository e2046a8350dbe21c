"""The NGSI-LD probe against a stand-in that answers as ETSI GS CIM 009 prescribes.

It is no real broker: none could be had from the package registries (see servers/ngsi_ld_stand_in.py).
"""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from servers.ngsi_ld import NgsiLdServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind, Extent
from ddtas.data.measured import MeasuredField
from ddtas.data.probing import ProbeSession
from ddtas.data.registry import REGISTRY
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))


def look_at(server: NgsiLdServer, entity_type: str, endpoint: str | None = None) -> ProbeSession:
    target = Target(DataKind.NGSI_LD, endpoint or server.api, DataContract(version="1.0.0"), entity_type)
    return ProbeSession(target, Limits(), LOOPBACK)


@pytest.mark.parametrize("prefix", ["", "https://uri.etsi.org/ngsi-ld/default-context/"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_facts_of_a_type(ngsi_ld: NgsiLdServer, prefix: str, slash: str) -> None:
    session = look_at(ngsi_ld, prefix + ngsi_ld.entity_type, ngsi_ld.api + slash)
    facts = await CONFINED[DataKind.NGSI_LD](session)
    assert facts.fields == (
        MeasuredField(name="id", type="string"),
        MeasuredField(name="level", type="number", unit="m"),
        MeasuredField(name="observedAt", type="timestamp"),
    )
    assert (facts.records, facts.sampled, facts.first) == (None, 25, None)
    assert facts.last == f"{ngsi_ld.newest:%Y-%m-%dT%H:%M:%SZ}"
    assert (facts.geometry_type, facts.crs) == ("Point", ("OGC:CRS84",))
    assert facts.extent == Extent(crs="OGC:CRS84", bbox=("4.25", "52.02", "4.33", "52.1"))
    assert (facts.time_resolution, facts.size_bytes) == ("PT1H", None)
    assert [unknown.fact for unknown in facts.unknown] == ["first", "records", "sizeBytes"]
    assert facts.why_unknown("first") == "a broker does not tell how far its history goes back"
    assert facts.latency_milliseconds is not None
    print(f"{session.requests} requests, {session.received} bytes")
    assert session.requests == 2
    assert session.received < 20_000


@pytest.mark.parametrize("name", ["Nothing", "https://data.example/WaterLevelObserved"])
async def test_a_type_that_is_not_there(ngsi_ld: NgsiLdServer, name: str) -> None:
    session = look_at(ngsi_ld, name)
    with pytest.raises(SourceError) as caught:
        await CONFINED[DataKind.NGSI_LD](session)
    assert caught.value.reason == "EntityNotFound"
    assert "(it has WaterLevelObserved)" in caught.value.message
    assert session.requests == 2


@pytest.mark.parametrize("path", ["", "/ngsi-ld", "/ngsi-ld/v2"])
async def test_another_endpoint_than_the_base_of_the_api(ngsi_ld: NgsiLdServer, path: str) -> None:
    session = look_at(ngsi_ld, ngsi_ld.entity_type, ngsi_ld.url + path)
    with pytest.raises(SourceError) as caught:
        await CONFINED[DataKind.NGSI_LD](session)
    assert caught.value.reason == "HttpError"
    assert "ends in /ngsi-ld/v1" in caught.value.message


async def test_a_page_is_not_all(ngsi_ld: NgsiLdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.data.kinds.ngsi_ld.reader._SIZES", (7,))
    facts = await REGISTRY[DataKind.NGSI_LD](look_at(ngsi_ld, ngsi_ld.entity_type))
    assert (facts.records, facts.sampled) == (None, 7)
    assert (facts.first, facts.last, facts.extent) == (None, None, None)
    assert facts.why_unknown("last") == "7 of 25 entities were read"
    assert (facts.geometry_type, facts.fields[1].unit) == ("Point", "m")


async def test_a_document_that_is_too_long_is_asked_for_shorter(ngsi_ld: NgsiLdServer) -> None:
    session = look_at(ngsi_ld, ngsi_ld.entity_type)
    session = replace(session, limits=Limits(max_document_bytes=4_000))
    facts = await CONFINED[DataKind.NGSI_LD](session)
    assert (facts.sampled, session.requests) == (10, 3)
