"""Lost connections: will, session, subscriptions, MQTT version, and two clients with one client id."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing

import pytest

from pubsub_client import ConnectionState, Message, PubSub
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.reading import SECONDS, next_of, read, watching
from tests.integration.brokers.recorder import recorder_to


async def test_will_is_published_and_retained_when_the_connection_is_lost(broker: Broker, topic: str) -> None:
    async with (
        recorder_to(broker.websocket_port) as recorder,
        PubSub(broker.provider) as witness,
        PubSub(broker.provider_at(recorder.port), will=Message(topic, b"\x00gone", retain=True)) as pubsub,
    ):
        async with witness.subscribe(topic) as messages:
            async with watching(pubsub) as until:
                recorder.cut()
                await until(ConnectionState.DISCONNECTED)
            assert not (await next_of(messages)).retain
        async with witness.subscribe(topic) as messages:
            kept = await next_of(messages)
            assert (kept.payload, kept.is_json, kept.retain) == (b"\x00gone", False, True)
        await witness.publish(topic, b"", retain=True)


async def test_will_is_not_published_after_close(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as witness, witness.subscribe(topic, qos=1) as messages:
        async with PubSub(broker.provider, will=Message(topic, "gone")) as pubsub:
            await pubsub.publish(topic, "here")
        await witness.publish(topic, "end")
        assert [(await next_of(messages)).payload for _ in range(2)] == ["here", "end"]


async def test_reconnection_restores_the_subscriptions(broker: Broker, topic: str) -> None:
    async with (
        recorder_to(broker.websocket_port) as recorder,
        PubSub(broker.provider_at(recorder.port)) as pubsub,
        pubsub.subscribe([f"{topic}/a", f"{topic}/b"], qos=1) as messages,
    ):
        async with watching(pubsub) as until:
            recorder.cut()
            await until(ConnectionState.DISCONNECTED, ConnectionState.CONNECTED)
        for each in (f"{topic}/a", f"{topic}/b"):
            await pubsub.publish(each, "after")
            assert (await next_of(messages)).topic == each
        assert sorted(recorder.connections[-1].subscribed) == [f"{topic}/a", f"{topic}/b"]


async def test_kept_session_delivers_messages_published_while_disconnected(
    mosquitto_broker: Broker, topic: str
) -> None:
    kept, left = f"{topic}/kept", f"{topic}/left"
    async with (
        recorder_to(mosquitto_broker.websocket_port) as recorder,
        PubSub(mosquitto_broker.provider_at(recorder.port), session_expiry=60) as pubsub,
        pubsub.subscribe(kept, qos=1) as messages,
        mosquitto_broker.paho() as paho,
        watching(pubsub) as until,
    ):
        async with pubsub.subscribe(left, qos=1):
            recorder.cut()
            await until(ConnectionState.DISCONNECTED)
        await paho.publish(kept, b'"meanwhile"')
        await until(ConnectionState.CONNECTED)
        for each in (left, kept):
            await paho.publish(each, b'"afterwards"')
        assert [message.payload for message in await read(messages, 2)] == ["meanwhile", "afterwards"]
        assert [packet.topic for packet in recorder.connections[-1].delivered] == [kept, kept]
        assert not recorder.connections[-1].subscribed  # the session has the subscription


@pytest.mark.parametrize(("name", "versions"), [("mosquitto", [5, 5]), ("amqtt", [5, 4, 4])])
async def test_mqtt_version_of_the_broker_is_kept(
    request: pytest.FixtureRequest, name: str, versions: list[int]
) -> None:
    broker: Broker = request.getfixturevalue(f"{name}_broker")
    async with (
        recorder_to(broker.websocket_port) as recorder,
        PubSub(broker.provider_at(recorder.port)) as pubsub,
        watching(pubsub) as until,
    ):
        recorder.cut()
        await until(ConnectionState.DISCONNECTED, ConnectionState.CONNECTED)
    assert [connection.version for connection in recorder.connections] == versions


# Before 2.0.15 mosquitto closes the connection without a reason code, and the client concludes it from the repetition.
@pytest.mark.parametrize("name", ["cloud", "mosquitto"])
async def test_reason_names_a_client_id_that_two_clients_use(request: pytest.FixtureRequest, name: str) -> None:
    broker: Broker = request.getfixturevalue(f"{name}_broker")
    client_id = f"twice-{uuid.uuid4()}"
    one, other = (PubSub(broker.provider, client_id=client_id, reconnect_delay=(0.02, 0.2)) for _ in range(2))
    async with one, other, asyncio.timeout(SECONDS):
        await asyncio.gather(*(_until_reason_contains(client_id, pubsub) for pubsub in (one, other)))


async def _until_reason_contains(client_id: str, pubsub: PubSub) -> None:
    async with aclosing(pubsub.states()) as changes:
        async for state, reason in changes:
            if state is ConnectionState.DISCONNECTED and reason and client_id in reason:
                return
