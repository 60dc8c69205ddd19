"""MQTT packets, read from one direction of a recorded WebSocket connection.

https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html, chapters 2 and 3. MQTT 3.1.1 has the same without properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

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
    """Parses the packets of one side; ``side`` is the reader: the server reads the client's packets."""

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
