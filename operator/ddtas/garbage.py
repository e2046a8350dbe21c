"""Keeps the collector of garbage in cycles from holding the process: a collection stops everything.

A collection visits all objects that live, and an operator holds a few hundred thousand for as long as it runs: modules,
models, the objects of the cluster. Those are set aside, where the collector does not come again; each is still freed as
soon as nothing refers to it. What is set aside and later becomes garbage in a cycle stays, which is why it is done only
when a collection has taken long.

A collection of all objects comes when many were made, which is just when a large object is being read: it would take
as long again as that. So it has a turn of the event loop to itself. Young objects are collected wherever they are made.
"""

import asyncio
import contextlib
import gc
import linecache
import time
from typing import Literal

_LONG_SECONDS = 0.01  # of processor time
_MIDDLE = 1  # the generation whose collections are counted
_NEVER = 2**31 - 1

# Collections of the middle generation, after which all objects are due: some thirty thousand new ones, which take 8 ms.
_SOME = 3

_is_due = False


def keep_collections_short() -> None:
    """Set aside what lives now, and after each collection that takes long what lives then."""
    linecache.clearcache()  # 400 KiB: the sources of the models, whose docstrings pydantic has read
    gc.collect()
    set_aside()
    if _after not in gc.callbacks:
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        gc.callbacks.append(_after)


def set_aside() -> None:
    """Keep later collections from what lives now. It takes no time."""
    gc.freeze()


def _after(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    global _is_due
    if phase == "stop" and info["generation"] == _MIDDLE and not _is_due and gc.get_count()[2] > _SOME:
        with contextlib.suppress(RuntimeError):  # no event loop, or another thread: the next one will do
            asyncio.get_running_loop().call_soon(_collect)
            _is_due = True


def _collect() -> None:
    global _is_due
    _is_due = False
    began = time.thread_time()
    gc.collect()
    if time.thread_time() - began > _LONG_SECONDS:
        set_aside()
