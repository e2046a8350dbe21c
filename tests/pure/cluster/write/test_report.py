"""What is written to the three kinds and told of them, by an API server that answers as the test says."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ddtas.api.base import Condition, Metadata
from ddtas.api.installation_status import InstallationStatus
from ddtas.cluster.rest.resources import INSTALLATION, ResourceType
from ddtas.cluster.write import events, report
from ddtas.cluster.write.events import News, tell, transitions
from ddtas.cluster.write.report import Outdated, write_finalizers, write_status
from ddtas.errors import ClusterError, Conflict, NotFound

METADATA = Metadata(name="flood", namespace="voorbeeldstad", uid="uid-1", generation=2, resource_version="7")
STATUS = InstallationStatus(observed_generation=2, progress="1/6").dump()
THEN = datetime(2026, 12, 1, 8, tzinfo=UTC)


class Server:
    """Answers each request with the next answer that it was told; an exception is raised."""

    def __init__(self, *answers: Any, live: Any = None) -> None:
        self.answers = list(answers)
        self.live = live
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []

    async def _next(self, verb: str, manifest: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(verb)
        self.sent.append(manifest)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        if isinstance(answer, Exception):
            raise answer
        return dict(answer) if isinstance(answer, dict) else {}

    async def apply(self, resource: ResourceType, manifest: Any, *, force: bool, subresource: str = "") -> Any:
        return await self._next(f"apply {subresource}".strip(), manifest)

    async def overwrite_status(self, resource: ResourceType, metadata: Any, status: Any) -> Any:
        return await self._next("overwrite status", {"metadata": metadata, "status": status})

    async def create(self, resource: ResourceType, manifest: Any) -> Any:
        return await self._next("create", manifest)

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> Any:
        self.asked.append("get")
        if self.live is None:
            raise NotFound(404, "not found")
        return self.live


def live(uid: str = "uid-1", version: str = "7") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(events, "_ATTEMPT_SECONDS", 0.05)


# ---- the status ----


async def test_a_status_is_of_the_very_state_that_was_decided_on() -> None:
    server = Server({"metadata": {}})
    await write_status(server, INSTALLATION, METADATA, STATUS)  # type: ignore[arg-type]
    assert server.asked == ["apply status"]
    assert server.sent[0]["metadata"] == {
        "name": "flood",
        "namespace": "voorbeeldstad",
        "uid": "uid-1",
        "resourceVersion": "7",
    }


@pytest.mark.parametrize("refusal", [NotFound(404, "no"), Conflict(409, "no")])
@pytest.mark.parametrize("write", [write_status, write_finalizers])
async def test_a_refusal_is_not_final_while_the_object_is_as_it_was(
    refusal: ClusterError, write: Callable[..., Any]
) -> None:
    server = Server(refusal, live=live())
    with pytest.raises(type(refusal)):
        await write(server, INSTALLATION, METADATA, STATUS if write is write_status else ())
    assert server.asked[-1] == "get"


@pytest.mark.parametrize("refusal", [NotFound(404, "no"), Conflict(409, "no")])
@pytest.mark.parametrize("found", [None, live("another"), live(version="8")])
async def test_an_object_that_is_gone_or_another_one_is_decided_on_anew(refusal: ClusterError, found: Any) -> None:
    server = Server(refusal, live=found)
    with pytest.raises(Outdated) as raised:
        await write_status(server, INSTALLATION, METADATA, STATUS)  # type: ignore[arg-type]
    assert 0 < raised.value.again_after <= report.GONE_SECONDS


@pytest.mark.parametrize("code", [403, 413, 422])
async def test_a_status_that_is_refused_is_told_once(code: int) -> None:
    server = Server()
    for _ in range(2):
        server.answers = [ClusterError(code, "denied")] * (2 if code == 422 else 1)
        with pytest.raises(ClusterError):
            await write_status(server, INSTALLATION, METADATA, STATUS)  # type: ignore[arg-type]
    told = [m for verb, m in zip(server.asked, server.sent, strict=True) if verb == "create"]
    assert {m["reason"] for m in told} == {"StatusRefused"}
    assert len({m["metadata"]["name"] for m in told}) == 1


@pytest.mark.parametrize(
    ("applied", "version"),
    [
        (ClusterError(422, "status.revisions: must be of type array"), "7"),
        (live(version="8") | {"status": STATUS | {"url": "http://strange"}}, "8"),
        (live(version="8") | {"status": STATUS | {"bindings": [{"requirement": "strange"}]}}, "8"),
    ],
)
async def test_what_others_have_written_into_a_status_is_overwritten(applied: Any, version: str) -> None:
    server = Server(applied, live(version="9"))
    assert await write_status(server, INSTALLATION, METADATA, STATUS) == live(version="9")  # type: ignore[arg-type]
    assert server.asked == ["apply status", "overwrite status"]
    assert server.sent[1]["metadata"]["resourceVersion"] == version


async def test_a_status_that_is_as_it_was_applied_is_written_once() -> None:
    server = Server(live(version="8") | {"status": STATUS})
    await write_status(server, INSTALLATION, METADATA, STATUS)  # type: ignore[arg-type]
    assert server.asked == ["apply status"]


# ---- Events ----

PIECE = News("Warning", "RunCrashed", "exit code 1", "00abc")


async def told(server: Server, *pieces: News) -> list[str]:
    await tell(server, INSTALLATION, METADATA, pieces or (PIECE,))  # type: ignore[arg-type]
    return server.asked


@pytest.mark.parametrize("code", [0, 409, 429, 500, 503])
async def test_an_event_that_may_be_made_in_a_moment_is_tried_again(code: int) -> None:
    kind = Conflict if code == 409 else ClusterError
    assert await told(Server(kind(code, "a moment"), kind(code, "a moment"))) == ["create"] * 3


async def test_an_event_without_an_answer_is_tried_again() -> None:
    assert await told(Server(asyncio.Event())) == ["create"] * 2


@pytest.mark.parametrize("code", [400, 403, 404, 422])
async def test_an_event_that_is_refused_is_logged_and_the_next_one_is_made(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server = Server(*(ClusterError(code, "the namespace is being terminated") for _ in range(3)))
    assert await told(server, PIECE, PIECE._replace(name="01def")) == ["create"] * 4
    assert "being terminated" in caplog.text


@pytest.mark.parametrize("code", [400, 403, 404, 422])
async def test_one_refusal_of_an_event_proves_nothing(code: int) -> None:
    assert await told(Server(ClusterError(code, "by mistake"))) == ["create"] * 2


async def test_an_event_that_is_there_is_told() -> None:
    assert await told(Server(Conflict(409, 'events "flood.00abc" already exists'))) == ["create"]


async def test_a_status_does_not_wait_for_its_events_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_TOGETHER_SECONDS", 0.2)
    server = Server()
    server.answers = [asyncio.Event() for _ in range(1000)]
    await asyncio.wait_for(told(server), 10)
    assert len(server.asked) > 1


def condition(status: Any, reason: str, *, since: datetime = THEN, generation: int = 1) -> Condition:
    return Condition(
        type="Calibrated",
        status=status,
        reason=reason,
        message="said",
        observed_generation=generation,
        last_transition_time=since,
    )


def name_of(old: Condition | None, new: Condition) -> str:
    (piece,) = transitions(METADATA, [old] if old else [], [new])
    return piece.name


def test_the_same_transition_has_the_same_name_whenever_it_is_told() -> None:
    old = condition("Unknown", "Calibrating")
    later = THEN.replace(hour=9)
    first, again = (condition("False", "RunCrashed", since=since, generation=2) for since in (THEN, later))
    assert name_of(old, first) == name_of(old, again), "its own time is another one after a crash"


def test_what_happens_again_later_has_another_name() -> None:
    failed = condition("False", "RunCrashed", generation=2)
    names = {name_of(condition("Unknown", "Calibrating", since=THEN.replace(hour=h)), failed) for h in range(5)}
    assert len(names) == 5
    assert name_of(None, failed) not in names
