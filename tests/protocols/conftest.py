"""Real data servers, one of each for a session: `./dev test protocols` installs them first."""

from collections.abc import Iterator

import pytest
from servers import feature_server as feature_server_module
from servers import mapserver as mapserver_module
from servers import mosquitto as mosquitto_module
from servers import ngsi_ld as ngsi_ld_module
from servers import postgresql as postgresql_module
from servers import pygeoapi as pygeoapi_module
from servers import s3 as s3_module
from servers import sensorthings as sensorthings_module
from servers.feature_server import FeatureServer
from servers.mapserver import MapServer
from servers.mosquitto import MosquittoServer
from servers.ngsi_ld import NgsiLdServer
from servers.postgresql import Database, PostgreSQLServer
from servers.pygeoapi import PygeoapiServer
from servers.s3 import S3Server
from servers.sensorthings import SensorThingsServer


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQLServer]:
    """PostgreSQL with PostGIS and the schema `waterdata`; tests read it, and make databases of their own to write."""
    with postgresql_module.postgresql(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture
def postgis(postgresql: PostgreSQLServer) -> Database:
    """An empty database with PostGIS."""
    return postgresql.new_database()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MosquittoServer]:
    """An MQTT broker, to which levels are published each second."""
    with mosquitto_module.mosquitto(tmp_path_factory.mktemp("mosquitto")) as server:
        yield server


@pytest.fixture(scope="session")
def mapserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MapServer]:
    """MapServer with a WFS that everybody may ask."""
    with mapserver_module.mapserver(tmp_path_factory.mktemp("mapserver")) as server:
        yield server


@pytest.fixture(scope="session")
def pygeoapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PygeoapiServer]:
    """pygeoapi with OGC API Features that everybody may ask."""
    with pygeoapi_module.pygeoapi(tmp_path_factory.mktemp("pygeoapi")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that checks signatures, with an open and a closed bucket."""
    with s3_module.s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def sensorthings(
    tmp_path_factory: pytest.TempPathFactory, postgresql: PostgreSQLServer
) -> Iterator[SensorThingsServer]:
    """FROST-Server, a SensorThings server that everybody may ask, with hourly water levels."""
    with sensorthings_module.sensorthings(tmp_path_factory.mktemp("sensorthings"), postgresql.new_database()) as server:
        yield server


@pytest.fixture(scope="session")
def ngsi_ld(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NgsiLdServer]:
    """What answers as an NGSI-LD broker does, with 25 water levels: a stand-in, see ``servers.ngsi_ld_stand_in``."""
    with ngsi_ld_module.ngsi_ld(tmp_path_factory.mktemp("ngsi-ld")) as server:
        yield server


@pytest.fixture(scope="session")
def feature_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureServer]:
    """Koop's FeatureServer with layers that everybody may read who shows a token."""
    with feature_server_module.feature_server(tmp_path_factory.mktemp("feature-server")) as server:
        yield server
