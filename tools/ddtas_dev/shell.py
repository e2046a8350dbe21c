"""Running other programs, with an error message that tells what they said."""

import contextlib
import fcntl
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ddtas_dev.console import DevError, say

TAIL_LINES = 25

Words = Sequence[str | Path]


def run(
    argv: Words,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    hint: str = "",
) -> str:
    """Run to the end and return stdout; raise with the last lines of its output when it fails.

    ``env`` is added to the environment; ``hint`` tells a person what to do about a failure.
    """
    command = [str(word) for word in argv]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DevError(failure(command, done.returncode, done.stdout + done.stderr, hint))
    return done.stdout


def succeeds(argv: Words, *, env: Mapping[str, str] | None = None) -> bool:
    """Whether a command exists and exits 0; what it prints is dropped."""
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def failure(command: Sequence[str], code: int, output: str, hint: str = "") -> str:
    """The error message for a command that failed."""
    tail = "\n".join(f"  | {line}" for line in output.strip().splitlines()[-TAIL_LINES:])
    lines = [f"`{shlex.join(command)}` failed with exit code {code}", tail or "  | (it printed nothing)", hint]
    return "\n".join(line for line in lines if line)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock between processes; say so when another one has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process: {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
