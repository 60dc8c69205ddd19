"""What is refused before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pubsub_client import AwsIot, ConnectionState, Credentials, Message, PubSub
from pubsub_client.exceptions import ConfigurationError, ConnectionLost, PayloadError, TopicError


class Source:
    async def credentials(self) -> Credentials:
        return Credentials("AKID", "secret", "token", datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def pubsub() -> PubSub:
    provider = AwsIot(endpoint="abc-ats.iot.eu-west-1.amazonaws.com", region="eu-west-1", credentials=Source())
    return PubSub(provider)


def test_each_client_has_an_id_of_its_own_unless_one_is_given(pubsub: PubSub) -> None:
    assert pubsub.client_id != PubSub(pubsub._provider).client_id
    assert PubSub(pubsub._provider, client_id="mine").client_id == "mine"


def test_a_client_id_that_the_broker_would_refuse_is_refused(pubsub: PubSub) -> None:
    with pytest.raises(ConfigurationError, match="client id"):
        PubSub(pubsub._provider, client_id="")


async def test_publishing_without_a_connection_is_an_error_and_not_silence(pubsub: PubSub) -> None:
    assert pubsub.state is ConnectionState.CLOSED
    with pytest.raises(ConnectionLost, match="async with"):
        await pubsub.publish("orders/1", {})


async def test_subscribing_without_a_connection_is_an_error_and_not_silence(pubsub: PubSub) -> None:
    with pytest.raises(ConnectionLost, match="async with"):
        async with pubsub.subscribe("orders/#"):
            pass


async def test_a_publish_is_checked_before_anything_is_sent(pubsub: PubSub) -> None:
    with pytest.raises(TopicError, match="wildcard"):
        await pubsub.publish("orders/#", {})
    with pytest.raises(TopicError, match="AWS IoT takes 7"):
        await pubsub.publish("a/b/c/d/e/f/g/h/i", {})
    with pytest.raises(PayloadError, match=r"\$\.when"):
        await pubsub.publish("orders/1", {"when": datetime(2026, 1, 1, tzinfo=UTC)})
    with pytest.raises(PayloadError, match="AWS IoT takes 131072"):
        await pubsub.publish("orders/1", bytes(200_000))
    with pytest.raises(ConfigurationError, match="QoS 2"):
        await pubsub.publish("orders/1", {}, qos=2)
    with pytest.raises(ConfigurationError, match="no topic"):
        await pubsub.publish([], {})
    with pytest.raises(TopicError, match="wildcard"):
        await pubsub.publish(["orders/1", "orders/+"], {})


async def test_a_subscription_is_checked_before_anything_is_sent(pubsub: PubSub) -> None:
    with pytest.raises(TopicError, match="not well-formed"):
        async with pubsub.subscribe("orders/#/x"):
            pass
    with pytest.raises(ConfigurationError, match="QoS 2"):
        async with pubsub.subscribe("orders/#", qos=2):
            pass
    with pytest.raises(ConfigurationError, match="buffer"):
        async with pubsub.subscribe("orders/#", buffer=0):
            pass
    with pytest.raises(ConfigurationError, match="no topic filter"):
        async with pubsub.subscribe([]):
            pass
    with pytest.raises(ConfigurationError, match="51 topic filters are more than the 50 that AWS IoT takes"):
        async with pubsub.subscribe(f"orders/{number}" for number in range(51)):
            pass


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("connect_timeout", 0),
        ("keep_alive", 29),
        ("keep_alive", 1201),
        ("session_expiry", -1),
        ("queue_size", 0),
        ("when_full", "drop"),
        ("attempts", 0),
        ("reconnect_delay", (0, 1)),
        ("reconnect_delay", (2, 1)),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_by_name(pubsub: PubSub, option: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=option):
        PubSub(pubsub._provider, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("will", [Message("a/#", 1), Message("a", {"b": object()}), Message("a", 1, qos=2)])
def test_a_last_will_is_checked_when_it_is_made(pubsub: PubSub, will: Message) -> None:
    with pytest.raises(ConfigurationError):
        PubSub(pubsub._provider, will=will)
