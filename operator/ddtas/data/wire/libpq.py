"""PostgreSQL by libpq: a bounded, read-only session, and what its errors mean.

The endpoint is postgresql://host[:port]/database, and may have two parameters of libpq: `sslmode` and `user`.

=============  ================================================================================================
`sslmode`      the connection
=============  ================================================================================================
`verify-full`  TLS with a server whose certificate and name are checked: by `ca.crt` of the Secret, else by the public
               authorities. This is the default where there is a `ca.crt`.
`require`      TLS, whoever the server is. This is the default otherwise.
`disable`      no TLS. It must be asked for: neither a server nor somebody in between can bring it about.
=============  ================================================================================================

Only a server that proved who it is may see a password, or its MD5 hash. With `require` and `disable` it goes by
SCRAM-SHA-256 (RFC 7677) or not at all: an impostor cannot read it from that.
"""

import asyncio
import logging
import os
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from pydantic import TypeAdapter, ValidationError

from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import credentials, hosts
from ddtas.errors import SourceError

_LOCK_SECONDS = 1
_LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 16 * 1024
_NOTHING = "/proc/self/nothing"  # a file that is not there
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # where Debian has the public ones

# What psycopg warns of can hold what a server said.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

_Answer = TypeVar("_Answer")
_Found = TypeVar("_Found")


async def transaction(session: Session, visit: Callable[["Transaction"], Awaitable[_Found]]) -> _Found:
    """Connect, let `visit` ask its questions in one read-only transaction, and disconnect; all before the deadline.

    Raises:
        SourceError: with a Reason; those of HTTP excepted.
    """
    at = hosts.endpoint(session, {"postgresql": 5432}, frozenset({"sslmode", "user"}))
    with ExitStack() as files:
        parameters = _parameters(session, at, lambda text: files.enter_context(_file(text)))
        async with hosts.limited(session), _relaying(session, at) as relay:
            # A task of its own: psycopg answers a cancellation with a request to the server and up to 5 seconds of
            # waiting, but sees at once that its connection is gone.
            work = asyncio.create_task(_visit(session, {**parameters, "port": relay.port}, visit))
            try:
                await asyncio.wait({work})
            finally:
                relay.close()
                await asyncio.gather(work, return_exceptions=True)
            try:
                return work.result()
            except psycopg.Error as error:
                # `from None`: what the server says can hold anything.
                raise (
                    malformed(session, "more than was asked for") if relay.full else _explain(session, error)
                ) from None


async def _visit(
    session: Session, parameters: dict[str, Any], visit: Callable[["Transaction"], Awaitable[_Found]]
) -> _Found:
    connection = await psycopg.AsyncConnection.connect(**parameters, prepare_threshold=None)
    try:
        await connection.set_read_only(True)  # the transaction is a BEGIN READ ONLY
        return await visit(Transaction(session, connection))
    finally:
        await connection.close()


class Transaction:
    """A read-only transaction."""

    def __init__(self, session: Session, connection: psycopg.AsyncConnection[Any]) -> None:
        self._session = session
        self._connection = connection

    async def ask(
        self,
        answer: TypeAdapter[_Answer],
        query: sql.Composed | LiteralString,
        *values: str,
    ) -> _Answer:
        """Ask one thing: a statement whose only row has one JSON document.

        Raises:
            SourceError: MalformedData when it is no such document; TooManyRequests.
            psycopg.Error: of the server, or of the connection.
        """
        self._session.count_request()
        result = (await self._connection.execute(query, values or None)).pgresult
        # The raw bytes: psycopg would turn them into whatever type the server says they are.
        row = result.get_value(0, 0) if result and (result.ntuples, result.nfields) == (1, 1) else None
        try:
            return answer.validate_json(row or b"")
        except ValidationError:
            raise malformed(self._session, "something else than was asked for") from None


class _Relay:
    """A port of this machine that is the server, for one connection.

    libpq makes its sockets itself and takes whatever comes. Through this it reaches the address that was checked, and
    gets no more bytes than it may. TLS and SCRAM go through as they are: it is libpq that checks the server.
    """

    def __init__(self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._started = asyncio.get_running_loop().time()
        self._most = min(session.limits.max_document_bytes, session.limits.max_bytes)
        self._client: asyncio.StreamWriter | None = None
        self._listener: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.full = False

    async def listen(self) -> None:
        """Wait for the connection, on `port`."""
        self._listener = await asyncio.start_server(self._join, _LOOPBACK, 0, backlog=1)

    @property
    def port(self) -> int:
        assert self._listener is not None  # noqa: S101 - listen() was called
        return int(self._listener.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Break both connections. Idempotent."""
        if self._listener is not None:
            self._listener.close()
        for writer in filter(None, (self._writer, self._client)):
            writer.transport.abort()

    async def ended(self) -> None:
        """Wait until both connections are gone, after `close`."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._client is not None:
            writer.transport.abort()
            return
        self._client, self._task = writer, asyncio.current_task()
        try:
            await asyncio.gather(self._send(reader), self._receive(writer))
        except OSError:
            self.close()

    async def _send(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            self._writer.write(chunk)
            await self._writer.drain()
        self.close()

    async def _receive(self, writer: asyncio.StreamWriter) -> None:
        while chunk := await self._reader.read(_CHUNK_BYTES):
            if self._session.latency_milliseconds is None:
                self._session.latency_milliseconds = round(1000 * (asyncio.get_running_loop().time() - self._started))
            self._session.received += len(chunk)
            if self._session.received > self._most:
                self.full = True
                break
            writer.write(chunk)
            await writer.drain()
        if self.full:
            self.close()
        else:
            writer.close()  # after what it was sent


@asynccontextmanager
async def _relaying(session: Session, at: hosts.Endpoint) -> AsyncIterator[_Relay]:
    relay = _Relay(session, *await hosts.connect(session, at.host, at.port))
    try:
        await relay.listen()
        yield relay
    finally:
        relay.close()
        await relay.ended()


@contextmanager
def _file(text: str) -> Iterator[str]:
    """The path of a file in memory that has this text, as libpq wants it for a key: nobody else may read it."""
    descriptor = os.memfd_create("ddtas-probe")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _parameters(session: Session, at: hosts.Endpoint, file: Callable[[str], str]) -> dict[str, Any]:
    """The parameters of libpq: all that it would otherwise take from PG* variables, or from files in a home directory.

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
    credentials.tls(session)  # libpq would say less well what is wrong with a certificate
    authorities = file(secret["ca.crt"]) if "ca.crt" in secret else ssl.get_default_verify_paths().cafile
    verified = mode == "verify-full"
    seconds = session.limits.deadline_seconds
    milliseconds = max(1, int(800 * seconds))  # its own error says more than our deadline does
    settings = {
        "search_path": "pg_catalog",
        "default_transaction_read_only": "on",
        "statement_timeout": milliseconds,
        "lock_timeout": min(milliseconds, 1000 * _LOCK_SECONDS),
        "idle_in_transaction_session_timeout": milliseconds,
        "timezone": "UTC",
    }
    return {
        "host": at.host,  # for TLS; hostaddr is where the connection goes
        "hostaddr": _LOOPBACK,
        "dbname": at.path,
        "user": user,
        "password": password,
        "passfile": _NOTHING,
        "require_auth": "password,md5,scram-sha-256,none" if verified else "scram-sha-256,none",
        "channel_binding": "prefer",
        "connect_timeout": 2 + int(seconds),  # longer than our own deadline
        "client_encoding": "UTF8",
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "application_name": "ddtas-operator",
        "sslmode": mode,
        "sslnegotiation": "postgres",
        "sslcompression": 0,
        "sslcertmode": "require" if certified else "disable",
        "sslcert": file(secret["tls.crt"]) if certified else _NOTHING,
        "sslkey": file(secret["tls.key"]) if certified else _NOTHING,
        "sslpassword": "none",  # a key with a passphrase would have it asked for at the terminal
        "sslrootcert": authorities or _AUTHORITIES if verified else _NOTHING,
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


def _login(session: Session, at: hosts.Endpoint, mode: str) -> tuple[str, str, bool]:
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


def _explain(session: Session, error: psycopg.Error) -> SourceError:
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
    shown = f"SQLSTATE {state}" if re.fullmatch("[0-9A-Z]{5}", state) else "no valid SQLSTATE"
    return session.error(SourceReason.ERROR_REPORTED, f"reports an error ({shown}): ask the data supplier")


def _refused(session: Session, text: str) -> SourceError:
    """What the end of a connection means.

    libpq passes on no SQLSTATE of one that was never made. Its own words are English; a server's are in the language
    that it was set to, so those may only make the advice better.
    """
    # From TLS 1.3 on a client's certificate is judged after the handshake, and the alert may get lost.
    if session.requests == 1 and hosts.mutual(session) and re.search(_BROKEN, text):
        return session.error(SourceReason.UNAUTHORIZED, hosts.REFUSED_CERTIFICATE)
    for pattern, reason, what in _REFUSALS:
        if re.search(pattern, text):
            return session.error(reason, what)
    return _other(session)


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
        hosts.REFUSED_CERTIFICATE,
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


def _other(session: Session) -> SourceError:
    return session.error(
        SourceReason.UNEXPECTED_CONTENT, "does not answer as PostgreSQL does: correct the host and port of the endpoint"
    )


def malformed(session: Session, what: str) -> SourceError:
    return session.error(
        SourceReason.MALFORMED_DATA, f"answers with {what}: is it a PostgreSQL server? Ask the data supplier"
    )


def no_right(session: Session) -> SourceError:
    return session.error(
        SourceReason.UNAUTHORIZED,
        "does not let this user read the table: ask for USAGE on its schema and SELECT on it, or correct the Secret "
        "named in credentials",
    )
