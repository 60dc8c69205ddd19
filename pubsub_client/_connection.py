"""One MQTT 5 connection that keeps itself up: awscrt below, asyncio above."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from awscrt import http, io, mqtt5
from awscrt.exceptions import AwsCrtError

from pubsub_client._hop import Hop
from pubsub_client._network import tls_context
from pubsub_client._provider import Operation
from pubsub_client._refusal import FailedAttempt, reason_of, why_refused, why_silent
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from pubsub_client._provider import Provider, Remedy

_KEEP_ALIVE_SECONDS = 60
_RECONNECT_SECONDS = (1, 120)
_ANSWER_SECONDS = 30
_DRAIN_SECONDS = 5.0
# Reason codes from 0x80 on tell of a failure (MQTT 5, section 2.4).
_FIRST_FAILURE = 0x80


@dataclass(frozen=True)
class Listener:
    """What is called on the loop when something happens.

    Args:
        connecting: an attempt to connect begins.
        connected: the broker took the connection; told whether it remembers the session's subscriptions.
        disconnected: the connection went away or an attempt failed, and why; the next one follows by itself.
        received: a message arrived.
    """

    connecting: Callable[[], None]
    connected: Callable[[bool], None]
    disconnected: Callable[[str], None]
    received: Callable[[mqtt5.PublishPacket], None]


class Connection:
    """A connection by one provider's way, with a client id of its own.

    It is signed anew at each attempt, and made again with exponentially growing, fully jittered pauses. When it is
    denied, the provider may know a remedy.

    Args:
        provider: the broker and how it is reached.
        client_id: the MQTT client id.
        listener: told what happens.

    Raises:
        ConfigurationError: the environment names a proxy or authorities that cannot be used.
    """

    def __init__(self, provider: Provider, client_id: str, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        self._provider = provider
        self._client_id = client_id
        self._listener = listener
        self._loop = loop
        self._hop = Hop(loop)
        self._opened: asyncio.Future[ConnectionRefused | None] = loop.create_future()
        self._stopped = asyncio.Event()
        self._unanswered: set[asyncio.Future[Any]] = set()
        self._explanations: set[asyncio.Task[None]] = set()
        self._upgrade: concurrent.futures.Future[str] | None = None
        self._refusal: ConnectionRefused | None = None
        self._remedy: Remedy | None = None
        self._one_told_at_a_time = asyncio.Lock()
        self._up = False
        self._closing = False
        self._client = mqtt5.Client(self._options())

    async def open(self, seconds: float) -> None:
        """Connect.

        Raises:
            ConnectionRefused: the first attempt failed and the provider knows no remedy, or it took longer than given;
                nothing is tried any more.
        """
        self._client.start()
        try:
            async with asyncio.timeout(seconds):
                refusal = await self._opened
        except TimeoutError:
            path = _path_of(self._upgrade)
            await self.close()
            refusal = self._refusal or ConnectionRefused(
                self._provider.endpoint.authority, await why_silent(path, self._provider, seconds)
            )
            raise refusal from refusal.__cause__
        except asyncio.CancelledError:
            await self.close()
            raise
        if refusal:
            await self.close()
            raise refusal

    async def publish(self, packet: mqtt5.PublishPacket) -> None:
        """Publish, and with QoS 1 wait for the acknowledgement.

        Raises:
            PublishRefused: the broker refuses the message.
            ConnectionLost: the connection went away first.
        """
        operation = Operation.PUBLISH_RETAINED if packet.retain else Operation.PUBLISH
        done = await self._answer(self._open_client.publish(packet), operation, packet.topic)
        code = done.puback.reason_code
        if code is not None and code >= _FIRST_FAILURE:
            raise PublishRefused(packet.topic, self._explain(code, done.puback, operation, packet.topic))

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribe.

        Raises:
            SubscribeRefused: the broker refuses the topic filter.
            ConnectionLost: the connection went away first.
        """
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic_filter, mqtt5.QoS(qos))])
        suback = await self._answer(self._open_client.subscribe(packet), Operation.SUBSCRIBE, topic_filter)
        code = suback.reason_codes[0]
        if code is None or code >= _FIRST_FAILURE:
            raise SubscribeRefused(topic_filter, self._explain(code, suback, Operation.SUBSCRIBE, topic_filter))

    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe.

        Raises:
            ConnectionLost: the connection went away first.
        """
        packet = mqtt5.UnsubscribePacket([topic_filter])
        await self._answer(self._open_client.unsubscribe(packet), Operation.UNSUBSCRIBE, topic_filter)

    async def close(self) -> None:
        """Let what is unanswered be answered, for five seconds at most, and disconnect."""
        try:
            if self._unanswered:
                await asyncio.wait(set(self._unanswered), timeout=_DRAIN_SECONDS)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        self._closing = True
        for task in self._explanations:
            task.cancel()
        if self._upgrade:
            self._upgrade.cancel()
        self._client.stop()
        try:
            # After a failed TLS handshake awscrt may keep the socket, and so us, for half a minute.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _DRAIN_SECONDS)
        finally:
            # awscrt keeps what it calls back alive for as long as there is a client or an upgrade request.
            del self._client
            self._upgrade = None

    @property
    def _open_client(self) -> mqtt5.Client:
        if self._closing:
            raise ConnectionLost("the connection is closed")
        return self._client

    def _options(self) -> mqtt5.ClientOptions:
        endpoint = self._provider.endpoint
        proxy = endpoint.proxy()
        shortest, longest = _RECONNECT_SECONDS
        return mqtt5.ClientOptions(
            host_name=endpoint.host,
            port=endpoint.port,
            tls_ctx=tls_context() if endpoint.tls else None,
            http_proxy_options=proxy.options if proxy else None,
            websocket_handshake_transform=self._on_upgrade,
            connect_options=mqtt5.ConnectPacket(
                client_id=self._client_id,
                keep_alive_interval_sec=_KEEP_ALIVE_SECONDS,
                request_problem_information=True,
            ),
            extended_validation_and_flow_control_options=self._provider.flow_control,
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            retry_jitter_mode=io.ExponentialBackoffJitterMode.FULL,
            min_reconnect_delay_ms=shortest * 1000,
            max_reconnect_delay_ms=longest * 1000,
            ack_timeout_sec=_ANSWER_SECONDS,
            on_publish_callback_fn=lambda data: self._hop.call(self._listener.received, data.publish_packet),
            on_lifecycle_event_attempting_connect_fn=self._on_attempt,
            on_lifecycle_event_connection_success_fn=lambda data: self._hop.call(self._succeeded, data),
            on_lifecycle_event_connection_failure_fn=self._on_failure,
            on_lifecycle_event_disconnection_fn=lambda data: self._hop.call(self._dropped, data),
            on_lifecycle_event_stopped_fn=lambda _: self._hop.call(self._stopped.set),
            disable_metrics=True,
        )

    def _on_upgrade(self, transform_args: mqtt5.WebsocketHandshakeTransformArgs) -> None:
        """Prepare the upgrade request; on awscrt's thread, which must not wait, so the loop finishes it."""
        self._upgrade = asyncio.run_coroutine_threadsafe(self._prepare(transform_args.http_request), self._loop)
        self._upgrade.add_done_callback(lambda done: transform_args.set_done(_error_of(done)))

    async def _prepare(self, request: http.HttpRequest) -> str:
        path = await self._provider.upgrade_path()
        request.path = path
        request.headers.set("Host", self._provider.endpoint.authority)
        return path

    def _on_attempt(self, _data: mqtt5.LifecycleAttemptingConnectData) -> None:
        self._upgrade = None
        self._hop.call(self._attempting)

    def _attempting(self) -> None:
        if not self._closing:
            self._listener.connecting()

    def _succeeded(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        self._up = True
        self._remedy = None
        if not self._opened.done():
            self._opened.set_result(None)
        if not self._closing:
            self._listener.connected(data.connack_packet.session_present)

    def _on_failure(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        """Take the failed attempt's upgrade along: the next attempt may begin before the loop comes to this one."""
        self._hop.call(self._failed, data, self._upgrade)

    def _failed(self, data: mqtt5.LifecycleConnectFailureData, upgrade: concurrent.futures.Future[str] | None) -> None:
        if self._closing:
            return
        unprepared = _error_of(upgrade) if upgrade and upgrade.done() else None
        attempt = FailedAttempt(data.exception, data.connack_packet, _path_of(upgrade), unprepared)
        task = self._loop.create_task(self._tell(attempt))
        self._explanations.add(task)
        task.add_done_callback(self._explanations.discard)

    async def _tell(self, attempt: FailedAttempt) -> None:
        reason = await why_refused(attempt, self._provider, self._client_id)
        async with self._one_told_at_a_time:
            self._refusal = self._refused(reason, attempt)
            if attempt.denied and not self._up:
                await self._have_it_remedied()
            if self._remedy:
                reason = f"{reason}. {self._remedy.text}"
                self._refusal = self._refused(reason, attempt)
            if not (self._opened.done() or self._remedied):
                self._opened.set_result(self._refusal)
            if not self._up:
                self._listener.disconnected(reason)

    def _refused(self, reason: str, attempt: FailedAttempt) -> ConnectionRefused:
        refusal = ConnectionRefused(self._provider.endpoint.authority, reason, denied=attempt.denied)
        refusal.__cause__ = attempt.unprepared or attempt.error
        return refusal

    async def _have_it_remedied(self) -> None:
        """Let the provider do what it can, unless it has since the last success; awscrt goes on trying meanwhile."""
        if self._remedied:
            return
        remedy = await self._provider.remedy_denial()
        if not self._up:
            self._remedy = remedy

    @property
    def _remedied(self) -> bool:
        return self._remedy is not None and self._remedy.applied

    def _dropped(self, data: mqtt5.LifecycleDisconnectData) -> None:
        self._up = False
        packet = data.disconnect_packet
        reason = reason_of(packet.reason_code, packet.reason_string) if packet else str(data.exception)
        for answer in self._unanswered:
            if not answer.done():
                answer.set_exception(_DroppedError(reason))
        if not self._closing:
            self._listener.disconnected(reason)

    async def _answer(self, submitted: concurrent.futures.Future[Any], operation: Operation, resource: str) -> Any:
        answer = self._hop.follow(submitted)
        self._unanswered.add(answer)
        try:
            return await answer
        except _DroppedError as error:
            raise ConnectionLost(
                f"the connection was lost while {operation} {resource}: {error}. If that happens each time, "
                f"{self._provider.explain_denial(operation, resource)}"
            ) from error
        except AwsCrtError as error:
            raise ConnectionLost(f"no answer to {operation} {resource}: {error}") from error
        finally:
            self._unanswered.discard(answer)

    def _explain(self, code: int | None, packet: Any, operation: Operation, resource: str) -> str:
        reason = reason_of(code, packet.reason_string)
        if code == mqtt5.ConnectReasonCode.NOT_AUTHORIZED:
            return f"{reason}: {self._provider.explain_denial(operation, resource)}"
        return reason


class _DroppedError(Exception):
    """The connection went away; the message is the reason."""


def _error_of(future: concurrent.futures.Future[str]) -> BaseException | None:
    if future.cancelled():
        return asyncio.CancelledError("the connection is being closed")
    return future.exception()


def _path_of(upgrade: concurrent.futures.Future[str] | None) -> str | None:
    """Return what an upgrade was asked for with, if it came to that."""
    return upgrade.result() if upgrade and upgrade.done() and not _error_of(upgrade) else None
