"""An MQTT 3.1.1 broker with scripted answers, for errors that real brokers do not make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request

from tests.integration.brokers.broker_process import HOST

_CONNECT = 1
_PINGREQ = 12


@dataclass
class ScriptedBroker:
    """StubbedAws only CONNECT and PINGREQ."""

    return_codes: Sequence[int | None] = (0,)
    """The return codes for CONNECT packets in order; the last one is repeated, and None means no answer."""
    answers_pings: bool = True
    port: int = 0
    upgrades: list[Request] = field(default_factory=list)
    connects: list[bytes] = field(default_factory=list)
    """The CONNECT packets of all connections."""
    packets: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    """The other packets of all connections."""
    left: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    """The number of packets on each ended connection."""
    _open: set[ServerConnection] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://{HOST}:{self.port}/mqtt"

    def cut(self) -> None:
        """Abort every connection."""
        for connection in self._open:
            connection.transport.abort()

    async def serve(self, connection: ServerConnection) -> None:
        """Receive packets until the client disconnects."""
        assert connection.request
        self.upgrades.append(connection.request)
        self._open.add(connection)
        count = 0
        with suppress(ConnectionClosed):
            async for packet in connection:
                assert isinstance(packet, bytes)
                count += 1
                await self._take(packet, connection)
        self._open.discard(connection)
        self.left.put_nowait(count)

    async def _take(self, packet: bytes, connection: ServerConnection) -> None:
        kind = packet[0] >> 4
        if kind == _CONNECT:
            return_code = self.return_codes[min(len(self.connects), len(self.return_codes) - 1)]
            self.connects.append(packet)
            if return_code is not None:
                await connection.send(bytes([0x20, 2, 0, return_code]))
        elif kind == _PINGREQ and self.answers_pings:
            await connection.send(b"\xd0\x00")
        else:
            self.packets.put_nowait(packet)


@asynccontextmanager
async def scripted_broker(*return_codes: int | None, answers_pings: bool = True) -> AsyncIterator[ScriptedBroker]:
    """Serve a scripted broker on a loopback port."""
    broker = ScriptedBroker(return_codes or (0,), answers_pings)
    async with serve(broker.serve, HOST, 0, subprotocols=["mqtt"], close_timeout=0) as server:  # type: ignore[list-item]
        broker.port = next(iter(server.sockets)).getsockname()[1]
        yield broker
