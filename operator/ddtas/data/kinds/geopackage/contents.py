"""The tables of a GeoPackage, by SQLite: https://www.geopackage.org/spec140/

The file is a stranger's: only processes that may break open it (`ddtas.confined`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.kinds.geopackage.reader import malformed
from ddtas.data.session import Session

_LAYERS = 256
_COLUMNS = 1024
_TYPES: Mapping[str, FieldType] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER"), FieldType.INTEGER),
    **dict.fromkeys(("FLOAT", "DOUBLE", "REAL"), FieldType.NUMBER),
    "BOOLEAN": FieldType.BOOLEAN,
    "DATE": FieldType.DATE,
    "DATETIME": FieldType.TIMESTAMP,
}
_GEOMETRIES = {kind.value.upper(): kind for kind in GeometryType if kind is not GeometryType.MESH}


@dataclass(frozen=True)
class Layer:
    """A layer: its columns without the geometry, and what it says of the geometry; hostile.

    Attributes:
        fields: types by name, as they are declared.
        box: minimum x, minimum y, maximum x, maximum y, or nothing.
    """

    name: str
    fields: Mapping[str, FieldType]
    geometry_type: GeometryType | None
    crs: str | None
    box: tuple[Any, ...]


class Contents:
    """The tables of a GeoPackage."""

    def __init__(self, database: sqlite3.Connection, session: Session) -> None:
        self._database = database
        self._session = session

    @classmethod
    @contextmanager
    def opened(cls, body: bytearray, session: Session) -> Iterator["Contents"]:
        """Open the bytes of a whole file.

        Raises:
            SourceError: MalformedData where it cannot be read; also inside of the context.
        """
        body[18:20] = b"\1\1"  # a journal beside the file, which we do not have, would be needed otherwise
        try:
            with closing(sqlite3.connect(":memory:")) as database:
                database.deserialize(bytes(body))
                database.execute("PRAGMA trusted_schema=OFF")
                database.execute("PRAGMA query_only=ON")
                yield cls(database, session)
        except (sqlite3.Error, OverflowError, UnicodeDecodeError):
            raise malformed(session, "its tables are broken") from None

    def names(self) -> list[str]:
        """The first 256 layers, with geometry or without."""
        query = "SELECT table_name FROM gpkg_contents WHERE data_type IN ('features', 'attributes') LIMIT ?"
        return [name for (name,) in self._database.execute(query, (_LAYERS,)) if isinstance(name, str)]

    def layer(self, name: str) -> Layer:
        """What is said of a layer."""
        query = "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?"
        box = self._database.execute(query, (name,)).fetchone() or ()
        column = kind = crs = None
        # A file of attributes alone need not have this table.
        if self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'gpkg_geometry_columns'").fetchone():
            query = "SELECT column_name, geometry_type_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?"
            column, kind, srs = self._database.execute(query, (name,)).fetchone() or (None, None, None)
            crs = self._crs(srs)
        columns = self._database.execute("SELECT name, type FROM pragma_table_info(?) LIMIT ?", (name, _COLUMNS))
        fields = {field: _type(declared) for field, declared in columns if field != column}
        if not fields:
            raise malformed(self._session, "its layer has no table")
        return Layer(name, fields, _GEOMETRIES.get(str(kind).upper()), crs, box)

    def sample(self, layer: Layer, most: int, take: Callable[[Mapping[str, Any]], None]) -> bool:
        """Hand on the first rows, as JSON has values.

        Returns:
            Whether these are all.
        """
        columns = ", ".join(map(_quoted, layer.fields))
        rows = self._database.execute(f"SELECT {columns} FROM {_quoted(layer.name)}")  # noqa: S608 - quoted
        for number, row in enumerate(rows):
            if number == most:
                return False
            take({name: _value(value, kind) for (name, kind), value in zip(layer.fields.items(), row, strict=True)})
        return True

    def count(self, layer: Layer) -> int:
        """The number of rows."""
        query = f"SELECT count(*) FROM {_quoted(layer.name)}"  # noqa: S608 - quoted
        return int(self._database.execute(query).fetchone()[0])

    def _crs(self, srs: Any) -> str | None:
        query = "SELECT organization, organization_coordsys_id FROM gpkg_spatial_ref_sys WHERE srs_id = ?"
        match self._database.execute(query, (srs,)).fetchone():
            case (str(authority), int(code)) if code > 0:
                return geo.crs_name(f"{authority.upper()}:{code}"[:200])
        return None


def _type(declared: Any) -> FieldType:
    return _TYPES.get(str(declared).upper().partition("(")[0].strip(), FieldType.STRING)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _value(value: Any, kind: FieldType) -> Any:
    if kind is FieldType.BOOLEAN and value in (0, 1):
        return bool(value)
    return "(bytes)" if isinstance(value, bytes) else value
