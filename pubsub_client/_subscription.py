"""What is received: messages, and the subscription a reader takes them from."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True)
class Message:
    """One message received.

    Args:
        topic: the topic it was published to.
        payload: the JSON value, or the bytes if they are no JSON.
        is_json: whether the payload was JSON.
        qos: 0 or 1, as delivered.
        retain: whether it had been retained before the subscription.
    """

    topic: str
    payload: Any
    is_json: bool
    qos: int
    retain: bool


class Subscription:
    """Messages of one topic filter: an async context manager, and an async iterator inside it.

    A reader that falls behind loses the oldest messages and is told how many: see :attr:`missed`.
    """

    def __init__(
        self,
        topic_filter: str,
        buffer: int,
        enter: Callable[[Subscription], Awaitable[None]],
        leave: Callable[[Subscription], Awaitable[None]],
    ) -> None:
        """Not made by users: :meth:`PubSub.subscribe` does."""
        self.topic_filter = topic_filter
        self.missed = 0
        """How many messages were dropped because nobody took them in time."""
        self._messages: deque[Message] = deque(maxlen=buffer)
        self._arrived = asyncio.Event()
        self._ended: Exception | bool = False
        self._enter = enter
        self._leave = leave

    async def __aenter__(self) -> Self:
        await self._enter(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end(True)
        await self._leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._messages:
            if isinstance(self._ended, Exception):
                raise self._ended
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    def put(self, message: Message) -> None:
        """Hand a message to the reader; the oldest waiting one makes room if there is none."""
        if len(self._messages) == self._messages.maxlen:
            self.missed += 1
        self._messages.append(message)
        self._arrived.set()

    def end(self, why: Exception | bool) -> None:
        """Let the reader finish what has arrived and then stop, or raise the exception."""
        self._ended = why
        self._arrived.set()
