"""The MQTT 3.1.1 transport on awscrt, and the return code of a rejected CONNECT, which awscrt does not expose."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from awscrt import mqtt, websocket
from awscrt.mqtt5 import ConnectReasonCode

from pubsub_client._messages import Packet
from pubsub_client._provider import Provider, UpgradeRequest
from pubsub_client._transport import (
    FIRST_FAILURE,
    Ack,
    ConnectAttemptError,
    ConnectOptions,
    Disconnect,
    DisconnectedError,
    LoopBridge,
    OnAck,
)

_ACK_TIMEOUT_SECONDS = 30.0
_CLOSE_TIMEOUT_SECONDS = 5.0
_RETURN_CODE_TIMEOUT_SECONDS = 10.0
# The timeout of CONNACK and PINGRESP; awscrt requires less than the keep alive.
_PING_TIMEOUT_SECONDS = 20.0
# awscrt does not support "no keep alive", so the maximum is used (MQTT 3.1.1, section 3.1.2.10).
_MAX_KEEP_ALIVE = 65535
# awscrt's error for a CONNACK that rejects the connection, among others.
_REFUSED = "AWS_ERROR_MQTT_PROTOCOL_ERROR"
# awscrt's errors for pending operations when their connection ends.
_CONNECTION_ENDS = {
    "AWS_ERROR_MQTT_CANCELLED_FOR_CLEAN_SESSION",
    "AWS_ERROR_MQTT_CONNECTION_DESTROYED",
    "AWS_ERROR_MQTT_CONNECTION_DISCONNECTING",
    "AWS_ERROR_MQTT_NOT_CONNECTED",
}

# MQTT 3.1.1, sections 3.1 and 3.2.
_CONNECT = 0x10
_CONNACK = b"\x20\x02"
_CONNACK_LENGTH = 4
_KEEP_ALIVE_SECONDS = 60
_PROTOCOL = b"\x00\x04MQTT\x04"
_CLEAN_SESSION = 0x02
_WITH_PASSWORD = 0x40
_WITH_USER_NAME = 0x80
_MORE_LENGTH = 0x80
# The return codes of MQTT 3.1.1 (table 3.1) with their texts, and the equivalent reason codes of MQTT 5.
_RETURN_CODES = {
    1: (ConnectReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "unacceptable protocol version"),
    2: (ConnectReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "identifier rejected"),
    3: (ConnectReasonCode.SERVER_UNAVAILABLE, "server unavailable"),
    4: (ConnectReasonCode.BAD_USERNAME_OR_PASSWORD, "bad user name or password"),
    5: (ConnectReasonCode.NOT_AUTHORIZED, "not authorized"),
    # The specification reserves 7. AWS IoT returned it instead of 5 according to its developer guide of 2023 ("AWS IoT
    # differences from MQTT version 3.1.1 specification", https://github.com/awsdocs/aws-iot-docs). Today's guide does
    # not mention it.
    7: (ConnectReasonCode.NOT_AUTHORIZED, "not authorized, AWS IoT's code for it"),
}
_RESERVED = (ConnectReasonCode.UNSPECIFIED_ERROR, "reserved by the specification")


class _Pending(NamedTuple):
    """The callback of an unacknowledged packet, and its deadline by the loop's clock."""

    on_ack: OnAck
    deadline: float


class Mqtt311Transport:
    """One MQTT 3.1.1 connection: see :class:`Transport`.

    awscrt's connection reconnects by itself unless its callback disconnects. It cannot be disconnected during the first
    attempt: if the transport is closed meanwhile, the connection is closed as soon as it is up.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_disconnect: Callable[[Disconnect], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._provider = provider
        self._options = options
        self._on_received = on_received
        self._on_disconnect = on_disconnect
        self._bridge = LoopBridge(self._loop)
        self._opened: asyncio.Future[bool] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._pending: dict[concurrent.futures.Future[Any], _Pending] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""
        self._over = False
        self._connection: mqtt.Connection | None = None

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect."""
        self._connection = self._create_connection(request)
        self._connection.on_message(self._on_message)
        self._connection.connect().add_done_callback(self._on_connect)
        try:
            return await self._opened
        except Exception as error:
            connack = None
            if getattr(error, "name", "") == _REFUSED:
                connack = await _ask_return_code(self._provider, request, str(self._options.client_id))
            raise ConnectAttemptError(error, connack) from error

    def publish(self, packet: Packet, on_ack: OnAck) -> None:
        """Send a message."""
        if connection := self._usable_connection(on_ack):
            future, _ = connection.publish(packet.topic, packet.payload, mqtt.QoS(packet.qos), packet.retain)
            self._await(future, on_ack)

    def subscribe(self, topic_filter: str, qos: int, on_ack: OnAck) -> None:
        """Subscribe to a topic filter."""
        if connection := self._usable_connection(on_ack):
            future, _ = connection.subscribe(topic_filter, mqtt.QoS(qos))
            self._await(future, on_ack)

    def unsubscribe(self, topic_filter: str, on_ack: OnAck) -> None:
        """Unsubscribe from a topic filter."""
        if connection := self._usable_connection(on_ack):
            future, _ = connection.unsubscribe(topic_filter)
            self._await(future, on_ack)

    async def close(self) -> None:
        """Disconnect."""
        self._over = True
        self._opened.cancel()
        self._fail_pending("the connection was closed")
        if connection := self._connection:
            _disconnect(connection)
            # A first attempt can continue after this timeout: see _on_connect.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await self._ended.wait()

    def _create_connection(self, request: UpgradeRequest) -> mqtt.Connection:
        endpoint = self._provider.endpoint
        proxy = endpoint.proxy()
        will = self._options.will
        keep_alive = self._options.keep_alive or _MAX_KEEP_ALIVE

        def on_handshake(transform_args: mqtt.WebsocketHandshakeTransformArgs) -> None:
            request.apply_to(transform_args.http_request, endpoint.authority)
            transform_args.set_done()

        return mqtt.Connection(
            mqtt.Client(tls_ctx=endpoint.tls_context()),
            host_name=endpoint.host,
            port=endpoint.port,
            client_id=str(self._options.client_id),
            clean_session=True,
            keep_alive_secs=keep_alive,
            ping_timeout_ms=int(min(_PING_TIMEOUT_SECONDS, keep_alive / 2) * 1000),
            will=mqtt.Will(will.topic, mqtt.QoS(will.qos), will.payload, will.retain) if will else None,
            username=self._provider.user_name,
            password=self._provider.password,
            use_websockets=True,
            websocket_handshake_transform=on_handshake,
            proxy_options=proxy.crt_options if proxy else None,
            on_connection_interrupted=self._on_interrupted,
            on_connection_closed=self._on_closed,
            disable_metrics=True,
        )

    # The methods named _on_... run on awscrt's thread, all others on the loop.

    def _on_connect(self, future: concurrent.futures.Future[dict[str, bool]]) -> None:
        if error := _error_of(future):
            self._connection = None
            self._bridge.call(self._connect_failed, error)
            return
        if self._over and self._connection:
            _disconnect(self._connection)
        self._bridge.call(self._connect_succeeded, future.result()["session_present"])

    def _on_interrupted(self, connection: mqtt.Connection, error: Exception, **_: object) -> None:
        """Prevent a reconnect; :meth:`_on_closed` follows."""
        self._reason = str(error)
        _disconnect(connection)

    def _on_closed(self, **_: object) -> None:
        """Break the reference cycle: the connection refers to its callbacks."""
        self._connection = None
        self._bridge.call(self._closed)

    def _on_message(self, topic: str, payload: bytes, qos: mqtt.QoS, *, retain: bool, **_: object) -> None:
        self._bridge.call(self._on_received, Packet(topic, payload, int(qos), retain))

    def _connect_succeeded(self, session_present: bool) -> None:
        if not self._opened.done():
            self._opened.set_result(session_present)

    def _connect_failed(self, error: Exception) -> None:
        self._ended.set()
        if not self._opened.done():
            self._opened.set_exception(error)

    def _closed(self) -> None:
        self._ended.set()
        if not self._over:
            self._over = True
            self._fail_pending(self._reason)
            self._on_disconnect(Disconnect(None, self._reason))

    def _usable_connection(self, on_ack: OnAck) -> mqtt.Connection | None:
        if self._over or not self._opened.done() or self._connection is None:
            on_ack(Ack(error=DisconnectedError("there is no connection", was_sent=False)))
            return None
        return self._connection

    def _await(self, future: concurrent.futures.Future[Any], on_ack: OnAck) -> None:
        self._pending[future] = _Pending(on_ack, self._loop.time() + _ACK_TIMEOUT_SECONDS)
        future.add_done_callback(lambda done: self._bridge.call(self._completed, done))
        if self._timer is None:
            self._schedule_timeout()

    def _completed(self, future: concurrent.futures.Future[Any]) -> None:
        # When the connection ends, _closed() completes all operations in order and with the reason.
        if getattr(_error_of(future), "name", "") in _CONNECTION_ENDS:
            return
        if pending := self._pending.pop(future, None):
            pending.on_ack(_ack_of(future))

    def _schedule_timeout(self) -> None:
        """Schedule the oldest packet's timeout, because awscrt has none for SUBSCRIBE."""
        oldest = next(iter(self._pending.values()), None)
        self._timer = self._loop.call_at(oldest.deadline, self._time_out) if oldest else None

    def _time_out(self) -> None:
        now = self._loop.time()
        for future, (on_ack, deadline) in list(self._pending.items()):
            if deadline > now:
                break
            if self._pending.pop(future, None):
                on_ack(Ack(error=TimeoutError(f"no answer within {_ACK_TIMEOUT_SECONDS:g} s")))
        self._schedule_timeout()

    def _fail_pending(self, reason: str) -> None:
        if self._timer:
            self._timer.cancel()
        pending, self._pending = self._pending, {}
        for on_ack, _ in pending.values():
            on_ack(Ack(error=DisconnectedError(reason)))


def _disconnect(connection: mqtt.Connection) -> None:
    """Disconnect; ignore awscrt's error during the first attempt and after the end."""
    connection.disconnect().add_done_callback(_error_of)


def _error_of(future: concurrent.futures.Future[Any]) -> BaseException | None:
    """Return the error without its traceback, because its frames keep awscrt's connection alive."""
    error = future.exception()
    return error.with_traceback(None) if error else None


def _ack_of(future: concurrent.futures.Future[Any]) -> Ack:
    error = _error_of(future)
    if isinstance(error, mqtt.SubscribeError):
        return Ack(FIRST_FAILURE)
    if isinstance(error, Exception):
        return Ack(error=error)
    return Ack(int(future.result().get("qos", 0)))


async def _ask_return_code(provider: Provider, request: UpgradeRequest, client_id: str) -> tuple[int, str] | None:
    """Repeat awscrt's CONNECT on a new connection, read the CONNACK and close.

    Returns:
        The MQTT 5 reason code and the MQTT 3.1.1 text; None if there is no answer in time, or this connection is
        accepted.
    """
    connect = _connect_packet(client_id, provider.user_name, provider.password)
    code = await _return_code(provider, request, connect)
    if not code:
        return None
    reason, text = _RETURN_CODES.get(code, _RESERVED)
    return int(reason), f"return code {code}: {text}"


async def _return_code(provider: Provider, request: UpgradeRequest, connect: bytes) -> int | None:
    endpoint = provider.endpoint
    loop = asyncio.get_running_loop()
    bridge = LoopBridge(loop)
    answer: asyncio.Future[int | None] = loop.create_future()
    received = bytearray()
    opened: list[websocket.WebSocket] = []

    def settle(code: int | None) -> None:
        if not answer.done():
            answer.set_result(code)

    def on_setup(data: websocket.OnConnectionSetupData) -> None:
        if data.websocket is None:
            bridge.call(settle, None)
            return
        opened.append(data.websocket)
        if answer.done():  # the caller timed out before this WebSocket was opened
            data.websocket.close()
        else:
            data.websocket.send_frame(websocket.Opcode.BINARY, connect)

    def on_payload(data: websocket.OnIncomingFramePayloadData) -> None:
        received.extend(data.data)
        if len(received) >= _CONNACK_LENGTH:
            bridge.call(settle, received[_CONNACK_LENGTH - 1] if received.startswith(_CONNACK) else None)

    handshake = websocket.create_handshake_request(host=endpoint.authority)
    request.apply_to(handshake, endpoint.authority)
    handshake.headers.set("Sec-WebSocket-Protocol", "mqtt")
    tls_options = None
    if context := endpoint.tls_context():
        tls_options = context.new_connection_options()
        tls_options.set_server_name(endpoint.host)
    proxy = endpoint.proxy()
    websocket.connect(
        host=endpoint.host,
        port=endpoint.port,
        handshake_request=handshake,
        tls_connection_options=tls_options,
        proxy_options=proxy.crt_options if proxy else None,
        on_connection_setup=on_setup,
        on_connection_shutdown=lambda _: bridge.call(settle, None),
        on_incoming_frame_payload=on_payload,
    )
    try:
        async with asyncio.timeout(_RETURN_CODE_TIMEOUT_SECONDS):
            return await answer
    except TimeoutError:
        return None
    finally:
        answer.cancel()
        for socket in opened:
            socket.close()


def _connect_packet(client_id: str, user_name: str | None, password: str | None) -> bytes:
    flags = _CLEAN_SESSION
    payload = _field(client_id)
    if user_name is not None:
        flags |= _WITH_USER_NAME
        payload += _field(user_name)
        if password is not None:
            flags |= _WITH_PASSWORD
            payload += _field(password)
    rest = _PROTOCOL + bytes([flags]) + _KEEP_ALIVE_SECONDS.to_bytes(2) + payload
    return bytes([_CONNECT]) + _encoded_length(len(rest)) + rest


def _field(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _encoded_length(number: int) -> bytes:
    """Encode a remaining length: seven bits per byte, lowest first (MQTT 3.1.1, section 2.2.3)."""
    encoded = bytearray()
    while number >= _MORE_LENGTH:
        encoded.append(number % _MORE_LENGTH | _MORE_LENGTH)
        number //= _MORE_LENGTH
    return bytes([*encoded, number])
