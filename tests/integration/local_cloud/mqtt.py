"""A minimal MQTT client over a WebSocket, which shows packets that a library would hide."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlencode

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningCredentials
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket
from websockets.typing import Subprotocol

from local_cloud.process import LocalCloud
from tests.integration.local_cloud.account import Credentials

_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 2, 3, 4, 9
_SECONDS = 5.0
_SILENCE = 0.3


class Version(Enum):
    """A version of MQTT: protocol name, level and WebSocket subprotocol."""

    MQTT_31 = (b"MQIsdp", 3, "mqttv3.1")
    MQTT_311 = (b"MQTT", 4, "mqtt")
    MQTT_5 = (b"MQTT", 5, "mqtt")


class Token(Enum):
    """Where a signed URL contains the session token."""

    APPENDED = "appended after signing, as Amplify JS does"
    FIRST = "at the front of the query string and not signed, as the AWS IoT device SDKs do"
    SIGNED = "signed, as most other services require"


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes


class Mqtt:
    """A connection; answers are the broker's code, or None if it closed the connection."""

    def __init__(self, websocket: ClientConnection, version: Version) -> None:
        self._websocket = websocket
        self._version = version
        self._unread: list[bytes] = []

    @property
    def subprotocol(self) -> str | None:
        return self._websocket.subprotocol

    def connect(self, client_id: str, will: str | None = None) -> int | None:
        name, level, _ = self._version.value
        flags = 0x02 | (0x04 if will else 0)
        body = _field(name) + bytes([level, flags]) + struct.pack("!H", 60) + self._no_properties()
        body += _field(client_id.encode())
        if will:
            body += self._no_properties() + _field(will.encode()) + _field(b"gone")
        self._send(0x10, body)
        answer = self._packet(_CONNACK)
        return None if answer is None else answer[1]

    def subscribe(self, topic_filter: str) -> int | None:
        self._send(0x82, b"\x00\x01" + self._no_properties() + _field(topic_filter.encode()) + b"\x00")
        answer = self._packet(_SUBACK)
        return None if answer is None else answer[-1]

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> int | None:
        """Publish at QoS 1; without a reason code (before MQTT 5) an acknowledgement is 0."""
        self._send(0x32 | retain, _field(topic.encode()) + b"\x00\x02" + self._no_properties() + payload)
        answer = self._packet(_PUBACK)
        return None if answer is None else (answer[2] if len(answer) > 2 else 0)

    def message(self) -> Message | None:
        """Return the next message, or None if there is none."""
        try:
            body = self._packet(_PUBLISH, _SILENCE)
        except TimeoutError:
            return None
        assert body is not None, "the broker closed the connection"
        (length,) = struct.unpack_from("!H", body)
        properties = 1 if self._version is Version.MQTT_5 else 0
        return Message(body[2 : 2 + length].decode(), body[2 + length + properties :])

    def wait_until_closed(self) -> list[str | bytes]:
        """Wait until the broker closes the connection and return the packets before."""
        packets: list[str | bytes] = []
        with suppress(ConnectionClosed):
            while True:
                packets.append(self._websocket.recv(timeout=_SECONDS))
        return packets

    def _no_properties(self) -> bytes:
        return b"\x00" if self._version is Version.MQTT_5 else b""

    def _send(self, first: int, body: bytes) -> None:
        assert len(body) < 16384
        length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 128, len(body) // 128])
        self._websocket.send(bytes([first]) + length + body)

    def _packet(self, kind: int, seconds: float = _SECONDS) -> bytes | None:
        """Return the body of the next packet of this kind; a frame contains one packet."""
        for packet in self._unread:
            if packet[0] >> 4 == kind:
                self._unread.remove(packet)
                return _body(packet)
        while True:
            try:
                received = self._websocket.recv(timeout=seconds)
            except ConnectionClosed:
                return None
            assert isinstance(received, bytes)
            if received[0] >> 4 == kind:
                return _body(received)
            self._unread.append(received)


@contextmanager
def websocket(
    cloud: LocalCloud,
    credentials: Credentials | None,
    version: Version = Version.MQTT_311,
    token: Token = Token.APPENDED,
) -> Iterator[Mqtt]:
    """Open a WebSocket to the broker, signed unless there are no credentials.

    Raises:
        websockets.exceptions.InvalidStatus: the upgrade is rejected.
    """
    host = cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    query = f"?{_signature(cloud, host, credentials, token)}" if credentials else ""
    with open_websocket(
        f"ws://{host}/mqtt{query}",
        sock=socket.create_connection(("127.0.0.1", cloud.port)),
        subprotocols=[Subprotocol(version.value[2])],
        proxy=None,
        compression=None,
        close_timeout=1,
    ) as opened:
        if not isinstance(opened, ClientConnection):  # the type of connect() is wider
            raise TypeError(type(opened))
        yield Mqtt(opened, version)


@contextmanager
def connected(
    cloud: LocalCloud, credentials: Credentials, client_id: str, version: Version = Version.MQTT_311
) -> Iterator[Mqtt]:
    """Open a signed WebSocket and connect on it."""
    with websocket(cloud, credentials, version) as mqtt:
        assert mqtt.connect(client_id) == 0
        yield mqtt


def _signature(cloud: LocalCloud, host: str, credentials: Credentials, token: Token) -> str:
    request = AWSRequest("GET", f"https://{host}/mqtt", headers={"host": host})
    signed_token = credentials.session_token if token is Token.SIGNED else None
    key = SigningCredentials(credentials.access_key_id, credentials.secret_access_key, signed_token)
    SigV4QueryAuth(key, "iotdevicegateway", cloud.region, expires=300).add_auth(request)
    query = str(request.url).partition("?")[2]
    unsigned = urlencode({"X-Amz-Security-Token": credentials.session_token}, quote_via=quote)
    if token is Token.APPENDED:
        return f"{query}&{unsigned}"
    return f"{unsigned}&{query}" if token is Token.FIRST else query


def _body(packet: bytes) -> bytes:
    return packet[2 if packet[1] < 128 else 3 :]


def _field(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value
