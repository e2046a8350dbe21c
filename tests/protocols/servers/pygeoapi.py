"""pygeoapi serving OGC API Features, on waitress.

===================  ===================================================================================
collection           features
===================  ===================================================================================
``levels``           300 points with the columns of ``dataset.COLUMNS``; can be sorted, and filtered by
                     time; storage CRS EPSG:28992
``stations``         12 points with the same columns; storage CRS CRS84; no time
===================  ===================================================================================

And OGC API EDR: the collection ``grid`` has `level` and `rain` (twice as much) of each hour, at ``GRID_X`` and
``GRID_Y`` in CRS84.

Both are offered in CRS84, EPSG:4326 and EPSG:28992.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ddtas_dev import servers_python

from . import dataset
from .process import HOST, Server, ServerError, free_port, http_answers, running

LEVELS, STATIONS, GRID = "levels", "stations", "grid"
GRID_X, GRID_Y = (4.25, 4.3, 4.35), (52.0, 52.05, 52.1, 52.15)
MAX_ITEMS = 100  # of one answer, so that a client has to page
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0"
RD, WGS84 = f"{_EPSG}/{dataset.RD}", f"{_EPSG}/{dataset.WGS84}"


@dataclass(frozen=True)
class PygeoapiServer(Server):
    """``url`` is the landing page's address, without a slash at its end."""

    newest: datetime


@contextlib.contextmanager
def pygeoapi(directory: Path, newest: datetime | None = None) -> Iterator[PygeoapiServer]:
    """Serve the collections above until the block ends.

    ``directory`` gets the data, the configuration and the log; ``newest`` is the time of the newest feature, now when
    not given.
    """
    python = servers_python.pygeoapi()
    directory.mkdir(parents=True, exist_ok=True)
    moment, port, log = dataset.newest_hour(newest), free_port(), directory / "pygeoapi.log"
    url = f"http://{HOST}:{port}"
    measurements = dataset.rows(moment)
    store = {str(row.id): row.feature(dataset.RD) for row in measurements}
    (directory / "levels.tinydb").write_text(json.dumps({"_default": store}))
    (directory / "stations.geojson").write_text(dataset.geojson(dataset.stations(measurements), dataset.WGS84))
    _make_grid(python, directory / "grid.nc", moment)
    files = {"PYGEOAPI_CONFIG": directory / "config.yml", "PYGEOAPI_OPENAPI": directory / "openapi.json"}
    files["PYGEOAPI_CONFIG"].write_text(yaml.safe_dump(_config(directory, url, port, measurements)))
    environment = {name: str(path) for name, path in files.items()}
    _describe(python, files["PYGEOAPI_CONFIG"], files["PYGEOAPI_OPENAPI"], environment)
    command: list[str | Path] = [
        python,
        "-m",
        "waitress",
        f"--listen={HOST}:{port}",
        "--threads=4",
        "pygeoapi.flask_app:APP",
    ]
    with running(command, log=log, ready=http_answers(f"{url}/conformance?f=json"), env=environment):
        yield PygeoapiServer(url=url, host=HOST, port=port, log=log, newest=moment)


# By the Python of the server, which has the libraries; its arguments are a file, its newest hour, and the places.
_GRID_SCRIPT = """
import json, sys
import numpy, pandas, xarray
path, newest, hours, xs, ys = sys.argv[1], sys.argv[2], int(sys.argv[3]), *map(json.loads, sys.argv[4:6])
times = pandas.date_range(end=newest, periods=hours, freq="h")
level = numpy.arange(hours * len(ys) * len(xs)).reshape(hours, len(ys), len(xs)) / 100
axes = ("time", "lat", "lon")
values = {"level": (axes, level, {"units": "m"}), "rain": (axes, 2 * level, {"units": "mm"})}
xarray.Dataset(values, {"time": times, "lat": ys, "lon": xs}).to_netcdf(path)
"""


def _make_grid(python: Path, path: Path, newest: datetime) -> None:
    end = newest.replace(tzinfo=None).isoformat()
    words = [str(path), end, str(dataset.HOURS), json.dumps(GRID_X), json.dumps(GRID_Y)]
    subprocess.run([python, "-c", _GRID_SCRIPT, *words], check=True)


def _describe(python: Path, config: Path, openapi: Path, environment: dict[str, str]) -> None:
    """Write the OpenAPI document that the server wants to have at its start."""
    program = python.with_name("pygeoapi")
    command = [program, "openapi", "generate", config, "--format", "json", "--output-file", openapi]
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ServerError(f"`pygeoapi openapi generate` failed: {done.stdout}{done.stderr}")


def _config(directory: Path, url: str, port: int, measurements: list[dataset.Row]) -> dict[str, Any]:
    period = {"begin": measurements[0].measured_at, "end": measurements[-1].measured_at}
    levels = {
        "type": "feature",
        "name": "TinyDB",
        "data": str(directory / "levels.tinydb"),
        "id_field": "id",
        "time_field": "measured_at",
        "storage_crs": RD,
        "crs": [CRS84, WGS84, RD],
    }
    stations = {
        "type": "feature",
        "name": "GeoJSON",
        "data": str(directory / "stations.geojson"),
        "id_field": "id",
        "storage_crs": CRS84,
        "crs": [CRS84, WGS84, RD],
    }
    grid = {
        "type": "edr",
        "name": "xarray-edr",
        "data": str(directory / "grid.nc"),
        "x_field": "lon",
        "y_field": "lat",
        "time_field": "time",
        "format": {"name": "netcdf", "mimetype": "application/x-netcdf"},
    }
    return {
        "server": {
            "bind": {"host": HOST, "port": port},
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 10, "max_items": MAX_ITEMS},
            "map": {"url": f"{url}/no-tiles", "attribution": "none"},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": {
                "title": "Water levels of the city",
                "description": "For tests",
                "keywords": ["water"],
                "keywords_type": "theme",
                "terms_of_service": "none",
                "url": url,
            },
            "license": {"name": "CC0-1.0", "url": f"{url}/licence"},
            "provider": {"name": "The city", "url": url},
            "contact": {"name": "The city"},
        },
        "resources": {
            LEVELS: _collection("Levels", levels, measurements, period),
            STATIONS: _collection("Stations", stations, measurements, None),
            GRID: _collection("Grid", grid, measurements, period),
        },
    }


def _collection(
    title: str, provider: dict[str, Any], measurements: list[dataset.Row], period: dict[str, datetime] | None
) -> dict[str, Any]:
    extents: dict[str, Any] = {"spatial": {"bbox": list(dataset.bounds(measurements)), "crs": CRS84}}
    if period:
        extents["temporal"] = period
    return {
        "type": "collection",
        "title": title,
        "description": f"{title} of ground water",
        "keywords": ["water"],
        "links": [],
        "extents": extents,
        "providers": [provider],
    }
