"""A stand-in for a service of OGC API - Environmental Data Retrieval with locations, as weather services have it.

pygeoapi answers `position` and `cube` (see ``pygeoapi``), but has no locations of a store of its own. This gives the
answers that OGC 19-086r6 prescribes for `locations` and `cube`, in CoverageJSON (OGC 21-069r2), written after these
documents: a key in a header, an interval that may be open, a bound on the values of one answer (413), nothing of a
period (204), and problems (RFC 7807). What it does not know it refuses with 501.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from . import dataset
from .loopback import on_loopback

KEY = "a-key-of-the-tests"
COLLECTION = "hourly-levels"
MAX_VALUES = 100  # of one answer, so that a client has to ask for shorter periods
PARAMETERS = {"level": ("m", "water level"), "depth": ("m", "depth of the water")}
_KNOWN = {"datetime", "parameter-name", "f", "bbox"}
# The axes of EPSG:4326 are latitude and longitude, so y comes first.
_REFERENCING = [
    {
        "coordinates": ["y", "x"],
        "system": {"type": "GeographicCRS", "id": "http://www.opengis.net/def/crs/EPSG/0/4326"},
    },
    {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
]


def location_id(row: dataset.Row) -> str:
    """The id of the place of a row, as weather stations have it."""
    return f"0-528-1-{row.name[-2:]}"


@asynccontextmanager
async def ogc_edr(rows: Sequence[dataset.Row]) -> AsyncIterator[str]:
    """Serve rows until the block ends; gives the address of the landing page."""

    @web.middleware
    async def ask_for_key(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != KEY:
            return problem(403, "Access to this API has been disallowed")
        if unknown := set(request.query) - _KNOWN:
            return problem(501, f"this stand-in does not know {sorted(unknown)}")
        try:
            answer: web.StreamResponse = await handler(request)
        except ValueError as error:
            return problem(400, str(error))
        return answer

    service = _Service(rows)
    base = "/edr/v1/collections"
    app = web.Application(middlewares=[ask_for_key])
    app.router.add_get(base, service.collections)
    app.router.add_get(f"{base}/{COLLECTION}", service.collection)
    app.router.add_get(f"{base}/{COLLECTION}/locations", service.locations)
    app.router.add_get(f"{base}/{COLLECTION}/locations/{{id}}", service.location)
    app.router.add_get(f"{base}/{COLLECTION}/cube", service.cube)
    async with on_loopback(app) as address:
        yield f"{address}/edr/v1"


def problem(status: int, detail: str) -> web.Response:
    """A problem of RFC 7807."""
    return web.json_response({"status": status, "detail": detail}, status=status)


class _Service:
    def __init__(self, rows: Sequence[dataset.Row]) -> None:
        self._rows = rows

    async def collections(self, request: web.Request) -> web.Response:
        return web.json_response({"links": [], "collections": [self._description()]})

    async def collection(self, request: web.Request) -> web.Response:
        return web.json_response(self._description())

    def _description(self) -> dict[str, Any]:
        def query(kind: str, formats: list[str]) -> dict[str, Any]:
            return {"link": {"href": "", "rel": "data", "variables": {"query_type": kind, "output_formats": formats}}}

        first = min(row.measured_at for row in self._rows)
        return {
            "id": COLLECTION,
            "links": [],
            "extent": {
                "spatial": {"bbox": [list(dataset.bounds(self._rows))], "crs": "OGC:CRS84"},
                "temporal": {"interval": [[dataset.iso(first), None]]},
            },
            "data_queries": {
                "locations": query("locations", ["CoverageJSON"]),
                "cube": query("cube", ["CoverageJSON"]),
            },
            "crs": ["OGC:CRS84"],
            "output_formats": ["CoverageJSON"],
            "parameter_names": {name: _parameter(name) for name in PARAMETERS},
        }

    async def locations(self, request: web.Request) -> web.Response:
        found = {location_id(row): row for row in self._rows}
        features = [
            {
                "type": "Feature",
                "id": id,
                "geometry": {"type": "Point", "coordinates": [row.longitude, row.latitude]},
                "properties": {"name": row.name, "parameter-name": ["level"]},
            }
            for id, row in found.items()
        ]
        return web.json_response({"type": "FeatureCollection", "features": features, "numberMatched": len(features)})

    async def location(self, request: web.Request) -> web.Response:
        mine = [row for row in self._rows if location_id(row) == request.match_info["id"]]
        if not mine:
            return problem(404, "there is no such location")
        return self._answer(request, mine, lambda coverages: coverages[0])

    async def cube(self, request: web.Request) -> web.Response:
        west, south, east, north = map(float, request.query["bbox"].split(","))
        mine = [row for row in self._rows if west <= row.longitude <= east and south <= row.latitude <= north]
        return self._answer(
            request,
            mine,
            lambda coverages: {
                "type": "CoverageCollection",
                "domainType": "PointSeries",
                "coverages": [{key: one[key] for key in one if key != "parameters"} for one in coverages],
                "parameters": coverages[0]["parameters"],
                "referencing": _REFERENCING,
            },
        )

    def _answer(self, request: web.Request, rows: Sequence[dataset.Row], shape: Any) -> web.Response:
        names = request.query.get("parameter-name", ",".join(PARAMETERS)).split(",")
        if unknown := set(names) - set(PARAMETERS):
            raise ValueError(f"unknown parameters: {sorted(unknown)}")
        start, end = _interval(request.query.get("datetime", "../.."))
        found = [row for row in rows if start <= row.measured_at <= end]
        if not found:
            return web.Response(status=204)
        if len(found) * len(names) > MAX_VALUES:
            return problem(413, f"{len(found) * len(names)} values are more than {MAX_VALUES}")
        places = {location_id(row): [other for other in found if other.name == row.name] for row in found}
        coverages = [_coverage(id, mine, names) for id, mine in places.items()]
        return web.json_response(shape(coverages), content_type="application/prs.coverage+json")


def _interval(text: str) -> tuple[datetime, datetime]:
    start, _, end = text.partition("/")
    bounds = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    for number, one in enumerate((start, end or start)):
        if one != "..":
            bounds[number] = datetime.fromisoformat(one)
    return bounds[0], bounds[1]


def _parameter(name: str) -> dict[str, Any]:
    symbol, label = PARAMETERS[name]
    return {
        "type": "Parameter",
        "observedProperty": {"label": {"en": label}},
        "unit": {"label": {"en": symbol}, "symbol": {"value": symbol, "type": "http://www.opengis.net/def/uom/UCUM/"}},
    }


def _coverage(id: str, rows: Sequence[dataset.Row], names: list[str]) -> dict[str, Any]:
    """Of one location; `depth` is a parameter that nobody measures."""
    values = {name: [row.level if name == "level" else None for row in rows] for name in names}
    return {
        "type": "Coverage",
        "eumetnet:locationId": id,
        "domain": {
            "type": "Domain",
            "domainType": "PointSeries",
            "axes": {
                "x": {"values": [rows[0].longitude]},
                "y": {"values": [rows[0].latitude]},
                "t": {"values": [dataset.iso(row.measured_at) for row in rows]},
            },
            "referencing": _REFERENCING,
        },
        "parameters": {name: _parameter(name) for name in names},
        "ranges": {
            name: {
                "type": "NdArray",
                "dataType": "float",
                "axisNames": ["t", "y", "x"],
                "shape": [len(rows), 1, 1],
                "values": values[name],
            }
            for name in names
        },
    }
