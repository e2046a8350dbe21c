"""GeoParquet metadata (https://geoparquet.org/releases/v1.1.0/): the value of the key `geo` in the footer. Pure."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ddtas.data.facts import geo


@dataclass(frozen=True)
class GeoMetadata:
    """The geometry columns, and the primary one: its name, and what is said of it; None where that is not usable."""

    columns: frozenset[str] = frozenset()
    name: str = ""
    primary: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, text: str | None) -> "GeoMetadata":
        """From its JSON; without usable columns where that is not what GeoParquet has there."""
        with suppress(ValueError, RecursionError):
            match json.loads(text or "null"):
                case {"columns": dict(columns), "primary_column": str(name)}:
                    primary = columns.get(name)
                    return cls(frozenset(columns), name, primary if isinstance(primary, dict) else None)
        return cls()

    def crs(self) -> str | None:
        """That of the primary column. Left out, it is OGC:CRS84; null, it is not known; else PROJJSON."""
        if self.primary is None:
            return None
        if "crs" not in self.primary:
            return geo.CRS84
        match self.primary["crs"]:
            case {"id": {"authority": str(authority), "code": int(code) | str(code)}}:
                return geo.crs_name(f"{authority}:{code}"[:200])
        return None
