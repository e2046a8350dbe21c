"""A stream of messages of an MQTT broker (MQTT 3.1.1, OASIS Standard, 29 October 2014).

The endpoint is mqtt://host[:port], or mqtts:// with TLS; the physical name is a topic filter. The probe subscribes with
QoS 0 in a session of its own, and listens for a few seconds. It sends CONNECT, SUBSCRIBE and DISCONNECT, and nothing
else: no message, no will, no acknowledgement.

The few packets are written here rather than left to a client library: they go over one connection to the address that
was checked, and each is bounded before it is read.
"""

import asyncio
import contextlib
import secrets
import ssl
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ddtas.data.contract import FieldType
from ddtas.data.facts.axis import Axis, day, iso, timestamp
from ddtas.data.facts.records import Records
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import SourceReason
from ddtas.data.wire import credentials, documents, tcp, tls
from ddtas.errors import SourceError

LISTEN_SECONDS = 5.0
MAX_MESSAGES = 500
MAX_RECORDS = 1000  # a message may be an array of several
_MAX_TOPICS = 64  # whose rhythm is followed
_MAX_TEXT = 65535  # bytes of a string in a packet

# Packet types, in the high four bits of the first byte; what must be sent with them is in the low four.
_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _DISCONNECT = 0x10, 0x20, 0x30, 0x82, 0x90, 0xE0
_PROTOCOL_LEVEL = 4
_CLEAN_SESSION, _WITH_PASSWORD, _WITH_USER = 0x02, 0x40, 0x80
_SUBSCRIPTION = 1  # our identifier of the one SUBSCRIBE
_REFUSED = 0x80

_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)


@dataclass(frozen=True)
class _Message:
    topic: str
    retained: bool
    arrived: datetime
    payload: bytes


async def probe(session: ProbeSession) -> SourceFacts:
    """Listen for 5 seconds, or half of the deadline, and tell what the messages show.

    A broker that sends no message in that time is Reachable, and the facts about messages are not found: MQTT has no
    way to ask what there is.

    Raises:
        SourceError: with a Reason; those of HTTP excepted.
    """
    at = tcp.endpoint(session, {"mqtt": 1883, "mqtts": 8883})
    topic = session.target.physical_name or ""
    if topic.startswith(("$share/", "$queue/")):
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND,
            "has a shared subscription for a topic, and listening to it would take messages away from others: give the "
            "topic filter alone as physicalName",
        )
    if not _is_filter(topic):
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND,
            "has a physicalName that is no topic filter ('+' is a whole level, '#' all that is below): correct it",
        )
    hello, context = _hello(session, secure=at.scheme == "mqtts")
    seconds = min(LISTEN_SECONDS, session.limits.deadline_seconds / 2)
    async with tcp.limited(session):
        started = asyncio.get_running_loop().time()
        reader, writer = await tcp.connect(session, at.host, at.port, context)
        try:
            writer.write(hello)
            broker = _Broker(session, reader)
            await broker.accepted(started)
            session.count_request()
            writer.write(_packet(_SUBSCRIBE, struct.pack(">H", _SUBSCRIPTION) + _text(session, topic) + b"\0"))
            await broker.subscribed()
            await broker.listen(seconds)
            writer.write(_packet(_DISCONNECT, b""))
            writer.close()
        except BaseException:
            writer.transport.abort()
            raise
    return _facts(session, broker.messages, seconds)


class _Broker:
    """The packets of a broker, each checked before it counts."""

    def __init__(self, session: ProbeSession, reader: asyncio.StreamReader) -> None:
        self._session = session
        self._reader = reader
        self.messages: list[_Message] = []

    async def accepted(self, started: float) -> None:
        """Wait for CONNACK.

        Raises:
            SourceError: UnexpectedContent when it is something else; Unauthorized and others when it says no.
        """
        session = self._session
        try:
            kind = (await self._read(1))[0]
        except ssl.SSLError:
            raise
        except (EOFError, OSError):
            if tls.mutual(session):
                # From TLS 1.3 on a client's certificate is judged after the handshake, and the alert may get lost.
                raise session.error(SourceReason.UNAUTHORIZED, tls.REFUSED_CERTIFICATE) from None
            raise session.error(
                SourceReason.UNREACHABLE,
                "breaks off before it answers: are the scheme and the port of the endpoint right, and does it want a "
                "client certificate (scheme MutualTLS in credentials)?",
            ) from None
        session.latency_milliseconds = round(1000 * (asyncio.get_running_loop().time() - started))
        if kind != _CONNACK or await self._length() != 2:
            raise self._no_broker()
        code = (await self._read(2))[1]
        match code:
            case 0:
                return
            case 1:
                raise session.error(SourceReason.ERROR_REPORTED, "does not speak MQTT 3.1.1: ask the data supplier")
            case 3:
                raise session.error(SourceReason.UNREACHABLE, "takes no connection now: wait, or ask the data supplier")
            case 4 | 5:
                raise session.error(
                    SourceReason.UNAUTHORIZED,
                    f"refuses the connection (CONNACK {code}): "
                    + ("correct the Secret named in" if session.target.auth else "name a Secret in")
                    + " credentials",
                )
            case _:
                raise session.error(
                    SourceReason.ERROR_REPORTED, f"refuses the connection (CONNACK {code}): ask the data supplier"
                )

    async def subscribed(self) -> None:
        """Wait for SUBACK; messages may come before it.

        Raises:
            SourceError: Unauthorized when it says no.
        """
        while (packet := await self._next()) is not None and packet[0] != _SUBACK:
            self._take(*packet)
        if packet is None:
            raise self._malformed("more messages than there should be before the subscription is confirmed")
        _, body = packet
        if len(body) != 3 or body[:2] != struct.pack(">H", _SUBSCRIPTION):
            raise self._malformed("a packet that is none of MQTT 3.1.1")
        if body[2] >= _REFUSED:
            raise self._session.error(
                SourceReason.UNAUTHORIZED,
                "refuses the subscription: ask for the right to read this topic, or correct physicalName or the Secret "
                "named in credentials",
            )

    async def listen(self, seconds: float) -> None:
        """Take messages, until the time, the bytes or the number of messages is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (packet := await self._next()) is not None:
                    self._take(*packet)

    def _take(self, kind: int, body: bytes) -> None:
        """One PUBLISH. Quality of service 0 was asked for, so there is no identifier, and nothing to acknowledge."""
        end = 2 + int.from_bytes(body[:2])
        if kind == _SUBACK or kind & 0x06 or len(body) < max(end, 3):
            raise self._malformed("a message that is none of MQTT 3.1.1")
        try:
            topic = body[2:end].decode()
        except UnicodeDecodeError:
            raise self._malformed("a topic that is not text in UTF-8") from None
        self.messages.append(_Message(topic, bool(kind & 0x01), datetime.now(UTC).replace(microsecond=0), body[end:]))

    async def _next(self) -> tuple[int, bytes] | None:
        """The next packet: its first byte and its body. None when there were enough."""
        limits = self._session.limits
        if len(self.messages) >= MAX_MESSAGES or self._session.received >= limits.max_bytes:
            return None
        kind = (await self._read(1))[0]
        if kind & 0xF0 != _PUBLISH and kind != _SUBACK:
            raise self._malformed("a packet that was not asked for")
        length = await self._length()
        if length > limits.max_document_bytes:
            raise self._malformed(f"a message of more than {limits.max_document_bytes} bytes")
        if length > limits.max_bytes - self._session.received:
            return None
        return kind, await self._read(length)

    async def _length(self) -> int:
        """The remaining length of a packet: seven bits a byte, the lowest first, at most four bytes."""
        length = 0
        for shift in (0, 7, 14, 21):
            byte = (await self._read(1))[0]
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                return length
        raise self._malformed("a packet that is none of MQTT 3.1.1")

    async def _read(self, length: int) -> bytes:
        body = await self._reader.readexactly(length)
        self._session.received += length
        return body

    def _no_broker(self) -> SourceError:
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT, "does not answer as an MQTT broker does: correct the scheme, host and port"
        )

    def _malformed(self, what: str) -> SourceError:
        return self._session.error(SourceReason.MALFORMED_DATA, f"sends {what}: ask the data supplier")


def _is_filter(topic: str) -> bool:
    """Whether that is a topic filter (section 4.7): '+' for one whole level, '#' for all that is below."""
    *above, last = topic.split("/")
    levels = [*above, "" if last == "#" else last]
    return bool(topic) and "\0" not in topic and all(level == "+" or not set(level) & set("+#") for level in levels)


def _hello(session: ProbeSession, *, secure: bool) -> tuple[bytes, ssl.SSLContext | None]:
    """The CONNECT packet, and how TLS is spoken.

    Raises:
        SourceError: Unauthorized for credentials that MQTT does not take.
    """
    scheme = session.target.auth.scheme if session.target.auth else None
    if scheme not in (None, "Basic", "MutualTLS"):
        raise session.error(
            SourceReason.UNAUTHORIZED,
            f"could not be read: MQTT takes no {scheme}: set scheme in credentials to Basic or MutualTLS",
        )
    if scheme == "MutualTLS" and not secure:
        raise session.error(
            SourceReason.UNAUTHORIZED,
            "could not be read: there is no client certificate without TLS: give a mqtts:// endpoint",
        )
    flags, login = _CLEAN_SESSION, b""
    if scheme == "Basic":
        flags |= _WITH_USER | _WITH_PASSWORD
        login = b"".join(_text(session, credentials.value(session, key)) for key in ("username", "password"))
    alive = min(
        0xFFFF, 2 * int(session.limits.deadline_seconds) + 10
    )  # seconds; longer than the session, so no PINGREQ
    name = _text(session, f"ddtas-probe-{secrets.token_hex(5)}")  # at most 23 characters, as every broker takes
    start = _text(session, "MQTT") + struct.pack(">BBH", _PROTOCOL_LEVEL, flags, alive)
    context = (tls.context(session) or ssl.create_default_context()) if secure else None
    return _packet(_CONNECT, start + name + login), context


def _packet(kind: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + length + body


def _text(session: ProbeSession, text: str) -> bytes:
    """A string as it is in a packet: its length in two bytes, and UTF-8."""
    try:
        encoded = text.encode()
        return struct.pack(">H", len(encoded)) + encoded
    except (UnicodeEncodeError, struct.error):
        raise session.error(
            SourceReason.UNAUTHORIZED,
            f"could not be read: a name or password is no text of at most {_MAX_TEXT} bytes: correct the Secret",
        ) from None


def _facts(session: ProbeSession, messages: list[_Message], seconds: float) -> SourceFacts:
    for fact, why in (
        ("records", "a stream has no count"),
        ("first", "a stream has no beginning"),
        ("sizeBytes", "a stream has no size"),
        *((fact, "messages have no geometry that MQTT knows of") for fact in ("geometryType", "crs", "extent")),
    ):
        session.unknown(fact, why)
    records = Records(session.target.contract)
    received = list(_records(messages))
    for _, record in received:
        records.add(record)
    silence = f"no message within {seconds:g} seconds: there was none, or this user may not read the topic"
    if not received:
        session.unknown("fields", "no message was a JSON object" if messages else silence)
    last, step = _period(session, messages, received, records)
    if last is None:
        session.unknown("last", "no message had a time in it, or came live" if messages else silence)
    if step is None:
        session.unknown(
            "timeResolution", f"no two messages of one topic within {seconds:g} seconds" if messages else silence
        )
    return session.facts(SourceFacts(fields=records.fields(), sampled=records.count, last=last, time_resolution=step))


def _records(messages: list[_Message]) -> Iterator[tuple[_Message, dict[str, Any]]]:
    """The JSON objects that messages are, or are arrays of."""
    count = 0
    for message in messages:
        try:
            value = documents.parse_json(message.payload)
        except (ValueError, RecursionError):
            continue
        for record in value if isinstance(value, list) else [value]:
            if isinstance(record, dict) and count < MAX_RECORDS:
                count += 1
                yield message, record


def _period(
    session: ProbeSession, messages: list[_Message], received: list[tuple[_Message, dict[str, Any]]], records: Records
) -> tuple[str | None, str | None]:
    """The newest moment, and the step within a topic.

    By the time in the messages: that of the first field that should hold one and does, else of the first that does.
    Without such a field by when they came, if they came live: when a retained one was sent nobody knows.
    """
    promised = {field.name for field in session.target.contract.fields if field.type in _TIMES}
    times = sorted((field for field in records.fields() if field.type in _TIMES), key=lambda f: f.name not in promised)
    if times:
        zone = session.target.contract.time_zone
        texts = [(message.topic, str(record.get(times[0].name))) for message, record in received]
        moments = [(topic, day(text) or timestamp(text, zone)) for topic, text in texts]
    else:
        moments = [(message.topic, message.arrived) for message in messages if not message.retained]
    axes: dict[str, Axis] = {}
    newest = None
    for topic, moment in moments:
        if moment is None:
            continue
        newest = moment if newest is None else max(newest, moment)
        if topic in axes or len(axes) < _MAX_TOPICS:
            axes.setdefault(topic, Axis()).add([moment])
    steps = Counter(step for axis in axes.values() if (step := axis.resolution()))
    return iso(newest), steps.most_common(1)[0][0] if steps else None
