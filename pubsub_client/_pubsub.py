"""The client: one connection that publishes, subscribes, and stays up."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from awscrt import mqtt5
from awscrt.exceptions import AwsCrtError

from pubsub_client import _payload
from pubsub_client.exceptions import ConnectionLost, ConnectionRefused, PublishRefused, SubscribeRefused
from pubsub_client._subscription import Message, Subscription
from pubsub_client._topics import check_topic, check_topic_filter, matches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from pubsub_client._aws_iot import AwsIot

_KEEP_ALIVE_SECONDS = 60
_RECONNECT_SECONDS = (1.0, 120.0)
_CLOSE_SECONDS = 5.0
_NOT_AUTHORIZED = 0x87
_FIRST_REFUSAL = 0x80


class ConnectionState(StrEnum):
    """Whether the connection is up."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    """Went away or could not be made; it is tried again."""
    CLOSED = "closed"


@dataclass(frozen=True)
class StateChange:
    """A new state, and why if it is known."""

    state: ConnectionState
    reason: str | None = None


@dataclass
class _Filter:
    """A topic filter subscribed to at the broker, and everybody here who reads it."""

    qos: mqtt5.QoS
    readers: list[Subscription] = field(default_factory=list)


class PubSub:
    """A connection to publish and subscribe on: ``async with PubSub(provider) as pubsub``.

    It reconnects by itself with growing, jittered pauses, signs each attempt anew, and subscribes again when the broker
    has forgotten the session.

    Args:
        provider: the broker and how it is reached.
        client_id: the MQTT client id; random unless given. Two connections with one id end each other.
        connect_timeout: seconds for the first connection.
    """

    def __init__(
        self, provider: AwsIot, *, client_id: str | None = None, connect_timeout: float = 30.0
    ) -> None:
        self.client_id = client_id or str(uuid.uuid4())
        self.state = ConnectionState.CLOSED
        """The connection's state now."""
        self._provider = provider
        self._connect_timeout = connect_timeout
        self._filters: dict[str, _Filter] = {}
        self._changing_filters = asyncio.Lock()
        self._received: deque[mqtt5.PublishPacket] = deque()
        self._watchers: list[asyncio.Queue[StateChange]] = []
        self._operations: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConnectionRefused: the broker or the way to it refuses; the message says who and why as far as can be told.
        """
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._stopped = asyncio.Event()
        self._client = mqtt5.Client(self._options())
        self._change(ConnectionState.CONNECTING)
        self._client.start()
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._first
        except TimeoutError:
            await self._stop()
            raise ConnectionRefused(
                self._provider.endpoint.authority, f"no answer within {self._connect_timeout:.0f} s"
            ) from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let what is under way finish, for five seconds at most, and disconnect."""
        if self._operations:
            await asyncio.wait(self._operations, timeout=_CLOSE_SECONDS)
        await self._stop()

    async def publish(
        self, topics: str | Sequence[str], payload: object, *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish a payload to one topic or several.

        Args:
            topics: the topic, or a sequence of topics.
            payload: ``bytes`` are sent as they are, any other value as JSON.
            qos: 1 returns when the broker has acknowledged, 0 when the message is on its way.
            retain: let the broker keep it for later subscribers.

        Raises:
            TopicError: a topic that AWS IoT would refuse; nothing was sent.
            PayloadError: the payload cannot be sent; nothing was sent.
            PublishRefused: the broker refused it.
            ConnectionLost: the connection went away before the broker acknowledged.
        """
        names = [topics] if isinstance(topics, str) else list(topics)
        for name in names:
            check_topic(name)
        data = _payload.encode(payload)
        await asyncio.gather(*(self._publish(name, data, mqtt5.QoS(qos), retain) for name in names))

    def subscribe(self, topic_filter: str, *, qos: int = 0, buffer: int = 1000) -> Subscription:
        """Return a subscription to enter with ``async with`` and read with ``async for``.

        Args:
            topic_filter: one filter, wildcards allowed.
            qos: the highest quality to deliver with, 0 or 1; the first of several subscriptions to a filter decides.
            buffer: how many messages wait for a slow reader.

        Raises:
            TopicError: a filter that AWS IoT would refuse.
            SubscribeRefused: on entering, the broker refuses the filter.
            ConnectionLost: on entering, the connection went away; AWS IoT also answers a forbidden filter this way.
        """
        check_topic_filter(topic_filter)

        async def enter(subscription: Subscription) -> None:
            async with self._changing_filters:
                if topic_filter not in self._filters:
                    await self._subscribe(topic_filter, mqtt5.QoS(qos))
                    self._filters[topic_filter] = _Filter(mqtt5.QoS(qos))
                self._filters[topic_filter].readers.append(subscription)

        return Subscription(topic_filter, buffer, enter, self._leave)

    async def states(self) -> AsyncIterator[StateChange]:
        """Yield the state now, and each one after it with its reason, until the connection is closed."""
        watcher: asyncio.Queue[StateChange] = asyncio.Queue()
        watcher.put_nowait(StateChange(self.state))
        self._watchers.append(watcher)
        try:
            while True:
                change = await watcher.get()
                yield change
                if change.state is ConnectionState.CLOSED:
                    return
        finally:
            self._watchers.remove(watcher)

    # What goes out

    async def _publish(self, topic: str, data: bytes, qos: mqtt5.QoS, retain: bool) -> None:
        packet = mqtt5.PublishPacket(topic=topic, payload=data, qos=qos, retain=retain)
        done = await self._operation(self._client.publish(packet), f"publishing to {topic}")
        if done.puback is not None and done.puback.reason_code >= _FIRST_REFUSAL:
            raise PublishRefused(topic, _reason(done.puback.reason_code))

    async def _subscribe(self, topic_filter: str, qos: mqtt5.QoS) -> None:
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic_filter, qos)])
        suback = await self._operation(self._client.subscribe(packet), f"subscribing to {topic_filter}")
        if suback.reason_codes[0] >= _FIRST_REFUSAL:
            raise SubscribeRefused(topic_filter, _reason(suback.reason_codes[0]))

    async def _leave(self, subscription: Subscription) -> None:
        name = subscription.topic_filter
        async with self._changing_filters:
            readers = self._filters[name].readers
            readers.remove(subscription)
            if readers:
                return
            del self._filters[name]
            if self.state is ConnectionState.CONNECTED:
                packet = mqtt5.UnsubscribePacket([name])
                await self._operation(self._client.unsubscribe(packet), f"unsubscribing from {name}")

    async def _operation(self, future: Any, what: str) -> Any:
        """Wait for awscrt to finish an operation; closing waits for it too."""
        task = asyncio.ensure_future(asyncio.wrap_future(future))
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        try:
            return await task
        except AwsCrtError as error:
            raise ConnectionLost(
                f"the connection went away while {what} ({error.name}); AWS IoT closes the connection when the role or "
                "the attached IoT policies do not allow it"
            ) from error

    # What awscrt tells, on its own thread; everything else happens on the loop

    def _options(self) -> mqtt5.ClientOptions:
        options = self._provider.client_options(self._loop)
        least, most = _RECONNECT_SECONDS
        options.connect_options = mqtt5.ConnectPacket(
            client_id=self.client_id, keep_alive_interval_sec=_KEEP_ALIVE_SECONDS
        )
        options.retry_jitter_mode = mqtt5.ExponentialBackoffJitterMode.FULL
        options.min_reconnect_delay_ms = int(least * 1000)
        options.max_reconnect_delay_ms = int(most * 1000)
        options.on_publish_callback_fn = self._on_publish
        options.on_lifecycle_event_connection_success_fn = self._on_loop(self._connected)
        options.on_lifecycle_event_connection_failure_fn = self._on_loop(self._refused)
        options.on_lifecycle_event_disconnection_fn = self._on_loop(self._disconnected)
        options.on_lifecycle_event_attempting_connect_fn = self._on_loop(self._attempting)
        options.on_lifecycle_event_stopped_fn = self._on_loop(lambda _data: self._stopped.set())
        return options

    def _on_loop(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        def hop(data: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(handler, data)

        return hop

    def _on_publish(self, data: mqtt5.PublishReceivedData) -> None:
        """Queue a message; a burst of them wakes the loop once."""
        self._received.append(data.publish_packet)
        if len(self._received) == 1 and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        while self._received:
            packet = self._received.popleft()
            payload, is_json = _payload.decode(packet.payload or b"")
            message = Message(packet.topic, payload, is_json, int(packet.qos), bool(packet.retain))
            for topic_filter, each in self._filters.items():
                if matches(topic_filter, packet.topic):
                    for reader in each.readers:
                        reader.put(message)

    def _attempting(self, _data: object) -> None:
        if self.state is not ConnectionState.CONNECTING:
            self._change(ConnectionState.CONNECTING)

    def _connected(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        self._change(ConnectionState.CONNECTED)
        if not self._first.done():
            self._first.set_result(None)
        elif not data.connack_packet.session_present:
            self._start(self._subscribe_again())

    def _refused(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        self._start(self._explain(data))

    def _disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        packet = data.disconnect_packet
        self._change(
            ConnectionState.DISCONNECTED,
            _reason(packet.reason_code) if packet else getattr(data.exception, "name", None),
        )

    # What follows from it

    async def _explain(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        reason = await self._why_refused(data)
        self._change(ConnectionState.DISCONNECTED, reason)
        if not self._first.done():
            refusal = ConnectionRefused(self._provider.endpoint.authority, reason)
            refusal.__cause__ = self._provider.handshake_error or data.exception
            self._first.set_exception(refusal)

    async def _why_refused(self, data: mqtt5.LifecycleConnectFailureData) -> str:
        if self._provider.handshake_error is not None:
            return f"the request could not be signed: {self._provider.handshake_error}"
        if data.connack_packet is not None:
            reason = _reason(data.connack_packet.reason_code)
            if data.connack_packet.reason_code == _NOT_AUTHORIZED:
                reason += f": the role or the attached IoT policies do not allow iot:Connect on client/{self.client_id}"
            return reason
        name = getattr(data.exception, "name", str(data.exception))
        if "WEBSOCKET" in name:
            answer = await self._provider.explain_refusal()
            return f"the WebSocket upgrade was refused: {answer or name}"
        return (
            f"{name}; a connection closed without an answer means that the role or the attached IoT policies do not "
            f"allow iot:Connect on client/{self.client_id}"
            if "CLOSE" in name
            else name
        )

    async def _subscribe_again(self) -> None:
        """Subscribe at a broker that has forgotten the session; a refusal ends the readers of that filter."""
        async with self._changing_filters:
            for name, each in self._filters.items():
                try:
                    await self._subscribe(name, each.qos)
                except SubscribeRefused as refusal:
                    for reader in each.readers:
                        reader.end(refusal)
                except ConnectionLost:
                    return  # the next connection begins again

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)

    async def _stop(self) -> None:
        self._client.stop()
        await self._stopped.wait()
        for task in list(self._operations):
            task.cancel()
        await asyncio.gather(*self._operations, return_exceptions=True)
        for each in self._filters.values():
            for reader in each.readers:
                reader.end(True)
        self._change(ConnectionState.CLOSED)

    def _change(self, state: ConnectionState, reason: str | None = None) -> None:
        self.state = state
        for watcher in self._watchers:
            watcher.put_nowait(StateChange(state, reason))


def _reason(code: int) -> str:
    """Return an MQTT 5 reason code with its name, such as ``0x87 not authorized``."""
    for kind in (
        mqtt5.ConnectReasonCode,
        mqtt5.DisconnectReasonCode,
        mqtt5.SubackReasonCode,
        mqtt5.PubackReasonCode,
    ):
        try:
            return f"{int(code):#04x} {kind(code).name.lower().replace('_', ' ')}"
        except ValueError:
            continue
    return f"{int(code):#04x}"
