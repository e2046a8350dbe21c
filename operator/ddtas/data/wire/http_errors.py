"""What goes wrong on the way to an HTTP server, in words for a person."""

import ssl

import aiohttp

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.sockets import Gate, forbidden
from ddtas.data.wire.tls import mutual
from ddtas.errors import SourceError


def explain(error: Exception, gate: Gate, session: Session) -> SourceError:
    """What an aiohttp error means. Nothing in it varies from probe to probe, or the status would change each time."""
    where = session.target.place
    if _refused_certificate(error, session):
        return SourceError(
            SourceReason.UNAUTHORIZED,
            f"{where} breaks off before it answers, as servers do that want another client's certificate: correct "
            "tls.crt and tls.key in the Secret named in credentials"
            if mutual(session)
            else f"{where} wants a client's certificate: name a Secret in credentials, with the scheme MutualTLS",
        )
    if isinstance(error, aiohttp.InvalidURL):
        return SourceError(
            SourceReason.ADDRESS_FORBIDDEN,
            f"{where} leads to a host that is no valid name or address: correct the endpoint",
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return SourceError(
            SourceReason.UNREACHABLE,
            f"{where} has no TLS certificate that can be trusted: ask the data supplier for a valid one",
        )
    if isinstance(error, aiohttp.ClientConnectorError) and gate.refusals:
        return forbidden(session, gate.refusals)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return SourceError(
            SourceReason.UNREACHABLE, f"the host of {where} is not in DNS, or DNS does not answer: correct the endpoint"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return SourceError(
            SourceReason.UNREACHABLE,
            f"no connection to {where}: is the server up, and does a firewall or NetworkPolicy let the operator out?",
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return SourceError(SourceReason.HTTP_ERROR, f"{where} does not answer with valid HTTP: ask the data supplier")
    return SourceError(
        SourceReason.UNREACHABLE, f"{where} broke off before the data was complete: ask the data supplier"
    )


def _refused_certificate(error: Exception, session: Session) -> bool:
    """Whether the server ended the handshake because of the client's certificate.

    From TLS 1.3 on it says so when the handshake is over for the client, and the end of the connection may overtake
    the alert. So with MutualTLS a connection that ends before the first answer counts too.
    """
    causes = (getattr(error, "os_error", None), error.__cause__)
    alert = next((cause.reason or "" for cause in causes if isinstance(cause, ssl.SSLError)), "")
    if "ALERT" in alert:
        return mutual(session) or any(word in alert for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED"))
    ended = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientResponseError | aiohttp.InvalidURL)
    return mutual(session) and ended and session.latency_milliseconds is None
