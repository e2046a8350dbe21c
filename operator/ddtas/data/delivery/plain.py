"""Columns of Arrow in the few types that readers give."""

import json

import pyarrow
from pyarrow import types

_KEPT = (
    types.is_boolean,
    types.is_integer,
    types.is_floating,
    types.is_decimal,
    types.is_date,
    types.is_timestamp,
)


def plain_type(kind: pyarrow.DataType) -> pyarrow.DataType:
    """The type that a reader gives for a type of a file. Bytes are texts that older writers did not mark as such."""
    if isinstance(kind, pyarrow.BaseExtensionType):
        kind = kind.storage_type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_float16(kind):
        return pyarrow.float32()
    return kind if any(is_kind(kind) for is_kind in _KEPT) else pyarrow.string()


def plain(array: pyarrow.Array, kind: pyarrow.DataType) -> pyarrow.Array:
    """The values of a column as a type that `plain_type` gives, or WKB; objects and arrays become JSON.

    Raises:
        pyarrow.ArrowException: they cannot be had so.
    """
    if isinstance(array, pyarrow.ExtensionArray):
        array = array.storage
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_nested(array.type):
        texts = [None if value is None else json.dumps(value, default=str) for value in array.to_pylist()]
        return pyarrow.array(texts, pyarrow.string())
    return array if array.type == kind else array.cast(kind)
