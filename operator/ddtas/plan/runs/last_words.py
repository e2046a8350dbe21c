"""What a container said before it ended, fit for a message: its last lines, without the credentials it was given. Pure.

The kubelet gives a container's termination message, or the end of its log where it ended with an error and wrote none
(`terminationMessagePolicy: FallbackToLogsOnError`). Either is hostile text. A log often has the address that could not
be reached, credentials and all.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from urllib.parse import quote, urlsplit

from ddtas.errors import printable
from ddtas.plan.snapshot import Secret, Snapshot
from ddtas.redaction import REDACTED, SHORTEST, forms

_LINES = 3
# As much of a log the kubelet keeps: what is as long may have lost its beginning, in the middle of a password.
_KEPT_BYTES = 2048
_SHORT = 4  # characters; what is shorter is hidden where it stands alone, since it is in many words


class Hidden:
    """The texts that no message may show. Its repr shows none of them."""

    def __init__(self, values: Iterable[str]) -> None:
        """Take the texts, in no order."""
        forms = {form for value in values if value.strip() for form in _forms(value)}
        parts = (_pattern(form) for form in sorted(forms, key=len, reverse=True))
        self._pattern = re.compile("|".join(parts)) if forms else None

    def __call__(self, text: str) -> str:
        """A text without them."""
        return self._pattern.sub(REDACTED, text) if self._pattern is not None else text


def hidden(snapshot: Snapshot, sources: Iterable[str]) -> Hidden:
    """What apps were given of some data sources: the values of their Secrets, and the queries of their addresses."""
    values: list[str] = []
    for name in sources:
        source = snapshot.source(name)
        if source is None:
            continue
        values.append(_query(source.endpoint))
        secret = snapshot.secrets.get(source.credentials.secret_name) if source.credentials is not None else None
        if secret is not None:
            values += _values(secret)
    return Hidden(values)


def last_words(text: str, hide: Hidden) -> str:
    """The last lines of a text from a container, as one line; "" where there are none."""
    if len(text.encode(errors="replace")) >= _KEPT_BYTES:
        text = text.partition("\n")[2] or text.partition(" ")[2]
    lines = [line for line in hide(text).splitlines() if line.strip()]
    return printable(" | ".join(" ".join(line.split()) for line in lines[-_LINES:]))


def _values(secret: Secret) -> list[str]:
    values = [_decoded(value) for value in secret.data.values()]
    # HTTP's Basic authentication: one text of two values.
    pairs = [f"{one}:{other}" for one in values for other in values if one is not other and len(values) <= 4]
    return [*values, *(b64encode(pair.encode(errors="replace")).decode() for pair in pairs)]


def _decoded(value: str) -> str:
    try:
        return b64decode(value).decode("utf-8", "replace")
    except ValueError:
        return value


def _query(endpoint: str) -> str:
    try:
        return urlsplit(endpoint).query
    except ValueError:
        return ""


def _forms(value: str) -> set[str]:
    """A value as it stands in logs; of one with several lines, each line."""
    lines = [line for line in value.splitlines() if len(line) >= SHORTEST]
    return {value, value.strip(), quote(value)}.union(*(forms(text) for text in (value, *lines)))


def _pattern(form: str) -> str:
    exact = re.escape(form)
    return exact if len(form) >= _SHORT else rf"(?<![A-Za-z0-9]){exact}(?![A-Za-z0-9])"
