"""Servers that do not speak HTTP: their endpoints, and one connection to an address that was checked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.sockets import CONNECT_SECONDS, NO_CONNECTION, permitted
from ddtas.data.wire.tls import REFUSED_CERTIFICATE
from ddtas.errors import SourceError

_SHUTDOWN_SECONDS = 1.0  # for the end of TLS, which nobody waits for
_BUFFER_BYTES = 16 * 1024  # that a stream holds before it stops taking more from its server, twice over


@dataclass(frozen=True)
class Endpoint:
    """The parts of an endpoint.

    Attributes:
        scheme: in lower case.
        host: name or IP address, without brackets.
        port: that of the scheme where the endpoint has none.
        path: decoded, without the slashes around it.
        query: decoded parameters.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


def endpoint(session: Session, ports: Mapping[str, int], parameters: frozenset[str] = frozenset()) -> Endpoint:
    """The parts of the endpoint of a session.

    Args:
        session: whose endpoint.
        ports: the usual one of each scheme that may be.
        parameters: that the query may have.

    Raises:
        SourceError: AddressForbidden when it is not such a URL.
    """
    wrong = session.error(
        SourceReason.ADDRESS_FORBIDDEN,
        f"is no {' or '.join(f'{scheme}://' for scheme in ports)} URL of a server"
        + (f" (with no parameters but {' and '.join(sorted(parameters))})" if parameters else "")
        + ": correct the endpoint",
    )
    try:
        parts = urlsplit(session.target.endpoint)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=8))
        checked = Endpoint(
            parts.scheme,
            parts.hostname or "",
            parts.port or ports[parts.scheme],
            unquote(parts.path, errors="strict").strip("/"),
            query,
        )
    except (ValueError, KeyError):  # ValueError also from the port
        raise wrong from None
    texts = (checked.host, checked.path, *query.values())
    if (
        not checked.host
        or parts.username is not None
        or not set(query) <= parameters
        or not all(map(str.isprintable, texts))
    ):
        raise wrong
    return checked


@asynccontextmanager
async def limited(session: Session) -> AsyncIterator[None]:
    """The deadline of a session, until the context is left; and what errors of its connection mean.

    Raises:
        SourceError: TooSlow, Unreachable, or Unauthorized when the server wants (another) client certificate.
    """
    seconds = session.limits.deadline_seconds
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise too_slow(session) from None
    except ssl.SSLCertVerificationError:
        raise session.error(
            SourceReason.UNREACHABLE,
            "has no TLS certificate that can be trusted: ask the data supplier for a valid one, or put that of its "
            "authority in ca.crt of the Secret",
        ) from None
    except ssl.SSLError as error:
        if "ALERT" in (error.reason or ""):  # the server's own word
            raise session.error(SourceReason.UNAUTHORIZED, REFUSED_CERTIFICATE) from None
        raise session.error(
            SourceReason.UNREACHABLE, "does not speak TLS as it should: correct the scheme or the port of the endpoint"
        ) from None
    except (OSError, EOFError):  # EOFError: of a stream that ends too early
        raise session.error(
            SourceReason.UNREACHABLE, "broke off before the answer was complete: ask the data supplier"
        ) from None


def too_slow(session: Session) -> SourceError:
    """The error for a session whose time is up."""
    return session.error(
        SourceReason.TOO_SLOW,
        f"was not read within {session.limits.deadline_seconds:g} seconds: ask its supplier for a faster server",
    )


async def connect(
    session: Session, host: str, port: int, tls: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address of a host that may be connected to, and to no other.

    Args:
        session: counts it as a request.
        host: name or address.
        port: of TCP.
        tls: how TLS is spoken, with the host's name; plain TCP without it.

    Raises:
        SourceError: AddressForbidden or Unreachable; TooManyRequests.
        ssl.SSLError: TLS cannot be agreed on.
    """
    session.count_request()
    address = await permitted(session, host, port)
    try:
        # An address is not looked up again.
        secure: dict[str, Any] = (
            {"ssl": tls, "server_hostname": host, "ssl_shutdown_timeout": _SHUTDOWN_SECONDS} if tls else {}
        )
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(address, port, limit=_BUFFER_BYTES, **secure)
    except TimeoutError:
        raise session.error(SourceReason.UNREACHABLE, NO_CONNECTION) from None
    except ssl.SSLError:
        raise  # an OSError too, with more to say
    except OSError as error:
        kind = "no connection" if tls is None or isinstance(error, ConnectionRefusedError) else "no TLS connection"
        raise session.error(
            SourceReason.UNREACHABLE,
            f"takes {kind}: is the server up, are the scheme and the port right, and does a firewall or NetworkPolicy "
            "let the operator out?",
        ) from None
