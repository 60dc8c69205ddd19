"""The way from other threads to the loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from pubsub_client._hop import Hop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


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


async def test_a_busy_loop_looks_by_itself_instead_of_being_woken_and_is_woken_again_when_it_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    wakes = 0
    woken_by = loop.call_soon_threadsafe

    def wake(callback: Callable[..., object]) -> asyncio.Handle:
        nonlocal wakes
        wakes += 1
        return woken_by(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", wake)
    busy = True
    hop = Hop(loop, lambda: busy)
    arrived: list[int] = []
    for number in range(5):
        hop.call(arrived.append, number)
        while len(arrived) <= number:  # noqa: ASYNC110 - it is the loop's own looking that is tested
            await asyncio.sleep(0)
    assert wakes == 1
    busy = False
    await asyncio.sleep(0.05)  # it looks, finds nothing, and waits to be woken
    hop.call(arrived.append, 5)
    await asyncio.sleep(0.01)
    assert (arrived, wakes) == (list(range(6)), 2)


async def test_a_loop_that_is_not_busy_is_woken_for_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    wakes: list[Callable[..., object]] = []
    monkeypatch.setattr(loop, "call_soon_threadsafe", wakes.append)
    hop = Hop(loop)
    for number in range(3):
        hop.call(list)
        assert len(wakes) == number + 1
        wakes[-1]()


async def test_an_endless_burst_leaves_the_loop_time_for_what_it_has_to_do_besides() -> None:
    hop = Hop(asyncio.get_running_loop())
    made = 0

    def call_again() -> None:
        nonlocal made
        made += 1
        if made < 10_000:
            hop.call(call_again)

    hop.call(call_again)
    for _ in range(5):
        await asyncio.sleep(0)
    assert 0 < made < 1000


async def test_a_call_that_fails_is_told_to_the_loop_and_keeps_no_other_away() -> None:
    loop = asyncio.get_running_loop()
    told: list[object] = []
    loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
    hop = Hop(loop)
    arrived: list[int] = []
    hop.call(int, "no number")
    hop.call(arrived.append, 1)
    await asyncio.sleep(0.01)
    assert arrived == [1]
    assert isinstance(told[0], ValueError)
