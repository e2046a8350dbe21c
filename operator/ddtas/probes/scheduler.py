"""When to probe which data source, and what was seen last.

One event loop, no locks. Callers say which sources there are (`ensure`, `retain`, `forget`) and read what is known
(`observation`); neither costs I/O. The probes happen behind their backs, and `on_change` tells when one saw news.
"""

import asyncio
import contextlib
import logging
import random as chance
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from ddtas.backoff import backoff
from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataKind
from ddtas.data.probing import Probe, ProbeSession
from ddtas.data.session import Limits, SourceReason, Target
from ddtas.errors import SourceError
from ddtas.plan.snapshot import SourceObservation
from ddtas.probes.process import CONFINED
from ddtas.probes.slots import Agenda, Claimant, Slots, Standing

log = logging.getLogger(__name__)

_AT_THE_START = datetime(1970, 1, 1, tzinfo=UTC)
State = Literal["Reachable", "Unreachable", "Unknown"]

FAILURES_THAT_COUNT = 3  # in a row, before a Reachable source is anything else: blips must not flap
FIRST_BACKOFF_SECONDS = 5.0  # doubled at each failure, up to the interval
CONCURRENCY = 10  # probes at once, each a process: the chart's limit of memory has room for them
JITTER = 0.1  # share of a pause by which it is longer or shorter, so that probes spread
PATIENCE_SECONDS = 2.0  # a probe that takes longer counts among those that hold others up, and so does the next one
_GRACE_SECONDS = 15.0  # a probe keeps its own deadline, and its process ends soon after; this is for when it does not


class SourceKey(NamedTuple):
    """Which data source: of which platform, in which namespace."""

    namespace: str
    platform: str
    source: str


@dataclass(frozen=True)
class Probed:
    """What the last probe of a source observed, and of what.

    Attributes:
        digest: of the part of the spec that was read; under another digest this says nothing.
        observation: as the decision gets it.
        since: since when state and reason are what they are.
        target: what was read, and with which credentials; None of what was known before a restart. In memory only.
    """

    digest: str
    observation: SourceObservation
    since: datetime
    target: Target | None = field(default=None, repr=False)

    def differs(self, other: "Probed | None") -> bool:
        """True when the other one does not say the same; how quick the answer was, and when, is no news."""
        return other is None or _steady(self) != _steady(other)


def _host(target: Target) -> str:
    return target.endpoint.partition("://")[2].partition("/")[0].rpartition("@")[2].casefold()


def _steady(probed: Probed) -> tuple[object, ...]:
    seen = probed.observation
    facts = seen.facts.model_copy(update={"latency_milliseconds": None}) if seen.facts else None
    return (probed.digest, probed.target, replace(seen, facts=facts, probed_at=None))


class _Watch:
    """One source that is being watched under one digest."""

    __slots__ = ("digest", "due", "failures", "probed", "standing", "target")

    def __init__(self, digest: str, target: Target, probed: Probed | None, due: datetime) -> None:
        self.digest = digest
        self.target = target
        self.probed = probed
        self.due = due
        self.failures = 0
        self.standing = Standing.NEW


class _SlotTaken:
    """The slot that a probe has."""

    def __init__(self, slots: Slots, claimant: Claimant) -> None:
        self._slots = slots
        self._claimant = claimant
        self.slow = False
        slots.take(claimant)

    def takes_long(self) -> None:
        """From now on it counts among those that hold others up."""
        self.slow = True
        self.end()
        self._claimant = self._claimant._replace(standing=Standing.BAD)
        self._slots.take(self._claimant)

    def end(self) -> None:
        """Give the slot back."""
        self._slots.give_back(self._claimant)


class ProbeScheduler:
    """Probes each source once at a time, each at its own moment.

    `concurrency` probes are under way at once. Namespaces take turns, and none has more than half of the slots; sources
    that failed or took long the last time have half of them at most, and those of one namespace a fifth: so dead
    servers, each of which holds its slot for seconds, do not make the others wait.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        *,
        on_change: Callable[[SourceKey], None],
        on_probe: Callable[[ProbeSession, str, float], None] | None = None,
        interval_seconds: float = 300,
        concurrency: int = CONCURRENCY,
        registry: Mapping[DataKind, Probe] = CONFINED,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], datetime] = lambda: _AT_THE_START + timedelta(seconds=time.monotonic()),
        random: Callable[[], float] = chance.random,
    ) -> None:
        """Make a scheduler that is not started yet.

        Args:
            policy: which addresses probes may connect to.
            limits: of each probe.
            on_change: called with the key when an observation says something else than the one before.
            on_probe: called after each probe with what it cost, its reason, and its seconds.
            interval_seconds: between two probes of a source that can be read.
            concurrency: probes at once.
            registry: the probe of each kind; each in a process of its own unless given.
            now: the clock; aware datetimes.
            steady: a clock that nobody puts ahead or back: when probes are due.
            random: numbers in [0, 1).
        """
        self.policy = policy  # replaced as a whole when addresses of the cluster move
        self._limits = limits
        self._on_change = on_change
        self._on_probe = on_probe
        self._interval = interval_seconds
        self._registry = registry
        self._now = now
        self._steady = steady
        self._random = random
        self._watches: dict[SourceKey, _Watch] = {}
        # An item whose watch is gone, or due at another moment, is skipped when it comes up.
        self._agenda: Agenda[SourceKey] = Agenda()
        self._slots = Slots(concurrency)
        self._running: dict[SourceKey, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def ensure(self, key: SourceKey, digest: str, target: Target, seed: Probed | None = None) -> None:
        """See to it that this source is watched under this digest. Idempotent, no I/O.

        Args:
            key: which source.
            digest: of the part of the spec that the target was made from; a new one is read at once.
            target: what to read. New credentials under the same digest are tried at once.
            seed: what was known before a restart; under the same digest and with a state other than Unknown it
                stands, and the first probe is at a random moment within the interval.
        """
        watch = self._watches.get(key)
        if watch is None or watch.digest != digest:
            self._begin(key, digest, target, seed)
        elif watch.target != target:
            watch.target = target
            self._schedule(key, watch, 0)

    def probed(self, key: SourceKey, digest: str) -> Probed | None:
        """What is known under that digest; None when that is nothing."""
        watch = self._watches.get(key)
        return watch.probed if watch and watch.digest == digest else None

    def forget(self, *prefix: str) -> None:
        """Stop watching all sources of a namespace, of a platform in it, or one source."""
        for key in [key for key in self._watches if key[: len(prefix)] == prefix]:
            self._drop(key)

    def retain(self, namespace: str, platform: str, names: Collection[str]) -> None:
        """Stop watching the sources of a platform that are not among these."""
        for key in [key for key in self._watches if key[:2] == (namespace, platform) and key.source not in names]:
            self._drop(key)

    async def start(self) -> None:
        """Begin to probe. Sources may be given before and after.

        Raises:
            RuntimeError: it was started already.
        """
        if self._loop is not None:
            raise RuntimeError("the probe scheduler was started already")
        self._loop = asyncio.create_task(self._run(), name="probe-scheduler")

    async def stop(self) -> None:
        """Stop probing, and wait until no probe is left. What is known stays."""
        tasks = [*self._running.values(), *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loop = None

    def _begin(self, key: SourceKey, digest: str, target: Target, seed: Probed | None) -> None:
        self._drop(key)
        if seed is not None and (seed.digest != digest or seed.observation.state == "Unknown"):
            seed = None
        self._watches[key] = watch = _Watch(digest, target, seed, self._steady())
        self._schedule(key, watch, self._interval * self._random() if seed else 0)

    def _drop(self, key: SourceKey) -> None:
        self._watches.pop(key, None)
        if task := self._running.get(key):
            task.cancel()

    def _schedule(self, key: SourceKey, watch: _Watch, seconds: float) -> None:
        watch.due = self._steady() + timedelta(seconds=seconds)
        self._agenda.add(key.namespace, watch.due, key)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            pause = self._start_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _start_due(self) -> float | None:
        """Start what is due; seconds until the next is, None when only an event can bring that."""
        following = self._agenda.take(self._steady(), self._begin_probe)
        return None if following is None else max(0.0, (following - self._steady()).total_seconds())

    def _begin_probe(self, due: datetime, key: SourceKey) -> bool | None:
        watch = self._watches.get(key)
        # A key that is still running is put on the agenda again when it ends.
        if watch is None or watch.due != due or key in self._running:
            return None
        claimant = Claimant(key.namespace, _host(watch.target), watch.standing)
        if not self._slots.may(claimant):
            return False  # until a probe ends
        slot = _SlotTaken(self._slots, claimant)
        task = asyncio.create_task(self._run_probe(key, watch, watch.target), name=f"probe {'/'.join(key)}")
        patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, slot.takes_long)
        target = watch.target
        # A callback, not `finally`: a task that is cancelled before its first step never gets there.
        task.add_done_callback(lambda _: self._end_probe(key, watch, target, slot, patience))
        self._running[key] = task
        return True

    def _end_probe(
        self, key: SourceKey, watch: _Watch, target: Target, slot: "_SlotTaken", patience: asyncio.TimerHandle
    ) -> None:
        """Free the slot, and make the next appointment."""
        patience.cancel()
        slot.end()
        del self._running[key]
        if (current := self._watches.get(key)) is not None:
            outdated = current is not watch or current.target != target  # it changed during the session
            if not outdated:
                current.standing = Standing.BAD if current.failures or slot.slow else Standing.GOOD
            self._schedule(key, current, 0 if outdated else self._until_next(current))
        self._wake.set()

    async def _run_probe(self, key: SourceKey, watch: _Watch, target: Target) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        policy = self.policy.reaching([target.namespace] if target.namespace else [])
        session = ProbeSession(target, self._limits, policy)
        probed = await self._probe(watch.digest, session)
        try:
            if self._watches.get(key) is watch:
                self._note(key, watch, probed)
            if self._on_probe:
                self._on_probe(session, probed.observation.reason, clock() - started)
        except Exception:  # of a callback; the next probe comes all the same
            log.exception("After the probe of data source %s", "/".join(key))

    async def _probe(self, digest: str, session: ProbeSession) -> Probed:
        """Probe once. Whatever happens becomes an observation."""
        target = session.target
        state: State = "Unreachable"
        facts = None
        try:
            async with asyncio.timeout(self._limits.deadline_seconds + _GRACE_SECONDS):
                facts = await self._registry[target.kind](session)
            state, reason, message = "Reachable", str(SourceReason.REACHABLE), ""
        except SourceError as error:
            reason, message = error.reason, error.message
            state = "Unknown" if reason == SourceReason.INTERNAL_ERROR else state
        except ConnectionError as error:  # of its process
            log.warning("The probe of %r came to nothing: %s", target, error)
            state, reason = "Unknown", SourceReason.INTERNAL_ERROR
            message = f"the process of the probe of {target.place} was killed; it is tried again"
        except TimeoutError:
            reason, message = SourceReason.TOO_SLOW, f"{target.place} could not be read in time: ask its supplier why"
        except Exception:
            log.exception("The probe of %r failed unexpectedly", target)
            state, reason = "Unknown", SourceReason.INTERNAL_ERROR
            message = f"the probe of {target.place} failed unexpectedly: report it, with the operator's log"
        now = self._now()
        return Probed(digest, SourceObservation(state, str(reason), message, facts, now), now, target)

    def _note(self, key: SourceKey, watch: _Watch, probed: Probed) -> None:
        """Take over what was observed, unless it may be a blip."""
        before, now = watch.probed, probed.observation
        watch.failures = 0 if now.state == "Reachable" else watch.failures + 1
        if 0 < watch.failures < FAILURES_THAT_COUNT and before and before.observation.state == "Reachable":
            return
        if before and (before.observation.state, before.observation.reason) == (now.state, now.reason):
            probed = replace(probed, since=before.since)
        watch.probed = probed
        if probed.differs(before):
            self._on_change(key)

    def _until_next(self, watch: _Watch) -> float:
        pause = self._interval
        if watch.failures:
            pause = backoff(watch.failures, FIRST_BACKOFF_SECONDS, self._interval)
        return pause * (1 + JITTER * (2 * self._random() - 1))
