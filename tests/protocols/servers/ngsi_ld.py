"""An NGSI-LD endpoint with water levels. A stand-in answers: see ``ngsi_ld_stand_in``, which is no real broker."""

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from . import dataset, ngsi_ld_stand_in
from .process import HOST, Server, free_port, http_answers, running

ENTITY_TYPE = "WaterLevelObserved"
ENTITIES = 25
HOURS = 48  # of which the broker knows the level of each
# South-west corner and step of the grid of gauges, in degrees (WGS 84), near The Hague.
_WEST, _SOUTH, _STEP = 4.25, 52.02, 0.02


@dataclass(frozen=True)
class NgsiLdServer(Server):
    """The endpoint; ``api`` is where the paths of the specification begin. No credentials."""

    newest: datetime
    entity_type: str = ENTITY_TYPE
    count: int = ENTITIES
    hours: int = HOURS

    @property
    def api(self) -> str:
        """The base address of the API."""
        return self.url + ngsi_ld_stand_in.API


@contextlib.contextmanager
def ngsi_ld(directory: Path, newest: datetime | None = None) -> Iterator[NgsiLdServer]:
    """Run it with the 25 entities of ``entities()``, the first observed at ``newest``, now if none."""
    newest = dataset.newest_hour(newest)
    port = free_port()
    url = f"http://{HOST}:{port}"
    server = NgsiLdServer(url=url, host=HOST, port=port, log=directory / "ngsi-ld.log", newest=newest)
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "entities.json"
    data.write_text(json.dumps(entities(newest)))
    history = directory / "evolution.json"
    history.write_text(json.dumps([evolution(entity) for entity in entities(newest)]))
    command: list[str | Path] = [sys.executable, str(ngsi_ld_stand_in.__file__), "--port", str(port), data, history]
    with running(command, log=server.log, ready=http_answers(f"{server.api}/types")):
        yield server


def evolution(entity: dict[str, Any]) -> dict[str, Any]:
    """A gauge with its level of each hour until it was observed last, the oldest first."""
    last = datetime.fromisoformat(entity["level"]["observedAt"])
    times = [last - timedelta(hours=hour) for hour in reversed(range(HOURS))]
    levels = [
        {**entity["level"], "value": level(entity, when), "observedAt": f"{when:%Y-%m-%dT%H:%M:%SZ}"} for when in times
    ]
    return {"id": entity["id"], "type": entity["type"], "level": levels}


def level(entity: dict[str, Any], when: datetime) -> float:
    """What a gauge measures: the value that it has as an entity, and a tide."""
    hours = (datetime.fromisoformat(entity["level"]["observedAt"]) - when) / timedelta(hours=1)
    return round(float(entity["level"]["value"]) + 0.2 * math.sin(hours / 2), 3)


def entities(newest: datetime) -> list[dict[str, Any]]:
    """Gauges on a grid of 5 by 5, normalized; the first observed at ``newest``, each next one an hour before."""
    return [
        {
            "id": f"urn:ngsi-ld:{ENTITY_TYPE}:gauge-{number:02d}",
            "type": ENTITY_TYPE,
            "level": {
                "type": "Property",
                "value": round(0.4 + 0.3 * math.sin(number), 3),
                "unitCode": "MTR",
                "observedAt": (newest - timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
            "location": {
                "type": "GeoProperty",
                "value": {
                    "type": "Point",
                    "coordinates": [round(_WEST + _STEP * (number % 5), 5), round(_SOUTH + _STEP * (number // 5), 5)],
                },
            },
        }
        for number in range(ENTITIES)
    ]
