"""A server as a child process: its log in a file, waited for until it answers, and ended with all that it started."""

import contextlib
import http.client
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 180.0  # generous: a cold Java on two busy cores
STOP_SECONDS = 20.0
TAIL_LINES = 25
_PROC = Path("/proc")


class ServerError(Exception):
    """A server did not start, or did not end; the message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server: its base address without a slash at the end, where it listens, and what it says."""

    url: str
    host: str
    port: int
    log: Path


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def tcp_answers(port: int, host: str = HOST) -> Callable[[], bool]:
    """A question to ask again and again: does somebody accept connections there?"""

    def ask() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
            return True
        return False

    return ask


def http_answers(url: str, ca: Path | None = None) -> Callable[[], bool]:
    """A question to ask again and again: does a GET of this URL give a status below 400? ``ca``: whom TLS trusts."""
    # No proxy of the environment: it is loopback.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if ca:
        handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca))))
    opener = urllib.request.build_opener(*handlers)

    def ask() -> bool:
        # URLError and HTTPError are OSErrors; a server that is just coming up may also say half an answer.
        with contextlib.suppress(OSError, http.client.HTTPException), opener.open(url, timeout=10) as answer:
            return bool(answer.status < 400)
        return False

    return ask


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    start_seconds: float = START_SECONDS,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the foreground until the block ends; yields when ``ready`` says yes.

    ``user`` is the unprivileged account that it runs as when we are root; ``env`` is added to the environment.
    When the process of the tests dies, the kernel ends the program too. That watches the *thread* that starts it:
    start servers from one that lives as long as they do.
    Raises ServerError when the program ends early, is not ready in ``start_seconds``, or cannot be ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [*as_user(user, die_with_us=True), *(str(word) for word in argv)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd or log.parent,
            start_new_session=True,
        )
    try:
        _await(process, command, log, ready, start_seconds)
        yield process
    finally:
        stop(process, stop_signal)


def as_user(user: str | None, die_with_us: bool = False) -> list[str]:
    """The words before a command that run it as this account; none are needed when we are not root.

    Raises ServerError where util-linux or the account is missing.
    """
    words = ["--pdeathsig", "TERM"] if die_with_us else []
    if user and os.geteuid() == 0:
        try:
            group = pwd.getpwnam(user).pw_gid
        except KeyError:
            raise ServerError(f"this machine has no account {user!r}: install the package that makes it") from None
        words += ["--reuid", user, "--regid", str(group), "--init-groups"]
    if not words:
        return []
    if not (program := shutil.which("setpriv")):
        raise ServerError("`setpriv` is not there: install util-linux")
    return [program, *words, "--"]


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a process that ``running`` started and all that descend from it; returns when none is left.

    First the polite signal to the process itself, which may have children to end; then SIGKILL for what remains.
    """
    family = _family(process.pid)
    if process.poll() is None:
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    family |= _family(process.pid)
    for pid in living(family.items()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
    deadline = time.monotonic() + STOP_SECONDS
    while left := living(family.items()):
        if time.monotonic() > deadline:
            raise ServerError(f"these processes do not end, even when killed: {sorted(left)}")
        time.sleep(0.02)


def descendants() -> frozenset[tuple[int, str]]:
    """The processes that descend from this one: their ids, and when they began (an id may be used again)."""
    return frozenset(_family(os.getpid()).items())


def living(processes: Iterable[tuple[int, str]]) -> set[int]:
    """The ids of those that still live, whoever their parent is by now."""
    return {pid for pid, born in processes if _born(pid) == born}


def tail(log: Path) -> str:
    """The last lines of a log, indented, for an error message."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  | {line}" for line in lines) or "  | (it printed nothing)"
    return "  | (no log)"


def _await(
    process: subprocess.Popen[bytes], command: list[str], log: Path, ready: Callable[[], bool], seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if (code := process.poll()) is not None:
            raise ServerError(f"`{' '.join(command)}` ended with code {code} before it answered:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"`{' '.join(command)}` does not answer after {seconds:.0f} s; {log} ends:\n{tail(log)}")
        time.sleep(0.05)


def _family(leader: int) -> dict[int, str]:
    """The living processes in the leader's session or below it, and when each began (an id may be used again)."""
    parents: dict[int, int] = {}
    found = {leader}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
            if int(fields[3]) == leader:
                found.add(int(entry.name))
    # A server may give its children sessions of their own (PostgreSQL does).
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: born for pid in found if (born := _born(pid))}


def _born(pid: int) -> str:
    """When a process began, in ticks since boot; empty when it has ended (a zombie has)."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: state, parent, group, session; empty when there is none."""
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []
