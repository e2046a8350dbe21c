"""Units of measurement as texts: UCUM (m3/s, Cel, 10*3.m3, {veh}/h) and what people write (degC, kWh, m³/s).

Read into numbers, names and annotations, and nothing is worked out: units come from suppliers and from the data itself,
and what pint takes besides (10**10**10) is arithmetic that need not end.
"""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 60  # that a model lets in; in a name of any length pint looks for each prefix and suffix

_TOKEN = re.compile(
    r"""(?P<level>dB(?:\([ABCDZ]\)|\[[ABCDZ]\]|[ABCDZ](?![A-Za-z])))  # a level with a weighting of its own
    | (?P<power>10(?:\*\*|[*^])(?P<ten>[+-]?[1-9][0-9]?))             # a power of ten
    | (?P<number>[1-9][0-9]{0,5})
    | (?P<name>\[[A-Za-z0-9_']{1,20}\] | mm\[Hg\] | [A-Za-zµΩ°%‰]+) (?:(?:\^|\*\*)?(?P<exponent>-?[1-9])(?![0-9]))?
    | (?P<annotation>\{[^{}]+\})
    | (?P<sign>[./*()])
    """,
    re.VERBOSE,
)
_ALIKE = str.maketrans({"μ": "µ", "Ω": "Ω", "·": ".", "⋅": ".", "×": "."})
_RAISED = str.maketrans("⁻¹²³⁴⁵⁶⁷⁸⁹", "-123456789")
_PINT = {
    # UCUM, where pint has another name
    "Cel": "degC",
    "[degF]": "degF",
    "u": "dalton",
    "a": "year",
    "mo": "month",
    "wk": "week",
    "ar": "are",
    "har": "hectare",
    "[ppth]": "permille",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "mm[Hg]": "mmHg",
    "[in_i]": "inch",
    "[ft_i]": "foot",
    "[mi_i]": "mile",
    "[nmi_i]": "nautical_mile",
    "[kn_i]": "knot",
    # what people write
    "°C": "degC",
    "°F": "degF",
    "‰": "permille",
}


class Unit(NamedTuple):
    """A unit as it is written.

    Attributes:
        number: the factor before the names: 1000 in 10*3.m3.
        names: of units as pint has them, with their exponents.
        counted: annotations, and levels with a weighting (dB(A)), with their exponents: what no other unit measures.
    """

    number: Decimal
    names: tuple[tuple[str, int], ...]
    counted: frozenset[tuple[str, int]]

    @property
    def expression(self) -> str:
        """The names as an expression for pint."""
        return "*".join(f"{name}**{exponent}" if exponent != 1 else name for name, exponent in self.names)


@lru_cache(maxsize=1024)
def parse(text: str) -> Unit | None:
    """Read a unit; None for what is not written as one."""
    if len(text) > _LONGEST:
        return None
    plain = re.sub("[⁻¹²³⁴⁵⁶⁷⁸⁹]+", lambda raised: raised[0].translate(_RAISED), text.translate(_ALIKE))
    reading = _Reading()
    for token in _tokens(plain):
        if token is None or not reading.take(token):
            return None
    return reading.result()


class _Reading:
    """Takes the parts of a unit one by one, from the left."""

    def __init__(self) -> None:
        self._number = Decimal(1)
        self._names: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._sign = 1  # -1: what comes next divides
        self._around = [1]  # the same of the parentheses that are open
        self._after_term = False

    def take(self, token: re.Match[str]) -> bool:
        """Take the next part; whether it may stand there."""
        match token[0]:
            case "(":
                allowed = not self._after_term
                self._around.append(self._sign)
            case ")":
                allowed = self._after_term and len(self._around) > 1
                if allowed:
                    self._around.pop()
            case "/" | "." | "*":
                allowed = self._after_term or (token[0] == "/" and token.start() == 0)
                self._sign = -self._around[-1] if token[0] == "/" else self._around[-1]
                self._after_term = False
            case _:
                # An annotation may also follow what it is about, as in m{NAP}.
                allowed = not self._after_term or token["annotation"] is not None
                self._after_term = True
                self._add(token)
        return allowed

    def _add(self, token: re.Match[str]) -> None:
        if token["power"]:
            self._number *= Decimal(10) ** (self._sign * int(token["ten"]))
        elif token["number"]:
            self._number *= Decimal(token["number"]) ** self._sign
        elif name := token["name"]:
            spelled = _PINT.get(name, f"{name[:-3]}ohm" if name.endswith("Ohm") else name)
            self._names[spelled] += self._sign * int(token["exponent"] or 1)
        elif token["level"]:
            self._counted[f"dB({re.sub('[^A-Z]', '', token['level'][2:])})"] += self._sign
        else:
            self._counted[token["annotation"]] += self._sign

    def result(self) -> Unit | None:
        """The unit; None where it ends in the middle."""
        if not self._after_term or len(self._around) > 1:
            return None
        names, counted = ([(name, n) for name, n in c.items() if n] for c in (self._names, self._counted))
        return Unit(self._number, tuple(names), frozenset(counted))


def _tokens(text: str) -> Iterator[re.Match[str] | None]:
    """The parts of a unit; None for what is none."""
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        yield token
        if token is None:
            return
        place = token.end()
