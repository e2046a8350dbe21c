"""What held the event loop of a process, and for how long: processor time of its thread, callback by callback.

Installed in the operator's process by the tests (sitecustomize.py), and in their own by a fixture. Each callback that
takes longer than `NOTED_SECONDS` is noted, with where it stood afterwards; time of the garbage collector is part of it.
"""

import asyncio.events
import gc
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

NOTED_SECONDS = 0.02
LIMIT_SECONDS = 0.05  # the rule of this project


class Hold(NamedTuple):
    """One callback that took long.

    Attributes:
        seconds: of processor time.
        what: the callback, or where its task waits now.
        collecting: the part of it that the garbage collector took.
    """

    seconds: float
    what: str
    collecting: float


def _what(handle: Any) -> str:
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return repr(callback)[:200]
    steps: list[str] = []
    waits: Any = task.get_coro()
    while waits is not None and len(steps) < 30:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None:
            steps.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return f"{task.get_name()}: {' > '.join(steps[-5:]) or 'done'}"


class Watch:
    """Looks on as callbacks run."""

    def __init__(self, note: Callable[[Hold], None]) -> None:
        self._note = note
        self._run: Any = asyncio.events.Handle._run
        self._collecting = self._began = 0.0

    def install(self) -> None:
        """Begin."""
        watch, run, clock = self, self._run, time.thread_time

        def timed(handle: Any) -> Any:
            watch._collecting = 0.0
            started = clock()
            result = run(handle)
            took = clock() - started
            if took > NOTED_SECONDS:
                watch._note(Hold(took, _what(handle), watch._collecting))
            return result

        asyncio.events.Handle._run = timed  # type: ignore[assignment, method-assign]
        gc.callbacks.append(self._collects)

    def remove(self) -> None:
        """End."""
        asyncio.events.Handle._run = self._run  # type: ignore[method-assign]
        gc.callbacks.remove(self._collects)

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collecting += time.thread_time() - self._began


def write_to(path: str) -> None:
    """Install it in this process; each hold is a line of JSON in a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    Watch(lambda hold: os.write(file, f"{json.dumps(hold)}\n".encode()) and None).install()  # type: ignore[arg-type]


def read_from(path: str) -> list[Hold]:
    """The holds in such a file."""
    if not os.path.exists(path):
        return []
    with open(path) as lines:
        return [Hold(*json.loads(line)) for line in lines if line.endswith("\n")]
