"""A work queue of keys: de-duplicated, one in flight a key, two ranks, back-off after a failure.

A key that is added while it is being worked on comes up again afterwards. A waiting key holds no worker.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from ddtas.errors import DdtasError

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0


class WorkQueue(Generic[K]):
    """Runs `work(key)` for each key that was added.

    `work` returns None, or the seconds after which the key should come up again. When it raises, the key comes up
    again after a back-off that doubles from half a second up to a minute.
    """

    def __init__(self, work: Callable[[K], Awaitable[float | None]], workers: int) -> None:
        self._work = work
        self._count = workers
        # What a user changed is served before what is only looked at because the operator started.
        self._urgent: deque[K] = deque()
        self._routine: deque[K] = deque()
        self._queued: set[K] = set()
        self._patient: set[K] = set()  # of those queued, the ones that are in the routine line
        self._in_flight: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._ready = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._stopping = False

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return len(self._queued)

    def add(self, key: K, *, urgent: bool = True) -> None:
        """Have a key worked on soon. Cancels any wait that it was in."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._in_flight:
            self._again.add(key)
        elif key not in self._queued or (urgent and key in self._patient):
            # A key that moves up leaves its place at the back, which is passed over when its turn comes.
            self._queued.add(key)
            if urgent:
                self._patient.discard(key)
                self._urgent.append(key)
            else:
                self._patient.add(key)
                self._routine.append(key)
            self._ready.set()

    def start(self) -> None:
        """Start the workers."""
        self._workers = [asyncio.create_task(self._run(), name=f"worker-{i}") for i in range(self._count)]

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Take no new key, let those in flight end, and cancel what has not ended after the grace period."""
        self._stopping = True
        self._ready.set()
        for timer in self._timers.values():
            timer.cancel()
        if self._workers:
            _, pending = await asyncio.wait(self._workers, timeout=grace_seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        self._workers = []

    async def _run(self) -> None:
        while not self._stopping:
            key = self._next()
            if key is None:
                self._ready.clear()
                await self._ready.wait()
                continue
            self._in_flight.add(key)
            again_after = await self._attempt(key)
            self._in_flight.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif again_after is not None and not self._stopping:
                loop = asyncio.get_running_loop()
                self._timers[key] = loop.call_later(again_after, self.add, key)

    def _next(self) -> K | None:
        if self._urgent:
            key = self._urgent.popleft()
            self._queued.discard(key)
            return key
        while self._routine:
            key = self._routine.popleft()
            if key in self._patient:
                self._patient.discard(key)
                self._queued.discard(key)
                return key
        return None

    async def _attempt(self, key: K) -> float | None:
        try:
            again_after = await self._work(key)
        except Exception as error:  # the one place where any fault of one object is kept from the others
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 30))
            # An error that was raised on purpose says all there is to say; any other one is a bug to be found.
            trace = None if isinstance(error, DdtasError) else error
            log.error("work on %s failed: %s; next attempt in about %.1f s", key, error, pause, exc_info=trace)
            return pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._failures.pop(key, None)
        return again_after
