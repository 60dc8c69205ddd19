"""The recorder, on which other tests depend, with an independent client."""

from __future__ import annotations

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from tests.integration.brokers.broker_process import BrokerProcess
from tests.integration.brokers.paho_client import connected_paho
from tests.integration.brokers.recorder import recorder_to


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_recorder_finds_all_packets(
    mosquitto_process: BrokerProcess, topic: str, version: MQTTProtocolVersion
) -> None:
    payloads = [b"", b"small", b"\x00" * 200, b"\x01" * 20_000]
    async with recorder_to(mosquitto_process.ports.websocket) as recorder:
        async with connected_paho(recorder.port, version=version, path="/mqtt") as paho:
            await paho.subscribe(topic)
            for payload in payloads:
                await paho.publish(topic, payload)
                assert (await paho.message()).payload == payload
            await paho.publish(topic, b"at most once", qos=0)
            await paho.message()
        (recorded,) = recorder.connections
    assert recorded.request.startswith("GET /mqtt HTTP/1.1\r\n")
    assert (recorded.version, recorded.accepted, recorded.subscribed) == (version, True, [topic])
    assert [packet.payload for packet in recorded.published] == [*payloads, b"at most once"]
    assert [packet.payload for packet in recorded.delivered] == [*payloads, b"at most once"]
    assert recorded.acknowledged == recorded.published[:-1]
    assert not recorded.unacknowledged
