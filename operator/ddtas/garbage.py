"""Keeps the collector of garbage in cycles from holding the process: a collection stops everything.

A collection visits all objects that live, and an operator holds a few hundred thousand for as long as it runs: modules,
models, the objects of the cluster. Those are set aside, where the collector does not come again; each is still freed as
soon as nothing refers to it. What is set aside and later becomes garbage in a cycle stays, which is why it is done only
when a collection has taken long.
"""

import gc
import linecache
import time
from typing import Literal

_LONG_SECONDS = 0.01  # of processor time
_EVERYTHING = 2  # the generation of a collection that visits all objects

_began = 0.0


def keep_collections_short() -> None:
    """Set aside what lives now, and after each collection that takes long what lives then."""
    linecache.clearcache()  # 400 KiB: the sources of the models, whose docstrings pydantic has read
    gc.collect()
    set_aside()
    if _after not in gc.callbacks:
        gc.callbacks.append(_after)


def set_aside() -> None:
    """Keep later collections from what lives now. It takes no time."""
    gc.freeze()


def _after(phase: Literal["start", "stop"], info: dict[str, int]) -> None:
    global _began
    if info["generation"] != _EVERYTHING:
        return
    if phase == "start":
        _began = time.thread_time()
    elif time.thread_time() - _began > _LONG_SECONDS:
        set_aside()
