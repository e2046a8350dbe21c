"""The probe of PostgreSQL against a real one with PostGIS: facts, rights, TLS, and what a look costs."""

import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import psycopg
import pytest
from servers import dataset
from servers import postgresql as database
from servers.certificates import Authority, Pair
from servers.postgresql import PostgreSQLServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind, Extent, GeometryType
from ddtas.data.kinds.postgresql.probe import SAMPLE_ROWS, SMALL_ROWS
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
LEVELS = f"{database.SCHEMA}.{database.TABLE}"
VISITS = f"{database.SCHEMA}.{database.PLAIN_TABLE}"
NO_PLACE = {"geometryType", "crs", "extent"}


def look_at(
    url: str,
    table: str,
    secret: Mapping[str, str] | database.Login | None = database.READER,
    *,
    scheme: str = "Basic",
    limits: Limits = Limits(),  # noqa: B008 (immutable)
    contract: DataContract = DataContract(version="1.0.0"),  # noqa: B008
) -> ProbeSession:
    values = password(secret) if isinstance(secret, database.Login) else secret
    auth = Credentials.model_validate({"secretName": "database", "scheme": scheme}) if values else None
    return ProbeSession(Target(DataKind.POSTGRESQL, url, contract, table, auth, values), limits, LOOPBACK)


def password(login: database.Login, **more: str) -> dict[str, str]:
    return {"username": login.user, "password": login.password, **more}


def certificate(pair: Pair) -> dict[str, str]:
    return {"tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()}


async def probe(session: ProbeSession) -> SourceFacts:
    return await CONFINED[session.target.kind](session)


async def refusal(session: ProbeSession) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await probe(session)
    assert "secret" not in caught.value.message
    assert "peilbuis" not in caught.value.message
    return caught.value


def unknown(facts: SourceFacts) -> set[str]:
    return {one.fact for one in facts.unknown}


@pytest.fixture(scope="module")
def more(postgresql: PostgreSQLServer) -> Iterator[PostgreSQLServer]:
    """The server with a schema of all sorts of tables; it is gone afterwards."""
    reader = database.READER.user
    postgresql.execute(
        "CREATE SCHEMA odd",
        f"GRANT USAGE ON SCHEMA odd TO {reader}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA odd GRANT SELECT ON TABLES TO {reader}",
        # Bigger than what is looked at as a whole; one station, ten minutes.
        "CREATE TABLE odd.big AS SELECT g AS id, timestamptz '2020-01-01Z' + g * interval '10 minutes' AS at,"
        " nullif(g % 4, 0) AS quarter FROM generate_series(1, 200000) g",
        "CREATE TABLE odd.indexed AS SELECT * FROM odd.big",
        "CREATE INDEX ON odd.indexed (at, id)",
        "CREATE TABLE odd.stale AS SELECT * FROM odd.big WHERE id < 10",
        "ANALYZE odd.big, odd.indexed, odd.stale",
        # The statistics are of before.
        "INSERT INTO odd.stale SELECT * FROM odd.big",
        "CREATE TABLE odd.empty (at date, geom geometry(MultiPolygonZ, 7415))",
        'CREATE TABLE odd."Capitals and spaces" ("when" timestamp, "not a name" int, "a""quote" int, "Fine-1.2" int)',
        "INSERT INTO odd.\"Capitals and spaces\" VALUES ('infinity', 1, 1, 1), ('2024-05-01 12:00', 1, 1, 1)",
        "CREATE DOMAIN odd.level AS numeric(6, 2)",
        "CREATE TABLE odd.types (a smallint, b numeric(8), c odd.level, d boolean, e jsonb, f text[], g uuid, h time,"
        " i real, j odd.big, k varchar(3))",
        "CREATE TABLE odd.mixed (geom geometry)",
        "INSERT INTO odd.mixed VALUES ('SRID=28992;POINT(1 2)'), ('SRID=4326;POINT(5 52)'), (NULL)",
        "CREATE TABLE odd.shapes (geom geometry)",
        "INSERT INTO odd.shapes VALUES ('SRID=4326;POLYGON((4 52,5 52,5 53,4 52))'),"
        " ('SRID=4326;MULTIPOLYGON(((4 51,5 51,5 52,4 51)))')",
        "CREATE TABLE odd.globe (place geography(Point))",
        "INSERT INTO odd.globe VALUES ('POINT(4.25 52.125)')",
        "CREATE TABLE odd.parts (at date, value int) PARTITION BY RANGE (at)",
        "CREATE TABLE odd.parts_1 PARTITION OF odd.parts FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
        "CREATE TABLE odd.parts_2 PARTITION OF odd.parts FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')",
        "INSERT INTO odd.parts SELECT date '2024-01-20' + n, n FROM generate_series(0, 19) n",
        "CREATE VIEW odd.view AS SELECT * FROM waterdata.levels",
        "CREATE VIEW odd.big_view AS SELECT * FROM odd.indexed",
        "CREATE VIEW odd.slow AS SELECT 1 AS id, pg_sleep(30)::text AS text",
        "CREATE VIEW odd.broken AS SELECT 1 / (id - id) AS nothing FROM odd.big",
        "CREATE FUNCTION odd.writes() RETURNS int LANGUAGE sql AS 'INSERT INTO odd.empty VALUES (NULL); SELECT 1'",
        "CREATE VIEW odd.writing AS SELECT odd.writes() AS one",
        "CREATE VIEW odd.one_column AS SELECT id, name FROM waterdata.levels",
        f"REVOKE ALL ON odd.one_column FROM {reader}",
        f"GRANT SELECT (id) ON odd.one_column TO {reader}",
    )
    try:
        yield postgresql
    finally:
        postgresql.execute("DROP SCHEMA odd CASCADE")


async def test_a_table_with_points(postgresql: PostgreSQLServer) -> None:
    session = look_at(postgresql.url, LEVELS)
    facts = await probe(session)
    rows = dataset.rows(postgresql.newest)
    assert [(field.name, field.type, field.empty) for field in facts.fields] == [
        ("id", "integer", 0),
        ("name", "string", 0),
        ("level", "number", dataset.NULLS),
        ("measured_at", "timestamp", 0),
        ("inspected_on", "date", 0),
    ]
    assert (facts.records, facts.sampled) == (dataset.ROWS, dataset.ROWS)
    assert facts.geometry_type is GeometryType.POINT
    assert facts.crs == ("EPSG:28992",)
    xs, ys = [row.x for row in rows], [row.y for row in rows]
    box = tuple(f"{number:.0f}" for number in (min(xs), min(ys), max(xs), max(ys)))
    assert facts.extent == Extent(crs="EPSG:28992", bbox=box)
    assert (facts.first, facts.last) == (dataset.iso(rows[0].measured_at), dataset.iso(postgresql.newest))
    assert facts.time_resolution == "PT1H"
    with psycopg.connect(postgresql.dsn(database.OWNER)) as connection:
        found = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (LEVELS,)).fetchone()
    assert found == (facts.size_bytes,)
    assert facts.latency_milliseconds is not None
    assert facts.unknown == ()
    assert session.requests == 3  # the connection and two questions
    assert 0 < session.received < 20_000


async def test_a_table_without_geometry(postgresql: PostgreSQLServer) -> None:
    facts = await probe(look_at(postgresql.url, VISITS, database.PARTIAL))
    stations = dataset.stations(dataset.rows(postgresql.newest))
    assert [(field.name, field.type, field.empty) for field in facts.fields] == [
        ("id", "integer", 0),
        ("station", "string", 0),
        ("visited_on", "date", 0),
        ("remark", "string", dataset.STATIONS),
    ]
    assert facts.records == dataset.STATIONS
    assert facts.first == stations[0].inspected_on.isoformat()
    assert facts.last == (stations[0].inspected_on + timedelta(days=30 * (dataset.STATIONS - 1))).isoformat()
    assert facts.time_resolution == "P30D"
    assert unknown(facts) == NO_PLACE


async def test_the_contract_says_which_column_is_the_time(postgresql: PostgreSQLServer) -> None:
    contract = DataContract.model_validate(
        {"version": "1.0.0", "fields": [{"name": "inspected_on", "type": "date"}, {"name": "level", "type": "date"}]}
    )
    facts = await probe(look_at(postgresql.url, LEVELS, contract=contract))
    assert facts.first == "2024-01-01"
    assert facts.time_resolution == "P30D"


async def test_nothing_can_be_written(more: PostgreSQLServer) -> None:
    error = await refusal(look_at(more.url, "odd.writing"))
    assert error.reason == "ErrorReported"
    assert "25006" in error.message  # read_only_sql_transaction
    with psycopg.connect(more.dsn(database.OWNER)) as connection:
        assert connection.execute("SELECT count(*) FROM odd.empty").fetchone() == (0,)


@pytest.mark.parametrize(("table", "indexed"), [("odd.big", False), ("odd.indexed", True), ("odd.stale", False)])
async def test_a_table_that_is_too_big(more: PostgreSQLServer, table: str, indexed: bool) -> None:
    session = look_at(more.url, table)
    facts = await probe(session)
    assert facts.records is None
    assert facts.time_resolution == "PT10M"
    assert "100000 rows" in (facts.why_unknown("records") or "")
    if indexed:
        assert (facts.first, facts.last) == ("2020-01-01T00:10:00Z", "2023-10-20T21:20:00Z")
    else:
        assert (facts.first, facts.last) == (None, None)
    assert unknown(facts) == NO_PLACE | {"records"} | (set() if indexed else {"first", "last"})
    assert {field.name for field in facts.fields} == {"id", "at", "quarter"}
    # Stale statistics promised a small table: more than a sample was read, and still not all.
    assert facts.sampled == (SMALL_ROWS + 1 if table == "odd.stale" else SAMPLE_ROWS)
    assert next(field.empty for field in facts.fields if field.name == "quarter") in range(240, 25_100)
    assert session.requests == 3
    assert session.received < 60_000


async def test_an_empty_table(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.empty"))
    assert (facts.records, facts.sampled, facts.first, facts.last) == (0, 0, None, None)
    assert facts.geometry_type is GeometryType.MULTI_POLYGON  # the type of the column says so
    assert unknown(facts) >= {"extent", "first", "last", "timeResolution"}


async def test_names_that_are_quoted(more: PostgreSQLServer) -> None:
    contract = DataContract(version="1.0.0", time_zone="Europe/Amsterdam")  # of a column without a time zone
    facts = await probe(look_at(more.url, "odd.Capitals and spaces", contract=contract))
    assert [(field.name, field.type) for field in facts.fields] == [("when", "timestamp"), ("Fine-1.2", "integer")]
    assert (facts.first, facts.last) == ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z")  # infinity is no moment
    zoneless = await probe(look_at(more.url, "odd.Capitals and spaces"))
    assert (zoneless.first, zoneless.last) == (None, None)
    assert "times in when have no offset" in (zoneless.why_unknown("first") or "")


async def test_types(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.types"))
    assert {field.name: field.type.value for field in facts.fields} == {
        "a": "integer",
        "b": "integer",
        "c": "number",
        "d": "boolean",
        "e": "object",
        "f": "array",
        "g": "string",
        "h": "string",
        "i": "number",
        "j": "object",
        "k": "string",
    }
    assert unknown(facts) == NO_PLACE | {"first", "last", "timeResolution"}


async def test_geometries_of_several_systems(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.mixed"))
    assert facts.geometry_type is GeometryType.POINT
    assert (facts.crs, facts.extent) == ((), None)
    assert "SRID" in (facts.why_unknown("crs") or "")


async def test_geometries_that_the_column_does_not_tell_of(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.shapes"))
    assert facts.geometry_type is GeometryType.MULTI_POLYGON
    assert facts.extent == Extent(crs="EPSG:4326", bbox=("4", "51", "5", "53"))


async def test_geography(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.globe"))
    assert facts.geometry_type is GeometryType.POINT
    assert facts.extent == Extent(crs="EPSG:4326", bbox=("4.25", "52.125", "4.25", "52.125"))


async def test_partitions(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.parts"))
    assert (facts.records, facts.first, facts.last, facts.time_resolution) == (20, "2024-01-20", "2024-02-08", "P1D")
    assert facts.size_bytes is not None
    assert facts.size_bytes > 0


async def test_views(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.view"))
    assert (facts.records, facts.crs, facts.time_resolution) == (dataset.ROWS, ("EPSG:28992",), "PT1H")
    assert unknown(facts) == {"sizeBytes"}
    facts = await probe(look_at(more.url, "odd.big_view"))
    assert (facts.records, facts.sampled, facts.first, facts.time_resolution) == (None, SAMPLE_ROWS, None, "PT10M")


async def test_only_columns_that_the_user_may_read(more: PostgreSQLServer) -> None:
    facts = await probe(look_at(more.url, "odd.one_column"))
    assert [field.name for field in facts.fields] == ["id"]
    assert facts.records == dataset.ROWS


async def test_a_function_of_that_name_elsewhere_is_not_called(postgresql: PostgreSQLServer) -> None:
    """What somebody puts into the search path of a user, or into public, is not what the probe calls."""
    user = database.READER.user
    postgresql.execute(
        "CREATE SCHEMA trap",
        f"GRANT USAGE ON SCHEMA trap TO {user}",
        "CREATE FUNCTION trap.count(int) RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'",
        "CREATE FUNCTION trap.st_srid(geometry) RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'",
        f"ALTER ROLE {user} SET search_path = trap, pg_catalog",
    )
    try:
        assert (await probe(look_at(postgresql.url, LEVELS))).unknown == ()
    finally:
        postgresql.execute(f"ALTER ROLE {user} RESET search_path", "DROP SCHEMA trap CASCADE")


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        (f"{database.SCHEMA}.nothing", f"{LEVELS}, {VISITS}"),
        ("nothing", "'public.nothing'"),
        ("nowhere.levels", "'nowhere.levels'"),
        (f'{database.SCHEMA}.levels"; DROP TABLE x; --', LEVELS),
        (f"{database.SCHEMA}.LEVELS", LEVELS),
        ("levels", LEVELS),
    ],
)
async def test_a_table_that_is_not_there(postgresql: PostgreSQLServer, table: str, shown: str) -> None:
    session = look_at(postgresql.url, table)
    error = await refusal(session)
    assert error.reason == "EntityNotFound"
    assert shown in error.message
    assert "spatial_ref_sys" not in error.message  # it belongs to PostGIS
    assert session.requests == 3


async def test_a_database_that_is_not_there(postgresql: PostgreSQLServer) -> None:
    error = await refusal(look_at(f"{postgresql.url}x", LEVELS))
    assert (error.reason, "no such database" in error.message) == ("EntityNotFound", True)


@pytest.mark.parametrize(
    ("login", "parameters"),
    [
        (database.PARTIAL, ""),  # reads another table
        (database.OUTSIDER, ""),
        (database.Login(database.READER.user, "another-secret"), ""),
        (database.Login("nobody", "secret"), ""),
        (database.TLS_ONLY, "?sslmode=disable"),
        (None, ""),
        (None, f"?user={database.READER.user}"),
    ],
)
async def test_who_may_not_read_it(postgresql: PostgreSQLServer, login: database.Login | None, parameters: str) -> None:
    assert (await refusal(look_at(postgresql.url + parameters, LEVELS, login))).reason == "Unauthorized"


async def test_a_server_that_proves_who_it_is(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    ours = password(database.READER, **{"ca.crt": postgresql.ca.read_text()})
    assert (await probe(look_at(postgresql.url, LEVELS, ours))).records == dataset.ROWS
    named = postgresql.url.replace("127.0.0.1", "localhost")
    assert (await probe(look_at(named, LEVELS, ours))).records == dataset.ROWS
    theirs = password(database.READER, **{"ca.crt": Authority(tmp_path).ca.read_text()})
    assert (await refusal(look_at(postgresql.url, LEVELS, theirs))).reason == "Unreachable"
    public = f"{postgresql.url}?sslmode=verify-full"
    assert (await refusal(look_at(public, LEVELS))).reason == "Unreachable"
    other_name = postgresql.url.replace("127.0.0.1", "127.0.0.2")  # nobody is there; the certificate is for .1
    assert (await refusal(look_at(other_name, LEVELS, ours))).reason == "Unreachable"


async def test_without_tls_only_when_asked_for(postgresql: PostgreSQLServer) -> None:
    assert (await probe(look_at(f"{postgresql.url}?sslmode=disable", LEVELS))).records == dataset.ROWS
    log = postgresql.log.read_text()
    assert "application_name=ddtas-operator" in log
    await probe(look_at(postgresql.url, LEVELS, database.TLS_ONLY))


async def test_a_client_certificate(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    url = f"{postgresql.url}?user={database.CERTIFIED}"
    ours = certificate(postgresql.client)
    for secret in (ours, {**ours, "ca.crt": postgresql.ca.read_text()}):
        facts = await probe(look_at(url, LEVELS, secret, scheme="MutualTLS"))
        assert facts.records == dataset.ROWS
    stranger = certificate(Authority(tmp_path, "Somebody else").client(database.CERTIFIED))
    assert (await refusal(look_at(url, LEVELS, stranger, scheme="MutualTLS"))).reason == "Unauthorized"
    other = f"{postgresql.url}?user={database.READER.user}"
    assert (await refusal(look_at(other, LEVELS, ours, scheme="MutualTLS"))).reason == "Unauthorized"


@pytest.mark.parametrize("table", ["odd.slow", "odd.big"])
async def test_what_takes_too_long(more: PostgreSQLServer, table: str) -> None:
    with psycopg.connect(more.dsn(database.OWNER)) as connection:
        connection.execute("LOCK TABLE odd.big IN ACCESS EXCLUSIVE MODE")
        error = await refusal(look_at(more.url, table, limits=Limits(deadline_seconds=2)))
    assert error.reason == "TooSlow"


async def test_an_error_of_the_server(more: PostgreSQLServer) -> None:
    error = await refusal(look_at(more.url, "odd.broken"))
    assert (error.reason, "22012" in error.message) == ("ErrorReported", True)


async def test_variables_and_files_of_libpq_do_not_count(
    postgresql: PostgreSQLServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {option.envvar.decode() for option in psycopg.pq.Conninfo.get_defaults() if option.envvar}
    for variable in wrong - {"PGSERVICE", "PGSERVICEFILE"}:
        monkeypatch.setenv(variable, "wrong")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).write_text("wrong")
    with caplog.at_level(logging.DEBUG):
        assert (await probe(look_at(postgresql.url, LEVELS))).records == dataset.ROWS
    assert database.READER.password not in caplog.text
