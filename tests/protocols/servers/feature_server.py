"""Esri's open implementation of FeatureServer, with the measurements of ``dataset``, in degrees."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ddtas_dev import servers_registry

from . import dataset
from .process import HOST, Server, free_port, running, tcp_answers

TOKEN = "a-token-of-the-tests"
SERVICE = "levels"
MAX_RECORDS = 100  # of one answer, so that a client has to page
_FIELDS = {"id": "Integer", "name": "String", "level": "Double", "measured_at": "Date", "inspected_on": "String"}


@dataclass(frozen=True)
class FeatureServer(Server):
    """The server; each request must show ``token``."""

    newest: datetime
    token: str = TOKEN

    @property
    def service(self) -> str:
        """The address of the service, whose layer is 0."""
        return f"{self.url}/arcgis/rest/services/{SERVICE}/FeatureServer"

    @property
    def layer(self) -> str:
        """The address of the layer."""
        return f"{self.service}/0"


@contextlib.contextmanager
def feature_server(directory: Path, newest: datetime | None = None) -> Iterator[FeatureServer]:
    """Serve the rows of ``dataset.rows(newest)``, now if none, until the block ends."""
    moment, port = dataset.newest_hour(newest), free_port()
    data = json.loads(dataset.geojson(dataset.rows(moment), dataset.WGS84))
    fields = [{"name": name, "type": kind} for name, kind in _FIELDS.items()]
    data["metadata"] = {
        "name": SERVICE,
        "idField": "id",
        "geometryType": "Point",
        "maxRecordCount": MAX_RECORDS,
        "fields": fields,
    }
    services = directory / "services"
    services.mkdir(parents=True)
    (services / f"{SERVICE}.json").write_text(json.dumps(data))
    server = FeatureServer(
        url=f"http://{HOST}:{port}", host=HOST, port=port, log=directory / "feature-server.log", newest=moment
    )
    command = [*servers_registry.arcgis_server(), str(port), services]
    with running(command, log=server.log, ready=tcp_answers(port), env={"TOKEN": TOKEN}):
        yield server
