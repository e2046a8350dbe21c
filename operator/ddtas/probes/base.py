"""What every probe shares: what to look at, how far to go, and how it can fail."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ddtas.api.datasource import DataContract, DataKind
from ddtas.api.platform import SourceFacts
from ddtas.probes.addresses import AddressPolicy


class Reason(StrEnum):
    """The outcome of a probe: a closed list, shown in the status of the platform."""

    REACHABLE = "Reachable"
    """The source was read, and it is what it claims to be."""

    UNREACHABLE = "Unreachable"
    """No answer, or not all of it: the name is not in DNS, no connection, no trusted TLS certificate, or broken off."""

    TOO_SLOW = "TooSlow"
    """The answer was not complete when the time was up."""

    ADDRESS_FORBIDDEN = "AddressForbidden"
    """The endpoint, or where it redirects to, is no http(s) URL, or is at an address that probes may not connect to."""

    UNAUTHORIZED = "Unauthorized"
    """The server wants other credentials (HTTP 401 or 403), or the given ones cannot be sent."""

    HTTP_ERROR = "HttpError"
    """The server answered with an error status, or not with HTTP as it should be."""

    TOO_MANY_REDIRECTS = "TooManyRedirects"
    """The server kept on redirecting."""

    UNEXPECTED_CONTENT = "UnexpectedContent"
    """The answer is something else: a web page, JSON, compressed or binary data."""

    MALFORMED_DATA = "MalformedData"
    """The answer tries to be the right thing, but cannot be read."""

    INTERNAL_ERROR = "InternalError"
    """The probe itself failed. That says nothing about the source, so its state is Unknown."""


@dataclass(frozen=True)
class Target:
    """One data source to look at.

    Attributes:
        kind: how its data is fetched.
        endpoint: URL.
        contract: what the data supplier promises about it.
        scheme: how the credentials are sent; None without credentials.
        credentials: the keys of the Secret: `username` and `password` for Basic, `token` for Bearer.
    """

    kind: DataKind
    endpoint: str
    contract: DataContract
    scheme: Literal["Basic", "Bearer"] | None = None
    credentials: Mapping[str, str] | None = None

    @property
    def place(self) -> str:
        """The endpoint as messages may show it."""
        return place(self.endpoint)

    def __repr__(self) -> str:
        # Never the generated one: a Target ends up in logs and tracebacks, its credentials and query must not.
        return f"Target({self.kind.value} {self.place})"


@dataclass(frozen=True)
class Limits:
    """How far one look at a source may go.

    Attributes:
        deadline_seconds: for everything together, name lookup and redirects included.
        max_bytes: of the body; reading ends there, and facts that need the end stay unknown.
        max_row_characters: of one record of a table.
        max_redirects: that are followed.
    """

    deadline_seconds: float = 20
    max_bytes: int = 8 * 1024 * 1024
    max_row_characters: int = 64 * 1024
    max_redirects: int = 5


Probe = Callable[[Target, Limits, AddressPolicy], Awaitable[SourceFacts]]
"""Looks at a source once, within the limits; raises ProbeError with a Reason when it cannot be read."""


def place(url: str) -> str:
    """A URL without what may be secret (user info, query, fragment), bounded and printable. Never raises."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.split("#")[0].split("?")[0].partition("/")
    return printable(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}", 200)


def printable(text: str, length: int) -> str:
    """Text from outside, as messages may show it: at most `length` characters, without control characters."""
    shown = "".join(character if character.isprintable() else "�" for character in text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
