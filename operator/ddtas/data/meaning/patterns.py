"""Patterns of days and times as Unicode TR35 writes them, which CSV on the Web uses (yyyyMMdd HH:mm)."""

import re
from datetime import datetime

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


_WRITTEN = re.compile(r"'([^']*)'|SSS|xxx|XXX|" + _DIRECTIVE.pattern)


def written(pattern: str, moment: datetime) -> str:
    """A moment, which has a zone, as a pattern has it; also with SSS, xxx, XXX and texts in single quotes.

    >>> from datetime import UTC
    >>> written("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", datetime(2026, 1, 31, 12, tzinfo=UTC))
    '2026-01-31T12:00:00.000Z'
    """
    offset = moment.isoformat()[-6:]

    def part(match: re.Match[str]) -> str:
        match match[0]:
            case "SSS":
                return f"{moment.microsecond // 1000:03}"
            case "xxx":
                return offset
            case "XXX":
                return "Z" if offset == "+00:00" else offset
            case "M" | "d" | "H" as short:
                return str({"M": moment.month, "d": moment.day, "H": moment.hour}[short])
            case "yyyy":
                return f"{moment.year:04}"
            case text if text in _DIRECTIVES:
                return moment.strftime(_DIRECTIVES[text])
        return match[1]

    return _WRITTEN.sub(part, pattern)
