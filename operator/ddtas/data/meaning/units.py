"""Units of measurement, compared by what they measure and not by how they are written. By pint.

Written as in UCUM (m3/s, Cel, ug/m3, kW.h) or as pint has it (degC, kWh, mm/day). A unit that is not known (m+NAP) is
equal to itself, and of any other it cannot be told. What an annotation counts is a measure of its own: {veh}/h is not
{pers}/h. Worked out in another process, see `ddtas.data.meaning.questions`.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache
from typing import TYPE_CHECKING

from ddtas.data.meaning import ucum
from ddtas.data.meaning.questions import ask

if TYPE_CHECKING:
    from pint import UnitRegistry

_TOLERANCE = 1e-9
_DIGITS = Context(prec=17, rounding=ROUND_HALF_EVEN)  # what a double holds; the work is done with 28
_LONGEST = 32  # characters of a decimal in the API


@cache
def _registry() -> "UnitRegistry[Decimal]":
    # It takes 15 MiB, and a third of a second.
    from pint import UnitRegistry

    registry: UnitRegistry[Decimal] = UnitRegistry(non_int_type=Decimal, cache_folder=None)
    registry.define("ppb = 1e-9")
    return registry


@dataclass(frozen=True)
class InTermsOf:
    """How is a value in one unit a value in another?"""

    unit: str
    other: str

    def answer(self) -> tuple[str, str] | None:
        """Factor and offset as decimals; None where there is no way from one to the other."""
        return _in_terms_of(self.unit, self.other)


def warm() -> None:
    """Have pint open all that it needs to work anything out."""
    _in_terms_of("m3/s", "L/min")


def in_terms_of(unit: str, other: str) -> tuple[float, float] | None:
    """How a value in `unit` is a value in `other`: (factor, offset), so that x [unit] = factor·x + offset [other].

    Returns:
        None when they measure different things, or one of them is not known.
    """
    exact = _exact(unit, other)
    return None if exact is None else (float(exact[0]), float(exact[1]))


def conversion(unit: str, other: str) -> tuple[str, str] | None:
    """As `in_terms_of`, as decimals in plain notation, of at most 17 digits and 32 characters, for the API.

    Returns:
        None also where such a decimal cannot hold them.
    """
    exact = _exact(unit, other)
    scale, offset = (None, None) if exact is None else map(_plain, exact)
    return None if scale is None or offset is None or Decimal(scale) == 0 else (scale, offset)


def _exact(unit: str, other: str) -> tuple[Decimal, Decimal] | None:
    if unit == other:
        return Decimal(1), Decimal(0)
    answer = ask(InTermsOf(unit, other)) if ucum.parse(unit) and ucum.parse(other) else None
    return (Decimal(answer[0]), Decimal(answer[1])) if isinstance(answer, tuple) else None


def _plain(value: Decimal) -> str | None:
    text = f"{_DIGITS.plus(value).normalize():f}"
    return text if len(text) <= _LONGEST else None


def _in_terms_of(unit: str, other: str) -> tuple[str, str] | None:
    left, right = ucum.parse(unit), ucum.parse(other)
    if left is None or right is None or left.counted != right.counted:
        return None
    quantity = _registry().Quantity
    try:
        zero, one, two = (
            quantity(left.number * value, left.expression).to(right.expression).magnitude / right.number
            for value in map(Decimal, range(3))
        )
        factor = one - zero
        if factor == 0 or abs((two - one) / factor - 1) > _TOLERANCE:
            return None  # no straight line: a logarithm
        return str(_DIGITS.plus(factor)), str(_DIGITS.plus(zero))
    except Exception:  # pint has no one base class for a unit that it does not know, cannot convert, or cannot parse
        return None


def known(unit: str) -> bool:
    """Whether pint knows the unit."""
    return ucum.parse(unit) is not None and ask(InTermsOf(unit, unit)) is not None


def same(unit: str, other: str) -> bool | None:
    """Whether two units are one: True also for L/m2 and mm. None when it cannot be told."""
    values = in_terms_of(unit, other)
    if values is None:
        return False if known(unit) and known(other) else None
    factor, offset = values
    return abs(factor - 1) <= _TOLERANCE and abs(offset) <= _TOLERANCE


def convert(value: float, unit: str, other: str) -> float | None:
    """A value in another unit; None when it cannot be told."""
    values = in_terms_of(unit, other)
    return None if values is None else value * values[0] + values[1]
