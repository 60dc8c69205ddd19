"""The client's checks of arguments, and the shared client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pubsub_client import (
    AwsIot,
    ConnectionState,
    Credentials,
    Message,
    MqttOverWebSocket,
    PubSub,
    _pubsub,
    configure,
    get,
)
from pubsub_client.exceptions import ConfigurationError, ConnectionLost, PayloadError, TopicError


class Source:
    async def credentials(self) -> Credentials:
        return Credentials("AKID", "secret", "token", datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def pubsub() -> PubSub:
    provider = AwsIot(endpoint="abc-ats.iot.eu-west-1.amazonaws.com", region="eu-west-1", credentials=Source())
    return PubSub(provider)


def test_client_id_is_random_unless_given(pubsub: PubSub) -> None:
    assert pubsub.client_id != PubSub(pubsub._provider).client_id
    assert PubSub(pubsub._provider, client_id="mine").client_id == "mine"


def test_invalid_client_id_is_rejected(pubsub: PubSub) -> None:
    with pytest.raises(ConfigurationError, match="client id"):
        PubSub(pubsub._provider, client_id="")


async def test_publish_and_subscribe_without_a_connection_raise(pubsub: PubSub) -> None:
    assert pubsub.state is ConnectionState.CLOSED
    with pytest.raises(ConnectionLost, match="async with"):
        await pubsub.publish("orders/1", {})
    with pytest.raises(ConnectionLost, match="async with"):
        async with pubsub.subscribe("orders/#"):
            pass


async def test_publish_checks_its_arguments(pubsub: PubSub) -> None:
    with pytest.raises(TopicError, match="wildcard"):
        await pubsub.publish("orders/#", {})
    with pytest.raises(TopicError, match="AWS IoT allows 7"):
        await pubsub.publish("a/b/c/d/e/f/g/h/i", {})
    with pytest.raises(PayloadError, match=r"\$\.when"):
        await pubsub.publish("orders/1", {"when": datetime(2026, 1, 1, tzinfo=UTC)})
    with pytest.raises(PayloadError, match="AWS IoT allows 131072"):
        await pubsub.publish("orders/1", bytes(200_000))
    with pytest.raises(ConfigurationError, match="QoS 2"):
        await pubsub.publish("orders/1", {}, qos=2)
    with pytest.raises(ConfigurationError, match="no topic"):
        await pubsub.publish([], {})
    with pytest.raises(TopicError, match="wildcard"):
        await pubsub.publish(["orders/1", "orders/+"], {})


async def test_subscribe_checks_its_arguments(pubsub: PubSub) -> None:
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
    with pytest.raises(ConfigurationError, match="51 topic filters exceed AWS IoT's limit of 50"):
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
def test_invalid_option_is_named(pubsub: PubSub, option: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=option):
        PubSub(pubsub._provider, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("will", [Message("a/#", 1), Message("a", {"b": object()}), Message("a", 1, qos=2)])
def test_last_will_is_checked(pubsub: PubSub, will: Message) -> None:
    with pytest.raises(ConfigurationError):
        PubSub(pubsub._provider, will=will)


def unreachable() -> PubSub:
    return PubSub(MqttOverWebSocket("ws://127.0.0.1:1/"))


@pytest.fixture
def shared() -> Iterator[None]:
    """Forget the shared client before and after the test."""
    _pubsub._shared.clear()
    yield
    _pubsub._shared.clear()


@pytest.mark.usefixtures("shared")
async def test_get_returns_the_configured_client_and_connects_it() -> None:
    pubsub = unreachable()
    configure(pubsub)
    states = [pubsub.state]
    assert get() is get() is pubsub
    states.append(pubsub.state)
    assert states == [ConnectionState.CLOSED, ConnectionState.CONNECTING]
    await get().close()


@pytest.mark.usefixtures("shared")
def test_get_needs_a_configured_client_and_a_running_loop() -> None:
    with pytest.raises(ConfigurationError, match="call configure"):
        get()
    configure(unreachable())
    with pytest.raises(ConfigurationError, match="no running event loop"):
        get()


@pytest.mark.usefixtures("shared")
async def test_configure_replaces_only_a_closed_client() -> None:
    configure(unreachable())
    get()
    with pytest.raises(ConfigurationError, match="close it"):
        configure(unreachable())
    await get().close()
    another = unreachable()
    configure(another)
    assert get() is another
    await another.close()
