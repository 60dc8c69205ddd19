"""The client: publish and subscribe on one connection that stays up."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from awscrt import mqtt5

from pubsub_client._connection import Connection, Listener
from pubsub_client._payload import OCTETS, encode
from pubsub_client._states import ConnectionState, States
from pubsub_client._subscription import Subscription
from pubsub_client._topics import check_topic, check_topic_filter, matches
from pubsub_client.exceptions import ConfigurationError, ConnectionLost, SubscribeRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from pubsub_client._provider import Provider
    from pubsub_client._states import StateChange


class PubSub:
    """A connection to publish and subscribe on: ``async with PubSub(provider) as pubsub``.

    When it goes away it is made again, signed anew, and subscribed again to what is being read. What is asked
    of it meanwhile waits.

    Args:
        provider: the broker and how it is reached.
        client_id: the MQTT client id; random unless given. Two connections with one client id end each other.
        connect_timeout: seconds to wait for the connection, at first and whenever it has gone away.

    Raises:
        ConfigurationError: the broker would refuse the client id.
    """

    def __init__(self, provider: Provider, *, client_id: str | None = None, connect_timeout: float = 30.0) -> None:
        self.client_id = str(uuid.uuid4()) if client_id is None else client_id
        provider.check_client_id(self.client_id)
        self._provider = provider
        self._connect_timeout = connect_timeout
        self._states = States()
        self._filters: dict[str, _Filter] = {}
        self._resubscribing: asyncio.Task[None] | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            ConnectionRefused: the first attempt failed; the message says who refused and why. If it was denied and the
                provider had a remedy, it is tried again until the timeout, and the message says what came of that.
            ConfigurationError: the environment names a proxy or authorities that cannot be used.
        """
        listener = Listener(self._on_connecting, self._on_connected, self._on_disconnected, self._on_received)
        self._connection = Connection(self._provider, self.client_id, listener)
        try:
            await self._connection.open(self._connect_timeout)
        except BaseException:
            self._connection = None
            self._states.change(ConnectionState.CLOSED)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect, when what is under way is done or five seconds have passed.

        Readers take what has arrived and stop.
        """
        connection, self._connection = self._connection, None
        if self._resubscribing:
            self._resubscribing.cancel()
        if connection:
            await connection.close()
        for each in self._filters.values():
            each.end()
        self._states.change(ConnectionState.CLOSED)

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        return self._states.now.state

    def states(self) -> AsyncGenerator[StateChange]:
        """Return a stream of the state now and each one after it, with the reason; ends after ``CLOSED``."""
        return self._states.stream()

    async def publish(self, topic: str, payload: object, *, qos: int = 1, retain: bool = False) -> None:
        """Publish a message.

        Args:
            topic: one topic, without wildcards.
            payload: ``bytes`` are sent as they are, any other value as JSON.
            qos: 1 returns when the broker has acknowledged the message, 0 when it has been sent.
            retain: have the broker keep it for later subscribers.

        Raises:
            TopicError: the broker would refuse the topic; nothing was sent.
            PayloadError: the payload is not JSON serialisable or too long; nothing was sent.
            ConfigurationError: the QoS is not supported; nothing was sent.
            PublishRefused: the broker refuses the message.
            ConnectionLost: the connection did not come back in time, or went away before the acknowledgement.
        """
        check_topic(topic)
        self._provider.check_topic(topic)
        body = encode(payload)
        self._provider.check_payload(body)
        packet = mqtt5.PublishPacket(
            topic=topic,
            payload=body,
            qos=_checked_qos(qos),
            retain=retain,
            content_type=OCTETS if isinstance(payload, bytes) else None,
        )
        connection = await self._connected()
        await connection.publish(packet)

    @asynccontextmanager
    async def subscribe(self, topic_filter: str, *, qos: int = 0, buffer: int = 1000) -> AsyncIterator[Subscription]:
        """Subscribe to a topic filter, for as long as the context lasts.

        Subscriptions to the same topic filter share one at the broker. Of a message that matches two
        *different* topic filters of one connection the broker may send two copies, and every reader of either
        gets both.

        Args:
            topic_filter: a topic, or a filter with the wildcards ``+`` and ``#``.
            qos: the highest QoS to deliver with, 0 or 1.
            buffer: how many messages wait for the reader; of more, the oldest is dropped and counted.

        Raises:
            TopicError: the broker would refuse the topic filter; nothing was sent.
            ConfigurationError: the QoS is not supported, or the buffer holds nothing; nothing was sent.
            SubscribeRefused: the broker refuses the topic filter.
            ConnectionLost: the connection did not come back in time, or went away before the answer.
        """
        check_topic_filter(topic_filter)
        self._provider.check_topic(topic_filter)
        wanted = _checked_qos(qos)
        if buffer < 1:
            raise ConfigurationError(f"the buffer holds {buffer} messages: give 1 or more")
        shared = self._filters.setdefault(topic_filter, _Filter(topic_filter))
        reader = Subscription(topic_filter, buffer)
        shared.readers.append(reader)
        try:
            await self._subscribe(shared, wanted)
            yield reader
        finally:
            reader.end()
            shared.readers.remove(reader)
            await self._leave(shared)

    async def _connected(self) -> Connection:
        await self._states.until_connected(self._connect_timeout)
        if self._connection is None:
            raise ConnectionLost("the connection is being closed")
        return self._connection

    async def _subscribe(self, shared: _Filter, qos: mqtt5.QoS) -> None:
        connection = await self._connected()
        async with shared.changing:
            if shared.granted is None or shared.granted < qos:
                await connection.subscribe(shared.topic_filter, qos)
                shared.granted = qos

    async def _leave(self, shared: _Filter) -> None:
        async with shared.changing:
            if shared.readers or self._filters.get(shared.topic_filter) is not shared:
                return
            del self._filters[shared.topic_filter]
            if shared.granted is not None and self._connection and self.state is ConnectionState.CONNECTED:
                with suppress(ConnectionLost):
                    await self._connection.unsubscribe(shared.topic_filter)

    async def _subscribe_again(self, connection: Connection) -> None:
        """Subscribe to everything granted before; a refusal now ends the readers of that topic filter."""
        for shared in list(self._filters.values()):
            if shared.granted is None:
                continue
            try:
                await connection.subscribe(shared.topic_filter, shared.granted)
            except SubscribeRefused as refusal:
                shared.granted = None
                shared.end(refusal)
            except ConnectionLost:
                return  # the next connection begins again
        self._states.change(ConnectionState.CONNECTED)

    def _on_connecting(self) -> None:
        self._states.change(ConnectionState.CONNECTING)

    def _on_connected(self, session_present: bool) -> None:
        if session_present or not self._filters or self._connection is None:
            self._states.change(ConnectionState.CONNECTED)
        else:
            self._resubscribing = asyncio.create_task(self._subscribe_again(self._connection))

    def _on_disconnected(self, reason: str) -> None:
        if self._resubscribing:
            self._resubscribing.cancel()
        self._states.change(ConnectionState.DISCONNECTED, reason)

    def _on_received(self, packet: mqtt5.PublishPacket) -> None:
        for topic_filter, shared in self._filters.items():
            if matches(topic_filter, packet.topic):
                for reader in shared.readers:
                    reader.put(packet)


@dataclass
class _Filter:
    """A topic filter and everybody who reads it; granted is the QoS that the broker has agreed to."""

    topic_filter: str
    readers: list[Subscription] = field(default_factory=list)
    granted: mqtt5.QoS | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def end(self, error: Exception | None = None) -> None:
        for reader in self.readers:
            reader.end(error)


def _checked_qos(qos: int) -> mqtt5.QoS:
    if qos not in (0, 1):
        raise ConfigurationError(f"QoS {qos!r} is not supported: give 0 or 1")
    return mqtt5.QoS(qos)
