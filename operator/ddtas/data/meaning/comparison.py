"""Questions of a decision (about places, and about units of measurement), answered in a confined process.

An area is a city's and an extent a supplier's: both hostile. What shapely and PROJ make of them takes as long as it
takes, in C++. They and pint take 60 MiB that the operator need not have, and half a second to import.
"""

import logging
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from ddtas import confined
from ddtas.confined import Broke, Exceeded, Job
from ddtas.confined.job import MIB
from ddtas.confined.turns import COMPUTING, Party
from ddtas.data.meaning import questions, space, units
from ddtas.data.meaning.questions import Answer, Question

log = logging.getLogger(__name__)

JOB = Job(module=__name__, memory=64 * MIB, processor_seconds=5, wall_seconds=10, answer_bytes=MIB // 4)
_AT_ONCE = 200  # questions to one process
_PLACES, _UNITS = "places", "units"  # the libraries of one are not the other's

_Known = space.MeetsCrs | space.Transformable | space.Covered | space.Fault | units.InTermsOf
_QUESTIONS: TypeAdapter[list[_Known]] = TypeAdapter(list[_Known])
_ANSWERS: TypeAdapter[list[Answer]] = TypeAdapter(list[Answer])


async def answer_all(asked: Sequence[Question], party: Party) -> None:
    """Have questions answered; `plan.questions` knows the answers from then on.

    What takes too much to tell cannot be told: None.

    Args:
        asked: any number.
        party: whose turn it takes: the namespace.

    Raises:
        Later: its party has used up what it might, and has to wait.
        OSError: there is no process now; the next request starts one.
    """
    about: dict[str, list[Question]] = {_PLACES: [], _UNITS: []}
    for question in asked:
        about[_UNITS if isinstance(question, units.InTermsOf) else _PLACES].append(question)
    for variant, some in about.items():
        await _answer(some, variant, party)


async def _answer(asked: list[Question], variant: str, party: Party) -> None:
    pending = [asked[start : start + _AT_ONCE] for start in range(0, len(asked), _AT_ONCE)]
    while pending:
        some = pending.pop()
        answers = await _answered(some, variant, party)
        if answers is None and len(some) > 1:  # one of them is the cause; the others are not to suffer
            middle = len(some) // 2
            pending += [some[middle:], some[:middle]]
            continue
        for question, found in zip(some, answers or [None], strict=True):
            questions.learn(question, found)


async def _answered(asked: list[Question], variant: str, party: Party) -> list[Answer] | None:
    """The answers; None where that took too much, or came to nothing."""
    request, whose = _QUESTIONS.dump_json(asked), {"object": "/".join(party)}  # type: ignore[arg-type]
    async with COMPUTING.turn(party):
        try:
            answers = _ANSWERS.validate_json(await confined.run(JOB, request, variant))
        except Exceeded as error:
            log.warning("what is asked about %s takes too much %s", variant, error.limit, extra=whose)
        except (Broke, ValidationError) as error:
            where = error.where if isinstance(error, Broke) else "its answer"
            log.warning("what is asked about %s has no answer: %s", variant, where, extra=whose)
        else:
            return answers if len(answers) == len(asked) else None
    return None


# ---- in the child ----


def prepare(variant: str) -> None:
    """Have the libraries import and open all that they need: later nothing can be opened."""
    (units if variant == _UNITS else space).warm()


def answer(request: bytes) -> bytes:
    """Answers, in the order of the questions."""
    return _ANSWERS.dump_json([question.answer() for question in _QUESTIONS.validate_json(request)])
