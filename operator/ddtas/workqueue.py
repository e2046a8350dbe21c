"""A work queue of keys: de-duplicated, one in flight a key, ranked, fair between parties, back-off after a failure.

A key that is added while it is being worked on comes up again afterwards. A waiting key holds no worker. Keys belong to
parties (the objects of one city are one): they take turns, and each has a share of the workers, never all. Work that
only waits for an answer for long makes room for other work.
"""

import asyncio
import logging
import random
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from enum import IntEnum
from typing import Generic, TypeVar

from ddtas.backoff import backoff
from ddtas.errors import ClusterError, DdtasError, trail

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
PATIENCE_SECONDS = 2.0  # work that takes longer waits for an answer, and makes room for other work
MOST_PATIENT = 16  # times the workers: work in flight, that which takes long included
PATIENT_OF_ONE = 4  # of one party, beyond its share of the workers
PASSED_OVER_AT_MOST = 8  # times in a row; then a lower rank has a turn, so that it comes up at all


class Rank(IntEnum):
    """Who goes first."""

    FURTHER = 0  # what is on its way already: a crowd that arrives is served one after the other, and not all at last
    EDITED = 1  # what a person changed
    ROUTINE = 2  # what only comes up because the operator started, at its time, or as one of many users of a listing


class _Line(Generic[K]):
    """Keys of one rank. The parties take turns; within a party it is first come, first served."""

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, OrderedDict[K, None]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))

    def __bool__(self) -> bool:
        return bool(self._keys)

    def has(self, party: Hashable, key: K) -> bool:
        return key in self._keys.get(party, ())

    def add(self, party: Hashable, key: K) -> None:
        self._keys.setdefault(party, OrderedDict())[key] = None

    def discard(self, party: Hashable, key: K) -> None:
        keys = self._keys.get(party)
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._keys[party]

    def pop(self, has_room: Callable[[Hashable], bool]) -> K | None:
        """The next key whose party has room; None where there is none."""
        party = next((party for party in self._keys if has_room(party)), None)
        if party is None:
            return None
        keys = self._keys.pop(party)
        key, _ = keys.popitem(last=False)
        if keys:
            self._keys[party] = keys  # it has had its turn
        return key


class WorkQueue(Generic[K]):
    """Runs `work(key)` for each key that was added.

    `work` returns None, or the seconds after which the key should come up again. When it raises, the key comes up
    again after a back-off that doubles from half a second up to a minute; later where the error's `retry_after` says
    so, within that minute.
    """

    def __init__(
        self,
        work: Callable[[K], Awaitable[float | None]],
        workers: int,
        party: Callable[[K], Hashable] = lambda key: key,
        is_further: Callable[[K], bool] = lambda key: False,
    ) -> None:
        """Make a queue that works on nothing yet.

        Args:
            work: on one key.
            workers: keys worked on at once; half of them (at least one) of one party. Work that takes long no longer
                counts, up to four of one party and sixteen times as many as workers in all.
            party: that a key belongs to.
            is_further: whether a key that is urgent is on its way already, and goes before those that only begin.
        """
        self._work = work
        self._count = workers
        self._share = max(1, workers // 2)
        self._party = party
        self._is_further = is_further
        self._lines: dict[Rank, _Line[K]] = {rank: _Line() for rank in Rank}
        self._passed_over = dict.fromkeys(Rank, 0)  # how often in a row, while something waited there
        self._in_flight: dict[K, asyncio.Task[None]] = {}
        self._quick: set[K] = set()  # of those, the ones that have not taken long yet
        self._parties: Counter[Hashable] = Counter()  # how many each party has in flight, and how many of them quick
        self._quick_of: Counter[Hashable] = Counter()
        self._again: dict[K, bool] = {}
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._running = False
        self._awake = False

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return sum(map(len, self._lines.values()))

    def add(self, key: K, *, urgent: bool = True) -> None:
        """Have a key worked on soon. Cancels any wait that it was in."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        party = self._party(key)
        if key in self._in_flight:
            self._again[key] = urgent or self._again.get(key, False)
        else:
            rank = Rank.ROUTINE if not urgent else Rank.FURTHER if self._is_further(key) else Rank.EDITED
            self._put(party, key, rank)
        self._wake()

    def _put(self, party: Hashable, key: K, rank: Rank) -> None:
        """Have a key wait in the line of a rank; it moves up, and never down."""
        waits_in = next((r for r, line in self._lines.items() if line.has(party, key)), None)
        if waits_in is not None and waits_in <= rank:
            return
        if waits_in is not None:
            self._lines[waits_in].discard(party, key)
        self._lines[rank].add(party, key)

    def start(self) -> None:
        """Begin to work."""
        self._running = True
        self._wake()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Take no new key, let those in flight end, and cancel what has not ended after the grace period."""
        self._running = False
        for timer in self._timers.values():
            timer.cancel()
        if self._in_flight:
            _, pending = await asyncio.wait(self._in_flight.values(), timeout=grace_seconds)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _wake(self) -> None:
        """Start work soon: what comes in one go is put in order first."""
        if self._running and not self._awake:
            self._awake = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Start as much as there is room for."""
        self._awake = False
        while self._running and len(self._quick) < self._count and len(self._in_flight) < MOST_PATIENT * self._count:
            key = self._next()
            if key is None:
                return
            party = self._party(key)
            self._quick.add(key)
            self._quick_of[party] += 1
            self._parties[party] += 1
            self._in_flight[key] = asyncio.create_task(self._run(key), name=f"work on {key}")

    def _next(self) -> K | None:
        """The next key: of the highest rank, but for one that was passed over too often."""
        for rank in sorted(Rank, key=lambda rank: (self._passed_over[rank] < PASSED_OVER_AT_MOST, rank)):
            key = self._lines[rank].pop(self._has_room)
            if key is not None:
                self._passed_over[rank] = 0
                for lower in (r for r in Rank if r > rank and self._lines[r]):
                    self._passed_over[lower] += 1
                return key
        return None

    def _has_room(self, party: Hashable) -> bool:
        return self._quick_of[party] < self._share and self._parties[party] < self._share + PATIENT_OF_ONE

    async def _run(self, key: K) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.call_at(loop.time() + PATIENCE_SECONDS, self._make_room, key)
        again_after: float | None = None
        try:
            again_after = await self._attempt(key)
        finally:
            patience.cancel()
            self._end(key)
        if key in self._again:
            self.add(key, urgent=self._again.pop(key))
        elif again_after is not None and self._running:
            self._timers[key] = loop.call_later(again_after, self._come_up, key)
        self._wake()

    def _come_up(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key, urgent=False)

    def _make_room(self, key: K) -> None:
        if key in self._quick:
            self._quick.discard(key)
            self._quick_of[self._party(key)] -= 1
            self._wake()

    def _end(self, key: K) -> None:
        self._make_room(key)
        del self._in_flight[key]
        party = self._party(key)
        self._parties[party] -= 1
        if not self._parties[party]:
            del self._parties[party], self._quick_of[party]

    async def _attempt(self, key: K) -> float | None:
        try:
            again_after = await self._work(key)
        except Exception as error:  # the one place where any fault of one object is kept from the others
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            pause = backoff(failures, FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
            asked = min(MAX_BACKOFF_SECONDS, error.retry_after if isinstance(error, ClusterError) else 0.0)
            # An error that was raised on purpose says all there is to say. Any other one is a bug to be found; its text
            # may be anything, a secret too.
            said = str(error) if isinstance(error, DdtasError) else trail(error)
            log.error("work on %s failed: %s; next attempt in about %.1f s", key, said, max(asked, pause))
            return max(asked, pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        self._failures.pop(key, None)
        return again_after
