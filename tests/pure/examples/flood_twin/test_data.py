"""What the flood twin takes from a data source and what it refuses, with the reason that a person reads."""

import asyncio
import base64
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flood_twin import data
from flood_twin.contract import Binding, Window
from flood_twin.data import DataError, Record, fetch, parse

HEADER = "date,precipitation_mm,potential_evapotranspiration_mm,discharge_m3s\n"
GOOD = HEADER + "2020-02-28,1.5,0.5,0.1\n2020-02-29,0,1,\n2020-03-01,2,1,NaN\n"


def test_a_good_file() -> None:
    record = parse(GOOD.encode())
    assert (record.start, record.end) == (date(2020, 2, 28), date(2020, 3, 1))
    assert record.precipitation == [1.5, 0.0, 2.0]
    assert record.evapotranspiration == [0.5, 1.0, 1.0]
    assert record.observed[0] == 0.1
    assert np.isnan(record.observed[1:]).all()


def test_order_of_columns_other_columns_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    header = "note,discharge_m3s,date,potential_evapotranspiration_mm,precipitation_mm"
    text = header + '\r\n"a,b",0.1,2020-02-28,0.5,1.5\r\n\r\n'
    record = parse(b"\xef\xbb\xbf" + text.encode())
    assert (record.precipitation, record.evapotranspiration, record.observed.tolist()) == ([1.5], [0.5], [0.1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1: no column date, precipitation_mm"),
        (HEADER, "no rows"),
        ("<!doctype html><title>Log in</title>", "line 1: no column date.*doctype"),
        (HEADER.replace("_m3s", "_ls"), "line 1: no column discharge_m3s"),
        (HEADER.replace("\n", ",date\n"), "line 1: a column name appears twice"),
        (HEADER + "2020-01-01,1,1\n", "line 2: 3 fields, but the header has 4"),
        (HEADER + "01-02-2020,1,1,1\n", "line 2: date '01-02-2020' is not YYYY-MM-DD"),
        (GOOD + "2020-03-01,1,1,1\n", "line 5: 2020-03-01 follows 2020-03-01; dates must ascend"),
        (GOOD + "2020-02-01,1,1,1\n", "line 5: 2020-02-01 follows"),
        (GOOD + "2020-03-03,1,1,1\n", "line 5: 1 day missing between 2020-03-01 and 2020-03-03"),
        (GOOD + "2020-04-01,1,1,1\n", "line 5: 30 days missing"),
        (GOOD + "2020-03-02,,1,1\n", "line 5: precipitation_mm is missing"),
        (GOOD + "2020-03-02,1,nan,1\n", "line 5: potential_evapotranspiration_mm is missing"),
        (GOOD + "2020-03-02,-1,1,1\n", "line 5: precipitation_mm is '-1'; it must be a number from 0 to 2000"),
        (GOOD + "2020-03-02,1,1,-9999\n", "line 5: discharge_m3s is '-9999'"),
        (GOOD + "2020-03-02,1,1,inf\n", "line 5: discharge_m3s is 'inf'"),
        (GOOD + "2020-03-02,1,1,0.1.2\n", "line 5: discharge_m3s is '0.1.2'"),
        (GOOD + '2020-03-02,1,1,"0.1\n', "line 5: not CSV"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(content: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        parse(content.encode())


def test_other_encodings_are_refused_with_the_place() -> None:
    with pytest.raises(DataError, match="not UTF-8: byte 3 is 0xe9"):
        parse(b"dat\xe9")


def test_a_hostile_cell_is_shown_short() -> None:
    with pytest.raises(DataError) as caught:
        parse((GOOD + f"2020-03-02,{'x' * 10_000},1,1\n").encode())
    assert len(str(caught.value)) < 200


RECORD = Record(date(2020, 1, 1), [0.0] * 10, [0.0] * 10, np.array([math.nan] * 10))


@pytest.mark.parametrize(
    ("start", "end", "want"),
    [
        (date(2020, 1, 3), date(2020, 1, 5), slice(2, 5)),
        (date(2020, 1, 10), date(2020, 1, 10), slice(9, 10)),
        (date(2019, 6, 1), date(2020, 1, 2), slice(0, 2)),
        (date(2020, 1, 9), date(2021, 1, 1), slice(8, 10)),
    ],
)
def test_a_window_includes_both_its_ends_and_stops_at_the_data(start: date, end: date, want: slice) -> None:
    assert RECORD.slice(Window(start, end)) == want


@pytest.mark.parametrize("day", [date(2019, 12, 31), date(2020, 1, 11)])
def test_a_window_beside_the_data_is_refused(day: date) -> None:
    with pytest.raises(DataError, match="no day of the window"):
        RECORD.slice(Window(day, day))


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def source(handler: Handler) -> AsyncIterator[str]:
    """A data source on this machine; yields the address of its CSV."""
    app = web.Application()
    app.router.add_get("/series.csv", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/series.csv"))


async def refused(handler: Handler, reason: str) -> None:
    async with source(handler) as uri:
        with pytest.raises(DataError, match=reason):
            await fetch(Binding("http-csv", uri))


async def test_credentials_go_along() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", "none"))

    async with source(handler) as uri:
        assert await fetch(Binding("http-csv", uri)) == b"none"
        basic = await fetch(Binding("http-csv", uri, username="ds", password="gehéim"))
        assert base64.b64decode(basic.removeprefix(b"Basic ")).decode() == "ds:gehéim"
        assert await fetch(Binding("http-csv", uri, token="t0k")) == b"Bearer t0k"


async def test_a_redirect_is_not_followed() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/")

    await refused(handler, "answered 302: a redirect, which is not followed")


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "credentials"), (403, "credentials"), (404, "path"), (500, "500")]
)
async def test_a_status_other_than_200_says_what_to_look_at(status: int, reason: str) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    await refused(handler, reason)


async def test_an_endless_source_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_BYTES", 100_000)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 1000)
        return response

    await refused(handler, "more than 100000 bytes")


async def test_a_slow_source_meets_a_deadline_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends a byte often enough that no single read ever takes long."""
    monkeypatch.setattr(data, "DEADLINE_SECONDS", 0.3)

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.02)
        return response

    await refused(handler, "did not deliver within 0.3 s")


async def test_compressed_data_are_refused_as_they_may_be_a_bomb() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    await refused(handler, "compressed")


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        (Binding("postgresql", "http://data/x"), "type is 'postgresql'"),
        (Binding("http-csv", "file:///etc/passwd"), "not an http or https address"),
        (Binding("http-csv", "http://user:secret@data/x"), "the uri carries credentials"),
        (Binding("http-csv", "http://127.0.0.1:1/x"), "cannot be read"),
        (Binding("http-csv", "http://[::1"), "not a valid address"),
    ],
)
async def test_an_address_that_cannot_be_fetched(binding: Binding, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        await fetch(binding)
    assert "secret" not in str(caught.value)
