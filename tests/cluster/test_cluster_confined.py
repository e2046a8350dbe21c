"""What sources and areas make the operator do is done in processes of their own, and none of them outlives it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cluster_apps as apps
import pytest
from cluster_city import City
from cluster_kit import KINDS, condition, eventually
from cluster_operator import Operator

from ddtas.confined.server import CHILDREN_AT_ONCE

OUP = KINDS["MunicipalityPlatform"]
DOCUMENT = b"<r>" + b"<a/>" * (500 * 1024) + b"</r>"
MUNICIPALITY = {"name": "Proefstad", "code": "GM9998"}
NOT_HERE = ("shapely", "pyproj", "pyarrow", "psycopg", "numpy")


class Hostile(BaseHTTPRequestHandler):
    """Two MiB of nothing, whatever is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(DOCUMENT)))
        self.end_headers()
        self.wfile.write(DOCUMENT)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hostile() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/wfs"
        server.shutdown()


def crossing(points: int) -> str:
    ring = [(7 * i % 997, 13 * i * i % 991) for i in range(points)]
    return f"POLYGON(({','.join(f'{x} {y}' for x, y in [*ring, ring[0]])}))"


def family(pid: int) -> list[int]:
    """The process's children, and theirs."""
    try:
        below = [
            int(n) for task in Path(f"/proc/{pid}/task").iterdir() for n in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*below, *(n for child in below for n in family(child))]


def processor_seconds(pid: int) -> float:
    """Of the process's first thread, in which its event loop is."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def asked_all_the_time(operator: Operator) -> Iterator[list[tuple[float, int]]]:
    """How long each answer of /healthz took, and its status."""
    seen: list[tuple[float, int]] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.05):
            began = time.monotonic()
            status, _ = operator.get("/healthz")
            seen.append((time.monotonic() - began, status))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def test_hostile_sources_and_areas_are_no_burden(city: City, hostile: str) -> None:
    operator = city.start(probe_interval_seconds="5")
    names = [f"wfs-{number}" for number in range(8)]
    sources = [apps.source(hostile, name=name, kind="wfs", physicalName="roads") for name in names]
    area = {"crs": "EPSG:28992", "wkt": crossing(450)}
    before = processor_seconds(operator.pid)
    with asked_all_the_time(operator) as seen:
        city.platform(*sources, apps.source(city.supplier.url()), municipality=MUNICIPALITY | {"area": area})

        def said() -> bool:
            body = city.cluster.get(OUP, city.namespace, "oup")
            found = {s["name"]: s["reason"] for s in body.get("status", {}).get("dataSources", [])}
            ready = condition(body, "Ready")
            wanted = dict.fromkeys(names, "UnexpectedContent") | {"gauge": "Reachable"}
            return found == wanted and "is no valid polygon" in ready.get("message", "")

        city.cluster.wait("what is said of sources and area", said, city.namespace)
        assert condition(city.cluster.get(OUP, city.namespace, "oup"), "Ready")["reason"] == "SpecInvalid"
    assert {status for _, status in seen} == {200}
    # 0.9 s for each document and 3.8 s for the area, when the event loop did it.
    assert processor_seconds(operator.pid) - before < 4
    assert max(seconds for seconds, _ in seen) < 5

    mapped = Path(f"/proc/{operator.pid}/maps").read_text()
    assert [name for name in NOT_HERE if f"/{name}" in mapped] == []
    below = family(operator.pid)
    assert 1 <= len(below) <= 1 + CHILDREN_AT_ONCE
    assert operator.terminate() == 0
    eventually("the end of all its processes", lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


def test_an_operator_that_is_killed_leaves_no_process(city: City, hostile: str) -> None:
    operator = city.start(probe_interval_seconds="5")
    city.platform(apps.source(hostile, kind="wfs", physicalName="roads"))
    eventually("a look", lambda: family(operator.pid))
    below = family(operator.pid)
    operator.kill()
    eventually("the end of all its processes", lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
