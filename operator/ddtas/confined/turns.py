"""Who is served next: places are few, and nobody may have them all."""

import asyncio
import itertools
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Party = tuple[str, ...]
"""Who asks, from the whole to the part: (listing, namespace), say."""

_REMEMBERED = 4096  # parties
_FIRST_PAUSE_SECONDS = 5.0  # doubled each time, up to
_LONGEST_PAUSE_SECONDS = 300.0


class Turns:
    """So many places at once, of which each party has a share.

    Next is whoever was served longest ago: first by the whole of its party, then by its parts; then who came first. A
    party that is told to pause waits, and the others do not wait for it.
    """

    def __init__(self, places: int, each: int) -> None:
        """Make turns.

        Args:
            places: taken at once.
            each: of them, that one party (by the first part of its name) has at once.
        """
        self._free = places
        self._each = each
        self._waiting: dict[Party, deque[asyncio.Future[None]]] = {}
        self._taken: Counter[str] = Counter()
        self._ticks = itertools.count(1)
        self._served: OrderedDict[Party, int] = OrderedDict()  # when each party, and each part of it, was served last
        self._pauses: OrderedDict[str, tuple[float, float]] = OrderedDict()  # until when, and how long
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, party: Party) -> AsyncIterator[None]:
        """Wait for a place, and have it until the context is left."""
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(party, deque()).append(mine)
        self._next()
        try:
            await mine
            yield
        finally:
            if mine.done() and not mine.cancelled():
                self._free += 1
                self._taken[party[0]] -= 1
                self._taken += Counter()  # without those that have none
            else:
                self._leave(party, mine)
            self._next()

    def pause(self, party: Party) -> None:
        """Serve this party (by the first part of its name) later: 5 s, doubled each time up to 5 minutes."""
        _, before = self._pauses.pop(party[0], (0.0, 0.0))
        seconds = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * before))
        self._pauses[party[0]] = (asyncio.get_running_loop().time() + seconds, seconds)
        _bound(self._pauses)

    def resume(self, party: Party) -> None:
        """It behaved: the next pause is the first one again."""
        self._pauses.pop(party[0], None)

    def _leave(self, party: Party, mine: "asyncio.Future[None]") -> None:
        """Take one out of those who wait; one that was cancelled may be out already."""
        waiting = self._waiting.get(party, deque())
        if mine in waiting:
            waiting.remove(mine)
        if not waiting:
            self._waiting.pop(party, None)

    def _next(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._free and (able := [party for party in self._waiting if self._may(party, now)]):
            party = min(able, key=self._rank)
            waiter = self._waiting[party][0]
            self._leave(party, waiter)
            if waiter.done():  # cancelled
                continue
            self._free -= 1
            self._taken[party[0]] += 1
            for end in range(1, len(party) + 1):
                self._served.pop(party[:end], None)
                self._served[party[:end]] = next(self._ticks)
            _bound(self._served)
            waiter.set_result(None)
        self._wake(now)

    def _may(self, party: Party, now: float) -> bool:
        until, _ = self._pauses.get(party[0], (0.0, 0.0))
        return until <= now and self._taken[party[0]] < self._each

    def _rank(self, party: Party) -> tuple[int, ...]:
        return tuple(self._served.get(party[:end], 0) for end in range(1, len(party) + 1))

    def _wake(self, now: float) -> None:
        """Come back when the first pause of those who wait is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends = [until for party in self._waiting if (until := self._pauses.get(party[0], (0.0, 0.0))[0]) > now]
        if ends:
            self._timer = asyncio.get_running_loop().call_at(min(ends), self._next)


def _bound(known: OrderedDict[Party, int] | OrderedDict[str, tuple[float, float]]) -> None:
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
