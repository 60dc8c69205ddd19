"""The topic filters of one connection: what the broker has agreed to, and everybody who reads each."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from pubsub_client._connection import Connection
from pubsub_client._link import Packet
from pubsub_client._subscription import Subscription
from pubsub_client._topics import matches
from pubsub_client.exceptions import ConnectionLost, SubscribeRefused

# So often the connection may go when a topic filter is subscribed to again, before that is taken for a refusal.
_MOST_LOSSES = 5
_TOPICS_KEPT = 1000


@dataclass
class _Filter:
    """A topic filter and its readers.

    Args:
        topic_filter: the topic filter.
        readers: everybody who reads it.
        wanted: the highest QoS that was asked for and agreed to.
        agreed: whether the broker has agreed in its present session.
        losses: connections that went in a row while it was subscribed to again.
        changing: held while the broker is asked.
    """

    topic_filter: str
    readers: list[Subscription] = field(default_factory=list)
    wanted: int | None = None
    agreed: bool = False
    losses: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Filters:
    """Shares one subscription at the broker among all who read the same topic filter."""

    def __init__(self) -> None:
        self._filters: dict[str, _Filter] = {}
        self._readers: dict[str, tuple[Subscription, ...]] = {}
        """Who reads each topic of the messages that came since a reader was added or removed."""
        self._asked_for: set[str] = set()
        """What the broker may know in its present session, with readers or without."""

    def number_with(self, topic_filters: tuple[str, ...]) -> int:
        """Return how many topic filters the broker would know with these."""
        return len(self._filters.keys() | self._asked_for | set(topic_filters))

    def add(self, reader: Subscription) -> None:
        """Let a reader have what arrives for its topic filters, also before the broker has agreed."""
        self._readers.clear()
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
            if shared.wanted is None or shared.wanted < qos:
                await self._ask_for(connection, shared, qos)

    async def remove(self, reader: Subscription, connection: Connection | None) -> None:
        """Take a reader away, and unsubscribe from what nobody reads any more, if there is a connection."""
        self._readers.clear()
        left = [self._filters[topic_filter] for topic_filter in reader.topic_filters]
        for shared in left:
            shared.readers.remove(reader)
        for shared in left:
            async with shared.changing:
                if shared.readers or self._filters.get(shared.topic_filter) is not shared:
                    continue
                del self._filters[shared.topic_filter]
                if connection and shared.topic_filter in self._asked_for:
                    with suppress(ConnectionLost):
                        await self._give_back(connection, shared.topic_filter)

    async def resume(self, connection: Connection, *, session_present: bool) -> None:
        """Bring the broker to what is read: from nothing, or from what it has kept of the session.

        A topic filter that is refused now ends its readers.

        Raises:
            ConnectionLost: the connection went away before the answers.
        """
        if not session_present:
            self._asked_for.clear()
            for shared in self._filters.values():
                shared.agreed = False
        missing = [shared for shared in self._filters.values() if shared.wanted is not None and not shared.agreed]
        if any(shared.losses for shared in missing):
            for shared in missing:  # one by one, so that it is known which the connection goes for
                await self._ask_again(connection, shared)
        else:
            await asyncio.gather(*(self._ask_again(connection, shared) for shared in missing))
        for topic_filter in self._asked_for - self._filters.keys():
            await self._give_back(connection, topic_filter)

    async def _ask_for(self, connection: Connection, shared: _Filter, qos: int) -> None:
        self._asked_for.add(shared.topic_filter)
        try:
            await connection.subscribe(shared.topic_filter, qos)
        except SubscribeRefused:
            if not shared.agreed:
                self._asked_for.discard(shared.topic_filter)
            raise
        shared.wanted = qos
        shared.agreed = True
        shared.losses = 0

    async def _ask_again(self, connection: Connection, shared: _Filter) -> None:
        try:
            await self._ask_for(connection, shared, shared.wanted or 0)
        except SubscribeRefused as refusal:
            self._end(shared, refusal)
        except ConnectionLost as loss:
            shared.losses += 1
            if shared.losses == _MOST_LOSSES:
                self._end(shared, SubscribeRefused(shared.topic_filter, f"each time it was asked for, {loss}"))
            raise

    async def _give_back(self, connection: Connection, topic_filter: str) -> None:
        await connection.unsubscribe(topic_filter)
        self._asked_for.discard(topic_filter)

    def _end(self, shared: _Filter, error: Exception | None) -> None:
        shared.wanted = None
        shared.agreed = False
        shared.losses = 0
        for reader in shared.readers:
            reader.end(error)

    def deliver(self, packet: Packet) -> None:
        """Hand a message to every reader of a topic filter that it matches, once to each."""
        if (readers := self._readers.get(packet.topic)) is None:
            matching = (shared for shared in self._filters.values() if matches(shared.topic_filter, packet.topic))
            readers = tuple(dict.fromkeys(reader for shared in matching for reader in shared.readers))
            if len(self._readers) >= _TOPICS_KEPT:
                self._readers.clear()
            self._readers[packet.topic] = readers
        for reader in readers:
            reader.put(packet)

    def end(self) -> None:
        """Let every reader take what has arrived, and stop."""
        self._asked_for.clear()
        for shared in self._filters.values():
            self._end(shared, None)
