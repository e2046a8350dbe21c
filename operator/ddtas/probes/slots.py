"""Who may probe next: slots are few, since each is a process, and nobody may have them all."""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import Generic, NamedTuple, TypeVar

MOST_AT_ONE_HOST = 4  # probes at once at one server: it may have many sources, and serves more than us


class Standing(IntEnum):
    """What is to be expected of a probe: whoever takes long must not hold up those who do not."""

    GOOD = 0  # the last one was quick, and it was read
    NEW = 1
    BAD = 2  # the last one failed or took long


# Of the slots: those that probes of this standing, or of a worse one, may have at once; in all, and of one namespace.
_IN_ALL = {Standing.GOOD: 1.0, Standing.NEW: 0.8, Standing.BAD: 0.5}
_OF_ONE = {Standing.GOOD: 0.5, Standing.NEW: 0.4, Standing.BAD: 0.2}


class Claimant(NamedTuple):
    """For whom a slot is taken: the namespace of a probe, its server, and what is to be expected of it."""

    namespace: str
    host: str
    standing: Standing


class Slots:
    """The probes that are under way, and whether there may be one more."""

    def __init__(self, number: int) -> None:
        """Make slots, none of them taken.

        Args:
            number: of probes at once.
        """
        self._in_all = {standing: max(1, int(number * share)) for standing, share in _IN_ALL.items()}
        self._of_one = {standing: max(1, int(number * share)) for standing, share in _OF_ONE.items()}
        self._number = number
        self._taken: Counter[Claimant] = Counter()

    @property
    def full(self) -> bool:
        """Whether there is no room for anybody."""
        return self._taken.total() >= self._number

    def may(self, claimant: Claimant) -> bool:
        """Whether a probe may begin there."""
        at_host = in_all = of_one = 0
        for taken, number in self._taken.items():  # never more than there are slots
            at_host += number if taken.host == claimant.host else 0
            if taken.standing >= claimant.standing:
                in_all += number
                of_one += number if taken.namespace == claimant.namespace else 0
        return (
            not self.full
            and at_host < MOST_AT_ONE_HOST
            and in_all < self._in_all[claimant.standing]
            and of_one < self._of_one[claimant.standing]
        )

    def take(self, claimant: Claimant) -> None:
        """A probe begins."""
        self._taken[claimant] += 1

    def give_back(self, claimant: Claimant) -> None:
        """It ended."""
        self._taken[claimant] -= 1
        if not self._taken[claimant]:
            del self._taken[claimant]


Key = TypeVar("Key")
_MOST_HELD_BACK = 100  # that are tried for one that can begin: a city may have thousands that cannot


class Agenda(Generic[Key]):
    """What is due when; of what is due, the namespaces take turns."""

    def __init__(self) -> None:
        """Make an empty one."""
        # (due, tie-break, key) by namespace. The namespaces are in the order in which they were served: next is first.
        self._lanes: dict[str, list[tuple[datetime, int, Key]]] = {}
        self._ties = itertools.count()

    def add(self, namespace: str, due: datetime, key: Key) -> None:
        """Put a key on the agenda. It may be there more than once."""
        heapq.heappush(self._lanes.setdefault(namespace, []), (due, next(self._ties), key))

    def take(self, now: datetime, begin: Callable[[datetime, Key], bool | None]) -> datetime | None:
        """Have what is due begin, until nothing more can.

        Args:
            now: the time.
            begin: told when a key was due: True when it began, False when it cannot now and stays on the agenda, None
                when it is no longer wanted.

        Returns:
            When the next one is due that is not yet.
        """
        begun = True
        while begun:
            begun, upcoming = False, []
            for namespace in list(self._lanes):
                served, following = self._serve(namespace, now, begin)
                begun = begun or served
                if following is not None:
                    upcoming.append(following)
        return min(upcoming, default=None)

    def _serve(
        self, namespace: str, now: datetime, begin: Callable[[datetime, Key], bool | None]
    ) -> tuple[bool, datetime | None]:
        """Begin the first of a namespace that can; whether one did, and when the first is due that is not yet."""
        lane, served = self._lanes[namespace], False
        held_back: list[tuple[datetime, int, Key]] = []
        while lane and lane[0][0] <= now and not served and len(held_back) < _MOST_HELD_BACK:
            item = heapq.heappop(lane)
            answer = begin(item[0], item[2])
            served = answer is True
            if answer is False:
                held_back.append(item)
        following = lane[0][0] if lane and lane[0][0] > now else None
        for item in held_back:
            heapq.heappush(lane, item)
        if served or not lane:
            del self._lanes[namespace]
            if lane:
                self._lanes[namespace] = lane  # behind the others
        return served, following
