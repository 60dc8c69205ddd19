"""Client ids, the bridge from other threads to the loop, and the private function of awscrt that publishes."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from unittest.mock import Mock

import pytest
from awscrt import mqtt5

from pubsub_client import _mqtt5
from pubsub_client._messages import OCTETS, Packet
from pubsub_client._transport import ClientId, LoopBridge


def test_random_client_id_keeps_its_value_behind_the_prefix() -> None:
    client_id = ClientId()
    random = uuid.UUID(str(client_id))
    client_id.prefix = "us-east-1:1234-"
    assert str(client_id) == f"us-east-1:1234-{random}"
    assert str(ClientId()) != str(ClientId())


def test_fixed_client_id_has_no_prefix() -> None:
    client_id = ClientId("tablet-7")
    client_id.prefix = "us-east-1:1234-"
    assert str(client_id) == "tablet-7"


@pytest.mark.parametrize("content_type", [None, OCTETS])
def test_publish_passes_the_same_arguments_as_awscrt(monkeypatch: pytest.MonkeyPatch, content_type: str | None) -> None:
    """The client calls a private function of awscrt: an update of awscrt that changes it must be noticed."""
    publish = Mock()
    monkeypatch.setattr("_awscrt.mqtt5_client_publish", publish)
    client = object.__new__(_mqtt5._Client)
    client._binding = object()
    client.publish(mqtt5.PublishPacket(b"{}", mqtt5.QoS.AT_LEAST_ONCE, True, "a/b", content_type=content_type))
    client.publish_with_callback(Packet("a/b", b"{}", 1, retain=True, content_type=content_type), completed := Mock())
    (*theirs, their_callback), (*ours, our_callback) = (call.args for call in publish.call_args_list)
    assert ours == theirs
    assert our_callback is completed
    names = their_callback.__code__.co_varnames[:5]
    assert names == ("error_code", "qos", "reason_code", "reason_string", "user_properties_tuples")


async def test_bridge_keeps_the_order_of_each_thread() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    arrived: dict[int, list[int]] = {0: [], 1: []}
    callers = set()

    def arrive(thread: int, number: int) -> None:
        callers.add(threading.get_ident())
        arrived[thread].append(number)

    def make_calls(thread: int) -> None:
        for number in range(1000):
            bridge.call(arrive, thread, number)

    await asyncio.gather(*(asyncio.to_thread(make_calls, thread) for thread in arrived))
    async with asyncio.timeout(30):
        while sum(map(len, arrived.values())) < 2000:  # noqa: ASYNC110 - the test is about the loop's own checks
            await asyncio.sleep(0.001)
    assert arrived == {0: list(range(1000)), 1: list(range(1000))}
    assert callers == {threading.get_ident()}


@pytest.fixture
async def wakes(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., object]]:
    """The callbacks that woke the loop, which still runs them."""
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe
    wakes: list[Callable[..., object]] = []

    def record(callback: Callable[..., object]) -> asyncio.Handle:
        wakes.append(callback)
        return wake(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", record)
    return wakes


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_bridge_wakes_the_loop_once_for_a_burst(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    arrived: list[int] = []
    for number in range(100):
        bridge.call(arrived.append, number)
    assert len(wakes) == 1
    await settled()
    assert arrived == list(range(100))


async def test_bridge_wakes_a_quiet_loop_for_each_call(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    for number in range(3):
        bridge.call(list)
        assert len(wakes) == number + 1
        await settled()


async def test_bridge_wakes_a_busy_loop_once_a_batch(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop(), lambda: 40)
    arrived: list[int] = []
    bridge.call(arrived.append, 0)
    await settled()
    for number in range(1, 20):
        bridge.call(arrived.append, number)
    assert (arrived, len(wakes)) == ([0], 1)
    bridge.call(arrived.append, 20)
    assert len(wakes) == 2
    await settled()
    assert arrived == list(range(21))


async def test_bridge_runs_an_incomplete_batch_without_waking(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop(), lambda: 40)
    arrived: list[int] = []
    bridge.call(arrived.append, 0)
    await settled()
    bridge.call(arrived.append, 1)
    async with asyncio.timeout(30):
        while len(arrived) < 2:  # noqa: ASYNC110 - the test is about the loop's own checks
            await asyncio.sleep(0.001)
    assert len(wakes) == 1


async def test_bridge_wakes_a_loop_that_found_no_batch(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop(), lambda: 40)
    bridge.call(list)
    async with asyncio.timeout(30):
        while len(wakes) < 2:  # the loop checks once, and then waits to be woken
            await asyncio.sleep(0.01)
            bridge.call(list)


async def test_bridge_leaves_the_loop_time_during_an_endless_burst() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    calls = 0

    def call_again() -> None:
        nonlocal calls
        calls += 1
        if calls < 10_000:
            bridge.call(call_again)

    bridge.call(call_again)
    for _ in range(5):
        await asyncio.sleep(0)
    assert 0 < calls < 1000


async def test_bridge_reports_a_failed_call_and_runs_the_others() -> None:
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    bridge = LoopBridge(loop)
    arrived: list[int] = []
    bridge.call(int, "no number")
    bridge.call(arrived.append, 1)
    await settled()
    assert arrived == [1]
    assert isinstance(reported[0], ValueError)
