"""The probe of PostgreSQL against servers that are none, or mean ones; a real one is in tests/protocols."""

import asyncio
import copy
import json
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from probes_kit import HASTE, LIMITS, LOOPBACK, SECRET, look_at, refusal, target

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataKind, FieldType, GeometryType
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError

PAYLOAD = "p4yl04d"  # what a server says, and no message may repeat
CATALOGUE: dict[str, Any] = {
    "pinned": True,
    "relation": {
        "usable": True,
        "secured": False,
        "storage": {"rows": 10, "size": 8192, "local": True},
        "columns": [
            {
                "name": name,
                "type": kind,
                "core": kind != "geometry",
                "home": "public" if kind == "geometry" else "pg_catalog",
                "category": "U",
                "typmod": -1,
                "indexed": False,
            }
            for name, kind in (("day", "date"), ("level", "float8"), ("geom", "geometry"))
        ],
    },
    "postgis": {"home": "public", "usable": True, "names": True},
}
SAMPLE: dict[str, Any] = {
    "count": 3,
    "filled": [3, 2],
    "oldest": "2024-01-01",
    "newest": "2024-01-03",
    "moments": ["2024-01-03", "2024-01-02", "2024-01-01"],
    "shape": {"types": ["ST_Point"], "srids": [28992, 28992], "crs": "EPSG:28992", "box": [1, 2.5, 3, 4]},
}

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack(">i", len(body) + 4) + body


def error(state: str, text: str = PAYLOAD) -> bytes:
    fields = "".join(f"{code}{value}\0" for code, value in (("S", "ERROR"), ("V", "ERROR"), ("C", state), ("M", text)))
    return message("E", fields.encode() + b"\0")


READY = message("Z", b"I")
WELCOME = message("R", struct.pack(">i", 0)) + READY
CLEARTEXT = message("R", struct.pack(">i", 3))
MD5 = message("R", struct.pack(">i", 5) + b"salt")


def row(value: bytes | None, oid: int = 114, columns: int = 1) -> bytes:
    names = b"".join(b"x\0" + struct.pack(">ihihih", 0, 0, oid, -1, -1, 0) for _ in range(columns))
    cell = struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return message("T", struct.pack(">h", columns) + names) + message("D", struct.pack(">h", columns) + cell * columns)


def answer(value: Any, oid: int = 114) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return row(body, oid) + message("C", b"SELECT 1\0") + READY


@dataclass
class Server:
    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    connections: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, parameters: str = "sslmode=disable&user=reader") -> str:
        return f"postgresql://127.0.0.1:{self.port}/city?{parameters}"


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[Server]:
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        feed = reader.feed_data

        def remember(data: bytes) -> None:
            server.received += data
            server.heard.set()
            feed(data)

        server.received += bytes(reader._buffer)  # type: ignore[attr-defined]
        reader.feed_data = remember  # type: ignore[assignment, method-assign]
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


async def startup(reader: asyncio.StreamReader) -> None:
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    await reader.readexactly(length - 4)


async def question(reader: asyncio.StreamReader) -> bytes:
    """What the client says until it wants an answer."""
    said = b""
    while True:
        kind, length = struct.unpack(">ci", await reader.readexactly(5))
        said += await reader.readexactly(length - 4)
        if kind in b"QS":
            return said


def answering(*answers: bytes, welcome: bytes = WELCOME) -> Talk:
    """A server that lets in everybody, and gives these answers to the questions about tables."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await startup(reader)
        writer.write(welcome)
        pending = list(answers)
        while pending:
            if (await question(reader)).startswith(b"BEGIN"):
                writer.write(message("C", b"BEGIN\0") + message("Z", b"T"))
                continue
            simple = pending.pop(0)
            writer.write(message("1") + message("2") + simple if len(pending) == len(answers) - 1 else simple)
            await writer.drain()
        await reader.read()

    return talk


def saying(data: bytes, *, stay: bool = False) -> Talk:
    """A server that says that as soon as it is connected to."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read() if stay else await reader.read(1)

    return talk


def endless(start: bytes, part: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await startup(reader)
        writer.write(start)
        while True:
            writer.write(part)
            await writer.drain()

    return talk


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the document with another value at "a.b.0"."""
    made = copy.deepcopy(document)
    *above, last = path.split(".")
    place: Any = made
    for step in above:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return made


def source(server: Server, parameters: str = "sslmode=disable&user=reader", **more: Any) -> Target:
    return target(server.url(parameters), kind=DataKind.POSTGRESQL, physical_name="public.levels", **more)


async def verdict(talk: Talk, limits: Limits = LIMITS, **more: Any) -> SourceError:
    async with serving(talk) as server:
        found = await refusal(source(server, **more), limits)
        assert PAYLOAD not in found.message
        assert SECRET.encode() not in server.received
        return found


# --- good answers


async def test_good_answers() -> None:
    async with serving(answering(answer(CATALOGUE), answer(SAMPLE))) as server:
        session = ProbeSession(source(server), LIMITS, LOOPBACK)
        facts = await look_at(session)
        assert server.connections == 1
    assert [(f.name, f.type, f.empty) for f in facts.fields] == [
        ("day", FieldType.DATE, 0),
        ("level", FieldType.NUMBER, 1),
    ]
    assert (facts.records, facts.first, facts.last, facts.time_resolution) == (3, "2024-01-01", "2024-01-03", "P1D")
    assert facts.geometry_type is GeometryType.POINT
    assert facts.extent is not None
    assert facts.extent.bbox == ("1", "2.5", "3", "4")
    assert (facts.size_bytes, facts.unknown) == (8192, ())
    assert session.requests == 3
    assert 0 < session.received < 5000
    said = bytes(server.received)
    for setting in ("search_path=pg_catalog", "default_transaction_read_only=on", "statement_timeout=48000"):
        assert setting.encode() in said
    assert b"BEGIN READ ONLY" in said
    assert b"ddtas-operator" in said


@pytest.mark.parametrize(
    ("document", "path", "value", "fact"),
    [
        ("sample", "shape.box", [1, 2, 3], "extent"),
        ("sample", "shape.box", [None] * 4, "extent"),
        ("sample", "shape.box", ["NaN", 2, 3, 4], "extent"),
        ("sample", "shape.box", [1e300, 2, 1e300, 4], "extent"),
        ("sample", "shape.box", [3, 2, 1, 4], "extent"),
        ("sample", "shape.types", ["ST_Point", "ST_Polygon"], "geometryType"),
        ("sample", "shape.types", [PAYLOAD], "geometryType"),
        ("sample", "shape.types", None, "geometryType"),
        ("sample", "shape.crs", PAYLOAD, "crs"),
        ("sample", "shape.crs", None, "crs"),
        ("sample", "shape.srids", [28992, 4326], "crs"),
        ("sample", "oldest", PAYLOAD, "first"),
        ("sample", "newest", "9999999-01-01", "last"),
        ("sample", "moments", [PAYLOAD] * 3, "timeResolution"),
        ("sample", "moments", None, "timeResolution"),
        ("sample", "count", 100_001, "records"),
        ("catalogue", "relation.storage.local", False, "sizeBytes"),
        ("catalogue", "postgis.usable", False, "extent"),
        ("catalogue", "postgis", None, "crs"),
    ],
)
async def test_odd_answers_leave_a_fact_unknown(document: str, path: str, value: Any, fact: str) -> None:
    catalogue = changed(CATALOGUE, path, value) if document == "catalogue" else CATALOGUE
    sample = changed(SAMPLE, path, value) if document == "sample" else SAMPLE
    if path.startswith("postgis"):
        sample = {**SAMPLE, "shape": None}
        if value is None:  # then a geometry is a column like others
            sample["filled"] = [3, 2, 3]
    async with serving(answering(answer(catalogue), answer(sample))) as server:
        facts = await look_at(source(server))
    assert facts.why_unknown(fact)
    assert PAYLOAD not in facts.model_dump_json()


async def test_names_that_are_no_field_names_are_left_out() -> None:
    columns = [{**CATALOGUE["relation"]["columns"][1], "name": name} for name in ("ok", "", "a b", "é", "x" * 64, "1a")]
    columns += [{**columns[0], "name": f"column{number}"} for number in range(1000)]
    catalogue = changed(CATALOGUE, "relation.columns", columns)
    sample = {"count": 3, "filled": [3] * 128}
    async with serving(answering(answer(catalogue), answer(sample))) as server:
        facts = await look_at(source(server))
    assert [field.name for field in facts.fields] == ["ok", *(f"column{number}" for number in range(127))]


# --- bad answers


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("relation.columns.0.name", None),
        ("relation.columns.0.typmod", "1"),
        ("relation.columns.0", PAYLOAD),
        ("relation.columns", {}),
        ("relation.storage", None),
        ("relation.storage.size", -1),
        ("relation.storage.size", 10**30),
        ("relation.storage.rows", "many"),
        ("relation", []),
        ("postgis", PAYLOAD),
        ("pinned", 1),
    ],
)
async def test_a_catalogue_of_another_shape(path: str, value: Any) -> None:
    found = await verdict(answering(answer(changed(CATALOGUE, path, value))))
    assert found.reason == "MalformedData"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("count", -1),
        ("count", 1.5),
        ("count", None),
        ("count", 2),  # fewer than are filled
        ("filled", [3]),
        ("filled", [3, 2, 1]),
        ("filled", [-1, 2]),
        ("filled", None),
        ("moments", PAYLOAD),
        ("moments", [1, 2]),
        ("shape", [PAYLOAD]),
        ("shape.srids", [1]),
        ("shape.box", {"x": 1}),
    ],
)
async def test_a_sample_of_another_shape(path: str, value: Any) -> None:
    found = await verdict(answering(answer(CATALOGUE), answer(changed(SAMPLE, path, value))))
    assert found.reason == "MalformedData"


@pytest.mark.parametrize(
    "said",
    [
        answer(b""),
        answer(b"{"),
        answer(b"null"),
        answer(b"\xff\xfe"),
        answer(b"[" * 100_000),
        answer(b'{"pinned": 1e999}'),
        answer(json.dumps(CATALOGUE).encode().replace(b'"rows": 10', b'"rows": 1e999')),
        answer(json.dumps(CATALOGUE).encode().replace(b'"rows": 10', b'"rows": NaN')),
        answer(b"9" * 5000, oid=23),
        row(None) + message("C", b"SELECT 1\0") + READY,
        row(b"{}", columns=2) + message("C", b"SELECT 1\0") + READY,
        row(b"{}") + message("D", struct.pack(">hi", 1, 2) + b"{}") + message("C", b"SELECT 2\0") + READY,
        message("C", b"SELECT 0\0") + READY,
        message("I") + READY,
    ],
)
async def test_an_answer_that_is_no_document(said: bytes) -> None:
    assert (await verdict(answering(said))).reason == "MalformedData"


async def test_the_type_that_a_server_claims_does_not_matter() -> None:
    """psycopg itself would turn the bytes into a date, an array, whatever was claimed."""
    async with serving(answering(answer(CATALOGUE, oid=1082), answer(SAMPLE, oid=1007))) as server:
        assert (await look_at(source(server))).records == 3


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (error("42P01"), "EntityNotFound"),
        (error("42501"), "Unauthorized"),
        (error("57014"), "TooSlow"),
        (error("55P03"), "TooSlow"),
        (error("57P01"), "Unreachable"),
        (error("53300"), "Unreachable"),
        (error("22012"), "ErrorReported"),
        (error("XX000"), "ErrorReported"),
        (error(PAYLOAD), "ErrorReported"),
        (error("\x07\n\x1b"), "ErrorReported"),
        (error("22012").replace(PAYLOAD.encode(), b"\xff\xfe\xfd\xfc\xfb\xfa\xf9"), "ErrorReported"),
    ],
)
async def test_errors_that_the_server_reports(said: bytes, reason: str) -> None:
    assert (await verdict(answering(said + READY))).reason == reason
    assert (await verdict(answering(answer(CATALOGUE), said + READY))).reason == reason


async def test_an_error_without_a_code() -> None:
    said = message("E", b"SERROR\0M" + PAYLOAD.encode() + b"\0\0") + READY
    assert (await verdict(answering(said))).reason in ("UnexpectedContent", "ErrorReported")


async def test_settings_that_do_not_get_through() -> None:
    found = await verdict(answering(answer({**CATALOGUE, "pinned": False})))
    assert (found.reason, "pooler" in found.message) == ("ErrorReported", True)


@pytest.mark.parametrize(
    ("catalogue", "reason"),
    [
        (changed(CATALOGUE, "relation.usable", False), "Unauthorized"),
        (changed(CATALOGUE, "relation.columns", []), "Unauthorized"),
    ],
)
async def test_no_right_to_read(catalogue: dict[str, Any], reason: str) -> None:
    assert (await verdict(answering(answer(catalogue)))).reason == reason


async def test_names_of_other_tables_are_printable_and_few() -> None:
    names = ["a\nb", "c" * 1000, *(f"table{number}" for number in range(1000))]
    found = await verdict(answering(answer({**CATALOGUE, "relation": None}), answer(names)))
    assert found.reason == "EntityNotFound"
    assert "table2" in found.message
    assert "table3" not in found.message


# --- no PostgreSQL, or a mean one


@pytest.mark.parametrize(
    ("said", "reasons"),
    [
        (b"", {"Unreachable"}),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", {"UnexpectedContent"}),
        (b"SSH-2.0-OpenSSH_9.2\r\n", {"UnexpectedContent"}),
        (b"\0" * 10_000, {"UnexpectedContent"}),
        (b"\xff" * 10_000, {"UnexpectedContent"}),
        (message("R", b""), {"UnexpectedContent", "Unreachable"}),
        (message("R", struct.pack(">i", 99)), {"UnexpectedContent", "Unauthorized", "Unreachable"}),
        (message("v", struct.pack(">ii", 999, 0)), {"UnexpectedContent", "Unreachable"}),
        (b"R\xff\xff\xff\xff", {"UnexpectedContent", "Unreachable"}),
        (b"E\x7f\xff\xff\xff" + PAYLOAD.encode(), {"UnexpectedContent", "Unreachable", "Unauthorized"}),
        (error("28P01"), {"Unauthorized"}),
        (error("28000", f'no pg_hba.conf entry for host "{PAYLOAD}"'), {"Unauthorized"}),
        (error("3D000", f'database "{PAYLOAD}" does not exist'), {"EntityNotFound"}),
        (error("53300", f"sorry, too many clients already {PAYLOAD}"), {"Unreachable"}),
        (error("08P01", f"unsupported startup parameter: {PAYLOAD}"), {"ErrorReported"}),
        (CLEARTEXT, {"Unauthorized"}),
        (MD5, {"Unauthorized"}),
    ],
)
async def test_what_is_said_at_once(said: bytes, reasons: set[str]) -> None:
    assert (await verdict(saying(said))).reason in reasons


@pytest.mark.parametrize("said", [CLEARTEXT, MD5, message("R", struct.pack(">i", 10) + b"PLAIN\0\0")])
@pytest.mark.parametrize("mode", ["disable"])
async def test_an_impostor_gets_no_password(said: bytes, mode: str) -> None:
    """Neither the password nor a hash of it that can be tried out: the server has not proved who it is."""
    async with serving(saying(said, stay=True)) as server:
        login = {"username": "reader", "password": SECRET}
        found = await refusal(source(server, f"sslmode={mode}", scheme="Basic", credentials=login))
        assert found.reason in ("Unauthorized", "UnexpectedContent")
        assert SECRET.encode() not in server.received
        assert b"md5" not in server.received


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"N", "Unreachable"),
        (b"S" + b"\0" * 100, "UnexpectedContent"),
        (b"SS", "UnexpectedContent"),
        (b"H", "UnexpectedContent"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "UnexpectedContent"),
        (b"", "Unreachable"),
    ],
)
async def test_no_tls_is_no_connection(said: bytes, reason: str) -> None:
    """There is no way back to plain text, whatever the server says."""
    async with serving(saying(said)) as server:
        login = {"username": "reader", "password": SECRET}
        found = await refusal(source(server, "", scheme="Basic", credentials=login))
        assert found.reason == reason
        assert len(server.received) < 1000
        assert b"reader" not in server.received


@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"", message("N", b"SNOTICE\0M" + b"x" * 60_000 + b"\0\0")),
        (WELCOME, message("N", b"SNOTICE\0M" + b"x" * 60_000 + b"\0\0")),
        (WELCOME, message("A", b"\0\0\0\1channel\0" + b"x" * 60_000 + b"\0")),
        (WELCOME, message("S", b"name\0" + b"x" * 60_000 + b"\0")),
        (WELCOME + b"D\x7f\xff\xff\xff", b"x" * 60_000),
        (WELCOME + row(b"{}"), message("D", struct.pack(">hi", 1, 60_000) + b"x" * 60_000)),
    ],
)
async def test_endless_answers_end_at_the_cap(start: bytes, part: bytes) -> None:
    limits = Limits(deadline_seconds=20, max_document_bytes=1_000_000)
    async with serving(endless(start, part)) as server:
        session = ProbeSession(source(server), limits, LOOPBACK)
        found = await refusal(session)
        assert found.reason in ("MalformedData", "UnexpectedContent")
        assert session.received < 1_100_000


async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in error("28P01", "x" * 10_000):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "talk",
    [trickling, saying(b"", stay=True), answering(b""), answering(answer(CATALOGUE), b""), saying(WELCOME, stay=True)],
)
async def test_slow_servers(talk: Talk) -> None:
    started = asyncio.get_running_loop().time()
    assert (await verdict(talk, HASTE)).reason == "TooSlow"
    # psycopg alone would wait 5 seconds more for the answer to a request to cancel.
    assert asyncio.get_running_loop().time() - started < 4


async def test_a_look_that_is_called_off_ends_at_once() -> None:
    async with serving(answering(b"")) as server:
        task = asyncio.create_task(look_at(source(server)))
        await server.heard.wait()
        started = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.get_running_loop().time() - started < 4
        assert server.connections == 1  # no second one to ask for the end of the query


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        await verdict(answering(error("XX000")), HASTE)
        await verdict(answering(b""), HASTE)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "settings", [b"client_encoding\0PAYLOAD\0", b"client_encoding\0\xff\0", b"server_version\0x\0"]
)
async def test_parameters_of_a_mean_server(settings: bytes) -> None:
    welcome = message("R", struct.pack(">i", 0)) + message("S", settings) + READY
    async with serving(answering(answer(CATALOGUE), answer(SAMPLE), welcome=welcome)) as server:
        try:
            await look_at(source(server))
        except SourceError as found:
            assert found.reason in ("UnexpectedContent", "MalformedData")  # noqa: PT017


async def test_a_copy_that_was_not_asked_for() -> None:
    for kind in "GHW":
        found = await verdict(answering(message(kind, b"\0\0\0")))
        assert found.reason in ("UnexpectedContent", "MalformedData")


# --- endpoints and addresses


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1/city",
        "postgresql://127.0.0.1",
        "postgresql://127.0.0.1/",
        "postgresql://127.0.0.1/a/b",
        "postgresql:///city",
        "postgresql://127.0.0.1:0x1/city",
        "postgresql://127.0.0.1:99999/city",
        "postgresql://[::1/city",
        f"postgresql://reader:{SECRET}@127.0.0.1/city",
        "postgresql://127.0.0.1/city?sslmode=prefer&user=x",
        "postgresql://127.0.0.1/city?sslmode=allow&user=x",
        "postgresql://127.0.0.1/city?user=x&host=169.254.169.254",
        "postgresql://127.0.0.1/city?user=x&hostaddr=169.254.169.254",
        f"postgresql://127.0.0.1/city?user=x&password={SECRET}",
        "postgresql://127.0.0.1/city?user=x&options=-csearch_path%3Dpublic",
        "postgresql://127.0.0.1/ci%00ty?user=x",
        "postgresql://127.0.0.1/%ff?user=x",
        "postgresql://127.0.0.1/city?user=%0a",
        "postgresql://127.0.0.1/city?user",
    ],
)
async def test_endpoints_that_are_none(endpoint: str) -> None:
    found = await refusal(target(endpoint, kind=DataKind.POSTGRESQL, physical_name="a.b"))
    assert found.reason in ("AddressForbidden", "Unauthorized")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "169.254.169.254"])
async def test_addresses_that_are_forbidden(host: str) -> None:
    async with serving(saying(b"")) as server:
        endpoint = f"postgresql://{host}:{server.port}/city?user=x"
        session = ProbeSession(target(endpoint, kind=DataKind.POSTGRESQL, physical_name="a.b"), LIMITS, AddressPolicy())
        assert (await refusal(session)).reason in ("AddressForbidden", "Unreachable")
        assert server.connections == 0


async def test_several_hosts_are_none() -> None:
    """libpq would try one after the other."""
    policy = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
    endpoint = "postgresql://127.0.0.1,169.254.169.254/city?user=x"
    session = ProbeSession(target(endpoint, kind=DataKind.POSTGRESQL, physical_name="a.b"), LIMITS, policy)
    assert (await refusal(session)).reason == "Unreachable"


@pytest.mark.parametrize("name", ["a.b\0c", "\x07", "a.\u2028"])
async def test_names_that_no_table_has(name: str) -> None:
    found = await refusal(target("postgresql://127.0.0.1/city?user=x", kind=DataKind.POSTGRESQL, physical_name=name))
    assert found.reason == "EntityNotFound"


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        (None, None),
        ("Basic", {"username": "reader"}),
        ("Basic", {"username": "reader", "password": SECRET + "\n"}),
        ("Bearer", {"token": SECRET}),
        ("ApiKey", {"api-key": SECRET}),
        ("SigV4", {"access-key-id": "x", "secret-access-key": SECRET}),
        ("MutualTLS", {"tls.crt": SECRET, "tls.key": SECRET}),
    ],
)
async def test_credentials_that_cannot_be_used(scheme: str | None, secret: Mapping[str, str] | None) -> None:
    async with serving(saying(b"")) as server:
        parameters = "user=reader" if scheme == "MutualTLS" else ""
        found = await refusal(source(server, parameters, scheme=scheme, credentials=secret))
        assert found.reason == "Unauthorized"
        assert server.connections == 0


async def test_no_client_certificate_without_tls() -> None:
    async with serving(saying(b"")) as server:
        secret = {"tls.crt": SECRET, "tls.key": SECRET}
        assert (await refusal(source(server, scheme="MutualTLS", credentials=secret))).reason == "Unauthorized"
        assert server.connections == 0


async def test_few_requests() -> None:
    answers: Sequence[bytes] = (answer(CATALOGUE), answer(SAMPLE))
    async with serving(answering(*answers)) as server:
        assert (await refusal(source(server), Limits(max_requests=2))).reason == "TooManyRequests"
