"""What each protocol gives as a table: the same records, whatever the server. Each protocol adds a row to CASES."""

import csv
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from pyogrio.raw import write_arrow
from servers import dataset, postgresql, pygeoapi
from servers.feature_server import FeatureServer
from servers.json_services import KEY, json_services
from servers.mapserver import MapServer
from servers.postgresql import PostgreSQLServer
from servers.pygeoapi import PygeoapiServer
from servers.s3 import S3Server
from test_http_files import PASSWORD, RD, USER, files

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind, Dialect, FieldType
from ddtas.data.delivery.reading import CRS, Reader, Selection, SourceField
from ddtas.data.json_service import JsonService
from ddtas.data.kinds.arcgis_feature_server import table as arcgis_feature_server
from ddtas.data.kinds.geopackage import table as geopackage
from ddtas.data.kinds.http_csv import table as http_csv
from ddtas.data.kinds.http_geojson import table as http_geojson
from ddtas.data.kinds.http_json import table as http_json
from ddtas.data.kinds.http_parquet import table as http_parquet
from ddtas.data.kinds.ogc_api_features import table as ogc_api_features
from ddtas.data.kinds.postgresql import table as postgresql_table
from ddtas.data.kinds.s3 import table as s3
from ddtas.data.kinds.wfs import table as wfs
from ddtas.data.session import Limits, Session, SourceReason, Target
from ddtas.errors import SourceError

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
LIMITS = Limits(deadline_seconds=120, max_bytes=2**30, max_document_bytes=2**24, max_requests=10_000)
CONTRACT = DataContract(version="1.0.0")
TYPES = {
    "id": FieldType.INTEGER,
    "name": FieldType.STRING,
    "level": FieldType.NUMBER,
    "measured_at": FieldType.TIMESTAMP,
    "inspected_on": FieldType.DATE,
}
TIME = SourceField("measured_at", FieldType.TIMESTAMP)
NEWEST = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Source:
    """A server with the rows of servers.dataset.

    Attributes:
        target: of the session.
        rows: that are there.
        dialect: of text files.
        crs: that the batches tell; None where they tell none, or there is no geometry.
        epsg: of the geometries; None where there are none.
    """

    target: Target
    rows: list[dataset.Row]
    dialect: Dialect | None = None
    crs: str | None = None
    epsg: int | None = None


@dataclass(frozen=True)
class Case:
    """One protocol: its reader, and a server with the rows, in a folder."""

    read: Reader
    serve: Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Source]]


def file(kind: DataKind, url: str, **attributes: Any) -> Source:
    auth = Credentials.model_validate({"secretName": "files", "scheme": "Basic"})
    target = Target(kind, url, CONTRACT, auth=auth, secret={"username": USER, "password": PASSWORD})
    return Source(target, dataset.rows(NEWEST), **attributes)


def csv_text(delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, dataset.COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(row.properties() for row in dataset.rows(NEWEST))
    return text.getvalue()


@asynccontextmanager
async def _csv(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    (folder / "levels.csv").write_text(csv_text())
    async with files(folder) as url:
        yield file(DataKind.HTTP_CSV, f"{url}/levels.csv")


@asynccontextmanager
async def _csv_in_a_dialect(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    """As KNMI writes: lines before, a header in a comment, spaces; and as others do: semicolons, Windows."""
    header, _, rest = csv_text(";").partition("\r\n")
    text = (
        f"BRON: proef\r\n# über alles\r\n#  {header.replace(';', ' ;  ')}\r\n#\r\n{rest.replace(';', ' ; ')}# end\r\n"
    )
    (folder / "levels.csv").write_bytes(text.encode("cp1252"))
    dialect = {"delimiter": ";", "commentPrefix": "#", "skipRows": 1, "skipInitialSpace": True}
    async with files(folder) as url:
        yield file(
            DataKind.HTTP_CSV,
            f"{url}/levels.csv",
            dialect=Dialect.model_validate({**dialect, "encoding": "windows-1252"}),
        )


def parquet_file(path: Path) -> None:
    rows = dataset.rows(NEWEST)
    data = pa.table({name: [getattr(row, name) for row in rows] for name in dataset.COLUMNS})
    data = data.append_column("place", [shapely.to_wkb([shapely.Point(row.x, row.y) for row in rows])])
    column = {"encoding": "WKB", "geometry_types": ["Point"], "crs": RD}
    geo = {"version": "1.1.0", "primary_column": "place", "columns": {"place": column}}
    pq.write_table(data.replace_schema_metadata({"geo": json.dumps(geo)}), path, row_group_size=70)


@asynccontextmanager
async def _parquet(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    parquet_file(folder / "levels.parquet")
    async with files(folder) as url:
        yield file(DataKind.HTTP_PARQUET, f"{url}/levels.parquet", crs="EPSG:28992", epsg=dataset.RD)


@asynccontextmanager
async def _geojson(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    text = dataset.geojson(dataset.rows(NEWEST), dataset.RD)
    (folder / "levels.geojson").write_text(json.dumps(dict(reversed(json.loads(text).items()))))  # crs comes first
    async with files(folder) as url:
        yield file(DataKind.HTTP_GEOJSON, f"{url}/levels.geojson", crs="EPSG:28992", epsg=dataset.RD)


@asynccontextmanager
async def _s3(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    """Two objects under a prefix, and one of another format beside them."""
    server: S3Server = request.getfixturevalue("s3")
    header, *lines = csv_text().splitlines(keepends=True)
    parts = {"a.csv": lines[:100], "b.csv": lines[100:]}
    for name, part in parts.items():
        answer = server.ask(
            "PUT", f"{server.bucket}/tables/{name}", server.owner, body="".join([header, *part]).encode()
        )
        assert answer.status == 200
    assert server.ask("PUT", f"{server.bucket}/tables/README.txt", server.owner, body=b"levels").status == 200
    auth = Credentials.model_validate({"secretName": "s3", "scheme": "SigV4", "region": server.region})
    secret = {"access-key-id": server.reader.access_key, "secret-access-key": server.reader.secret_key}
    endpoint = f"{server.url}/{server.bucket}/tables/"
    yield Source(Target(DataKind.S3, endpoint, CONTRACT, auth=auth, secret=secret), dataset.rows(NEWEST))


@asynccontextmanager
async def _geopackage(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    rows = dataset.rows(NEWEST)
    columns = {name: [getattr(row, name) for row in rows] for name in dataset.COLUMNS}
    columns["geom"] = shapely.to_wkb([shapely.Point(row.x, row.y) for row in rows])
    for layer in ("other", "levels"):
        write_arrow(
            pa.table(columns),
            folder / "levels.gpkg",
            layer=layer,
            driver="GPKG",
            append=layer == "levels",
            geometry_name="geom",
            geometry_type="Point",
            crs="EPSG:28992",
        )
    async with files(folder) as url:
        source = file(DataKind.GEOPACKAGE, f"{url}/levels.gpkg", crs="EPSG:28992", epsg=dataset.RD)
        yield replace(source, target=replace(source.target, physical_name="levels"))


@asynccontextmanager
async def _wfs(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    server: MapServer = request.getfixturevalue("mapserver")
    target = Target(DataKind.WFS, server.url, CONTRACT, "levels")
    yield Source(target, dataset.rows(server.newest), crs="EPSG:28992", epsg=dataset.RD)


def _features(crs: str | None, epsg: int) -> Callable[[pytest.FixtureRequest, Path], Any]:
    @asynccontextmanager
    async def serve(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
        server: PygeoapiServer = request.getfixturevalue("pygeoapi")
        contract = DataContract.model_validate({"version": "1.0.0", **({"crs": crs} if crs else {})})
        target = Target(DataKind.OGC_API_FEATURES, server.url, contract, pygeoapi.LEVELS)
        yield Source(target, dataset.rows(server.newest), crs=crs or "OGC:CRS84", epsg=epsg)

    return serve


RWS = {
    "body": {"Periode": {"Begindatumtijd": "{start}", "Einddatumtijd": "{end}"}},
    "window": {"format": "yyyy-MM-dd'T'HH:mm:ss.SSSxxx", "longest": "PT12H"},
    "rows": ["/WaarnemingenLijst", "/MetingenLijst"],
    "fields": [
        {"name": "id", "pointer": "/Nummer"},
        {"name": "measured_at", "pointer": "/Tijdstip"},
        {"name": "level", "pointer": "/Meetwaarde/Waarde_Numeriek"},
        {"name": "name", "pointer": "2/Locatie/Code"},
        {"name": "inspected_on", "pointer": "2/Locatie/Keuring"},
    ],
    "geometry": {"easting": "2/Locatie/X", "northing": "2/Locatie/Y"},
}
LUCHTMEETNET = {
    "query": [{"name": name, "value": f"{{{name}}}"} for name in ("start", "end", "page")],
    "rows": ["/data"],
    "paging": {"lastPage": "/pagination/last_page"},
}
BAG = {
    "rows": ["/_embedded/metingen"],
    "rowsRequired": False,
    "fields": [{"name": name, "pointer": f"/meting/{name}"} for name in dataset.COLUMNS],
    "geometry": {"pointer": "/meting/geometrie"},
    "paging": {"next": "/_links/next/href"},
}
# A server that there is: the items of pygeoapi, as a stranger to OGC API - Features would read them.
ITEMS = {
    "query": [
        {"name": "f", "value": "json"},
        {"name": "limit", "value": "80"},
        {"name": "offset", "value": "{offset}"},
        {"name": "datetime", "value": "{start}/{end}"},
        {"name": "crs", "value": pygeoapi.RD},
    ],
    "rows": ["/features"],
    "fields": [{"name": name, "pointer": f"/properties/{name}"} for name in dataset.COLUMNS],
    "geometry": {"pointer": "/geometry"},
    "paging": {"total": "/numberMatched"},
}


def _json_target(url: str, service: dict[str, Any], newest: datetime, **contract: Any) -> Target:
    days = {"start": f"{newest - timedelta(days=2):%Y-%m-%d}", "end": f"{newest:%Y-%m-%d}"}
    fields = [{"name": TIME.name, "type": "timestamp"}]
    promised = DataContract.model_validate(
        {"version": "1.0.0", "fields": fields, "temporalExtent": days, "timeZone": "Europe/Amsterdam", **contract}
    )
    auth = Credentials.model_validate({"secretName": "bag", "scheme": "ApiKey"})
    described = JsonService.model_validate(service)
    return Target(DataKind.HTTP_JSON, url, promised, auth=auth, secret={"api-key": KEY}, json_service=described)


def _json(
    path: str, service: dict[str, Any], *, epsg: int | None = None, **attributes: Any
) -> Callable[[pytest.FixtureRequest, Path], Any]:
    @asynccontextmanager
    async def serve(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
        newest = dataset.newest_hour()
        async with json_services(newest) as url:
            target = _json_target(f"{url}{path}", service, newest, **({"crs": f"EPSG:{epsg}"} if epsg else {}))
            yield Source(target, dataset.rows(newest), epsg=epsg, **attributes)

    return serve


@asynccontextmanager
async def _json_of_pygeoapi(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    server: PygeoapiServer = request.getfixturevalue("pygeoapi")
    target = _json_target(f"{server.url}/collections/{pygeoapi.LEVELS}/items", ITEMS, server.newest)
    yield Source(target, dataset.rows(server.newest), crs="EPSG:28992", epsg=dataset.RD)


@asynccontextmanager
async def _feature_server(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    server: FeatureServer = request.getfixturevalue("feature_server")
    auth = Credentials.model_validate({"secretName": "gis", "scheme": "Bearer"})
    contract = DataContract.model_validate({"version": "1.0.0", "crs": "EPSG:4326"})
    target = Target(DataKind.ARCGIS_FEATURE_SERVER, server.layer, contract, auth=auth, secret={"token": server.token})
    yield Source(target, dataset.rows(server.newest), crs="EPSG:4326", epsg=dataset.WGS84)


@asynccontextmanager
async def _postgresql(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Source]:
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    auth = Credentials.model_validate({"secretName": "database", "scheme": "Basic"})
    secret = {"username": postgresql.READER.user, "password": postgresql.READER.password}
    name = f"{postgresql.SCHEMA}.{postgresql.TABLE}"
    target = Target(DataKind.POSTGRESQL, f"{server.url}?sslmode=disable", CONTRACT, name, auth, secret)
    yield Source(target, dataset.rows(server.newest), crs="EPSG:28992", epsg=dataset.RD)


CASES = {
    "csv": Case(http_csv.batches, _csv),
    "csv-dialect": Case(http_csv.batches, _csv_in_a_dialect),
    "geojson": Case(http_geojson.batches, _geojson),
    "geopackage": Case(geopackage.batches, _geopackage),
    "s3": Case(s3.batches, _s3),
    "wfs": Case(wfs.batches, _wfs),
    "ogc-api-features": Case(ogc_api_features.batches, _features("EPSG:28992", dataset.RD)),
    "ogc-api-features-degrees": Case(ogc_api_features.batches, _features(None, dataset.WGS84)),
    "arcgis-feature-server": Case(arcgis_feature_server.batches, _feature_server),
    "json-rws": Case(http_json.batches, _json("/rws", RWS, epsg=dataset.RD)),
    "json-luchtmeetnet": Case(http_json.batches, _json("/luchtmeetnet", LUCHTMEETNET)),
    "json-bag": Case(http_json.batches, _json("/bag", BAG, epsg=dataset.RD, crs="EPSG:28992")),
    "json-pygeoapi": Case(http_json.batches, _json_of_pygeoapi),
    "postgresql": Case(postgresql_table.batches, _postgresql),
    "parquet": Case(http_parquet.batches, _parquet),
}


async def table(
    case: Case,
    source: Source,
    folder: Path,
    limits: Limits = LIMITS,
    names: tuple[str, ...] = dataset.COLUMNS,
    **options: Any,
) -> pa.Table:
    """All that a reader gives; its batches are of one schema, and it leaves no files."""
    work = folder / "work"
    os.makedirs(work, exist_ok=True)
    fields = tuple(SourceField(name, TYPES.get(name, FieldType.STRING)) for name in names)
    selection = Selection(fields, work, time=TIME, dialect=source.dialect, **options)
    session = Session(source.target, limits, LOOPBACK)
    batches = [batch async for batch in case.read(session, selection)]
    assert not os.listdir(work)
    return pa.Table.from_batches(batches)


def typed(column: pa.ChunkedArray, name: str) -> list[Any]:
    """Values as the dataset has them, whether the reader gave texts or types."""
    return [None if value is None else _typed(value, TYPES[name]) for value in column.to_pylist()]


def _typed(value: Any, kind: FieldType) -> Any:
    match kind:
        case FieldType.INTEGER:
            return int(value)
        case FieldType.NUMBER:
            return float(value)
        case FieldType.TIMESTAMP:
            return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)
        case FieldType.DATE:
            return value if isinstance(value, date) else date.fromisoformat(value)
    return value


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
async def source(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Source]:
    async with case.serve(request, tmp_path) as found:
        yield found


async def test_all_rows_once_with_their_values(case: Case, source: Source, tmp_path: Path) -> None:
    read = await table(case, source, tmp_path, geometry=source.epsg is not None)
    assert read.column_names == [*dataset.COLUMNS, *(["geometry"] if source.epsg else [])]
    columns = [typed(read[name], name) for name in dataset.COLUMNS]
    expected = [tuple(getattr(row, name) for name in dataset.COLUMNS) for row in source.rows]
    assert sorted(zip(*columns, strict=True), key=lambda row: row[0]) == expected
    if source.epsg:
        assert (read.schema.metadata or {}).get(CRS) == (source.crs.encode() if source.crs else None)
        places = dict(zip(columns[0], shapely.from_wkb(read["geometry"].to_pylist()), strict=True))
        in_rd = source.epsg == dataset.RD
        for row in source.rows:
            x, y = (row.x, row.y) if in_rd else (row.longitude, row.latitude)
            assert (places[row.id].x, places[row.id].y) == pytest.approx((x, y), abs=0.01 if in_rd else 1e-6)


async def test_only_the_columns_that_are_asked_for(case: Case, source: Source, tmp_path: Path) -> None:
    read = await table(case, source, tmp_path, names=("level", "id"))
    assert read.column_names == ["level", "id"]
    assert sum(value is None for value in read["level"].to_pylist()) == dataset.NULLS


async def test_a_window_loses_no_row_of_its_own(case: Case, source: Source, tmp_path: Path) -> None:
    start, end = source.rows[100].measured_at, source.rows[200].measured_at
    read = await table(case, source, tmp_path, start=start, end=end)
    inside = {row.id for row in source.rows if start <= row.measured_at < end}
    assert inside <= set(typed(read["id"], "id"))


async def test_a_wfs_that_counts_before_a_period_is_asked_for(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether MapServer filters by times or does not, no row of the period is lost."""
    monkeypatch.setattr("ddtas.data.kinds.wfs.window._WORTH", 100)
    monkeypatch.setattr("ddtas.data.kinds.wfs.window._WIDER", timedelta(hours=1))
    case = CASES["wfs"]
    async with case.serve(request, tmp_path) as source:
        start, end = source.rows[100].measured_at, source.rows[130].measured_at
        read = await table(case, source, tmp_path, start=start, end=end)
    inside = {row.id for row in source.rows if start <= row.measured_at < end}
    assert inside <= set(typed(read["id"], "id"))
    print(f"{read.num_rows} of {len(source.rows)} rows came for {len(inside)}")


async def test_a_field_that_is_not_there(case: Case, source: Source, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await table(case, source, tmp_path, names=("id", "depth"))
    assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND
    assert "depth" in caught.value.message
    assert "level" in caught.value.message


async def test_more_bytes_than_may_be_fetched(case: Case, source: Source, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await table(case, source, tmp_path, replace(LIMITS, max_bytes=2000))
    assert caught.value.reason in (SourceReason.RESOURCE_EXHAUSTED, SourceReason.MALFORMED_DATA)
