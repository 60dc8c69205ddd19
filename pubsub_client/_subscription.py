"""What is received: messages, and the subscription that a reader takes them from."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pubsub_client._payload import decode

if TYPE_CHECKING:
    from awscrt.mqtt5 import PublishPacket


@dataclass(frozen=True)
class Message:
    """One message received.

    Args:
        topic: the topic it was published to.
        payload: the JSON value; the bytes if it is no JSON, or was sent as bytes by this library.
        is_json: which of the two ``payload`` is.
        qos: 0 or 1, as it was delivered.
        retain: whether the broker had kept it from before the subscription.
    """

    topic: str
    payload: Any
    is_json: bool
    qos: int
    retain: bool


class Subscription:
    """The messages of one topic filter, to read with ``async for``; :meth:`PubSub.subscribe` makes it.

    Args:
        topic_filter: the topic filter.
        buffer: how many messages wait for the reader; when there are more, the oldest is dropped.
    """

    def __init__(self, topic_filter: str, buffer: int) -> None:
        self.topic_filter = topic_filter
        self.missed = 0
        """How many messages were dropped because the reader was too slow."""
        self._packets: deque[PublishPacket] = deque(maxlen=buffer)
        self._news = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Return the next message; stops when the connection is closed.

        Raises:
            SubscribeRefused: the broker refused the topic filter after a reconnection.
        """
        while not self._packets:
            if self._error:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        packet = self._packets.popleft()
        payload, is_json = decode(packet.payload or b"", packet.content_type)
        return Message(packet.topic, payload, is_json, int(packet.qos), bool(packet.retain))

    def put(self, packet: PublishPacket) -> None:
        """Hand a message to the reader."""
        if len(self._packets) == self._packets.maxlen:
            self.missed += 1
        self._packets.append(packet)
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """Let the reader take what has arrived, and then stop or raise the error."""
        self._ended = True
        self._error = self._error or error
        self._news.set()
