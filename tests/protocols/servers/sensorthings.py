"""An OGC SensorThings server, FROST-Server, with hourly water levels at three places near The Hague."""

import base64
import contextlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ddtas_dev import servers_registry

from . import dataset
from .http_client import ask
from .postgresql import Database
from .process import HOST, Server, ServerError, free_port, running, tcp_answers

HOURS = 240
UNIT = {"name": "metre", "symbol": "m", "definition": "http://qudt.org/vocab/unit/M"}
# Name, longitude and latitude (WGS 84).
PLACES = (("Hofvijver", 4.3128, 52.0801), ("Laakhaven", 4.3220, 52.0655), ("Loosduinse Vaart", 4.2652, 52.0632))
_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


@dataclass(frozen=True)
class Basic:
    """A user and password for HTTP basic authentication."""

    user: str
    password: str

    def header(self) -> dict[str, str]:
        """The header that shows them."""
        shown = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {shown}"}


@dataclass(frozen=True)
class SensorThingsServer(Server):
    """The server; ``api`` is the address of its version 1.1; every request needs ``credentials`` where it has them."""

    newest: datetime
    credentials: Basic | None = None
    hours: int = HOURS
    observations: int = HOURS * len(PLACES)

    @property
    def api(self) -> str:
        """The base address of the API."""
        return f"{self.url}/v1.1"

    def ask(self, path: str) -> tuple[int, Any]:
        """The status and the JSON of a GET of a path below the API, with the credentials."""
        answer = ask("GET", f"{self.api}/{path}", headers=self.credentials.header() if self.credentials else {})
        return answer.status, json.loads(answer.body)


@contextlib.contextmanager
def sensorthings(
    directory: Path,
    database: Database,
    credentials: Basic | None = None,
    newest: datetime | None = None,
) -> Iterator[SensorThingsServer]:
    """Run it: 3 Things, each with a Location and a Datastream of 240 Observations, one an hour up to ``newest``.

    ``database`` must be empty, and cannot be used for another. ``newest`` is now when not given; every request must
    show ``credentials`` when there are any. Raises ServerError.
    """
    port = free_port()
    server = SensorThingsServer(
        url=f"http://{HOST}:{port}",
        host=HOST,
        port=port,
        log=directory / "sensorthings.log",
        newest=dataset.newest_hour(newest),
        credentials=credentials,
    )
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "sensorthings.properties"
    settings.write_text(_settings(server, database, directory))
    settings.chmod(0o600)
    command = [*servers_registry.sensorthings_server(), settings]
    with running(command, log=server.log, ready=tcp_answers(port)):
        _load(server)
        yield server


def _settings(server: SensorThingsServer, database: Database, directory: Path) -> str:
    values = {
        "http.port": server.port,
        "http.user": server.credentials.user if server.credentials else "",
        "http.password": server.credentials.password if server.credentials else "",
        "serviceRootUrl": server.url,
        "tempPath": directory,
        "defaultCount": "false",
        # The part of it that speaks MQTT is not there: it must not say so in its landing page.
        "mqtt.Enabled": "false",
        "plugins.coreModel.enable": "true",
        "plugins.coreModel.idType": "LONG",
        "persistence.persistenceManagerImplementationClass": (
            "de.fraunhofer.iosb.ilt.frostserver.persistence.pgjooq.PostgresPersistenceManager"
        ),
        "persistence.autoUpdateDatabase": "true",
        "persistence.db.driver": "org.postgresql.Driver",
        "persistence.db.url": f"jdbc:postgresql://{database.host}:{database.port}/{database.database}",
        "persistence.db.username": database.user,
        "persistence.db.password": database.password,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _load(server: SensorThingsServer) -> None:
    level = {
        "name": "water level",
        "definition": "https://data.example/def/water-level",
        "description": "Height of the water's surface above NAP",
    }
    gauge = {
        "name": "pressure gauge",
        "description": "An example",
        "encodingType": "text/html",
        "metadata": "https://data.example/gauge",
    }
    level_id = _post(server, "ObservedProperties", level)
    gauge_id = _post(server, "Sensors", gauge)
    for number, place in enumerate(PLACES):
        _post(server, "Things", _thing(server.newest, number, place, level_id, gauge_id))


def _thing(
    newest: datetime, number: int, place: tuple[str, float, float], level_id: int, gauge_id: int
) -> dict[str, Any]:
    name, longitude, latitude = place
    times = [newest - timedelta(hours=hour) for hour in reversed(range(HOURS))]
    stream = {
        "name": f"Water level at {name}",
        "description": "Hourly",
        "observationType": _MEASUREMENT,
        "unitOfMeasurement": UNIT,
        "ObservedProperty": {"@iot.id": level_id},
        "Sensor": {"@iot.id": gauge_id},
        "Observations": [
            {
                "phenomenonTime": (time := f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
                "resultTime": time,
                "result": round(-0.4 + 0.1 * number + 0.2 * math.sin(index / 24), 3),
            }
            for index, moment in enumerate(times)
        ],
    }
    location = {
        "name": name,
        "description": "Where the gauge is",
        "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [longitude, latitude]},
    }
    return {"name": f"Gauge {name}", "description": "A gauge", "Locations": [location], "Datastreams": [stream]}


def _post(server: SensorThingsServer, path: str, entity: dict[str, Any]) -> int:
    """Make an entity and return its id."""
    headers = {"Content-Type": "application/json", **(server.credentials.header() if server.credentials else {})}
    answer = ask("POST", f"{server.api}/{path}", headers=headers, body=json.dumps(entity).encode())
    if answer.status != 201:
        raise ServerError(f"the SensorThings server refused {path}: {answer.status} {answer.body.decode()[:500]}")
    # The address of what was made ends in its id: Things(7).
    return int(answer.headers["Location"].rpartition("(")[2].rstrip(")"))
