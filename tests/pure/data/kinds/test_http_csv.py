"""The CSV probe against real servers on loopback: good, broken and hostile ones."""

import asyncio
import base64
import shutil
import ssl
import subprocess
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from probes_kit import HASTE, LIMITS, LOOPBACK, SECRET, Handler, look_at, redirect, refusal, response, serving
from probes_kit import target as kit_target

from ddtas import __version__
from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, FieldType
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.data.wire.answers import Answer
from ddtas.errors import SourceError

CONTRACT = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "day", "type": "date"}]})
GOOD = b"day,level\r\n2024-01-01,1.5\r\n2024-01-02,2\r\n"


def target(endpoint: str, scheme: str | None = None, credentials: dict[str, str] | None = None) -> Target:
    return kit_target(endpoint, scheme, credentials, contract=CONTRACT)


async def probe(endpoint: str | Target, limits: Limits = LIMITS, policy: AddressPolicy = LOOPBACK) -> SourceFacts:
    return await look_at(endpoint if isinstance(endpoint, Target) else target(endpoint), limits, policy)


async def failure(endpoint: str | Target, limits: Limits = LIMITS, policy: AddressPolicy = LOOPBACK) -> SourceError:
    return await refusal(endpoint if isinstance(endpoint, Target) else target(endpoint), limits, policy)


async def verdict(answer: bytes | Handler, limits: Limits = LIMITS) -> SourceError:
    async with serving(answer) as server:
        return await failure(server.url(), limits)


# --- good data


async def test_reads_a_good_csv() -> None:
    async with serving(response(GOOD, "Content-Type: text/csv; charset=utf-8")) as server:
        facts = await probe(server.url(path="/data.csv?year=2024"))
    assert facts == SourceFacts(
        fields=(MeasuredField(name="day", type=FieldType.DATE), MeasuredField(name="level", type=FieldType.NUMBER)),
        records=2,
        sampled=2,
        first="2024-01-01",
        last="2024-01-02",
        time_resolution="P1D",
        size_bytes=len(GOOD),
        latency_milliseconds=facts.latency_milliseconds,
    )
    assert facts.latency_milliseconds is not None
    assert server.requests[0].startswith("GET /data.csv?year=2024 HTTP/1.1\r\n")
    assert server.header("User-Agent") == f"ddtas-operator/{__version__} (+data source probe)"
    assert server.header("Accept-Encoding") == "identity"
    assert server.header("Authorization") is None


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b"\xef\xbb\xbf" + GOOD, 2),  # byte order mark
        (GOOD.replace(b"\r\n", b"\n"), 2),
        (GOOD.rstrip(), 2),  # no line end at the end
        (GOOD + b"\r\n\r\n", 2),  # blank lines
        (b'"day","note"\r\n2024-01-01,"two\r\nlines, and ""quotes"""\r\n', 1),
        (b'day,note\n2024-01-01,"\n\n\n"\n2024-01-02,""\n', 2),
        ("day,note\n2024-01-01,Delftse Schie – één\u2028\x0b\n".encode(), 1),
        (b"day\n", 0),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_reads_all_forms_of_csv_in_all_pieces(body: bytes, records: int, piece: int) -> None:
    async def in_pieces(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), piece):
            part = body[start : start + piece]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    async with serving(in_pieces) as server:
        facts = await probe(server.url())
    assert (facts.records, facts.fields[0].name, facts.fields[0].type) == (records, "day", "date")
    assert facts.size_bytes == len(body)


async def test_without_content_length_the_end_is_where_the_server_closes() -> None:
    async with serving(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD) as server:
        assert (await probe(server.url())).records == 2


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", "application/vnd.ms-excel", "", "?"])
async def test_takes_csv_under_other_names(media_type: str) -> None:
    async with serving(response(GOOD, f"Content-Type: {media_type}")) as server:
        assert (await probe(server.url())).records == 2


async def test_follows_a_redirect() -> None:
    async with serving(response(GOOD)) as there, serving(redirect(there.url())) as here:
        assert (await probe(here.url())).records == 2


async def test_localhost_is_fine_where_the_platform_team_allows_it() -> None:
    async with serving(response(GOOD)) as server:
        assert (await probe(server.url("localhost"))).records == 2


# --- time and size


async def test_a_byte_at_a_time_is_too_slow() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nday\n")
        while True:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.02)

    error = await verdict(drip, HASTE)
    assert error.reason == "TooSlow"
    assert "0.3 seconds" in error.message


async def test_a_silent_server_is_too_slow() -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    assert (await verdict(silent, HASTE)).reason == "TooSlow"


async def test_redirects_do_not_renew_the_deadline() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.12)
        writer.write(redirect("/again"))

    error = await verdict(slow, HASTE)
    assert error.reason == "TooSlow"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\nday,level\n")
    while True:
        writer.write(b"2024-01-01,1\n2024-01-02,2\n" * 500)
        await writer.drain()


async def test_an_endless_body_ends_at_the_cap_with_the_facts_so_far() -> None:
    async with serving(endless) as server:
        facts = await probe(server.url(), Limits(deadline_seconds=10, max_bytes=100_000))
    assert [entry.type for entry in facts.fields] == ["date", "integer"]
    assert (facts.records, facts.last, facts.size_bytes) == (None, None, None)
    assert facts.why_unknown("records") == "only the first 100000 bytes were read"


async def test_an_endless_body_ends_at_the_deadline_too() -> None:
    async with serving(endless) as server:
        error = await failure(server.url(), Limits(deadline_seconds=0.3, max_bytes=10**12))
    assert error.reason == "TooSlow"


async def test_the_event_loop_gets_a_turn_between_two_pieces() -> None:
    content = aiohttp.StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16, loop=asyncio.get_running_loop())
    content.feed_data(b"x" * 30_000)
    session = ProbeSession(target("http://data.example/"), LIMITS, LOOPBACK)
    answer = Answer(SimpleNamespace(status=200, url="", headers={}, content=content), session)  # type: ignore[arg-type]
    turns: list[str] = []
    for _ in range(2):
        asyncio.get_running_loop().call_soon(turns.append, "turn")
        assert await answer.read()
        turns.append("piece")
    assert turns == ["turn", "piece"] * 2


@pytest.mark.parametrize(("spare", "records"), [(0, 2), (1, 2), (-1, None), (-5, None)])
async def test_a_body_as_big_as_the_cap_is_complete(spare: int, records: int | None) -> None:
    async with serving(response(GOOD)) as server:
        facts = await probe(server.url(), Limits(max_bytes=len(GOOD) + spare))
    assert facts.records == records
    assert facts.first == "2024-01-01"


# --- something else than CSV


@pytest.mark.parametrize(
    ("body", "media_type", "says"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "text/html; charset=utf-8", "text/html"),
        (b"day\n2024-01-01\n", "text/html", "text/html"),
        (b"  \r\n <html>", "text/csv", "HTML"),
        (b"\xef\xbb\xbf<?xml?>", "text/csv", "XML"),
        (b'{"type": "FeatureCollection"}', "application/geo+json", "application/geo+json"),
        (b'{"features": []}', "text/csv", "JSON"),
        (b"[1, 2]", "", "JSON"),
        (b"PK\x03\x04", "application/zip", "application/zip"),
        (b"day\n\0\0\0", "text/csv", "binary"),
        (b"\x89PNG", "image/png", "image/png"),
    ],
)
async def test_refuses_what_is_no_csv(body: bytes, media_type: str, says: str) -> None:
    error = await verdict(response(body, f"Content-Type: {media_type}"))
    assert error.reason == "UnexpectedContent"
    assert says in error.message


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "made-up"])
async def test_refuses_compression(encoding: str) -> None:
    error = await verdict(response(b"\x1f\x8b" + bytes(100), f"Content-Encoding: {encoding}"))
    assert error.reason == "UnexpectedContent"
    assert encoding in error.message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no header"),
        (b"\r\n\r\n", "no header"),
        (b"\xff\xfe\x01d", "UTF-8"),
        (b"\x1f\x8b\x08", "UTF-8"),
        ("day,naïef\n".encode("latin-1"), "UTF-8"),
        (b"day\n\xc3", "UTF-8"),  # ends inside a character
        (b'day,note\n2024-01-01,"never closed\n', "inside quotes"),
        (b'day,note\n2024-01-01,"x"y"z"\n', "RFC 4180"),
        (b"day,note\r2024-01-01,x\r", "RFC 4180"),
        (b"day,note\n2024-01-01\n", "record 1 has 1 values"),
        (b"day;note\n2024-01-01;x\n", "separated by commas"),
        (",".join(f"column_{number}" for number in range(10_000)).encode(), "more than 65536 characters"),
        (",".join(f"c{number}" for number in range(10_000)).encode(), "10000 columns"),
        (b"x" * 200_000, "more than 65536 characters"),
        (b'day,note\n2024-01-01,"' + b"\n" * 200_000, "more than 65536 characters"),
        (bytes(range(1, 256)) * 100, "not"),
    ],
)
async def test_refuses_what_cannot_be_read(body: bytes, says: str) -> None:
    error = await verdict(response(body))
    assert error.reason == "MalformedData"
    assert says in error.message


# --- HTTP


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("401 Unauthorized", "Unauthorized"),
        ("403 Forbidden", "Unauthorized"),
        ("404 Not Found", "HttpError"),
        ("500 Oops " + SECRET, "HttpError"),
        ("204 No Content", "HttpError"),
        ("206 Partial Content", "HttpError"),
        ("304 Not Modified", "HttpError"),
        ("799 What", "HttpError"),
    ],
)
async def test_refuses_other_statuses(status: str, reason: str) -> None:
    error = await verdict(response(b"" if status[:3] in ("204", "304") else SECRET.encode(), status=status))
    assert error.reason == reason
    assert status[:3] in error.message


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Bomb: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % number for number in range(50_000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
async def test_refuses_broken_http(answer: bytes) -> None:
    assert (await verdict(answer)).reason == "HttpError"


async def test_an_endless_header_is_refused() -> None:
    async def headers(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    assert (await verdict(headers)).reason == "HttpError"


async def test_a_connection_that_is_reset_halfway_is_no_success() -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + GOOD)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    error = await verdict(reset)
    assert error.reason == "Unreachable"
    assert "broke off" in error.message


async def test_a_body_shorter_than_promised_is_no_success() -> None:
    error = await verdict(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + GOOD)
    assert error.reason == "Unreachable"


async def test_a_body_longer_than_promised_is_not_read_on() -> None:
    error = await verdict(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nday\n2024-01-01\n2024-01-02\n")
    assert error.reason == "HttpError"


async def test_a_server_that_hangs_up_is_unreachable() -> None:
    assert (await verdict(b"")).reason == "Unreachable"


async def test_nobody_listens() -> None:
    async with serving(b"") as server:
        url = server.url()
    error = await failure(url)
    assert error.reason == "Unreachable"
    assert "no connection" in error.message


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 64}.invalid", "a..b"])
async def test_no_such_host(host: str) -> None:
    error = await failure(f"http://{host}/data.csv")
    assert error.reason in ("Unreachable", "AddressForbidden")


# --- TLS


async def test_plain_http_where_tls_should_be_is_unreachable() -> None:
    async def answer_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(GOOD))
        writer.close()

    async with await asyncio.start_server(answer_at_once, "127.0.0.1", 0) as listener:
        error = await failure(f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/data.csv")
    assert error.reason == "Unreachable"
    assert "TLS" in error.message


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
async def test_a_certificate_that_nobody_signed_is_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost", "-days", "2"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: ASYNC221 (nothing else runs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with serving(response(GOOD), tls=context) as server:
        error = await failure(target(server.url(scheme="https"), scheme="Bearer", credentials={"token": SECRET}))
    assert error.reason == "Unreachable"
    assert "certificate" in error.message
    assert server.requests == []


# --- addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "[::1]",
        "localhost",
        "①②⑦.0.0.1",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
    ],
)
async def test_forbidden_addresses_are_never_connected_to(host: str) -> None:
    async with serving(response(GOOD)) as server:
        direct = await failure(server.url(host), policy=AddressPolicy())
        assert direct.reason == "AddressForbidden"
        assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.2", "0x7f000002", "[::ffff:127.0.0.2]", "169.254.169.254"])
async def test_forbidden_addresses_are_not_redirected_to(host: str) -> None:
    policy = AddressPolicy(allowed=(ip_network("127.0.0.1/32"),))
    async with serving(redirect(f"http://{host}/latest/meta-data?{SECRET}")) as server:
        error = await failure(server.url(), policy=policy)
    assert error.reason == "AddressForbidden"
    assert len(server.requests) == 1


async def test_a_name_with_one_allowed_address_is_reached_at_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(host: str, port: int, *_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(2, 1, 6, "", ("127.0.0.2", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    async with serving(response(GOOD)) as server:
        policy = AddressPolicy(allowed=(ip_network("127.0.0.1/32"),))
        assert (await probe(server.url("rebinding.example"), policy=policy)).records == 2
        assert (await failure(server.url("rebinding.example"), policy=AddressPolicy())).reason == "AddressForbidden"


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(response(GOOD)) as server, serving(response(b"proxy\n1\n")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(path=""))
        assert (await probe(server.url())).fields[0].name == "day"
        assert proxy.requests == []


# --- redirects


async def test_a_redirect_loop_ends() -> None:
    async with serving(redirect("/data.csv")) as server:
        error = await failure(server.url())
    assert error.reason == "TooManyRedirects"
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/",
        "http://[/",
        "",
        "http://x:99999/",
    ],
)
async def test_redirects_lead_to_http_only(location: str) -> None:
    error = await verdict(redirect(location))
    assert error.reason == "AddressForbidden"
    assert "redirects to what is not a http or https URL" in error.message


# --- credentials

BASIC = {"username": "delft", "password": SECRET}


async def test_sends_basic_credentials() -> None:
    async with serving(response(GOOD)) as server:
        await probe(target(server.url(), scheme="Basic", credentials=BASIC))
    sent = server.header("Authorization") or ""
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == f"delft:{SECRET}"


async def test_sends_bearer_credentials_on_within_the_origin() -> None:
    async def once(writer: asyncio.StreamWriter) -> None:
        writer.write(redirect("/new") if len(server.requests) == 1 else response(GOOD))

    async with serving(once) as server:
        await probe(target(server.url(), scheme="Bearer", credentials={"token": SECRET}))
    assert [server.header("Authorization", request) for request in (0, 1)] == [f"Bearer {SECRET}"] * 2


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_does_not_send_credentials_to_another_origin(status: str) -> None:
    async with serving(response(GOOD)) as there, serving(redirect(there.url(), status)) as here:
        await probe(target(here.url(), scheme="Basic", credentials=BASIC))
    assert here.header("Authorization")
    assert there.header("Authorization") is None


async def test_does_not_send_credentials_after_a_detour() -> None:
    async def first_away(writer: asyncio.StreamWriter) -> None:
        writer.write(redirect(there.url()) if len(here.requests) == 1 else response(GOOD))

    async with serving(first_away) as here, serving(lambda writer: back(writer)) as there:

        async def back(writer: asyncio.StreamWriter) -> None:
            writer.write(redirect(here.url(path="/collect")))

        await probe(target(here.url(), scheme="Basic", credentials=BASIC))
    assert [bool(here.header("Authorization", request)) for request in (0, 1)] == [True, False]


async def test_a_redirect_cannot_bring_credentials_of_its_own() -> None:
    async def with_user(writer: asyncio.StreamWriter) -> None:
        writer.write(redirect(f"http://user:word@127.0.0.1:{there.port}/"))

    async with serving(response(GOOD)) as there, serving(with_user) as here:
        await probe(here.url())
    assert there.header("Authorization") is None


async def test_user_info_in_the_endpoint_is_neither_sent_nor_shown() -> None:
    async with serving(response(b"", status="401 No")) as server:
        error = await failure(f"http://delft:{SECRET}@127.0.0.1:{server.port}/data.csv?token={SECRET}")
    assert server.header("Authorization") is None
    assert f"http://127.0.0.1:{server.port}/data.csv" in error.message


async def test_wrong_credentials_and_no_credentials_are_told_apart() -> None:
    async with serving(response(b"", status="401 No")) as server:
        without = await failure(server.url())
        wrong = await failure(target(server.url(), scheme="Bearer", credentials={"token": SECRET}))
    assert "name a Secret" in without.message
    assert "correct the Secret" in wrong.message


@pytest.mark.parametrize(
    ("scheme", "credentials"),
    [
        ("Bearer", None),
        ("Bearer", {"token": ""}),
        ("Bearer", {"token": f"{SECRET}\n"}),
        ("Bearer", {"token": f"{SECRET}\r\nX-Evil: 1"}),
        ("Bearer", {"token": f"{SECRET}é"}),
        ("Basic", {"username": "delft"}),
        ("Basic", {"username": "a:b", "password": SECRET}),
        ("Basic", {"username": "delft", "password": f"{SECRET}\n"}),
    ],
)
async def test_credentials_that_cannot_be_sent_are_not_sent(scheme: str, credentials: dict[str, str] | None) -> None:
    async with serving(response(GOOD)) as server:
        error = await failure(target(server.url(), scheme=scheme, credentials=credentials))
    assert error.reason == "Unauthorized"
    assert server.requests == []


def test_a_target_never_shows_its_secrets() -> None:
    hidden = target(f"https://u:{SECRET}@host/x?k={SECRET}", scheme="Bearer", credentials={"token": SECRET})
    assert repr(hidden) == "Target(http-csv https://host/x)"
    assert SECRET not in f"{hidden}"


# --- other ways to write


def written(*fields: dict[str, Any], **dialect: Any) -> DataContract:
    return DataContract.model_validate({"version": "1.0.0", "fields": fields, "dialect": dialect})


KNMI = (
    b'# BRON: proef\r\n# a "quote\r\n# STN,YYYYMMDD,   FG\r\n#\r\n'
    b"  210,20240101,   35\r\n  210,20240102,     \r\n  210,20240103,-9999\r\n"
)
SEMICOLONS = "meetpunt;tijdstip;debiet\n\u00fcber;01-02-2024 10:00;1.234,5\nb;01-02-2024 10:10;-999\n".encode("cp1252")


async def test_a_header_in_a_comment_and_days_without_hyphens() -> None:
    contract = written(
        {"name": "STN", "type": "integer"},
        {"name": "YYYYMMDD", "type": "date", "format": "yyyyMMdd"},
        {"name": "FG", "type": "integer", "missingValues": ["-9999"]},
        commentPrefix="#",
        skipInitialSpace=True,
    )
    async with serving(response(KNMI)) as server:
        facts = await probe(kit_target(server.url(), contract=contract))
    assert facts.fields == (
        MeasuredField(name="STN", type=FieldType.INTEGER),
        MeasuredField(name="YYYYMMDD", type=FieldType.DATE),
        MeasuredField(name="FG", type=FieldType.INTEGER, empty=2),
    )
    assert (facts.records, facts.first, facts.last, facts.time_resolution) == (3, "2024-01-01", "2024-01-03", "P1D")


async def test_semicolons_decimal_commas_and_another_encoding() -> None:
    contract = written(
        {"name": "meetpunt", "type": "string"},
        {"name": "tijdstip", "type": "timestamp", "format": "dd-MM-yyyy HH:mm"},
        {"name": "debiet", "type": "number", "missingValues": ["-999"]},
        delimiter=";",
        decimalChar=",",
        groupChar=".",
        encoding="windows-1252",
    ).model_copy(update={"time_zone": "Europe/Amsterdam"})
    async with serving(response(SEMICOLONS)) as server:
        facts = await probe(kit_target(server.url(), contract=contract))
    assert facts.fields == (
        MeasuredField(name="meetpunt", type=FieldType.STRING),
        MeasuredField(name="tijdstip", type=FieldType.TIMESTAMP),
        MeasuredField(name="debiet", type=FieldType.NUMBER, empty=1),
    )
    assert (facts.records, facts.time_resolution) == (2, "PT10M")


async def test_a_point_is_no_decimal_sign_where_a_comma_is() -> None:
    contract = written({"name": "x", "type": "number"}, delimiter=";", decimalChar=",")
    async with serving(response(b"x;y\n1.5;2\n")) as server:
        facts = await probe(kit_target(server.url(), contract=contract))
    assert facts.fields[0].type is FieldType.STRING


async def test_lines_before_the_header_and_none_at_all() -> None:
    body = b'made by "us\nat noon\nx,y\n1,2\n'
    async with serving(response(body)) as server:
        facts = await probe(kit_target(server.url(), contract=written(skipRows=2)))
    assert ([field.name for field in facts.fields], facts.records) == (["x", "y"], 1)
    contract = written({"name": "a", "type": "integer"}, {"name": "b", "type": "integer"}, header=False)
    async with serving(response(b"1,2\n3,4\n")) as server:
        facts = await probe(kit_target(server.url(), contract=contract))
    assert ([field.name for field in facts.fields], facts.records) == (["a", "b"], 2)
    async with serving(response(b"1,2\n")) as server:
        error = await failure(kit_target(server.url(), contract=written(header=False)))
    assert error.reason == "MalformedData"
    assert "names no fields" in error.message
