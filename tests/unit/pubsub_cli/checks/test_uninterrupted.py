from __future__ import annotations

import asyncio

import pytest

from pubsub_cli.checks.uninterrupted import uninterrupted


async def test_a_cancelled_caller_waits_until_the_work_has_ended() -> None:
    made: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        made.append("user")

    caller = asyncio.create_task(uninterrupted(work()))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert made == ["user"]


async def test_a_result_and_an_error_come_through() -> None:
    async def work(value: int) -> int:
        return 1 // value

    assert await uninterrupted(work(1)) == 1
    with pytest.raises(ZeroDivisionError):
        await uninterrupted(work(0))
