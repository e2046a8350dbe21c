"""Readers against real servers: each record once, however many pages it takes, and not more than the session allows."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_network

import pytest
from servers import dataset
from servers import pygeoapi as features
from servers.mapserver import MapServer
from servers.ngsi_ld import NgsiLdServer
from servers.pygeoapi import PygeoapiServer
from servers.sensorthings import SensorThingsServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind
from ddtas.data.kinds.ngsi_ld.reader import Broker
from ddtas.data.kinds.ogc_api_features.reader import Collection
from ddtas.data.kinds.sensorthings.reader import TIME, Choice, Service
from ddtas.data.kinds.wfs import reader as wfs
from ddtas.data.kinds.wfs.capabilities import feature_type
from ddtas.data.kinds.wfs.schema import Schema
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.data.wire import http
from ddtas.errors import SourceError

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
# As something would have them that fetches, and does not only probe.
WIDE = Limits(deadline_seconds=120, max_bytes=2**30, max_requests=1000)


def session(kind: DataKind, endpoint: str, name: str | None, limits: Limits = WIDE) -> Session:
    return Session(Target(kind, endpoint, DataContract(version="1.0.0"), name), limits, LOOPBACK)


async def test_all_items_of_a_collection(pygeoapi: PygeoapiServer) -> None:
    reading = session(DataKind.OGC_API_FEATURES, pygeoapi.url, features.LEVELS)
    ids: list[int] = []
    async with http.client(reading) as client:
        async for page in Collection(client).pages(features.MAX_ITEMS):
            assert page.matched == dataset.ROWS
            ids += [feature["properties"]["id"] for feature in page.features]
    assert sorted(ids) == sorted(row.id for row in dataset.rows(pygeoapi.newest))
    # Three full pages, and an empty one that the third links to.
    assert reading.requests == dataset.ROWS // features.MAX_ITEMS + 1


async def test_the_session_bounds_the_pages(pygeoapi: PygeoapiServer) -> None:
    reading = session(DataKind.OGC_API_FEATURES, pygeoapi.url, features.LEVELS, replace(WIDE, max_requests=2))
    async with http.client(reading) as client:
        pages = Collection(client).pages(features.MAX_ITEMS)
        for _ in range(2):
            assert len((await anext(pages)).features) == features.MAX_ITEMS
        with pytest.raises(SourceError) as caught:
            await anext(pages)
    assert caught.value.reason == SourceReason.TOO_MANY_REQUESTS


@pytest.mark.parametrize("order", [None, "measured_at ASC"])
async def test_all_features_of_a_type_with_their_values(mapserver: MapServer, order: str | None) -> None:
    reading = session(DataKind.WFS, mapserver.url, "ms:levels")
    found: dict[int, float | None] = {}
    async with http.client(reading) as client:
        service = wfs.Service(client)
        kind = feature_type(reading, await service.capabilities())
        schema = Schema.read(await service.document("DescribeFeatureType", typename=kind.name), kind.name)
        async for page in service.pages(kind.name, schema, 100, order):
            for feature in page.features:
                assert feature.properties["id"] not in found
                found[feature.properties["id"]] = feature.properties["level"]
    assert found == {row.id: row.level for row in dataset.rows(mapserver.newest)}


async def test_all_observations(sensorthings: SensorThingsServer) -> None:
    reading = session(DataKind.SENSORTHINGS, sensorthings.api, None)
    seen: Counter[tuple[str, int]] = Counter()
    async with http.client(reading) as client:
        async for page in Service(client).observations(Choice.read(None), 100):
            assert page.count == sensorthings.observations
            seen.update((item[TIME], item["Datastream"]["@iot.id"]) for item in page.items)
    assert seen.total() == sensorthings.observations
    assert set(seen.values()) == {1}
    assert [time for time, _ in seen] == sorted(time for time, _ in seen)


async def test_all_entities(ngsi_ld: NgsiLdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.data.kinds.ngsi_ld.reader._SIZES", (7,))
    reading = session(DataKind.NGSI_LD, ngsi_ld.api, ngsi_ld.entity_type)
    entities = []
    async with http.client(reading) as client:
        async for page in Broker(client).pages():
            assert page.count == 25
            entities += page.entities
    assert len({entity.record["observedAt"] for entity in entities}) == len(entities) == 25
    assert reading.requests == 4
