"""Reads what the catalogue of the server says of one table or view."""

from typing import Annotated, LiteralString

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ddtas.data.contract import FieldType
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import libpq, libpq_errors
from ddtas.errors import SourceError, printable

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
_SPATIAL = ("geometry", "geography")
_CATEGORIES = {"A": FieldType.ARRAY, "C": FieldType.OBJECT}  # of pg_type.typcategory

Count = Annotated[int, Field(ge=0, le=2**53)]


class Checked(BaseModel):
    """A part of what the server says: hostile input."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Column(Checked):
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
        """Its type as contracts have it."""
        if self.type == "numeric" and self.core and self.typmod >= 4 and (self.typmod - 4) & 0x7FF == 0:
            return FieldType.INTEGER  # numeric(10): the scale is in the low 11 bits
        by_name = _TYPES.get(self.type) if self.core else None
        return by_name or _CATEGORIES.get(self.category, FieldType.STRING)

    @property
    def srid(self) -> int | None:
        """Of a geometry, the SRID in its type (bits 8 to 28 of the type modifier); None when it has none."""
        return ((self.typmod & 0x0FFFFF00) >> 8 or None) if self.typmod >= 0 else None


class Storage(Checked):
    """The table with all its partitions and heirs, by the statistics of the server."""

    rows: float
    size: Count
    local: bool  # all of it is kept here: no view, no foreign table


class Relation(Checked):
    """A table or view."""

    usable: bool  # the user may use the schema
    secured: bool  # row-level security: how long a search takes is not known
    storage: Storage
    columns: tuple[Column, ...]


class PostGIS(Checked):
    """The extension PostGIS, as this user may use it."""

    home: str  # the schema that it is installed in
    usable: bool
    names: bool  # the user may read spatial_ref_sys


class Catalogue(Checked):
    """What the catalogue says; `pinned`: the settings of the session hold."""

    pinned: bool
    relation: Relation | None
    postgis: PostGIS | None


_CATALOGUE_ANSWER = TypeAdapter(Catalogue)
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


def table_of(session: Session) -> tuple[str, str]:
    """The schema and the name of the table or view that the target of a session names.

    Raises:
        SourceError: EntityNotFound for what can be no name.
    """
    schema, dot, table = (session.target.physical_name or "").partition(".")
    if not dot:
        schema, table = "public", schema
    if not table.isprintable() or not schema.isprintable():
        raise session.error(SourceReason.ENTITY_NOT_FOUND, "has no table of that name: correct physicalName")
    return schema, table


def spatial(column: Column, postgis: PostGIS | None) -> bool:
    """Whether a column has geometries."""
    return postgis is not None and column.home == postgis.home and column.type in _SPATIAL


async def relation(
    session: Session, transaction: libpq.Transaction, schema: str, table: str
) -> tuple[Relation, PostGIS | None]:
    """A table or view with columns that this user may read, and PostGIS where it is installed.

    Raises:
        SourceError: EntityNotFound where there is none; Unauthorized; ErrorReported where the session is not as gentle
            as it should be.
    """
    answer = await transaction.ask(_CATALOGUE_ANSWER, _CATALOGUE, schema, table)
    if not answer.pinned:
        raise session.error(
            SourceReason.ERROR_REPORTED,
            "does not take over the settings that keep a probe gentle (does a pooler ignore the parameter 'options'?): "
            "give the endpoint of the server itself",
        )
    if answer.relation is None:
        raise _no_table(session, f"{schema}.{table}", await transaction.ask(_NAMES_ANSWER, _READABLE, schema, table))
    if not answer.relation.usable or not answer.relation.columns:
        raise libpq_errors.no_right(session)
    return answer.relation, answer.postgis


def _no_table(session: Session, name: str, others: tuple[str, ...]) -> SourceError:
    readable = ", ".join(printable(other, 60) for other in others[:5])
    return session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has no table or view '{printable(name, 80)}' for this user: correct physicalName"
        + (f" (it may read {readable})" if readable else ""),
    )
