"""The daily series of the data supplier: fetched with limits, checked before anything is computed from it.

A source is not trusted: it may be slow, endless, someone's login page or simply wrong. Every refusal says the line.
"""

from __future__ import annotations

import asyncio
import csv
import io
import math
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from .contract import AppError, Binding, Window
from .model import Series

TYPE = "http-csv"
DEADLINE_SECONDS = 60.0
MAX_BYTES = 8 << 20
MAX_DAYS = 100_000
COLUMNS = {"precipitation_mm": 2_000.0, "potential_evapotranspiration_mm": 100.0, "discharge_m3s": 500_000.0}
"""Columns beside ``date``, with a value that nothing on Earth exceeds in a day: a higher one is a wrong unit."""
DAY = timedelta(days=1)


class DataError(AppError):
    """The data source does not deliver what was agreed."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row a day without gaps, from ``start`` on; all series have shape (days,)."""

    start: date
    precipitation: list[float]
    """[mm/d]; complete, as the model needs every day."""
    evapotranspiration: list[float]
    """Potential evapotranspiration [mm/d]; complete too."""
    observed: Series
    """Discharge [m3/s]; NaN where the gauge has none."""

    @property
    def end(self) -> date:
        """The last day."""
        return self.start + DAY * (len(self.precipitation) - 1)

    @property
    def dates(self) -> list[date]:
        """All days."""
        return [self.start + DAY * i for i in range(len(self.precipitation))]

    @property
    def span(self) -> Window:
        """First to last day."""
        return Window(self.start, self.end)

    def slice(self, window: Window) -> slice:
        """The part of the series in ``window``, which may reach over the ends of the record.

        :raises DataError: if no day of the window is in the record.
        """
        first, last = (window.start - self.start).days, (window.end - self.start).days
        if last < 0 or first >= len(self.precipitation):
            raise DataError(f"the data go from {self.start} to {self.end}; no day of the window {window} is in them")
        return slice(max(first, 0), min(last + 1, len(self.precipitation)))


async def fetch(binding: Binding) -> bytes:
    """Get the bound CSV: within ``DEADLINE_SECONDS`` in all, at most ``MAX_BYTES``, following no redirect.

    A redirect would hand the credentials, or this pod's place in the network, to an address that nobody approved.

    :raises DataError: if it does not come.
    """
    try:
        parts = urlsplit(binding.uri)
    except ValueError as error:
        raise DataError(f"the binding's uri is not a valid address: {error}") from None
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if binding.type != TYPE:
        raise DataError(f"the binding's type is {binding.type!r}; this app reads {TYPE!r}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DataError(f"{where[:200]!r} is not an http or https address")
    if parts.username or parts.password:
        raise DataError(f"{where}: the uri carries credentials; put them in the entries username and password instead")
    headers = {"Accept": "text/csv", "Accept-Encoding": "identity"}
    if binding.token:
        headers["Authorization"] = f"Bearer {binding.token}"
    elif binding.username is not None:
        headers["Authorization"] = aiohttp.encode_basic_auth(binding.username, binding.password or "")
    body = bytearray()
    try:
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            aiohttp.ClientSession(
                auto_decompress=False, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
            session.get(binding.uri, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise DataError(f"{where} answered {response.status}{_advice(response.status)}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise DataError(
                    f"{where} sent compressed data although none was asked for; a size limit needs it plain"
                )
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise DataError(
                        f"{where} sends more than {MAX_BYTES} bytes; a daily series of a century is smaller"
                    )
    except TimeoutError:
        raise DataError(f"{where} did not deliver within {DEADLINE_SECONDS:g} s ({len(body)} bytes came)") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise DataError(f"{where} cannot be read: {error or type(error).__name__}") from None
    return bytes(body)


def parse(content: bytes) -> Record:
    """Check a CSV with the columns ``date`` and ``COLUMNS`` (others are ignored, the order is free).

    Dates are ISO, one row a day, ascending, none left out. Only discharge may be missing: empty, or NaN.

    :raises DataError: with the number of the line that is wrong.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"the data are not UTF-8: byte {error.start} is {content[error.start]:#04x}") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    dates: list[date] = []
    series: dict[str, list[float]] = {name: [] for name in COLUMNS}
    try:
        header = [name.strip() for name in next(rows, [])]
        if missing := [name for name in ("date", *COLUMNS) if name not in header]:
            raise DataError(f"line 1: no column {', '.join(missing)}; the header is {','.join(header)[:120]!r}")
        if len(set(header)) != len(header):
            raise DataError(f"line 1: a column name appears twice in {','.join(header)[:120]!r}")
        place = {name: header.index(name) for name in ("date", *COLUMNS)}
        for row in rows:
            line = rows.line_num
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(f"line {line}: {len(row)} fields, but the header has {len(header)}")
            dates.append(_date(row[place["date"]], line, dates[-1] if dates else None))
            if len(dates) > MAX_DAYS:
                raise DataError(f"line {line}: more than {MAX_DAYS} days")
            for name, values in series.items():
                values.append(_value(row[place[name]], name, line))
    except csv.Error as error:
        raise DataError(f"line {rows.line_num}: not CSV: {error}") from None
    if not dates:
        raise DataError("the data have a header but no rows")
    return Record(
        dates[0],
        series["precipitation_mm"],
        series["potential_evapotranspiration_mm"],
        np.array(series["discharge_m3s"]),
    )


async def load(binding: Binding) -> Record:
    """Fetch and check.

    :raises DataError: if either fails.
    """
    content = await fetch(binding)
    return await asyncio.to_thread(parse, content)


def _date(text: str, line: int, before: date | None) -> date:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise DataError(f"line {line}: date {text[:40]!r} is not YYYY-MM-DD") from None
    if before and day <= before:
        raise DataError(f"line {line}: {day} follows {before}; dates must ascend, one row a day")
    if before and day != before + DAY:
        gap = (day - before).days - 1
        raise DataError(
            f"line {line}: {gap} day{'s' if gap > 1 else ''} missing between {before} and {day}; the model needs rain "
            "and evapotranspiration of every day (only discharge may be left empty)"
        )
    return day


def _value(text: str, name: str, line: int) -> float:
    text = text.strip()
    optional = name == "discharge_m3s"
    if text.lower() in ("", "nan"):
        if optional:
            return math.nan
        raise DataError(f"line {line}: {name} is missing; the model needs it every day")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= COLUMNS[name]:
        raise DataError(f"line {line}: {name} is {text[:40]!r}; it must be a number from 0 to {COLUMNS[name]:g}")
    return value


def _advice(status: int) -> str:
    if status in (401, 403):
        return ": the credentials of the binding are missing, wrong or not allowed to read this"
    if 300 <= status < 400:
        return ": a redirect, which is not followed; bind the final address"
    if status == 404:
        return ": nothing there; check the path of the data source"
    return ""
