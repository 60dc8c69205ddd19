"""A server in front of a broker that records the packets, and that can cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from websockets.protocol import Side

from tests.integration.brokers.broker_process import HOST
from tests.integration.brokers.packets import Kind, Packet, PacketReader
from tests.integration.serving import BYTES, serving


@dataclass
class Recorded:
    """The packets of one connection."""

    version: int = 0
    """The version of MQTT in the CONNECT; 0 before that."""
    accepted: bool = False
    """Whether the broker accepted the CONNECT."""
    subscribed: list[str] = field(default_factory=list)
    """The topic filters that the client subscribed to."""
    published: list[Packet] = field(default_factory=list)
    """All that the client has sent, whether the broker received it or not."""
    unacknowledged: dict[int, Packet] = field(default_factory=dict)
    """Those with QoS 1 that the broker has not acknowledged, by packet id."""
    acknowledged: list[Packet] = field(default_factory=list)
    """Those that the broker has acknowledged with success."""
    delivered: list[Packet] = field(default_factory=list)
    """The messages from the broker; all of them were written to the client before the connection ended."""

    _from_client: PacketReader = field(default_factory=lambda: PacketReader(Side.SERVER))
    _from_broker: PacketReader = field(default_factory=lambda: PacketReader(Side.CLIENT))

    @property
    def request(self) -> str:
        """The upgrade request."""
        return self._from_client.head.decode()

    def sent(self, chunk: bytes) -> None:
        """Record bytes of the client."""
        for packet in self._from_client.feed(chunk, self.version):
            match packet.kind:
                case Kind.CONNECT:
                    self.version = packet.version
                case Kind.SUBSCRIBE:
                    self.subscribed.append(packet.topic)
                case Kind.PUBLISH:
                    self.published.append(packet)
                    if packet.qos:
                        self.unacknowledged[packet.packet_id] = packet

    def answered(self, chunk: bytes) -> None:
        """Record bytes of the broker."""
        for packet in self._from_broker.feed(chunk, self.version):
            match packet.kind:
                case Kind.CONNACK:
                    self.accepted = packet.code == 0
                case Kind.PUBLISH:
                    self.delivered.append(packet)
                case Kind.PUBACK:
                    published = self.unacknowledged.pop(packet.packet_id)
                    if packet.code < 0x80:
                        self.acknowledged.append(published)


class Recorder:
    """Forwards connections to a loopback port; created by :func:`recorder_to`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.connections: list[Recorded] = []
        """All connections, the latest last."""
        self._target_port = target_port
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Abort every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on until both sides have ended it."""
        try:
            from_broker, to_broker = await asyncio.open_connection(HOST, self._target_port)
        except ConnectionRefusedError:
            return
        recorded = Recorded()
        self.connections.append(recorded)
        self._open |= {writer, to_broker}
        try:
            await asyncio.gather(
                _pass(reader, to_broker, recorded.sent),
                _pass(from_broker, writer, recorded.answered),
            )
        finally:
            self._open -= {writer, to_broker}
            to_broker.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[bytes], None]) -> None:
    """Record and forward one direction until it ends.

    Then only this direction is closed: the client still receives everything from a killed broker, and its own bytes are
    still read, because a reset would discard what it has not read yet.
    """
    with suppress(ConnectionError):
        while chunk := await reader.read(BYTES):
            keep(chunk)
            if not writer.is_closing():
                writer.write(chunk)
                with suppress(ConnectionError):
                    await writer.drain()
    if not writer.is_closing():
        with suppress(OSError):
            writer.write_eof()


@asynccontextmanager
async def recorder_to(port: int) -> AsyncIterator[Recorder]:
    """Serve a recorder in front of a broker's WebSocket."""
    recorder = Recorder(port)
    async with serving(recorder.serve) as recorder.port:
        yield recorder
