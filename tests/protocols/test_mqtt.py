"""The probe of MQTT against mosquitto: what the messages show, who is let in, and what a look costs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from servers import mosquitto as broker
from servers.certificates import Pair
from servers.mosquitto import MosquittoServer

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
BRIEF = Limits(deadline_seconds=6)  # listens for half of it
UNKNOWN = {"records", "first", "sizeBytes", "geometryType", "crs", "extent"}


def look_at(
    url: str, topic: str, secret: Mapping[str, str] | None = None, scheme: str = "Basic", limits: Limits = BRIEF
) -> ProbeSession:
    auth = Credentials.model_validate({"secretName": "broker", "scheme": scheme}) if secret else None
    contract = DataContract(version="1.0.0")
    return ProbeSession(Target(DataKind.MQTT, url, contract, topic, auth, secret), limits, LOOPBACK)


def password(login: broker.Login, **more: str) -> dict[str, str]:
    return {"username": login.user, "password": login.password, **more}


def certificate(pair: Pair, server: MosquittoServer) -> dict[str, str]:
    return {
        "tls.crt": pair.certificate.read_text(),
        "tls.key": pair.key.read_text(),
        "ca.crt": server.ca.read_text(),
    }


async def probe(session: ProbeSession) -> SourceFacts:
    return await CONFINED[session.target.kind](session)


async def refusal(session: ProbeSession) -> str:
    with pytest.raises(SourceError) as caught:
        await probe(session)
    assert "secret" not in caught.value.message
    return str(caught.value.reason)


async def test_a_stream_of_several_topics(mosquitto: MosquittoServer) -> None:
    session = look_at(mosquitto.url, f"{broker.LEVELS}/+", password(broker.READER), limits=Limits(deadline_seconds=12))
    facts = await probe(session)
    assert {(field.name, field.type, field.empty) for field in facts.fields} == {
        ("id", "integer", 0),
        ("name", "string", 0),
        ("level", "number", 0),
        ("measured_at", "timestamp", 0),
    }
    assert facts.sampled is not None
    assert facts.sampled >= broker.STATIONS
    assert facts.last is not None
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(facts.last) < timedelta(minutes=5)
    assert facts.time_resolution == "PT1S"
    assert facts.latency_milliseconds is not None
    assert {unknown.fact for unknown in facts.unknown} == UNKNOWN
    assert session.requests == 2
    assert 0 < session.received < 20_000


async def test_a_retained_message(mosquitto: MosquittoServer) -> None:
    session = look_at(mosquitto.url, broker.STATUS, password(broker.READER))
    facts = await probe(session)
    assert [(field.name, field.type) for field in facts.fields] == [
        ("state", "string"),
        ("since", "timestamp"),
        ("stations", "integer"),
    ]
    assert facts.sampled == 1
    assert facts.last is not None
    assert {unknown.fact for unknown in facts.unknown} == UNKNOWN | {"timeResolution"}
    assert session.received < 500


@pytest.mark.parametrize("topic", ["city/nothing", f"{broker.STATUS}/below"])
async def test_silence_is_no_error(mosquitto: MosquittoServer, topic: str) -> None:
    facts = await probe(look_at(mosquitto.url, topic, password(broker.READER)))
    assert (facts.fields, facts.sampled, facts.last) == ((), 0, None)
    assert {unknown.fact for unknown in facts.unknown} == UNKNOWN | {"fields", "last", "timeResolution"}
    assert (facts.why_unknown("fields") or "").startswith("no message within 3 seconds")


async def test_who_may_not_read_hears_nothing(mosquitto: MosquittoServer) -> None:
    """This broker confirms a subscription to a topic that the user may not read; others refuse it."""
    facts = await probe(look_at(mosquitto.url, broker.STATUS, password(broker.OUTSIDER)))
    assert facts.fields == ()
    assert "may not read" in (facts.why_unknown("fields") or "")


async def test_tls_with_a_certificate_authority_of_our_own(mosquitto: MosquittoServer) -> None:
    url = f"mqtts://localhost:{mosquitto.tls_port}"
    trusting = password(broker.READER, **{"ca.crt": mosquitto.ca.read_text()})
    assert (await probe(look_at(url, broker.STATUS, trusting))).sampled == 1
    assert await refusal(look_at(url, broker.STATUS, password(broker.READER))) == "Unreachable"


async def test_a_client_certificate(mosquitto: MosquittoServer) -> None:
    url = f"mqtts://localhost:{mosquitto.mutual_port}"
    ours, theirs = certificate(mosquitto.client, mosquitto), certificate(mosquitto.stranger, mosquitto)
    assert (await probe(look_at(url, broker.STATUS, ours, "MutualTLS"))).sampled == 1
    assert await refusal(look_at(url, broker.STATUS, theirs, "MutualTLS")) == "Unauthorized"
    none = password(broker.READER, **{"ca.crt": mosquitto.ca.read_text()})
    # The broker's alert may come too late: its end of the connection overtakes it.
    assert await refusal(look_at(url, broker.STATUS, none)) in ("Unauthorized", "Unreachable")


@pytest.mark.parametrize(
    "secret", [None, {"username": "reader", "password": "another-secret"}, {"username": "who", "password": "secret"}]
)
async def test_wrong_credentials(mosquitto: MosquittoServer, secret: dict[str, str] | None) -> None:
    session = look_at(mosquitto.url, broker.STATUS, secret)
    assert await refusal(session) == "Unauthorized"
    assert session.requests == 1


async def test_a_port_that_speaks_otherwise(mosquitto: MosquittoServer) -> None:
    login = password(broker.READER)
    plain, tls = f"mqtts://localhost:{mosquitto.port}", f"mqtt://localhost:{mosquitto.tls_port}"
    assert await refusal(look_at(plain, broker.STATUS, login)) == "Unreachable"
    assert await refusal(look_at(tls, broker.STATUS, login)) == "Unreachable"


async def test_nothing_is_published(mosquitto: MosquittoServer) -> None:
    before = mosquitto.log.read_text().count("Received PUBLISH from ddtas-probe-")
    await probe(look_at(mosquitto.url, broker.STATUS, password(broker.READER)))
    log = mosquitto.log.read_text()
    assert log.count("Received PUBLISH from ddtas-probe-") == before == 0
    assert "Received DISCONNECT from ddtas-probe-" in log
