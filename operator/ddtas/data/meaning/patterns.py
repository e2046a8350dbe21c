"""Patterns of days and times as Unicode TR35 writes them, which CSV on the Web uses (yyyyMMdd HH:mm)."""

import re

# Longest first.
_DIRECTIVES = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d", "HH": "%H", "H": "%H", "mm": "%M",
    "ss": "%S", "%": "%%",
}  # fmt: skip
_DIRECTIVE = re.compile("|".join(_DIRECTIVES))


def strptime(pattern: str) -> str:
    """A pattern for strptime.

    >>> strptime("yyyyMMdd HH:mm")
    '%Y%m%d %H:%M'
    """
    return _DIRECTIVE.sub(lambda match: _DIRECTIVES[match[0]], pattern)
