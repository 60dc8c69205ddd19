"""The connection's state and its watchers."""

from __future__ import annotations

import asyncio

import pytest

from pubsub_client import ConnectionState
from pubsub_client._connection import StateChange, States
from pubsub_client.exceptions import ConnectionLost


async def test_a_watcher_sees_the_state_now_and_each_change_until_it_is_closed() -> None:
    states = States()
    states.change(ConnectionState.CONNECTING)
    seen = asyncio.create_task(collect(states))
    await asyncio.sleep(0)
    states.change(ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER")
    states.change(ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER")
    states.change(ConnectionState.CLOSED)
    assert await seen == [
        (ConnectionState.CONNECTING, None),
        (ConnectionState.DISCONNECTED, "0x8e SESSION_TAKEN_OVER"),
        (ConnectionState.CLOSED, None),
    ]


async def test_waiting_ends_when_the_connection_is_back() -> None:
    states = States()
    states.change(ConnectionState.DISCONNECTED, "gone")
    waiting = asyncio.create_task(states.until_connected(5))
    await asyncio.sleep(0)
    states.change(ConnectionState.CONNECTED)
    await waiting


async def test_waiting_too_long_tells_the_last_reason() -> None:
    states = States()
    states.change(ConnectionState.DISCONNECTED, "the vault is sealed")
    states.change(ConnectionState.CONNECTING)
    with pytest.raises(ConnectionLost, match="vault is sealed"):
        await states.until_connected(0.01)


async def test_waiting_ends_at_once_when_the_connection_is_closed() -> None:
    states = States()
    states.change(ConnectionState.CONNECTING)
    waiting = asyncio.create_task(states.until_connected(60))
    await asyncio.sleep(0)
    states.change(ConnectionState.CLOSED)
    with pytest.raises(ConnectionLost, match="async with"):
        await waiting


async def collect(states: States) -> list[StateChange]:
    return [change async for change in states.stream()]
