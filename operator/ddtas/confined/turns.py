"""Who is served next: places are few, and nobody may have them all."""

import asyncio
import itertools
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ddtas.errors import DdtasError

Party = tuple[str, ...]
"""Who asks, from the whole to the part: (listing, namespace), say."""

_REMEMBERED = 4096  # parties
_FIRST_PAUSE_SECONDS = 5.0  # doubled each time, up to
_LONGEST_PAUSE_SECONDS = 300.0


class Later(DdtasError):
    """A party used up what it might, and has to wait for its next turn.

    Attributes:
        seconds: until then.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s for the next turn")
        self.seconds = seconds


class Turns:
    """So many places at once, of which each party has a share.

    Next is whoever was served longest ago: first by the whole of its party, then by its parts; then who came first.
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
        self._pauses: OrderedDict[Party, tuple[float, float]] = OrderedDict()  # until when, and how long

    @asynccontextmanager
    async def turn(self, party: Party) -> AsyncIterator[None]:
        """Wait for a place, and have it until the context is left.

        Raises:
            Later: the party was told to pause.
        """
        left = self._pauses.get(party, (0.0, 0.0))[0] - asyncio.get_running_loop().time()
        if left > 0:
            raise Later(left)
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
        """Give this party its next turn later: in 5 s, doubled each time up to 5 minutes."""
        _, before = self._pauses.pop(party, (0.0, 0.0))
        seconds = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, 2 * before))
        self._pauses[party] = (asyncio.get_running_loop().time() + seconds, seconds)
        while len(self._pauses) > _REMEMBERED:
            self._pauses.popitem(last=False)

    def resume(self, party: Party) -> None:
        """It behaved: the next pause is the first one again."""
        self._pauses.pop(party, None)

    def _leave(self, party: Party, mine: "asyncio.Future[None]") -> None:
        """Take one out of those who wait; one that was cancelled may be out already."""
        waiting = self._waiting.get(party, deque())
        if mine in waiting:
            waiting.remove(mine)
        if not waiting:
            self._waiting.pop(party, None)

    def _next(self) -> None:
        while self._free and (able := [party for party in self._waiting if self._taken[party[0]] < self._each]):
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
            while len(self._served) > _REMEMBERED:
                self._served.popitem(last=False)
            waiter.set_result(None)

    def _rank(self, party: Party) -> tuple[int, ...]:
        return tuple(self._served.get(party[:end], 0) for end in range(1, len(party) + 1))


COMPUTING = Turns(places=2, each=1)
"""Jobs that only compute (templates, areas): the operator's container has room for two at once."""
