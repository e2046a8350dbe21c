"""Questions that take long to answer, or hostile input to a library in C++: pure all the same, and asked in a decision.

Answers are remembered. Within `elsewhere()` none is worked out: what is not remembered is None (not known), and the
question is collected, for a process that may break (`ddtas.data.meaning.comparison`).
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

Answer = bool | float | str | tuple[str, str] | None
_REMEMBERED = 8192


class Question(Protocol):
    """A hashable value that can work out its answer."""

    def __hash__(self) -> int:
        """As its fields have it."""
        ...

    def answer(self) -> Answer:
        """Work it out, here and now."""
        ...


_answers: OrderedDict[Question, Answer] = OrderedDict()
_collected: ContextVar[dict[Question, None] | None] = ContextVar("questions", default=None)


@contextmanager
def elsewhere() -> Iterator[dict[Question, None]]:
    """What is not remembered is not worked out here, but collected in the dictionary that is given."""
    asked: dict[Question, None] = {}
    token = _collected.set(asked)
    try:
        yield asked
    finally:
        _collected.reset(token)


def learn(question: Question, answer: Answer) -> None:
    """Remember an answer."""
    _answers[question] = answer
    if len(_answers) > _REMEMBERED:
        _answers.popitem(last=False)


def ask(question: Question) -> Answer:
    """The answer; None also where it is not known yet."""
    if question in _answers:
        _answers.move_to_end(question)
    elif (collected := _collected.get()) is not None:
        collected[question] = None
        return None
    else:
        learn(question, question.answer())
    return _answers[question]
