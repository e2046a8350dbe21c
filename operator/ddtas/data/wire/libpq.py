"""PostgreSQL by libpq: a bounded, read-only transaction.

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
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from pydantic import TypeAdapter, ValidationError

from ddtas.data.session import Session
from ddtas.data.wire import tcp
from ddtas.data.wire.libpq_errors import explain, malformed
from ddtas.data.wire.libpq_parameters import parameters
from ddtas.data.wire.libpq_relay import relaying
from ddtas.data.wire.tls import memory_file

# What psycopg warns of can hold what a server said.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)

_Answer = TypeVar("_Answer")
_Result = TypeVar("_Result")


async def transaction(
    session: Session, ask: Callable[["Transaction"], Awaitable[_Result]], most: int | None = None
) -> _Result:
    """Connect, let `ask` ask its questions in one read-only transaction, and disconnect; all before the deadline.

    Args:
        session: whose target and limits.
        ask: the questions.
        most: bytes of all answers together; None for as many as one document may have.

    Raises:
        SourceError: with a Reason; those of HTTP excepted.
    """
    at = tcp.endpoint(session, {"postgresql": 5432}, frozenset({"sslmode", "user"}))
    with ExitStack() as files:
        how = parameters(session, at, lambda text: files.enter_context(memory_file(text)))
        async with tcp.limited(session), relaying(session, at, most) as relay:
            # A task of its own: psycopg answers a cancellation with a request to the server and up to 5 seconds of
            # waiting, but sees at once that its connection is gone.
            work = asyncio.create_task(_run(session, {**how, "port": relay.port}, ask))
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
                    malformed(session, "more than was asked for") if relay.full else explain(session, error)
                ) from None


async def _run(
    session: Session, parameters: dict[str, Any], ask: Callable[["Transaction"], Awaitable[_Result]]
) -> _Result:
    connection = await psycopg.AsyncConnection.connect(**parameters, prepare_threshold=None)
    try:
        await connection.set_read_only(True)  # the transaction is a BEGIN READ ONLY
        return await ask(Transaction(session, connection))
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

    async def copy(self, query: sql.Composed, path: Path) -> None:
        """Write what `COPY ... TO STDOUT` gives into a file.

        Raises:
            SourceError: TooManyRequests.
            psycopg.Error: of the server, or of the connection; one that breaks off in the middle too.
        """
        self._session.count_request()
        with path.open("wb") as file:
            async with self._connection.cursor() as cursor, cursor.copy(query) as rows:
                async for block in rows:
                    file.write(block)
