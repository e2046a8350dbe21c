"""Credentials against servers that give them back: nowhere that the operator writes may they be found."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attacks_servers as servers
import cluster_apps as apps
import pytest
import yaml
from attacks_canary import Canary, Processes, leaks, written
from attacks_servers import EchoServer, HostileCluster, RawServer
from cluster_city import City
from cluster_kit import KINDS, JsonObject, condition, eventually
from servers.certificates import Authority
from servers.mosquitto import READER as READER_OF_BROKER
from servers.mosquitto import mosquitto
from servers.postgresql import READER as READER_OF_DATABASE
from servers.postgresql import postgresql
from servers.s3 import s3

PLATFORM = KINDS["MunicipalityPlatform"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One whose certificates the operator is told to trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def tls(authority: Authority) -> ssl.SSLContext:
    """A server of it."""
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    """Gives back what it is told."""
    server = EchoServer()
    yield server
    server.stop()


@pytest.fixture
def other() -> Iterator[EchoServer]:
    """Another origin, to which nothing may come."""
    server = EchoServer()
    yield server
    server.stop()


def probed(city: City, count: int) -> dict[str, JsonObject]:
    """Wait until each source was looked at; what is said of them by name."""

    def look() -> dict[str, JsonObject] | None:
        found = city.cluster.get(PLATFORM, city.namespace, "oup").get("status", {}).get("dataSources", [])
        seen = {one["name"]: one for one in found if one.get("reason") != "Probing"}
        return seen if len(seen) == count else None

    sources: dict[str, JsonObject] = city.cluster.wait(f"looks at {count} sources", look, city.namespace)
    return sources


def attack(city: City, canaries: dict[str, Canary], *sources: JsonObject) -> dict[str, JsonObject]:
    """Have them looked at, by a platform with an Installation that is bound to the first; what is said of them."""
    operator = city.operator(log_level="DEBUG").start()
    with Processes(operator) as processes:
        city.store()
        city.platform(*sources)
        city.install(bindings=[{"requirement": "series", "dataSource": sources[0]["name"]}])
        said = probed(city, len(sources))
        city.settled_but_for_looks(1.5)
    assert leaks(canaries.values(), [*written(city, operator), *processes.seen()]) == []
    return said


def test_what_servers_say_over_http_gives_no_credential_away(city: City, echo: EchoServer, other: EchoServer) -> None:
    echo.elsewhere = other.url()
    canaries = {key: Canary.of(key) for key in ("password", "token", "api-key", "client-secret", "secret-access-key")}
    schemes: dict[str, JsonObject] = {
        "Basic": {"username": "somebody", "password": canaries["password"].value},
        "Bearer": {"token": canaries["token"].value},
        "ApiKey": {"api-key": canaries["api-key"].value},
        "OAuth2ClientCredentials": {"client-id": "somebody", "client-secret": canaries["client-secret"].value},
        "SigV4": {"access-key-id": "SOMEBODY", "secret-access-key": canaries["secret-access-key"].value},
    }
    for scheme, values in schemes.items():
        city.cluster.apply(apps.credentials(city.namespace, scheme.lower(), **values))

    def source(name: str, kind: str, path: str, scheme: str, **more: Any) -> JsonObject:
        given = {"secretName": scheme.lower(), "scheme": scheme} | more.pop("auth", {})
        return apps.source(echo.url(path), name, kind=kind, credentials=given, **more)

    paths = ("400", "401", "403", "404", "500", "column.csv", "value.csv", "type", "encoding", "html", "scheme")
    paths += ("301.csv", "302.csv", "307.csv", "308.csv")  # type: ignore[assignment]
    sources = [source(f"a{n}", "http-csv", f"/{path}", "Basic") for n, path in enumerate(paths)]
    sources += [source(f"b{n}", "http-csv", f"/{path}", "Bearer") for n, path in enumerate(paths)]
    sources += [source(f"c{n}", "http-csv", f"/{p}", "ApiKey") for n, p in enumerate(("column.csv", "308.csv", "500"))]
    token_url = {"auth": {"tokenUrl": echo.url("/token")}}
    sources += [
        source("d0", "http-csv", "/column.csv", "OAuth2ClientCredentials", **token_url),
        source("d1", "http-csv", "/column.csv", "OAuth2ClientCredentials", auth={"tokenUrl": echo.url("/307")}),
        source("e0", "http-geojson", "/features", "Bearer"),
        source("e1", "wfs", "/wfs", "Bearer", physicalName="a:b"),
        source("e2", "sensorthings", "/things", "Bearer"),
        source("e3", "ogc-api-features", "/ogc", "Bearer", physicalName="a"),
        source("f0", "s3", "/bucket/prefix/", "SigV4"),
        source("f1", "s3", "/307/prefix/", "SigV4"),
        source("f2", "s3", "/301/prefix/object.csv", "SigV4"),
    ]
    said = attack(city, canaries, *sources)
    assert "back" in said["a5"]["message"], said["a5"]
    came = [(path, headers) for _, path, headers in other.heard]
    assert came, "nobody followed a redirect, so this shows nothing"
    for path, headers in came:
        assert not {"Authorization", "X-Api-Key", "X-Amz-Date"} & set(headers), f"{path} had credentials"
    assert {path.partition("?")[0] for path, _ in came} >= {"/301.csv", "/302.csv", "/307.csv", "/308.csv"}


def test_brokers_and_databases_give_no_credential_away(city: City, authority: Authority, tls: ssl.SSLContext) -> None:
    talks = {
        "telling": (servers.broker_that_tells, "mqtt", "mqtt://{}"),
        "refusing": (servers.broker_that_refuses, "mqtt", "mqtt://{}"),
        "plain": (servers.broker_that_tells, "mqtt", "mqtts://{}"),
        "cleartext": (servers.database_wants_password, "postgresql", "postgresql://{}/data?sslmode=disable"),
        "md5": (servers.database_wants_md5, "postgresql", "postgresql://{}/data?sslmode=disable"),
        "no-tls": (servers.database_wants_password, "postgresql", "postgresql://{}/data?sslmode=require"),
        "unproven": (servers.database_with_tls_tells, "postgresql", "postgresql://{}/data?sslmode=require"),
        "proven": (servers.database_with_tls_tells, "postgresql", "postgresql://{}/data?sslmode=verify-full"),
    }
    canaries = {name: Canary.of(name) for name in talks}
    running = {name: RawServer(talk, tls) for name, (talk, _, _) in talks.items()}
    sources = []
    for name, (_, kind, endpoint) in talks.items():
        trust = {"ca.crt": authority.ca.read_text()} if kind == "postgresql" else {}
        secret = {"username": "somebody", "password": canaries[name].value} | trust
        city.cluster.apply(apps.credentials(city.namespace, name, **secret))
        where = endpoint.format(f"127.0.0.1:{running[name].port}")
        given = {"secretName": name, "scheme": "Basic"}
        more = {"physicalName": "a/#" if kind == "mqtt" else "public.levels"}
        sources.append(apps.source(where, name, kind=kind, credentials=given, **more))
    said = attack(city, canaries, *sources)
    for name, server in running.items():
        server.stop()
        heard = server.received.decode(errors="replace")
        # Who was told: the broker of a mqtt:// endpoint, as it says there, and the database that proved who it is.
        assert canaries[name].found_in(heard) == (name in ("telling", "refusing", "proven")), f"{name}: {said[name]}"
    assert said["cleartext"]["reason"] == said["md5"]["reason"] == "Unauthorized"


def _kubeconfig(server: str, authority: Authority, token: str) -> str:
    entry = {"server": server, "certificate-authority-data": b64encode(authority.ca.read_bytes()).decode()}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": entry}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "twins"}}],
            "current-context": "x",
        }
    )


def test_a_citys_api_server_can_neither_redirect_nor_repeat_the_token(
    city: City, authority: Authority, tls: ssl.SSLContext
) -> None:
    """It answers each request, only the watches, or only the writes in that way; credentials never follow."""
    stranger = HostileCluster(tls, lambda request: False)
    ways = {f"redirect-{status}": servers.redirects(status, stranger.url) for status in (301, 302, 303, 307, 308)}
    ways |= {f"redirect-watch-{s}": servers.redirects(s, stranger.url, "watch=true") for s in (302, 307, 308)}
    ways |= {
        "repeat-401": servers.repeats(401),
        "repeat-403": servers.repeats(403),
        "repeat-500": servers.repeats(500),
        "repeat-write-403": servers.repeats(403, "PATCH"),
        "repeat-write-422": servers.repeats(422, "PATCH"),
    }
    canaries = {name: Canary.of(name) for name in ways}
    clusters = {name: HostileCluster(tls, answer) for name, answer in ways.items()}
    operator = city.operator(log_level="DEBUG").start()
    city.store()
    with Processes(operator) as processes:
        for name, cluster in clusters.items():
            secret = _kubeconfig(cluster.url, authority, canaries[name].value)
            city.cluster.apply(apps.credentials(city.namespace, name, kubeconfig=secret))
            source = apps.source(city.supplier.url())
            spec = {"cluster": {"kubeconfigSecret": {"name": name}}}
            city.cluster.apply(apps.platform(city.namespace, source, name=name, **spec))
            city.install(f"i-{name}", platform=name)

        def judged() -> bool:
            bodies = [city.cluster.get(PLATFORM, city.namespace, name) for name in clusters]
            return all(
                condition(b, "ClusterReachable").get("reason") not in (None, "ClusterConnecting") for b in bodies
            )

        eventually("verdict on each cluster", judged)
        city.settled_but_for_looks(2)
    for cluster in (*clusters.values(), stranger):
        cluster.stop()
    assert stranger.heard == [], "a redirect was followed"
    assert all(cluster.heard for cluster in clusters.values())
    assert leaks(canaries.values(), [*written(city, operator), *processes.seen()]) == []


def test_real_servers_learn_and_tell_nothing_either(city: City, tmp_path: Path) -> None:
    """PostgreSQL, mosquitto and an S3 server: with the credentials that they know, and with others."""
    with (
        postgresql(tmp_path / "postgresql") as database,
        mosquitto(tmp_path / "mosquitto") as broker,
        s3(tmp_path / "s3") as store,
    ):
        wrong = Canary.of("a password that nobody has")
        known = {
            "mqtt": Canary("the broker's password", READER_OF_BROKER.password),
            "postgresql": Canary("the database's password", READER_OF_DATABASE.password),
            "s3": Canary("the store's key", store.reader.secret_key),
        }
        places = {
            "mqtt": (broker.url, "city/#"),
            "postgresql": (f"{database.url}?sslmode=disable", "waterdata.levels"),
            "s3": (f"{store.url}/{store.bucket}/", None),
        }
        sources = []
        for kind, canary in known.items():
            for way, value in (("right", canary.value), ("wrong", wrong.value)):
                user = {"s3": store.reader.access_key}.get(kind, "reader")
                keys = ("access-key-id", "secret-access-key") if kind == "s3" else ("username", "password")
                name = f"{kind}-{way}"
                city.cluster.apply(
                    apps.credentials(city.namespace, name, **dict(zip(keys, (user, value), strict=True)))
                )
                given = {"secretName": name, "scheme": "SigV4" if kind == "s3" else "Basic"}
                given |= {"region": store.region} if kind == "s3" else {}
                endpoint, physical = places[kind]
                more = {"physicalName": physical} if physical else {}
                sources.append(apps.source(endpoint, name, kind=kind, credentials=given, **more))
        said = attack(city, {**known, "wrong": wrong}, *sources)
    for kind in known:
        assert said[f"{kind}-right"]["state"] == "Reachable", said[f"{kind}-right"]
        assert said[f"{kind}-wrong"]["reason"] == "Unauthorized", said[f"{kind}-wrong"]
