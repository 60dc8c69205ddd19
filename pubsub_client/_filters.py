"""The topic filters of one connection: what the broker has agreed to, and everybody who reads each."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pubsub_client._topics import matches
from pubsub_client.exceptions import ConnectionLost, SubscribeRefused

if TYPE_CHECKING:
    from pubsub_client._connection import Connection
    from pubsub_client._link import Packet
    from pubsub_client._subscription import Subscription


@dataclass
class _Filter:
    """A topic filter and its readers; granted is the QoS that the broker has agreed to."""

    topic_filter: str
    readers: list[Subscription] = field(default_factory=list)
    granted: int | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Filters:
    """Shares one subscription at the broker among all who read the same topic filter."""

    def __init__(self) -> None:
        self._filters: dict[str, _Filter] = {}
        self._left: set[str] = set()
        """Those that the broker could not be told of; it knows them for as long as it keeps the session."""

    def number_with(self, topic_filters: tuple[str, ...]) -> int:
        """Return how many topic filters there would be with these."""
        return len(self._filters.keys() | set(topic_filters))

    def add(self, reader: Subscription) -> None:
        """Let a reader have what arrives for its topic filters, also before the broker has agreed."""
        for topic_filter in reader.topic_filters:
            self._filters.setdefault(topic_filter, _Filter(topic_filter)).readers.append(reader)

    async def subscribe(self, connection: Connection, topic_filter: str, qos: int) -> None:
        """Have the broker agree to a topic filter that has a reader, with this QoS at least.

        Raises:
            SubscribeRefused: it does not.
            ConnectionLost: the connection went away before the answer.
        """
        shared = self._filters[topic_filter]
        async with shared.changing:
            if shared.granted is None or shared.granted < qos:
                await connection.subscribe(topic_filter, qos)
                shared.granted = qos
                self._left.discard(topic_filter)

    async def remove(self, reader: Subscription, connection: Connection | None) -> None:
        """Take a reader away, and unsubscribe from what nobody reads any more, if there is a connection."""
        left = [self._filters[topic_filter] for topic_filter in reader.topic_filters]
        for shared in left:
            shared.readers.remove(reader)
        for shared in left:
            topic_filter = shared.topic_filter
            async with shared.changing:
                if shared.readers or self._filters.get(topic_filter) is not shared:
                    continue
                del self._filters[topic_filter]
                if shared.granted is None:
                    continue
                self._left.add(topic_filter)
                if connection:
                    with suppress(ConnectionLost):
                        await self._unsubscribe(connection, topic_filter)

    async def resume(self, connection: Connection, *, session_present: bool) -> None:
        """Bring a new connection to what is read, from nothing or from what the broker has kept.

        A topic filter that is refused now ends its readers.

        Raises:
            ConnectionLost: the connection went away before the answers.
        """
        if session_present:
            await asyncio.gather(*(self._unsubscribe(connection, topic_filter) for topic_filter in list(self._left)))
            return
        self._left.clear()
        granted = [shared for shared in self._filters.values() if shared.granted is not None]
        await asyncio.gather(*(self._subscribe_again(connection, shared) for shared in granted))

    async def _subscribe_again(self, connection: Connection, shared: _Filter) -> None:
        try:
            await connection.subscribe(shared.topic_filter, shared.granted or 0)
        except SubscribeRefused as refusal:
            shared.granted = None
            for reader in shared.readers:
                reader.end(refusal)

    async def _unsubscribe(self, connection: Connection, topic_filter: str) -> None:
        await connection.unsubscribe(topic_filter)
        self._left.discard(topic_filter)

    def deliver(self, packet: Packet) -> None:
        """Hand a message to every reader of a topic filter that it matches, once to each."""
        given: set[int] = set()
        for topic_filter, shared in self._filters.items():
            if matches(topic_filter, packet.topic):
                for reader in shared.readers:
                    if id(reader) not in given:
                        given.add(id(reader))
                        reader.put(packet)

    def end(self) -> None:
        """Let every reader take what has arrived, and stop."""
        for shared in self._filters.values():
            for reader in shared.readers:
                reader.end()
