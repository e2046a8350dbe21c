"""Kubernetes quantities: parse, add, and write in the API server's canonical form.

Source: k8s.io/apimachinery/pkg/api/resource, "Quantity". Written canonically, what we send is what we read back,
so a comparison of the two needs no tolerance.
"""

from decimal import Decimal

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"m": Decimal("0.001"), "": Decimal(1), "k": Decimal(10**3), "M": Decimal(10**6)} | {
    "G": Decimal(10**9),
    "T": Decimal(10**12),
}


def _split(quantity: str) -> tuple[Decimal, str]:
    digits = quantity.rstrip("kKmMGTi")
    return Decimal(digits), quantity[len(digits) :]


def amount(quantity: str) -> Decimal:
    """The number that a quantity stands for (cores, bytes)."""
    number, suffix = _split(quantity)
    return number * (_BINARY[suffix] if suffix in _BINARY else _DECIMAL[suffix])


def canonical(quantity: str) -> str:
    """The same quantity as the API server writes it: no fraction, the largest suffix that needs none."""
    number, suffix = _split(quantity)
    total = amount(quantity)
    units = _BINARY if suffix in _BINARY else {k: v for k, v in _DECIMAL.items() if k}
    if suffix in _BINARY and total != total.to_integral_value():
        units = {k: v for k, v in _DECIMAL.items() if k}
    for name, factor in sorted(units.items(), key=lambda item: -item[1]):
        count = total / factor
        if factor > 1 and total and count == count.to_integral_value():
            return f"{int(count)}{name}"
    if total == total.to_integral_value():
        return str(int(total))
    return f"{int((total * 1000).to_integral_value(rounding='ROUND_CEILING'))}m"
