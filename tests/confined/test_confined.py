"""Looks at hostile servers through real confined processes: nothing of what they do reaches the operator.

Each is a probe as the operator has it. The event loop of this test stands for the operator's: how much processor time
a callback of it takes is measured, while the hostile server is in a thread with a loop of its own.
"""

import asyncio
import os
import resource
import signal
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from probes_kit import LIMITS, LOOPBACK, target

from ddtas import confined
from ddtas.confined import Broke, Exceeded, Job, Limit, client, server
from ddtas.confined.job import MIB
from ddtas.data.contract import DataKind
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError
from ddtas.probes import process
from ddtas.probes.process import CONFINED
from ddtas.reconcile.sandbox import render_in_sandbox

HOLD_SECONDS = 0.05  # of processor time, that one callback may take
ME = __name__


# ---- jobs that a child does for these tests ----


def prepare(variant: str) -> None:
    if variant == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


def answer(request: bytes) -> bytes:
    match request.decode().split():
        case ["say", text]:
            return text.encode()
        case ["memory"]:
            return b"%d" % len(bytearray(1 << 30))
        case ["loop"]:
            while True:
                pass
        case ["sleep"]:
            time.sleep(600)
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
        case ["fail", text]:
            raise LookupError(text)
        case ["pid"]:
            return b"%d" % os.getpid()
        case ["length", _]:
            return b"%d" % len(request)
    return b"x" * int(request)


JOB = Job(module=ME, memory=64 * MIB, processor_seconds=1, wall_seconds=30, answer_bytes=1000)


@pytest.fixture(autouse=True)
async def _closed_afterwards() -> AsyncIterator[None]:
    yield
    await confined.close()


@pytest.fixture
def holds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Processor seconds of this thread, of each callback that the event loop runs from now on."""
    seen: list[float] = []
    run = asyncio.events.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        seen.append(time.thread_time() - began)

    monkeypatch.setattr(asyncio.events.Handle, "_run", measured)
    return seen


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def server_pid() -> int:
    assert client._server is not None
    return client._server.process.pid


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - about other processes, which set no event
            await asyncio.sleep(0.01)


# ---- the mechanism ----


async def test_bytes_go_in_and_bytes_come_out() -> None:
    assert await confined.run(JOB, b"say hello") == b"hello"
    assert await confined.run(JOB, b"length " + b"x" * 3_000_000) == b"3000007"
    assert await confined.run(JOB, b"1000") == b"x" * 1000


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        (b"memory", Limit.MEMORY),
        (b"loop", Limit.PROCESSOR),
        (b"sleep", Limit.WALL),
        (b"1001", Limit.ANSWER),
        (b"30000000", Limit.ANSWER),
        (b"90000000", Limit.MEMORY),
    ],
)
async def test_what_a_child_uses_too_much_of_is_named(request_: bytes, limit: Limit) -> None:
    with pytest.raises(Exceeded) as caught:
        await confined.run(replace(JOB, wall_seconds=1) if limit is Limit.WALL else JOB, request_)
    assert caught.value.limit is limit


async def test_a_crash_is_told_from_a_kill() -> None:
    with pytest.raises(Broke) as caught:
        await confined.run(JOB, b"signal %d" % signal.SIGSEGV)
    assert caught.value.signal == signal.SIGSEGV
    for request, variant in ((b"signal %d" % signal.SIGKILL, ""), (b"say hello", "killed")):
        with pytest.raises(ConnectionError):
            await confined.run(JOB, request, variant)


async def test_an_error_of_a_job_says_where_and_not_what() -> None:
    with pytest.raises(Broke) as caught:
        await confined.run(JOB, b"fail s3cr3t")
    assert caught.value.signal is None
    assert caught.value.where.startswith("LookupError in ")
    assert "answer:" in caught.value.where
    assert "s3cr3t" not in caught.value.where


async def test_a_killed_server_takes_its_children_with_it_and_is_started_again() -> None:
    job = Job(module=ME, memory=64 * MIB, processor_seconds=60, wall_seconds=60)
    task = asyncio.create_task(confined.run(job, b"sleep"))
    await until(lambda: client._server is not None and bool(children(server_pid())))
    first, (child,) = server_pid(), children(server_pid())
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ConnectionError):
        await task
    await until(lambda: not runs(child))
    assert await confined.run(JOB, b"say hello") == b"hello"
    assert server_pid() != first


async def test_a_stopped_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    await confined.run(JOB, b"say hello")
    monkeypatch.setattr(client, "_GRACE_SECONDS", -1.0)
    first = server_pid()
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(ConnectionError, match="does not answer"):
        await confined.run(replace(JOB, wall_seconds=1.2), b"say hello")
    monkeypatch.undo()
    assert not runs(first)
    assert await confined.run(JOB, b"say hello") == b"hello"


async def test_more_requests_than_children_wait_for_one_and_none_is_lost() -> None:
    found = await asyncio.gather(*(confined.run(JOB, b"say %d" % number) for number in range(30)))
    assert found == [b"%d" % number for number in range(30)]
    assert children(server_pid()) == []


async def test_the_server_has_one_thread_and_knows_no_request() -> None:
    with saying(b"no HTTP") as port:
        for kind in (DataKind.HTTP_PARQUET, DataKind.POSTGRESQL):
            await outcome(kind, port)
    await render_in_sandbox([("web", "a: 1")], {})  # type: ignore[typeddict-item]
    assert os.listdir(f"/proc/{server_pid()}/task") == [str(server_pid())]
    assert len(os.listdir(f"/proc/{server_pid()}/fd")) < 10


# ---- hostile servers, of each protocol ----


def session(endpoint: str, kind: DataKind, limits: Limits = LIMITS) -> ProbeSession:
    return ProbeSession(target(endpoint, kind=kind, physical_name=NAMES.get(kind)), limits, LOOPBACK)


NAMES = {
    DataKind.OGC_API_FEATURES: "roads",
    DataKind.OGC_EDR: "roads",
    DataKind.WFS: "roads",
    DataKind.NGSI_LD: "Device",
    DataKind.POSTGRESQL: "public.levels",
    DataKind.MQTT: "levels/#",
}


@contextmanager
def saying(*pieces: bytes, forever: bool = False, pause: float = 0) -> Iterator[int]:
    """A server in a thread that answers whatever it is asked with these bytes; the last of them for ever, or once."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.recv(65536)
                for piece in pieces:
                    self.request.sendall(piece)
                while forever:
                    self.request.sendall(pieces[-1])
                    time.sleep(pause)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield listener.server_address[1]
        listener.shutdown()


def http(body: bytes, media_type: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n".encode() + body


TWO_MIB = 2 * MIB - 64
WEB = [kind for kind in DataKind if kind not in (DataKind.POSTGRESQL, DataKind.MQTT)]
BODIES = {
    "empty elements": http(b"<r>" + b"<a/>" * (TWO_MIB // 4) + b"</r>", "text/xml"),
    "empty lists": http(b"[" + b"[]," * (TWO_MIB // 3) + b"1]", "application/json"),
    "objects": http(b'{"value":[' + b'{"":1},' * (TWO_MIB // 7) + b"1]}", "application/json"),
    "depth": http(b"[" * TWO_MIB, "application/json"),
    "deep elements": http(b"<a>" * (TWO_MIB // 3), "text/xml"),
    "lines": http(b"a,b\n" + b"\n" * TWO_MIB, "text/csv"),
    "columns": http(b"," * TWO_MIB, "text/csv"),
    "a number": http(b"1" * TWO_MIB, "application/json"),
    "features": http(b'{"type":"FeatureCollection","features":[' + b"{}," * (TWO_MIB // 3) + b"{}]}", "text/json"),
    "one geometry": http(
        b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"Polygon",'
        b'"coordinates":[[' + b"[0,0]," * (TWO_MIB // 6) + b"[0,0]]]}}]}",
        "application/geo+json",
    ),
    "a zip of nothing": http(b"PK\x05\x06" + b"\0" * TWO_MIB, "application/zip"),
    "Thrift": http(b"PAR1" + b"\x19" * TWO_MIB + TWO_MIB.to_bytes(4, "little") + b"PAR1", "application/octet-stream"),
}


async def outcome(kind: DataKind, port: int, limits: Limits = LIMITS) -> str:
    scheme = {DataKind.POSTGRESQL: "postgresql", DataKind.MQTT: "mqtt"}.get(kind, "http")
    path = "city?user=ddtas&sslmode=disable" if kind is DataKind.POSTGRESQL else "data"
    try:
        await CONFINED[kind](session(f"{scheme}://127.0.0.1:{port}/{path}", kind, limits))
    except SourceError as refused:
        error = refused
    else:
        return "Reachable"
    assert error.message.isprintable()
    assert len(error.message) <= 700
    return error.reason


REFUSED = {
    *("UnexpectedContent", "MalformedData", "ResourceExhausted", "TooSlow", "HttpError", "EntityNotFound", "Reachable"),
    *("Unreachable", "ErrorReported", "TooManyRequests", "AddressForbidden", "Unauthorized"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_no_body_holds_the_loop_or_a_neighbour(name: str, holds: list[float]) -> None:
    good = http(b"day,level\n2024-01-01,1.5\n", "text/csv")
    with saying(BODIES[name]) as hostile, saying(good) as neighbour:
        await outcome(DataKind.HTTP_CSV, neighbour)  # the server is up
        holds.clear()
        bad, fine = (
            asyncio.gather(*(outcome(kind, hostile) for kind in WEB)),
            asyncio.gather(*(outcome(DataKind.HTTP_CSV, neighbour) for _ in range(5))),
        )
        assert await fine == ["Reachable"] * 5
        found = dict(zip(WEB, await bad, strict=True))
    assert set(found.values()) <= REFUSED, found
    assert max(holds) < HOLD_SECONDS
    assert children(server_pid()) == []


PROTOCOLS = {
    "MQTT messages of nothing": (
        DataKind.MQTT,
        (b"\x20\x02\0\0", b"\x90\x03\0\x01\0", b"\x30\x03\0\x01a" * 20_000),
    ),
    "an MQTT message of lists": (
        DataKind.MQTT,
        (
            b"\x20\x02\0\0\x90\x03\0\x01\0",
            b"\x30\x83\x80\x40\0\x01a" + b"[" + b"[]," * (MIB // 3 - 1) + b"1]",
        ),
    ),
    "PostgreSQL columns": (
        DataKind.POSTGRESQL,
        (
            b"R" + struct.pack(">II", 8, 0) + b"Z\0\0\0\x05I",
            b"T" + struct.pack(">IH", 0x7FFFFFFF, 0xFFFF) + b"a\0" * MIB,
        ),
    ),
    "PostgreSQL notices": (
        DataKind.POSTGRESQL,
        (b"N" + struct.pack(">I", MIB) + b"M" + b"x" * (MIB - 6) + b"\0",) * 4,
    ),
}


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_no_packets_hold_the_loop(name: str, holds: list[float]) -> None:
    kind, pieces = PROTOCOLS[name]
    await confined.run(JOB, b"say hello")
    holds.clear()
    with saying(*pieces) as port:
        assert await outcome(kind, port, Limits(deadline_seconds=3)) in REFUSED
    assert max(holds) < HOLD_SECONDS


async def test_an_endless_body_and_a_trickle_end_at_their_bounds() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\na,b\n"
    with saying(head, b"1,2\n" * 4096, forever=True) as port:
        assert await outcome(DataKind.HTTP_CSV, port) == "Reachable"
        assert await outcome(DataKind.WFS, port) == "MalformedData"
    with saying(head, b"1", forever=True, pause=0.05) as port:
        found = await asyncio.gather(*(outcome(kind, port, Limits(deadline_seconds=1)) for kind in WEB))
    # One kind asks for a collection by name, and nobody said which.
    assert set(found) <= {"TooSlow", "UnexpectedContent", "MalformedData", "EntityNotFound"}


async def test_many_looks_leave_no_file_and_no_process() -> None:
    with saying(http(b"a\n1\n", "text/csv")) as port:
        await outcome(DataKind.HTTP_CSV, port)
        before = len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{server_pid()}/fd"))
        looks = int(os.environ.get("DDTAS_TEST_LOOKS", "40"))
        for _ in range(looks // 10):
            assert await asyncio.gather(*(outcome(DataKind.HTTP_CSV, port) for _ in range(10))) == ["Reachable"] * 10
        after = len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{server_pid()}/fd"))
    assert after == before
    assert children(server_pid()) == []


async def test_a_probe_works_as_a_user_without_rights_that_can_write_nowhere() -> None:
    """As in the container: not root, so that it can start no process or thread either."""
    other = ["--reuid=65532", "--regid=65532", "--clear-groups"]
    read = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]  # Python may be in a home
    somebody = ["setpriv", *other, *read] if os.getuid() == 0 else []
    code = """
import asyncio, os, sys
from ddtas.data.contract import DataContract, DataKind
from ddtas.errors import SourceError
from ddtas.data.session import Limits, Session, Target
from ddtas.data.addresses import AddressPolicy
from ddtas.probes.process import CONFINED
from ddtas.reconcile.sandbox import render_in_sandbox
from ipaddress import ip_network
assert os.getuid() != 0
policy = AddressPolicy(allowed=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
async def main():
    for kind in DataKind:
        scheme = {"postgresql": "postgresql", "mqtt": "mqtt"}.get(kind, "http")
        path = "city?user=a" if kind == "postgresql" else "x.parquet"
        where = f"{scheme}://localhost:{sys.argv[1]}/{path}"
        target = Target(kind, where, DataContract(version="1.0.0"), "a.b")
        try:
            await CONFINED[kind](Session(target, Limits(deadline_seconds=5), policy))
            print(kind, "Reachable")
        except SourceError as error:
            print(kind, error.reason)
asyncio.run(main())
"""
    with saying(http(b"a\n1\n", "text/csv")) as port:
        child = await asyncio.create_subprocess_exec(
            *[*somebody, sys.executable, "-c", code, str(port)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
        )
        output, _ = await child.communicate()
    found = dict(line.split() for line in output.decode().splitlines())
    assert set(found) == set(DataKind)
    assert "InternalError" not in found.values()
    assert found["http-csv"] == "Reachable"


def test_a_child_of_a_probe_is_as_small_as_is_said() -> None:
    """What the chart's limit of memory is made of: docs/decisions/0080."""
    assert process.JOB.memory <= 64 * MIB
    assert server.CHILDREN_AT_ONCE <= 16
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64
