"""How libpq is told to connect: all that it would otherwise take from variables, or from files in a home directory."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import credentials, tcp, tls
from ddtas.data.wire.libpq_relay import LOOPBACK

_LOCK_SECONDS = 1
_NOTHING = "/proc/self/nothing"  # a file that is not there
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # where Debian has the public ones
# What is the same for each server; the defaults too, since a variable or a file may have others.
_PINNED: Mapping[str, Any] = {
    "passfile": _NOTHING,
    "channel_binding": "prefer",
    "client_encoding": "UTF8",
    "application_name": "ddtas-operator",
    "sslnegotiation": "postgres",
    "sslcompression": 0,
    "sslpassword": "none",  # a key with a passphrase would have it asked for at the terminal
    "sslcrl": _NOTHING,
    "sslcrldir": "",
    "sslsni": 1,
    "ssl_min_protocol_version": "TLSv1.2",
    "ssl_max_protocol_version": "",
    "min_protocol_version": "3.0",
    "max_protocol_version": "3.0",
    "gssencmode": "disable",
    "gssdelegation": 0,
    "krbsrvname": "postgres",
    "requirepeer": "",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
}


def parameters(session: Session, at: tcp.Endpoint, file: Callable[[str], str]) -> dict[str, Any]:
    """The parameters of libpq: all that it would otherwise take from PG* variables, or from files in a home directory.

    Args:
        session: whose target and credentials.
        at: its endpoint.
        file: makes a file of a text, and gives its path.

    Raises:
        SourceError: Unauthorized for credentials that PostgreSQL does not take; AddressForbidden for an endpoint that
            is not as it should be.
    """
    if not at.path or "/" in at.path:
        raise session.error(
            SourceReason.ADDRESS_FORBIDDEN, "does not name one database: give postgresql://host[:port]/database"
        )
    secret = session.target.secret or {}
    mode = at.query.get("sslmode", "verify-full" if "ca.crt" in secret else "require")
    if mode not in ("verify-full", "require", "disable"):
        raise session.error(
            SourceReason.ADDRESS_FORBIDDEN,
            "has another sslmode than verify-full, require or disable: correct the endpoint",
        )
    user, password, certified = _login(session, at, mode)
    tls.context(session)  # libpq would say less well what is wrong with a certificate
    authorities = file(secret["ca.crt"]) if "ca.crt" in secret else ssl.get_default_verify_paths().cafile
    verified = mode == "verify-full"
    seconds = session.limits.deadline_seconds
    return {
        **_PINNED,
        "host": at.host,  # for TLS; hostaddr is where the connection goes
        "hostaddr": LOOPBACK,
        "dbname": at.path,
        "user": user,
        "password": password,
        "require_auth": "password,md5,scram-sha-256,none" if verified else "scram-sha-256,none",
        "connect_timeout": 2 + int(seconds),  # longer than our own deadline
        "options": " ".join(f"-c {name}={value}" for name, value in _settings(seconds).items()),
        "sslmode": mode,
        "sslcertmode": "require" if certified else "disable",
        "sslcert": file(secret["tls.crt"]) if certified else _NOTHING,
        "sslkey": file(secret["tls.key"]) if certified else _NOTHING,
        "sslrootcert": authorities or _AUTHORITIES if verified else _NOTHING,
    }


def _settings(seconds: float) -> dict[str, Any]:
    """Settings of the transaction, so that it ends in time and looks for names nowhere but in the catalogue."""
    milliseconds = max(1, int(800 * seconds))  # its own error says more than our deadline does
    return {
        "search_path": "pg_catalog",
        "default_transaction_read_only": "on",
        "statement_timeout": milliseconds,
        "lock_timeout": min(milliseconds, 1000 * _LOCK_SECONDS),
        "idle_in_transaction_session_timeout": milliseconds,
        "timezone": "UTC",
    }


def _login(session: Session, at: tcp.Endpoint, mode: str) -> tuple[str, str, bool]:
    """User, password, and whether there is a client certificate."""
    scheme = session.target.auth.scheme if session.target.auth else None
    if scheme == "Basic":
        return credentials.value(session, "username"), credentials.value(session, "password"), False
    if scheme not in (None, "MutualTLS"):
        raise session.error(
            SourceReason.UNAUTHORIZED,
            f"could not be read: PostgreSQL takes no {scheme}: set scheme in credentials to Basic or MutualTLS",
        )
    if scheme and mode == "disable":
        raise session.error(
            SourceReason.UNAUTHORIZED,
            "could not be read: there is no client certificate without TLS: correct sslmode",
        )
    user = at.query.get("user")
    if not user:
        raise session.error(
            SourceReason.UNAUTHORIZED,
            "could not be read: it names no user: "
            + (
                "add ?user= to the endpoint"
                if scheme
                else "name a Secret in credentials, or add ?user= to the endpoint"
            ),
        )
    return user, "", bool(scheme)
