"""Credentials as HTTP and TLS take them.

What a Secret holds is checked before it is used: a newline at the end of a value is a common slip, and must not get
into a header.
"""

import base64
import fcntl
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote_plus

from ddtas.data.session import Session, SourceReason


def headers(session: Session) -> dict[str, str]:
    """The headers that authorise each request; none for schemes that work otherwise.

    Raises:
        SourceError: Unauthorized when a value is missing, or cannot be sent.
    """
    auth = session.target.auth
    if auth is None:
        return {}
    match auth.scheme:
        case "Basic":
            return {"Authorization": _basic(value(session, "username", forbidden=":"), value(session, "password"))}
        case "Bearer":
            return {"Authorization": f"Bearer {value(session, 'token', ascii_only=True)}"}
        case "ApiKey":
            return {auth.effective_header or "": value(session, "api-key", ascii_only=True)}
        case "OAuth2ClientCredentials" | "MutualTLS" | "SigV4":
            return {}


def client(session: Session) -> dict[str, str]:
    """The headers for the token URL of OAuth 2.0: RFC 6749, section 2.3.1, with both values form-encoded.

    Raises:
        SourceError: as `headers`.
    """
    name, word = (quote_plus(value(session, key)) for key in ("client-id", "client-secret"))
    return {"Authorization": _basic(name, word)}


def tls(session: Session, *, client: bool = True) -> ssl.SSLContext | None:
    """How TLS is spoken; None for the ordinary way, with the public certificate authorities.

    Args:
        session: whose Secret may have `ca.crt`, and with MutualTLS the client's certificate and key.
        client: False for others than the server of the endpoint: they do not see the client's certificate.

    Raises:
        SourceError: Unauthorized when a certificate or key in the Secret cannot be read.
    """
    secret: Mapping[str, str] = session.target.secret or {}
    wants_client = client and session.target.auth is not None and session.target.auth.scheme == "MutualTLS"
    if not wants_client and "ca.crt" not in secret:
        return None
    try:
        context = ssl.create_default_context(cadata=secret.get("ca.crt") or None)
        if wants_client:
            _load_client(context, secret["tls.crt"], secret["tls.key"])
    except (ssl.SSLError, ValueError, TypeError, KeyError, OSError):  # TypeError: ca.crt has more than ASCII
        # What OpenSSL says of a key is nobody's business.
        raise session.error(
            SourceReason.UNAUTHORIZED,
            "could not be read: a certificate or key of its Secret is missing or cannot be read: correct tls.crt, "
            "tls.key and ca.crt (PEM; the key without a passphrase)",
        ) from None
    return context


def _load_client(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL takes a client's certificate from files only: pipes, so that a key is never on a disk."""
    with _pipe(certificate) as certificate_file, _pipe(key) as key_file:
        # A passphrase would be asked for at the terminal.
        context.load_cert_chain(certificate_file, key_file, password="")


@contextmanager
def _pipe(text: str) -> Iterator[str]:
    """The path of a pipe that has this text, and then ends."""
    content = text.encode()
    reader, writer = os.pipe()
    try:
        try:
            if fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ) < len(content):  # nobody reads while it is written
                raise ValueError("too long")
            os.write(writer, content)
        finally:
            os.close(writer)
        yield f"/proc/self/fd/{reader}"
    finally:
        os.close(reader)


def _basic(name: str, word: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{word}'.encode()).decode()}"


def value(session: Session, key: str, *, forbidden: str = "", ascii_only: bool = False) -> str:
    """One value of the Secret.

    Args:
        session: whose Secret.
        key: of the value.
        forbidden: characters that it may not have, besides those that cannot be printed.
        ascii_only: it may have no others.

    Raises:
        SourceError: Unauthorized when it is missing, empty, or cannot be sent.
    """
    found = (session.target.secret or {}).get(key, "")
    usable = found and found.isprintable() and not (ascii_only and not found.isascii())
    if not usable or any(character in found for character in forbidden):
        raise session.error(
            SourceReason.UNAUTHORIZED,
            f"could not be read: {key} of its Secret is missing, or has characters that it may not have (a "
            "newline at the end?): correct the Secret",
        )
    return found
