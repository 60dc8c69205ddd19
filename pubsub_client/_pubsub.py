"""The client: publish and subscribe on one connection that stays up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Literal, Self

from pubsub_client._answers import check_published
from pubsub_client._client_id import ClientId
from pubsub_client._connection import Connection, Listener
from pubsub_client._filters import Filters
from pubsub_client._link import ConnectOptions, Packet
from pubsub_client._options import check, check_qos, check_whole
from pubsub_client._outbox import OutboxOptions
from pubsub_client._pauses import Pauses
from pubsub_client._payload import OCTETS, encode
from pubsub_client._provider import Provider
from pubsub_client._states import ConnectionState, StateChange, States
from pubsub_client._subscription import Message, Subscription
from pubsub_client._topics import check_text, check_topic, check_topic_filter
from pubsub_client.exceptions import ConfigurationError, ConnectionLost, PubSubError

_LONGEST_KEEP_ALIVE = 65535
_LONGEST_EXPIRY = 2**32 - 1
_TOPICS_KEPT = 1000


class PubSub:
    """A connection to publish and subscribe on: ``async with PubSub(provider) as pubsub``.

    When it goes away it is made again, signed anew, and subscribed again to what is being read. What is published
    meanwhile waits, and a message with QoS 1 that was not acknowledged is sent again, in order.

    Args:
        provider: the broker and how it is reached.
        client_id: the MQTT client id; random unless given. Two connections with one client id end each other.
        connect_timeout: seconds to wait for the connection, at first and whenever it has gone away; to find out why
            there is none can take ten more.
        keep_alive: seconds after which a silent connection is asked whether it is still there.
        session_expiry: seconds for which the broker keeps subscriptions, and messages with QoS 1 for them, while the
            connection is away, if it speaks MQTT 5. Leaving ends the session.
        will: a message that the broker publishes if this client goes without a goodbye.
        queue_size: how many messages may be unacknowledged at a time.
        when_full: whether ``publish()`` lets one more wait its turn, or raises; then those that wait for the connection
            count too.
        attempts: how often a message with QoS 1 is sent when the connection goes each time before its acknowledgement,
            as it does when a broker does not allow the message.
        reconnect_delay: bounds in seconds of the random pause before a new attempt: at first, and the last that the
            first doubles up to.

    Raises:
        ConfigurationError: the broker would refuse one of these; told by name.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        client_id: str | None = None,
        connect_timeout: float = 30.0,
        keep_alive: int = 60,
        session_expiry: int = 0,
        will: Message | None = None,
        queue_size: int = 1000,
        when_full: Literal["wait", "raise"] = "wait",
        attempts: int = 3,
        reconnect_delay: tuple[float, float] = (1.0, 120.0),
    ) -> None:
        self._client_id = ClientId(client_id)
        check_text(self.client_id, "client id")
        provider.check_client_id(self.client_id)
        check("connect_timeout", connect_timeout, connect_timeout > 0, "more than 0")
        check_whole("keep_alive", keep_alive, 1, _LONGEST_KEEP_ALIVE)
        provider.check_keep_alive(keep_alive)
        check_whole("session_expiry", session_expiry, 0, _LONGEST_EXPIRY)
        check_whole("queue_size", queue_size, 1)
        check("when_full", when_full, when_full in ("wait", "raise"), "'wait' or 'raise'")
        check_whole("attempts", attempts, 1)
        shortest, longest = reconnect_delay
        check("reconnect_delay", reconnect_delay, 0 < shortest <= longest, "two seconds above 0, the shorter first")
        self._provider = provider
        self._check_topic = lru_cache(_TOPICS_KEPT)(partial(_check_topic, provider))
        self._connect_timeout = connect_timeout
        last_words = None if will is None else self._packet(will.topic, will.payload, will.qos, retain=will.retain)
        self._options = ConnectOptions(self._client_id, keep_alive, session_expiry, resume=False, will=last_words)
        self._outbox = OutboxOptions(queue_size, when_full == "raise", attempts, connect_timeout)
        self._pauses = Pauses(shortest, longest)
        self._states = States()
        self._filters = Filters()
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        """Connect: see :meth:`connect`."""
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect: see :meth:`close`."""
        await self.close()

    def start(self) -> None:
        """Connect in the background, as often as it takes; what is published meanwhile waits.

        Needs a running loop, and :meth:`close` at the end.

        Raises:
            ConfigurationError: no event loop runs, or the environment names a proxy or authorities that are of no use.
        """
        self._begin()

    async def connect(self) -> None:
        """Connect, and wait for it.

        Raises:
            ConnectionRefused: the first attempt failed; the message says who refused and why. If it was denied and the
                provider had a remedy, it is tried again until the timeout, and the message says what came of that.
            ConnectionLost: :meth:`start` was called before, and the connection does not come in time.
            ConfigurationError: the environment names a proxy or authorities that cannot be used.
        """
        connection = self._begin()
        try:
            await connection.open(self._connect_timeout)
            await self._states.until_connected(self._connect_timeout)
        except BaseException:
            await self._close(connection)
            raise

    async def close(self) -> None:
        """Disconnect, when what is under way is done or five seconds have passed.

        Readers take what has arrived and stop. It may be connected again.
        """
        if self._connection:
            await self._close(self._connection)

    @property
    def client_id(self) -> str:
        """The MQTT client id; one that is made up may have the identity id before it once it connects."""
        return str(self._client_id)

    @property
    def state(self) -> ConnectionState:
        """The connection's state now."""
        return self._states.now.state

    def states(self) -> AsyncGenerator[StateChange]:
        """Return a stream of the state now and each one after it, with the reason; ends after ``CLOSED``.

        >>> async with PubSub(provider) as pubsub:
        ...     state, reason = await anext(pubsub.states())
        >>> state
        <ConnectionState.CONNECTED: 'connected'>
        """
        return self._states.stream()

    async def publish(self, topic: str | Iterable[str], payload: object, *, qos: int = 1, retain: bool = False) -> None:
        """Publish a message, to one topic or to each of several.

            >>> async with PubSub(provider) as pubsub:
            ...     await pubsub.publish(["orders/1", "orders/2"], {"state": "packed"})
            ...     await pubsub.publish("orders/3", {"packed": {1, 2}})
            Traceback (most recent call last):
            pubsub_client.exceptions.PayloadError: the payload cannot be sent: $.packed is of type set, ...

        Messages to one topic arrive in the order in which they were published, but one that had to be sent again may
        arrive twice.

        Args:
            topic: one topic or several, without wildcards.
            payload: ``bytes`` are sent as they are, any other value as JSON.
            qos: 1 returns when the broker has acknowledged the message, 0 when it has been sent.
            retain: have the broker keep it for later subscribers.

        Raises:
            TopicError: the broker would refuse a topic; nothing was sent.
            PayloadError: the payload is not JSON serialisable or too long; nothing was sent.
            ConfigurationError: the QoS is not supported, or there is no topic; nothing was sent.
            QueueFull: too many messages wait, and ``when_full`` is ``raise``.
            PublishRefused: the broker refuses the message.
            ConnectionLost: the connection did not come back in time, or went away ``attempts`` times before the
                acknowledgement.
            ExceptionGroup: of several topics, more than one of these two or three.
        """
        if isinstance(topic, str):
            packet = self._packet(topic, payload, qos, retain=retain)
            check_published(await self._connection_to_use.publish(packet), packet, self._provider)
            return
        packets = [self._packet(each, payload, qos, retain=retain) for each in _several(topic, "topic")]
        connection = self._connection_to_use
        publishing = [connection.publish(packet) for packet in packets]
        await asyncio.gather(*publishing, return_exceptions=True)
        errors = []
        for packet, answer in zip(packets, publishing, strict=True):
            try:
                check_published(answer.result(), packet, self._provider)
            except PubSubError as error:
                errors.append(error)
        if len(errors) > 1:
            raise ExceptionGroup("several messages were not published", errors)
        if errors:
            raise errors[0]

    @asynccontextmanager
    async def subscribe(
        self, topic_filter: str | Iterable[str], *, qos: int = 0, buffer: int = 1000
    ) -> AsyncIterator[Subscription]:
        """Subscribe to a topic filter, or to several that are read together, for as long as the context lasts.

        Subscriptions to the same topic filter share one at the broker, which sends what it keeps (retained messages)
        only when that begins: a later reader of the same filter gets it with its next change. Of a message that matches
        two *different* topic filters of one connection the broker may send two copies, and every reader of either gets
        both.

        Args:
            topic_filter: a topic, or a filter with the wildcards ``+`` and ``#``; or several of them.
            qos: the highest QoS to deliver with, 0 or 1.
            buffer: how many messages wait for the reader; of more, the oldest is dropped and counted.

        Raises:
            TopicError: the broker would refuse a topic filter; nothing was sent.
            ConfigurationError: the QoS is not supported, the buffer holds nothing, or there are too many topic
                filters or none; nothing was sent.
            SubscribeRefused: the broker refuses a topic filter.
            ConnectionLost: the connection did not come back in time, or went away before the answer.
        """
        topic_filters = (topic_filter,) if isinstance(topic_filter, str) else _several(topic_filter, "topic filter")
        for each in topic_filters:
            check_topic_filter(each)
            self._provider.check_topic(each)
        check_qos(qos)
        check_whole("buffer", buffer, 1)
        self._provider.check_subscriptions(self._filters.number_with(topic_filters))
        reader = Subscription(topic_filters, buffer)
        self._filters.add(reader)
        try:
            for each in topic_filters:
                connection = await self._connected()
                await self._filters.subscribe(connection, each, qos)
            yield reader
        finally:
            reader.end()
            up = self.state is ConnectionState.CONNECTED
            await self._filters.remove(reader, self._connection if up else None)

    def _packet(self, topic: str, payload: object, qos: int, *, retain: bool) -> Packet:
        self._check_topic(topic)
        body = encode(payload)
        self._provider.check_payload(body)
        check_qos(qos)
        return Packet(topic, body, qos, retain, OCTETS if isinstance(payload, bytes) else None)

    @property
    def _connection_to_use(self) -> Connection:
        if self._connection is None:
            raise ConnectionLost("there is no connection: use it inside `async with PubSub(provider) as pubsub`")
        return self._connection

    async def _connected(self) -> Connection:
        await self._states.until_connected(self._connect_timeout)
        return self._connection_to_use

    def _begin(self) -> Connection:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError("there is no running event loop: connect inside a coroutine") from None
        if self._connection and self._connection.loop is not loop:
            raise ConfigurationError("it was connected in another event loop and not closed there: make another PubSub")
        if self._connection is None:
            change = self._states.change
            listener = Listener(
                connecting=lambda: change(ConnectionState.CONNECTING),
                resume=self._resume,
                connected=lambda: change(ConnectionState.CONNECTED),
                disconnected=lambda reason: change(ConnectionState.DISCONNECTED, reason),
                received=self._filters.deliver,
            )
            self._connection = Connection(self._provider, self._options, self._outbox, self._pauses, listener)
            self._connection.start()
            change(ConnectionState.CONNECTING)
        return self._connection

    async def _resume(self, session_present: bool) -> None:
        if self._connection:
            await self._filters.resume(self._connection, session_present=session_present)

    async def _close(self, connection: Connection) -> None:
        try:
            await connection.close()
        finally:
            if self._connection is connection:
                self._connection = None
                self._filters.end()
                self._states.change(ConnectionState.CLOSED)


def _check_topic(provider: Provider, topic: str) -> None:
    check_topic(topic)
    provider.check_topic(topic)


def _several(names: Iterable[str], kind: str) -> tuple[str, ...]:
    several = tuple(dict.fromkeys(names))
    if not several:
        raise ConfigurationError(f"there is no {kind}: give one at least")
    return several
