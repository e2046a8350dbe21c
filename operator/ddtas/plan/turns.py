"""Pure functions that take long for large objects, in pieces: whoever has other things to do may pause in between.

@in_turns
def bind(…) -> Turns[Bound]:
    for source in sources:
        yield                        # here it may be paused
    return …

bind(…)                              # all at once
answer = yield from bind.turns(…)    # within another such function
"""

from collections.abc import Callable, Generator
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Turns = Generator[None, None, T]


class InTurns(Generic[P, T]):
    """A function that can be called as any other, or be gone through piece by piece."""

    def __init__(self, function: Callable[P, Turns[T]]) -> None:
        self.turns = function
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Its answer, without a pause."""
        turns = self.turns(*args, **kwargs)
        while True:
            try:
                next(turns)
            except StopIteration as done:
                answer: T = done.value
                return answer


def in_turns(function: Callable[P, Turns[T]]) -> InTurns[P, T]:
    """Make a generator that pauses (`yield`) and answers (`return`) such a function."""
    return InTurns(function)
