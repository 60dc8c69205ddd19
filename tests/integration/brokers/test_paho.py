"""Payloads from and to paho, which knows nothing of this library."""

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
from tests.integration.brokers.reading import next_of

SENT_BY_PAHO: list[tuple[bytes, Any]] = [
    (b'{"state": "packed", "f\\u00fcr": "\xc3\x85"}', {"state": "packed", "für": "Å"}),
    (b" [1, 2] ", [1, 2]),
    (b"null", None),
    (b"", b""),
    (b"plain text", b"plain text"),
    (b'{"half": ', b'{"half": '),
    (b'"\xff"', b'"\xff"'),  # no UTF-8, so no JSON
    (b"NaN", b"NaN"),  # which only Python takes for JSON
    (b"\x00" * 70_000, b"\x00" * 70_000),  # a frame whose length takes 64 bits
]


async def test_what_paho_publishes_is_json_or_arrives_as_bytes(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, pubsub.subscribe(topic, qos=1) as messages, broker.paho() as paho:
        for sent, expected in SENT_BY_PAHO:
            await paho.publish(topic, sent)
            message = await next_of(messages)
            assert message.payload == expected
            assert message.is_json is not isinstance(expected, bytes)
            assert (message.qos, message.retain) == (1, False)


async def test_paho_gets_json_in_utf_8_and_bytes_as_they_are(broker: Broker, topic: str) -> None:
    value = {"state": "packed", "für": [1, None, "Å"]}
    async with PubSub(broker.provider) as pubsub, broker.paho() as paho:
        await paho.subscribe(topic)
        await pubsub.publish(topic, value)
        message = await paho.message()
        assert json.loads(message.payload.decode()) == value
        for payload in (b"\x00\xff", b""):
            await pubsub.publish(topic, payload)
            assert (await paho.message()).payload == payload


async def test_what_paho_retains_is_told_from_what_is_new(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as pubsub, broker.paho() as paho:
        await paho.publish(topic, b"1", retain=True)
        async with pubsub.subscribe(topic, qos=1) as messages:
            assert (await next_of(messages)).retain
            await paho.publish(topic, b"2")
            assert not (await next_of(messages)).retain
        await paho.publish(topic, b"", retain=True)


async def test_properties_of_mqtt_5_that_others_send_do_no_harm(
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
async def test_bytes_that_are_json_stay_bytes_between_two_of_us_where_mqtt_5_is_spoken(
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
