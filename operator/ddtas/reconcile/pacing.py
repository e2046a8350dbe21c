"""Long computations, in pieces and in other processes: nothing may hold the event loop for long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ddtas.data.meaning import comparison, questions
from ddtas.data.meaning.questions import Question
from ddtas.names import NamespacedName
from ddtas.plan.turns import Turns

T = TypeVar("T")

# Of processor time, after which a computation pauses. A piece in between may take as long again, and twice.
_TURN_SECONDS = 0.01
# That a probe is under way is worth a write only where it takes longer than most.
_GRACE_SECONDS = 5.0


async def by_turns(turns: Turns[T]) -> T:
    """Run a computation to its end, and let other tasks run between its pieces."""
    await asyncio.sleep(0)
    started = time.thread_time()
    while True:
        try:
            next(turns)
        except StopIteration as done:
            answer: T = done.value
            return answer
        if time.thread_time() - started > _TURN_SECONDS:
            await asyncio.sleep(0)
            started = time.thread_time()


async def settled(namespace: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run a computation until none of its slow questions is open; those are answered in a confined process."""
    answered: set[Question] = set()
    while True:
        with questions.elsewhere() as pending:
            result = await work()
        wanted = [question for question in pending if question not in answered]
        if not wanted:
            return result
        answered.update(wanted)
        await comparison.answer_all(wanted, ("areas", namespace))


class Grace:
    """Gives what is under way a moment to end, before the first status of an object says that it is under way."""

    def __init__(self) -> None:
        self._began: dict[NamespacedName, float] = {}

    def left(self, key: NamespacedName) -> float:
        """Seconds until it is to be said; 0 when that moment is over. The first call begins it."""
        now = time.monotonic()
        return max(0.0, self._began.setdefault(key, now) + _GRACE_SECONDS - now)

    def end(self, key: NamespacedName) -> None:
        """Something was said, or the object is gone."""
        self._began.pop(key, None)
