"""Messages between a signed-in user and the broker."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from pubsub_client import AwsIot, ConnectionState, Message, PubSub, Subscription
from pubsub_client.exceptions import PublishRefused, SubscribeRefused

SECONDS = 5.0


async def take(messages: Subscription, number: int) -> list[Message]:
    async with asyncio.timeout(SECONDS):
        return [await anext(messages) for _ in range(number)]


async def nothing_more_arrives(pubsub: PubSub, messages: Subscription, marker_topic: str) -> bool:
    """Publish a marker: what the broker had for the reader comes before it."""
    await pubsub.publish(marker_topic, "marker")
    return [message.payload for message in await take(messages, 1)] == ["marker"]


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_json_value_comes_back_as_it_was_sent(provider: AwsIot, topic: str, qos: int) -> None:
    value = {"text": "grüße ✓", "numbers": [0, -1.5, 1e-9], "nothing": None, "yes": True}
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic, qos=qos) as messages:
        await pubsub.publish(topic, value, qos=qos)
        (message,) = await take(messages, 1)
    assert (message.topic, message.payload, message.is_json) == (topic, value, True)
    assert (message.qos, message.retain) == (qos, False)


async def test_bytes_come_back_as_bytes_even_if_they_happen_to_be_json(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, b"\x00\xff")
        await pubsub.publish(topic, b'{"a":1}')
        received = await take(messages, 2)
    assert [(message.payload, message.is_json) for message in received] == [
        (b"\x00\xff", False),
        (b'{"a":1}', False),
    ]


async def test_messages_of_other_users_arrive(provider: AwsIot, topic: str) -> None:
    async with (
        PubSub(provider) as writing,
        PubSub(provider) as reading,
        reading.subscribe(f"{topic}/+") as messages,
    ):
        await asyncio.gather(*(writing.publish(f"{topic}/{number}", number) for number in range(20)))
        received = await take(messages, 20)
    assert sorted(message.payload for message in received) == list(range(20))


async def test_each_reader_gets_the_messages_of_its_topic_filter_alone(provider: AwsIot, topic: str) -> None:
    async with (
        PubSub(provider) as pubsub,
        pubsub.subscribe(f"{topic}/a") as of_a,
        pubsub.subscribe(f"{topic}/b") as of_b,
    ):
        await pubsub.publish(f"{topic}/a", "a")
        await pubsub.publish(f"{topic}/b", "b")
        assert [message.payload for message in await take(of_a, 1)] == ["a"]
        assert [message.payload for message in await take(of_b, 1)] == ["b"]
        assert await nothing_more_arrives(pubsub, of_a, f"{topic}/a")


async def test_a_topic_filter_read_twice_is_shared_until_the_last_reader_leaves(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as staying:
        async with pubsub.subscribe(topic) as leaving:
            await pubsub.publish(topic, 1)
            assert [message.payload for message in await take(staying, 1)] == [1]
            assert [message.payload for message in await take(leaving, 1)] == [1]
        await pubsub.publish(topic, 2)
        assert [message.payload for message in await take(staying, 1)] == [2]


async def test_one_reader_may_read_several_topic_filters(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe([f"{topic}/a", f"{topic}/b/#"]) as messages:
        for level in ("a", "c", "b/x", "b/y/z"):
            await pubsub.publish(f"{topic}/{level}", level)
        assert [message.payload for message in await take(messages, 3)] == ["a", "b/x", "b/y/z"]


async def test_one_message_may_go_to_several_topics(provider: AwsIot, topic: str) -> None:
    topics = [f"{topic}/{number}" for number in range(5)]
    async with PubSub(provider) as pubsub, pubsub.subscribe(f"{topic}/+") as messages:
        await pubsub.publish(topics, {"to": "all"})
        assert sorted(message.topic for message in await take(messages, 5)) == topics


async def test_of_several_topics_each_refusal_is_told(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        with pytest.raises(PublishRefused, match="foreign/1"):
            await pubsub.publish([topic, "foreign/1"], 1)
        with pytest.raises(ExceptionGroup) as refusals:
            await pubsub.publish(["foreign/1", topic, "foreign/2"], 2)
        assert [str(error.topic) for error in refusals.value.exceptions if isinstance(error, PublishRefused)] == [
            "foreign/1",
            "foreign/2",
        ]
        assert [message.payload for message in await take(messages, 2)] == [1, 2]


async def test_a_refused_topic_filter_of_several_leaves_none_behind(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub:
        with pytest.raises(SubscribeRefused, match="foreign/#"):
            async with pubsub.subscribe([topic, "foreign/#"]):
                pass
        async with pubsub.subscribe(topic) as messages:
            await pubsub.publish(topic, 1)
            assert [message.payload for message in await take(messages, 1)] == [1]
            assert await nothing_more_arrives(pubsub, messages, topic)


async def test_what_is_published_before_the_connection_is_up_is_sent_when_it_is(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as reading, reading.subscribe(topic) as messages:
        writing = PubSub(provider)
        writing.start()
        publishing = [asyncio.create_task(writing.publish(topic, number)) for number in range(5)]
        await asyncio.sleep(0)
        assert writing.state is ConnectionState.CONNECTING
        assert [message.payload for message in await take(messages, 5)] == list(range(5))
        assert await asyncio.gather(*publishing) == [None] * 5
        await writing.close()


async def test_a_closed_client_may_connect_again(provider: AwsIot, topic: str) -> None:
    pubsub = PubSub(provider)
    for number in range(2):
        async with pubsub, pubsub.subscribe(topic) as messages:
            await pubsub.publish(topic, number)
            assert [message.payload for message in await take(messages, 1)] == [number]


async def test_a_reader_who_asks_for_more_gets_the_higher_qos(provider: AwsIot, topic: str) -> None:
    async with (
        PubSub(provider) as pubsub,
        pubsub.subscribe(topic, qos=0),
        pubsub.subscribe(topic, qos=1) as messages,
    ):
        await pubsub.publish(topic, 1)
        # ministack does not replace a subscription as MQTT-3.8.4-3 asks, and delivers by the older one too.
        async with asyncio.timeout(SECONDS):
            while (await anext(messages)).qos != 1:
                pass


async def test_a_retained_message_is_kept_for_later_subscribers(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as pubsub:
        await pubsub.publish(topic, "kept", retain=True)
        async with pubsub.subscribe(topic) as messages:
            (message,) = await take(messages, 1)
        await pubsub.publish(topic, b"", retain=True)
    assert (message.payload, message.retain) == ("kept", True)


async def test_a_slow_reader_learns_how_many_messages_it_missed(provider: AwsIot, topic: str) -> None:
    async with (
        PubSub(provider) as pubsub,
        pubsub.subscribe(topic, buffer=2) as slow,
        pubsub.subscribe(topic) as quick,
    ):
        for number in range(5):
            await pubsub.publish(topic, number)
        await take(quick, 5)
        assert slow.dropped == 3
        assert [message.payload for message in await take(slow, 2)] == [3, 4]


async def test_leaving_waits_for_what_is_under_way_and_ends_the_readers(provider: AwsIot, topic: str) -> None:
    async with PubSub(provider) as reading, reading.subscribe(topic) as messages:
        async with PubSub(provider) as writing:
            publishing = [asyncio.create_task(writing.publish(topic, number)) for number in range(10)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*publishing) == [None] * 10
        assert len(await take(messages, 10)) == 10
        assert writing.state is ConnectionState.CLOSED


async def test_a_reader_stops_when_the_connection_is_closed(provider: AwsIot, topic: str) -> None:
    pubsub = PubSub(provider)
    await pubsub.__aenter__()
    async with pubsub.subscribe(topic) as messages:
        reading = asyncio.create_task(collect(messages))
        await pubsub.publish(topic, 1)
        await pubsub.__aexit__(None, None, None)
        async with asyncio.timeout(SECONDS):
            assert [message.payload for message in await reading] == [1]


async def test_nothing_of_a_closed_connection_is_kept(provider: AwsIot) -> None:
    pubsub = PubSub(provider)
    async with pubsub:
        kept = weakref.ref(pubsub)
    del pubsub
    async with asyncio.timeout(SECONDS):
        while kept():
            gc.collect()
            await asyncio.sleep(0.01)


async def collect(messages: Subscription) -> list[Message]:
    return [message async for message in messages]
