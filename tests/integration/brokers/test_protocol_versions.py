"""MQTT 5 where the broker speaks it, and 3.1.1 where it does not."""

from __future__ import annotations

from pubsub_client import ConnectionState, PubSub
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.reading import watching
from tests.integration.brokers.recorder import recorder_to


async def test_mqtt_5_is_spoken_where_the_broker_speaks_it(mosquitto_broker: Broker) -> None:
    assert await versions_asked_for(mosquitto_broker) == [5, 5]


async def test_mqtt_3_1_1_is_asked_for_when_5_is_refused_and_from_then_on(amqtt_broker: Broker) -> None:
    assert await versions_asked_for(amqtt_broker) == [5, 4, 4]


async def versions_asked_for(broker: Broker) -> list[int]:
    """Connect, lose the connection, and connect again."""
    async with (
        recorder_to(broker.websocket_port) as recorder,
        PubSub(broker.provider_at(recorder.port)) as pubsub,
    ):
        async with watching(pubsub) as until:
            recorder.cut()
            await until(ConnectionState.DISCONNECTED, ConnectionState.CONNECTED)
        return [connection.version for connection in recorder.connections]
