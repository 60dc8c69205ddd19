"""A server in front of a broker that records the MQTT packets, and can cut connections.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html, chapters 2 and 3. MQTT 3.1.1 has no properties.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from tests.integration.brokers.broker_process import HOST
from tests.integration.serving import BYTES, serving

_HEAD_END = b"\r\n\r\n"
_MQTT_5 = 5


class Kind(IntEnum):
    """The control packets that are parsed."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8


_KINDS = frozenset(Kind)


@dataclass(frozen=True)
class Packet:
    """A control packet; fields that its kind does not have are empty."""

    kind: Kind
    version: int
    packet_id: int = 0
    topic: str = ""
    payload: bytes = b""
    qos: int = 0
    code: int = 0


class PacketReader:
    """Parses the packets that one side receives: the server reads the client's packets."""

    def __init__(self, side: Side) -> None:
        self.head = b""
        """The HTTP request or response of the upgrade."""
        self._websocket = Protocol(side, max_size=None)
        self._bytes = b""

    def feed(self, chunk: bytes, version: int) -> Iterator[Packet]:
        """Add bytes of the TCP connection, and yield the completed packets of this version of MQTT."""
        if _HEAD_END not in self.head:
            head, end, chunk = (self.head + chunk).partition(_HEAD_END)
            self.head = head + end
        self._websocket.receive_data(chunk)
        for frame in self._websocket.events_received():
            if isinstance(frame, Frame) and frame.opcode in (Opcode.BINARY, Opcode.CONT):
                self._bytes += frame.data
        while whole := _first(self._bytes):
            first, body, self._bytes = whole
            if first >> 4 in _KINDS:
                packet = _packet(first, body, version)
                version = packet.version
                yield packet


def _first(stream: bytes) -> tuple[int, bytes, bytes] | None:
    """Return the first byte and the body of the first packet, and what follows it."""
    if len(stream) < 2:
        return None
    try:
        size, start = _number(stream, 1)
    except IndexError:
        return None
    end = start + size
    return (stream[0], stream[start:end], stream[end:]) if len(stream) >= end else None


def _packet(first: int, body: bytes, version: int) -> Packet:
    kind = Kind(first >> 4)
    if kind is Kind.CONNECT:
        name, after = _text(body, 0)
        assert name == "MQTT"
        return Packet(kind, body[after])
    if kind is Kind.CONNACK:
        return Packet(kind, version, code=body[1])
    if kind is Kind.PUBLISH:
        qos = first >> 1 & 3
        topic, position = _text(body, 0)
        packet_id = 0
        if qos:
            packet_id, position = _integer(body, position), position + 2
        return Packet(kind, version, packet_id, topic, body[_after_properties(body, position, version) :], qos)
    if kind is Kind.PUBACK:
        return Packet(kind, version, _integer(body, 0), code=body[2] if len(body) > 2 else 0)
    topic_filter, _ = _text(body, _after_properties(body, 2, version))
    return Packet(kind, version, _integer(body, 0), topic_filter)


def _after_properties(body: bytes, position: int, version: int) -> int:
    if version < _MQTT_5:
        return position
    size, start = _number(body, position)
    return start + size


def _number(body: bytes, position: int) -> tuple[int, int]:
    """Read a variable byte integer (section 1.5.5); return it and where it ends."""
    value = shift = 0
    while True:
        value |= (body[position] & 0x7F) << shift
        shift += 7
        position += 1
        if not body[position - 1] & 0x80:
            return value, position


def _text(body: bytes, position: int) -> tuple[str, int]:
    start = position + 2
    end = start + _integer(body, position)
    return body[start:end].decode(), end


def _integer(body: bytes, position: int) -> int:
    value: int = struct.unpack_from("!H", body, position)[0]
    return value


@dataclass
class Recorded:
    """The packets of one connection."""

    version: int = 0
    """The version of MQTT in the CONNECT; 0 before that."""
    accepted: bool = False
    """Whether the broker accepted the connection."""
    subscribed: list[str] = field(default_factory=list)
    """The topic filters that the client subscribed to."""
    published: list[Packet] = field(default_factory=list)
    """The messages that the client sent, even if the broker did not receive them."""
    unacknowledged: dict[int, Packet] = field(default_factory=dict)
    """The messages with QoS 1 that the broker has not acknowledged, by packet id."""
    acknowledged: list[Packet] = field(default_factory=list)
    """The messages that the broker has acknowledged with success."""
    delivered: list[Packet] = field(default_factory=list)
    """The messages from the broker, which were all forwarded to the client."""

    _from_client: PacketReader = field(default_factory=lambda: PacketReader(Side.SERVER))
    _from_broker: PacketReader = field(default_factory=lambda: PacketReader(Side.CLIENT))

    @property
    def request(self) -> str:
        """The upgrade request."""
        return self._from_client.head.decode()

    def sent(self, chunk: bytes) -> None:
        """Record bytes from the client."""
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
        """Record bytes from the broker."""
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
        """Forward one connection until both sides have closed it."""
        try:
            from_broker, to_broker = await asyncio.open_connection(HOST, self._target_port)
        except ConnectionRefusedError:
            return
        recorded = Recorded()
        self.connections.append(recorded)
        self._open |= {writer, to_broker}
        try:
            await asyncio.gather(
                _record_and_forward(reader, to_broker, recorded.sent),
                _record_and_forward(from_broker, writer, recorded.answered),
            )
        finally:
            self._open -= {writer, to_broker}
            to_broker.close()


async def _record_and_forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[bytes], None]
) -> None:
    """Record and forward one direction until it ends, and then close only this direction.

    The client must still receive everything that a killed broker sent, and a reset would discard unread bytes.
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
