"""Stand-ins for three plain JSON services of the Netherlands, with the rows of ``dataset``.

None of them can be had from a package registry. The answers are written after their public documentation (RWS
WaterWebservices, the open API of Luchtmeetnet, Haal Centraal BAG), not taken from the wire:

========================  ==================================================================================
``POST /rws``             series in a list, each with its measurements; a period of at most 12 hours, whose end
                          is part of it; 204 where there is nothing
``GET /luchtmeetnet``     pages by number, of 70 rows, the newest first; `start` and `end`
``GET /bag``              HAL with links to the next page, of 90 rows; wants ``X-Api-Key`` and ``Accept-Crs``
========================  ==================================================================================
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from aiohttp import web

from . import dataset
from .loopback import on_loopback

KEY = "a-key-of-the-tests"
LONGEST = timedelta(hours=12)
_NUMBERED, _LINKED = 70, 90


@asynccontextmanager
async def json_services(newest: datetime) -> AsyncIterator[str]:
    """The address of all three, until the block ends."""
    services = _Services(dataset.rows(newest))
    app = web.Application()
    app.router.add_post("/rws", services.rws)
    app.router.add_get("/luchtmeetnet", services.luchtmeetnet)
    app.router.add_get("/bag", services.bag)
    async with on_loopback(app) as address:
        yield address


class _Services:
    def __init__(self, rows: Sequence[dataset.Row]) -> None:
        self._rows = rows

    async def rws(self, request: web.Request) -> web.Response:
        body = await request.json()
        start, end = (datetime.fromisoformat(body["Periode"][name]) for name in ("Begindatumtijd", "Einddatumtijd"))
        if end - start > LONGEST:
            raise web.HTTPBadRequest(text="Het maximaal aantal waarnemingen is overschreden")
        found = sorted((row for row in self._rows if start <= row.measured_at <= end), key=lambda row: row.name)
        if not found:
            return web.Response(status=204)
        series = [_series(list(rows)) for _, rows in groupby(found, key=lambda row: row.name)]
        return web.json_response({"WaarnemingenLijst": series, "Succesvol": True})

    async def luchtmeetnet(self, request: web.Request) -> web.Response:
        start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
        found = [row.properties() for row in reversed(self._rows) if start <= row.measured_at < end]
        last, number = max(1, -(-len(found) // _NUMBERED)), int(request.query["page"])
        pages = {"current_page": number, "first_page": 1, "last_page": last, "page_list": list(range(1, last + 1))}
        return web.json_response({"pagination": pages, "data": found[(number - 1) * _NUMBERED : number * _NUMBERED]})

    async def bag(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Api-Key") != KEY:
            raise web.HTTPUnauthorized
        if request.headers.get("Accept-Crs") != "epsg:28992":
            raise web.HTTPNotAcceptable
        number = int(request.query.get("page", "1"))
        rows = self._rows[(number - 1) * _LINKED : number * _LINKED]
        links = {"self": {"href": str(request.url)}}
        if number * _LINKED < len(self._rows):
            links["next"] = {"href": str(request.url.update_query(page=str(number + 1)))}
        found = [
            {"meting": {**row.properties(), "geometrie": row.feature(dataset.RD)["geometry"]}, "_links": {}}
            for row in rows
        ]
        answer = {"_links": links, **({"_embedded": {"metingen": found}} if found else {})}
        return web.json_response(answer, headers={"Content-Crs": "epsg:28992"}, content_type="application/hal+json")


def _series(rows: list[dataset.Row]) -> dict[str, Any]:
    """The rows of one station."""
    first = rows[0]
    return {
        "Locatie": {"Code": first.name, "X": first.x, "Y": first.y, "Keuring": first.inspected_on.isoformat()},
        "MetingenLijst": [
            {
                "Nummer": row.id,
                "Tijdstip": row.measured_at.isoformat(timespec="milliseconds"),
                "Meetwaarde": {"Waarde_Numeriek": row.level},
            }
            for row in rows
        ],
    }
