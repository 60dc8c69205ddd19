"""What becomes of a client's connection, its will and its session when the way to the broker is cut."""

from __future__ import annotations

from pubsub_client import ConnectionState, Message, PubSub
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.reading import next_of, watching
from tests.integration.brokers.recorder import recorder_to


async def test_the_will_of_a_client_that_is_cut_off_is_published(broker: Broker, topic: str) -> None:
    will = Message(f"{topic}/will", {"state": "gone"})
    async with (
        recorder_to(broker.websocket_port) as recorder,
        PubSub(broker.provider) as witness,
        witness.subscribe(f"{topic}/#", qos=1) as messages,
        PubSub(broker.provider_at(recorder.port), will=will) as pubsub,
    ):
        async with watching(pubsub) as until:
            recorder.cut()
            await until(ConnectionState.DISCONNECTED)
        told = await next_of(messages)
        assert (told.topic, told.payload, told.is_json) == (f"{topic}/will", {"state": "gone"}, True)


async def test_a_will_of_bytes_that_is_to_be_kept_waits_for_who_subscribes_later(broker: Broker, topic: str) -> None:
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


async def test_who_leaves_properly_leaves_no_will(broker: Broker, topic: str) -> None:
    async with PubSub(broker.provider) as witness, witness.subscribe(topic, qos=1) as messages:
        async with PubSub(broker.provider, will=Message(topic, "gone")) as pubsub:
            await pubsub.publish(topic, "here")
        await witness.publish(topic, "end")
        assert [(await next_of(messages)).payload for _ in range(2)] == ["here", "end"]


async def test_subscriptions_are_back_when_the_connection_is(broker: Broker, topic: str) -> None:
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


async def test_a_session_that_the_broker_keeps_gets_what_came_meanwhile(mosquitto_broker: Broker, topic: str) -> None:
    async with (
        recorder_to(mosquitto_broker.websocket_port) as recorder,
        PubSub(mosquitto_broker.provider_at(recorder.port), session_expiry=60) as pubsub,
        pubsub.subscribe(topic, qos=1) as messages,
        mosquitto_broker.paho() as paho,
    ):
        async with watching(pubsub) as until:
            recorder.cut()
            await until(ConnectionState.DISCONNECTED)
        await paho.publish(topic, b'"meanwhile"')
        assert (await next_of(messages)).payload == "meanwhile"
        assert len(recorder.connections) == 2
        assert not recorder.connections[-1].subscribed  # the broker remembers


async def test_what_is_left_while_the_connection_is_away_is_given_back_to_a_broker_that_remembers_it(
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
        await until(ConnectionState.CONNECTED)
        for each in (left, kept):
            await paho.publish(each, b'"afterwards"')
        assert (await next_of(messages)).topic == kept
        assert [packet.topic for packet in recorder.connections[-1].delivered] == [kept]
