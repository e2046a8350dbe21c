"""The probe of MQTT against brokers that are none, or mean ones; a real one is in tests/protocols."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, SECRET, look_at, refusal, target

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataContract, DataKind
from ddtas.data.kinds.mqtt.probe import MAX_MESSAGES, MAX_RECORDS
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError

PAYLOAD = "p4yl04d"  # what a broker says, and no message may repeat
QUICK = Limits(deadline_seconds=0.6)  # listens for half of it
PATIENT = Limits(deadline_seconds=2)  # where something has to come of it, before all is said
_TURNS = 50  # of the event loop, which both ends share: in them the probe has read what was said
YES = b"\x20\x02\x00\x00"  # CONNACK
SUBSCRIBED = b"\x90\x03\x00\x01\x00"  # SUBACK

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def length(size: int) -> bytes:
    encoded = b""
    while True:
        size, low = divmod(size, 128)
        encoded += bytes([low | (128 if size else 0)])
        if not size:
            return encoded


def publish(payload: Any, topic: str = "a", *, retained: bool = False) -> bytes:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    body = struct.pack(">H", len(topic.encode())) + topic.encode() + body
    return bytes([0x31 if retained else 0x30]) + length(len(body)) + body


async def listened(seconds: float) -> None:
    """Have the event loop take it that so much time is over, once the other end has read what was written."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    clock, loop.time = loop.time, lambda: clock() + seconds  # type: ignore[method-assign]


@dataclass
class Broker:
    port: int = 0
    received: bytes = b""
    connections: int = 0


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[Broker]:
    broker = Broker()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker.connections += 1
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await talk(reader, writer)
            broker.received += await reader.read()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listener:
        broker.port = listener.sockets[0].getsockname()[1]
        yield broker


async def packet(reader: asyncio.StreamReader) -> bytes:
    """What the probe sends: never longer than 127 bytes here."""
    head = await reader.readexactly(2)
    return head + await reader.readexactly(head[1])


def broker(*said: bytes, welcome: bytes = YES, confirmed: bytes = SUBSCRIBED, stay: bool = True) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        writer.write(welcome)
        await packet(reader)
        writer.write(confirmed)
        for one in said:
            writer.write(one)
            await writer.drain()
        if not stay:
            writer.close()
        else:
            await listened(PATIENT.deadline_seconds / 2)

    return talk


def saying(data: bytes, *, stay: bool = False) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        writer.write(data)
        await writer.drain()
        if not stay:
            writer.close()

    return talk


def endless(start: bytes, part: bytes, pause: float = 0) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        writer.write(start)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


def source(at: Broker, topic: str = "a/#", scheme: str = "mqtt", **more: Any) -> Target:
    auth = more.pop("auth", None)
    return target(
        f"{scheme}://127.0.0.1:{at.port}",
        auth,
        kind=DataKind.MQTT,
        physical_name=topic,
        **more,
    )


async def facts_of(*said: bytes, contract: DataContract | None = None) -> SourceFacts:
    async with serving(broker(*said)) as at:
        more = {"contract": contract} if contract else {}
        facts = await look_at(source(at, **more), PATIENT)  # type: ignore[arg-type]
    assert PAYLOAD not in facts.model_dump_json()
    return facts


async def verdict(talk: Talk, limits: Limits = QUICK) -> SourceError:
    async with serving(talk) as at:
        found = await refusal(source(at), limits)
    assert PAYLOAD not in found.message
    return found


# --- what is sent


async def test_what_is_sent() -> None:
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await packet(reader))
        writer.write(YES)
        sent.append(await packet(reader))
        writer.write(SUBSCRIBED + publish({"level": 1}))
        sent.append(await reader.read())

    async with serving(talk) as at:
        session = ProbeSession(source(at, "city/+/levels"), QUICK, LOOPBACK)
        await look_at(session)
        await asyncio.sleep(0.05)
    hello, subscribe, rest = sent
    # CONNECT: protocol MQTT, level 4, a clean session and nothing else (no will, no user), keep-alive, client.
    assert hello[0] == 0x10
    assert hello[2:10] == b"\x00\x04MQTT\x04\x02"
    assert hello[14:26] == b"ddtas-probe-"
    assert len(hello) <= 14 + 23
    assert subscribe == b"\x82" + bytes([len(subscribe) - 2]) + b"\x00\x01\x00\x0dcity/+/levels\x00"  # QoS 0
    assert rest == b"\xe0\x00"  # DISCONNECT
    assert (session.requests, session.received) == (2, len(YES + SUBSCRIBED + publish({"level": 1})))
    assert session.latency_milliseconds is not None


async def test_user_and_password() -> None:
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await packet(reader))
        writer.write(b"\x20\x02\x00\x05")

    async with serving(talk) as at:
        login = {"username": "reader", "password": SECRET}
        assert (await refusal(source(at, auth="Basic", credentials=login), QUICK)).reason == "Unauthorized"
    assert sent[0][9] == 0xC2
    assert sent[0].endswith(b"\x00\x06reader" + struct.pack(">H", len(SECRET)) + SECRET.encode())


# --- what messages show


async def test_messages_before_the_confirmation_count() -> None:
    facts = await facts_of_confirmed(publish({"level": 1}) + SUBSCRIBED)
    assert facts.sampled == 1


async def facts_of_confirmed(confirmed: bytes) -> SourceFacts:
    async with serving(broker(confirmed=confirmed)) as at:
        return await look_at(source(at), PATIENT)


async def test_the_step_is_that_of_a_topic() -> None:
    """Two stations that take turns, each every quarter of an hour."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    said = [
        publish({"at": (start + timedelta(minutes=15 * step + 2 * station)).isoformat(), "level": step}, f"a/{station}")
        for step in range(3)
        for station in range(2)
    ]
    facts = await facts_of(*said)
    assert (facts.time_resolution, facts.last, facts.sampled) == ("PT15M", "2024-01-01T00:32:00Z", 6)
    assert facts.first is None


async def test_a_message_may_be_an_array() -> None:
    facts = await facts_of(publish([{"day": "2024-01-01"}, {"day": "2024-01-02", "x": 1}, PAYLOAD, None, [{"y": 1}]]))
    assert [(field.name, field.type, field.empty) for field in facts.fields] == [
        ("day", "date", 0),
        ("x", "integer", 1),
    ]
    assert (facts.last, facts.time_resolution) == ("2024-01-02", "P1D")


async def test_the_contract_says_which_field_is_the_time() -> None:
    contract = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "at", "type": "timestamp"}]})
    said = publish({"made": "2020-01-01", "at": "2024-01-01T00:00:00Z"})
    assert (await facts_of(said, contract=contract)).last == "2024-01-01T00:00:00Z"
    assert (await facts_of(said)).last == "2020-01-01"


async def test_without_a_time_in_them_it_counts_when_they_came() -> None:
    facts = await facts_of(publish({"level": 1}))
    assert facts.last is not None
    assert abs(datetime.fromisoformat(facts.last) - datetime.now(UTC)) < timedelta(minutes=5)
    retained = await facts_of(publish({"level": 1}, retained=True))
    assert retained.last is None
    assert retained.why_unknown("last")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"1.5",
        b"{",
        b"\xff\xfe",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        PAYLOAD.encode(),
        b'"' + PAYLOAD.encode() + b'"',
        b"null",
        b"[]",
        b"[[], 1]",
        b"9" * 10_000,
        b"\x1f\x8b\x08\x00gzip",
    ],
)
async def test_messages_that_are_no_objects(payload: bytes) -> None:
    facts = await facts_of(publish(payload, retained=True))
    assert (facts.fields, facts.sampled) == ((), 0)
    assert facts.why_unknown("fields") == "no message was a JSON object"


async def test_odd_objects() -> None:
    odd: dict[str, Any] = {
        PAYLOAD + "\n": 1,
        "": 2,
        "a b": 3,
        "ok": None,
        "big": 10**100,
        "deep": [[[[]]]],
        "time": "9999-99-99",
    }
    facts = await facts_of(publish(odd), publish({f"field{number}": number for number in range(1000)}))
    assert len(facts.fields) == 128
    assert [field.name for field in facts.fields][:4] == ["ok", "big", "deep", "time"]


async def test_silence() -> None:
    facts = await facts_of()
    assert facts.sampled == 0
    for fact in ("fields", "last", "timeResolution"):
        assert (facts.why_unknown(fact) or "").startswith("no message within 1 seconds")
    for fact in ("records", "first", "sizeBytes", "geometryType", "crs", "extent"):
        assert facts.why_unknown(fact)


# --- bounds


async def test_no_more_messages_than_are_needed() -> None:
    async with serving(endless(YES + SUBSCRIBED, publish({"level": 1}) * 100)) as at:
        session = ProbeSession(source(at), Limits(deadline_seconds=60), LOOPBACK)
        facts = await look_at(session)
    assert facts.sampled == MAX_MESSAGES
    assert session.received == len(YES + SUBSCRIBED) + MAX_MESSAGES * len(publish({"level": 1}))


async def test_no_more_records_than_are_needed() -> None:
    facts = await facts_of(*[publish([{"level": 1}] * 400)] * 5)
    assert facts.sampled == MAX_RECORDS


async def test_no_more_bytes_than_are_allowed() -> None:
    limits = Limits(deadline_seconds=60, max_bytes=100_000, max_document_bytes=50_000)
    async with serving(endless(YES + SUBSCRIBED, publish({"text": "x" * 30_000}))) as at:
        session = ProbeSession(source(at), limits, LOOPBACK)
        facts = await look_at(session)
    assert facts.sampled == 3
    assert session.received <= 100_000


async def test_topics_without_number() -> None:
    said = [publish({"day": f"2024-01-{day:02}"}, f"{station}/{'x' * 200}") for station in range(200) for day in (1, 2)]
    facts = await facts_of(*said)
    assert (facts.time_resolution, facts.last, facts.sampled) == ("P1D", "2024-01-02", 400)


@pytest.mark.parametrize(
    ("part", "pause"),
    [(publish({"level": 1})[:3], 0.02), (b"\x30\xff\xff\x7f", 60), (b"\x30", 60), (publish({"a": 1})[:-1], 60)],
)
async def test_a_message_that_does_not_end(part: bytes, pause: float) -> None:
    """Listening ends when its time is up, in the middle of a message too."""
    async with serving(endless(YES + SUBSCRIBED + publish({"level": 1}), part, pause)) as at:
        try:
            facts = await look_at(source(at), PATIENT)
            assert facts.sampled == 1
        except SourceError as error:
            assert error.reason == "MalformedData"  # noqa: PT017


# --- no broker, or a mean one


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "Unreachable"),
        (b"\x20", "Unreachable"),
        (b"\x20\x02\x00", "Unreachable"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "UnexpectedContent"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "UnexpectedContent"),
        (PAYLOAD.encode() * 1000, "UnexpectedContent"),
        (b"\0" * 1000, "UnexpectedContent"),
        (b"\xff" * 1000, "UnexpectedContent"),
        (b"\x20\xff\xff\xff\xff\x7f", "MalformedData"),
        (b"\x20\xff\xff\xff\x7f", "UnexpectedContent"),
        (b"\x20\x03\x00\x00\x00", "UnexpectedContent"),  # CONNACK of MQTT 5
        (b"\x20\x02\x00\x01", "ErrorReported"),
        (b"\x20\x02\x00\x02", "ErrorReported"),
        (b"\x20\x02\x00\x03", "Unreachable"),
        (b"\x20\x02\x00\x04", "Unauthorized"),
        (b"\x20\x02\x00\x05", "Unauthorized"),
        (b"\x20\x02\x00\xff", "ErrorReported"),
        (YES, "Unreachable"),
    ],
)
async def test_what_is_said_to_the_connection(said: bytes, reason: str) -> None:
    assert (await verdict(saying(said))).reason == reason


@pytest.mark.parametrize(
    ("confirmed", "reason"),
    [
        (b"\x90\x03\x00\x01\x80", "Unauthorized"),
        (b"\x90\x03\x00\x01\xff", "Unauthorized"),
        (b"\x90\x03\x00\x02\x00", "MalformedData"),
        (b"\x90\x02\x00\x01", "MalformedData"),
        (b"\x90\x04\x00\x01\x00\x00", "MalformedData"),
        (b"\x90\xff\xff\xff\xff", "MalformedData"),
        (b"\xd0\x00", "MalformedData"),
        (YES, "MalformedData"),
        (publish({"a": 1}) * (MAX_MESSAGES + 1), "MalformedData"),
    ],
)
async def test_what_is_said_to_the_subscription(confirmed: bytes, reason: str) -> None:
    assert (await verdict(broker(confirmed=confirmed))).reason == reason


@pytest.mark.parametrize(
    "said",
    [
        b"\x30\x00",
        b"\x30\x01\x00",
        b"\x30\x02\x00\x05",
        b"\x30\x02\x00\x00",
        b"\x30\x04\x00\x02\xff\xfe",
        b"\x32\x05\x00\x01a\x00\x01",  # QoS 1, which was not asked for
        b"\x30\xff\xff\xff\x7f",
        b"\x30\xff\xff\xff\xff\x01",
        SUBSCRIBED,
        YES,
        b"\x00\x00",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
async def test_packets_that_are_none(said: bytes) -> None:
    assert (await verdict(broker(publish({"a": 1}), said))).reason == "MalformedData"


async def test_a_connection_that_breaks_off() -> None:
    assert (await verdict(broker(publish({"a": 1}), stay=False))).reason == "Unreachable"


@pytest.mark.parametrize("talk", [saying(b"", stay=True), saying(b"\x20", stay=True), saying(YES, stay=True)])
async def test_slow_brokers(talk: Talk) -> None:
    assert (await verdict(talk)).reason == "TooSlow"


async def test_a_broker_without_tls() -> None:
    async with serving(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as at:
        found = await refusal(source(at, scheme="mqtts"), LIMITS)
    assert found.reason == "Unreachable"


# --- endpoints, names and credentials


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://127.0.0.1:x",
        "mqtt://127.0.0.1?topic=a",
        f"mqtt://reader:{SECRET}@127.0.0.1",
        "mqtt://[::1",
        "mqtt://a\tb:1883",
    ],
)
async def test_endpoints_that_are_none(endpoint: str) -> None:
    found = await refusal(target(endpoint, kind=DataKind.MQTT, physical_name="a"))
    assert found.reason in ("AddressForbidden", "Unreachable")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433", "169.254.169.254"])
async def test_addresses_that_are_forbidden(host: str) -> None:
    async with serving(saying(b"")) as at:
        to = target(f"mqtt://{host}:{at.port}", kind=DataKind.MQTT, physical_name="a")
        assert (await refusal(ProbeSession(to, QUICK, AddressPolicy()))).reason in ("AddressForbidden", "Unreachable")
        assert at.connections == 0


async def test_a_host_that_is_not_in_dns() -> None:
    found = await refusal(target("mqtt://nowhere.invalid", kind=DataKind.MQTT, physical_name="a"), LIMITS)
    assert found.reason == "Unreachable"


@pytest.mark.parametrize(
    "topic", ["", "a/#/b", "a#", "#a", "a/b+", "+a/b", "a\0b", "$share/group/a", "$share/group/#", "$queue/a", "a/##"]
)
async def test_topics_that_are_not_listened_to(topic: str) -> None:
    async with serving(saying(b"")) as at:
        assert (await refusal(source(at, topic))).reason == "EntityNotFound"
        assert at.connections == 0


@pytest.mark.parametrize("topic", ["a", "/", "#", "+", "+/+/#", "a/+/b", "/a//b", "$SYS/#", "é/ü"])
async def test_topics_that_are(topic: str) -> None:
    async with serving(broker(publish({"a": 1}))) as at:
        assert (await look_at(source(at, topic), PATIENT)).sampled == 1


@pytest.mark.parametrize(
    ("scheme", "secret"),
    [
        ("Basic", {"username": "reader"}),
        ("Basic", {"username": "reader", "password": SECRET + "\n"}),
        ("Basic", {"username": "reader", "password": SECRET * 10_000}),
        ("Bearer", {"token": SECRET}),
        ("ApiKey", {"api-key": SECRET}),
        ("MutualTLS", {"tls.crt": SECRET, "tls.key": SECRET}),
    ],
)
async def test_credentials_that_cannot_be_used(scheme: str, secret: Mapping[str, str]) -> None:
    async with serving(saying(b"")) as at:
        for protocol in ("mqtt", "mqtts"):
            found = await refusal(source(at, scheme=protocol, auth=scheme, credentials=secret))
            assert found.reason == "Unauthorized"
        assert at.connections == 0


async def test_few_requests() -> None:
    async with serving(broker()) as at:
        assert (await refusal(source(at), Limits(max_requests=1))).reason == "TooManyRequests"
