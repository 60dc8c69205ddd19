"""The way from other threads to the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from pubsub_client._transport import LoopBridge


async def test_calls_of_several_threads_arrive_on_the_loop_each_in_its_order() -> None:
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
    async with asyncio.timeout(5):
        while sum(map(len, arrived.values())) < 2000:  # noqa: ASYNC110 - it is the loop's own looking that is tested
            await asyncio.sleep(0.001)
    assert arrived == {0: list(range(1000)), 1: list(range(1000))}
    assert callers == {threading.get_ident()}


async def test_a_burst_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wakes: list[Callable[..., object]] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", wakes.append)
    bridge = LoopBridge(loop)
    arrived: list[int] = []
    for number in range(100):
        bridge.call(arrived.append, number)
    assert len(wakes) == 1
    wakes[0]()
    assert arrived == list(range(100))


@pytest.fixture
async def wakes(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., object]]:
    """What woke the loop, while it is still woken."""
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe
    wakes: list[Callable[..., object]] = []

    def note(callback: Callable[..., object]) -> asyncio.Handle:
        wakes.append(callback)
        return wake(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", note)
    return wakes


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_quiet_loop_is_woken_for_each_call(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    for number in range(3):
        bridge.call(list)
        assert len(wakes) == number + 1
        await settled()


async def test_busy_loop_is_woken_once_a_batch(wakes: list[Callable[..., object]]) -> None:
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


async def test_busy_loop_finds_an_incomplete_batch_without_being_woken(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop(), lambda: 40)
    arrived: list[int] = []
    bridge.call(arrived.append, 0)
    await settled()
    bridge.call(arrived.append, 1)
    async with asyncio.timeout(5):
        while len(arrived) < 2:  # noqa: ASYNC110 - it is the loop's own looking that is tested
            await asyncio.sleep(0.001)
    assert len(wakes) == 1


async def test_busy_loop_is_woken_by_the_next_call_after_it_found_none(wakes: list[Callable[..., object]]) -> None:
    bridge = LoopBridge(asyncio.get_running_loop(), lambda: 40)
    bridge.call(list)
    async with asyncio.timeout(5):
        while len(wakes) < 2:  # the loop looks once, and then waits to be woken
            await asyncio.sleep(0.01)
            bridge.call(list)


async def test_an_endless_burst_leaves_the_loop_time_for_what_it_has_to_do_besides() -> None:
    bridge = LoopBridge(asyncio.get_running_loop())
    made = 0

    def call_again() -> None:
        nonlocal made
        made += 1
        if made < 10_000:
            bridge.call(call_again)

    bridge.call(call_again)
    for _ in range(5):
        await asyncio.sleep(0)
    assert 0 < made < 1000


async def test_failed_call_is_reported_to_the_loop_and_loses_no_other() -> None:
    loop = asyncio.get_running_loop()
    told: list[object] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    bridge = LoopBridge(loop)
    arrived: list[int] = []
    bridge.call(int, "no number")
    bridge.call(arrived.append, 1)
    await settled()
    assert arrived == [1]
    assert isinstance(told[0], ValueError)
