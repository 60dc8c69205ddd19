"""Subscriptions: the reader of an application, and the topic filters at the broker."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, Self

from pubsub_client._guards import Owner
from pubsub_client._messages import Message, Packet, decode, matches
from pubsub_client.exceptions import ConnectionLost, SubscribeRefused

# A topic filter counts as rejected after this number of connections that were lost while resubscribing to it.
_MAX_LOSSES = 5
_CACHED_TOPICS = 1000


class Subscription:
    """The messages of one or more topic filters, to read with ``async for``; created by :meth:`PubSub.subscribe`.

        >>> async with PubSub(provider) as pubsub, pubsub.subscribe(["orders/+", "alarms/#"], qos=1) as messages:
        ...     await pubsub.publish("alarms/1/smoke", b"\\x01")
        ...     message = await anext(messages)
        >>> (message.topic, message.payload, message.is_json, messages.dropped)
        ('alarms/1/smoke', b'\\x01', False, 0)

    Args:
        topic_filters: the topic filters.
        buffer: the maximum number of unread messages. Beyond that, the oldest message is dropped.
        owner: the owner of the connection.
    """

    def __init__(self, topic_filters: tuple[str, ...], buffer: int, owner: Owner) -> None:
        self.topic_filters = topic_filters
        self.dropped = 0
        """The number of messages dropped because the reader was too slow."""
        self._owner = owner
        self._packets: deque[Packet] = deque(maxlen=buffer)
        self._changed = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Return the next message; stop when the client is closed.

        Raises:
            SubscribeRefused: the broker rejected a topic filter after a reconnection.
            UserChanged: the session's user signed out or was replaced.
            WrongEventLoop, ProcessForked: the caller is in another event loop or process than the connection.
        """
        self._owner.check()
        while not self._packets:
            if self._error:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return decode(self._packets.popleft())

    def put(self, packet: Packet) -> None:
        """Add a message, unless the reader has ended."""
        if self._ended:
            return
        if len(self._packets) == self._packets.maxlen:
            self.dropped += 1
        self._packets.append(packet)
        self._changed.set()

    def end(self, error: Exception | None = None) -> None:
        """Stop the reader, or let it raise the error, after the messages that have arrived."""
        self._ended = True
        self._error = self._error or error
        self._changed.set()


class SubscribingConnection(Protocol):
    """The methods of the connection that the registry uses; both raise ConnectionLost."""

    async def subscribe(self, topic_filter: str, qos: int) -> None:
        """Subscribe; raise SubscribeRefused if the broker rejects the topic filter."""
        ...

    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe."""
        ...


@dataclass
class _TopicFilter:
    """A topic filter and its readers.

    Args:
        name: the topic filter.
        readers: its readers.
        qos: the highest QoS that was granted; None before that.
        active: whether the broker's current session has the topic filter.
        losses: consecutive connections that were lost while resubscribing to it.
        lock: held during a request to the broker.
    """

    name: str
    readers: list[Subscription] = field(default_factory=list)
    qos: int | None = None
    active: bool = False
    losses: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SubscriptionRegistry:
    """Shares one subscription at the broker among all readers of the same topic filter."""

    def __init__(self) -> None:
        self._filters: dict[str, _TopicFilter] = {}
        self._readers_by_topic: dict[str, tuple[Subscription, ...]] = {}
        """A cache of the readers of each received topic, cleared when readers change."""
        self._requested: set[str] = set()
        """The topic filters that the broker's current session may have, with or without readers."""

    def count_with(self, topic_filters: tuple[str, ...]) -> int:
        """Return how many topic filters the broker would have after subscribing to these."""
        return len(self._filters.keys() | self._requested | set(topic_filters))

    def add(self, reader: Subscription) -> None:
        """Deliver messages to a reader from now on, even before the broker has granted its topic filters."""
        self._readers_by_topic.clear()
        for name in reader.topic_filters:
            self._filters.setdefault(name, _TopicFilter(name)).readers.append(reader)

    async def subscribe(self, connection: SubscribingConnection, topic_filter: str, qos: int) -> None:
        """Subscribe to a reader's topic filter with at least this QoS.

        Raises:
            SubscribeRefused: the broker rejected the topic filter.
            ConnectionLost: the connection was lost before the acknowledgement.
        """
        shared = self._filters[topic_filter]
        async with shared.lock:
            if shared.qos is None or shared.qos < qos:
                await self._request(connection, shared, qos)

    async def remove(self, reader: Subscription, connection: SubscribingConnection | None) -> None:
        """Remove a reader; if there is a connection, unsubscribe from topic filters without readers."""
        self._readers_by_topic.clear()
        left = [self._filters[name] for name in reader.topic_filters]
        for shared in left:
            shared.readers.remove(reader)
        for shared in left:
            async with shared.lock:
                if shared.readers or self._filters.get(shared.name) is not shared:
                    continue
                del self._filters[shared.name]
                if connection and shared.name in self._requested:
                    with suppress(ConnectionLost):
                        await self._unsubscribe(connection, shared.name)

    async def resume(self, connection: SubscribingConnection, *, session_present: bool) -> None:
        """Subscribe on a new connection to all topic filters that are missing in the broker's session.

        The readers of a topic filter that is now rejected end with the error.

        Raises:
            ConnectionLost: the connection was lost before the acknowledgements.
        """
        if not session_present:
            self._requested.clear()
            for shared in self._filters.values():
                shared.active = False
        missing = [shared for shared in self._filters.values() if shared.qos is not None and not shared.active]
        if any(shared.losses for shared in missing):
            for shared in missing:  # one by one, to find out which topic filter ends the connection
                await self._resubscribe(connection, shared)
        else:
            await asyncio.gather(*(self._resubscribe(connection, shared) for shared in missing))
        for name in self._requested - self._filters.keys():
            await self._unsubscribe(connection, name)

    def deliver(self, packet: Packet) -> None:
        """Deliver a message once to each reader with a matching topic filter."""
        if (readers := self._readers_by_topic.get(packet.topic)) is None:
            matching = (shared for shared in self._filters.values() if matches(shared.name, packet.topic))
            readers = tuple(dict.fromkeys(reader for shared in matching for reader in shared.readers))
            if len(self._readers_by_topic) >= _CACHED_TOPICS:
                self._readers_by_topic.clear()
            self._readers_by_topic[packet.topic] = readers
        for reader in readers:
            reader.put(packet)

    def end(self, error: Exception | None = None) -> None:
        """Stop all readers, or let them raise the error, after the messages that have arrived."""
        self._requested.clear()
        for shared in self._filters.values():
            self._end(shared, error)

    async def _request(self, connection: SubscribingConnection, shared: _TopicFilter, qos: int) -> None:
        self._requested.add(shared.name)
        try:
            await connection.subscribe(shared.name, qos)
        except SubscribeRefused:
            if not shared.active:
                self._requested.discard(shared.name)
            raise
        shared.qos = qos
        shared.active = True
        shared.losses = 0

    async def _resubscribe(self, connection: SubscribingConnection, shared: _TopicFilter) -> None:
        try:
            await self._request(connection, shared, shared.qos or 0)
        except SubscribeRefused as refusal:
            self._end(shared, refusal)
        except ConnectionLost as loss:
            shared.losses += 1
            if shared.losses == _MAX_LOSSES:
                self._end(shared, SubscribeRefused(shared.name, f"in {_MAX_LOSSES} attempts, {loss}"))
            raise

    async def _unsubscribe(self, connection: SubscribingConnection, name: str) -> None:
        await connection.unsubscribe(name)
        self._requested.discard(name)

    def _end(self, shared: _TopicFilter, error: Exception | None) -> None:
        shared.qos = None
        shared.active = False
        shared.losses = 0
        for reader in shared.readers:
            reader.end(error)
