"""PostgreSQL, mosquitto and MapServer: they answer what a probe asks, refuse what they must, and leave nothing."""

import json
import queue
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, build_opener

import paho.mqtt.client as mqtt
import psycopg
import pytest
from defusedxml.ElementTree import fromstring
from paho.mqtt.enums import CallbackAPIVersion
from servers import dataset
from servers import mapserver as wfs
from servers import mosquitto as broker
from servers import postgresql as sql
from servers.certificates import Authority, Pair
from servers.http_client import Answer, ask
from servers.mapserver import MapServer
from servers.mosquitto import MosquittoServer
from servers.postgresql import PostgreSQLServer
from servers.process import HOST, descendants, living

LEVELS = f"{sql.SCHEMA}.{sql.TABLE}"
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
SECONDS = 60.0


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _query(dsn: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(text).fetchall()


def _certified(server: PostgreSQLServer, pair: Pair | None) -> str:
    shown = {"sslcert": str(pair.certificate), "sslkey": str(pair.key)} if pair else {}
    return psycopg.conninfo.make_conninfo(
        host=server.host,
        port=server.port,
        dbname=server.database,
        user=sql.CERTIFIED,
        sslmode="verify-full",
        sslrootcert=str(server.ca),
        **shown,
    )


def test_postgresql_has_the_measurements(postgresql: PostgreSQLServer) -> None:
    text = f"SELECT count(*), count(level), max(measured_at), min(ST_SRID(geom)), ST_Extent(geom)::text FROM {LEVELS}"  # noqa: S608
    (found,) = _query(postgresql.dsn(sql.READER), text)
    extent = "BOX(78000 452000,82500 455000)"
    assert found == (dataset.ROWS, dataset.ROWS - dataset.NULLS, postgresql.newest, dataset.RD, extent)


def test_postgresql_tells_its_columns(postgresql: PostgreSQLServer) -> None:
    text = "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = '{}' ORDER BY 1"
    found = _query(postgresql.dsn(sql.READER), text.format(sql.TABLE))
    types = {"id": "int4", "name": "text", "level": "float8", "measured_at": "timestamptz", "inspected_on": "date"}
    assert dict(found) == {**types, "geom": "geometry"}
    assert set(types) == set(dataset.COLUMNS)
    plain = _query(postgresql.dsn(sql.READER), text.format(sql.PLAIN_TABLE))
    assert dict(plain) == {"id": "int4", "station": "text", "visited_on": "date", "remark": "text"}


@pytest.mark.parametrize(
    ("login", "said"),
    [(sql.OUTSIDER, "permission denied for schema waterdata"), (sql.PARTIAL, "permission denied for table levels")],
)
def test_postgresql_refuses_who_has_no_right(postgresql: PostgreSQLServer, login: sql.Login, said: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=said):
        _query(postgresql.dsn(login), f"SELECT id FROM {LEVELS}")  # noqa: S608
    assert _query(postgresql.dsn(login), "SELECT 1") == [(1,)]


def test_postgresql_lets_nobody_write_but_its_owner(postgresql: PostgreSQLServer) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        _query(postgresql.dsn(sql.READER), f"DELETE FROM {LEVELS} RETURNING id")  # noqa: S608


def test_postgresql_refuses_a_wrong_password_and_none(postgresql: PostgreSQLServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgresql.dsn(sql.Login(sql.READER.user, "wrong")))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(f"host={HOST} port={postgresql.port} dbname={postgresql.database} user={sql.READER.user}")


def test_postgresql_wants_tls_of_one_user_and_has_a_certificate_that_can_be_checked(
    postgresql: PostgreSQLServer, tmp_path: Path
) -> None:
    checked = postgresql.dsn(sql.TLS_ONLY, sslmode="verify-full", sslrootcert=str(postgresql.ca))
    assert _query(checked, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(postgresql.dsn(sql.TLS_ONLY, sslmode="disable"))
    other = Authority(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(postgresql.dsn(sql.TLS_ONLY, sslmode="verify-full", sslrootcert=str(other.ca)))


def test_postgresql_knows_a_user_by_a_certificate(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    text = f"SELECT count(*) FROM {LEVELS}"  # noqa: S608
    assert _query(_certified(postgresql, postgresql.client), text) == [(dataset.ROWS,)]
    # libpq drops a certificate of an authority that the server does not ask for, or the server refuses it.
    for pair in (None, Authority(tmp_path).client(sql.CERTIFIED)):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(_certified(postgresql, pair))


def test_a_new_database_is_empty_and_has_postgis(postgis: sql.Database) -> None:
    dsn = f"host={postgis.host} port={postgis.port} dbname={postgis.database}"
    login = f"user={postgis.user} password={postgis.password}"
    assert _query(f"{dsn} {login}", "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'waterdata'")
    ((version,),) = _query(f"{dsn} {login}", "SELECT postgis_lib_version()")
    assert version.startswith("3.")


def test_postgresql_leaves_nothing(tmp_path: Path) -> None:
    before = descendants()
    with sql.postgresql(tmp_path, START) as server:
        assert _query(server.dsn(sql.READER), f"SELECT max(measured_at) FROM {LEVELS}") == [(START,)]  # noqa: S608
        ((data,),) = _query(server.dsn(sql.OWNER), "SHOW data_directory")
        assert Path(data).exists()
        started = descendants() - before
        assert len(living(started)) > 1
        with psycopg.connect(server.dsn(sql.READER)):  # a client that stays does not keep it alive
            pass
    _assert_gone(server.port, started)
    assert not Path(data).exists()
    assert "connection authorized: user=reader" in server.log.read_text()


# --- mosquitto --------------------------------------------------------------------------------------------------------


@contextmanager
def _connected(
    port: int, login: broker.Login | None = None, ca: Path | None = None, pair: Pair | None = None
) -> Iterator[tuple[mqtt.Client, str, "queue.Queue[mqtt.MQTTMessage]"]]:
    """A client, what the broker answered to its CONNECT (or that it hung up), and the messages that come."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    answers: queue.Queue[str] = queue.Queue()
    messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.put(str(reason))
    client.on_disconnect = lambda *_: answers.put("hung up")
    client.on_message = lambda _c, _u, message: messages.put(message)
    if login:
        client.username_pw_set(login.user, login.password)
    if ca:
        files = (str(pair.certificate), str(pair.key)) if pair else (None, None)
        client.tls_set(str(ca), *files)
    client.connect(HOST, port)
    client.loop_start()
    try:
        yield client, answers.get(timeout=SECONDS), messages
    finally:
        client.disconnect()
        client.loop_stop()


def _certificate_of(server: MosquittoServer) -> tuple[int, None, Path, Pair]:
    return server.mutual_port, None, server.ca, server.client


ACCEPTED: dict[str, Callable[[MosquittoServer], tuple[Any, ...]]] = {
    "anybody": lambda server: (server.open_port,),
    "password": lambda server: (server.port, broker.READER),
    "password over TLS": lambda server: (server.tls_port, broker.READER, server.ca),
    "client certificate": _certificate_of,
}


@pytest.mark.parametrize("how", ACCEPTED)
def test_mosquitto_sends_the_retained_message_and_the_levels(mosquitto: MosquittoServer, how: str) -> None:
    with _connected(*ACCEPTED[how](mosquitto)) as (client, answer, messages):
        assert answer == "Success"
        client.subscribe("city/#")
        retained = messages.get(timeout=SECONDS)
        assert (retained.topic, retained.retain) == (broker.STATUS, True)
        assert json.loads(retained.payload)["state"] == "up"
        seen: dict[str, dict[str, Any]] = {}
        while len(seen) < broker.STATIONS:
            message = messages.get(timeout=SECONDS)
            assert not message.retain
            seen[message.topic] = json.loads(message.payload)
    assert set(seen) == {f"{broker.LEVELS}/{n}" for n in range(1, broker.STATIONS + 1)}
    level = seen[f"{broker.LEVELS}/1"]
    assert (level["id"], level["name"], level["level"]) == (1, "peilbuis-01", -0.16)
    assert datetime.fromisoformat(level["measured_at"]).tzinfo is not None


def test_mosquitto_publishes_again_and_again(mosquitto: MosquittoServer) -> None:
    with _connected(mosquitto.open_port) as (client, _, messages):
        client.subscribe(f"{broker.LEVELS}/2")
        times = [json.loads(messages.get(timeout=SECONDS).payload)["measured_at"] for _ in range(3)]
    assert times == sorted(times)
    assert times[0] < times[2]


@pytest.mark.parametrize("login", [None, broker.Login(broker.READER.user, "wrong"), broker.Login("nobody", "x")])
def test_mosquitto_refuses_who_has_no_right_password(mosquitto: MosquittoServer, login: broker.Login | None) -> None:
    for port, ca in ((mosquitto.port, None), (mosquitto.tls_port, mosquitto.ca)):
        with _connected(port, login, ca) as (_, answer, _messages):
            assert answer == "Not authorized"


def test_mosquitto_wants_a_client_certificate_of_its_authority(mosquitto: MosquittoServer) -> None:
    for pair in (None, mosquitto.stranger):
        with _connected(mosquitto.mutual_port, None, mosquitto.ca, pair) as (_, answer, _messages):
            # With TLS 1.3 the client's handshake is over before the server has looked at the certificate.
            assert answer == "hung up"


def test_mosquitto_sends_nothing_to_who_may_not_read(mosquitto: MosquittoServer) -> None:
    with (
        _connected(mosquitto.port, broker.OUTSIDER) as (client, answer, messages),
        _connected(mosquitto.port, broker.READER) as (other, _, others),
    ):
        assert answer == "Success"
        client.subscribe("city/#")
        other.subscribe("city/#")
        for _ in range(2 * broker.STATIONS + 1):
            others.get(timeout=SECONDS)
        assert messages.empty()


def test_mosquitto_leaves_nothing(tmp_path: Path) -> None:
    before = descendants()
    with broker.mosquitto(tmp_path) as server:
        started = descendants() - before
        assert living(started)
    for port in (server.port, server.open_port, server.tls_port, server.mutual_port):
        _assert_gone(port, started)


# --- MapServer --------------------------------------------------------------------------------------------------------

WFS = "{http://www.opengis.net/wfs/2.0}"
OWS = "{http://www.opengis.net/ows/1.1}"
GML = "{http://www.opengis.net/gml/3.2}"
MS = "{http://mapserver.gis.umn.edu/mapserver}"
XSD = "{http://www.w3.org/2001/XMLSchema}"


def _wfs(url: str, request: str, **parameters: str) -> Answer:
    asked = {"service": "WFS", "version": "2.0.0", "request": request, **parameters}
    return ask("GET", f"{url}?{urlencode(asked)}")


def test_mapserver_lists_feature_types_with_their_crs(mapserver: MapServer) -> None:
    answer = _wfs(mapserver.url, "GetCapabilities")
    assert answer.status == 200
    root = fromstring(answer.body)
    assert root.attrib["version"] == "2.0.0"
    types = {each.findtext(f"{WFS}Name"): each for each in root.iter(f"{WFS}FeatureType")}
    assert set(types) == {wfs.LEVELS, wfs.STATIONS}
    levels = types[wfs.LEVELS]
    assert levels.findtext(f"{WFS}DefaultCRS") == "urn:ogc:def:crs:EPSG::28992"
    assert "urn:ogc:def:crs:EPSG::4326" in [other.text for other in levels.iter(f"{WFS}OtherCRS")]
    west, south, east, north = dataset.bounds(dataset.rows(mapserver.newest))
    box = levels.find(f"{OWS}WGS84BoundingBox")
    lower = [float(part) for part in box.findtext(f"{OWS}LowerCorner").split()]
    upper = [float(part) for part in box.findtext(f"{OWS}UpperCorner").split()]
    assert lower == pytest.approx([west, south], abs=0.001)
    assert upper == pytest.approx([east, north], abs=0.001)


def test_mapserver_describes_the_columns(mapserver: MapServer) -> None:
    root = fromstring(_wfs(mapserver.url, "DescribeFeatureType", typeNames=wfs.LEVELS).body)
    sequence = next(root.iter(f"{XSD}sequence"))
    assert {element.attrib["name"]: element.attrib["type"] for element in sequence} == {
        "msGeometry": "gml:GeometryPropertyType",
        "id": "integer",
        "name": "string",
        "level": "double",
        "measured_at": "gml:TimeInstantType",
        "inspected_on": "gml:TimeInstantType",
    }


def test_mapserver_counts_without_sending_features(mapserver: MapServer) -> None:
    root = fromstring(_wfs(mapserver.url, "GetFeature", typeNames=wfs.LEVELS, resultType="hits").body)
    assert (root.attrib["numberMatched"], root.attrib["numberReturned"]) == (str(dataset.ROWS), "0")


def test_mapserver_sorts_pages_and_transforms(mapserver: MapServer) -> None:
    newest = fromstring(
        _wfs(mapserver.url, "GetFeature", typeNames=wfs.LEVELS, count="1", sortBy="measured_at DESC").body
    )
    assert newest.attrib["numberReturned"] == "1"
    assert newest.findtext(f".//{MS}measured_at/{GML}timePosition") == dataset.iso(mapserver.newest)
    assert newest.findtext(f".//{GML}pos") == "78000.000000 452000.000000"
    degrees = fromstring(
        _wfs(
            mapserver.url,
            "GetFeature",
            typeNames=wfs.LEVELS,
            count="2",
            startIndex="10",
            srsName="urn:ogc:def:crs:EPSG::4326",
        ).body
    )
    rows = dataset.rows(mapserver.newest)[10:12]
    assert [each.text for each in degrees.iter(f"{MS}name")] == [row.name for row in rows]
    # North comes first, as the register of EPSG has it.
    north, east = map(float, degrees.findtext(f".//{GML}pos").split())
    assert (north, east) == pytest.approx((rows[0].latitude, rows[0].longitude), abs=0.0001)


def test_mapserver_gives_geojson_and_leaves_nulls_out(mapserver: MapServer) -> None:
    answer = _wfs(mapserver.url, "GetFeature", typeNames=wfs.LEVELS, outputFormat="application/json; subtype=geojson")
    features = json.loads(answer.body)["features"]
    assert [feature["properties"]["id"] for feature in features] == list(range(1, dataset.ROWS + 1))
    assert sum("level" not in feature["properties"] for feature in features) == dataset.NULLS
    assert features[0]["properties"] == dataset.rows(mapserver.newest)[0].properties()


def test_mapserver_tells_what_is_wrong(mapserver: MapServer) -> None:
    answer = _wfs(mapserver.url, "GetFeature", typeNames="ms:nothing")
    assert (answer.status, fromstring(answer.body).tag) == (400, f"{OWS}ExceptionReport")
    assert ask("GET", f"http://{HOST}:{mapserver.port}/").status == 404


def test_mapserver_can_be_guarded(tmp_path: Path) -> None:
    def guard(headers: Message) -> tuple[int, dict[str, str]] | None:
        return None if headers.get("X-Api-Key") == "right" else (401, {"WWW-Authenticate": "ApiKey"})

    with wfs.mapserver(tmp_path, START, guard=guard) as server:
        url = f"{server.url}?service=WFS&request=GetCapabilities"
        refused = ask("GET", url)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "ApiKey")
        assert ask("GET", url, headers={"X-Api-Key": "right"}).status == 200


def test_mapserver_can_speak_tls_and_want_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    own, client = authority.server(), authority.client("reader")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    tls.load_cert_chain(own.certificate, own.key)
    tls.verify_mode = ssl.CERT_REQUIRED
    with wfs.mapserver(tmp_path / "mapserver", START, tls=tls) as server:
        assert server.url.startswith("https://")
        url = f"{server.url}?service=WFS&request=GetCapabilities"
        context = ssl.create_default_context(cafile=str(authority.ca))
        with pytest.raises(OSError):  # noqa: PT011 (which one depends on the moment that the server hangs up)
            build_opener(HTTPSHandler(context=context)).open(url, timeout=SECONDS)
        context.load_cert_chain(client.certificate, client.key)
        with build_opener(HTTPSHandler(context=context)).open(url, timeout=SECONDS) as answer:
            assert b"WFS_Capabilities" in answer.read()


def test_mapserver_leaves_nothing(tmp_path: Path) -> None:
    before = descendants()
    with wfs.mapserver(tmp_path, START) as server:
        assert _wfs(server.url, "GetCapabilities").status == 200
    _assert_gone(server.port, descendants() - before)


def _assert_gone(port: int, started: frozenset[tuple[int, str]]) -> None:
    assert not living(started)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, port), timeout=5)
