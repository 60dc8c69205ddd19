"""A reader and its buffer."""

from __future__ import annotations

import asyncio

import pytest

from pubsub_client import Message, Subscription
from pubsub_client._messages import Packet
from pubsub_client.exceptions import SubscribeRefused


def packet(number: int) -> Packet:
    return Packet("orders/1", str(number).encode(), qos=0, retain=False)


async def test_a_message_says_what_it_was_and_how_it_came() -> None:
    subscription = Subscription(("orders/#",), 10)
    subscription.put(Packet("orders/1", b'{"a":1}', qos=1, retain=True))
    message = await anext(subscription)
    assert message == Message("orders/1", {"a": 1}, qos=1, retain=True)
    assert message.is_json


async def test_a_slow_reader_loses_the_oldest_messages_and_learns_how_many() -> None:
    subscription = Subscription(("orders/#",), 3)
    for number in range(5):
        subscription.put(packet(number))
    subscription.end()
    assert [message.payload async for message in subscription] == [2, 3, 4]
    assert subscription.dropped == 2


async def test_a_waiting_reader_gets_the_next_message() -> None:
    subscription = Subscription(("orders/#",), 3)
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.put(packet(7))
    assert (await waiting).payload == 7


async def test_a_waiting_reader_stops_when_the_subscription_ends() -> None:
    subscription = Subscription(("orders/#",), 3)
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.end()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_refusal_reaches_the_reader_after_what_had_arrived() -> None:
    subscription = Subscription(("orders/#",), 3)
    subscription.put(packet(1))
    subscription.end(SubscribeRefused("orders/#", "0x87 NOT_AUTHORIZED"))
    assert (await anext(subscription)).payload == 1
    with pytest.raises(SubscribeRefused, match="orders/#"):
        await anext(subscription)
