"""The smallest HTTP client that the servers' loaders and their tests need: one request, any status."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

# No proxy of the environment: everything is on the loopback address.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back, whatever the status."""

    status: int
    headers: Message
    body: bytes


def ask(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Send one request; raises OSError only when no answer came."""
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)
    try:
        with _OPENER.open(request, timeout=SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read())
