"""mosquitto, an MQTT broker, with a listener for each way to be let in, and a publisher of water levels.

===================  ======================================================================================
topic                messages
===================  ======================================================================================
``city/levels/<n>``  for n = 1, 2, 3, one each second, not retained: an object with ``id``, ``name``,
                     ``level``, ``measured_at``, like the rows of ``dataset``
``city/status``      one, retained: an object with ``state``, ``since``, ``stations``
===================  ======================================================================================
"""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from ddtas_dev import servers_debian

from . import dataset
from .certificates import Authority, Pair
from .process import HOST, Server, ServerError, free_port, running, tcp_answers

LEVELS = "city/levels"
STATUS = "city/status"
STATIONS = 3
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Login:
    """A user of the broker."""

    user: str
    password: str


READER = Login("reader", "reader-secret")  # reads everything under city/
OUTSIDER = Login("outsider", "outsider-secret")  # is let in, and may read nothing under city/
CERTIFIED = "certified"  # the name in the client certificate; reads everything under city/


@dataclass(frozen=True)
class MosquittoServer(Server):
    """A broker; ``port`` and ``url`` are of the listener that wants a password, the other ports of the others.

    ``open_port`` lets in everybody; ``tls_port`` wants a password over TLS; ``mutual_port`` a client certificate.
    """

    open_port: int
    tls_port: int
    mutual_port: int
    ca: Path
    client: Pair  # the certificate of CERTIFIED
    stranger: Pair  # a client certificate of another authority


@contextlib.contextmanager
def mosquitto(directory: Path, interval_seconds: float = INTERVAL_SECONDS) -> Iterator[MosquittoServer]:
    """Start a broker and its publisher; both are gone afterwards. ``directory`` keeps its files and its log."""
    program = servers_debian.mosquitto()
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority(directory / "certificates")
    log = directory / "mosquitto.log"
    ports = [free_port() for _ in range(4)]
    server = MosquittoServer(
        url=f"mqtt://{HOST}:{ports[0]}",
        host=HOST,
        port=ports[0],
        log=log,
        open_port=ports[1],
        tls_port=ports[2],
        mutual_port=ports[3],
        ca=authority.ca,
        client=authority.client(CERTIFIED),
        stranger=Authority(directory / "stranger", "Somebody else").client(CERTIFIED),
    )
    config = directory / "mosquitto.conf"
    config.write_text(_config(server, authority.server(), _passwords(directory), _rights(directory)))
    with running([program, "-c", config, "-v"], log=log, ready=tcp_answers(server.mutual_port)):  # noqa: SIM117
        with _publishing(server.open_port, interval_seconds):
            yield server


def _config(server: MosquittoServer, own: Pair, passwords: Path, rights: Path) -> str:
    # It stays who it is: as another account it could not read pytest's folders.
    lines = ["user root" if os.geteuid() == 0 else "", "per_listener_settings true"]
    password = [f"password_file {passwords}", f"acl_file {rights}", "allow_anonymous false"]
    tls = [f"cafile {server.ca}", f"certfile {own.certificate}", f"keyfile {own.key}"]
    mutual = ["require_certificate true", "use_identity_as_username true", f"acl_file {rights}"]
    listeners = (
        (server.port, password),
        (server.open_port, ["allow_anonymous true"]),
        (server.tls_port, [*password, *tls]),
        (server.mutual_port, [*tls, *mutual, "allow_anonymous false"]),
    )
    for port, settings in listeners:
        lines += [f"listener {port} {HOST}", *settings]
    return "\n".join([*lines, "persistence false", "log_dest stderr", ""])


def _passwords(directory: Path) -> Path:
    file = directory / "passwords"
    file.touch()
    for login in (READER, OUTSIDER):
        command = ["mosquitto_passwd", "-b", str(file), login.user, login.password]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"mosquitto_passwd failed: {done.stderr}")
    return file


def _rights(directory: Path) -> Path:
    file = directory / "rights"
    users = {READER.user: "read city/#", CERTIFIED: "read city/#", OUTSIDER.user: "read elsewhere/#"}
    file.write_text("\n".join(f"user {user}\ntopic {right}\n" for user, right in users.items()))
    return file


@contextlib.contextmanager
def _publishing(port: int, interval_seconds: float) -> Iterator[None]:
    """Publish until the block ends; the retained message is there when it begins."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, port)
    client.loop_start()
    started = datetime.now(UTC)
    status = {"state": "up", "since": dataset.iso(started), "stations": STATIONS}
    client.publish(STATUS, json.dumps(status), qos=1, retain=True).wait_for_publish(timeout=30)
    over = threading.Event()
    thread = threading.Thread(target=_publish, args=(client, over, interval_seconds), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        client.disconnect()
        client.loop_stop()


def _publish(client: mqtt.Client, over: threading.Event, interval_seconds: float) -> None:
    rows = dataset.stations(dataset.rows(dataset.newest_hour()))[:STATIONS]
    while not over.is_set():
        now = dataset.iso(datetime.now(UTC))
        for number, row in enumerate(rows, start=1):
            message = {"id": number, "name": row.name, "level": row.level, "measured_at": now}
            client.publish(f"{LEVELS}/{number}", json.dumps(message))
        over.wait(interval_seconds)
