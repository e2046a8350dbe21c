"""Who is served next: places are shared out, whatever somebody asks for."""

import asyncio

import pytest

from ddtas.confined import turns
from ddtas.confined.turns import Later, Party, Turns


class Bench:
    """Work that ends when it is told to."""

    def __init__(self, places: int = 2, each: int = 1) -> None:
        self.turns = Turns(places, each)
        self.order: list[Party] = []
        self.ends: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _work(self, party: Party) -> None:
        async with self.turns.turn(party):
            self.order.append(party)
            self.ends.append(end := asyncio.Event())
            await end.wait()

    async def ask(self, *parties: Party) -> None:
        self.tasks += [asyncio.create_task(self._work(party)) for party in parties]
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    async def end(self, number: int) -> None:
        self.ends[number].set()
        await self.settle()

    async def end_all(self) -> None:
        done = 0
        while done < len(self.ends):
            await self.end(done)
            done += 1


async def test_a_party_never_has_all_places() -> None:
    bench = Bench()
    await bench.ask(*[("bad", "delft")] * 50)
    assert bench.order == [("bad", "delft")]
    await bench.ask(("good", "delft"))
    assert bench.order == [("bad", "delft"), ("good", "delft")]


async def test_parties_take_turns_and_so_do_their_parts() -> None:
    bench = Bench(places=1)
    await bench.ask(*[("bad", "delft")] * 4, ("bad", "gouda"), ("good", "delft"), ("good", "delft"), ("fine", "gouda"))
    await bench.end_all()
    assert bench.order == [
        ("bad", "delft"),
        ("good", "delft"),
        ("fine", "gouda"),
        ("bad", "gouda"),
        ("good", "delft"),
        *[("bad", "delft")] * 3,
    ]
    assert bench.turns._free == 1


async def test_who_does_not_wait_any_more_is_not_served() -> None:
    bench = Bench(places=1)
    await bench.ask(("a",), ("b",), ("c",))
    bench.tasks[1].cancel()
    await bench.end(0)
    assert bench.order == [("a",), ("c",)]
    bench.tasks[2].cancel()  # while it has its place
    await bench.settle()
    await bench.ask(("d",))
    assert bench.order[-1] == ("d",)
    await bench.end_all()
    assert (bench.turns._free, bench.turns._waiting, +bench.turns._taken) == (1, {}, {})


async def test_who_is_cancelled_in_the_moment_of_its_turn_gives_it_back() -> None:
    bench = Bench(places=1)
    await bench.ask(("a",), ("b",))
    bench.ends[0].set()
    await asyncio.sleep(0)  # a ends, and b has the place but did not take a step
    bench.tasks[1].cancel()
    await bench.ask(("c",))
    assert bench.order[-1] == ("c",)


async def test_a_party_that_used_up_what_it_may_comes_later_each_time() -> None:
    bench = Bench()
    waits = []
    for _ in range(8):
        bench.turns.pause(("bad", "delft"))
        with pytest.raises(Later) as caught:
            async with bench.turns.turn(("bad", "delft")):
                pass
        waits.append(round(caught.value.seconds))
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    await bench.ask(("bad", "gouda"))  # somebody else's values may be no trouble
    assert bench.order == [("bad", "gouda")]
    bench.turns.resume(("bad", "delft"))
    await bench.ask(("good", "delft"))
    assert bench.order[-1] == ("good", "delft")


async def test_what_is_remembered_of_parties_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_REMEMBERED", 10)
    bench = Bench()
    for number in range(50):
        bench.turns.pause((f"p{number}",))
        async with bench.turns.turn((f"q{number}", "delft")):
            pass
    assert len(bench.turns._pauses) == len(bench.turns._served) == 10
