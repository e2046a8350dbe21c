"""Kubernetes quantities: parse, add, and write in the API server's canonical form.

Source: k8s.io/apimachinery/pkg/api/resource, "Quantity". Written canonically, what we send is what we read back,
so a comparison of the two needs no tolerance.
"""

import re
from decimal import Decimal

_BINARY = {"Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40)}
_DECIMAL = {"k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12)}
# In objects that others made.
_OTHER = {"P": Decimal(10**15), "E": Decimal(10**18), "Pi": Decimal(2**50), "Ei": Decimal(2**60)}
_SMALL = {"m": Decimal("0.001"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
_FACTORS = _BINARY | _DECIMAL | _OTHER | _SMALL | {"": Decimal(1)}


def _split(quantity: str) -> tuple[Decimal, str]:
    digits = quantity.rstrip("nukKmMGTPEi")
    return Decimal(digits), quantity[len(digits) :]


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for (cores, bytes)."""
    number, suffix = _split(quantity)
    return number * _FACTORS[suffix]


def canonical(quantity: str) -> str:
    """The same quantity as the API server writes it: no fraction, the largest suffix that needs none."""
    total = (amount(quantity) * 1000).to_integral_value(rounding="ROUND_CEILING") / 1000
    whole = total == total.to_integral_value()
    if not whole:
        return f"{int(total * 1000)}m"
    # Below 1,024 the API server gives up the binary suffixes too.
    units = _BINARY if _split(quantity)[1] in _BINARY and total >= 1024 else _DECIMAL
    for name, factor in sorted(units.items(), key=lambda item: item[1], reverse=True):
        if total and total % factor == 0:
            return f"{int(total / factor)}{name}"
    return str(int(total))


_ANY = re.compile(r"\+?([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?")
_MORE = _FACTORS | {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}

_MOST = Decimal(10**24)  # more than anybody has, and within the precision of what is reckoned with here


def read(text: object) -> Decimal | None:
    """The amount that anybody else wrote, in any of the forms that the API server knows; None where it is none.

    Our own listings may use fewer forms (`ddtas.api.base.Quantity`).
    """
    found = _ANY.fullmatch(text) if isinstance(text, str) and len(text) <= 40 else None
    if found is None:
        return None
    suffix = found[2] or ""
    return min(_MOST, Decimal(found[1]) * (_MORE[suffix] if suffix in _MORE else Decimal(f"1{suffix}")))


def written(total: Decimal, *, bytes_: bool) -> str:
    """An amount for a person: bytes with a binary suffix where they are many."""
    if bytes_ and total >= 1024:
        return canonical(f"{int((total / 1024).to_integral_value(rounding='ROUND_CEILING'))}Ki")
    return canonical(f"{total:f}")
