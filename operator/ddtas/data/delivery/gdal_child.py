"""The process in which GDAL opens a file of a stranger: one file, the drivers that are named, little memory.

    python -I gdal_child.py REQUEST

It imports nothing of ours, so that it needs no PYTHONPATH. REQUEST is the JSON of `ddtas.data.delivery.gdal.Request`.
Standard output has frames: eight bytes with a length (little endian), and so many bytes: JSON for a description, a
stream of Arrow IPC for a batch. An exit code other than 0 says that the file cannot be read.
"""

import json
import os
import resource
import sys
from typing import Any, BinaryIO

_ROWS = 4096  # of a batch
_BATCH_BYTES = 8 * 1024 * 1024


def main() -> None:
    """Answer the request in the arguments."""
    request = json.loads(sys.argv[1])
    _only(request["driver"])
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _limit(request["memory_bytes"], request["cpu_seconds"])
    if request["layer"] is None:
        _send(output, json.dumps(_described(request["path"])).encode())
    else:
        _read(request, output)
    output.flush()
    os._exit(0)  # without the end of libraries, which may be broken by now


def _only(driver: str) -> None:
    """Start again with this driver alone: GDAL takes the others away as it loads, or not at all."""
    if "OGR_SKIP" in os.environ:
        return
    from pyogrio import list_drivers

    others = ",".join(name for name in list_drivers() if name != driver)
    skipped = {"OGR_SKIP": others, "GDAL_SKIP": others}
    again = [sys.executable, "-I", *sys.argv]
    os.execve(sys.executable, again, {**os.environ, **skipped})  # noqa: S606


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    import pyarrow  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _described(path: str) -> list[dict[str, Any]]:
    import pyogrio

    layers = []
    for name, _ in pyogrio.list_layers(path)[:64].tolist():
        info = pyogrio.read_info(path, layer=name)
        layers.append(
            {
                "name": name,
                "fields": [str(field) for field in info["fields"]],
                "fid": info["fid_column"] or None,
                "geometry": info["geometry_type"] is not None,
                "features": info["features"] if info["features"] >= 0 else None,
                "crs": info["crs"],
            }
        )
    return layers


def _read(request: dict[str, Any], output: BinaryIO) -> None:
    from pyogrio.raw import open_arrow

    fid = request["fid"]
    columns = [name for name in request["columns"] if name != fid]
    with open_arrow(
        request["path"],
        layer=request["layer"],
        columns=columns,
        read_geometry=request["geometry"],
        return_fids=fid in request["columns"],
        batch_size=_ROWS,
        datetime_as_string=True,  # with the offsets that were written
        use_pyarrow=True,
    ) as (meta, reader):
        for batch in reader:
            _send_batch(batch, {"geometry": meta["geometry_name"] or "wkb_geometry", "fid": fid}, output)


def _send_batch(batch: Any, names: dict[str, Any], output: BinaryIO) -> None:
    import pyarrow

    if batch.nbytes > _BATCH_BYTES and batch.num_rows > 1:
        half = batch.num_rows // 2
        _send_batch(batch.slice(0, half), names, output)
        _send_batch(batch.slice(half), names, output)
        return
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    _send(output, sink.getvalue())


def _send(output: BinaryIO, frame: Any) -> None:
    output.write(len(frame).to_bytes(8, "little"))
    output.write(frame)


if __name__ == "__main__":
    main()
