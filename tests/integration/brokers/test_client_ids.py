"""Two clients with one client id, which end each other's connection."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing

import pytest

from pubsub_client import ConnectionState, PubSub
from tests.integration.brokers.conftest import Broker
from tests.integration.brokers.reading import SECONDS, watching


async def test_a_broker_that_tells_of_the_other_client_is_passed_on(cloud_broker: Broker) -> None:
    client_id = f"twice-{uuid.uuid4()}"
    async with PubSub(cloud_broker.provider, client_id=client_id) as pubsub, watching(pubsub) as until:
        async with PubSub(cloud_broker.provider, client_id=client_id):
            (reason,) = await until(ConnectionState.DISCONNECTED)
        await until(ConnectionState.CONNECTED)
    assert reason is not None
    assert "0x8e SESSION_TAKEN_OVER" in reason
    assert client_id in reason


# Before 2.0.15 mosquitto closes the connection without a word, so it is the loop that tells.
@pytest.mark.parametrize("of", ["cloud", "mosquitto"])
async def test_two_that_end_each_other_again_and_again_are_told_of_the_client_id(
    request: pytest.FixtureRequest, of: str
) -> None:
    broker: Broker = request.getfixturevalue(f"{of}_broker")
    client_id = f"twice-{uuid.uuid4()}"
    one, other = (PubSub(broker.provider, client_id=client_id, reconnect_delay=(0.02, 0.2)) for _ in range(2))
    async with one, other, asyncio.timeout(SECONDS):
        await asyncio.gather(*(_told_of(pubsub, client_id) for pubsub in (one, other)))


async def _told_of(pubsub: PubSub, client_id: str) -> None:
    async with aclosing(pubsub.states()) as changes:
        async for state, reason in changes:
            if state is ConnectionState.DISCONNECTED and reason and client_id in reason:
                return
