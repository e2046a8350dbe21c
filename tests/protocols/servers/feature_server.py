"""Esri's open implementation of FeatureServer, with the measurements of ``dataset``, in degrees; and some areas."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ddtas_dev import servers_registry

from . import dataset
from .process import HOST, Server, free_port, running, tcp_answers

TOKEN = "a-token-of-the-tests"
SERVICE, AREAS = "levels", "areas"
MAX_RECORDS = 100  # of one answer, so that a client has to page


def _square(corner: float, size: float) -> list[list[float]]:
    """A ring, from (corner, corner + 48)."""
    x, y = corner, corner + 48
    return [[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]]


# By their id: one with two holes; two with an island in the lake of the first; one that is nowhere.
SHAPES: dict[int, dict[str, Any] | None] = {
    1: {"type": "Polygon", "coordinates": [_square(4.0, 0.1), _square(4.02, 0.02), _square(4.06, 0.02)]},
    2: {
        "type": "MultiPolygon",
        "coordinates": [[_square(4.2, 0.1), _square(4.22, 0.06)], [_square(4.24, 0.02)], [_square(4.4, 0.1)]],
    },
    3: None,
}
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
    def areas(self) -> str:
        """The address of a layer of polygons: ``SHAPES``."""
        return f"{self.url}/arcgis/rest/services/{AREAS}/FeatureServer/0"

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
    areas = [{"type": "Feature", "properties": {"id": id}, "geometry": shape} for id, shape in SHAPES.items()]
    metadata = {"name": AREAS, "idField": "id", "geometryType": "Polygon"}
    (services / f"{AREAS}.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": areas, "metadata": metadata})
    )
    server = FeatureServer(
        url=f"http://{HOST}:{port}", host=HOST, port=port, log=directory / "feature-server.log", newest=moment
    )
    command = [*servers_registry.arcgis_server(), str(port), services]
    with running(command, log=server.log, ready=tcp_answers(port), env={"TOKEN": TOKEN}):
        yield server
