"""The client, and the client that the modules of a program share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import Literal, NoReturn, Self

from pubsub_client._backoff import Backoff
from pubsub_client._connection import ConnectionState, ReconnectingConnection, StateChange, States
from pubsub_client._failures import check_published
from pubsub_client._messages import OCTETS, Message, Packet, check_text, check_topic, check_topic_filter, encode
from pubsub_client._outbox import OutboxOptions
from pubsub_client._provider import Provider
from pubsub_client._subscription import Subscription, SubscriptionRegistry
from pubsub_client._transport import ClientId, ConnectOptions
from pubsub_client.exceptions import ClientClosed, ConfigurationError, PubSubError

_MAX_KEEP_ALIVE = 65535
_MAX_SESSION_EXPIRY = 2**32 - 1
_CACHED_TOPICS = 1000


class PubSub:
    """A client that publishes and subscribes on one connection: ``async with PubSub(provider) as pubsub``.

    It restores a lost connection with a new signature and all subscriptions. Messages published meanwhile wait.
    Unacknowledged messages with QoS 1 are sent again in order.

    All calls must come from the event loop and the process that connected the client. Others raise WrongEventLoop or
    ProcessForked before anything is sent. If the session's user signs out or another user signs in, the connection
    ends, and calls raise UserChanged until the client is closed.

    Args:
        provider: the broker.
        client_id: the MQTT client id; None for a random one. A broker disconnects a client when another client connects
            with the same client id.
        connect_timeout: how many seconds to wait for the connection, at first and after it was lost. Finding the reason
            of a failure can take ten more seconds.
        keep_alive: the MQTT keep alive in seconds.
        session_expiry: how many seconds an MQTT 5 broker keeps subscriptions, and messages with QoS 1 for them, after
            the connection was lost. Closing the client ends the session.
        will: a message that the broker publishes if the connection ends without being closed.
        queue_size: the maximum number of unacknowledged messages.
        when_full: whether ``publish()`` waits or raises QueueFull if there are ``queue_size`` messages. For ``raise``,
            messages that wait for the connection count too.
        attempts: how often a message with QoS 1 is sent if the connection is lost before its acknowledgement. Some
            brokers end the connection to deny a message.
        reconnect_delay: the upper bound in seconds of the first random delay before a new attempt, and the maximum of
            this bound, which doubles with each failed attempt.

    Raises:
        ConfigurationError: an argument is invalid, or the broker would reject it.
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
        _check("connect_timeout", connect_timeout, connect_timeout > 0, "a number greater than 0")
        _check_integer("keep_alive", keep_alive, 1, _MAX_KEEP_ALIVE)
        provider.check_keep_alive(keep_alive)
        _check_integer("session_expiry", session_expiry, 0, _MAX_SESSION_EXPIRY)
        _check_integer("queue_size", queue_size, 1)
        _check("when_full", when_full, when_full in ("wait", "raise"), "'wait' or 'raise'")
        _check_integer("attempts", attempts, 1)
        first, maximum = reconnect_delay
        _check(
            "reconnect_delay", reconnect_delay, 0 < first <= maximum, "two numbers greater than 0, the smaller first"
        )
        self._provider = provider
        self._check_topic = lru_cache(_CACHED_TOPICS)(partial(_check_topic, provider))
        self._connect_timeout = connect_timeout
        last_will = None if will is None else self._packet(will.topic, will.payload, will.qos, retain=will.retain)
        self._options = ConnectOptions(self._client_id, keep_alive, session_expiry, resume=False, will=last_will)
        self._outbox = OutboxOptions(queue_size, when_full == "raise", attempts, connect_timeout)
        self._backoff = Backoff(first, maximum)
        self._states = States()
        self._subscriptions = SubscriptionRegistry()
        self._connection: ReconnectingConnection | None = None

    def __reduce__(self) -> NoReturn:
        """Raise ConfigurationError: ``multiprocessing`` cannot pass a client to another process."""
        raise ConfigurationError("a PubSub cannot be passed to another process; create one in each process")

    async def __aenter__(self) -> Self:
        """Connect: see :meth:`connect`."""
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect: see :meth:`close`."""
        await self.close()

    def start(self) -> None:
        """Connect in the background, with any number of attempts; messages published meanwhile wait.

        Call it in a running event loop, and call :meth:`close` at the end.

        Raises:
            ConfigurationError: there is no running event loop, or the environment's proxy or certificate authorities
                cannot be used.
            ProcessForked: another client was connected before this process was forked.
        """
        self._begin()

    async def connect(self) -> None:
        """Connect, and wait for the connection.

        Raises:
            ConnectionRefused: the first attempt failed. If it was denied and the provider recovered, more attempts were
                made until the timeout.
            ConnectionLost: :meth:`start` was called before, and there was no connection in time.
            ConfigurationError: there is no running event loop, or the environment's proxy or certificate authorities
                cannot be used.
            ProcessForked: another client was connected before this process was forked.
        """
        connection = self._begin()
        try:
            await connection.wait_for_first_result(self._connect_timeout)
            await connection.until_connected(self._connect_timeout)
        except BaseException:
            await self._close(connection)
            raise

    async def close(self) -> None:
        """Wait at most five seconds for pending acknowledgements, and disconnect.

        Readers stop after the messages that have arrived. The client may connect again.
        """
        self._check_caller()
        if self._connection:
            await self._close(self._connection)

    @property
    def client_id(self) -> str:
        """The MQTT client id; connecting may add the identity id as a prefix to a random one."""
        return str(self._client_id)

    @property
    def state(self) -> ConnectionState:
        """The current state of the connection."""
        return self._states.now.state

    def states(self) -> AsyncGenerator[StateChange]:
        """Yield the current state and each later state, with the reason; end after ``CLOSED``.

        >>> async with PubSub(provider) as pubsub:
        ...     state, reason = await anext(pubsub.states())
        >>> state
        <ConnectionState.CONNECTED: 'connected'>
        """
        return self._states.stream(self._check_caller)

    async def publish(self, topic: str | Iterable[str], payload: object, *, qos: int = 1, retain: bool = False) -> None:
        """Publish a message to one topic or several.

            >>> async with PubSub(provider) as pubsub:
            ...     await pubsub.publish(["orders/1", "orders/2"], {"state": "packed"})
            ...     await pubsub.publish("orders/3", {"packed": {1, 2}})
            Traceback (most recent call last):
            pubsub_client.exceptions.PayloadError: the payload cannot be sent: $.packed is of type set, ...

        Messages to one topic arrive in the order in which they were published. A message that was sent again may arrive
        twice.

        Args:
            topic: one topic or several, without wildcards.
            payload: ``bytes`` are sent unchanged, any other value as JSON.
            qos: with 1 this returns when the broker has acknowledged the message, with 0 when it was sent.
            retain: whether the broker retains the message for later subscribers.

        Raises:
            TopicError: the broker would reject a topic; nothing was sent.
            PayloadError: the payload is not JSON serialisable, or too long; nothing was sent.
            ConfigurationError: the QoS is not supported, or there is no topic; nothing was sent.
            ClientClosed: the client is not connected; nothing was sent.
            QueueFull: there are too many messages, and ``when_full`` is ``raise``.
            PublishRefused: the broker rejected the message.
            ConnectionLost: there was no connection in time, or it was lost ``attempts`` times before the
                acknowledgement.
            ExceptionGroup: several messages failed with one of the last three errors.
        """
        if isinstance(topic, str):
            packet = self._packet(topic, payload, qos, retain=retain)
            check_published(await self._open_connection.publish(packet), packet, self._provider)
            return
        packets = [self._packet(each, payload, qos, retain=retain) for each in _distinct(topic, "topic")]
        connection = self._open_connection
        acks = [connection.publish(packet) for packet in packets]
        await asyncio.gather(*acks, return_exceptions=True)
        errors = []
        for packet, ack in zip(packets, acks, strict=True):
            try:
                check_published(ack.result(), packet, self._provider)
            except PubSubError as error:
                errors.append(error)
        if len(errors) > 1:
            raise ExceptionGroup(f"{len(errors)} of {len(packets)} messages were not published", errors)
        if errors:
            raise errors[0]

    @asynccontextmanager
    async def subscribe(
        self, topic_filter: str | Iterable[str], *, qos: int = 0, buffer: int = 1000
    ) -> AsyncIterator[Subscription]:
        """Subscribe to one or several topic filters within an ``async with`` block.

        Readers of the same topic filter share one subscription at the broker. The broker sends retained messages only
        when this subscription starts, so a later reader gets only new messages. If a message matches two different
        topic filters of one connection, the broker may send it twice, and each matching reader gets both copies.

        Args:
            topic_filter: a topic, or a filter with the wildcards ``+`` and ``#``, or several of them.
            qos: the maximum QoS of deliveries, 0 or 1.
            buffer: the maximum number of unread messages. Beyond that, the oldest message is dropped and counted.

        Raises:
            TopicError: the broker would reject a topic filter; nothing was sent.
            ConfigurationError: the QoS is not supported, the buffer is less than 1, or there are too many topic filters
                or none; nothing was sent.
            ClientClosed: the client is not connected; nothing was sent.
            SubscribeRefused: the broker rejected a topic filter.
            ConnectionLost: there was no connection in time, or it was lost before the acknowledgement.
        """
        topic_filters = (topic_filter,) if isinstance(topic_filter, str) else _distinct(topic_filter, "topic filter")
        for each in topic_filters:
            check_topic_filter(each)
            self._provider.check_topic(each)
        _check_qos(qos)
        _check_integer("buffer", buffer, 1)
        self._provider.check_subscriptions(self._subscriptions.count_with(topic_filters))
        connection = self._open_connection
        reader = Subscription(topic_filters, buffer, connection.owner)
        self._subscriptions.add(reader)
        try:
            for each in topic_filters:
                await connection.until_connected(self._connect_timeout)
                await self._subscriptions.subscribe(connection, each, qos)
            yield reader
        finally:
            reader.end()
            connection.owner.check()
            connected = self.state is ConnectionState.CONNECTED
            await self._subscriptions.remove(reader, self._connection if connected else None)

    def _packet(self, topic: str, payload: object, qos: int, *, retain: bool) -> Packet:
        self._check_topic(topic)
        body = encode(payload)
        self._provider.check_payload(body)
        _check_qos(qos)
        return Packet(topic, body, qos, retain, OCTETS if isinstance(payload, bytes) else None)

    @property
    def _open_connection(self) -> ReconnectingConnection:
        """The connection, after a check that the caller may use it."""
        if self._connection is None:
            raise ClientClosed
        self._connection.check()
        return self._connection

    def _check_caller(self) -> None:
        if self._connection:
            self._connection.owner.check()

    def _begin(self) -> ReconnectingConnection:
        if self._connection is None:
            self._connection = ReconnectingConnection(
                self._provider, self._options, self._outbox, self._backoff, self._states, self._subscriptions
            )
            self._connection.start()
        return self._open_connection

    def _check_closed(self) -> None:
        """Raise ConfigurationError unless the client is closed, or its event loop is."""
        if self._connection and not self._connection.owner.is_gone:
            self._connection.owner.check_process()
            raise ConfigurationError("the previously configured client is not closed; close it first")

    async def _close(self, connection: ReconnectingConnection) -> None:
        try:
            await connection.close()
        finally:
            if self._connection is connection:
                self._connection = None
                self._subscriptions.end()
                self._states.change(ConnectionState.CLOSED)


_shared: list[PubSub] = []


def configure(pubsub: PubSub) -> None:
    """Set the client that :func:`get` returns in all modules; it does not have to be connected.

        >>> configure(PubSub(AwsIot.from_outputs(outputs, session)))
        >>> await get().publish("orders/1", {"state": "packed"})
        >>> await get().close()

    Raises:
        ConfigurationError: the previously configured client is not closed, and its event loop still exists.
    """
    for previous in _shared:
        previous._check_closed()
    _shared[:] = [pubsub]


def get() -> PubSub:
    """Return the configured client, and connect it in the background if it is closed.

    Close the client at the end with ``await get().close()``. To get errors of the connection at once, call ``await
    get().connect()``.

    Raises:
        ConfigurationError: no client is configured, or there is no running event loop.
    """
    if not _shared:
        raise ConfigurationError("no client is configured; call configure(PubSub(provider)) before get()")
    (pubsub,) = _shared
    pubsub.start()
    return pubsub


def _check(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ConfigurationError(f"{name} is {value!r}; pass {expected}")


def _check_integer(name: str, value: int, minimum: int, maximum: int | None = None) -> None:
    expected = f"an integer of at least {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    valid = isinstance(value, int) and minimum <= value and (maximum is None or value <= maximum)
    _check(name, value, valid, expected)


def _check_qos(qos: int) -> None:
    if qos not in (0, 1):
        raise ConfigurationError(f"QoS {qos!r} is not supported; pass 0 or 1")


def _check_topic(provider: Provider, topic: str) -> None:
    check_topic(topic)
    provider.check_topic(topic)


def _distinct(names: Iterable[str], kind: str) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(names))
    if not distinct:
        raise ConfigurationError(f"there is no {kind}; pass at least one")
    return distinct
