"""Collections of all objects have a turn of the event loop to themselves."""

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ddtas import garbage


class Cycle:
    """Garbage that only a collection finds."""

    alive = 0

    def __init__(self) -> None:
        self.me = self
        Cycle.alive += 1

    def __del__(self) -> None:
        Cycle.alive -= 1


@pytest.fixture(autouse=True)
def collections() -> Iterator[list[str]]:
    """What ran while all objects were collected."""
    before, found, running = gc.get_threshold(), list[str](), gc.callbacks[:]

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start" and info["generation"] == 2:
            found.append("collection")

    garbage.keep_collections_short()
    gc.callbacks.append(note)
    yield found
    gc.callbacks[:] = running
    gc.set_threshold(*before)
    gc.unfreeze()
    Cycle.alive = 0


def many() -> list[Any]:
    """More objects than any threshold of the collector waits for."""
    return [[n] for n in range(300_000)]


async def test_while_many_objects_are_made_all_are_not_collected(collections: list[str]) -> None:
    kept = many()
    assert collections == []
    await asyncio.sleep(0)
    assert collections == ["collection"]
    assert len(kept) == 300_000


async def test_what_is_set_aside_after_a_long_collection_is_not_visited_again(
    collections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(time, "thread_time", lambda: float(next(clock)))
    set_aside = gc.get_freeze_count()
    kept = many()
    await asyncio.sleep(0)
    assert gc.get_freeze_count() > set_aside + len(kept) - 1000


async def test_a_short_collection_sets_nothing_aside(collections: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    set_aside = gc.get_freeze_count()
    kept = many()
    await asyncio.sleep(0)
    assert collections == ["collection"]
    assert gc.get_freeze_count() <= set_aside
    assert kept


async def test_garbage_in_old_cycles_is_still_found(collections: list[str]) -> None:
    cycles = [Cycle() for _ in range(10)]
    gc.collect(1)  # they are old now
    del cycles
    kept = many()
    await asyncio.sleep(0)
    assert Cycle.alive == 0
    assert kept


def test_without_an_event_loop_nothing_is_due(collections: list[str]) -> None:
    kept = many()
    assert collections == []
    asyncio.run(asyncio.sleep(0))
    assert kept


async def test_after_a_turn_the_next_one_is_due_again(collections: list[str]) -> None:
    for _ in range(3):
        kept = many()
        await asyncio.sleep(0)
        del kept
    assert collections == ["collection"] * 3
