"""The MQTT 5 transport on awscrt."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import _awscrt
from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError, from_code

from pubsub_client._messages import Packet
from pubsub_client._provider import Provider, UpgradeRequest
from pubsub_client._transport import (
    SUCCESS,
    Ack,
    ConnectAttemptError,
    ConnectOptions,
    Disconnect,
    DisconnectedError,
    LoopBridge,
    OnAck,
    reason_text,
)

_ACK_TIMEOUT_SECONDS = 30
# Some brokers without MQTT 5 do not answer its CONNECT. Then the next version is tried.
_CONNACK_TIMEOUT_SECONDS = 5
_CLOSE_TIMEOUT_SECONDS = 5.0
_DAY_MS = 86_400_000
# awscrt's errors for pending operations when their connection ends.
_CONNECTION_ENDS = {
    "AWS_ERROR_MQTT5_OPERATION_FAILED_DUE_TO_OFFLINE_QUEUE_POLICY",
    "AWS_ERROR_MQTT5_USER_REQUESTED_STOP",
    "AWS_ERROR_MQTT5_CLIENT_TERMINATED",
}


class _Client(mqtt5.Client):  # type: ignore[misc]  # awscrt has no types
    """awscrt's client, with a publish method that needs no future, because a future costs as much as the message."""

    def publish_with_callback(self, packet: Packet, completed: Callable[..., None]) -> None:
        """Publish like :meth:`publish`, by the same private function of awscrt; a test compares the arguments.

        Args:
            packet: the message.
            completed: called on awscrt's thread with error code, QoS, reason code, reason string and user properties.
        """
        topic, payload, qos, retain, content_type = packet
        unset = (None,) * 5  # format indicator, expiry, topic alias, response topic, correlation data
        _awscrt.mqtt5_client_publish(self._binding, qos, payload, retain, topic, *unset, content_type, None, completed)


class Mqtt5Transport:
    """One MQTT 5 connection: see :class:`Transport`.

    awscrt's client reconnects and resends by itself. Therefore each connection has its own client, which is stopped
    when the connection ends.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_disconnect: Callable[[Disconnect], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._provider = provider
        self._request: UpgradeRequest | None = None
        self._on_received = on_received
        self._on_disconnect = on_disconnect
        self._bridge = LoopBridge(loop, lambda: len(self._pending))
        self._opened: asyncio.Future[bool] = loop.create_future()
        self._stopped = asyncio.Event()
        self._pending: dict[OnAck, None] = {}
        self._over = False
        self._client: _Client | None = _Client(self._client_options(options))
        self._connected: _Client | None = None

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect."""
        self._request = request
        if self._client:
            self._client.start()
        return await self._opened

    def publish(self, packet: Packet, on_ack: OnAck) -> None:
        """Send a message."""
        completed = partial(self._bridge.call, self._published, on_ack)
        self._submit(lambda client: client.publish_with_callback(packet, completed), on_ack)

    def subscribe(self, topic_filter: str, qos: int, on_ack: OnAck) -> None:
        """Subscribe to a topic filter."""
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic_filter, mqtt5.QoS(qos))])
        self._submit(lambda client: self._await(client.subscribe(packet), on_ack), on_ack)

    def unsubscribe(self, topic_filter: str, on_ack: OnAck) -> None:
        """Unsubscribe from a topic filter."""
        packet = mqtt5.UnsubscribePacket([topic_filter])
        self._submit(lambda client: self._await(client.unsubscribe(packet), on_ack), on_ack)

    async def close(self) -> None:
        """Disconnect."""
        self._over = True
        self._connected = None
        self._opened.cancel()
        self._fail_pending("the connection was closed")
        if self._client is None:
            return
        # The session ends with the connection, because no client would resume it.
        packet = mqtt5.DisconnectPacket(mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION, session_expiry_interval_sec=0)
        self._client.stop(packet)
        try:
            # After a failed TLS handshake awscrt may keep the socket for half a minute.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await self._stopped.wait()
        finally:
            # The client refers to its callbacks, and they refer to this object.
            self._client = None

    def _client_options(self, options: ConnectOptions) -> mqtt5.ClientOptions:
        endpoint = self._provider.endpoint
        proxy = endpoint.proxy()
        behavior = mqtt5.ClientSessionBehaviorType
        connack_timeout = _CONNACK_TIMEOUT_SECONDS if len(self._provider.versions) > 1 else _ACK_TIMEOUT_SECONDS
        return mqtt5.ClientOptions(
            host_name=endpoint.host,
            port=endpoint.port,
            tls_ctx=endpoint.tls_context(),
            http_proxy_options=proxy.crt_options if proxy else None,
            websocket_handshake_transform=self._on_handshake,
            connect_options=mqtt5.ConnectPacket(
                client_id=str(options.client_id),
                keep_alive_interval_sec=options.keep_alive,
                session_expiry_interval_sec=options.session_expiry or None,
                username=self._provider.user_name,
                password=self._provider.password,
                will=_will(options.will) if options.will else None,
            ),
            session_behavior=behavior.REJOIN_ALWAYS if options.resume else behavior.CLEAN,
            extended_validation_and_flow_control_options=self._provider.flow_control,
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            # awscrt never reconnects: the client is stopped long before.
            min_reconnect_delay_ms=_DAY_MS,
            max_reconnect_delay_ms=_DAY_MS,
            connack_timeout_ms=connack_timeout * 1000,
            ack_timeout_sec=_ACK_TIMEOUT_SECONDS,
            on_publish_callback_fn=self._on_publish,
            on_lifecycle_event_connection_success_fn=lambda data: self._bridge.call(self._connect_succeeded, data),
            on_lifecycle_event_connection_failure_fn=lambda data: self._bridge.call(self._connect_failed, data),
            on_lifecycle_event_disconnection_fn=lambda data: self._bridge.call(self._disconnected, data),
            on_lifecycle_event_stopped_fn=lambda _: self._bridge.call(self._stopped.set),
            disable_metrics=True,
        )

    # The methods named _on_... run on awscrt's thread, all others on the loop.

    def _on_handshake(self, transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
        if self._request:
            self._request.apply_to(transform_args.http_request, self._provider.endpoint.authority)
        transform_args.set_done()

    def _on_publish(self, data: mqtt5.PublishReceivedData) -> None:
        packet = data.publish_packet
        self._bridge.call(
            self._on_received,
            Packet(packet.topic, packet.payload or b"", int(packet.qos), bool(packet.retain), packet.content_type),
        )

    def _connect_succeeded(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        if not self._over:
            self._connected = self._client
        if not self._opened.done():
            self._opened.set_result(data.connack_packet.session_present)

    def _connect_failed(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        packet = data.connack_packet
        connack = (int(packet.reason_code), packet.reason_string) if packet else None
        if not self._opened.done():
            self._opened.set_exception(ConnectAttemptError(data.exception, connack))

    def _disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        if self._over:
            return
        self._over = True
        self._connected = None
        packet = data.disconnect_packet
        code = int(packet.reason_code) if packet else None
        reason = reason_text(code, packet.reason_string) if packet else str(data.exception)
        self._fail_pending(reason)
        self._on_disconnect(Disconnect(code, reason))

    def _submit(self, operation: Callable[[_Client], None], on_ack: OnAck) -> None:
        if self._connected is None:
            on_ack(Ack(error=DisconnectedError("there is no connection", was_sent=False)))
            return
        try:
            operation(self._connected)
        except AwsCrtError as error:  # awscrt checks the limits in the broker's CONNACK
            on_ack(Ack(error=error))
            return
        self._pending[on_ack] = None

    def _await(self, future: concurrent.futures.Future[Any], on_ack: OnAck) -> None:
        future.add_done_callback(partial(self._bridge.call, self._subscribed, on_ack))

    def _published(  # noqa: PLR0913 - as awscrt's binding calls it
        self,
        on_ack: OnAck,
        error_code: int,
        qos: int,
        reason_code: int,
        reason_string: str | None,
        _user_properties: object,
    ) -> None:
        if error_code:
            self._fail(on_ack, from_code(error_code))
        elif qos and reason_code:
            self._complete(on_ack, Ack(reason_code, reason_string))
        else:
            self._complete(on_ack, SUCCESS)

    def _subscribed(self, on_ack: OnAck, future: concurrent.futures.Future[Any]) -> None:
        try:
            packet: mqtt5.SubackPacket | mqtt5.UnsubackPacket = future.result()
        except AwsCrtError as error:
            self._fail(on_ack, error)
        else:
            self._complete(on_ack, Ack(packet.reason_codes[0], packet.reason_string))

    def _fail(self, on_ack: OnAck, error: AwsCrtError) -> None:
        # When the connection ends, _disconnected() completes all operations in order and with the reason.
        if error.name not in _CONNECTION_ENDS:
            self._complete(on_ack, Ack(error=error))

    def _complete(self, on_ack: OnAck, ack: Ack) -> None:
        if on_ack in self._pending:
            del self._pending[on_ack]
            on_ack(ack)

    def _fail_pending(self, reason: str) -> None:
        pending, self._pending = self._pending, {}
        for on_ack in pending:
            on_ack(Ack(error=DisconnectedError(reason)))


def _will(packet: Packet) -> mqtt5.PublishPacket:
    topic, payload, qos, retain, content_type = packet
    return mqtt5.PublishPacket(payload, mqtt5.QoS(qos), retain, topic, content_type=content_type)
