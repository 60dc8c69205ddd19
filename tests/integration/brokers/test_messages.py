"""Publish and subscribe with brokers that nobody here wrote."""

from __future__ import annotations

from typing import Any

import pytest

from pubsub_client import PubSub
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.reading import next_of, read

VALUES: list[Any] = [
    {"state": "packed", "lines": [1, 2.5, None, True], "für": "Ådå ✓"},
    "text",
    0,
    None,
    [],
    "x" * 20_000,  # a frame whose length takes 16 bits
]
BYTES = [b"\x00\xff\xfe", b"{not JSON", bytes(range(256)) * 4]


@pytest.mark.parametrize("qos", [0, 1])
async def test_json_and_bytes_arrive_as_they_were_published(broker: Broker, topic: str, qos: int) -> None:
    published = [*VALUES, *BYTES]
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(topic, qos=qos) as messages:
        for payload in published:
            await pubsub.publish(topic, payload, qos=qos)
            message = await next_of(messages)
            assert message.payload == payload
            assert message.is_json is not isinstance(payload, bytes)
            assert (message.topic, message.qos, message.retain) == (topic, qos, False)


async def test_a_message_is_delivered_with_no_higher_qos_than_was_subscribed_with(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(topic, qos=0) as messages:
        await pubsub.publish(topic, {}, qos=1)
        assert (await next_of(messages)).qos == 0


async def test_a_retained_message_waits_for_subscribers_until_an_empty_one_takes_its_place(
    broker: Broker, topic: str
) -> None:
    async with PubSub(broker.provider) as pubsub:
        await pubsub.publish(topic, {"state": "kept"}, retain=True)
        async with pubsub.subscribe(topic) as messages:
            kept = await next_of(messages)
            assert (kept.payload, kept.retain) == ({"state": "kept"}, True)
        await pubsub.publish(topic, b"", retain=True)
        async with pubsub.subscribe(topic) as messages:
            await pubsub.publish(topic, "first after the subscription")
            assert (await next_of(messages)).payload == "first after the subscription"


async def test_one_payload_goes_to_many_topics(broker: Broker, topic: str) -> None:
    topics = [f"{topic}/{number}" for number in range(5)]
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(f"{topic}/+") as messages:
        await pubsub.publish(topics, {"to": "all"})
        received = await read(messages, len(topics))
    assert sorted(message.topic for message in received) == topics
    assert all(message.payload == {"to": "all"} for message in received)


async def test_many_filters_are_read_together_and_wildcards_match_by_the_specification(
    broker: Broker, topic: str
) -> None:
    matching = [f"{topic}/1/state", f"{topic}//state", f"{topic}/alarms/a", f"{topic}/alarms/a/b"]
    others = [f"{topic}/1/2/state", f"{topic}/state", f"{topic}/alarm", topic]
    async with (
        PubSub(broker.provider) as pubsub,
        pubsub.subscribe([f"{topic}/+/state", f"{topic}/alarms/#"]) as messages,
    ):
        await pubsub.publish(others, "other")
        await pubsub.publish(matching, "matching")
        received = await read(messages, len(matching))
    assert sorted(message.topic for message in received) == sorted(matching)


async def test_a_filter_that_nobody_reads_any_more_is_given_back(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(f"{topic}/#") as everything:
        async with pubsub.subscribe(f"{topic}/a"):
            pass
        await pubsub.publish(f"{topic}/a", "once")
        await pubsub.publish(f"{topic}/b", "end")
        assert [message.payload for message in await read(everything, 2)] == ["once", "end"]


async def test_topics_that_begin_with_a_dollar_match_no_wildcard_in_their_place(mosquitto_broker: Broker) -> None:
    async with (
        PubSub(mosquitto_broker.provider) as pubsub,
        pubsub.subscribe("#") as everything,
        pubsub.subscribe("$SYS/broker/version") as version,
    ):
        about = await next_of(version)
        assert (about.retain, about.is_json) == (True, False)
        assert about.payload.startswith(b"mosquitto version")
        await pubsub.publish("end", {})
        seen = []
        while "end" not in seen:
            seen.append((await next_of(everything)).topic)
    assert not [topic for topic in seen if topic.startswith("$")]


async def test_the_multi_level_wildcard_matches_its_parent_too(mosquitto_broker: Broker, topic: str) -> None:
    """By section 4.7.1.2 of the specification; AWS IoT, and so the local cloud, delivers nothing of the sort."""
    async with PubSub(mosquitto_broker.provider) as pubsub, pubsub.subscribe(f"{topic}/alarms/#") as messages:
        await pubsub.publish(f"{topic}/alarms", "parent")
        assert [message.payload for message in await read(messages, 1)] == ["parent"]
