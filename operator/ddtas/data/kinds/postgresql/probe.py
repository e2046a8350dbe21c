"""Probes a table or view, with PostGIS or without.

How it is reached is in `wire.libpq`. Each statement gives one JSON document of a few kilobytes: counts, extremes, the
times of at most 1,000 records; never another value of the data.
"""

from psycopg import sql
from pydantic import TypeAdapter

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import NO_OFFSET, Axis, Moment, day, iso, local_or_absolute, timestamp
from ddtas.data.facts.records import MAX_FIELDS, NAME
from ddtas.data.kinds.postgresql.catalogue import Checked, Column, Count, PostGIS, Relation, relation, spatial, table_of
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import libpq, libpq_errors

SMALL_ROWS = 100_000  # a table of so many rows and bytes is read as a whole
SMALL_BYTES = 64 * 1024 * 1024
SAMPLE_ROWS = 1000  # of any other

_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)
# Codes of the geometry types in a type modifier of PostGIS, and their names by ST_GeometryType.
_SHAPES: dict[int, GeometryType] = dict(enumerate((kind for kind in GeometryType if kind is not GeometryType.MESH), 1))
_SHAPE_NAMES = {f"ST_{kind}": kind for kind in _SHAPES.values()}


class _Shape(Checked):
    types: tuple[str, ...] | None
    srids: tuple[int, int] | tuple[None, None]
    crs: str | None
    box: tuple[float | str | None, ...]


class _Sample(Checked):
    count: Count
    filled: tuple[Count, ...]
    # Newest first, where the time axis is known to be cheap to sort; else as they are kept.
    moments: tuple[str, ...] | None = None
    oldest: str | None = None
    newest: str | None = None
    shape: _Shape | None = None


_SAMPLE_ANSWER = TypeAdapter(_Sample)


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe a table or view: its columns, and as many of its rows as are cheap to read.

    A table of at most 100,000 rows and 64 MiB is read as a whole. Of any other, and of a view, 1,000 rows are: the
    number of records and the extent are then unknown, and so are the first and last record where no index has them.

    Raises:
        SourceError: with a Reason; those of HTTP excepted.
    """
    schema, table = table_of(session)
    return await libpq.transaction(session, lambda transaction: _sample(session, transaction, schema, table))


async def _sample(session: ProbeSession, transaction: libpq.Transaction, schema: str, table: str) -> SourceFacts:
    described, postgis = await relation(session, transaction, schema, table)
    sampling = _Sampling(session, sql.Identifier(schema, table), described, postgis)
    return sampling.facts(await transaction.ask(_SAMPLE_ANSWER, sampling.query()))


class _Sampling:
    """The question about the rows of one table, and what the answer tells."""

    def __init__(
        self, session: ProbeSession, table: sql.Identifier, described: Relation, postgis: PostGIS | None
    ) -> None:
        self._session = session
        self._table = table
        self._postgis = postgis
        self._storage = described.storage
        shapes = [c for c in described.columns if spatial(c, postgis)]
        self._columns = [c for c in described.columns if NAME.fullmatch(c.name) and c not in shapes][:MAX_FIELDS]
        self._shape = shapes[0] if shapes else None
        self._time = self._time_column()
        small = self._storage.local and self._storage.rows <= SMALL_ROWS and self._storage.size <= SMALL_BYTES
        self._limit = SMALL_ROWS + 1 if small else SAMPLE_ROWS
        self._small = small
        # With row-level security the first row of an index may not be one that the user may see.
        self._indexed = bool(self._time and self._time.indexed and not small and not described.secured)

    def query(self) -> sql.Composed:
        """One statement for all that the rows tell."""
        names = {column.name: sql.Identifier(f"c{number}") for number, column in enumerate(self._columns)}
        chosen = [sql.SQL("{} as {}").format(sql.Identifier(c.name), names[c.name]) for c in self._columns]
        parts = [
            sql.SQL("'count', pg_catalog.count(*)"),
            sql.SQL("'filled', pg_catalog.to_json(array[{}]::bigint[])").format(
                sql.SQL(", ").join(sql.SQL("pg_catalog.count(s.{})").format(name) for name in names.values())
            ),
        ]
        if self._time:
            column = sql.SQL("s.{}").format(names[self._time.name])
            parts.append(self._moments(column, sql.Identifier(self._time.name)))
        if self._shape and self._postgis and self._postgis.usable:
            geometry = sql.Identifier(self._postgis.home, "geometry")
            chosen.append(sql.SQL("{}::{} as g").format(sql.Identifier(self._shape.name), geometry))
            parts.append(self._spatial(self._postgis))
        return sql.SQL("select pg_catalog.json_build_object({}) from (select {} from {} limit {}) s").format(
            sql.SQL(", ").join(parts), sql.SQL(", ").join(chosen), self._table, sql.Literal(self._limit)
        )

    def facts(self, sample: _Sample) -> SourceFacts:
        """What the answer tells.

        Raises:
            SourceError: MalformedData when it does not fit the question.
        """
        if len(sample.filled) != len(self._columns) or max((0, *sample.filled)) > sample.count:
            raise libpq_errors.malformed(self._session, "something else than was asked for")
        complete = sample.count < self._limit
        if not complete:
            self._unknown(self._why_partial(), "records")
        if not self._storage.local:
            self._unknown("it is a view or a foreign table, which has no size of its own", "sizeBytes")
        shape, crs = self._spatial_facts(sample.shape)
        if not complete:
            self._unknown(self._why_partial(), "extent")
        extent = geo.extent(crs, sample.shape.box) if crs and sample.shape and complete else None
        if extent is None:
            self._unknown("the geometries have no extent, or one that no coordinates on Earth have", "extent")
        first, last, step = self._period(sample, complete=complete)
        return self._session.facts(
            SourceFacts(
                fields=tuple(
                    MeasuredField(name=column.name, type=column.field_type, empty=sample.count - filled)
                    for column, filled in zip(self._columns, sample.filled, strict=True)
                ),
                geometry_type=shape,
                crs=(crs,) if crs else (),
                extent=extent,
                records=sample.count if complete else None,
                sampled=sample.count,
                first=first,
                last=last,
                time_resolution=step,
                size_bytes=self._storage.size if self._storage.local else None,
            )
        )

    def _time_column(self) -> Column | None:
        """The first column that should hold days or moments and does; else the first with an index; else the first."""
        promised = {field.name for field in self._session.target.contract.fields if field.type in _TIMES}
        times = [column for column in self._columns if column.field_type in _TIMES]
        return min(times, key=lambda c: (c.name not in promised, not c.indexed), default=None)

    def _moments(self, column: sql.Composed, own: sql.Identifier) -> sql.Composed:
        """The oldest, the newest, and the newest 1,000; of a table without a fit index those of its first rows."""
        if self._indexed:
            return sql.SQL(
                "'oldest', pg_catalog.to_json((select {own} from {table} where {finite} order by 1 limit 1)), "
                "'newest', pg_catalog.to_json((select {own} from {table} where {finite} order by 1 desc limit 1)), "
                "'moments', pg_catalog.to_json(array("
                "select {own} from {table} where {finite} order by 1 desc limit {most}))"
            ).format(
                own=own,
                table=self._table,
                # Not isfinite(): a comparison can use the index.
                finite=sql.SQL("{own} > '-infinity' and {own} < 'infinity'").format(own=own),
                most=sql.Literal(SAMPLE_ROWS),
            )
        finite = sql.SQL("filter (where {column} > '-infinity' and {column} < 'infinity')").format(column=column)
        return sql.SQL(
            "'oldest', pg_catalog.to_json(pg_catalog.min({column}) {finite}), "
            "'newest', pg_catalog.to_json(pg_catalog.max({column}) {finite}), "
            "'moments', pg_catalog.to_json((pg_catalog.array_agg({column} {order}) {finite})[1:{most}])"
        ).format(
            column=column,
            finite=finite,
            order=sql.SQL("order by {} desc").format(column) if self._small else sql.SQL(""),
            most=sql.Literal(SAMPLE_ROWS),
        )

    def _spatial(self, postgis: PostGIS) -> sql.Composed:
        """Type, SRID and box of the geometries. Every name is looked for where PostGIS is, and nowhere else."""
        home = postgis.home
        box = [
            sql.SQL("{}({}(s.g)::{})").format(
                sql.Identifier(home, function), sql.Identifier(home, "st_extent"), sql.Identifier(home, "box3d")
            )
            for function in ("st_xmin", "st_ymin", "st_xmax", "st_ymax")
        ]
        srid = sql.SQL("{}(s.g)").format(sql.Identifier(home, "st_srid"))
        name = sql.SQL(
            "(select r.auth_name || ':' || r.auth_srid from {} r"
            " where r.srid = coalesce({}::pg_catalog.int4, pg_catalog.min({})))"
        ).format(sql.Identifier(home, "spatial_ref_sys"), sql.Literal(self._shape.srid if self._shape else None), srid)
        return sql.SQL(
            "'shape', pg_catalog.json_build_object("
            "'types', pg_catalog.json_agg(distinct {type}(s.g)) filter (where s.g is not null), "
            "'srids', pg_catalog.json_build_array(pg_catalog.min({srid}), pg_catalog.max({srid})), "
            "'crs', {name}, 'box', pg_catalog.json_build_array({box}))"
        ).format(
            type=sql.Identifier(home, "st_geometrytype"),
            srid=srid,
            name=name if postgis.names else sql.SQL("null"),
            box=sql.SQL(", ").join(box),
        )

    def _spatial_facts(self, measured: _Shape | None) -> tuple[GeometryType | None, str | None]:
        if self._shape is None or measured is None:
            why = "it has no column of PostGIS" if self._shape is None else "the user may not use the schema of PostGIS"
            self._unknown(why, "geometryType", "crs", "extent")
            return None, None
        # The type itself is in bits 2 to 7 of the type modifier.
        shape = _SHAPES.get((self._shape.typmod & 0xFC) >> 2) if self._shape.typmod >= 0 else None
        if shape is None:
            kinds = geo.Geometries()
            kinds.types = {_SHAPE_NAMES[name] for name in measured.types or () if name in _SHAPE_NAMES}
            shape = kinds.type() if all(name in _SHAPE_NAMES for name in measured.types or ()) else None
        if shape is None:
            self._unknown("the geometries are of several types, or of none that is known", "geometryType")
        crs = geo.crs_name(measured.crs) if measured.srids[0] == measured.srids[1] else None
        if crs is None:
            self._unknown(
                "the geometries have no SRID, or several, or one that spatial_ref_sys gives no name of EPSG or OGC",
                "crs",
                "extent",
            )
        return shape, crs

    def _period(self, sample: _Sample, *, complete: bool) -> tuple[str | None, str | None, str | None]:
        """The first and last moment, and the step between the newest ones."""
        if self._time is None:
            self._unknown("it has no column of days or moments", "first", "last", "timeResolution")
            return None, None, None
        zone = self._session.target.contract.time_zone

        def read(text: str) -> Moment | None:
            return day(text) or timestamp(text, zone)

        if any(local_or_absolute(text) and not read(text) for text in sample.moments or ()):
            self._unknown(NO_OFFSET.format(self._time.name), "first", "last", "timeResolution")
            return None, None, None
        axis = Axis()
        axis.add([moment for text in sample.moments or () if (moment := read(text))])
        step = axis.resolution()
        if step is None:
            self._unknown(f"the times in {self._time.name} have no step in common", "timeResolution")
        if not complete and not self._indexed:
            self._unknown(f"{self._why_partial()}, and no index begins with {self._time.name}", "first", "last")
            return None, None, step
        first, last = iso(read(sample.oldest or "")), iso(read(sample.newest or ""))
        for fact, end in (("first", first), ("last", last)):
            if end is None:
                self._unknown(f"{self._time.name} has no value that is a day or moment of our calendar", fact)
        return first, last, step

    def _why_partial(self) -> str:
        if self._storage.local:
            return f"it is bigger than {SMALL_ROWS} rows or {SMALL_BYTES // 2**20} MiB, too big to read as a whole"
        return f"it is a view or a foreign table with {SAMPLE_ROWS} rows or more"

    def _unknown(self, why: str, *facts: str) -> None:
        for fact in facts:
            self._session.unknown(fact, why)
