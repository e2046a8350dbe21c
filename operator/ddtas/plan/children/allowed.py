"""An allow-list as data: what is allowed in one place of an object, built of smaller ones.

A field that is not in a list is refused, so that what Kubernetes adds later has to be allowed on purpose.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# What is allowed in one place: says how a value violates it; the second argument is where that is.
Allowed = Callable[[object, str], Iterator[str]]


def short(value: object) -> str:
    """A piece of hostile input, made fit for a status message."""
    text = "".join(character if character.isprintable() else "?" for character in str(value))
    return text if len(text) <= 63 else text[:62] + "…"


def fields(required: Mapping[str, Allowed], optional: Mapping[str, Allowed] | None = None) -> Allowed:
    """A mapping with these fields and no other."""
    allowed = {**required, **(optional or {})}

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path or 'it'} must be a mapping"
            return
        inside = f"{path}." if path else ""
        for name, item in value.items():
            if name in allowed:
                yield from allowed[name](item, inside + name)
            else:
                yield f"{inside}{short(name)} is not allowed in an app: remove it"
        for name in required:
            if name not in value:
                yield f"{inside}{name} is missing"

    return check


def list_of(of: Allowed) -> Allowed:
    """A list of these."""

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} must be a list"
            return
        for index, item in enumerate(value):
            yield from of(item, f"{path}[{index}]")

    return check


def map_of(key: Callable[[str], bool], value: Allowed, advice: str) -> Allowed:
    """A mapping with free keys, of which `key` says whether they are allowed."""

    def check(mapping: object, path: str) -> Iterator[str]:
        if not isinstance(mapping, dict):
            yield f"{path} must be a mapping"
            return
        for name, item in mapping.items():
            if key(name):
                yield from value(item, f"{path}[{short(name)}]")
            else:
                yield f"{path}[{short(name)}] is not allowed in an app: {advice}"

    return check


def value_that(valid: Callable[[Any], bool], what: str) -> Allowed:
    """A value that passes `valid`; `what` names such values."""

    def check(value: object, path: str) -> Iterator[str]:
        if not valid(value):
            yield f"{path} must be {what}"

    return check


def one_of(*allowed: object) -> Allowed:
    """One of these values. True is not 1 here, as it is in Python."""
    names = " or ".join(str(item).lower() if isinstance(item, bool) else f"{item}" for item in allowed)
    return value_that(lambda value: any(value == item and type(value) is type(item) for item in allowed), names)


def integer(low: int, high: int) -> Allowed:
    """A whole number; the bounds are included."""
    return value_that(lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}")


TEXT = value_that(lambda value: isinstance(value, str), "a text: write {{ … | tojson }}")
FLAG = value_that(lambda value: isinstance(value, bool), "true or false")
SECONDS = integer(0, 3600)
ID = integer(1, 2**31 - 1)
PORT = integer(1, 65535)
PORT_OR_NAME = value_that(
    lambda value: (type(value) is int and 1 <= value <= 65535) or isinstance(value, str), "a port or the name of one"
)
NUMBER_OR_PERCENTAGE = value_that(
    lambda value: type(value) in (int, str) and re.fullmatch(r"[0-9]+%?", str(value)) is not None,
    "a number or a percentage",
)
QUANTITY = value_that(
    lambda value: (
        type(value) in (int, float, str)
        and re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(value)) is not None
    ),
    "a quantity, such as 500m or 128Mi",
)
PINNED_IMAGE = value_that(
    lambda value: isinstance(value, str) and re.fullmatch(r"[^\s@]+@sha256:[a-f0-9]{64}", value) is not None,
    "an image with its digest (…@sha256:…): the store asks for it",
)
