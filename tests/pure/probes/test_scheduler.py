"""When the scheduler looks, and what it makes of what it sees. The clock is moved by hand."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.plan.snapshot import SourceObservation
from ddtas.probes.scheduler import Probed, ProbeScheduler, SourceKey
from ddtas.probes.slots import Standing

CONTRACT = DataContract.model_validate({"version": "1.0.0", "fields": [{"name": "day", "type": "date"}]})
LEVELS = SourceKey("delft", "oup", "levels")
NOBODY = SourceKey("nowhere", "oup", "nothing")
RAIN = SourceKey("delft", "oup", "rain")
START = datetime(2024, 1, 1, tzinfo=UTC)
FACTS = SourceFacts(records=1, size_bytes=10)
DOWN = SourceError("Unreachable", "down")


def target(endpoint: str = "http://data.example/levels.csv", token: str | None = None) -> Target:
    return Target(
        kind=DataKind.HTTP_CSV,
        endpoint=endpoint,
        contract=CONTRACT,
        auth=Credentials(secret_name="data", scheme="Bearer") if token else None,
        secret={"token": token} if token else None,
    )


class Bench:
    """A scheduler with a clock, a source and ears of its own."""

    def __init__(self) -> None:
        self.time = START
        self.jump = timedelta()  # by how much the clock was put ahead
        self.random = 0.5  # the middle: no jitter
        self.looks: list[Target] = []
        self.changes: list[SourceKey] = []
        self.counted: list[tuple[DataKind, str, int]] = []
        self.result: SourceFacts | Exception = FACTS
        self.hold: Callable[[Target], Awaitable[object]] | None = None
        self.end = asyncio.Event()
        self.in_flight = 0
        self.most_in_flight = 0
        self.scheduler = self.make()

    def make(self, **kwargs: object) -> ProbeScheduler:
        return ProbeScheduler(
            AddressPolicy(),
            on_change=self.changes.append,
            on_probe=lambda session, reason, seconds: self.counted.append(
                (session.target.kind, reason, session.received)
            ),
            registry={DataKind.HTTP_CSV: self.probe},
            now=lambda: self.time,
            steady=lambda: self.time - self.jump,
            random=lambda: self.random,
            **kwargs,  # type: ignore[arg-type]
        )

    async def probe(self, session: ProbeSession) -> SourceFacts:
        target = session.target
        self.looks.append(target)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.hold:
                await self.hold(target)
            if isinstance(self.result, Exception):
                raise self.result
            session.received += 10
            return self.result
        finally:
            self.in_flight -= 1

    async def settle(self) -> None:
        for _ in range(200):
            await asyncio.sleep(0)

    async def after(self, seconds: float) -> int:
        """Let time pass; how many looks that brought."""
        before = len(self.looks)
        self.time += timedelta(seconds=seconds)
        self.scheduler.ensure(NOBODY, "d0", target())  # any news has it look at the clock
        self.scheduler.forget(*NOBODY)
        await self.settle()
        return len(self.looks) - before

    async def ensure(self, key: SourceKey = LEVELS, digest: str = "d1", to: Target | None = None) -> int:
        before = len(self.looks)
        self.scheduler.ensure(key, digest, to or target())
        await self.settle()
        return len(self.looks) - before

    def state(self, key: SourceKey = LEVELS, digest: str = "d1") -> tuple[str, str] | None:
        seen = self.scheduler.probed(key, digest)
        return (seen.observation.state, seen.observation.reason) if seen else None


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.scheduler.start()
    yield bench
    await bench.scheduler.stop()


async def test_a_new_source_is_looked_at_at_once_and_then_every_interval(bench: Bench) -> None:
    assert bench.scheduler.probed(LEVELS, "d1") is None
    assert await bench.ensure() == 1
    assert bench.scheduler.probed(LEVELS, "d1") == Probed(
        "d1", SourceObservation("Reachable", "Reachable", "", FACTS, START), START, target()
    )
    assert bench.changes == [LEVELS]
    assert [await bench.after(seconds) for seconds in (299, 1, 299, 1)] == [0, 1, 0, 1]
    assert bench.changes == [LEVELS]  # nothing new
    assert bench.counted == [(DataKind.HTTP_CSV, "Reachable", 10)] * 3


async def test_ensure_is_idempotent(bench: Bench) -> None:
    assert [await bench.ensure() for _ in range(5)] == [1, 0, 0, 0, 0]


async def test_the_scheduler_wakes_by_itself_when_a_look_is_due() -> None:
    bench = Bench()
    bench.scheduler = ProbeScheduler(
        AddressPolicy(),
        on_change=bench.changes.append,
        registry={DataKind.HTTP_CSV: bench.probe},
        interval_seconds=0.02,
    )
    bench.scheduler.ensure(LEVELS, "d1", target())
    await bench.scheduler.start()
    third = asyncio.Event()
    bench.hold = lambda _: asyncio.sleep(0, third.set() if len(bench.looks) == 3 else None)  # type: ignore[func-returns-value]
    async with asyncio.timeout(5):
        await third.wait()
    await bench.scheduler.stop()


@pytest.mark.parametrize(("random", "pause"), [(0.0, 270), (0.5, 300), (0.999, 330)])
async def test_pauses_are_spread(bench: Bench, random: float, pause: int) -> None:
    bench.random = random
    await bench.ensure()
    assert [await bench.after(pause - 1), await bench.after(1)] == [0, 1]


async def test_failures_back_off_up_to_the_interval(bench: Bench) -> None:
    bench.result = DOWN
    await bench.ensure()
    for pause in (5, 10, 20, 40, 80, 160, 300, 300):
        assert [await bench.after(pause - 1), await bench.after(1)] == [0, 1]
    bench.result = FACTS
    assert await bench.after(300) == 1
    assert [await bench.after(299), await bench.after(1)] == [0, 1]
    bench.result = DOWN
    assert [await bench.after(300), await bench.after(5)] == [1, 1]  # the backoff begins anew


async def test_a_source_can_fail_for_years(bench: Bench) -> None:
    bench.result = DOWN
    await bench.ensure()
    bench.scheduler._watches[LEVELS].failures = 100_000
    assert await bench.after(5) == 1
    assert await bench.after(300) == 1


async def test_a_new_source_is_unreachable_at_the_first_failure(bench: Bench) -> None:
    bench.result = DOWN
    await bench.ensure()
    assert bench.scheduler.probed(LEVELS, "d1") == Probed(
        "d1", SourceObservation("Unreachable", "Unreachable", "down", None, START), START, target()
    )
    assert bench.changes == [LEVELS]
    assert bench.counted == [(DataKind.HTTP_CSV, "Unreachable", 0)]


async def test_a_blip_does_not_show(bench: Bench) -> None:
    await bench.ensure()
    bench.result = DOWN
    assert await bench.after(300) == 1
    assert await bench.after(5) == 1
    assert bench.state() == ("Reachable", "Reachable")
    bench.result = FACTS
    await bench.after(10)
    bench.result = DOWN
    await bench.after(300)
    await bench.after(5)
    assert bench.state() == ("Reachable", "Reachable")
    assert bench.changes == [LEVELS]


async def test_the_third_failure_in_a_row_counts(bench: Bench) -> None:
    await bench.ensure()
    bench.result = DOWN
    for pause in (300, 5, 10):
        assert await bench.after(pause) == 1
    seen = bench.scheduler.probed(LEVELS, "d1")
    then = START + timedelta(seconds=315)
    assert seen == Probed("d1", SourceObservation("Unreachable", "Unreachable", "down", None, then), then, target())
    assert bench.changes == [LEVELS, LEVELS]
    bench.result = FACTS
    await bench.after(20)
    assert bench.state() == ("Reachable", "Reachable")  # good news at once
    assert bench.changes == [LEVELS] * 3


async def test_on_change_means_change(bench: Bench) -> None:
    await bench.ensure()
    bench.result = FACTS.model_copy(update={"records": 2})
    await bench.after(300)
    assert bench.changes == [LEVELS, LEVELS]
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert seen.observation.facts == bench.result
    assert seen.since == START  # it is Reachable as long as before
    await bench.after(300)
    assert bench.changes == [LEVELS, LEVELS]


async def test_another_reason_is_news_and_the_same_is_not(bench: Bench) -> None:
    bench.result = DOWN
    await bench.ensure()
    bench.result = SourceError("HttpError", "HTTP 500")
    await bench.after(5)
    await bench.after(10)
    assert bench.changes == [LEVELS, LEVELS]
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert (seen.observation.reason, seen.observation.message, seen.since) == (
        "HttpError",
        "HTTP 500",
        START + timedelta(seconds=5),
    )


async def test_an_unexpected_error_is_unknown_and_not_the_end(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.result = ZeroDivisionError("s3cr3t")
    await bench.ensure(to=target("http://u:s3cr3t@data.example/x?k=s3cr3t", token="s3cr3t"))
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert (seen.observation.state, seen.observation.reason) == ("Unknown", "InternalError")
    assert "s3cr3t" not in (seen.observation.message or "")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert "s3cr3t" not in record.getMessage()
    bench.result = FACTS
    assert await bench.after(5) == 1
    assert bench.state() == ("Reachable", "Reachable")


async def test_a_kind_without_a_probe_is_unknown() -> None:
    bench = Bench()
    scheduler = ProbeScheduler(AddressPolicy(), on_change=bench.changes.append, registry={})
    await scheduler.start()
    scheduler.ensure(LEVELS, "d1", target())
    await bench.settle()
    seen = scheduler.probed(LEVELS, "d1")
    await scheduler.stop()
    assert seen is not None
    assert seen.observation.reason == "InternalError"


async def test_callbacks_that_fail_do_not_stop_the_looks(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    bench.scheduler._on_change = broken
    bench.scheduler._on_probe = broken
    await bench.ensure()
    assert bench.state() == ("Reachable", "Reachable")
    assert [record.getMessage() for record in caplog.records] == ["After the probe of data source delft/oup/levels"]
    assert await bench.after(300) == 1


async def test_a_probe_without_a_deadline_of_its_own_loses_its_slot(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddtas.probes.scheduler._GRACE_SECONDS", 0.01)
    bench.scheduler = bench.make(limits=Limits(deadline_seconds=0.01))
    bench.hold = lambda _: asyncio.sleep(30)
    changed = asyncio.Event()
    bench.scheduler._on_change = lambda _: changed.set()
    await bench.scheduler.start()
    bench.scheduler.ensure(LEVELS, "d1", target())
    async with asyncio.timeout(5):
        await changed.wait()
    assert bench.state() == ("Unreachable", "TooSlow")
    await bench.scheduler.stop()


# --- digests, credentials, and sources that go


async def test_a_new_digest_is_looked_at_at_once_and_the_old_one_says_nothing(bench: Bench) -> None:
    await bench.ensure()
    bench.result = DOWN
    bench.scheduler.ensure(LEVELS, "d2", target())
    assert bench.scheduler.probed(LEVELS, "d1") is None
    assert bench.scheduler.probed(LEVELS, "d2") is None
    await bench.settle()
    assert bench.state(digest="d2") == ("Unreachable", "Unreachable")
    assert bench.state(digest="d1") is None
    assert await bench.after(5) == 1  # the old appointment is off: one look, not two
    assert len(bench.looks) == 3


async def test_a_new_digest_during_a_look_discards_that_look(bench: Bench) -> None:
    release = asyncio.Event()
    bench.hold = lambda to: release.wait() if to.endpoint.endswith("old") else asyncio.sleep(0)
    await bench.ensure(to=target("http://data.example/old"))
    await bench.ensure(digest="d2", to=target("http://data.example/new"))
    release.set()
    await bench.settle()
    assert bench.state(digest="d2") == ("Reachable", "Reachable")
    assert [session.endpoint[-3:] for session in bench.looks] == ["old", "new"]
    assert bench.most_in_flight == 1
    assert bench.changes == [LEVELS]


async def test_the_appointments_of_an_old_digest_are_off(bench: Bench) -> None:
    await bench.ensure()
    await bench.after(100)
    assert await bench.ensure(digest="d2") == 1
    assert [await bench.after(seconds) for seconds in (200, 100)] == [0, 1]


async def test_a_look_that_does_not_let_itself_be_stopped_brings_no_news(bench: Bench) -> None:
    async def stubborn(_: Target) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)

    bench.hold = stubborn
    await bench.ensure()
    bench.scheduler.forget("delft")
    await bench.settle()
    assert (bench.in_flight, bench.changes) == (0, [])


async def test_digests_that_change_quickly_leave_no_slot_taken(bench: Bench) -> None:
    bench.scheduler = bench.make(concurrency=1)
    await bench.scheduler.start()
    bench.scheduler.ensure(LEVELS, "d1", target())
    await asyncio.sleep(0)  # the task exists now, but did not take a step
    for digest in ("d2", "d3", "d4"):
        bench.scheduler.ensure(LEVELS, digest, target())
    await bench.settle()
    assert bench.state(digest="d4") == ("Reachable", "Reachable")
    assert await bench.ensure(RAIN) == 1
    await bench.scheduler.stop()


async def test_new_credentials_are_tried_at_once_when_the_old_ones_failed(bench: Bench) -> None:
    bench.result = SourceError("Unauthorized", "HTTP 401")
    await bench.ensure(to=target(token="old"))
    bench.result = FACTS
    assert await bench.ensure(to=target(token="new")) == 1
    assert bench.looks[-1].secret == {"token": "new"}
    assert bench.state() == ("Reachable", "Reachable")


async def test_new_credentials_are_tried_at_once_and_it_is_told_with_which_it_was_looked(bench: Bench) -> None:
    """Apps get them as soon as a look has succeeded with them."""
    await bench.ensure(to=target(token="old"))
    assert bench.changes == [LEVELS]
    assert await bench.ensure(to=target(token="new")) == 1
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert seen.target == target(token="new")
    assert bench.changes == [LEVELS, LEVELS]
    assert "new" not in repr(seen)


async def test_a_look_that_fails_with_new_credentials_tells_nothing_of_them_until_it_counts(bench: Bench) -> None:
    await bench.ensure(to=target(token="old"))
    bench.result = SourceError("AccessDenied", "HTTP 401")
    await bench.ensure(to=target(token="new"))
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert (seen.observation.state, seen.target) == ("Reachable", target(token="old"))
    for seconds in (5, 10):
        await bench.after(seconds)
    seen = bench.scheduler.probed(LEVELS, "d1")
    assert seen is not None
    assert (seen.observation.state, seen.target) == ("Unreachable", target(token="new"))


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365, -24 * 365])
async def test_a_clock_that_is_put_ahead_or_back_moves_no_look(bench: Bench, hours: int) -> None:
    await bench.ensure()
    bench.jump = timedelta(hours=hours)
    bench.time += bench.jump
    assert [await bench.after(seconds) for seconds in (299, 1, 299, 1)] == [0, 1, 0, 1]


async def test_new_credentials_during_a_look_are_tried_after_it(bench: Bench) -> None:
    release = asyncio.Event()
    bench.hold = lambda _: release.wait()
    bench.result = DOWN
    await bench.ensure(to=target(token="old"))
    await bench.ensure(to=target(token="new"))
    assert len(bench.looks) == 1
    release.set()
    await bench.settle()
    assert [session.secret for session in bench.looks] == [{"token": "old"}, {"token": "new"}]


async def test_what_is_gone_is_not_looked_at(bench: Bench) -> None:
    other = SourceKey("rotterdam", "oup", "levels")
    for key in (LEVELS, RAIN, other):
        await bench.ensure(key)
    bench.scheduler.retain("delft", "oup", {"rain"})
    assert (bench.state(LEVELS), bench.state(RAIN)) == (None, ("Reachable", "Reachable"))
    assert await bench.after(300) == 2
    bench.scheduler.forget("delft", "oup")
    assert await bench.after(300) == 1
    bench.scheduler.forget("rotterdam")
    assert await bench.after(300) == 0


async def test_a_source_that_is_dropped_during_a_look_brings_no_news(bench: Bench) -> None:
    release = asyncio.Event()
    bench.hold = lambda _: release.wait()
    await bench.ensure()
    bench.scheduler.forget(*LEVELS)
    await bench.settle()
    assert bench.in_flight == 0
    assert (bench.changes, bench.state()) == ([], None)
    bench.hold = None
    assert await bench.ensure() == 1  # and it can come back


# --- concurrency


def cities(number: int, sources: int = 1, dead: bool = False) -> list[tuple[SourceKey, Target]]:
    kind = "dead" if dead else "well"
    return [
        (SourceKey(f"{kind}-{n}", "oup", f"s{i}"), target(f"http://{kind}-{n}-{i}.example/x"))
        for n in range(number)
        for i in range(sources)
    ]


async def test_no_more_than_so_many_at_once_and_all_get_their_turn(bench: Bench) -> None:
    bench.scheduler = bench.make(concurrency=5)
    release = asyncio.Event()
    bench.hold = lambda _: release.wait()
    await bench.scheduler.start()
    for key, to in cities(10):
        bench.scheduler.ensure(key, "d1", to)
    await bench.settle()
    assert len(bench.looks) == 4  # new ones leave a slot for those that are known to be good
    release.set()
    await bench.settle()
    assert len(bench.looks) == 10
    assert bench.most_in_flight == 4
    release.clear()
    assert await bench.after(300) == 5
    await bench.scheduler.stop()


def held(bench: Bench) -> Callable[[Target], Awaitable[object]]:
    """Dead hosts hold a look until it is cancelled, or the test ends them."""
    bench.end = asyncio.Event()
    return lambda to: bench.end.wait() if "dead" in to.endpoint else asyncio.sleep(0)


@pytest.mark.parametrize(
    "dead", [cities(1, 16, dead=True), cities(1, 100, dead=True), cities(40, dead=True)], ids=["16", "100", "40 cities"]
)
async def test_dead_hosts_do_not_hold_up_sources_that_were_read(
    bench: Bench, dead: list[tuple[SourceKey, Target]]
) -> None:
    good = cities(20, 5)
    for key, to in good:
        bench.scheduler.ensure(key, "d1", to)
    await bench.settle()
    assert len(bench.looks) == 100
    bench.hold = held(bench)
    for key, to in dead:
        bench.scheduler.ensure(key, "d1", to)
    await bench.settle()
    assert 1 < bench.in_flight <= 8
    for _ in range(3):  # while they hang
        assert await bench.after(300) == 100
    assert {key.namespace.partition("-")[0] for key in bench.changes} == {"well"}


async def test_dead_hosts_of_one_city_do_not_hold_up_new_sources_of_another(bench: Bench) -> None:
    bench.hold = held(bench)
    for key, to in [*cities(1, 100, dead=True), *cities(20, 5)]:
        bench.scheduler.ensure(key, "d1", to)
    await bench.settle()
    assert len({session.endpoint for session in bench.looks if "well" in session.endpoint}) == 100
    assert bench.in_flight == 4


async def test_dead_hosts_that_are_known_have_a_fifth_of_the_slots_and_those_of_all_cities_half(bench: Bench) -> None:
    bench.result = DOWN
    for key, to in [*cities(1, 16, dead=True), *cities(40, dead=True)]:
        bench.scheduler.ensure(key, "d1", to)
    await bench.settle()
    bench.hold = held(bench)
    bench.most_in_flight = 0
    await bench.after(10)
    assert bench.in_flight == 5
    bench.scheduler.forget()
    await bench.settle()
    for key, to in cities(1, 16, dead=True):
        bench.scheduler.ensure(key, "d1", to)
        bench.scheduler._watches[key].standing = Standing.BAD
    await bench.settle()
    assert bench.in_flight == 2


async def test_a_look_that_takes_long_counts_among_those_that_hold_others_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddtas.probes.scheduler.PATIENCE_SECONDS", 0)
    release = asyncio.Event()
    bench.hold = lambda _: release.wait()
    await bench.ensure()
    for _ in range(20):
        await asyncio.sleep(0.001)
    release.set()
    await bench.settle()
    assert bench.state() == ("Reachable", "Reachable")
    assert bench.scheduler._watches[LEVELS].standing is Standing.BAD
    monkeypatch.setattr("ddtas.probes.scheduler.PATIENCE_SECONDS", 60)
    await bench.after(300)
    assert bench.scheduler._watches[LEVELS].standing is Standing.GOOD


async def test_cities_take_turns(bench: Bench) -> None:
    bench.scheduler = bench.make(concurrency=1)
    await bench.scheduler.start()
    for key, to in [*cities(1, 6, dead=True), *cities(3, 2)]:
        bench.scheduler.ensure(key, "d1", to)
    for _ in range(10):
        await bench.settle()
    order = [session.endpoint.removeprefix("http://").rpartition("-")[0] for session in bench.looks]
    assert order[:8] == ["dead-0", "well-0", "well-1", "well-2"] * 2
    assert order[8:] == ["dead-0"] * 4
    await bench.scheduler.stop()


async def test_one_server_gets_few_looks_at_once_and_its_sources_do_not_hold_up_those_of_others(bench: Bench) -> None:
    release = asyncio.Event()
    bench.hold = lambda to: release.wait() if "usy" in to.endpoint else asyncio.sleep(0)
    for number in range(12):
        bench.scheduler.ensure(SourceKey("delft", "oup", f"s{number}"), "d1", target(f"http://Busy.example/{number}"))
    assert await bench.ensure(SourceKey("rotterdam", "oup", "levels")) == 5
    assert bench.in_flight == 4
    assert bench.state(SourceKey("rotterdam", "oup", "levels")) == ("Reachable", "Reachable")
    release.set()
    await bench.settle()
    assert len(bench.looks) == 13


async def test_a_look_that_takes_longer_than_the_interval_is_not_doubled(bench: Bench) -> None:
    release = asyncio.Event()
    bench.hold = lambda _: release.wait()
    await bench.ensure()
    assert await bench.after(1000) == 0
    release.set()
    await bench.settle()
    assert bench.most_in_flight == 1
    assert [await bench.after(299), await bench.after(1)] == [0, 1]


# --- start, stop and restart


async def test_after_a_restart_what_was_known_stands_and_looks_are_spread(bench: Bench) -> None:
    known = Probed("d1", SourceObservation("Reachable", "Reachable", "", FACTS, START), START - timedelta(days=1))
    bench.random = 0.25
    bench.scheduler.ensure(LEVELS, "d1", target(), seed=known)
    assert bench.scheduler.probed(LEVELS, "d1") is known
    assert [await bench.after(74), await bench.after(1)] == [0, 1]
    seen = bench.scheduler.probed(LEVELS, "d1")
    probed_at = START + timedelta(seconds=75)
    assert seen == replace(
        known, observation=replace(known.observation, probed_at=probed_at), target=target()
    )  # `since` stays
    assert bench.changes == [LEVELS], "with which credentials it was read is news"
    bench.result = DOWN
    await bench.after(300)
    assert bench.state() == ("Reachable", "Reachable")  # a blip, also after a restart


@pytest.mark.parametrize(("digest", "state"), [("d0", "Reachable"), ("d1", "Unknown")])
async def test_a_seed_that_says_nothing_is_not_believed(bench: Bench, digest: str, state: str) -> None:
    seed = Probed(digest, SourceObservation(state, "x", "", None, START), START)  # type: ignore[arg-type]
    bench.scheduler.ensure(LEVELS, "d1", target(), seed=seed)
    assert bench.scheduler.probed(LEVELS, "d1") is None
    await bench.settle()
    assert bench.state() == ("Reachable", "Reachable")


async def test_nothing_happens_before_start_and_after_stop() -> None:
    bench = Bench()
    assert await bench.ensure() == 0
    await bench.scheduler.start()
    await bench.settle()
    assert len(bench.looks) == 1
    with pytest.raises(RuntimeError, match="already"):
        await bench.scheduler.start()
    bench.hold = lambda _: asyncio.sleep(30)
    await bench.after(300)
    assert bench.in_flight == 1
    await bench.scheduler.stop()
    assert bench.in_flight == 0
    assert bench.state() == ("Reachable", "Reachable")
    assert await bench.after(1000) == 0
    bench.hold = None
    await bench.scheduler.start()
    await bench.settle()
    assert len(bench.looks) == 3
    await bench.scheduler.stop()


async def test_stop_without_start_is_fine() -> None:
    await Bench().scheduler.stop()
