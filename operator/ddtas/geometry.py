"""Questions about places (areas, extents, coordinate reference systems), answered in a confined process.

An area is a city's and an extent a supplier's: both hostile. What shapely and PROJ make of them takes as long as it
takes, in C++, and 45 MiB that the operator need not have.
"""

import logging
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from ddtas import confined
from ddtas.confined import Broke, Exceeded, Job
from ddtas.confined.job import MIB
from ddtas.confined.turns import COMPUTING, Party
from ddtas.plan import space
from ddtas.plan.space import Answer, Question

log = logging.getLogger(__name__)

JOB = Job(module=__name__, memory=64 * MIB, processor_seconds=5, wall_seconds=10, answer_bytes=MIB // 4)
_AT_ONCE = 200  # questions to one process

_QUESTIONS: TypeAdapter[list[Question]] = TypeAdapter(list[Question])
_ANSWERS: TypeAdapter[list[Answer]] = TypeAdapter(list[Answer])


async def answer_all(questions: Sequence[Question], party: Party) -> None:
    """Have questions answered; `plan.space` knows the answers from then on.

    What takes too much to tell cannot be told: None.

    Args:
        questions: any number.
        party: whose turn it takes: the namespace.

    Raises:
        Later: its party has used up what it might, and has to wait.
        OSError: there is no process now; the next request starts one.
    """
    pending = [list(questions[start : start + _AT_ONCE]) for start in range(0, len(questions), _AT_ONCE)]
    while pending:
        some = pending.pop()
        answers = await _answered(some, party)
        if answers is None and len(some) > 1:  # one of them is the cause; the others are not to suffer
            middle = len(some) // 2
            pending += [some[middle:], some[:middle]]
            continue
        for question, found in zip(some, answers or [None], strict=True):
            space.learn(question, found)


async def _answered(questions: list[Question], party: Party) -> list[Answer] | None:
    """The answers; None where that took too much, or came to nothing."""
    request = _QUESTIONS.dump_json(questions)
    async with COMPUTING.turn(party):
        try:
            answers = _ANSWERS.validate_json(await confined.run(JOB, request))
        except Exceeded as error:
            log.warning("what is asked about places takes too much %s", error.limit, extra={"object": "/".join(party)})
        except (Broke, ValidationError) as error:
            where = error.where if isinstance(error, Broke) else "its answer"
            log.warning("what is asked about places has no answer: %s", where, extra={"object": "/".join(party)})
        else:
            return answers if len(answers) == len(questions) else None
    return None


# ---- in the child ----


def prepare(_: str) -> None:
    """Have shapely and PROJ import and open all that they need: later nothing can be opened."""
    space.warm()


def answer(request: bytes) -> bytes:
    """Answers, in the order of the questions."""
    return _ANSWERS.dump_json([space.compute(question) for question in _QUESTIONS.validate_json(request)])
