"""What goes wrong at a PostgreSQL server, in words for a person."""

import re

import psycopg

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire.tls import REFUSED_CERTIFICATE, mutual
from ddtas.errors import SourceError

_BROKEN = r"closed the connection unexpectedly|SSL SYSCALL error|could not (receive|send) data|is lost"
_REFUSALS = (
    (
        r"does not support SSL",
        SourceReason.UNREACHABLE,
        "offers no TLS: ask for it, or where you trust the network add ?sslmode=disable to the endpoint",
    ),
    (
        r"no password supplied",
        SourceReason.UNAUTHORIZED,
        "wants a password: name a Secret with username and password in credentials, scheme Basic",
    ),
    (
        r"certificate verify failed|server certificate for|root certificate",
        SourceReason.UNREACHABLE,
        "has no TLS certificate that can be trusted: put that of its authority in ca.crt of the Secret, and the name "
        "that it is for in the endpoint",
    ),
    (
        r"authentication method requirement|channel binding",
        SourceReason.UNAUTHORIZED,
        "wants the password in a way that gives it away, and did not prove who it is: ask for SCRAM-SHA-256, or put "
        "the certificate of its authority in ca.crt of the Secret",
    ),
    (
        r"SSL error: .*alert",
        SourceReason.UNAUTHORIZED,
        REFUSED_CERTIFICATE,
    ),
    (
        r"received invalid response|expected authentication request|received unexpected|SSL error",
        SourceReason.UNEXPECTED_CONTENT,
        "does not answer as PostgreSQL does: correct the host and port of the endpoint",
    ),
    (
        _BROKEN,
        SourceReason.UNREACHABLE,
        "broke off before it had answered: is it PostgreSQL, and does it let the operator in (pg_hba.conf)?",
    ),
    (
        r'database "[^"]*" does not exist',
        SourceReason.ENTITY_NOT_FOUND,
        "has no such database: correct the endpoint",
    ),
    (
        r"too many|connection slots|starting up|shutting down|recovery",
        SourceReason.UNREACHABLE,
        "takes no connection now: wait, or ask the data supplier",
    ),
    (
        r"startup parameter",
        SourceReason.ERROR_REPORTED,
        "does not take the parameter 'options' (is it a pooler?): give the endpoint of the server itself",
    ),
    (
        r"failed: +\S.*:  ",  # severity and two spaces: the server's own words
        SourceReason.UNAUTHORIZED,
        "refuses this user for this database: correct the Secret named in credentials, the database in the endpoint, "
        "or what the server lets in (pg_hba.conf)",
    ),
)


def explain(session: Session, error: psycopg.Error) -> SourceError:
    """What an error means; by its SQLSTATE (appendix A of the manual), and without it by the words of libpq."""
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):
        return _refused(session, str(error))
    if state is None:
        return _other(session)
    if state in ("42P01", "3F000"):
        return session.error(SourceReason.ENTITY_NOT_FOUND, "does not have its table any more: correct physicalName")
    if state == "42501":
        return no_right(session)
    if state in ("57014", "55P03"):
        return session.error(
            SourceReason.TOO_SLOW,
            "takes too long to read, or is locked: ask its supplier for an index, or for a smaller extract",
        )
    if state[:2] in ("08", "53", "57"):
        return session.error(
            SourceReason.UNREACHABLE,
            f"broke off (SQLSTATE class {state[:2]}): ask the data supplier for the server's log",
        )
    code = f"SQLSTATE {state}" if re.fullmatch("[0-9A-Z]{5}", state) else "no valid SQLSTATE"
    return session.error(SourceReason.ERROR_REPORTED, f"reports an error ({code}): ask the data supplier")


def _refused(session: Session, text: str) -> SourceError:
    """What the end of a connection means.

    libpq passes on no SQLSTATE of one that was never made. Its own words are English; a server's are in the language
    that it was set to, so those may only make the advice better.
    """
    # From TLS 1.3 on a client's certificate is judged after the handshake, and the alert may get lost.
    if session.requests == 1 and mutual(session) and re.search(_BROKEN, text):
        return session.error(SourceReason.UNAUTHORIZED, REFUSED_CERTIFICATE)
    for pattern, reason, what in _REFUSALS:
        if re.search(pattern, text):
            return session.error(reason, what)
    return _other(session)


def _other(session: Session) -> SourceError:
    return session.error(
        SourceReason.UNEXPECTED_CONTENT, "does not answer as PostgreSQL does: correct the host and port of the endpoint"
    )


def malformed(session: Session, what: str) -> SourceError:
    return session.error(
        SourceReason.MALFORMED_DATA, f"answers with {what}: is it a PostgreSQL server? Ask the data supplier"
    )


def no_right(session: Session) -> SourceError:
    """The error for a table that the user may not read."""
    return session.error(
        SourceReason.UNAUTHORIZED,
        "does not let this user read the table: ask for USAGE on its schema and SELECT on it, or correct the Secret "
        "named in credentials",
    )
