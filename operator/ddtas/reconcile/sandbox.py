"""Renders templates in a confined process, which can compute and answer, and can open nothing."""

import contextlib
import json
from collections.abc import Sequence

from ddtas import confined
from ddtas.confined import Broke, Exceeded, Job, Limit
from ddtas.confined.job import MIB
from ddtas.confined.turns import COMPUTING, Party
from ddtas.errors import TemplateError
from ddtas.plan.children.template import MAX_MESSAGE, MAX_OBJECTS, TemplateContext, render

# The templates make at most 64 KiB of text.
JOB = Job(module=__name__, memory=64 * MIB, processor_seconds=5, wall_seconds=5, answer_bytes=MIB // 4)


async def render_in_sandbox(
    templates: Sequence[tuple[str, str]], context: TemplateContext, party: Party = ("",), *, job: Job = JOB
) -> list[dict[str, object]]:
    """`ddtas.plan.children.template.render`, in a child process.

    Args:
        templates: name and Jinja2 source of each.
        context: JSON values only.
        party: whose turn it takes: the listing, then the namespace.
        job: how much it may use up.

    Raises:
        TemplateError: as `render` does, and TemplateInvalid where the template used more than it may.
        Later: its party has used up what it might, and has to wait.
        OSError: the sandbox itself could not be started or was killed; the next render starts it again.
    """
    request = json.dumps({"templates": list(templates), "context": context}).encode()
    async with COMPUTING.turn(party):
        try:
            found = await confined.run(job, request)
        except Exceeded as error:
            COMPUTING.pause(party)
            raise TemplateError("TemplateInvalid", _too_much(error.limit, job)) from None
        except Broke:
            COMPUTING.pause(party)
            raise TemplateError("TemplateInvalid", "the templates break what renders them: simplify them") from None
        COMPUTING.resume(party)
    return _objects(found)


def _too_much(limit: Limit, job: Job) -> str:
    if limit is Limit.ANSWER:
        return f"the templates make more than {job.answer_bytes // 1024} KiB"
    return (
        f"the templates used more than {job.memory // MIB} MiB of memory or {job.processor_seconds} s of processor "
        "time: simplify them"
    )


def _objects(text: bytes) -> list[dict[str, object]]:
    """The child's answer. It had hostile input, so it is checked like hostile input."""
    try:
        match json.loads(text):
            case {"objects": list(objects)} if len(objects) <= MAX_OBJECTS and all(
                isinstance(o, dict) for o in objects
            ):
                return objects
            case {"error": ["TemplateInvalid" | "TemplateForbidden" as reason, str(message)]}:
                raise TemplateError(reason, message[:MAX_MESSAGE])
    except (ValueError, RecursionError):
        pass
    raise TemplateError("TemplateInvalid", "the templates made something that is not a list of objects")


# ---- in the child ----


def warm() -> None:
    """Have Python and Jinja2 import all that they import on demand, in every way a render can end."""
    sources = (
        "a: {{ 'é' ~ 1 }}",
        "{{ nothing }}",
        "{{ ''.__class__ }}",
        "{% if %}",
        "a: &x 1",
        'a: [1.5, "\\ud83d\\ude00", "\\ud83d"]',
    )
    for source in sources:
        with contextlib.suppress(TemplateError):
            render([("a", source)], {"prefix": "a"})  # type: ignore[typeddict-item]


def prepare(_: str) -> None:
    """All is imported already."""


def answer(request: bytes) -> bytes:
    """Objects, or an error with its reason, as JSON."""
    asked = json.loads(request)
    try:
        found: dict[str, object] = {"objects": render(asked["templates"], asked["context"])}
    except TemplateError as error:
        found = {"error": [error.reason, error.message]}
    return json.dumps(found).encode()
