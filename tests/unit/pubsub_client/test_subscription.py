"""Readers with their buffers, and the registry that delivers to them."""

from __future__ import annotations

import asyncio

import pytest

from pubsub_client import Subscription
from pubsub_client._guards import Owner
from pubsub_client._messages import Packet
from pubsub_client._subscription import _CACHED_TOPICS, SubscriptionRegistry
from pubsub_client.exceptions import SubscribeRefused


def packet(topic: str, number: int = 1) -> Packet:
    return Packet(topic, b"%d" % number, qos=0, retain=False)


async def test_slow_reader_loses_the_oldest_messages_and_counts_them() -> None:
    reader = Subscription(("a",), 3, Owner())
    for number in range(5):
        reader.put(packet("a", number))
    reader.end()
    assert [message.payload async for message in reader] == [2, 3, 4]
    assert reader.dropped == 2


async def test_waiting_reader_gets_the_next_message_and_stops_at_the_end() -> None:
    reader = Subscription(("a",), 3, Owner())
    waiting = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    reader.put(packet("a", 7))
    assert (await waiting).payload == 7
    waiting = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    reader.end()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_refusal_is_raised_after_the_received_messages() -> None:
    reader = Subscription(("a",), 3, Owner())
    reader.put(packet("a"))
    reader.end(SubscribeRefused("a", "0x87 NOT_AUTHORIZED"))
    assert (await anext(reader)).payload == 1
    with pytest.raises(SubscribeRefused, match="0x87 NOT_AUTHORIZED"):
        await anext(reader)


async def test_registry_delivers_between_add_and_remove() -> None:
    registry, first, second = (
        SubscriptionRegistry(),
        Subscription(("a/+",), 10, Owner()),
        Subscription(("a/b",), 10, Owner()),
    )
    registry.add(first)
    registry.deliver(packet("a/b"))
    registry.add(second)
    registry.deliver(packet("a/b"))
    await registry.remove(first, None)
    registry.deliver(packet("a/b"))
    for reader in (first, second):
        reader.end()
    assert len([message async for message in first]) == 2
    assert len([message async for message in second]) == 2


async def test_registry_delivers_any_number_of_topics_with_a_bounded_cache() -> None:
    registry, reader = SubscriptionRegistry(), Subscription(("#",), 5000, Owner())
    registry.add(reader)
    topics = [f"a/{number % 1500}" for number in range(3000)]
    for topic in topics:
        registry.deliver(packet(topic))
    reader.end()
    assert [message.topic async for message in reader] == topics
    assert len(registry._readers_by_topic) <= _CACHED_TOPICS
