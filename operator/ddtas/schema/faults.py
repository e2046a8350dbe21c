"""What is wrong with a value, in words of our own: the library that checks the models has its own, for programmers.

The table is closed: each kind of fault that the library knows has a line here, and a test walks all of them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

_MOST = 200  # characters of what stems from a model or a value

_TEXT, _NUMBER, _WHOLE, _TRUTH = "must be a text", "must be a number", "must be a whole number", "must be true or false"
_LIST, _MAP, _DAY = "must be a list", "must be a map of names to values", "must be a day, such as 2026-01-31"
_MOMENT = "must be a moment with its time zone, such as 2026-01-31T12:00:00Z"
_TIME, _DURATION = "must be a time of day, such as 12:00:00", "must be a duration"
_ADDRESS, _UUID, _UNKNOWN_FIELD = "must be an address (URL)", "must be a UUID", "is not a known field: remove it"
_BYTES, _DEEP, _UNREADABLE = "must be bytes", "is nested too deeply", "cannot be read"
_REQUIRED, _COMPLEX, _FRACTION = "is required", "must be a complex number", "must be a fraction"

# With `{name}` for what the library says beside the type of the fault.
WORDS: Mapping[str, str] = {
    "arguments_type": _LIST,
    "assertion_error": "{error}",
    "bool_parsing": _TRUTH,
    "bool_type": _TRUTH,
    "bytes_invalid_encoding": _BYTES,
    "bytes_too_long": "must have at most {max_length} bytes",
    "bytes_too_short": "must have at least {min_length} bytes",
    "bytes_type": _BYTES,
    "callable_type": _UNREADABLE,
    "complex_str_parsing": _COMPLEX,
    "complex_type": _COMPLEX,
    "counter_type": _MAP,
    "dataclass_exact_type": _MAP,
    "dataclass_type": _MAP,
    "date_from_datetime_inexact": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_future": "must be a day to come",
    "date_parsing": _DAY,
    "date_past": "must be a day in the past",
    "date_type": _DAY,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_future": "must be a moment to come",
    "datetime_object_invalid": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_past": "must be a moment in the past",
    "datetime_type": _MOMENT,
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} digits after the point",
    "decimal_parsing": _NUMBER,
    "decimal_type": _NUMBER,
    "decimal_whole_digits": "must have at most {whole_digits} digits before the point",
    "default_factory_not_called": "depends on a value that is wrong",
    "deque_type": _LIST,
    "dict_type": _MAP,
    "ellipsis_error": _UNREADABLE,
    "enum": "must be {expected}",
    "extra_forbidden": _UNKNOWN_FIELD,
    "finite_number": "must be a finite number",
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "fraction_parsing": _FRACTION,
    "fraction_type": _FRACTION,
    "frozen_dict_type": _MAP,
    "frozen_field": "cannot be changed",
    "frozen_instance": "cannot be changed",
    "frozen_set_type": _LIST,
    "get_attribute_error": _UNREADABLE,
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_type": _WHOLE,
    "invalid_key": "must have texts for names",
    "is_instance_of": _UNREADABLE,
    "is_subclass_of": _UNREADABLE,
    "iterable_type": _LIST,
    "iteration_error": _LIST,
    "json_invalid": "is no JSON",
    "json_type": "must be a text with JSON",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": _LIST,
    "literal_error": "must be {expected}",
    "mapping_type": _MAP,
    "missing": _REQUIRED,
    "missing_argument": _REQUIRED,
    "missing_keyword_only_argument": _REQUIRED,
    "missing_positional_only_argument": _REQUIRED,
    "missing_sentinel_error": _UNREADABLE,
    "model_attributes_type": _MAP,
    "model_type": _MAP,
    "multiple_argument_values": "is there more than once",
    "multiple_of": "must be a multiple of {multiple_of}",
    "named_tuple_type": _LIST,
    "needs_python_object": _UNREADABLE,
    "no_such_attribute": _UNKNOWN_FIELD,
    "none_required": "must be left out",
    "ordered_dict_type": _MAP,
    "recursion_depth_exceeded": _DEEP,
    "recursion_loop": _DEEP,
    "set_item_not_hashable": "must be a list of plain values",
    "set_type": _LIST,
    "string_not_ascii": "must have plain letters, digits and signs only (ASCII)",
    "string_pattern_mismatch": "has not the form that is required ({pattern})",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": _TEXT,
    "string_unicode": "must be a text of valid Unicode characters",
    "time_delta_parsing": _DURATION,
    "time_delta_type": _DURATION,
    "time_parsing": _TIME,
    "time_type": _TIME,
    "timezone_aware": _MOMENT,
    "timezone_naive": "must be a moment without a time zone",
    "timezone_offset": "must be a moment in another time zone",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "tuple_type": _LIST,
    "unexpected_keyword_argument": _UNKNOWN_FIELD,
    "unexpected_positional_argument": _UNKNOWN_FIELD,
    "union_tag_invalid": "must be one of {expected_tags}",
    "union_tag_not_found": "does not say of which kind it is",
    "url_parsing": _ADDRESS,
    "url_scheme": "must be an address that begins with {expected_schemes}",
    "url_syntax_violation": _ADDRESS,
    "url_too_long": "must be an address of at most {max_length} characters",
    "url_type": _ADDRESS,
    "uuid_parsing": _UUID,
    "uuid_type": _UUID,
    "uuid_version": "must be a UUID of version {expected_version}",
    "value_error": "{error}",
}
# Faults that our own models name, with messages of their own.
OWN = frozenset({"scalar"})


def words(fault: ErrorDetails) -> str:
    """What is wrong, as it is said after the name of a field."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in OWN:
        return fault["msg"]
    text = WORDS.get(kind, "is not valid").format_map(_Context(context))
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


class _Context(dict[str, Any]):
    """What the library says beside the type; "?" for what it does not."""

    def __missing__(self, key: str) -> str:
        return "?"
