"""How TLS is spoken with a data source: whom to trust, and the certificate that a client shows."""

import fcntl
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ddtas.data.session import Session, SourceReason

REFUSED_CERTIFICATE = (
    "breaks off before it answers, as servers do that want another client certificate: correct tls.crt and tls.key of "
    "the Secret named in credentials, and its scheme (MutualTLS)"
)


def context(session: Session, *, client: bool = True) -> ssl.SSLContext | None:
    """How TLS is spoken; None for the ordinary way, with the public certificate authorities.

    Args:
        session: whose Secret may have `ca.crt`, and with MutualTLS the client's certificate and key.
        client: False for others than the server of the endpoint: they do not see the client's certificate.

    Raises:
        SourceError: Unauthorized when a certificate or key in the Secret cannot be read.
    """
    secret: Mapping[str, str] = session.target.secret or {}
    wants_client = client and mutual(session)
    if not wants_client and "ca.crt" not in secret:
        return None
    try:
        made = ssl.create_default_context(cadata=secret.get("ca.crt") or None)
        if wants_client:
            _load_client(made, secret["tls.crt"], secret["tls.key"])
    except (ssl.SSLError, ValueError, TypeError, KeyError, OSError):  # TypeError: ca.crt has more than ASCII
        # What OpenSSL says of a key is nobody's business.
        raise session.error(
            SourceReason.UNAUTHORIZED,
            "could not be read: a certificate or key of its Secret is missing or cannot be read: correct tls.crt, "
            "tls.key and ca.crt (PEM; the key without a passphrase)",
        ) from None
    return made


def mutual(session: Session) -> bool:
    """Whether the operator shows a client certificate."""
    return session.target.auth is not None and session.target.auth.scheme == "MutualTLS"


@contextmanager
def memory_file(text: str) -> Iterator[str]:
    """The path of a file in memory that has this text, as libpq wants it for a key: nobody else may read it."""
    descriptor = os.memfd_create("ddtas-probe")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


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
