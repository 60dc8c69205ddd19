"""Rejected connections, messages and subscriptions of independent brokers, and their explanations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pubsub_client import ConnectionState, MqttOverWebSocket, PubSub, _mqtt5
from pubsub_client.exceptions import ConnectionRefused, PublishRefused, SubscribeRefused
from tests.integration.brokers.broker_process import BrokerProcess, Ports, amqtt, mosquitto
from tests.integration.brokers.reading import next_of

PASSWORDS = {"ada": "p@ss:wörd"}
DENIED = "denied/#"


@pytest.fixture(scope="module", params=[mosquitto, amqtt])
def guarded_process(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    unused_tcp_port_factory: Callable[[], int],
) -> Iterator[BrokerProcess]:
    start: Callable[..., AbstractContextManager[BrokerProcess]] = request.param
    directory = tmp_path_factory.mktemp("guarded")
    with start(directory, Ports.free(unused_tcp_port_factory), passwords=PASSWORDS) as process:
        yield process


@pytest.fixture
def guarded(guarded_process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> BrokerProcess:
    """A broker that requires a user name and a password; amqtt does not answer an MQTT 5 CONNECT with them."""
    monkeypatch.setattr(_mqtt5, "_CONNACK_TIMEOUT_SECONDS", 1)
    return guarded_process


@pytest.fixture(scope="module")
def denying(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[BrokerProcess]:
    """A mosquitto that denies some topics."""
    with mosquitto(tmp_path_factory.mktemp("denying"), Ports.free(unused_tcp_port_factory), denied=DENIED) as process:
        yield process


async def test_right_password_connects(guarded: BrokerProcess, topic: str) -> None:
    provider = MqttOverWebSocket(guarded.url(), user_name="ada", password=PASSWORDS["ada"])
    async with PubSub(provider) as pubsub, pubsub.subscribe(topic) as messages:
        await pubsub.publish(topic, {})
        assert (await next_of(messages)).payload == {}


@pytest.mark.parametrize(
    ("user_name", "password"), [("ada", "guess"), ("unknown", "guess"), (None, None)], ids=["password", "user", "none"]
)
async def test_wrong_or_missing_password_is_rejected(
    guarded: BrokerProcess, user_name: str | None, password: str | None
) -> None:
    pubsub = PubSub(MqttOverWebSocket(guarded.url(), user_name=user_name, password=password))
    with pytest.raises(ConnectionRefused, match="user name") as refusal:
        await pubsub.connect()
    assert pubsub.state is ConnectionState.CLOSED
    assert refusal.value.denied
    assert str(guarded.ports.websocket) in str(refusal.value)
    assert "guess" not in str(refusal.value)


async def test_burst_keeps_its_order_despite_rejections_and_cancellations(denying: BrokerProcess, topic: str) -> None:
    async with PubSub(MqttOverWebSocket(denying.url())) as pubsub, pubsub.subscribe(topic, qos=1) as messages:
        burst = [
            asyncio.create_task(pubsub.publish("denied/topic" if number % 50 == 7 else topic, number))
            for number in range(500)
        ]
        await asyncio.sleep(0)  # all are sent, none is acknowledged
        cancelled = burst[10::100]
        for task in cancelled:
            task.cancel()
        results = await asyncio.gather(*burst, return_exceptions=True)
        received = [(await next_of(messages)).payload for _ in range(490)]
    failed = {number: type(result) for number, result in enumerate(results) if result is not None}
    refused = dict.fromkeys(range(7, 500, 50), PublishRefused)
    assert failed == refused | dict.fromkeys(range(10, 500, 100), asyncio.CancelledError)
    assert received == [number for number in range(500) if number not in refused]


async def test_denied_subscription_is_rejected_with_the_reason_code(denying: BrokerProcess, topic: str) -> None:
    async with PubSub(MqttOverWebSocket(denying.url())) as pubsub, pubsub.subscribe(topic) as messages:
        with pytest.raises(SubscribeRefused, match="0x87 NOT_AUTHORIZED") as refusal:
            async with pubsub.subscribe([topic, "denied/topic"]):
                pass
        assert refusal.value.topic_filter == "denied/topic"
        await pubsub.publish(topic, "once")
        await pubsub.publish(topic, "end")
        assert [(await next_of(messages)).payload for _ in range(2)] == ["once", "end"]


async def test_denied_subscription_over_mqtt_3_1_1_is_rejected(tmp_path: Path, ports: Ports, topic: str) -> None:
    with amqtt(tmp_path, ports, may_subscribe=[topic]) as process:
        async with PubSub(MqttOverWebSocket(process.url())) as pubsub, pubsub.subscribe(topic) as messages:
            with pytest.raises(SubscribeRefused) as refusal:
                async with pubsub.subscribe("denied/topic"):
                    pass
            assert refusal.value.topic_filter == "denied/topic"
            await pubsub.publish(topic, "after")
            assert (await next_of(messages)).payload == "after"
