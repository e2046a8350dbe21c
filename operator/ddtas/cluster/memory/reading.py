"""Reads the parts of a large object one by one, so that others have a turn in between.

A platform has up to five hundred data sources with what is known of each, and takes forty milliseconds to be read at
once. What is read here is put in the place of what it was read from; the model of the whole takes it as it is.
"""

import asyncio
import time
from functools import cache
from typing import Any, get_args, get_origin

from ddtas.api.base import Resource
from ddtas.schema.model import Model

JsonObject = dict[str, Any]

_TURN_SECONDS = 0.01  # of processor time, after which others have a turn


async def parts_read(model: type[Resource], body: JsonObject) -> JsonObject:
    """An object, with models in place of the items of its lists.

    What cannot be read stays as it is: the model of the whole says what is wrong with it, and where.

    Args:
        model: of the object.
        body: as the API server sent it; it is left as it is.
    """
    began = time.thread_time()
    for part, field, item_model in _lists(model):
        inside = body.get(part)
        items = inside.get(field) if isinstance(inside, dict) else None
        if not isinstance(items, list):
            continue
        read: list[Any] = []
        for item in items:
            read.append(_read(item_model, item))
            if time.thread_time() - began > _TURN_SECONDS:
                await asyncio.sleep(0)
                began = time.thread_time()
        body = body | {part: body[part] | {field: read}}
    return body


def _read(model: type[Model], item: object) -> object:
    try:
        return model.model_validate(item)
    except Exception:  # whatever it is, it comes again where the whole is read
        return item


@cache
def _lists(model: type[Resource]) -> tuple[tuple[str, str, type[Model]], ...]:
    """The lists of objects in a spec and a status: where each is, and the model of its items."""
    found = []
    for part in ("spec", "status"):
        inside = model.model_fields[part].annotation
        assert isinstance(inside, type)  # noqa: S101
        assert issubclass(inside, Model)  # noqa: S101
        for name, field in inside.model_fields.items():
            item = next(iter(get_args(field.annotation)), None) if get_origin(field.annotation) is tuple else None
            if isinstance(item, type) and issubclass(item, Model):
                found.append((part, field.alias or name, item))
    return tuple(found)
