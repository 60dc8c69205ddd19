"""The way from other threads to the loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pubsub_client._hop import Hop

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_calls_of_several_threads_arrive_on_the_loop_each_in_its_order() -> None:
    hop = Hop(asyncio.get_running_loop())
    arrived: dict[int, list[int]] = {0: [], 1: []}
    callers = set()

    def arrive(thread: int, number: int) -> None:
        callers.add(threading.get_ident())
        arrived[thread].append(number)

    def make_calls(thread: int) -> None:
        for number in range(1000):
            hop.call(arrive, thread, number)

    await asyncio.gather(*(asyncio.to_thread(make_calls, thread) for thread in arrived))
    await asyncio.sleep(0.01)
    assert arrived == {0: list(range(1000)), 1: list(range(1000))}
    assert callers == {threading.get_ident()}


async def test_a_burst_wakes_the_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wakes: list[Callable[..., object]] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", wakes.append)
    hop = Hop(loop)
    arrived: list[int] = []
    for number in range(100):
        hop.call(arrived.append, number)
    assert len(wakes) == 1
    wakes[0]()
    assert arrived == list(range(100))


async def test_a_future_of_another_thread_is_followed() -> None:
    hop = Hop(asyncio.get_running_loop())
    good: concurrent.futures.Future[int] = concurrent.futures.Future()
    bad: concurrent.futures.Future[int] = concurrent.futures.Future()
    followed: list[asyncio.Future[Any]] = [hop.follow(good), hop.follow(bad)]
    good.set_result(1)
    bad.set_exception(RuntimeError("broken"))
    assert await followed[0] == 1
    with pytest.raises(RuntimeError, match="broken"):
        await followed[1]


async def test_a_follower_that_was_cancelled_is_left_alone() -> None:
    hop = Hop(asyncio.get_running_loop())
    source: concurrent.futures.Future[int] = concurrent.futures.Future()
    hop.follow(source).cancel()
    source.set_result(1)
    await asyncio.sleep(0.01)
