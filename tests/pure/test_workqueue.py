"""The work queue: what is worked on, in which order, and when again. Events are stepped, no clock is watched."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable

import pytest

from ddtas import workqueue
from ddtas.errors import ClusterError
from ddtas.workqueue import MAX_BACKOFF_SECONDS, WorkQueue

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger=workqueue.__name__)


class Bench:
    """A queue whose work is held until the test lets it go on."""

    def __init__(
        self,
        workers: int = 1,
        party: Callable[[str], Hashable] = lambda key: key,
        is_further: Callable[[str], bool] = lambda key: False,
    ) -> None:
        self.started: list[str] = []
        self.active = 0
        self.most_active = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.answers: dict[str, Callable[[], float | None]] = {}
        self.queue: WorkQueue[str] = WorkQueue(self.work, workers, party, is_further)

    async def work(self, key: str) -> float | None:
        self.started.append(key)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        try:
            if key in self.gates:
                await self.gates[key].wait()
            return self.answers.get(key, lambda: None)()
        finally:
            self.active -= 1

    def hold(self, key: str) -> asyncio.Event:
        """Have work on a key wait until the event is set."""
        gate = self.gates[key] = asyncio.Event()
        return gate


async def steps(count: int = 20) -> None:
    """Let all that can go on go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(look: Callable[[], bool]) -> None:
    """Let time pass until that is so."""
    for _ in range(1000):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be")


class Clock:
    """Stands for the loop's timers: they fire when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.timers: list[tuple[float, Callable[[], None], asyncio.TimerHandle]] = []
        loop = asyncio.get_running_loop()

        def call_later(delay: float, callback: Callable[..., None], *args: object) -> asyncio.TimerHandle:
            handle = asyncio.TimerHandle(loop.time() + delay, callback, args, loop)
            self.timers.append((delay, lambda: callback(*args), handle))
            return handle

        monkeypatch.setattr(loop, "call_later", call_later)

    @property
    def delays(self) -> list[float]:
        return [delay for delay, _, _ in self.timers]

    def fire(self) -> None:
        """Let the newest timer come due, unless it was cancelled."""
        _, run, handle = self.timers[-1]
        if not handle.cancelled():
            run()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
    return Clock(monkeypatch)


async def run(bench: Bench, body: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body with the workers started, and stop them in any case."""
    bench.queue.start()
    try:
        await body()
    finally:
        for gate in bench.gates.values():
            gate.set()
        await bench.queue.stop(grace_seconds=0.2)


async def test_each_key_is_worked_on_in_the_order_of_adding() -> None:
    bench = Bench()
    for key in "abc":
        bench.queue.add(key)

    async def body() -> None:
        await steps()
        assert bench.started == ["a", "b", "c"]
        assert len(bench.queue) == 0

    await run(bench, body)


async def test_a_key_that_waits_is_there_once() -> None:
    bench = Bench()
    for key in "abaab":
        bench.queue.add(key)
    assert len(bench.queue) == 2

    async def body() -> None:
        await steps()
        assert bench.started == ["a", "b"]

    await run(bench, body)


async def test_one_key_is_never_in_flight_twice_and_comes_up_once_more() -> None:
    bench = Bench(workers=4)
    gate = bench.hold("a")

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        for _ in range(3):
            bench.queue.add("a")
        await steps()
        assert bench.started == ["a"]
        assert bench.most_active == 1
        gate.set()
        await steps()
        assert bench.started == ["a", "a"]
        assert bench.most_active == 1

    await run(bench, body)


async def test_other_keys_go_on_meanwhile() -> None:
    bench = Bench(workers=2)
    bench.hold("a")

    async def body() -> None:
        for key in "abc":
            bench.queue.add(key)
        await steps()
        assert bench.started == ["a", "b", "c"]
        assert bench.active == 1

    await run(bench, body)


@pytest.mark.parametrize("workers", [1, 3])
async def test_no_more_keys_in_flight_than_workers(workers: int) -> None:
    bench = Bench(workers)
    gates = [bench.hold(key) for key in "abcde"]

    async def body() -> None:
        for key in "abcde":
            bench.queue.add(key)
        await steps()
        assert bench.active == workers
        for gate in gates:
            gate.set()
        await steps(40)
        assert bench.started == list("abcde")
        assert bench.most_active == workers

    await run(bench, body)


async def test_what_a_user_changed_comes_before_what_is_only_looked_at() -> None:
    bench = Bench()
    for key in "abc":
        bench.queue.add(key, urgent=False)
    bench.queue.add("u")

    async def body() -> None:
        await steps()
        assert bench.started == ["u", "a", "b", "c"]

    await run(bench, body)


async def test_a_key_that_waits_at_the_back_moves_up_when_a_user_changes_it() -> None:
    bench = Bench()
    for key in "abc":
        bench.queue.add(key, urgent=False)
    bench.queue.add("c")
    assert len(bench.queue) == 3

    async def body() -> None:
        await steps()
        assert bench.started == ["c", "a", "b"]
        bench.queue.add("c", urgent=False)
        await steps()
        assert bench.started == ["c", "a", "b", "c"]

    await run(bench, body)


async def test_an_urgent_key_does_not_fall_back_when_it_is_looked_at_as_well() -> None:
    bench = Bench()
    bench.queue.add("a", urgent=False)
    bench.queue.add("u")
    bench.queue.add("u", urgent=False)

    async def body() -> None:
        await steps()
        assert bench.started == ["u", "a"]

    await run(bench, body)


async def test_workers_sleep_until_a_key_comes() -> None:
    bench = Bench(workers=2)

    async def body() -> None:
        await steps()
        assert bench.started == []
        bench.queue.add("a")
        await steps()
        bench.queue.add("b")
        await steps()
        assert bench.started == ["a", "b"]

    await run(bench, body)


async def test_work_that_asks_for_it_comes_up_again(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = lambda: 15.0

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        assert (bench.started, clock.delays) == (["a"], [15.0])
        assert len(bench.queue) == 0  # a key that waits for its time holds no worker and is not in line
        clock.fire()
        await steps()
        assert (bench.started, clock.delays) == (["a", "a"], [15.0, 15.0])

    await run(bench, body)


async def test_work_that_asks_for_no_time_does_not_come_up_again(clock: Clock) -> None:
    bench = Bench()

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        assert clock.delays == []

    await run(bench, body)


async def test_an_event_pre_empts_a_wait(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = lambda: 600.0

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        bench.answers["a"] = lambda: None
        bench.queue.add("a")
        assert clock.timers[0][2].cancelled()
        await steps()
        assert bench.started == ["a", "a"]
        clock.fire()
        await steps()
        assert bench.started == ["a", "a"]  # the wait is over for good

    await run(bench, body)


async def test_an_event_during_work_counts_for_more_than_the_wait_that_it_asks_for(clock: Clock) -> None:
    bench = Bench()
    gate = bench.hold("a")
    bench.answers["a"] = lambda: 600.0

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        bench.queue.add("a")
        gate.set()
        await steps()
        assert bench.started == ["a", "a"]
        assert clock.delays == [600.0]  # of the second time only

    await run(bench, body)


def fail() -> float | None:
    raise RuntimeError("no")


async def test_failures_back_off_up_to_a_minute_and_a_success_forgets_them(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = fail

    async def body() -> None:
        bench.queue.add("a")
        for _ in range(9):
            await steps()
            clock.fire()
        await steps()
        assert clock.delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        bench.answers["a"] = lambda: None
        clock.fire()
        await steps()
        bench.answers["a"] = fail
        bench.queue.add("a")
        await steps()
        assert clock.delays[10:] == [0.5]

    await run(bench, body)


async def test_very_many_failures_are_no_overflow(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = fail
    bench.queue._failures["a"] = 100_000

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        assert clock.delays == [MAX_BACKOFF_SECONDS]

    await run(bench, body)


async def test_a_failure_is_kept_from_the_other_keys(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = fail

    async def body() -> None:
        for key in "aba":
            bench.queue.add(key)
        await steps()
        assert bench.started == ["a", "b"]
        bench.queue.add("c")
        await steps()
        assert bench.started == ["a", "b", "c"]

    await run(bench, body)


async def test_an_event_pre_empts_a_back_off(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = fail

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        bench.queue.add("a")
        await steps()
        assert bench.started == ["a", "a"]
        assert clock.timers[0][2].cancelled()
        assert clock.delays == [0.5, 1]

    await run(bench, body)


async def test_the_back_off_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many objects that fail for one cause do not all come back at one moment."""
    asked: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        asked.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    clock, bench = Clock(monkeypatch), Bench()
    bench.answers["a"] = fail

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        assert asked == [(0.8, 1.2)]
        assert clock.delays == [pytest.approx(0.6)]

    await run(bench, body)


async def test_stop_lets_work_in_flight_end_and_takes_no_new_key() -> None:
    bench = Bench()
    gate = bench.hold("a")
    bench.queue.start()
    bench.queue.add("a")
    bench.queue.add("b")
    await steps()
    stopping = asyncio.create_task(bench.queue.stop(grace_seconds=0.2))
    await steps()
    assert not stopping.done()
    gate.set()
    await stopping
    assert bench.started == ["a"]
    assert bench.active == 0


async def test_stop_cancels_what_does_not_end() -> None:
    bench = Bench()
    bench.hold("a")
    bench.queue.start()
    bench.queue.add("a")
    await steps()
    await bench.queue.stop(grace_seconds=0.01)
    assert bench.active == 0


async def test_stop_cancels_waits_and_starts_none(clock: Clock) -> None:
    bench = Bench(workers=2)
    bench.answers["a"] = lambda: 600.0
    bench.answers["b"] = lambda: 600.0
    gate = bench.hold("b")
    bench.queue.start()
    bench.queue.add("a")
    bench.queue.add("b")
    await steps()
    gate.set()
    await bench.queue.stop(grace_seconds=0.2)
    assert clock.delays.count(600.0) == 1
    assert next(handle for delay, _, handle in clock.timers if delay == 600.0).cancelled()


async def test_stop_with_idle_workers_returns() -> None:
    bench = Bench(workers=3)
    bench.queue.start()
    await steps()
    await asyncio.wait_for(bench.queue.stop(grace_seconds=0.2), 5)
    assert bench.started == []


async def test_stop_before_start_returns() -> None:
    await Bench().queue.stop(grace_seconds=0.01)


async def test_a_key_that_fails_while_stopping_is_left(clock: Clock) -> None:
    bench = Bench()
    gate = bench.hold("a")
    bench.answers["a"] = fail
    bench.queue.start()
    bench.queue.add("a")
    await steps()
    stopping = asyncio.create_task(bench.queue.stop(grace_seconds=0.2))
    await steps()
    gate.set()
    await stopping
    assert 0.5 not in clock.delays


# ---- fairness ----


def of_city(key: str) -> str:
    """The party of "b3" is "b"."""
    return key[0]


async def test_one_city_gets_a_share_of_the_workers_and_never_all() -> None:
    bench = Bench(workers=8, party=of_city)
    for number in range(12):
        bench.hold(f"a{number}")
        bench.queue.add(f"a{number}")

    async def body() -> None:
        await steps()
        assert bench.active == 4
        bench.queue.add("b0")
        await steps()
        assert bench.started[-1] == "b0"

    await run(bench, body)


async def test_cities_take_turns() -> None:
    bench = Bench(party=of_city)
    for key in ("a0", "a1", "a2", "b0", "b1", "c0"):
        bench.queue.add(key)

    async def body() -> None:
        await steps(40)
        assert bench.started == ["a0", "b0", "c0", "a1", "b1", "a2"]

    await run(bench, body)


async def test_a_city_whose_share_is_taken_keeps_its_place() -> None:
    bench = Bench(workers=2, party=of_city)
    gate = bench.hold("a0")
    for key in ("a0", "a1", "b0", "b1"):
        bench.queue.add(key)

    async def body() -> None:
        await steps()
        assert bench.started == ["a0", "b0", "b1"]
        gate.set()
        await steps()
        assert bench.started == ["a0", "b0", "b1", "a1"]

    await run(bench, body)


async def test_work_that_waits_for_long_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cities whose API server hangs take all workers, for as long as patience lasts."""
    monkeypatch.setattr(workqueue, "PATIENCE_SECONDS", 0.05)
    bench = Bench(workers=8, party=of_city)
    for number in range(12):
        for city in "abcdefgh":
            bench.hold(f"{city}{number}")
            bench.queue.add(f"{city}{number}")

    async def body() -> None:
        await steps()
        assert bench.active == 8
        bench.queue.add("x0")
        await steps()
        assert "x0" not in bench.started
        await until(lambda: "x0" in bench.started)
        await asyncio.sleep(0.3)
        assert bench.active == 8 * (4 + workqueue.PATIENT_OF_ONE)  # each city its share, and a few that wait

    await run(bench, body)


async def test_there_is_a_bound_on_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workqueue, "PATIENCE_SECONDS", 0.01)
    bench = Bench(workers=2)
    for number in range(40):
        bench.hold(f"{number}")
        bench.queue.add(f"{number}")

    async def body() -> None:
        await until(lambda: bench.active >= 2 * workqueue.MOST_PATIENT)
        await asyncio.sleep(0.1)
        assert bench.most_active == 2 * workqueue.MOST_PATIENT

    await run(bench, body)


async def test_what_is_further_along_goes_first() -> None:
    bench = Bench(is_further=lambda key: key.startswith("f"))
    for key in ("new-1", "new-2", "f-1", "f-2"):
        bench.queue.add(key)

    async def body() -> None:
        await steps()
        assert bench.started == ["f-1", "f-2", "new-1", "new-2"]

    await run(bench, body)


async def test_what_only_begins_has_a_turn_while_others_go_on() -> None:
    bench = Bench(is_further=lambda key: key.startswith("f"))
    bench.queue.add("r", urgent=False)
    bench.queue.add("new")
    for number in range(30):
        bench.queue.add(f"f{number}")

    async def body() -> None:
        await steps(200)
        assert bench.started.index("new") == workqueue.PASSED_OVER_AT_MOST
        assert bench.started.index("r") <= 2 * workqueue.PASSED_OVER_AT_MOST
        assert len(bench.started) == 32

    await run(bench, body)


async def test_a_key_moves_up_once_it_is_further_along() -> None:
    further: set[str] = set()
    bench = Bench(is_further=further.__contains__)
    for key in "abc":
        bench.queue.add(key)
    further.add("c")
    bench.queue.add("c")
    bench.queue.add("c", urgent=False)

    async def body() -> None:
        await steps()
        assert bench.started == ["c", "a", "b"]

    await run(bench, body)


async def test_urgent_keys_do_not_keep_the_others_away_for_ever() -> None:
    bench = Bench()
    bench.queue.add("r", urgent=False)
    for number in range(30):
        bench.queue.add(f"u{number}")

    async def body() -> None:
        await steps(200)
        assert bench.started.index("r") == workqueue.PASSED_OVER_AT_MOST
        assert len(bench.started) == 31

    await run(bench, body)


async def test_an_edit_goes_before_the_many_users_of_a_listing() -> None:
    bench = Bench(workers=2, party=of_city)
    for number in range(342):
        bench.queue.add(f"{chr(200 + number)}", urgent=False)
    bench.queue.add("a0")

    async def body() -> None:
        await steps()
        assert bench.started[0] == "a0"

    await run(bench, body)


async def test_what_comes_up_by_itself_gives_way_to_an_edit(clock: Clock) -> None:
    bench = Bench()
    bench.answers["a"] = lambda: 15.0
    gate = bench.hold("busy")

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        bench.queue.add("busy")
        await steps()
        clock.fire()
        bench.queue.add("u")
        gate.set()
        await steps()
        assert bench.started == ["a", "busy", "u", "a"]

    await run(bench, body)


# ---- failures ----


class Throttled(ClusterError):
    """An API server that says when to come again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(429, "too many requests", retry_after)


@pytest.mark.parametrize(("said", "pause"), [(7.0, 7.0), (1e9, MAX_BACKOFF_SECONDS), (0.1, 0.5)])
async def test_retry_after_is_honoured_within_bounds(clock: Clock, said: float, pause: float) -> None:
    bench = Bench()

    def throttled() -> None:
        raise Throttled(said)

    bench.answers["a"] = throttled

    async def body() -> None:
        bench.queue.add("a")
        await steps()
        assert clock.delays == [pause]

    await run(bench, body)


async def test_the_text_of_an_unexpected_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger=workqueue.__name__)
    bench = Bench()

    def leak() -> None:
        raise KeyError("password=hunter2")

    bench.answers["a"] = leak

    async def body() -> None:
        bench.queue.add("a")
        await steps()

    await run(bench, body)
    assert "KeyError" in caplog.text
    assert "workqueue.py" in caplog.text
    assert "hunter2" not in caplog.text
