"""Hostile values for each field of our three kinds: what a schema lets in and means nothing good, and what it does not.

The fields are found by walking the schemas of the CRDs, so that a new one is tried without a word here.
"""

import copy
import gc
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import pytest

from ddtas.api.crd import KINDS, crd
from ddtas.data.meaning import space, units

JsonObject = dict[str, Any]
Path = tuple[str | int, ...]

T = TypeVar("T")
HOLD_SECONDS = 0.05  # of processor time: nothing may hold the event loop longer
NUL, HALF, RIGHT_TO_LEFT = "\x00", "\ud800", "\u202e"
TEXTS = (
    # names
    "a", "a-b", "a" * 20, "x" * 63, "0", "a" + "-" * 61 + "a", "__proto__", "kubernetes", "A.b", "_", "a.b-c_d",
    # versions and ranges
    "0.0.0", "1.2.0-rc.1+b", f"{'9' * 30}.0.0", f"{'9' * 20}.{'9' * 20}.{'9' * 20}", f"1.0.0-{'0' * 50}", "1.0.0-.",
    ">=0.0.0", f"<{'9' * 40}.0.0", "1.0.0 " * 12 + "1.0.0", ">=1.2.0x", "=1.0.0=", ">=1.0.0 <1.0.0", "1.999",
    # numbers and quantities
    "-0", "0.0", "9" * 32, f"-{'9' * 31}", f"0.{'0' * 29}1", "1e999", "NaN", "inf", "0x10", "1_000",
    "9999999999999999999T", "9999999999999999999Ti", "1.00000000000000001m", "0m", "0Ki", "1", "1000T", "1Ei", "1e3",
    # durations, days, moments, schedules, zones
    "P1D", "PT0S", "P0Y", "PT" + "9" * 28 + "S", f"P{'9' * 29}Y", "PT1H1H", "P1D1D", f"P{'9' * 12}M", "P9999Y", "P",
    "0001-01-01", "9999-12-31", "0000-00-00", "2026-02-30", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z", "2026-01-01T99:99:99Z",
    "0 0 29 2 *", "0 0 31 2 *", "* * * * *", "*/0 * * * *", f"{'9' * 60} * * * *", "0 0 29 2 1#5", "@ @ @ @ @",
    "0 0 L 2 5L",
    "../../etc/passwd", "Europe/../../etc/passwd", "posix/Europe/Amsterdam", "localtime", "Pacific/Kiritimati",
    "Etc/GMT+12",
    # units
    "m3/s", "Cel", "10**10**10", "m**9**9**9", "m^-9", "%", "µ" * 40, "kg" * 20, "m" + "/m" * 19, "1.1.1.1.1",
    "{a}/h", "°",
    "yottayottameter", "delta_degC", "dB", "__import__('os')",
    # places
    "EPSG:0000", "EPSG:999999", "EPSG:4326", "EPSG:4979", "OGC:CRS84h", "http://www.opengis.net/def/crs/IAU/0/1000",
    "http://www.opengis.net/def/crs/IAU_2015/0/49900", "urn:ogc:def:crs:IAU_2015::49910",
    "urn:ogc:def:crs:EPSG::5773",
    "urn:ogc:def:crs:OGC:2:84", "http://www.opengis.net/def/crs/EPSG/0/28992",
    "urn:ogc:def:crs,crs:EPSG::28992,crs:EPSG::5709",
    "POLYGON((0 0,1 1,0 1,1 0,0 0))", "POLYGON EMPTY", "POLYGON((", "POLYGON((nan nan,nan nan,nan nan,nan nan))",
    "POLYGON((1e308 1e308,-1e308 1e308,-1e308 -1e308,1e308 1e308))", "POLYGON((0 0,0 0,0 0,0 0))",
    "MULTIPOLYGON(((0 0",
    # addresses
    "http://", "https://[::1", "http://a:99999/", "https://user:pw@h/", "http://%00/", "postgresql://h:x/d",
    "mqtt://[]/",
    "mqtts://h:0", "http://h/%ff", "https://" + "a." * 100,
    # regular expressions, templates, markup, control characters, half of a pair
    "(a+)+$", "{{ 7 * 7 }}", "{% for i in range(9**9) %}{% endfor %}", "a: &a [*a]", "<a/>", "%s%n{0.__class__}",
    "$(id)",
    NUL, f"a{NUL}b", "\n\r\t\x1b[31m", HALF, f"a{HALF}", RIGHT_TO_LEFT, "\U0010ffff", " ", "", "a\u2028b", "Ａ",
    "true", "null",
    "GM0344", "0123456789", "x" * 200, "x" * 2000, "é" * 4000, "x" * 16384, "/", "/../..", "/dev/shm",  # noqa: S108
    "sha256:" + "0" * 64, "a@sha256:" + "0" * 64,
)  # fmt: skip
NUMBERS = (0, 1, -1, 10, 65535, 86400, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 10**30)
SCALARS: tuple[Any, ...] = (
    *NUMBERS, *TEXTS[:40], 1e308, -0.0, float("inf"), float("nan"), True, 10**400, "9" * 5000, "-" * 2000, HALF,
    NUL, None, [], {},
)  # fmt: skip
JUNK: tuple[Any, ...] = (None, [], {}, "", 0, True, 1e999, [[]], {"a": None}, [None], "x" * 20000, HALF)


class Clock:
    """The longest processor time of one step, of those that the event loop would have to sit out.

    Comparisons of places are not counted: another process makes them, as it does those of units.
    """

    def __init__(self) -> None:
        self.longest, self.what = 0.0, ""
        self._aside = 0.0

    def of(self, what: str, step: Callable[[], T]) -> T:
        """The answer of a step, which must not take too long."""
        self._aside = 0.0
        gc.disable()  # a large test session is not what the operator holds in memory
        try:
            with pytest.MonkeyPatch.context() as patch:
                for name in ("covered_percent", "meets_crs"):
                    patch.setattr(space, name, self._elsewhere(getattr(space, name)))
                started = time.thread_time()
                answer = step()
                took = time.thread_time() - started - self._aside
        finally:
            gc.enable()
        if took > self.longest:
            self.longest, self.what = took, what
        assert took < HOLD_SECONDS, f"{what} took {took:.3f} s of processor time"
        return answer

    def _elsewhere(self, compare: Callable[..., Any]) -> Callable[..., Any]:
        def compared(*args: Any) -> Any:
            started = time.thread_time()
            try:
                return compare(*args)
            finally:
                self._aside += time.thread_time() - started

        return compared


CLOCK = Clock()
units.same("m", "km")  # what takes long the first time is made in another process


@dataclass(frozen=True)
class Place:
    """A field of a kind."""

    kind: str
    path: Path
    schema: JsonObject = field(compare=False, repr=False)

    def __repr__(self) -> str:
        return f"{self.kind}:{'.'.join(map(str, self.path))}"


@cache
def schema(kind: str) -> JsonObject:
    """The schema of a kind, as the API server has it."""
    (found,) = (k for k in KINDS if k.name == kind)
    return crd(found)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]  # type: ignore[no-any-return]


def _walk(kind: str, part: JsonObject, path: Path) -> Iterator[Place]:
    yield Place(kind, path, part)
    for name, inner in part.get("properties", {}).items():
        yield from _walk(kind, inner, (*path, name))
    if "items" in part:
        yield from _walk(kind, part["items"], (*path, 0))


@cache
def places(kind: str, part: str = "") -> tuple[Place, ...]:
    """All fields of a kind's spec and status, or of one of them."""
    properties = schema(kind)["properties"]
    return tuple(p for name in ([part] if part else ["spec", "status"]) for p in _walk(kind, properties[name], (name,)))


def _pattern(part: JsonObject) -> str | None:
    rules = [rule["rule"] for rule in part.get("x-kubernetes-validations", ())]
    found = [match[1] for rule in rules if (match := re.fullmatch(r"self\.matches\(r'(.*)'\)", rule))]
    return part.get("pattern") or (found[0] if found else None)


def lets_in(part: JsonObject, value: Any) -> bool:
    """Whether a schema lets a scalar in."""
    if "enum" in part:
        return value in part["enum"]
    if part.get("type") == "string":
        pattern = _pattern(part)
        return (
            isinstance(value, str)
            and part.get("minLength", 0) <= len(value) <= part.get("maxLength", 10**9)
            and (pattern is None or re.search(pattern, value, re.ASCII) is not None)
        )
    if part.get("type") == "integer":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and part.get("minimum", -(2**63)) <= value <= part.get("maximum", 2**63 - 1)
    return True


def valid(part: JsonObject) -> tuple[Any, ...]:
    """What a field with a schema may have, and is hostile."""
    if "enum" in part:
        return tuple(part["enum"])
    if part.get("x-kubernetes-preserve-unknown-fields"):
        return tuple({name: value} for name in ("cmax", "alpha", "x" * 63) for value in SCALARS)
    match part.get("type"):
        case "string":
            given = (
                ("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")
                if part.get("format") == "date-time"
                else TEXTS
            )
            return tuple(text for text in given if lets_in(part, text))
        case "integer":
            return tuple(
                n for n in (*NUMBERS, part.get("minimum"), part.get("maximum")) if n is not None and lets_in(part, n)
            )
        case "boolean":
            return (True, False)
    return ()


def hostile(place: Place) -> tuple[Any, ...]:
    """What to try in a field: what may be there, and what may not."""
    return (*valid(place.schema), *JUNK)


@cache
def sample(kind: str, path: Path) -> Any:
    """Some value of a field that its schema lets in, as small as it can be."""
    place = next(p for p in places(kind) if p.path == path)
    return _smallest(place.schema)


def _smallest(part: JsonObject) -> Any:
    match part.get("type"):
        case "object":
            return {name: _smallest(part["properties"][name]) for name in part.get("required", ())}
        case "array":
            return [_smallest(part["items"]) for _ in range(part.get("minItems", 0))]
        case "boolean":
            return True
    return next(iter(valid(part)), None)


def put(body: JsonObject, place: Place, value: Any) -> JsonObject:
    """A copy of an object with one field set; what is missing on the way to it is made as small as it can be."""
    body = copy.deepcopy(body)
    here: Any = body
    for depth, step in enumerate(place.path[:-1]):
        inner = place.path[: depth + 1]
        if isinstance(here, list):
            if not here:
                here.append(copy.deepcopy(sample(place.kind, inner)))
        elif not isinstance(here.get(step), dict | list):
            here[step] = copy.deepcopy(sample(place.kind, inner))
        here = here[step]
    if isinstance(here, list):
        here[:1] = [value]
    else:
        here[place.path[-1]] = value
    return body
