"""What can become of a request, and of a line of a watch, on its way through the proxy."""

import asyncio
import json

from aiohttp import web
from faults_proxy import Action, Exchange, LineAction

FOREVER = 24 * 3600.0
_ENDLESS = 4096  # times 64 KiB: what has not had enough by then has no limit


def status_of(code: int, reason: str) -> bytes:
    """A refusal as the API server words it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return json.dumps(body | {"message": f"a fault of the tests: {reason}"}).encode()


# ---- requests ----


def refuse(code: int, reason: str, **headers: str) -> Action:
    """It is not done, and answered so."""

    async def action(exchange: Exchange) -> web.StreamResponse:
        return exchange.answer(code, status_of(code, reason), **headers)

    return action


async def reset(exchange: Exchange) -> web.StreamResponse:
    """It is not done, and the connection breaks."""
    return exchange.reset()


async def hang(exchange: Exchange) -> web.StreamResponse:
    """It is not done, and never answered."""
    await asyncio.sleep(FOREVER)
    return exchange.reset()


async def lose(exchange: Exchange) -> web.StreamResponse:
    """It is done, and the connection breaks before the answer."""
    await exchange.forward()
    return exchange.reset()


async def late(exchange: Exchange) -> web.StreamResponse:
    """It is done, and the answer says that nobody knows."""
    await exchange.forward()
    return exchange.answer(504, status_of(504, "Timeout"))


async def cut(exchange: Exchange) -> web.StreamResponse:
    """It is done, and the answer ends in its middle."""
    status, body = await exchange.forward()
    await exchange.begin(status, Content_Length=str(len(body)))
    await exchange.send(body[: len(body) // 2])
    return exchange.reset()


def instead(body: bytes) -> Action:
    """It is done, and the answer is something else."""

    async def action(exchange: Exchange) -> web.StreamResponse:
        status, _ = await exchange.forward()
        return exchange.answer(status, body)

    return action


def endless(code: int = 200) -> Action:
    """It is done, and the answer does not end."""

    async def action(exchange: Exchange) -> web.StreamResponse:
        await exchange.forward()
        await exchange.begin(code)
        for _ in range(_ENDLESS):
            await exchange.send(b"[" * 65536)
        return exchange.reset()

    return action


async def hold_after(exchange: Exchange) -> web.StreamResponse:
    """It is done, and the answer waits. Whoever sent it is killed meanwhile, and never hears of it."""
    await exchange.forward()
    return await hang(exchange)


# ---- lines of a watch ----


async def silent(exchange: Exchange, line: bytes) -> bool:
    """Nothing more comes, and the connection stays."""
    await asyncio.sleep(FOREVER)
    return False


async def cut_line(exchange: Exchange, line: bytes) -> bool:
    """The connection breaks in the middle of a line."""
    await exchange.send(line[: len(line) // 2])
    await asyncio.sleep(0.05)
    exchange.reset()
    return False


async def end_line(exchange: Exchange, line: bytes) -> bool:
    """The stream ends as if nothing were wrong, in the middle of a line."""
    await exchange.send(line[: len(line) // 2])
    return False


def before_it(data: bytes) -> LineAction:
    """Something comes before the event."""

    async def action(exchange: Exchange, line: bytes) -> bool:
        await exchange.send(data)
        await exchange.send(line)
        return True

    return action


def error(code: int, reason: str) -> LineAction:
    """An ERROR event instead of it, and the end, as the API server does it."""

    async def action(exchange: Exchange, line: bytes) -> bool:
        event = {"type": "ERROR", "object": json.loads(status_of(code, reason))}
        await exchange.send(json.dumps(event).encode() + b"\n")
        return False

    return action


async def dropped(exchange: Exchange, line: bytes) -> bool:
    """It does not come."""
    return True


async def duplicated(exchange: Exchange, line: bytes) -> bool:
    """It comes twice."""
    await exchange.send(line + line)
    return True


async def endless_line(exchange: Exchange, line: bytes) -> bool:
    """A line that does not end."""
    for _ in range(_ENDLESS):
        await exchange.send(b" " * 65536)
    exchange.reset()
    return False


def delayed(seconds: float) -> LineAction:
    """It comes after those that followed it."""

    async def action(exchange: Exchange, line: bytes) -> bool:
        exchange.send_later(seconds, line)
        return True

    return action


# ---- watches as they are opened ----


async def mute(exchange: Exchange) -> web.StreamResponse:
    """A watch that is opened, and says nothing."""
    await exchange.begin()
    await asyncio.sleep(FOREVER)
    return exchange.reset()
