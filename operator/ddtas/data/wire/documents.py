"""JSON and XML of strangers, read whole. Pure.

A document is refused with a `BadDocument`, whose text says what is wrong with it and ends with what to do next.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

_DEPTH = 64  # of nested JSON or XML; the JSON parser itself is recursive
_DIGITS = 300  # of an integer in JSON: a float can hold it
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # half a character, if the other half does not stand beside it


class BadDocument(ValueError):
    """A document that cannot be read, or has what it may not have; `str()` of it goes behind "answers with"."""


def json_document(body: bytes) -> Any:
    """JSON as Python values: numbers finite, nested at most 64 deep.

    Raises:
        BadDocument: it is broken, or nested deeper.
    """
    try:
        value = parse_json(body)
    except (ValueError, RecursionError):
        raise BadDocument("JSON that cannot be read: ask the data supplier") from None
    if _deeper_than([value], _DEPTH, _held):
        raise BadDocument(f"JSON nested more than {_DEPTH} deep: ask the data supplier")
    return value


def xml_document(body: bytes) -> Element:
    """The root of XML without a DTD or entities, nested at most 64 deep.

    Raises:
        BadDocument: it is broken, nested deeper, or has what it may not have.
    """
    try:
        root: Element = ElementTree.fromstring(body, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise bad_xml(error) from None
    if _deeper_than([root], _DEPTH, list):
        raise BadDocument(f"XML nested more than {_DEPTH} deep: ask the data supplier")
    return root


def bad_xml(error: Exception) -> BadDocument:
    """What an error of an XML parser means."""
    if isinstance(error, DefusedXmlException):
        return BadDocument("XML that has a DTD or entities, which are refused")
    return BadDocument("XML that cannot be read: ask the data supplier")


def parse_json(body: bytes) -> Any:
    """JSON by RFC 8259, stricter where Python is not strict.

    Raises:
        ValueError: it is not JSON in UTF-8, or has what nobody can work with: a number that is not finite, an integer
            of more than 300 digits, half of a surrogate pair.
        RecursionError: it is nested too deep for the parser.
    """
    # json.loads of bytes would take UTF-16 and UTF-32 too, and let surrogates pass.
    value = json.loads(body.decode("utf-8-sig"), parse_constant=_finite, parse_float=_finite, parse_int=_integer)
    if _SURROGATE.search(body):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _finite(text: str) -> float:
    number = float(text)  # 1e999 is inf; NaN and Infinity come by here too
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _held(value: Any) -> Iterable[Any]:
    """The objects and arrays that one holds."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _deeper_than(level: Sequence[Any], depth: int, held: Callable[[Any], Iterable[Any]]) -> bool:
    for _ in range(depth):
        level = [inner for outer in level for inner in held(outer)]
        if not level:
            return False
    return True


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON object, of which nothing else is sure; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def as_array(value: Any) -> list[Any]:
    """A JSON array, of which nothing else is sure; an empty one for what is none."""
    return value if isinstance(value, list) else []
