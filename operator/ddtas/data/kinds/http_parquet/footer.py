"""What the footer of a Parquet file says, by pyarrow.

Parquet's footer is Thrift, and pyarrow reads it in C++: imported only by processes that may break (`ddtas.confined`).

Format: https://parquet.apache.org/docs/file-format/metadata/
"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow
import pyarrow.parquet
from pyarrow import types

_COLUMNS = 1024
_NAME_CHARACTERS = 63  # of a field in the API
_GEO_CHARACTERS = 256 * 1024
_EPOCH_DAY = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


def describe(footer: bytes) -> dict[str, Any]:
    """Rows, columns and geo metadata.

    Returns:
        `rows`; `columns`, each with `name`, `type` (as in ddtas.data.contract.FieldType, or None for a column that
        holds nothing), `empty` (values that are not there; None when the statistics do not tell), `first` and `last` of
        a column of days or moments; `geo`, the text of the GeoParquet metadata, or None.

    Raises:
        Exception: of any kind, when it cannot be read.
    """
    # A file of a footer alone: where the data is, is not read.
    file = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    metadata = pyarrow.parquet.read_metadata(pyarrow.BufferReader(file))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    groups = [group for group in groups if group.num_rows]
    if metadata.num_rows < 0 or sum(group.num_rows for group in groups) != metadata.num_rows:
        raise ValueError("the row groups do not add up")
    columns: list[dict[str, Any]] = []
    leaf = 0
    for field in metadata.schema.to_arrow_schema():
        leaves = range(leaf, leaf := leaf + _leaves(field.type))
        if len(columns) < _COLUMNS and len(field.name) <= _NAME_CHARACTERS:
            first, last = _period(metadata, groups, leaves[0]) if len(leaves) == 1 else (None, None)
            empty: int | None = 0
            if types.is_null(field.type):
                empty = metadata.num_rows
            elif field.nullable:
                empty = _empty(groups, leaves, nested=types.is_nested(_storage(field.type)))
            columns.append(
                {
                    "name": field.name,
                    "type": _type(field.type),
                    "empty": empty,
                    "first": first,
                    "last": last,
                    "local": _is_local(field.type),
                }
            )
    if leaf != metadata.num_columns:  # then it is not known whose statistics are whose
        raise ValueError("the schema does not fit the columns")
    geo = (metadata.metadata or {}).get(b"geo", b"").decode(errors="replace")
    return {"rows": metadata.num_rows, "columns": columns, "geo": geo if 0 < len(geo) <= _GEO_CHARACTERS else None}


def _leaves(kind: Any) -> int:
    """How many columns of the file a type of Arrow takes: all but structures take one for each inner type."""
    kind = _storage(kind)
    if types.is_map(kind):
        return _leaves(kind.key_type) + _leaves(kind.item_type)
    if types.is_struct(kind):
        return sum(_leaves(kind.field(number).type) for number in range(kind.num_fields))
    return _leaves(kind.value_type) if _is_list(kind) else 1


def _storage(kind: Any) -> Any:
    """The type itself; of an extension type what it is kept as."""
    return kind.storage_type if isinstance(kind, pyarrow.BaseExtensionType) else kind


def _is_list(kind: Any) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _type(kind: Any) -> str | None:
    kind = _storage(kind)
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_null(kind):
        return None
    if _is_list(kind):
        return "array"
    if types.is_nested(kind):
        return "object"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_date(kind):
        return "date"
    return "timestamp" if types.is_timestamp(kind) else "string"


def _empty(groups: list[Any], leaves: range, *, nested: bool) -> int | None:
    """How many values are not there, by the statistics of all row groups; None when one does not tell.

    Of what is nested, the statistics are about the innermost values: when none of these is missing, the whole never is.
    """
    counts = [_nulls(groups, leaf) for leaf in leaves]
    if nested:
        return 0 if 0 in counts else None
    return counts[0] if counts else None


def _nulls(groups: list[Any], leaf: int) -> int | None:
    total = 0
    for group in groups:
        statistics = group.column(leaf).statistics
        if statistics is None or not statistics.has_null_count or statistics.null_count < 0:
            return None
        total += statistics.null_count
    return total


def _is_local(kind: Any) -> bool:
    """Whether moments have no time zone."""
    return bool(types.is_timestamp(kind)) and kind.tz is None


def _period(metadata: Any, groups: list[Any], leaf: int) -> tuple[str | None, str | None]:
    """First and last of a column of days or moments, by the statistics of all row groups that hold a value."""
    logical = metadata.schema.column(leaf).logical_type
    if logical.type not in ("DATE", "TIMESTAMP"):
        return None, None
    per_second = _PER_SECOND.get(json.loads(logical.to_json()).get("timeUnit", ""))
    least, most = [], []
    for group in groups:
        statistics = group.column(leaf).statistics
        if statistics is not None and statistics.has_null_count and statistics.null_count == group.num_rows:
            continue
        if statistics is None or not statistics.has_min_max:
            return None, None
        least.append(statistics.min_raw)
        most.append(statistics.max_raw)
    if not least or min(least) > max(most):
        return None, None
    return _moment(min(least), per_second), _moment(max(most), per_second)


def _moment(raw: int, per_second: int | None) -> str | None:
    """A day (days since 1970), or a second, in UTC unless the column is local."""
    try:
        if per_second is None:
            when = _EPOCH_DAY + timedelta(days=raw)
            return when.isoformat()
        moment = _EPOCH + timedelta(seconds=raw // per_second)
        return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment.year >= 1000 else None
    except OverflowError:
        return None
