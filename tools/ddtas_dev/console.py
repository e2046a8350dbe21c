"""What a person sees. Everything goes to stderr, so that the output of a wrapped tool stays clean on stdout."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

PLAIN_INTERVAL_SECONDS = 15.0
TTY_INTERVAL_SECONDS = 1.0


class DevError(Exception):
    """Something a person has to know about: says what is wrong, where, and what to do next."""


def say(message: str) -> None:
    """Print one line."""
    print(message, file=sys.stderr, flush=True)


def elapsed(seconds: float) -> str:
    """A duration as a person would write it.

    >>> elapsed(4.26), elapsed(75)
    ('4.3 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class Progress:
    """Shows that a long step is alive: a line that updates itself on a terminal, else a plain line every 15 s.

    A step that ends before the first plain line is due prints one line only. Set ``detail`` while it runs.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.detail = ""
        self._tty = sys.stderr.isatty()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        if not self._tty:
            say(f"{self.label} ...")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        outcome = "done" if kind is None else "FAILED"
        say(f"{self._clear()}{self.label}: {outcome} in {self.elapsed()}")

    def elapsed(self) -> str:
        """Time since the step began."""
        return elapsed(time.monotonic() - self._start)

    def line(self) -> str:
        """The step as it stands now."""
        detail = f", {self.detail}" if self.detail else ""
        return f"{self.label} ... {self.elapsed()}{detail}"

    def _clear(self) -> str:
        return "\r\x1b[K" if self._tty else ""

    def _tick(self) -> None:
        while not self._stop.wait(TTY_INTERVAL_SECONDS if self._tty else PLAIN_INTERVAL_SECONDS):
            if self._tty:
                print(f"{self._clear()}{self.line()}", end="", file=sys.stderr, flush=True)
            else:
                say(self.line())
