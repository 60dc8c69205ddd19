"""How coroutines that wait for their acknowledgement are kept many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.clients import IN_FLIGHT


async def publish_all(publish: Callable[[], Awaitable[None]], messages: int) -> None:
    """Publish so many messages, with the next one under way as soon as one is done."""
    left = iter(range(messages))

    async def in_turns() -> None:
        for _ in left:
            await publish()

    await asyncio.gather(*(in_turns() for _ in range(IN_FLIGHT)))
