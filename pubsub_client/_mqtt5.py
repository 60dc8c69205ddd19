"""A link that speaks MQTT 5, on awscrt."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError

from pubsub_client._hop import Hop
from pubsub_client._link import SUCCESS, Answer, AttemptFailed, Drop, DroppedError, Packet
from pubsub_client._refusal import reason_of

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from pubsub_client._link import ConnectOptions
    from pubsub_client._provider import Provider, UpgradeRequest

_ANSWER_SECONDS = 30
# Some brokers that do not speak MQTT 5 say nothing to it; another version is tried then.
_CONNACK_SECONDS = 5
_CLOSE_SECONDS = 5.0
_DAY_MS = 86_400_000
_QOS = (mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE)
# What awscrt fails an operation with when its connection is going, or gone.
_GOING = {
    "AWS_ERROR_MQTT5_OPERATION_FAILED_DUE_TO_OFFLINE_QUEUE_POLICY",
    "AWS_ERROR_MQTT5_USER_REQUESTED_STOP",
    "AWS_ERROR_MQTT5_CLIENT_TERMINATED",
}


class Mqtt5Link:
    """One connection by MQTT 5: see :class:`Link`.

    A client of awscrt connects again by itself, and sends again what it must; so each connection has one of its own,
    which is stopped when the connection goes.
    """

    def __init__(
        self,
        provider: Provider,
        options: ConnectOptions,
        on_received: Callable[[Packet], None],
        on_dropped: Callable[[Drop], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._provider = provider
        self._request: UpgradeRequest | None = None
        self._on_received = on_received
        self._on_dropped = on_dropped
        self._hop = Hop(loop, lambda: len(self._unanswered))
        self._on_done = partial(self._hop.call, self._answered)
        self._opened: asyncio.Future[bool] = loop.create_future()
        self._stopped = asyncio.Event()
        self._unanswered: dict[concurrent.futures.Future[Any], Callable[[Answer], None]] = {}
        self._over = False
        self._client: mqtt5.Client | None = mqtt5.Client(self._options(options))
        self._connected: mqtt5.Client | None = None

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect: see :class:`Link`."""
        self._request = request
        if self._client:
            self._client.start()
        return await self._opened

    def publish(self, packet: Packet, answered: Callable[[Answer], None]) -> None:
        """Send a message: see :class:`Link`."""
        self._submit(mqtt5.Client.publish, _publish_packet(packet), answered)

    def subscribe(self, topic_filter: str, qos: int, answered: Callable[[Answer], None]) -> None:
        """Subscribe: see :class:`Link`."""
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic_filter, mqtt5.QoS(qos))])
        self._submit(mqtt5.Client.subscribe, packet, answered)

    def unsubscribe(self, topic_filter: str, answered: Callable[[Answer], None]) -> None:
        """Unsubscribe: see :class:`Link`."""
        self._submit(mqtt5.Client.unsubscribe, mqtt5.UnsubscribePacket([topic_filter]), answered)

    async def close(self) -> None:
        """Disconnect: see :class:`Link`."""
        self._over = True
        self._connected = None
        self._opened.cancel()
        self._answer_all("the connection is closed")
        if self._client is None:
            return
        # The session ends with a goodbye: nobody would come back to it.
        goodbye = mqtt5.DisconnectPacket(mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION, session_expiry_interval_sec=0)
        self._client.stop(goodbye)
        try:
            # After a failed TLS handshake awscrt may keep the socket, and so us, for half a minute.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._stopped.wait()
        finally:
            # awscrt keeps what it calls back alive for as long as there is a client.
            self._client = None

    def _options(self, options: ConnectOptions) -> mqtt5.ClientOptions:
        endpoint = self._provider.endpoint
        proxy = endpoint.proxy()
        behavior = mqtt5.ClientSessionBehaviorType
        return mqtt5.ClientOptions(
            host_name=endpoint.host,
            port=endpoint.port,
            tls_ctx=endpoint.tls_context(),
            http_proxy_options=proxy.options if proxy else None,
            websocket_handshake_transform=self._on_upgrade,
            connect_options=mqtt5.ConnectPacket(
                client_id=str(options.client_id),
                keep_alive_interval_sec=options.keep_alive,
                session_expiry_interval_sec=options.session_expiry or None,
                username=self._provider.user_name,
                password=self._provider.password,
                will=_publish_packet(options.will) if options.will else None,
            ),
            session_behavior=behavior.REJOIN_ALWAYS if options.resume else behavior.CLEAN,
            extended_validation_and_flow_control_options=self._provider.flow_control,
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            # Stopped long before: who holds the link decides when there is another one.
            min_reconnect_delay_ms=_DAY_MS,
            max_reconnect_delay_ms=_DAY_MS,
            connack_timeout_ms=(_CONNACK_SECONDS if len(self._provider.versions) > 1 else _ANSWER_SECONDS) * 1000,
            ack_timeout_sec=_ANSWER_SECONDS,
            on_publish_callback_fn=self._received,
            on_lifecycle_event_connection_success_fn=lambda data: self._hop.call(self._succeeded, data),
            on_lifecycle_event_connection_failure_fn=lambda data: self._hop.call(self._failed, data),
            on_lifecycle_event_disconnection_fn=lambda data: self._hop.call(self._dropped, data),
            on_lifecycle_event_stopped_fn=lambda _: self._hop.call(self._stopped.set),
            disable_metrics=True,
        )

    def _on_upgrade(self, transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
        """Fill the upgrade request in, on awscrt's thread."""
        if self._request:
            self._request.fill(transform_args.http_request, self._provider.endpoint.authority)
        transform_args.set_done()

    def _succeeded(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        if not self._over:
            self._connected = self._client
        if not self._opened.done():
            self._opened.set_result(data.connack_packet.session_present)

    def _failed(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        connack = data.connack_packet
        answer = (int(connack.reason_code), connack.reason_string) if connack else None
        if not self._opened.done():
            self._opened.set_exception(AttemptFailed(data.exception, answer))

    def _dropped(self, data: mqtt5.LifecycleDisconnectData) -> None:
        if self._over:
            return
        self._over = True
        self._connected = None
        packet = data.disconnect_packet
        code = int(packet.reason_code) if packet else None
        reason = reason_of(code, packet.reason_string) if packet else str(data.exception)
        self._answer_all(reason)
        self._on_dropped(Drop(code, reason))

    def _received(self, data: mqtt5.PublishReceivedData) -> None:
        """Take a message over, on awscrt's thread."""
        packet = data.publish_packet
        self._hop.call(
            self._on_received,
            Packet(packet.topic, packet.payload or b"", int(packet.qos), bool(packet.retain), packet.content_type),
        )

    def _submit(
        self,
        operation: Callable[[mqtt5.Client, Any], concurrent.futures.Future[Any]],
        packet: object,
        answered: Callable[[Answer], None],
    ) -> None:
        if self._connected is None:
            answered(Answer(error=DroppedError("there is no connection", was_sent=False)))
            return
        try:
            submitted = operation(self._connected, packet)
        except AwsCrtError as error:  # it can see at once that the broker would not take the packet
            answered(Answer(error=error))
            return
        self._unanswered[submitted] = answered
        submitted.add_done_callback(self._on_done)

    def _answered(self, done: concurrent.futures.Future[Any]) -> None:
        try:
            answer = _answer_of(done.result())
        except AwsCrtError as error:
            # What it fails because the connection goes is answered when it has gone, in order and with the reason.
            if error.name in _GOING:
                return
            answer = Answer(error=error)
        if answered := self._unanswered.pop(done, None):
            answered(answer)

    def _answer_all(self, reason: str) -> None:
        unanswered, self._unanswered = self._unanswered, {}
        for answered in unanswered.values():
            answered(Answer(error=DroppedError(reason)))


def _publish_packet(packet: Packet) -> mqtt5.PublishPacket:
    topic, payload, qos, retain, content_type = packet
    return mqtt5.PublishPacket(payload, _QOS[qos], retain, topic, content_type=content_type)


def _answer_of(result: mqtt5.PublishCompletionData | mqtt5.SubackPacket | mqtt5.UnsubackPacket) -> Answer:
    if not isinstance(result, mqtt5.PublishCompletionData):
        return Answer(result.reason_codes[0], result.reason_string)
    puback = result.puback
    if not puback.reason_code:  # success, or none because the QoS is 0
        return SUCCESS
    return Answer(puback.reason_code, puback.reason_string)
