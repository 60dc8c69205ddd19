"""Waits for messages and states, with a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

from pubsub_client import ConnectionState, Message, PubSub, Subscription

SECONDS = 20.0


async def read(messages: Subscription, count: int) -> list[Message]:
    """Return the next messages."""
    async with asyncio.timeout(SECONDS):
        return [await anext(messages) for _ in range(count)]


async def next_of(messages: Subscription) -> Message:
    """Return the next message."""
    return (await read(messages, 1))[0]


@asynccontextmanager
async def watching(pubsub: PubSub) -> AsyncIterator[Callable[..., Awaitable[list[str | None]]]]:
    """Yield a function that waits for states in order from now on, and returns their reasons."""
    async with aclosing(pubsub.states()) as changes:
        await anext(changes)  # the current state

        async def until(*states: ConnectionState) -> list[str | None]:
            reasons: list[str | None] = []
            async with asyncio.timeout(SECONDS):
                while len(reasons) < len(states):
                    state, reason = await anext(changes)
                    if state is states[len(reasons)]:
                        reasons.append(reason)
            return reasons

        yield until
