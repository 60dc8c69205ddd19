"""A way to the local cloud that can be cut, and that sees what upgrades were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.serving import BYTES, serving


class Relay:
    """Passes on what it gets; made by :func:`relay_to`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.upgrades: list[str] = []
        """The paths of the upgrades that were asked for."""
        self.refusing = False
        """Whether new connections are closed at once."""
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection without a word."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, until one side closes it."""
        if self.refusing:
            writer.transport.abort()
            return
        request = await reader.readuntil(b"\r\n")
        self.upgrades.append(request.split()[1].decode())
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        target_writer.write(request)
        self._writers |= {writer, target_writer}
        await asyncio.gather(_pass(reader, target_writer), _pass(target_reader, writer))
        self._writers -= {writer, target_writer}


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(BYTES):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def relay_to(port: int) -> AsyncIterator[Relay]:
    """Serve a relay to a loopback port."""
    relay = Relay(port)
    async with serving(relay.serve) as relay.port:
        yield relay
