"""Credentials that others repeat are taken out of what is shown: statuses, Events and the log.

Whoever is given a credential can say it again: a server in its error, a city's cluster in a message, an app in its last
words. What is shown is searched for the values themselves and for the usual ways to write them down. That stops the
careless; who means to publish a secret that he knows can always spell it otherwise.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, quote_plus

# Shorter ones are not looked for: they would be found in words that have nothing to do with them.
SHORTEST: Final = 8
# Letters only, so that it may stand wherever a name may.
REDACTED: Final = "redacted"


def forms(value: str) -> frozenset[str]:
    """What a credential may look like in a text: as it is, in JSON, in a URL, and in base64.

    In base64 it has three looks, by where it begins; its first and last digit may be shared with its neighbours.
    """
    if len(value) < SHORTEST:
        return frozenset()
    found = {
        value,
        *(json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)),
        quote(value, safe=""),
        quote_plus(value),
    }
    raw = value.encode(errors="replace")
    for before in range(3):
        digits = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")[-(-before * 8 // 6) : -1]
        found |= {digits, digits.translate(str.maketrans("+/", "-_"))}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one)
        case dict():
            for one in value.values():
                yield from _texts(one)


class Redactor:
    """Knows credentials, and takes them out of texts. A text costs time by its length, not by how many it knows."""

    def __init__(self) -> None:
        self._from: dict[tuple[str, str], frozenset[str]] = {}  # by namespace and name of their Secret
        # By its first characters: each form, with the namespaces that have it, as often as they do.
        self._forms: dict[str, dict[str, list[str]]] = {}

    def put(self, namespace: str, name: str, values: Iterable[str]) -> None:
        """Know the credentials of a Secret, and no longer those that it had before."""
        self.remove(namespace, name)
        found = frozenset(form for value in values for form in forms(value))
        self._from[namespace, name] = found
        for form in found:
            self._forms.setdefault(form[:SHORTEST], {}).setdefault(form, []).append(namespace)

    def remove(self, namespace: str, name: str) -> None:
        """Forget those of a Secret."""
        for form in self._from.pop((namespace, name), ()):
            alike = self._forms[form[:SHORTEST]]
            alike[form].remove(namespace)
            if not alike[form]:
                del alike[form]
            if not alike:
                del self._forms[form[:SHORTEST]]

    def holds(self, text: str, namespace: str | None = None) -> bool:
        """Whether a text has one; of that namespace alone where one is given."""
        return next(self._found(text, namespace), None) is not None

    def hide(self, text: str, namespace: str | None = None) -> str:
        """A text without them.

        Args:
            text: what is to be shown.
            namespace: whose credentials; None for all. Who sees what is shown must not learn from it whether he has
                guessed the password of another city.
        """
        parts, end = [], 0
        for start, form in self._found(text, namespace):
            parts += [text[end:start], REDACTED]
            end = start + len(form)
        return "".join((*parts, text[end:])) if parts else text

    def hide_in(self, value: Any, clean: Any, namespace: str) -> Any:
        """JSON without them; the very same where it has none.

        Args:
            value: what is to be shown.
            clean: what was shown before; texts that are in there are not looked through again.
            namespace: as of `hide`.
        """
        mine = [form for (of, _), found in self._from.items() if of == namespace for form in found]
        if not mine:
            return value
        new = "\n".join(set(_texts(value)) - set(_texts(clean)))
        return self._hidden(value, namespace) if any(form in new for form in mine) else value

    def _hidden(self, value: Any, namespace: str) -> Any:
        match value:
            case str():
                return self.hide(value, namespace)
            case list():
                return [self._hidden(one, namespace) for one in value]
            case dict():
                return {key: self._hidden(one, namespace) for key, one in value.items()}
        return value

    def _found(self, text: str, namespace: str | None) -> Iterator[tuple[int, str]]:
        """Where which form begins, from left to right, none within another one."""
        known, at, last = self._forms, 0, len(text) - SHORTEST
        if not known:
            return
        while at <= last:
            alike = known.get(text[at : at + SHORTEST])
            fitting = [f for f in alike if text.startswith(f, at) and namespace in (None, *alike[f])] if alike else ()
            if fitting:
                longest = max(fitting, key=len)
                yield at, longest
                at += len(longest)
            else:
                at += 1


known: Final = Redactor()
"""The credentials of all Secrets that the operator watches: one for the process, as its log is."""
