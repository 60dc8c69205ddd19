"""One client for all modules of a program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pubsub_client import ConnectionState, MqttOverWebSocket, PubSub, _pubsub, configure, get
from pubsub_client.exceptions import ConfigurationError

NOBODY_THERE = "ws://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def nothing_configured() -> Iterator[None]:
    yield
    _pubsub._shared.clear()


async def test_everybody_gets_the_client_that_was_configured_and_it_connects_in_the_background() -> None:
    pubsub = PubSub(MqttOverWebSocket(NOBODY_THERE))
    configure(pubsub)
    before = pubsub.state
    assert get() is get() is pubsub
    assert (before, pubsub.state) == (ConnectionState.CLOSED, ConnectionState.CONNECTING)
    await get().close()


def test_without_a_client_configured_it_is_told_what_to_call() -> None:
    with pytest.raises(ConfigurationError, match="call configure"):
        get()


def test_without_a_running_loop_it_is_told() -> None:
    configure(PubSub(MqttOverWebSocket(NOBODY_THERE)))
    with pytest.raises(ConfigurationError, match="no running event loop"):
        get()


async def test_another_client_takes_its_place_only_when_it_is_closed() -> None:
    configure(PubSub(MqttOverWebSocket(NOBODY_THERE)))
    get()
    with pytest.raises(ConfigurationError, match="close it"):
        configure(PubSub(MqttOverWebSocket(NOBODY_THERE)))
    await get().close()
    another = PubSub(MqttOverWebSocket(NOBODY_THERE))
    configure(another)
    assert get() is another
    await another.close()
