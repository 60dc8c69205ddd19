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
BYTES = [b"", b"\x00\xff\xfe", b"{not JSON", bytes(range(256)) * 4]


async def test_retained_message_is_kept_until_an_empty_one_replaces_it(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub:
        await pubsub.publish(topic, {"state": "kept"}, retain=True)
        async with pubsub.subscribe(topic) as messages:
            kept = await next_of(messages)
            assert (kept.payload, kept.retain) == ({"state": "kept"}, True)
            await pubsub.publish(topic, "new")
            assert not (await next_of(messages)).retain
        await pubsub.publish(topic, b"", retain=True)
        async with pubsub.subscribe(topic) as messages:
            await pubsub.publish(topic, "first after the subscription")
            assert (await next_of(messages)).payload == "first after the subscription"


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
    assert {message.payload for message in received} == {"matching"}


async def test_filter_without_readers_is_unsubscribed(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(f"{topic}/#") as everything:
        async with pubsub.subscribe(f"{topic}/a"):
            pass
        await pubsub.publish(f"{topic}/a", "once")
        await pubsub.publish(f"{topic}/b", "end")
        assert [message.payload for message in await read(everything, 2)] == ["once", "end"]


SENT_BY_PAHO: list[tuple[bytes, Any]] = [
    (b'{"state": "packed", "f\\u00fcr": "\xc3\x85"}', {"state": "packed", "für": "Å"}),
    (b" [1, 2] ", [1, 2]),
    (b"null", None),
    (b"", b""),
    (b"plain text", b"plain text"),
    (b'{"half": ', b'{"half": '),
    (b'"\xff"', b'"\xff"'),  # not UTF-8, so not JSON
    (b"NaN", b"NaN"),  # accepted only by Python as JSON
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


@pytest.mark.parametrize("qos", [0, 1])
async def test_paho_receives_json_in_utf_8_and_bytes_unchanged(broker: Broker, topic: str, qos: int) -> None:
    async with PubSub(broker.provider) as pubsub, broker.paho() as paho:
        await paho.subscribe(topic, qos)
        for value in (*VALUES, *BYTES):
            await pubsub.publish(topic, value, qos=qos)
            message = await paho.message()
            assert (message.qos, message.retain) == (qos, False)
            assert value == (message.payload if isinstance(value, bytes) else json.loads(message.payload.decode()))


async def test_properties_of_other_clients_are_ignored(
    mosquitto_broker: Broker, mosquitto_process: BrokerProcess, topic: str
) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "text/json"
    properties.UserProperty = [("from", "paho"), ("from", "another client")]
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
