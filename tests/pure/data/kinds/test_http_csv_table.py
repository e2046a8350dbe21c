"""CSV as a table: dialects, and what is broken. The rows themselves: tests/protocols/test_tables.py."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, Answer, response, serving, target

from ddtas.data.contract import DataContract, Dialect, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.kinds.http_csv.table import batches
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError


async def read(
    answer: Answer, folder: Path, names: Sequence[str] = ("a", "b"), contract: Sequence[str] = (), **dialect: Any
) -> list[tuple[str | None, ...]]:
    kinds = {"n": FieldType.NUMBER}
    fields = tuple(SourceField(name, kinds.get(name, FieldType.STRING)) for name in names)
    promised = DataContract.model_validate(
        {"version": "1.0.0", "fields": [{"name": name, "type": "string"} for name in contract]}
    )
    async with serving(answer) as server:
        session = Session(target(server.url(), contract=promised), LIMITS, LOOPBACK)
        selection = Selection(fields, folder, dialect=Dialect.model_validate(dialect) if dialect else None)
        found = [batch async for batch in batches(session, selection)]
    assert all(batch.schema.names == list(names) for batch in found)
    return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


def csv(body: bytes) -> bytes:
    return response(body, "Content-Type: text/csv")


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        (b"a,b\n1,x\n2,\n", {}),
        (b"\xef\xbb\xbfa,b\r\n1,x\r\n2,", {}),
        (b'"b";"c";"a"\n"x";"";"1"\n;;2\n', {"delimiter": ";"}),
        (b"\na\tb\n\n1\tx\n\n2\t\n", {"delimiter": "\t"}),
        (b"a,b\n'1','x'\n2,''\n", {"quoteChar": "'"}),
        (b"junk, with, commas\n\na,b\n1,x\n2,\n", {"skipRows": 1}),
        (b"# by us\n# a , b\n#\n1,x\n#9,9\n2,\n# end", {"commentPrefix": "#"}),
        (b"# by us\na,b\n1,x\n2,\n", {"commentPrefix": "#"}),
        (b"a, b\n  1, x \n 2 ,  \n", {"skipInitialSpace": True}),
        ("a,b\n1,x\n2,\n".encode("utf-16"), {"encoding": "utf-16"}),
    ],
)
async def test_ways_to_write_the_same(body: bytes, dialect: dict[str, Any], tmp_path: Path) -> None:
    assert await read(csv(body), tmp_path, **dialect) == [("1", "x"), ("2", None)]
    assert not os.listdir(tmp_path)


async def test_without_a_header_the_contract_names_the_columns(tmp_path: Path) -> None:
    assert await read(csv(b"x,1\ny,2\n"), tmp_path, ("a",), contract=("b", "a"), header=False) == [("1",), ("2",)]


async def test_a_comment_in_quotes_is_data(tmp_path: Path) -> None:
    body = b'a,b\n"1\n# no comment",x\n# one\n2,y\n'
    assert await read(csv(body), tmp_path, commentPrefix="#") == [("1\n# no comment", "x"), ("2", "y")]


async def test_values_are_as_they_were_written(tmp_path: Path) -> None:
    body = 'n,a,ø\n"1.234,50",NaN,é\nNaN,-9999,x\n'.encode("iso-8859-1")
    rows = await read(csv(body), tmp_path, ("n", "a", "ø"), encoding="iso-8859-1")
    assert rows == [("1.234,50", "NaN", "é"), (None, "-9999", "x")]  # a number that is none is no value


async def test_quotes_in_comments_and_before_the_header_count_for_nothing(tmp_path: Path) -> None:
    body = b'a "title\n# 5" wide\na,b\n1,x\n# one more "\n2,y\n'
    assert await read(csv(body), tmp_path, skipRows=1, commentPrefix="#") == [("1", "x"), ("2", "y")]


async def test_no_rows(tmp_path: Path) -> None:
    assert await read(csv(b"a,b\n"), tmp_path) == []
    assert await read(csv(b"# a,b\n"), tmp_path, commentPrefix="#") == []


MALFORMED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "a row too long": (b"a,b\n1,x\n1,2,3\n", {}, "record 2 has 3 values where there are 2"),
    "a row too short": (b"a,b\n1\n", {}, "record 1 has 1 values"),
    "a quote that is not closed": (b'a,b\n1,"x\n2,y\n', {}, "ends inside quotes"),
    "no UTF-8": (b"a,b\n1,\xe9\n", {}, "encoding"),
    "a name twice": (b"a,b,a\n1,x,2\n", {}, "several columns are named a"),
    "nothing": (b"", {}, "no header"),
    "only comments": (b"#\n", {"commentPrefix": "#"}, "no header"),
    "no header and no contract": (b"1,x\n", {"header": False}, "names no fields"),
    "a long record": (b"a,b\n1," + b"x" * 3_000_000 + b"\n", {}, "its records cannot be read"),
    "a long header": (b"a,b" + b"x" * 3_000_000 + b"\n1,2\n", {}, "its header has more than"),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed(name: str, tmp_path: Path) -> None:
    body, dialect, words = MALFORMED[name]
    with pytest.raises(SourceError) as caught:
        await read(csv(body), tmp_path, **dialect)
    assert caught.value.reason == SourceReason.MALFORMED_DATA
    assert words in caught.value.message


@pytest.mark.parametrize("body", [b"<html>", b'  {"a": 1}', b"a,b\n\0,1\n"])
async def test_something_else(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read(csv(body), tmp_path)
    assert caught.value.reason == SourceReason.UNEXPECTED_CONTENT


async def _breaks_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\na,b\n1,x\n")
    await writer.drain()


async def _breaks_off_in_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\na,b\n1,x\n\r\n")
    await writer.drain()


async def _tells_no_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na,b\n1,x\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_breaks_off, SourceReason.UNREACHABLE),
        (_breaks_off_in_chunks, SourceReason.UNREACHABLE),
        (_tells_no_end, SourceReason.UNEXPECTED_CONTENT),
    ],
)
async def test_what_ends_in_the_middle_is_no_short_table(answer: Answer, reason: SourceReason, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read(answer, tmp_path)
    assert caught.value.reason == reason
