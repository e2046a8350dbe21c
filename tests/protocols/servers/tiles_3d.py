"""3D Tiles on Python's own file server: that is what 3D Tiles are served by, any server of files.

==========================  ==================================================================================
path                        tileset
==========================  ==================================================================================
``region/tileset.json``     version 1.1: a region around the stations of ``dataset``, a schema in a file of its
                            own, one tile in glTF
``box/tileset.json``        version 1.0: a box of 1000 by 1000 by 100 m at the first station, an empty root with
                            one tile below it in b3dm
``broken/tileset.json``     version 1.1, with a link to a tile that is not there
==========================  ==================================================================================
"""

import contextlib
import json
import math
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyproj

from . import dataset
from .process import HOST, Server, free_port, http_answers, running

REGION, BOX, BROKEN = (f"/{name}/tileset.json" for name in ("region", "box", "broken"))
HALF_SIZE_METRES = 500.0
TILE_BYTES = 200_000  # far more than a probe should read of it


@contextlib.contextmanager
def tiles_3d(directory: Path) -> Iterator[Server]:
    """Serve the tilesets above until the block ends; ``directory`` gets them, and the log."""
    root = directory / "tiles"
    _write(root)
    port, log = free_port(), directory / "http.log"
    command = [sys.executable, "-m", "http.server", "--bind", HOST, "--directory", root, str(port)]
    url = f"http://{HOST}:{port}"
    with running(command, log=log, ready=http_answers(f"{url}{REGION}")):  # type: ignore[arg-type]
        yield Server(url=url, host=HOST, port=port, log=log)


def _write(root: Path) -> None:
    rows = dataset.rows(datetime(2025, 1, 1, tzinfo=UTC))
    west, south, east, north = map(math.radians, dataset.bounds(rows))
    around = {"region": [west, south, east, north, -5.0, 50.0]}
    properties = {
        "height": {"type": "SCALAR", "componentType": "FLOAT32"},
        "floors": {"type": "SCALAR", "componentType": "UINT8"},
        "use": {"type": "STRING"},
    }
    half = HALF_SIZE_METRES
    box = {"box": [0, 0, 0, half, 0, 0, 0, half, 0, 0, 0, 50]}
    files: dict[str, Any] = {
        "region/tileset.json": _tileset("1.1", around, content={"uri": "tiles/0.glb"}) | {"schemaUri": "schema.json"},
        "region/schema.json": {"id": "buildings", "classes": {"building": {"properties": properties}}},
        "region/tiles/0.glb": _glb(),
        "box/tileset.json": _tileset(
            "1.0",
            box,
            transform=_east_north_up(rows[0].longitude, rows[0].latitude),
            children=[{"boundingVolume": box, "geometricError": 0, "content": {"uri": "0.b3dm"}}],
        )
        | {"properties": {"Height": {"minimum": 2.5, "maximum": 80.0}}},
        "box/0.b3dm": _b3dm(),
        "broken/tileset.json": _tileset("1.1", around, content={"uri": "missing.glb"}),
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def _tileset(version: str, volume: dict[str, Any], **root: Any) -> dict[str, Any]:
    tile = {"boundingVolume": volume, "geometricError": 10, "refine": "ADD", **root}
    return {"asset": {"version": version}, "geometricError": 100, "root": tile}


def _glb() -> bytes:
    """One triangle in binary glTF 2.0, with unused bytes behind it."""
    corners = struct.pack("<9f", 0, 0, 0, 10, 0, 0, 0, 10, 0)
    binary = corners + bytes(TILE_BYTES - len(corners))
    position = {
        "bufferView": 0,
        "componentType": 5126,
        "count": 3,
        "type": "VEC3",
        "min": [0, 0, 0],
        "max": [10, 10, 0],
    }
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [position],
        "bufferViews": [{"buffer": 0, "byteLength": len(corners)}],
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _b3dm() -> bytes:
    """That triangle as a Batched 3D Model of no batches."""
    glb = _glb()
    table = b'{"BATCH_LENGTH":0}'
    table += b" " * (-(28 + len(table)) % 8)
    return struct.pack("<4s6I", b"b3dm", 1, 28 + len(table) + len(glb), len(table), 0, 0, 0) + table + glb


def _east_north_up(longitude: float, latitude: float) -> list[float]:
    """The transform from metres east, north and up of a place to geocentric ones (EPSG:4978), column by column."""
    x, y, z = pyproj.Transformer.from_crs(4979, 4978, always_xy=True).transform(longitude, latitude, 0)
    east, north = math.radians(longitude), math.radians(latitude)
    columns = [
        (-math.sin(east), math.cos(east), 0, 0),
        (-math.sin(north) * math.cos(east), -math.sin(north) * math.sin(east), math.cos(north), 0),
        (math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north), 0),
        (x, y, z, 1),
    ]
    return [number for column in columns for number in column]
