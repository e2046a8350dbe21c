"""pygeoapi: it answers what a probe asks, and leaves nothing."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from servers import dataset
from servers import pygeoapi as features
from servers.http_client import ask
from servers.process import HOST, descendants, living
from servers.pygeoapi import PygeoapiServer

LEVELS, STATIONS = f"/collections/{features.LEVELS}", f"/collections/{features.STATIONS}"


def _get(server: PygeoapiServer, path: str, **parameters: str) -> tuple[int, Any]:
    answer = ask("GET", f"{server.url}{path}?{urlencode({'f': 'json', **parameters})}")
    return answer.status, json.loads(answer.body)


def test_pygeoapi_conforms_to_features_and_to_crs(pygeoapi: PygeoapiServer) -> None:
    status, body = _get(pygeoapi, "/conformance")
    assert status == 200
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in body["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs" in body["conformsTo"]


def test_pygeoapi_describes_its_collections(pygeoapi: PygeoapiServer) -> None:
    _, body = _get(pygeoapi, "/collections")
    assert [each["id"] for each in body["collections"]] == [features.GRID, features.LEVELS, features.STATIONS]
    _, levels = _get(pygeoapi, LEVELS)
    assert levels["storageCrs"] == features.RD
    assert levels["crs"] == [features.CRS84, features.WGS84, features.RD]
    rows = dataset.rows(pygeoapi.newest)
    assert levels["extent"]["spatial"]["bbox"] == [list(dataset.bounds(rows))]
    (period,) = levels["extent"]["temporal"]["interval"]
    assert [datetime.fromisoformat(end) for end in period] == [rows[0].measured_at, pygeoapi.newest]


@pytest.mark.parametrize("what", ["queryables", "schema"])
def test_pygeoapi_tells_the_columns(pygeoapi: PygeoapiServer, what: str) -> None:
    _, body = _get(pygeoapi, f"{LEVELS}/{what}")
    found = {name: (each.get("type"), each.get("format")) for name, each in body["properties"].items()}
    assert found == {
        "geometry": (None, "geometry-any"),
        "id": ("integer", None),
        "name": ("string", None),
        "level": ("number", None),
        "measured_at": ("string", "date-time"),
        "inspected_on": ("string", "date"),
    }


def test_pygeoapi_counts_and_pages(pygeoapi: PygeoapiServer) -> None:
    _, counted = _get(pygeoapi, f"{LEVELS}/items", resulttype="hits")
    assert (counted["numberMatched"], counted["features"]) == (dataset.ROWS, [])
    _, page = _get(pygeoapi, f"{LEVELS}/items", limit="1000")
    assert (page["numberMatched"], page["numberReturned"]) == (dataset.ROWS, features.MAX_ITEMS)
    assert page["features"][0]["properties"] == dataset.rows(pygeoapi.newest)[0].properties()
    assert any(link["rel"] == "next" for link in page["links"])
    _, rest = _get(pygeoapi, f"{LEVELS}/items", limit="100", offset=str(dataset.ROWS - 1))
    assert [each["id"] for each in rest["features"]] == [dataset.ROWS]


def test_pygeoapi_sorts_and_filters_by_time_and_place(pygeoapi: PygeoapiServer) -> None:
    _, newest = _get(pygeoapi, f"{LEVELS}/items", limit="1", sortby="-measured_at")
    assert newest["features"][0]["properties"]["measured_at"] == dataset.iso(pygeoapi.newest)
    _, last = _get(pygeoapi, f"{LEVELS}/items", datetime=f"{dataset.iso(pygeoapi.newest)}/..")
    assert last["numberMatched"] == dataset.STATIONS
    row = dataset.rows(pygeoapi.newest)[0]
    east, north, by = row.longitude, row.latitude, 0.001
    box = f"{east - by},{north - by},{east + by},{north + by}"
    _, near = _get(pygeoapi, f"{LEVELS}/items", bbox=box)
    assert near["numberMatched"] == dataset.HOURS
    assert {each["properties"]["name"] for each in near["features"]} == {row.name}


@pytest.mark.parametrize("collection", [LEVELS, STATIONS])
def test_pygeoapi_transforms(pygeoapi: PygeoapiServer, collection: str) -> None:
    _, degrees = _get(pygeoapi, f"{collection}/items", limit="1")
    assert degrees["features"][0]["geometry"]["coordinates"] == pytest.approx([4.26462, 52.05096], abs=0.0001)
    answer = ask(
        "GET", f"{pygeoapi.url}{collection}/items?{urlencode({'f': 'json', 'limit': '1', 'crs': features.RD})}"
    )
    assert answer.headers["Content-Crs"] == f"<{features.RD}>"
    metres = json.loads(answer.body)["features"][0]["geometry"]["coordinates"]
    assert metres == pytest.approx([78_000, 452_000], abs=1)


def test_pygeoapi_tells_what_is_wrong(pygeoapi: PygeoapiServer) -> None:
    assert _get(pygeoapi, "/collections/nothing/items")[0] == 404
    assert _get(pygeoapi, f"{LEVELS}/items", limit="many")[0] == 400


def test_pygeoapi_leaves_nothing(tmp_path: Path) -> None:
    before = descendants()
    start = datetime(2025, 3, 1, 12, tzinfo=UTC)
    with features.pygeoapi(tmp_path, start) as server:
        _, newest = _get(server, f"{LEVELS}/items", limit="1", sortby="-measured_at")
        assert newest["features"][0]["properties"]["measured_at"] == "2025-03-01T12:00:00Z"
        started = descendants() - before
        assert living(started)
    assert not living(started)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, server.port), timeout=5)
