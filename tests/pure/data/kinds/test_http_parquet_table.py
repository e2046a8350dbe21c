"""Parquet as a table: its types, and what is broken. The rows themselves: tests/protocols/test_tables.py."""

import io
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from probes_kit import LIMITS, LOOPBACK, response, serving, target

from ddtas.data.contract import FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.http_parquet.table import batches
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError


def parquet(columns: dict[str, Any], **metadata: str) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata or None), file, row_group_size=2)
    return file.getvalue()


async def read(body: bytes, folder: Path, *names: str, geometry: bool = False) -> pa.Table:
    fields = tuple(SourceField(name, FieldType.STRING) for name in names)
    async with serving(response(body)) as server:
        session = Session(target(server.url()), LIMITS, LOOPBACK)
        found = [batch async for batch in batches(session, Selection(fields, folder, geometry=geometry))]
    return pa.Table.from_batches(found)


async def test_types_are_plain_ones(tmp_path: Path) -> None:
    body = parquet(
        {
            "dictionary": pa.array(["x", "y", "x"]).dictionary_encode(),
            "large": pa.array(["x", None, "z"], pa.large_string()),
            "bytes": pa.array([b"x", b"y", b"z"]),
            "decimal": pa.array([Decimal("1.10"), None, Decimal("2.00")]),
            "zoned": pa.array([datetime(2026, 1, 1)] * 3, pa.timestamp("ms", "Europe/Amsterdam")),
            "local": pa.array([datetime(2026, 1, 1)] * 3, pa.timestamp("us")),
            "list": pa.array([[1, 2], None, []]),
            "struct": pa.array([{"a": 1.5}, {"a": None}, None]),
            "half": pa.array([1.5, 2.5, None], pa.float32()).cast(pa.float16()),
            "a.b": pa.array([1, 2, 3], pa.int8()),
        }
    )
    names = ("dictionary", "large", "bytes", "decimal", "zoned", "local", "list", "struct", "half", "a.b")
    found = await read(body, tmp_path, *names)
    assert [str(kind) for kind in found.schema.types] == [
        "string", "string", "string", "decimal128(3, 2)", "timestamp[ms, tz=Europe/Amsterdam]", "timestamp[us]",
        "string", "string", "float", "int8",
    ]  # fmt: skip
    assert found["list"].to_pylist() == ["[1, 2]", None, "[]"]
    assert found["struct"].to_pylist() == ['{"a": 1.5}', '{"a": null}', None]
    assert found["dictionary"].to_pylist() == ["x", "y", "x"]
    assert not os.listdir(tmp_path)


async def test_no_rows(tmp_path: Path) -> None:
    found = await read(parquet({"a": pa.array([], pa.int64())}), tmp_path, "a")
    assert (found.num_rows, found.schema.names) == (0, ["a"])


async def test_no_geometry(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read(parquet({"a": [1]}), tmp_path, "a", geometry=True)
    assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND


def _middle_zeroed(body: bytes) -> bytes:
    return body[:8] + bytes(60) + body[68:]


@pytest.mark.parametrize(
    "body",
    [
        b"a,b\n1,2\n",
        parquet({"a": list(range(1000))})[:-20],
        parquet({"a": list(range(1000))})[200:],
        _middle_zeroed(parquet({"a": list(range(1000))})),
        parquet({"a": [b"\xff\xfe"]}),
    ],
)
async def test_malformed(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read(body, tmp_path, "a")
    assert caught.value.reason == SourceReason.MALFORMED_DATA
    assert not os.listdir(tmp_path)
