"""Renders templates in a process that can compute and answer, and can open nothing.

Three processes, one direction of trust:

    operator ── control socket ──▶ server ── fork, one a request ──▶ child
        └───────────── a socket for each request ────────────────────┘

- The server is started at the first render, with an empty environment. It has imported and tried out the renderer, so
  that a child starts in milliseconds and opens no file. It ends when the operator does, however that comes about,
  because its control socket then closes; and it takes its children with it.
- A child limits itself before it looks at a template: memory, processor time and wall-clock time; no new file, socket
  or process. The kernel ends it, so no template can keep it alive. It has one open socket, and answers in JSON.
- The operator never unpickles, and reads a bounded number of bytes. Closing its socket ends the child, so a cancelled
  render leaves nothing behind.

Not `multiprocessing`'s fork server: that one runs the operator's `__main__` again in each child when the operator was
started by a script (https://github.com/python/cpython/issues/126631), adds a resource tracker process, needs a
writable directory (https://github.com/python/cpython/issues/155717), and leaves its own file descriptors in the child.
"""

import asyncio
import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from ddtas.confinement import confine, offer_to_the_oom_killer
from ddtas.errors import TemplateError
from ddtas.plan.template import MAX_MESSAGE, MAX_OBJECTS, TemplateContext, render

TIMEOUT_SECONDS = 5
MEMORY_BYTES = 128 * 1024 * 1024
# The operator's container needs room for as many times MEMORY_BYTES: further requests wait for their turn.
CHILDREN_AT_ONCE = 2
MAX_ANSWER_BYTES = 1024 * 1024
_CHUNK = 64 * 1024
_KILLED = b"%d" % -signal.SIGKILL


# ---- in the operator ----


async def render_in_sandbox(
    templates: Sequence[tuple[str, str]],
    context: TemplateContext,
    *,
    timeout_seconds: int = TIMEOUT_SECONDS,
    memory_bytes: int = MEMORY_BYTES,
) -> list[dict[str, object]]:
    """`ddtas.plan.template.render`, in a child process.

    Args:
        templates: name and Jinja2 source of each.
        context: JSON values only.
        timeout_seconds: bound on processor time and on wall-clock time, once it is this render's turn.
        memory_bytes: bound on address space; an idle child has about 35 MiB.

    Raises:
        TemplateError: as `render` does, and TemplateInvalid where the template used more than it may.
        OSError: the sandbox itself could not be started or was killed; the next render starts it again.
    """
    request = {"templates": list(templates), "context": context, "seconds": timeout_seconds, "memory": memory_bytes}
    loop = asyncio.get_running_loop()
    answer = bytearray()
    async with _running().turn:
        connection, childs_end = socket.socketpair()
        with connection:
            with childs_end:
                _hand_over(childs_end)
            connection.setblocking(False)
            await loop.sock_sendall(connection, json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            while (chunk := await loop.sock_recv(connection, _CHUNK)) and len(answer) <= MAX_ANSWER_BYTES:
                answer += chunk
    if chunk:
        raise TemplateError("TemplateInvalid", f"the templates make more than {MAX_ANSWER_BYTES // 1024} KiB")
    text, _, exit_code = bytes(answer).partition(b"\n")
    if exit_code in (b"", _KILLED):
        # By `close`, or for want of memory in the whole container: not the template's fault.
        raise ConnectionError("the template sandbox was killed; the next render starts it again")
    if exit_code != b"0":
        raise TemplateError("TemplateInvalid", _too_much(timeout_seconds, memory_bytes))
    return _objects(text)


async def close() -> None:
    """End the server and its children, and wait until they have gone. A later render starts it again."""
    global _server
    server, _server = _server, None
    if server:
        server.control.close()
        await asyncio.to_thread(server.process.wait)


def _too_much(seconds: int, memory: int) -> str:
    memory //= 1024 * 1024
    return f"the templates used more than {memory} MiB of memory or {seconds} s of processor time: simplify them"


def _objects(text: bytes) -> list[dict[str, object]]:
    """The child's answer. It had hostile input, so it is checked like hostile input."""
    try:
        match json.loads(text):
            case {"objects": list(objects)} if len(objects) <= MAX_OBJECTS and all(
                isinstance(o, dict) for o in objects
            ):
                return objects
            case {"error": ["TemplateInvalid" | "TemplateForbidden" as reason, str(message)]}:
                raise TemplateError(reason, message[:MAX_MESSAGE])
    except (ValueError, RecursionError):
        pass
    raise TemplateError("TemplateInvalid", "the templates made something that is not a list of objects")


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[bytes]
    control: socket.socket
    # Who waits for a turn does so here, without a socket, so that the control socket never fills up and blocks.
    turn: asyncio.Semaphore


_server: _Server | None = None


def _running() -> _Server:
    global _server
    _server = _server or _start()
    return _server


def _hand_over(connection: socket.socket) -> None:
    """Have the server fork a child for this connection. A server that was killed is started again, once."""
    global _server
    for _ in range(2):
        server = _running()
        try:
            socket.send_fds(server.control, [b"\0"], [connection.fileno()])
            return
        except OSError:
            _server = None
            server.control.close()
            server.process.kill()
            server.process.wait()
    raise ConnectionError("the template sandbox does not start")


# -I: no environment, no user's site directory. The path is the operator's own, so both run the same code.
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[2]); import ddtas.sandbox as s; s.serve(int(sys.argv[1]))"


def _start() -> _Server:
    ours, theirs = socket.socketpair()
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _BOOT, str(theirs.fileno()), path],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the operator, which then closes the control socket
        )
    return _Server(process, ours, asyncio.Semaphore(CHILDREN_AT_ONCE))


# ---- in the server ----

_OPEN_FILES = 64


@dataclass(frozen=True)
class _Child:
    pid: int
    connection: socket.socket
    # The child holds the other end of this pipe, so that it hangs up when the child has gone.
    alive: int


def serve(control_fd: int) -> None:
    """Fork a child for each socket that comes in, until the control socket closes. Single-threaded, so forks are safe.

    A child is ended when its connection hangs up (nobody waits for it any more), and reaped before the connection's
    last end is closed: whoever sees the end of the answer knows that no process is left.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    offer_to_the_oom_killer()
    _warm_up()
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
                _, received, *_ = socket.recv_fds(control, 1, 1)
                if not received:
                    break
                children.append(_fork(socket.socket(fileno=received[0])))
        for child in children:
            _end(child)


def _warm_up() -> None:
    """Have Python and Jinja2 import all that they import on demand, in every way a render can end."""
    sources = (
        "a: {{ 'é' ~ 1 }}",
        "{{ nothing }}",
        "{{ ''.__class__ }}",
        "{% if %}",
        "a: &x 1",
        'a: [1.5, "\\ud83d\\ude00", "\\ud83d"]',
    )
    for source in sources:
        with contextlib.suppress(TemplateError):
            render([("a", source)], {"prefix": "a"})  # type: ignore[typeddict-item]
    gc.freeze()  # a collection in a child would copy the pages that it shares with this process


def _fork(connection: socket.socket) -> _Child:
    alive, held_by_child = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(connection.fileno(), held_by_child)
    os.close(held_by_child)
    return _Child(pid, connection, alive)


def _end(child: _Child) -> None:
    """Reap, and finish the answer with the exit code. The kill reaches a child that has exited as little as it may."""
    os.kill(child.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
    exit_code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    with child.connection, contextlib.suppress(OSError):
        child.connection.sendall(b"\n%d" % exit_code)
    os.close(child.alive)


# ---- in the child ----


def _run(connection_fd: int, alive: int) -> NoReturn:
    """Answer one request. Whatever happens, this process never returns to the server's loop."""
    exit_code = 1
    try:
        os.dup2(connection_fd, 0)
        os.dup2(alive, 1)
        os.closerange(2, _OPEN_FILES)
        with socket.socket(fileno=0) as connection:
            with connection.makefile("rb") as file:
                request = json.load(file)
            confine(request["seconds"], request["memory"])
            connection.sendall(_answer(request))
        exit_code = 0
    finally:
        os._exit(exit_code)


def _answer(request: dict[str, object]) -> bytes:
    try:
        answer: dict[str, object] = {"objects": render(request["templates"], request["context"])}  # type: ignore[arg-type]
    except TemplateError as error:
        answer = {"error": [error.reason, error.message]}
    return json.dumps(answer).encode()
