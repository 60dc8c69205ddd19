"""Messages are delivered to the readers of the moment."""

from __future__ import annotations

from pubsub_client._messages import Packet
from pubsub_client._subscription import _CACHED_TOPICS, Subscription, SubscriptionRegistry


def packet(topic: str) -> Packet:
    return Packet(topic, b"1", 0, retain=False)


async def test_reader_gets_what_comes_between_its_start_and_its_end() -> None:
    filters, first, second = SubscriptionRegistry(), Subscription(("a/+",), 10), Subscription(("a/b",), 10)
    filters.add(first)
    filters.deliver(packet("a/b"))
    filters.add(second)
    filters.deliver(packet("a/b"))
    await filters.remove(first, None)
    filters.deliver(packet("a/b"))
    for reader in (first, second):
        reader.end()
    assert len([message async for message in first]) == 2
    assert len([message async for message in second]) == 2


async def test_messages_to_any_number_of_topics_are_delivered() -> None:
    filters, reader = SubscriptionRegistry(), Subscription(("#",), 5000)
    filters.add(reader)
    topics = [f"a/{number % 1500}" for number in range(3000)]
    for topic in topics:
        filters.deliver(packet(topic))
    reader.end()
    assert [message.topic async for message in reader] == topics
    assert len(filters._readers_by_topic) <= _CACHED_TOPICS  # it is a cache, not a list of all topics ever
