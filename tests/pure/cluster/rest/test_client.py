"""What the client makes of any answer: bounded, checked, and nothing but a ClusterError."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from api_kit import THINGS, Answer, client_of, endless, grown, loop_held, page, said, streamed, thing

from ddtas.cluster.rest import answers
from ddtas.cluster.rest.bounds import CITY, HOME, Pace
from ddtas.cluster.rest.client import Client
from ddtas.errors import ClusterError, Conflict, Fenced, Garbled, NotFound, TooLarge

MIB = 2**20
NESTED = b"[" + b"[[]]," * (2 * MIB // 5) + b"[]]"
Ask = Callable[[Client], Awaitable[Any]]


async def listed(client: Client) -> list[Any]:
    """All objects."""
    return [body async for found in client.pages(THINGS, "city") for body in found["items"]]


async def watched(client: Client) -> list[Any]:
    """All events."""
    return [event async for event in client.watch(THINGS, "city", "", "1")]


ASKS: dict[str, Ask] = {
    "version": lambda client: client.version(),
    "get": lambda client: client.get(THINGS, "city", "a"),
    "list": listed,
    "watch": watched,
    "apply": lambda client: client.apply(THINGS, thing("a"), force=True),
    "create": lambda client: client.create(THINGS, thing("a")),
    "replace": lambda client: client.replace(THINGS, thing("a")),
    "delete": lambda client: client.delete(THINGS, "city", "a", "uid-a"),
}
asks = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
FEW = ("get", "list", "watch")
few = pytest.mark.parametrize("ask", [ASKS[name] for name in FEW], ids=FEW)
bounded = pytest.mark.parametrize("bounds", [HOME, CITY], ids=["home", "city"])


# ---- size ----


@asks
@pytest.mark.parametrize("status", [200, 500])
async def test_an_endless_answer_is_left_at_its_bound(ask: Ask, status: int) -> None:
    sent: list[int] = []
    async with client_of(endless(b" " * 65536, sent, status), CITY) as client:
        with pytest.raises(ClusterError) as error:
            await ask(client)
    assert error.value.status in (0, status)
    assert sum(sent) < 48 * MIB, "what the sockets hold comes on top"


@few
@bounded
async def test_an_answer_of_empty_lists_takes_neither_memory_nor_the_loop(ask: Ask, bounds: Any) -> None:
    raw = b'{"metadata": {"resourceVersion": "1"}, "items": ' + NESTED * 5 + b"}\n"
    async with client_of(said(raw), bounds) as client:
        with grown() as memory:
            await asyncio.gather(asyncio.create_task(ask(client)), return_exceptions=True)  # type: ignore[arg-type]
    print(f"{memory.bytes / MIB:.0f} MiB")
    assert memory.bytes < 64 * MIB


@pytest.mark.parametrize(
    "raw",
    [
        NESTED,
        b"[" + b'{"":0},' * (2 * MIB // 7) + b"0]",
        b"[" + b'{"a":{}},' * (2 * MIB // 9) + b"0]",
        b"[" + b",".join([b"1" * 4200] * 480) + b"]",
        b"[" + b",".join([b"0." + b"1" * 100_000] * 20) + b"]",
        b"{" + b",".join(b'"%06d":0' % n for n in range(99_000)) + b"}",
        b"[" * (2 * MIB),
        b'["' + b"\\u0041" * (12 * MIB // 6) + b'"]',
        b'["' + "\U0001f600".encode() * (12 * MIB // 4) + b'"]',
        b'["' + b"," * (3 * MIB // 2) + b'"]',
    ],
    ids=lambda raw: f"{bytes(raw[:12])!r}",
)
async def test_no_text_holds_the_loop(raw: bytes) -> None:
    for _ in range(3):  # the machine may be busy: the best of three is what the text itself takes
        with loop_held() as held, contextlib.suppress(Garbled):
            await asyncio.create_task(answers.parse(raw))
        if held.seconds < 0.05:
            return
    pytest.fail(f"{held.seconds * 1000:.0f} ms")


@pytest.mark.parametrize(("values", "turns"), [(20_000, ["another's"]), (100, [])])
async def test_a_large_answer_is_parsed_in_one_turn_and_taken_in_in_another(values: int, turns: list[str]) -> None:
    taken: list[str] = []
    asyncio.get_running_loop().call_soon(taken.append, "another's")
    assert await answers.parse(json.dumps(list(range(values))).encode()) == list(range(values))
    assert taken == turns


async def test_what_is_packed_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (64 * MIB))
    async with client_of(said(bomb, Content_Encoding="gzip")) as client:
        with pytest.raises(ClusterError, match="packs its answer"):
            await listed(client)


async def test_no_redirect_is_followed() -> None:
    async with client_of(said(b"", 307, Location="http://127.0.0.1:1/")) as client:
        with pytest.raises(ClusterError, match="redirects"):
            await client.get(THINGS, "city", "a")


# ---- time ----


async def _trickled(head: bytes, drop: bytes) -> tuple[asyncio.Server, str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(head)
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@few
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    ],
    ids=["header", "headers", "error", "body"],
)
async def test_a_trickle_ends_in_time(ask: Ask, head: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.cluster.rest.client._WATCH_GRACE_SECONDS", 0.0)
    bounds = replace(CITY, read_seconds=0.4, write_seconds=0.4, watch_seconds=1)
    server, url = await _trickled(head, drop)
    async with client_of(url, bounds) as client, asyncio.timeout(20):
        with pytest.raises(ClusterError):
            await ask(client)
    server.close()


async def test_a_silent_watch_is_left_after_the_time_that_was_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.cluster.rest.client._WATCH_GRACE_SECONDS", 0.2)
    queries: list[str] = []

    async def silent(request: web.Request) -> web.StreamResponse:
        queries.append(request.query["timeoutSeconds"])
        return await streamed(hold=True)(request)

    async with client_of(silent, replace(HOME, watch_seconds=1)) as client, asyncio.timeout(20):
        with pytest.raises(ClusterError):
            await watched(client)
    assert queries == ["1"]


async def test_who_sends_too_many_events_waits() -> None:
    pace, began = Pace(per_second=100.0, burst=10.0), asyncio.get_running_loop().time()
    for _ in range(30):
        await pace.take()
    assert asyncio.get_running_loop().time() - began > 0.1


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("100000", 60.0), ("-1", 0.0), ("soon", 0.0), ("9" * 400, 0.0), ("", 0.0)]
)
async def test_who_is_busy_says_how_long(text: str, seconds: float) -> None:
    async with client_of(said({"message": "busy"}, 429, Retry_After=text)) as client:
        with pytest.raises(ClusterError, match="busy") as error:
            await client.get(THINGS, "city", "a")
    assert (error.value.status, error.value.retry_after) == (429, seconds)


# ---- shape ----

ODD: list[Any] = [
    b"",
    b"null",
    b"[]",
    b"3",
    b'"text"',
    b"{}",
    b"{",
    b"\xff\xfe",
    b"NaN",
    b"[" * 100_000,
    {"metadata": None},
    {"metadata": [], "items": []},
    {"metadata": {"resourceVersion": 1}, "items": []},
    {"metadata": {"resourceVersion": "1", "continue": 3}, "items": []},
    {"metadata": {"resourceVersion": "1"}},
    {"metadata": {"resourceVersion": "1"}, "items": {}},
    {"metadata": {"name": "a", "uid": "u"}},
    {"metadata": {"name": "b", "uid": "u", "resourceVersion": "1"}},
    {"metadata": {"name": "a", "uid": "", "resourceVersion": "1"}},
    {"metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "namespace": 3}},
    {"major": 1, "minor": 2},
    {"type": 3, "object": {}},
    {"type": "ADDED", "object": []},
    {"type": "ADDED"},
]


@pytest.mark.parametrize("body", ODD, ids=lambda body: str(body)[:40])
async def test_whatever_is_answered_is_a_cluster_error(body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    says: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        return await said(raw + b"\n", says[-1])(request)

    async with client_of(answer) as client:
        for status in (200, 409, 500):
            says.append(status)
            for ask in ASKS.values():
                (found,) = await asyncio.gather(ask(client), return_exceptions=True)
                if isinstance(found, BaseException):
                    assert isinstance(found, ClusterError), found
                    assert len(found.message) <= 500


@pytest.mark.parametrize("body", ODD, ids=lambda body: str(body)[:40])
async def test_what_is_no_object_is_told_so(body: Any) -> None:
    async with client_of(said(body)) as client:
        with pytest.raises(Garbled):
            await client.get(THINGS, "city", "a")


async def test_a_connection_that_is_cut_anywhere_is_a_cluster_error() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: application/json\r\n\r\n" + b'{"a": 1'
    for end in range(0, len(whole), 7):

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter, end: int = end) -> None:
            writer.write(whole[:end])
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with client_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
            for ask in (ASKS["get"], ASKS["watch"], ASKS["apply"]):
                with pytest.raises(ClusterError):
                    await ask(client)
        server.close()


async def test_refusals_keep_their_kind_and_text() -> None:
    for status, kind in ((404, NotFound), (409, Conflict), (422, ClusterError)):
        async with client_of(said({"message": "so\x00 it is"}, status)) as client:
            with pytest.raises(kind, match="so� it is"):
                await client.get(THINGS, "city", "a")


# ---- pages ----


def shelf(objects: list[dict[str, Any]], limits: list[int], *, sort: bool = False) -> Answer:
    """A server that has them, and gives so many at a time as it is asked for; of custom resources, sorted by key."""

    async def answer(request: web.Request) -> web.StreamResponse:
        limit, start = int(request.query["limit"]), int(request.query.get("continue", 0))
        limits.append(limit)
        end = start + limit
        token = str(end) if end < len(objects) else ""
        found = page(*objects[start:end], token=token)
        return await said(json.dumps(found, sort_keys=sort).encode())(request)

    return answer


@bounded
async def test_large_objects_come_fewer_at_a_time(bounds: Any) -> None:
    objects = [thing(f"t-{n}", data="x" * (MIB if 10 <= n < 14 else 100)) for n in range(150)]
    limits: list[int] = []
    async with client_of(shelf(objects, limits), bounds) as client:
        found = await listed(client)
    assert [body["metadata"]["name"] for body in found] == [f"t-{n}" for n in range(150)]
    assert min(limits) == 1, limits
    assert len(limits) < 40, limits


@pytest.mark.parametrize(("size", "largest"), [(100, 100), (8 * 1024, 10), (30 * 1024, 10)])
async def test_a_page_is_as_large_as_its_objects_let_it(size: int, largest: int) -> None:
    """What a page takes, once parsed, is not given back: pages of 64 KiB, and of a hundred small objects."""
    objects = [thing(f"t-{n}", data="x" * size) for n in range(300)]
    limits: list[int] = []
    async with client_of(shelf(objects, limits)) as client:
        assert len(await listed(client)) == 300
    assert max(limits) == largest
    assert max(limits[2:]) * size <= 128 * 1024


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("count", [answers.MOST_VALUES + 1, 500_000])
async def test_an_object_with_too_many_values_is_left_out_and_its_neighbours_are_read(sort: bool, count: int) -> None:
    many: list[list[Any]] = [[]] * count
    labels = {"ddtas.nl/installation": "flood", "other": "x"}
    large = thing("large", spec={"a": many, "metadata": {"name": "fake"}})
    large["metadata"]["labels"] = labels
    async with client_of(shelf([thing("a"), large, thing("z")], [], sort=sort)) as client:
        found = {body["metadata"]["name"]: body for body in await listed(client)}
    assert set(found) == {"a", "large", "z"}
    assert f"more than {answers.MOST_VALUES} values" in found["large"][answers.FAULT]
    assert found["large"]["metadata"] == {
        "name": "large",
        "namespace": "city",
        "uid": "uid-large",
        "resourceVersion": "1",
        "labels": {"ddtas.nl/installation": "flood"},
    }
    assert answers.FAULT not in found["a"]
    async with client_of(streamed({"type": "ADDED", "object": large}, {"type": "ADDED", "object": thing("z")})) as c:
        (event, other) = await watched(c)
    assert event["type"] == "ADDED"
    assert event["object"] == found["large"]
    assert other["object"] == thing("z")


@pytest.mark.parametrize("levels", [answers.MOST_LEVELS, 900, 9_000])
async def test_an_object_that_is_nested_too_deeply_is_left_out_and_its_neighbours_are_read(levels: int) -> None:
    there = [thing("a"), thing("deep", spec="HERE"), thing("z")]
    nested = b"[" * levels + b"]" * levels

    async def answer(request: web.Request) -> web.Response:
        at, size = int(request.query.get("continue", "0")), int(request.query["limit"])
        more = str(at + size) if at + size < len(there) else ""
        body = json.dumps(page(*there[at : at + size], token=more)).encode()
        return web.Response(body=body.replace(b'"HERE"', nested), content_type="application/json")

    async with client_of(answer) as client:
        found = {body["metadata"]["name"]: body for body in await listed(client)}
    assert found == {
        "a": thing("a"),
        "deep": {"metadata": thing("deep")["metadata"], answers.FAULT: found["deep"][answers.FAULT]},
        "z": thing("z"),
    }
    assert f"nested more than {answers.MOST_LEVELS} levels" in found["deep"][answers.FAULT]


async def test_a_city_that_lists_for_ever_is_left() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query.get("continue", ""))
        return await said(page(token="more"))(request)

    async with client_of(answer, replace(CITY, objects=50)) as client:
        with pytest.raises(TooLarge, match="more than 50"):
            await listed(client)
    assert len(asked) == 51


# ---- the fence ----


async def test_nothing_is_written_once_this_replica_may_not() -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.method)
        return await said(thing("a"))(request)

    def fence() -> None:
        raise Fenced(0, "not sent")

    async with client_of(answer, fence=fence) as client:
        for name in ("apply", "create", "replace", "delete"):
            with pytest.raises(Fenced):
                await ASKS[name](client)
        await ASKS["get"](client)
        await client.bounded(HOME).replace(THINGS, thing("a"))
    assert seen == ["GET", "PUT"]
