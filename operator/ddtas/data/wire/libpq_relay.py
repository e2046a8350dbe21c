"""What stands between libpq and the network: one connection, to the address that was checked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ddtas.data.session import Session
from ddtas.data.wire import tcp

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 16 * 1024


class Relay:
    """A port of this machine that is the server, for one connection.

    libpq makes its sockets itself and takes whatever comes. Through this it reaches the address that was checked, and
    gets no more bytes than it may. TLS and SCRAM go through as they are: it is libpq that checks the server.
    """

    def __init__(
        self, session: Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None
    ) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._started = asyncio.get_running_loop().time()
        self._most = min(most or session.limits.max_document_bytes, session.limits.max_bytes)
        self._client: asyncio.StreamWriter | None = None
        self._listener: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.full = False

    async def listen(self) -> None:
        """Wait for the connection, on `port`."""
        self._listener = await asyncio.start_server(self._join, LOOPBACK, 0, backlog=1)

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
async def relaying(session: Session, at: tcp.Endpoint, most: int | None = None) -> AsyncIterator[Relay]:
    """A relay to a server, which gives `most` bytes at most, until the context is left.

    Raises:
        SourceError: AddressForbidden or Unreachable; TooManyRequests.
    """
    relay = Relay(session, *await tcp.connect(session, at.host, at.port), most)
    try:
        await relay.listen()
        yield relay
    finally:
        relay.close()
        await relay.ended()
