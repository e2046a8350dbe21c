"""Kubernetes quantities: parse, add, and write in the API server's canonical form.

Source: k8s.io/apimachinery/pkg/api/resource, "Quantity". Written canonically, what we send is what we read back,
so a comparison of the two needs no tolerance.
"""

import re
from decimal import ROUND_CEILING, Context, Decimal

# Up to T and Ti in listings; the others in objects that others made, and as the API server writes what is large.
_BINARY = {f"{name}i": Decimal(2 ** (10 * power)) for power, name in enumerate("KMGTPE", 1)}
_DECIMAL = {name: Decimal(10 ** (3 * power)) for power, name in enumerate("kMGTPE", 1)}
_SMALL = {"m": Decimal("0.001"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
# Twenty characters of digits and a suffix are more digits than Decimal reckons with by itself.
_WIDE = Context(prec=80)
_FACTORS = _BINARY | _DECIMAL | _SMALL | {"": Decimal(1)}


def _split(quantity: str) -> tuple[Decimal, str]:
    digits = quantity.rstrip("nukKmMGTPEi")
    return Decimal(digits), quantity[len(digits) :]


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for (cores, bytes); 0 for what is none."""
    return read(quantity) or Decimal(0)


def canonical(quantity: str) -> str:
    """The same quantity as the API server writes it: no fraction, the largest suffix that needs none."""
    thousandths = int(_WIDE.multiply(amount(quantity), 1000).to_integral_value(rounding=ROUND_CEILING, context=_WIDE))
    total, rest = divmod(thousandths, 1000)
    if rest:
        return f"{thousandths}m"
    # Below 1,024 the API server gives up the binary suffixes too.
    units = _BINARY if _split(quantity)[1] in _BINARY and total >= 1024 else _DECIMAL
    for name, factor in sorted(units.items(), key=lambda item: item[1], reverse=True):
        if total and total % int(factor) == 0:
            return f"{total // int(factor)}{name}"
    return str(total)


_ANY = re.compile(r"\+?([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?")
_MOST = Decimal(10**40)  # more than anybody has, and within the precision of what is reckoned with here


def read(text: object) -> Decimal | None:
    """The amount that anybody else wrote, in any of the forms that the API server knows; None where it is none.

    Our own listings may use fewer forms (`ddtas.schema.types.Quantity`).
    """
    found = _ANY.fullmatch(text) if isinstance(text, str) and len(text) <= 40 else None
    if found is None:
        return None
    suffix = found[2] or ""
    return min(_MOST, _WIDE.multiply(Decimal(found[1]), _FACTORS.get(suffix) or Decimal(f"1{suffix}")))


def written(total: Decimal, *, bytes_: bool) -> str:
    """An amount for a person: bytes with a binary suffix where they are many."""
    if bytes_ and total >= 1024:
        return canonical(f"{int((total / 1024).to_integral_value(rounding='ROUND_CEILING'))}Ki")
    return canonical(f"{total:f}")
