"""PostgreSQL with PostGIS: the schema ``waterdata``, users with rights and without, TLS.

=====================  ==============================================================================
table                  columns
=====================  ==============================================================================
``waterdata.levels``   those of ``dataset.COLUMNS`` and ``geom``, a point of SRID 28992; 300 rows
``waterdata.visits``   ``id``, ``station``, ``visited_on``, ``remark``; 12 rows, no geometry
=====================  ==============================================================================
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from ddtas_dev import servers_debian

from . import dataset
from .certificates import Authority, Pair, copy_for
from .process import HOST, Server, ServerError, as_user, free_port, running

ACCOUNT = "postgres"  # of the machine, made by the package: PostgreSQL refuses to run as root
DATABASE = "city"
SCHEMA = "waterdata"
TABLE, PLAIN_TABLE = "levels", "visits"

_PREFIX = "ddtas-postgresql-"

# Rows are settled when the block begins: durability would only cost time.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "ssl": "on",
    "ssl_ca_file": "ca.pem",
    "ssl_cert_file": "server.pem",
    "ssl_key_file": "server.key",
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "50",
    "log_connections": "on",
    "log_statement": "all",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Login:
    """A user of the database."""

    user: str
    password: str


@dataclass(frozen=True)
class Database:
    """A database of its own for another server, with PostGIS and nothing else, and who may do all in it."""

    host: str
    port: int
    database: str
    user: str
    password: str


OWNER = Login("postgres", "owner-secret")  # superuser
READER = Login("reader", "reader-secret")  # reads both tables, writes none
OUTSIDER = Login("outsider", "outsider-secret")  # may connect, and has no right on the schema
PARTIAL = Login("partial", "partial-secret")  # reads `visits`, not `levels`
TLS_ONLY = Login("tls_only", "tls-secret")  # reads both tables; refused without TLS
CERTIFIED = "certified"  # reads both tables; has no password but a client certificate


@dataclass(frozen=True)
class PostgreSQLServer(Server):
    """``url`` names host, port and database, no user. ``log`` has every connection and statement."""

    database: str
    ca: Path
    client: Pair  # the certificate of CERTIFIED
    newest: datetime

    def dsn(self, login: Login, **more: str) -> str:
        """What libpq takes to connect as this user; ``more`` are further parameters, such as ``sslmode``."""
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, dbname=self.database, user=login.user, password=login.password, **more
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements as the owner, each in a transaction of its own (so CREATE DATABASE works)."""
        with psycopg.connect(self.dsn(OWNER), dbname=database or self.database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new_database(self) -> Database:
        """Make an empty database, with PostGIS in it; it is there until the server ends."""
        name = f"empty_{secrets.token_hex(4)}"
        self.execute(f"CREATE DATABASE {name}")
        self.execute("CREATE EXTENSION postgis", database=name)
        return Database(self.host, self.port, name, OWNER.user, OWNER.password)


@contextlib.contextmanager
def postgresql(directory: Path, newest: datetime | None = None) -> Iterator[PostgreSQLServer]:
    """Start a database server with the tables above; it and its files are gone afterwards, but for its log.

    ``directory`` gets the log and the certificates; ``newest`` is the time of the newest row, now when not given.
    The data lie elsewhere, where the unprivileged account can reach them: pytest's folders are closed to it.
    """
    programs = servers_debian.postgresql()
    authority = Authority(directory / "certificates")
    client = authority.client(CERTIFIED)
    port, log, moment = free_port(), directory / "postgresql.log", dataset.newest_hour(newest)
    with _folder() as folder:
        data = folder / "data"
        _initialise(programs, folder, data)
        copy_for(ACCOUNT, authority.server(), data)
        _copy(authority.ca, data)
        _write_access(data / "pg_hba.conf")
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port), *settings]
        ready = _accepts(port)
        # SIGINT ends it at once but in order; SIGTERM would wait for clients.
        with running(command, log=log, ready=ready, user=ACCOUNT, cwd=data, stop_signal=signal.SIGINT):
            server = PostgreSQLServer(
                url=f"postgresql://{HOST}:{port}/{DATABASE}",
                host=HOST,
                port=port,
                log=log,
                database=DATABASE,
                ca=authority.ca,
                client=client,
                newest=moment,
            )
            _fill(server)
            yield server


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that the account owns, named after our process: what a killed one left is removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as name:
        if os.geteuid() == 0:
            try:
                shutil.chown(name, ACCOUNT, ACCOUNT)
            except LookupError:
                raise ServerError(f"there is no account {ACCOUNT}: install postgresql") from None
        yield Path(name)


def _initialise(programs: Path, folder: Path, data: Path) -> None:
    password = folder / "password"
    password.write_text(OWNER.password)
    password.chmod(0o644)
    command = [*as_user(ACCOUNT), str(programs / "initdb"), "-D", str(data), "-U", OWNER.user, "--no-sync"]
    command += ["--pwfile", str(password), "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerError(f"initdb failed: {done.stdout}{done.stderr}")
    password.unlink()


def _copy(file: Path, folder: Path) -> None:
    shutil.copyfile(file, folder / file.name)
    (folder / file.name).chmod(0o644)


def _write_access(hba: Path) -> None:
    """Who may connect how: the first line that fits counts."""
    hba.write_text(
        f"hostssl all {CERTIFIED} {HOST}/32 cert\n"
        f"host all {CERTIFIED} {HOST}/32 reject\n"
        f"hostnossl all {TLS_ONLY.user} {HOST}/32 reject\n"
        f"host all all {HOST}/32 scram-sha-256\n"
    )


def _accepts(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            who = f"user={OWNER.user} password={OWNER.password}"
            psycopg.connect(f"host={HOST} port={port} dbname=postgres connect_timeout=5 {who}").close()
            return True
        return False

    return ask


def _fill(server: PostgreSQLServer) -> None:
    server.execute(f"CREATE DATABASE {DATABASE}", database="postgres")
    users = [f"CREATE ROLE {one.user} LOGIN PASSWORD '{one.password}'" for one in (READER, OUTSIDER, PARTIAL, TLS_ONLY)]
    readers = f"{READER.user}, {TLS_ONLY.user}, {CERTIFIED}"
    server.execute(
        *users,
        f"CREATE ROLE {CERTIFIED} LOGIN",
        "CREATE EXTENSION postgis",
        f"CREATE SCHEMA {SCHEMA}",
        f"CREATE TABLE {SCHEMA}.{TABLE} (id integer PRIMARY KEY, name text NOT NULL, level double precision,"
        " measured_at timestamptz NOT NULL, inspected_on date NOT NULL, geom geometry(Point, 28992) NOT NULL)",
        f"CREATE TABLE {SCHEMA}.{PLAIN_TABLE} (id integer PRIMARY KEY, station text NOT NULL,"
        " visited_on date NOT NULL, remark text)",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {readers}, {PARTIAL.user}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {SCHEMA} TO {readers}",
        f"GRANT SELECT ON {SCHEMA}.{PLAIN_TABLE} TO {PARTIAL.user}",
    )
    measurements = dataset.rows(server.newest)
    point = f"ST_SetSRID(ST_MakePoint(%s, %s), {dataset.RD})"
    with psycopg.connect(server.dsn(OWNER)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {SCHEMA}.{TABLE} VALUES (%s, %s, %s, %s, %s, {point})",  # noqa: S608
            [(r.id, r.name, r.level, r.measured_at, r.inspected_on, r.x, r.y) for r in measurements],
        )
        cursor.executemany(
            f"INSERT INTO {SCHEMA}.{PLAIN_TABLE} VALUES (%s, %s, %s, NULL)",  # noqa: S608
            [(n, r.name, r.inspected_on) for n, r in enumerate(dataset.stations(measurements), start=1)],
        )
    server.execute(f"ANALYZE {SCHEMA}.{TABLE}", f"ANALYZE {SCHEMA}.{PLAIN_TABLE}")
