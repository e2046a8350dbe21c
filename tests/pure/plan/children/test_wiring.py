"""What an app gets of its bound sources: servicebinding.io entries, and a roll-out when one of them changes."""

import re
from base64 import b64decode
from typing import Any, get_args

import pytest
from builders import City, secret, source

from ddtas.data.contract import Credentials, DataKind, Scheme
from ddtas.plan.children.wiring import Wiring

ENTRY_NAME = re.compile(r"[a-z0-9.-]{1,253}")  # servicebinding.io, "Well-known Secret Entries"

ENDPOINTS = {
    DataKind.HTTP_CSV: "https://data.example/levels.csv?year=2024",
    DataKind.HTTP_GEOJSON: "http://data.example:8080/levels.geojson",
    DataKind.HTTP_PARQUET: "https://data.example/levels.parquet",
    DataKind.OGC_API_FEATURES: "https://data.example/ogc/v1",
    DataKind.OGC_EDR: "https://data.example/edr/v1",
    DataKind.WFS: "https://data.example/wfs",
    DataKind.ARCGIS_FEATURE_SERVER: "https://gis.example/arcgis/rest/services/levels/FeatureServer/0",
    DataKind.SENSORTHINGS: "https://data.example/v1.1",
    DataKind.NGSI_LD: "https://data.example/ngsi-ld/v1",
    DataKind.POSTGRESQL: "postgresql://db.example/city%20data",
    DataKind.MQTT: "mqtt://broker.example",
    DataKind.GEOPACKAGE: "https://files.example/levels.gpkg",
    DataKind.HTTP_JSON: "https://data.example/levels",
    DataKind.S3: "https://s3.example/bucket",
    DataKind.TILES_3D: "https://data.example/tileset.json",
}
SECRETS = {
    "Basic": {"username": "u", "password": "p"},
    "Bearer": {"token": "t"},
    "ApiKey": {"api-key": "k"},
    "OAuth2ClientCredentials": {"client-id": "i", "client-secret": "s"},
    "MutualTLS": {"tls.crt": "c", "tls.key": "k"},
    "SigV4": {"access-key-id": "i", "secret-access-key": "s"},
}


def wired(values: dict[str, str] | None = None, auth: dict[str, str] | None = None, **changes: Any) -> Wiring:
    """A wiring of the example's source; `auth` are the fields of its credentials, `values` what the Secret holds."""
    credentials = {"secretName": "water-board", **auth} if auth else None
    return Wiring(
        "levels", source(**{"credentials": credentials} | changes), secret(**values) if values is not None else None
    )


def entries(wiring: Wiring) -> dict[str, str]:
    found = wiring.entries()
    assert all(ENTRY_NAME.fullmatch(name) for name in found)
    return {name: b64decode(value).decode() for name, value in found.items()}


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        (DataKind.HTTP_CSV, {"host": "data.example", "port": "443"}),
        (DataKind.HTTP_GEOJSON, {"host": "data.example", "port": "8080"}),
        (DataKind.HTTP_PARQUET, {"host": "data.example", "port": "443"}),
        (DataKind.OGC_API_FEATURES, {"host": "data.example", "port": "443"}),
        (DataKind.OGC_EDR, {"host": "data.example", "port": "443"}),
        (DataKind.WFS, {"host": "data.example", "port": "443"}),
        (DataKind.ARCGIS_FEATURE_SERVER, {"host": "gis.example", "port": "443"}),
        (DataKind.SENSORTHINGS, {"host": "data.example", "port": "443"}),
        (DataKind.NGSI_LD, {"host": "data.example", "port": "443"}),
        (DataKind.POSTGRESQL, {"host": "db.example", "port": "5432", "database": "city data"}),
        (DataKind.MQTT, {"host": "broker.example", "port": "1883"}),
        (DataKind.GEOPACKAGE, {"host": "files.example", "port": "443"}),
        (DataKind.HTTP_JSON, {"host": "data.example", "port": "443"}),
        (DataKind.S3, {"host": "s3.example", "port": "443"}),
        (DataKind.TILES_3D, {"host": "data.example", "port": "443"}),
    ],
)
def test_each_kind_has_its_place(kind: DataKind, place: dict[str, str]) -> None:
    found = entries(wired(kind=kind.value, endpoint=ENDPOINTS[kind], physicalName="Levels"))
    assert found == {
        "type": kind.value,
        "provider": "river-gauge",
        "uri": ENDPOINTS[kind],
        "physical-name": "Levels",
        **place,
    }


def test_every_kind_is_in_the_table() -> None:
    assert set(ENDPOINTS) == set(DataKind)
    assert set(SECRETS) == set(get_args(Scheme))


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("http://data.example/x", {"host": "data.example", "port": "80"}),
        ("https://DATA.example:8443/x", {"host": "data.example", "port": "8443"}),
        ("https://[2001:db8::1]/x", {"host": "2001:db8::1", "port": "443"}),
        ("https://[2001:db8::1]:8443/x", {"host": "2001:db8::1", "port": "8443"}),
        ("https://127.0.0.1", {"host": "127.0.0.1", "port": "443"}),
        ("mqtts://broker.example", {"host": "broker.example", "port": "8883"}),
        ("mqtt://broker.example:11883", {"host": "broker.example", "port": "11883"}),
        ("postgresql://db.example:6432/", {"host": "db.example", "port": "6432"}),
        ("http://data.example:99999/x", {}),
        ("http://data.example:x/", {}),
        ("http://[/", {}),
        ("http:///x", {}),
        ("http://?x", {}),
    ],
)
def test_host_and_port_are_those_of_the_endpoint(endpoint: str, place: dict[str, str]) -> None:
    kind = {"postgresql": "postgresql", "mqtt": "mqtt", "mqtts": "mqtt"}.get(endpoint.partition(":")[0], "wfs")
    found = entries(wired(kind=kind, endpoint=endpoint))
    assert {name: found[name] for name in ("host", "port", "database") if name in found} == place
    assert found["uri"] == endpoint


@pytest.mark.parametrize(
    ("auth", "settings"),
    [
        ({"scheme": "Basic"}, {}),
        ({"scheme": "Bearer"}, {}),
        ({"scheme": "ApiKey"}, {"header": "X-Api-Key"}),
        ({"scheme": "ApiKey", "header": "Ocp-Key"}, {"header": "Ocp-Key"}),
        (
            {"scheme": "OAuth2ClientCredentials", "tokenUrl": "https://id.example/token"},
            {"token-uri": "https://id.example/token"},
        ),
        (
            {"scheme": "OAuth2ClientCredentials", "tokenUrl": "https://id.example/token", "scope": "a b"},
            {"token-uri": "https://id.example/token", "scope": "a b"},
        ),
        ({"scheme": "MutualTLS"}, {}),
        ({"scheme": "SigV4"}, {"region": "us-east-1"}),
        ({"scheme": "SigV4", "region": "eu-west-1"}, {"region": "eu-west-1"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("authority", [{}, {"ca.crt": "ca"}])
def test_credentials_come_with_what_one_must_know_to_use_them(
    auth: dict[str, str], settings: dict[str, str], authority: dict[str, str]
) -> None:
    plain = set(entries(wired()))
    values = SECRETS[auth["scheme"]] | authority
    found = entries(wired(values | {"another": "key", "type": "x"}, auth))
    assert {name: value for name, value in found.items() if name not in plain} == values | settings
    assert found["type"] == "http-csv"


def test_the_keys_of_a_secret_hide_no_other_entry() -> None:
    own = {"type", "provider", "uri", "physical-name", "host", "port", "database"}
    own |= {"header", "token-uri", "scope", "region"}
    for scheme in get_args(Scheme):
        credentials = Credentials(secret_name="x", scheme=scheme)
        assert own.isdisjoint(credentials.keys + credentials.optional_keys)


OAUTH = {"scheme": "OAuth2ClientCredentials", "tokenUrl": "https://id.example/token", "scope": "a"}
CHANGES = {
    "endpoint": ({"endpoint": "https://other.example/"}, {}, {}),
    "port": ({"endpoint": "https://data.example:8443/"}, {}, {}),
    "physicalName": ({"physicalName": "another"}, {}, {}),
    "kind": ({"kind": "wfs"}, {}, {}),
    "name": ({"name": "another"}, {}, {}),
    "client-id": ({}, {"client-id": "new"}, {}),
    "client-secret": ({}, {"client-secret": "new"}, {}),
    "ca.crt": ({}, {"ca.crt": "new"}, {}),
    "tokenUrl": ({}, {}, {"tokenUrl": "https://new.example/token"}),
    "scope": ({}, {}, {"scope": "b"}),
    "scheme": ({}, SECRETS["Basic"], {"scheme": "Basic"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_apps_get_changes_with_each_entry(what: str) -> None:
    changes, values, auth = CHANGES[what]
    before = wired(SECRETS["OAuth2ClientCredentials"], OAUTH, endpoint="https://data.example/", physicalName="x")
    after = wired(
        SECRETS["OAuth2ClientCredentials"] | values,
        OAUTH | auth,
        **{"endpoint": "https://data.example/", "physicalName": "x"} | changes,
    )
    assert before.entries() != after.entries()


def test_what_apps_get_does_not_change_with_what_is_no_entry() -> None:
    before, after = (
        wired(SECRETS["Bearer"] | extra, {"scheme": "Bearer"}, title=title)
        for extra, title in (({}, "One"), ({"note": "x"}, "Another"))
    )
    assert before.entries() == after.entries()


def test_a_wiring_shows_no_secret() -> None:
    wiring = wired({"token": "s3cr3t"}, {"scheme": "Bearer"})
    assert "s3cr3t" not in repr(wiring)
    assert wiring.entries()["token"] not in repr(wiring)


def edit_source(city: City, **changes: Any) -> None:
    assert isinstance(city.platform, dict)
    city.platform["spec"]["dataSources"][0].update(changes)


def move(city: City) -> None:
    edit_source(city, endpoint="https://elsewhere.example:8443/discharge.csv")


def rename(city: City) -> None:
    edit_source(city, physicalName="discharge")


def other_scheme(city: City) -> None:
    edit_source(city, credentials={"secretName": "water-board", "scheme": "ApiKey"})
    city.secrets["water-board"] = secret(**SECRETS["ApiKey"])


def other_header(city: City) -> None:
    other_scheme(city)
    edit_source(city, credentials={"secretName": "water-board", "scheme": "ApiKey", "header": "Ocp-Key"})


def rotate(city: City) -> None:
    city.secrets["water-board"] = secret(username="new", password="new")


def trust(city: City) -> None:
    city.secrets["water-board"] = secret(username="voorbeeldstad", password="only-for-this-test", **{"ca.crt": "new"})


@pytest.mark.parametrize("change", [move, rename, other_scheme, other_header, rotate, trust])
def test_a_change_of_an_entry_rolls_the_app_and_runs_nothing_again(change: Any) -> None:
    city = City()
    before = city.serving()
    change(city)
    plan = city.decide()
    assert plan.revision == before.revision
    changed = {d.key[0] for d, e in zip(plan.desired, before.desired, strict=True) if d != e}
    assert changed - {"NetworkPolicy"} == {"Secret", "Deployment"}, "and the way to another address is opened"
    city.roll_out()
    assert city.settle().serving == before.serving
    assert len(city.started) == 2  # a calibration and a validation
