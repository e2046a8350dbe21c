"""The server that forks a child for each request, and what a child does. Runs in processes of its own."""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from ddtas.confined.job import Order, confine

CHILDREN_AT_ONCE = 16
OUT_OF_MEMORY, FAILED = 3, 4  # exit codes of a child
MAX_ORDER_BYTES = 4096
MAX_TRACE_BYTES = 4000
_OPEN_FILES = 64
_NICENESS = 5  # the operator's own loop goes first
_PR_SET_PDEATHSIG = 1
_CONNECTION = 3  # of a child
_PATIENCE_SECONDS = 5.0  # for an operator that is slow to read the end of an answer
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True)
class _Child:
    pid: int
    connection: socket.socket
    # The child holds the other end of this pipe, so that it hangs up when the child has gone.
    alive: int


def main() -> None:
    """Entry point: the descriptor of the control socket, and the modules to have at hand, are arguments."""
    control_fd, *modules = sys.argv[1:]
    serve(int(control_fd), modules)


def serve(control_fd: int, modules: list[str]) -> None:
    """Fork a child for each socket that comes in, until the control socket closes. Single-threaded, so forks are safe.

    A child is ended when its connection hangs up (nobody waits for it any more), and reaped before the connection's
    last end is closed: whoever sees the end of the answer knows that no process is left.
    """
    _settle()
    for module in modules:
        importlib.import_module(module).warm()
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages that it shares with this process
    children: list[_Child] = []
    with socket.socket(fileno=control_fd) as control:
        while True:
            poll = select.poll()
            poll.register(control, select.POLLIN if len(children) < CHILDREN_AT_ONCE else 0)
            for child in children:  # no events: hang-ups are always reported
                poll.register(child.connection, 0)
                poll.register(child.alive, 0)
            ready = {fd for fd, _ in poll.poll()}
            for child in [child for child in children if ready & {child.connection.fileno(), child.alive}]:
                children.remove(child)
                _end(child)
            if control.fileno() in ready:
                message, received, *_ = socket.recv_fds(control, MAX_ORDER_BYTES, 1)
                if not received:
                    break
                children.append(_fork(Order.decode(message), socket.socket(fileno=received[0])))
        for child in children:
            _end(child)


def _settle() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    with suppress(OSError):
        os.nice(_NICENESS)
    # Where the container runs out of memory, a child of this process is the one to lose, not the operator.
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _fork(order: Order, connection: socket.socket) -> _Child:
    alive, held_by_child = os.pipe()
    server = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run(order, connection.fileno(), held_by_child, server)
    os.close(held_by_child)
    return _Child(pid, connection, alive)


def _end(child: _Child) -> None:
    """Reap, and finish the answer with the exit code. The kill reaches a child that has exited as little as it may."""
    os.kill(child.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
    exit_code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    os.close(child.alive)
    with child.connection, suppress(OSError):
        child.connection.settimeout(_PATIENCE_SECONDS)
        child.connection.sendall(b"\n%d" % exit_code)


# ---- in the child ----


def _run(order: Order, connection_fd: int, alive: int, server: int) -> NoReturn:
    """Answer one request. Whatever happens, this process never returns to the server's loop."""
    exit_code = FAILED
    try:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(exit_code)
        _keep_only(connection_fd, alive)
        with socket.socket(fileno=_CONNECTION) as connection:
            exit_code = _work(order, connection)
    finally:
        os._exit(exit_code)


def _keep_only(connection: int, alive: int) -> None:
    """Close every other file; what libraries print goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    # Out of the way first, so that none takes the place of another.
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, _OPEN_FILES // 2) for fd in (nothing, nothing, nothing, connection, alive)]
    for number, fd in enumerate(kept):
        os.dup2(fd, number)
    os.closerange(len(kept), _OPEN_FILES)


def _work(order: Order, connection: socket.socket) -> int:
    try:
        job = importlib.import_module(order.job.module)
        job.prepare(order.variant)
        confine(order.job)
        with connection.makefile("rb") as file:
            request = file.read()
        connection.sendall(job.answer(request))
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:
        connection.sendall(_trace(error))
        return FAILED
    return 0


def _trace(error: Exception) -> bytes:
    """Where an error was raised, and its type. Not its text: that may hold what strangers or Secrets say."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return json.dumps(f"{type(error).__name__} in {' > '.join(frames)}"[-MAX_TRACE_BYTES:]).encode()


if __name__ == "__main__":
    main()
