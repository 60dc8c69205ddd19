"""Messages through independent brokers, and to and from paho, an independent client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pubsub_client import PubSub
from tests.integration.brokers.broker_process import BrokerProcess
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.paho_client import connected_paho
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
async def test_json_and_bytes_arrive_as_published(broker: Broker, topic: str, qos: int) -> None:
    published = [*VALUES, *BYTES]
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(topic, qos=qos) as messages:
        for payload in published:
            await pubsub.publish(topic, payload, qos=qos)
            message = await next_of(messages)
            assert message.payload == payload
            assert message.is_json is not isinstance(payload, bytes)
            assert (message.topic, message.qos, message.retain) == (topic, qos, False)


async def test_retained_message_is_kept_until_an_empty_one_replaces_it(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub:
        await pubsub.publish(topic, {"state": "kept"}, retain=True)
        async with pubsub.subscribe(topic) as messages:
            kept = await next_of(messages)
            assert (kept.payload, kept.retain) == ({"state": "kept"}, True)
        await pubsub.publish(topic, b"", retain=True)
        async with pubsub.subscribe(topic) as messages:
            await pubsub.publish(topic, "first after the subscription")
            assert (await next_of(messages)).payload == "first after the subscription"


async def test_one_payload_goes_to_several_topics(broker: Broker, topic: str) -> None:
    topics = [f"{topic}/{number}" for number in range(5)]
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(f"{topic}/+") as messages:
        await pubsub.publish(topics, {"to": "all"})
        received = await read(messages, len(topics))
    assert sorted(message.topic for message in received) == topics
    assert all(message.payload == {"to": "all"} for message in received)


async def test_several_filters_with_wildcards_are_read_together(broker: Broker, topic: str) -> None:
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


async def test_filter_without_readers_is_unsubscribed(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(f"{topic}/#") as everything:
        async with pubsub.subscribe(f"{topic}/a"):
            pass
        await pubsub.publish(f"{topic}/a", "once")
        await pubsub.publish(f"{topic}/b", "end")
        assert [message.payload for message in await read(everything, 2)] == ["once", "end"]


async def test_topic_that_begins_with_a_dollar_matches_no_leading_wildcard(mosquitto_broker: Broker) -> None:
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


async def test_multi_level_wildcard_matches_its_parent(mosquitto_broker: Broker, topic: str) -> None:
    """Section 4.7.1.2 of the specification; AWS IoT, and so the local cloud, does not deliver it."""
    async with PubSub(mosquitto_broker.provider) as pubsub, pubsub.subscribe(f"{topic}/alarms/#") as messages:
        await pubsub.publish(f"{topic}/alarms", "parent")
        assert [message.payload for message in await read(messages, 1)] == ["parent"]


SENT_BY_PAHO: list[tuple[bytes, Any]] = [
    (b'{"state": "packed", "f\\u00fcr": "\xc3\x85"}', {"state": "packed", "für": "Å"}),
    (b" [1, 2] ", [1, 2]),
    (b"null", None),
    (b"", b""),
    (b"plain text", b"plain text"),
    (b'{"half": ', b'{"half": '),
    (b'"\xff"', b'"\xff"'),  # not UTF-8, so not JSON
    (b"NaN", b"NaN"),  # only Python accepts it as JSON
    (b"\x00" * 70_000, b"\x00" * 70_000),  # a frame whose length takes 64 bits
]


async def test_message_of_paho_arrives_as_json_or_bytes(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(topic, qos=1) as messages, broker.paho() as paho:
        for sent, expected in SENT_BY_PAHO:
            await paho.publish(topic, sent)
            message = await next_of(messages)
            assert message.payload == expected
            assert message.is_json is not isinstance(expected, bytes)
            assert (message.qos, message.retain) == (1, False)


async def test_paho_receives_json_in_utf_8_and_bytes_unchanged(broker: Broker, topic: str) -> None:
    value = {"state": "packed", "für": [1, None, "Å"]}
    async with PubSub(broker.provider) as pubsub, broker.paho() as paho:
        await paho.subscribe(topic)
        await pubsub.publish(topic, value)
        message = await paho.message()
        assert json.loads(message.payload.decode()) == value
        for payload in (b"\x00\xff", b""):
            await pubsub.publish(topic, payload)
            assert (await paho.message()).payload == payload


async def test_retained_message_of_paho_differs_from_a_new_one(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, broker.paho() as paho:
        await paho.publish(topic, b"1", retain=True)
        async with pubsub.subscribe(topic, qos=1) as messages:
            assert (await next_of(messages)).retain
            await paho.publish(topic, b"2")
            assert not (await next_of(messages)).retain
        await paho.publish(topic, b"", retain=True)


async def test_properties_of_other_clients_are_ignored(
    mosquitto_broker: Broker, mosquitto_process: BrokerProcess, topic: str
) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "text/json"
    properties.UserProperty = [("from", "paho"), ("from", "somebody else")]
    properties.CorrelationData = b"\x00\x01"
    properties.ResponseTopic = "answers"
    properties.MessageExpiryInterval = 60
    async with (
        PubSub(mosquitto_broker.provider) as pubsub,
        pubsub.subscribe(topic) as messages,
        connected_paho(mosquitto_process.ports.tcp, version=MQTTProtocolVersion.MQTTv5) as paho,
    ):
        await paho.publish(topic, b'{"n": 1}', properties=properties)
        assert (await next_of(messages)).payload == {"n": 1}


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_bytes_that_are_json_stay_bytes_over_mqtt_5(
    mosquitto_broker: Broker, mosquitto_process: BrokerProcess, topic: str, version: MQTTProtocolVersion
) -> None:
    async with (
        PubSub(mosquitto_broker.provider) as pubsub,
        pubsub.subscribe(topic) as messages,
        connected_paho(mosquitto_process.ports.tcp, version=version) as paho,
    ):
        await paho.subscribe(topic)
        await pubsub.publish(topic, b"[1]")
        message = await next_of(messages)
        assert (message.payload, message.is_json) == (b"[1]", False)
        assert (await paho.message()).payload == b"[1]"
