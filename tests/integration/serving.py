"""A TCP server on a loopback port, in the test's event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_HOST = "127.0.0.1"
BYTES = 65536
"""The maximum size of one read."""


@asynccontextmanager
async def serving(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Serve connections and yield the port; abort open connections at the end of the block."""
    writers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        writers[task] = writer
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            del writers[task]

    server = await asyncio.start_server(accept, _HOST, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers.values():
            writer.transport.abort()
        await asyncio.gather(*writers, return_exceptions=True)


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward one direction of a connection until it ends, then close the other side."""
    with suppress(ConnectionError):
        while chunk := await reader.read(BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
