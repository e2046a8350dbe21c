"""Readers: each record of all pages once and in order, lazily, and an end whatever the server says."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, json_response, response, serving, target

from ddtas.data.contract import DataKind
from ddtas.data.facts.geo import Geometries
from ddtas.data.json_service import JsonService
from ddtas.data.kinds.arcgis_feature_server.layer import Layer
from ddtas.data.kinds.arcgis_feature_server.reader import Choice as FieldsChoice
from ddtas.data.kinds.arcgis_feature_server.reader import Service as LayerService
from ddtas.data.kinds.http_csv.reader import rows
from ddtas.data.kinds.http_geojson.reader import FeatureCollection
from ddtas.data.kinds.http_json.reader import Service as JsonPages
from ddtas.data.kinds.ngsi_ld.reader import Broker
from ddtas.data.kinds.ogc_api_features.reader import Collection
from ddtas.data.kinds.s3.reader import Bucket
from ddtas.data.kinds.sensorthings.reader import RESULT, Choice, Service
from ddtas.data.kinds.wfs.reader import Service as FeatureService
from ddtas.data.kinds.wfs.schema import Schema
from ddtas.data.session import Limits, Session, SourceReason
from ddtas.data.wire import http
from ddtas.errors import SourceError

Read = Callable[[http.Client], AsyncIterator[list[Any]]]
Routes = dict[str, Answer]


@dataclass(frozen=True)
class Case:
    """One protocol: how it is read, with two records a page, and three pages of a server as its standard has them."""

    kind: DataKind
    read: Read
    routes: Routes
    endless: Routes  # each page leads to a next one
    name: str | None = "levels"
    service: JsonService | None = None


async def _csv(client: http.Client) -> AsyncIterator[list[Any]]:
    async with client.get(accept="text/csv") as answer:
        header = True
        async for batch in rows(answer, client.session):
            yield [int(value) for (value,) in batch[1 if header else 0 :]]
            header = False


async def _geojson(client: http.Client) -> AsyncIterator[list[Any]]:
    async with client.get(accept="application/geo+json") as answer:
        async for batch in FeatureCollection(client.session, Geometries()).batches(answer):
            yield [properties["n"] for properties in batch]


async def _features(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in Collection(client).pages(2):
        yield [feature["properties"]["n"] for feature in page.features]


async def _wfs(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in FeatureService(client).pages("levels", Schema(), 2):
        yield [feature.properties["n"] for feature in page.features]


async def _layer(client: http.Client) -> AsyncIterator[list[Any]]:
    layer = Layer.read({"fields": [{"name": "n", "type": "esriFieldTypeOID"}]})
    async for page in LayerService(client).pages(layer, FieldsChoice(("n",)), 2):
        yield [row.attributes["n"] for row in page.rows]


async def _sensorthings(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in Service(client).observations(Choice.read("Datastreams(1)"), 2):
        yield [item[RESULT] for item in page.items]


async def _entities(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in Broker(client).pages():
        yield [entity.record["n"] for entity in page.entities]


async def _json(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in JsonPages(client).pages(None):
        yield [row.record["n"] for row in page.rows]


async def _objects(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in Bucket(client.session, client, "bucket", None).pages(""):
        yield [int(item.key) for item in page.objects]


def collection(numbers: list[int], **members: Any) -> dict[str, Any]:
    features = [{"type": "Feature", "properties": {"n": n}, "geometry": None} for n in numbers]
    return {"type": "FeatureCollection", "features": features, **members}


def link(href: str) -> dict[str, Any]:
    return {"links": [{"rel": "next", "href": href}]}


def gml(numbers: list[int]) -> bytes:
    members = "".join(f"<m:member xmlns:m='w'><a><n>{n}</n></a></m:member>" for n in numbers)
    return response(f"<FeatureCollection>{members}</FeatureCollection>".encode(), "Content-Type: application/gml+xml")


def observations(numbers: list[int], *, more: bool) -> bytes:
    return json_response({"value": [{RESULT: n} for n in numbers], **({"@iot.nextLink": "x"} if more else {})})


def layer_rows(numbers: list[int]) -> bytes:
    return json_response({"features": [{"attributes": {"n": n}} for n in numbers]})


def entities(numbers: list[int]) -> bytes:
    found = [{"id": f"urn:x:{n}", "type": "levels", "n": {"type": "Property", "value": n}} for n in numbers]
    return json_response(found, "NGSILD-Results-Count: 5")


def objects(numbers: list[int], token: str) -> bytes:
    held = "".join(
        f"<Contents><Key>{n}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"
        for n in numbers
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return response(f"<ListBucketResult>{held}{more}</ListBucketResult>".encode(), "Content-Type: application/xml")


_ITEMS = "/collections/levels/items"
_WFS = "/?service=WFS&version=2.0.0&request=GetFeature&typenames=levels&count=2"
_STA = "/Datastreams(1)/Observations?$select=phenomenonTime,result&$orderby=phenomenonTime+asc&$top=2&$count=true"
_NGSI = "/entities?type=levels&count=true&limit=2"
_ARCGIS = "/query?outFields=n&returnGeometry=false&orderByFields=n&where={}&resultRecordCount=2&f=json"
_S3 = "/bucket?list-type=2&max-keys=1000&prefix="

CASES = {
    "csv": Case(DataKind.HTTP_CSV, _csv, {"/": response(b"n\n0\n1\n2\n3\n4\n", "Content-Type: text/csv")}, {}),
    "geojson": Case(DataKind.HTTP_GEOJSON, _geojson, {"/": json_response(collection([0, 1, 2, 3, 4]))}, {}),
    "ogc-api-features": Case(
        DataKind.OGC_API_FEATURES,
        _features,
        {
            f"{_ITEMS}?limit=2": json_response(collection([0, 1], **link("items?limit=2&offset=2"))),
            f"{_ITEMS}?limit=2&offset=2": json_response(collection([2, 3], **link("?limit=2&offset=4"))),
            f"{_ITEMS}?limit=2&offset=4": json_response(collection([4])),
        },
        {
            f"{_ITEMS}?limit=2": json_response(collection([0, 1], **link("?again"))),
            f"{_ITEMS}?again": json_response(collection([2, 3], **link("?again"))),
        },
    ),
    "wfs": Case(
        DataKind.WFS,
        _wfs,
        {_WFS: gml([0, 1]), f"{_WFS}&startindex=2": gml([2, 3]), f"{_WFS}&startindex=4": gml([4])},
        {"/": gml([0, 1])},
    ),
    "arcgis-feature-server": Case(
        DataKind.ARCGIS_FEATURE_SERVER,
        _layer,
        {
            _ARCGIS.format("1%3D1"): layer_rows([0, 1]),
            _ARCGIS.format("n+%3E+1"): layer_rows([2, 3]),
            _ARCGIS.format("n+%3E+3"): layer_rows([4]),
            _ARCGIS.format("n+%3E+4"): layer_rows([]),
        },
        {"/query": layer_rows([0, 1])},
    ),
    "http-json": Case(
        DataKind.HTTP_JSON,
        _json,
        {
            "/?page=1": json_response([{"n": 0}, {"n": 1}]),
            "/?page=2": json_response([{"n": 2}, {"n": 3}]),
            "/?page=3": json_response([{"n": 4}]),
            "/?page=4": json_response([]),
        },
        {"/": json_response([{"n": 0}, {"n": 1}])},
        service=JsonService.model_validate({"query": [{"name": "page", "value": "{page}"}]}),
    ),
    "sensorthings": Case(
        DataKind.SENSORTHINGS,
        _sensorthings,
        {
            _STA: observations([0, 1], more=True),
            f"{_STA}&$skip=2": observations([2, 3], more=True),
            f"{_STA}&$skip=4": observations([4], more=False),
        },
        {"/Datastreams(1)/Observations": observations([0, 1], more=True)},
    ),
    "ngsi-ld": Case(
        DataKind.NGSI_LD,
        _entities,
        {_NGSI: entities([0, 1]), f"{_NGSI}&offset=2": entities([2, 3]), f"{_NGSI}&offset=4": entities([4])},
        {"/entities": json_response([{"id": "urn:x:1", "type": "levels", "n": {"type": "Property", "value": 1}}] * 2)},
    ),
    "s3": Case(
        DataKind.S3,
        _objects,
        {
            _S3: objects([0, 1], "a"),
            f"{_S3}&continuation-token=a": objects([2, 3], "b"),
            f"{_S3}&continuation-token=b": objects([4], ""),
        },
        {"/bucket": objects([0, 1], "a")},
    ),
}
ENDS = (SourceReason.MALFORMED_DATA, SourceReason.UNEXPECTED_CONTENT, SourceReason.RESOURCE_EXHAUSTED)
PAGED = [name for name, case in CASES.items() if case.endless]


@pytest.fixture(autouse=True)
def two_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.data.kinds.ngsi_ld.reader._SIZES", (2,))


async def reading(
    case: Case, routes: Mapping[str, Answer], take: Callable[[AsyncIterator[list[Any]]], Awaitable[Any]], limits: Limits
) -> tuple[Any, Session, list[str]]:
    async with serving(routes) as server:
        to = replace(target(server.url(path="/"), kind=case.kind, physical_name=case.name), json_service=case.service)
        session = Session(to, limits, LOOPBACK)
        async with http.client(session) as client:
            return await take(case.read(client)), session, server.targets


async def everything(batches: AsyncIterator[list[Any]]) -> list[Any]:
    return [record async for batch in batches for record in batch]


@pytest.mark.parametrize("name", CASES)
async def test_each_record_of_all_pages_once_and_in_order(name: str) -> None:
    case = CASES[name]
    records, session, asked = await reading(case, case.routes, everything, LIMITS)
    assert records == [0, 1, 2, 3, 4]
    assert session.requests == len(asked) == len(case.routes)


@pytest.mark.parametrize("name", PAGED)
async def test_a_page_that_nobody_wants_is_not_asked_for(name: str) -> None:
    case = CASES[name]
    records, session, _ = await reading(case, case.routes, anext, LIMITS)
    assert (records, session.requests) == ([0, 1], 1)


@pytest.mark.parametrize("name", PAGED)
async def test_pages_without_end_come_to_one(name: str) -> None:
    case = CASES[name]
    limits = replace(LIMITS, max_requests=7)
    with pytest.raises(SourceError) as caught:
        await reading(case, case.endless, everything, limits)
    assert caught.value.reason in (SourceReason.TOO_MANY_REQUESTS, SourceReason.MALFORMED_DATA)


@pytest.mark.parametrize("name", CASES)
async def test_no_more_is_read_than_the_session_allows(name: str) -> None:
    case = CASES[name]
    whole = sum(len(body) for body in case.routes.values() if isinstance(body, bytes))
    assert whole > 30
    try:
        records, session, _ = await reading(case, case.routes, everything, replace(LIMITS, max_bytes=30))
    except SourceError as error:
        assert error.reason in ENDS  # noqa: PT017
    else:
        assert session.received <= 30
        assert records == list(range(len(records)))


async def test_a_next_page_on_another_server_is_not_followed() -> None:
    case = CASES["ogc-api-features"]
    routes = {f"{_ITEMS}?limit=2": json_response(collection([0, 1], **link("http://elsewhere.example/items")))}
    with pytest.raises(SourceError) as caught:
        await reading(case, routes, everything, LIMITS)
    assert caught.value.reason == SourceReason.UNEXPECTED_CONTENT
    assert "on another server" in caught.value.message


async def test_a_feature_that_is_too_long_a_document_is_an_error_and_no_end() -> None:
    case = CASES["wfs"]
    with pytest.raises(SourceError) as caught:
        await reading(case, {"/": gml([0] * 1000)}, everything, replace(LIMITS, max_bytes=60))
    assert caught.value.reason == SourceReason.MALFORMED_DATA


async def test_values_of_features_are_those_of_the_source() -> None:
    body = (
        "<FeatureCollection><member><a><whole>42</whole><part>-0.25</part><none></none><many>1e999</many>"
        f"<text>{'x' * 500}</text></a></member></FeatureCollection>"
    )
    case = replace(CASES["wfs"], read=_properties)
    (properties,), _, _ = await reading(case, {"/": response(body.encode())}, everything, LIMITS)
    assert properties == {"whole": 42, "part": -0.25, "none": None, "many": None, "text": "x" * 200}
    wide = replace(LIMITS, max_value_characters=1000)
    (properties,), _, _ = await reading(case, {"/": response(body.encode())}, everything, wide)
    assert properties["text"] == "x" * 500


async def _properties(client: http.Client) -> AsyncIterator[list[Any]]:
    async for page in FeatureService(client).pages("levels", Schema(), 2):
        yield [feature.properties for feature in page.features]


async def test_texts_of_geojson_are_as_long_as_the_session_wants_them() -> None:
    body = json.dumps(collection([])).replace("[]", '[{"type": "Feature", "properties": {"n": "%s"}}]' % ("x" * 500))
    case = CASES["geojson"]
    for most in (200, 1000):
        limits = replace(LIMITS, max_value_characters=most)
        records, _, _ = await reading(case, {"/": json_response(body)}, everything, limits)
        assert records == ["x" * min(500, most)]
