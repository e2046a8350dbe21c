"""An informer and what may come by: nothing ends it, and one object's trouble is not that of its neighbours."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from api_kit import THINGS, Answer, client_of, page, said, streamed, thing

from ddtas.cluster.memory import informer as module
from ddtas.cluster.memory.informer import Informer
from ddtas.cluster.rest.bounds import HOME
from ddtas.cluster.rest.resources import ResourceType


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(module, "_MAX_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("ddtas.cluster.rest.client._WATCH_GRACE_SECONDS", 0.2)


class Seen:
    """What an informer told, and what it told of the things that make it raise."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.poison = "poison"

    def on_object(self, _: ResourceType, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        if name == self.poison:
            raise TypeError("a callback that meets what it does not expect")
        self.told.append(f"{name}={body['metadata']['resourceVersion']}")

    def on_gone(self, _: ResourceType, namespace: str, name: str, version: str) -> None:
        if name == self.poison:
            raise KeyError(name)
        self.told.append(f"-{name}@{version}")

    async def until(self, *told: str) -> None:
        async with asyncio.timeout(30):
            while not set(told) <= set(self.told):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


class Script:
    """An API server whose lists and watches each answer in turn; the last one for ever."""

    def __init__(self, lists: list[Answer], watches: list[Answer]) -> None:
        self._lists, self._watches = iter(lists), iter(watches)
        self._list, self._watch = lists[-1], watches[-1]
        self.asked: list[str] = []
        self.versions: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        watching = "watch" in request.query
        self.asked.append("watch" if watching else "list")
        if watching:
            self.versions.append(request.query["resourceVersion"])
        return await next(*((self._watches, self._watch) if watching else (self._lists, self._list)))(request)


@asynccontextmanager
async def running(script: Answer, seen: Seen, **bounds: Any) -> AsyncIterator[Informer]:
    async with client_of(script, replace(HOME, read_seconds=5.0, **bounds)) as client:
        informer = Informer(client, THINGS, "city", "", seen.on_object, seen.on_gone)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def event(what: Any, body: Any) -> dict[str, Any]:
    return {"type": what, "object": body}


STATUS = {"kind": "Status", "status": "Failure", "message": "etcdserver: no leader"}
HOLD = streamed(hold=True)
JUNK: dict[str, Answer] = {
    "410 in the stream": streamed(event("ERROR", STATUS | {"code": 410})),
    "500 in the stream": streamed(event("ERROR", STATUS | {"code": 500})),
    "429 in the stream": streamed(event("ERROR", STATUS | {"code": 429})),
    "an error without a code": streamed(event("ERROR", STATUS)),
    "an error with a code that is none": streamed(event("ERROR", STATUS | {"code": "many"})),
    "an error without anything": streamed(event("ERROR", {})),
    "an error that is none": streamed(event("ERROR", None)),
    "null": streamed(b"null\n"),
    "a line that is no JSON": streamed(b"{not JSON}\n"),
    "a line of bytes": streamed(b"\xff\xfe\x00\n"),
    "a list": streamed(b"[]\n"),
    "an empty object": streamed(b"{}\n"),
    "an event of no type": streamed({"object": thing("x")}),
    "an event of an odd type": streamed(event("EXPLODED", thing("x"))),
    "an event without an object": streamed({"type": "ADDED"}),
    "an object without metadata": streamed(event("ADDED", {})),
    "an object without a version": streamed(event("ADDED", {"metadata": {"name": "x", "uid": "u"}})),
    "a bookmark without a version": streamed(event("BOOKMARK", {"metadata": {}})),
    "a bookmark with a version that is a number": streamed(event("BOOKMARK", {"metadata": {"resourceVersion": 7}})),
    "a deletion of nothing": streamed(event("DELETED", {"metadata": {"resourceVersion": "7"}})),
    "deep": streamed(b"[" * 100_000 + b"\n"),
    "410": said(STATUS, 410),
    "404": said(STATUS, 404),
}
CUT: dict[str, Answer] = {
    "an answer that is none": said(b"hello"),
    "a cut line": streamed(b'{"type": "ADDED", "obj'),
    "500": said(STATUS, 500),
    "429": said(STATUS, 429, Retry_After="0"),
    "503": said(STATUS, 503),
    "403": said(STATUS, 403),
    "a watch that ends at once": streamed(),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_what_cannot_be_understood_is_followed_by_a_new_list(junk: Answer) -> None:
    seen = Seen()
    lists = [said(page(thing("a"), thing("goes"))), said(STATUS, 503), said(page(thing("a", "2"), version="9"))]
    script = Script(lists, [junk, streamed(event("ADDED", thing("later", "10")), hold=True)])
    async with running(script, seen) as informer:
        await seen.until("a=1", "a=2", "-goes@9", "later=10")
        assert informer.trouble is None
    assert script.asked == ["list", "watch", "list", "list", "watch"]
    assert script.versions[-1] == "9"


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
async def test_a_watch_that_breaks_off_goes_on_where_it_was(cut: Answer) -> None:
    seen = Seen()
    script = Script(
        [said(page(thing("a"), version="5"))],
        [
            streamed(b"\n", b"  \n", event("MODIFIED", thing("a", "7"))),
            cut,
            streamed(event("ADDED", thing("b", "8")), hold=True),
        ],
    )
    async with running(script, seen):
        await seen.until("a=1", "a=7", "b=8")
    assert script.asked.count("list") == 1
    assert script.versions == ["5", "7", "7"]


async def test_a_watch_that_is_silent_is_renewed() -> None:
    seen = Seen()
    script = Script([said(page(version="5"))], [HOLD, streamed(event("ADDED", thing("b", "8")), hold=True)])
    async with running(script, seen, watch_seconds=1):
        await seen.until("b=8")
    assert script.asked.count("list") == 1


async def test_what_breaks_again_and_again_is_not_asked_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(module, "_MAX_PAUSE_SECONDS", 10.0)
    seen = Seen()
    bad = streamed(event("BOOKMARK", thing("x", "7")), event("ERROR", STATUS | {"code": 410}))
    script = Script([said(page(thing("a")))], [bad])
    async with running(script, seen):
        await asyncio.sleep(1.5)
    assert script.asked.count("list") <= 6


@pytest.mark.parametrize("odd", [None, 3, [], {}, {"metadata": 3}, {"metadata": {"name": "x"}}, thing("poison")])
async def test_one_object_that_cannot_be_taken_in_is_alone_in_that(
    odd: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    stream = [event("ADDED", odd), event("MODIFIED", odd), event("DELETED", odd)] if odd == thing("poison") else []
    script = Script(
        [said(page(thing("a"), odd, thing("z"), version="5"))],
        [streamed(*stream, event("ADDED", thing("later", "6")), hold=True)],
    )
    with caplog.at_level(logging.ERROR):
        async with running(script, seen) as informer:
            await seen.until("a=1", "z=1", "later=6")
            assert informer.synced.is_set()
            assert informer.lag == ""
    assert script.asked == ["list", "watch"]
    assert len([r for r in caplog.records if "cannot be taken in" in r.message]) == 1, "told once"


async def test_a_namesake_that_came_quickly_is_told() -> None:
    seen = Seen()
    new = thing("a", "9")
    new["metadata"]["uid"] = "another"
    lists = [said(page(thing("a"), version="5")), said(page(new, version="9"))]
    script = Script(lists, [JUNK["410 in the stream"], HOLD])
    async with running(script, seen):
        await seen.until("a=1", "a=9")


async def test_a_kind_that_is_not_there_is_waited_for_and_said() -> None:
    seen = Seen()
    there = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if not there.is_set():
            return await said(STATUS, 404)(request)
        return await (HOLD if "watch" in request.query else said(page(thing("a"))))(request)

    async with running(answer, seen) as informer:
        await asyncio.sleep(0.2)
        assert not informer.synced.is_set()
        assert informer.lag == "things in namespace city: the API server has no such kind (is its CRD applied?)"
        there.set()
        await seen.until("a=1")
        await informer.synced.wait()
        assert informer.lag == ""


async def test_what_does_not_keep_up_says_so_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAG_SECONDS", 0.3)
    seen = Seen()
    away = said({"message": "away"}, 503)
    script = Script([said(page(thing("a"))), away], [away])
    async with running(script, seen) as informer:
        await informer.synced.wait()
        assert informer.lag == ""
        async with asyncio.timeout(20):
            while not informer.lag:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert informer.lag == "things in namespace city: away (HTTP 503)"


async def test_what_was_made_and_went_while_a_watch_was_down_is_told_as_gone() -> None:
    """Only the answer to the write that made it told of it."""
    seen = Seen()
    held = {("city", "ours"), ("city", "a")}
    script = Script([said(page(thing("a"), version="5")), said(page(thing("a"), version="9"))], [JUNK["null"], HOLD])
    async with client_of(script) as client:
        informer = Informer(client, THINGS, "city", "", seen.on_object, seen.on_gone, lambda *_: held)
        task = asyncio.create_task(informer.run())
        await seen.until("-ours@9")
        task.cancel()
    assert "-a@9" not in seen.told
