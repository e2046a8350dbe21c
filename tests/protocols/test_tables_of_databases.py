"""Rows of PostgreSQL as a table: values as they are, whatever they hold, and the period that was asked for."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from servers import postgresql as database
from servers.postgresql import PostgreSQLServer
from test_tables import CONTRACT, LIMITS, LOOPBACK

from ddtas.data.contract import Credentials, DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.readers import READERS
from ddtas.data.session import Session, SourceReason, Target
from ddtas.errors import SourceError


@pytest.fixture(scope="module")
def values(postgresql: PostgreSQLServer) -> PostgreSQLServer:
    postgresql.execute(
        "CREATE SCHEMA texts",
        f"GRANT USAGE ON SCHEMA texts TO {database.READER.user}",
        'CREATE TABLE texts.odd (n int, "a ""quoted"", name" text, flag boolean, list int[], document jsonb,'
        " at timestamptz, local timestamp, day date)",
        "INSERT INTO texts.odd VALUES"
        " (1, NULL, true, '{1,2}', '{\"a\": null}', '2024-10-27 02:30+01', '2024-10-27 02:30', '2024-10-27'),"
        " (2, '', false, NULL, NULL, 'infinity', NULL, NULL),"
        " (3, E'two\\nlines, and \"quotes\"', NULL, '{}', NULL, '2024-10-28Z', '2024-10-28', '2024-10-28'),"
        " (4, '\\.', NULL, NULL, NULL, NULL, NULL, NULL)",
        "CREATE TABLE texts.shapes AS SELECT g AS n, ST_Buffer(ST_MakePoint(g, 0), 1, 50000) AS geom"
        " FROM generate_series(1, 3) g UNION ALL SELECT 4, NULL",
        f"GRANT SELECT ON texts.odd, texts.shapes TO {database.READER.user}",
        f"ALTER ROLE {database.READER.user} SET datestyle = 'German'",
    )
    return postgresql


async def rows(
    server: PostgreSQLServer, folder: Path, *names: str, table: str = "odd", **options: Any
) -> list[tuple[Any, ...]]:
    auth = Credentials.model_validate({"secretName": "database", "scheme": "Basic"})
    secret = {"username": database.READER.user, "password": database.READER.password}
    target = Target(DataKind.POSTGRESQL, f"{server.url}?sslmode=disable", CONTRACT, f"texts.{table}", auth, secret)
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    read = READERS[target.kind](Session(target, LIMITS, LOOPBACK), Selection(fields, folder, **options))
    found = pa.Table.from_batches([batch async for batch in read])
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


async def test_texts_as_they_are(values: PostgreSQLServer, tmp_path: Path) -> None:
    name = 'a "quoted", name'
    assert await rows(values, tmp_path, name) == [(None,), ("",), ('two\nlines, and "quotes"',), ("\\.",)]


async def test_values_as_json_and_iso_8601_have_them(values: PostgreSQLServer, tmp_path: Path) -> None:
    read = await rows(values, tmp_path, "n", "flag", "list", "document", "at", "local", "day")
    assert read == [
        ("1", "true", "[1,2]", '{"a": null}', "2024-10-27T01:30:00+00:00", "2024-10-27T02:30:00", "2024-10-27"),
        ("2", "false", None, None, "infinity", None, None),
        ("3", None, "[]", None, "2024-10-28T00:00:00+00:00", "2024-10-28T00:00:00", "2024-10-28"),
        ("4", None, None, None, None, None, None),
    ]


@pytest.mark.parametrize("name", ["at", "local", "day"])
async def test_only_rows_of_the_period_are_asked_for(values: PostgreSQLServer, tmp_path: Path, name: str) -> None:
    time = SourceField(name, FieldType.TIMESTAMP)
    start, end = datetime(2024, 10, 27, 1, 30, tzinfo=UTC), datetime(2024, 10, 27, 2, tzinfo=UTC)
    read = {n for (n,) in await rows(values, tmp_path, "n", time=time, start=start, end=end)}
    assert read == ({"1"} if name == "at" else {"1", "3"})
    far: dict[str, Any] = {"start": start.replace(year=2023), "end": end.replace(year=2023)}
    assert await rows(values, tmp_path, "n", time=time, **far) == []


async def test_a_table_without_geometries(values: PostgreSQLServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await rows(values, tmp_path, "n", geometry=True)
    assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND
    assert "geometry" in caught.value.message


async def test_shapes_of_a_few_megabytes(values: PostgreSQLServer, tmp_path: Path) -> None:
    *shapes, (_, nothing) = await rows(values, tmp_path, "n", table="shapes", geometry=True)
    assert [round(shapely.from_wkb(wkb).centroid.x) for _, wkb in shapes] == [1, 2, 3]
    assert all(len(wkb) > 2**21 for _, wkb in shapes)
    assert nothing is None
