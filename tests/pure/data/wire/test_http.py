"""Visits to hostile servers: what is refused of JSON, XML, links and addresses, whatever a probe asks for.

Slow, endless, compressed and broken answers, redirects and host names in odd forms are in test_probes_http_csv.py too,
as one probe meets them.
"""

import asyncio
import contextlib
import gzip
import logging
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
from probes_kit import (
    LIMITS,
    LOOPBACK,
    SECRET,
    Answer,
    json_response,
    redirect,
    response,
    serving,
    target,
)

from ddtas.data.addresses import AddressPolicy
from ddtas.data.session import Limits, Session, Target
from ddtas.data.wire.answers import NotFoundError, TooLongError
from ddtas.data.wire.http import Client, client
from ddtas.errors import SourceError

ONLY_127_0_0_1 = AddressPolicy(allowed=(ip_network("127.0.0.1/32"),))
SIGNED = {"X-Signature": SECRET}
XML = "Content-Type: application/xml"


@contextlib.asynccontextmanager
async def visiting(
    to: str | Target, limits: Limits = LIMITS, policy: AddressPolicy = LOOPBACK
) -> AsyncIterator[Client]:
    async with (
        asyncio.timeout(30),
        client(Session(to if isinstance(to, Target) else target(to), limits, policy)) as visited,
    ):
        yield visited


async def walk(
    to: Target,
    *links: str | None,
    limits: Limits = LIMITS,
    policy: AddressPolicy = LOOPBACK,
    headers: dict[str, str] | None = None,
) -> None:
    """Ask for one JSON document after the other, in one visit; None is the endpoint itself."""
    async with visiting(to, limits, policy) as visited:
        for link in links:
            await visited.json(link, headers=headers)


async def json_of(answer: Answer, limits: Limits = LIMITS) -> Any:
    async with serving(answer) as server, visiting(server.url(), limits) as visited:
        return (await visited.json()).value


async def xml_of(answer: Answer, limits: Limits = LIMITS) -> Any:
    async with serving(answer) as server, visiting(server.url(), limits) as visited:
        return (await visited.xml()).value


def harmless(error: SourceError) -> SourceError:
    assert SECRET not in error.message
    assert error.message.isprintable()
    assert len(error.message) < 600
    return error


# --- JSON


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a": [1, 2.5, -3e2, true, null, "é"]}', {"a": [1, 2.5, -300.0, True, None, "é"]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("1" * 300, int("1" * 300)),
        ("1e-999", 0.0),
        ("[" * 64 + "]" * 64, None),
        ('{"a":' * 63 + "[1]" + "}" * 63, None),
        ('{"a": 1, "a": 2, "b": {"c": 1, "c": []}}', {"a": 2, "b": {"c": []}}),  # of a name twice, the last
    ],
)
async def test_reads_json(body: str | bytes, value: Any) -> None:
    read = await json_of(json_response(body))
    assert value is None or read == value


@pytest.mark.parametrize("media_type", ["application/geo+json", "application/ld+json", "text/plain", ""])
async def test_reads_json_under_other_names(media_type: str) -> None:
    assert await json_of(json_response({}, media_type=media_type)) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1}}',
        b"{'a': 1}",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b"[1" + b"0" * 400 + b".0]",
        b"[" + b"1" * 301 + b"]",
        b"[" + b"1" * 5_000 + b"]",  # more digits than Python turns into a number
        b'["\xff"]',
        b'["\xed\xa0\x80"]',  # half of a surrogate pair, as if it were UTF-8
        b'["\\ud800"]',
        b'{"\\udc00": 1}',
        b'["\\ud83d", "\\ude00"]',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32"),
        b'["\x00"]',
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 64 + b"[1]" + b"}" * 64,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        gzip.compress(b"{}", mtime=0),
    ],
    ids=lambda body: f"{len(body)}-{body[:12]!r}",
)
async def test_refuses_json_that_nobody_can_work_with(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        await json_of(json_response(body))
    assert harmless(caught.value).reason == "MalformedData"
    assert "JSON" in caught.value.message


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html>", "text/html; charset=utf-8"),
        (b"{}", "text/html"),
        (b"<a/>", "application/xml"),
        (b"{}", "application/gml+xml"),
        (b" \r\n<!DOCTYPE html>", "application/json"),
    ],
)
async def test_refuses_what_is_no_json(body: bytes, media_type: str) -> None:
    with pytest.raises(SourceError) as caught:
        await json_of(json_response(body, media_type=media_type))
    assert harmless(caught.value).reason == "UnexpectedContent"


async def test_a_media_type_cannot_get_into_a_message_as_it_is() -> None:
    with pytest.raises(SourceError) as caught:
        await json_of(response(b"{}", "Content-Type: text/\u202e\x07" + "x" * 1000 + "html"))
    assert harmless(caught.value).reason == "UnexpectedContent"


# --- XML


@pytest.mark.parametrize(
    "body",
    [
        b"<a><b>1</b></a>",
        b'<?xml version="1.0" encoding="UTF-8"?><a/>',
        '<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"),
        "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"),
        b"<a>" * 64 + b"</a>" * 64,
        b"<a>&lt;&#233;</a>",
        b"<a><![CDATA[<!DOCTYPE x>]]></a>",
    ],
)
async def test_reads_xml(body: bytes) -> None:
    assert (await xml_of(response(body, XML))).tag == "a"


ENTITY = "<!DOCTYPE a [<!ENTITY {name} {value}>]><a>&{name};</a>"
LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
        '<!DOCTYPE a PUBLIC "-//X//Y" "file:///etc/passwd"><a/>',
        ENTITY.format(name="x", value='"' + "x" * 100_000 + '"'),
        ENTITY.format(name="x", value='SYSTEM "file:///etc/passwd"'),
        ENTITY.format(name="x", value='SYSTEM "http://169.254.169.254/latest/meta-data"'),
        ENTITY.format(name="% x", value='SYSTEM "http://127.0.0.1/x"').replace("&% x;", ""),
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
        '<!DOCTYPE a [<!ENTITY x "&y;"><!ENTITY y "&x;">]><a>&x;</a>',
        '<!DOCTYPE a [<!ATTLIST a b CDATA "c">]><a/>',
        "\ufeff<!DOCTYPE a><a/>",
    ],
    ids=lambda body: body[:48],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_refuses_xml_with_a_dtd_or_entities(body: str, encoding: str) -> None:
    text = body.lstrip("\ufeff") if encoding == "utf-16" else body  # encode() adds one there
    with pytest.raises(SourceError) as caught:
        await xml_of(response(text.encode(encoding), XML))
    assert harmless(caught.value).reason == "MalformedData"
    assert "DTD or entities" in caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b"<a>&x;</a>",
        b"<a b='1' b='2'/>",
        b"<x:a/>",
        b"\xff\xfe\xfd",
        b"<?xml version='1.0' encoding='made-up'?><a/>",
        b"<?xml version='1.0' encoding='utf-7'?><a/>",
        b"<?xml version='1.0' encoding='idna'?><a/>",
        b"<?xml version='1.0' encoding='hex'?><a/>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b"<a>" * 65 + b"</a>" * 65,
        b"<a>" * 100_000,
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"{}",
    ],
    ids=lambda body: f"{len(body)}-{body[:44]!r}",
)
async def test_refuses_xml_that_nobody_can_work_with(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        await xml_of(response(body, XML))
    assert harmless(caught.value).reason == "MalformedData"
    assert "XML" in caught.value.message


@pytest.mark.parametrize("media_type", ["text/html", "application/json"])
async def test_refuses_what_is_no_xml(media_type: str) -> None:
    with pytest.raises(SourceError) as caught:
        await xml_of(response(b"<a/>", f"Content-Type: {media_type}"))
    assert harmless(caught.value).reason == "UnexpectedContent"


# --- size and time, of both


@pytest.mark.parametrize("read", [json_of, xml_of])
async def test_a_document_that_never_ends_is_refused_at_its_cap(read: Any) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[")
        while True:
            writer.write(b"1, " * 5_000)
            await writer.drain()
            sent += 15_000

    with pytest.raises(TooLongError) as caught:
        await read(endless, Limits(deadline_seconds=20, max_document_bytes=100_000))
    assert harmless(caught.value).reason == "MalformedData"
    assert "more than 100000 bytes" in caught.value.message
    assert sent < 20_000_000  # what the sockets of both sides hold


@pytest.mark.parametrize("read", [json_of, xml_of])
@pytest.mark.parametrize(("spare", "fits"), [(0, True), (1, True), (-1, False)])
async def test_a_document_as_long_as_the_cap_is_read(read: Any, spare: int, fits: bool) -> None:
    body = b'{"a": "b"}' if read is json_of else b"<a>bc</a>"
    limits = Limits(max_document_bytes=len(body) + spare)
    if fits:
        assert await read(response(body), limits) is not None
        return
    with pytest.raises(TooLongError):
        await read(response(body), limits)


@pytest.mark.parametrize("read", [json_of, xml_of])
async def test_a_byte_at_a_time_is_too_slow(read: Any) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    with pytest.raises(SourceError) as caught:
        await read(drip, Limits(deadline_seconds=0.3))
    assert caught.value.reason == "TooSlow"


@pytest.mark.parametrize("read", [json_of, xml_of])
async def test_a_gzip_bomb_is_not_opened(read: Any) -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    for encoding in ("gzip", "x-gzip", "GZIP", "identity, gzip"):
        with pytest.raises(SourceError) as caught:
            await read(response(bomb, f"Content-Encoding: {encoding}"))
        assert harmless(caught.value).reason == "UnexpectedContent"
        assert "compressed data" in caught.value.message
    with pytest.raises(SourceError) as caught:  # and where the server does not say so, it is no document
        await read(response(bomb))
    assert caught.value.reason == "MalformedData"


async def test_the_bytes_of_all_documents_count_together() -> None:
    body = b'"' + b"x" * 38 + b'"'
    async with serving(response(body)) as server, visiting(server.url(), Limits(max_bytes=100)) as visited:
        for _ in range(2):
            await visited.json()
        with pytest.raises(TooLongError):
            await visited.json()
    assert visited.session.received == 100


async def test_documents_that_fill_the_budget_to_the_byte_are_all_read() -> None:
    async with serving(response(b'"12345678"')) as server, visiting(server.url(), Limits(max_bytes=30)) as visited:
        for _ in range(3):
            await visited.json()
        with pytest.raises(TooLongError):
            await visited.json()


async def test_requests_are_counted_and_one_too_many_is_not_sent() -> None:
    async with serving(json_response({})) as server, visiting(server.url(), Limits(max_requests=2)) as visited:
        await visited.json()
        await visited.json()
        with pytest.raises(SourceError) as caught:
            await visited.json()
    assert caught.value.reason == "TooManyRequests"
    assert (len(server.requests), visited.session.requests) == (2, 2)


async def test_the_deadline_is_one_for_all_requests() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(json_response({}))

    async with serving(slow) as server:
        with pytest.raises(SourceError) as caught:
            await walk(target(server.url()), *[None] * 12, limits=Limits(deadline_seconds=0.35))
    assert caught.value.reason == "TooSlow"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 100_000,
        b"HTTP/1.1 200 OK\r\n\xff\xfe: \xff\r\nContent-Length: 2\r\n\r\n[}",
        b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe\r\nContent-Length: 2\r\n\r\n[}",
        b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"\x16\x03\x01\x00\x00",
    ],
    ids=lambda answer: repr(answer[:60]),
)
async def test_nothing_of_broken_http_escapes(answer: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        await json_of(answer, Limits(deadline_seconds=2))
    harmless(caught.value)


# --- links and redirects


LINKS = [
    "http://127.0.0.2:{port}/x",
    "//127.0.0.2:{port}/x",
    "http://localhost.:{port}/x",
    "http://2130706434:{port}/x",  # 127.0.0.2
    "http://0x7f000002:{port}/x",
    "http://0x7f.2:{port}/x",
    "http://0177.0.0.2:{port}/x",
    "http://127.2:{port}/x",
    "http://0:{port}/x",
    "http://[::ffff:127.0.0.2]:{port}/x",
    "http://[::ffff:7f00:2]:{port}/x",
    "http://[::1]:{port}/x",
    "http://[::]:{port}/x",
    "http://[64:ff9b::127.0.0.2]:{port}/x",
    "http://[2002:7f00:2::]:{port}/x",
    "http://[fe80::1%25lo]:{port}/x",
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/latest/meta-data",
    "http://[64:ff9b::a9fe:a9fe]/latest/meta-data",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://metadata.example/computeMetadata",
    "https://kubernetes.default.svc/api/v1/secrets",
    "https://10.96.0.1/api/v1/secrets",
    "https://[64:ff9b::10.96.0.1]/api/v1/secrets",
    "http://10.244.1.9/x",
    "http://[::ffff:10.244.1.9]/x",
    "http://pod.example/x",
    "http://web.gouda/x",
    "http://web.gouda.svc:{port}/x",
    "http://web.gouda.svc.cluster.local.:{port}/x",
]
ELSEWHERE = {
    "metadata.example": "169.254.169.254",
    "kubernetes.default.svc": "10.96.0.1",
    "localhost.": "127.0.0.2",
    "pod.example": "10.244.1.9",
    "web.gouda": "10.244.1.9",
    "web.gouda.svc": "127.0.0.1",
    "web.gouda.svc.cluster.local.": "127.0.0.1",
}
CLUSTER = AddressPolicy(
    allowed=(ip_network("127.0.0.1/32"),),
    forbidden=(ip_network("10.96.0.1/32"),),
    inside=(ip_network("10.244.0.0/16"), ip_network("127.0.0.3/32")),
    namespaces=("delft",),
)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A name server of our own for some names; numbers in odd forms are read as the system does."""
    known = dict(ELSEWHERE)
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return real(known.get(host, host), port, *rest, **more)

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    return known


@pytest.mark.parametrize("link", LINKS)
async def test_a_link_in_a_document_leads_to_no_forbidden_address(link: str, names: dict[str, str]) -> None:
    async with serving(json_response("[]")) as server:
        with pytest.raises(SourceError) as caught:
            await walk(target(server.url()), None, link.format(port=server.port), policy=CLUSTER)
    # What an operating system does not even take for an address cannot be reached either.
    assert harmless(caught.value).reason in ("AddressForbidden", "Unreachable")
    assert caught.value.reason == "AddressForbidden" or "%25" in link
    assert len(server.requests) == 1


async def test_a_service_of_ones_own_namespace_is_reached_by_its_name_alone(names: dict[str, str]) -> None:
    """As far as the socket: 127.0.0.3 stands for an address inside, and is a loopback address after that."""
    names |= {"web.delft.svc": "127.0.0.3", "data.example": "127.0.0.3"}
    for host, why in (("web.delft.svc", "a loopback address"), ("data.example", "an address inside the cluster")):
        with pytest.raises(SourceError) as caught:
            await walk(target(f"http://{host}/x"), None, policy=CLUSTER)
        assert f"127.0.0.3 ({why})" in harmless(caught.value).message


@pytest.mark.parametrize("link", LINKS)
async def test_a_redirect_leads_to_no_forbidden_address(link: str, names: dict[str, str]) -> None:
    async def away(writer: asyncio.StreamWriter) -> None:
        writer.write(redirect(link.format(port=server.port)))

    async with serving(away) as server:
        for ask in ("json", "xml"):
            with pytest.raises(SourceError) as caught:
                async with visiting(server.url(), policy=CLUSTER) as visited:
                    await getattr(visited, ask)()
            assert harmless(caught.value).reason in ("AddressForbidden", "Unreachable")
            assert caught.value.reason == "AddressForbidden" or "%25" in link
    assert len(server.requests) == 2


async def test_a_name_that_changes_its_address_meanwhile_is_checked_again(names: dict[str, str]) -> None:
    """DNS rebinding: good at the first look-up, forbidden at the redirect to itself."""
    names["rebinding.example"] = "127.0.0.1"

    async def rebind(writer: asyncio.StreamWriter) -> None:
        names["rebinding.example"] = "127.0.0.2"
        writer.write(redirect("/again"))

    async with serving(rebind) as server:
        with pytest.raises(SourceError) as caught:
            await walk(target(server.url("rebinding.example")), None, policy=ONLY_127_0_0_1)
    assert caught.value.reason == "AddressForbidden"
    assert len(server.requests) == 1


async def test_a_name_that_changes_its_address_between_two_requests_is_checked_again(names: dict[str, str]) -> None:
    names["rebinding.example"] = "127.0.0.1"

    async def rebind(writer: asyncio.StreamWriter) -> None:
        names["rebinding.example"] = "127.0.0.2"
        writer.write(json_response({}))

    async with serving(rebind) as server:
        with pytest.raises(SourceError) as caught:
            await walk(target(server.url("rebinding.example")), None, "next", policy=ONLY_127_0_0_1)
    assert caught.value.reason == "AddressForbidden"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "link",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:application/json,{}",
        "javascript:1",
        "unix:///var/run/docker.sock",
        "http://[/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:x/",
        "",
        f"http://127.0.0.1/{'x' * 5_000}",
        f"http://{'é' * 100_000}/",
        "http://\ud800/",
        "mailto:x@y.example",
        5,
        {"href": "http://127.0.0.1/"},
    ],
    ids=lambda link: str(link)[:30].encode("ascii", "replace").decode(),
)
async def test_what_is_no_link_is_refused(link: Any) -> None:
    async with serving(json_response({})) as server:
        with pytest.raises(SourceError) as caught:
            await walk(target(server.url()), None, link)
    assert harmless(caught.value).reason == "AddressForbidden"
    assert len(server.requests) == 1


@pytest.mark.parametrize("ask", ["json", "xml"])
async def test_a_redirect_loop_ends(ask: str) -> None:
    async with serving(redirect("/data.csv")) as server:
        with pytest.raises(SourceError) as caught:
            async with visiting(server.url()) as visited:
                await getattr(visited, ask)()
    assert caught.value.reason == "TooManyRedirects"
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_what_is_not_there_can_be_told_apart(status: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        await json_of(json_response({}, status=status))
    assert caught.value.reason == "HttpError"


# --- what goes where


async def test_headers_for_one_request_go_to_the_origin_alone() -> None:
    async with serving(json_response({})) as there:
        routes = {"/here": json_response({}), "/away": redirect(there.url()), "/on": redirect("/here")}
        async with serving(routes) as here:
            await walk(target(here.url(path="/here")), "/here", "/on", "/away", there.url(), headers=SIGNED)
    assert [here.header("X-Signature", number) for number in range(4)] == [SECRET] * 4
    assert here.targets == ["/here", "/on", "/here", "/away"]
    assert [there.header("X-Signature", number) for number in range(2)] == [None, None]


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_another_name_of_the_same_server_is_another_origin(host: str) -> None:
    async with serving(json_response({})) as server:
        await walk(target(server.url()), None, server.url(host), headers=SIGNED)
    assert [server.header("X-Signature", number) for number in range(2)] == [SECRET, None]


async def test_two_looks_share_nothing() -> None:
    addresses: set[tuple[str, int]] = set()

    async def remember(writer: asyncio.StreamWriter) -> None:
        addresses.add(writer.get_extra_info("peername"))
        writer.write(json_response({}, "Set-Cookie: who=delft; Path=/", "ETag: x", "Cache-Control: max-age=9999"))

    async with serving(remember) as server:
        for token in ("first", "second"):
            async with visiting(target(server.url(), "Bearer", {"token": token})) as visited:
                await visited.json()
                await visited.json()
        async with visiting(server.url()) as visited:
            await visited.json()
    sent = [server.header("Authorization", number) for number in range(5)]
    assert sent == ["Bearer first", "Bearer first", "Bearer second", "Bearer second", None]
    assert [server.header("Cookie", number) for number in range(5)] == [None] * 5
    assert [server.header("If-None-Match", number) for number in range(5)] == [None] * 5
    assert len(addresses) == 5  # each its own connection


async def test_a_look_says_nothing_of_its_secrets_in_logs_or_by_its_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = f"?key={SECRET}"
    async with serving(json_response(f'["{SECRET}"]')) as server:
        to = target(server.url(path=f"/x{hidden}"), "Bearer", {"token": SECRET})
        async with visiting(to) as visited:
            document = await visited.json()
            assert SECRET in document.value
            for thing in (visited, visited.session, to, document):
                assert SECRET not in repr(thing)
    assert server.targets == [f"/x{hidden}"]
    assert SECRET not in caplog.text
