"""The Lease and its fence, with an API server in memory and a clock that the test turns."""

import asyncio
import copy
import itertools
from typing import Any

import pytest

from ddtas.cluster.rest import leader as module
from ddtas.cluster.rest.leader import LEASE_NAME, Election
from ddtas.cluster.rest.resources import ResourceType
from ddtas.errors import ClusterError, Conflict, Fenced, NotFound


class Clock:
    """Goes on as the test says."""

    def __init__(self) -> None:
        self.now = 1000.0


class Server:
    """One Lease, with optimistic locking."""

    def __init__(self, clock: Clock) -> None:
        self.lease: dict[str, Any] | None = None
        self.trouble: Exception | None = None
        self.takes = 0.0  # seconds until an answer comes, after what was asked for was done
        self.clock = clock
        self._versions = itertools.count(1)

    def _store(self, body: Any) -> dict[str, Any]:
        self.lease = copy.deepcopy(dict(body))
        self.lease["metadata"] |= {"uid": "u", "resourceVersion": str(next(self._versions))}
        self.clock.now += self.takes
        return copy.deepcopy(self.lease)

    def _answer(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def get(self, _: ResourceType, namespace: str, name: str) -> dict[str, Any]:
        self._answer()
        if self.lease is None:
            raise NotFound(404, name)
        return copy.deepcopy(self.lease)

    async def create(self, _: ResourceType, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is not None:
            raise Conflict(409, "there is one")
        return self._store(manifest)

    async def replace(self, _: ResourceType, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is None or manifest["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise Conflict(409, "it changed")
        return self._store(manifest)

    def give_to(self, holder: str) -> None:
        """As another candidate, or a person, does."""
        assert self.lease is not None
        self.lease["spec"]["holderIdentity"] = holder
        self._store(self.lease)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found, sleep = Clock(), asyncio.sleep

    async def slept(seconds: float) -> None:
        until = found.now + seconds
        while found.now < until:
            await sleep(0)

    monkeypatch.setattr(module, "_clock", lambda: found.now)
    monkeypatch.setattr(asyncio, "sleep", slept)
    return found


async def _turn() -> None:
    """Let others run once."""
    turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn


def refused(election: Election) -> bool:
    """Whether a write would not be sent."""
    try:
        election.fence()
    except Fenced:
        return True
    return False


class Candidate:
    """One that would lead."""

    def __init__(self, server: Server, name: str = "me") -> None:
        self.leads = self.lost = False
        self._clock = server.clock
        self.election = Election(server, "here", name)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.election.run(self._on_leading, self._on_lost))

    def _on_leading(self) -> None:
        self.leads = True

    def _on_lost(self) -> None:
        self.lost = True

    async def after(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass."""
        for _ in range(int(seconds / step) or 1):
            self._clock.now += step if seconds else 0.0
            for _ in range(20):
                await _turn()

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_nothing_is_written_before_it_leads_nor_when_it_was_stopped(clock: Clock) -> None:
    candidate = Candidate(Server(clock))
    assert refused(candidate.election)
    await candidate.after(0)
    assert candidate.leads
    assert not refused(candidate.election)
    await candidate.after(60)
    assert not refused(candidate.election)
    clock.now += 20.0  # as a process that was stopped
    assert refused(candidate.election), "at once, whatever runs first"
    await candidate.after(1)
    assert candidate.lost
    assert candidate.task.done()
    assert refused(candidate.election)


async def test_a_renewal_counts_from_when_it_was_sent(clock: Clock) -> None:
    server = Server(clock)
    server.takes = 9.5
    candidate = Candidate(server)
    await _turn()
    await _turn()
    assert candidate.leads
    assert not refused(candidate.election)
    clock.now += 1.0
    assert refused(candidate.election)
    await candidate.end()


async def test_a_leader_whose_lease_is_given_to_another_by_hand_ends(clock: Clock) -> None:
    server = Server(clock)
    candidate = Candidate(server)
    await candidate.after(1)
    for _ in range(10):
        server.give_to("another")  # which renews it time and again
        await candidate.after(2)
    assert candidate.lost
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "another", "and it is not taken back"


@pytest.mark.parametrize("spec", [None, 3, {}, {"leaseTransitions": "many"}, {"leaseTransitions": 2**31 - 1}])
async def test_a_lease_that_says_nothing_is_taken(clock: Clock, spec: Any) -> None:
    server = Server(clock)
    server.lease = {"metadata": {"name": LEASE_NAME, "namespace": "here", "uid": "u", "resourceVersion": "0"}}
    server.lease |= {"spec": spec} if spec is not None else {}
    candidate = Candidate(server)
    await candidate.after(0)
    assert candidate.leads
    await candidate.end()
    assert server.lease["spec"]["holderIdentity"] == ""


async def test_trouble_for_less_than_ten_seconds_is_survived(clock: Clock) -> None:
    server = Server(clock)
    candidate = Candidate(server)
    await candidate.after(0)
    server.trouble = ClusterError(500, "oh")
    await candidate.after(8)
    server.trouble = None
    await candidate.after(3)
    assert not candidate.lost
    assert not refused(candidate.election)
    server.trouble = ClusterError(0, "no answer")
    await candidate.after(16)
    assert candidate.lost
