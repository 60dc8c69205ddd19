"""A way to a broker that keeps what went through it, and that can be cut."""

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
    """What went through one connection."""

    version: int = 0
    """Of MQTT, as the client asked for it; 0 before it did."""
    accepted: bool = False
    """Whether the broker took the connection."""
    subscribed: list[str] = field(default_factory=list)
    """The topic filters that the client subscribed to."""
    published: list[Packet] = field(default_factory=list)
    """What the client published; whether the broker got it is another question."""
    unacknowledged: dict[int, Packet] = field(default_factory=dict)
    """What of that with QoS 1 the broker has not acknowledged, by packet id."""
    acknowledged: list[Packet] = field(default_factory=list)
    """What the broker has acknowledged without telling of a failure."""
    delivered: list[Packet] = field(default_factory=list)
    """The messages that the broker delivered; all were written to the client, and the connection ended after that."""

    _from_client: PacketReader = field(default_factory=lambda: PacketReader(Side.SERVER))
    _from_broker: PacketReader = field(default_factory=lambda: PacketReader(Side.CLIENT))

    @property
    def request(self) -> str:
        """The upgrade request."""
        return self._from_client.head.decode()

    def sent(self, chunk: bytes) -> None:
        """Keep what the client sent."""
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
        """Keep what the broker sent."""
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
    """Passes connections on to a loopback port; made by :func:`recorder_to`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.connections: list[Recorded] = []
        """All there were, the latest last."""
        self._target_port = target_port
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection without a word."""
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
    """Keep and pass on what comes until it ends.

    Only the one direction is ended then: of a broker that is gone the client gets everything that came before, and what
    the client sends to a broker that is gone is read nevertheless, lest it be answered with a reset.
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
