"""A table or view of PostgreSQL (12 or newer), with PostGIS or without.

How it is reached is in `libpq`. Each statement gives one JSON document of a few
kilobytes: counts, extremes, the times of at most 1,000 records; never another value of the data.
"""

from typing import Annotated, LiteralString

from psycopg import sql
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ddtas.data.contract import FieldType, GeometryType
from ddtas.data.facts import geo
from ddtas.data.facts.axis import Axis, day, iso, timestamp
from ddtas.data.facts.records import MAX_FIELDS, NAME
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import libpq, libpq_errors
from ddtas.errors import SourceError, printable

SMALL_ROWS = 100_000  # a table of so many rows and bytes is read as a whole
SMALL_BYTES = 64 * 1024 * 1024
SAMPLE_ROWS = 1000  # of any other

_TYPES = {
    "bool": FieldType.BOOLEAN,
    "int2": FieldType.INTEGER,
    "int4": FieldType.INTEGER,
    "int8": FieldType.INTEGER,
    "numeric": FieldType.NUMBER,
    "float4": FieldType.NUMBER,
    "float8": FieldType.NUMBER,
    "date": FieldType.DATE,
    "timestamp": FieldType.TIMESTAMP,
    "timestamptz": FieldType.TIMESTAMP,
    "json": FieldType.OBJECT,
    "jsonb": FieldType.OBJECT,
}
_CATEGORIES = {"A": FieldType.ARRAY, "C": FieldType.OBJECT}  # of pg_type.typcategory
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)
_SPATIAL = ("geometry", "geography")
# Codes of the geometry types in a type modifier of PostGIS, and their names by ST_GeometryType.
_SHAPES: dict[int, GeometryType] = dict(enumerate((kind for kind in GeometryType if kind is not GeometryType.MESH), 1))
_SHAPE_NAMES = {f"ST_{kind}": kind for kind in _SHAPES.values()}

_Count = Annotated[int, Field(ge=0, le=2**53)]


class _Model(BaseModel):
    """A part of what the server says: hostile input."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Column(_Model):
    """A column that the user may read; of a domain, what it is made of."""

    name: str
    type: str
    core: bool  # a type of PostgreSQL itself
    home: str  # the schema of the type
    category: str
    typmod: int
    indexed: bool  # a B-tree of all rows begins with it

    @property
    def field_type(self) -> FieldType:
        if self.type == "numeric" and self.core and self.typmod >= 4 and (self.typmod - 4) & 0x7FF == 0:
            return FieldType.INTEGER  # numeric(10): the scale is in the low 11 bits
        known = _TYPES.get(self.type) if self.core else None
        return known or _CATEGORIES.get(self.category, FieldType.STRING)


class _Storage(_Model):
    """The table with all its partitions and heirs, by the statistics of the server."""

    rows: float
    size: _Count
    local: bool  # all of it is kept here: no view, no foreign table


class _Relation(_Model):
    usable: bool  # the user may use the schema
    secured: bool  # row-level security: how long a search takes is not known
    storage: _Storage
    columns: tuple[_Column, ...]


class _PostGIS(_Model):
    home: str  # the schema that it is installed in
    usable: bool
    names: bool  # the user may read spatial_ref_sys


class _Catalogue(_Model):
    pinned: bool
    relation: _Relation | None
    postgis: _PostGIS | None


class _Shape(_Model):
    types: tuple[str, ...] | None
    srids: tuple[int, int] | tuple[None, None]
    crs: str | None
    box: tuple[float | str | None, ...]


class _Sample(_Model):
    count: _Count
    filled: tuple[_Count, ...]
    # Newest first, where the time axis is known to be cheap to sort; else as they are kept.
    moments: tuple[str, ...] | None = None
    oldest: str | None = None
    newest: str | None = None
    shape: _Shape | None = None


_CATALOGUE_ANSWER = TypeAdapter(_Catalogue)
_SAMPLE_ANSWER = TypeAdapter(_Sample)
_NAMES_ANSWER = TypeAdapter(tuple[str, ...])

_CATALOGUE: LiteralString = """
select pg_catalog.json_build_object(
  'pinned', pg_catalog.current_setting('search_path') = 'pg_catalog'
    and pg_catalog.current_setting('transaction_read_only') = 'on',
  'relation', (
    select pg_catalog.json_build_object(
      'usable', pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
      'secured', c.relrowsecurity,
      'storage', (
        with recursive tree (member) as (
          select c.oid
          union
          select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.member
        )
        select pg_catalog.json_build_object(
          'rows', pg_catalog.sum(case when m.reltuples > 0 then m.reltuples else 0 end),
          'size', pg_catalog.sum(pg_catalog.pg_total_relation_size(m.oid)),
          'local', pg_catalog.bool_and(m.relkind in ('r', 'p', 'm'))
        )
        from tree join pg_catalog.pg_class m on m.oid = tree.member
      ),
      'columns', (
        select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', a.attname,
          'type', coalesce(b.typname, t.typname),
          'core', h.nspname = 'pg_catalog',
          'home', h.nspname,
          'category', coalesce(b.typcategory, t.typcategory),
          'typmod', case when b.oid is null then a.atttypmod else t.typtypmod end,
          'indexed', exists (
            select from pg_catalog.pg_index x
            join pg_catalog.pg_class xc on xc.oid = x.indexrelid
            join pg_catalog.pg_am am on am.oid = xc.relam
            where x.indrelid = c.oid and x.indkey[0] = a.attnum and x.indisvalid and x.indpred is null
              and am.amname = 'btree'
          )
        ) order by a.attnum), '[]')
        from pg_catalog.pg_attribute a
        join pg_catalog.pg_type t on t.oid = a.atttypid
        left join pg_catalog.pg_type b on t.typtype = 'd' and b.oid = t.typbasetype
        join pg_catalog.pg_namespace h on h.oid = coalesce(b.typnamespace, t.typnamespace)
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
      )
    )
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %s::text and c.relname = %s::text and c.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  'postgis', (
    select pg_catalog.json_build_object(
      'home', n.nspname,
      'usable', pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
      'names', coalesce(pg_catalog.has_table_privilege(s.oid, 'SELECT'), false)
    )
    from pg_catalog.pg_extension e
    join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    left join pg_catalog.pg_class s on s.relnamespace = n.oid and s.relname = 'spatial_ref_sys'
    where e.extname = 'postgis'
  )
)
"""

_READABLE: LiteralString = """
select coalesce(pg_catalog.json_agg(f.name), '[]') from (
  select n.nspname || '.' || c.relname as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT')
  order by (n.nspname = %s::text or pg_catalog.lower(c.relname) = pg_catalog.lower(%s::text)) desc, 1 limit 5
) f
"""


async def probe(session: Session) -> SourceFacts:
    """Probe a table or view: its columns, and as many of its rows as are cheap to read.

    A table of at most 100,000 rows and 64 MiB is read as a whole. Of any other, and of a view, 1,000 rows are: the
    number of records and the extent are then unknown, and so are the first and last record where no index has them.

    Raises:
        SourceError: with a Reason; those of HTTP excepted.
    """
    schema, dot, table = (session.target.physical_name or "").partition(".")
    if not dot:
        schema, table = "public", schema
    if not table.isprintable() or not schema.isprintable():
        raise session.error(SourceReason.ENTITY_NOT_FOUND, "has no table of that name: correct physicalName")
    return await libpq.transaction(session, lambda transaction: _read(session, transaction, schema, table))


async def _read(session: Session, transaction: libpq.Transaction, schema: str, table: str) -> SourceFacts:
    found = await transaction.ask(_CATALOGUE_ANSWER, _CATALOGUE, schema, table)
    if not found.pinned:
        raise session.error(
            SourceReason.ERROR_REPORTED,
            "does not take over the settings that keep a probe gentle (does a pooler ignore the parameter 'options'?): "
            "give the endpoint of the server itself",
        )
    if found.relation is None:
        raise _no_table(session, f"{schema}.{table}", await transaction.ask(_NAMES_ANSWER, _READABLE, schema, table))
    if not found.relation.usable or not found.relation.columns:
        raise libpq_errors.no_right(session)
    sampling = _Sampling(session, sql.Identifier(schema, table), found.relation, found.postgis)
    return sampling.facts(await transaction.ask(_SAMPLE_ANSWER, sampling.query()))


class _Sampling:
    """The question about the rows of one table, and what the answer tells."""

    def __init__(self, session: Session, table: sql.Identifier, relation: _Relation, postgis: _PostGIS | None) -> None:
        self._session = session
        self._table = table
        self._postgis = postgis
        self._storage = relation.storage
        shapes = [c for c in relation.columns if postgis and c.home == postgis.home and c.type in _SPATIAL]
        self._columns = [c for c in relation.columns if NAME.fullmatch(c.name) and c not in shapes][:MAX_FIELDS]
        self._shape = shapes[0] if shapes else None
        self._time = self._time_column()
        small = self._storage.local and self._storage.rows <= SMALL_ROWS and self._storage.size <= SMALL_BYTES
        self._limit = SMALL_ROWS + 1 if small else SAMPLE_ROWS
        self._small = small
        # With row-level security the first row of an index may not be one that the user may see.
        self._indexed = bool(self._time and self._time.indexed and not small and not relation.secured)

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

    def _time_column(self) -> _Column | None:
        """The first column that should hold days or moments and does; else the first with an index; else the first."""
        promised = {field.name for field in self._session.target.contract.fields if field.type in _TIMES}
        found = [column for column in self._columns if column.field_type in _TIMES]
        return min(found, key=lambda c: (c.name not in promised, not c.indexed), default=None)

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

    def _spatial(self, postgis: _PostGIS) -> sql.Composed:
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
        ).format(sql.Identifier(home, "spatial_ref_sys"), sql.Literal(self._srid()), srid)
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

    def _srid(self) -> int | None:
        """The SRID in the type of the column (bits 8 to 28 of the type modifier); None when it has none."""
        typmod = self._shape.typmod if self._shape else -1
        return ((typmod & 0x0FFFFF00) >> 8 or None) if typmod >= 0 else None

    def _spatial_facts(self, found: _Shape | None) -> tuple[GeometryType | None, str | None]:
        if self._shape is None or found is None:
            why = "it has no column of PostGIS" if self._shape is None else "the user may not use the schema of PostGIS"
            self._unknown(why, "geometryType", "crs", "extent")
            return None, None
        # The type itself is in bits 2 to 7 of the type modifier.
        shape = _SHAPES.get((self._shape.typmod & 0xFC) >> 2) if self._shape.typmod >= 0 else None
        if shape is None:
            kinds = geo.Geometries()
            kinds.types = {_SHAPE_NAMES[name] for name in found.types or () if name in _SHAPE_NAMES}
            shape = kinds.type() if all(name in _SHAPE_NAMES for name in found.types or ()) else None
        if shape is None:
            self._unknown("the geometries are of several types, or of none that is known", "geometryType")
        crs = geo.crs_name(found.crs) if found.srids[0] == found.srids[1] else None
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
        read = day if self._time.field_type is FieldType.DATE else timestamp
        axis = Axis()
        axis.add([moment for text in sample.moments or () if (moment := read(text))])
        step = axis.resolution()
        if step is None:
            self._unknown(f"the times in {self._time.name} have no step in common", "timeResolution")
        if not complete and not self._indexed:
            self._unknown(f"{self._why_partial()}, and no index begins with {self._time.name}", "first", "last")
            return None, None, step
        first, last = iso(read(sample.oldest or "")), iso(read(sample.newest or ""))
        for fact, found in (("first", first), ("last", last)):
            if found is None:
                self._unknown(f"{self._time.name} has no value that is a day or moment of our calendar", fact)
        return first, last, step

    def _why_partial(self) -> str:
        if self._storage.local:
            return f"it is bigger than {SMALL_ROWS} rows or {SMALL_BYTES // 2**20} MiB, too big to read as a whole"
        return f"it is a view or a foreign table with {SAMPLE_ROWS} rows or more"

    def _unknown(self, why: str, *facts: str) -> None:
        for fact in facts:
            self._session.not_found(fact, why)


def _no_table(session: Session, name: str, others: tuple[str, ...]) -> SourceError:
    shown = ", ".join(printable(other, 60) for other in others[:5])
    return session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has no table or view '{printable(name, 80)}' for this user: correct physicalName"
        + (f" (it may read {shown})" if shown else ""),
    )
