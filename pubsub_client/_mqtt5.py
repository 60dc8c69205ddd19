"""A link that speaks MQTT 5, on awscrt."""

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

from pubsub_client._hop import Hop
from pubsub_client._link import SUCCESS, Answer, AttemptFailed, ConnectOptions, Drop, DroppedError, Packet
from pubsub_client._provider import Provider, UpgradeRequest
from pubsub_client._refusal import reason_of

_ANSWER_SECONDS = 30
# Some brokers that do not speak MQTT 5 say nothing to it; another version is tried then.
_CONNACK_SECONDS = 5
_CLOSE_SECONDS = 5.0
_DAY_MS = 86_400_000
# What awscrt fails an operation with when its connection is going, or gone.
_GOING = {
    "AWS_ERROR_MQTT5_OPERATION_FAILED_DUE_TO_OFFLINE_QUEUE_POLICY",
    "AWS_ERROR_MQTT5_USER_REQUESTED_STOP",
    "AWS_ERROR_MQTT5_CLIENT_TERMINATED",
}


class _Client(mqtt5.Client):  # type: ignore[misc]  # awscrt has no types
    """A client of awscrt that can publish without futures: to make and settle them costs as much as the message."""

    def publish_then(self, packet: Packet, completed: Callable[..., None]) -> None:
        """Publish as :meth:`publish` does, by the same function of awscrt's binding: see the version that is pinned.

        Args:
            packet: the message.
            completed: called on awscrt's thread with error code, QoS, reason code, reason string and user properties.
        """
        topic, payload, qos, retain, content_type = packet
        unset = (None,) * 5  # format indicator, expiry, topic alias, response topic, correlation data
        _awscrt.mqtt5_client_publish(self._binding, qos, payload, retain, topic, *unset, content_type, None, completed)


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
        self._opened: asyncio.Future[bool] = loop.create_future()
        self._stopped = asyncio.Event()
        self._unanswered: dict[Callable[[Answer], None], None] = {}
        self._over = False
        self._client: _Client | None = _Client(self._options(options))
        self._connected: _Client | None = None

    async def open(self, request: UpgradeRequest) -> bool:
        """Connect: see :class:`Link`."""
        self._request = request
        if self._client:
            self._client.start()
        return await self._opened

    def publish(self, packet: Packet, answered: Callable[[Answer], None]) -> None:
        """Send a message: see :class:`Link`."""
        completed = partial(self._hop.call, self._published, answered)
        self._submit(lambda client: client.publish_then(packet, completed), answered)

    def subscribe(self, topic_filter: str, qos: int, answered: Callable[[Answer], None]) -> None:
        """Subscribe: see :class:`Link`."""
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic_filter, mqtt5.QoS(qos))])
        self._submit(lambda client: self._follow(client.subscribe(packet), answered), answered)

    def unsubscribe(self, topic_filter: str, answered: Callable[[Answer], None]) -> None:
        """Unsubscribe: see :class:`Link`."""
        packet = mqtt5.UnsubscribePacket([topic_filter])
        self._submit(lambda client: self._follow(client.unsubscribe(packet), answered), answered)

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
                will=_last_words(options.will) if options.will else None,
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

    def _submit(self, operation: Callable[[_Client], None], answered: Callable[[Answer], None]) -> None:
        if self._connected is None:
            answered(Answer(error=DroppedError("there is no connection", was_sent=False)))
            return
        try:
            operation(self._connected)
        except AwsCrtError as error:  # it can see at once that the broker would not take the packet
            answered(Answer(error=error))
            return
        self._unanswered[answered] = None

    def _follow(self, submitted: concurrent.futures.Future[Any], answered: Callable[[Answer], None]) -> None:
        submitted.add_done_callback(partial(self._hop.call, self._subscribed, answered))

    def _published(  # noqa: PLR0913 - as awscrt's binding calls it
        self,
        answered: Callable[[Answer], None],
        error_code: int,
        qos: int,
        reason_code: int,
        reason_string: str | None,
        _user_properties: object,
    ) -> None:
        if error_code:
            self._failed_to_send(answered, from_code(error_code))
        elif qos and reason_code:
            self._answer(answered, Answer(reason_code, reason_string))
        else:
            self._answer(answered, SUCCESS)

    def _subscribed(self, answered: Callable[[Answer], None], done: concurrent.futures.Future[Any]) -> None:
        try:
            packet: mqtt5.SubackPacket | mqtt5.UnsubackPacket = done.result()
        except AwsCrtError as error:
            self._failed_to_send(answered, error)
        else:
            self._answer(answered, Answer(packet.reason_codes[0], packet.reason_string))

    def _failed_to_send(self, answered: Callable[[Answer], None], error: AwsCrtError) -> None:
        # What it fails because the connection goes is answered when it has gone, in order and with the reason.
        if error.name not in _GOING:
            self._answer(answered, Answer(error=error))

    def _answer(self, answered: Callable[[Answer], None], answer: Answer) -> None:
        if answered in self._unanswered:
            del self._unanswered[answered]
            answered(answer)

    def _answer_all(self, reason: str) -> None:
        unanswered, self._unanswered = self._unanswered, {}
        for answered in unanswered:
            answered(Answer(error=DroppedError(reason)))


def _last_words(packet: Packet) -> mqtt5.PublishPacket:
    topic, payload, qos, retain, content_type = packet
    return mqtt5.PublishPacket(payload, mqtt5.QoS(qos), retain, topic, content_type=content_type)
