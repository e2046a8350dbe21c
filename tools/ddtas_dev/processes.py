"""The processes of an embedded cluster, found by looking, not by remembering.

A pid in a file may belong to somebody else by now (a reboot, a long time). A process belongs to a cluster when it
is one of the programs that we start and one of its arguments lies in the cluster's own folders.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Process:
    """A running process of a cluster."""

    pid: int
    program: str


def find(programs: Collection[str], folders: Collection[Path]) -> list[Process]:
    """The running processes of these programs that were started for these folders."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended while we looked
            continue
        program = Path(argv[0]).name
        if program in programs and belongs(argv[1:], folders):
            found.append(Process(int(entry.name), program))
    return found


def belongs(arguments: Sequence[str], folders: Collection[Path]) -> bool:
    """Whether an argument names something inside one of the folders.

    >>> belongs(["--config=/state/a/kubelet.json"], [Path("/state/a")])
    True
    >>> belongs(["--config=/state/a-test/kubelet.json"], [Path("/state/a")])
    False
    """
    return any(f"{folder}/" in argument for folder in folders for argument in arguments)


def spawn(argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
    """Start a daemon that outlives us and writes to a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd="/",
            start_new_session=True,
        )


def kill(pids: Collection[int]) -> None:
    """End processes at once, and return when they are gone: what they would save is removed next anyway."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + GONE_SECONDS
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        # The third field is the state; a zombie has ended, its parent just has not asked yet.
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
