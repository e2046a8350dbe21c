"""The operator's side: hand a request to the server, and take what comes back for what it is worth."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

from ddtas.confined import server
from ddtas.confined.job import Job, Limit, Order
from ddtas.errors import DdtasError, printable

# What the server has at hand when it forks: it imports these, and calls `warm()` of each.
MODULES = ("ddtas.reconcile.sandbox", "ddtas.probes.process")
# Nothing of the operator's own. One arena of malloc, and no threads and pools of libraries: each reserves memory, and
# the server may fork only while it has one thread.
ENVIRONMENT = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RES_OPTIONS": "timeout:2 attempts:2",  # of DNS
}
_CHUNK = 64 * 1024
_GRACE_SECONDS = 10.0  # besides the wall-clock time of a job: for the server's start, and for the child's
_LIMITS = {-signal.SIGXCPU: Limit.PROCESSOR, -signal.SIGALRM: Limit.WALL, server.OUT_OF_MEMORY: Limit.MEMORY}


class Exceeded(DdtasError):
    """A child used more than it may."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(f"too much {limit}")
        self.limit = limit


class Broke(DdtasError):
    """A child ended otherwise than it should: its input, or an error of the job, was the cause.

    Attributes:
        signal: that ended it (SIGSEGV, say); None where it was an exception.
        where: the exception's type, and the functions that it passed through; bounded and printable.
    """

    def __init__(self, number: int | None, where: str) -> None:
        super().__init__(where)
        self.signal = number
        self.where = where


async def run(job: Job, request: bytes, variant: str = "") -> bytes:
    """Have a child answer a request. Cancelling it ends the child.

    Returns:
        What the child says: hostile, and at most `job.answer_bytes` long.

    Raises:
        Exceeded: the child used more than the job may.
        Broke: the child crashed, or the job failed.
        ConnectionError: the server could not be started or was killed, or the child was; the next request starts it
            again.
    """
    connection, childs_end = socket.socketpair()
    with connection:
        connection.setblocking(False)
        with childs_end:
            running = _hand_over(Order(job, variant), childs_end)
        try:
            async with asyncio.timeout(job.wall_seconds + _GRACE_SECONDS):
                answer = await _exchange(connection, request, job.answer_bytes)
        except TimeoutError:
            _give_up(running)  # stopped, it would hold up whoever comes after
            raise ConnectionError("the server of confined processes does not answer") from None
    text, _, code = answer.rpartition(b"\n")
    text = _judged(text, code)
    if len(text) > job.answer_bytes:
        raise Exceeded(Limit.ANSWER)
    return text


async def close() -> None:
    """End the server and its children, and wait until they have gone. A later request starts it again."""
    global _server
    ending, _server = _server, None
    if ending:
        ending.control.close()
        await asyncio.to_thread(ending.process.wait)


async def _exchange(connection: socket.socket, request: bytes, most: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer = bytearray()
    # A child that ends early does not read to the end; its exit code comes all the same.
    with suppress(BrokenPipeError, ConnectionResetError):
        await loop.sock_sendall(connection, request)
        connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):
        while chunk := await loop.sock_recv(connection, _CHUNK):
            answer += chunk
            if len(answer) > most + server.MAX_TRACE_BYTES:
                raise Exceeded(Limit.ANSWER)
    return bytes(answer)


def _judged(text: bytes, code: bytes) -> bytes:
    try:
        number = int(code)
    except ValueError:  # the server has gone
        number = -signal.SIGKILL
    if number == 0:
        return text
    if number in _LIMITS:
        raise Exceeded(_LIMITS[number])
    if number == -signal.SIGKILL:
        # By `close`, or for want of memory in the whole container: not the input's fault.
        raise ConnectionError("the confined process was killed; the next request starts it again")
    if number < 0:
        raise Broke(-number, f"signal {-number}")
    where = "an unknown place"
    with suppress(ValueError, RecursionError):
        where = printable(str(json.loads(text[: server.MAX_TRACE_BYTES + 2])), 1000)
    raise Broke(None, where)


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket


_server: _Server | None = None


def _running() -> _Server:
    global _server
    _server = _server or _start()
    return _server


def _give_up(failed: _Server) -> None:
    global _server
    if _server is failed:
        _server = None
    failed.control.close()
    failed.process.kill()
    failed.process.wait()


def _hand_over(order: Order, connection: socket.socket) -> _Server:
    """Have the server fork a child for this connection. A server that was killed is started again, once."""
    message = order.encode()
    for _ in range(2):
        running = _running()
        try:
            socket.send_fds(running.control, [message], [connection.fileno()])
            return running
        except BlockingIOError:
            raise ConnectionError("too many requests wait for a confined process") from None
        except OSError:
            _give_up(running)
    raise ConnectionError("the server of confined processes does not start")


# -I: no environment of Python's own, no user's site directory. The path is the operator's, so both run the same code.
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from ddtas.confined.server import main; main()"


def _start() -> _Server:
    # One message, one order: it keeps their limits.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, path, str(theirs.fileno()), *MODULES],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the operator, which then closes the control socket
        )
    return _Server(process, ours)
