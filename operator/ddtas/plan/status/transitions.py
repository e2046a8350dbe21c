"""Which changes of an object's conditions a person wants to be told of. Pure.

What one reconcile brings is one piece of news: that five conditions became True one after the other, on the way to a
run that begins, is nothing that anybody waits for. A refusal, a failure, and the end of either always is.
"""

from collections.abc import Iterator, Sequence

from ddtas.api.base import Condition
from ddtas.plan.findings import Stage
from ddtas.plan.reasons import Reason

_KSTATUS = frozenset({"Ready", "Reconciling", "Stalled"})
# Said of another condition as well.
_REPEATED = frozenset({Reason.NOT_SERVING, Reason.VERSION_FAILED})
# Steps that take long enough for a person to wonder what is going on.
_WORK = frozenset({Reason.PROBING, Reason.CALIBRATING, Reason.VALIDATING, Reason.ROLLING_OUT})


def announced(old: Sequence[Condition], new: Sequence[Condition]) -> Iterator[tuple[int, Condition, Condition | None]]:
    """The conditions that are worth an Event.

    Args:
        old: as they were published last.
        new: as they are about to be published.

    Yields:
        The position among the new conditions, the condition with the message for a person, and what it was.
    """
    before, now = {c.type: c for c in old}, {c.type: c for c in new}
    for position, condition in enumerate(new):
        was = before.get(condition.type)
        if not _is_news(was, condition):
            continue
        validated = now.get(Stage.VALIDATED)
        if condition.type == Stage.SERVING and condition.status == "True" and validated and validated.status == "True":
            # It serves since it was validated: what that showed has no Event of its own.
            text = f"{condition.message}; {validated.message}"
            yield position, condition.model_copy(update={"message": text}), was
        else:
            yield position, condition, was


def _is_news(old: Condition | None, new: Condition) -> bool:
    if new.type in _KSTATUS or new.reason in _REPEATED:
        return False
    if old is not None and (old.status, old.reason) == (new.status, new.reason):
        return False
    if new.status == "False":
        return True
    if new.status == "Unknown":
        # That the first run begins is told, and that what was there is not there for now.
        return new.reason == Reason.CALIBRATING or (new.reason in _WORK and old is not None and old.status == "True")
    if old is not None and old.status == "False" and old.reason not in _REPEATED:
        return True  # what was wrong is right again
    return new.type == Stage.CALIBRATED or (new.type == Stage.SERVING and new.reason != Reason.KEEPS_SERVING)
