"""What one API server gets of this process: time, connections, memory, events."""

import asyncio
from dataclasses import dataclass

from ddtas.cluster.rest.answers import OBJECT_BYTES


@dataclass(frozen=True)
class Bounds:
    """What one API server gets.

    Attributes:
        read_seconds: for one request that reads.
        write_seconds: for one that writes.
        requests: under way at once. Watches hold their connections, so the limit is not on the pool.
        pages: in memory at once.
        object_bytes: of one object, or one event.
        objects: in one list; None for as many as there are.
        watch_seconds: after which a watch is renewed. A server, or what is between, that sends nothing without being
            gone is found out by that.
        events: of all watches together, in a second.
        burst: events that may come faster.
    """

    read_seconds: float = 30.0
    write_seconds: float = 15.0
    requests: int = 32
    pages: int = 2
    object_bytes: int = OBJECT_BYTES
    objects: int | None = None
    watch_seconds: int = 15
    events: float = 2000.0
    burst: float = 20_000.0


HOME = Bounds()
CITY = Bounds(
    read_seconds=15.0,
    requests=8,
    pages=1,
    object_bytes=4 * 1024 * 1024,
    objects=5000,
    watch_seconds=55,
    events=200.0,
    burst=2000.0,
)
# Of the Lease: a request that hangs must leave time for another one.
LEASE = Bounds(read_seconds=3.0, write_seconds=3.0, requests=2)


class Pace:
    """A bucket of events: whoever sends more than it holds has to wait, and takes no time of others."""

    def __init__(self, per_second: float, burst: float) -> None:
        """A full bucket.

        Args:
            per_second: events that come back into it.
            burst: what it holds.
        """
        self._per_second, self._burst = per_second, burst
        self._level, self._at = burst, 0.0

    async def take(self) -> None:
        """Take one event; others always get a turn."""
        now = asyncio.get_running_loop().time()
        self._level = min(self._burst, self._level + (now - self._at) * self._per_second) - 1.0
        self._at = now
        await asyncio.sleep(max(0.0, -self._level / self._per_second))
