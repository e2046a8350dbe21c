"""What all that reads a source shares: what to read, how far to go, what it cost, and how it can fail."""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind
from ddtas.data.json_service import JsonService
from ddtas.errors import SourceError, printable


class SourceReason(StrEnum):
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

    ENTITY_NOT_FOUND = "EntityNotFound"
    """The server has no collection, type, table, topic or object of that name."""

    ERROR_REPORTED = "ErrorReported"
    """The server reports an error in the way of its own protocol, possibly with a status that says all is well."""

    TOO_MANY_REQUESTS = "TooManyRequests"
    """More requests would be needed than one session may make."""

    RESOURCE_EXHAUSTED = "ResourceExhausted"
    """Reading the answer takes more memory or processor time than one probe may use."""

    INTERNAL_ERROR = "InternalError"
    """The probe itself failed. That says nothing about the source, so its state is Unknown."""


@dataclass(frozen=True)
class Target:
    """One data source to read.

    Attributes:
        kind: how its data is fetched.
        endpoint: URL.
        contract: what the data supplier promises about it.
        physical_name: collection, feature type, table, topic; None where the endpoint says it all.
        auth: which credentials, and how they are used; None without credentials.
        secret: values of the credentials Secret, by its keys.
        namespace: of this cluster, whose Services it may lead to; "" where it may lead to none.
        json_service: how it is asked, of kind http-json; None of all others.
    """

    kind: DataKind
    endpoint: str
    contract: DataContract
    physical_name: str | None = None
    auth: Credentials | None = None
    secret: Mapping[str, str] | None = None
    namespace: str = ""
    json_service: JsonService | None = None

    @property
    def place(self) -> str:
        """The endpoint as messages may show it."""
        return place(self.endpoint)

    def __repr__(self) -> str:
        # Never the generated one: a Target ends up in logs and tracebacks, its credentials and query must not.
        return f"Target({self.kind.value} {self.place})"


@dataclass(frozen=True)
class Limits:
    """How far one session may go.

    Attributes:
        deadline_seconds: for everything together, name lookup and redirects included.
        max_bytes: of all bodies together; reading ends there, and facts that need the end stay unknown.
        max_document_bytes: of one document that must be read whole to be understood (JSON, XML).
        max_row_characters: of one record of a table.
        max_value_characters: of one text value that are kept; 200 are enough to tell its type.
        max_redirects: that are followed, for each request.
        max_requests: that are sent, redirects not counted.
    """

    deadline_seconds: float = 20
    max_bytes: int = 8 * 1024 * 1024
    max_document_bytes: int = 2 * 1024 * 1024
    max_row_characters: int = 64 * 1024
    max_value_characters: int = 200
    max_redirects: int = 5
    max_requests: int = 12


@dataclass
class Session:
    """One bounded reading of a source: what to read, how far to go, and what it cost so far.

    Attributes:
        target: the source.
        limits: of this session.
        policy: which addresses may be connected to.
        requests: sent so far.
        received: bytes of data received so far.
        latency_milliseconds: until the first byte of the first answer; None before.
        tokens: access tokens that were got during the session, and sent on.
    """

    target: Target
    limits: Limits
    policy: AddressPolicy
    requests: int = 0
    received: int = 0
    latency_milliseconds: int | None = None
    tokens: list[str] = field(default_factory=list, repr=False)

    def count_request(self) -> None:
        """One more request is about to be sent.

        Raises:
            SourceError: TooManyRequests.
        """
        if self.requests >= self.limits.max_requests:
            raise SourceError(
                SourceReason.TOO_MANY_REQUESTS,
                f"{self.target.place} would take more than {self.limits.max_requests} requests to read: give the "
                "endpoint of the service itself",
            )
        self.requests += 1

    def error(self, reason: SourceReason, what: str) -> SourceError:
        """An error about this source: "<place> <what>"; `what` ends with what to do next."""
        return SourceError(reason, f"{self.target.place} {what}")


def place(url: str) -> str:
    """A URL without what may be secret (user info, query, fragment), bounded and printable. Never raises."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.split("#")[0].split("?")[0].partition("/")
    return printable(f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}", 200)


def beside(base: str, link: str) -> str | None:
    """Where a link leads to, if that is on the server that it was found on.

    For links to what is good to have: another server may be down, or somebody else's.
    """
    try:
        address = urllib.parse.urljoin(base, link)
        here = urllib.parse.urlsplit(address)[:2] == urllib.parse.urlsplit(base)[:2]
    except ValueError:
        return None
    return address if here else None
