"""The probe of ArcGIS layers against Koop's FeatureServer, Esri's own implementation of the specification."""

from datetime import timedelta

import pytest
from servers import dataset
from servers.feature_server import FeatureServer
from test_tables import LIMITS, LOOPBACK

from ddtas.data.contract import Credentials, DataContract, DataKind, Extent
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, SourceReason, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

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
