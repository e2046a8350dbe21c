"""Where a bound data source is right now, and what an app is told of it (servicebinding.io)."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ddtas.api.platform import DataSource
from ddtas.data.contract import DataKind
from ddtas.plan.products import Ref
from ddtas.plan.snapshot import Secret

_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Wiring:
    """A bound source as it is right now: its address may move and its credentials rotate within a revision."""

    requirement: str
    source: DataSource
    secret: Secret | None = field(default=None, repr=False)
    upstream: Ref | None = None  # whose product it is
    # Why nobody knows that the source can be read with these credentials; "" where a probe just did.
    doubt: str = ""
    # They are others than the source was read with, and are not tried yet.
    changed: bool = False

    def entries(self) -> dict[str, str]:
        """The servicebinding.io entries, base64: where the source is, what is asked of it, and with which credentials.

        What a source does not have is left out, as its `host` and `port` are when the endpoint is no URL.
        """
        source, credentials = self.source, self.source.credentials
        plain = {
            "type": source.kind.value,
            "provider": source.name,
            "uri": source.endpoint,
            "physical-name": source.physical_name,
            **_place(source),
        }
        if credentials is not None:
            plain |= {
                "header": credentials.effective_header,
                "token-uri": credentials.token_url,
                "scope": credentials.scope,
                "region": credentials.effective_region,
            }
        encoded = {key: _base64(value) for key, value in plain.items() if value}
        if credentials is not None and self.secret is not None:
            encoded |= {key: self.secret.data[key] for key in credentials.keys}
            encoded |= {key: self.secret.data[key] for key in credentials.optional_keys if key in self.secret.data}
        return encoded


def _place(source: DataSource) -> dict[str, str | None]:
    """Host, port and database of the endpoint, for clients that take no URL."""
    try:
        parts = urlsplit(source.endpoint)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # no URL, or a port that is none: the probe says so
        return {}
    if not host:
        return {}
    database = unquote(parts.path).strip("/") if source.kind is DataKind.POSTGRESQL else None
    return {"host": host, "port": str(port) if port else None, "database": database}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
