"""GDAL for files of strangers: in a process of its own that may break, with one driver and little memory.

GDAL opens what our own client fetched into a local file, and nothing else; it never connects to anything.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Literal

import pyarrow
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ddtas.errors import DdtasError

Driver = Literal["GPKG", "GML"]

_CHILD = Path(__file__).with_name("gdal_child.py")  # by its file: -I takes no notice of PYTHONPATH
_MEMORY_BYTES = 1536 * 1024 * 1024  # of addresses; the libraries take 700 MiB of them without using them
_CPU_SECONDS = 900
_FRAME_BYTES = 256 * 1024 * 1024
# Nothing of our own. No schema is fetched, no element is followed to another document, no extension of SQLite loaded.
_ENVIRONMENT = {
    "GDAL_NUM_THREADS": "1",
    "GML_DOWNLOAD_SCHEMA": "NO",
    "GML_SKIP_RESOLVE_ELEMS": "ALL",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class UnreadableError(DdtasError):
    """GDAL cannot read the file, with what it may use up; or what it gave is broken."""


class Layer(BaseModel):
    """A layer of a file; hostile.

    Attributes:
        name: of the layer.
        fields: names of its columns, without geometry.
        fid: name of the column with the number of a row, which is not among `fields`; None where it has no name.
        geometry: whether it has one.
        features: rows; None where the file does not tell.
        crs: of the geometries, as EPSG:28992 or as WKT; None where it is not told.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    fields: tuple[str, ...]
    fid: str | None
    geometry: bool
    features: Annotated[int, Field(ge=0)] | None
    crs: str | None


class Request(BaseModel):
    """What the child is asked for: a description of all layers where `layer` is None, else the rows of one."""

    path: str
    driver: Driver
    layer: str | None = None
    columns: tuple[str, ...] = ()
    fid: str | None = None
    geometry: bool = False
    memory_bytes: Annotated[int, Field(gt=0)] = _MEMORY_BYTES
    cpu_seconds: Annotated[int, Field(gt=0)] = _CPU_SECONDS


_LAYERS = TypeAdapter(tuple[Layer, ...])


async def layers(path: Path, driver: Driver) -> tuple[Layer, ...]:
    """The first 64 layers of a file.

    Raises:
        UnreadableError: it is none of that driver's, or broken.
    """
    async with aclosing(_frames(Request(path=str(path), driver=driver))) as frames:
        async for frame in frames:
            try:
                return _LAYERS.validate_json(frame)
            except ValidationError:
                break
    raise UnreadableError("GDAL tells no layers")


async def rows(
    path: Path, driver: Driver, layer: Layer, columns: list[str], *, geometry: bool = False
) -> AsyncGenerator[pyarrow.RecordBatch, None]:
    """The rows of a layer: its columns by name, and then its geometry as WKB, x before y.

    Times are texts as they were written, with their offsets.

    Raises:
        UnreadableError: the file is broken, or reading it takes too much.
    """
    wanted = tuple(dict.fromkeys(columns))
    request = Request(path=str(path), driver=driver, layer=layer.name, columns=wanted, fid=layer.fid, geometry=geometry)
    async with aclosing(_frames(request)) as frames:
        async for frame in frames:
            yield _batch(frame, columns, geometry=geometry)


def _batch(frame: bytes, columns: list[str], *, geometry: bool) -> pyarrow.RecordBatch:
    try:
        batch = pyarrow.ipc.open_stream(frame).read_next_batch()
        batch.validate(full=True)
        arrays = [batch.column(name) for name in columns]
        if geometry:
            arrays.append(batch.column(batch.num_columns - 1))
        return pyarrow.RecordBatch.from_arrays(arrays, [*columns, *(["geometry"] if geometry else [])])
    except (pyarrow.ArrowException, KeyError, ValueError, StopIteration):
        raise UnreadableError("GDAL gives what is no batch") from None


async def _frames(request: Request) -> AsyncGenerator[bytes, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        _CHILD,
        request.model_dump_json(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # GDAL shows pieces of the data
        env=_ENVIRONMENT,
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        while True:
            try:
                length = int.from_bytes(await process.stdout.readexactly(8), "little")
                if length > _FRAME_BYTES:
                    raise UnreadableError("GDAL gives a batch that is too big")
                yield await process.stdout.readexactly(length)
            except asyncio.IncompleteReadError as error:
                if error.partial or await process.wait():
                    raise UnreadableError("GDAL cannot read it") from None
                return
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
