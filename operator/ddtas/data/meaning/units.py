"""Units of measurement, compared by what they measure and not by how they are written. By pint.

Written as in UCUM (m3/s, Cel, ug/m3, kW.h) or as pint has it (degC, kWh, mm/day). A unit that is not known (m+NAP) is
equal to itself, and of any other it cannot be told. Worked out in another process, see `ddtas.data.meaning.questions`.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ddtas.data.meaning.questions import ask

if TYPE_CHECKING:
    from pint import UnitRegistry

# Names with an exponent of one digit, joined by "." "*" "/". Units come from suppliers and from the data itself, and
# what pint takes besides (10**10**10) is arithmetic that need not end.
_TERM = r"(?:[A-Za-zµμΩ°%]+|1)(?:\^|\*\*)?-?[1-9]?"
_UNIT = re.compile(rf"{_TERM}(?:[./*]{_TERM})*")
_PART = re.compile(r"([A-Za-zµμΩ°%]+)(?:\^|\*\*)?(-?[1-9])?")
_ANNOTATION = re.compile(r"\{[^{}]*\}")  # UCUM: {veh}/h counts vehicles, and measures 1/h
_UCUM = {"Cel": "degC", "°C": "degC", "u": "dalton", "a": "year", "mo": "month", "[ppm]": "ppm", "μg": "ug"}
_TOLERANCE = 1e-9
_LONGEST = 60  # that a model lets in; in a name of any length pint looks for each prefix and suffix


@cache
def _registry() -> "UnitRegistry[float]":
    # It takes 15 MiB, and a third of a second.
    from pint import UnitRegistry

    return UnitRegistry(cache_folder=None)


def _for_pint(unit: str) -> str | None:
    """The unit in pint's own spelling; None for what is not written as a unit."""
    if len(unit) > _LONGEST:
        return None
    plain = _ANNOTATION.sub("1", unit) if "{" in unit else unit
    plain = plain.replace("[ppm]", "ppm")
    if not _UNIT.fullmatch(plain):
        return None

    def spell(match: re.Match[str]) -> str:
        name, exponent = match.groups()
        return f"{_UCUM.get(name, name)}{f'**{exponent}' if exponent else ''}"

    return _PART.sub(spell, plain).replace(".", "*")


@dataclass(frozen=True)
class InTermsOf:
    """How is a value in one unit a value in another?"""

    unit: str
    other: str

    def answer(self) -> tuple[float, float] | None:
        """As `in_terms_of`."""
        return _in_terms_of(self.unit, self.other)


def warm() -> None:
    """Have pint open all that it needs to work anything out."""
    _in_terms_of("m3/s", "L/min")


def in_terms_of(unit: str, other: str) -> tuple[float, float] | None:
    """How a value in `unit` is a value in `other`: (factor, offset), so that x [unit] = factor·x + offset [other].

    Returns:
        None when they measure different things, or one of them is not known.
    """
    if unit == other:
        return (1.0, 0.0)
    found = ask(InTermsOf(unit, other)) if _for_pint(unit) and _for_pint(other) else None
    return found if isinstance(found, tuple) else None


def _in_terms_of(unit: str, other: str) -> tuple[float, float] | None:
    left, right = _for_pint(unit), _for_pint(other)
    if left is None or right is None:
        return None
    quantity = _registry().Quantity
    try:
        zero, one = (float(quantity(value, left).to(right).magnitude) for value in (0.0, 1.0))
    except Exception:  # pint has no one base class for a unit that it does not know, cannot convert, or cannot parse
        return None
    return (one - zero, zero)


def known(unit: str) -> bool:
    """Whether pint knows the unit."""
    return in_terms_of(f"{unit}.1", unit) is not None


def same(unit: str, other: str) -> bool | None:
    """Whether two units are one: True also for L/m2 and mm. None when it cannot be told."""
    found = in_terms_of(unit, other)
    if found is None:
        return False if known(unit) and known(other) else None
    factor, offset = found
    return abs(factor - 1) <= _TOLERANCE and abs(offset) <= _TOLERANCE


def convert(value: float, unit: str, other: str) -> float | None:
    """A value in another unit; None when it cannot be told."""
    found = in_terms_of(unit, other)
    return None if found is None else value * found[0] + found[1]
